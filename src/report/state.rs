//! What is remembered, for people and programs.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value as Json;

use super::{FORMAT_VERSION, StateId, shown};
use crate::model::{RememberedSettings, RoomName};
use crate::planner::{AppliedRoom, State};

/// Rooms of a state.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(title = "roomctl state report")]
pub struct StateReport {
    /// Version of this format.
    pub format_version: String,
    /// Always `state`.
    #[schemars(extend("const" = "state"))]
    pub kind: String,
    /// The app whose rooms these are.
    pub app: String,
    /// The state.
    pub state: StateId,
    /// The rooms, by name.
    pub rooms: Vec<RoomReport>,
}

/// What is remembered of one room. `****` for a secret.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct RoomReport {
    /// Its name.
    pub room: String,
    /// The service's id of it; null when it told none.
    pub id: Option<String>,
    /// Whether a write of it was ever confirmed.
    pub confirmed: bool,
    /// The settings that were last confirmed to have been sent.
    pub settings: BTreeMap<String, Json>,
    /// Values that the service chose over what was sent.
    pub overridden: BTreeMap<String, Json>,
    /// Settings of a write whose answer never came.
    pub unconfirmed: BTreeMap<String, Json>,
    /// What the service reported of attributes that no file manages.
    pub observed: BTreeMap<String, Json>,
}

impl RoomReport {
    fn new(name: &RoomName, room: &AppliedRoom) -> Self {
        let values = |settings: &RememberedSettings| {
            settings
                .iter()
                .map(|(name, value)| (name.clone(), shown(value)))
                .collect()
        };
        let AppliedRoom {
            id,
            observed,
            overridden,
            settings,
            source: _,
            unconfirmed,
        } = room;
        Self {
            room: name.to_string(),
            id: id.clone(),
            confirmed: room.is_confirmed(),
            settings: values(settings),
            overridden: values(overridden),
            unconfirmed: values(unconfirmed),
            observed: values(observed),
        }
    }
}

impl StateReport {
    /// The rooms of `state`, or only the one named.
    pub fn new(state: &State, only: Option<&RoomName>) -> Self {
        let rooms = state
            .rooms
            .iter()
            .filter(|(name, _)| only.is_none_or(|only| only == *name));
        Self {
            format_version: FORMAT_VERSION.to_owned(),
            kind: "state".to_owned(),
            app: state.app.clone(),
            state: StateId::new(&state.lineage, state.serial),
            rooms: rooms
                .map(|(name, room)| RoomReport::new(name, room))
                .collect(),
        }
    }
}
