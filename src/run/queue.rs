//! What the workers of a run share: the rooms, which of them is next, and which are announced.

use std::collections::VecDeque;
use std::future::ready;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::disk::crash_point::crash_point;
use crate::model::value::stored;
use crate::model::{Run, Stored, StoredSettings};
use crate::planner::doubts::{self, Doubts};
use crate::planner::limits::Limits;
use crate::planner::{Action, AppliedRoom, Cause, Change, Event, Outcome, Plan, Receipt, State};
use crate::service::api::Transport;
use crate::service::requests::Reader;
use crate::service::stop::StopReason;
use crate::service::writer::Writer;
use crate::store::error::StoreError;
use crate::store::port::{Durable, Record};

/// For how many rooms intents are recorded at once when there is no rate. With one, it is for those that are started within the
/// time that the journal asks for.
const AHEAD_UNLIMITED: usize = 256;

/// One change and what is remembered of its room.
#[derive(Clone, Copy)]
pub(super) struct Task<'a> {
    pub(super) change: &'a Change,
    pub(super) before: &'a AppliedRoom,
    /// That it is about to be written, from when that is recorded until its worker takes it.
    intent: &'a Mutex<Option<Event>>,
}

/// What all workers share.
pub(super) struct Crew<T> {
    pub(super) service: Writer<T>,
    pub(super) recorder: Arc<dyn Record>,
    plan: Arc<Plan>,
    /// What was remembered when the run began.
    pub(super) before: State,
    /// Where in the plan each change is, and its intent. Changes are not copied: those of 10,000 rooms take tens of MiB.
    tasks: Vec<(usize, Mutex<Option<Event>>)>,
    next: AtomicUsize,
    /// What secret digests are salted with.
    pub(super) salt: String,
    pub(super) limits: Limits,
    /// When the plan was made, in Unix seconds.
    pub(super) now: i64,
    /// What is said of this run.
    pub(super) run: Run,
    /// For how many rooms beyond the one that needs it an intent is recorded.
    ahead: usize,
    intents: tokio::sync::Mutex<VecDeque<(usize, Durable)>>,
    /// Tasks before this one have their intents written.
    written: AtomicUsize,
    /// Tasks before this one have their intents durable.
    durable: AtomicUsize,
}

impl<T: Transport> Crew<T> {
    pub(super) fn new(
        plan: &Arc<Plan>,
        (limits, run): (&Limits, &Run),
        state: &State,
        service: &Arc<Reader<T>>,
        recorder: &Arc<dyn Record>,
    ) -> Self {
        let changes = plan.changes.iter().enumerate();
        let actionable = changes.filter(|(_, change)| change.is_actionable());
        let ahead = match service.pacer.interval() {
            Some(interval) => recorder.ahead().as_nanos() / interval.as_nanos().max(1),
            None => AHEAD_UNLIMITED as u128,
        };
        Self {
            service: Writer::new(service),
            recorder: recorder.clone(),
            tasks: actionable.map(|(at, _)| (at, Mutex::default())).collect(),
            plan: plan.clone(),
            before: state.clone(),
            next: AtomicUsize::new(0),
            salt: state.salt().to_owned(),
            limits: limits.clone(),
            now: plan.now,
            run: run.clone(),
            ahead: ahead.min(AHEAD_UNLIMITED as u128) as usize,
            intents: tokio::sync::Mutex::default(),
            written: AtomicUsize::new(0),
            durable: AtomicUsize::new(0),
        }
    }

    /// How many rooms there are.
    pub(super) fn rooms(&self) -> usize {
        self.tasks.len()
    }

    /// The next room to be worked on. `None`: all have been started.
    pub(super) fn next(&self) -> Option<(usize, Task<'_>)> {
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        if index + 1 >= self.tasks.len() {
            self.recorder.hurry();
        }
        (index < self.tasks.len()).then(|| (index, self.task(index)))
    }

    fn task(&self, index: usize) -> Task<'_> {
        let (at, intent) = &self.tasks[index];
        let change = &self.plan.changes[*at];
        Task {
            change,
            before: self.before.applied(&change.room),
            intent,
        }
    }

    /// Returns when it is durable that the room of task `index` is about to be written, so that a run that
    /// dies leaves a trace of it; and what was recorded of that, if anything is to be sent.
    pub(super) async fn announce(&self, index: usize) -> Result<Option<Event>, StoreError> {
        let task = self.task(index);
        if task.is_announced() {
            crash_point("intent-due");
            self.record_intent(index).await?;
            crash_point("intent-recorded");
        }
        Ok(task.lock_intent().take())
    }

    async fn record_intent(&self, index: usize) -> Result<(), StoreError> {
        if index < self.durable.load(Ordering::Acquire) {
            // The next ones become durable while this one is written.
            if index + self.ahead / 2 >= self.written.load(Ordering::Acquire)
                && let Ok(mut intents) = self.intents.try_lock()
            {
                self.write_intents(&mut intents)?;
            }
            return Ok(());
        }
        let mut intents = self.intents.lock().await;
        while index >= self.written.load(Ordering::Acquire) {
            self.write_intents(&mut intents)?;
        }
        while index >= self.durable.load(Ordering::Acquire)
            && let Some((upto, durable)) = intents.front_mut()
        {
            if let Err(error) = durable.as_mut().await {
                // For whoever waits next: it cannot be waited for again.
                *durable = Box::pin(ready(Err(error.clone())));
                return Err(error);
            }
            self.durable.store(*upto, Ordering::Release);
            intents.pop_front();
        }
        Ok(())
    }

    /// Writes the intents of the next rooms.
    fn write_intents(&self, intents: &mut VecDeque<(usize, Durable)>) -> Result<(), StoreError> {
        let from = self.written.load(Ordering::Acquire);
        let upto = (from + self.ahead + 1).min(self.tasks.len());
        let tasks = (from..upto).map(|index| self.task(index));
        let tasks = tasks.filter(|task| task.is_announced());
        let events = tasks
            .clone()
            .map(|task| task.intent(&task.before.unconfirmed, &self.salt));
        let events: Vec<Event> = events.collect();
        if from < upto {
            intents.push_back((upto, self.recorder.record(&events)?));
            for (task, event) in tasks.zip(events) {
                *task.lock_intent() = Some(event);
            }
            self.written.store(upto, Ordering::Release);
        }
        Ok(())
    }

    /// Takes back what was announced for rooms that were never started.
    pub(super) fn withdraw_the_rest(&self) {
        let written = self.written.load(Ordering::Acquire);
        let from = self.next.load(Ordering::Relaxed).min(written);
        let rest = (from..written).map(|index| self.task(index));
        let announced = rest.filter(|task| task.is_announced());
        let withdrawn = announced.map(|task| task.withdrawal(task.before));
        let events: Vec<Event> = withdrawn.collect();
        if events.is_empty() {
            return;
        }
        // Nothing was sent for them. If this cannot be recorded, they stay in doubt until they are written.
        if let Err(error) = self.recorder.record(&events) {
            self.stop(&error);
        }
    }

    /// Ends the run, since nothing can be recorded any more. Returns the reason in words.
    pub(super) fn stop(&self, error: &StoreError) -> String {
        let cause = std::error::Error::source(error);
        let why = cause.map_or_else(|| error.to_string(), ToString::to_string);
        self.service.stop.stop(StopReason::Unrecorded(why.clone()));
        why
    }

    pub(super) fn cause(&self, index: usize) -> Option<Cause> {
        self.task(index).change.cause()
    }

    /// The receipt of a room whose worker did not bring one.
    pub(super) fn without_end(&self, index: usize) -> Receipt {
        let change = self.task(index).change;
        if index >= self.next.load(Ordering::Relaxed) {
            return self.not_tried(change);
        }
        let message = Some("left while it was under way".to_owned());
        Receipt::new(&change.room, change.action, Outcome::Unknown, message)
    }

    pub(super) fn not_tried(&self, change: &Change) -> Receipt {
        let reason = self.service.stop.reason();
        let message = reason.map(|reason| format!("not tried: {}", reason.sentence()));
        Receipt::new(&change.room, change.action, Outcome::Skipped, message)
    }
}

impl<'a> Task<'a> {
    /// Whether it is announced before anything is sent.
    pub(super) fn is_announced(&self) -> bool {
        let change = &self.change;
        change.sends && change.unset().next().is_none()
    }

    /// That it is about to be written while doubts are `open`.
    fn intent(&self, open: &Doubts, salt: &str) -> Event {
        Event::Intent {
            room: self.change.room.clone(),
            settings: self.doubts(open, salt),
        }
    }

    /// What is in doubt once it is being written, while doubts are `open`.
    pub(super) fn doubts(&self, open: &Doubts, salt: &str) -> Doubts {
        match self.change.action {
            Action::Archive => doubts::of_archive(open.clone()),
            _ => doubts::with(open.clone(), &self.sending(salt)),
        }
    }

    fn lock_intent(self) -> MutexGuard<'a, Option<Event>> {
        // Nothing panics while it is held.
        self.intent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the service may hold of the room because of it: anything where that is sent as it is there, which is read
    /// later. A room that is new may be made as its file says.
    fn sending(&self, salt: &str) -> StoredSettings {
        let mut sending = self.wanted(salt);
        let is_spared = |name: &str| self.before.is_confirmed() && self.change.spares(name);
        let spared = sending.iter_mut().filter(|(name, _)| is_spared(name));
        spared.for_each(|(_, value)| *value = Stored::Null(()));
        sending
    }

    /// What its file wants, in the form that is stored.
    pub(super) fn wanted(&self, salt: &str) -> StoredSettings {
        stored(&self.change.settings, salt, &self.before.settings)
    }

    /// That it was not written after all, so that the room is in doubt as `before`.
    pub(super) fn withdrawal(&self, before: &AppliedRoom) -> Event {
        Event::Withdrawn {
            room: self.change.room.clone(),
            unconfirmed: before.unconfirmed.clone(),
            unshown: before.unshown,
        }
    }
}

/// How a room ended whose end could not be recorded.
pub(super) fn unrecorded(sent_write: bool, why: &str) -> (Outcome, String) {
    if sent_write {
        let message = format!("what happened could not be recorded: {why}");
        return (Outcome::Unknown, message);
    }
    (Outcome::Skipped, format!("nothing was written: {why}"))
}
