//! The report in a saved plan, held against the one that is made again in the same way: whoever changes a plan can seal it
//! again, so nothing that a reviewer relied on is believed. All of it is compared but for this:
//! - where lines come from, and which guards forbid less than at the base (`--base`): git knows, and only where the plan was made
//! - which run made it: a later one is another
//! - whether a secret that refers to variables moved, as long as its text is the one that was applied: so do the variables
//! - rooms of it that were applied since, or that are not as they were: nothing is done to them
//! - rooms that could not be read: another time they can be
//! - how open all rooms are, once a state was saved since or one of the rooms moved: others count in it
//! - rooms that came later; how many rooms there are besides is compared as long as no state was saved since, and may only
//!   have been less then

use std::collections::{BTreeMap, BTreeSet};

use super::UndeclaredRoom;
use super::plan::{AttributeReport, ChangeReport, MutedRoom, first_line, place};
use super::saved::SavedPlan;
use super::{PlanReport, StateId};
use crate::model::reference::Outline;
use crate::model::secret::MASK;
use crate::model::words::joined;
use crate::model::{Origins, RoomOrigins, Shown, Value, Wanted, WantedRoom, WireName, sum};
use crate::planner::limits::{Limits, refusals_of};
use crate::planner::{Action, AttributeChange, Cause, Narrowed, SavedChange, State};

/// The plan that was made again, of all rooms that it is about, whatever is applied of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Remade<'a> {
    /// The report of all of it.
    pub report: &'a PlanReport,
    /// What of it is in the saved plan, and how that stands.
    pub narrowed: &'a Narrowed,
    /// How far it may go here.
    pub limits: &'a Limits,
    pub wanted: &'a Wanted,
    pub state: &'a State,
    pub origins: &'a Origins,
}

impl SavedPlan {
    /// What it shows first that is not so.
    pub(crate) fn untrue(&self, remade: &Remade<'_>) -> Option<String> {
        let check = Check {
            saved: self,
            shown: &self.report,
            remade,
        };
        let changes = check.changes().or_else(|| check.untrue_besides());
        let totals = || check.untrue_total().map(str::to_owned);
        changes.or_else(totals)
    }
}

struct Check<'a> {
    saved: &'a SavedPlan,
    shown: &'a PlanReport,
    remade: &'a Remade<'a>,
}

impl Check<'_> {
    /// What of a room that is written, or of an orphan, is shown otherwise than it was made.
    fn changes(&self) -> Option<String> {
        let shown = self.shown.changes.iter();
        let shown: BTreeMap<&str, &ChangeReport> = shown.map(|c| (c.room.as_str(), c)).collect();
        let narrowed = self.remade.narrowed;
        let same = narrowed.plan.changes.iter();
        let same = same.filter(|change| !narrowed.arrived.contains(&change.room));
        let same: BTreeMap<&str, _> = same.map(|c| (c.room.as_str(), c)).collect();
        let saved = self.saved.changes.iter();
        let saved: BTreeMap<&str, _> = saved.map(|one| (one.room.as_str(), one)).collect();
        let limits = self.limits();
        let made = self.remade.report.changes.iter();
        let made = made.filter(|c| c.action == Action::Orphan || same.contains_key(&*c.room));
        for made in made {
            let room = made.room.as_str();
            let Some(shown) = shown.get(room) else {
                if self.has_grown() {
                    continue;
                }
                return Some(room.to_owned());
            };
            if let Some(what) = self.difference(shown, made) {
                return Some(format!("{room}: {what}"));
            }
            if let (Some(saved), Some(change)) = (saved.get(room), same.get(room))
                && (saved.requests != change.requests(&limits)
                    || saved.needs != change.needs
                    || saved.is_managed != change.is_managed)
            {
                return Some(format!("{room}: what it takes"));
            }
        }
        self.untrue_again().or_else(|| self.vanished_orphan())
    }

    /// What of a room that is sent again, since its write arrived and not all of that is seen, is shown otherwise: what it
    /// is to hold, and what that does. A room that the plan itself made is one by now that is there, and judged as such.
    fn untrue_again(&self) -> Option<String> {
        let narrowed = self.remade.narrowed;
        let again = narrowed.plan.changes.iter();
        let again = again.filter(|c| c.sends && narrowed.arrived.contains(&c.room));
        for change in again.filter(|change| change.action != Action::Archive) {
            let room = change.room.as_str();
            let shown = self.shown.changes.iter().find(|one| one.room == room)?;
            let file = self.remade.wanted.get(room)?;
            let is_so = |line: &AttributeReport| match file.settings.get(line.name.as_str()) {
                Some(Value::Plain(value)) => line.after == value.into(),
                Some(_) => line.after.is_text(MASK) || line.after.is_null(),
                None => line.after.is_null(),
            };
            if let Some(line) = shown.attributes.iter().find(|line| !is_so(line)) {
                return Some(format!("{room}: {}", line.name));
            }
            let is_listed = |name: WireName| shown.attributes.iter().any(|line| line.name == name);
            let mut lines = change.attributes.iter();
            let mut effects = change.effects.iter();
            let is_known = shown.action == Action::Create
                || effects.all(|effect| shown.effects.contains(effect));
            // What was wanted so before, too, is only sent again, as it is not seen of its write; what the write was to
            // change, the plan has to show.
            let confirmed = &self.remade.state.applied(&change.room).settings;
            let is_as_before = |line: &AttributeChange| {
                line.cause == Cause::Reassert && line.after.as_ref() == confirmed.get(&line.name)
            };
            if !is_known || !lines.all(|line| is_as_before(line) || is_listed(line.name)) {
                return Some(format!("{room}: its effects, or its attributes"));
            }
        }
        None
    }

    fn difference(&self, shown: &ChangeReport, made: &ChangeReport) -> Option<String> {
        let nowhere = RoomOrigins::new();
        let room = made.room.as_str();
        let origins = self.remade.origins.get(room).unwrap_or(&nowhere);
        let Remade { wanted, state, .. } = *self.remade;
        let file = wanted.get(room);
        let applied = state.rooms.get(room);
        let is_rotated = |name: &str| {
            let both = file.zip(applied);
            both.is_some_and(|(file, applied)| applied.is_rotated(file, name, state.salt()))
        };
        let made = made_again(made, shown, file, (origins, &is_rotated));
        difference(shown, &made)
    }

    /// A room that is shown as left alone and is no orphan.
    fn vanished_orphan(&self) -> Option<String> {
        let orphans = |report: &PlanReport| -> BTreeSet<String> {
            let changes = report.changes.iter();
            let orphans = changes.filter(|c| c.action == Action::Orphan);
            orphans.map(|c| c.room.clone()).collect()
        };
        let made = orphans(self.remade.report);
        orphans(self.shown).difference(&made).next().cloned()
    }

    /// What is muted, or moved undeclared, otherwise than it is shown.
    fn untrue_besides(&self) -> Option<String> {
        let (shown, made) = (self.shown, self.remade.report);
        let moved = self.moved();
        let is_kept = |room: &str| !moved.contains(room);
        let rooms = |muted: &[MutedRoom]| -> BTreeSet<String> {
            muted.iter().map(|one| one.room.clone()).collect()
        };
        let (then, has_grown) = (rooms(&shown.muted), self.has_grown());
        let counts = |room: &str| is_kept(room) && (!has_grown || then.contains(room));
        let wanted = self.remade.wanted;
        if muted(shown, &counts, wanted) != muted(made, &counts, wanted) {
            return Some("what is muted".to_owned());
        }
        let then: BTreeSet<&str> = shown.undeclared.iter().map(|one| &*one.room).collect();
        let counts =
            |one: &&UndeclaredRoom| is_kept(&one.room) && (!has_grown || then.contains(&*one.room));
        let undeclared = shown.undeclared.iter().filter(counts);
        let differs = !undeclared.eq(made.undeclared.iter().filter(counts));
        differs.then(|| "what moved and no file declares".to_owned())
    }

    /// The rooms that are not as they were, for whatever reason.
    fn moved(&self) -> BTreeSet<&str> {
        let narrowed = self.remade.narrowed;
        let moved = narrowed.done.iter().chain(&narrowed.arrived);
        let moved = moved.chain(&narrowed.others);
        let moved = moved.chain(narrowed.stale.iter().map(|one| &one.room));
        let moved = moved.chain(narrowed.unset.iter().map(|one| &one.room));
        let unread = self.remade.report.unreadable.iter();
        let unread = unread.chain(&self.shown.unreadable);
        let moved = moved.map(|room| room.as_str());
        moved.chain(unread.map(|room| room.room.as_str())).collect()
    }

    /// What is wrong about all rooms together, also those without a change.
    fn untrue_total(&self) -> Option<&'static str> {
        let (now, shown) = (&self.remade.report.state, &self.shown.state);
        if shown.serial > now.serial {
            return Some("the serial of the state");
        }
        if !self.may_be(rooms(self.shown), self.rooms_then()) {
            return Some("the number of unchanged rooms");
        }
        let (then, now) = (&self.shown.left_out, &self.remade.report.left_out);
        let mut pairs = then.parts().into_iter().zip(now.parts());
        if !pairs.all(|(then, now)| self.may_be(then, now)) {
            return Some("the rooms that are left out");
        }
        let narrowed = &self.remade.narrowed.plan;
        let is_whole = narrowed.changes.len() == self.saved.changes.len();
        let has_arrived = !self.remade.narrowed.arrived.is_empty();
        if is_whole && !has_arrived && !self.has_grown() && self.shown.posture != narrowed.posture()
        {
            return Some("how open the rooms are");
        }
        self.untrue_guard()
    }

    /// How many rooms there were, as far as they came or went with the changes of a plan.
    fn rooms_then(&self) -> u64 {
        let narrowed = self.remade.narrowed;
        let made = self.remade.report.changes.iter();
        let others: BTreeSet<&str> = narrowed.others.iter().map(|room| room.as_str()).collect();
        let came = made.filter(|c| c.action.rank() == 0 && others.contains(&*c.room));
        let went = self.done().filter(|one| one.action == Action::Archive);
        rooms(self.remade.report) + went.count() as u64 - came.count() as u64
    }

    /// The changes of the plan that are applied already.
    fn done(&self) -> impl Iterator<Item = &SavedChange> {
        let done: BTreeSet<_> = self.remade.narrowed.done.iter().collect();
        let saved = self.saved.changes.iter();
        saved.filter(move |one| done.contains(&one.room))
    }

    /// Whether a number could be what was counted then. Rooms that came since are of no plan that was made before.
    fn may_be(&self, then: u64, now: u64) -> bool {
        then == now || (self.has_grown() && then < now)
    }

    /// Whether a state was saved since.
    fn has_grown(&self) -> bool {
        let StateId { serial, .. } = self.remade.report.state;
        self.shown.state.serial < serial
    }

    /// How far it could go when it was made.
    fn limits(&self) -> Limits {
        let terms = &self.saved.terms;
        Limits {
            max_changes: terms.max_changes,
            allowed: terms.allowed.clone(),
            ..self.remade.limits.clone()
        }
    }

    fn untrue_guard(&self) -> Option<&'static str> {
        let terms = &self.saved.terms;
        let managed = self.remade.narrowed.plan.managed;
        let came = self.done().filter(|one| !one.is_managed).count() as u64;
        let went = self.done().filter(|one| one.action == Action::Archive);
        if !self.may_be(sum([terms.managed, came]), managed + went.count() as u64) {
            return Some("the number of managed rooms");
        }
        let steps = self.saved.changes.iter().zip(&self.shown.changes);
        let steps = steps.map(|(one, shown)| (&one.room, one.is_managed, shown.effects.as_slice()));
        let refusals = refusals_of(&steps.collect::<Vec<_>>(), terms.managed, &self.limits());
        let guard = joined(refusals.iter().map(ToString::to_string), "\n");
        (guard != self.shown.guard).then_some("the guard")
    }
}

/// How many rooms a plan considered.
fn rooms(report: &PlanReport) -> u64 {
    let listed = (report.changes.len() + report.unreadable.len()) as u64;
    sum([report.summary.unchanged, report.summary.pending, listed])
}

/// What of a change is shown otherwise than it was made.
fn difference(shown: &ChangeReport, made: &ChangeReport) -> Option<String> {
    if shown.file != made.file {
        return Some("its file".to_owned());
    }
    if shown.effects != made.effects {
        return Some("its effects".to_owned());
    }
    let pairs = shown.attributes.iter().zip(&made.attributes);
    if let Some((attribute, _)) = pairs.into_iter().find(|(shown, made)| shown != made) {
        return Some(attribute.name.into());
    }
    (shown != made).then(|| "its place, or its attributes".to_owned())
}

/// What may be seen of a secret that refers to variables.
fn referring(file: Option<&WantedRoom>, attribute: &str) -> Option<Outline> {
    let outline = file?.secrets.get(attribute)?.outline();
    (!outline.variables.is_empty()).then_some(outline)
}

fn is_masked(value: &Shown) -> bool {
    value.is_null() || value.is_text(MASK)
}

/// What becomes of muted attributes of the rooms that count, without whether variables are set.
fn muted(report: &PlanReport, counts: &impl Fn(&str) -> bool, wanted: &Wanted) -> Vec<MutedRoom> {
    let muted = report.muted.iter().filter(|room| counts(&room.room));
    let mut muted: Vec<MutedRoom> = muted.cloned().collect();
    for room in &mut muted {
        let file = wanted.get(room.room.as_str());
        for attribute in &mut room.attributes {
            if referring(file, &attribute.name).is_some() && is_masked(&attribute.wanted) {
                (attribute.wanted, attribute.sensitive) = (Shown::NONE, true);
            }
        }
    }
    muted
}

/// The change `now` as it would be `shown` on the machine of the plan. Only there it was known where lines come from, and
/// whether a secret that refers to variables moved: such lines are taken over if they show nothing that depends on it, and
/// only of one that `is_rotated` at most there may be none.
fn made_again(
    now: &ChangeReport,
    shown: &ChangeReport,
    file: Option<&WantedRoom>,
    (origins, is_rotated): (&RoomOrigins, &dyn Fn(&str) -> bool),
) -> ChangeReport {
    let refers = |attribute: &AttributeReport| {
        let outline = referring(file, &attribute.name);
        outline.is_some() && attribute.secret.as_deref() == outline.as_ref()
    };
    let shows_nothing = |attribute: &&AttributeReport| {
        let values = [&attribute.before, &attribute.after, &attribute.live];
        let (file, line) = place(origins.get(attribute.name.as_str()));
        refers(attribute)
            && attribute.sensitive
            && values.into_iter().all(is_masked)
            && (attribute.file == file && attribute.line == line)
    };
    let taken_over = shown.attributes.iter().filter(shows_nothing);
    let taken_over: BTreeMap<&str, &AttributeReport> =
        taken_over.map(|one| (one.name.as_str(), one)).collect();
    let mut attributes = now.attributes.clone();
    // Another text than the applied one leads elsewhere, so it has to be shown.
    let must_be_shown =
        |one: &AttributeReport| !taken_over.contains_key(&*one.name) && !is_rotated(&one.name);
    attributes.retain(|one| !refers(one) || must_be_shown(one));
    attributes.extend(taken_over.into_values().cloned());
    attributes.sort_by_key(|a| a.name);
    for (attribute, shown) in attributes.iter_mut().zip(&shown.attributes) {
        attribute.explanation = shown.explanation;
        forget_own_write(attribute, shown);
    }
    ChangeReport {
        line: first_line(&attributes, origins),
        attributes,
        explanation: shown.explanation,
        ..now.clone()
    }
}

/// That the plan itself may have written the value by now, it could not show.
fn forget_own_write(attribute: &mut AttributeReport, shown: &AttributeReport) {
    let is_own = attribute.unconfirmed && attribute.before == attribute.after;
    if !is_own || shown.unconfirmed {
        return;
    }
    attribute.unconfirmed = false;
    if attribute.cause != Cause::Reassert {
        attribute.before = Shown::NONE;
    }
}
