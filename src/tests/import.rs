//! Imported files: whatever a service reports, the file says what was taken over.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::files::context::{Context, Policies};
use crate::files::defaults::Defaults;
use crate::files::entries::Findings;
use crate::files::room_file::parse;
use crate::files::room_format::format;
use crate::files::room_yaml::{RoomYaml, room_yaml};
use crate::model::catalogue::attributes;
use crate::model::reference::Lookup;
use crate::model::{
    EnvPrefix, Live, LiveRoom, NameRule, RoomName, Secret, Value as Setting, Variables, Wanted,
    WantedRoom,
};
use crate::planner::import::{VariableNames, draft, stem};
use crate::planner::{Options, State, plan};

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
        let pairs = names.iter().cloned().zip(values).enumerate();
        let mut settings: BTreeMap<String, Live> = pairs
            .filter(|(n, _)| bits >> n & 1 == 1)
            .map(|(_, pair)| pair)
            .collect();
        let privacy = if public { "public" } else { "private" };
        settings.insert("privacy".to_owned(), Live::from(privacy.to_owned()));
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
        let draft = draft(&live, 1_790_000_000).unwrap();
        let nothing = Wanted::new();
        let variables = draft.variables(&room, &mut VariableNames::new(EnvPrefix::ROOM, [&nothing; 2]));
        let stem = if is_its_own { stem(&room) } else { "another".to_owned() };
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
        state.rooms.insert(room.clone(), draft.applied(&live, "rooms/a.yaml", None, "acme"));
        let unset = |_: &str| None;
        let lookups: [Lookup<'_>; 2] = [&lookup, &unset];
        for (n, values) in lookups.into_iter().enumerate() {
            let variables = Variables { prefix: EnvPrefix::ROOM, values };
            let context = Context { names: NameRule::UrlSafe, now: 1_790_000_000, variables, defaults: Defaults::NONE, sandbox: false, owns: None, policies: Policies::NONE };
            let (parsed, findings) = parse("", &stem, &text, &context);
            let parsed = parsed.unwrap_or_else(|| panic!("{findings:?}\n{text}"));
            prop_assert_eq!(&parsed.name, &room);
            let formatted = format(&text, &mut Findings::new(""));
            prop_assert_eq!(formatted.as_deref(), Some(text.as_str()));
            prop_assert!(n == 1 || parsed.wanted.settings == draft.settings, "{text}");
            let wanted = WantedRoom { settings: parsed.wanted.settings, ..WantedRoom::default() };
            let options = Options::default();
            let plan = plan(&[(room.clone(), wanted)].into(), &state, None, &options);
            prop_assert!(plan.is_empty(), "{text}");
        }
    }
}
