//! The checked-in schemas are those of the code, and what the program reads and writes fits them.

use std::fs;

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::common::{Scratch, root};

const NAMES: [&str; 12] = [
    "room",
    "config",
    "plan",
    "apply",
    "drift",
    "import",
    "validate",
    "state",
    "saved-plan",
    "show",
    "state-list",
    "state-show",
];

/// The checked-in schema, in a validator that is not the generator's.
fn validator(name: &str) -> Validator {
    let path = root().join(format!("schema/{name}.schema.json"));
    let schema: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    jsonschema::draft202012::meta::validate(&schema)
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    jsonschema::validator_for(&schema).unwrap()
}

/// Holds `value` against the schema.
pub fn check(name: &str, value: &Value) {
    let validator = validator(name);
    let errors: Vec<String> = validator
        .iter_errors(value)
        .map(|e| e.to_string())
        .collect();
    assert_eq!(errors, Vec::<String>::new(), "{name}");
}

#[test]
fn checked_in_schemas_are_current() {
    let scratch = Scratch::new();
    for name in NAMES {
        let printed = scratch.run(&["schema", name]).stdout;
        let path = root().join(format!("schema/{name}.schema.json"));
        let stored = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            printed == stored,
            "schema/{name}.schema.json is stale: `cargo run -- schema {name} > schema/{name}.schema.json`"
        );
    }
}

#[test]
fn the_room_schema_accepts_and_refuses_what_the_program_does() {
    let schema = validator("room");
    let good = [
        json!({"privacy": "private"}),
        json!({"privacy": "public", "expireUnixSec": 7_832_947_982_i64, "enableChat": true}),
        json!({"privacy": "public", "compositionLayout": "grid", "enableComposition": true}),
        json!({"privacy": "public", "meetingJoinWebhook": "https://h.example/x"}),
        json!({"privacy": "public", "meetingJoinWebhook": "${env:HOOK}"}),
        json!({"privacy": "public", "rtmpOutURL": "rtmps://h.example/app/${env:STREAM_KEY}"}),
    ];
    let bad = [
        json!({}),
        json!({"privacy": "secret"}),
        json!({"privacy": null}),
        json!({"privacy": "private", "enableChat": "yes"}),
        json!({"privacy": "private", "maxParticipants": -1}),
        json!({"privacy": "private", "maxParticipants": 1.5}),
        json!({"privacy": "private", "enableChat": null}),
        json!({"privacy": "private", "unknown": true}),
        json!({"privacy": "private", "rtmpOutURL": "https://h.example/x"}),
        json!({"privacy": "private", "roomName": "a b"}),
        json!({"privacy": "private", "roomName": "${env:NAME}"}),
        json!({"privacy": "private", "enableChat": "${env:CHAT}"}),
        json!({"privacy": "private", "rtmpOutURL": "https://${env:HOST}/x"}),
        json!({"privacy": "private", "rtmpOutURL": "x${env:URL}"}),
    ];
    let scratch = Scratch::new();
    for (room, accepted) in good
        .iter()
        .map(|r| (r, true))
        .chain(bad.iter().map(|r| (r, false)))
    {
        assert_eq!(schema.is_valid(room), accepted, "schema: {room}");
        // JSON is YAML.
        scratch.write("rooms/a.yaml", &room.to_string());
        let code = scratch.run(&["validate"]).code;
        assert_eq!(code == 0, accepted, "program: {room}");
    }
}

#[test]
fn the_example_rooms_fit_the_schema_and_name_it() {
    let scratch = Scratch::new();
    scratch.copy(&root().join("rooms"), "rooms");
    scratch.copy(&root().join("schema"), "schema");
    let ran = scratch.run(&["validate", "--format", "json"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    let report = ran.json();
    assert_eq!(report["findings"], json!([]));
    assert!((8..=12).contains(&report["summary"]["files"].as_u64().unwrap()));
    for (path, bytes) in scratch.files() {
        if path.starts_with(scratch.path("rooms")) {
            let text = String::from_utf8(bytes).unwrap();
            let first = text.lines().next().unwrap();
            let schema = first
                .strip_prefix("# yaml-language-server: $schema=")
                .unwrap();
            assert!(
                path.parent().unwrap().join(schema).exists(),
                "{}",
                path.display()
            );
        }
    }
}
