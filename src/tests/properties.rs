//! Laws that hold for all rooms, on generated ones, against the simulated service without a socket.

use crate::model::{RoomName, Value as Setting, Wanted};
use crate::planner::testing::referring;
use crate::planner::testing::{applied, shown};
use crate::planner::{Action, Gone, Options, Outcome, Sighting, plan};
use crate::service::observe::observe;
use crate::simulator::Quirks;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use super::in_process::{Bench, options, plan_of, quirks, wanted};

/// A room file's mapping that breaks no rule.
fn room() -> impl Strategy<Value = Value> {
    let flags = [
        "autoJoin",
        "showInviteBox",
        "enableRequestToJoin",
        "enableChat",
        "newChatForMeetingSession",
        "enableRecording",
        "ownerOnlyBroadcast",
        "recordRoom",
        "joinAudioOn",
        "deleteOnExp",
        "ejectAtRoomExp",
    ];
    let numbers = [
        "maxParticipants",
        "ejectAfterElapsedTimeInSec",
        "endMeetingAfterNoActivityInSec",
        "expireUnixSec",
    ];
    let webhooks = [
        "meetingJoinWebhook",
        "meetingLeftWebhook",
        "meetingStartedWebhook",
        "meetingEndedWebhook",
    ];
    let some =
        |names: Vec<&'static str>| proptest::sample::subsequence(names.clone(), 0..=names.len());
    (
        any::<bool>(),
        (some(flags.to_vec()), any::<u16>()),
        (some(numbers.to_vec()), 1_i64..9_000_000_000),
        (some(webhooks.to_vec()), "[a-z]{1,12}"),
        proptest::option::of((any::<bool>(), any::<bool>())),
    )
        .prop_map(
            |(public, (flags, bits), (numbers, base), (hooks, path), composed)| {
                let mut room = Map::new();
                room.insert(
                    "privacy".into(),
                    json!(if public { "public" } else { "private" }),
                );
                for (n, flag) in flags.iter().enumerate() {
                    room.insert((*flag).into(), json!(bits >> n & 1 == 1));
                }
                for (n, name) in numbers.iter().enumerate() {
                    room.insert((*name).into(), json!(base + n as i64));
                }
                for hook in hooks {
                    room.insert(
                        hook.into(),
                        json!(format!("https://hooks.example.com/{path}")),
                    );
                }
                if let Some((grid, rtmp)) = composed {
                    room.insert("enableComposition".into(), json!(true));
                    let layout = if grid { "grid" } else { "active_speaker" };
                    room.insert("compositionLayout".into(), json!(layout));
                    room.insert("enableRTMPOut".into(), json!(rtmp));
                    if rtmp {
                        room.insert(
                            "rtmpOutURL".into(),
                            json!(format!("rtmp://live.example/{path}")),
                        );
                    }
                }
                Value::Object(room)
            },
        )
}

pub(super) fn rooms() -> impl Strategy<Value = Wanted> {
    proptest::collection::btree_map("[a-z][a-z0-9_-]{0,8}", room(), 0..8).prop_map(|rooms| {
        rooms
            .into_iter()
            .map(|(name, value)| {
                (
                    RoomName::try_from(name.clone()).unwrap(),
                    wanted(&name, value),
                )
            })
            .collect()
    })
}

/// Every personality under which the law is claimed.
pub(super) const PERSONALITIES: [&[&str]; 9] = [
    &[],
    &["put=replace"],
    &[
        "missing=404",
        "privacy=required",
        "unknown-keys=store",
        "body-room-name=refuse",
    ],
    &["missing=200", "numbers=float", "extra-fields=on"],
    &["echo=sample"],
    &["numbers=string", "put=replace", "echo=sample"],
    &["auto-composition=on", "body-room-name=rename"],
    &[
        "override=enableChat:true",
        "override=maxParticipants:3",
        "layout=broadcaster",
    ],
    &["hide=privacy", "hide=maxParticipants", "put=replace"],
];

/// What a write may be answered with, and for how long the service overrides.
const ANSWERS: [&str; 6] = [
    "answer=after",
    "answer=before",
    "answer=204",
    "answer=empty",
    "answer=success",
    "override-writes=1",
];

proptest! {
    #![proptest_config(super::cases(48))]

    /// Apply, then plan: nothing to do, under every personality with every kind of answer; and again after the
    /// files move.
    #[test]
    fn apply_then_plan_is_empty(first in rooms(), second in rooms(), answer in select(&ANSWERS[..])) {
        for personality in PERSONALITIES {
            let personality = [personality, &[answer][..]].concat();
            let mut bench = Bench::new(quirks(&personality));
            for files in [&first, &second] {
                for receipt in bench.apply(files) {
                    let done = matches!(receipt.outcome, Outcome::Confirmed | Outcome::Overridden);
                    prop_assert!(done, "{personality:?} {receipt:?}");
                }
                let again = plan_of(files, &bench.state);
                prop_assert!(again.is_empty(), "{personality:?} {:?}", again.changes);
            }
        }
    }

    /// A run that does not know the secrets sees the same changes, but for those of secrets.
    #[test]
    fn unset_variables_are_no_changes(first in rooms(), second in rooms(), no_url in any::<bool>()) {
        let (first, second) = (referring(first), referring(second));
        let mut bench = Bench::new(Quirks::default());
        bench.apply(&first);
        let blind = |files: &Wanted| -> Wanted {
            let mut files = files.clone();
            for room in files.values_mut() {
                room.settings.retain(|_, setting| {
                    if matches!(setting, Setting::Secret(_)) {
                        *setting = Setting::Unset { variables: vec!["KEY".into()], no_url };
                    }
                    true
                });
            }
            files
        };
        prop_assert!(plan_of(&blind(&first), &bench.state).is_empty());
        let seen = plan_of(&second, &bench.state);
        let mut plain = Vec::new();
        for change in &seen.changes {
            let secret = |v: &Option<_>| v.as_ref().is_some_and(crate::model::Stored::is_secret);
            let moves = change.attributes.iter().filter(|a| !(secret(&a.before) && secret(&a.after)));
            plain.extend(moves.map(|a| (change.room.clone(), a.name)));
        }
        let mut shown = Vec::new();
        for change in &plan_of(&blind(&second), &bench.state).changes {
            shown.extend(change.attributes.iter().map(|a| (change.room.clone(), a.name)));
        }
        prop_assert_eq!(shown, plain);
    }

    /// What was confirmed is what the service holds, attribute by attribute.
    #[test]
    fn confirmed_means_held(files in rooms()) {
        for personality in [&[][..], &["put=replace"]] {
            let mut bench = Bench::new(quirks(personality));
            for receipt in bench.apply(&files) {
                prop_assert_eq!(receipt.outcome, Outcome::Confirmed);
                prop_assert_eq!(&receipt.unobservable, &Vec::<String>::new());
            }
            let world = bench.world();
            for (name, room) in &files {
                prop_assert!(world.room(name.as_str()).is_some());
                prop_assert_eq!(bench.state.rooms[name].settings.len(), room.settings.len());
            }
        }
    }

    /// The recorded events alone lead to the same state as the run did.
    #[test]
    fn the_journal_holds_everything(first in rooms(), second in rooms()) {
        let mut bench = Bench::new(Quirks::default());
        let mut replayed = bench.state.clone();
        bench.apply(&first);
        bench.apply(&second);
        for event in bench.notes.take() {
            replayed.record(event);
        }
        prop_assert_eq!(&replayed, &bench.state);
    }

    /// A plan without a look is the plan with one, when the service shows exactly what was applied.
    #[test]
    fn a_look_at_what_was_applied_changes_no_plan(first in rooms(), second in rooms(), prune in any::<bool>()) {
        let state = applied(&first);
        let mut world = shown(&first);
        for name in second.keys().filter(|name| !first.contains_key(*name)) {
            world.insert(name.clone(), Sighting::Absent(Gone::Missing));
        }
        let options = Options { prune, ..options() };
        let mut blind = plan(&second, &state, None, &options);
        let mut seen = plan(&second, &state, Some(&world), &options);
        for change in blind.changes.iter_mut().chain(&mut seen.changes) {
            // What only a look can show: which rooms are to be created, and what the service shows.
            if matches!(change.action, Action::Add | Action::Create) {
                change.action = Action::Add;
                change.digest.clear();
            }
            change.seen = None;
            change.attributes.iter_mut().for_each(|attribute| attribute.live = None);
        }
        // Rooms that were looked at are read again before they are written.
        seen.forecast = blind.forecast;
        prop_assert_eq!(blind, seen);
    }

    /// The same input gives the same plan, down to the digests, and never shows a secret.
    #[test]
    fn a_plan_is_a_function_of_its_input(first in rooms(), second in rooms()) {
        let mut bench = Bench::new(Quirks::default());
        bench.apply(&first);
        let one = plan_of(&second, &bench.state);
        prop_assert_eq!(&one, &plan_of(&second.clone(), &bench.state.clone()));
        let shown = format!("{one:?}");
        prop_assert!(!shown.contains("hooks.example.com"));
        let updates = one.changes.iter().filter(|c| first.contains_key(&c.room)).count();
        let adds = one.changes.len() - updates;
        prop_assert_eq!(adds, second.keys().filter(|name| !first.contains_key(*name)).count());
    }
}

#[test]
fn what_moved_since_the_plan_is_not_overwritten() {
    let mut bench = Bench::new(Quirks::default());
    let file = |people: i64| -> Wanted {
        let room = wanted(
            "a",
            json!({"privacy": "private", "maxParticipants": people}),
        );
        [(RoomName::try_from("a".to_owned()).unwrap(), room)].into()
    };
    bench.apply(&file(5));
    let names = vec![RoomName::try_from("a".to_owned()).unwrap()];
    let service = bench.service();
    let world = bench
        .runtime
        .block_on(async { observe(&service, names, 1, || {}).world().await });
    let plan = plan(&file(6), &bench.state, Some(&world), &options());
    let edit = |bench: &Bench, people: i64| {
        let mut world = bench.world();
        world.edit("a", "maxParticipants", json!(people)).unwrap();
    };
    edit(&bench, 9);
    let refused = bench.carry_out(&plan).remove(0);
    assert_eq!(refused.outcome, Outcome::Refused);
    assert!(refused.message.unwrap().contains("maxParticipants"));
    edit(&bench, 5);
    assert_eq!(bench.carry_out(&plan)[0].outcome, Outcome::Confirmed);
}

#[test]
fn an_override_is_reported_once() {
    let mut bench = Bench::new(quirks(&["override=enableChat:true"]));
    let files: Wanted = [(
        RoomName::try_from("a".to_owned()).unwrap(),
        wanted("a", json!({"privacy": "private", "enableChat": false})),
    )]
    .into();
    let receipts = bench.apply(&files);
    assert_eq!(receipts[0].outcome, Outcome::Overridden);
    assert_eq!(receipts[0].overridden[0].name, "enableChat");
    assert!(bench.apply(&files).is_empty());
}
