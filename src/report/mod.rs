//! What users and other programs read: versioned reports, and their rendering as text.
//!
//! A report is a frozen copy with its own field names, so that the types inside can change freely.
//! Pure: uses only `model` and `planner`.

pub mod any;
pub mod apply;
pub mod drift;
pub mod excerpt;
pub mod github;
pub mod html;
pub mod import;
pub mod markdown;
pub mod outputs;
pub mod plan;
pub mod room_yaml;
pub mod saved;
pub mod show;
pub mod state;
pub mod text;
pub mod undeclared;
pub mod validate;
pub mod view;

pub use any::AnyReport;
pub use apply::ApplyReport;
pub use drift::DriftReport;
pub use import::ImportReport;
pub use plan::PlanReport;
pub use undeclared::UndeclaredReport;
pub use validate::ValidateReport;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::model::Remembered;

/// Version of all report formats. Minor: fields were added. Major: readers must refuse.
pub const FORMAT_VERSION: &str = "1.0";

/// What stands for a secret in every report.
pub const MASK: &str = "****";

/// Which state a report is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StateId {
    /// Lineage of the state; null when there was none yet.
    pub lineage: Option<String>,
    /// Serial of the state.
    pub serial: u64,
}

impl StateId {
    /// The identity of a state; an empty lineage means that there is none.
    pub fn new(lineage: &str, serial: u64) -> Self {
        Self {
            lineage: (!lineage.is_empty()).then(|| lineage.to_owned()),
            serial,
        }
    }
}

/// A value as it may be shown. Of a secret, only that there is one.
fn shown(value: &Remembered) -> Json {
    match value {
        Remembered::Bool(value) => Json::from(*value),
        Remembered::Integer(value) => Json::from(*value),
        Remembered::Text(value) => Json::from(value.as_str()),
        Remembered::Secret { .. } => Json::from(MASK),
        Remembered::Null(()) => Json::Null,
    }
}

/// The JSON text of a report, ready to be written to a file or a pipe.
///
/// # Errors
/// Never for the reports of this crate: their maps are keyed by text.
pub fn json(report: &impl Serialize) -> serde_json::Result<String> {
    serde_json::to_string_pretty(report).map(|text| text + "\n")
}
