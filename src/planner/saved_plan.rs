//! A saved plan, held against what would be done now.
//!
//! A saved plan is applied later. In between, files, state and service move. Only what is still exactly as in the
//! saved plan may be done.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::change::{Action, AttributeChange, Change, Plan};
use super::limits::Limits;
use super::plan::Options;
use super::receipt::Receipt;
use super::state::State;
use super::world::Sighting;
use crate::model::catalogue::attribute;
use crate::model::value::stored;
use crate::model::{RoomName, Stored, StoredSettings, Wanted, WantedRoom, digest};

/// The identity of one change of a saved plan. Holds no value of any attribute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct SavedChange {
    /// The room.
    pub room: RoomName,
    /// What is done to it.
    pub action: Action,
    /// Digest over what was shown: room, action, all that would be sent, what was applied, and what the service
    /// showed of it. A secret that refers to variables counts by its reference: reviewers see no more of it,
    /// and where the plan is made the variables need not be set.
    pub digest: String,
    /// Digest over all that would be sent.
    pub wanted: String,
    /// Whether the room was applied before.
    pub is_managed: bool,
    /// When a write of it had last been confirmed, in Unix seconds, if it is sent again and nothing else: once another is,
    /// that is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i64")]
    pub asserted: Option<i64>,
    /// How many requests it takes.
    pub requests: u64,
    /// The variables that it needs, by name.
    pub needs: BTreeSet<String>,
}

/// A change that is no longer as in the saved plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stale {
    pub room: RoomName,
    /// What was to be done to it.
    pub action: Action,
    /// Why it is not done.
    pub why: &'static str,
    /// What would be done now, if anything.
    pub now: Option<Change>,
}

/// A plan made now, held against a saved plan.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Narrowed {
    /// What is still as in the saved plan.
    pub plan: Plan,
    /// What is in the saved plan and no longer the same, by room; of a plan that is made afresh, what no review covers.
    pub stale: Vec<Stale>,
    /// Whether the plan is made afresh and held against several reviewed ones.
    pub afresh: bool,
    /// What is in the saved plan and has been applied since.
    pub done: Vec<RoomName>,
    /// What is in `plan` only to be recorded, and as far as it is not seen to be sent again: a write that was never
    /// answered has arrived.
    pub arrived: BTreeSet<RoomName>,
    /// What is in the saved plan and cannot be judged here, since variables are not set.
    pub unset: Vec<Receipt>,
    /// What would be done now, and is not in the saved plan.
    pub others: Vec<RoomName>,
}

impl Narrowed {
    /// All of a plan that need not be in a saved one.
    pub(crate) fn all(plan: Plan) -> Self {
        Self {
            plan,
            stale: Vec::new(),
            afresh: false,
            done: Vec::new(),
            arrived: BTreeSet::new(),
            unset: Vec::new(),
            others: Vec::new(),
        }
    }

    /// Holds back the changes to these rooms, each for its reason.
    pub(crate) fn hold(&mut self, why: &BTreeMap<RoomName, &'static str>, options: &Options<'_>) {
        self.afresh = true;
        let changes = std::mem::take(&mut self.plan.changes);
        for change in changes {
            match why.get(&change.room) {
                None => self.plan.changes.push(change),
                Some(why) => self.stale.push(Stale {
                    room: change.room.clone(),
                    action: change.action,
                    why,
                    now: Some(change),
                }),
            }
        }
        self.plan.forecast = options.forecast(&self.plan.changes);
    }

    /// Counts only what is sent here: a room of which a variable is not set, is not.
    pub(crate) fn forecast_here(&mut self, options: &Options<'_>) {
        let changes = self.plan.changes.iter();
        self.plan.forecast = options.forecast(changes.filter(|one| one.unset().next().is_none()));
    }

    /// Whether nothing may be done of it: a part is stale, and nobody asked for the rest, or there is none.
    pub(crate) fn is_refused(&self, partial: bool) -> bool {
        !self.stale.is_empty() && (!partial || self.is_empty())
    }

    /// Whether nothing is left to do, nor to look at.
    pub(crate) fn is_empty(&self) -> bool {
        self.plan.is_empty() && self.plan.unreadable.is_empty()
    }
}

/// What of `plan`, which may go as far as `limits`, is saved, in its order.
pub(crate) fn saved_changes(
    plan: &Plan,
    wanted: &Wanted,
    state: &State,
    limits: &Limits,
) -> Vec<SavedChange> {
    let saved = |change: &Change| SavedChange {
        room: change.room.clone(),
        action: change.action,
        digest: shown(change, wanted.get(&change.room), state.salt()),
        wanted: wanted_digest(&change.room, wanted, state),
        is_managed: change.is_managed,
        asserted: change.cause().and(change.asserted),
        requests: change.requests(limits),
        needs: change.needs.clone(),
    };
    plan.actionable().map(saved).collect()
}

/// Takes of `plan`, which was made now, what is still as in the saved plan.
pub(crate) fn narrow(
    saved: &[SavedChange],
    plan: Plan,
    wanted: &Wanted,
    state: &State,
    options: &Options<'_>,
) -> Narrowed {
    let mut changes: BTreeMap<RoomName, Change> = BTreeMap::new();
    for change in plan.changes.into_iter().filter(Change::is_actionable) {
        changes.insert(change.room.clone(), change);
    }
    let unread: BTreeSet<&RoomName> = plan.unreadable.iter().map(|room| &room.room).collect();
    let (mut same, mut done) = (Vec::new(), Vec::new());
    let (mut stale, mut unset) = (Vec::new(), Vec::new());
    let mut arrived = BTreeSet::new();
    for one in saved.iter().filter(|one| !unread.contains(&one.room)) {
        let now = changes.remove(&one.room);
        let (room, action) = (one.room.clone(), one.action);
        match judge(one, now.as_ref(), wanted, state, options) {
            Standing::Same => same.extend(now),
            Standing::Arrived => {
                same.extend(now);
                arrived.insert(room);
            }
            Standing::Done => done.push(room),
            Standing::Unset(receipt) => unset.push(receipt),
            Standing::Stale(why) => stale.push(Stale {
                room,
                action,
                why,
                now,
            }),
        }
    }
    let names: BTreeSet<&RoomName> = saved.iter().map(|one| &one.room).collect();
    let unreadable = plan.unreadable.iter();
    let unreadable = unreadable.filter(|room| names.contains(&room.room));
    let plan = Plan {
        unreadable: unreadable.cloned().collect(),
        forecast: options.forecast(&same),
        changes: same,
        muted: BTreeMap::new(),
        undeclared: BTreeMap::new(),
        ..plan
    };
    Narrowed {
        plan,
        stale,
        afresh: false,
        done,
        arrived,
        unset,
        others: changes.into_keys().collect(),
    }
}

/// Whether a change of a reviewed plan does what `now` would; otherwise how they differ.
///
/// What was applied may be another since: whether the lines of the report show that the same is reached is for the report
/// to judge.
pub(crate) fn is_reviewed(
    saved: &SavedChange,
    now: &Change,
    wanted: &Wanted,
    state: &State,
) -> Result<(), &'static str> {
    let is_resolved = saved.action == Action::Add && now.action.rank() == saved.action.rank();
    if saved.action != now.action && !is_resolved {
        return Err("something else was to be done to it");
    }
    let is_wanted = wanted_digest(&now.room, wanted, state) == saved.wanted;
    let other = "its file is another than the reviewed one";
    is_wanted.then_some(()).ok_or(other)
}

/// How a change of a saved plan stands now.
enum Standing {
    Same,
    Done,
    /// Done, as far as the service shows it, by a run that died before it could be recorded.
    Arrived,
    /// Done, or its secrets moved: without variables that are not set, nobody can say.
    Unset(Receipt),
    Stale(&'static str),
}

fn judge(
    saved: &SavedChange,
    now: Option<&Change>,
    wanted: &Wanted,
    state: &State,
    options: &Options<'_>,
) -> Standing {
    let Some(now) = now else {
        let room = &saved.room;
        let is_done = match saved.action {
            Action::Archive => !state.rooms.contains_key(room) && !wanted.contains_key(room),
            _ => wanted_digest(room, wanted, state) == saved.wanted,
        };
        return match is_done {
            true => done(saved, wanted, options),
            false => Standing::Stale("its file moved, and there is nothing left to do"),
        };
    };
    let is_wanted = wanted_digest(&now.room, wanted, state) == saved.wanted;
    if is_wanted && now.cause().is_some() && now.asserted != saved.asserted {
        return done(saved, wanted, options);
    }
    let is_same = is_wanted && now.action == saved.action;
    if is_same && shown(now, wanted.get(&now.room), state.salt()) == saved.digest {
        return Standing::Same;
    }
    if is_wanted && has_arrived(saved, now, state) {
        return Standing::Arrived;
    }
    Standing::Stale(if now.action != saved.action {
        "something else would be done to it now"
    } else if is_wanted {
        "what it would change has moved since: the state, a mute, or the room on the service"
    } else {
        "its file has moved since"
    })
}

/// A change after which nothing is left to do.
fn done(saved: &SavedChange, wanted: &Wanted, options: &Options<'_>) -> Standing {
    let settings = wanted.get(&saved.room).into_iter();
    let values = settings.flat_map(|room| room.settings.iter());
    let unset: Vec<_> = values.filter(|(_, value)| value.is_unset()).collect();
    if unset.is_empty() || options.drift_only {
        return Standing::Done;
    }
    let unset = unset
        .into_iter()
        .map(|(name, value)| (name.as_str(), value));
    Standing::Unset(Receipt::unset(&saved.room, saved.action, unset))
}

/// Whether what was to be done to a room is what was found there, though nobody confirmed it: it is archived, or all that
/// is seen of it is as it was sent. What is not seen is sent again.
fn has_arrived(saved: &SavedChange, now: &Change, state: &State) -> bool {
    if now.action == Action::Archive {
        let is_gone = matches!(now.seen, Some(Sighting::Absent(_)));
        return is_gone && saved.action == Action::Archive;
    }
    let unconfirmed = &state.applied(&now.room).unconfirmed;
    let was_sent = |line: &AttributeChange| {
        let (sent, after) = (unconfirmed.get(&line.name), line.after.as_ref());
        let is_among = sent
            .zip(after)
            .is_some_and(|(sent, after)| sent.contains(after));
        is_among && line.live.is_none()
    };
    let is_seen = matches!(now.seen, Some(Sighting::Present(_)));
    let mut open = now.attributes.iter();
    let is_settled = open.all(|line| !line.cause.needs_a_write() || (is_seen && was_sent(line)));
    let is_it = now.action == saved.action
        || (saved.action, now.action) == (Action::Create, Action::Adopt)
        || !now.sends;
    !unconfirmed.is_empty() && is_settled && is_it
}

/// Digest over what a reviewer saw of a change.
fn shown(change: &Change, room: Option<&WantedRoom>, salt: &str) -> String {
    // Whether a referenced secret is in the list depends on the variables of the machine.
    let by_reference = |attribute: &&AttributeChange| {
        room.is_some_and(|room| room.reference(&attribute.name).is_some())
    };
    let attributes: Vec<_> = change
        .attributes
        .iter()
        .filter(|attribute| !by_reference(attribute))
        .map(|a| (&a.name, other_before(a), &a.live, a.cause))
        .collect();
    let shown = digest::of(&(&change.digest, attributes));
    match &change.seen {
        // All of it goes, not only what somebody manages.
        Some(Sighting::Present(live)) if change.action == Action::Archive => {
            let mut gone = live.stored(salt);
            gone.retain(|name, _| attribute(name).is_some());
            digest::of(&(shown, gone))
        }
        _ => shown,
    }
}

/// The value before, and whether it was sent without an answer, if it is another than the one after: that the latter may
/// have been sent already makes no other change.
fn other_before(attribute: &AttributeChange) -> Option<(&Stored, bool)> {
    let before = attribute.before.as_ref()?;
    (attribute.after.as_ref() != Some(before)).then_some((before, attribute.unconfirmed))
}

/// Digest over all that would be sent to a room.
fn wanted_digest(name: &RoomName, wanted: &Wanted, state: &State) -> String {
    let applied = &state.applied(name).settings;
    let body = wanted.get(name).map_or_else(StoredSettings::new, |file| {
        file.identity(stored(&file.settings, state.salt(), applied))
    });
    digest::of(&(name, body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Value;
    use crate::model::reference::Template;
    use crate::planner::plan;
    use crate::planner::testing::{applied, files, name, pruning, secret, shown as seen_as, unset};

    fn wanted(rooms: &[(&str, i64)]) -> Wanted {
        let settings = |people: i64| [("maxParticipants", Value::from(people))];
        let rooms: Vec<_> = rooms
            .iter()
            .map(|(room, n)| (*room, settings(*n)))
            .collect();
        let rooms: Vec<_> = rooms.iter().map(|(room, s)| (*room, &s[..])).collect();
        files(&rooms)
    }

    fn make(wanted: &Wanted, state: &State) -> Plan {
        plan(wanted, state, None, &pruning())
    }

    fn saved(wanted: &Wanted, state: &State) -> Vec<SavedChange> {
        saved_changes(&make(wanted, state), wanted, state, <&Limits>::default())
    }

    /// What becomes of each: `=` same, `!` stale, `.` done, `+` not in it.
    fn standings(saved: &[SavedChange], wanted: &Wanted, state: &State) -> Vec<String> {
        let narrowed = narrow(saved, make(wanted, state), wanted, state, &pruning());
        let mut standings: Vec<String> = Vec::new();
        standings.extend(
            narrowed
                .plan
                .changes
                .iter()
                .map(|c| format!("= {}", c.room)),
        );
        standings.extend(narrowed.stale.iter().map(|s| format!("! {}", s.room)));
        standings.extend(narrowed.done.iter().map(|room| format!(". {room}")));
        standings.extend(narrowed.others.iter().map(|room| format!("+ {room}")));
        standings
    }

    #[test]
    fn what_has_not_moved_is_the_same() {
        let before = applied(&wanted(&[("a", 1), ("gone", 1)]));
        let files = wanted(&[("a", 2), ("new", 1)]);
        let saved = saved(&files, &before);
        assert_eq!(
            standings(&saved, &files, &before),
            ["= new", "= a", "= gone"]
        );
    }

    #[test]
    fn whatever_moved_is_stale() {
        let before = applied(&wanted(&[("a", 1), ("b", 1), ("c", 1), ("gone", 1)]));
        let saved = saved(&wanted(&[("a", 2), ("b", 2), ("c", 2)]), &before);
        // Another value, back to what was applied, and a file that is there again.
        let files = wanted(&[("a", 3), ("b", 1), ("c", 2), ("gone", 1)]);
        assert_eq!(
            standings(&saved, &files, &before),
            ["= c", "! a", "! b", "! gone"]
        );
        // What was applied moved.
        let other = applied(&wanted(&[("a", 7), ("b", 1), ("c", 1), ("gone", 1)]));
        let files = wanted(&[("a", 2), ("b", 2), ("c", 2)]);
        assert_eq!(
            standings(&saved, &files, &other),
            ["= b", "= c", "= gone", "! a"]
        );
        // The room is not there any more, as far as the state knows.
        let other = applied(&wanted(&[("b", 1), ("c", 1), ("gone", 1)]));
        assert_eq!(
            standings(&saved, &files, &other),
            ["= b", "= c", "= gone", "! a"]
        );
    }

    #[test]
    fn what_is_applied_already_is_done_and_the_rest_is_left_alone() {
        let before = applied(&wanted(&[("a", 1), ("gone", 1)]));
        let mut files = wanted(&[("a", 2)]);
        let saved = saved(&files, &before);
        files.extend(wanted(&[("later", 1)]));
        let after = applied(&wanted(&[("a", 2)]));
        assert_eq!(
            standings(&saved, &files, &after),
            [". a", ". gone", "+ later"]
        );
    }

    #[test]
    fn what_is_archived_is_what_was_seen() {
        let (state, none) = (applied(&wanted(&[("a", 5)])), Wanted::new());
        let seen = |people: i64| {
            plan(
                &none,
                &state,
                Some(&seen_as(&wanted(&[("a", people)]))),
                &pruning(),
            )
        };
        let saved = saved_changes(&seen(5), &none, &state, <&Limits>::default());
        let stale = |now: i64| {
            narrow(&saved, seen(now), &none, &state, &pruning())
                .stale
                .len()
        };
        assert_eq!((stale(5), stale(700)), (0, 1));
    }

    #[test]
    fn a_reference_counts_as_it_is_written() {
        let file = |value: Value, written: &str| -> Wanted {
            let room = WantedRoom {
                settings: [("rtmpOutURL", value)].into(),
                secrets: [("rtmpOutURL", Template::parse(written).unwrap())].into(),
                ..WantedRoom::default()
            };
            [(name("a"), room)].into()
        };
        let fresh = State::fresh("acme");
        let saved = saved(&file(unset(), "${env:KEY}"), &fresh);
        let now = file(secret("key"), "${env:KEY}");
        assert_eq!(standings(&saved, &now, &fresh), ["= a"]);
        // The first run gives the state its lineage.
        assert_eq!(standings(&saved, &now, &applied(&now)), [". a"]);
        let other = file(secret("key"), "${env:OTHER}");
        assert_eq!(standings(&saved, &other, &fresh), ["! a"]);
        let text = format!("{saved:?}{}", serde_json::to_string(&saved).unwrap());
        assert!(!text.contains("canary"));
    }
}
