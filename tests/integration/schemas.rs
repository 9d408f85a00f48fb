//! What the program reads and writes fits the checked-in schemas.

use std::fs;

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::common::{Scratch, root};

pub const NAMES: [&str; 19] = [
    "room",
    "room-with-defaults",
    "defaults",
    "config",
    "plan",
    "apply",
    "drift",
    "adopt",
    "import",
    "stacks",
    "validate",
    "state",
    "saved-plan",
    "show",
    "state-list",
    "state-show",
    "state-history",
    "service",
    "audit",
];

/// The checked-in schema, in a validator that is not the generator's.
pub fn validator(name: &str) -> Validator {
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
