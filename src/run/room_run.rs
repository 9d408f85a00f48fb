//! One room of a plan: what is asked of the service about it, in which order, and what its answers mean.

use std::borrow::Cow;

use crate::model::value::stored;
use crate::model::{Effect, LiveRoom, RoomName, Settings, StoredSettings};
use crate::planner::plan::{NOT_OURS, UNPROVEN, only_claimed};
use crate::planner::receipt::Comparison;
use crate::planner::undeclared::Undeclared;
use crate::planner::{Action, AppliedRoom, Event, Outcome, Receipt, Sighting};
use crate::run::queue::{Crew, Task};
use crate::service::api::Transport;
use crate::service::end::End;
use crate::service::requests::Tally;
use crate::store::error::StoreError;
use crate::store::port::Durable;

/// Why a room is not written that was planned for without a look.
const NOT_APPLIED_TO: &str = "another room is there under its name: it was recreated, or never ours; `roomctl plan --live` shows \
     what adopting it means";

/// The run of one room.
pub(super) struct RoomRun<'a, T> {
    pub(super) crew: &'a Crew<T>,
    pub(super) task: Task<'a>,
    pub(super) index: usize,
    pub(super) action: Action,
    /// What is remembered of the room, with what a read of this run showed.
    pub(super) before: Cow<'a, AppliedRoom>,
    /// What its file wants, in the form that is stored.
    pub(super) wanted: StoredSettings,
    /// What is sent.
    pub(super) body: Cow<'a, Settings>,
    /// What a read showed of the room right before it was written, in the form that is compared.
    pub(super) read: StoredSettings,
    pub(super) tally: Tally,
    pub(super) events: Vec<Event>,
    /// When the last of the events is durable.
    pub(super) durable: Option<Durable>,
}

/// A room as an answer shows it, held against what was sent. It is made once of each answer: the digests of its secrets take
/// longer than anything else that is done with it.
pub(super) struct Shown {
    pub(super) live: LiveRoom,
    /// Its settings in the form that is compared.
    pub(super) settings: StoredSettings,
    pub(super) comparison: Comparison,
    /// What was not sent and is not as it was.
    pub(super) moved: Vec<Undeclared>,
}

/// How a room ended, with the events that led there, and when they are durable.
pub(super) struct Ended {
    pub(super) receipt: Receipt,
    pub(super) sent_write: bool,
    pub(super) events: Vec<Event>,
    pub(super) durable: Option<Durable>,
}

impl<'a, T: Transport> RoomRun<'a, T> {
    pub(super) fn new(crew: &'a Crew<T>, task: Task<'a>, index: usize) -> Self {
        Self {
            crew,
            task,
            index,
            action: task.change.action,
            before: Cow::Borrowed(task.before),
            wanted: task.wanted(&crew.salt),
            body: Cow::Borrowed(&task.change.settings),
            read: StoredSettings::new(),
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
            let message = format!(
                "not tried: the variable behind `{name}` is not set, or makes no URL of it"
            );
            return Ok(self.receipt(Outcome::Skipped, Some(message)));
        }
        self.events.extend(self.crew.announce(self.index).await?);
        match (self.task.change.sends, self.action) {
            (false, _) => self.only_record(),
            (true, Action::Archive) => self.archive().await,
            (true, Action::Add) => {
                let read = self.get().await?;
                self.add(read).await
            }
            (true, _) => self.write().await,
        }
    }

    /// The plan knows what to do: a PUT, or a POST if it saw that the room is not there.
    async fn write(&mut self) -> Result<Receipt, StoreError> {
        if !self.task.change.is_read_first(&self.crew.limits) {
            return self.put_and_confirm().await;
        }
        let read = self.get().await?;
        let now = match &read {
            End::Room(live) => Sighting::Present(live.clone()),
            End::Missing(gone) => Sighting::Absent(*gone),
            End::Stopped => return self.settle(End::Stopped),
            other => Sighting::Unreadable(other.clone().message()),
        };
        if let Some(moved) = self.moved_until(&now) {
            return self.hold_back(moved);
        }
        if self.action == Action::Create {
            return self.add(read).await;
        }
        match now {
            Sighting::Present(live)
                if self.before.is_recreated(&live) && self.action == Action::Update =>
            {
                self.hold_back(NOT_APPLIED_TO.to_owned())
            }
            Sighting::Present(live) if self.before.is_only_claimed(&live) => {
                self.hold_back(only_claimed(self.room()))
            }
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
        self.read = self.before.about(live).shown(live, &self.crew.salt);
    }

    fn body_for(&self, live: &LiveRoom) -> Cow<'a, Settings> {
        let change = self.task.change;
        match change.muted.is_empty() {
            true => Cow::Borrowed(&change.settings),
            false => Cow::Owned(change.body(self.before.about(live), live, &self.crew.salt)),
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
            match self.get().await? {
                End::Missing(_) => {
                    self.conclude(Event::Missing { room })?;
                    let message = (deletes == 0).then(|| "was gone already".to_owned());
                    return Ok(self.receipt(Outcome::Confirmed, message));
                }
                End::Room(_) if deleted => {
                    let message = "the service said that it was archived, and still shows it";
                    return Ok(self.receipt(Outcome::Unknown, Some(message.to_owned())));
                }
                End::Room(live) if self.before.is_recreated(&live) => {
                    return self.hold_back(NOT_OURS.to_owned());
                }
                End::Room(live) if !self.before.is_proven_by(&live) => {
                    return self.hold_back(UNPROVEN.to_owned());
                }
                End::Room(live) => {
                    if let Some(moved) = self.moved_until(&Sighting::Present(live)) {
                        return self.hold_back(moved);
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

    /// Not known to be there: a read decides between PUT and POST, and is repeated before a POST is.
    async fn add(&mut self, mut read: End) -> Result<Receipt, StoreError> {
        let mut posts = 0;
        let mut taken: Option<String> = None;
        loop {
            let room = self.room().clone();
            match read {
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
            read = self.get().await?;
        }
    }

    async fn get(&mut self) -> Result<End, StoreError> {
        let service = &self.crew.service;
        let end = service.get(self.room(), &mut self.tally).await;
        if let End::Room(live) = &end
            && (!self.tally.sent_write || self.action == Action::Create)
        {
            self.remember_look(live).await?;
        }
        Ok(end)
    }

    async fn put(&mut self) -> End {
        let (room, service) = (self.room(), &self.crew.service);
        service.put(room, &self.body, &mut self.tally).await
    }

    /// Settles a write. An answer that shows the room as it was sent is enough; for any other success one read decides:
    /// it may show no room at all, less than a read does, or the room as it was before the write, as storages like the
    /// service's do.
    async fn confirm(&mut self, end: End) -> Result<Receipt, StoreError> {
        let doubt = match end {
            End::Room(live) => {
                let shown = self.shown(live);
                match self.doubt_about(&shown) {
                    Some(doubt) => doubt.to_owned(),
                    None => return self.written(shown),
                }
            }
            End::NotShown(message) => message,
            end => return self.settle(end),
        };
        self.tally.perhaps_written = true;
        let read = match self.get().await? {
            end @ End::Room(_) => return self.settle(end),
            End::Stopped => "interrupted before there was an answer".to_owned(),
            End::Missing(gone) => match self.name_in_lower_case().await {
                Some(theirs) => End::Named(theirs).message(),
                None => End::Missing(gone).message(),
            },
            other => other.message(),
        };
        let message = format!("{doubt}; read again: {read}");
        Ok(self.receipt(Outcome::Unknown, Some(message)))
    }

    /// Why the answer to a write does not settle it: something of what was sent is shown otherwise, or something is not
    /// shown and a read may show it.
    fn doubt_about(&self, shown: &Shown) -> Option<&'static str> {
        let (live, comparison) = (&shown.live, &shown.comparison);
        if !comparison.overridden.is_empty() {
            return Some("the answer showed other values than were sent");
        }
        let before = self.before.about(live);
        let may_be_read = |name: &String| {
            !before.unseen.contains(name.as_str())
                || !before.settings.contains_key(name)
                || before.overridden.contains_key(name)
                || self.read.contains_key(name)
        };
        let is_short = comparison.unobservable.iter().any(may_be_read);
        let mut beside = shown.moved.iter();
        let is_gone = beside.any(|one| !live.settings.contains_key(&one.name));
        (is_short || is_gone).then_some("the answer did not show all of the room")
    }

    /// The name in lower case, if the service keeps a room under it: it is not known to keep the case of a name.
    async fn name_in_lower_case(&mut self) -> Option<String> {
        let lower = RoomName::try_from(self.room().folded()).ok()?;
        if lower == *self.room() {
            return None;
        }
        let read = self.crew.service.get(&lower, &mut self.tally).await;
        matches!(read, End::Room(_)).then(|| lower.as_str().to_owned())
    }

    /// Why the room must not be written, now that it was read.
    fn forbidden(&self, live: &LiveRoom) -> Option<String> {
        let before = self.before.about(live);
        let Crew {
            limits, now, salt, ..
        } = self.crew;
        let Task { change, .. } = self.task;
        if let Some(why) = change.cannot_spare(before, live, salt) {
            return Some(why);
        }
        let again = change.is_asked_again();
        let held = before.held(Some(&live.stored(salt)), &change.muted, again);
        let body = stored(&self.body_for(live), salt, &self.before.settings);
        limits.refuse(change, &held, &body, *now)
    }

    /// A PUT was answered that the room is missing. That answer has too many shapes to be believed alone; a
    /// read decides, and then the room is forgotten, so that the next plan adds it again.
    async fn confirm_missing(&mut self) -> Result<Receipt, StoreError> {
        if let End::Missing(_) = self.get().await? {
            return self.gone();
        }
        let message = "the service said that there is no such room, and a read did not confirm it";
        Ok(self.receipt(Outcome::Unknown, Some(message.to_owned())))
    }

    pub(super) fn room(&self) -> &'a RoomName {
        &self.task.change.room
    }
}
