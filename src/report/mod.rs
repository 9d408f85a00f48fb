//! What users and other programs read: versioned reports, and their rendering as text.
//!
//! A report is a frozen copy with its own field names, so that the types inside can change freely.
//! Pure: uses only `model` and `planner`.

pub(crate) mod any;
pub(crate) mod apply;
pub(crate) mod drift;
pub(crate) mod excerpt;
pub(crate) mod github;
pub(crate) mod html;
pub(crate) mod import;
pub(crate) mod markdown;
pub(crate) mod outputs;
pub(crate) mod plan;
pub(crate) mod saved;
pub(crate) mod show;
pub(crate) mod state;
pub(crate) mod text;
pub(crate) mod undeclared;
pub(crate) mod validate;
pub(crate) mod values;
pub(crate) mod view;

pub(crate) use any::AnyReport;
pub(crate) use apply::ApplyReport;
pub(crate) use drift::DriftReport;
pub(crate) use import::ImportReport;
pub(crate) use plan::PlanReport;
pub(crate) use undeclared::UndeclaredReport;
pub(crate) use validate::ValidateReport;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::model::Stored;

/// Version of all report formats. Minor: fields were added. Major: readers must refuse.
pub(crate) const FORMAT_VERSION: &str = "1.0";

/// Its major part, which is all that this program can read.
pub(crate) const FORMAT: u64 = 1;

/// What stands for a secret in every report.
pub(crate) const MASK: &str = "****";

/// Which state a report is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct StateId {
    /// Lineage of the state; null when there was none yet.
    pub lineage: Option<String>,
    /// Serial of the state.
    pub serial: u64,
}

impl StateId {
    /// The identity of a state; an empty lineage means that there is none.
    pub(crate) fn new(lineage: &str, serial: u64) -> Self {
        Self {
            lineage: (!lineage.is_empty()).then(|| lineage.to_owned()),
            serial,
        }
    }
}

/// A value as it may be shown. Of a secret, only that there is one.
fn shown(value: &Stored) -> Json {
    match value {
        Stored::Plain(value) => Json::from(value),
        Stored::Secret { .. } => Json::from(MASK),
        Stored::Null(()) => Json::Null,
    }
}

/// The JSON text of a report, ready to be written to a file or a pipe.
pub(crate) fn json(report: &impl Serialize) -> serde_json::Result<String> {
    serde_json::to_string_pretty(report).map(|text| text + "\n")
}
