//! Checks across the attributes of one room: a list of named functions, each with its strength.
//!
//! Strength follows the evidence: what the service documents is an error, what we infer is a warning,
//! what only the wording hints at is a note.

use jiff::Timestamp;

use super::catalogue::{self, Kind, Trait};
use super::finding::Severity;
use super::rule::Rule;
use super::types::Privacy;
use super::value::{Scalar, Settings, Value};

/// What a rule, or a policy, found in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub rule: Rule,
    /// Its strength.
    pub severity: Severity,
    /// Wire names of the attributes to point at: the one it is about, and those that it does not go with.
    pub attributes: Vec<&'static str>,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

type Check = fn(&Settings, i64, &mut Vec<Violation>);

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
    let mut found = Vec::new();
    for check in CHECKS {
        check(room, now, &mut found);
    }
    found
}

fn violation(
    rule: Rule,
    severity: Severity,
    attribute: &'static str,
    message: impl Into<String>,
    help: impl Into<String>,
) -> Violation {
    Violation {
        rule,
        severity,
        attributes: vec![attribute],
        message: message.into(),
        help: help.into(),
    }
}

impl Violation {
    fn with(mut self, other: &'static str) -> Self {
        self.attributes.push(other);
        self
    }
}

/// Absent is not false, but it is not true either.
fn is_true(room: &Settings, name: &str) -> bool {
    room.get(name) == Some(&Value::from(true))
}

fn number(room: &Settings, name: &str) -> Option<i64> {
    match room.get(name) {
        Some(Value::Plain(Scalar::Integer(number))) => Some(*number),
        _ => None,
    }
}

/// A moment as people read it.
fn calendar(moment: i64) -> String {
    match Timestamp::from_second(moment) {
        Ok(moment) => moment.to_string(),
        Err(_) => moment.to_string(),
    }
}

/// Marked required in the vendor's table; some clients leave it out. Sending it always is right either way.
fn privacy_required(room: &Settings, _: i64, found: &mut Vec<Violation>) {
    if !room.contains_key("privacy") {
        found.push(violation(
            Rule::MissingPrivacy,
            Severity::Error,
            "privacy",
            "`privacy` is missing",
            "add `privacy: private` or `privacy: public`, here or to a `_defaults.yaml` above",
        ));
    }
}

/// Documented.
fn rtmp_needs_url(room: &Settings, _: i64, found: &mut Vec<Violation>) {
    if is_true(room, "enableRTMPOut") && !room.contains_key("rtmpOutURL") {
        found.push(violation(
            Rule::RtmpUrlMissing,
            Severity::Error,
            "enableRTMPOut",
            "`enableRTMPOut: true` needs `rtmpOutURL`",
            "add `rtmpOutURL`, or take `enableRTMPOut` out",
        ));
    }
}

/// Documented. The dashboard switches composition on by itself; the file has to say what it means.
fn composition_needed(room: &Settings, _: i64, found: &mut Vec<Violation>) {
    if is_true(room, "enableComposition") {
        return;
    }
    for name in catalogue::with(Trait::NeedsComposition).filter(|name| is_true(room, name)) {
        let message = format!("`{name}: true` needs `enableComposition: true`");
        let help = "add `enableComposition: true` (composition is billed)";
        found.push(
            violation(
                Rule::CompositionNeeded,
                Severity::Error,
                name,
                message,
                help,
            )
            .with("enableComposition"),
        );
    }
}

fn layout_without_composition(room: &Settings, _: i64, found: &mut Vec<Violation>) {
    if room.contains_key("compositionLayout") && !is_true(room, "enableComposition") {
        found.push(
            violation(
                Rule::LayoutUnused,
                Severity::Warning,
                "compositionLayout",
                "`compositionLayout` has no effect without `enableComposition: true`",
                "add `enableComposition: true`, or take `compositionLayout` out",
            )
            .with("enableComposition"),
        );
    }
}

fn rtmp_url_unused(room: &Settings, _: i64, found: &mut Vec<Violation>) {
    if room.contains_key("rtmpOutURL") && !is_true(room, "enableRTMPOut") {
        found.push(
            violation(
                Rule::RtmpUrlUnused,
                Severity::Warning,
                "rtmpOutURL",
                "`rtmpOutURL` is an unused secret while `enableRTMPOut` is not true",
                "add `enableRTMPOut: true`, or take `rtmpOutURL` out",
            )
            .with("enableRTMPOut"),
        );
    }
}

fn expiry_flags_without_expiry(room: &Settings, _: i64, found: &mut Vec<Violation>) {
    if room.contains_key("expireUnixSec") {
        return;
    }
    let flags = ["ejectAtRoomExp", "deleteOnExp"];
    for name in flags.into_iter().filter(|name| is_true(room, name)) {
        let message = format!("`{name}` matters only with `expireUnixSec`");
        let help = "add `expireUnixSec`, or take the flag out";
        let severity = Severity::Warning;
        found.push(violation(
            Rule::ExpiryMissing,
            severity,
            name,
            message,
            help,
        ));
    }
}

fn window_is_empty(room: &Settings, _: i64, found: &mut Vec<Violation>) {
    let moments = (
        number(room, "notBeforeUnixSec"),
        number(room, "expireUnixSec"),
    );
    if let (Some(from), Some(until)) = moments
        && from >= until
    {
        let message = format!(
            "nobody could ever join: the room opens at {} and expires at {}",
            calendar(from),
            calendar(until)
        );
        let help = "let `notBeforeUnixSec` be earlier than `expireUnixSec`";
        found.push(
            violation(
                Rule::EmptyWindow,
                Severity::Error,
                "notBeforeUnixSec",
                message,
                help,
            )
            .with("expireUnixSec"),
        );
    }
}

fn moment_in_milliseconds(room: &Settings, _: i64, found: &mut Vec<Violation>) {
    for attribute in catalogue::attributes()
        .iter()
        .filter(|a| a.kind == Kind::Moment)
    {
        let name = attribute.name;
        if let Some(moment) = number(room, name).filter(|moment| *moment >= MILLISECONDS) {
            let message = format!("`{name}: {moment}` looks like milliseconds");
            let help = format!("if it does to you too, write `{name}: {}`", moment / 1000);
            let severity = Severity::Warning;
            found.push(violation(Rule::Milliseconds, severity, name, message, help));
        }
    }
}

fn expiry_in_the_past(room: &Settings, now: i64, found: &mut Vec<Violation>) {
    // Zero has a finding of its own.
    if let Some(moment) = number(room, "expireUnixSec")
        && moment != 0
        && moment <= now
    {
        found.push(violation(
            Rule::Expired,
            Severity::Warning,
            "expireUnixSec",
            format!(
                "the room expired at {}: nobody can join it",
                calendar(moment)
            ),
            "move `expireUnixSec` into the future, or delete the file",
        ));
    }
}

fn request_to_join_is_for_private_rooms(room: &Settings, _: i64, found: &mut Vec<Violation>) {
    let public = Value::from(Privacy::Public);
    if is_true(room, "enableRequestToJoin") && room.get("privacy") == Some(&public) {
        found.push(
            violation(
                Rule::RequestToJoinUnused,
                Severity::Note,
                "enableRequestToJoin",
                "`enableRequestToJoin` is described for private rooms only; this one is public",
                "take it out, or make the room private",
            )
            .with("privacy"),
        );
    }
}

fn video_flags_in_audio_room(room: &Settings, _: i64, found: &mut Vec<Violation>) {
    if !is_true(room, "audioOnlyRoom") {
        return;
    }
    let flags = ["joinVideoOn", "enableScreenSharing"];
    for name in flags.into_iter().filter(|name| is_true(room, name)) {
        let message = format!("`{name}: true` in a room with `audioOnlyRoom: true`");
        let help = format!("set `{name}: false`, or take `audioOnlyRoom` out");
        found.push(
            violation(
                Rule::VideoInAudioRoom,
                Severity::Warning,
                name,
                message,
                help,
            )
            .with("audioOnlyRoom"),
        );
    }
}

/// Clients send 0, apparently for "no limit"; one had to stop sending exactly its zeros. Unknown.
fn zero_limits(room: &Settings, _: i64, found: &mut Vec<Violation>) {
    for name in room.keys().filter(|name| number(room, name) == Some(0)) {
        let message = format!("what the service makes of `{name}: 0` is unknown; it may refuse it");
        let help = "for \"no limit\" take the key out; keep 0 only if you know that your account accepts it";
        found.push(violation(
            Rule::Zero,
            Severity::Warning,
            name,
            message,
            help,
        ));
    }
}

#[cfg(test)]
mod tests {
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
}
