//! How one change ended: its receipt, and what is remembered of the room.

use std::borrow::Cow;

use crate::disk::crash_point::crash_point;
use crate::model::effect::Held;
use crate::model::value::stored;
use crate::model::words::joined;
use crate::model::{Effect, LiveRoom, Run, Stored, StoredSettings};
use crate::planner::limits::more_moved;
use crate::planner::memory::Record;
use crate::planner::receipt::{Comparison, compare};
use crate::planner::undeclared::{Undeclared, differing, effects_beside, is_settable};
use crate::planner::{
    Action, AppliedRoom, Event, Outcome, Override, Receipt, Sighting, named_otherwise,
};
use crate::run::queue::unrecorded;
use crate::run::room_run::{RoomRun, Shown};
use crate::service::api::Transport;
use crate::service::end::End;
use crate::service::stop::StopReason;
use crate::store::error::StoreError;

impl<'a, T: Transport> RoomRun<'a, T> {
    /// Nothing needs to be sent: attributes are released, or the service already holds what is wanted.
    pub(super) fn only_record(&mut self) -> Result<Receipt, StoreError> {
        if let Some(Sighting::Present(live)) = self.task.change.seen.clone() {
            let mut receipt = self.written(self.shown(live))?;
            receipt.message = Some("recorded as the service shows it; nothing was sent".to_owned());
            return Ok(receipt);
        }
        self.remember(self.applied(None, StoredSettings::new()))?;
        let message = "no longer managed; nothing was sent".to_owned();
        Ok(self.receipt(Outcome::Confirmed, Some(message)))
    }

    /// Turns the end of the last request into a receipt, and records what it means.
    pub(super) fn settle(&mut self, end: End) -> Result<Receipt, StoreError> {
        match end {
            End::Room(live) => self.written(self.shown(live)),
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
                Ok(self.crew.not_tried(self.task.change))
            }
        }
    }

    pub(super) fn shown(&self, live: LiveRoom) -> Shown {
        let stored = live.stored(&self.crew.salt);
        let comparison = self.comparison(&stored);
        let settings = self.before.about(&live).in_view(stored);
        Shown {
            moved: self.moved_beside(&live, &settings),
            live,
            settings,
            comparison,
        }
    }

    pub(super) fn written(&mut self, mut shown: Shown) -> Result<Receipt, StoreError> {
        // What a mute accepts is reported, and no override of what the file says: nobody asked for that.
        let overridden = shown.comparison.overridden.iter();
        let overridden = overridden.filter(|one| !self.is_left_alone(&one.name));
        let overridden = overridden.map(|o| (&o.name, o.got.clone()));
        self.remember(self.applied(Some(&shown), overridden.collect()))?;
        if !self.tally.sent_write {
            // Nothing was asked of the service now, so what it chose earlier is no news.
            let overridden = &mut shown.comparison.overridden;
            overridden.retain(|one| !self.was_told(one));
        }
        Ok(self.receipt_of(shown))
    }

    /// What is remembered of the room by now.
    fn applied(&self, shown: Option<&Shown>, overridden: StoredSettings) -> AppliedRoom {
        let before = &self.before;
        let live = shown.map(|shown| &shown.live);
        // The room that was ours stays the one that is remembered: only an adoption takes over another's.
        let id = live.filter(|live| !self.is_anothers(live));
        let id = id.and_then(|live| live.id.clone());
        let sent = self.tally.sent_write.then(|| self.sent());
        let record = Record {
            settings: self.remembered(),
            secrets: self.task.change.secrets.clone(),
            sent: sent.unwrap_or_default(),
            overridden,
            live,
            shown: shown
                .map(|shown| shown.settings.clone())
                .unwrap_or_default(),
        };
        let recorded = before.recorded(record, &self.crew.salt);
        AppliedRoom {
            asserted: self.asserted(),
            claimed: recorded.claimed || live.is_some_and(|live| self.is_anothers(live)),
            file: self.task.change.place.clone(),
            id: id.or_else(|| before.id.clone()),
            run: self.written_by(),
            ..recorded
        }
    }

    /// What is sent, in the form that is stored.
    fn sent(&self) -> Cow<'_, StoredSettings> {
        match &self.body {
            Cow::Borrowed(_) => Cow::Borrowed(&self.wanted),
            Cow::Owned(body) => Cow::Owned(stored(body, &self.crew.salt, &self.before.settings)),
        }
    }

    fn receipt_of(&self, shown: Shown) -> Receipt {
        let (live, comparison) = (&shown.live, &shown.comparison);
        let outcome = match comparison.overridden.is_empty() {
            true => Outcome::Confirmed,
            false => Outcome::Overridden,
        };
        // An offline run only learns it now, when the room is written; at least it says so.
        let anothers = self.is_anothers(live).then(|| {
            "written; but the service's id of it has changed: it was recreated, or is another room; \
             `roomctl plan --live` shows what adopting it means"
                .to_owned()
        });
        let is_other = |name: &str| comparison.overridden.iter().any(|one| one.name == name);
        let left_alone = self.task.change.left_alone(&self.body, is_other);
        let effects = self.effects_beside(&shown);
        let (limits, named) = (&self.crew.limits, &self.task.change.effects);
        let not_allowed = limits.objections(self.room(), named, &effects);
        if let Some(why) = &not_allowed {
            let why = more_moved(self.room(), why);
            self.crew.service.stop.stop(StopReason::NotAllowed(why));
        }
        let is_not_allowed = not_allowed.is_some();
        let beside = "what was not sent is not as it was last seen: a service that replaces resets what no file declares";
        let beside = (!shown.moved.is_empty()).then(|| beside.to_owned());
        let not_allowed = not_allowed.map(|why| format!("not allowed: {why}"));
        let said = [anothers, left_alone, beside, not_allowed];
        let message = joined(said.into_iter().flatten(), "; ");
        Receipt {
            overridden: shown.comparison.overridden,
            unobservable: shown.comparison.unobservable,
            undeclared: shown.moved,
            effects,
            not_allowed: is_not_allowed,
            ..self.receipt(outcome, message)
        }
    }

    /// What may be held of attributes that are not sent and were shown: as a read right before did or, without one, as it is
    /// remembered.
    fn unsent(&self, live: &LiveRoom, shown: &StoredSettings) -> Held {
        let is_unsent = |name: &str| !self.body.contains_key(name) && is_settable(name);
        let before = &self.task.before;
        // What a read shows while a write of ours is in doubt, that write may have made; what it sent was judged then.
        let was_sent = |name: &str| {
            let sent = before.unconfirmed.get(name).zip(self.read.get(name));
            sent.is_some_and(|(sent, read)| sent.contains(read))
        };
        let is_remembered = |name: &str| {
            let is_as_read = self.read.get(name) == shown.get(name) && !was_sent(name);
            self.read.is_empty() || (before.is_in_doubt() && is_as_read)
        };
        let mut known = held(&self.read);
        known.retain(|name, _| is_unsent(name));
        let before = before.about(live);
        known.extend(before.in_sight(shown, |name| is_unsent(name) && is_remembered(name)));
        known
    }

    /// What was not sent and is not as it was: a service that replaces resets it. An answer to a write may show less than a
    /// read, so what it lacks is read again.
    fn moved_beside(&self, live: &LiveRoom, shown: &StoredSettings) -> Vec<Undeclared> {
        if !self.tally.sent_write || self.action == Action::Create {
            return Vec::new();
        }
        differing(self.unsent(live, shown), shown)
    }

    /// What such moves may do to people, and what the service chose in place of what was sent, as far as it is news.
    fn effects_beside(&self, shown: &Shown) -> Vec<Effect> {
        let Shown {
            live,
            settings,
            comparison,
            moved,
        } = shown;
        let overridden = &comparison.overridden;
        // Of nearly all rooms nothing but what was sent moved.
        if moved.is_empty() && overridden.is_empty() {
            return Vec::new();
        }
        let before = self.before.about(live);
        let mut may_hold = self.unsent(live, settings);
        may_hold.extend(held(&self.sent()));
        let news = overridden.iter().filter(|one| !self.was_told(one));
        let mut all = StoredSettings::new();
        for one in news {
            // Of what was out of sight or is new, what was sent is all that is known.
            let is_known =
                self.action != Action::Create && !before.unseen.contains(one.name.as_str());
            if let Some(known) = self.known(before, &one.name).filter(|_| is_known) {
                may_hold.insert((&one.name).into(), known);
            }
            all.insert((&one.name).into(), one.got.clone());
        }
        all.extend(moved.iter().map(|one| (&one.name, one.live.clone())));
        let is_shown = |name: &str| settings.contains_key(name);
        effects_beside(&may_hold, all, is_shown, self.crew.now)
    }

    /// What may have been there before it was written: as a read right before shows, and what was sent until then without an
    /// answer, whose work that may be.
    fn known(&self, before: &AppliedRoom, name: &str) -> Option<Vec<Stored>> {
        let Some(read) = self.read.get(name) else {
            return before.possible().remove(name);
        };
        let sent = self.task.change.in_doubt.get(name).into_iter();
        let sent = sent.flat_map(|sent| sent.values());
        Some([read].into_iter().chain(sent).cloned().collect())
    }

    /// Whether the service chose the same when it was last written.
    fn was_told(&self, one: &Override) -> bool {
        self.before.overridden.get(&one.name) == Some(&one.got)
    }

    /// Whether another room was written than the one that was applied, and nobody decided to take it over.
    fn is_anothers(&self, live: &LiveRoom) -> bool {
        let is_taken = matches!(self.action, Action::Create | Action::Adopt);
        self.before.is_recreated(live) && !is_taken
    }

    /// What the service shows, held against what was sent, also only so that it stays. Where nothing was: against what was
    /// applied, but for what a mute accepts.
    fn comparison(&self, shown: &StoredSettings) -> Comparison {
        if self.tally.sent_write {
            return compare(&self.sent(), shown);
        }
        let mut comparison = compare(&self.remembered(), shown);
        let overridden = &mut comparison.overridden;
        overridden.retain(|one| !self.is_left_alone(&one.name));
        comparison
    }

    fn is_left_alone(&self, name: &str) -> bool {
        let change = &self.task.change;
        change.leaves_alone(name) || self.body.get(name) != change.settings.get(name)
    }

    /// Remembers what a read showed, durably before anything is written: however the room ends, that was seen.
    pub(super) async fn remember_look(&mut self, live: &LiveRoom) -> Result<(), StoreError> {
        let salt = &self.crew.salt;
        let Some(after) = self.before.looked(live, salt) else {
            return Ok(());
        };
        let mut applied = after.clone();
        if self.task.is_announced() {
            applied.unconfirmed = self.task.doubts(&after.unconfirmed, salt);
            applied.unshown = false;
        }
        self.before = Cow::Owned(after);
        let (room, applied) = (self.room().clone(), Box::new(applied));
        self.record(Event::Applied { room, applied })?;
        match self.durable.take() {
            Some(durable) => durable.await,
            None => Ok(()),
        }
    }

    /// The service keeps no room of that name, so none of it is remembered unless it was confirmed before.
    pub(super) fn named_otherwise(&mut self, theirs: &str) -> Result<Receipt, StoreError> {
        let outcome = if self.before.is_confirmed() {
            Outcome::Unknown
        } else {
            let room = self.room().clone();
            self.conclude(Event::Missing { room })?;
            Outcome::Refused
        };
        let created = self.action == Action::Create && self.tally.perhaps_written;
        let made = match created {
            true => "a room was created, and ",
            false => "",
        };
        let message = format!("{made}{}", named_otherwise(theirs));
        Ok(self.receipt(outcome, Some(message)))
    }

    /// Not written, for a reason of ours.
    pub(super) fn hold_back(&mut self, why: String) -> Result<Receipt, StoreError> {
        let mut receipt = self.refused(why)?;
        receipt.held_back = receipt.outcome == Outcome::Refused;
        Ok(receipt)
    }

    /// The service took nothing, as far as its last answer goes. An earlier try that was never answered may
    /// have been carried out all the same, and stays remembered.
    pub(super) fn refused(&mut self, message: String) -> Result<Receipt, StoreError> {
        if self.tally.perhaps_written {
            let message = format!("{message}; an earlier try may have been carried out");
            return Ok(self.receipt(Outcome::Unknown, Some(message)));
        }
        self.withdraw()?;
        Ok(self.receipt(Outcome::Refused, Some(message)))
    }

    /// The room could not be read, so nothing was written now. Something may have been written before.
    pub(super) fn unread(&mut self, why: &str) -> Result<Receipt, StoreError> {
        if self.tally.perhaps_written {
            let message = format!("a write was not answered, and the room cannot be read: {why}");
            return Ok(self.receipt(Outcome::Unknown, Some(message)));
        }
        let message = format!("the room could not be read, so nothing was written: {why}");
        self.refused(message)
    }

    pub(super) fn gone(&mut self) -> Result<Receipt, StoreError> {
        let room = self.room().clone();
        self.conclude(Event::Missing { room })?;
        let message = "the service no longer has this room; the next plan adds it again";
        Ok(self.receipt(Outcome::Refused, Some(message.to_owned())))
    }

    /// Takes the announcement back: certainly nothing was written.
    pub(super) fn withdraw(&mut self) -> Result<(), StoreError> {
        if !self.task.is_announced() {
            return Ok(());
        }
        self.record(self.task.withdrawal(&self.before))
    }

    pub(super) fn remember(&mut self, applied: AppliedRoom) -> Result<(), StoreError> {
        let (room, applied) = (self.room().clone(), Box::new(applied));
        self.conclude(Event::Applied { room, applied })
    }

    /// Records how the room ended.
    pub(super) fn conclude(&mut self, event: Event) -> Result<(), StoreError> {
        crash_point("receipt-due");
        self.record(event)?;
        crash_point("receipt-recorded");
        Ok(())
    }

    pub(super) fn record(&mut self, event: Event) -> Result<(), StoreError> {
        let durable = self.crew.recorder.record(std::slice::from_ref(&event))?;
        self.durable = Some(durable);
        self.events.push(event);
        Ok(())
    }

    /// Something could not be recorded. Nothing more may be written, and this room's end is not known to
    /// the next run, whatever the service said.
    pub(super) fn unrecorded(&self, error: &StoreError) -> Receipt {
        let why = self.crew.stop(error);
        let (outcome, message) = unrecorded(self.tally.sent_write, &why);
        self.receipt(outcome, Some(message))
    }

    pub(super) fn receipt(&self, outcome: Outcome, message: Option<String>) -> Receipt {
        Receipt::new(self.room(), self.action, outcome, message)
    }

    /// When a write of the room was last confirmed, by this one if it wrote: later than the one before, however soon.
    pub(super) fn asserted(&self) -> Option<i64> {
        let before = self.before.asserted;
        match self.tally.sent_write {
            true => Some(self.crew.now).max(before.map(|before| before.saturating_add(1))),
            false => before,
        }
    }

    /// The run that this was.
    fn written_by(&self) -> Run {
        match self.tally.sent_write {
            true => self.crew.run.without_time(),
            false => self.before.run.clone(),
        }
    }

    pub(super) fn remembered(&self) -> StoredSettings {
        let mut settings = self.wanted.clone();
        settings.extend(self.task.change.keeps.clone());
        settings
    }
}

/// Nothing but these values.
fn held(values: &StoredSettings) -> Held {
    let values = values.iter();
    values
        .map(|(name, value)| (*name, vec![value.clone()]))
        .collect()
}
