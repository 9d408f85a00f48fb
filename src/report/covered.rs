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
pub(crate) fn uncovered<'a>(
    plan: &Plan,
    made: &PlanReport,
    reviewed: impl IntoIterator<Item = &'a SavedPlan>,
    wanted: &Wanted,
    state: &State,
) -> BTreeMap<RoomName, &'static str> {
    let reviews: Vec<Review> = reviewed.into_iter().map(Review::new).collect();
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
            muted: muted.map(|one| (&*one.room, &*one.attributes)).collect(),
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
        let (file, applied) = (wanted.get(&change.room), state.applied(&change.room));
        let salt = state.salt();
        // Why such a secret moves, only a machine with its variables knows; that it is the reviewed text, `is_reviewed` does.
        let refers = |name: &str| file.is_some_and(|file| file.reference(name).is_some());
        let is_shown = |line: &AttributeReport| {
            let mut lines = shown.attributes.iter();
            let shown = lines.find(|shown| shown.name == line.name);
            shown.is_some_and(|shown| is_alike(line, shown, has_moved || refers(&line.name)))
        };
        let is_rotated = |name: &str| file.is_some_and(|file| applied.is_rotated(file, name, salt));
        let mut lines = made.attributes.iter();
        let is_covered = lines.all(|line| is_rotated(&line.name) || is_shown(line));
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
        let is_sent = |one: &MutedReport| change.settings.contains_key(&one.name);
        change.seen.is_none() && stays.any(|one| is_sent(one) && !change.spares(&one.name))
    }
}

/// Whether a line reads as it was reviewed. If the state `has_moved` since, the same may be reached from elsewhere.
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
    use crate::model::reference::Template;
    use crate::model::{Effect, Value};
    use crate::planner::limits::Limits;
    use crate::planner::mutes::Mute;
    use crate::planner::testing::{applied, files, pruning, shown};
    use crate::planner::{
        Gone, Narrowed, Options, Selection, Sighting, World, plan, saved_changes,
    };
    use crate::report::saved::{Mode, Target, Terms};

    const HOOK: &str = "meetingEndedWebhook";

    /// Of which some stand for the same.
    const TEXTS: [&str; 4] = [
        "https://a.example/1",
        "https://a.example/${env:A}",
        "https://b.example/${env:A}",
        "https://a.example/${env:A}${env:B}",
    ];

    /// Few rooms with few values each, so that the same comes up in several trees.
    fn trees() -> impl Strategy<Value = Wanted> {
        let privacy = select(vec!["private", "public"]);
        let people = proptest::option::of(0..3_i64);
        let hook = proptest::option::of((select(&TEXTS[..]), select(vec!["1", "2"])));
        btree_map(select(vec!["a", "b", "c"]), (privacy, people, hook), 0..=3).prop_map(|tree| {
            let rooms = tree.into_iter().map(|(room, (privacy, people, hook))| {
                let people = people.map(|n| ("maxParticipants", Value::from(n)));
                let settings = people.into_iter().chain([("privacy", privacy.into())]);
                let mut one = files(&[(room, &settings.collect::<Vec<_>>())]);
                let (name, mut file) = one.pop_first().unwrap();
                if let Some((text, a)) = hook {
                    let text = Template::parse(text).unwrap();
                    let set = |name: &str| Some(if name == "A" { a } else { "" }.to_owned());
                    file.settings
                        .insert(HOOK.into(), Value::Secret(text.resolve(&set).unwrap()));
                    file.secrets.insert(HOOK, text);
                }
                (name, file)
            });
            rooms.collect()
        })
    }

    /// The same files where no variable is set.
    fn blind(mut files: Wanted) -> Wanted {
        for file in files.values_mut() {
            let unset: Vec<_> = file
                .references()
                .map(|(name, text)| (name, text.variables()))
                .collect();
            let unset = unset.into_iter().map(|(name, variables)| {
                (
                    name,
                    Value::Unset {
                        variables,
                        no_url: false,
                    },
                )
            });
            file.settings.extend(unset.collect::<Vec<_>>());
        }
        files
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
        (before, now): (&Wanted, &Wanted),
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
        // A secret that refers to variables is what is written.
        let settings = |files: &Wanted| {
            let file = blind(files.clone()).remove(room);
            file.map(|file| (file.settings, file.secrets))
        };
        let text = |files: &Wanted| files.get(room)?.reference(HOOK).cloned();
        let is_rotated =
            |line: &Json| line["name"] == HOOK && text(now).is_some() && text(now) == text(before);
        reviews.iter().any(|((_, _, files, _), saved)| {
            let report = serde_json::to_value(&saved.report).unwrap();
            let mut changes = report["changes"].as_array().unwrap().iter();
            let Some(seen) = changes.find(|one| one["room"] == room) else {
                return false;
            };
            let list = |of: &Json, what: &str| of[what].as_array().cloned().unwrap_or_default();
            let (lines, named) = (list(seen, "attributes"), list(seen, "effects"));
            let is_shown = |line: &Json| {
                let is_it = |one: &Json| {
                    ["name", "after", "secret"]
                        .iter()
                        .all(|key| one[key] == line[key])
                };
                is_rotated(line) || lines.iter().any(is_it)
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
        /// effects, one plan showed whole, wherever that was made; and what is not, is told.
        #[test]
        fn nothing_is_done_that_nobody_saw(
            now in made(),
            reviews in vec(made(), 0..4),
            (serial, is_blind) in (0..3_u64, any::<bool>()),
            late in subsequence(Effect::ALL.to_vec(), 0..=2),
            allowed in subsequence(Effect::ALL.to_vec(), 0..=2),
        ) {
            // Some reviews are of these files.
            let reviews = reviews.into_iter().enumerate().map(|(at, (before, seen, files, mutes))| match at % 2 {
                0 => (before, seen, blind(now.2.clone()), mutes),
                _ if is_blind => (before, seen, blind(files), mutes),
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
                let effects = match limits.objections(&change.room, &change.effects, &effects) {
                    None => &effects,
                    // Refused when it was read.
                    Some(_) => &change.effects,
                };
                prop_assert!(was_shown(&reviews, change, &told, effects, (&now.0, &now.2)), "{} {:?}", told, effects);
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
