//! A report of any kind, read from the JSON that some run wrote.

use std::borrow::Cow;
use std::io::Write;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};
use serde_json::json;

use super::envelope::{self, Envelope, ReadError, Report, write_json};
use super::saved::SavedPlan;
use super::{ApplyReport, DriftReport, PlanReport, StacksReport, ValidateReport};

/// A report of one of the kinds that can be shown in every form.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum AnyReport {
    Plan(Box<PlanReport>),
    Apply(Box<ApplyReport>),
    Drift(Box<DriftReport>),
    Validate(Box<ValidateReport>),
    /// Several of the others.
    Stacks(Box<StacksReport>),
}

impl AnyReport {
    /// Reads a report, or the one in a saved plan. The version is looked at before the rest; fields that are not
    /// known are left out.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, ReadError> {
        match envelope::kind(text)?.as_str() {
            StacksReport::KIND => Ok(Self::Stacks(Box::new(StacksReport::parse(text)?))),
            kind => Self::of_kind(kind, text),
        }
    }

    /// The same of one that is of no several stacks.
    pub(super) fn parse_one(text: &[u8]) -> Result<Self, ReadError> {
        Self::of_kind(&envelope::kind(text)?, text)
    }

    fn of_kind(kind: &str, text: &[u8]) -> Result<Self, ReadError> {
        Ok(match kind {
            PlanReport::KIND => Self::Plan(serde_json::from_slice(text)?),
            ApplyReport::KIND => Self::Apply(serde_json::from_slice(text)?),
            DriftReport::KIND => Self::Drift(serde_json::from_slice(text)?),
            ValidateReport::KIND => Self::Validate(serde_json::from_slice(text)?),
            SavedPlan::KIND => Self::Plan(Box::new(SavedPlan::parse(text)?.report)),
            other => return Err(ReadError::kind(other)),
        })
    }

    pub(crate) fn write_json(&self, to: &mut dyn Write) -> serde_json::Result<()> {
        match self {
            Self::Plan(report) => write_json(report.as_ref(), to),
            Self::Apply(report) => write_json(report.as_ref(), to),
            Self::Drift(report) => write_json(report.as_ref(), to),
            Self::Validate(report) => write_json(report.as_ref(), to),
            Self::Stacks(report) => write_json(report.as_ref(), to),
        }
    }
}

/// As a part of a report of several stacks.
impl Serialize for AnyReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Plan(report) => envelope::serialize(report.as_ref(), serializer),
            Self::Apply(report) => envelope::serialize(report.as_ref(), serializer),
            Self::Drift(report) => envelope::serialize(report.as_ref(), serializer),
            Self::Validate(report) => envelope::serialize(report.as_ref(), serializer),
            Self::Stacks(report) => envelope::serialize(report.as_ref(), serializer),
        }
    }
}

impl JsonSchema for AnyReport {
    fn schema_name() -> Cow<'static, str> {
        "AnyReport".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut any = Schema::default();
        let kinds = [
            Envelope::<PlanReport>::json_schema(generator),
            Envelope::<ApplyReport>::json_schema(generator),
            Envelope::<DriftReport>::json_schema(generator),
            Envelope::<ValidateReport>::json_schema(generator),
        ];
        any.insert("anyOf".to_owned(), json!(kinds));
        any
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

any!(
    PlanReport => Plan,
    ApplyReport => Apply,
    DriftReport => Drift,
    ValidateReport => Validate,
    StacksReport => Stacks
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_reports_of_this_format_are_read() {
        let refusal = |text: &str| AnyReport::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(refusal("").contains("not a report"));
        assert!(refusal("{}").contains("not a report"));
        assert!(refusal(r#"{"format_version":"1.0","kind":"plan"}"#).contains("not a report"));
        assert!(
            refusal(r#"{"format_version":"1.0","kind":"state-list"}"#).contains("`state-list`")
        );
        assert!(refusal(r#"{"format_version":"2.0","kind":"plan"}"#).contains("format 2.0"));
    }

    #[test]
    fn fields_of_a_later_version_are_left_out() {
        let text = r#"{"format_version":"1.9","kind":"validate","new":1,
            "summary":{"files":1,"errors":0,"warnings":0,"notes":0,"more":2},"findings":[]}"#;
        assert!(matches!(
            AnyReport::parse(text.as_bytes()),
            Ok(AnyReport::Validate(_))
        ));
    }
}
