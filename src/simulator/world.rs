//! Everything the service knows, and what somebody can do to it from the side, as in the dashboard. Pure: the
//! moment and the seed come from outside.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use super::faults::{Fault, Faults};
use super::log::{Counts, Log, Record, Window};
use super::quirks::Quirks;
use super::request::Request;
use super::room::{self, Room};
use super::seed;

/// The key that requests have to bring. Cannot be printed.
#[derive(Clone)]
pub struct SimKey(String);

impl SimKey {
    /// A key.
    pub fn new(key: impl Into<String>) -> Self {
        Self(key.into())
    }
}

/// What a world is made with. Holds the key, so it cannot be printed.
#[derive(Clone)]
pub struct Settings {
    /// The app whose rooms these are.
    pub app: String,
    /// The key that requests have to bring.
    pub key: SimKey,
    /// The personality.
    pub quirks: Quirks,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// Whether requests are remembered, not only counted.
    pub log: bool,
    /// Where ids, invented names and shares of faults begin.
    pub seed: u64,
}

impl Settings {
    /// Default personality, no faults, no log, seed 0.
    pub fn new(app: impl Into<String>, key: SimKey) -> Self {
        Self {
            app: app.into(),
            key,
            quirks: Quirks::default(),
            faults: Vec::new(),
            log: false,
            seed: 0,
        }
    }
}

/// A room after a change, which may have been its first or an archiving.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    /// Its name before, if the change was a renaming.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    was: Option<String>,
    room: Room,
}

/// A room that does not exist.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("there is no room {0:?}")]
pub struct UnknownRoom(pub String);

/// The service.
pub struct World {
    pub(super) settings: Settings,
    pub(super) app_id: String,
    /// By name. A name has one holder: when an archived room's name is used again, that room is forgotten.
    rooms: BTreeMap<String, Room>,
    /// How many changes there were since the beginning.
    pub(super) serial: u64,
    /// What happened since somebody took the changes, in order. Where nobody does, as in tests, it only grows.
    changes: Vec<Change>,
    pub(super) counts: Counts,
    pub(super) faults: Faults,
    pub(super) window: Window,
    pub(super) log: Log,
}

impl World {
    /// A world without rooms.
    pub fn new(mut settings: Settings) -> Self {
        let faults = Faults::new(std::mem::take(&mut settings.faults), settings.seed);
        Self {
            app_id: seed::document_id(0x6000_0000, seed::of_text(&settings.app)),
            settings,
            rooms: BTreeMap::new(),
            serial: 0,
            changes: Vec::new(),
            counts: Counts::default(),
            faults,
            window: Window::default(),
            log: Log::default(),
        }
    }

    pub(super) fn quirks(&self) -> &Quirks {
        &self.settings.quirks
    }

    /// What happened since the last call, for whoever writes it down.
    pub(super) fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// Makes a change that was written down before.
    pub(super) fn make(&mut self, change: Change) {
        if let Some(was) = change.was {
            self.rooms.remove(&was);
        }
        self.rooms.insert(change.room.name.clone(), change.room);
        self.serial += 1;
    }

    /// From now on the service is another one, with what it holds.
    pub fn set_quirks(&mut self, quirks: Quirks) {
        self.settings.quirks = quirks;
    }

    /// Puts other faults in place of those there were; their counting begins again.
    pub fn set_faults(&mut self, faults: Vec<Fault>) {
        self.faults = Faults::new(faults, self.settings.seed);
    }

    /// What was asked so far, in numbers.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The last requests, oldest first; empty unless [`Settings::log`] was set.
    pub fn log(&self) -> Vec<Record> {
        self.log.records()
    }

    /// All rooms by name, archived ones too.
    pub fn rooms(&self) -> impl Iterator<Item = &Room> {
        self.rooms.values()
    }

    /// The room of that name, even if it is archived.
    pub fn room(&self, name: &str) -> Option<&Room> {
        self.rooms.get(name)
    }

    pub(super) fn has_key(&self, request: &Request) -> bool {
        request.parameter("secretKey").as_deref() == Some(&self.settings.key.0)
    }

    pub(super) fn invent_name(&self) -> String {
        let start = seed::mix(self.settings.seed).wrapping_add(self.serial);
        let mut tries = (0..).map(|extra: u64| seed::room_name(start.wrapping_add(extra << 32)));
        let is_free = |name: &String| {
            !self
                .rooms
                .keys()
                .any(|taken| taken.eq_ignore_ascii_case(name))
        };
        tries.find(is_free).unwrap_or_default()
    }

    /// Makes a room, as a program of somebody else would, in place of any that has the name. `attributes` are
    /// taken as they are. `now_ms` in Unix milliseconds.
    pub fn create(&mut self, name: &str, attributes: BTreeMap<String, Value>, now_ms: i64) -> Room {
        let entropy = seed::mix(self.settings.seed).wrapping_add(self.serial);
        let seconds = u32::try_from(now_ms / 1000).unwrap_or_default();
        let room = Room {
            name: name.to_owned(),
            id: seed::document_id(seconds, entropy),
            created: room::iso(now_ms),
            archived: false,
            attributes,
        };
        self.put(room.clone(), None);
        room
    }

    /// Keeps a room as it is now; `was` is the name it had if it was renamed.
    pub(super) fn put(&mut self, room: Room, was: Option<String>) {
        let change = Change { was, room };
        self.changes.push(change.clone());
        self.make(change);
    }

    /// Sets one attribute, as somebody in the dashboard would. Not checked, so that odd values can be tried.
    ///
    /// # Errors
    /// When there is no such room.
    pub fn edit(&mut self, name: &str, attribute: &str, value: Value) -> Result<(), UnknownRoom> {
        self.change(name, |room| {
            room.attributes.insert(attribute.to_owned(), value);
        })
    }

    /// Archives a room, as somebody in the dashboard would.
    ///
    /// # Errors
    /// When there is no such room.
    pub fn archive(&mut self, name: &str) -> Result<(), UnknownRoom> {
        self.change(name, |room| room.archived = true)
    }

    fn change(&mut self, name: &str, change: impl FnOnce(&mut Room)) -> Result<(), UnknownRoom> {
        let room = self.room(name).cloned();
        let mut room = room.ok_or_else(|| UnknownRoom(name.to_owned()))?;
        change(&mut room);
        self.put(room, None);
        Ok(())
    }
}
