//! The program's engine against the simulated service without a socket, a file or a clock: time is tokio's,
//! which tests pause.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crate::model::{Room, RoomName, Run, Secret, Wanted, WantedRoom, rules};
use crate::planner::limits::Limits;
use crate::planner::{Event, Options, Plan, Rate, Receipt, State, plan};
use crate::run::apply::{Job, apply};
use crate::service::api::{Answer, Request, Transport, TransportError};
use crate::service::deadline::Deadline;
use crate::service::pace::Pacer;
use crate::service::requests::Reader;
use crate::service::stop::StopReason;
use crate::simulator::{self, Delivery, Fault, Quirks, SimKey, World};
use crate::store::error::StoreError;
use crate::store::port::{Durable, Record};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};

const KEY: &str = "simulated-key";

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The simulated service as a function call. Its clock is tokio's.
#[derive(Clone)]
pub(super) struct InProcess {
    world: Arc<Mutex<World>>,
    start: Instant,
    key: Secret,
}

impl Transport for InProcess {
    async fn send(&self, request: &Request<'_>) -> Result<Answer, TransportError> {
        let request = self.on_the_wire(request);
        let response = self.world.lock().unwrap().handle(&request);
        let delay = Duration::from_millis(response.delay_ms);
        sleep(delay.min(TIMEOUT)).await;
        if delay > TIMEOUT || response.delivery != Delivery::Whole {
            return Err(TransportError::Unanswered("connection closed".into()));
        }
        if response.body.len() > 1 << 20 {
            return Err(TransportError::TooLarge(response.status));
        }
        let retry_after = response.header("retry-after");
        Ok(Answer {
            status: response.status,
            retry_after: retry_after.map(|text| Duration::from_secs(text.parse().unwrap())),
            content_type: "application/json".into(),
            body: response.body,
        })
    }

    fn key(&self) -> &Secret {
        &self.key
    }
}

impl InProcess {
    /// The same with another key.
    pub(super) fn with_key(self, key: &str) -> Self {
        Self {
            key: Secret::new(key),
            ..self
        }
    }

    fn on_the_wire(&self, request: &Request<'_>) -> simulator::Request {
        use simulator::Method;
        let name = request.room().map_or("", RoomName::as_str);
        let one = format!("/api/v1/room/{name}");
        let (method, path) = match request {
            Request::Get(_) => (Method::Get, one.as_str()),
            Request::Put(..) => (Method::Put, one.as_str()),
            Request::Post(..) => (Method::Post, "/api/v1/room"),
            Request::Delete(_) => (Method::Delete, one.as_str()),
            Request::List => (Method::Get, "/api/v1/rooms"),
        };
        let body = request.body().map(|body| body.expose().to_owned());
        simulator::Request::new(method, path)
            .with_key(self.key.expose())
            .with_bytes(body.unwrap_or_default())
            .at(self.start.elapsed().as_millis() as i64)
    }
}

/// A journal that only remembers.
#[derive(Default)]
pub(super) struct Notes {
    events: Mutex<Vec<Event>>,
    /// How many more records become durable, if not all do.
    pub(super) left: Mutex<Option<usize>>,
}

impl Notes {
    pub(super) fn take(&self) -> Vec<Event> {
        std::mem::take(&mut *self.events.lock().unwrap())
    }
}

impl Record for Notes {
    fn record(&self, events: &[Event]) -> Result<Durable, StoreError> {
        self.events.lock().unwrap().extend_from_slice(events);
        let mut left = self.left.lock().unwrap();
        let fails = *left == Some(0);
        *left = left.map(|left| left.saturating_sub(1));
        if !fails {
            return Ok(Box::pin(std::future::ready(Ok(()))));
        }
        Ok(Box::pin(async {
            // Others wait for it, too, by then.
            yield_now().await;
            Err(StoreError::Stopped)
        }))
    }

    fn ahead(&self) -> Duration {
        Duration::from_millis(20)
    }

    fn hurry(&self) {}
}

pub(super) fn plan_of(wanted: &Wanted, state: &State) -> Plan {
    plan(wanted, state, None, &options())
}

pub(super) fn options() -> Options<'static> {
    Options {
        rate: Rate::UNLIMITED,
        now: 1_790_000_000,
        ..Options::default()
    }
}

/// A service, and what is remembered of it.
pub(super) struct Bench {
    pub runtime: Runtime,
    pub rate: Rate,
    pub limits: Limits,
    /// How long a run may take.
    pub time: Option<Duration>,
    pub state: State,
    pub notes: Arc<Notes>,
    /// Why the last run stopped, if it did.
    pub stopped: Option<StopReason>,
    wire: InProcess,
}

impl Bench {
    pub(super) fn new(quirks: Quirks) -> Self {
        let settings = simulator::Settings {
            quirks,
            log: true,
            ..simulator::Settings::new("acme", SimKey::new(KEY))
        };
        let mut state = State::fresh("acme");
        state.lineage = "lineage".into();
        let mut builder = Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(true).build().unwrap();
        let wire = InProcess {
            world: Arc::new(Mutex::new(World::new(settings))),
            start: runtime.block_on(async { Instant::now() }),
            key: Secret::new(KEY),
        };
        Self {
            runtime,
            rate: Rate::UNLIMITED,
            limits: Limits::default(),
            time: None,
            state,
            notes: Arc::default(),
            stopped: None,
            wire,
        }
    }

    /// The service, as a new run finds it.
    pub(super) fn service(&self) -> Arc<Reader<InProcess>> {
        let mut service = Reader::new(self.wire.clone(), Pacer::new(&self.rate, 1), 0);
        service.deadline = self.time.map(|time| Deadline::new(self.now(), time));
        Arc::new(service)
    }

    /// The way to the service, without a pace.
    pub(super) fn wire(&self) -> InProcess {
        self.wire.clone()
    }

    pub(super) fn pacer(&self) -> Pacer {
        Pacer::new(&self.rate, 1)
    }

    /// What the service holds.
    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.wire.world.lock().unwrap()
    }

    /// What goes wrong from here on.
    pub(super) fn faults(&self, faults: &[&str]) {
        let faults = faults.iter().map(|text| text.parse::<Fault>().unwrap());
        self.world().set_faults(faults.collect());
    }

    /// Plans and applies.
    pub(super) fn apply(&mut self, wanted: &Wanted) -> Vec<Receipt> {
        let plan = plan_of(wanted, &self.state);
        self.carry_out(&plan)
    }

    /// Applies a plan.
    pub(super) fn carry_out(&mut self, plan: &Plan) -> Vec<Receipt> {
        let service = self.service();
        let notes: Arc<dyn Record> = self.notes.clone();
        let never = std::future::pending();
        self.state.remember_look(&plan.looked);
        let job = Job {
            plan: &Arc::new(plan.clone()),
            limits: &self.limits,
            run: &Run::default(),
            parallelism: 4,
        };
        let run = apply(job, &mut self.state, &service, &notes, never, |_, _| {});
        let (receipts, _) = self.runtime.block_on(run);
        self.stopped = service.stop.reason();
        receipts
    }

    /// The moment, on the clock of the service.
    pub(super) fn now(&self) -> Instant {
        self.runtime.block_on(async { Instant::now() })
    }
}

/// A room file with these settings, which break no rule.
pub(super) fn wanted(name: &str, value: Value) -> WantedRoom {
    let room: Room =
        serde_json::from_value(value.clone()).unwrap_or_else(|e| panic!("{e}: {value}"));
    let errors: Vec<_> = rules::check(&room.settings(), 0)
        .into_iter()
        .filter(|v| v.severity == crate::model::Severity::Error)
        .collect();
    assert_eq!(errors, [], "{value}");
    WantedRoom {
        file: format!("rooms/{name}.yaml"),
        place: format!("rooms/{name}.yaml"),
        settings: room.settings(),
        ..WantedRoom::default()
    }
}

/// A personality of the simulated service.
pub(super) fn quirks(settings: &[&str]) -> Quirks {
    let mut quirks = Quirks::default();
    for setting in settings {
        quirks.parse(setting).unwrap();
    }
    quirks
}
