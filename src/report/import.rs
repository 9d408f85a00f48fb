//! The report of an import.

use schemars::JsonSchema;
use serde::Serialize;

use super::StateId;
use crate::planner::{LeftOut, State};

/// What became of each room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(title = "roomctl import report")]
pub(crate) struct ImportReport {
    /// The app whose rooms these are.
    pub app: String,
    /// The state after the run.
    pub state: StateId,
    /// How many rooms ended in which way.
    pub summary: Summary,
    /// How many rooms were not considered, and why; absent when there are none.
    #[serde(default, skip_serializing_if = "LeftOut::is_none")]
    pub left_out: LeftOut,
    /// What became of each room, by name.
    pub rooms: Vec<RoomReport>,
    /// All variables that the new files refer to, by name.
    pub variables: Vec<String>,
    /// What could not be found out about the account as a whole; null when there is nothing.
    pub warning: Option<String>,
}

/// How many rooms ended in which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Summary {
    /// In a file and in the state now.
    pub imported: u64,
    /// Managed before, and left alone.
    pub skipped: u64,
    /// Could not be read.
    pub unreadable: u64,
    /// Not imported, for another reason.
    pub refused: u64,
}

/// What became of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    /// It is in a file and in the state now.
    Imported,
    /// It was managed before, and was left alone.
    Skipped,
    /// It could not be read.
    Unreadable,
    /// It was not imported, for another reason.
    Refused,
}

/// One room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct RoomReport {
    /// Its name.
    pub room: String,
    /// Its file; null when there is none.
    pub file: Option<String>,
    /// What became of it.
    pub outcome: Outcome,
    /// Why, or what was left out; null when there is nothing to say.
    pub message: Option<String>,
    /// The variables that its file refers to, by name.
    pub variables: Vec<String>,
    /// Whether it is its name that keeps it out; absent if not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_name: bool,
}

impl RoomReport {
    /// A room without a new file.
    pub(crate) fn not_imported(room: &str, outcome: Outcome, message: impl Into<String>) -> Self {
        Self {
            room: room.to_owned(),
            file: None,
            outcome,
            message: Some(message.into()),
            variables: Vec::new(),
            by_name: false,
        }
    }
}

impl ImportReport {
    /// The report of a run that left `state`.
    pub(crate) fn new(
        state: &State,
        mut rooms: Vec<RoomReport>,
        warning: Option<String>,
        left_out: LeftOut,
    ) -> Self {
        rooms.sort_by(|a, b| a.room.cmp(&b.room));
        let mut variables: Vec<String> = rooms.iter().flat_map(|r| r.variables.clone()).collect();
        variables.sort();
        Self {
            app: state.app.clone(),
            state: StateId::new(&state.lineage, state.serial),
            summary: summary(&rooms),
            left_out,
            rooms,
            variables,
            warning,
        }
    }
}

fn summary(rooms: &[RoomReport]) -> Summary {
    let of = |outcome| rooms.iter().filter(|r| r.outcome == outcome).count() as u64;
    Summary {
        imported: of(Outcome::Imported),
        skipped: of(Outcome::Skipped),
        unreadable: of(Outcome::Unreadable),
        refused: of(Outcome::Refused),
    }
}
