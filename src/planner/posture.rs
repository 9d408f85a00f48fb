//! How open all managed rooms are before a plan and after it: what one change of many leads to.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::change::{Action, Cause, Change, Open, Opening, Plan};
use super::mutes::{Fate, Muted};
use super::state::{AppliedRoom, State};
use crate::model::Stored;

/// How many of all rooms that were applied are open in which way, or are so after a plan. What the service holds of a room
/// that is new to the state counts for nothing before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Posture {
    /// Anyone with the link can enter.
    pub public: Moved,
    /// Recording starts by itself.
    pub recording: Moved,
    /// The room does not expire.
    pub endless: Moved,
}

/// How many rooms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Moved {
    pub before: u64,
    pub after: u64,
}

impl Plan {
    /// What all of it comes to, if anything of that moves.
    pub(crate) fn posture(&self) -> Option<Posture> {
        let of = |at: usize| {
            let sum = |side: fn(&Opening) -> Open| {
                let openings = self.changes.iter().map(|change| side(&change.opening)[at]);
                openings.sum::<u64>()
            };
            let others = self.open[at].saturating_sub(sum(|one| one.known));
            Moved {
                before: others + sum(|one| one.before),
                after: others + sum(|one| one.after),
            }
        };
        let [public, recording, endless] = [0, 1, 2].map(of);
        let moves = [public, recording, endless]
            .iter()
            .any(|one| one.before != one.after);
        moves.then_some(Posture {
            public,
            recording,
            endless,
        })
    }
}

/// How many rooms of `state` are open in which way.
pub(super) fn open(state: &State) -> Open {
    let rooms = state.rooms.values().map(|room| known(room));
    rooms.fold([0; 3], |all, one| [0, 1, 2].map(|at| all[at] + one[at]))
}

pub(super) fn opening(change: &Change, state: &State) -> Opening {
    let room = state.applied(&change.room);
    let seen = |name: &str| {
        let mut lines = change.attributes.iter();
        let line = lines.find(|line| line.name == name);
        line.map_or_else(|| spared(&change.muted, name), |line| line.live.as_ref())
    };
    let before = |name: &str| seen(name).or_else(|| held(room, name));
    let wanted = |name: &str| {
        let mut lines = change.attributes.iter();
        lines
            .find(|line| line.name == name && line.cause != Cause::Released)?
            .after
            .as_ref()
    };
    let known = known(room);
    let before = match change.action {
        Action::Update | Action::Archive | Action::Orphan if room.is_confirmed() => is_open(before),
        _ => [0; 3],
    };
    Opening {
        known,
        before,
        after: match change.action {
            Action::Archive => [0; 3],
            Action::Orphan => before,
            // The room is held back.
            _ if change.muted.iter().any(|one| one.fate == Fate::NotSendable) => before,
            Action::Add | Action::Create | Action::Adopt => {
                is_open(|name| wanted(name).or_else(|| spared(&change.muted, name)))
            }
            Action::Update => is_open(|name| {
                wanted(name)
                    .or_else(|| seen(name))
                    .or_else(|| held(room, name))
            }),
        },
    }
}

/// Counts a room that nothing is done to as it is seen where a mute leaves that.
pub(super) fn stays(open: &mut Open, room: &AppliedRoom, muted: &[Muted]) {
    if !room.is_confirmed() {
        return;
    }
    let (known, seen) = (
        known(room),
        is_open(|name| spared(muted, name).or_else(|| held(room, name))),
    );
    for (at, count) in open.iter_mut().enumerate() {
        *count = (*count + seen[at]).saturating_sub(known[at]);
    }
}

/// What the service shows of an attribute that a mute leaves as it is.
fn spared<'a>(muted: &'a [Muted], name: &str) -> Option<&'a Stored> {
    let is_it =
        |one: &&Muted| one.name == name && matches!(one.fate, Fate::LeftAlone | Fate::NotSendable);
    muted.iter().find(is_it)?.live.as_ref()
}

/// Which way a room is open, as it is remembered.
pub(crate) fn known(room: &AppliedRoom) -> Open {
    match room.is_confirmed() {
        true => is_open(|name| held(room, name)),
        false => [0; 3],
    }
}

fn held<'a>(room: &'a AppliedRoom, name: &str) -> Option<&'a Stored> {
    room.overridden
        .get(name)
        .or_else(|| room.settings.get(name))
}

fn is_open<'a>(value: impl Fn(&str) -> Option<&'a Stored>) -> Open {
    let is_on = |name: &str| value(name).is_some_and(Stored::is_true);
    let ends = value("expireUnixSec")
        .and_then(Stored::integer)
        .is_some_and(|at| at > 0);
    let is_public = value("privacy").is_some_and(|privacy| *privacy == Stored::from("public"));
    [
        is_public,
        is_on("recordRoom") || is_on("recordComposition"),
        !ends,
    ]
    .map(u64::from)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::model::{Value, Wanted};
    use crate::planner::mutes::Mute;
    use crate::planner::testing::{applied, files, options, pruning, shown};
    use crate::planner::{Options, plan};

    fn trees() -> impl Strategy<Value = Wanted> {
        let flag = || prop::option::of(any::<bool>());
        let ends = prop::option::of(select(vec![0, 2_000_000_000]));
        let room = (select(vec!["private", "public"]), flag(), flag(), ends);
        prop::collection::btree_map(select(vec!["a", "b", "c", "d"]), room, 0..=4).prop_map(
            |tree| {
                let rooms = tree
                    .into_iter()
                    .map(|(name, (privacy, by_itself, composed, ends))| {
                        let mut said: Vec<(&'static str, Value)> =
                            vec![("privacy", privacy.into())];
                        said.extend(by_itself.map(|on| ("recordRoom", on.into())));
                        said.extend(composed.map(|on| ("recordComposition", on.into())));
                        said.extend(ends.map(|at: i64| ("expireUnixSec", at.into())));
                        (name, said)
                    });
                let rooms: Vec<_> = rooms.collect();
                let rooms: Vec<_> = rooms.iter().map(|(name, said)| (*name, &**said)).collect();
                files(&rooms)
            },
        )
    }

    /// What the service holds in the end: it keeps what a file says no longer.
    fn after(before: &Wanted, now: &Wanted, prune: bool) -> Wanted {
        let mut after = before.clone();
        after.retain(|name, _| !prune || now.contains_key(name));
        for (name, file) in now {
            let room = after.entry(name.clone()).or_insert_with(|| file.clone());
            room.settings.extend(file.settings.clone());
        }
        after
    }

    proptest! {
        /// Whatever a plan looked at, it says what the rooms are before it and after it, and nothing when none of that moves.
        #[test]
        fn the_counts_are_those_of_the_rooms(
            (before, now) in (trees(), trees()),
            (prune, looks, is_muted) in any::<(bool, bool, bool)>(),
            by_hand in prop::collection::btree_map(select(vec!["a", "b", "c", "d"]), select(vec!["private", "public"]), 0..=4),
        ) {
            let state = applied(&before);
            // What somebody moved by hand, as far as it is seen.
            let mut there = before.clone();
            let mut stays = BTreeMap::new();
            for (name, privacy) in by_hand.iter().filter(|_| looks) {
                let (Some(room), Some(file)) = (there.get_mut(*name), now.get(*name)) else { continue };
                let privacy = Value::from(*privacy);
                let applied = room.settings.insert("privacy".into(), privacy.clone());
                if is_muted && applied.as_ref() == file.settings.get("privacy") {
                    stays.insert(*name, privacy);
                }
            }
            let world = looks.then(|| {
                let gone = now.keys().filter(|name| !before.contains_key(*name));
                let gone: BTreeMap<_, _> = gone.map(|name| {
                    (name.clone(), crate::planner::Sighting::Absent(crate::planner::Gone::Missing))
                }).collect();
                shown(&there).into_iter().chain(gone).collect()
            });
            let mute = Mute::new("*", "privacy", "known", "2100-01-01").unwrap();
            let options: Options<'_> = Options {
                mutes: if is_muted { std::slice::from_ref(&mute) } else { &[] },
                ..if prune { pruning() } else { options() }
            };
            let made = plan(&now, &state, world.as_ref(), &options);
            let mut end = after(&there, &now, prune);
            for (name, privacy) in stays {
                end.get_mut(name).unwrap().settings.insert("privacy".into(), privacy);
            }
            let (then, later) = (open(&applied(&there)), open(&applied(&end)));
            let expected = [0, 1, 2].map(|at| Moved { before: then[at], after: later[at] });
            match made.posture() {
                Some(said) => {
                    prop_assert!(then != later);
                    prop_assert_eq!([said.public, said.recording, said.endless], expected);
                }
                None => prop_assert_eq!(then, later),
            }
        }
    }
}
