//! How one change ended: its receipt, and what is remembered of the room.

use std::borrow::Cow;

use crate::disk::crash_point::crash_point;
use crate::model::effect::effects;
use crate::model::value::stored;
use crate::model::{Effect, LiveRoom, Run, Stored, StoredSettings};
use crate::planner::doubts::Doubts;
use crate::planner::receipt::{Comparison, compare};
use crate::planner::undeclared::{Undeclared, observed};
use crate::planner::{Action, AppliedRoom, Event, Outcome, Receipt, Sighting, named_otherwise};
use crate::run::queue::unrecorded;
use crate::run::room_run::RoomRun;
use crate::service::api::Transport;
use crate::service::end::End;
use crate::service::stop::StopReason;
use crate::store::error::StoreError;

impl<'a, T: Transport> RoomRun<'a, T> {
    /// Nothing needs to be sent: attributes are released, or the service already holds what is wanted.
    pub(super) fn only_record(&mut self) -> Result<Receipt, StoreError> {
        if let Some(Sighting::Present(live)) = self.task.change.seen.clone() {
            let mut receipt = self.written(live)?;
            receipt.message =
                Some("already so on the service; recorded, nothing was sent".to_owned());
            return Ok(receipt);
        }
        let settings = self.remembered();
        let mut applied = AppliedRoom {
            file: self.task.change.place.clone(),
            source: self.task.change.source.clone(),
            unconfirmed: Doubts::new(),
            ..self.before.clone().into_owned()
        };
        let is_managed = |name: &String| settings.contains_key(name);
        applied.overridden.retain(|name, _| is_managed(name));
        applied.unseen.retain(is_managed);
        applied.observed.retain(|name, _| is_managed(name));
        applied.observed.extend(self.before.last_known(&settings));
        applied.settings = settings;
        self.remember(applied)?;
        let message = "no longer managed; nothing was sent".to_owned();
        Ok(self.receipt(Outcome::Confirmed, Some(message)))
    }

    /// Turns the end of the last request into a receipt, and records what it means.
    pub(super) fn settle(&mut self, end: End) -> Result<Receipt, StoreError> {
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

    pub(super) fn written(&mut self, live: LiveRoom) -> Result<Receipt, StoreError> {
        let settings = self.remembered();
        let shown = live.stored(&self.crew.salt);
        let comparison = self.comparison(&shown);
        let is_anothers = self.is_anothers(&live);
        let kept = self.overrides_out_of_sight(&live, &settings);
        let overridden = comparison.overridden.iter();
        let overridden = overridden.map(|o| (o.name.clone(), o.got.clone()));
        let applied = AppliedRoom {
            asserted: self.asserted(),
            claimed: false,
            file: self.task.change.place.clone(),
            // The room that was ours stays the one that is remembered: only an adoption takes over another's.
            id: live
                .id
                .clone()
                .filter(|_| !is_anothers)
                .or_else(|| self.before.id.clone()),
            observed: self.observed(&live, &settings, &shown),
            overridden: overridden.chain(kept).collect(),
            run: self.written_by(),
            settings,
            source: self.task.change.source.clone(),
            unconfirmed: Doubts::new(),
            unseen: comparison.unobservable.iter().cloned().collect(),
        };
        self.remember(applied)?;
        Ok(self.receipt_of(&live, comparison))
    }

    fn receipt_of(&self, live: &LiveRoom, comparison: Comparison) -> Receipt {
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
        let left_alone = self.task.change.left_alone(&self.body);
        let undeclared = self.moved_beside(live);
        let effects = self.effects_beside(live, &undeclared);
        let objections = self.crew.limits.objections(&self.task.change, &effects);
        let not_allowed = objections.map(|why| format!("not allowed: {why}"));
        if let Some(why) = &not_allowed {
            let why = format!("what was not sent moved in `{}`; {why}", self.room());
            self.crew.service.stop.stop(StopReason::NotAllowed(why));
        }
        let beside = "what was not sent is not as it was last seen: a service that replaces resets what no file declares";
        let beside = (!undeclared.is_empty()).then(|| beside.to_owned());
        let said = [anothers, left_alone, beside, not_allowed.clone()];
        let said: Vec<String> = said.into_iter().flatten().collect();
        let message = (!said.is_empty()).then(|| said.join("; "));
        Receipt {
            overridden: comparison.overridden,
            unobservable: comparison.unobservable,
            undeclared,
            effects,
            not_allowed: not_allowed.is_some(),
            ..self.receipt(outcome, message)
        }
    }

    /// What attributes that are not sent were seen as last: by a read right before or, without one, by a look or an answer.
    fn unsent(&self, live: &LiveRoom) -> StoredSettings {
        let nothing = StoredSettings::new();
        let before = self.before.about(live);
        let mut known = observed(&nothing, &self.read);
        if self.read.is_empty() {
            known = before.last_known(&nothing);
            let seen = before.observed.clone().into_iter();
            known.extend(seen.filter(|(name, _)| !before.unconfirmed.contains_key(name)));
        }
        known.retain(|name, _| !self.body.contains_key(name.as_str()));
        known
    }

    /// What was not sent and is not as it was: a service that replaces resets it. An answer to a write may show less than a
    /// read, so what it lacks counts, and is read again, only where that would have an effect.
    pub(super) fn moved_beside(&self, live: &LiveRoom) -> Vec<Undeclared> {
        if !self.tally.sent_write || self.action == Action::Create {
            return Vec::new();
        }
        let shown = self.before.about(live).shown(live, &self.crew.salt);
        let known = self.unsent(live).into_iter();
        let known = known.map(|(name, before)| Undeclared {
            live: shown.get(&name).cloned().unwrap_or(Stored::Null(())),
            name,
            before,
        });
        let moved = known.filter(|one| one.live != one.before);
        let effects = |one: &Undeclared| self.effects_beside(live, std::slice::from_ref(one));
        let moved = moved.filter(|one| shown.contains_key(&one.name) || !effects(one).is_empty());
        moved.collect()
    }

    /// What such moves may do to people, beside what was sent.
    fn effects_beside(&self, live: &LiveRoom, moved: &[Undeclared]) -> Vec<Effect> {
        let mut held = self.unsent(live);
        held.extend(stored(&self.body, &self.crew.salt, &self.before.settings));
        let held = held.into_iter().map(|(name, value)| (name, vec![value]));
        let moved = moved.iter().map(|one| (one.name.clone(), one.live.clone()));
        effects(&held.collect(), &moved.collect(), self.crew.now)
    }

    /// Whether another room was written than the one that was applied, and nobody decided to take it over.
    fn is_anothers(&self, live: &LiveRoom) -> bool {
        let is_taken = matches!(self.action, Action::Create | Action::Adopt);
        self.before.is_recreated(live) && !is_taken
    }

    /// What the room holds of attributes that were not written. As long as nothing is written, what was there when
    /// something last was stays remembered; what is no longer managed, as the service had it after it was applied. Of what
    /// was sent without an answer, what is there.
    fn observed(
        &self,
        live: &LiveRoom,
        settings: &StoredSettings,
        shown: &StoredSettings,
    ) -> StoredSettings {
        let mut seen = observed(&self.asserted_of(settings, shown), shown);
        if !self.tally.sent_write {
            seen.extend(self.before.about(live).last_known(settings));
        }
        seen
    }

    /// What the service shows, held against what was applied. What a mute accepts is no override: nobody chose it when
    /// it was asked for something else.
    pub(super) fn comparison(&self, shown: &StoredSettings) -> Comparison {
        let mut comparison = compare(&self.remembered(), shown);
        let overridden = &mut comparison.overridden;
        overridden.retain(|one| !self.is_left_alone(&one.name));
        comparison
    }

    /// What of the applied settings the service was to hold: not what a mute left alone.
    pub(super) fn asserted_of(
        &self,
        settings: &StoredSettings,
        shown: &StoredSettings,
    ) -> StoredSettings {
        let mut asserted = settings.clone();
        asserted.retain(|name, value| shown.get(name) == Some(value) || !self.is_left_alone(name));
        asserted
    }

    pub(super) fn is_left_alone(&self, name: &str) -> bool {
        let change = &self.task.change;
        change.leaves_alone(name) || self.body.get(name) != change.settings.get(name)
    }

    /// Overrides of before that nothing was seen of since, and that no other value was asked for.
    pub(super) fn overrides_out_of_sight(
        &self,
        live: &LiveRoom,
        sent: &StoredSettings,
    ) -> StoredSettings {
        let before = self.before.about(live);
        let mut kept = before.overridden.clone();
        kept.retain(|name, _| {
            if self.task.change.keeps.contains_key(name) {
                return true;
            }
            !live.settings.contains_key(name) && sent.get(name) == before.settings.get(name)
        });
        kept
    }

    /// Remembers what a read showed, durably before anything is written: however the room ends, that was seen.
    pub(super) async fn remember_look(&mut self, live: &LiveRoom) -> Result<(), StoreError> {
        let salt = &self.crew.salt;
        let Some(after) = self.before.after_look(live, salt) else {
            return Ok(());
        };
        let mut applied = after.clone();
        self.before = Cow::Owned(after);
        if let Some(Event::Intent { settings, .. }) = self.task.intent(salt) {
            applied.unconfirmed = settings;
        }
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
        let made = if created {
            "a room was created, and "
        } else {
            ""
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
        self.record(self.task.withdrawal())
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
            true => before
                .map(|before| before.saturating_add(1))
                .max(Some(self.crew.now)),
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
        let applied = &self.before.settings;
        let mut settings = stored(&self.task.change.settings, &self.crew.salt, applied);
        settings.extend(self.task.change.keeps.clone());
        settings
    }
}
