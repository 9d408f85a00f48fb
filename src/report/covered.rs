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
use crate::planner::{Change, Plan, SavedChange, State, is_reviewed};

/// The rooms of `plan` that none of the `reviewed` plans covers, and why. `made` is its report.
pub(crate) fn uncovered(
    plan: &Plan,
    made: &PlanReport,
    reviewed: &[SavedPlan],
    wanted: &Wanted,
    state: &State,
) -> BTreeMap<RoomName, &'static str> {
    let reviews: Vec<Review> = reviewed.iter().map(Review::new).collect();
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

/// A reviewed plan with what its reviewers saw, by room.
struct Review<'a> {
    plan: &'a SavedPlan,
    saved: BTreeMap<&'a str, &'a SavedChange>,
    shown: BTreeMap<&'a str, &'a ChangeReport>,
}

impl<'a> Review<'a> {
    fn new(plan: &'a SavedPlan) -> Self {
        let saved = plan.changes.iter().map(|one| (one.room.as_str(), one));
        let shown = plan.report.changes.iter();
        Self {
            plan,
            saved: saved.collect(),
            shown: shown.map(|one| (one.room.as_str(), one)).collect(),
        }
    }

    /// Whether it has all of a change, of which `made` is the report; otherwise what it lacks.
    fn covers(
        &self,
        change: &Change,
        made: &ChangeReport,
        wanted: &Wanted,
        state: &State,
    ) -> Result<(), &'static str> {
        let saved = self.saved.get(change.room.as_str());
        let (Some(saved), Some(shown)) = (saved, self.shown.get(made.room.as_str())) else {
            return Err(UNSEEN);
        };
        is_reviewed(saved, change, wanted, state)?;
        let mut effects = made.effects.iter();
        if !effects.all(|effect| shown.effects.contains(effect)) {
            return Err("it would do more to people than was reviewed");
        }
        let has_moved = self.plan.state.serial < state.serial;
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

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;
    use proptest::sample::select;
    use serde_json::Value as Json;

    use super::*;
    use crate::model::Value;
    use crate::planner::limits::Limits;
    use crate::planner::testing::{applied, files, pruning};
    use crate::planner::{Selection, plan, saved_changes};
    use crate::report::saved::{Mode, Target, Terms};

    /// Few rooms with few values each, so that the same comes up in several trees.
    fn trees() -> impl Strategy<Value = Wanted> {
        let privacy = select(vec!["private", "public"]);
        let people = proptest::option::of(0..3_i64);
        btree_map(select(vec!["a", "b", "c"]), (privacy, people), 0..=3).prop_map(|tree| {
            let rooms = tree.into_iter().map(|(room, (privacy, people))| {
                let people = people.map(|n| ("maxParticipants", Value::from(n)));
                let settings = people.into_iter().chain([("privacy", privacy.into())]);
                (room, settings.collect::<Vec<_>>())
            });
            let rooms: Vec<_> = rooms.collect();
            let rooms: Vec<_> = rooms.iter().map(|(room, said)| (*room, &**said)).collect();
            files(&rooms)
        })
    }

    /// The plan that was reviewed of these files, over rooms that were applied as `before`.
    fn reviewed(before: &Wanted, wanted: &Wanted) -> SavedPlan {
        let state = applied(before);
        let plan = plan(wanted, &state, None, &pruning());
        let report = PlanReport::new(&plan, &BTreeMap::new(), &[], None);
        let changes = saved_changes(&plan, wanted, &state, &Limits::default());
        let target = Target {
            address: "https://acme.metered.live".into(),
            location: "state".into(),
        };
        let (mode, terms) = (Mode::default(), Terms::default());
        SavedPlan::new(target, mode, Selection::default(), terms, changes, &report)
    }

    /// Whether a reader of one of the plans saw that the room gets this.
    fn was_shown(
        plans: &[(Wanted, SavedPlan)],
        room: &RoomName,
        line: &Json,
        now: &Wanted,
    ) -> bool {
        plans.iter().any(|(files, saved)| {
            let settings = |files: &Wanted| files.get(room).map(|file| file.settings.clone());
            let report = serde_json::to_value(&saved.report).unwrap();
            let changes = report["changes"].as_array().unwrap();
            let change = changes.iter().find(|one| one["room"] == room.as_str());
            let lines = change.map(|one| one["attributes"].as_array().unwrap().clone());
            let has = |lines: Vec<Json>| {
                let mut lines = lines.iter();
                line.is_null()
                    || lines.any(|one| one["name"] == line["name"] && one["after"] == line["after"])
            };
            settings(files) == settings(now) && lines.is_some_and(has)
        })
    }

    proptest! {
        #[test]
        fn nothing_is_done_that_nobody_saw(
            (before, now) in (trees(), trees()),
            reviews in vec((trees(), trees()), 0..4),
            serial in 0..3_u64,
        ) {
            let plans: Vec<(Wanted, SavedPlan)> = reviews
                .into_iter()
                .map(|(before, files)| (files.clone(), reviewed(&before, &files)))
                .collect();
            let mut state = applied(&before);
            state.serial += serial;
            let plan = plan(&now, &state, None, &pruning());
            let made = PlanReport::new(&plan, &BTreeMap::new(), &[], None);
            let saved: Vec<SavedPlan> = plans.iter().map(|(_, saved)| saved.clone()).collect();
            let held = uncovered(&plan, &made, &saved, &now, &state);
            for change in made.changes.iter().filter(|one| !held.contains_key(one.room.as_str())) {
                let change = serde_json::to_value(change).unwrap();
                let room = RoomName::try_from(change["room"].as_str().unwrap().to_owned()).unwrap();
                for line in change["attributes"].as_array().unwrap().iter().chain([&Json::Null]) {
                    prop_assert!(was_shown(&plans, &room, line, &now), "{line}");
                }
            }
            // Another review takes nothing away, and a plan covers itself.
            let own = [saved, vec![reviewed(&before, &now)]].concat();
            prop_assert_eq!(uncovered(&plan, &made, &own, &now, &state), BTreeMap::new());
        }
    }
}
