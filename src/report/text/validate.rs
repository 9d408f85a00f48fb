//! Findings as text.

use super::snippet::{Sources, finding};
use super::{DIM, paint};
use crate::model::Severity;
use crate::model::words::{count, joined};
use crate::report::validate::{FindingReport, ValidateReport};

/// The findings, at most so many: what weighs more goes first when they are too many, and the order of
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
    let kinds = [Severity::Error, Severity::Warning, Severity::Note].into_iter();
    let kinds = kinds.filter_map(|severity| {
        let of_it = left_out.iter().filter(|(_, f)| f.severity == severity);
        let number = of_it.count() as u64;
        (number > 0).then(|| count(number, severity.name()))
    });
    let (number, kinds) = (left_out.len(), joined(kinds, ", ").unwrap_or_default());
    format!("… and {number} more ({kinds}); `roomctl validate --format json` has all of them")
}
