//! Attributes that no file declares: never written and never compared, only reported when they move.

use std::collections::BTreeMap;

use super::state::{AppliedRoom, State};
use crate::model::catalogue::attribute;
use crate::model::effect::Held;
use crate::model::{RoomName, Stored, StoredSettings, Wanted, WantedRoom};

/// An attribute that nobody declared and that moved since it was last seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Undeclared {
    pub name: String,
    /// What the service reported then.
    pub before: Stored,
    /// What it reports now; null also stands for nothing.
    pub live: Stored,
}

/// Whether a file could declare it.
pub(crate) fn is_settable(name: &str) -> bool {
    name != "roomName" && attribute(name).is_some()
}

/// What of `known` the service shows otherwise by now, or no longer, by name.
pub(crate) fn differing(known: Held, shown: &StoredSettings) -> Vec<Undeclared> {
    let moved = known.into_iter().filter_map(|(name, mut values)| {
        let live = shown.get(&name).cloned().unwrap_or(Stored::Null(()));
        (!values.contains(&live)).then(|| Undeclared {
            before: values.swap_remove(0),
            live,
            name,
        })
    });
    moved.collect()
}

/// Attributes that are not declared, and are not what the service reported of them when it was last seen. What was applied
/// counts as declared: of that, how it stands is said anyway.
pub(super) fn moved(
    wanted: Option<&WantedRoom>,
    applied: &AppliedRoom,
    live: &StoredSettings,
) -> Vec<Undeclared> {
    let moved = applied.observed.iter().filter(|(name, seen)| {
        let now = live.get(*name);
        let may_show = now.is_some() || !applied.unseen.contains(*name);
        // As it was seen, as nearly all are, it is not even copied.
        now != Some(seen) && may_show && !applied.settings.contains_key(*name)
    });
    let is_wanted = |name: &str| wanted.is_some_and(|file| file.settings.contains_key(name));
    let moved = moved.filter(|(name, _)| !is_wanted(name));
    let moved = moved.map(|(name, seen)| (name.clone(), vec![seen.clone()]));
    differing(moved.collect(), live)
}

/// Attributes that no file declares and that moved on the service, as far as a run learned of it that left `after`: it is
/// remembered so from then on, and not reported again.
pub(crate) fn learned(
    before: &State,
    after: &State,
    wanted: &Wanted,
) -> BTreeMap<RoomName, Vec<Undeclared>> {
    let rooms = before.rooms.iter().filter_map(|(name, before)| {
        let after = after.rooms.get(name)?;
        // Of another room nothing moved, and of one that is only claimed nobody knows.
        if before.claimed || before.id.is_some() && after.id != before.id {
            return None;
        }
        let file = wanted.get(name);
        let is_declared = |name: &String| {
            let is_wanted = file.is_some_and(|file| file.settings.contains_key(name.as_str()));
            is_wanted || after.settings.contains_key(name)
        };
        let seen = after.observed.iter();
        let seen = seen.map(|(name, live)| (name, live.clone()));
        let gone = after.unseen.difference(&before.unseen);
        let gone = gone.map(|name| (name, Stored::Null(())));
        let all: BTreeMap<&String, Stored> = seen.chain(gone).collect();
        let moved = all.into_iter().filter_map(|(name, live)| {
            let before = before.last(name).filter(|before| **before != live)?;
            (!is_declared(name)).then(|| Undeclared {
                name: name.clone(),
                before: before.clone(),
                live,
            })
        });
        let moved: Vec<Undeclared> = moved.collect();
        (!moved.is_empty()).then(|| (name.clone(), moved))
    });
    rooms.collect()
}
