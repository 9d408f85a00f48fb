//! A report of any kind, read from the JSON that some run wrote.

use serde::Deserialize;

use super::saved::SavedPlan;
use super::{ApplyReport, DriftReport, FORMAT, PlanReport, ValidateReport, json};
use crate::model::version::newer;

/// A report of one of the kinds that can be shown in every form.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum AnyReport {
    Plan(Box<PlanReport>),
    Apply(Box<ApplyReport>),
    Drift(Box<DriftReport>),
    /// What is wrong with the files.
    Validate(Box<ValidateReport>),
}

/// Why a text is not such a report.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// It is no JSON, or lacks what every report begins with.
    #[error("this is not a report of roomctl")]
    Other(#[source] serde_json::Error),
    /// It is of a kind without other forms.
    #[error("a report of the kind `{0}` has no other form")]
    Kind(String),
    /// It is of a later format.
    #[error("the report has format {0}, and this version reads {FORMAT}")]
    Newer(String),
}

impl AnyReport {
    /// Reads a report, or the one in a saved plan. The version is looked at before the rest; fields that are not
    /// known are left out.
    pub(crate) fn parse(text: &str) -> Result<Self, ReadError> {
        #[derive(Deserialize)]
        struct Head {
            kind: String,
        }
        if let Some(version) = newer(text.as_bytes(), FORMAT) {
            return Err(ReadError::Newer(version));
        }
        let head: Head = serde_json::from_str(text).map_err(ReadError::Other)?;
        let read = match head.kind.as_str() {
            "plan" => serde_json::from_str(text).map(Self::Plan),
            "apply" => serde_json::from_str(text).map(Self::Apply),
            "drift" => serde_json::from_str(text).map(Self::Drift),
            "validate" => serde_json::from_str(text).map(Self::Validate),
            "saved-plan" => serde_json::from_str(text)
                .and_then(|saved: SavedPlan| serde_json::from_value::<PlanReport>(saved.report))
                .map(|plan| Self::Plan(Box::new(plan))),
            other => return Err(ReadError::Kind(other.escape_debug().to_string())),
        };
        read.map_err(ReadError::Other)
    }

    /// The report as JSON.
    pub(crate) fn json(&self) -> serde_json::Result<String> {
        match self {
            Self::Plan(report) => json(report),
            Self::Apply(report) => json(report),
            Self::Drift(report) => json(report),
            Self::Validate(report) => json(report),
        }
    }
}

macro_rules! any {
    ($($report:ident => $kind:ident),*) => {
        $(impl From<$report> for AnyReport {
            fn from(report: $report) -> Self {
                Self::$kind(Box::new(report))
            }
        })*
    };
}

any!(PlanReport => Plan, ApplyReport => Apply, DriftReport => Drift, ValidateReport => Validate);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_reports_of_this_format_are_read() {
        let told = |text: &str| AnyReport::parse(text).unwrap_err().to_string();
        assert!(told("").contains("not a report"));
        assert!(told("{}").contains("not a report"));
        assert!(told(r#"{"format_version":"1.0","kind":"plan"}"#).contains("not a report"));
        assert!(told(r#"{"format_version":"1.0","kind":"state-list"}"#).contains("`state-list`"));
        assert!(told(r#"{"format_version":"2.0","kind":"plan"}"#).contains("format 2.0"));
    }

    #[test]
    fn fields_of_a_later_version_are_left_out() {
        let text = r#"{"format_version":"1.9","kind":"validate","new":1,
            "summary":{"files":1,"errors":0,"warnings":0,"notes":0,"more":2},"findings":[]}"#;
        assert!(matches!(AnyReport::parse(text), Ok(AnyReport::Validate(_))));
    }
}
