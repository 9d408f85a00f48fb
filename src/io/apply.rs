//! Carries out a plan: every change is one room, every room ends with a receipt, every receipt is recorded
//! before it is reported. Decides nothing that the plan could have decided.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::api::{Request, Transport};
use super::exchange::{End, Service, Tally};
use super::journal::{Journal, JournalError};
use super::stop::StopReason;
use crate::model::value::remember;
use crate::model::{LiveRoom, RememberedSettings, RoomName};
use crate::planner::drift::is_made_anew;
use crate::planner::live::moved_between;
use crate::planner::receipt::compare;
use crate::planner::undeclared::observed;
use crate::planner::{Action, AppliedRoom, Change, Event, Outcome, Plan, Receipt, Sighting, State};

/// Where events become durable.
pub trait Record: Send + Sync + 'static {
    /// Records `event`, and returns when it would survive a crash.
    fn record(&self, event: &Event) -> impl Future<Output = Result<(), JournalError>> + Send;
}

impl Record for Journal {
    async fn record(&self, event: &Event) -> Result<(), JournalError> {
        self.append(event).await
    }
}

/// One change and what is remembered of its room.
struct Task {
    change: Change,
    before: AppliedRoom,
}

/// What a worker reports: the receipt, and the events that led to it.
struct Done {
    index: usize,
    receipt: Receipt,
    events: Vec<Event>,
}

struct Crew<T, R> {
    service: Arc<Service<T>>,
    recorder: Arc<R>,
    tasks: Vec<Task>,
    next: AtomicUsize,
    /// What secret digests are salted with.
    salt: String,
}

/// Carries out `plan` with up to `parallelism` rooms at once, and takes what happened into `state`.
/// `on_receipt` is called once for each room, in the order in which they end. When `abandoned` returns, what
/// is under way is no longer waited for.
///
/// Returns a receipt for each change that can be acted on, in the order of the plan.
pub async fn apply<T: Transport, R: Record>(
    plan: &Plan,
    state: &mut State,
    service: &Arc<Service<T>>,
    recorder: &Arc<R>,
    parallelism: usize,
    abandoned: impl Future<Output = ()>,
    mut on_receipt: impl FnMut(&Receipt),
) -> Vec<Receipt> {
    let crew = Arc::new(Crew::new(plan, state, service, recorder));
    let (report, mut reports) = mpsc::unbounded_channel();
    let mut workers = JoinSet::new();
    for _ in 0..parallelism.clamp(1, crew.tasks.len().max(1)) {
        workers.spawn(work(crew.clone(), report.clone()));
    }
    drop(report);
    let mut receipts = BTreeMap::new();
    let mut take = |done: Done| {
        for event in done.events {
            state.record(event);
        }
        on_receipt(&done.receipt);
        receipts.insert(done.index, done.receipt);
    };
    tokio::pin!(abandoned);
    loop {
        let done = tokio::select! {
            done = reports.recv() => done,
            () = &mut abandoned => None,
        };
        let Some(done) = done else { break };
        take(done);
    }
    workers.shutdown().await;
    // What was reported while the run was being left.
    while let Ok(done) = reports.try_recv() {
        take(done);
    }
    for index in 0..crew.tasks.len() {
        receipts.entry(index).or_insert_with(|| {
            let receipt = crew.without_end(index);
            on_receipt(&receipt);
            receipt
        });
    }
    receipts.into_values().collect()
}

async fn work<T: Transport, R: Record>(crew: Arc<Crew<T, R>>, report: mpsc::UnboundedSender<Done>) {
    while crew.service.stop.reason().is_none() {
        let index = crew.next.fetch_add(1, Ordering::Relaxed);
        let Some(task) = crew.tasks.get(index) else {
            return;
        };
        let (receipt, events) = RoomRun::new(&crew, task, index).run().await;
        // The receiver lives until all workers have ended.
        let _ = report.send(Done {
            index,
            receipt,
            events,
        });
    }
}

impl<T: Transport, R: Record> Crew<T, R> {
    fn new(plan: &Plan, state: &State, service: &Arc<Service<T>>, recorder: &Arc<R>) -> Self {
        let task = |change: &Change| Task {
            change: change.clone(),
            before: state.rooms.get(&change.room).cloned().unwrap_or_default(),
        };
        Self {
            service: service.clone(),
            recorder: recorder.clone(),
            tasks: plan.actionable().map(task).collect(),
            next: AtomicUsize::new(0),
            salt: state.salt().to_owned(),
        }
    }

    /// The receipt of a room whose worker did not bring one.
    fn without_end(&self, index: usize) -> Receipt {
        let change = &self.tasks[index].change;
        if index >= self.next.load(Ordering::Relaxed) {
            return self.not_tried(change);
        }
        let message = "left while it was under way";
        receipt(
            change,
            change.action,
            Outcome::Unknown,
            Some(message.to_owned()),
        )
    }

    fn not_tried(&self, change: &Change) -> Receipt {
        let reason = self.service.stop.reason();
        let message = reason.map(|reason| format!("not tried: {}", reason.sentence()));
        receipt(change, change.action, Outcome::Skipped, message)
    }
}

fn receipt(change: &Change, action: Action, outcome: Outcome, message: Option<String>) -> Receipt {
    Receipt {
        room: change.room.clone(),
        action,
        outcome,
        attempts: 0,
        http_status: None,
        message,
        overridden: Vec::new(),
        unobservable: Vec::new(),
    }
}

/// The run of one room.
struct RoomRun<'a, T, R> {
    crew: &'a Crew<T, R>,
    task: &'a Task,
    action: Action,
    tally: Tally,
    events: Vec<Event>,
    announced: bool,
}

impl<'a, T: Transport, R: Record> RoomRun<'a, T, R> {
    fn new(crew: &'a Crew<T, R>, task: &'a Task, index: usize) -> Self {
        Self {
            crew,
            task,
            action: task.change.action,
            tally: Tally::new(crew.service.seed.wrapping_add(index as u64)),
            events: Vec::new(),
            announced: false,
        }
    }

    async fn run(mut self) -> (Receipt, Vec<Event>) {
        // Refused before the run; a body without the attribute could reset it, so it is not relied on.
        if let Some((name, _)) = self.task.change.unset().next() {
            let message = format!("not tried: the variable behind `{name}` is not set");
            return (self.receipt(Outcome::Skipped, Some(message)), Vec::new());
        }
        let result = match (self.task.change.sends, self.action) {
            (false, _) => self.only_record().await,
            (true, Action::Archive) => self.archive().await,
            (true, Action::Add) => self.add().await,
            (true, _) => self.write().await,
        };
        let mut receipt = result.unwrap_or_else(|error| self.unrecorded(&error));
        receipt.attempts = self.tally.attempts;
        receipt.http_status = self.tally.http_status;
        (receipt, self.events)
    }

    /// Nothing needs to be sent: attributes are released, or the service already holds what is wanted.
    async fn only_record(&mut self) -> Result<Receipt, JournalError> {
        if let Some(Sighting::Present(live)) = self.task.change.seen.clone() {
            let mut receipt = self.written(live).await?;
            receipt.message =
                Some("already so on the service; recorded, nothing was sent".to_owned());
            return Ok(receipt);
        }
        let settings = self.remembered();
        let mut overridden = self.task.before.overridden.clone();
        overridden.retain(|name, _| settings.contains_key(name));
        let applied = AppliedRoom {
            id: self.task.before.id.clone(),
            observed: self.task.before.observed.clone(),
            overridden,
            settings,
            source: self.task.change.source.clone(),
            unconfirmed: RememberedSettings::new(),
        };
        self.remember(applied).await?;
        let message = "no longer managed; nothing was sent".to_owned();
        Ok(self.receipt(Outcome::Confirmed, Some(message)))
    }

    /// The plan knows what to do: a PUT, or a POST if it saw that the room is not there.
    async fn write(&mut self) -> Result<Receipt, JournalError> {
        if self.crew.service.stop.reason().is_some() {
            return Ok(self.crew.not_tried(&self.task.change));
        }
        if let Some(moved) = self.moved_since().await {
            return self
                .refused(format!("moved since the plan: {moved}; plan again"))
                .await;
        }
        if self.action == Action::Create {
            return self.add().await;
        }
        self.announce().await?;
        match self.put().await {
            End::Missing(_) => self.confirm_missing().await,
            end => self.settle(end).await,
        }
    }

    /// Looks again, right before writing, when the plan was made from a look. What moved is not overwritten.
    async fn moved_since(&mut self) -> Option<String> {
        let seen = self.task.change.seen.as_ref()?;
        let room = self.room().clone();
        let now = match self.exchange(&Request::Get(&room), &mut 0).await {
            End::Room(live) => Sighting::Present(live),
            End::Missing(gone) => Sighting::Absent(gone),
            other => Sighting::Unreadable(other.told()),
        };
        moved_between(seen, &now)
    }

    /// Reads the room, archives it, and reads it again: only a room that is gone is reported as archived.
    async fn archive(&mut self) -> Result<Receipt, JournalError> {
        let room = self.room().clone();
        let mut deletes = 0;
        let mut deleted = false;
        loop {
            match self.exchange(&Request::Get(&room), &mut 0).await {
                End::Missing(_) => {
                    self.record(Event::Missing { room }).await?;
                    let message = (deletes == 0).then(|| "was gone already".to_owned());
                    return Ok(self.receipt(Outcome::Confirmed, message));
                }
                End::Room(_) if deleted => {
                    let message = "the service said that it was archived, and still shows it";
                    return Ok(self.receipt(Outcome::Unknown, Some(message.to_owned())));
                }
                End::Room(live) if is_made_anew(&self.task.before, &live) => {
                    let message =
                        "somebody made it anew under its name, so it is not ours to archive";
                    return self.refused(message.to_owned()).await;
                }
                End::Room(_) => {}
                End::Stopped => return self.settle(End::Stopped).await,
                other => return self.unread(&other.told()).await,
            }
            match self.exchange(&Request::Delete(&room), &mut deletes).await {
                End::Archived => deleted = true,
                End::ReadFirst(_) | End::Missing(_) => {}
                end => return self.settle(end).await,
            }
        }
    }

    /// New to the state: a read decides between PUT and POST, and is repeated before a POST is.
    async fn add(&mut self) -> Result<Receipt, JournalError> {
        let mut posts = 0;
        let mut taken: Option<String> = None;
        loop {
            let room = self.room().clone();
            match self.exchange(&Request::Get(&room), &mut 0).await {
                End::Room(_) => {
                    // After a POST of ours whose answer was lost, the room is most likely that one.
                    let ours = self.action == Action::Create && self.tally.perhaps_written;
                    self.action = if ours { Action::Create } else { Action::Adopt };
                    self.announce().await?;
                    let end = self.put().await;
                    return self.settle(end).await;
                }
                End::Missing(_) => {}
                End::Stopped => return self.settle(End::Stopped).await,
                other => return self.unread(&other.told()).await,
            }
            if let Some(message) = taken {
                let why = format!(
                    "{message}; yet the room cannot be read: perhaps an archived room holds the name"
                );
                return self.settle(End::Refused(why)).await;
            }
            self.action = Action::Create;
            self.announce().await?;
            let settings = &self.task.change.settings;
            match self
                .exchange(&Request::Post(&room, settings), &mut posts)
                .await
            {
                End::Exists(message) => taken = Some(message),
                End::ReadFirst(_) => {}
                end => return self.settle(end).await,
            }
        }
    }

    async fn put(&mut self) -> End {
        let request = Request::Put(self.room(), &self.task.change.settings);
        self.exchange(&request, &mut 0).await
    }

    async fn exchange(&mut self, request: &Request<'_>, tries: &mut u32) -> End {
        let service = &self.crew.service;
        service.exchange(request, &mut self.tally, tries).await
    }

    /// Records what is about to be written, so that a run that dies now leaves a trace of it.
    async fn announce(&mut self) -> Result<(), JournalError> {
        if self.announced {
            return Ok(());
        }
        self.announced = true;
        let settings = self.task.before.in_doubt_with(&self.remembered());
        self.record(Event::Intent {
            room: self.room().clone(),
            settings,
        })
        .await
    }

    /// Turns the end of the last request into a receipt, and records what it means.
    async fn settle(&mut self, end: End) -> Result<Receipt, JournalError> {
        match end {
            End::Room(live) => self.written(live).await,
            End::Missing(_) => {
                let message = "the service says that there is no such room".to_owned();
                self.refused(message).await
            }
            End::Exists(message) | End::Refused(message) => self.refused(message).await,
            End::Rooms(_) | End::Archived => {
                let message = "the service answered something else than was asked".to_owned();
                Ok(self.receipt(Outcome::Unknown, Some(message)))
            }
            End::Unknown(message) | End::ReadFirst(message) => {
                Ok(self.receipt(Outcome::Unknown, Some(message)))
            }
            End::Stopped if self.tally.perhaps_written => {
                let message = "interrupted after a request that was not answered".to_owned();
                Ok(self.receipt(Outcome::Unknown, Some(message)))
            }
            End::Stopped => {
                self.withdraw().await?;
                Ok(self.crew.not_tried(&self.task.change))
            }
        }
    }

    async fn written(&mut self, live: LiveRoom) -> Result<Receipt, JournalError> {
        let salt = &self.crew.salt;
        let comparison = compare(&self.task.change.settings, &live.settings, salt);
        let made_anew = is_made_anew(&self.task.before, &live);
        let overridden = comparison.overridden.iter();
        let applied = AppliedRoom {
            id: live.id.or_else(|| self.task.before.id.clone()),
            observed: observed(
                |name| self.task.change.settings.contains_key(name),
                &live.settings,
                salt,
            ),
            overridden: overridden
                .map(|o| (o.name.clone(), o.got.clone()))
                .collect(),
            settings: self.remembered(),
            source: self.task.change.source.clone(),
            unconfirmed: RememberedSettings::new(),
        };
        self.remember(applied).await?;
        let outcome = if comparison.overridden.is_empty() {
            Outcome::Confirmed
        } else {
            Outcome::Overridden
        };
        // An offline run only learns it now, when the room is written; at least it says so.
        let message = made_anew.then(|| {
            "written; but the service's id of it has changed: it was made anew, or is another room".to_owned()
        });
        let mut receipt = self.receipt(outcome, message);
        receipt.overridden = comparison.overridden;
        receipt.unobservable = comparison.unobservable;
        Ok(receipt)
    }

    /// The service took nothing, as far as its last answer goes. An earlier try that was never answered may
    /// have been carried out all the same, and stays remembered.
    async fn refused(&mut self, message: String) -> Result<Receipt, JournalError> {
        if self.tally.perhaps_written {
            let message = format!("{message}; an earlier try may have been carried out");
            return Ok(self.receipt(Outcome::Unknown, Some(message)));
        }
        self.withdraw().await?;
        Ok(self.receipt(Outcome::Refused, Some(message)))
    }

    /// The room could not be read, so nothing was written now. Something may have been written before.
    async fn unread(&mut self, why: &str) -> Result<Receipt, JournalError> {
        if self.tally.perhaps_written {
            let message = format!("a write was not answered, and the room cannot be read: {why}");
            return Ok(self.receipt(Outcome::Unknown, Some(message)));
        }
        let message = format!("the room could not be read, so nothing was written: {why}");
        self.refused(message).await
    }

    /// A PUT was told that the room is missing. That answer has too many shapes to be believed alone; a
    /// read decides, and then the room is forgotten, so that the next plan adds it again.
    async fn confirm_missing(&mut self) -> Result<Receipt, JournalError> {
        let room = self.room().clone();
        match self.exchange(&Request::Get(&room), &mut 0).await {
            End::Missing(_) => {
                self.record(Event::Missing { room }).await?;
                let message = "the service no longer has this room; the next plan adds it again";
                Ok(self.receipt(Outcome::Refused, Some(message.to_owned())))
            }
            _ => {
                let message =
                    "the service said that there is no such room, and a read did not confirm it";
                self.refused(message.to_owned()).await
            }
        }
    }

    /// Takes the announcement back: certainly nothing was written.
    async fn withdraw(&mut self) -> Result<(), JournalError> {
        if !self.announced {
            return Ok(());
        }
        self.record(Event::Withdrawn {
            room: self.room().clone(),
            unconfirmed: self.task.before.unconfirmed.clone(),
        })
        .await
    }

    async fn remember(&mut self, applied: AppliedRoom) -> Result<(), JournalError> {
        let room = self.room().clone();
        self.record(Event::Applied { room, applied }).await
    }

    async fn record(&mut self, event: Event) -> Result<(), JournalError> {
        self.crew.recorder.record(&event).await?;
        self.events.push(event);
        Ok(())
    }

    /// Something could not be recorded. Nothing more may be written, and this room's end is not known to
    /// the next run, whatever the service said.
    fn unrecorded(&self, error: &JournalError) -> Receipt {
        let cause = std::error::Error::source(error);
        let why = cause.map_or_else(|| error.to_string(), ToString::to_string);
        self.crew
            .service
            .stop
            .stop(StopReason::Unrecorded(why.clone()));
        let (outcome, what) = if self.tally.attempts == 0 {
            (Outcome::Skipped, "nothing was sent")
        } else {
            (Outcome::Unknown, "what happened could not be recorded")
        };
        self.receipt(outcome, Some(format!("{what}: {why}")))
    }

    fn receipt(&self, outcome: Outcome, message: Option<String>) -> Receipt {
        receipt(&self.task.change, self.action, outcome, message)
    }

    fn remembered(&self) -> RememberedSettings {
        let applied = &self.task.before.settings;
        remember(&self.task.change.settings, &self.crew.salt, applied)
    }

    fn room(&self) -> &'a RoomName {
        &self.task.change.room
    }
}
