//! The law of answers: whatever the service answers, in whatever order, a run reports no more than it was shown.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value as Json, json};
use tokio::runtime::Builder;

use crate::model::{RoomName, Run, Secret, StoredSettings, Wanted};
use crate::planner::limits::Limits;
use crate::planner::testing::applied;
use crate::planner::{Outcome, Rate, Receipt, State};
use crate::run::apply::{Job, apply};
use crate::service::api::{Answer, Request, Transport, TransportError};
use crate::service::pace::Pacer;
use crate::service::requests::Reader;
use crate::store::port::Record;

use super::in_process::{Notes, plan_of, wanted};

/// What one request is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The room as it was sent, as far as it is shown.
    AsSent,
    /// The same, without an attribute.
    InPart,
    /// The same, without any.
    NameOnly,
    /// The room with another value.
    Otherwise,
    /// A success that shows no room.
    NoRoom(u16, &'static str),
    /// The room as it was sent, with something that says otherwise.
    SaysNo(&'static str, &'static str),
    /// Anything else.
    Other(u16, &'static str),
    Silence,
    NotSent,
}

const KINDS: [Kind; 34] = [
    Kind::AsSent,
    Kind::AsSent,
    Kind::InPart,
    Kind::InPart,
    Kind::NameOnly,
    Kind::Otherwise,
    Kind::Otherwise,
    Kind::NoRoom(204, ""),
    Kind::NoRoom(200, ""),
    Kind::NoRoom(200, r#"{"success":true}"#),
    Kind::NoRoom(200, "[]"),
    Kind::SaysNo("success", "false"),
    Kind::SaysNo("success", r#""false""#),
    Kind::SaysNo("error", r#""write failed""#),
    Kind::SaysNo("message", r#""room not found""#),
    Kind::SaysNo("archived", "true"),
    Kind::SaysNo("archived", r#""true""#),
    Kind::SaysNo("roomName", r#""A""#),
    Kind::SaysNo("roomName", r#""b""#),
    Kind::Other(400, r#"{"message":"room not found"}"#),
    Kind::Other(400, r#"{"message":"room not found"}"#),
    Kind::Other(409, "{}"),
    Kind::Other(500, "{}"),
    Kind::Other(302, ""),
    Kind::Other(404, ""),
    Kind::Other(404, "<html>nginx</html>"),
    Kind::Other(409, "<html>Conflict</html>"),
    Kind::Other(413, "[]"),
    Kind::Other(429, "<html>Slow down</html>"),
    Kind::Other(403, "<html>Forbidden</html>"),
    Kind::Other(403, "{}"),
    Kind::Other(200, "<html>Sign in</html>"),
    Kind::Silence,
    Kind::NotSent,
];

impl Kind {
    fn answer(self) -> Result<Answer, TransportError> {
        let mut room = json!({"roomName": "a", "privacy": "private", "maxParticipants": 5});
        let (status, body) = match self {
            Self::AsSent => (200, room.to_string()),
            Self::InPart => (
                200,
                json!({"roomName": "a", "privacy": "private"}).to_string(),
            ),
            Self::NameOnly => (200, json!({"roomName": "a"}).to_string()),
            Self::Otherwise => {
                room["privacy"] = "public".into();
                (200, room.to_string())
            }
            Self::SaysNo(name, value) => {
                room[name] = serde_json::from_str::<Json>(value).unwrap();
                (200, room.to_string())
            }
            Self::NoRoom(status, body) | Self::Other(status, body) => (status, body.to_owned()),
            Self::Silence => return Err(TransportError::Unanswered("silence".to_owned())),
            Self::NotSent => return Err(TransportError::NotSent("no route".to_owned())),
        };
        Ok(Answer {
            status,
            retry_after: None,
            content_type: "application/json".to_owned(),
            body: body.into_bytes(),
        })
    }

    /// Whether a write that is answered so was certainly not carried out: the service says so in its own words.
    fn refuses(self) -> bool {
        match self {
            Self::Other(status, body) => status < 500 && body.starts_with('{'),
            kind => kind == Self::NotSent,
        }
    }

    /// Whether a read that is answered so says that there is no such room.
    fn is_gone(self) -> bool {
        match self {
            Self::Other(status, body) => body.contains("not found") || (status, body) == (404, ""),
            kind => matches!(kind, Self::SaysNo("archived", _)),
        }
    }
}

/// Answers from a list, and then no more.
struct Script {
    answers: Mutex<VecDeque<Kind>>,
    /// Whether each request was a write, and what it was answered with.
    log: Arc<Mutex<Vec<(bool, Kind)>>>,
    key: Secret,
}

impl Transport for Script {
    async fn send(&self, request: &Request<'_>) -> Result<Answer, TransportError> {
        let next = self.answers.lock().unwrap().pop_front();
        let kind = next.unwrap_or(Kind::Other(400, "{}"));
        self.log.lock().unwrap().push((request.writes(), kind));
        kind.answer()
    }

    fn key(&self) -> &Secret {
        &self.key
    }
}

fn files(people: i64) -> Wanted {
    let room = json!({"privacy": "private", "maxParticipants": people});
    [(
        RoomName::try_from("a".to_owned()).unwrap(),
        wanted("a", room),
    )]
    .into()
}

/// What the state knows of the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Nothing,
    Room,
    /// And that reads do not show how many people may enter.
    RoomInPart,
}

impl Known {
    fn state(self) -> State {
        let mut state = match self {
            Self::Nothing => State::fresh("acme"),
            Self::Room | Self::RoomInPart => applied(&files(4)),
        };
        if self == Self::RoomInPart {
            let rooms = state.rooms.values_mut();
            rooms.for_each(|room| Arc::make_mut(room).unseen = ["maxParticipants".into()].into());
        }
        state
    }
}

/// The receipt of room `a`, all that was asked and answered, and the state that is left.
fn run(mut state: State, answers: &[Kind]) -> (Receipt, Vec<(bool, Kind)>, State) {
    let log: Arc<Mutex<Vec<(bool, Kind)>>> = Arc::default();
    let script = Script {
        answers: Mutex::new(answers.iter().copied().collect()),
        log: log.clone(),
        key: Secret::new("key-of-a-script"),
    };
    let mut runtime = Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    let plan = plan_of(&files(5), &state);
    let service = Arc::new(Reader::new(script, Pacer::new(&Rate::UNLIMITED, 1), 0));
    let notes: Arc<dyn Record> = Arc::new(Notes::default());
    let never = std::future::pending();
    let limits = Limits::default();
    let job = Job {
        plan: &Arc::new(plan),
        limits: &limits,
        run: &Run::default(),
        parallelism: 1,
    };
    let run = apply(job, &mut state, &service, &notes, never, |_, _| {});
    let receipt = runtime.block_on(run).0.remove(0);
    let log = std::mem::take(&mut *log.lock().unwrap());
    (receipt, log, state)
}

proptest! {
    #![proptest_config(super::cases(2000))]

    #[test]
    fn no_answers_make_a_run_report_more_than_was_shown(
        answers in proptest::collection::vec(select(&KINDS[..]), 0..12),
        known in select(vec![Known::Nothing, Known::Room, Known::RoomInPart]),
    ) {
        let state = known.state();
        let before = state.clone();
        let (receipt, log, state) = run(state, &answers);
        let first = log.iter().position(|(writes, _)| *writes).unwrap_or(log.len());
        let since = &log[first..];
        let remembered = state.rooms.values().next();
        let doubts = remembered.is_some_and(|room| !room.unconfirmed.is_empty());
        match receipt.outcome {
            Outcome::Confirmed => {
                // An answer to a write may show less than a read does, unless it is known that reads show no more.
                let shown = since.iter().any(|(writes, kind)| match kind {
                    Kind::AsSent => true,
                    Kind::InPart => !writes || known == Known::RoomInPart,
                    kind => !writes && *kind == Kind::NameOnly,
                });
                prop_assert!(shown, "{:?} {:?}", receipt, log);
                prop_assert!(!doubts);
            }
            Outcome::Overridden => {
                // An answer that differs may be from before the write, so only a read counts.
                let read = since.iter().any(|(writes, kind)| !writes && *kind == Kind::Otherwise);
                prop_assert!(read, "{:?} {:?}", receipt, log);
                prop_assert!(!doubts);
            }
            Outcome::Unknown => prop_assert!(doubts, "{:?} {:?}", receipt, log),
            Outcome::Refused | Outcome::Skipped => {
                let forgotten = state.rooms.is_empty();
                prop_assert!(forgotten || state == before, "{:?} {:?}", receipt, log);
                let is_named = |kind: Kind| matches!(kind, Kind::SaysNo("roomName", r#""A""#));
                // A room of another name is no room of this one; what was made of it is said.
                let last = log
                    .last()
                    .is_some_and(|(writes, kind)| is_named(*kind) || !writes && kind.is_gone());
                let refused = since.iter().all(|(writes, kind)| !writes || kind.refuses());
                prop_assert!(last || refused, "{:?} {:?}", receipt, log);
            }
        }
    }
}

#[test]
fn an_answer_that_agrees_takes_no_more_requests() {
    let requests = |known: Known, answers: &[Kind]| {
        let (receipt, log, _) = run(known.state(), answers);
        assert_eq!(receipt.outcome, Outcome::Confirmed, "{known:?} {log:?}");
        log.len()
    };
    let (whole, part) = (Kind::AsSent, Kind::InPart);
    assert_eq!(requests(Known::Nothing, &[Kind::Otherwise, whole]), 2);
    assert_eq!(requests(Known::Room, &[whole]), 1);
    assert_eq!(requests(Known::RoomInPart, &[part]), 1);
    // What a read may show as well is read.
    assert_eq!(requests(Known::Room, &[part, whole]), 2);
    assert_eq!(requests(Known::RoomInPart, &[Kind::NameOnly, part]), 2);
    assert_eq!(requests(Known::Nothing, &[whole, part, part]), 3);
}

#[test]
fn an_override_is_found_behind_an_answer_that_shows_less_and_is_kept_out_of_sight() {
    let mut state = Known::RoomInPart.state();
    let overridden: StoredSettings = [("maxParticipants", 3.into())].into();
    let room = Arc::make_mut(state.rooms.values_mut().next().unwrap());
    room.settings.insert("maxParticipants".into(), 5.into());
    room.settings.insert("privacy".into(), "public".into());
    room.overridden.clone_from(&overridden);
    let (receipt, log, state) = run(state, &[Kind::InPart, Kind::InPart]);
    assert_eq!((receipt.outcome, log.len()), (Outcome::Confirmed, 2));
    assert_eq!(state.rooms.values().next().unwrap().overridden, overridden);
    let (receipt, log, _) = run(Known::Room.state(), &[Kind::InPart, Kind::Otherwise]);
    assert_eq!((receipt.outcome, log.len()), (Outcome::Overridden, 2));
}
