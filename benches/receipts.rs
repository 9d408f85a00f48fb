//! What durable receipts cost: the same rooms written over loopback with a journal and with none, in turn.
//!
//! A figure of one run on one machine: read the ratio. `cargo bench` prints it; nothing is asserted.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use roomctl::model::{Room, RoomName, Secret};
use roomctl::planner::{Event, Options, Outcome, Rate, State, WantedRoom, plan};
use roomctl::run::apply::apply;
use roomctl::service::http::Http;
use roomctl::service::pace::Pacer;
use roomctl::service::requests::Service;
use roomctl::simulator::{SimKey, Simulator, SimulatorOptions};
use roomctl::store::journal::JournalError;
use roomctl::store::journal_writer::{Durable, Record, Recorder};
use roomctl::store::local::LocalStore;
use roomctl::store::lock::Holder;
use tokio::runtime::{Builder, Runtime};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const KEY: &str = "simulated-key";
const ROOMS: usize = 3_000;
/// Pairs of runs; the medians are told.
const PAIRS: i64 = 15;

/// Receipts that are kept nowhere: what the journal is measured against.
struct Nowhere;

impl Record for Nowhere {
    fn record(&self, _: &[Event]) -> std::result::Result<Durable, JournalError> {
        Ok(Box::pin(std::future::ready(Ok(()))))
    }
}

fn main() -> Result<()> {
    // `cargo test --benches` runs this too, and only wants to know that it builds.
    if std::env::args().any(|argument| argument == "--test") {
        return Ok(());
    }
    for parallelism in [4, 16] {
        measure(parallelism)?;
    }
    Ok(())
}

fn measure(parallelism: usize) -> Result<()> {
    // The service has a runtime, and so threads, of its own.
    let there = Builder::new_multi_thread().enable_all().build()?;
    let options = SimulatorOptions::new("bench", SimKey::new(KEY));
    let simulator = there.block_on(Simulator::start(options))?;
    let mut bench = Bench::new(simulator.base_url(), parallelism)?;
    bench.round(5, &Arc::new(Nowhere))?;
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for pair in 0..PAIRS {
        with.push(bench.recorded(10 + 2 * pair)?);
        without.push(bench.round(11 + 2 * pair, &Arc::new(Nowhere))?);
    }
    let (with, without) = (median(with), median(without));
    let rate = |time: Duration| ROOMS as f64 / time.as_secs_f64();
    writeln!(
        std::io::stdout(),
        "{ROOMS} rooms updated, parallelism {parallelism}, medians of {PAIRS} pairs\n  \
         every receipt durable  {:>7.0} rooms/s\n  \
         no receipts kept       {:>7.0} rooms/s\n  \
         cost of durability     {:>7.1} %",
        rate(with),
        rate(without),
        100.0 * (1.0 - rate(with) / rate(without)),
    )?;
    Ok(())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

struct Bench {
    runtime: Runtime,
    url: String,
    parallelism: usize,
    state: State,
    dir: tempfile::TempDir,
}

impl Bench {
    fn new(url: String, parallelism: usize) -> Result<Self> {
        let mut state = State::fresh("bench");
        state.lineage = "bench".into();
        Ok(Self {
            runtime: Builder::new_multi_thread().enable_all().build()?,
            url,
            parallelism,
            state,
            dir: tempfile::tempdir()?,
        })
    }

    /// Writes all rooms with a journal.
    fn recorded(&mut self, people: i64) -> Result<Duration> {
        let holder = Holder {
            holder: "bench".into(),
            host: "bench".into(),
            pid: 0,
            since: String::new(),
        };
        let store = LocalStore::new(&self.dir.path().join("state.json")).lock(&holder)?;
        let journal: Arc<Recorder> = Arc::new(store.begin(&self.state)?);
        let took = self.round(people, &journal)?;
        store.drop_journal()?;
        Ok(took)
    }

    /// Writes all rooms, and returns how long that took.
    fn round<R: Record>(&mut self, people: i64, recorder: &Arc<R>) -> Result<Duration> {
        let wanted = rooms(people)?;
        let options = Options {
            rate: Rate::UNLIMITED,
            burst: 1,
            now: 0,
            prune: false,
        };
        let plan = plan(&wanted, &self.state, &options);
        let transport = Http::new(&self.url, Secret::new(KEY), Duration::from_secs(30))?;
        let pacer = Pacer::new(&Rate::UNLIMITED, 1);
        let service = Arc::new(Service::new(transport, pacer, 0));
        let start = Instant::now();
        let never = std::future::pending();
        let parallelism = self.parallelism;
        let run = apply(
            &plan,
            &mut self.state,
            &service,
            recorder,
            parallelism,
            never,
            |_| {},
        );
        let receipts = self.runtime.block_on(run);
        let took = start.elapsed();
        let confirmed = |outcome| outcome == Outcome::Confirmed;
        if receipts.len() != ROOMS || !receipts.iter().all(|r| confirmed(r.outcome)) {
            return Err("not every room was confirmed".into());
        }
        Ok(took)
    }
}

fn rooms(people: i64) -> Result<BTreeMap<RoomName, WantedRoom>> {
    let settings = serde_json::json!({
        "privacy": "private",
        "maxParticipants": people,
        "enableChat": true,
        "joinVideoOn": false,
        "joinAudioOn": true,
        "expireUnixSec": 1_893_456_000,
        "meetingStartedWebhook": "https://hooks.example.com/started",
    });
    let room: Room = serde_json::from_value(settings)?;
    (0..ROOMS)
        .map(|number| {
            let name = RoomName::try_from(format!("room-{number:05}"))?;
            let room = WantedRoom {
                file: format!("rooms/room-{number:05}.yaml"),
                source: None,
                settings: room.settings(),
                ..WantedRoom::default()
            };
            Ok((name, room))
        })
        .collect()
}
