//! Findings as text.

use super::snippet::{Sources, finding};
use super::{DIM, count, paint};
use crate::model::Severity;
use crate::report::validate::{FindingReport, ValidateReport};

/// A validation, as text: the findings, and a line that sums them up.
pub(crate) fn validate(report: &ValidateReport, sources: Sources<'_>, most: usize) -> String {
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
    format!("{}{}.\n", findings(report, sources, most), parts.join(", "))
}

/// The findings alone, at most so many: what weighs more goes first when they are too many, and the order of
/// the files is kept.
pub(crate) fn findings(report: &ValidateReport, sources: Sources<'_>, most: usize) -> String {
    let mut chosen: Vec<(usize, &FindingReport)> = report.findings.iter().enumerate().collect();
    chosen.sort_by_key(|(_, finding)| finding.severity);
    let left_out = chosen.split_off(most.min(chosen.len()));
    chosen.sort_by_key(|(index, _)| *index);
    let mut text: String = chosen.iter().map(|(_, f)| finding(f, sources)).collect();
    if !left_out.is_empty() {
        text += &format!("{}\n\n", paint(DIM, more(&left_out)));
    }
    text
}

/// `… and 12 more: 3 errors, 9 warnings`.
fn more(left_out: &[(usize, &FindingReport)]) -> String {
    let of = |severity| {
        left_out
            .iter()
            .filter(|(_, f)| f.severity == severity)
            .count() as u64
    };
    let kinds = [
        (of(Severity::Error), "error", "errors"),
        (of(Severity::Warning), "warning", "warnings"),
        (of(Severity::Note), "note", "notes"),
    ];
    let kinds = kinds.into_iter().filter(|(number, _, _)| *number > 0);
    let kinds: Vec<String> = kinds.map(|(n, one, many)| count(n, one, many)).collect();
    format!(
        "… and {} more ({}); `roomctl validate --format json` has all of them",
        left_out.len(),
        kinds.join(", ")
    )
}
