//! One request with everything that belongs to it: its turn, its tries, the waits between them, and an end
//! that says whether something may have been written.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use backon::ExponentialBackoff;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tracing::field::Empty;
use tracing::{Instrument, Span, debug, debug_span, warn};

use crate::disk::crash_point::crash_point;
use crate::model::RoomName;
use crate::service::api::{Answer, Request, Transport, TransportError, interpret};
use crate::service::deadline::Deadline;
use crate::service::end::{End, Try};
use crate::service::health::{Health, Suspicion};
use crate::service::leaks::SecretFilter;
use crate::service::pace::Pacer;
use crate::service::retry::{self, Next, Trouble};
use crate::service::stop::{Stop, StopReason};

/// How long nobody is told what the run waits for.
const PATIENCE: Duration = Duration::from_secs(2);

/// The service with a pace and a stop, to read from. What writes is made of it: [`Writer`](super::writer::Writer).
pub struct Reader<T> {
    transport: T,
    /// When requests may start, also of others that share it.
    pub(crate) pacer: Arc<Pacer>,
    /// What ends the run early.
    pub(crate) stop: Stop,
    /// Where the jitter of the back-off begins.
    pub(crate) seed: u64,
    /// By when the run has to be over.
    pub(crate) deadline: Option<Deadline>,
    filter: SecretFilter,
    health: Health,
    /// Whether it was said that an answer is waited for.
    waiting: AtomicBool,
    /// The longest time that an answer took, in milliseconds.
    slowest: AtomicU64,
}

/// What one room has cost so far.
pub struct Tally {
    pub attempts: u32,
    /// Whether any of them was a write.
    pub sent_write: bool,
    /// Status of the last answer.
    pub http_status: Option<u16>,
    /// Whether a write went out whose effect is not known.
    pub perhaps_written: bool,
    backoff: ExponentialBackoff,
}

impl Tally {
    /// Nothing sent yet. `seed` makes the jitter.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            attempts: 0,
            sent_write: false,
            http_status: None,
            perhaps_written: false,
            backoff: retry::backoff(seed),
        }
    }
}

#[expect(
    private_bounds,
    reason = "public only so that a doc test can show what it lacks"
)]
impl<T: Transport> Reader<T> {
    /// A service behind `transport` at the pace of `pacer`. `seed` makes the jitter.
    pub(crate) fn new(transport: T, pacer: impl Into<Arc<Pacer>>, seed: u64) -> Self {
        Self {
            filter: SecretFilter::new(transport.key()),
            transport,
            pacer: pacer.into(),
            stop: Stop::default(),
            seed,
            deadline: None,
            health: Health::default(),
            waiting: AtomicBool::new(false),
            slowest: AtomicU64::new(0),
        }
    }

    /// Reads a room.
    pub async fn get(&self, room: &RoomName, tally: &mut Tally) -> End {
        self.exchange(&Request::Get(room), tally, &mut 0).await
    }

    /// The names of all rooms that the service lists. Whether a room that is not listed exists is another question.
    pub async fn list(&self) -> Result<Vec<String>, String> {
        let mut tally = Tally::new(self.seed);
        match self.exchange(&Request::List, &mut tally, &mut 0).await {
            End::Rooms(rooms) => Ok(rooms),
            other => Err(self.why_unread(other)),
        }
    }

    /// Why a read ended without what it asked for. Those that the end of the run took with it say the same as the one
    /// that met its reason: which one that was is a matter of chance.
    pub(super) fn why_unread(&self, end: End) -> String {
        let stopped = end == End::Stopped;
        let message = end.message();
        match self.stop.reason() {
            Some(StopReason::Denied(said)) if stopped || message == said => {
                format!("the service does not accept the key: {said}")
            }
            Some(reason) if stopped => reason.sentence(),
            _ => message,
        }
    }

    /// Sends `request` until it ends. `tries` counts its tries, also across calls.
    pub(super) async fn exchange(
        &self,
        request: &Request<'_>,
        tally: &mut Tally,
        tries: &mut u32,
    ) -> End {
        loop {
            let Some(started) = self.turn().instrument(debug_span!("turn")).await else {
                return End::Stopped;
            };
            tally.attempts += 1;
            *tries += 1;
            let room = request.room().map(RoomName::as_str);
            let (method, attempt) = (request.method(), *tries);
            let span = debug_span!("request", method, room, attempt, status = Empty);
            let (trouble, end) = match self.send(request, started, tally).instrument(span).await {
                Try::Ended(end) => {
                    self.health.answered(request.room(), end.takes_the_key());
                    return end;
                }
                // A page says nothing about a key that worked before. Without that, it may be all that a wrong
                // key is answered with.
                Try::Trouble(Trouble::Blocked, end) if !self.health.took_the_key() => {
                    self.stop.stop(StopReason::Denied(end.clone().message()));
                    return end;
                }
                Try::Trouble(Trouble::Unreachable, end) if !self.health.was_reached() => {
                    self.stop
                        .stop(StopReason::Unreachable(end.clone().message()));
                    return end;
                }
                Try::Denied(message) => {
                    self.stop.stop(StopReason::Denied(message.clone()));
                    return End::Refused(message);
                }
                Try::Trouble(trouble, end) => (trouble, end),
            };
            let due = tally.backoff.next().unwrap_or_default();
            let next = retry::decide(trouble, *tries, due);
            debug!(room = ?request.room().map(RoomName::as_str), ?trouble, ?next, "a request failed");
            if matches!(trouble, Trouble::TooMany(_))
                && let Some(rate) = self.pacer.too_many(started)
            {
                warn!(
                    "the service keeps answering 429: the rate falls to {rate:.1}/s until it accepts more"
                );
            }
            match next {
                Next::GiveUp => {
                    self.gave_up(trouble).await;
                    return end;
                }
                Next::EndRun(wait) => {
                    self.stop.stop(StopReason::TooLong(wait));
                    return end;
                }
                Next::Everyone(wait) if self.is_too_late(Instant::now() + wait) => {
                    self.stop.stop(StopReason::TooLong(wait));
                    return end;
                }
                Next::Everyone(wait) => self.pacer.hold_until(Instant::now() + wait),
                Next::Wait(wait) => {
                    let waiting = self.wait_until(Instant::now() + wait);
                    waiting.instrument(debug_span!("wait")).await;
                }
            }
            if matches!(request, Request::Post(..) | Request::Delete(_)) && end.may_have_written() {
                return End::ReadFirst(end.message());
            }
        }
    }

    /// Waits for a turn, and returns when it began. `None`: the run stops first.
    async fn turn(&self) -> Option<Instant> {
        let started = tokio::select! {
            biased;
            () = self.stop.stopped() => return None,
            () = self.too_late() => None,
            started = self.pacer.turn() => Some(started),
        };
        if started.is_none_or(|started| self.is_too_late(started)) {
            self.stop.stop(StopReason::Deadline);
            return None;
        }
        started
    }

    /// Whether a request that starts at `moment` might not be answered before the deadline.
    fn is_too_late(&self, moment: Instant) -> bool {
        self.last_start().is_some_and(|last| moment >= last)
    }

    /// Returns when no request may start any more; never, without a deadline.
    async fn too_late(&self) {
        match self.last_start() {
            Some(last) => sleep_until(last).await,
            None => std::future::pending().await,
        }
    }

    fn last_start(&self) -> Option<Instant> {
        let slowest = Duration::from_millis(self.slowest.load(Ordering::Relaxed));
        Some(self.deadline?.last_start(slowest))
    }

    /// Counts a room that ended in trouble, and ends the run when the service is down.
    async fn gave_up(&self, trouble: Trouble) {
        if matches!(trouble, Trouble::TooMany(_)) {
            return;
        }
        let failing = match self.health.failed() {
            Suspicion::None => return,
            Suspicion::Down(failing) => failing,
            Suspicion::Ask(room) => {
                if self.answers_for(&room).await {
                    self.health.answered(Some(&room), true);
                    return;
                }
                self.health.failing()
            }
        };
        self.stop.stop(StopReason::Failing(failing));
    }

    /// Whether the service answers for a room, asked once.
    async fn answers_for(&self, room: &RoomName) -> bool {
        let Some(started) = self.turn().await else {
            // The run ends for another reason.
            return true;
        };
        let request = Request::Get(room);
        let answer = self.answered(&request, started).await;
        answer.is_ok_and(|answer| {
            let read = interpret(&request, &answer, &self.filter);
            !matches!(read, Try::Trouble(Trouble::Failed(_) | Trouble::Blocked, _))
        })
    }

    async fn wait_until(&self, moment: Instant) {
        tokio::select! {
            () = self.stop.stopped() => {}
            () = self.too_late() => {}
            () = sleep_until(moment) => {}
        }
    }

    /// Sends once. What is in flight is waited for, also when the run stops; but not beyond the deadline.
    async fn send(&self, request: &Request<'_>, started: Instant, tally: &mut Tally) -> Try {
        let writes = request.writes();
        tally.sent_write |= writes;
        let begun = Instant::now();
        crash_point("request-due");
        let answered = self.answered(request, started).await;
        crash_point("request-answered");
        let took = begun.elapsed().as_millis();
        let took = u64::try_from(took).unwrap_or(u64::MAX);
        self.slowest.fetch_max(took, Ordering::Relaxed);
        let outcome = match answered {
            Ok(answer) => {
                self.health.reached();
                tally.http_status = Some(answer.status);
                Span::current().record("status", answer.status);
                interpret(request, &answer, &self.filter)
            }
            Err(error) => self.no_answer(&error, tally),
        };
        let perhaps = match &outcome {
            Try::Ended(end) | Try::Trouble(_, end) => end.may_have_written(),
            Try::Denied(_) => false,
        };
        tally.perhaps_written |= writes && perhaps;
        outcome
    }

    async fn answered(
        &self,
        request: &Request<'_>,
        started: Instant,
    ) -> Result<Answer, TransportError> {
        let sending = self.say_when_it_takes_long(self.transport.send(request));
        let answer = match self.deadline {
            None => sending.await,
            Some(deadline) => timeout_at(deadline.cut(), sending)
                .await
                .unwrap_or_else(|_| {
                    let why = "the deadline came first".to_owned();
                    Err(TransportError::Unanswered(why))
                }),
        };
        if answer.is_ok() {
            self.pacer.answered(started);
        }
        answer
    }

    /// Says once in a run that an answer is waited for.
    async fn say_when_it_takes_long<R>(&self, sending: impl Future<Output = R>) -> R {
        tokio::pin!(sending);
        tokio::select! {
            biased;
            answer = &mut sending => answer,
            () = sleep(PATIENCE) => {
                if !self.waiting.swap(true, Ordering::Relaxed) {
                    warn!("waiting for {}, which has not answered yet", self.transport.host());
                }
                sending.await
            }
        }
    }

    fn no_answer(&self, error: &TransportError, tally: &mut Tally) -> Try {
        // The HTTP library's words may repeat what was sent.
        let message = self.filter.message(&error.to_string());
        match error {
            TransportError::NotSent(_) => Try::Trouble(Trouble::NotSent, End::Refused(message)),
            TransportError::Unreachable(_) => {
                Try::Trouble(Trouble::Unreachable, End::Refused(message))
            }
            TransportError::Unanswered(_) => {
                Try::Trouble(Trouble::Unanswered, End::Unknown(message))
            }
            TransportError::TooLarge(status) => {
                tally.http_status = Some(*status);
                Try::Ended(End::Unknown(format!("HTTP {status}: {message}")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex;

    use super::*;
    use crate::model::{Secret, Settings};
    use crate::planner::Rate;

    /// Answers from a list.
    struct Script {
        answers: Mutex<VecDeque<Result<Answer, TransportError>>>,
        sent_at: Mutex<Vec<u128>>,
        start: Instant,
        key: Secret,
    }

    impl Transport for Script {
        async fn send(&self, _: &Request<'_>) -> Result<Answer, TransportError> {
            self.sent_at
                .lock()
                .unwrap()
                .push(self.start.elapsed().as_millis());
            self.answers
                .lock()
                .unwrap()
                .pop_front()
                .expect("an answer for each request")
        }

        fn key(&self) -> &Secret {
            &self.key
        }
    }

    fn answer(status: u16, retry_after: Option<u64>) -> Result<Answer, TransportError> {
        let ok = br#"{"roomName":"a","privacy":"public"}"#;
        Ok(Answer {
            status,
            retry_after: retry_after.map(Duration::from_secs),
            content_type: "application/json".into(),
            body: if status == 200 {
                ok.to_vec()
            } else {
                b"{}".to_vec()
            },
        })
    }

    fn lost() -> Result<Answer, TransportError> {
        Err(TransportError::Unanswered("connection closed".into()))
    }

    fn service(answers: Vec<Result<Answer, TransportError>>) -> Reader<Script> {
        let script = Script {
            answers: Mutex::new(answers.into()),
            sent_at: Mutex::default(),
            start: Instant::now(),
            key: Secret::new("canary-key"),
        };
        Reader::new(script, Pacer::new(&Rate::UNLIMITED, 1), 0)
    }

    async fn put(service: &Reader<Script>) -> (End, Tally) {
        send(service, |room, settings| Request::Put(room, settings)).await
    }

    async fn post(service: &Reader<Script>) -> (End, Tally) {
        send(service, |room, settings| Request::Post(room, settings)).await
    }

    async fn send(
        service: &Reader<Script>,
        request: impl for<'a> Fn(&'a RoomName, &'a Settings) -> Request<'a>,
    ) -> (End, Tally) {
        let room = RoomName::try_from("a".to_owned()).unwrap();
        let settings = Settings::new();
        let mut tally = Tally::new(7);
        let request = request(&room, &settings);
        let end = service.exchange(&request, &mut tally, &mut 0).await;
        (end, tally)
    }

    fn sent_at(service: &Reader<Script>) -> Vec<u128> {
        service.transport.sent_at.lock().unwrap().clone()
    }

    #[tokio::test(start_paused = true)]
    async fn a_wish_to_wait_is_followed_to_the_moment() {
        let service = service(vec![
            answer(429, Some(7)),
            answer(503, Some(3)),
            answer(200, None),
        ]);
        let (end, tally) = put(&service).await;
        assert!(matches!(end, End::Room(_)));
        assert_eq!(sent_at(&service), [0, 7000, 10_000]);
        assert_eq!((tally.attempts, tally.http_status), (3, Some(200)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_429_pauses_the_others_too() {
        let service = service(vec![
            answer(429, Some(7)),
            answer(200, None),
            answer(200, None),
        ]);
        let (first, second) = tokio::join!(put(&service), async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            put(&service).await
        });
        assert!(matches!((first.0, second.0), (End::Room(_), End::Room(_))));
        assert_eq!(sent_at(&service), [0, 7000, 7000]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_unanswered_put_is_repeated_and_then_unknown() {
        let service = service((0..5).map(|_| lost()).collect());
        let (end, tally) = put(&service).await;
        assert!(matches!(end, End::Unknown(_)), "{end:?}");
        assert_eq!(tally.attempts, 5);
        assert!(tally.perhaps_written);
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_that_is_answered_5xx_to_the_end_is_unknown() {
        let service = service((0..5).map(|_| answer(500, None)).collect());
        let (end, tally) = put(&service).await;
        assert!(matches!(end, End::Unknown(_)), "{end:?}");
        assert!(tally.perhaps_written);
    }

    #[tokio::test(start_paused = true)]
    async fn a_read_that_is_answered_5xx_to_the_end_wrote_nothing() {
        let service = service((0..5).map(|_| answer(500, None)).collect());
        let (end, tally) = send(&service, |room, _| Request::Get(room)).await;
        assert!(matches!(end, End::Refused(_)), "{end:?}");
        assert!(!tally.perhaps_written);
    }

    #[tokio::test(start_paused = true)]
    async fn an_unanswered_post_is_not_repeated_blindly() {
        for answer in [lost(), answer(500, None)] {
            let service = service(vec![answer]);
            let (end, tally) = post(&service).await;
            assert!(matches!(end, End::ReadFirst(_)), "{end:?}");
            assert!(tally.perhaps_written);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_post_that_certainly_did_not_happen_is_repeated() {
        let unreachable = Err(TransportError::NotSent("refused".into()));
        let service = service(vec![unreachable, answer(429, None), answer(200, None)]);
        let (end, tally) = post(&service).await;
        assert!(matches!(end, End::Room(_)), "{end:?}");
        assert!(!tally.perhaps_written);
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_service_refuses_is_not_repeated() {
        for status in [400, 401, 403, 404, 302] {
            let service = service(vec![answer(status, None)]);
            let (_, tally) = put(&service).await;
            assert_eq!(tally.attempts, 1, "{status}");
            let denied = matches!(service.stop.reason(), Some(StopReason::Denied(_)));
            assert_eq!(denied, matches!(status, 401 | 403), "{status}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_refused_key_takes_with_it_says_why() {
        let service = service(vec![answer(401, None)]);
        let room = RoomName::try_from("a".to_owned()).unwrap();
        let first = service.get(&room, &mut Tally::new(7)).await;
        let said = service.why_unread(first);
        assert!(
            said.starts_with("the service does not accept the key: "),
            "{said}"
        );
        assert_eq!(service.list().await, Err(said));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wish_beyond_the_deadline_ends_the_run() {
        let mut service = service(vec![answer(429, Some(40))]);
        service.deadline = Some(Deadline::new(Instant::now(), Duration::from_secs(30)));
        let (end, _) = put(&service).await;
        assert!(matches!(end, End::Refused(_)));
        assert_eq!(sent_at(&service), [0]);
        let stopped = service.stop.reason();
        assert_eq!(stopped, Some(StopReason::TooLong(Duration::from_secs(40))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_back_off_ends_with_the_deadline() {
        let mut service = service((0..5).map(|_| answer(500, None)).collect());
        service.deadline = Some(Deadline::new(Instant::now(), Duration::from_secs(4)));
        let (end, tally) = put(&service).await;
        assert_eq!(end, End::Stopped);
        assert!(tally.perhaps_written);
        assert_eq!(service.stop.reason(), Some(StopReason::Deadline));
        assert!(service.transport.start.elapsed() <= Duration::from_secs(3));
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_starts_when_the_slowest_answer_would_not_fit() {
        let mut service = service(vec![answer(200, None)]);
        service.deadline = Some(Deadline::new(Instant::now(), Duration::from_secs(30)));
        service.slowest.store(20_000, Ordering::Relaxed);
        assert_eq!(put(&service).await.0, End::Stopped);
        assert_eq!(service.stop.reason(), Some(StopReason::Deadline));
    }

    #[tokio::test(start_paused = true)]
    async fn ten_rooms_in_a_row_that_fail_to_the_end_stop_the_run() {
        let many = (0..50).map(|_| answer(500, None)).collect();
        let service = service(many);
        for room in 1..=10 {
            assert_eq!(service.stop.reason(), None, "{room}");
            put(&service).await;
        }
        assert_eq!(service.stop.reason(), Some(StopReason::Failing(10)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_goes_down_is_noticed_and_one_that_fails_for_some_rooms_is_not() {
        for (probed, stopped) in [
            (answer(500, None), Some(StopReason::Failing(10))),
            (answer(200, None), None),
        ] {
            let mut answers = vec![answer(200, None)];
            answers.extend((0..50).map(|_| answer(500, None)));
            answers.push(probed);
            let service = service(answers);
            for _ in 0..11 {
                put(&service).await;
            }
            assert_eq!(service.stop.reason(), stopped);
            assert_eq!(sent_at(&service).len(), 52);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_in_between_starts_the_count_again() {
        let mut answers = Vec::new();
        for _ in 0..3 {
            answers.extend((0..45).map(|_| lost()));
            answers.push(answer(400, None));
        }
        let service = service(answers);
        for _ in 0..30 {
            put(&service).await;
        }
        assert_eq!(service.stop.reason(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wish_for_hours_ends_the_run() {
        let service = service(vec![answer(429, Some(86_400))]);
        let (end, _) = put(&service).await;
        assert!(matches!(end, End::Refused(_)));
        assert_eq!(sent_at(&service), [0]);
        assert!(matches!(
            service.stop.reason(),
            Some(StopReason::TooLong(_))
        ));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_ends_the_wait_but_not_what_is_in_flight() {
        let service = service(vec![lost()]);
        let stop = service.stop.clone();
        let ((end, tally), ()) = tokio::join!(put(&service), async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            stop.stop(StopReason::Interrupted);
        });
        assert_eq!(end, End::Stopped);
        assert_eq!(tally.attempts, 1);
        assert!(tally.perhaps_written);
    }
}
