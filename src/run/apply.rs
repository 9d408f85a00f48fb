//! Carries out a plan: every change is one room, every room ends with a receipt, every receipt is durable
//! before it is reported. Decides nothing that the plan could have decided.
//!
//! Nobody waits for the disk who need not: intents are recorded for the next rooms too, and a worker goes on
//! with the next room while its receipt becomes durable. What a worker did is written before it goes on, so a
//! killed process leaves no more rooms in doubt than it had workers.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::{Instrument, debug_span};

use crate::disk::crash_point::crash_point;
use crate::model::Run;
use crate::planner::limits::Limits;
use crate::planner::{Event, Plan, Receipt, State};
use crate::run::queue::{Crew, unrecorded};
use crate::run::room_run::{Ended, RoomRun};
use crate::service::api::Transport;
use crate::service::requests::Reader;
use crate::store::port::Record;

/// Receipts that may wait for the disk before the workers wait, too.
const WAITING: usize = 256;

/// What a worker reports: the receipt, the events that led to it, and when they are durable.
struct Done {
    index: usize,
    ended: Ended,
}

/// What is carried out, how far it may go, and how many rooms at once.
#[derive(Clone, Copy)]
pub(crate) struct Job<'a> {
    pub plan: &'a Arc<Plan>,
    pub limits: &'a Limits,
    /// What is said of this run, to be remembered of each room that it writes.
    pub run: &'a Run,
    pub parallelism: usize,
}

/// Carries out the plan, and takes what happened into `state`.
/// `on_receipt` is called once for each room with its place in the plan, in the order in which they end. When `abandoned`
/// returns, what is under way is no longer waited for.
///
/// Returns a receipt for each change that can be acted on, in the order of the plan, and whether the state moved.
pub(crate) async fn apply<T: Transport>(
    job: Job<'_>,
    state: &mut State,
    service: &Arc<Reader<T>>,
    recorder: &Arc<dyn Record>,
    abandoned: impl Future<Output = ()>,
    mut on_receipt: impl FnMut(usize, &Receipt),
) -> (Vec<Receipt>, bool) {
    let Job {
        plan,
        limits,
        run,
        parallelism,
    } = job;
    let crew = Arc::new(Crew::new(plan, (limits, run), state, service, recorder));
    let (report, mut reports) = mpsc::channel(WAITING);
    let mut workers = JoinSet::new();
    for _ in 0..parallelism.clamp(1, crew.rooms().max(1)) {
        let working = work(crew.clone(), report.clone());
        workers.spawn(working.instrument(debug_span!("worker")));
    }
    drop(report);
    let mut receipts = BTreeMap::new();
    let mut take = async |done: Done| {
        let (index, mut receipt, events) = recorded(&crew, done).await;
        receipt.cause = crew.cause(index);
        for event in events {
            state.record(event);
        }
        crash_point("receipt-taken");
        on_receipt(index, &receipt);
        crash_point("receipt-reported");
        receipts.insert(index, receipt);
    };
    tokio::pin!(abandoned);
    loop {
        let done = tokio::select! {
            done = reports.recv() => done,
            () = &mut abandoned => None,
        };
        let Some(done) = done else { break };
        take(done).await;
    }
    workers.shutdown().await;
    // What was reported while the run was being left.
    while let Ok(done) = reports.try_recv() {
        take(done).await;
    }
    crew.withdraw_the_rest();
    for index in 0..crew.rooms() {
        receipts.entry(index).or_insert_with(|| {
            let receipt = crew.without_end(index);
            on_receipt(index, &receipt);
            receipt
        });
    }
    (receipts.into_values().collect(), *state != crew.before)
}

async fn work<T: Transport>(crew: Arc<Crew<T>>, report: mpsc::Sender<Done>) {
    while crew.service.stop.reason().is_none() {
        let Some((index, task)) = crew.next() else {
            return;
        };
        let change = task.change;
        let room = change.room.as_str();
        let span = debug_span!("room", room, action = ?change.action);
        let ended = RoomRun::new(&crew, task, index)
            .run()
            .instrument(span)
            .await;
        // The receiver lives until all workers have ended.
        let _ = report.send(Done { index, ended }).await;
    }
}

/// Waits until what `done` reports is durable. When it cannot be made so, the room's end is not known to the
/// next run, and so not to this one: what is left of it is that it was about to be written, if it was.
async fn recorded<T: Transport>(crew: &Crew<T>, done: Done) -> (usize, Receipt, Vec<Event>) {
    let Done { index, ended } = done;
    let Ended {
        mut receipt,
        sent_write,
        events,
        durable,
    } = ended;
    let result = match durable {
        Some(durable) => durable.await,
        None => Ok(()),
    };
    let Err(error) = result else {
        return (index, receipt, events);
    };
    let why = crew.stop(&error);
    let (outcome, message) = unrecorded(sent_write, &why);
    receipt.outcome = outcome;
    receipt.message = Some(message);
    let is_announcement = |event: &Event| matches!(event, Event::Intent { .. });
    let announced = events.into_iter().filter(is_announcement);
    (index, receipt, announced.filter(|_| sent_write).collect())
}
