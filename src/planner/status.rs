//! How an attribute stands: exactly one of five. Drift, plans, counts and laws read the same.

use super::change::Cause;

/// How one attribute of a room that was read stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Status {
    /// As it was applied, and as it is wanted.
    InSync,
    /// The service moved.
    Drifted,
    /// The file is ahead of what was applied.
    Pending,
    /// The service moved, and a mute accepts it.
    Muted,
    /// Applied as wanted, and the service does not report it: nobody can tell.
    NotVisible,
}

impl Status {
    /// Of who moved it, and whether a mute is about it. A mute accepts what moved on the service, not an edit of the file:
    /// what that newly wants is written all the same.
    pub(crate) fn of(cause: Option<Cause>, is_muted: bool) -> Self {
        match cause {
            None => Self::InSync,
            Some(Cause::Unobservable) => Self::NotVisible,
            Some(Cause::Drift) if is_muted => Self::Muted,
            Some(Cause::Conflict) if is_muted => Self::Pending,
            Some(Cause::Drift | Cause::Conflict) => Self::Drifted,
            Some(_) => Self::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;
    use proptest::sample::{select, subsequence};

    use super::*;
    use crate::model::{RoomName, Stored, StoredSettings, Value};
    use crate::planner::adopt::{Asked, moves};
    use crate::planner::drift::{Evidence, RoomDrift};
    use crate::planner::mutes::Fate;
    use crate::planner::mutes::Mute;
    use crate::planner::seen::Seen;
    use crate::planner::testing::{applied, files, live, live_of, name, options, room_of};
    use crate::planner::{Change, Drift, Options, Sighting, State, Verdict, World, drift, plan};
    use crate::tests::cases;

    const NAMES: [&str; 3] = [
        "maxParticipants",
        "ejectAfterElapsedTimeInSec",
        "endMeetingAfterNoActivityInSec",
    ];

    const UNSAYABLE: i64 = -1;

    /// One attribute from all sides.
    #[derive(Clone, Debug)]
    struct Sides {
        confirmed: Option<i64>,
        sent: BTreeSet<i64>,
        chosen: Option<i64>,
        wanted: Option<i64>,
        live: Option<i64>,
        is_muted: bool,
    }

    fn sides() -> impl Strategy<Value = Sides> {
        let value = || proptest::option::weighted(0.8, 1_i64..4);
        // The service may hold what no file can say.
        let held = || proptest::option::weighted(0.8, select(vec![UNSAYABLE, 1, 2, 3]));
        let sent = subsequence(vec![1_i64, 2, 3], 0..=2);
        (value(), sent, held(), value(), held(), any::<bool>()).prop_map(
            |(confirmed, sent, chosen, wanted, live, is_muted)| Sides {
                confirmed,
                sent: sent.into_iter().collect(),
                chosen: chosen.filter(|chosen| confirmed.is_some_and(|sent| sent != *chosen)),
                wanted,
                live,
                is_muted,
            },
        )
    }

    /// The same said a second time.
    fn expected(sides: &Sides) -> Status {
        let is_ours = sides.live.is_none_or(|live| sides.sent.contains(&live));
        let Some(wanted) = sides.wanted else {
            let is_managed = sides.confirmed.is_some() || (is_ours && !sides.sent.is_empty());
            return if is_managed {
                Status::Pending
            } else {
                Status::InSync
            };
        };
        let Some(live) = sides.live else {
            let settled =
                sides.confirmed == Some(wanted) && sides.sent.iter().all(|s| *s == wanted);
            return if settled {
                Status::NotVisible
            } else {
                Status::Pending
            };
        };
        let before = if is_ours { Some(live) } else { sides.confirmed };
        let is_edited = before != Some(wanted);
        let is_moved = before.is_some_and(|before| before != live) && sides.chosen != Some(live);
        match (is_edited, is_moved && live != wanted) {
            (false, false) => Status::InSync,
            (false, true) if sides.is_muted => Status::Muted,
            (true, true) if !sides.is_muted => Status::Drifted,
            (false, true) => Status::Drifted,
            (true, _) => Status::Pending,
        }
    }

    struct Case {
        wanted: BTreeMap<RoomName, crate::model::WantedRoom>,
        state: State,
        world: World,
        mutes: Vec<Mute>,
    }

    impl Case {
        fn new(all: &BTreeMap<&'static str, Sides>) -> Self {
            let of = |side: fn(&Sides) -> Option<i64>| {
                let plain = ("privacy", Value::from("private"));
                let some = all
                    .iter()
                    .filter_map(|(name, sides)| Some((*name, side(sides)?.into())));
                let settings: Vec<(&'static str, Value)> = some.chain([plain]).collect();
                files(&[("a", &settings)])
            };
            let mut state = applied(&of(|sides| sides.confirmed));
            let room = room_of(&mut state);
            for (name, sides) in all {
                if let Some(chosen) = sides.chosen {
                    room.overridden.insert((*name).into(), chosen.into());
                }
                for sent in &sides.sent {
                    let sending: StoredSettings = [(*name, Stored::from(*sent))].into();
                    let before = std::mem::take(&mut room.unconfirmed);
                    room.unconfirmed = crate::planner::doubts::with(before, &sending);
                }
            }
            let shown = live(&of(|sides| sides.live)["a"].settings);
            let muted = all.iter().filter(|(_, sides)| sides.is_muted);
            Self {
                wanted: of(|sides| sides.wanted),
                state,
                world: [(name("a"), Sighting::Present(shown))].into(),
                mutes: muted
                    .map(|(name, _)| Mute::new("a", name, "known", "2100-01-01").unwrap())
                    .collect(),
            }
        }

        fn drift(&self) -> RoomDrift {
            let drift = drift(
                &Evidence {
                    wanted: &self.wanted,
                    state: &self.state,
                    others: &BTreeMap::new(),
                    mutes: &self.mutes,
                    now: options().now,
                },
                &self.world,
                &BTreeSet::new(),
            );
            drift.rooms.into_iter().next().unwrap()
        }

        /// The change of the room, and what a mute accepts of it.
        fn plan(&self, reassert: bool) -> (Option<Change>, BTreeMap<&'static str, Fate>) {
            let options = Options {
                mutes: &self.mutes,
                reassert,
                ..options()
            };
            let plan = plan(&self.wanted, &self.state, Some(&self.world), &options);
            let change = plan.changes.into_iter().next();
            let muted = match &change {
                Some(change) => change.muted.clone(),
                None => plan.muted.into_values().next().unwrap_or_default(),
            };
            (
                change,
                muted.into_iter().map(|m| (m.name, m.fate)).collect(),
            )
        }
    }

    proptest! {
        #![proptest_config(cases(2000))]

        /// Drift and plan put every attribute into the same one of five.
        #[test]
        fn every_attribute_is_exactly_one(all in proptest::collection::vec(sides(), NAMES.len())) {
            let all: BTreeMap<&'static str, Sides> = NAMES.into_iter().zip(all).collect();
            let case = Case::new(&all);
            let room = case.drift();
            let (change, fates) = case.plan(false);
            for (name, sides) in &all {
                let expected = expected(sides);
                let moved = room.attributes.iter().find(|a| a.name == *name);
                let status = Status::of(moved.map(|a| a.cause), moved.is_some_and(|a| a.muted));
                prop_assert_eq!(status, expected, "drift: {} {:?}", name, sides);
                let planned = change.iter().flat_map(|c| &c.attributes).find(|a| a.name == *name);
                let planned = planned.map(|attribute| attribute.cause);
                let fits = match (planned, fates.get(name)) {
                    (None, Some(Fate::LeftAlone | Fate::NotSendable)) => expected == Status::Muted,
                    (Some(Cause::Drift | Cause::Conflict), None) => expected == Status::Drifted,
                    (Some(Cause::Change | Cause::Conflict), Some(Fate::Edited))
                    | (Some(Cause::Change | Cause::Released), None) => expected == Status::Pending,
                    // What was in doubt is recorded as settled.
                    (Some(Cause::Converged), fate) => {
                        let stays = [Fate::LeftAlone, Fate::NotSendable];
                        expected != Status::Drifted && fate.is_none_or(|fate| stays.contains(fate))
                    }
                    (None, None) => matches!(expected, Status::InSync | Status::NotVisible),
                    // In doubt, and not shown.
                    (Some(Cause::Reassert), None) => {
                        !matches!(expected, Status::Drifted | Status::Muted)
                    }
                    (_, Some(Fate::NotReported)) => {
                        matches!(expected, Status::NotVisible | Status::Pending)
                    }
                    _ => false,
                };
                prop_assert!(fits, "plan: {name} {sides:?} {planned:?} {:?} {expected:?}", fates.get(name));
            }
        }

        /// What is only to be put back moves where drift says that the service moved it, and nowhere else; what no file can say
        /// is never sent.
        #[test]
        fn drift_only_moves_what_drifted(all in proptest::collection::vec(sides(), NAMES.len())) {
            let all: BTreeMap<&'static str, Sides> = NAMES.into_iter().zip(all).collect();
            let case = Case::new(&all);
            let options = Options { mutes: &case.mutes, drift_only: true, ..options() };
            let plan = plan(&case.wanted, &case.state, Some(&case.world), &options);
            let drifted = |sides: &Sides| expected(sides) == Status::Drifted;
            if !all.values().any(drifted) {
                prop_assert!(plan.changes.is_empty() && plan.unreadable.is_empty(), "{plan:?}");
                return Ok(());
            }
            let Some(change) = plan.changes.first() else {
                let is_lost = |s: &Sides| s.live.is_none() && s.sent.iter().any(|sent| Some(*sent) != s.confirmed);
                prop_assert!(all.values().any(is_lost), "{plan:?}");
                return Ok(());
            };
            for (name, sides) in &all {
                let line = change.attributes.iter().find(|line| line.name == *name);
                let is_written = line.is_some_and(|line| line.cause.needs_a_write());
                prop_assert_eq!(is_written, drifted(sides), "{} {:?}", name, sides);
                let sent = change.settings.get(name).cloned();
                if change.muted.iter().any(|one| one.name == *name && one.fate == Fate::LeftAlone) {
                    continue;
                }
                let is_sent = sides.live.is_some_and(|live| sides.sent.contains(&live));
                let is_ours = is_sent || sides.confirmed.is_some();
                let stays = match sides.live {
                    // As in any other write.
                    Some(UNSAYABLE) if !drifted(sides) && sides.wanted.is_none() => None,
                    Some(live) if !drifted(sides) && live != UNSAYABLE => is_ours.then_some(live),
                    _ => sides.confirmed,
                };
                prop_assert_eq!(sent, stays.map(Value::from), "{} {:?}", name, sides);
            }
        }

        /// Where nothing shows that it is the room that a claim is about, nobody says of anything in it how it stands, and
        /// nothing of it is adopted; whatever differs.
        #[test]
        fn what_is_only_claimed_is_taken_for_nothing(
            all in proptest::collection::vec(sides(), NAMES.len()),
            (has_file, drift_only, is_asked) in any::<(bool, bool, bool)>(),
            observed in proptest::option::of(1_i64..4),
        ) {
            let all: BTreeMap<&'static str, Sides> = NAMES.into_iter().zip(all).collect();
            let mut case = Case::new(&all);
            let room = room_of(&mut case.state);
            room.claimed = true;
            room.observed.extend(observed.map(|n| ("numberOfParticipants", Stored::from(n))));
            live_of(&mut case.world).id = None;
            if !has_file {
                case.wanted.clear();
            }
            let room = case.drift();
            prop_assert_eq!(room.verdict, Verdict::Pending);
            prop_assert!(room.attributes.is_empty() && room.undeclared.is_empty(), "{room:?}");
            prop_assert!(room.message.as_ref().is_some_and(|why| why.contains("state forget")), "{room:?}");
            prop_assert!(room.checked.visible == 0 && room.checked.managed > 0, "{room:?}");
            let seen = Seen::default().after(&Drift { rooms: vec![room.clone()], idle: Vec::new() }, &case.state, 1);
            prop_assert!(seen.rooms.is_empty(), "{seen:?}");
            let asked = Asked::from([(name("a"), all.keys().copied().collect())]);
            let (moves, left) = moves(&[room], is_asked.then_some(&asked), &case.world);
            prop_assert!(moves.is_empty() && left.len() == 1, "{moves:?} {left:?}");
            let options = Options { mutes: &case.mutes, drift_only, ..options() };
            let plan = plan(&case.wanted, &case.state, Some(&case.world), &options);
            prop_assert!(plan.changes.iter().all(|change| !change.sends), "{plan:?}");
            prop_assert!(plan.undeclared.is_empty() && plan.unreadable.len() == usize::from(has_file), "{plan:?}");
        }

        /// What is counted as not visible is what stands so, and nothing else.
        #[test]
        fn what_is_not_visible_is_counted(all in proptest::collection::vec(sides(), NAMES.len())) {
            let all: BTreeMap<&'static str, Sides> = NAMES.into_iter().zip(all).collect();
            let checked = Case::new(&all).drift().checked;
            let wanted = 1 + all.values().filter(|sides| sides.wanted.is_some()).count();
            let hidden = all.values().filter(|sides| expected(sides) == Status::NotVisible);
            prop_assert_eq!(checked.managed, wanted as u64);
            prop_assert_eq!(checked.managed - checked.visible, hidden.count() as u64);
        }

        /// Asked to send again, a plan sends every room: one that has to be sent as it would be anyway, any other whole.
        /// What a mute accepts stays.
        #[test]
        fn a_reassertion_sends_what_nothing_else_sends(all in proptest::collection::vec(sides(), NAMES.len())) {
            let all: BTreeMap<&'static str, Sides> = NAMES.into_iter().zip(all).collect();
            let case = Case::new(&all);
            let (change, (again, fates)) = (case.plan(false).0, case.plan(true));
            let is_in_doubt = |change: &Change| change.cause().is_some();
            if change.as_ref().is_some_and(|change| change.sends && !is_in_doubt(change)) {
                prop_assert_eq!(again, change);
                return Ok(());
            }
            let again = again.unwrap();
            prop_assert!(again.sends);
            prop_assert_eq!(&again.settings, &case.wanted["a"].settings);
            let stays = |name: &str| matches!(fates.get(name), Some(Fate::LeftAlone | Fate::NotSendable));
            let sent = again.settings.keys().filter(|name| !stays(name));
            let lines = again.attributes.iter().filter(|line| line.cause == Cause::Reassert);
            let lines: Vec<&str> = lines.map(|line| line.name.as_str()).collect();
            prop_assert_eq!(lines, sent.map(|name| name.as_str()).collect::<Vec<_>>());
        }
    }
}
