//! One room file: its text in, a room or everything that is wrong with it out. Pure.
//!
//! Variables behind `${env:…}` are looked up through the context. Defaults of directories and human times will
//! meet the entries between reading and typing.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::known;
use super::yaml::{self, Entry, Place};
use crate::model::catalogue::{self, Attribute};
use crate::model::name::{NameError, NameRule, RoomName};
use crate::model::rules;
use crate::model::{Finding, Lookup, Room, Settings, Severity};

/// A room as one file declares it.
#[derive(Clone, Debug)]
pub struct RoomFile {
    /// Path of the file, with `/`, as the user would type it.
    pub file: String,
    /// Its name: `roomName`, or the file's stem.
    pub name: RoomName,
    /// Where the name comes from.
    pub name_at: Place,
    /// The managed settings.
    pub settings: Settings,
    /// What it was read from ([`super::known`]). `None`: reading it found something, which has to be told the
    /// next time, too.
    pub source: Option<String>,
    /// Line of each key.
    pub lines: BTreeMap<String, u32>,
}

/// What reading needs to know besides the text.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Which names are accepted.
    pub names: NameRule,
    /// Now, in Unix seconds.
    pub now: i64,
    /// The variables that secret attributes may refer to.
    pub variables: Lookup<'a>,
}

/// Attributes that only the service sets; seen in its answers.
const RESPONSE_ONLY: [&str; 6] = ["_id", "app", "created", "__v", "lang", "archived"];

/// Keys that public clients send although no page documents them, with what was probably meant.
const MISTAKEN: [(&str, Option<&str>); 4] = [
    ("enableCamera", Some("joinVideoOn")),
    ("enableMicrophone", Some("joinAudioOn")),
    ("enableScreenShare", Some("enableScreenSharing")),
    ("enableWatermark", None),
];

/// Reads the room that `text` declares. `stem` is the file's name without its extension.
///
/// Returns the room unless an error forbids it, and all findings.
pub fn parse(
    file: &str,
    stem: &str,
    text: &str,
    context: &Context<'_>,
) -> (Option<RoomFile>, Vec<Finding>) {
    let mut findings = Findings::new(file);
    let entries = match yaml::mapping(text) {
        Ok(entries) => entries,
        Err(error) => {
            findings.add(
                error.place,
                "yaml",
                Severity::Error,
                error.message,
                error.help,
            );
            return (None, findings.list);
        }
    };
    let room = read(&entries, text, &mut findings);
    let name = name(&entries, stem, context.names, &mut findings);
    if let Some((name, _)) = &name {
        findings.room(name.as_str());
    }
    let Some(mut room) = room else {
        // The other rules need the values; this one only needs the keys.
        if !entries.is_empty() && !entries.iter().any(|entry| entry.key == "privacy") {
            check_rules(&Room::default(), &entries, context.now, &mut findings);
        }
        return (None, findings.list);
    };
    resolve(&mut room, &entries, context.variables, &mut findings);
    check_rules(&room, &entries, context.now, &mut findings);
    let Some((name, name_at)) = name.filter(|_| !Finding::any_error(&findings.list)) else {
        return (None, findings.list);
    };
    let settings = room.settings();
    let clean = findings.list.is_empty();
    let room = RoomFile {
        file: file.to_owned(),
        name_at,
        source: clean.then(|| known::source(stem, text, context, &name, &settings)),
        name,
        settings,
        lines: entries
            .into_iter()
            .map(|entry| (entry.key, entry.key_at.line))
            .collect(),
    };
    (Some(room), findings.list)
}

/// The typed room, or everything that keeps it from being one.
fn read(entries: &[Entry], text: &str, findings: &mut Findings) -> Option<Room> {
    let before = findings.list.len();
    duplicates(entries, findings);
    for entry in entries {
        number_form(entry, text, findings);
    }
    let error = match yaml::typed::<Room>(entries) {
        Ok(room) if findings.list.len() == before => return Some(room),
        Ok(_) => return None,
        Err(error) => error,
    };
    for entry in entries {
        check_entry(entry, text, findings);
    }
    if findings.list.len() == before {
        // No key is wrong by itself, and still the whole was refused: say at least that.
        let place = entries.first().map(|e| e.key_at).unwrap_or_default();
        let message = format!("this is not a room: {error}");
        findings.add(
            place,
            "wrong-type",
            Severity::Error,
            message,
            None::<String>,
        );
    }
    None
}

/// Puts the values of variables in. A value is checked like one that stands in the file, and never shown.
fn resolve(room: &mut Room, entries: &[Entry], variables: Lookup<'_>, findings: &mut Findings) {
    for (name, why) in room.resolve(variables) {
        let place = entries.iter().find(|entry| entry.key == name);
        findings.add(
            place.map(|entry| entry.value_at).unwrap_or_default(),
            "variable",
            Severity::Error,
            format!("`{name}`, with the values of its variables: {why}"),
            Some("correct the variable in the environment, or the text around the reference"),
        );
    }
}

fn duplicates(entries: &[Entry], findings: &mut Findings) {
    let mut seen: BTreeMap<&str, Place> = BTreeMap::new();
    for entry in entries {
        if let Some(first) = seen.insert(&entry.key, entry.key_at) {
            findings.add(
                entry.key_at,
                "duplicate-key",
                Severity::Error,
                format!(
                    "`{}` is set twice; the first time on line {}",
                    show(&entry.key),
                    first.line
                ),
                Some("keep one of the two"),
            );
        }
    }
}

/// YAML also knows `0x10` and `+5`: legal, but nobody writes a duration like that on purpose.
fn number_form(entry: &Entry, text: &str, findings: &mut Findings) {
    let Value::Number(number) = &entry.value else {
        return;
    };
    if catalogue::attribute(&entry.key).is_some_and(|attribute| attribute.secret) {
        // Its type is told to be wrong in any case, without repeating it.
        return;
    }
    let written = text.get(entry.span.clone()).unwrap_or_default();
    // Anything but a whole number is told by its type.
    if number.is_f64()
        || written.trim_start_matches('-') == number.to_string().trim_start_matches('-')
    {
        return;
    }
    findings.add(
        entry.value_at,
        "number-form",
        Severity::Error,
        format!("`{}` is not a plain decimal number", show(written)),
        Some(format!("write `{number}`")),
    );
}

/// Checks one key by itself, in the same types as the whole room.
fn check_entry(entry: &Entry, text: &str, findings: &mut Findings) {
    let Some(attribute) = catalogue::attribute(&entry.key) else {
        return unknown_key(entry, findings);
    };
    let alone = json!({ entry.key.as_str(): entry.value });
    let Err(error) = serde_json::from_value::<Room>(alone) else {
        return;
    };
    if entry.value.is_null() {
        findings.add(
            entry.value_at,
            "null",
            Severity::Error,
            format!("`{}` has no value", entry.key),
            Some("give it a value, or take the key out: an absent key is not managed"),
        );
        return;
    }
    let (message, help) = if attribute.secret {
        // The type's message never repeats the value.
        let why = match &entry.value {
            Value::String(_) => error.to_string(),
            _ => format!("expected {} as text", attribute.expects),
        };
        (format!("`{}`: {why}", entry.key), None)
    } else {
        wrong_type(attribute, entry, text)
    };
    findings.add(entry.value_at, "wrong-type", Severity::Error, message, help);
}

fn wrong_type(attribute: &Attribute, entry: &Entry, text: &str) -> (String, Option<String>) {
    let written = text.get(entry.span.clone()).unwrap_or_default();
    let found = match &entry.value {
        Value::String(found) => format!("the text `{}`", show(found)),
        Value::Number(number) if number.is_f64() => format!("`{}`", show(written)),
        Value::Number(_) => format!("the number `{}`", show(written)),
        Value::Bool(found) => format!("`{found}`"),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a mapping".to_owned(),
        Value::Null => "nothing".to_owned(),
    };
    let message = format!(
        "`{}`: expected {}, found {found}",
        attribute.name, attribute.expects
    );
    (message, wrong_type_help(attribute, &entry.value))
}

fn wrong_type_help(attribute: &Attribute, value: &Value) -> Option<String> {
    let text = value.as_str()?;
    let lower = text.to_ascii_lowercase();
    let name = &attribute.name;
    if attribute.expects.starts_with("`true`") {
        return match lower.as_str() {
            "yes" | "on" | "y" | "true" | "1" => Some(format!("write `{name}: true`")),
            "no" | "off" | "n" | "false" | "0" => Some(format!("write `{name}: false`")),
            _ => None,
        };
    }
    if attribute.expects.starts_with("a whole number") {
        let digits: String = text.chars().filter(|c| *c != '_' && *c != ',').collect();
        return digits
            .parse::<i64>()
            .ok()
            .filter(|number| *number >= 0)
            .map(|number| format!("write `{name}: {number}`, without quotes"));
    }
    let word = format!("`{}`", lower.replace([' ', '-'], "_"));
    attribute
        .expects
        .split(" or ")
        .find(|accepted| **accepted == *word)
        .map(|accepted| format!("write `{name}: {}`", accepted.trim_matches('`')))
}

fn unknown_key(entry: &Entry, findings: &mut Findings) {
    let key = entry.key.as_str();
    let shown = show(key);
    let mistaken = MISTAKEN.iter().find(|(name, _)| *name == key);
    let (message, help) = if RESPONSE_ONLY.contains(&key) {
        (
            format!("`{shown}` is set by the service and cannot be declared"),
            Some("take the key out".to_owned()),
        )
    } else if let Some((_, meant)) = mistaken {
        (
            format!(
                "`{shown}` is sent by some clients, but the service documents no such attribute"
            ),
            Some(match meant {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "take the key out".to_owned(),
            }),
        )
    } else {
        (
            format!("`{shown}` is not an attribute of a room"),
            nearest(key).map(|name| format!("did you mean `{name}`?")),
        )
    };
    findings.add(entry.key_at, "unknown-key", Severity::Error, message, help);
}

/// The attribute whose name is most like `key`, if one is like it at all.
fn nearest(key: &str) -> Option<&'static str> {
    let plain = |text: &str| text.to_ascii_lowercase().replace(['-', '_', ' '], "");
    let key = plain(key);
    catalogue::attributes()
        .iter()
        .map(|a| (strsim::jaro_winkler(&key, &plain(&a.name)), a.name.as_str()))
        .filter(|(likeness, _)| *likeness > 0.85)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

fn name(
    entries: &[Entry],
    stem: &str,
    rule: NameRule,
    findings: &mut Findings,
) -> Option<(RoomName, Place)> {
    let declared = entries.iter().find(|entry| entry.key == "roomName");
    let (text, place) = match declared {
        Some(entry) => match &entry.value {
            Value::String(text) => (text.as_str(), entry.value_at),
            // Told as a wrong type.
            _ => return None,
        },
        None => (stem, Place { line: 1, column: 1 }),
    };
    match RoomName::parse(text, rule) {
        Ok(name) => Some((name, place)),
        Err(error) => {
            let origin = match (declared, &error) {
                (Some(_), _) => String::new(),
                (None, _) => format!(" (the room is named after its file, `{}`)", show(stem)),
            };
            let help = match (&error, declared) {
                (NameError::Uppercase, None) => format!(
                    "rename the file to `{}`, or set `roomName`",
                    show(&stem.to_ascii_lowercase())
                ),
                _ => error.help(),
            };
            findings.add(
                place,
                "room-name",
                Severity::Error,
                format!("{error}{origin}"),
                Some(help),
            );
            None
        }
    }
}

fn check_rules(room: &Room, entries: &[Entry], now: i64, findings: &mut Findings) {
    if entries.is_empty() {
        findings.add(
            Place { line: 1, column: 1 },
            "empty-file",
            Severity::Error,
            "the file declares nothing",
            Some("add at least `privacy: private` or `privacy: public`"),
        );
        return;
    }
    for violation in rules::check(room, now) {
        let place = entries
            .iter()
            .find(|entry| entry.key == violation.attribute)
            .map_or(entries[0].key_at, |entry| entry.key_at);
        findings.add(
            place,
            violation.rule,
            violation.severity,
            violation.message,
            Some(violation.help),
        );
    }
}

/// A text from a file, short enough for a message and without characters that act on a terminal.
fn show(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut shown: String = text
        .chars()
        .take(LONGEST)
        .collect::<String>()
        .escape_debug()
        .to_string();
    if text.chars().count() > LONGEST {
        shown.push('…');
    }
    shown.replace("\\'", "'").replace("\\\"", "\"")
}

/// Collects the findings of one file.
struct Findings<'a> {
    file: &'a str,
    room: Option<String>,
    list: Vec<Finding>,
}

impl<'a> Findings<'a> {
    fn new(file: &'a str) -> Self {
        Self {
            file,
            room: None,
            list: Vec::new(),
        }
    }

    /// From now on, and looking back, findings are about that room.
    fn room(&mut self, name: &str) {
        for finding in &mut self.list {
            finding.room = Some(name.to_owned());
        }
        self.room = Some(name.to_owned());
    }

    fn add(
        &mut self,
        place: Place,
        rule: &'static str,
        severity: Severity,
        message: impl Into<String>,
        help: Option<impl Into<String>>,
    ) {
        self.list.push(Finding {
            file: self.file.to_owned(),
            line: place.line,
            column: place.column,
            rule,
            severity,
            room: self.room.clone(),
            message: message.into(),
            help: help.map(Into::into),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Secret, Value};

    const CONTEXT: Context = Context {
        names: NameRule::Lowercase,
        now: 1_790_000_000,
        variables: &|name| match name {
            "KEY" => Some("canary-key".to_owned()),
            "BLANK" => Some("canary key".to_owned()),
            _ => None,
        },
    };

    fn found(text: &str) -> Vec<String> {
        parse("rooms/stand-up.yaml", "stand-up", text, &CONTEXT)
            .1
            .into_iter()
            .map(|f| {
                let help = f.help.map(|h| format!(" | {h}")).unwrap_or_default();
                format!("{}:{} {}: {}{help}", f.line, f.column, f.rule, f.message)
            })
            .collect()
    }

    #[test]
    fn a_good_file() {
        let text = "# note\nprivacy: private\nmaxParticipants: 12\n";
        let (room, findings) = parse("rooms/stand-up.yaml", "stand-up", text, &CONTEXT);
        assert_eq!(findings, []);
        let room = room.unwrap();
        assert_eq!(room.name.as_str(), "stand-up");
        assert_eq!(room.settings.len(), 2);
        assert_eq!(room.lines["maxParticipants"], 3);
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        assert_eq!(
            found(
                "enableChat: yes\nmaxParticipant: 5\nautoJoin: true\nautoJoin: false\nmaxParticipants: 1_000\n"
            ),
            [
                "4:1 duplicate-key: `autoJoin` is set twice; the first time on line 3 | keep one of the two",
                "1:13 wrong-type: `enableChat`: expected `true` or `false`, found the text `yes` | write `enableChat: true`",
                "2:1 unknown-key: `maxParticipant` is not an attribute of a room | did you mean `maxParticipants`?",
                "5:18 wrong-type: `maxParticipants`: expected a whole number (people), 0 or more, found the text `1_000` | write `maxParticipants: 1000`, without quotes",
                "1:1 missing-privacy: `privacy` is missing | add `privacy: private` or `privacy: public`",
            ]
        );
    }

    #[test]
    fn wrong_values_say_what_to_write() {
        let cases = [
            (
                "privacy: Private",
                "1:10 wrong-type: `privacy`: expected `public` or `private`, found the text `Private` | write `privacy: private`",
            ),
            (
                "privacy: private\ncompositionLayout: active-speaker",
                "2:20 wrong-type: `compositionLayout`: expected `grid` or `active_speaker`, found the text `active-speaker` | write `compositionLayout: active_speaker`",
            ),
            (
                "privacy:",
                "1:8 null: `privacy` has no value | give it a value, or take the key out: an absent key is not managed",
            ),
            (
                "privacy: private\nmaxParticipants: 0x10",
                "2:18 number-form: `0x10` is not a plain decimal number | write `16`",
            ),
            (
                "privacy: private\nmaxParticipants: -4",
                "2:18 wrong-type: `maxParticipants`: expected a whole number (people), 0 or more, found the number `-4`",
            ),
            (
                "privacy: private\nmaxParticipants: 1e3",
                "2:18 wrong-type: `maxParticipants`: expected a whole number (people), 0 or more, found `1e3`",
            ),
            (
                "privacy: private\nmaxParticipants: 99999999999999999999",
                "2:18 wrong-type: `maxParticipants`: expected a whole number (people), 0 or more, found `99999999999999999999`",
            ),
            (
                "privacy: private\nmaxParticipants: \"5\"",
                "2:18 wrong-type: `maxParticipants`: expected a whole number (people), 0 or more, found the text `5` | write `maxParticipants: 5`, without quotes",
            ),
            (
                "privacy: private\nroomName: 12",
                "2:11 wrong-type: `roomName`: expected text, found the number `12`",
            ),
            (
                "privacy: private\nenableChat: [true]",
                "2:13 wrong-type: `enableChat`: expected `true` or `false`, found a list",
            ),
            (
                "privacy: private\n_id: x",
                "2:1 unknown-key: `_id` is set by the service and cannot be declared | take the key out",
            ),
            (
                "privacy: private\nenableScreenShare: true",
                "2:1 unknown-key: `enableScreenShare` is sent by some clients, but the service documents no such attribute | did you mean `enableScreenSharing`?",
            ),
            (
                "privacy: private\nroomName: Stand",
                "2:11 room-name: upper-case letters are not allowed in a room name | write it in lower case: clients of the service differ on whether case counts (`names: url-safe` in roomctl.yaml allows it)",
            ),
            (
                "",
                "1:1 empty-file: the file declares nothing | add at least `privacy: private` or `privacy: public`",
            ),
            (
                "autoJoin: true",
                "1:1 missing-privacy: `privacy` is missing | add `privacy: private` or `privacy: public`",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(found(text), [expected], "{text}");
        }
    }

    #[test]
    fn a_wrong_secret_is_not_repeated() {
        for value in [
            "ftp://canary.example",
            "canary",
            "[canary]",
            "{canary: 1}",
            "12345678",
        ] {
            let text = format!("privacy: private\nmeetingJoinWebhook: {value}");
            let found = found(&text).join("\n");
            assert!(found.contains("`meetingJoinWebhook`"), "{found}");
            assert!(
                !found.contains("canary") && !found.contains("12345678"),
                "{found}"
            );
        }
    }

    #[test]
    fn secrets_may_refer_to_variables() {
        let settings = |text: &str| {
            let (room, findings) = parse("rooms/a.yaml", "a", text, &CONTEXT);
            assert_eq!(findings, [], "{text}");
            room.unwrap().settings
        };
        let hook = |value: &str| format!("privacy: private\nmeetingJoinWebhook: {value}\n");
        let set = settings(&hook("https://a.example/${env:KEY}?x=$$1"));
        let secret = Secret::new("https://a.example/canary-key?x=$1");
        assert_eq!(set["meetingJoinWebhook"], Value::Secret(secret));
        let unset = settings(&hook("\"${env:NONE}\""));
        let variables = vec!["NONE".to_owned()];
        assert_eq!(unset["meetingJoinWebhook"], Value::Unset { variables });
        // A known value or not, the rules see that there is one.
        settings(
            "privacy: private\nenableComposition: true\nenableRTMPOut: true\nrtmpOutURL: ${env:NONE}\n",
        );
    }

    #[test]
    fn wrong_references_are_told_at_their_place() {
        let cases = [
            (
                "privacy: private\nmeetingJoinWebhook: https://a.example/${env:BLANK}",
                "2:21 variable: `meetingJoinWebhook`, with the values of its variables: a URL cannot hold blanks or control characters; expected an absolute http or https URL | correct the variable in the environment, or the text around the reference",
            ),
            (
                "privacy: private\nrtmpOutURL: rtmp://a/${KEY}",
                "2:13 wrong-type: `rtmpOutURL`: `${` begins a reference, which reads `${env:NAME}`; for the characters as such write `$${`",
            ),
            (
                "privacy: ${env:KEY}",
                "1:10 wrong-type: `privacy`: expected `public` or `private`, found the text `${env:KEY}`",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(found(text), [expected], "{text}");
        }
    }

    #[test]
    fn the_file_names_the_room() {
        let (room, findings) = parse("rooms/A b.yaml", "A b", "privacy: private", &CONTEXT);
        assert!(room.is_none());
        assert_eq!(findings[0].rule, "room-name");
        let (room, _) = parse(
            "rooms/A b.yaml",
            "A b",
            "privacy: private\nroomName: ab",
            &CONTEXT,
        );
        assert_eq!(room.unwrap().name.as_str(), "ab");
    }

    #[test]
    fn control_characters_of_a_file_are_escaped() {
        let found = found("\"a\\e[31mb\": 1\nprivacy: private").join("\n");
        assert!(!found.contains('\u{1b}'), "{found:?}");
    }
}
