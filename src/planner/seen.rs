//! When rooms were last seen as they were applied. It moves with every look, so it is kept beside the state, not in it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::drift::{Drift, RoomDrift, Verdict};
use super::state::{AppliedRoom, State};
use crate::model::unique::unique;

/// What looks have shown so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Seen {
    /// The state that it is about; of another one it says nothing.
    pub lineage: String,
    /// The rooms that were there, by name.
    #[serde(deserialize_with = "unique")]
    pub rooms: BTreeMap<String, SeenRoom>,
}

/// The last look that found a room.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct SeenRoom {
    /// When, in Unix seconds. What it managed was as applied then, but for the following.
    pub at: i64,
    /// Attributes that had moved, or were not shown, each with when it was last seen as applied; null: never.
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "unique"
    )]
    pub but: BTreeMap<String, Option<i64>>,
}

impl Seen {
    /// When an attribute of a room was last seen as applied: by the answer to its write, or by a look since.
    fn last(&self, room: &str, applied: &AppliedRoom, attribute: &str) -> Option<i64> {
        let is_other =
            applied.unseen.contains(attribute) || applied.overridden.contains_key(attribute);
        let written = applied.asserted.filter(|_| !is_other);
        let looked = self
            .rooms
            .get(room)
            .and_then(|seen| match seen.but.get(attribute) {
                Some(last) => *last,
                None => Some(seen.at),
            });
        // What was seen before the last write, was of another value.
        let since = |at: &i64| applied.asserted.is_none_or(|written| *at >= written);
        written.max(looked.filter(since))
    }

    /// When all of a room was last seen as applied that is not so now.
    pub(crate) fn last_of(&self, drift: &RoomDrift, state: &State) -> Option<i64> {
        let applied = state.rooms.get(drift.room.as_str())?;
        let looked = self.rooms.get(&drift.room).map(|seen| seen.at);
        let moved = drift
            .attributes
            .iter()
            .filter(|one| one.cause.is_a_move_of_the_service());
        let moved = moved.map(|one| self.last(&drift.room, applied, &one.name));
        match drift.verdict {
            Verdict::Missing => applied.asserted.max(looked),
            _ => moved.min().flatten(),
        }
    }

    /// The same after a look at `now`. What could not be read, or may be another's, keeps its time.
    pub(crate) fn after(mut self, drift: &Drift, state: &State, now: i64) -> Self {
        let is_there = |room: &&RoomDrift| {
            let is_none = matches!(
                room.verdict,
                Verdict::Missing | Verdict::Unreadable | Verdict::Unmanaged
            );
            !is_none && !room.is_only_claimed
        };
        for room in drift.rooms.iter().filter(is_there) {
            let Some(applied) = state.rooms.get(room.room.as_str()) else {
                continue;
            };
            let moved = room.attributes.iter().filter(|one| one.live != one.applied);
            let names = moved.map(|one| &one.name).chain(&room.unseen);
            let but = names.map(|name| (name.clone(), self.last(&room.room, applied, name)));
            let but = but.collect();
            self.rooms
                .insert(room.room.clone(), SeenRoom { at: now, but });
        }
        self.rooms
            .retain(|name, _| state.rooms.contains_key(name.as_str()));
        Self {
            lineage: state.lineage.clone(),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::model::{Settings, Wanted};
    use crate::planner::drift::{Evidence, drift};
    use crate::planner::testing::{applied, files, live, name};
    use crate::planner::{Sighting, World};

    /// What a look shows of the room.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Look {
        AsApplied,
        Moved,
        Hidden,
        Unreadable,
    }

    fn look(look: Look) -> World {
        let sighting = match look {
            Look::Unreadable => Sighting::Unreadable("no answer".into()),
            Look::AsApplied => Sighting::Present(live(&[("maxParticipants", 5.into())].into())),
            Look::Moved => Sighting::Present(live(&[("maxParticipants", 9.into())].into())),
            Look::Hidden => Sighting::Present(live(&Settings::new())),
        };
        [(name("a"), sighting)].into()
    }

    proptest! {
        /// Whatever looks showed in between: it is the latest at which the value was there, or its write.
        #[test]
        fn the_last_time_is_the_latest_at_which_it_was_there(
            looks in prop::collection::vec(select(vec![Look::AsApplied, Look::Moved, Look::Hidden, Look::Unreadable]), 0..8),
            written in prop::option::of(0..3_i64),
        ) {
            let wanted: Wanted = files(&[("a", &[("maxParticipants", 5.into())])]);
            let mut state = applied(&wanted);
            let room = Arc::make_mut(state.rooms.values_mut().next().unwrap());
            room.asserted = written.map(|after| 100 + after);
            let mut seen = Seen::default();
            let mut last = room.asserted;
            for (now, shown) in (101..).zip(looks.iter().chain([&Look::Moved])) {
                let drift = drift(&Evidence {
                    wanted: &wanted,
                    state: &state,
                    others: &BTreeMap::new(),
                    mutes: &[],
                    now,
                }, &look(*shown), &BTreeSet::new());
                if *shown == Look::Moved {
                    prop_assert_eq!(seen.last_of(&drift.rooms[0], &state), last);
                }
                if *shown == Look::AsApplied && written.is_none_or(|after| now >= 100 + after) {
                    last = Some(now);
                }
                seen = seen.after(&drift, &state, now);
            }
        }
    }
}
