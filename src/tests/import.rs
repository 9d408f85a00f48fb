//! Imported files: whatever a service reports, the file says what was taken over.

use proptest::prelude::*;

use crate::files::context::{Context, Policies};
use crate::files::defaults::Defaults;
use crate::files::entries::Findings;
use crate::files::room_file::parse;
use crate::files::room_format::format;
use crate::files::room_yaml::{RoomYaml, room_yaml};
use crate::model::catalogue::attributes;
use crate::model::given::Given;
use crate::model::live::is_placeholder;
use crate::model::reference::Lookup;
use crate::model::sorted::Sorted;
use crate::model::{
    EnvPrefix, Live, LiveRoom, NameRule, Origin, RoomName, Secret, Value as Setting, Variables,
    Wanted, WantedRoom, WireName,
};
use crate::planner::import::{Draft, Known, VariableNames, draft, stem};
use crate::planner::{AppliedRoom, Options, State, plan};

/// Anything that a service could report of an attribute.
fn live() -> impl Strategy<Value = Live> {
    prop_oneof![
        any::<bool>().prop_map(Live::from),
        any::<i64>().prop_map(Live::from),
        (0_i64..10_000_000_000).prop_map(Live::from),
        (0_i64..10_000_000_000).prop_map(|n| Live::from(n.to_string())),
        Just(Live::Null),
        "(public|private|grid|active_speaker|broadcaster)".prop_map(Live::from),
        "(https|rtmp)://[a-z]{1,8}\\.example/canary[-a-z$\\{\\}:#'\"%]{0,12}".prop_map(Live::from),
        "(?s).{0,12}".prop_map(|text| Live::from(format!("canary{text}"))),
        "(?s).{0,12}".prop_map(|text| Live::Secret(Secret::new(text))),
        Just(Live::from("{\"canary\":1}")),
    ]
}

fn live_room() -> impl Strategy<Value = LiveRoom> {
    let names: Vec<String> = attributes().iter().map(|a| a.name.to_owned()).collect();
    let values = proptest::collection::vec(live(), names.len());
    (values, any::<u64>(), any::<bool>()).prop_map(move |(values, bits, public)| {
        let pairs = names.iter().map(WireName::from).zip(values).enumerate();
        let pairs = pairs.filter(|(n, _)| bits >> n & 1 == 1);
        let mut settings: Sorted<WireName, Live> = pairs.map(|(_, pair)| pair).collect();
        let privacy = if public { "public" } else { "private" };
        settings.insert("privacy".into(), Live::from(privacy));
        LiveRoom { id: None, settings }
    })
}

/// Names, and many that YAML or an older reader of it takes for something else.
fn name() -> impl Strategy<Value = String> {
    let odd = "~ ~x null Null NULL yes no y N on OFF true False - -- --- -1 0 007 0x1 0o7 0b1 1e3 1_000 1.5 .5 1. \
        .inf .NaN nan _ _1 ... 2029-03-31 12h e1 x0";
    prop_oneof![
        proptest::sample::select(odd.split_whitespace().collect::<Vec<_>>())
            .prop_map(str::to_owned),
        "[a-z0-9_~.A-Z-]{1,12}",
        "\\PC{1,12}|.{1,255}|[ \"'\\\\#:{}\u{202e}\u{1b}\n\u{85}-]{1,6}",
        "[-+]?[0-9._]{1,3}[exob]?[-+0-9a-f]{0,3}",
    ]
}

proptest! {
    #![proptest_config(super::cases(512))]

    /// Whatever a service reports: the file says exactly what was taken over, shows no secret, is in the form that
    /// `fmt` leaves alone, and leaves nothing to plan, with its variables or without.
    #[test]
    fn a_file_says_what_was_taken_over(live in live_room(), name in name(), is_its_own in any::<bool>()) {
        let Ok(room) = RoomName::try_from(name) else { return Ok(()) };
        let draft = draft(&live, &Known::nothing(), 1_790_000_000).unwrap();
        let nothing = Wanted::new();
        let variables = draft.variables(&room, &mut VariableNames::new(EnvPrefix::ROOM, [&nothing; 2]));
        let stem = if is_its_own { stem(&room, NameRule::AsIs) } else { "another".to_owned() };
        let yaml = RoomYaml { room: &room, stem: &stem, schema: None, draft: &draft, variables: &variables };
        let text = room_yaml(&yaml);
        prop_assert!(!text.contains("canary"), "{text}");
        let lookup = |name: &str| {
            let (attribute, _) = variables.iter().find(|(_, variable)| *variable == name)?;
            match &draft.settings[attribute] {
                Setting::Secret(secret) => Some(secret.expose().to_owned()),
                _ => None,
            }
        };
        let mut state = State::fresh("acme");
        let unset = |_: &str| None;
        let lookups: [Lookup<'_>; 2] = [&lookup, &unset];
        for (n, values) in lookups.into_iter().enumerate() {
            let variables = Variables { prefix: EnvPrefix::ROOM, values, given: Given::NOTHING };
            let context = Context { names: NameRule::AsIs, now: 1_790_000_000, variables, defaults: Defaults::NONE, sandbox: false, owns: None, unmanaged: None, policies: Policies::NONE };
            let (parsed, findings) = parse("", &stem, &text, &context);
            let parsed = parsed.unwrap_or_else(|| panic!("{findings:?}\n{text}"));
            prop_assert_eq!(&parsed.name, &room);
            let formatted = format(&text, &mut Findings::new(""));
            prop_assert_eq!(formatted.as_deref(), Some(text.as_str()));
            prop_assert!(n == 1 || parsed.wanted.settings == draft.settings, "{text}");
            let wanted = parsed.wanted;
            if n == 0 {
                let applied = draft.applied(&live, AppliedRoom::never(), "rooms/a.yaml", wanted.clone(), "acme");
                state.rooms.insert(room.clone(), applied.into());
            }
            let options = Options::default();
            let plan = plan(&[(room.clone(), wanted)].into(), &state, None, &options);
            prop_assert!(plan.is_empty(), "{text}");
        }
    }

    /// Whatever a service hides of a room whose file is replaced: the file keeps it as it is written, the memory keeps it
    /// as it was applied, and what is kept by neither is named.
    #[test]
    fn what_is_not_shown_is_kept(before in live_room(), shown in live_room(), bits in any::<u64>(), defaults in any::<u64>()) {
        let room = RoomName::try_from("a".to_owned()).unwrap();
        let context = Context { names: NameRule::AsIs, now: 1_790_000_000, variables: Variables::NONE, defaults: Defaults::NONE, sandbox: false, owns: None, unmanaged: None, policies: Policies::NONE };
        let write = |draft: &Draft, files: &Wanted| {
            let nothing = Wanted::new();
            let variables = draft.variables(&room, &mut VariableNames::new(EnvPrefix::ROOM, [files, &nothing]));
            let text = room_yaml(&RoomYaml { room: &room, stem: "a", schema: None, draft, variables: &variables });
            let (parsed, findings) = parse("", "a", &text, &context);
            (parsed.unwrap_or_else(|| panic!("{findings:?}\n{text}")), text)
        };
        let first = draft(&before, &Known::nothing(), context.now).unwrap();
        let (parsed, _) = write(&first, &Wanted::new());
        let mut applied = first.applied(&before, AppliedRoom::never(), "rooms/a.yaml", WantedRoom::default(), "acme");
        // Some of it was never applied.
        let names: Vec<String> = applied.settings.keys().map(ToString::to_string).collect();
        let is_odd = |name: &str, bits: u64| names.iter().position(|one| one == name).is_some_and(|n| bits >> n & 1 == 1);
        applied.settings.retain(|name, _| !is_odd(name, bits));
        let inherits = |name: &str| is_odd(name, defaults) && name != "privacy";
        let file = parsed.wanted.clone();
        let origins = file.settings.keys().map(|name| {
            let from = inherits(name).then(|| "rooms/_defaults.yaml".into());
            (name.as_str(), Origin::new(1, from, Vec::new()))
        });
        let origins = origins.collect();
        let known = Known { file: Some(&file), origins: Some(&origins), applied: &applied };
        let draft = draft(&shown, &known, context.now).unwrap();
        let (after, text) = write(&draft, &[(room.clone(), file.clone())].into());
        prop_assert!(!text.contains("canary"), "{text}");
        let formatted = format(&text, &mut Findings::new(""));
        prop_assert_eq!(formatted.as_deref(), Some(text.as_str()));
        let remembered = draft.applied(&shown, &applied, "rooms/a.yaml", WantedRoom::default(), "acme");
        for (name, value) in &file.settings {
            // A word, or a mask, in place of a secret shows nothing of it.
            let seen = shown.settings.get(name).and_then(Live::text);
            let is_shown = seen.is_some_and(|text| !file.secrets.contains_key(&**name) || !is_placeholder(&text));
            let is_named = draft.left_out.contains_key(&**name);
            let stays = inherits(name) && !is_shown;
            prop_assert!(stays || is_named || after.wanted.settings.contains_key(name), "{name} is lost:\n{text}");
            if is_shown || is_named {
                continue;
            }
            prop_assert_eq!(remembered.settings.get(name), applied.settings.get(name), "{}", name);
            if !stays {
                prop_assert_eq!(after.wanted.settings.get(name), Some(value), "{}", name);
                prop_assert_eq!(after.wanted.secrets.get(&**name), file.secrets.get(&**name));
                prop_assert!(text.contains(&format!("# kept as it was: {name} ")), "{text}");
            }
        }
    }
}
