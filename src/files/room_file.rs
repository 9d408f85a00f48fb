//! One room file: its text and the defaults above it in, a room or everything that is wrong with it out. Pure.
//!
//! Variables behind `${env:…}` are looked up through the context.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::files::context::{Context, Policies};
use crate::files::defaults::Defaults;
use crate::files::entries::{self, Findings};
use crate::files::yaml::{self, Entry};
use crate::model::catalogue;
use crate::model::name::{NameRule, RoomName};
use crate::model::policy::{Question, Subject};
use crate::model::reference::Template;
use crate::model::rules::{self, Violation};
use crate::model::words::{joined, shortened};
use crate::model::{
    Finding, Origin, Place, Related, Room, RoomOrigins, Rule, Settings, WantedRoom,
};

#[derive(Clone, Debug)]
pub(crate) struct RoomFile {
    /// `roomName`, or the file's stem.
    pub name: RoomName,
    pub name_at: Place,
    pub wanted: WantedRoom,
    pub origins: RoomOrigins,
}

/// Reads the room that `text` declares. `stem` is the file's name without its extension.
///
/// Returns the room unless an error forbids it, and all findings.
pub(crate) fn parse(
    file: &str,
    stem: &str,
    text: &str,
    context: &Context<'_>,
) -> (Option<RoomFile>, Vec<Finding>) {
    let mut findings = Findings::new(file);
    let Some(own) = entries::parse(text, stem, &context.variables, &mut findings) else {
        return (None, findings.list);
    };
    let name = room_name(&own.entries, stem, context.names, &mut findings);
    if let Some((name, _)) = &name {
        findings.room(name.as_str());
    }
    let layers = Layers {
        file,
        own: &own.entries,
        defaults: context.defaults,
    };
    let settings = settings(own.room, &layers, context, &mut findings);
    let Some((name, name_at)) = name.filter(|_| !Finding::any_error(&findings.list)) else {
        return (None, findings.list);
    };
    let Some(settings) = settings else {
        // The defaults' own findings say why.
        return (None, findings.list);
    };
    let secrets = layers.secrets();
    let wanted = WantedRoom {
        file: file.to_owned(),
        place: file.to_owned(),
        settings,
        secrets,
    };
    ask_policies(&name, &wanted, &layers, context, &mut findings);
    let origins = layers.origins();
    let room = RoomFile {
        name,
        name_at,
        wanted,
        origins,
    };
    (Some(room), findings.list)
}

fn ask_policies(
    name: &RoomName,
    wanted: &WantedRoom,
    layers: &Layers<'_>,
    context: &Context<'_>,
    findings: &mut Findings<'_>,
) {
    let Policies { ask, rooms } = context.policies;
    if ask.is_idle() {
        return;
    }
    let subject = Subject {
        room: name,
        file: &wanted.file,
        settings: &wanted.settings,
        secrets: &wanted.secrets,
        now: context.now,
    };
    for violation in ask.ask(Question::new(subject, rooms)) {
        add_violation(violation, layers, findings);
    }
}

/// The settings of the room with its defaults, or nothing and why.
fn settings(
    own: Option<Room>,
    layers: &Layers<'_>,
    context: &Context<'_>,
    findings: &mut Findings<'_>,
) -> Option<Settings> {
    if context.defaults.broken() {
        return None;
    }
    if layers.own.is_empty() && context.defaults.is_empty() {
        let message = "the file declares nothing";
        let help = "add at least `privacy: private` or `privacy: public`";
        findings.report(Place::START, Rule::EmptyFile, message, help);
        return None;
    }
    let Some(own) = own else {
        // The other rules need the values; this one only needs the keys.
        if layers.find("privacy").is_none() {
            check_rules(&Settings::new(), layers, context.now, findings);
        }
        return None;
    };
    let mut room = if context.defaults.is_empty() {
        own
    } else {
        // Each layer was accepted by itself, and no key is among these twice.
        let entries = layers.entries();
        yaml::typed(entries.iter().map(|(_, entry)| *entry)).ok()?
    };
    let variables = |name: &str| context.variables.get(name);
    for (name, why) in room.resolve(&variables, context.sandbox) {
        let (file, entry) = layers.find(name)?;
        let message = format!("`{name}`, with the values of its variables: {why}");
        let help = "correct the variable in the environment, or the text around the reference";
        let place = entry.value_at;
        findings.add(Finding {
            attribute: Some(name),
            ..Finding::new(file, place, Rule::Variable, message, help)
        });
    }
    let settings = room.settings();
    check_rules(&settings, layers, context.now, findings);
    Some(settings)
}

/// A room's own keys, and behind them the defaults, nearest first.
struct Layers<'a> {
    file: &'a str,
    own: &'a [Entry],
    defaults: &'a Defaults,
}

impl<'a> Layers<'a> {
    /// Every key once, with the file that it is taken from; `None`: the room's own.
    fn entries(&self) -> Vec<(Option<&'a Arc<str>>, &'a Entry)> {
        let mut entries: Vec<(Option<&Arc<str>>, &Entry)> =
            self.own.iter().map(|entry| (None, entry)).collect();
        for layer in self.defaults.layers() {
            for entry in &layer.entries {
                if !entries.iter().any(|(_, nearer)| nearer.key == entry.key) {
                    entries.push((Some(&layer.file), entry));
                }
            }
        }
        entries
    }

    fn find(&self, key: &str) -> Option<(&'a str, &'a Entry)> {
        let own = self.own.iter().find(|entry| entry.key == key);
        own.map(|entry| (self.file, entry)).or_else(|| {
            self.defaults.layers().find_map(|layer| {
                let entry = layer.entries.iter().find(|entry| entry.key == key)?;
                Some((&*layer.file, entry))
            })
        })
    }

    fn secrets(&self) -> BTreeMap<&'static str, Template> {
        let entries = self.entries().into_iter();
        let secrets = entries.filter_map(|(_, entry)| entries::secret(entry));
        secrets
            .map(|(attribute, secret)| (attribute.name, secret))
            .collect()
    }

    fn origins(&self) -> RoomOrigins {
        let entries = self.entries();
        let origins = entries.into_iter().filter_map(|(file, entry)| {
            let name = catalogue::attribute(&entry.key)?.name;
            let others = self.defaults.layers().filter_map(|layer| {
                let hidden = layer.entries.iter().find(|other| other.key == entry.key)?;
                let is_this = std::ptr::eq(hidden, entry);
                (!is_this).then(|| (layer.file.clone(), hidden.key_at.line))
            });
            let (line, others) = (entry.key_at.line, others.collect());
            Some((name, Origin::new(line, file.cloned(), others)))
        });
        origins.collect()
    }
}

fn room_name(
    entries: &[Entry],
    stem: &str,
    rule: NameRule,
    findings: &mut Findings<'_>,
) -> Option<(RoomName, Place)> {
    let declared = entries.iter().find(|entry| entry.key == "roomName");
    let (text, place) = match declared {
        Some(entry) => match &entry.value {
            Value::String(text) => (text.as_str(), entry.value_at),
            // Reported as a wrong type.
            _ => return None,
        },
        None => (stem, Place::WHOLE_FILE),
    };
    match RoomName::parse(text, rule) {
        Ok(name) => Some((name, place)),
        Err(error) => {
            let mut origin = String::new();
            let mut help = error.help().to_owned();
            if declared.is_none() {
                origin = format!(" (the room is named after its file, `{}`)", shortened(stem));
                let name = possible(stem);
                if stem.is_ascii() && RoomName::parse(&name, rule).is_ok() {
                    let name = shortened(&name);
                    help = format!("rename the file to `{name}`, or set `roomName`");
                }
            }
            let message = format!("{error}{origin}");
            findings.add(Finding {
                attribute: Some("roomName"),
                ..Finding::new(findings.file(), place, Rule::RoomName, message, help)
            });
            None
        }
    }
}

fn check_rules(room: &Settings, layers: &Layers<'_>, now: i64, findings: &mut Findings<'_>) {
    for violation in rules::check(room, now) {
        add_violation(violation, layers, findings);
    }
}

/// Points at the room's own file if it has any part in it: the defaults also serve rooms that they fit.
fn add_violation(violation: Violation, layers: &Layers<'_>, findings: &mut Findings<'_>) {
    let wanted = violation.attributes.first().copied();
    let attributes = violation.attributes.into_iter();
    let mut places: Vec<_> = attributes
        .filter_map(|name| Some((name, layers.find(name)?)))
        .collect();
    // Stable: among its own, and among the others, the attribute itself comes first.
    places.sort_by_key(|(_, (file, _))| *file != layers.file);
    let attribute = places.first().map(|(name, _)| *name).or(wanted);
    let mut places = places.into_iter();
    let (file, place) = match places.next() {
        Some((_, (file, entry))) => (file, entry.key_at),
        None => {
            let first = layers.own.first();
            let place = first.map_or(Place::START, |entry| entry.key_at);
            (layers.file, place)
        }
    };
    let related = places.map(|(name, (file, entry))| Related {
        file: file.to_owned(),
        place: entry.key_at,
        label: format!("`{name}` is set here"),
    });
    let (rule, message, help) = (violation.rule, violation.message, violation.help);
    findings.add(Finding {
        severity: violation.severity,
        related: related.collect(),
        attribute,
        ..Finding::new(file, place, rule, message, help)
    });
}

/// The nearest name that a room may have.
fn possible(stem: &str) -> String {
    let lower = stem.to_ascii_lowercase();
    let parts = lower.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    joined(parts.filter(|part| !part.is_empty()), "-").unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::defaults;
    use crate::model::Secret;
    use crate::model::given::Given;
    use crate::model::policy::{self, PolicyConfig};
    use crate::model::{EnvPrefix, Value, Variables};

    const CONTEXT: Context = Context {
        names: NameRule::Lowercase,
        now: 1_790_000_000,
        defaults: Defaults::NONE,
        sandbox: false,
        owns: None,
        unmanaged: None,
        policies: Policies::NONE,
        variables: Variables {
            prefix: EnvPrefix::ROOM,
            values: &|name| match name {
                "ROOM_KEY" => Some("canary-key".to_owned()),
                "ROOM_BLANK" => Some("canary key".to_owned()),
                _ => None,
            },
            given: Given::NOTHING,
        },
    };

    fn found(text: &str) -> Vec<String> {
        parse("rooms/stand-up.yaml", "stand-up", text, &CONTEXT)
            .1
            .into_iter()
            .map(|f| {
                let help = f.help.map(|h| format!(" | {h}")).unwrap_or_default();
                format!(
                    "{}:{} {}: {}{help}",
                    f.place.line,
                    f.place.column,
                    f.rule.name(),
                    f.message
                )
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
        assert_eq!(room.wanted.settings.len(), 2);
        assert_eq!(room.origins["maxParticipants"].line, 3);
    }

    #[test]
    fn everything_wrong_is_reported_at_once() {
        assert_eq!(
            found(
                "enableChat: yes\nmaxParticipant: 5\nautoJoin: true\nautoJoin: false\nmaxParticipants: 1_000\n"
            ),
            [
                "4:1 duplicate-key: `autoJoin` is set twice; the first time on line 3 | keep one of the two",
                "1:13 wrong-type: `enableChat`: expected `true` or `false`, found the text `yes` | write `enableChat: true`",
                "2:1 unknown-key: `maxParticipant` is not an attribute of a room | did you mean `maxParticipants`?",
                "5:18 wrong-type: `maxParticipants`: expected a whole number (people), 0 or more, found the text `1_000` | write `maxParticipants: 1000`",
                "1:1 missing-privacy: `privacy` is missing | add `privacy: private` or `privacy: public`, here or to a `_defaults.yaml` above",
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
                "2:18 wrong-type: `maxParticipants`: expected a whole number (people), 0 or more, found the number `-4` | write for example `maxParticipants: 25`",
            ),
            (
                "privacy: private\nmaxParticipants: 1e3",
                "2:18 wrong-type: `maxParticipants`: expected a whole number (people), 0 or more, found `1e3` | write `maxParticipants: 1000`",
            ),
            (
                "privacy: private\nmaxParticipants: 99999999999999999999",
                "2:18 wrong-type: `maxParticipants`: expected a whole number (people), 0 or more, found `99999999999999999999` | write for example `maxParticipants: 25`",
            ),
            (
                "privacy: private\nmaxParticipants: \"5\"",
                "2:18 wrong-type: `maxParticipants`: expected a whole number (people), 0 or more, found the text `5` | write `maxParticipants: 5`",
            ),
            (
                "privacy: private\nroomName: 12",
                "2:11 wrong-type: `roomName`: expected text, found the number `12` | write `roomName: \"12\"`",
            ),
            (
                "privacy: private\nenableChat: [true]",
                "2:13 wrong-type: `enableChat`: expected `true` or `false`, found a list | write `enableChat: true` or `enableChat: false`",
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
                "1:1 missing-privacy: `privacy` is missing | add `privacy: private` or `privacy: public`, here or to a `_defaults.yaml` above",
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
            room.unwrap().wanted.settings
        };
        let hook = |value: &str| format!("privacy: private\nmeetingJoinWebhook: {value}\n");
        let set = settings(&hook("https://a.example/${env:ROOM_KEY}?x=$$1"));
        let secret = Secret::new("https://a.example/canary-key?x=$1");
        assert_eq!(set["meetingJoinWebhook"], Value::Secret(secret));
        let unset = settings(&hook("\"${env:ROOM_NONE}\""));
        let variables = vec!["ROOM_NONE".to_owned()];
        let unknown = Value::Unset {
            variables,
            no_url: false,
        };
        assert_eq!(unset["meetingJoinWebhook"], unknown);
        // A known value or not, the rules see that there is one.
        settings(
            "privacy: private\nenableComposition: true\nenableRTMPOut: true\nrtmpOutURL: ${env:ROOM_NONE}\n",
        );
    }

    #[test]
    fn wrong_references_are_reported_at_their_place() {
        let cases = [
            (
                "privacy: private\nmeetingJoinWebhook: https://a.example/${env:ROOM_BLANK}",
                "2:21 variable: `meetingJoinWebhook`, with the values of its variables: a URL cannot hold spaces or control characters; expected an absolute http or https URL | correct the variable in the environment, or the text around the reference",
            ),
            (
                "privacy: private\nrtmpOutURL: rtmp://a/${KEY}",
                "2:13 wrong-type: `rtmpOutURL`: `${` begins a reference, which reads `${env:NAME}`; for the characters as such write `$${` | write the whole URL, or `${env:NAME}` and set that variable where roomctl runs",
            ),
            (
                "privacy: private\nmeetingJoinWebhook: https://a.example/${env:KEY}",
                "2:21 variable-name: `meetingJoinWebhook` asks for the variable `KEY`, which a room may not have | call it `ROOM_KEY`, here and where roomctl runs; rooms have variables that begin with `ROOM_`, and only --env-prefix or ROOMCTL_ENV_PREFIX can name another beginning",
            ),
            (
                "privacy: private\nrtmpOutURL: ${env:GITHUB_TOKEN}",
                "2:13 variable-name: `rtmpOutURL` asks for the variable `GITHUB_TOKEN`, which a room may not have | variables that begin with `GITHUB_` are for no room; what the room needs can be in one that begins with `ROOM_`",
            ),
            (
                "privacy: ${env:KEY}",
                "1:10 wrong-type: `privacy`: expected `public` or `private`, found the text `${env:KEY}` | write `privacy: public` or `privacy: private`",
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
        assert_eq!(findings[0].rule, Rule::RoomName);
        let (room, _) = parse(
            "rooms/A b.yaml",
            "A b",
            "privacy: private\nroomName: ab",
            &CONTEXT,
        );
        assert_eq!(room.unwrap().name.as_str(), "ab");
    }

    #[test]
    fn what_breaks_a_policy_is_shown_like_what_breaks_a_rule() {
        let declared: Vec<PolicyConfig> = serde_json::from_value(serde_json::json!([
            {"id": "small", "message": "too large",
             "expression": "room.privacy == 'public' || room.maxParticipants < 10"},
            {"id": "named", "message": "a strange name", "severity": "note", "expression": "room.roomName == 'b'"},
        ]))
        .unwrap();
        let policies = policy::compile(&declared).unwrap();
        let (layer, _) =
            defaults::parse("_defaults.yaml", "\nprivacy: private\n", &Variables::NONE);
        let defaults = Defaults::default().below(Arc::new(layer));
        let context = Context {
            policies: Policies {
                ask: &policies,
                rooms: 1,
            },
            defaults: &defaults,
            ..CONTEXT
        };
        let (_, found) = parse(
            "a.yaml",
            "a",
            "autoJoin: true\n\"maxParticipants\": 12\n",
            &context,
        );
        let at = |file: &str, place: Place| {
            format!("{file}:{}:{}+{}", place.line, place.column, place.width)
        };
        let shown: Vec<String> = found
            .iter()
            .map(|f| {
                let related = f
                    .related
                    .iter()
                    .map(|r| at(&r.file, r.place) + " " + &r.label);
                let related: Vec<String> = related.collect();
                format!("{} {} {related:?}", at(&f.file, f.place), f.message)
            })
            .collect();
        assert_eq!(
            shown,
            [
                "a.yaml:2:1+17 too large [small] [\"_defaults.yaml:2:1+7 `privacy` is set here\"]",
                "a.yaml:1:1+8 a strange name [named] []",
            ]
        );
        assert!(
            found
                .iter()
                .all(|f| f.rule == Rule::Policy && f.room.as_deref() == Some("a"))
        );
    }

    #[test]
    fn control_characters_of_a_file_are_escaped() {
        let found = found("\"a\\e[31mb\": 1\nprivacy: private").join("\n");
        assert!(!found.contains('\u{1b}'), "{found:?}");
    }
}
