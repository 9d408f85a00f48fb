//! What several reports have in common.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::model::secret::MASK;
use crate::model::words::words;
use crate::model::{Effect, RoomName, Stored};
use crate::planner::Undeclared;
use crate::planner::limits::MaxChanges;

/// Which state a report is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct StateId {
    /// Lineage of the state; null when there was none yet.
    pub lineage: Option<String>,
    /// Serial of the state.
    pub serial: u64,
}

impl StateId {
    /// The identity of a state; an empty lineage means that there is none.
    pub(crate) fn new(lineage: &str, serial: u64) -> Self {
        Self {
            lineage: (!lineage.is_empty()).then(|| lineage.to_owned()),
            serial,
        }
    }
}

/// A value as it may be shown. Of a secret, only that there is one.
pub(super) fn shown(value: &Stored) -> Json {
    match value {
        Stored::Plain(value) => Json::from(value),
        Stored::Secret { .. } => Json::from(MASK),
        Stored::Null(()) => Json::Null,
    }
}

/// The same of a value that may be missing.
pub(super) fn shown_or_null(value: &Option<Stored>) -> Json {
    value.as_ref().map_or(Json::Null, shown)
}

/// An attribute that nobody declared and that moved. `****` for a secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct UndeclaredReport {
    /// Wire name.
    pub name: String,
    /// What the service reported when it was last seen.
    pub before: Json,
    /// What it reports now; null: nothing.
    pub live: Json,
    /// Whether an earlier write of ours may have moved it, of which no report told the end; absent when not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub perhaps_ours: bool,
}

impl UndeclaredReport {
    /// What is there now, in words: `there`, unless nothing is shown any more.
    pub(crate) fn note(&self, there: &str) -> String {
        match (self.live.is_null(), self.perhaps_ours) {
            (true, false) => "no longer shown".to_owned(),
            (false, false) => there.to_owned(),
            (is_gone, true) => {
                let now = if is_gone {
                    "no longer shown"
                } else {
                    "not as it was"
                };
                format!("{now}, perhaps because of an earlier write of ours")
            }
        }
    }
}

impl From<&Undeclared> for UndeclaredReport {
    fn from(moved: &Undeclared) -> Self {
        Self {
            name: moved.name.clone(),
            before: shown(&moved.before),
            live: shown(&moved.live),
            perhaps_ours: moved.perhaps_ours,
        }
    }
}

/// A room of which attributes moved that no file declares.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct UndeclaredRoom {
    /// Name of the room.
    pub room: String,
    /// The attributes, by name.
    pub attributes: Vec<UndeclaredReport>,
    /// What an earlier write of ours may have done to people by that; absent when there is nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<Effect>,
}

impl UndeclaredRoom {
    /// Those of `rooms` of which anything moved, or a write had effects: `of` says what, with its effects.
    pub(crate) fn all<T>(
        rooms: &BTreeMap<RoomName, T>,
        of: impl Fn(&T) -> (&[Undeclared], &[Effect]),
    ) -> Vec<Self> {
        let rooms = rooms.iter().map(|(room, one)| (room, of(one)));
        let rooms = rooms.filter(|(_, (moved, effects))| !moved.is_empty() || !effects.is_empty());
        rooms
            .map(|(room, (moved, effects))| Self {
                room: room.to_string(),
                attributes: moved.iter().map(UndeclaredReport::from).collect(),
                effects: effects.to_vec(),
            })
            .collect()
    }
}

/// Something that a guard would have refused, and that was allowed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct AllowedReport {
    /// What: an effect, or the most changes at once (`max-changes 40%`).
    pub what: String,
    /// By what, of which a flag of the run itself is always one.
    pub by: Vec<AllowedBy>,
}

words! {
    /// What allows something.
    AllowedBy {
        /// A flag of the run.
        Flag = "flag",
        /// One that a plan was made with that the run is held to. That alone allows nothing.
        ReviewedPlan = "reviewed-plan",
    }
}

impl AllowedReport {
    /// What flags allow, in the order of the effects, for a run that is held to plans that were made with `reviewed`.
    pub(crate) fn all(
        allowed: &[Effect],
        max_changes: Option<MaxChanges>,
        reviewed: &[Self],
    ) -> Vec<Self> {
        let effects = Effect::ALL.into_iter();
        let effects = effects.filter(|effect| allowed.contains(effect));
        let effects = effects.map(|effect| effect.name().to_owned());
        let most = max_changes.map(|most| format!("max-changes {}", String::from(most)));
        let one = |what: String| {
            let also = reviewed.iter().any(|one| one.what == what);
            let also = also.then_some(AllowedBy::ReviewedPlan);
            let by = [AllowedBy::Flag].into_iter().chain(also).collect();
            Self { what, by }
        };
        effects.chain(most).map(one).collect()
    }
}
