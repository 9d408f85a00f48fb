//! Bad nights: runs of the engine against a service that fails, on a paused clock.

use roomctl::model::RoomName;
use roomctl::planner::{Outcome, Receipt};
use roomctl::simulator::Quirks;
use serde_json::json;

use crate::in_process::{Bench, Wanted, plan_of, wanted};

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

fn told(receipt: &Receipt) -> &str {
    receipt.message.as_deref().unwrap_or_default()
}

#[test]
fn a_write_that_happened_behind_a_500_is_unknown_and_settled_by_the_next_run() {
    let mut bench = bench();
    bench.faults(&["500-after=method:PUT"]);
    let receipt = bench.apply(&files(6)).remove(0);
    assert_eq!(receipt.outcome, Outcome::Unknown, "{receipt:?}");
    assert_eq!(told(&receipt), "HTTP 500: internal server error");
    assert!(!bench.state.rooms[&name("a")].unconfirmed.is_empty());
    bench.faults(&[]);
    // The file goes back to what was confirmed before; the doubt is planned all the same.
    assert_eq!(bench.apply(&files(5))[0].outcome, Outcome::Confirmed);
    assert!(plan_of(&files(5), &bench.state).is_empty());
}

#[test]
fn a_refusal_after_a_lost_answer_is_unknown() {
    for refusal in ["reflect-key=method:PUT", "redirect=method:PUT"] {
        let mut bench = bench();
        bench.faults(&["drop-after=method:PUT,first:1", refusal]);
        let receipt = bench.apply(&files(6)).remove(0);
        assert_eq!(receipt.outcome, Outcome::Unknown, "{receipt:?}");
        let told = told(&receipt);
        assert!(
            told.ends_with("; an earlier try may have been carried out"),
            "{told}"
        );
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
