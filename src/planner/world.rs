//! What was seen of the service: one sighting a room. A failed read is a sighting of its own, never absence.

use std::collections::BTreeMap;

use crate::model::{LiveRoom, RoomName};

/// Why a room is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gone {
    /// The service says that there is no such room.
    Missing,
    /// The service still shows it, marked as archived.
    Archived,
}

/// What reading one room showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sighting {
    Present(LiveRoom),
    /// It is not there.
    Absent(Gone),
    /// Nobody can tell, for this reason.
    Unreadable(String),
}

/// What was seen, by room.
pub(crate) type World = BTreeMap<RoomName, Sighting>;
