//! A line of the audit file: what one run did to one room.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

use crate::model::{Effect, RoomName, Run, WireName};
use crate::planner::{Action, Change, Outcome, Receipt};

/// What was done to a room, by whom and when.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(title = "roomctl audit line")]
pub(crate) struct AuditLine<'a> {
    /// When it ended, RFC 3339.
    pub when: String,
    #[serde(flatten)]
    pub by: &'a AuditedRun,
    /// The room.
    #[schemars(with = "String")]
    pub room: &'a RoomName,
    /// What was done to it.
    pub action: Action,
    /// How that ended.
    pub outcome: Outcome,
    /// Status of the last answer; null: none came.
    pub http_status: Option<u16>,
    /// Requests that were sent for it.
    pub attempts: u32,
    /// Wire names of the attributes that were to change.
    #[schemars(with = "BTreeSet<String>")]
    pub attributes: BTreeSet<WireName>,
    /// What that does to people.
    pub effects: BTreeSet<Effect>,
}

/// What is the same of all lines of a run.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct AuditedRun {
    /// Page of the run in a pipeline, else the user.
    pub who: String,
    /// Name of the machine.
    pub host: String,
    /// The app whose rooms these are.
    pub app: String,
    /// Lineage of the state; absent where there was none yet.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub lineage: String,
    /// Serial of the state that the run began with.
    pub serial: u64,
    /// The run; absent when nobody says which.
    #[serde(default, skip_serializing_if = "Run::is_unknown")]
    pub run: Run,
}

impl<'a> AuditLine<'a> {
    pub(crate) fn new(
        by: &'a AuditedRun,
        change: &'a Change,
        receipt: &'a Receipt,
        when: String,
    ) -> Self {
        Self {
            when,
            by,
            room: &receipt.room,
            action: receipt.action,
            outcome: receipt.outcome,
            http_status: receipt.http_status,
            attempts: receipt.attempts,
            attributes: change.attributes.iter().map(|one| one.name).collect(),
            effects: change
                .effects
                .iter()
                .chain(&receipt.effects)
                .copied()
                .collect(),
        }
    }
}
