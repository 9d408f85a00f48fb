//! What a plan says it takes is what it takes when nothing goes wrong: each room, in every mode, whatever happened to it
//! before.

use std::collections::BTreeSet;

use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use super::in_process::{Bench, options, quirks, wanted};
use crate::model::{Effect, RoomName, Wanted};
use crate::planner::limits::Limits;
use crate::planner::mutes::Mute;
use crate::planner::{Options, Outcome, Receipt, plan};
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
        any::<[bool; 3]>(),
    )
        .prop_map(|(files, by_hand, looks, mode, flags)| Turn {
            files,
            by_hand,
            looks: looks || mode == "drift-only",
            mode,
            is_guarded: flags[0],
            is_protected: flags[1],
            is_muted: flags[2],
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
            protected: self
                .is_protected
                .then(|| "b".parse().unwrap())
                .into_iter()
                .collect(),
            ..Limits::default()
        }
    }
}

proptest! {
    #![proptest_config(super::cases(400))]

    #[test]
    fn a_forecast_is_what_is_sent(turns in proptest::collection::vec(turn(), 1..6)) {
        let mut bench = Bench::new(quirks(&["archived-name=reusable"]));
        for turn in &turns {
            turn.happens_to(&bench);
            let (wanted, limits) = (turn.wanted(), turn.limits());
            let names = wanted.keys().chain(bench.state.rooms.keys()).cloned();
            let names: BTreeSet<RoomName> = names.collect();
            let world = turn.looks.then(|| {
                let service = bench.service();
                let looking = observe(&service, names.into_iter().collect(), 1, || {});
                bench.runtime.block_on(looking)
            });
            let mutes = [Mute::new("c", "maxParticipants", "known", "2100-01-01").unwrap()];
            let options = Options {
                mutes: if turn.is_muted { &mutes } else { &[] },
                drift_only: turn.mode == "drift-only",
                prune: turn.mode == "prune",
                reassert: turn.mode == "reassert",
                limits: &limits,
                ..options()
            };
            let plan = plan(&wanted, &bench.state, world.as_ref(), &options);
            bench.limits = limits.clone();
            let from = bench.world().log().len();
            let receipts = bench.carry_out(&plan);
            let sent = (bench.world().log().len() - from) as u64;
            prop_assert_eq!(sent, receipts.iter().map(|one| u64::from(one.attempts)).sum::<u64>());
            // Whoever did not look does not know what is gone.
            let went_well = |receipt: &Receipt| receipt.outcome == Outcome::Confirmed
                && (turn.looks || receipt.message.as_deref() != Some("was gone already"));
            for (change, receipt) in plan.actionable().zip(&receipts) {
                let expected = change.requests(&limits);
                prop_assert!(
                    !went_well(receipt) || u64::from(receipt.attempts) == expected,
                    "{expected}: {receipt:#?}\n{change:#?}"
                );
            }
            prop_assert!(!receipts.iter().all(went_well) || sent == plan.forecast.requests);
        }
    }
}
