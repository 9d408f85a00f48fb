//! What a change does to people: privacy, recording, being put out of a meeting, the bill.

use super::catalogue::{self, Trait};
use super::value::{Stored, StoredSettings};
use super::words::words;

words! {
    /// One effect on people. The wire names are those that reports and flags use.
    Effect {
        /// Anyone with the link can now enter.
        PrivacyWidened = "privacy-widened",
        /// Meetings are recorded from now on, or may be.
        RecordingOn = "recording-on",
        /// People in the room may be put out of it.
        EjectsParticipants = "ejects-participants",
        /// The price of a meeting changes.
        BillingChanged = "billing-changed",
        /// The room goes away.
        Archived = "archived",
    }
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

/// The effects of bringing a room to `after` at the moment `now` (Unix seconds), sorted. `before` says what the
/// room holds of an attribute, where that is known.
///
/// Switching something on whose value is not known counts as an effect, since the safe reading is that it was
/// off; switching it off does not.
pub(crate) fn effects<'a>(
    before: impl Fn(&str) -> Option<&'a Stored>,
    after: &'a StoredSettings,
    now: i64,
) -> Vec<Effect> {
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

struct Move<'a, Before> {
    before: Before,
    after: &'a StoredSettings,
}

impl<'a, Before: Fn(&str) -> Option<&'a Stored>> Move<'a, Before> {
    fn sides(&self, name: &str) -> (Option<&'a Stored>, Option<&'a Stored>) {
        ((self.before)(name), self.after.get(name))
    }

    fn is(&self, name: &str, from: &str, to: &str) -> bool {
        let (before, after) = self.sides(name);
        before == Some(&from.into()) && after == Some(&to.into())
    }

    fn switches_on(&self, name: &str) -> bool {
        let (before, after) = self.sides(name);
        is_true(after) && !is_true(before)
    }

    fn switches_off(&self, name: &str) -> bool {
        let (before, after) = self.sides(name);
        after == Some(&false.into()) && is_true(before)
    }

    fn lowers(&self, name: &str) -> bool {
        let (before, after) = self.sides(name);
        let number = |value: Option<&Stored>| value.and_then(Stored::integer);
        match (number(before), number(after)) {
            (Some(before), Some(after)) => after < before,
            // Newly limited: somebody inside may be over the limit, if there is an inside.
            (None, Some(_)) => self.after.keys().any(|name| (self.before)(name).is_some()),
            _ => false,
        }
    }

    fn ejects(&self, now: i64) -> bool {
        let (ejected, ejects) = self.sides("ejectAtRoomExp");
        let (before, after) = self.sides("expireUnixSec");
        let is_over = |moment: Option<&Stored>| {
            moment
                .and_then(Stored::integer)
                .is_some_and(|moment| moment <= now)
        };
        let was_over = is_true(ejected) && is_over(before);
        (is_true(ejects) && is_over(after) && !was_over)
            || catalogue::with(Trait::Ejects).any(|name| self.lowers(name))
    }
}

fn is_true(value: Option<&Stored>) -> bool {
    value.is_some_and(Stored::is_true)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn of(before: Value, after: Value) -> Vec<&'static str> {
        let read = |value| -> StoredSettings { serde_json::from_value(value).unwrap() };
        let before = read(before);
        effects(|name| before.get(name), &read(after), 1_000)
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
