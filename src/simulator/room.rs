//! A room as it is kept, and as it is answered.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::quirks::{Echo, Flags, Layout, Numbers, Quirks};
use super::wire;

/// A room as it is kept: only what somebody has set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Room {
    /// Its name.
    #[serde(rename = "roomName")]
    pub name: String,
    /// Its document id: 24 hex digits.
    #[serde(rename = "_id")]
    pub id: String,
    /// When it was created: ISO 8601 in UTC with milliseconds.
    pub created: String,
    /// Whether it was archived.
    pub archived: bool,
    /// What was set, by wire name. Without the name.
    pub attributes: BTreeMap<String, Value>,
}

impl Room {
    /// The room as the service answers it.
    pub(super) fn echo(&self, app_id: &str, quirks: &Quirks) -> Value {
        let mut answer = Map::new();
        answer.insert("_id".to_owned(), json!(self.id));
        answer.insert("app".to_owned(), json!(app_id));
        answer.insert(wire::ROOM_NAME.to_owned(), json!(self.name));
        for row in wire::SETTABLE {
            let set = self.attributes.get(row.name).cloned();
            if let Some(value) = set.or_else(|| row.unset()) {
                answer.insert(row.name.to_owned(), value);
            }
        }
        if quirks.layout == Layout::Broadcaster {
            answer.insert("compositionLayout".to_owned(), json!("broadcaster"));
        }
        answer.insert("lang".to_owned(), json!("en"));
        answer.insert("archived".to_owned(), json!(self.archived));
        answer.insert("created".to_owned(), json!(self.created));
        answer.insert("__v".to_owned(), json!(0));
        // What is left are unknown keys that were stored.
        for (name, value) in &self.attributes {
            answer.entry(name.as_str()).or_insert_with(|| value.clone());
        }
        if quirks.echo == Echo::Sample {
            answer.retain(|name, _| wire::in_sample(name));
        }
        answer.retain(|name, _| !quirks.hidden.contains(name));
        answer.values_mut().for_each(|value| in_form(value, quirks));
        if quirks.extra_fields {
            add_extra_fields(&mut answer);
        }
        Value::Object(answer)
    }
}

fn in_form(value: &mut Value, quirks: &Quirks) {
    if let Value::Bool(flag) = value
        && quirks.flags == Flags::String
    {
        *value = json!(flag.to_string());
    }
    let Some(whole) = value.as_i64() else { return };
    match quirks.numbers {
        Numbers::Int => {}
        // Exact: what is kept fits the integers of JavaScript, which are floats.
        Numbers::Float => *value = json!(whole as f64),
        Numbers::String => *value = json!(whole.to_string()),
    }
}

/// Fields that no document has, of every JSON kind. All invented.
fn add_extra_fields(answer: &mut Map<String, Value>) {
    for (name, value) in [
        ("region", json!("simulated")),
        ("features", json!({"beta": [1, 2.5], "since": null})),
        ("updatedBy", Value::Null),
        ("seats", json!(12)),
    ] {
        answer.insert(name.to_owned(), value);
    }
}

/// A moment as the service writes it: ISO 8601 in UTC with milliseconds (documented sample).
pub(super) fn iso(at_ms: i64) -> String {
    Timestamp::from_millisecond(at_ms)
        .unwrap_or(Timestamp::UNIX_EPOCH)
        .strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room() -> Room {
        Room {
            name: "standup".to_owned(),
            id: "0123456789abcdef01234567".to_owned(),
            created: iso(0),
            archived: false,
            attributes: [
                ("expireUnixSec".to_owned(), json!(7_832_947_982_i64)),
                ("enableChat".to_owned(), json!(false)),
                ("strange".to_owned(), json!("kept")),
            ]
            .into(),
        }
    }

    fn echo(switches: &[&str]) -> Value {
        let mut quirks = Quirks::default();
        for switch in switches {
            quirks.parse(switch).unwrap();
        }
        room().echo("app-id", &quirks)
    }

    #[test]
    fn the_full_answer() {
        assert_eq!(
            echo(&[]),
            json!({
                "_id": "0123456789abcdef01234567", "app": "app-id", "roomName": "standup",
                "privacy": "public", "expireUnixSec": 7_832_947_982_i64, "ejectAtRoomExp": false,
                "autoJoin": false, "enableRequestToJoin": true, "enableChat": false,
                "enableScreenSharing": true, "joinVideoOn": true, "joinAudioOn": true,
                "enableRecording": false, "ownerOnlyBroadcast": false, "deleteOnExp": false,
                "lang": "en", "archived": false, "created": "1970-01-01T00:00:00.000Z", "__v": 0,
                "strange": "kept"
            })
        );
    }

    #[test]
    fn the_sample_has_18_fields() {
        let answer = echo(&["echo=sample"]);
        let fields = answer.as_object().unwrap();
        assert_eq!(fields.len(), 18);
        assert!(!fields.contains_key("expireUnixSec") && !fields.contains_key("strange"));
    }

    #[test]
    fn numbers_can_be_answered_in_three_ways() {
        assert!(
            echo(&["numbers=int"])
                .to_string()
                .contains("\"expireUnixSec\":7832947982,")
        );
        assert!(
            echo(&["numbers=float"])
                .to_string()
                .contains("\"expireUnixSec\":7832947982.0,")
        );
        let strings = echo(&["numbers=string"]);
        assert_eq!(strings["expireUnixSec"], "7832947982");
        assert_eq!(strings["__v"], "0");
    }

    #[test]
    fn hidden_extra_and_layout() {
        let answer = echo(&[
            "hide=enableChat",
            "hide=_id",
            "extra-fields=on",
            "layout=broadcaster",
        ]);
        assert!(answer.get("enableChat").is_none() && answer.get("_id").is_none());
        assert_eq!(answer["region"], "simulated");
        assert_eq!(answer["compositionLayout"], "broadcaster");
        assert!(echo(&[]).get("compositionLayout").is_none());
    }

    #[test]
    fn moments_have_milliseconds() {
        assert_eq!(iso(1_700_000_000_120), "2023-11-14T22:13:20.120Z");
    }
}
