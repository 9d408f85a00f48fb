//! The whole way of a room under every pair of switches of the simulated service: import, apply, plan, apply, drift.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use super::in_process::{Bench, InProcess, options, quirks, wanted};
use super::properties::PERSONALITIES;
use crate::model::{RoomName, Wanted, WantedRoom};
use crate::planner::drift::{Checked, Evidence};
use crate::planner::import::{Known, draft};
use crate::planner::seen::Seen;
use crate::planner::{
    Action, AppliedRoom, LeftOut, Outcome, Receipt, Sighting, Verdict, World, drift, plan,
};
use crate::report::{DriftReport, PlanReport, json as text};
use crate::service::observe::observe;
use crate::service::requests::Reader;
use crate::simulator::Quirks;

/// Every switch with every value that is not its default.
const SWITCHES: [&str; 39] = [
    "missing=404",
    "missing=200",
    "put=replace",
    "upsert=on",
    "answer=before",
    "answer=204",
    "answer=empty",
    "answer=success",
    "echo=sample",
    "echo=writes",
    "privacy=required",
    "unknown-keys=refuse",
    "unknown-keys=store",
    "zero=refuse",
    "body-room-name=rename",
    "body-room-name=refuse",
    "auto-composition=on",
    "lowercase-names=on",
    "lowercase-names=exact",
    "list-archived=on",
    "list-limit=2",
    "archived-name=reusable",
    "auth=403",
    "auth=400",
    "numbers=float",
    "numbers=string",
    "flags=string",
    "extra-fields=on",
    "layout=broadcaster",
    "rate-limit=5",
    "override=enableChat:true",
    "override=maxParticipants:3",
    "override=meetingJoinWebhook:\"https://x.example/y\"",
    "override-writes=1",
    "override-writes=2",
    "hide=privacy",
    "hide=maxParticipants",
    "hide=meetingJoinWebhook",
    "hide=_id",
];

/// Rooms that somebody made by hand, one of them archived since.
const BY_HAND: [&str; 3] = ["hand-a", "hand-b", "hand-gone"];

fn name(text: &str) -> RoomName {
    RoomName::try_from(text.to_owned()).unwrap()
}

fn room(people: i64) -> Value {
    json!({
        "privacy": "private",
        "maxParticipants": people,
        "enableChat": false,
        "recordRoom": false,
        "expireUnixSec": 1_990_000_000,
        "meetingJoinWebhook": "https://hooks.example/x",
        "enableComposition": true,
        "compositionLayout": "grid",
    })
}

/// One service with its switches, and what is known of it.
struct Way {
    switches: Vec<&'static str>,
    bench: Bench,
    files: Wanted,
}

impl Way {
    fn new(switches: &[&'static str]) -> Self {
        let mut bench = Bench::new(quirks(switches));
        bench.rate = "5/s".parse().unwrap();
        {
            let mut world = bench.world();
            for (room, privacy) in BY_HAND.into_iter().zip(["private", "public", "public"]) {
                let attributes = [
                    ("privacy".to_owned(), json!(privacy)),
                    ("maxParticipants".to_owned(), json!(5)),
                ];
                world.create(room, attributes.into(), 0);
            }
            world.archive("hand-gone").unwrap();
        }
        Self {
            switches: switches.to_vec(),
            bench,
            files: Wanted::new(),
        }
    }

    fn has(&self, start: &str) -> bool {
        self.switches.iter().any(|switch| switch.starts_with(start))
    }

    fn rest(&self) {
        let two_seconds = async { sleep(Duration::from_secs(2)).await };
        self.bench.runtime.block_on(two_seconds);
    }

    /// A client of its own begins at its own pace: what was asked before it is over by then.
    fn service(&self) -> Arc<Reader<InProcess>> {
        self.rest();
        self.bench.service()
    }

    fn look(&self, names: impl IntoIterator<Item = RoomName>) -> World {
        let service = self.service();
        let names = names.into_iter().collect();
        let look = async { observe(&service, names, 4, || {}).world().await };
        self.bench.runtime.block_on(look)
    }

    fn listed(&self) -> BTreeSet<String> {
        let service = self.service();
        let list = self.bench.runtime.block_on(service.list());
        list.unwrap().into_iter().collect()
    }

    /// Files for the rooms that the service lists, as far as it shows enough of them.
    fn import(&mut self) {
        let names = self.listed();
        let world = self.look(names.iter().map(|text| name(text)));
        for (room, sighting) in world {
            let Sighting::Present(live) = sighting else {
                continue;
            };
            let Ok(draft) = draft(&live, &Known::nothing(), options().now) else {
                assert!(self.has("hide=privacy"), "{:?}: {room}", self.switches);
                continue;
            };
            let place = format!("rooms/{room}.yaml");
            let applied = draft.applied(
                &live,
                AppliedRoom::never(),
                &place,
                WantedRoom::default(),
                self.bench.state.salt(),
            );
            self.bench.state.rooms.insert(room.clone(), applied.into());
            let file = WantedRoom {
                file: place.clone(),
                place,
                settings: draft.settings,
                ..WantedRoom::default()
            };
            self.files.insert(room, file);
        }
        self.is_settled();
    }

    /// Applies. What is not known is written with no more requests than there is a reason for.
    fn apply(&mut self) -> Vec<Receipt> {
        self.rest();
        let before = self.bench.world().counts().total();
        let receipts = self.bench.apply(&self.files.clone());
        let sent = self.bench.world().counts().total() - before;
        let said: u64 = receipts.iter().map(|r| u64::from(r.attempts)).sum();
        assert_eq!(sent, said, "{:?}", self.switches);
        for receipt in &receipts {
            let may_differ = self.has("override=") || self.has("layout=");
            let done = match receipt.outcome {
                Outcome::Confirmed => true,
                outcome => may_differ && outcome == Outcome::Overridden,
            };
            assert!(done, "{:?} {receipt:?}", self.switches);
            let needed = match receipt.action {
                Action::Update => 1,
                _ => 2,
            };
            let attempts = needed..=needed + self.most_doubts();
            assert!(
                attempts.contains(&receipt.attempts),
                "{:?} {receipt:?}",
                self.switches
            );
        }
        receipts
    }

    /// How often a write is read again at most: its answer may be another one than it should be.
    fn most_doubts(&self) -> u32 {
        let odd = ["answer=", "echo=", "override=", "layout=", "hide="];
        u32::from(odd.into_iter().any(|start| self.has(start)))
    }

    /// There is nothing to do, whether the service is looked at or not, and it is said with the same bytes.
    fn is_settled(&self) {
        let world = self.look(self.files.keys().cloned());
        for seen in [None, Some(&world)] {
            let once = || {
                let plan = plan(&self.files, &self.bench.state, seen, &options());
                let report = PlanReport::new(&plan, &BTreeMap::new(), &[], None);
                (plan.is_empty(), text(&report).unwrap())
            };
            let (is_empty, said) = once();
            assert!(is_empty, "{:?} {said}", self.switches);
            assert_eq!(once().1, said, "{:?}", self.switches);
        }
    }

    /// Nobody moved anything, and whatever is managed is shown or counted as not shown.
    fn has_not_drifted(&self) {
        let (world, listed) = (self.look(self.files.keys().cloned()), self.listed());
        let evidence = Evidence {
            wanted: &self.files,
            state: &self.bench.state,
            others: &BTreeMap::new(),
            mutes: &[],
            now: options().now,
        };
        let (state, none) = (&self.bench.state, LeftOut::default());
        let seen = Seen::default();
        let once = || {
            let drift = drift(&evidence, &world, &listed);
            DriftReport::new(drift, state, (&[], &seen), None, none, None)
        };
        let report = once();
        let said = text(&report).unwrap();
        assert_eq!(text(&once()).unwrap(), said, "{:?}", self.switches);
        let Checked { managed, visible } = report.summary.attributes;
        let all_is_shown = !self.has("hide=") && !self.has("echo=sample");
        assert!(
            !all_is_shown || visible == managed,
            "{:?} {said}",
            self.switches
        );
        for room in &report.rooms {
            let is_managed = self.files.contains_key(&name(&room.room));
            let expected = if is_managed {
                Verdict::InSync
            } else {
                Verdict::Unmanaged
            };
            assert_eq!(room.verdict, expected, "{:?} {said}", self.switches);
        }
    }

    /// Files for a room that is there and for two that are not, each for so many people.
    fn want(&mut self, people: i64) {
        for text in ["hand-b", "new-a", "new-b"] {
            self.files.insert(name(text), wanted(text, room(people)));
        }
    }
}

fn walk(switches: &[&'static str]) {
    let mut way = Way::new(switches);
    way.import();
    for people in [7, 9] {
        way.want(people);
        let done = way.apply();
        assert_eq!(done.len(), 3, "{switches:?} {done:?}");
        way.is_settled();
        assert_eq!(way.apply(), [], "{switches:?}");
        way.has_not_drifted();
    }
}

/// A switch is named once, but for the ones that add up.
fn is_a_pair(one: &str, other: &str) -> bool {
    let key = |switch: &'_ str| switch.split('=').next().unwrap().to_owned();
    key(one) != key(other) || ["override", "hide"].contains(&key(one).as_str())
}

#[test]
fn every_switch_is_crossed() {
    for row in Quirks::CATALOGUE {
        for value in row.values.split('|').filter(|value| *value != row.default) {
            let setting = format!("{}={value}", row.name);
            let is_word = value.chars().all(|c| !c.is_ascii_uppercase());
            let is_there = |switch: &str| match is_word {
                true => *switch == setting,
                false => switch.starts_with(&format!("{}=", row.name)),
            };
            assert!(SWITCHES.iter().any(|switch| is_there(switch)), "{setting}");
        }
    }
}

/// The fast suite walks the switches alone.
#[test]
fn the_whole_way_under_every_switch() {
    SWITCHES.iter().for_each(|switch| walk(&[switch]));
}

mod slow {
    use super::*;

    #[test]
    fn the_whole_way_under_every_pair_of_switches() {
        for (at, one) in SWITCHES.iter().enumerate() {
            let others = SWITCHES[at + 1..].iter();
            others
                .filter(|other| is_a_pair(one, other))
                .for_each(|other| walk(&[one, other]));
        }
    }

    #[test]
    fn the_whole_way_under_every_personality_with_every_switch() {
        for personality in PERSONALITIES {
            for switch in SWITCHES {
                walk(&[personality, &[switch][..]].concat());
            }
        }
    }
}
