//! Checks across the attributes of one room: a list of named functions.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::catalogue::{self, Kind, Trait};
use super::finding::Severity;
use super::rule::Rule;
use super::types::Privacy;
use super::value::{Scalar, Settings, Value};

/// What a rule, or a policy, found in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub rule: Rule,
    pub severity: Severity,
    /// Wire names of the attributes to point at: the one it is about, and those that it does not go with.
    pub attributes: Vec<&'static str>,
    pub message: String,
    pub help: String,
}

type Check = fn(&mut Checked<'_>);

const CHECKS: &[Check] = &[
    privacy_required,
    rtmp_needs_url,
    composition_needed,
    layout_without_composition,
    rtmp_url_unused,
    expiry_flags_without_expiry,
    window_is_empty,
    moment_in_milliseconds,
    expiry_in_the_past,
    request_to_join_is_for_private_rooms,
    video_flags_in_audio_room,
    zero_limits,
];

/// Later than this, a number of seconds is more likely a number of milliseconds (the year 5138).
const MILLISECONDS: i64 = 100_000_000_000;

/// Everything the rules say about a room at the moment `now` (Unix seconds), in the order of the rules.
pub(crate) fn check(room: &Settings, now: i64) -> Vec<Violation> {
    let mut checked = Checked {
        room,
        now,
        violations: Vec::new(),
    };
    for check in CHECKS {
        check(&mut checked);
    }
    checked.violations
}

/// The time from a moment on and before another, in Unix seconds, as far as there is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Span(Option<i64>, Option<i64>);

impl Span {
    pub(crate) fn contains(&self, now: i64) -> bool {
        self.0.is_none_or(|from| from <= now) && self.1.is_none_or(|until| now < until)
    }

    pub(crate) fn is_endless(&self) -> bool {
        *self == Self::default()
    }
}

/// When the rules say the same of a room as at `now`: all they know of time is whether a moment of the room has passed.
pub(crate) fn constant(room: &Settings, now: i64) -> Span {
    let moments = room.iter().filter_map(|(name, value)| {
        let is_moment = catalogue::kind(name) == Some(&Kind::Moment);
        number(value).filter(|_| is_moment)
    });
    let (past, coming): (Vec<i64>, Vec<i64>) = moments.partition(|moment| *moment <= now);
    Span(past.into_iter().max(), coming.into_iter().min())
}

/// A room, and what was found in it so far.
struct Checked<'a> {
    room: &'a Settings,
    now: i64,
    violations: Vec<Violation>,
}

impl<'a> Checked<'a> {
    fn has(&self, name: &str) -> bool {
        self.room.contains_key(name)
    }

    /// Absent is not false, but it is not true either.
    fn is_true(&self, name: &str) -> bool {
        self.room.get(name) == Some(&Value::from(true))
    }

    fn number(&self, name: &str) -> Option<i64> {
        number(self.room.get(name)?)
    }

    /// Each whole number, by name.
    fn numbers(&self) -> impl Iterator<Item = (&'static str, i64)> + use<'a> {
        let values = self.room.iter();
        values.filter_map(|(name, value)| Some((name.as_str(), number(value)?)))
    }

    fn refuse(
        &mut self,
        rule: Rule,
        attributes: &[&'static str],
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.violations.push(Violation {
            rule,
            severity: rule.severity(),
            attributes: attributes.to_vec(),
            message: message.into(),
            help: help.into(),
        });
    }
}

fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Plain(Scalar::Integer(number)) => Some(*number),
        _ => None,
    }
}

fn calendar(moment: i64) -> String {
    match Timestamp::from_second(moment) {
        Ok(moment) => moment.to_string(),
        Err(_) => moment.to_string(),
    }
}

/// Marked required in the vendor's table; some clients leave it out. Sending it always is right either way.
fn privacy_required(room: &mut Checked<'_>) {
    if !room.has("privacy") {
        room.refuse(
            Rule::MissingPrivacy,
            &["privacy"],
            "`privacy` is missing",
            "add `privacy: private` or `privacy: public`, here or to a `_defaults.yaml` above",
        );
    }
}

/// Documented.
fn rtmp_needs_url(room: &mut Checked<'_>) {
    if room.is_true("enableRTMPOut") && !room.has("rtmpOutURL") {
        room.refuse(
            Rule::RtmpUrlMissing,
            &["enableRTMPOut"],
            "`enableRTMPOut: true` needs `rtmpOutURL`",
            "add `rtmpOutURL`, or take `enableRTMPOut` out",
        );
    }
}

/// Documented. The dashboard switches composition on by itself; the file has to say what it means.
fn composition_needed(room: &mut Checked<'_>) {
    if room.is_true("enableComposition") {
        return;
    }
    for name in catalogue::with(Trait::NeedsComposition) {
        if room.is_true(name) {
            room.refuse(
                Rule::CompositionNeeded,
                &[name, "enableComposition"],
                format!("`{name}: true` needs `enableComposition: true`"),
                "add `enableComposition: true` (composition is billed)",
            );
        }
    }
}

fn layout_without_composition(room: &mut Checked<'_>) {
    if room.has("compositionLayout") && !room.is_true("enableComposition") {
        room.refuse(
            Rule::LayoutUnused,
            &["compositionLayout", "enableComposition"],
            "`compositionLayout` has no effect without `enableComposition: true`",
            "add `enableComposition: true`, or take `compositionLayout` out",
        );
    }
}

fn rtmp_url_unused(room: &mut Checked<'_>) {
    if room.has("rtmpOutURL") && !room.is_true("enableRTMPOut") {
        room.refuse(
            Rule::RtmpUrlUnused,
            &["rtmpOutURL", "enableRTMPOut"],
            "`rtmpOutURL` is an unused secret while `enableRTMPOut` is not true",
            "add `enableRTMPOut: true`, or take `rtmpOutURL` out",
        );
    }
}

fn expiry_flags_without_expiry(room: &mut Checked<'_>) {
    for name in ["ejectAtRoomExp", "deleteOnExp"] {
        if room.is_true(name) && !room.has("expireUnixSec") {
            room.refuse(
                Rule::ExpiryMissing,
                &[name],
                format!("`{name}` matters only with `expireUnixSec`"),
                "add `expireUnixSec`, or take the flag out",
            );
        }
    }
}

fn window_is_empty(room: &mut Checked<'_>) {
    let (from, until) = ("notBeforeUnixSec", "expireUnixSec");
    if let (Some(opens), Some(expires)) = (room.number(from), room.number(until))
        && opens >= expires
    {
        room.refuse(
            Rule::EmptyWindow,
            &[from, until],
            format!(
                "nobody could ever join: the room opens at {} and expires at {}",
                calendar(opens),
                calendar(expires)
            ),
            "let `notBeforeUnixSec` be earlier than `expireUnixSec`",
        );
    }
}

fn moment_in_milliseconds(room: &mut Checked<'_>) {
    for (name, moment) in room.numbers() {
        if moment >= MILLISECONDS && catalogue::kind(name) == Some(&Kind::Moment) {
            room.refuse(
                Rule::Milliseconds,
                &[name],
                format!("`{name}: {moment}` looks like milliseconds"),
                format!("if it does to you too, write `{name}: {}`", moment / 1000),
            );
        }
    }
}

fn expiry_in_the_past(room: &mut Checked<'_>) {
    // Zero has a finding of its own.
    if let Some(moment) = room.number("expireUnixSec")
        && moment != 0
        && moment <= room.now
    {
        let moment = calendar(moment);
        room.refuse(
            Rule::Expired,
            &["expireUnixSec"],
            format!("the room expired at {moment}: nobody can join it"),
            "move `expireUnixSec` into the future, or delete the file",
        );
    }
}

fn request_to_join_is_for_private_rooms(room: &mut Checked<'_>) {
    let is_public = room.room.get("privacy") == Some(&Value::from(Privacy::Public));
    if is_public && room.is_true("enableRequestToJoin") {
        room.refuse(
            Rule::RequestToJoinUnused,
            &["enableRequestToJoin", "privacy"],
            "`enableRequestToJoin` is described for private rooms only; this one is public",
            "take it out, or make the room private",
        );
    }
}

fn video_flags_in_audio_room(room: &mut Checked<'_>) {
    for name in ["joinVideoOn", "enableScreenSharing"] {
        if room.is_true(name) && room.is_true("audioOnlyRoom") {
            room.refuse(
                Rule::VideoInAudioRoom,
                &[name, "audioOnlyRoom"],
                format!("`{name}: true` in a room with `audioOnlyRoom: true`"),
                format!("set `{name}: false`, or take `audioOnlyRoom` out"),
            );
        }
    }
}

/// Clients send 0, apparently for "no limit"; one had to stop sending exactly its zeros. Unknown.
fn zero_limits(room: &mut Checked<'_>) {
    for (name, number) in room.numbers() {
        if number == 0 {
            room.refuse(
                Rule::Zero,
                &[name],
                format!("what the service makes of `{name}: 0` is unknown; it may refuse it"),
                "for \"no limit\" take the key out; keep 0 only if you know that your account accepts it",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::model::Room;

    const NOW: i64 = 1_790_000_000;

    fn rules_of(value: Value) -> Vec<(Rule, Severity, &'static str)> {
        let room: Room = serde_json::from_value(value).unwrap();
        check(&room.settings(), NOW)
            .into_iter()
            .map(|v| (v.rule, v.severity, v.attributes[0]))
            .collect()
    }

    #[test]
    fn each_rule_fires_and_only_it() {
        use Severity::{Error, Note, Warning};
        let cases = [
            (json!({}), vec![(Rule::MissingPrivacy, Error, "privacy")]),
            (
                json!({"privacy": "private", "enableRTMPOut": true, "enableComposition": true}),
                vec![(Rule::RtmpUrlMissing, Error, "enableRTMPOut")],
            ),
            (
                json!({"privacy": "private", "recordComposition": true, "enableLiveStreaming": true}),
                vec![
                    (Rule::CompositionNeeded, Error, "recordComposition"),
                    (Rule::CompositionNeeded, Error, "enableLiveStreaming"),
                ],
            ),
            (
                json!({"privacy": "private", "enableComposition": false, "enableLiveStreaming": true}),
                vec![(Rule::CompositionNeeded, Error, "enableLiveStreaming")],
            ),
            (
                json!({"privacy": "private", "compositionLayout": "grid"}),
                vec![(Rule::LayoutUnused, Warning, "compositionLayout")],
            ),
            (
                json!({"privacy": "private", "rtmpOutURL": "rtmp://h.example/k"}),
                vec![(Rule::RtmpUrlUnused, Warning, "rtmpOutURL")],
            ),
            (
                json!({"privacy": "private", "ejectAtRoomExp": true, "deleteOnExp": true}),
                vec![
                    (Rule::ExpiryMissing, Warning, "ejectAtRoomExp"),
                    (Rule::ExpiryMissing, Warning, "deleteOnExp"),
                ],
            ),
            (
                json!({"privacy": "private", "notBeforeUnixSec": NOW + 9, "expireUnixSec": NOW + 9}),
                vec![(Rule::EmptyWindow, Error, "notBeforeUnixSec")],
            ),
            (
                json!({"privacy": "private", "expireUnixSec": 1_800_000_000_000_i64}),
                vec![(Rule::Milliseconds, Warning, "expireUnixSec")],
            ),
            (
                json!({"privacy": "private", "expireUnixSec": NOW}),
                vec![(Rule::Expired, Warning, "expireUnixSec")],
            ),
            (
                json!({"privacy": "public", "enableRequestToJoin": true}),
                vec![(Rule::RequestToJoinUnused, Note, "enableRequestToJoin")],
            ),
            (
                json!({"privacy": "private", "audioOnlyRoom": true, "joinVideoOn": true,
                       "enableScreenSharing": false}),
                vec![(Rule::VideoInAudioRoom, Warning, "joinVideoOn")],
            ),
            (
                json!({"privacy": "private", "maxParticipants": 0, "expireUnixSec": 0}),
                vec![
                    (Rule::Zero, Warning, "expireUnixSec"),
                    (Rule::Zero, Warning, "maxParticipants"),
                ],
            ),
        ];
        for (room, expected) in cases {
            assert_eq!(rules_of(room.clone()), expected, "{room}");
        }
    }

    #[test]
    fn the_vendors_own_sample_stays_valid() {
        assert_eq!(
            rules_of(
                json!({"privacy": "public", "expireUnixSec": 7_832_947_982_i64,
                            "ejectAtRoomExp": true, "notBeforeUnixSec": NOW})
            ),
            []
        );
    }

    proptest! {
        /// Within the span that a room is constant in, time makes no difference.
        #[test]
        fn only_a_moment_that_passes_makes_a_difference(
            [expires, opens] in [proptest::option::of(0_i64..6), proptest::option::of(0_i64..6)],
            [now, then] in [0_i64..7, 0_i64..7],
        ) {
            let mut room = json!({"privacy": "private", "ejectAtRoomExp": true});
            for (name, moment) in [("expireUnixSec", expires), ("notBeforeUnixSec", opens)] {
                if let Some(moment) = moment {
                    room[name] = moment.into();
                }
            }
            let room = serde_json::from_value::<Room>(room).unwrap().settings();
            let span = constant(&room, now);
            prop_assert!(span.contains(now));
            if span.contains(then) {
                prop_assert_eq!(check(&room, now), check(&room, then));
            }
        }
    }

    #[test]
    fn a_span_without_ends_has_none() {
        assert!(Span(None, None).is_endless());
        assert!(!Span(Some(1), None).is_endless() && !Span(None, Some(1)).is_endless());
        assert_eq!(calendar(0), "1970-01-01T00:00:00Z");
        assert_eq!(calendar(i64::MAX), i64::MAX.to_string());
    }
}
