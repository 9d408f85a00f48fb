//! What several reports have in common.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::apply::OverrideReport;
use crate::model::secret::MASK;
use crate::model::words::words;
use crate::model::{Effect, RoomName, Shown, Stored};
use crate::planner::limits::MaxChanges;
use crate::planner::undeclared::Learned;
use crate::planner::{Receipt, Undeclared};

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
pub(super) fn shown(value: &Stored) -> Shown {
    match value {
        Stored::Plain(value) => value.into(),
        Stored::Secret { .. } => MASK.into(),
        Stored::Null(()) => Shown::NONE,
    }
}

/// The same of a value that may be missing.
pub(super) fn shown_or_null(value: &Option<Stored>) -> Shown {
    value.as_ref().map_or(Shown::NONE, shown)
}

/// An attribute that nobody declared and that moved. `****` for a secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct UndeclaredReport {
    /// Wire name.
    pub name: String,
    /// What the service reported when it was last seen.
    pub before: Shown,
    /// What it reports now; null: nothing.
    pub live: Shown,
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
    /// What the service chose over what an earlier run sent, of which no report told it; absent when there is nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overridden: Vec<OverrideReport>,
    /// What an earlier write of ours may have done to people by that; absent when there is nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<Effect>,
}

impl UndeclaredRoom {
    /// Those of which anything moved.
    pub(crate) fn moved(rooms: &BTreeMap<RoomName, Vec<Undeclared>>) -> Vec<Self> {
        let moved = rooms.iter().filter(|(_, moved)| !moved.is_empty());
        let room = |(room, moved): (&RoomName, &Vec<Undeclared>)| Self {
            room: room.to_string(),
            attributes: moved.iter().map(UndeclaredReport::from).collect(),
            overridden: Vec::new(),
            effects: Vec::new(),
        };
        moved.map(room).collect()
    }

    /// What was learned of each, but for what `receipts` report.
    pub(crate) fn learned(rooms: &BTreeMap<RoomName, Learned>, receipts: &[Receipt]) -> Vec<Self> {
        let receipts: BTreeMap<&RoomName, &Receipt> =
            receipts.iter().map(|one| (&one.room, one)).collect();
        let room = |(room, learned): (&RoomName, &Learned)| {
            let told = receipts.get(room);
            let (moved, chosen) = (learned.moved.iter(), learned.overridden.iter());
            let moved = moved.filter(|one| {
                !told.is_some_and(|told| told.undeclared.iter().any(|it| it.name == one.name))
            });
            let chosen = chosen.filter(|one| {
                !told.is_some_and(|told| told.overridden.iter().any(|it| it.name == one.name))
            });
            let effects = learned.effects.iter().copied();
            let effects =
                effects.filter(|one| !told.is_some_and(|told| told.effects.contains(one)));
            Self {
                room: room.to_string(),
                attributes: moved.map(UndeclaredReport::from).collect(),
                overridden: chosen.map(OverrideReport::from).collect(),
                effects: effects.collect(),
            }
        };
        let rooms = rooms.iter().map(room);
        rooms
            .filter(|room| !room.attributes.is_empty() || room.is_made())
            .collect()
    }

    /// Whether an earlier write of ours made anything that has to be said beside what moved.
    pub(crate) fn is_made(&self) -> bool {
        !self.overridden.is_empty() || !self.effects.is_empty()
    }

    /// Takes in what more is known of the room.
    fn extend(&mut self, more: Self) {
        let known = &mut self.attributes;
        let mut moved = more.attributes;
        moved.retain(|one| !known.iter().any(|known| known.name == one.name));
        known.extend(moved);
        known.sort_by(|a, b| a.name.cmp(&b.name));
        self.overridden.extend(more.overridden);
        self.effects.extend(more.effects);
    }

    /// Takes in what more is known of `rooms`, by name.
    pub(crate) fn add(rooms: &mut Vec<Self>, more: Vec<Self>) {
        for one in more {
            match rooms.binary_search_by(|room| room.room.cmp(&one.room)) {
                Ok(at) => rooms[at].extend(one),
                Err(at) => rooms.insert(at, one),
            }
        }
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
