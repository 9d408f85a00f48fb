//! The schemas that editors hold against room files and `_defaults.yaml`: the attributes of
//! [`Room`](super::Room), with the rules across them that break a file, words for what is wrong, and snippets
//! to begin with.
//!
//! An editor sees one file and never the defaults above it, so there are three: what a room that stands alone
//! lacks is wrong, what a room below defaults lacks may come from them, and what defaults lack may come from
//! anywhere. Only what is an error for the program is one here, as far as a schema can say it; tests hold
//! both against each other. Words beyond JSON Schema (`enumDescriptions`, `patternErrorMessage`,
//! `errorMessage`, `defaultSnippets`) are those of VS Code and the YAML language server; others skip them.

use schemars::Schema;
use serde_json::{Map, Value, json};

use super::catalogue::{self, Trait};
use super::room;
use super::words::joined;

/// The schema of a room file without defaults above it: what it needs has to be in it.
pub(crate) fn room() -> Schema {
    let mut schema = attributes();
    schema.insert("required".to_owned(), json!(["privacy"]));
    let mut rules = vec![json!({
        "if": is_true("enableRTMPOut"),
        "then": {
            "required": ["rtmpOutURL"],
            "errorMessage": "`enableRTMPOut: true` needs `rtmpOutURL`",
        },
    })];
    rules.extend(catalogue::with(Trait::NeedsComposition).map(|name| {
        let mut rule = composition_not_off(name);
        rule["then"]["required"] = json!(["enableComposition"]);
        rule["then"]["errorMessage"] = composition_needed(name).into();
        rule
    }));
    schema.insert("allOf".to_owned(), rules.into());
    schema.insert("defaultSnippets".to_owned(), snippets());
    schema
}

/// The schema of a room file below a `_defaults.yaml`. Nothing has to be in it; but what it says itself wins over
/// all defaults, so that none can heal a contradiction.
pub(crate) fn room_with_defaults() -> Schema {
    let mut schema = attributes();
    let rules = catalogue::with(Trait::NeedsComposition).map(composition_not_off);
    schema.insert("title".to_owned(), "roomctl room below defaults".into());
    schema.insert("allOf".to_owned(), rules.collect::<Vec<_>>().into());
    schema.insert("defaultSnippets".to_owned(), snippets());
    schema
}

/// The schema of a `_defaults.yaml`. No rule across attributes: every room below may set another value.
pub(crate) fn defaults() -> Schema {
    let mut schema = attributes();
    schema.insert("title".to_owned(), "roomctl defaults".into());
    let text = "Settings for every room below this directory. A nearer `_defaults.yaml` wins, and the room's own \
                file wins over all.";
    schema.insert("description".to_owned(), text.into());
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        // Not `remove`, which would put the last key in its place.
        properties.shift_remove("roomName");
    }
    schema
}

fn attributes() -> Schema {
    let mut schema = room::schema();
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = one_line(text);
    }
    let properties = schema
        .get_mut("properties")
        .and_then(Value::as_object_mut)
        .into_iter()
        .flat_map(Map::values_mut)
        .filter_map(Value::as_object_mut);
    for property in properties {
        if let Some(Value::String(text)) = property.get_mut("description") {
            *text = one_line(text);
        }
        list_words(property);
        or_given(property);
        // Ours alone: what they say is in the description.
        property.shift_remove("x-traits");
    }
    schema
}

/// Editors make a paragraph of each line.
fn one_line(text: &str) -> String {
    let paragraphs = text.split("\n\n").map(|one| one.replace('\n', " "));
    joined(paragraphs, "\n\n").unwrap_or_default()
}

/// Lists the words of an enum beside their descriptions. One schema for each word says the same, but then
/// editors show neither the list nor the descriptions.
fn list_words(property: &mut Map<String, Value>) {
    let Some(Value::Array(words)) = property.remove("oneOf") else {
        return;
    };
    let each = |key: &str| words.iter().map(|word| word[key].clone()).collect();
    let (list, descriptions) = (each("const"), each("description"));
    property.insert("type".to_owned(), json!("string"));
    property.insert("enum".to_owned(), Value::Array(list));
    property.insert("enumDescriptions".to_owned(), Value::Array(descriptions));
}

/// A value that the configuration gives: `${var:NAME}`.
const GIVEN: &str = r"\$\{var:[a-z][a-z0-9_]*\}";

/// Allows `${var:NAME}` in the place of any value, or in a part of a text.
fn or_given(property: &mut Map<String, Value>) {
    if let Some(words) = property.shift_remove("enum") {
        let descriptions = property.shift_remove("enumDescriptions");
        let words = json!({"enum": words, "enumDescriptions": descriptions});
        property.insert("anyOf".to_owned(), json!([words, {"pattern": GIVEN}]));
        return;
    }
    let (kind, what) = match property.get("type").and_then(Value::as_str) {
        Some(kind @ "boolean") => (kind, "true or false"),
        Some(kind @ "integer") => (kind, "a whole number"),
        _ => {
            if let Some(Value::String(pattern)) = property.get_mut("pattern") {
                *pattern = format!("{pattern}|{GIVEN}");
            }
            return;
        }
    };
    let message = format!("Write {what}, or ${{var:NAME}} with a value of roomctl.yaml");
    property.insert("type".to_owned(), json!([kind, "string"]));
    property.insert("pattern".to_owned(), GIVEN.into());
    property.insert("patternErrorMessage".to_owned(), message.into());
}

fn is_true(name: &str) -> Value {
    json!({"required": [name], "properties": {name: {"const": true}}})
}

/// In one file, `false` contradicts what needs composition.
fn composition_not_off(name: &str) -> Value {
    let message = composition_needed(name);
    json!({
        "if": is_true(name),
        "then": {"properties": {"enableComposition": {"const": true, "errorMessage": message}}},
    })
}

fn composition_needed(name: &str) -> String {
    format!("`{name}: true` needs `enableComposition: true`")
}

/// Rooms to begin with. In a body `${1:…}` is a place to type at, `\\$` a dollar, and `^` in front keeps a
/// number from becoming a text.
fn snippets() -> Value {
    json!([
        {
            "label": "private room",
            "description": "A meeting that people enter with a join token, or when an admin lets them in",
            "body": {
                "privacy": "private",
                "maxParticipants": "^${1:15}",
                "enableRequestToJoin": true,
                "joinVideoOn": false,
                "joinAudioOn": false,
                "endMeetingAfterNoActivityInSec": "${2:15m}",
            },
        },
        {
            "label": "public webinar",
            "description": "Anyone with the link can enter; only admins share camera, microphone and screen",
            "body": {
                "privacy": "public",
                "maxParticipants": "^${1:200}",
                "ownerOnlyBroadcast": true,
                "joinVideoOn": false,
                "joinAudioOn": false,
                "enableChat": true,
            },
        },
        {
            "label": "recorded room",
            "description": "Everyone is mixed into one picture, and that is recorded",
            "body": {
                "privacy": "private",
                "enableComposition": true,
                "compositionLayout": "${1:active_speaker}",
                "recordComposition": true,
            },
        },
        {
            "label": "live-streamed room",
            "description": "The mixed picture goes out over HLS and to an RTMP address, which is a secret and \
                            comes from the environment",
            "body": {
                "privacy": "public",
                "ownerOnlyBroadcast": true,
                "enableComposition": true,
                "compositionLayout": "${1:grid}",
                "enableLiveStreaming": true,
                "enableRTMPOut": true,
                "rtmpOutURL": "\\${env:${2:ROOM_RTMP_OUT_URL}\\}",
            },
        },
    ])
}

#[cfg(test)]
mod tests {
    use jsonschema::Validator;

    use super::*;
    use crate::model::{Room, Severity, rules};

    fn properties(schema: &Schema) -> &Map<String, Value> {
        schema.get("properties").unwrap().as_object().unwrap()
    }

    fn validator(schema: &Schema) -> Validator {
        jsonschema::validator_for(schema.as_value()).unwrap()
    }

    fn all() -> [Schema; 3] {
        [room(), room_with_defaults(), defaults()]
    }

    #[test]
    fn every_property_has_a_title_a_description_and_examples_that_fit() {
        for (name, property) in all().iter().flat_map(properties) {
            let title = property["title"].as_str().unwrap();
            assert!(title.len() <= 40 && !title.ends_with('.'), "{name}");
            let description = property["description"].as_str().unwrap();
            assert!(!description.contains('\n'), "{name}");
            let alone = jsonschema::validator_for(property).unwrap();
            let examples = property["examples"].as_array().unwrap();
            assert!(!examples.is_empty(), "{name}");
            for example in examples {
                assert!(alone.is_valid(example), "{name}: {example}");
                let read = serde_json::from_value::<Room>(json!({name: example}));
                assert!(read.is_ok(), "{name}: {example}");
            }
        }
    }

    #[test]
    fn numbers_have_a_unit_and_bounds_and_words_a_description() {
        for (name, property) in all().iter().flat_map(properties) {
            let kinds = property["type"].to_string();
            if kinds.contains("integer") {
                assert!(property["x-unit"].is_string(), "{name}");
                assert!(property["minimum"].is_number() && property["maximum"].is_number());
            }
            let words = &property["anyOf"][0];
            if let Some(all) = words["enum"].as_array() {
                let described = words["enumDescriptions"].as_array().unwrap();
                assert_eq!(all.len(), described.len(), "{name}");
                assert!(all.iter().chain(described).all(Value::is_string));
            }
        }
        let listed = |name: &str| properties(&room())[name]["anyOf"][0]["enum"].clone();
        assert_eq!(listed("privacy"), json!(["public", "private"]));
        assert_eq!(
            listed("compositionLayout"),
            json!(["grid", "active_speaker"])
        );
    }

    /// Everything that rules across attributes look at, in every combination: an error of the rules is an
    /// error of the schema, and the other way round. `empty-window` compares two values; no schema can.
    #[test]
    fn the_rules_across_attributes_are_those_of_the_program() {
        let schema = validator(&room());
        let flag = || [None, Some(json!(true)), Some(json!(false))];
        let axes: [(&str, Vec<Option<Value>>); 11] = [
            ("privacy", vec![None, Some(json!("public"))]),
            ("enableComposition", flag().into()),
            ("recordComposition", flag().into()),
            ("enableRTMPOut", flag().into()),
            ("enableLiveStreaming", flag().into()),
            ("rtmpOutURL", vec![None, Some(json!("${env:ROOM_STREAM}"))]),
            ("compositionLayout", vec![None, Some(json!("grid"))]),
            ("ejectAtRoomExp", vec![None, Some(json!(true))]),
            ("enableRequestToJoin", vec![None, Some(json!(true))]),
            ("audioOnlyRoom", vec![None, Some(json!(true))]),
            ("joinVideoOn", vec![None, Some(json!(true))]),
        ];
        let mut rooms = vec![Map::new()];
        for (name, values) in axes {
            let with = |room: &Map<String, Value>, value: &Option<Value>| {
                let mut room = room.clone();
                room.extend(value.clone().map(|value| (name.to_owned(), value)));
                room
            };
            rooms = rooms
                .iter()
                .flat_map(|room| values.iter().map(move |value| with(room, value)))
                .collect();
        }
        assert_eq!(rooms.len(), 81 << 7);
        for room in rooms {
            let room = Value::Object(room);
            let typed: Room = serde_json::from_value(room.clone()).unwrap();
            let refused = rules::check(&typed.settings(), 0)
                .iter()
                .any(|violation| violation.severity == Severity::Error);
            assert_eq!(schema.is_valid(&room), !refused, "{room}");
        }
    }

    #[test]
    fn below_defaults_only_contradictions_count() {
        let schema = validator(&room_with_defaults());
        for name in catalogue::with(Trait::NeedsComposition) {
            assert!(schema.is_valid(&json!({name: true})), "{name}");
            assert!(schema.is_valid(&json!({name: true, "enableComposition": true})));
            assert!(schema.is_valid(&json!({name: false, "enableComposition": false})));
            assert!(!schema.is_valid(&json!({name: true, "enableComposition": false})));
        }
        assert!(schema.is_valid(&json!({})));
        assert!(schema.is_valid(&json!({"roomName": "a"})));
    }

    #[test]
    fn defaults_may_be_any_settings_but_a_name() {
        let schema = validator(&defaults());
        assert!(schema.is_valid(&json!({})));
        let healed_by_rooms = json!({"enableLiveStreaming": true, "enableComposition": false});
        assert!(schema.is_valid(&healed_by_rooms));
        assert!(!schema.is_valid(&json!({"roomName": "a"})));
        assert!(!schema.is_valid(&json!({"maxParticipants": "ten"})));
    }

    #[test]
    fn nothing_is_said_that_only_some_editors_understand() {
        for schema in all() {
            let text = schema.as_value().to_string();
            for word in [
                "$ref",
                "$defs",
                "dependentRequired",
                "unevaluatedProperties",
                "prefixItems",
            ] {
                assert!(!text.contains(word), "{word}");
            }
            // An editor's idea of a format may be narrower than ours; patterns are the same everywhere.
            assert!(!text.contains("\"format\""));
            jsonschema::draft7::meta::validate(schema.as_value()).unwrap();
            jsonschema::draft202012::meta::validate(schema.as_value()).unwrap();
        }
    }

    #[test]
    fn the_order_is_the_catalogues() {
        let names: Vec<&str> = catalogue::attributes().iter().map(|a| a.name).collect();
        let [room, with_defaults, defaults] = all();
        let listed =
            |schema: &Schema| -> Vec<String> { properties(schema).keys().cloned().collect() };
        assert_eq!(listed(&room), names);
        assert_eq!(listed(&with_defaults), names);
        assert_eq!(listed(&defaults), names[1..]);
    }

    #[test]
    fn any_value_may_be_given_and_editors_say_so() {
        let schema = room();
        let properties = properties(&schema);
        let property = |name: &str| &properties[name];
        for (name, kind) in [("enableChat", "boolean"), ("maxParticipants", "integer")] {
            assert_eq!(property(name)["type"], json!([kind, "string"]), "{name}");
            assert!(
                property(name)["patternErrorMessage"]
                    .as_str()
                    .unwrap()
                    .contains("${var:NAME}")
            );
        }
        assert_eq!(one_line("a\nb\n\nc"), "a b\n\nc");
        assert_eq!(
            composition_needed("x"),
            "`x: true` needs `enableComposition: true`"
        );
        assert!(
            snippets()
                .as_array()
                .unwrap()
                .iter()
                .all(|one| one["body"].is_object())
        );
    }
}
