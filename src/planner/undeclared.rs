//! Attributes that no file declares: never written and never compared, only reported when they move.

use super::state::AppliedRoom;
use crate::model::catalogue::attributes;
use crate::model::{Stored, StoredSettings, WantedRoom};

/// An attribute that nobody declared and that moved since the room was last written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Undeclared {
    pub name: String,
    /// What the service reported then.
    pub before: Stored,
    /// What it reports now.
    pub live: Stored,
}

/// What a room reports of settable attributes that are not among `sent`.
pub(crate) fn observed(sent: &StoredSettings, live: &StoredSettings) -> StoredSettings {
    let names = attributes().iter().map(|attribute| attribute.name);
    names
        .filter(|name| *name != "roomName" && !sent.contains_key(*name))
        .filter_map(|name| Some((name.to_owned(), live.get(name)?.clone())))
        .collect()
}

/// Attributes that are not declared, and are not what the service reported of them when the room was last
/// written, by name. What was applied counts as declared: of that, how it stands is said anyway.
pub(super) fn moved(
    wanted: Option<&WantedRoom>,
    applied: &AppliedRoom,
    live: &StoredSettings,
) -> Vec<Undeclared> {
    let is_declared = |name: &str| {
        applied.settings.contains_key(name)
            || wanted.is_some_and(|file| file.settings.contains_key(name))
    };
    let moved = applied.observed.iter().filter_map(|(name, before)| {
        let now = live.get(name).filter(|now| *now != before)?;
        (!is_declared(name)).then(|| Undeclared {
            name: name.clone(),
            before: before.clone(),
            live: now.clone(),
        })
    });
    moved.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undeclared_attributes_are_settable_ones_that_were_not_sent() {
        let names = ["autoJoin", "enableChat", "lang", "roomName"];
        let live = names.map(|name| (name.to_owned(), true.into())).into();
        let sent = [("enableChat".to_owned(), false.into())].into();
        let seen = observed(&sent, &live);
        assert_eq!(seen, [("autoJoin".to_owned(), true.into())].into());
    }
}
