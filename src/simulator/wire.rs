//! The names on the wire, as the vendor's update-room page lists them. This list is the simulator's own on
//! purpose: were it shared with the client, a typo would be on both sides and no test would see it.

use serde_json::Value;

/// What JSON an attribute takes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Text,
    Flag,
    /// An integer; no bounds are documented.
    Whole,
    /// One of these strings.
    Choice(&'static [&'static str]),
}

/// What the documented 200 answer shows. The values are read off the REST introduction's sample of a new room,
/// so *assumed* for what nobody has set, not promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// It leaves the attribute out.
    Nothing,
    /// The room's own name.
    Name,
    Flag(bool),
    Text(&'static str),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Attribute {
    /// Its name on the wire (documented).
    pub(super) name: &'static str,
    /// The JSON it takes (documented).
    pub(super) kind: Kind,
    shown: Shown,
}

impl Attribute {
    /// What is answered while nobody has set it, if anything.
    pub(super) fn unset(&self) -> Option<Value> {
        match self.shown {
            Shown::Nothing | Shown::Name => None,
            Shown::Flag(flag) => Some(Value::Bool(flag)),
            Shown::Text(text) => Some(Value::from(text)),
        }
    }
}

const fn sampled(name: &'static str, kind: Kind, shown: Shown) -> Attribute {
    Attribute { name, kind, shown }
}

const fn unsampled(name: &'static str, kind: Kind) -> Attribute {
    sampled(name, kind, Shown::Nothing)
}

pub(super) const ROOM_NAME: &str = "roomName";

/// Settable in the vendor's NodeJs sample and in two clients, yet missing from the parameter table.
pub(super) const DELETE_ON_EXP: &str = "deleteOnExp";

/// The parameter table of `PUT /api/v1/room/{roomName}` in its order (documented), and `deleteOnExp`.
pub(super) const SETTABLE: &[Attribute] = &[
    sampled(ROOM_NAME, Kind::Text, Shown::Name),
    sampled(
        "privacy",
        Kind::Choice(&["public", "private"]),
        Shown::Text("public"),
    ),
    unsampled("expireUnixSec", Kind::Whole),
    sampled("ejectAtRoomExp", Kind::Flag, Shown::Flag(false)),
    unsampled("notBeforeUnixSec", Kind::Whole),
    unsampled("maxParticipants", Kind::Whole),
    sampled("autoJoin", Kind::Flag, Shown::Flag(false)),
    unsampled("showInviteBox", Kind::Flag),
    sampled("enableRequestToJoin", Kind::Flag, Shown::Flag(true)),
    sampled("enableChat", Kind::Flag, Shown::Flag(true)),
    unsampled("newChatForMeetingSession", Kind::Flag),
    sampled("enableScreenSharing", Kind::Flag, Shown::Flag(true)),
    sampled("joinVideoOn", Kind::Flag, Shown::Flag(true)),
    sampled("joinAudioOn", Kind::Flag, Shown::Flag(true)),
    sampled("enableRecording", Kind::Flag, Shown::Flag(false)),
    sampled("ownerOnlyBroadcast", Kind::Flag, Shown::Flag(false)),
    unsampled("recordRoom", Kind::Flag),
    unsampled("ejectAfterElapsedTimeInSec", Kind::Whole),
    unsampled("meetingJoinWebhook", Kind::Text),
    unsampled("meetingLeftWebhook", Kind::Text),
    unsampled("meetingStartedWebhook", Kind::Text),
    unsampled("meetingEndedWebhook", Kind::Text),
    unsampled("endMeetingAfterNoActivityInSec", Kind::Whole),
    unsampled("audioOnlyRoom", Kind::Flag),
    unsampled("enableComposition", Kind::Flag),
    unsampled(
        "compositionLayout",
        Kind::Choice(&["grid", "active_speaker"]),
    ),
    unsampled("recordComposition", Kind::Flag),
    unsampled("enableRTMPOut", Kind::Flag),
    unsampled("rtmpOutURL", Kind::Text),
    unsampled("enableLiveStreaming", Kind::Flag),
    sampled(DELETE_ON_EXP, Kind::Flag, Shown::Flag(false)),
];

/// Fields of the documented 200 answer that cannot be set.
const RESPONSE_ONLY: [&str; 6] = ["_id", "app", "created", "__v", "lang", "archived"];

pub(super) fn attribute(name: &str) -> Option<&'static Attribute> {
    SETTABLE.iter().find(|attribute| attribute.name == name)
}

pub(super) fn is_response_only(name: &str) -> bool {
    RESPONSE_ONLY.contains(&name)
}

/// Whether the documented 200 answer has this field.
pub(super) fn in_sample(name: &str) -> bool {
    is_response_only(name)
        || attribute(name).is_some_and(|attribute| attribute.shown != Shown::Nothing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_has_the_fields_of_the_sample() {
        let settable = SETTABLE.iter().map(|attribute| attribute.name);
        let sampled = settable.filter(|name| in_sample(name)).count();
        assert_eq!(sampled + RESPONSE_ONLY.len(), 18);
    }

    #[test]
    fn names_are_listed_once() {
        for (at, attribute) in SETTABLE.iter().enumerate() {
            let again = SETTABLE[at + 1..].iter().map(|later| later.name);
            let fixed = RESPONSE_ONLY.into_iter();
            assert!(again.chain(fixed).all(|name| name != attribute.name));
        }
    }
}
