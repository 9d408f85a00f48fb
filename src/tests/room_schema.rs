//! An editor and the program agree about room files, and where they cannot, the program is the stricter one:
//! nothing that roomctl takes is underlined.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use crate::files::context::{Context, Policies};
use crate::files::defaults::{self, Defaults};
use crate::files::room_file;
use crate::files::yaml;
use crate::model::catalogue::{Attribute, Kind, attributes};
use crate::model::given::Given;
use crate::model::{Finding, NameRule, Rule, Severity, Variables};
use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The checked-in schema, in a validator that is not the generator's.
fn validator(name: &str) -> Validator {
    let path = root().join(format!("schema/{name}.schema.json"));
    let schema: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

static ROOM: LazyLock<Validator> = LazyLock::new(|| validator("room"));
static ROOM_WITH_DEFAULTS: LazyLock<Validator> = LazyLock::new(|| validator("room-with-defaults"));
static DEFAULTS: LazyLock<Validator> = LazyLock::new(|| validator("defaults"));

/// What the program says about a room file that stands below `defaults`.
fn findings_below(text: &str, names: NameRule, defaults: &Defaults) -> Vec<Finding> {
    room_file::parse("rooms/a.yaml", "a", text, &context(names, defaults)).1
}

fn context(names: NameRule, defaults: &Defaults) -> Context<'_> {
    Context {
        names,
        now: 1_790_000_000,
        variables: Variables::NONE,
        sandbox: false,
        owns: None,
        unmanaged: None,
        policies: Policies::NONE,
        defaults,
    }
}

fn findings(text: &str, names: NameRule) -> Vec<Finding> {
    findings_below(text, names, Defaults::NONE)
}

/// Whether the program takes a room file, under the wide rule for names: the schema does not know `roomctl.yaml`.
fn taken(text: &str) -> bool {
    !Finding::any_error(&findings(text, NameRule::AsIs))
}

fn taken_as_defaults(text: &str) -> bool {
    !Finding::any_error(&defaults::parse("rooms/_defaults.yaml", text, &Variables::NONE).1)
}

/// What an editor would underline.
fn underlined(schema: &Validator, room: &Value) -> Vec<String> {
    schema
        .iter_errors(room)
        .map(|error| error.to_string())
        .collect()
}

/// What an editor sees of a file: of two equal keys the last one counts. Nothing if it is not even a mapping.
pub(super) fn seen(text: &str) -> Option<Value> {
    let entries = yaml::mapping(text).ok()?;
    let pairs = entries.into_iter().map(|entry| (entry.key, entry.value));
    Some(Value::Object(pairs.collect::<Map<_, _>>()))
}

fn corpus(folder: &str) -> Vec<(String, String)> {
    let mut paths: Vec<PathBuf> = fs::read_dir(root().join("tests/schema").join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let named = |path: PathBuf| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        (name, fs::read_to_string(path).unwrap())
    };
    paths.into_iter().map(named).collect()
}

/// Wrong, and no schema can say so.
const ONLY_FOUND_BY_THE_PROGRAM: [(&str, &str); 10] = [
    (
        "only-roomctl-blank-in-name",
        "a schema does not know roomctl.yaml",
    ),
    ("only-roomctl-day", "a pattern knows no calendar"),
    (
        "only-roomctl-duplicate-key",
        "a schema sees one value of each key; editors see it in the YAML",
    ),
    (
        "only-roomctl-host",
        "a pattern does not parse hosts and ports",
    ),
    (
        "only-roomctl-longer-than-63-bits",
        "a pattern does not multiply",
    ),
    (
        "only-roomctl-number-form",
        "a schema sees the number, not how it is written",
    ),
    (
        "only-roomctl-reference-as-name",
        "a schema does not know roomctl.yaml",
    ),
    (
        "only-roomctl-upper-case-name",
        "a schema does not know roomctl.yaml",
    ),
    (
        "only-roomctl-whole-float",
        "15.0 is an integer for JSON Schema",
    ),
    (
        "only-roomctl-window",
        "a schema does not compare two values",
    ),
];

/// Also where the configuration gives the value.
#[test]
fn nothing_that_is_given_is_underlined() {
    let mut taken = 0;
    let schema = fs::read_to_string(root().join("schema/room.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    for attribute in attributes() {
        let example = &schema["properties"][attribute.name]["examples"][0];
        let given = Given {
            values: [("given".to_owned(), example.clone())].into(),
            ..Given::default()
        };
        let context = Context {
            variables: Variables {
                given: &given,
                ..Variables::NONE
            },
            ..context(NameRule::AsIs, Defaults::NONE)
        };
        for text in ["${var:given}", "https://a.example/${var:given}"] {
            let text = format!("{}: {text}\n", attribute.name);
            let text = match attribute.name {
                "privacy" => text,
                _ => format!("privacy: private\n{text}"),
            };
            let (_, found) = room_file::parse("rooms/a.yaml", "a", &text, &context);
            if Finding::any_error(&found) {
                continue;
            }
            taken += 1;
            let room = seen(&text).unwrap();
            assert_eq!(underlined(&ROOM_WITH_DEFAULTS, &room), [""; 0], "{text}");
        }
    }
    assert!(taken >= 25, "{taken}");
}

#[test]
fn valid_files_are_taken_by_both() {
    let files = corpus("valid");
    assert!(files.len() >= 20);
    for (name, text) in files {
        let found = findings(&text, NameRule::Lowercase);
        assert!(!Finding::any_error(&found), "{name}: {found:?}");
        let quiet = !name.starts_with("warned-") && !name.starts_with("noted-");
        assert_eq!(found.is_empty(), quiet, "{name}: {found:?}");
        let room = seen(&text).unwrap();
        assert_eq!(underlined(&ROOM, &room), [""; 0], "{name}");
        assert_eq!(underlined(&ROOM_WITH_DEFAULTS, &room), [""; 0], "{name}");
        let mut rest = room;
        if rest.as_object_mut().unwrap().remove("roomName").is_none() {
            assert!(taken_as_defaults(&text), "{name}");
        }
        assert_eq!(underlined(&DEFAULTS, &rest), [""; 0], "{name}");
    }
}

#[test]
fn invalid_files_are_refused_by_both() {
    let files = corpus("invalid");
    assert!(files.len() >= 35);
    let mut only_found = Vec::new();
    for (name, text) in files {
        let why = text.lines().next().unwrap();
        assert!(why.starts_with("# ") && !why.contains("schema="), "{name}");
        let found = findings(&text, NameRule::Lowercase);
        assert!(Finding::any_error(&found), "{name}");
        let Some(room) = seen(&text) else {
            // An editor sees the same, without any schema.
            assert!(name.starts_with("yaml-"), "{name}: {found:?}");
            continue;
        };
        if ROOM.is_valid(&room) {
            only_found.push(name);
            continue;
        }
        // What a room lacks may come from defaults, and what they contradict may be set right in a room.
        let lacks = name.starts_with("needs-");
        assert_eq!(ROOM_WITH_DEFAULTS.is_valid(&room), lacks, "{name}");
        assert_eq!(DEFAULTS.is_valid(&room), taken_as_defaults(&text), "{name}");
    }
    assert_eq!(only_found, ONLY_FOUND_BY_THE_PROGRAM.map(|(name, _)| name));
}

/// The hostile and the odd files of the other tests, too.
#[test]
fn no_file_of_a_case_is_underlined_that_the_program_takes() {
    let mut folders = vec![root().join("tests/cases")];
    let mut compared = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let is_yaml = path.extension().is_some_and(|e| e == "yaml" || e == "yml");
            // Some are no text at all.
            let Some(text) = fs::read_to_string(&path).ok().filter(|_| is_yaml) else {
                continue;
            };
            if let Some(room) = seen(&text).filter(|_| taken(&text)) {
                compared += 1;
                assert_eq!(underlined(&ROOM, &room), [""; 0], "{}", path.display());
            }
        }
    }
    assert!(compared > 20, "{compared}");
}

/// Texts that are nearly right for an attribute, and right now and then.
fn near(property: &Value) -> &'static str {
    let unit = property["x-unit"].as_str();
    match (unit, property["x-secret"].as_bool()) {
        (Some("Unix seconds"), _) => {
            "(1969-12-31|1970-01-01|2027-[01][0-9]-[0-3][0-9]|\\+2027-01-01|9999-12-3[01])[Tt_ ]\
             (2[0-4]|[01][0-9]):[0-5]0(:[0-5]9|:00|:6[01])?(\\.0{1,10}|,0|\\.5?)?\
             (Z|z|[+-](0[0-9]|2[0-6]):[0-6]0|[+-]0[0-9](:?[0-6]0){0,2}|Z\\[UTC\\])?"
        }
        (Some(_), _) => "0{0,2}[0-9]{1,2}[hmsd]?( ? ?[0-9]{1,2} ?[hms]){0,3} ?",
        (_, Some(true)) => {
            "((https?|HTTPS|rtmps?|Rtmp|ftp)(://|://|:[/\\\\]{0,3}))?\
             (h\\.example|[$?#@:/]|\\$\\{env:A\\}|\\$\\$|\\$\\{|\\}|[ \u{feff}\u{85}\u{a0}\u{7f}]){0,4}"
        }
        _ => "([A-Za-z0-9_.~-]{0,3}[ /%]?[.]{0,3}){1,2}",
    }
}

/// Values for an attribute: good ones, nearly good ones, and those of other attributes.
fn value(property: &Value) -> BoxedStrategy<Value> {
    let good = proptest::sample::select(property["examples"].as_array().unwrap().clone());
    let odd = proptest::sample::select(vec![
        json!(true),
        json!(false),
        json!(null),
        json!(0),
        json!(-1),
        json!(7200),
        json!(1.5),
        json!(7_832_947_982_i64),
        json!(i64::MAX),
        json!(u64::MAX),
        json!(""),
        json!([]),
        json!({}),
        json!("true"),
        json!("public"),
        json!("Public"),
        json!("grid"),
        json!("5"),
        json!("2h"),
    ]);
    prop_oneof![8 => good, 2 => odd, 3 => near(property).prop_map(Value::String)].boxed()
}

/// Each attribute with the schema of its values.
fn keys() -> Vec<(String, Value)> {
    let path = root().join("schema/room.schema.json");
    let schema: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let properties = schema["properties"].as_object().unwrap().clone();
    properties.into_iter().collect()
}

/// A room file with one key besides `privacy`.
fn room_of_one_key() -> impl Strategy<Value = Value> {
    let texts = |(_, property): &(String, Value)| property.get("pattern").is_some();
    let keys: Vec<_> = keys().into_iter().filter(texts).collect();
    proptest::sample::select(keys)
        .prop_flat_map(|(name, property)| (Just(name), near(&property)))
        .prop_map(|(name, value)| json!({"privacy": "private", name: value}))
}

/// A room file's mapping: most keys right by themselves, with and without what they need.
fn room() -> impl Strategy<Value = Value> {
    let some = proptest::sample::subsequence(keys(), 0..=6);
    let pairs = some.prop_flat_map(|keys| {
        let each: Vec<_> = keys
            .into_iter()
            .map(|(name, property)| (Just(name), value(&property)))
            .collect();
        each
    });
    // Otherwise hardly any room would have what the rules ask for.
    let helped = proptest::sample::select(vec![
        json!({}),
        json!({"privacy": "private"}),
        json!({"privacy": "private"}),
        json!({"privacy": "public", "enableComposition": true}),
        json!({"privacy": "public", "enableComposition": true, "rtmpOutURL": "${env:ROOM_A}"}),
    ]);
    (pairs, helped, any::<bool>()).prop_map(|(pairs, helped, first)| {
        let helped = helped.as_object().unwrap().clone();
        let pairs: Map<String, Value> = pairs.into_iter().collect();
        let (mut room, over) = if first {
            (helped, pairs)
        } else {
            (pairs, helped)
        };
        room.extend(over);
        Value::Object(room)
    })
}

/// The mapping as a file. JSON is YAML, but for some characters that YAML wants escaped.
fn file(room: &Value) -> String {
    let escaped = |c: char| match c {
        ' '..='~' => c.to_string(),
        c => format!("\\u{:04x}", u32::from(c)),
    };
    room.to_string().chars().map(escaped).collect()
}

proptest! {
    #![proptest_config(super::cases(3000))]

    /// What the program takes, an editor does not underline; what an editor underlines, the program refuses.
    #[test]
    fn an_editor_is_never_the_stricter_one(room in room()) {
        let text = file(&room);
        let underlined = underlined(&ROOM, &room);
        prop_assert!(underlined.is_empty() || !taken(&text), "{text} {underlined:?}");
    }

    /// The same for single texts, with every form that a parser might take besides ours.
    #[test]
    fn an_editor_knows_every_form_that_is_read(room in room_of_one_key()) {
        let text = file(&room);
        let underlined = underlined(&ROOM, &room);
        prop_assert!(underlined.is_empty() || !taken(&text), "{text} {underlined:?}");
    }

    /// The same below defaults, whatever they are, and for the defaults themselves.
    #[test]
    fn an_editor_is_never_the_stricter_one_about_defaults(room in room(), above in room()) {
        let (text, above_text) = (file(&room), file(&above));
        let (layer, wrong) = defaults::parse("rooms/_defaults.yaml", &above_text, &Variables::NONE);
        let underlined_above = underlined(&DEFAULTS, &above);
        let taken_above = !Finding::any_error(&wrong);
        prop_assert!(underlined_above.is_empty() || !taken_above, "{above_text} {underlined_above:?}");
        if taken_above {
            let holds = Defaults::NONE.below(Arc::new(layer));
            let found = findings_below(&text, NameRule::AsIs, &holds);
            let underlined = underlined(&ROOM_WITH_DEFAULTS, &room);
            let refused = Finding::any_error(&found);
            prop_assert!(underlined.is_empty() || refused, "{above_text} {text} {underlined:?}");
        }
    }

    /// And hardly ever the laxer one: where it is, one of the known reasons is among the findings.
    #[test]
    fn an_editor_misses_little(room in room()) {
        let text = file(&room);
        let found = findings(&text, NameRule::AsIs);
        let errors: Vec<_> = found.iter().filter(|f| f.severity == Severity::Error).collect();
        let free = |a: &&Attribute| matches!(a.kind, Kind::Moment | Kind::Span | Kind::SecretUrl);
        let looks_free: Vec<&str> = attributes().iter().filter(free).map(|a| a.name).collect();
        if !errors.is_empty() && ROOM.is_valid(&room) {
            let known = errors.iter().all(|f| match f.rule {
                // What variables begin with, a flag says.
                Rule::EmptyWindow | Rule::VariableName => true,
                // A day, a host or a sum that only looks like one.
                Rule::WrongType => looks_free.iter().any(|name| f.message.contains(name)),
                _ => false,
            });
            prop_assert!(known, "{text} {errors:?}");
        }
    }
}

/// The text that an editor puts in for a snippet's value, when nothing is typed at its places.
fn put_in(value: &Value) -> String {
    let Value::String(snippet) = value else {
        return value.to_string();
    };
    let snippet = snippet.strip_prefix('^').unwrap_or(snippet);
    let mut text = String::new();
    let mut places = 0;
    let mut rest = snippet.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' => text.extend(rest.next()),
            '$' => {
                assert_eq!(rest.next(), Some('{'), "an unescaped dollar: {snippet}");
                let number: String = std::iter::from_fn(|| rest.next_if(|c| *c != ':')).collect();
                assert!(number.parse::<u8>().is_ok(), "{snippet}");
                rest.next();
                places += 1;
            }
            '}' if places > 0 => places -= 1,
            c => text.push(c),
        }
    }
    assert_eq!(places, 0, "{snippet}");
    text
}

#[test]
fn each_snippet_is_a_room_without_findings() {
    let path = root().join("schema/room.schema.json");
    let schema: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let snippets = schema["defaultSnippets"].as_array().unwrap();
    assert_eq!(snippets.len(), 4);
    let below: Value = serde_json::from_str(
        &fs::read_to_string(root().join("schema/room-with-defaults.schema.json")).unwrap(),
    )
    .unwrap();
    assert_eq!(below["defaultSnippets"], schema["defaultSnippets"]);
    for snippet in snippets {
        let label = snippet["label"].as_str().unwrap();
        assert!(snippet["description"].is_string(), "{label}");
        let body = snippet["body"].as_object().unwrap();
        let text: String = body
            .iter()
            .map(|(key, value)| format!("{key}: {}\n", put_in(value)))
            .collect();
        assert!(!text.contains('\\') && !text.contains('^'), "{text}");
        assert_eq!(
            text.contains("${env:ROOM_RTMP_OUT_URL}"),
            label.starts_with("live")
        );
        let room = seen(&text).unwrap();
        assert!(
            ROOM.is_valid(&room) && ROOM_WITH_DEFAULTS.is_valid(&room),
            "{text}"
        );
        assert_eq!(findings(&text, NameRule::Lowercase), [], "{text}");
    }
}
