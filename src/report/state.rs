//! What is remembered, for people and programs.
//!
//! Two kinds, neither of them `state`: that is the name of the state file's own schema.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::{StateId, shown};
use crate::model::{RoomName, Run, Shown, StoredSettings};
use crate::planner::doubts::Doubts;
use crate::planner::{AppliedRoom, LeftOut, Selection, State};

/// All rooms of a state, in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(title = "roomctl state list report")]
pub(crate) struct StateListReport {
    /// The app whose rooms these are.
    pub app: String,
    /// The state.
    pub state: StateId,
    /// How many rooms were not considered, and why; absent when there are none.
    #[serde(default, skip_serializing_if = "LeftOut::is_none")]
    pub left_out: LeftOut,
    /// The rooms, by name.
    pub rooms: Vec<ListedRoom>,
}

/// How much is remembered of one room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct ListedRoom {
    /// Its name.
    pub room: String,
    /// Whether a write of it was ever confirmed.
    pub confirmed: bool,
    /// How many attributes were last confirmed to have been sent.
    pub attributes: u64,
    /// For how many of them the service chose another value.
    pub overridden: u64,
    /// How many attributes were sent without an answer since. 0: none.
    pub unconfirmed: u64,
}

/// What is kept of a state as it is and as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(title = "roomctl state history report")]
pub(crate) struct StateHistoryReport {
    /// How many versions are kept.
    pub kept: u64,
    /// Those that were looked at, newest first.
    pub versions: Vec<KeptVersion>,
}

/// A state as it was saved once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct KeptVersion {
    /// What the store calls it.
    pub version: String,
    /// When the store has it from, RFC 3339.
    pub saved: String,
    /// Its serial; null when it cannot be read, here and below.
    pub serial: Option<u64>,
    /// How many rooms are in it.
    pub rooms: Option<u64>,
    /// Why it cannot be read; absent when it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
}

/// All that is remembered of one room.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(title = "roomctl state show report")]
pub(crate) struct StateShowReport {
    /// The app whose room this is.
    pub app: String,
    /// The state.
    pub state: StateId,
    /// Its name.
    pub room: String,
    /// The service's id of it; null when it showed none.
    pub id: Option<String>,
    /// Whether a write of it was ever confirmed.
    pub confirmed: bool,
    /// When a write of it was last confirmed, in Unix seconds; null when that is not known.
    pub asserted: Option<i64>,
    /// The run that wrote it then; absent when that is not known.
    #[serde(default, skip_serializing_if = "Run::is_unknown")]
    pub run: Run,
    /// Whether nothing showed yet that it is this room that has the name: `state mv` gave it that, or another one was seen
    /// there.
    pub claimed: bool,
    /// The file that it was applied from; null when that is not known.
    pub file: Option<String>,
    /// The settings that were last confirmed to have been sent. `****` for a secret, here and below.
    pub settings: BTreeMap<String, Shown>,
    /// Values that the service chose over what was sent.
    pub overridden: BTreeMap<String, Shown>,
    /// What was sent without an answer since, every value of it; null alone stands for any.
    pub unconfirmed: BTreeMap<String, Vec<Shown>>,
    /// What the service reported last of attributes that were not written: no file manages them, or a mute left them alone.
    pub observed: BTreeMap<String, Shown>,
    /// Attributes that the service did not report when it was last seen.
    pub unseen: BTreeSet<String>,
}

impl StateListReport {
    /// The rooms of `state` that are selected.
    pub(crate) fn new(state: &State, selection: &Selection) -> Self {
        let listed = |(name, room): (&RoomName, &Arc<AppliedRoom>)| ListedRoom {
            room: name.as_str().to_owned(),
            confirmed: room.is_confirmed(),
            attributes: room.settings.len() as u64,
            overridden: room.overridden.len() as u64,
            unconfirmed: room.unconfirmed.len() as u64,
        };
        let selected = state.rooms.iter();
        let selected = selected.filter(|(name, _)| selection.takes(name.as_str()));
        let rooms: Vec<ListedRoom> = selected.map(listed).collect();
        Self {
            app: state.app.clone(),
            state: StateId::new(&state.lineage, state.serial),
            left_out: LeftOut {
                not_selected: (state.rooms.len() - rooms.len()) as u64,
                ..LeftOut::default()
            },
            rooms,
        }
    }
}

impl StateShowReport {
    /// What `state` remembers of a room of its own.
    pub(crate) fn new(state: &State, name: &RoomName, room: &AppliedRoom) -> Self {
        // Whoever remembers more must say whether it is shown.
        let AppliedRoom {
            asserted,
            claimed,
            file,
            id,
            observed,
            overridden,
            run,
            settings,
            source: _,
            written: _,
            unconfirmed,
            unseen,
            unshown: _,
        } = room;
        Self {
            app: state.app.clone(),
            state: StateId::new(&state.lineage, state.serial),
            room: name.as_str().to_owned(),
            id: id.clone(),
            confirmed: room.is_confirmed(),
            asserted: *asserted,
            run: run.clone(),
            claimed: *claimed,
            file: file.clone(),
            settings: values(settings),
            overridden: values(overridden),
            unconfirmed: sent(unconfirmed),
            observed: values(observed),
            unseen: unseen.iter().map(ToString::to_string).collect(),
        }
    }
}

fn sent(doubts: &Doubts) -> BTreeMap<String, Vec<Shown>> {
    doubts
        .iter()
        .map(|(name, sent)| (name.to_string(), sent.values().map(shown).collect()))
        .collect()
}

fn values(settings: &StoredSettings) -> BTreeMap<String, Shown> {
    let settings = settings.iter();
    settings
        .map(|(name, value)| (name.to_string(), shown(value)))
        .collect()
}
