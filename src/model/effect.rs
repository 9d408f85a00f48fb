//! What a change does to people: privacy, recording, being put out of a meeting, the bill.
//!
//! A change is judged by every value that the service may hold, not by the likely one: what was lost before must not
//! hide an effect.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::catalogue::{self, Kind, Trait};
use super::sorted::Sorted;
use super::value::{Stored, StoredSettings};
use super::wire_name::WireName;
use super::words::words;

words! {
    /// One effect on people. The wire names are those that reports and flags use.
    Effect {
        /// Less is forbidden than at the base of the change. Of the change as a whole, and of no room.
        GuardWeakened = "guard-weakened",
        /// Anyone with the link can now enter.
        PrivacyWidened = "privacy-widened",
        /// Meetings are recorded from now on, or may be.
        RecordingOn = "recording-on",
        /// People in the room may be put out of it.
        EjectsParticipants = "ejects-participants",
        /// The price of a meeting changes.
        BillingChanged = "billing-changed",
        /// The room goes away, at once or when it expires.
        Archived = "archived",
    }
}

impl Effect {
    /// All of them, the gravest first.
    pub(crate) const ALL: [Self; 6] = [
        Self::GuardWeakened,
        Self::PrivacyWidened,
        Self::RecordingOn,
        Self::EjectsParticipants,
        Self::BillingChanged,
        Self::Archived,
    ];

    /// What it means, in a sentence for the reader of a plan.
    pub(crate) fn sentence(self) -> &'static str {
        match self {
            Self::GuardWeakened => "less is forbidden than at the base of the change",
            Self::PrivacyWidened => "anyone with the link can enter",
            Self::RecordingOn => "meetings will or may be recorded",
            Self::EjectsParticipants => "people in the room may be put out of it",
            Self::BillingChanged => "what a meeting costs changes",
            Self::Archived => "the room will or may be archived",
        }
    }
}

/// What the service may hold of a room: for each attribute every value that it may have. An attribute that is not
/// here may have any.
pub(crate) type Held = Sorted<WireName, Vec<Stored>>;

/// What moving one attribute from one value to another does.
type Row = (Effect, &'static str, fn(&Stored, &Stored) -> bool);

/// What a moment of zero may mean: the vendor says nothing of it. So may one that has passed for a room that is still
/// there.
const NEVER: i64 = i64::MAX;
const LONG_AGO: i64 = 0;

/// What the expiry does, by the attribute that says so.
const AT_EXPIRY: [(&str, Effect); 2] = [
    ("ejectAtRoomExp", Effect::EjectsParticipants),
    ("deleteOnExp", Effect::Archived),
];

/// The table of effects; only the expiry is of two attributes at once.
fn table() -> impl Iterator<Item = &'static Row> {
    static TABLE: LazyLock<Vec<Row>> = LazyLock::new(|| {
        let all = |effect, of, moves| {
            catalogue::with(of).map(move |name| -> Row { (effect, name, moves) })
        };
        let privacy: Row = (Effect::PrivacyWidened, "privacy", opens);
        std::iter::once(privacy)
            .chain(all(Effect::RecordingOn, Trait::Records, switches_on))
            .chain(all(Effect::EjectsParticipants, Trait::Ejects, lowers))
            .chain(all(Effect::BillingChanged, Trait::Billed, switches))
            .collect()
    });
    TABLE.iter()
}

fn opens(from: &Stored, to: &Stored) -> bool {
    let public = Stored::from("public");
    *from != public && *to == public
}

fn switches_on(from: &Stored, to: &Stored) -> bool {
    !from.is_true() && to.is_true()
}

fn switches(from: &Stored, to: &Stored) -> bool {
    from.is_true() != to.is_true()
}

/// Zero is no limit.
fn lowers(from: &Stored, to: &Stored) -> bool {
    let limit = |value: &Stored| value.integer().filter(|limit| *limit > 0);
    limit(to).is_some_and(|to| limit(from).is_none_or(|from| to < from))
}

/// The effects that writing `wanted` at the moment `now` (Unix seconds) may have on a room of which the service
/// holds one of `held`, sorted.
pub(crate) fn effects(held: &Held, wanted: &StoredSettings, now: i64) -> Vec<Effect> {
    let moved = table().filter(|(_, name, moves)| {
        let to = wanted.get(name);
        to.is_some_and(|to| possible(held, name).iter().any(|from| moves(from, to)))
    });
    let mut effects: BTreeSet<Effect> = moved.map(|(effect, ..)| *effect).collect();
    for (flag, effect) in AT_EXPIRY {
        let mut ends = [NEVER, LONG_AGO]
            .into_iter()
            .flat_map(|open| expiries(held, wanted, flag, now, open));
        if ends.any(|(before, after)| after.max(now) < before.max(now)) {
            effects.insert(effect);
        }
    }
    effects.into_iter().collect()
}

/// The effects of creating a room, sorted. Nobody is in it and nobody has a link to it, so it cannot be opened, nor
/// anybody put out of it; that it records, what it costs, and that it goes away by itself is new with it.
pub(crate) fn effects_of_creating(wanted: &StoredSettings) -> Vec<Effect> {
    let off = Stored::from(false);
    let moved = table().filter(|(effect, name, moves)| {
        matches!(effect, Effect::RecordingOn | Effect::BillingChanged)
            && wanted.get(name).is_some_and(|to| moves(&off, to))
    });
    let mut effects: BTreeSet<Effect> = moved.map(|(effect, ..)| *effect).collect();
    let expires = |name: &str| wanted.get(name).and_then(Stored::integer).is_some();
    if wanted.get("deleteOnExp").is_some_and(Stored::is_true) && expires("expireUnixSec") {
        effects.insert(Effect::Archived);
    }
    effects.into_iter().collect()
}

/// Every value that makes a difference among those that the service may hold.
fn possible<'a>(held: &'a Held, name: &str) -> Cow<'a, [Stored]> {
    let kind = catalogue::kind(name);
    match held.get(name) {
        // What no such attribute should hold may mean anything.
        Some(values)
            if values
                .iter()
                .all(|value| kind.is_some_and(|kind| value.is_of(kind))) =>
        {
            Cow::Borrowed(values)
        }
        _ => Cow::Owned(match kind {
            Some(Kind::Flag) => vec![false.into(), true.into()],
            Some(Kind::Words(words)) => words.iter().map(|word| Stored::from(*word)).collect(),
            // No limit at all, a moment long ago, and one that never comes.
            _ => vec![0.into(), i64::MAX.into()],
        }),
    }
}

/// When the expiry may do what `flag` says, before and after the room is written. What is not written stays as it is, and
/// what may mean never or long ago is at `open`: zero, and what the service holds of a room that it did not end by `now`.
/// The same moment before and after means the same.
fn expiries(
    held: &Held,
    wanted: &StoredSettings,
    flag: &str,
    now: i64,
    open: i64,
) -> impl Iterator<Item = (i64, i64)> {
    let expiry = "expireUnixSec";
    let when = |flag: &Stored, at: &Stored, held: &Stored| {
        let is_held = at.integer() == held.integer();
        match at.integer().filter(|_| flag.is_true()) {
            Some(at) if at == 0 || (is_held && at <= now) => open,
            at => at.unwrap_or(NEVER),
        }
    };
    let (flags, moments) = (possible(held, flag), possible(held, expiry));
    let mut expiries = Vec::new();
    for (on, moment) in flags
        .iter()
        .flat_map(|on| moments.iter().map(move |moment| (on, moment)))
    {
        let after = (wanted.get(flag), wanted.get(expiry));
        let after = when(after.0.unwrap_or(on), after.1.unwrap_or(moment), moment);
        expiries.push((when(on, moment, moment), after));
    }
    expiries.into_iter()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::model::unique::unique;

    fn read(value: &Value) -> StoredSettings {
        unique(value.clone()).unwrap()
    }

    fn held(value: &Value) -> Held {
        let values = read(value).into_iter();
        values.map(|(name, value)| (name, vec![value])).collect()
    }

    fn names(effects: &[Effect]) -> Vec<&'static str> {
        effects.iter().map(|effect| effect.name()).collect()
    }

    #[test]
    fn effects_of_single_moves() {
        let (people, recording) = ("ejects-participants", ["recording-on", "billing-changed"]);
        let gone = "archived";
        let cases: [(Value, Value, &[&str]); 34] = [
            (
                json!({"privacy": "private"}),
                json!({"privacy": "public"}),
                &["privacy-widened"],
            ),
            (
                json!({"privacy": null}),
                json!({"privacy": "public"}),
                &["privacy-widened"],
            ),
            (
                json!({"privacy": "public"}),
                json!({"privacy": "private"}),
                &[],
            ),
            (
                json!({}),
                json!({"privacy": "public"}),
                &["privacy-widened"],
            ),
            (json!({}), json!({"privacy": "private"}), &[]),
            (
                json!({"recordRoom": false}),
                json!({"recordRoom": true}),
                &recording,
            ),
            (
                json!({"recordRoom": true}),
                json!({"recordRoom": true}),
                &[],
            ),
            (json!({}), json!({"enableRecording": true}), &recording),
            (
                json!({"enableRecording": true}),
                json!({"enableRecording": false}),
                &["billing-changed"],
            ),
            (
                json!({}),
                json!({"enableRecording": false}),
                &["billing-changed"],
            ),
            (
                json!({"audioOnlyRoom": "true"}),
                json!({"audioOnlyRoom": false}),
                &["billing-changed"],
            ),
            (
                json!({"maxParticipants": 5}),
                json!({"maxParticipants": 4}),
                &[people],
            ),
            (
                json!({"maxParticipants": 5}),
                json!({"maxParticipants": 6}),
                &[],
            ),
            (
                json!({"maxParticipants": 0}),
                json!({"maxParticipants": 10}),
                &[people],
            ),
            (
                json!({"maxParticipants": 10}),
                json!({"maxParticipants": 0}),
                &[],
            ),
            (json!({}), json!({"maxParticipants": 6}), &[people]),
            (
                json!({"deleteOnExp": false, "ejectAtRoomExp": true, "expireUnixSec": 2000}),
                json!({"ejectAtRoomExp": true, "expireUnixSec": 999}),
                &[people],
            ),
            (
                json!({"deleteOnExp": false, "ejectAtRoomExp": true, "expireUnixSec": 2000}),
                json!({"ejectAtRoomExp": true, "expireUnixSec": 1001}),
                &[people],
            ),
            (
                json!({"deleteOnExp": false, "ejectAtRoomExp": true, "expireUnixSec": 999}),
                json!({"ejectAtRoomExp": true, "expireUnixSec": 1}),
                &[people],
            ),
            (
                json!({"deleteOnExp": false, "ejectAtRoomExp": false, "expireUnixSec": 2000}),
                json!({"ejectAtRoomExp": false, "expireUnixSec": 999}),
                &[],
            ),
            (
                json!({"deleteOnExp": false, "expireUnixSec": 2000}),
                json!({"deleteOnExp": true, "expireUnixSec": 2000}),
                &[gone],
            ),
            (
                json!({"deleteOnExp": true, "expireUnixSec": 2000}),
                json!({"deleteOnExp": true, "expireUnixSec": 1999}),
                &[people, gone],
            ),
            (
                json!({"deleteOnExp": true, "expireUnixSec": 2000}),
                json!({"deleteOnExp": true, "expireUnixSec": 2001}),
                &[],
            ),
            (
                json!({"deleteOnExp": false, "ejectAtRoomExp": false}),
                json!({"expireUnixSec": 999}),
                &[],
            ),
            // Whenever it may expire, and whether or not it is to be archived then, it may be now.
            (json!({}), json!({"deleteOnExp": true}), &[gone]),
            (
                json!({"ejectAtRoomExp": false}),
                json!({"expireUnixSec": 999}),
                &[gone],
            ),
            // Zero may mean long ago, and never.
            (
                json!({"deleteOnExp": true, "ejectAtRoomExp": true, "expireUnixSec": 0}),
                json!({"deleteOnExp": true, "expireUnixSec": 2000}),
                &[people, gone],
            ),
            (
                json!({"deleteOnExp": true, "ejectAtRoomExp": true, "expireUnixSec": 2000}),
                json!({"expireUnixSec": 0}),
                &[people, gone],
            ),
            (
                json!({"deleteOnExp": true, "ejectAtRoomExp": true, "expireUnixSec": 0}),
                json!({"expireUnixSec": 0}),
                &[],
            ),
            // So may a moment that has passed for a room that is there.
            (
                json!({"deleteOnExp": true, "ejectAtRoomExp": true, "expireUnixSec": -1}),
                json!({"expireUnixSec": 2000}),
                &[people, gone],
            ),
            (
                json!({"deleteOnExp": true, "ejectAtRoomExp": true, "expireUnixSec": 1000}),
                json!({"deleteOnExp": true, "expireUnixSec": 2000}),
                &[people, gone],
            ),
            (
                json!({"deleteOnExp": true, "ejectAtRoomExp": true, "expireUnixSec": 999}),
                json!({"deleteOnExp": true, "expireUnixSec": 999}),
                &[],
            ),
            // What is not written stays as it is.
            (
                json!({"deleteOnExp": false, "ejectAtRoomExp": true, "expireUnixSec": 2000}),
                json!({"expireUnixSec": 999}),
                &[people],
            ),
            (
                json!({"expireUnixSec": 999}),
                json!({"ejectAtRoomExp": false}),
                &[],
            ),
        ];
        for (before, after, expected) in cases {
            let effects = effects(&held(&before), &read(&after), 1_000);
            assert_eq!(names(&effects), expected, "{before} -> {after}");
        }
    }

    #[test]
    fn creating_a_room_opens_none_and_puts_nobody_out_but_it_may_go_away_by_itself() {
        let of = |wanted: Value| names(&effects_of_creating(&read(&wanted)));
        let over = json!({"privacy": "public", "maxParticipants": 1, "ejectAtRoomExp": true, "deleteOnExp": true, "expireUnixSec": 1});
        assert_eq!(of(over), ["archived"]);
        assert_eq!(of(json!({"deleteOnExp": true})), [""; 0]);
        assert_eq!(
            of(json!({"recordRoom": true, "audioOnlyRoom": false})),
            ["recording-on", "billing-changed"]
        );
    }

    fn value_of(name: &'static str) -> BoxedStrategy<Stored> {
        match catalogue::kind(name) {
            Some(Kind::Flag) => any::<bool>().prop_map(Stored::from).boxed(),
            Some(Kind::Words(words)) => proptest::sample::select(words.clone())
                .prop_map(Stored::from)
                .boxed(),
            _ => proptest::sample::select(vec![-1_i64, 0, 1, 5, 999, 1_001, 9_000])
                .prop_map(Stored::from)
                .boxed(),
        }
    }

    /// Some of the attributes that have effects, with up to so many values each.
    fn some(values: usize) -> impl Strategy<Value = Held> {
        let mut names: BTreeSet<&'static str> = table().map(|(_, name, _)| *name).collect();
        names.extend(["ejectAtRoomExp", "deleteOnExp", "expireUnixSec"]);
        let one = |name: &'static str| {
            let values = proptest::collection::vec(value_of(name), 1..=values);
            proptest::option::of(values).prop_map(move |values| Some((name, values?)))
        };
        let all: Vec<_> = names.into_iter().map(one).collect();
        all.prop_map(|all| all.into_iter().flatten().collect())
    }

    proptest! {
        /// Judged by several values, a change has every effect that it has judged by one of them; and by none, whatever
        /// the value is.
        #[test]
        fn more_doubt_is_never_fewer_effects(held in some(3), wanted in some(1), pick in any::<u64>(), hide in any::<u64>()) {
            let wanted: StoredSettings = wanted.into_iter().map(|(name, mut values)| (name, values.remove(0))).collect();
            let all = effects(&held, &wanted, 1_000);
            let one: Held = held.iter().enumerate().map(|(n, (name, values))| {
                let value = values[(pick >> (2 * n) & 3) as usize % values.len()].clone();
                (*name, vec![value])
            }).collect();
            for effect in effects(&one, &wanted, 1_000) {
                prop_assert!(all.contains(&effect), "{effect:?} {held:?} {wanted:?}");
            }
            let hidden: Held = held.iter().enumerate()
                .filter(|(n, _)| hide >> n & 1 == 1)
                .map(|(_, (name, values))| (*name, values.clone()))
                .collect();
            let most = effects(&hidden, &wanted, 1_000);
            for effect in all {
                prop_assert!(most.contains(&effect), "{effect:?} {held:?} {wanted:?}");
            }
        }
    }
}
