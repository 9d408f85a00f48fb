//! Which changes of a plan that is made now were reviewed: several reviewed plans, taken as all that may be done.
//!
//! A pipeline does not apply each merge by itself: runs are cancelled, and state moves in between. So the plan is made
//! afresh, and each change has to be in one reviewed plan: the same action, all that is sent, and no line or effect
//! that was not shown. What one plan alone does not show is covered by none, also where two show a part of it each:
//! nobody saw what both come to.

use std::collections::BTreeMap;

use super::PlanReport;
use super::plan::{AttributeReport, ChangeReport};
use super::saved::SavedPlan;
use crate::model::{RoomName, Wanted};
use crate::planner::{Change, Plan, State, is_reviewed};

/// The rooms of `plan` that none of the `reviewed` plans covers, and why. `made` is its report.
pub(crate) fn uncovered(
    plan: &Plan,
    made: &PlanReport,
    reviewed: &[SavedPlan],
    wanted: &Wanted,
    state: &State,
) -> BTreeMap<RoomName, &'static str> {
    let reviews: Vec<Review> = reviewed.iter().filter_map(Review::new).collect();
    let made = made.changes.iter().map(|made| (made.room.as_str(), made));
    let made: BTreeMap<&str, &ChangeReport> = made.collect();
    let mut uncovered = BTreeMap::new();
    for change in plan.actionable() {
        let mut why = Some(UNSEEN);
        for review in &reviews {
            let verdict = match made.get(change.room.as_str()) {
                Some(made) => review.covers(change, made, wanted, state),
                None => Err(UNSEEN),
            };
            match verdict {
                Ok(()) => why = None,
                Err(UNSEEN) => {}
                Err(other) => why = why.and(Some(other)),
            }
        }
        uncovered.extend(why.map(|why| (change.room.clone(), why)));
    }
    uncovered
}

/// Why a change is not covered that no review was about.
const UNSEEN: &str = "no reviewed plan has it";

/// A reviewed plan with what its reviewers saw.
struct Review<'a> {
    saved: &'a SavedPlan,
    shown: PlanReport,
}

impl<'a> Review<'a> {
    fn new(saved: &'a SavedPlan) -> Option<Self> {
        let shown = saved.plan()?;
        Some(Self { saved, shown })
    }

    /// Whether it has all of a change, of which `made` is the report; otherwise what it lacks.
    fn covers(
        &self,
        change: &Change,
        made: &ChangeReport,
        wanted: &Wanted,
        state: &State,
    ) -> Result<(), &'static str> {
        let mut saved = self.saved.changes.iter();
        let saved = saved.find(|one| one.room == change.room);
        let mut shown = self.shown.changes.iter();
        let shown = shown.find(|one| one.room == made.room);
        let (Some(saved), Some(shown)) = (saved, shown) else {
            return Err(UNSEEN);
        };
        is_reviewed(saved, change, wanted, state)?;
        let mut effects = made.effects.iter();
        if !effects.all(|effect| shown.effects.contains(effect)) {
            return Err("it would do more to people than was reviewed");
        }
        let has_moved = self.saved.state.serial < state.serial;
        let is_shown = |line: &AttributeReport| {
            let mut lines = shown.attributes.iter();
            let shown = lines.find(|shown| shown.name == line.name);
            shown.is_some_and(|shown| is_alike(line, shown, has_moved))
        };
        // Whether such a secret moved, only a machine with its variables knows; that it is the same text, `is_reviewed` does.
        let file = wanted.get(&change.room);
        let refers =
            |line: &AttributeReport| file.is_some_and(|file| file.reference(&line.name).is_some());
        let mut lines = made.attributes.iter();
        let is_covered = lines.all(|line| refers(line) || is_shown(line));
        let lacks = "it would change more than was reviewed";
        is_covered.then_some(()).ok_or(lacks)
    }
}

/// Whether a line reads as it was reviewed. If the state moved since, the same may be reached from elsewhere.
fn is_alike(line: &AttributeReport, shown: &AttributeReport, has_moved: bool) -> bool {
    let comes_from_there = line.before == shown.before && line.cause == shown.cause;
    let goes_there = line.after == shown.after && line.secret == shown.secret;
    let is_as_seen = line.live == shown.live || line.live.is_null();
    goes_there && is_as_seen && (has_moved || comes_from_there)
}
