//! Bad nights: runs of the engine against a service that fails, on a paused clock.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::model::{RoomName, Wanted};
use crate::planner::{Outcome, Plan, Receipt, Sighting};
use crate::service::observe::observe;
use crate::service::stop::StopReason;
use crate::simulator::{Quirks, Record};
use proptest::prelude::*;
use serde_json::json;

use super::in_process::{Bench, plan_of, quirks, wanted};

fn name(text: &str) -> RoomName {
    RoomName::try_from(text.to_owned()).unwrap()
}

fn files(people: i64) -> Wanted {
    let room = json!({"privacy": "private", "maxParticipants": people});
    [(name("a"), wanted("a", room))].into()
}

/// A room that is on the service and in the state.
fn bench() -> Bench {
    let mut bench = Bench::new(Quirks::default());
    assert_eq!(bench.apply(&files(5))[0].outcome, Outcome::Confirmed);
    bench
}

/// The intents of all rooms become durable together, or none does.
#[test]
fn where_nothing_can_be_recorded_no_room_is_written() {
    let mut bench = Bench::new(Quirks::default());
    let rooms =
        ["a", "b", "c"].map(|room| (name(room), wanted(room, json!({"privacy": "private"}))));
    *bench.notes.left.lock().unwrap() = Some(0);
    let receipts = bench.apply(&rooms.into());
    for receipt in &receipts {
        assert_eq!(receipt.outcome, Outcome::Skipped, "{receipt:?}");
        assert!(
            message(receipt).contains("nothing was written"),
            "{receipt:?}"
        );
    }
    assert_eq!((receipts.len(), bench.world().rooms().count()), (3, 0));
}

/// The state is saved all the same, and the journal goes.
#[test]
fn where_the_end_of_a_write_cannot_be_recorded_the_room_stays_in_doubt() {
    let mut bench = Bench::new(Quirks::default());
    *bench.notes.left.lock().unwrap() = Some(1);
    let receipt = bench.apply(&files(5)).remove(0);
    assert_eq!(receipt.outcome, Outcome::Unknown, "{receipt:?}");
    assert_eq!(bench.world().rooms().count(), 1);
    assert!(!bench.state.rooms[&name("a")].unconfirmed.is_empty());
}

fn message(receipt: &Receipt) -> &str {
    receipt.message.as_deref().unwrap_or_default()
}

#[test]
fn a_write_that_happened_behind_a_500_is_unknown_and_settled_by_the_next_run() {
    let mut bench = bench();
    bench.faults(&["500-after=method:PUT"]);
    let receipt = bench.apply(&files(6)).remove(0);
    assert_eq!(receipt.outcome, Outcome::Unknown, "{receipt:?}");
    assert_eq!(message(&receipt), "HTTP 500: internal server error");
    assert!(!bench.state.rooms[&name("a")].unconfirmed.is_empty());
    bench.faults(&[]);
    // The file goes back to what was confirmed before; the doubt is planned all the same.
    assert_eq!(bench.apply(&files(5))[0].outcome, Outcome::Confirmed);
    assert!(plan_of(&files(5), &bench.state).is_empty());
}

#[test]
fn a_refusal_after_a_lost_answer_is_unknown() {
    let earlier = "; an earlier try may have been carried out";
    // A redirect does not say itself that nothing was done.
    for (refusal, end) in [
        ("reflect-key=method:PUT", earlier),
        ("redirect=method:PUT", "redirects are not followed"),
    ] {
        let mut bench = bench();
        bench.faults(&["drop-after=method:PUT,first:1", refusal]);
        let receipt = bench.apply(&files(6)).remove(0);
        assert_eq!(receipt.outcome, Outcome::Unknown, "{receipt:?}");
        let message = message(&receipt);
        assert!(message.ends_with(end), "{message}");
        assert!(!bench.state.rooms[&name("a")].unconfirmed.is_empty());
    }
}

#[test]
fn a_refusal_alone_is_refused_and_leaves_nothing() {
    let mut bench = bench();
    let before = bench.state.clone();
    bench.faults(&["reflect-key=method:PUT"]);
    assert_eq!(bench.apply(&files(6))[0].outcome, Outcome::Refused);
    assert_eq!(bench.state, before);
}

fn many(rooms: usize, people: i64) -> Wanted {
    let room = json!({"privacy": "private", "maxParticipants": people});
    (0..rooms)
        .map(|n| format!("room-{n:03}"))
        .map(|text| (name(&text), wanted(&text, room.clone())))
        .collect()
}

fn count(receipts: &[Receipt], outcome: Outcome) -> usize {
    receipts.iter().filter(|r| r.outcome == outcome).count()
}

#[test]
fn a_service_that_is_down_is_not_asked_for_every_room() {
    let mut bench = Bench::new(Quirks::default());
    bench.faults(&["500"]);
    let receipts = bench.apply(&many(100, 5));
    assert_eq!(bench.stopped, Some(StopReason::Failing(10)));
    let asked = bench.world().counts().total();
    assert!((50..=65).contains(&asked), "{asked}");
    let not_tried = count(&receipts, Outcome::Skipped);
    assert!(not_tried >= 86, "{not_tried}");
    assert!(receipts.iter().any(|r| {
        message(r)
            == "not tried: the service failed 10 rooms in a row, each to the end of its tries"
    }));
}

#[test]
fn some_rooms_that_fail_together_do_not_stop_the_others() {
    let mut bench = Bench::new(Quirks::default());
    let failing: Vec<String> = (20..45).map(|n| format!("500=room:room-{n:03}")).collect();
    bench.faults(&failing.iter().map(String::as_str).collect::<Vec<_>>());
    let receipts = bench.apply(&many(60, 5));
    assert_eq!(bench.stopped, None);
    assert_eq!(count(&receipts, Outcome::Confirmed), 35);
    assert_eq!(count(&receipts, Outcome::Refused), 25);
}

#[test]
fn a_tenth_that_cannot_be_read_does_not_hide_the_rest() {
    let mut bench = Bench::new(Quirks::default());
    let files = many(300, 5);
    bench.apply(&files);
    // Neighbours, as the rooms of one customer are.
    let failing: Vec<String> = (100..130)
        .map(|n| format!("500=room:room-{n:03}"))
        .collect();
    bench.faults(&failing.iter().map(String::as_str).collect::<Vec<_>>());
    for parallelism in [1, 4, 16] {
        let names = files.keys().cloned().collect();
        let service = bench.service();
        let look = async { observe(&service, names, parallelism, || {}).world().await };
        let world = bench.runtime.block_on(look);
        let unreadable = world
            .values()
            .filter(|s| matches!(s, Sighting::Unreadable(_)));
        assert_eq!(
            (unreadable.count(), world.len()),
            (30, 300),
            "{parallelism}"
        );
        assert_eq!(service.stop.reason(), None);
    }
}

#[test]
fn a_deadline_is_kept_and_the_next_run_goes_on() {
    let mut bench = Bench::new(Quirks::default());
    bench.rate = "5/s".parse().unwrap();
    bench.time = Some(Duration::from_secs(20));
    let files = many(100, 5);
    let mut begun = bench.now();
    let mut runs = 0;
    while !plan_of(&files, &bench.state).is_empty() {
        let receipts = bench.apply(&files);
        assert!(bench.now() - begun <= Duration::from_secs(20));
        if bench.stopped.is_some() {
            assert_eq!(bench.stopped, Some(StopReason::Deadline));
            // Two requests a room, five a second, and a second and a half kept for the end.
            let done = count(&receipts, Outcome::Confirmed);
            assert!((44..=47).contains(&done), "{done}");
            assert_eq!(count(&receipts, Outcome::Skipped) + done, receipts.len());
        }
        begun = bench.now();
        runs += 1;
    }
    assert_eq!(runs, 3);
    // A room that was read and not written any more is read again: at most one of each of four workers.
    let asked = bench.world().counts().total();
    assert!((200..=208).contains(&asked), "{asked}");
}

#[test]
fn an_answer_that_would_come_after_the_deadline_is_unknown() {
    let mut bench = bench();
    bench.time = Some(Duration::from_secs(8));
    bench.faults(&["slow=method:PUT,ms:20000"]);
    let begun = bench.now();
    let receipt = bench.apply(&files(6)).remove(0);
    assert_eq!(receipt.outcome, Outcome::Unknown, "{receipt:?}");
    assert_eq!(bench.now() - begun, Duration::from_secs(7));
    assert!(!bench.state.rooms[&name("a")].unconfirmed.is_empty());
}

#[test]
fn the_rate_is_never_exceeded_in_the_eyes_of_the_service() {
    for rate in [5, 50] {
        let limit = format!("rate-limit={rate}");
        let mut bench = Bench::new(quirks(&[&limit]));
        bench.rate = format!("{rate}/s").parse().unwrap();
        let begun = bench.now();
        bench.apply(&many(200, 5));
        let counts = bench.world().counts();
        assert_eq!((counts.over_limit, counts.total()), (0, 400));
        let ideal = Duration::from_secs(400 / rate);
        assert!(bench.now() - begun < ideal.mul_f64(1.02));
    }
}

#[test]
fn a_service_that_takes_less_than_the_rate_gets_less() {
    let mut bench = Bench::new(quirks(&["rate-limit=3"]));
    bench.rate = "20/s".parse().unwrap();
    let receipts = bench.apply(&many(100, 5));
    assert_eq!(count(&receipts, Outcome::Confirmed), 100);
    let counts = bench.world().counts();
    // Each 429 is a request for nothing: most requests have to come at a pace that the service takes.
    assert!(counts.over_limit * 4 < counts.total(), "{counts:?}");
}

/// Anything that the simulated service can do wrong, now and then.
fn fault() -> impl Strategy<Value = String> {
    let kind = prop_oneof![
        Just("429".to_owned()),
        (0_u32..900).prop_map(|wait| format!("429=retry-after:{wait}")),
        Just("500".to_owned()),
        Just("500-after".to_owned()),
        (0_u32..30).prop_map(|wait| format!("503=retry-after:{wait}")),
        Just("html".to_owned()),
        Just("redirect".to_owned()),
        Just("drop-before".to_owned()),
        Just("drop-after".to_owned()),
        Just("truncated".to_owned()),
        Just("short".to_owned()),
        Just("oversized".to_owned()),
        Just("wrong-name".to_owned()),
        (1_u32..60_000).prop_map(|ms| format!("slow=ms:{ms}")),
    ];
    let method = proptest::sample::select(vec!["GET", "PUT", "POST", "GET|PUT", "PUT|POST|DELETE"]);
    let which = prop_oneof![
        (1_u32..100).prop_map(|percent| format!("share:{percent}%")),
        (1_u32..8).prop_map(|first| format!("first:{first}")),
        (1_u32..3).prop_map(|first| format!("first-per-room:{first}")),
    ];
    (kind, method, which).prop_map(|(kind, method, which)| {
        let separator = if kind.contains('=') { ',' } else { '=' };
        format!("{kind}{separator}method:{method},{which}")
    })
}

/// The faults of one run, how long it may take, and what the files want by then.
fn night() -> impl Strategy<Value = (Vec<String>, Option<u64>, i64)> {
    (
        proptest::collection::vec(fault(), 1..4),
        proptest::option::of(2_u64..120),
        // Few values, so that files go back to what was confirmed before.
        5_i64..8,
    )
}

/// What one run reports adds up to its plan, and is true.
fn check(bench: &Bench, plan: &Plan, receipts: &[Receipt], files: &Wanted) {
    let planned: Vec<&RoomName> = plan.actionable().map(|change| &change.room).collect();
    let reported: Vec<&RoomName> = receipts.iter().map(|receipt| &receipt.room).collect();
    assert_eq!(reported, planned);
    let is_confirmed = |room: &&RoomName| {
        let receipt = receipts.iter().find(|receipt| receipt.room == **room);
        receipt.is_some_and(|receipt| receipt.outcome == Outcome::Confirmed)
    };
    let confirmed = files.keys().filter(is_confirmed);
    let confirmed = confirmed.map(|room| (room.clone(), files[room].clone()));
    held(bench, &confirmed.collect());
    let world = bench.world();
    no_post_is_repeated_blindly(&world.log());
}

/// A POST that may have been carried out is only repeated after a look at the room.
fn no_post_is_repeated_blindly(log: &[Record]) {
    let mut doubtful: BTreeSet<String> = BTreeSet::new();
    for record in log {
        match (record.method.name(), record.status) {
            ("POST", status) => {
                let body = record.body.as_ref().expect("a body");
                let room = body["roomName"].as_str().expect("a name").to_owned();
                assert!(!doubtful.contains(&room), "{room} was posted again unseen");
                if status != Some(429) {
                    doubtful.insert(room);
                }
            }
            ("GET", _) => {
                let room = record.path.rsplit('/').next().expect("a name");
                doubtful.remove(room);
            }
            _ => {}
        }
    }
}

/// The service holds what the files say.
fn held(bench: &Bench, files: &Wanted) {
    let world = bench.world();
    for (room, wanted) in files {
        let room = world.room(room.as_str()).expect("a room");
        let wanted = &wanted.settings["maxParticipants"];
        let held = &room.attributes["maxParticipants"];
        assert_eq!(format!("{wanted:?}"), format!("Plain(Integer({held}))"));
    }
}

proptest! {
    #![proptest_config(super::cases(200))]

    /// Whatever goes wrong in however many runs: each reports the truth about every room of its plan, and when
    /// the service is well again, one run is enough.
    #[test]
    fn bad_nights_end(nights in proptest::collection::vec(night(), 1..5), replaces in any::<bool>()) {
        let personality: &[&str] = if replaces { &["put=replace"] } else { &[] };
        let mut bench = Bench::new(quirks(personality));
        let mut files = Wanted::new();
        let mut replayed = bench.state.clone();
        for (faults, time, people) in &nights {
            bench.faults(&faults.iter().map(String::as_str).collect::<Vec<_>>());
            bench.time = time.map(Duration::from_secs);
            files = many(12, *people);
            let plan = plan_of(&files, &bench.state);
            let receipts = bench.carry_out(&plan);
            check(&bench, &plan, &receipts, &files);
            for event in bench.notes.take() {
                replayed.record(event);
            }
            prop_assert_eq!(&replayed, &bench.state, "the journal holds everything");
        }
        bench.faults(&[]);
        bench.time = None;
        for receipt in bench.apply(&files) {
            prop_assert_eq!(receipt.outcome, Outcome::Confirmed, "{:?}", receipt);
        }
        prop_assert!(plan_of(&files, &bench.state).is_empty());
        held(&bench, &files);
    }
}
