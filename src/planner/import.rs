//! Rooms that exist already: what of them a file will say, and what the file is called.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json};

use super::doubts::Doubts;
use super::state::AppliedRoom;
use super::undeclared::observed;
use crate::model::catalogue::{Attribute, attributes};
use crate::model::reference::{self, prefix_of};
use crate::model::value::stored;
use crate::model::{
    Live, LiveRoom, Room, RoomName, Scalar, Settings, Severity, StoredSettings, Value, rules,
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
        if attribute.undocumented && *value == Live::from(false) {
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
    let value = match live {
        Live::Null => return Err("the service reports no value"),
        Live::Secret(_) if !attribute.is_secret() => return Err(undocumented),
        Live::Secret(text) => escaped(text.expose()),
        Live::Plain(Scalar::Text(text)) if attribute.is_secret() => escaped(text),
        Live::Plain(value) => Json::from(&attribute.kind.read(value)),
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

    /// The variable for each of the secrets. `prefix` is the room's part of their names.
    pub(crate) fn variables(&self, prefix: &str) -> BTreeMap<&'static str, String> {
        let settings = self.settings.iter();
        let secrets = settings.filter(|(_, value)| matches!(value, Value::Secret(_)));
        secrets
            .map(|(name, _)| (*name, reference::variable(prefix, name)))
            .collect()
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

/// The room's part of the names of its variables, different from all that are `taken`. Takes it.
pub(crate) fn prefix(room: &RoomName, taken: &mut BTreeSet<String>) -> String {
    let base = prefix_of(room.as_str());
    let mut candidate = base.clone();
    let mut number = 2;
    while !taken.insert(candidate.clone()) {
        candidate = format!("{base}_{number}");
        number += 1;
    }
    candidate
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Secret;

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
            ("autoJoin", "true".into()),
            ("deleteOnExp", false.into()),
            ("rtmpOutURL", "rtmp://a.example/k$1${env:X}".into()),
            ("meetingJoinWebhook", "".into()),
            ("recordComposition", true.into()),
        ]);
        let draft = draft(&live, 0).unwrap();
        let expected: Settings = [
            ("privacy", "private".into()),
            ("maxParticipants", 12.into()),
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
        assert_eq!(
            draft.variables("A").into_iter().collect::<Vec<_>>(),
            [("rtmpOutURL", "A_RTMP_OUT_URL".to_owned())]
        );
        let applied = draft.applied(&live, "rooms/a.yaml", None, "lineage");
        assert_eq!(applied.settings.len(), 4);
        assert!(applied.observed.contains_key("deleteOnExp"));
    }

    #[test]
    fn without_privacy_there_is_no_file() {
        assert!(draft(&live(&[]), 0).unwrap_err().contains("`privacy`"));
        let odd = live(&[("privacy", "secret".into())]);
        assert!(draft(&odd, 0).is_err());
    }

    #[test]
    fn names_of_variables_differ() {
        let mut taken = BTreeSet::new();
        let mut of = |name: &str| {
            let name = RoomName::try_from(name.to_owned()).unwrap();
            prefix(&name, &mut taken)
        };
        let names = ["stand-up", "stand_up", "stand.up", "1a", "room-1a", "_x"];
        let prefixes = names.map(&mut of);
        assert_eq!(
            prefixes,
            [
                "STAND_UP",
                "STAND_UP_2",
                "STAND_UP_3",
                "ROOM_1A",
                "ROOM_1A_2",
                "ROOM__X"
            ]
        );
    }

    #[test]
    fn names_that_mean_something_else_as_files() {
        let of = |name: &str| stem(&RoomName::try_from(name.to_owned()).unwrap());
        assert_eq!(of("stand-up"), "stand-up");
        assert_eq!(of("_defaults"), "room-_defaults");
        assert_eq!(of(".a"), "room-.a");
    }
}
