//! Rooms that exist already: what of them a file will say, and what the file is called.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json};

use super::doubts::Doubts;
use super::state::AppliedRoom;
use super::undeclared::observed;
use crate::model::catalogue::{Attribute, attributes};
use crate::model::reference::variable;
use crate::model::value::stored;
use crate::model::{
    EnvPrefix, Live, LiveRoom, Room, RoomName, Settings, Severity, StoredSettings, Value, Wanted,
    WantedRoom, rules,
};

/// What of a room becomes its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Draft {
    /// The settings, with secrets as the service reports them.
    pub settings: Settings,
    /// Settable attributes that the service reports and that are not taken over, and why.
    pub left_out: BTreeMap<String, String>,
}

/// What a file can say of `live`. `now` is in Unix seconds, for the rules of rooms.
pub(crate) fn draft(live: &LiveRoom, now: i64) -> Result<Draft, String> {
    let mut accepted = Map::new();
    let mut left_out = BTreeMap::new();
    for attribute in attributes().iter().filter(|a| a.name != "roomName") {
        let Some(value) = live.settings.get(attribute.name) else {
            continue;
        };
        // A strict service might refuse it, so it is taken over only where somebody has switched it on.
        if attribute.undocumented && value.read(&attribute.kind) == Some(false.into()) {
            continue;
        }
        match accept(attribute, value) {
            Ok(value) => {
                accepted.insert(attribute.name.to_owned(), value);
            }
            Err(why) => {
                left_out.insert(attribute.name.to_owned(), why.to_owned());
            }
        }
    }
    let room = lawful(accepted, &mut left_out, now)?;
    Ok(Draft {
        settings: room.settings(),
        left_out,
    })
}

/// The value as a file would give it, if the attribute's own type takes it.
pub(super) fn accept(attribute: &Attribute, live: &Live) -> Result<Json, &'static str> {
    let undocumented = "the service reports a value that is not documented";
    let text = live.text().ok_or("the service reports no value")?;
    let value = match live.read(&attribute.kind) {
        _ if attribute.is_secret() => escaped(text.expose()),
        Some(value) => Json::from(&value),
        None => return Err(undocumented),
    };
    let alone: Map<String, Json> = [(attribute.name.to_owned(), value.clone())]
        .into_iter()
        .collect();
    match serde_json::from_value::<Room>(Json::Object(alone)) {
        Ok(_) => Ok(value),
        Err(_) => Err(undocumented),
    }
}

/// A text of the service stands for itself: a dollar in it begins no reference.
fn escaped(text: &str) -> Json {
    Json::from(text.replace('$', "$$"))
}

/// Leaves out what breaks a rule of rooms, until nothing does. That happens when the service does not report
/// the other half of a pair, such as the URL of a stream.
fn lawful(
    mut accepted: Map<String, Json>,
    left_out: &mut BTreeMap<String, String>,
    now: i64,
) -> Result<Room, String> {
    loop {
        let room: Room = serde_json::from_value(Json::Object(accepted.clone()))
            .map_err(|_| "its settings do not fit together".to_owned())?;
        let broken = rules::check(&room.settings(), now);
        let Some(broken) = broken.into_iter().find(|v| v.severity == Severity::Error) else {
            return Ok(room);
        };
        let attribute = broken.attributes.first().copied().unwrap_or_default();
        if accepted.remove(attribute).is_none() {
            return Err(format!(
                "the service does not report `{attribute}` in a form that a file can hold, and every file needs it"
            ));
        }
        left_out.insert(attribute.to_owned(), broken.message);
    }
}

impl Draft {
    /// What is remembered of the room that was read as `live` and became the file `place` with the digest `source`.
    pub(crate) fn applied(
        &self,
        live: &LiveRoom,
        place: &str,
        source: Option<String>,
        salt: &str,
    ) -> AppliedRoom {
        let settings = stored(&self.settings, salt, &StoredSettings::new());
        AppliedRoom {
            asserted: None,
            claimed: false,
            file: Some(place.to_owned()),
            id: live.id.clone(),
            observed: observed(&settings, &live.stored(salt)),
            overridden: StoredSettings::new(),
            settings,
            source,
            unconfirmed: Doubts::new(),
            unseen: BTreeSet::new(),
        }
    }

    /// The variable for each of the secrets: the one that stands for it in the room's file already and nowhere else, so
    /// that no value changes hands, or one that is named after room and attribute.
    pub(crate) fn variables(
        &self,
        room: &RoomName,
        names: &mut VariableNames<'_>,
    ) -> BTreeMap<&'static str, String> {
        let settings = self.settings.iter();
        let secrets = settings.filter(|(_, value)| matches!(value, Value::Secret(_)));
        let mut variables = names.of(room);
        variables.retain(|name, _| self.settings.contains_key(name));
        let new: Vec<&'static str> = secrets
            .map(|(name, _)| *name)
            .filter(|name| !variables.contains_key(name))
            .collect();
        variables.extend(names.take(room, &new));
        variables
    }
}

/// The variables that rooms have already, so that no two rooms ever share one by accident: `a-b` and `a_b` would both
/// be `A_B`.
#[derive(Debug)]
pub(crate) struct VariableNames<'a> {
    prefix: &'a EnvPrefix,
    files: [&'a Wanted; 2],
    /// With how often they are referred to.
    taken: BTreeMap<String, usize>,
}

impl<'a> VariableNames<'a> {
    /// With those that `files` refer to, here and elsewhere.
    pub(crate) fn new(prefix: &'a EnvPrefix, files: [&'a Wanted; 2]) -> Self {
        let mut taken = BTreeMap::new();
        let rooms = files.into_iter().flat_map(Wanted::values);
        for (_, secret) in rooms.flat_map(WantedRoom::references) {
            for name in secret.variables() {
                *taken.entry(name).or_default() += 1;
            }
        }
        Self {
            prefix,
            files,
            taken,
        }
    }

    /// Those that stand for a whole secret in the room's file, and nowhere else.
    fn of(&self, room: &RoomName) -> BTreeMap<&'static str, String> {
        let files = self.files.into_iter().filter_map(|files| files.get(room));
        let alone = files
            .flat_map(WantedRoom::references)
            .filter_map(|(name, secret)| {
                let variable = secret.alone()?;
                (self.taken.get(variable) == Some(&1)).then(|| (name, variable.to_owned()))
            });
        alone.collect()
    }

    /// New ones for these attributes of a room. When one is taken, all have a number.
    fn take(
        &mut self,
        room: &RoomName,
        attributes: &[&'static str],
    ) -> BTreeMap<&'static str, String> {
        let base = self.prefix.of(room.as_str());
        let mut of_room = base.clone();
        let mut number = 2;
        let is_taken = |of_room: &str| {
            let mut names = attributes.iter().map(|name| variable(of_room, name));
            names.any(|name| self.taken.contains_key(&name))
        };
        while is_taken(&of_room) {
            of_room = format!("{base}_{number}");
            number += 1;
        }
        let named = attributes
            .iter()
            .map(|name| (*name, variable(&of_room, name)));
        let named: BTreeMap<_, _> = named.collect();
        self.taken
            .extend(named.values().map(|name| (name.clone(), 1)));
        named
    }
}

/// The stem of the file for a room: its name, unless a file of that name would be taken for something else.
pub(crate) fn stem(room: &RoomName) -> String {
    let name = room.as_str();
    if name == "_defaults" || name.starts_with('.') {
        return format!("room-{name}");
    }
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Secret;
    use crate::model::reference::Template;
    use crate::planner::testing::name;

    fn live(settings: &[(&str, Live)]) -> LiveRoom {
        LiveRoom {
            id: Some("c0ffee".into()),
            settings: settings
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone()))
                .collect(),
        }
    }

    #[test]
    fn what_fits_is_taken_and_the_rest_is_named() {
        let live = live(&[
            ("privacy", "private".into()),
            ("roomName", "a".into()),
            ("lang", "en".into()),
            ("maxParticipants", "12".into()),
            ("expireUnixSec", 1_869_642_000.into()),
            ("compositionLayout", "broadcaster".into()),
            ("enableChat", Live::Null),
            ("autoJoin", "yes".into()),
            ("showInviteBox", "false".into()),
            ("deleteOnExp", false.into()),
            ("rtmpOutURL", "rtmp://a.example/k$1${env:X}".into()),
            ("meetingJoinWebhook", "".into()),
            ("recordComposition", true.into()),
        ]);
        let draft = draft(&live, 0).unwrap();
        let expected: Settings = [
            ("privacy", "private".into()),
            ("maxParticipants", 12.into()),
            ("showInviteBox", false.into()),
            ("expireUnixSec", 1_869_642_000.into()),
            (
                "rtmpOutURL",
                Value::Secret(Secret::new("rtmp://a.example/k$1${env:X}")),
            ),
        ]
        .into();
        assert_eq!(draft.settings, expected);
        let left: Vec<&String> = draft.left_out.keys().collect();
        assert_eq!(
            left,
            [
                "autoJoin",
                "compositionLayout",
                "enableChat",
                "meetingJoinWebhook",
                "recordComposition"
            ]
        );
        let nothing = Wanted::new();
        let mut names = VariableNames::new(EnvPrefix::ROOM, [&nothing; 2]);
        assert_eq!(
            draft
                .variables(&name("a"), &mut names)
                .into_iter()
                .collect::<Vec<_>>(),
            [("rtmpOutURL", "ROOM_A_RTMP_OUT_URL".to_owned())]
        );
        let applied = draft.applied(&live, "rooms/a.yaml", None, "lineage");
        assert_eq!(applied.settings.len(), 5);
        assert!(applied.observed.contains_key("deleteOnExp"));
    }

    #[test]
    fn without_privacy_there_is_no_file() {
        assert!(draft(&live(&[]), 0).unwrap_err().contains("`privacy`"));
        let odd = live(&[("privacy", "secret".into())]);
        assert!(draft(&odd, 0).is_err());
    }

    /// A draft with an address for its stream.
    fn streaming() -> Draft {
        let url = Value::Secret(Secret::new("rtmp://a.example/canary"));
        Draft {
            settings: [("rtmpOutURL", url)].into(),
            left_out: BTreeMap::new(),
        }
    }

    /// A file of `room` that refers to `variable`.
    fn referring(room: &str, written: &str) -> (RoomName, WantedRoom) {
        let secrets = [("rtmpOutURL", Template::parse(written).unwrap())].into();
        let file = WantedRoom {
            secrets,
            ..WantedRoom::default()
        };
        (name(room), file)
    }

    #[test]
    fn no_two_rooms_share_a_variable() {
        let files = [
            referring("a-b", "${env:ROOM_A_B_2_RTMP_OUT_URL}"),
            referring("c", "rtmp://x/${env:ROOM_KEY}"),
            referring("d", "${env:ROOM_SHARED}"),
            referring("e", "${env:ROOM_SHARED}"),
            referring("other", "${env:ROOM_C_RTMP_OUT_URL}"),
        ];
        let (files, nothing) = (files.into(), Wanted::new());
        let mut names = VariableNames::new(EnvPrefix::ROOM, [&files, &nothing]);
        let mut of =
            |room: &str| streaming().variables(&name(room), &mut names)["rtmpOutURL"].clone();
        // Its own stays its own.
        assert_eq!(of("a-b"), "ROOM_A_B_2_RTMP_OUT_URL");
        assert_eq!(of("a.b"), "ROOM_A_B_RTMP_OUT_URL");
        assert_eq!(of("a_b"), "ROOM_A_B_3_RTMP_OUT_URL");
        assert_eq!(of("c"), "ROOM_C_2_RTMP_OUT_URL");
        assert_eq!(of("d"), "ROOM_D_RTMP_OUT_URL");
        assert_eq!(of("1a"), "ROOM_1A_RTMP_OUT_URL");
        assert_eq!(of("room-1a"), "ROOM_ROOM_1A_RTMP_OUT_URL");
    }

    #[test]
    fn names_that_mean_something_else_as_files() {
        let of = |name: &str| stem(&RoomName::try_from(name.to_owned()).unwrap());
        assert_eq!(of("stand-up"), "stand-up");
        assert_eq!(of("_defaults"), "room-_defaults");
        assert_eq!(of(".a"), "room-.a");
    }
}
