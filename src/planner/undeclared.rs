//! Attributes that no file declares: never written and never compared, only told when they move.

use std::collections::BTreeMap;

use super::state::AppliedRoom;
use crate::model::catalogue::{Attribute, attribute, attributes};
use crate::model::{Live, LiveRoom, Stored, StoredSettings};

/// An attribute that nobody declared and that moved since the room was last written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Undeclared {
    pub name: String,
    /// What the service reported then.
    pub before: Stored,
    /// What it reports now.
    pub live: Stored,
}

/// What a room reports of settable attributes that are not among `sent`, in the form that is remembered.
pub(crate) fn observed(
    sent: impl Fn(&str) -> bool,
    live: &BTreeMap<String, Live>,
    salt: &str,
) -> StoredSettings {
    let known = attributes()
        .iter()
        .filter(|a| a.name != "roomName" && !sent(a.name));
    known
        .filter_map(|a| {
            let value = live.get(a.name)?;
            Some((
                a.name.to_owned(),
                value.remember(salt, a.name, a.is_secret()),
            ))
        })
        .collect()
}

/// Attributes that are not `wanted`, and are not what the service reported of them when the room was last
/// written, by name.
pub(crate) fn moved(
    wanted: &StoredSettings,
    applied: &AppliedRoom,
    live: &LiveRoom,
    salt: &str,
) -> Vec<Undeclared> {
    let undeclared = applied
        .observed
        .iter()
        .filter(|(name, _)| !wanted.contains_key(*name));
    undeclared
        .filter_map(|(name, before)| {
            let now = live.settings.get(name)?;
            let secret = attribute(name).is_some_and(Attribute::is_secret);
            (!now.is(before, salt, name)).then(|| Undeclared {
                name: name.clone(),
                before: before.clone(),
                live: now.remember(salt, name, secret),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undeclared_attributes_are_settable_ones_that_were_not_sent() {
        let live: BTreeMap<String, Live> = [
            ("enableChat".to_owned(), Live::Bool(false)),
            ("autoJoin".to_owned(), Live::Bool(true)),
            (
                "meetingLeftWebhook".to_owned(),
                Live::Text("https://x".into()),
            ),
            ("roomName".to_owned(), Live::Text("a".into())),
            ("lang".to_owned(), Live::Text("en".into())),
        ]
        .into();
        let seen = observed(|name| name == "enableChat", &live, "salt");
        let names: Vec<&String> = seen.keys().collect();
        assert_eq!(names, ["autoJoin", "meetingLeftWebhook"]);
        assert!(seen["meetingLeftWebhook"].is_secret());
    }
}
