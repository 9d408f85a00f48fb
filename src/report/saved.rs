//! A saved plan: a plan in a file, to be applied later.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::envelope::{self, Envelope, ReadError, Report};
use super::{PlanReport, StateId};
use crate::planner::{SavedChange, Selection};

/// What was looked at, and how far the plan may go. `apply` makes its own plan in the same way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Mode {
    /// Whether the service was looked at.
    pub live: bool,
    /// Whether only what the service moved is put back.
    pub drift_only: bool,
    /// Whether rooms that no file wants are archived.
    pub prune: bool,
}

/// A plan that was saved. Holds no secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "roomctl saved plan")]
pub(crate) struct SavedPlan {
    /// Version of the program that made it.
    pub roomctl: String,
    /// The app whose rooms these are.
    pub app: String,
    /// The state that the files were compared with.
    pub state: StateId,
    /// How it was made.
    pub mode: Mode,
    /// The rooms that it was made for.
    #[serde(default, skip_serializing_if = "Selection::is_empty")]
    pub selection: Selection,
    /// Its changes, in the order of the plan.
    pub changes: Vec<SavedChange>,
    /// The report of the plan, for `render` and for people.
    #[schemars(with = "Envelope<'_, PlanReport>")]
    pub report: Json,
}

impl Report for SavedPlan {
    const KIND: &'static str = "saved-plan";
}

impl SavedPlan {
    pub(crate) fn new(
        mode: Mode,
        selection: Selection,
        changes: Vec<SavedChange>,
        report: &PlanReport,
    ) -> serde_json::Result<Self> {
        Ok(Self {
            roomctl: env!("CARGO_PKG_VERSION").to_owned(),
            app: report.app.clone(),
            state: report.state.clone(),
            mode,
            selection,
            changes,
            report: envelope::json_value(report)?,
        })
    }

    /// Reads a file. The version is looked at before the rest.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, ReadError> {
        match envelope::kind(bytes)?.as_str() {
            Self::KIND => Ok(serde_json::from_slice(bytes)?),
            other => Err(ReadError::kind(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_plan_of_this_format_is_refused() {
        let refusal = |text: &str| SavedPlan::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(refusal("").contains("not a report"));
        assert!(refusal("[1]").contains("not a report"));
        assert!(refusal(r#"{"kind":"saved-plan"}"#).contains("not a report"));
        assert!(refusal(r#"{"format_version":"1.0","kind":"plan"}"#).contains("the kind `plan`"));
        assert!(refusal(r#"{"format_version":"2.0","kind":"saved-plan"}"#).contains("format 2.0"));
        assert!(
            refusal(r#"{"format_version":"1.7","kind":"saved-plan"}"#).contains("not a report")
        );
    }
}
