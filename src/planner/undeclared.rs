//! Attributes that no file declares: never written and never compared, only reported when they move.

use std::collections::{BTreeMap, BTreeSet};

use super::doubts::Doubts;
use super::state::{AppliedRoom, Override, State};
use crate::model::catalogue::attribute;
use crate::model::effect::{Held, effects};
use crate::model::{Effect, RoomName, Stored, StoredSettings, WantedRoom, WireName};

/// An attribute that nobody declared and that moved since it was last seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Undeclared {
    pub name: String,
    /// What the service reported then.
    pub before: Stored,
    /// What it reports now; null also stands for nothing.
    pub live: Stored,
    /// Whether an earlier write of ours may have moved it, of which no report told the end.
    pub perhaps_ours: bool,
}

/// What a run learned of a room that no receipt reports.
#[derive(Debug)]
pub(crate) struct Learned {
    /// Attributes that no file declares and that moved.
    pub moved: Vec<Undeclared>,
    /// What the service chose over what was sent.
    pub overridden: Vec<Override>,
    /// What such a write may have done to people by that, and by what the service chose.
    pub effects: Vec<Effect>,
}

/// Whether a file could declare it.
pub(crate) fn is_settable(name: &str) -> bool {
    name != "roomName" && attribute(name).is_some()
}

/// What of `known` the service shows otherwise by now, or no longer, by name.
pub(crate) fn differing(known: Held, shown: &StoredSettings) -> Vec<Undeclared> {
    let moved = known.into_iter().filter_map(|(name, mut values)| {
        let live = shown.get(&name).cloned().unwrap_or(Stored::Null(()));
        (!values.contains(&live)).then(|| Undeclared {
            before: values.swap_remove(0),
            live,
            name: name.into(),
            perhaps_ours: false,
        })
    });
    moved.collect()
}

/// What it may do to people that `moved` is so by now, of which only some `is_shown`: the rest may be off, or as it was.
pub(crate) fn effects_beside(
    may_hold: &Held,
    moved: StoredSettings,
    is_shown: impl Fn(&str) -> bool,
    now: i64,
) -> Vec<Effect> {
    let mut sure = moved.clone();
    sure.retain(|name, _| is_shown(name));
    let both = [moved, sure].map(|moved| effects(may_hold, &moved, now));
    let both: BTreeSet<Effect> = both.into_iter().flatten().collect();
    both.into_iter().collect()
}

/// Attributes that are not declared, and are not what the service reported of them when it was last seen. What was applied
/// counts as declared: of that, how it stands is said anyway.
pub(super) fn moved(
    wanted: Option<&WantedRoom>,
    applied: &AppliedRoom,
    live: &StoredSettings,
) -> Vec<Undeclared> {
    let moved = applied.observed.iter().filter(|(name, seen)| {
        let now = live.get(name);
        let may_show = now.is_some() || !applied.unseen.contains(*name);
        // As it was seen, as nearly all are, it is not even copied.
        now != Some(seen) && may_show && !applied.settings.contains_key(name)
    });
    let is_wanted = |name: &str| wanted.is_some_and(|file| file.settings.contains_key(name));
    // What was sent without an answer arrived: it counts as applied, and what becomes of it is said.
    let has_arrived = |name: &str| {
        let sent = applied.unconfirmed.get(name).zip(live.get(name));
        sent.is_some_and(|(sent, live)| sent.contains(live))
    };
    let moved = moved.filter(|(name, _)| !is_wanted(name) && !has_arrived(name));
    let moved = moved.map(|(name, seen)| (*name, vec![seen.clone()]));
    let mut moved = differing(moved.collect(), live);
    for one in &mut moved {
        one.perhaps_ours = applied.is_in_doubt();
    }
    moved
}

/// What a run learned that left `after`: it is remembered so from then on, and not reported again. `saved` is what was
/// remembered when a report was last made, and `before` what was when writes in doubt began.
pub(crate) fn learned(
    (saved, before): (&State, &State),
    after: &State,
    now: i64,
) -> BTreeMap<RoomName, Learned> {
    let rooms = before.rooms.iter().filter_map(|(name, before)| {
        let after = after.rooms.get(name)?;
        let saved = saved.applied(name);
        // Of one that is only claimed nobody knows; its id proves it.
        let is_proven = before.id.is_some() && before.id == after.id;
        if after.claimed || (before.claimed && !is_proven) {
            return None;
        }
        let learned = Learned::of((saved, before), after, now);
        (!learned.moved.is_empty() || learned.is_made()).then(|| (name.clone(), learned))
    });
    rooms.collect()
}

impl Learned {
    /// Whether a write of ours made it, or may have.
    pub(crate) fn is_made(&self) -> bool {
        !self.overridden.is_empty() || !self.effects.is_empty()
    }

    fn of((saved, before): (&AppliedRoom, &AppliedRoom), after: &AppliedRoom, now: i64) -> Self {
        let (doubts, is_in_doubt) = (&before.unconfirmed, before.is_in_doubt());
        // Of another room nothing moved.
        let [saved, before] = [saved, before].map(|known| {
            let is_another = known.id.is_some() && after.id != known.id;
            if is_another {
                AppliedRoom::never()
            } else {
                known
            }
        });
        let mut moved = moved_until(after, before);
        for one in &mut moved {
            one.perhaps_ours = is_in_doubt;
        }
        if !std::ptr::eq(saved, before) {
            let theirs = moved_until(after, saved);
            let is_new = |one: &Undeclared| !moved.iter().any(|known| known.name == one.name);
            let theirs: Vec<Undeclared> = theirs.into_iter().filter(is_new).collect();
            moved.extend(theirs);
        }
        let effects = match is_in_doubt {
            true => effects_of_doubts(doubts, &moved, before, after, now),
            false => Vec::new(),
        };
        let chosen = after.overridden.iter();
        let chosen = chosen.filter(|(name, got)| saved.overridden.get(name) != Some(got));
        let overridden = chosen.filter_map(|(name, got)| {
            Some(Override {
                name: name.to_string(),
                sent: after.settings.get(name)?.clone(),
                got: got.clone(),
            })
        });
        Self {
            moved,
            overridden: overridden.collect(),
            effects,
        }
    }
}

/// What was otherwise `before`, and is told by nothing else: of what was declared by then and still is, how it stands is said
/// anyway, but for what was sent as it was there. Whatever the file says by now.
fn moved_until(after: &AppliedRoom, before: &AppliedRoom) -> Vec<Undeclared> {
    let is_declared = |name: &str| {
        let was_declared = match before.unconfirmed.get(name) {
            Some(sent) => !sent.is_any(),
            None => !before.may_have_released(name) && before.settings.contains_key(name),
        };
        was_declared && after.settings.contains_key(name)
    };
    let seen = after.observed.iter();
    let seen = seen.map(|(name, live)| (name, live.clone()));
    let gone = after.unseen.difference(&before.unseen);
    let gone = gone.map(|name| (name, Stored::Null(())));
    let all: BTreeMap<&WireName, Stored> = seen.chain(gone).collect();
    let moved = all.into_iter().filter_map(|(name, live)| {
        let before = before.last(name).filter(|before| **before != live)?;
        (!is_declared(name)).then(|| Undeclared {
            name: name.to_string(),
            before: before.clone(),
            live,
            perhaps_ours: false,
        })
    });
    moved.collect()
}

/// What writes in doubt may have done to people that led from `before` to `after`: by what `moved`, and by what the service
/// chose.
fn effects_of_doubts(
    doubts: &Doubts,
    moved: &[Undeclared],
    before: &AppliedRoom,
    after: &AppliedRoom,
    now: i64,
) -> Vec<Effect> {
    let mut may_hold = before.possible();
    for (name, sent) in &after.settings {
        // Of what was out of sight or is new, what was sent is all that is known.
        if before.unseen.contains(name) || !may_hold.contains_key(name) {
            may_hold.insert(*name, vec![sent.clone()]);
        }
    }
    // What was sent was judged then.
    let was_sent = |one: &&Undeclared| {
        let sent = doubts.get(&one.name);
        sent.is_some_and(|sent| sent.contains(&one.live))
    };
    let mut made = after.overridden.clone();
    made.retain(|name, chosen| before.overridden.get(name) != Some(chosen));
    let beside = moved
        .iter()
        .filter(|one| one.perhaps_ours && !was_sent(one));
    made.extend(beside.map(|one| (WireName::from(&one.name), one.live.clone())));
    effects_beside(&may_hold, made, |name| !after.unseen.contains(name), now)
}
