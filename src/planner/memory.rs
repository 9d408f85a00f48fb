//! How the memory of a room moves, and what it says that the service may hold.
//!
//! A value that the service may hold leaves the memory only by a look that shows the attribute, or by a confirmed write of
//! it. What is not shown keeps what was remembered, and what was remembered of one room is never taken for another's.
//!
//! | What happens | Function |
//! |---|---|
//! | a look, also one before a write | `looked` |
//! | a write begins | `doubts::with`, `doubts::of_archive` |
//! | a write was confirmed; nothing had to be sent, or attributes are released; a room becomes its file | `recorded` |
//! | `state mv` | `renamed` |

use std::borrow::Cow;

use super::doubts::ARCHIVE;
use super::state::AppliedRoom;
use super::undeclared::is_settable;
use crate::model::effect::Held;
use crate::model::{LiveRoom, Run, Secrets, Stored, StoredSettings, WireName};

/// How a room stands once something was done to it.
#[derive(Debug, Default)]
pub(crate) struct Record<'a> {
    /// What is managed from now on.
    pub settings: StoredSettings,
    /// The secrets among them that come from the file, as they are written there. What does not move is remembered as before.
    pub secrets: Secrets,
    /// What a write sent, if one was confirmed.
    pub sent: Cow<'a, StoredSettings>,
    /// What the service shows otherwise than it was asked to.
    pub overridden: StoredSettings,
    /// What it shows. `None`: nobody looked.
    pub live: Option<&'a LiveRoom>,
    /// The same in the form that is compared.
    pub shown: StoredSettings,
}

impl AppliedRoom {
    /// What is remembered once a look that writes nothing showed `live`; `None`: the same. What the service chose once and
    /// shows otherwise is over, and so is the doubt about what is shown: what was sent and is there, arrived.
    ///
    /// Another's room ends nothing, and as long as it has the name, what it does not show may be anything.
    pub(crate) fn looked(&self, live: &LiveRoom, salt: &str) -> Option<Self> {
        if !self.is_confirmed() {
            return None;
        }
        let is_ours = !self.is_recreated(live) && !self.is_only_claimed(live);
        let mut shown = self.about(live).shown(live, salt);
        let mut after = self.clone();
        after.claimed = !is_ours;
        if is_ours {
            after.overridden.clear();
            after.take_in(self, &shown, salt);
        } else {
            for name in self.possible().into_keys() {
                shown.get_or_insert_with(name, || Stored::Null(()));
            }
        }
        after.settle(self, Some(&shown), &StoredSettings::new());
        if is_ours {
            after.unconfirmed.clone_from(&self.unconfirmed);
            let is_open = |name: &str| name != ARCHIVE && !shown.contains_key(name);
            after.unconfirmed.retain(|name, _| is_open(name));
            after.unshown = !after.unconfirmed.is_empty();
        } else {
            after.unconfirmed.clone_from(&self.unconfirmed);
            after.unshown = self.unshown;
            after.observed.retain(|name, _| {
                let is_only_sent = self.unconfirmed.contains_key(name) && self.last(name).is_none();
                !is_only_sent
            });
            after.unseen.clone_from(&self.unseen);
        }
        (after != *self).then_some(after)
    }

    /// Manages what was sent without an answer and is `shown`.
    fn take_in(&mut self, before: &Self, shown: &StoredSettings, salt: &str) {
        for (name, sent) in &before.unconfirmed {
            let live = shown.get(name).filter(|live| sent.contains(live));
            if let Some(live) = live.filter(|live| before.overridden.get(name) != Some(*live)) {
                self.settings.insert(*name, live.clone());
            }
        }
        self.rewrite(before, &Secrets::new(), salt);
    }

    /// What is remembered once the room stands as `record` says.
    pub(crate) fn recorded(&self, record: Record<'_>, salt: &str) -> Self {
        let before = record.live.map_or(self, |live| self.about(live));
        let shown = record.live.map(|_| {
            let mut shown = record.shown;
            // A service that keeps secrets to itself shows none, or a mask.
            let is_secret = |name: &str| record.settings.get(name).is_some_and(Stored::is_secret);
            shown.retain(|name, value| *value != Stored::Null(()) || !is_secret(name));
            shown
        });
        let mut after = Self {
            claimed: before.claimed && shown.is_none(),
            settings: record.settings,
            overridden: record.overridden,
            ..before.clone()
        };
        after.rewrite(before, &record.secrets, salt);
        after.settle(before, shown.as_ref(), &record.sent);
        if let Some(shown) = shown {
            let hidden = after.settings.keys();
            let hidden = hidden.filter(|name| !shown.contains_key(name)).cloned();
            after.unseen.extend(hidden.collect::<Vec<_>>());
        }
        after
    }

    /// What is remembered under another name. Nothing was ever written there, so `apply` looks before it relies on it.
    pub(super) fn renamed(self) -> Self {
        Self {
            asserted: None,
            claimed: true,
            run: Run::default(),
            ..self
        }
    }

    /// What the service may hold, attribute by attribute, by what it shows by now or confirmed to hold.
    fn settle(&mut self, before: &Self, shown: Option<&StoredSettings>, sent: &StoredSettings) {
        let seen = shown.into_iter().flatten().map(|(name, _)| name);
        let seen = seen.filter(|name| is_settable(name));
        if shown.is_some() || !sent.is_empty() {
            self.unconfirmed.remove(ARCHIVE);
        }
        let known = before.names().chain(sent.keys()).chain(seen);
        let mut names: Vec<WireName> = known.copied().filter(|name| *name != ARCHIVE).collect();
        // A merge of what is sorted already.
        names.sort();
        names.dedup();
        for name in names {
            let live = shown.and_then(|shown| shown.get(&name));
            let sure = live.or_else(|| sent.get(&name));
            let last = sure.or_else(|| before.last(&name));
            let managed = self.settings.get(&name);
            if let Some(chosen) = before.overridden.get(&name)
                && live.is_none_or(|live| live == chosen)
                && managed.is_some()
                && managed == before.settings.get(&name)
            {
                // Nobody saw otherwise since, and nothing else was asked for.
                let overridden = &mut self.overridden;
                overridden.get_or_insert_with(name, || chosen.clone());
            }
            let is_said = last == managed || last == self.overridden.get(&name);
            match last.filter(|_| !is_said) {
                Some(last) => self.observed.insert(name, last.clone()),
                None => self.observed.remove(&name),
            };
            // A doubt says something only beside what was there before.
            let is_open = sure.is_none() && last.is_some();
            let sent = self.unconfirmed.get(&name).zip(last);
            let is_known = sent.is_some_and(|(sent, last)| sent.is_only(last));
            if !is_open || (managed.is_none() && is_known) {
                self.unconfirmed.remove(&name);
            }
            if live.is_some() {
                self.unseen.remove(&name);
            } else if shown.is_some() && (managed.is_none() || before.may_have_released(&name)) {
                self.unseen.insert(name);
            }
        }
        self.unshown = (self.unshown || shown.is_some()) && !self.unconfirmed.is_empty();
    }

    /// Whether a write that is in doubt did not send it, so that what was declared of it is declared no more.
    pub(super) fn may_have_released(&self, name: &str) -> bool {
        let mut sent = self.unconfirmed.keys();
        let is_sending = self.is_in_doubt() && sent.any(|sent| is_settable(sent));
        is_sending && !self.unconfirmed.contains_key(name)
    }

    /// What the service held last of an attribute, as far as anybody saw or wrote it.
    pub(super) fn last(&self, name: &str) -> Option<&Stored> {
        let all = [&self.observed, &self.overridden, &self.settings];
        all.into_iter().find_map(|values| values.get(name))
    }

    /// Each attribute of which anything is remembered, and some of them more than once.
    fn names(&self) -> impl Iterator<Item = &WireName> {
        let known = self.observed.keys().chain(self.overridden.keys());
        let known = known.chain(self.settings.keys());
        known.chain(self.unconfirmed.keys())
    }

    /// All that the service may hold of each attribute of which anything is remembered, what it held last first.
    pub(crate) fn possible(&self) -> Held {
        let mut possible = Held::new();
        let sent = self.unconfirmed.iter();
        let sent = sent.flat_map(|(name, sent)| sent.values().map(move |value| (name, value)));
        let known = self.observed.iter().chain(&self.overridden);
        for (name, value) in known.chain(&self.settings).chain(sent) {
            let values = possible.get_or_insert_with(*name, Vec::new);
            values.push(value.clone());
        }
        possible
    }

    /// What is asked for, as it was last known to be: that `shown` is without what was out of sight already says nothing of
    /// it.
    pub(crate) fn in_sight(&self, shown: &StoredSettings, is_asked: impl Fn(&str) -> bool) -> Held {
        let may_show = |name: &str| shown.contains_key(name) || !self.unseen.contains(name);
        let names = self.observed.keys().chain(self.overridden.keys());
        let names = names.chain(self.settings.keys());
        let names = names.filter(|name| is_asked(name) && may_show(name));
        let held = names.filter_map(|name| Some((*name, vec![self.last(name)?.clone()])));
        held.collect()
    }
}
