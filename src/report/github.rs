//! Reports as commands of a GitHub workflow: each finding becomes an annotation at its line.

use std::fmt::Write;

use super::ValidateReport;
use crate::model::Severity;

/// One annotation a finding.
pub fn validate(report: &ValidateReport) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        let level = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "notice",
        };
        let _ = write!(text, "::{level} file={}", property(&finding.file));
        // Without a place it is about the whole file.
        if let (Some(line), Some(column)) = (finding.line, finding.column) {
            let _ = write!(text, ",line={line},col={column}");
        }
        let help = finding.help.as_deref().unwrap_or_default();
        let end = if help.is_empty() { "" } else { "\n" };
        let message = format!("{}{end}{help}", finding.message);
        let _ = writeln!(
            text,
            ",title={}::{}",
            property(&finding.rule),
            data(&message)
        );
    }
    text
}

/// A text in the place of a message. Nothing in it can end the command, or begin another.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// A text in the place of a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Finding, Place};

    #[test]
    fn nothing_gets_out_of_an_annotation() {
        let finding = Finding {
            file: "rooms/a,b:c.yaml".into(),
            place: Place {
                line: 2,
                column: 5,
                width: 3,
            },
            rule: "wrong-type",
            severity: Severity::Error,
            room: None,
            message: "100% wrong\r\n::error::injected".into(),
            help: Some("write it, like this".into()),
            related: Vec::new(),
        };
        let whole = Finding {
            place: Place::WHOLE_FILE,
            severity: Severity::Warning,
            help: None,
            message: "is hidden".into(),
            ..finding.clone()
        };
        let report = ValidateReport::new(1, &[finding, whole]);
        assert_eq!(
            validate(&report),
            "::error file=rooms/a%2Cb%3Ac.yaml,line=2,col=5,title=wrong-type::100%25 wrong%0D%0A::error::injected%0Awrite it, like this\n\
             ::warning file=rooms/a%2Cb%3Ac.yaml,title=wrong-type::is hidden\n"
        );
    }
}
