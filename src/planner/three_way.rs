//! Who moved: a room and each of its attributes, as the file wants it, as it was applied, and as the service
//! shows it. Plans and drift reports read the same comparison.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::change::{AttributeChange, Cause};
use super::doubts::Sent;
use super::mutes::RoomMutes;
use super::state::AppliedRoom;
use super::status::Status;
use super::undeclared::is_settable;
use crate::model::reference::Template;
use crate::model::{Stored, StoredSettings, WantedRoom};

/// One room from three sides, in the form that is stored and compared.
#[derive(Debug)]
pub(super) struct RoomSides<'a> {
    pub applied: &'a AppliedRoom,
    pub wanted: Cow<'a, StoredSettings>,
    /// Secrets that are wanted from now on and not known here: their variables are not set.
    pub unknown: BTreeSet<&'static str>,
    /// The file that wants it so.
    file: Option<&'a WantedRoom>,
    /// What the service shows. Empty: it was not looked at, or there is no such room.
    pub live: &'a StoredSettings,
    pub mutes: RoomMutes<'a>,
}

impl<'a> RoomSides<'a> {
    /// The sides of a room that is to be as its file says.
    pub(super) fn toward(
        file: &'a WantedRoom,
        applied: &'a AppliedRoom,
        live: &'a StoredSettings,
        salt: &str,
        mutes: RoomMutes<'a>,
    ) -> Self {
        if applied.is_as(file, salt) {
            return Self {
                file: Some(file),
                ..Self::back(applied, live, mutes)
            };
        }
        let wanted = applied.wanted_of(file, salt);
        let names = file.settings.keys().map(|name| name.as_str());
        Self {
            applied,
            unknown: names.filter(|name| !wanted.contains_key(name)).collect(),
            wanted: Cow::Owned(wanted),
            file: Some(file),
            live,
            mutes,
        }
    }

    /// The sides of a room that is to be as it was applied.
    pub(super) fn back(
        applied: &'a AppliedRoom,
        live: &'a StoredSettings,
        mutes: RoomMutes<'a>,
    ) -> Self {
        Self {
            applied,
            wanted: Cow::Borrowed(&applied.settings),
            unknown: BTreeSet::new(),
            file: None,
            live,
            mutes,
        }
    }

    /// Each attribute that anybody knows of, by name.
    pub(super) fn attributes(&self) -> impl Iterator<Item = AttributeSides<'_>> {
        let applied = self.applied;
        let known = self.wanted.keys().chain(applied.settings.keys());
        // What no look showed, and no file wants, was said once.
        let sent = applied.unconfirmed.keys();
        let is_said = |name: &str| {
            let is_seen = self.live.contains_key(name);
            applied.unshown && !is_seen && applied.observed.contains_key(name)
        };
        let sent = sent.filter(|name| is_settable(name) && !is_said(name));
        let names = known
            .chain(sent)
            .map(|name| name.as_str())
            .chain(self.unknown.iter().copied());
        // A merge of what is sorted already.
        let mut names: Vec<&str> = names.collect();
        names.sort();
        names.dedup();
        names.into_iter().map(move |name| AttributeSides {
            name,
            confirmed: applied.settings.get(name),
            overridden: applied.overridden.get(name),
            unconfirmed: applied.unconfirmed.get(name),
            wanted: self.wanted.get(name),
            unknown: self.unknown.contains(name),
            secret: self.file.and_then(|file| file.secrets.get(name)),
            live: self.live.get(name),
            is_muted: self.mutes.of(name).is_some(),
            is_new: !applied.is_confirmed(),
        })
    }

    /// The room when only what the service moved is put back. `is_sendable`: whether what the service shows of an
    /// attribute can be sent again.
    ///
    /// # Errors
    /// With the name of an attribute that nobody can say of how it stands.
    pub(super) fn as_it_stands(
        &self,
        is_sendable: impl Fn(&str) -> bool,
    ) -> Result<Standing, String> {
        let mut standing = Standing::default();
        // What was seen beside counts as released, unless what was sent of it is there.
        let is_beside = |one: &AttributeSides<'_>| {
            let is_managed = one.confirmed.is_some() || one.wanted.is_some() || one.unknown;
            let is_ours = is_managed || one.has_arrived();
            !is_ours && self.applied.observed.contains_key(one.name)
        };
        for sides in self.attributes().filter(|one| !is_beside(one)) {
            let Some(value) = sides.as_it_stands(&is_sendable)? else {
                continue;
            };
            let name = || sides.name.into();
            standing.holds.insert(name(), value.clone());
            if let (Some(applied), _) = sides.applied()
                && applied != value
            {
                standing.keeps.insert(name(), applied.clone());
            }
        }
        Ok(standing)
    }

    /// The attributes that a plan has to do with, by name.
    pub(super) fn changes(&self) -> Vec<AttributeChange> {
        let changes = self.attributes().filter_map(|sides| {
            let cause = sides.cause()?;
            let is_planned = matches!(sides.status(), Status::Drifted | Status::Pending);
            is_planned.then(|| sides.change(cause))
        });
        let mut changes: Vec<AttributeChange> = changes.collect();
        if changes.is_empty() && !self.live.is_empty() {
            // A write that was never answered turns out to have arrived, or not to matter.
            let settled = self.attributes().filter(|one| one.unconfirmed.is_some());
            changes.extend(settled.map(|one| AttributeChange {
                before: one.wanted.cloned(),
                live: None,
                unconfirmed: true,
                ..one.change(Cause::Converged)
            }));
        }
        changes
    }

    /// Whether nobody can say what became of a write, or of an archive: the next one, or a read, ends that.
    pub(super) fn is_in_doubt(&self) -> bool {
        if self.applied.unconfirmed.is_empty() {
            return false;
        }
        let is_perhaps_gone = self.live.is_empty() && self.applied.is_perhaps_archived();
        let mut all = self.attributes();
        is_perhaps_gone || all.any(AttributeSides::is_in_doubt)
    }

    /// The attributes of a room in which nothing has to be sent, and everything is sent again, by name: those of which
    /// nobody can say what became of their write; all if somebody asked for that, or there are none.
    pub(super) fn reassertion(&self, is_asked: bool) -> Vec<AttributeChange> {
        let mut all = self.attributes();
        let is_again = is_asked || !all.any(|one| one.wanted.is_some() && one.is_in_doubt());
        let lines = self.attributes().filter_map(|sides| {
            let cause = match (sides.status(), sides.wanted) {
                (Status::Muted, _) => return None,
                (_, Some(_)) if is_again || sides.is_in_doubt() => Cause::Reassert,
                // Released, if it was managed.
                (Status::Drifted | Status::Pending, _) => sides.cause()?,
                _ => return None,
            };
            Some(sides.change(cause))
        });
        lines.collect()
    }
}

/// A room in which only what the service moved is put back, and everything else stays as it is there.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// What it is to hold.
    pub holds: StoredSettings,
    /// What counts as applied of attributes that stay, where the service holds something else: that is no news, and
    /// remembered as before.
    pub keeps: StoredSettings,
}

/// One attribute from three sides.
#[derive(Clone, Copy, Debug)]
pub(super) struct AttributeSides<'a> {
    pub name: &'a str,
    /// The value that was last confirmed to have been sent; `None`: not managed so far.
    pub confirmed: Option<&'a Stored>,
    /// What the service answered to it, if that was something else.
    pub overridden: Option<&'a Stored>,
    /// What was sent since, without an answer.
    pub unconfirmed: Option<&'a Sent>,
    /// `None`: not managed from now on, or not known.
    pub wanted: Option<&'a Stored>,
    /// Whether it is wanted, and not known.
    pub unknown: bool,
    /// The wanted value as it is written, if it is a secret of a file.
    pub secret: Option<&'a Template>,
    /// `None`: the service does not report it, or was not looked at.
    pub live: Option<&'a Stored>,
    pub is_muted: bool,
    /// Whether nothing of its room was ever confirmed.
    pub is_new: bool,
}

impl<'a> AttributeSides<'a> {
    /// What counts as applied, and whether it was sent without an answer. Such a value counts when the service
    /// shows it. While nobody knows, the value that differs from what is wanted counts.
    pub(super) fn applied(&self) -> (Option<&'a Stored>, bool) {
        let confirmed_differs = self.confirmed.is_some() && self.confirmed != self.wanted;
        match (self.unconfirmed, self.live) {
            (Some(_), Some(live)) if self.has_arrived() => (Some(live), false),
            (Some(sent), None) if !confirmed_differs => (sent.other_than(self.wanted), true),
            _ => (self.confirmed, false),
        }
    }

    /// Who moved; `None`: nobody. An override that still stands is nobody's move: the service chose it when the
    /// value was last sent.
    pub(super) fn cause(&self) -> Option<Cause> {
        let (applied, _) = self.applied();
        let live_moved = self.live != applied && self.overridden != self.live;
        let Some(wanted) = self.wanted else {
            // What is not known here is not what was applied.
            let is_both = live_moved && self.live.is_some() && applied.is_some();
            return match self.unknown {
                true if is_both => Some(Cause::Conflict),
                true => Some(Cause::Change),
                false => applied.map(|_| Cause::Released),
            };
        };
        let Some(live) = self.live else {
            // Whatever the service may hold has to be what is wanted.
            let settled = self.confirmed == Some(wanted)
                && self.unconfirmed.is_none_or(|sent| sent.is_only(wanted));
            return Some(if settled {
                Cause::Unobservable
            } else {
                Cause::Change
            });
        };
        let Some(applied) = applied else {
            // Of a room that nobody remembers, what differs from the file counts as moved where a mute accepts that.
            return Some(if live == wanted {
                Cause::Converged
            } else if self.is_new && self.is_muted {
                Cause::Drift
            } else {
                Cause::Change
            });
        };
        let file_moved = wanted != applied;
        match (file_moved, live_moved) {
            (false, false) => None,
            (false, true) => Some(Cause::Drift),
            (true, _) if live == wanted => Some(Cause::Converged),
            (true, false) => Some(Cause::Change),
            (true, true) => Some(Cause::Conflict),
        }
    }

    fn is_in_doubt(self) -> bool {
        self.unconfirmed.is_some() && self.live.is_none()
    }

    /// Whether what was sent without an answer is there.
    fn has_arrived(&self) -> bool {
        let sent = self.unconfirmed.zip(self.live);
        sent.is_some_and(|(sent, live)| sent.contains(live))
    }

    pub(super) fn status(&self) -> Status {
        Status::of(self.cause(), self.is_muted)
    }

    fn as_it_stands(
        &self,
        is_sendable: impl Fn(&str) -> bool,
    ) -> Result<Option<&'a Stored>, String> {
        let cause = self.cause();
        if cause.is_some_and(Cause::is_a_move_of_the_service) {
            return Ok(self.confirmed);
        }
        let is_ours = self.confirmed.is_some() || self.live == self.applied().0;
        let is_wanted = self.wanted.is_some() || self.unknown;
        // A secret without a value may only be kept from view.
        let is_secret = self.confirmed.is_some_and(Stored::is_secret);
        let is_hidden = |live: &&Stored| is_secret && **live == Stored::Null(());
        match (self.live.filter(|live| !is_hidden(live)), self.unconfirmed) {
            // The service chose what it would refuse: the applied value is sent, as in any other write.
            (Some(live), _)
                if is_wanted && *live != Stored::Null(()) && !is_sendable(self.name) =>
            {
                Ok(self.confirmed)
            }
            (Some(live), _) => Ok(is_ours.then_some(live)),
            (None, Some(sent)) if !self.confirmed.is_some_and(|one| sent.is_only(one)) => {
                Err(self.name.to_owned())
            }
            (None, _) => Ok(self.confirmed),
        }
    }

    fn change(&self, cause: Cause) -> AttributeChange {
        let (before, unconfirmed) = self.applied();
        AttributeChange {
            name: self.name.into(),
            before: before.cloned(),
            after: self.wanted.cloned(),
            live: self.live.cloned(),
            unknown: self.unknown,
            cause,
            unconfirmed,
            outline: self.secret.map(|secret| secret.outline().into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(applied: Option<i64>, wanted: Option<i64>, live: Option<i64>) -> Option<Cause> {
        sides([applied, None, None, wanted, live])
    }

    fn overridden(applied: i64, chosen: i64, wanted: i64, live: i64) -> Option<Cause> {
        sides([Some(applied), Some(chosen), None, Some(wanted), Some(live)])
    }

    /// Of what was confirmed, chosen by the service, sent without an answer, wanted, and shown.
    fn sides(values: [Option<i64>; 5]) -> Option<Cause> {
        let values = values.map(|number| number.map(Stored::from));
        let [confirmed, overridden, sent, wanted, live] = values.each_ref().map(Option::as_ref);
        let unconfirmed = sent.cloned().map(Sent::from);
        let sides = AttributeSides {
            name: "maxParticipants",
            confirmed,
            overridden,
            unconfirmed: unconfirmed.as_ref(),
            wanted,
            unknown: false,
            secret: None,
            live,
            is_muted: false,
            is_new: false,
        };
        sides.cause()
    }

    /// Every combination: applied absent or A, wanted absent, A or B, live absent, A, B or C.
    #[test]
    fn the_whole_table() {
        use Cause::{Change, Conflict, Converged, Drift, Released, Unobservable};
        const A: Option<i64> = Some(1);
        const B: Option<i64> = Some(2);
        const C: Option<i64> = Some(3);
        const O: Option<i64> = None;
        let table = [
            (O, O, O, None),
            (O, O, A, None),
            (O, O, B, None),
            (O, O, C, None),
            (O, A, O, Some(Change)),
            (O, A, A, Some(Converged)),
            (O, A, B, Some(Change)),
            (O, A, C, Some(Change)),
            (O, B, O, Some(Change)),
            (O, B, A, Some(Change)),
            (O, B, B, Some(Converged)),
            (O, B, C, Some(Change)),
            (A, O, O, Some(Released)),
            (A, O, A, Some(Released)),
            (A, O, B, Some(Released)),
            (A, O, C, Some(Released)),
            (A, A, O, Some(Unobservable)),
            (A, A, A, None),
            (A, A, B, Some(Drift)),
            (A, A, C, Some(Drift)),
            (A, B, O, Some(Change)),
            (A, B, A, Some(Change)),
            (A, B, B, Some(Converged)),
            (A, B, C, Some(Conflict)),
        ];
        for (applied, wanted, live, expected) in table {
            let cause = of(applied, wanted, live);
            assert_eq!(cause, expected, "{applied:?} {wanted:?} {live:?}");
        }
    }

    #[test]
    fn an_override_that_stands_is_nobodys_move() {
        use Cause::{Change, Conflict, Converged, Drift};
        let cases = [
            (1, 9, None),
            (1, 1, None),
            (1, 5, Some(Drift)),
            (2, 9, Some(Change)),
            (2, 2, Some(Converged)),
            (2, 5, Some(Conflict)),
        ];
        for (wanted, live, expected) in cases {
            let cause = overridden(1, 9, wanted, live);
            assert_eq!(cause, expected, "{wanted} {live}");
        }
    }

    #[test]
    fn an_unanswered_write_is_settled_by_what_the_service_shows() {
        let cause = |wanted, live| sides([Some(1), None, Some(2), Some(wanted), live]);
        assert_eq!(cause(2, Some(2)), None, "it arrived");
        assert_eq!(cause(2, Some(1)), Some(Cause::Change), "it did not arrive");
        assert_eq!(
            cause(1, Some(2)),
            Some(Cause::Change),
            "it arrived, and the file moved back"
        );
        assert_eq!(
            cause(1, Some(1)),
            None,
            "it did not arrive, and the file moved back"
        );
        assert_eq!(
            cause(2, Some(5)),
            Some(Cause::Conflict),
            "somebody else was faster"
        );
        assert_eq!(cause(1, None), Some(Cause::Change), "nobody knows");
        let unseen = |sent| sides([Some(1), None, Some(sent), Some(1), None]);
        assert_eq!(
            unseen(1),
            Some(Cause::Unobservable),
            "it was the same, arrived or not"
        );
        let new = sides([None, None, Some(1), Some(1), None]);
        assert_eq!(new, Some(Cause::Change), "nobody knows");
    }

    proptest! {
        /// Names of values do not matter, only which are the same.
        #[test]
        fn only_sameness_counts(
            sides in (proptest::option::of(0_i64..3), proptest::option::of(0_i64..3), proptest::option::of(0_i64..3)),
            shift in 1_i64..1000,
        ) {
            let (a, w, l) = sides;
            let moved = |n: Option<i64>| n.map(|n| n * 7 + shift);
            prop_assert_eq!(of(a, w, l), of(moved(a), moved(w), moved(l)));
        }

        /// Recording what was wanted settles everything that the service shows as wanted.
        #[test]
        fn what_was_applied_and_is_shown_is_in_sync(wanted in 0_i64..5) {
            prop_assert_eq!(of(Some(wanted), Some(wanted), Some(wanted)), None);
        }

        /// A drift is reported whatever the service moved to, as long as it moved.
        #[test]
        fn drift_is_a_move_of_the_service_alone(applied in 0_i64..5, live in 0_i64..5) {
            let cause = of(Some(applied), Some(applied), Some(live));
            prop_assert_eq!(cause == Some(Cause::Drift), applied != live);
        }
    }
}
