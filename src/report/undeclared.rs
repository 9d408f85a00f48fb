//! Attributes that no file declares and that moved, as every report tells them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::shown;
use crate::planner::Undeclared;

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
