//! Whoever puts back what the service moved moves nothing else: neither on a service that forgets what a write does not
//! name, nor in what is remembered. Generated rooms with overrides, lost answers, newer files and moves by hand.

use std::collections::{BTreeMap, BTreeSet};

use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value, json};

use super::in_process::{Bench, options, quirks, wanted};
use crate::model::{Effect, RoomName, Wanted};
use crate::planner::change::Change;
use crate::planner::drift::{AttributeDrift, Evidence, drift};
use crate::planner::mutes::Mute;
use crate::planner::{Options, Outcome, Plan, Sighting, World, plan};
use crate::service::observe::observe;

const NAMES: [&str; 3] = [
    "maxParticipants",
    "ejectAfterElapsedTimeInSec",
    "endMeetingAfterNoActivityInSec",
];

const PERSONALITIES: [&[&str]; 4] = [
    &["put=replace"],
    &["put=merge"],
    &["put=replace", "hide=maxParticipants"],
    &["put=replace", "echo=writes"],
];

type Numbers = BTreeMap<&'static str, i64>;

/// What happens to a room before what drifted is put back.
#[derive(Clone, Debug)]
struct Story {
    /// What its file says: at first, when a write may be lost, and at last.
    files: [Numbers; 3],
    /// What the service chooses instead, at the first write only.
    chosen: Option<(&'static str, i64)>,
    lost: Option<&'static str>,
    by_hand: Numbers,
    personality: &'static [&'static str],
}

fn numbers() -> impl Strategy<Value = Numbers> {
    let one = || of(1_i64..4);
    (one(), one(), one()).prop_map(|(a, b, c)| {
        let all = NAMES.into_iter().zip([a, b, c]);
        all.filter_map(|(name, value)| Some((name, value?)))
            .collect()
    })
}

fn story() -> impl Strategy<Value = Story> {
    let by_hand = subsequence(NAMES.to_vec(), 0..=2).prop_flat_map(|names| {
        let values = proptest::collection::vec(1_i64..4, names.len());
        values.prop_map(move |values| names.iter().copied().zip(values).collect())
    });
    (
        [numbers(), numbers(), numbers()],
        of((select(&NAMES[..]), 7_i64..9)),
        of(select(&["500-after=method:PUT", "500=method:PUT"][..])),
        by_hand,
        select(&PERSONALITIES[..]),
    )
        .prop_map(|(files, chosen, lost, by_hand, personality)| Story {
            files,
            chosen,
            lost,
            by_hand,
            personality,
        })
}

fn name() -> RoomName {
    RoomName::try_from("a".to_owned()).unwrap()
}

fn file(numbers: &Numbers) -> Wanted {
    let numbers = numbers
        .iter()
        .map(|(name, n)| ((*name).to_owned(), json!(n)));
    let plain = [("privacy".to_owned(), json!("private"))];
    let settings: Map<String, Value> = numbers.chain(plain).collect();
    [(name(), wanted("a", settings.into()))].into()
}

fn look(bench: &Bench) -> World {
    let service = bench.service();
    let looking = async { observe(&service, vec![name()], 1, || {}).world().await };
    bench.runtime.block_on(looking)
}

/// Everything up to the last file, which nothing is applied of yet.
fn tell(story: &Story) -> Bench {
    let chosen = story
        .chosen
        .map(|(name, value)| format!("override={name}:{value}"));
    let mut personality = story.personality.to_vec();
    personality.extend(chosen.as_deref().into_iter().chain(["override-writes=1"]));
    let mut bench = Bench::new(quirks(&personality));
    bench.apply(&file(&story.files[0]));
    bench.faults(story.lost.as_slice());
    if story.lost.is_some() {
        bench.apply(&file(&story.files[1]));
    }
    bench.faults(&[]);
    for (name, value) in &story.by_hand {
        bench.world().edit("a", name, json!(value)).unwrap();
    }
    bench
}

fn put_back(wanted: &Wanted, bench: &Bench) -> Plan {
    let options = Options {
        drift_only: true,
        ..options()
    };
    plan(wanted, &bench.state, Some(&look(bench)), &options)
}

/// What is not as it was applied and is wanted, by name.
fn stands(wanted: &Wanted, bench: &Bench) -> BTreeMap<String, AttributeDrift> {
    let drift = drift(
        &Evidence {
            wanted,
            state: &bench.state,
            others: &BTreeMap::new(),
            mutes: &[],
            now: options().now,
        },
        &look(bench),
        &BTreeSet::new(),
    );
    let attributes = drift.rooms.into_iter().flat_map(|room| room.attributes);
    attributes.map(|one| (one.name.clone(), one)).collect()
}

fn held(bench: &Bench) -> BTreeMap<String, Value> {
    bench.world().room("a").unwrap().attributes.clone()
}

proptest! {
    #![proptest_config(super::cases(1000))]

    #[test]
    fn putting_back_moves_nothing_else(story in story()) {
        let mut bench = tell(&story);
        let wanted = file(&story.files[2]);
        let plan = put_back(&wanted, &bench);
        let before = (stands(&wanted, &bench), held(&bench));
        // What a write that does not name it makes of the rest is the service's affair, and reported.
        let known = bench.state.rooms[&name()].clone();
        let is_ours = |name: &str, held: &Value| {
            let sent = known.unconfirmed.get(name);
            let arrived = sent.is_some_and(|sent| sent.values().any(|one| json!(one) == *held));
            arrived || known.settings.contains_key(name)
        };
        let is_drift = |name: &str| {
            before.0.get(name).is_some_and(|one| one.cause.is_a_move_of_the_service())
        };
        let lines = plan.changes.iter().flat_map(|change| &change.attributes);
        for line in lines.clone() {
            let is_move = line.cause.is_a_move_of_the_service();
            prop_assert!(is_drift(&line.name) && is_move, "{}: {:?}", line.name, line);
        }
        for receipt in bench.carry_out(&plan) {
            prop_assert_eq!(receipt.outcome, Outcome::Confirmed);
        }
        let after = (stands(&wanted, &bench), held(&bench));
        let written: BTreeSet<&str> = lines.map(|line| line.name.as_str()).collect();
        let managed = before.1.iter().filter(|(name, held)| is_ours(name, held));
        for name in managed.map(|(name, _)| name.as_str()) {
            if written.contains(name) {
                let again = after.0.get(name);
                prop_assert!(!again.is_some_and(|one| one.cause.is_a_move_of_the_service()), "{:?}", again);
                continue;
            }
            // Of what the service does not show, nobody knows that somebody moved it: it is sent as it was applied.
            let is_shown = before.0.get(name).is_none_or(|one| one.live.is_some());
            let applied = known.settings.get(name).map(|applied| json!(applied));
            let is_as_applied = !is_shown && after.1.get(name) == applied.as_ref();
            prop_assert!(is_as_applied || before.1.get(name) == after.1.get(name), "{name} on the service\n{:#?}", plan.changes);
            prop_assert_eq!(before.0.get(name), after.0.get(name), "{} as it stands\n{:#?}", name, plan.changes);
        }
        prop_assert_eq!(put_back(&wanted, &bench).changes, [], "again");
    }
    /// Whatever looks and may record, and however its run ends, what the service chose once is remembered as long as the
    /// service shows it.
    #[test]
    fn what_is_over_is_forgotten(
        story in story(),
        mode in select(&["live", "drift-only", "reassert", "unseen"][..]),
        has_file in any::<bool>(),
        is_muted in any::<bool>(),
        is_guarded in any::<bool>(),
        lost in of(select(&["500-after=method:PUT", "500=method:PUT", "drop-after=method:PUT"][..])),
    ) {
        let mut bench = tell(&story);
        let wanted = if has_file { file(&story.files[2]) } else { Wanted::new() };
        let mute = Mute::new("a", "*", "known", "2100-01-01").unwrap();
        let options = Options {
            drift_only: mode == "drift-only",
            reassert: ["reassert", "unseen"].contains(&mode),
            mutes: if is_muted { std::slice::from_ref(&mute) } else { &[] },
            ..options()
        };
        if is_guarded {
            bench.limits.require_allow = Effect::ALL.to_vec();
        }
        let world = look(&bench);
        let seen = (mode != "unseen").then_some(&world);
        let plan = plan(&wanted, &bench.state, seen, &options);
        let looks = |change: &Change| change.sends && change.is_read_first(&bench.limits);
        let is_looked_at = seen.is_some() || plan.changes.iter().any(looks);
        let Some(Sighting::Present(before)) = world.get("a") else { return Ok(()) };
        let before = before.stored(bench.state.salt());
        bench.faults(lost.as_slice());
        bench.notes.take();
        let mut killed = bench.state.clone();
        killed.remember_look(&plan.looked);
        bench.carry_out(&plan);
        bench.faults(&[]);
        bench.notes.take().into_iter().for_each(|event| killed.record(event));
        let Some(Sighting::Present(live)) = look(&bench).remove("a") else { return Ok(()) };
        let after = live.stored(bench.state.salt());
        for state in [&bench.state, &killed] {
            for (name, chosen) in &state.rooms[&name()].overridden {
                let is_over = [&before, &after].iter().all(|shown| shown.get(name).is_some_and(|now| now != chosen));
                prop_assert!(!(is_looked_at && is_over), "{} {:#?}", name, state);
            }
        }
    }
}
