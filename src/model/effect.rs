//! What a change does to people: privacy, recording, being put out of a meeting, the bill.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::catalogue::{self, Trait};
use super::value::{Stored, StoredSettings};

/// One effect on people. The wire names are those that reports and flags use.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Effect {
    /// Anyone with the link can now enter.
    PrivacyWidened,
    /// Meetings are recorded from now on, or may be.
    RecordingOn,
    /// People in the room may be put out of it.
    EjectsParticipants,
    /// The price of a meeting changes.
    BillingChanged,
    /// The room goes away.
    Archived,
}

impl Effect {
    /// All of them, the gravest first.
    pub(crate) const ALL: [Self; 5] = [
        Self::PrivacyWidened,
        Self::RecordingOn,
        Self::EjectsParticipants,
        Self::BillingChanged,
        Self::Archived,
    ];

    /// The name in reports and flags.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::PrivacyWidened => "privacy-widened",
            Self::RecordingOn => "recording-on",
            Self::EjectsParticipants => "ejects-participants",
            Self::BillingChanged => "billing-changed",
            Self::Archived => "archived",
        }
    }

    /// What it means, in a sentence for the reader of a plan.
    pub(crate) fn sentence(self) -> &'static str {
        match self {
            Self::PrivacyWidened => "anyone with the link can enter",
            Self::RecordingOn => "meetings will or may be recorded",
            Self::EjectsParticipants => "people in the room may be put out of it",
            Self::BillingChanged => "what a meeting costs changes",
            Self::Archived => "the room will be archived",
        }
    }
}

/// The effects of moving a room from `before` to `after` at the moment `now` (Unix seconds), sorted.
///
/// An attribute missing from `before` was not managed: its value is not known. Switching something on
/// then counts as an effect, since the safe reading is that it was off; switching off does not.
pub(crate) fn effects(before: &StoredSettings, after: &StoredSettings, now: i64) -> Vec<Effect> {
    let mut effects = Vec::new();
    let change = Move { before, after };
    if change.is("privacy", "private", "public") {
        effects.push(Effect::PrivacyWidened);
    }
    if catalogue::with(Trait::Records).any(|name| change.switches_on(name)) {
        effects.push(Effect::RecordingOn);
    }
    if change.ejects(now) {
        effects.push(Effect::EjectsParticipants);
    }
    if catalogue::with(Trait::Billed)
        .any(|name| change.switches_on(name) || change.switches_off(name))
    {
        effects.push(Effect::BillingChanged);
    }
    effects
}

struct Move<'a> {
    before: &'a StoredSettings,
    after: &'a StoredSettings,
}

impl Move<'_> {
    fn is(&self, name: &str, from: &str, to: &str) -> bool {
        self.before.get(name) == Some(&from.into()) && self.after.get(name) == Some(&to.into())
    }

    fn switches_on(&self, name: &str) -> bool {
        is_true(self.after, name) && !is_true(self.before, name)
    }

    fn switches_off(&self, name: &str) -> bool {
        self.after.get(name) == Some(&false.into()) && is_true(self.before, name)
    }

    fn lowers(&self, name: &str) -> bool {
        match (number(self.before, name), number(self.after, name)) {
            (Some(before), Some(after)) => after < before,
            // Newly limited: somebody inside may be over the limit.
            (None, Some(_)) => !self.before.is_empty(),
            _ => false,
        }
    }

    fn ejects(&self, now: i64) -> bool {
        let over = |settings: &StoredSettings| {
            is_true(settings, "ejectAtRoomExp")
                && number(settings, "expireUnixSec").is_some_and(|moment| moment <= now)
        };
        let expires = over(self.after) && !over(self.before);
        expires || catalogue::with(Trait::Ejects).any(|name| self.lowers(name))
    }
}

fn is_true(settings: &StoredSettings, name: &str) -> bool {
    settings.get(name).is_some_and(Stored::is_true)
}

fn number(settings: &StoredSettings, name: &str) -> Option<i64> {
    settings.get(name).and_then(Stored::integer)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn of(before: Value, after: Value) -> Vec<&'static str> {
        let read = |value| -> StoredSettings { serde_json::from_value(value).unwrap() };
        effects(&read(before), &read(after), 1_000)
            .into_iter()
            .map(Effect::name)
            .collect()
    }

    #[test]
    fn effects_of_single_moves() {
        let cases = [
            (
                json!({"privacy": "private"}),
                json!({"privacy": "public"}),
                vec!["privacy-widened"],
            ),
            (
                json!({"privacy": "public"}),
                json!({"privacy": "private"}),
                vec![],
            ),
            (json!({}), json!({"privacy": "public"}), vec![]),
            (
                json!({"recordRoom": false}),
                json!({"recordRoom": true}),
                vec!["recording-on", "billing-changed"],
            ),
            (
                json!({}),
                json!({"enableRecording": true}),
                vec!["recording-on", "billing-changed"],
            ),
            (
                json!({"enableRecording": true}),
                json!({"enableRecording": false}),
                vec!["billing-changed"],
            ),
            (json!({}), json!({"enableRecording": false}), vec![]),
            (
                json!({"audioOnlyRoom": true}),
                json!({"audioOnlyRoom": false}),
                vec!["billing-changed"],
            ),
            (
                json!({"maxParticipants": 5}),
                json!({"maxParticipants": 4}),
                vec!["ejects-participants"],
            ),
            (
                json!({"maxParticipants": 5}),
                json!({"maxParticipants": 6}),
                vec![],
            ),
            (
                json!({"privacy": "public"}),
                json!({"privacy": "public", "maxParticipants": 6}),
                vec!["ejects-participants"],
            ),
            (json!({}), json!({"maxParticipants": 6}), vec![]),
            (
                json!({"ejectAtRoomExp": true, "expireUnixSec": 2000}),
                json!({"ejectAtRoomExp": true, "expireUnixSec": 999}),
                vec!["ejects-participants"],
            ),
            (
                json!({"ejectAtRoomExp": false, "expireUnixSec": 2000}),
                json!({"ejectAtRoomExp": false, "expireUnixSec": 999}),
                vec![],
            ),
        ];
        for (before, after, expected) in cases {
            assert_eq!(
                of(before.clone(), after.clone()),
                expected,
                "{before} -> {after}"
            );
        }
    }
}
