//! What several reports have in common.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::model::Stored;
use crate::model::secret::MASK;
use crate::planner::Undeclared;

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
pub(super) fn shown(value: &Stored) -> Json {
    match value {
        Stored::Plain(value) => Json::from(value),
        Stored::Secret { .. } => Json::from(MASK),
        Stored::Null(()) => Json::Null,
    }
}

/// The same of a value that may be missing.
pub(super) fn shown_or_null(value: &Option<Stored>) -> Json {
    value.as_ref().map_or(Json::Null, shown)
}

/// An attribute that nobody declared and that moved. `****` for a secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct UndeclaredReport {
    /// Wire name.
    pub name: String,
    /// What the service reported when the room was last written.
    pub before: Json,
    /// What it reports now.
    pub live: Json,
}

impl From<&Undeclared> for UndeclaredReport {
    fn from(moved: &Undeclared) -> Self {
        Self {
            name: moved.name.clone(),
            before: shown(&moved.before),
            live: shown(&moved.live),
        }
    }
}
