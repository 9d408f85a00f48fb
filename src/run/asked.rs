//! What is asked of the service on one room that is made for it, and what is sent. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json};

use crate::model::catalogue::{Kind, attributes, kind};
use crate::model::{LiveRoom, RoomName, Scalar, Secret, Settings, Value};
use crate::service::end::End;

/// Seconds until the room expires by itself, should nobody be able to archive it.
const LIFE: i64 = 3_600;

/// A key that is no attribute of a room, and will hardly ever be one.
pub(super) const STRANGE_KEY: &str = "roomctlProbe";

macro_rules! steps {
    ($($step:ident = $request:literal, $about:literal;)+) => {
        /// One request.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Step { $($step,)+ }

        impl Step {
            /// All of them, in the order in which they are sent.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$step,)+];

            /// Method and room, and what is in it.
            pub(crate) fn words(self) -> (&'static str, &'static str) {
                match self { $(Self::$step => ($request, $about),)+ }
            }
        }
    };
}

steps! {
    ReadBefore = "GET room", "which is not to be there";
    Create = "POST room", "with every attribute, and an expiry in an hour";
    CreateBare = "POST room", "with privacy and expiry, only if all of them are refused";
    ReadNew = "GET room", "what is shown of what was set";
    ReadLower = "GET room in lower case", "only if it is not shown under the name it was given";
    PutOne = "PUT room", "with another enableChat, and little else";
    ReadPut = "GET room", "what became of the rest";
    PutWithoutPrivacy = "PUT room", "without privacy";
    PutStrangeKey = "PUT room", "with a key that is no attribute";
    ReadStrangeKey = "GET room", "whether that is kept";
    PutZero = "PUT room", "with maxParticipants 0";
    PutWebhook = "PUT room", "with a webhook that is no URL";
    ReadOtherCase = "GET room in upper case", "or in lower case, if its name has upper case";
    List = "GET list", "whether the room is in it";
    PutComposition = "PUT room", "with recordComposition, and without enableComposition";
    ReadComposition = "GET room", "whether enableComposition is on by itself; and that it is still the same room";
    Archive = "DELETE room", "";
    ReadArchived = "GET room", "whether it is still shown";
    ListArchived = "GET list", "whether it is still in it";
    ArchiveAgain = "DELETE room", "which is archived already";
    CreateAgain = "POST room", "whether its name is free; if so it is archived again";
    PutMissing = "PUT another room", "whose name nobody has; if that makes it, it is archived";
    ReadMissing = "GET another room", "only if the answer does not say whether it was made";
    WrongKey = "GET room", "with a key that is none";
}

/// A question, what it is about, and the requests that answer it. Those that the simulator has a switch for are called like it.
pub(crate) const QUESTIONS: &[(&str, &str, &[Step])] = {
    use Step::*;
    &[
        (
            "answer",
            "what a write answers: the room after or before it, 204, an empty 200, or success alone",
            &[PutOne],
        ),
        (
            "archive-again",
            "status for archiving a room that is archived",
            &[ArchiveAgain],
        ),
        (
            "archived-name",
            "whether an archived room keeps its name",
            &[CreateAgain],
        ),
        (
            "archived-room",
            "status for reading a room that is archived",
            &[ReadArchived],
        ),
        ("auth", "status for a wrong key", &[WrongKey]),
        (
            "auto-composition",
            "whether composed recording switches enableComposition on",
            &[PutComposition, ReadComposition],
        ),
        (
            "create",
            "whether a new room may have all attributes",
            &[Create, CreateBare],
        ),
        (
            "echo",
            "whether all that was set is shown, or the documented fields, always or by writes only",
            &[ReadNew, PutOne],
        ),
        (
            "extra-fields",
            "whether fields are shown that are not documented",
            &[ReadNew],
        ),
        ("flags", "how flags are shown", &[ReadNew]),
        (
            "list-archived",
            "whether the list has archived rooms",
            &[List, ListArchived],
        ),
        (
            "list-limit",
            "after how many rooms the list ends, if the room is not in it",
            &[List],
        ),
        (
            "lowercase-names",
            "whether names are kept in lower case, and looked up so or exactly",
            &[ReadNew, ReadLower, ReadOtherCase],
        ),
        (
            "missing",
            "status for a room that is not there",
            &[ReadBefore],
        ),
        ("numbers", "how integers are shown", &[ReadNew]),
        (
            "privacy",
            "whether PUT insists on privacy",
            &[PutWithoutPrivacy],
        ),
        (
            "put",
            "whether PUT forgets attributes that it does not name",
            &[ReadNew, PutOne, ReadPut],
        ),
        (
            "unknown-keys",
            "what happens to keys that are not documented",
            &[PutStrangeKey, ReadStrangeKey],
        ),
        (
            "upsert",
            "whether PUT creates a missing room",
            &[PutMissing, ReadMissing],
        ),
        ("webhook", "whether a webhook may be no URL", &[PutWebhook]),
        ("zero", "whether a limit may be 0", &[PutZero]),
    ]
};

/// How one request was answered.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub end: End,
    /// None: no answer came.
    pub status: Option<u16>,
    /// The body, if it is JSON.
    pub json: Option<Json>,
    pub is_empty: bool,
    /// Whether a try of a write went out whose effect is not known, however the last one ended.
    pub perhaps_written: bool,
}

pub(crate) type Transcript = BTreeMap<Step, Said>;

/// What is sent: made once, so that the room can be told from any other.
pub(crate) struct Sent {
    /// An expiry that no other room has. Every write repeats it.
    pub expires: i64,
}

impl Sent {
    /// `chance` tells the room from others.
    pub(crate) fn new(now: i64, chance: u64) -> Self {
        let apart = i64::try_from(chance % 997).unwrap_or_default();
        Self {
            expires: now.saturating_add(LIFE + apart),
        }
    }

    /// Every attribute that is documented, with a value that harms nobody. Flags are off, which some of them are not by themselves.
    pub(crate) fn all(&self) -> Settings {
        let named = attributes()
            .iter()
            .filter(|one| !one.undocumented && one.name != "roomName");
        let value = |name: &str, kind: &Kind| match kind {
            Kind::Flag => Value::from(false),
            Kind::Count(_) => 7.into(),
            Kind::Span => 7_200.into(),
            Kind::Moment if name == "expireUnixSec" => self.expires.into(),
            Kind::Moment => (self.expires - 2 * LIFE).into(),
            Kind::Words(words) => words.last().copied().unwrap_or_default().into(),
            Kind::Text => "probe".into(),
            Kind::SecretUrl if name.starts_with("rtmp") => secret("rtmp://roomctl.invalid/probe"),
            Kind::SecretUrl => secret("https://roomctl.invalid/probe"),
        };
        let mut all: Settings = named
            .map(|one| (one.name, value(one.name, &one.kind)))
            .collect();
        all.insert("privacy".into(), "private".into());
        all
    }

    /// Privacy and expiry alone.
    pub(crate) fn bare(&self) -> Settings {
        [
            ("privacy", "private".into()),
            ("expireUnixSec", self.expires.into()),
        ]
        .into()
    }

    /// What a PUT sends.
    pub(crate) fn put(&self, step: Step) -> Settings {
        let mut settings = self.bare();
        let mut set = |name: &str, value: Value| drop(settings.insert(name.into(), value));
        match step {
            Step::PutOne => set("enableChat", true.into()),
            Step::PutStrangeKey => set(STRANGE_KEY, true.into()),
            Step::PutZero => set("maxParticipants", 0.into()),
            Step::PutWebhook => set("meetingEndedWebhook", secret("end")),
            Step::PutComposition => set("recordComposition", true.into()),
            _ => {}
        }
        if step == Step::PutWithoutPrivacy {
            settings.remove("privacy");
        }
        settings
    }

    /// Whether a room is the one that was made, by all that it shows. `None`: it shows nothing that tells.
    pub(crate) fn made(&self, id: Option<&str>, live: &LiveRoom) -> Option<bool> {
        let by_id = id
            .zip(live.id.as_deref())
            .map(|(ours, theirs)| ours == theirs);
        let shown = live.settings.get("expireUnixSec");
        let shown = shown.and_then(|shown| shown.read(kind("expireUnixSec")?));
        let by_expiry = shown.map(|shown| shown == Scalar::from(self.expires));
        match (by_id, by_expiry) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (None, None) => None,
            _ => Some(true),
        }
    }
}

fn secret(text: &str) -> Value {
    Value::Secret(Secret::new(text))
}

impl Said {
    /// The fields of the room, if the answer is one.
    pub(super) fn room(&self) -> Option<&Map<String, Json>> {
        let object = self.json.as_ref()?.as_object()?;
        matches!(self.end, End::Room(_) | End::Named(_)).then_some(object)
    }

    pub(super) fn live(&self) -> Option<&LiveRoom> {
        match &self.end {
            End::Room(live) => Some(live),
            _ => None,
        }
    }

    /// Whether a write was refused for what was in it. `None`: neither that nor taken.
    pub(crate) fn is_refused(&self) -> Option<bool> {
        match (&self.end, self.status?) {
            (End::Refused(_), 400 | 422) => Some(true),
            (End::Room(_) | End::Named(_) | End::NotShown(_), 200..=299) => Some(false),
            _ => None,
        }
    }

    /// The names of all fields, of all rooms of a list.
    pub(crate) fn fields(&self) -> BTreeSet<&str> {
        let rooms = match &self.json {
            Some(Json::Array(rooms)) => rooms.iter().filter_map(Json::as_object).collect(),
            Some(Json::Object(object)) => vec![object],
            _ => Vec::new(),
        };
        rooms
            .into_iter()
            .flat_map(Map::keys)
            .map(String::as_str)
            .collect()
    }

    /// Whether the list has the room, archived or not. `None`: it is no list.
    pub(super) fn lists(&self, room: &RoomName) -> Option<bool> {
        let rooms = self.json.as_ref()?.as_array()?;
        let names = rooms.iter().filter_map(|one| one.get("roomName")?.as_str());
        Some(
            names
                .map(str::to_lowercase)
                .any(|name| name == room.folded()),
        )
    }

    pub(super) fn listed(&self) -> Option<usize> {
        Some(self.json.as_ref()?.as_array()?.len())
    }
}
