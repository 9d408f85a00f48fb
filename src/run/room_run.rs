//! One room of a plan: what is asked of the service about it, in which order, and what its answers mean.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::service::api::Transport;

use crate::disk::crash_point::crash_point;
use crate::model::value::stored;
use crate::model::{Effect, LiveRoom, RoomName, Settings, StoredSettings};
use crate::planner::doubts::Doubts;
use crate::planner::plan::NOT_OURS;
use crate::planner::receipt::{Comparison, compare};
use crate::planner::undeclared::observed;
use crate::planner::{
    Action, AppliedRoom, Cause, Event, Gone, Outcome, Receipt, Sighting, named_otherwise,
};
use crate::run::queue::{Crew, Task, unrecorded};
use crate::service::end::End;
use crate::service::requests::Tally;
use crate::store::error::StoreError;
use crate::store::port::Durable;

/// The run of one room.
pub(super) struct RoomRun<'a, T> {
    crew: &'a Crew<T>,
    task: &'a Task,
    index: usize,
    action: Action,
    /// What is sent.
    body: Cow<'a, Settings>,
    /// Wire names of what a read reported of the room before it was written.
    reported: BTreeSet<String>,
    tally: Tally,
    events: Vec<Event>,
    /// When the last of the events is durable.
    durable: Option<Durable>,
}

/// How a room ended, with the events that led there, and when they are durable.
pub(super) struct Ended {
    pub(super) receipt: Receipt,
    pub(super) sent_write: bool,
    pub(super) events: Vec<Event>,
    pub(super) durable: Option<Durable>,
}

impl<'a, T: Transport> RoomRun<'a, T> {
    pub(super) fn new(crew: &'a Crew<T>, task: &'a Task, index: usize) -> Self {
        Self {
            crew,
            task,
            index,
            action: task.change.action,
            body: Cow::Borrowed(&task.change.settings),
            reported: BTreeSet::new(),
            tally: Tally::new(crew.service.seed.wrapping_add(index as u64)),
            events: Vec::new(),
            durable: None,
        }
    }

    pub(super) async fn run(mut self) -> Ended {
        let mut receipt = match self.act().await {
            Ok(receipt) => receipt,
            Err(error) => self.unrecorded(&error),
        };
        receipt.attempts = self.tally.attempts;
        receipt.http_status = self.tally.http_status;
        Ended {
            receipt,
            sent_write: self.tally.sent_write,
            events: self.events,
            durable: self.durable,
        }
    }

    async fn act(&mut self) -> Result<Receipt, StoreError> {
        // Refused before the run; a body without the attribute could reset it, so it is not relied on.
        if let Some((name, _)) = self.task.change.unset().next() {
            let message = format!("not tried: the variable behind `{name}` is not set");
            return Ok(self.receipt(Outcome::Skipped, Some(message)));
        }
        if let Some(intent) = self.task.intent(&self.crew.salt) {
            crash_point("intent-due");
            self.crew.announce(self.index).await?;
            crash_point("intent-recorded");
            self.events.push(intent);
        }
        match (self.task.change.sends, self.action) {
            (false, _) => self.only_record(),
            (true, Action::Archive) => self.archive().await,
            (true, Action::Add) => self.add().await,
            (true, _) => self.write().await,
        }
    }

    /// Nothing needs to be sent: attributes are released, or the service already holds what is wanted.
    fn only_record(&mut self) -> Result<Receipt, StoreError> {
        if let Some(Sighting::Present(live)) = self.task.change.seen.clone() {
            let mut receipt = self.written(live)?;
            receipt.message =
                Some("already so on the service; recorded, nothing was sent".to_owned());
            return Ok(receipt);
        }
        let settings = self.remembered();
        let mut overridden = self.task.before.overridden.clone();
        overridden.retain(|name, _| settings.contains_key(name));
        // What was sent of an attribute outlives its release: it may be anything until somebody looks.
        let mut observed = self.task.before.observed.clone();
        observed.retain(|name, _| !self.task.before.unconfirmed.contains_key(name));
        let mut unseen = self.task.before.unseen.clone();
        unseen.retain(|name| settings.contains_key(name));
        let applied = AppliedRoom {
            asserted: self.asserted(),
            file: self.task.change.place.clone(),
            id: self.task.before.id.clone(),
            observed,
            overridden,
            settings,
            source: self.task.change.source.clone(),
            unconfirmed: Doubts::new(),
            unseen,
        };
        self.remember(applied)?;
        let message = "no longer managed; nothing was sent".to_owned();
        Ok(self.receipt(Outcome::Confirmed, Some(message)))
    }

    /// The plan knows what to do: a PUT, or a POST if it saw that the room is not there.
    async fn write(&mut self) -> Result<Receipt, StoreError> {
        let change = &self.task.change;
        if change.seen.is_none() && !change.reads_first() && !self.is_sent_blindly() {
            return self.put_and_confirm().await;
        }
        let now = match self.get().await {
            End::Room(live) => Sighting::Present(live),
            End::Missing(gone) => Sighting::Absent(gone),
            End::Stopped => return self.settle(End::Stopped),
            other => Sighting::Unreadable(other.message()),
        };
        if let Some(moved) = self.moved_until(&now) {
            return self.refused(moved);
        }
        match now {
            _ if self.action == Action::Create => self.add().await,
            Sighting::Present(live) => match self.forbidden(&live) {
                Some(why) => self.hold_back(why),
                None => {
                    self.heed(&live);
                    self.put_and_confirm().await
                }
            },
            Sighting::Absent(_) => self.gone(),
            Sighting::Unreadable(why) => self.unread(&why),
        }
    }

    /// What moved until `now`, when the plan was made from a look: it is neither overwritten nor archived.
    fn moved_until(&self, now: &Sighting) -> Option<String> {
        let seen = self.task.change.seen.as_ref()?;
        let moved = seen.moved_until(now)?;
        Some(format!("moved since the plan: {moved}; plan again"))
    }

    async fn put_and_confirm(&mut self) -> Result<Receipt, StoreError> {
        match self.put().await {
            End::Missing(_) => self.confirm_missing().await,
            end => self.confirm(end).await,
        }
    }

    /// From now on what a mute accepts is sent as the room shows it, and what it reports is expected of its answer.
    fn heed(&mut self, live: &LiveRoom) {
        self.body = self.body_for(live);
        self.reported = live.settings.keys().cloned().collect();
    }

    fn body_for(&self, live: &LiveRoom) -> Cow<'a, Settings> {
        let Task { change, before } = self.task;
        match change.muted.is_empty() {
            true => Cow::Borrowed(&change.settings),
            false => Cow::Owned(change.body(before.about(live), live, &self.crew.salt)),
        }
    }

    /// Reads the room, archives it, and reads it again: only a room that is gone is reported as archived.
    async fn archive(&mut self) -> Result<Receipt, StoreError> {
        let room = self.room().clone();
        if let Some(ban) = self.crew.limits.ban(&room, Effect::Archived) {
            return self.hold_back(ban.reason(Effect::Archived));
        }
        let mut deletes = 0;
        let mut deleted = false;
        loop {
            match self.get().await {
                End::Missing(_) => {
                    self.conclude(Event::Missing { room })?;
                    let message = (deletes == 0).then(|| "was gone already".to_owned());
                    return Ok(self.receipt(Outcome::Confirmed, message));
                }
                End::Room(_) if deleted => {
                    let message = "the service said that it was archived, and still shows it";
                    return Ok(self.receipt(Outcome::Unknown, Some(message.to_owned())));
                }
                End::Room(live) if self.task.before.is_recreated(&live) => {
                    return self.refused(NOT_OURS.to_owned());
                }
                End::Room(live) => {
                    if let Some(moved) = self.moved_until(&Sighting::Present(live)) {
                        return self.refused(moved);
                    }
                }
                End::Stopped => return self.settle(End::Stopped),
                other => return self.unread(&other.message()),
            }
            let service = &self.crew.service;
            let deleting = service.delete(&room, &mut self.tally, &mut deletes);
            match deleting.await {
                End::Archived | End::NotShown(_) => deleted = true,
                End::ReadFirst(_) | End::Missing(_) => {}
                end => return self.settle(end),
            }
        }
    }

    /// New to the state: a read decides between PUT and POST, and is repeated before a POST is.
    async fn add(&mut self) -> Result<Receipt, StoreError> {
        let mut posts = 0;
        let mut taken: Option<String> = None;
        loop {
            let room = self.room().clone();
            match self.get().await {
                End::Room(live) => {
                    // After a POST of ours whose answer was lost, the room is most likely that one.
                    let ours = self.action == Action::Create && self.tally.perhaps_written;
                    self.action = if ours { Action::Create } else { Action::Adopt };
                    if let Some(why) = self.forbidden(&live) {
                        return self.hold_back(why);
                    }
                    self.heed(&live);
                    return self.put_and_confirm().await;
                }
                End::Missing(_) => {}
                end @ (End::Stopped | End::Named(_)) => return self.settle(end),
                other => return self.unread(&other.message()),
            }
            if let Some(message) = taken {
                if let Some(theirs) = self.name_in_lower_case().await {
                    return self.named_otherwise(&theirs);
                }
                let why = format!(
                    "{message}; yet the room cannot be read: perhaps an archived room holds the name"
                );
                return self.settle(End::Refused(why));
            }
            self.action = Action::Create;
            let settings = &self.task.change.settings;
            let service = &self.crew.service;
            let posting = service.post(&room, settings, &mut self.tally, &mut posts);
            match posting.await {
                End::Exists(message) => taken = Some(message),
                End::ReadFirst(_) => {}
                end => return self.confirm(end).await,
            }
        }
    }

    /// Whether nobody looked at a room that is sent because what it holds may have moved unseen, that is protected, or of
    /// which no write under this name was ever confirmed, and an effect of that may be forbidden.
    fn is_sent_blindly(&self) -> bool {
        let (room, limits) = (self.room(), &self.crew.limits);
        let is_reasserted = self.task.change.cause() == Some(Cause::Reassert);
        let is_claimed = self.task.before.asserted.is_none();
        limits.protects(room) || ((is_reasserted || is_claimed) && limits.bans_any(room))
    }

    async fn get(&mut self) -> End {
        let service = &self.crew.service;
        service.get(self.room(), &mut self.tally).await
    }

    async fn put(&mut self) -> End {
        let (room, service) = (self.room(), &self.crew.service);
        service.put(room, &self.body, &mut self.tally).await
    }

    /// Settles a write. An answer that shows the room as it was sent is enough; for any other success one read decides:
    /// it may show no room at all, less than a read does, or the room as it was before the write, as storages like the
    /// service's do.
    async fn confirm(&mut self, end: End) -> Result<Receipt, StoreError> {
        let doubt = match &end {
            End::Room(live) => self.doubt_about(live).map(str::to_owned),
            End::NotShown(message) => Some(message.clone()),
            _ => None,
        };
        let Some(doubt) = doubt else {
            return self.settle(end);
        };
        self.tally.perhaps_written = true;
        let read = match self.get().await {
            end @ (End::Room(_) | End::Stopped) => return self.settle(end),
            End::Missing(_) => self.name_in_lower_case().await.map(End::Named),
            other => Some(other),
        };
        let read = read.unwrap_or(End::Missing(Gone::Missing)).message();
        let message = format!("{doubt}; read again: {read}");
        Ok(self.receipt(Outcome::Unknown, Some(message)))
    }

    /// Why the answer to a write does not settle it: something of what was sent is shown otherwise, or is not shown
    /// and a read may show it.
    fn doubt_about(&self, live: &LiveRoom) -> Option<&'static str> {
        let comparison = self.comparison(&live.stored(&self.crew.salt));
        if !comparison.overridden.is_empty() {
            return Some("the answer showed other values than were sent");
        }
        let before = self.task.before.about(live);
        let may_be_read = |name: &String| {
            !before.unseen.contains(name)
                || before.overridden.contains_key(name)
                || self.reported.contains(name)
        };
        let is_short = comparison.unobservable.iter().any(may_be_read);
        is_short.then_some("the answer did not show all that was sent")
    }

    /// The name in lower case, if the service keeps a room under it: it is not known to keep the case of a name.
    async fn name_in_lower_case(&mut self) -> Option<String> {
        let lower = RoomName::try_from(self.room().folded()).ok()?;
        if lower == *self.room() {
            return None;
        }
        let read = self.crew.service.get(&lower, &mut self.tally).await;
        matches!(read, End::Room(_)).then(|| lower.to_string())
    }

    /// Turns the end of the last request into a receipt, and records what it means.
    fn settle(&mut self, end: End) -> Result<Receipt, StoreError> {
        match end {
            End::Room(live) => self.written(live),
            End::Named(theirs) => self.named_otherwise(&theirs),
            end @ (End::Missing(_) | End::Exists(_) | End::Refused(_)) => {
                self.refused(end.message())
            }
            End::Rooms(_) | End::Archived => {
                let message = "the service answered something else than was asked".to_owned();
                Ok(self.receipt(Outcome::Unknown, Some(message)))
            }
            End::Unknown(message) | End::NotShown(message) | End::ReadFirst(message) => {
                Ok(self.receipt(Outcome::Unknown, Some(message)))
            }
            End::Stopped if self.tally.perhaps_written => {
                let message = "interrupted after a request that was not answered".to_owned();
                Ok(self.receipt(Outcome::Unknown, Some(message)))
            }
            End::Stopped => {
                self.withdraw()?;
                Ok(self.crew.not_tried(&self.task.change))
            }
        }
    }

    fn written(&mut self, live: LiveRoom) -> Result<Receipt, StoreError> {
        let settings = self.remembered();
        let shown = live.stored(&self.crew.salt);
        let comparison = self.comparison(&shown);
        let recreated = self.task.before.is_recreated(&live);
        let kept = self.overrides_out_of_sight(&live, &settings);
        let overridden = comparison.overridden.iter();
        let overridden = overridden.map(|o| (o.name.clone(), o.got.clone()));
        let applied = AppliedRoom {
            asserted: self.asserted(),
            file: self.task.change.place.clone(),
            id: live.id.or_else(|| self.task.before.id.clone()),
            observed: observed(&self.asserted_of(&settings, &shown), &shown),
            overridden: overridden.chain(kept).collect(),
            settings,
            source: self.task.change.source.clone(),
            unconfirmed: Doubts::new(),
            unseen: comparison.unobservable.iter().cloned().collect(),
        };
        self.remember(applied)?;
        let outcome = if comparison.overridden.is_empty() {
            Outcome::Confirmed
        } else {
            Outcome::Overridden
        };
        // An offline run only learns it now, when the room is written; at least it says so.
        let message = recreated.then(|| {
            "written; but the service's id of it has changed: it was recreated, or is another room".to_owned()
        });
        let left_alone = self.task.change.left_alone(&self.body);
        let message: Vec<String> = message.into_iter().chain(left_alone).collect();
        let message = (!message.is_empty()).then(|| message.join("; "));
        let mut receipt = self.receipt(outcome, message);
        receipt.overridden = comparison.overridden;
        receipt.unobservable = comparison.unobservable;
        Ok(receipt)
    }

    /// What the service shows, held against what was applied. What a mute accepts is no override: nobody chose it when
    /// it was asked for something else.
    fn comparison(&self, shown: &StoredSettings) -> Comparison {
        let mut comparison = compare(&self.remembered(), shown);
        let overridden = &mut comparison.overridden;
        overridden.retain(|one| !self.is_left_alone(&one.name));
        comparison
    }

    /// What of the applied settings the service was to hold: not what a mute left alone.
    fn asserted_of(&self, settings: &StoredSettings, shown: &StoredSettings) -> StoredSettings {
        let mut asserted = settings.clone();
        asserted.retain(|name, value| shown.get(name) == Some(value) || !self.is_left_alone(name));
        asserted
    }

    fn is_left_alone(&self, name: &str) -> bool {
        let change = &self.task.change;
        change.leaves_alone(name) || self.body.get(name) != change.settings.get(name)
    }

    /// Overrides of before that nothing was seen of since, and that no other value was asked for.
    fn overrides_out_of_sight(&self, live: &LiveRoom, sent: &StoredSettings) -> StoredSettings {
        let before = self.task.before.about(live);
        let mut kept = before.overridden.clone();
        kept.retain(|name, _| {
            !live.settings.contains_key(name) && sent.get(name) == before.settings.get(name)
        });
        kept
    }

    /// The service keeps no room of that name, so none of it is remembered unless it was confirmed before.
    fn named_otherwise(&mut self, theirs: &str) -> Result<Receipt, StoreError> {
        let outcome = if self.task.before.is_confirmed() {
            Outcome::Unknown
        } else {
            let room = self.room().clone();
            self.conclude(Event::Missing { room })?;
            Outcome::Refused
        };
        let created = self.action == Action::Create && self.tally.perhaps_written;
        let made = if created {
            "a room was created, and "
        } else {
            ""
        };
        let message = format!("{made}{}", named_otherwise(theirs));
        Ok(self.receipt(outcome, Some(message)))
    }

    /// Why the room must not be written, now that it was read.
    fn forbidden(&self, live: &LiveRoom) -> Option<String> {
        let before = self.task.before.about(live);
        let Crew {
            limits, now, salt, ..
        } = self.crew;
        let Task { change, .. } = self.task;
        if let Some(why) = change.cannot_spare(before, live, salt) {
            return Some(why);
        }
        let again = change.cause() == Some(Cause::Reassert);
        let held = before.held(&live.stored(salt), &change.muted, again);
        let body = stored(&self.body_for(live), salt, &self.task.before.settings);
        limits.refuse(self.room(), &held, &body, *now)
    }

    /// Not written, for a reason of ours.
    fn hold_back(&mut self, why: String) -> Result<Receipt, StoreError> {
        let mut receipt = self.refused(why)?;
        receipt.held_back = receipt.outcome == Outcome::Refused;
        Ok(receipt)
    }

    /// The service took nothing, as far as its last answer goes. An earlier try that was never answered may
    /// have been carried out all the same, and stays remembered.
    fn refused(&mut self, message: String) -> Result<Receipt, StoreError> {
        if self.tally.perhaps_written {
            let message = format!("{message}; an earlier try may have been carried out");
            return Ok(self.receipt(Outcome::Unknown, Some(message)));
        }
        self.withdraw()?;
        Ok(self.receipt(Outcome::Refused, Some(message)))
    }

    /// The room could not be read, so nothing was written now. Something may have been written before.
    fn unread(&mut self, why: &str) -> Result<Receipt, StoreError> {
        if self.tally.perhaps_written {
            let message = format!("a write was not answered, and the room cannot be read: {why}");
            return Ok(self.receipt(Outcome::Unknown, Some(message)));
        }
        let message = format!("the room could not be read, so nothing was written: {why}");
        self.refused(message)
    }

    /// A PUT was answered that the room is missing. That answer has too many shapes to be believed alone; a
    /// read decides, and then the room is forgotten, so that the next plan adds it again.
    async fn confirm_missing(&mut self) -> Result<Receipt, StoreError> {
        if let End::Missing(_) = self.get().await {
            return self.gone();
        }
        let message = "the service said that there is no such room, and a read did not confirm it";
        Ok(self.receipt(Outcome::Unknown, Some(message.to_owned())))
    }

    fn gone(&mut self) -> Result<Receipt, StoreError> {
        let room = self.room().clone();
        self.conclude(Event::Missing { room })?;
        let message = "the service no longer has this room; the next plan adds it again";
        Ok(self.receipt(Outcome::Refused, Some(message.to_owned())))
    }

    /// Takes the announcement back: certainly nothing was written.
    fn withdraw(&mut self) -> Result<(), StoreError> {
        if !self.task.is_announced() {
            return Ok(());
        }
        self.record(self.task.withdrawal())
    }

    fn remember(&mut self, applied: AppliedRoom) -> Result<(), StoreError> {
        let room = self.room().clone();
        self.conclude(Event::Applied { room, applied })
    }

    /// Records how the room ended.
    fn conclude(&mut self, event: Event) -> Result<(), StoreError> {
        crash_point("receipt-due");
        self.record(event)?;
        crash_point("receipt-recorded");
        Ok(())
    }

    fn record(&mut self, event: Event) -> Result<(), StoreError> {
        let durable = self.crew.recorder.record(std::slice::from_ref(&event))?;
        self.durable = Some(durable);
        self.events.push(event);
        Ok(())
    }

    /// Something could not be recorded. Nothing more may be written, and this room's end is not known to
    /// the next run, whatever the service said.
    fn unrecorded(&self, error: &StoreError) -> Receipt {
        let why = self.crew.stop(error);
        let (outcome, message) = unrecorded(self.tally.sent_write, &why);
        self.receipt(outcome, Some(message))
    }

    fn receipt(&self, outcome: Outcome, message: Option<String>) -> Receipt {
        Receipt::new(self.room(), self.action, outcome, message)
    }

    /// When a write of the room was last confirmed, by this one if it wrote.
    fn asserted(&self) -> Option<i64> {
        if self.tally.sent_write {
            Some(self.crew.now)
        } else {
            self.task.before.asserted
        }
    }

    fn remembered(&self) -> StoredSettings {
        let applied = &self.task.before.settings;
        stored(&self.task.change.settings, &self.crew.salt, applied)
    }

    fn room(&self) -> &'a RoomName {
        &self.task.change.room
    }
}
