//! Attributes that no file declares: never written and never compared, only reported when they move.

use super::state::AppliedRoom;
use crate::model::catalogue::attribute;
use crate::model::effect::Held;
use crate::model::{Stored, StoredSettings, WantedRoom};

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
    let may_have_moved = |name: &str| {
        let is_wanted = wanted.is_some_and(|file| file.settings.contains_key(name));
        // As it was seen, as nearly all are, it is not even copied.
        let is_as_seen = || live.contains_key(name) && live.get(name) == applied.observed.get(name);
        !applied.settings.contains_key(name) && !is_wanted && !is_as_seen()
    };
    differing(applied.in_sight(may_have_moved), live)
}
