//! Findings as text.

use std::fmt::Write;

use super::{BLUE, BOLD, DIM, RED, YELLOW, count, paint, printable};
use crate::model::Severity;
use crate::report::validate::{FindingReport, ValidateReport};

/// A validation, as text: the findings, and a line that sums them up.
pub fn validate(report: &ValidateReport) -> String {
    let s = report.summary;
    let mut parts = vec![count(s.files, "file", "files")];
    for (number, one, many) in [
        (s.errors, "error", "errors"),
        (s.warnings, "warning", "warnings"),
        (s.notes, "note", "notes"),
    ] {
        if number > 0 {
            parts.push(count(number, one, many));
        }
    }
    if report.findings.is_empty() {
        parts.push("nothing to complain about".to_owned());
    }
    format!("{}{}.\n", findings(report), parts.join(", "))
}

/// The findings alone.
pub fn findings(report: &ValidateReport) -> String {
    report.findings.iter().map(finding).collect()
}

fn finding(finding: &FindingReport) -> String {
    let style = match finding.severity {
        Severity::Error => RED,
        Severity::Warning => YELLOW,
        Severity::Note => BLUE,
    };
    let mut place = printable(&finding.file);
    for number in [finding.line, finding.column].into_iter().flatten() {
        let _ = write!(place, ":{number}");
    }
    let severity = paint(style.bold(), finding.severity.word());
    let rule = paint(DIM, format!("[{}]", finding.rule));
    let mut text = format!(
        "{}: {severity}{rule}: {}\n",
        paint(BOLD, place),
        printable(&finding.message)
    );
    if let Some(help) = &finding.help {
        let _ = writeln!(text, "    {} {}", paint(DIM, "help:"), printable(help));
    }
    text
}
