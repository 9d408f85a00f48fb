//! The report of a validation.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Finding, Place, Related, Severity};

/// Everything that is wrong or doubtful in the files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "roomctl validate report")]
pub(crate) struct ValidateReport {
    /// How much was looked at and found.
    pub summary: Summary,
    /// The findings, by file and place.
    pub findings: Vec<FindingReport>,
}

impl ValidateReport {
    /// What several runs over the same files found, each finding once.
    pub(crate) fn joined(all: impl IntoIterator<Item = Self>) -> Self {
        let (mut files, mut findings) = (0, Vec::new());
        for one in all {
            files = one.summary.files.max(files);
            findings.extend(one.findings);
        }
        let key = |one: &FindingReport| {
            let message = (one.rule.clone(), one.message.clone(), one.room.clone());
            (one.file.clone(), one.line, one.column, message)
        };
        findings.sort_by_cached_key(key);
        findings.dedup();
        let of = |severity| {
            findings
                .iter()
                .filter(|one| one.severity == severity)
                .count() as u64
        };
        let summary = Summary {
            files,
            errors: of(Severity::Error),
            warnings: of(Severity::Warning),
            notes: of(Severity::Note),
        };
        Self { summary, findings }
    }
}

/// How much was looked at and found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Summary {
    /// Files looked at.
    pub files: u64,
    /// Errors: while there is one, nothing is planned.
    pub errors: u64,
    /// Findings that probably were not meant.
    pub warnings: u64,
    /// Findings worth knowing.
    pub notes: u64,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct FindingReport {
    /// The file.
    pub file: String,
    /// Line, from 1; null: the whole file.
    pub line: Option<u32>,
    /// Column in characters, from 1; null: the whole file.
    pub column: Option<u32>,
    /// Column behind the last character; null when only a point is known. What is beyond the line does not
    /// count.
    pub end_column: Option<u32>,
    /// Stable name of the check.
    pub rule: String,
    /// How much it weighs.
    pub severity: Severity,
    /// The room it is about; null when that is not known.
    pub room: Option<String>,
    /// Wire name of the attribute it is about; null when it is about none.
    pub attribute: Option<String>,
    /// What is wrong.
    pub message: String,
    /// Why that is wrong or doubtful.
    pub note: Option<String>,
    /// What to do about it.
    pub help: Option<String>,
    /// Other places that have to do with it.
    pub related: Vec<RelatedReport>,
}

/// Another place that has to do with a finding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct RelatedReport {
    /// The file.
    pub file: String,
    /// Line, from 1.
    pub line: Option<u32>,
    /// Column in characters, from 1.
    pub column: Option<u32>,
    /// Column behind the last character; null when only a point is known.
    pub end_column: Option<u32>,
    /// What it has to do with the finding.
    pub label: String,
}

fn known(number: u32) -> Option<u32> {
    Some(number).filter(|number| *number > 0)
}

fn end(place: Place) -> Option<u32> {
    known(place.width).map(|width| place.column.saturating_add(width))
}

impl From<&Related> for RelatedReport {
    fn from(related: &Related) -> Self {
        Self {
            file: related.file.clone(),
            line: known(related.place.line),
            column: known(related.place.column),
            end_column: end(related.place),
            label: related.label.clone(),
        }
    }
}

impl From<&Finding> for FindingReport {
    fn from(finding: &Finding) -> Self {
        Self {
            file: finding.file.clone(),
            line: known(finding.place.line),
            column: known(finding.place.column),
            end_column: end(finding.place),
            rule: finding.rule.name().to_owned(),
            severity: finding.severity,
            room: finding.room.clone(),
            attribute: finding.attribute.map(str::to_owned),
            message: finding.message.clone(),
            note: finding.rule.why().map(str::to_owned),
            help: finding.help.clone(),
            related: finding.related.iter().map(RelatedReport::from).collect(),
        }
    }
}

impl ValidateReport {
    /// The report of `findings` in `files` files.
    pub(crate) fn new(files: usize, findings: &[Finding]) -> Self {
        let count = |severity| findings.iter().filter(|f| f.severity == severity).count() as u64;
        Self {
            summary: Summary {
                files: files as u64,
                errors: count(Severity::Error),
                warnings: count(Severity::Warning),
                notes: count(Severity::Note),
            },
            findings: findings.iter().map(FindingReport::from).collect(),
        }
    }
}
