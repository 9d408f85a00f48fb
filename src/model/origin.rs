//! Where the settings of a room come from: its own file, or the defaults of a directory above it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::RoomName;
use super::sorted::Sorted;

/// Where a value stands. Small, since there is one for every key of every file, and most have only a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub line: u32,
    defaults: Option<Box<Defaults>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Defaults {
    file: Option<Arc<str>>,
    hides: Vec<(Arc<str>, u32)>,
}

impl Origin {
    /// A line of `file`, or of the room's own file. `hides` are the defaults that it stands in front of: file
    /// and line, nearest first.
    pub(crate) fn new(line: u32, file: Option<Arc<str>>, hides: Vec<(Arc<str>, u32)>) -> Self {
        let plain = file.is_none() && hides.is_empty();
        Self {
            line,
            defaults: (!plain).then(|| Box::new(Defaults { file, hides })),
        }
    }

    /// The file, when it is not the room's own.
    pub(crate) fn file(&self) -> Option<&str> {
        self.shared_file().map(|file| &**file)
    }

    /// The same, to be kept without a copy.
    pub(crate) fn shared_file(&self) -> Option<&Arc<str>> {
        self.defaults.as_ref()?.file.as_ref()
    }

    /// The defaults that it stands in front of: file and line, nearest first.
    pub(crate) fn hides(&self) -> &[(Arc<str>, u32)] {
        self.defaults
            .as_ref()
            .map_or(&[], |defaults| &defaults.hides)
    }
}

/// Where each key of one room comes from, by wire name.
pub(crate) type RoomOrigins = Sorted<&'static str, Origin>;

/// Where each key of each room comes from: for reports that point at what they talk about.
pub(crate) type Origins = BTreeMap<RoomName, RoomOrigins>;
