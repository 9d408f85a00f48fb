//! What strangers may have written, read as the program reads it: for fuzzers. Each target takes bytes, and panics where
//! a law of its reader does not hold.
//!
//! `fuzz/` hands them to libFuzzer; `tests/fuzzed.rs` goes through a bounded number of inputs in every test run.
//! Not an interface: it changes with the code.
//!
//! | File | Is |
//! |---|---|
//! | `reports` | what is made of reports and saved plans |
//! | `states` | what is made of states and journals |

mod reports;
mod states;

use std::collections::BTreeMap;
use std::path::Path;
use std::thread;
use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};
use serde_json::Value as Json;

use crate::commands::rooms_in;
use crate::files::context::{Context, Policies};
use crate::files::defaults::{self, Defaults};
use crate::files::entries::Findings;
use crate::files::room_file::{self, RoomFile};
use crate::files::weakened::{Placed, weakened, weakened_mutes};
use crate::files::yaml::Entry;
use crate::files::{config, mutes, room_edit, room_format, usual, yaml};
use crate::model::policy::{self, Ask, PolicyConfig, Question, STACK, Subject};
use crate::model::reference::Template;
use crate::model::{
    Finding, Glob, Globs, NameRule, Place, RoomName, Scalar, Secret, Settings, Severity, Value,
    Variables,
};
use crate::planner::Event;
use crate::planner::forecast::{Rate, forecast};
use crate::planner::limits::MaxChanges;
use crate::planner::seen::Seen;
use crate::report::json;
use crate::service::api::{Answer, Request, interpret};
use crate::service::leaks::SecretFilter;
use crate::service::{http, retry};
use crate::store::holder::Holder;
#[cfg(feature = "remote-state")]
use crate::store::object_versions::versions_in;

use reports::assert_inert;
pub use reports::{plan, report};
pub use states::{drift, journal, state};

/// A reader, by the name of its folder in `fuzz/corpus`.
pub type Target = (&'static str, fn(&[u8]));

/// All of them, by name.
pub const TARGETS: &[Target] = &[
    ("answer", answer),
    ("cache", cache),
    ("config", config),
    ("defaults", defaults),
    ("drift", drift),
    ("edit", edit),
    ("format", format),
    ("glob", glob),
    ("holder", holder),
    ("journal", journal),
    ("mutes", mutes),
    ("plan", plan),
    ("policy", policy),
    ("report", report),
    ("retry_after", retry_after),
    ("room", room),
    ("seen", seen),
    ("state", state),
    ("template", template),
    #[cfg(feature = "remote-state")]
    ("versions", versions),
    ("word", word),
];

const NOW: i64 = 1_790_000_000;

const CONTEXT: Context<'static> = Context {
    names: NameRule::Lowercase,
    now: NOW,
    variables: Variables::NONE,
    defaults: Defaults::NONE,
    sandbox: false,
    owns: None,
    unmanaged: None,
    policies: Policies::NONE,
};

/// Whatever is no text was refused before any of these readers saw it.
fn text_of(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

fn read_room(text: &str, defaults: &Defaults) -> (Option<RoomFile>, Vec<Finding>) {
    let context = Context {
        defaults,
        ..CONTEXT
    };
    let read = room_file::parse("rooms/a.yaml", "a", text, &context);
    assert!(read.0.is_some() || Finding::any_error(&read.1));
    read
}

/// A room or an error; and the usual file means what the YAML library makes of it.
pub fn room(bytes: &[u8]) {
    let text = text_of(bytes);
    read_room(&text, Defaults::NONE);
    if let Some(quick) = usual::entries(&text) {
        let slow = yaml::by_library(&text).expect("the library reads what is usual");
        let pairs = |all: &[Entry]| -> Vec<(String, Json)> {
            let pairs = all.iter();
            pairs
                .map(|one| (one.key.clone(), one.value.clone()))
                .collect()
        };
        assert_eq!(pairs(&quick), pairs(&slow));
    }
}

/// The first part is what stands above the room, the rest its own file.
pub fn defaults(bytes: &[u8]) {
    let text = text_of(bytes);
    let (above, own) = text
        .split_once("\n---\n")
        .unwrap_or((&text, "privacy: private\n"));
    let (layer, findings) = defaults::parse("rooms/_defaults.yaml", above, &Variables::NONE);
    let is_wrong = Finding::any_error(&findings);
    let below = Defaults::NONE.below(layer.into());
    assert!(!below.broken() || is_wrong, "what is broken is said");
    let context = Context {
        defaults: &below,
        ..CONTEXT
    };
    let (room, found) = room_file::parse("rooms/a.yaml", "a", own, &context);
    assert!(room.is_some() || is_wrong || Finding::any_error(&found));
}

/// What is formatted means the same, and is as it stays.
pub fn format(bytes: &[u8]) {
    let text = text_of(bytes);
    let Some(formatted) = room_format::format(&text, &mut Findings::new("rooms/a.yaml")) else {
        return;
    };
    let mut findings = Findings::new("rooms/a.yaml");
    let again = room_format::format(&formatted, &mut findings);
    assert_eq!(again.as_deref(), Some(&*formatted), "from {text:?}");
    let settings = |text: &str| {
        read_room(text, Defaults::NONE)
            .0
            .map(|room| room.wanted.settings)
    };
    assert_eq!(settings(&formatted), settings(&text));
}

/// What is set is there, and read as it was set.
pub fn edit(bytes: &[u8]) {
    let text = text_of(bytes);
    let values: [(&str, Scalar); 4] = [
        ("enableChat", true.into()),
        ("maxParticipants", 12.into()),
        ("expireUnixSec", 1_800_000_000.into()),
        ("privacy", "public".into()),
    ];
    for (name, value) in values {
        let set = |text: &str| room_edit::set(text, name, &value, &mut Findings::new("a.yaml"));
        let Some(edited) = set(&text) else { continue };
        let entries = yaml::mapping(&edited).expect("an edited file is read");
        assert!(entries.iter().any(|entry| entry.key == name), "{edited:?}");
        assert_eq!(
            set(&edited).as_deref(),
            Some(&*edited),
            "set twice, {text:?}"
        );
    }
}

/// A configuration weakens nothing that it says itself, and its policies can be asked.
pub fn config(bytes: &[u8]) {
    let Ok(read) = config::parse(&text_of(bytes)) else {
        return;
    };
    let config = read.config;
    let placed = |config| Placed {
        config,
        directory: Path::new("/"),
    };
    for stack in config.stacks() {
        config.of(stack).given(Some(&stack.name));
    }
    // Two policies of one name are refused here, and not by the reader.
    if config.policies.get().is_none_or(|declared| asked(declared)) {
        assert_eq!(weakened(placed(&config), placed(&config)).len(), 0);
    }
}

/// An expression on its own, about a usual room.
pub fn policy(bytes: &[u8]) {
    asked(&[PolicyConfig {
        id: "p".to_owned(),
        rooms: Glob::default(),
        expression: text_of(bytes).into_owned(),
        message: "reason".to_owned(),
        severity: Severity::Error,
        at: Place::new(3, 10, 1),
    }]);
}

/// Whether policies can be compiled. Asks them about a room, on a stack that is large enough, as the program does it.
fn asked(declared: &[PolicyConfig]) -> bool {
    let ask = || {
        let Ok(policies) = policy::compile(declared) else {
            return false;
        };
        let name = RoomName::try_from("sales-demo".to_owned()).expect("a name");
        let settings: Settings = [
            ("privacy", "private".into()),
            ("maxParticipants", 12.into()),
            ("enableChat", true.into()),
        ]
        .into();
        let subject = Subject {
            room: &name,
            file: "rooms/sales/demo.yaml",
            settings: &settings,
            secrets: &BTreeMap::new(),
            now: NOW,
        };
        policies.ask(Question::new(subject, 10));
        true
    };
    thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(STACK);
        let thread = thread.spawn_scoped(scope, ask).expect("a thread");
        thread.join().expect("no panic in a policy")
    })
}

/// A list of mutes weakens nothing beside itself.
pub fn mutes(bytes: &[u8]) {
    if let Ok(mutes) = mutes::parse(&text_of(bytes)) {
        assert_eq!(weakened_mutes(&mutes, &mutes).len(), 0);
        for mute in &mutes {
            mute.is_active(NOW);
        }
    }
}

/// Secrets as an answer may repeat them: no word of what came of it does.
const KEY: &str = "canary-4Uq7pLz9XwVb";
const STREAM_KEY: &str = "rtmp://live.example/app/Qn8RtYk2Mc5H";

/// The first line is status and media type, the rest the body.
pub fn answer(bytes: &[u8]) {
    let answer = answered(bytes);
    let room = RoomName::try_from("stand-up".to_owned()).expect("a name");
    let settings: Settings = [
        ("privacy", Value::from("private")),
        ("rtmpOutURL", Value::Secret(Secret::new(STREAM_KEY))),
    ]
    .into();
    let filter = SecretFilter::new(&Secret::new(KEY));
    for request in [
        Request::Get(&room),
        Request::Put(&room, &settings),
        Request::Post(&room, &settings),
        Request::Delete(&room),
        Request::List,
    ] {
        let said = format!("{:?}", interpret(&request, &answer, &filter));
        assert!(!said.contains(KEY), "{request:?} gives the key away");
        let sent = matches!(request, Request::Put(..) | Request::Post(..));
        let private = &STREAM_KEY[STREAM_KEY.len() - 12..];
        assert!(
            !(sent && said.contains(private)),
            "{request:?} gives a secret away"
        );
    }
}

fn answered(bytes: &[u8]) -> Answer {
    let end = bytes.iter().position(|byte| *byte == b'\n');
    let (head, body) = bytes.split_at(end.map_or(0, |end| end + 1));
    let head = text_of(head);
    let (status, content_type) = head.trim().split_once(' ').unwrap_or(("200", "text/html"));
    Answer {
        status: status.parse().unwrap_or(200),
        retry_after: None,
        content_type: content_type.to_owned(),
        body: body.to_vec(),
    }
}

/// What plans keep beside a state, without the digest of it.
pub fn cache(bytes: &[u8]) {
    rooms_in(bytes);
}

/// What an object store says that it keeps of a state.
#[cfg(feature = "remote-state")]
pub fn versions(bytes: &[u8]) {
    versions_in("state.json", bytes);
}

/// Any wait is one that somebody can decide about.
pub fn retry_after(bytes: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(bytes) else {
        return;
    };
    let headers = HeaderMap::from_iter([(RETRY_AFTER, value)]);
    let asked = http::retry_after(&headers, SystemTime::UNIX_EPOCH);
    for tries in [1, retry::TRIES] {
        let backoff = Duration::from_secs(1);
        for trouble in [
            retry::Trouble::TooMany(asked),
            retry::Trouble::Failed(asked),
        ] {
            let next = retry::decide(trouble, tries, backoff);
            if let retry::Next::Wait(wait) | retry::Next::Everyone(wait) = next {
                assert!(wait <= retry::LONGEST_PAUSE, "{wait:?}");
            }
        }
    }
}

/// The first line is a pattern, the others are names. One pattern says the same alone and among others.
pub fn glob(bytes: &[u8]) {
    let text = text_of(bytes);
    let (pattern, names) = text.split_once('\n').unwrap_or((&text, "tea"));
    let Ok(glob) = pattern.parse::<Glob>() else {
        return;
    };
    assert_eq!(glob.as_str(), pattern);
    let other: Glob = "b*c?".parse().expect("a pattern");
    let alone: Globs = [glob.clone()].into_iter().collect();
    let among: Globs = [other.clone(), glob, other].into_iter().collect();
    for name in names.lines() {
        let is_among = among.matching(name).any(|at| at == 1);
        assert_eq!(alone.match_any(name), is_among, "{pattern:?} {name:?}");
    }
}

/// Who holds a lock, on one line.
pub fn holder(bytes: &[u8]) {
    if let Ok(holder) = serde_json::from_slice::<Holder>(bytes) {
        let said = holder.to_string();
        assert!(!said.contains('\n'));
        assert_inert("the holder of a lock", &said);
    }
}

/// What looks have shown reads the same again.
pub fn seen(bytes: &[u8]) {
    if let Ok(seen) = serde_json::from_slice::<Seen>(bytes) {
        let written = json(&seen).expect("what was seen is written");
        let again: Seen = serde_json::from_str(&written).expect("and read");
        assert_eq!(again, seen);
    }
}

/// A secret in a file: what may be seen of it is nothing behind its address.
pub fn template(bytes: &[u8]) {
    let text = text_of(bytes);
    if let Ok(template) = Template::parse(&text) {
        let variables = template.variables();
        assert_eq!(template.refers(), !variables.is_empty());
        assert!(template.resolve(&|_| Some("x".to_owned())).is_ok());
        assert_eq!(template.outline().variables, variables);
        assert_inert("an outline", &template.outline().address);
    }
}

/// The short texts of flags and configurations: rates, shares, names, addresses.
pub fn word(bytes: &[u8]) {
    let text = text_of(bytes);
    if let Ok(rate) = text.parse::<Rate>() {
        assert_eq!(rate.to_string().parse(), Ok(rate));
        rate.window();
        for requests in [0, 1, u64::MAX] {
            forecast(requests, &rate, 1);
        }
    }
    if let Ok(most) = text.parse::<MaxChanges>() {
        assert_eq!(String::from(most).parse(), Ok(most));
    }
    if let Ok(name) = RoomName::try_from(text.clone().into_owned()) {
        assert_eq!(name.as_str(), text);
        name.folded();
        name.quoted();
    }
    if let Ok(address) = http::address(&text) {
        assert_eq!(http::address(&address).ok(), Some(address));
        http::account(&text).expect("an address is of an account");
    }
    let _ = serde_json::from_value::<Event>(Json::String(text.into_owned()));
}
