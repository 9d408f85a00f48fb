//! Where the settings of a room come from: its own file, or the defaults of a directory above it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::RoomName;

/// Where a value stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The file, when it is not the room's own.
    pub file: Option<Arc<str>>,
    /// Line, from 1.
    pub line: u32,
    /// The defaults that it stands in front of: file and line, nearest first.
    pub hides: Vec<(Arc<str>, u32)>,
}

/// Where each key of one room comes from, by wire name.
pub type RoomOrigins = BTreeMap<&'static str, Origin>;

/// Where each key of each room comes from: for reports that point at what they talk about.
pub type Origins = BTreeMap<RoomName, RoomOrigins>;
