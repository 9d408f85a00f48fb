//! The numbers that plans and drift reports give: how many rooms, attributes and requests, in every mode, whatever
//! happened to the rooms before.

use std::collections::{BTreeMap, BTreeSet};

use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use super::in_process::{Bench, options, quirks, wanted};
use crate::model::{Effect, RoomName, Wanted};
use crate::planner::drift::{Evidence, RoomDrift};
use crate::planner::limits::Limits;
use crate::planner::mutes::Mute;
use crate::planner::testing::globs;
use crate::planner::{
    Action, Options, Outcome, Plan, Receipt, Sighting, State, Verdict, drift, plan,
};
use crate::service::observe::observe;

const ROOMS: [&str; 3] = ["a", "b", "c"];

/// What somebody does to a room on the service.
#[derive(Clone, Copy, Debug, PartialEq)]
enum ByHand {
    Nothing,
    Move,
    Archive,
    Recreate,
}

/// One run, and what happened before it.
#[derive(Clone, Debug)]
struct Turn {
    files: [Option<i64>; 3],
    by_hand: [ByHand; 3],
    looks: bool,
    mode: &'static str,
    is_guarded: bool,
    is_protected: bool,
    is_muted: bool,
    /// Whether a room cannot be read when it is looked at.
    is_unread: bool,
}

fn turn() -> impl Strategy<Value = Turn> {
    use ByHand::{Archive, Move, Nothing, Recreate};
    let file = || weighted(0.8, 1_i64..4);
    let hand = || select(&[Nothing, Nothing, Nothing, Move, Archive, Recreate][..]);
    (
        [file(), file(), file()],
        [hand(), hand(), hand()],
        any::<bool>(),
        select(&["", "drift-only", "prune", "reassert"][..]),
        any::<[bool; 4]>(),
    )
        .prop_map(|(files, by_hand, looks, mode, flags)| Turn {
            files,
            by_hand,
            looks: looks || mode == "drift-only",
            mode,
            is_guarded: flags[0],
            is_protected: flags[1],
            is_muted: flags[2],
            is_unread: flags[3],
        })
}

impl Turn {
    fn wanted(&self) -> Wanted {
        let rooms = ROOMS.into_iter().zip(self.files);
        let some = rooms.filter_map(|(name, people)| {
            let settings = json!({"privacy": "private", "maxParticipants": people?});
            Some((
                RoomName::try_from(name.to_owned()).ok()?,
                wanted(name, settings),
            ))
        });
        some.collect()
    }

    fn happens_to(&self, bench: &Bench) {
        for (room, by_hand) in ROOMS.into_iter().zip(self.by_hand) {
            let mut world = bench.world();
            if world.room(room).is_none_or(|room| room.archived) {
                continue;
            }
            match by_hand {
                ByHand::Nothing => {}
                ByHand::Move => world.edit(room, "maxParticipants", 9.into()).unwrap(),
                ByHand::Archive => world.archive(room).unwrap(),
                ByHand::Recreate => {
                    let attributes = world.room(room).unwrap().attributes.clone();
                    world.create(room, attributes, 1);
                }
            }
        }
    }

    fn limits(&self) -> Limits {
        Limits {
            require_allow: self
                .is_guarded
                .then_some(Effect::RecordingOn)
                .into_iter()
                .collect(),
            protected: globs(if self.is_protected { &["b"] } else { &[] }),
            ..Limits::default()
        }
    }
}

/// Each room is counted once, and where only what the service moved is put back, as drift has it.
fn check_rooms(plan: &Plan, drift: &[RoomDrift], turn: &Turn) -> Result<(), TestCaseError> {
    let shown = (plan.changes.len() + plan.unreadable.len()) as u64;
    let (pending, rest) = (plan.pending, plan.unchanged + plan.pending);
    prop_assert_eq!(rest + shown, drift.len() as u64, "{:#?}", plan);
    if turn.mode != "drift-only" {
        prop_assert_eq!(pending, 0);
        return Ok(());
    }
    let of = |verdicts: &[Verdict]| {
        let rooms = drift
            .iter()
            .filter(|room| room.file.is_some() && verdicts.contains(&room.verdict));
        rooms.count() as u64
    };
    let standing = [Verdict::InSync, Verdict::Muted, Verdict::Pending];
    prop_assert_eq!(rest, of(&standing), "{:#?}\n{:#?}", plan, drift);
    prop_assert!(
        turn.is_muted || pending == of(&standing[2..]),
        "{plan:#?}\n{drift:#?}"
    );
    let orphans = plan
        .changes
        .iter()
        .filter(|change| change.action == Action::Orphan);
    prop_assert_eq!(
        orphans.count(),
        drift.iter().filter(|room| room.file.is_none()).count()
    );
    Ok(())
}

/// Each attribute that a file wants, or that was applied to a room without one, is counted once, whatever became of it.
fn check_attributes(
    drift: &[RoomDrift],
    wanted: &Wanted,
    state: &State,
) -> Result<(), TestCaseError> {
    for room in drift {
        let name = RoomName::try_from(room.room.clone()).unwrap();
        let managed = match wanted.get(&name) {
            Some(file) => file.settings.len(),
            None => state.applied(&name).settings.len(),
        };
        prop_assert_eq!(room.checked.managed, managed as u64, "{:#?}", room);
    }
    Ok(())
}

/// What is sent for a room is what was forecast for it.
fn check_requests(
    plan: &Plan,
    receipts: &[Receipt],
    sent: u64,
    turn: &Turn,
) -> Result<(), TestCaseError> {
    let attempts = receipts.iter().map(|one| u64::from(one.attempts));
    prop_assert_eq!(sent, attempts.sum::<u64>());
    // Whoever did not look does not know what is gone.
    let went_well = |receipt: &Receipt| {
        let was_gone = receipt.message.as_deref() == Some("was gone already");
        receipt.outcome == Outcome::Confirmed && (turn.looks || !was_gone)
    };
    for (change, receipt) in plan.actionable().zip(receipts) {
        let expected = change.requests(&turn.limits());
        let is_so = u64::from(receipt.attempts) == expected;
        prop_assert!(
            !went_well(receipt) || is_so,
            "{expected}: {receipt:#?}\n{change:#?}"
        );
    }
    prop_assert!(!receipts.iter().all(went_well) || sent == plan.forecast.requests);
    Ok(())
}

proptest! {
    #![proptest_config(super::cases(400))]

    #[test]
    fn every_number_is_true(turns in proptest::collection::vec(turn(), 1..6)) {
        let mut bench = Bench::new(quirks(&["archived-name=reusable"]));
        for turn in &turns {
            turn.happens_to(&bench);
            let (wanted, limits) = (turn.wanted(), turn.limits());
            let names = wanted.keys().chain(bench.state.rooms.keys()).cloned();
            let names: BTreeSet<RoomName> = names.collect();
            let service = bench.service();
            let looking = async { observe(&service, names.into_iter().collect(), 1, || {}).world().await };
            let mut world = bench.runtime.block_on(looking);
            // Of a room that is new, nobody has to know how it is to leave it alone.
            let is_known = bench.state.rooms.contains_key("a");
            if turn.is_unread && is_known && let Some(seen) = world.get_mut("a") {
                *seen = Sighting::Unreadable("HTTP 500".to_owned());
            }
            let mutes = [Mute::new("c", "maxParticipants", "known", "2100-01-01").unwrap()];
            let mutes = if turn.is_muted { &mutes[..] } else { &[] };
            let options = Options {
                mutes,
                drift_only: turn.mode == "drift-only",
                prune: turn.mode == "prune",
                reassert: turn.mode == "reassert",
                limits: &limits,
                ..options()
            };
            let seen = turn.looks.then_some(&world);
            let plan = plan(&wanted, &bench.state, seen, &options);
            let drift = drift(&Evidence {
                wanted: &wanted,
                state: &bench.state,
                others: &BTreeMap::new(),
                mutes,
                now: options.now,
            }, &world, &BTreeSet::new());
            check_rooms(&plan, &drift.rooms, turn)?;
            check_attributes(&drift.rooms, &wanted, &bench.state)?;
            bench.limits = limits.clone();
            let from = bench.world().log().len();
            let receipts = bench.carry_out(&plan);
            let sent = bench.world().log().len() - from;
            check_requests(&plan, &receipts, sent as u64, turn)?;
        }
    }
}
