//! The names on the wire, as the vendor's update-room page lists them. This list is the simulator's own on
//! purpose: were it shared with the client, a typo would be on both sides and no test would see it.

use serde_json::Value;

/// What JSON an attribute takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    Text,
    /// `true` or `false`.
    Flag,
    /// An integer; no bounds are documented.
    Whole,
    /// One of these strings.
    Choice(&'static [&'static str]),
}

/// What is answered for an attribute that nobody has set. Read off the REST introduction's sample of a
/// new room, so *assumed*, not promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Left out of the answer.
    Nothing,
    /// This boolean.
    Flag(bool),
    /// This string.
    Text(&'static str),
}

impl Shown {
    /// The JSON that is answered, or `None` when the attribute is left out.
    pub(super) fn value(self) -> Option<Value> {
        match self {
            Self::Nothing => None,
            Self::Flag(flag) => Some(Value::Bool(flag)),
            Self::Text(text) => Some(Value::from(text)),
        }
    }
}

/// One settable attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Its name on the wire (documented).
    pub name: &'static str,
    /// The JSON it takes (documented).
    pub kind: Kind,
    /// What is answered while it is unset (assumed).
    pub shown: Shown,
    /// Whether the documented 200 answer contains it.
    pub in_sample: bool,
}

/// In the documented answer, and shown like this while unset.
const fn sampled(name: &'static str, kind: Kind, shown: Shown) -> Attribute {
    Attribute {
        name,
        kind,
        shown,
        in_sample: true,
    }
}

/// Not in the documented answer.
const fn unsampled(name: &'static str, kind: Kind) -> Attribute {
    Attribute {
        name,
        kind,
        shown: Shown::Nothing,
        in_sample: false,
    }
}

/// The name itself.
pub(super) const ROOM_NAME: &str = "roomName";

/// The 30 rows of the parameter table of `PUT /api/v1/room/{roomName}`, in its order (documented).
pub const SETTABLE: [Attribute; 30] = [
    sampled(ROOM_NAME, Kind::Text, Shown::Nothing),
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
];

/// Settable in the vendor's NodeJs sample and in two clients, yet missing from the parameter table.
pub const DELETE_ON_EXP: Attribute = sampled("deleteOnExp", Kind::Flag, Shown::Flag(false));

/// Fields of the documented 200 answer that are not in the parameter table.
pub const RESPONSE_ONLY: [&str; 7] = [
    "_id",
    "app",
    "created",
    "__v",
    "lang",
    "archived",
    DELETE_ON_EXP.name,
];

/// The settable attribute of that name, `deleteOnExp` included.
pub(super) fn attribute(name: &str) -> Option<&'static Attribute> {
    if name == DELETE_ON_EXP.name {
        return Some(&DELETE_ON_EXP);
    }
    SETTABLE.iter().find(|attribute| attribute.name == name)
}

/// Whether the documented 200 answer has this field.
pub(super) fn in_sample(name: &str) -> bool {
    RESPONSE_ONLY.contains(&name) || attribute(name).is_some_and(|attribute| attribute.in_sample)
}

/// Every field a room can be answered with, for messages and for checking switches.
pub(super) fn all_names() -> impl Iterator<Item = &'static str> {
    SETTABLE
        .iter()
        .map(|attribute| attribute.name)
        .chain(RESPONSE_ONLY)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_counts_are_those_of_the_page() {
        let sampled = SETTABLE.iter().filter(|row| row.in_sample).count();
        assert_eq!(SETTABLE.len(), 30);
        assert_eq!(sampled, 11);
        assert_eq!(sampled + RESPONSE_ONLY.len(), 18);
        assert_eq!(all_names().collect::<BTreeSet<_>>().len(), 37);
    }

    #[test]
    fn kinds_are_those_of_the_page() {
        let count = |kind| SETTABLE.iter().filter(|row| row.kind == kind).count();
        assert_eq!(count(Kind::Whole), 5);
        assert_eq!(count(Kind::Text), 6);
        assert_eq!(count(Kind::Flag), 17);
    }

    #[test]
    fn only_sampled_attributes_show_a_default() {
        for row in SETTABLE {
            assert_eq!(
                row.shown != Shown::Nothing,
                row.in_sample && row.name != ROOM_NAME,
                "{}",
                row.name
            );
        }
    }
}
