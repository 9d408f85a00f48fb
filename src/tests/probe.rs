//! The questions of `probe` against every personality of the simulated service, and every fault.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::json;

use super::cases;
use super::in_process::{Bench, InProcess};
use crate::model::RoomName;
use crate::run::asked::{QUESTIONS, Sent};
use crate::run::heard::Heard;
use crate::run::probe::{Listening, Probed, Refused, Way, Ways, probe};
use crate::service::requests::Reader;
use crate::simulator::{Method, Quirks, Request};

const NOW: i64 = 1_790_000_000;

/// What each switch that is asked about can be set to; the first is usual.
const SWITCHES: &[(&str, &[&str])] = &[
    ("missing", &["400", "404", "200"]),
    ("put", &["merge", "replace"]),
    ("upsert", &["off", "on"]),
    ("answer", &["after", "before", "204", "empty", "success"]),
    ("echo", &["full", "sample", "writes"]),
    ("privacy", &["lax", "required"]),
    ("unknown-keys", &["ignore", "refuse", "store"]),
    ("zero", &["accept", "refuse"]),
    ("auto-composition", &["off", "on"]),
    ("lowercase-names", &["off", "on", "exact"]),
    ("list-archived", &["off", "on"]),
    ("archived-name", &["reserved", "reusable"]),
    ("auth", &["401", "403", "400"]),
    ("numbers", &["int", "float", "string"]),
    ("flags", &["bool", "string"]),
    ("extra-fields", &["off", "on"]),
];

/// Switches that nothing is asked about: the answers have to be right with them, too.
const OTHERS: &[&str] = &[
    "layout=broadcaster",
    "body-room-name=rename",
    "body-room-name=refuse",
    "override=enableChat:false",
    "override=joinVideoOn:true",
    "hide=_id",
    "hide=expireUnixSec",
    "hide=enableComposition",
    "list-limit=1",
    "rate-limit=2",
];

/// Whatever may go wrong: the first so many requests, or by chance.
const FAULTS: &[&str] = &[
    "429=every:3,retry-after:1",
    "500=every:3",
    "503=share:30%",
    "500-after=share:30%",
    "500-after=method:POST",
    "drop-before=every:5",
    "drop-after=every:4",
    "drop-after=method:PUT,first:2",
    "drop-after=method:POST,first:1",
    "drop-after=method:POST",
    "drop-after=method:DELETE,first:3",
    "drop-after=method:DELETE",
    "html=share:20%",
    "html=method:DELETE",
    "html=method:POST",
    "truncated=share:30%",
    "truncated=method:POST",
    "short=method:POST|DELETE",
    "wrong-name=share:20%",
    "wrong-name=method:POST|GET",
    "slow=every:6,ms:40000",
    "slow=method:POST,ms:40000",
    "oversized=method:POST|PUT",
    "redirect=share:20%",
    "503=skip:4",
    "500=skip:12",
    "html=skip:20",
    "drop-before=skip:8",
];

fn personality() -> impl Strategy<Value = Vec<(&'static str, &'static str)>> {
    let switches = SWITCHES.iter().map(|(name, values)| {
        let value = prop_oneof![3 => Just(values[0]), 2 => select(*values)];
        value.prop_map(move |value| (*name, value))
    });
    switches.collect::<Vec<_>>()
}

/// A service with rooms that are nobody's business.
fn bench(switches: &[(&str, &str)], others: &[&str]) -> Bench {
    let mut quirks = Quirks::default();
    for (name, value) in switches {
        quirks.parse(&format!("{name}={value}")).unwrap();
    }
    others.iter().for_each(|other| quirks.parse(other).unwrap());
    let bench = Bench::new(quirks);
    for name in ["alpha", "probe", "zulu"] {
        let body = json!({"roomName": name, "privacy": "private", "maxParticipants": 3});
        let request = Request::new(Method::Post, "/api/v1/room").with_key("simulated-key");
        bench.world().handle(&request.with_body(&body));
    }
    bench
}

fn way(bench: &Bench, wire: InProcess) -> Way<InProcess> {
    let (listening, last) = Listening::new(wire);
    let reader = Reader::new(listening, bench.pacer(), 0);
    Way {
        service: Arc::new(reader),
        last,
    }
}

fn name(text: &str) -> RoomName {
    RoomName::try_from(text.to_owned()).unwrap()
}

fn asked(bench: &Bench, room: &str, sent: &Sent) -> Result<Probed, Refused> {
    let ways = Ways {
        asks: way(bench, bench.wire()),
        cleans_up: way(bench, bench.wire()),
        without_key: way(bench, bench.wire().with_key("another")),
    };
    let (room, other) = (name(room), name("probe-nobody"));
    bench.runtime.block_on(probe(&ways, (&room, &other), sent))
}

/// All rooms that were there before, as the service keeps them.
fn untouched(bench: &Bench) -> Vec<String> {
    let world = bench.world();
    let rooms = world
        .rooms()
        .filter(|room| ["alpha", "probe", "zulu"].contains(&room.name.as_str()));
    rooms.map(|room| format!("{room:?}")).collect()
}

/// The rooms that are there and were not before.
fn left(bench: &Bench) -> Vec<String> {
    let world = bench.world();
    let new = world
        .rooms()
        .filter(|room| !["alpha", "probe", "zulu"].contains(&room.name.as_str()));
    new.filter(|room| !room.archived)
        .map(|room| room.name.clone())
        .collect()
}

proptest! {
    #![proptest_config(cases(96))]

    /// What is answered is what the service was set to, and what can be told is told.
    #[test]
    fn the_answers_are_the_personality(
        switches in personality(),
        others in subsequence(OTHERS, 0..=2),
        room in select(vec!["probe-x", "Probe-X"]),
    ) {
        let bench = bench(&switches, &others);
        let before = untouched(&bench);
        let sent = Sent::new(NOW, 7);
        let probed = asked(&bench, room, &sent).map_err(|error| TestCaseError::fail(error.to_string()))?;
        // Where a name is kept in lower case, only an id or an expiry shows that it is that room.
        let is_kept_so = room == "probe-x" || switches.contains(&("lowercase-names", "off"));
        if !probed.was_made {
            prop_assert!(!is_kept_so && !probed.left.is_empty());
            return Ok(());
        }
        prop_assert_eq!(&probed.left, &Vec::<String>::new());
        let room = name(room);
        let heard = Heard { room: &room, sent: &sent, said: &probed.said };
        for (name, value) in &switches {
            if let Some(answer) = heard.answer(name) {
                prop_assert_eq!(&answer, value, "{}", name);
            } else {
                prop_assert!(!others.is_empty() || may_be_unknown(name, room.as_str(), &switches), "{} is not told", name);
            }
        }
        prop_assert_eq!(untouched(&bench), before);
        prop_assert_eq!(left(&bench), Vec::<String>::new());
    }

    /// Whatever goes wrong: no other room is written to, and what was made is archived, or said to be left.
    #[test]
    fn no_other_room_is_touched(
        switches in personality(),
        others in subsequence(OTHERS, 0..=2),
        faults in subsequence(FAULTS, 1..=3),
        room in select(vec!["probe-x", "Probe-X", "probe", "Probe", "ALPHA"]),
    ) {
        let bench = bench(&switches, &others);
        bench.faults(&faults);
        let before = untouched(&bench);
        let probed = asked(&bench, room, &Sent::new(NOW, 7));
        prop_assert_eq!(untouched(&bench), before);
        let said = probed.map_or_else(|_| Vec::new(), |probed| probed.left);
        for name in left(&bench) {
            let is_said = said.iter().any(|one| one.to_lowercase().contains(&name.to_lowercase()));
            prop_assert!(is_said, "{} is left, and said is {:?}", name, said);
        }
    }
}

/// What one request cannot tell where the service hides the rest.
fn may_be_unknown(question: &str, room: &str, switches: &[(&str, &str)]) -> bool {
    let is = |name: &str, value: &str| switches.contains(&(name, value));
    match question {
        // A name of lower-case letters alone.
        "lowercase-names" => room == "probe-x",
        // Neither is in the documented answer.
        "auto-composition" | "numbers" | "unknown-keys" => is("echo", "sample"),
        // No write shows a room.
        "echo" => !is("answer", "after") && !is("answer", "before"),
        _ => false,
    }
}

#[test]
fn every_switch_is_a_question() {
    for (name, _) in SWITCHES {
        assert!(
            QUESTIONS.iter().any(|(question, ..)| question == name),
            "{name}"
        );
    }
}

/// Rooms that are there are refused, in whatever case.
#[test]
fn a_room_that_exists_is_refused() {
    for (room, switches) in [
        ("probe", &[][..]),
        ("Probe", &[("lowercase-names", "on")]),
        ("Probe", &[("lowercase-names", "exact")]),
    ] {
        let bench = bench(switches, &[]);
        let before = untouched(&bench);
        let refused = asked(&bench, room, &Sent::new(NOW, 7))
            .map(|_| ())
            .unwrap_err();
        assert!(
            matches!(refused, Refused::Exists(_) | Refused::Taken(..)),
            "{refused}"
        );
        assert_eq!(untouched(&bench), before);
        assert_eq!(left(&bench), Vec::<String>::new());
    }
}
