//! Which changes of a plan that is made now were reviewed: several reviewed plans, taken as all that may be done.
//!
//! A pipeline does not apply each merge by itself: runs are cancelled, and state moves in between. So the plan is made
//! afresh, and each change has to be in one reviewed plan: the same action, all that is sent, and no line or effect
//! that was not shown. What one plan alone does not show is covered by none, also where two show a part of it each:
//! nobody saw what both come to.

use std::collections::BTreeMap;

use super::PlanReport;
use super::plan::{AttributeReport, ChangeReport, MutedReport};
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
    muted: BTreeMap<&'a str, &'a [MutedReport]>,
}

impl<'a> Review<'a> {
    fn new(plan: &'a SavedPlan) -> Self {
        let saved = plan.changes.iter().map(|one| (one.room.as_str(), one));
        let shown = plan.report.changes.iter();
        let muted = plan.report.muted.iter();
        Self {
            plan,
            saved: saved.collect(),
            shown: shown.map(|one| (one.room.as_str(), one)).collect(),
            muted: muted
                .map(|one| (one.room.as_str(), &*one.attributes))
                .collect(),
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
        if self.may_overwrite_what_stays(change) {
            return Err("what a mute was to leave as it is may be overwritten by now");
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

impl Review<'_> {
    /// Whether something is sent as in the file that was shown to stay as it is. A look that finds it moved has a line of it,
    /// or a mute.
    fn may_overwrite_what_stays(&self, change: &Change) -> bool {
        let muted = self.muted.get(change.room.as_str());
        let stays = muted.into_iter().copied().flatten();
        let mut stays = stays.filter(|one| one.fate.stays());
        let is_sent = |one: &MutedReport| change.settings.contains_key(&*one.name);
        change.seen.is_none() && stays.any(|one| is_sent(one) && !change.spares(&one.name))
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
    use std::collections::BTreeSet;

    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;
    use proptest::sample::{select, subsequence};
    use serde_json::Value as Json;

    use super::*;
    use crate::model::{Effect, Value};
    use crate::planner::limits::Limits;
    use crate::planner::mutes::Mute;
    use crate::planner::testing::{applied, files, pruning, shown};
    use crate::planner::{
        Gone, Narrowed, Options, Selection, Sighting, World, plan, saved_changes,
    };
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

    /// What lay there when a plan was made: what was applied, what a look showed if there was one, the files and the mutes.
    type Made = (Wanted, Option<Wanted>, Wanted, Vec<Mute>);

    fn made() -> impl Strategy<Value = Made> {
        let mute = |attribute| Mute::new("*", attribute, "why", "2100-01-01").unwrap();
        let mutes = subsequence(vec!["privacy", "maxParticipants"], 0..=2);
        let mutes = mutes.prop_map(move |names| names.into_iter().map(mute).collect());
        (trees(), proptest::option::of(trees()), trees(), mutes)
    }

    fn plan_of((before, seen, wanted, mutes): &Made, serial: u64) -> (Plan, PlanReport, State) {
        let state = State {
            serial,
            ..applied(before)
        };
        let gone = |name: &RoomName| (name.clone(), Sighting::Absent(Gone::Missing));
        let world = seen.as_ref().map(|seen| {
            let mut world: World = before.keys().chain(wanted.keys()).map(gone).collect();
            world.extend(shown(seen));
            world
        });
        let options = Options { mutes, ..pruning() };
        let plan = plan(wanted, &state, world.as_ref(), &options);
        let report = PlanReport::new(&plan, &BTreeMap::new(), &[], None);
        (plan, report, state)
    }

    /// The plan that was reviewed.
    fn reviewed(made: &Made) -> SavedPlan {
        let (plan, report, state) = plan_of(made, 0);
        let changes = saved_changes(&plan, &made.2, &state, &Limits::default());
        let target = Target {
            address: "https://acme.metered.live".into(),
            location: "state".into(),
        };
        let (mode, terms) = (Mode::default(), Terms::default());
        SavedPlan::new(target, mode, Selection::default(), terms, changes, &report)
    }

    /// A plan that looked nowhere adds a room, which a look finds to be missing, or as a mute accepts it.
    fn is_as_reviewed(seen: &Json, now: &Json) -> bool {
        seen == now || (seen == "add" && (now == "create" || now == "adopt"))
    }

    /// Whether a reader of one of the plans saw all that becomes of a room, with every effect, and of the same file.
    fn was_shown(
        reviews: &[(Made, SavedPlan)],
        made: &Change,
        change: &Json,
        effects: &[Effect],
        now: &Wanted,
    ) -> bool {
        let room = change["room"].as_str().unwrap();
        // What a mute was shown to accept is not overwritten unseen.
        let is_spared = |report: &PlanReport| {
            let muted = report.muted.iter().filter(|one| one.room == room);
            let mut stays = muted
                .flat_map(|one| &one.attributes)
                .filter(|one| one.fate.stays());
            stays.all(|one| {
                let mut now = made.muted.iter();
                made.seen.is_some() || now.any(|now| now.name == one.name && now.fate.stays())
            })
        };
        let settings = |files: &Wanted| files.get(room).map(|file| file.settings.clone());
        reviews.iter().any(|((_, _, files, _), saved)| {
            let report = serde_json::to_value(&saved.report).unwrap();
            let mut changes = report["changes"].as_array().unwrap().iter();
            let Some(seen) = changes.find(|one| one["room"] == room) else {
                return false;
            };
            let list = |of: &Json, what: &str| of[what].as_array().cloned().unwrap_or_default();
            let (lines, named) = (list(seen, "attributes"), list(seen, "effects"));
            let is_shown = |line: &Json| {
                lines
                    .iter()
                    .any(|one| one["name"] == line["name"] && one["after"] == line["after"])
            };
            let is_named = |effect: &Effect| named.contains(&serde_json::to_value(effect).unwrap());
            settings(files) == settings(now)
                && is_as_reviewed(&seen["action"], &change["action"])
                && list(change, "attributes").iter().all(is_shown)
                && effects.iter().all(is_named)
                && is_spared(&saved.report)
        })
    }

    proptest! {
        /// Whatever was reviewed, and whatever a room turns out to hold when it is read: what is written, with each of its
        /// effects, one plan showed whole; and what is not, is told.
        #[test]
        fn nothing_is_done_that_nobody_saw(
            now in made(),
            reviews in vec(made(), 0..4),
            serial in 0..3_u64,
            late in subsequence(Effect::ALL.to_vec(), 0..=2),
            allowed in subsequence(Effect::ALL.to_vec(), 0..=2),
        ) {
            // Some reviews are of these files.
            let reviews = reviews.into_iter().enumerate().map(|(at, (before, seen, files, mutes))| match at % 2 {
                0 => (before, seen, now.2.clone(), mutes),
                _ => (before, seen, files, mutes),
            });
            let reviews: Vec<(Made, SavedPlan)> = reviews.map(|made| { let saved = reviewed(&made); (made, saved) }).collect();
            let saved: Vec<SavedPlan> = reviews.iter().map(|(_, saved)| saved.clone()).collect();
            let (plan, made, state) = plan_of(&now, serial);
            let held = uncovered(&plan, &made, &saved, &now.2, &state);
            let mut narrowed = Narrowed::all(plan.clone());
            narrowed.hold(&held, &pruning());
            let limits = Limits { allowed, only_named: true, ..Limits::default() };
            for change in narrowed.plan.actionable() {
                let told = made.changes.iter().find(|one| one.room == change.room.as_str());
                let told = serde_json::to_value(told.unwrap()).unwrap();
                let effects = [&change.effects[..], &late].concat();
                let effects = match limits.objections(change, &effects) {
                    None => &effects,
                    // Refused when it was read.
                    Some(_) => &change.effects,
                };
                prop_assert!(was_shown(&reviews, change, &told, effects, &now.2), "{} {:?}", told, effects);
            }
            // Each change is done or told, and one that is only told ends the run.
            let told: Vec<&RoomName> = narrowed.stale.iter().map(|one| &one.room).collect();
            let done = narrowed.plan.actionable().map(|change| &change.room);
            let all: BTreeSet<&RoomName> = plan.actionable().map(|change| &change.room).collect();
            prop_assert_eq!(done.chain(told.iter().copied()).collect::<BTreeSet<_>>(), all);
            prop_assert_eq!(narrowed.is_refused(false), !told.is_empty());
            // Another review takes nothing away, and a plan covers itself.
            let own = [saved, vec![reviewed(&now)]].concat();
            prop_assert_eq!(uncovered(&plan, &made, &own, &now.2, &state), BTreeMap::new());
        }
    }
}
