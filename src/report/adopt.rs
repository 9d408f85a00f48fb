//! The report of an adoption.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

use crate::planner::LeftOut;
use crate::planner::adopt::{Edit, Left, Why};

/// Which lines of which files took over what somebody changed on the service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(title = "roomctl adopt report")]
pub(crate) struct AdoptReport {
    /// The app whose rooms these are.
    pub app: String,
    /// Where the patch was written, `-` for standard output; null when the files themselves were edited.
    pub patch: Option<String>,
    /// How many there are of each.
    pub summary: Summary,
    /// How many rooms were not considered, and why; absent when there are none.
    #[serde(default, skip_serializing_if = "LeftOut::is_none")]
    pub left_out: LeftOut,
    /// The lines, by file.
    pub edits: Vec<Edit>,
    /// What was not adopted, by room.
    pub left: Vec<Left>,
}

/// How many there are of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Summary {
    /// Attributes of rooms whose value is in a file now.
    pub adopted: u64,
    /// Rooms that moved with them, although nobody changed them on the service.
    pub moved: u64,
    /// There was nothing to adopt, or a mute accepts it.
    pub left_alone: u64,
    /// Could not be adopted.
    pub refused: u64,
    /// Rooms that could not be read.
    pub unreadable: u64,
}

impl AdoptReport {
    /// A report in which nothing is adopted yet.
    pub(crate) fn new(app: &str, left: Vec<Left>, left_out: LeftOut) -> Self {
        Self {
            app: app.to_owned(),
            patch: None,
            summary: Summary::default(),
            left_out,
            edits: Vec::new(),
            left,
        }
    }

    /// The same with what is adopted, and what more is not.
    pub(crate) fn with(mut self, edits: Vec<Edit>, left: Vec<Left>) -> Self {
        self.left.extend(left);
        self.left.sort();
        let of = |why| self.left.iter().filter(|one| one.why == why).count() as u64;
        let moved: BTreeSet<_> = edits.iter().flat_map(|edit| &edit.moved).collect();
        self.summary = Summary {
            adopted: edits.iter().map(|edit| edit.adopted.len() as u64).sum(),
            moved: moved.len() as u64,
            left_alone: of(Why::LeftAlone),
            refused: of(Why::Refused),
            unreadable: of(Why::Unreadable),
        };
        Self { edits, ..self }
    }
}
