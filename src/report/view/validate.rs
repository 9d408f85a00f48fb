//! The view of findings.

use super::{Item, Items, View, Weight};
use crate::model::Severity;
use crate::model::words::plural;
use crate::report::validate::{FindingReport, ValidateReport};

pub(super) fn validate(report: &ValidateReport) -> View<'_> {
    let s = report.summary;
    let counts = [
        ("file", s.files),
        ("error", s.errors),
        ("warning", s.warnings),
        ("note", s.notes),
    ];
    let counts = counts.into_iter().filter(|(_, number)| *number > 0);
    View {
        kind: "validate",
        title: "Room files".to_owned(),
        items: Items::of(report.findings.iter().collect(), |finding| item(finding)),
        counts: counts.map(|(one, n)| (plural(n, one), n)).collect(),
        nothing: report
            .findings
            .is_empty()
            .then_some("nothing to complain about"),
        ..View::default()
    }
    .printable()
}

fn item(finding: &FindingReport) -> Item {
    let (weight, sign) = match finding.severity {
        Severity::Error => (Weight::Error, "✗"),
        Severity::Warning => (Weight::Warning, "!"),
        Severity::Note => (Weight::Notice, "·"),
    };
    Item {
        file: Some(finding.file.clone()),
        line: finding.line,
        column: finding.column,
        message: Some(finding.message.clone()),
        details: finding.help.iter().cloned().collect(),
        ..Item::new(weight, sign, finding.severity.name(), &finding.rule)
    }
}
