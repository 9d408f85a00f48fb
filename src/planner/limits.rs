//! Plans that go too far refuse themselves: too many rooms at once, or an effect that somebody has to allow.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::change::{Action, Cause, Change, Plan};
use super::world::Sighting;
use crate::model::effect::{Held, effects};
use crate::model::sum::share;
use crate::model::words::count;
use crate::model::{Effect, Globs, RoomName, StoredSettings};

/// Below so many managed rooms a share says nothing: one room of three is a third.
pub(crate) const FLOOR: u64 = 10;

/// Largest share of the managed rooms that may be archived at once, in percent.
pub(crate) const MAX_ARCHIVED: u64 = 10;

/// Largest share of the managed rooms that may be updated at once, in percent.
pub(crate) const MAX_UPDATED: u64 = 30;

/// What the user allows instead: a number of rooms, or a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) enum MaxChanges {
    Rooms(u64),
    /// So many percent of the managed rooms.
    Percent(u64),
}

impl MaxChanges {
    fn is_less_than(self, rooms: u64, managed: u64) -> bool {
        match self {
            Self::Rooms(allowed) => rooms > allowed,
            Self::Percent(percent) => share(rooms, percent, managed).is_gt(),
        }
    }
}

impl From<MaxChanges> for String {
    fn from(allowed: MaxChanges) -> Self {
        match allowed {
            MaxChanges::Rooms(rooms) => rooms.to_string(),
            MaxChanges::Percent(share) => format!("{share}%"),
        }
    }
}

impl TryFrom<String> for MaxChanges {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for MaxChanges {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is neither a number of rooms (`12`) nor a share (`40%`)");
        match text.strip_suffix('%') {
            Some(share) => {
                let share = share.parse().ok().filter(|share| *share <= 100);
                share.map(Self::Percent).ok_or_else(wrong)
            }
            None => text.parse().map(Self::Rooms).map_err(|_| wrong()),
        }
    }
}

/// How far a plan may go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    /// What the user allows instead of the usual shares.
    pub max_changes: Option<MaxChanges>,
    /// Effects that have to be allowed one by one.
    pub require_allow: Vec<Effect>,
    pub allowed: Vec<Effect>,
    /// Rooms that are never archived, and of which every effect has to be allowed.
    pub protected: Globs,
    /// How many guards forbid less than at the base of the change.
    pub weakened: u64,
    /// Whether a room may have no effect that its plan does not name: others reviewed that.
    pub only_named: bool,
}

/// What the configuration at the base of a change forbids: that counts beside what the change leaves of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct BaseGuard {
    /// Effects that have to be allowed.
    pub require_allow: Vec<Effect>,
    /// Rooms that are never archived, and of which every effect has to be allowed.
    pub protected: Globs,
}

impl BaseGuard {
    /// Forbids as well what `other` does.
    pub(crate) fn extend(&mut self, other: &Self) {
        self.require_allow.extend(&other.require_allow);
        self.protected.extend(&other.protected);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.require_allow.is_empty() && self.protected.is_empty()
    }
}

/// Nothing beyond the usual shares.
impl Default for &Limits {
    fn default() -> Self {
        static USUAL: LazyLock<Limits> = LazyLock::new(Limits::default);
        &USUAL
    }
}

/// Why a room must not be written with an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ban {
    /// Nobody allowed the effect.
    NotAllowed,
    /// The room is protected, and nothing allows it.
    Protected,
}

impl Limits {
    /// Forbids as well what the base of a change does, of which so many guards are weakened by it.
    #[must_use]
    pub(crate) fn and_of_base(mut self, base: &BaseGuard, weakened: usize) -> Self {
        self.require_allow.extend(&base.require_allow);
        self.protected.extend(&base.protected);
        self.weakened += weakened as u64;
        self
    }

    /// What speaks against this effect on a room, if anything: the one answer for plans, and for rooms that are about
    /// to be written.
    pub(crate) fn ban(&self, room: &RoomName, effect: Effect) -> Option<Ban> {
        let is_protected = self.protects(room);
        if is_protected && effect == Effect::Archived {
            return Some(Ban::Protected);
        }
        let is_named = is_protected || self.require_allow.contains(&effect);
        (is_named && !self.allowed.contains(&effect)).then_some(Ban::NotAllowed)
    }

    pub(crate) fn protects(&self, room: &RoomName) -> bool {
        self.protected.match_any(room.as_str())
    }

    /// Whether anything speaks against any effect on a room.
    pub(crate) fn bans_any(&self, room: &RoomName) -> bool {
        let mut effects = Effect::ALL.into_iter();
        effects.any(|effect| effect != Effect::GuardWeakened && self.ban(room, effect).is_some())
    }

    /// Why the room of `change` must not be written as `wanted` while the service holds one of `held`, if so: the same
    /// judgement as of a plan, by what was just read. `now` is in Unix seconds.
    pub(crate) fn refuse(
        &self,
        change: &Change,
        held: &Held,
        wanted: &StoredSettings,
        now: i64,
    ) -> Option<String> {
        let effects = effects(held, wanted, now);
        let why = self.objections(&change.room, &change.effects, &effects)?;
        Some(format!("as the room was just read: {why}"))
    }

    /// What speaks against these effects on a room, of which its plan names some, if anything.
    pub(crate) fn objections(
        &self,
        room: &RoomName,
        named: &[Effect],
        effects: &[Effect],
    ) -> Option<String> {
        let why = |effect: Effect| match self.ban(room, effect) {
            Some(ban) => Some(ban.reason(effect)),
            None if !self.only_named || named.contains(&effect) => None,
            None => {
                let sentence = effect.sentence();
                Some(format!("{sentence}, which the reviewed plan does not say"))
            }
        };
        let reasons = effects
            .iter()
            .filter_map(|effect| Some(format!("{}: {}", effect.name(), why(*effect)?)));
        let reasons: Vec<String> = reasons.collect();
        (!reasons.is_empty()).then(|| reasons.join("; "))
    }
}

/// What is said when a room turns out to have moved further than may be.
pub(crate) fn more_moved(room: &RoomName, why: &str) -> String {
    format!("more moved in `{room}` than was asked for; not allowed: {why}")
}

impl Change {
    /// Requests it takes within `limits`, without retries.
    pub(crate) fn requests(&self, limits: &Limits) -> u64 {
        match self.action {
            // A GET decides between the PUT and the POST.
            Action::Add => 2,
            // A GET shows that it is still gone.
            Action::Archive if matches!(self.seen, Some(Sighting::Absent(_))) => 1,
            // Read, archived, and read again to be sure.
            Action::Archive => 3,
            _ if !self.sends => 0,
            _ if self.is_read_first(limits) => 2,
            _ => 1,
        }
    }

    /// Whether the room is read right before it is written: since it was looked at for the plan, and nothing that moved
    /// since is overwritten; for the sake of a mute; or since nobody looked at a room that is protected, or that may be
    /// another's under its name; or that is sent because what it holds may have moved unseen, or of which no write was
    /// ever confirmed, and an effect of that may be forbidden.
    pub(crate) fn is_read_first(&self, limits: &Limits) -> bool {
        let is_unknown = self.asserted.is_none() || self.cause() == Some(Cause::Reassert);
        let is_judged = limits.protects(&self.room) || (is_unknown && limits.bans_any(&self.room));
        self.seen.is_some() || self.reads_first() || self.is_claimed || is_judged
    }
}

impl Ban {
    /// `meetings will or may be recorded; allow it with --allow recording-on`
    pub(crate) fn reason(self, effect: Effect) -> String {
        let sentence = effect.sentence();
        match self {
            Self::NotAllowed => format!("{sentence}; allow it with --allow {}", effect.name()),
            Self::Protected => format!(
                "{sentence}, and `protected` in roomctl.yaml forbids it; bring its file back, take `deleteOnExp` \
                 out of it, or leave the room out with --exclude"
            ),
        }
    }
}

/// Why a plan is not applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// So many guards are weakened, which the base wants to be allowed.
    Weakened(u64),
    /// More rooms would be written or archived than may be.
    Share {
        rooms: u64,
        managed: u64,
        /// What would happen to them.
        verb: &'static str,
        limit: String,
        /// What would have to be allowed for the plan as a whole.
        all: u64,
    },
    /// An effect that must not be.
    Effect {
        effect: Effect,
        ban: Ban,
        /// How many rooms have it.
        rooms: u64,
        first: RoomName,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Weakened(guards) => write!(
                f,
                "guard-weakened: {} would forbid less than at the base; allow it with --allow guard-weakened",
                count(*guards, "guard")
            ),
            Self::Share {
                rooms,
                managed,
                verb,
                limit,
                all,
            } => write!(
                f,
                "{rooms} of {managed} managed rooms would be {verb}, more than {limit}; \
                 allow it with --max-changes {all}"
            ),
            Self::Effect {
                effect,
                ban,
                rooms,
                first,
            } => {
                let (name, reason) = (effect.name(), ban.reason(*effect));
                let more = match rooms - 1 {
                    0 => String::new(),
                    more => format!(" and {}", count(more, "other room")),
                };
                write!(f, "{name} in `{first}`{more}: {reason}")
            }
        }
    }
}

/// One room of a plan that something is done to, whether it is a managed one, and the effects.
type Step<'a> = (&'a RoomName, bool, &'a [Effect]);

/// Whether `plan` goes further than it may. Empty: it may be applied.
pub(crate) fn refusals(plan: &Plan, limits: &Limits) -> Vec<Refusal> {
    let steps = plan.actionable();
    let steps: Vec<Step> = steps
        .map(|c| (&c.room, c.is_managed, c.effects.as_slice()))
        .collect();
    refusals_of(&steps, plan.managed, limits)
}

/// The same of a plan with these `steps`, for an app with so many rooms that were applied before.
pub(crate) fn refusals_of(steps: &[Step<'_>], managed: u64, limits: &Limits) -> Vec<Refusal> {
    // Rooms new to the state do not count: they change nothing for anybody yet.
    let planned = steps.iter().filter(|(_, is_managed, _)| *is_managed);
    let (archived, updated): (Vec<&Step>, Vec<&Step>) =
        planned.partition(|(_, _, effects)| effects.contains(&Effect::Archived));
    let (updated, archived) = (updated.len() as u64, archived.len() as u64);
    let all = updated + archived;
    let share = |rooms, verb, limit| Refusal::Share {
        rooms,
        managed,
        verb,
        limit,
        all,
    };
    let mut refusals = Vec::new();
    let weakened = Effect::GuardWeakened;
    let is_named = limits.require_allow.contains(&weakened) && !limits.allowed.contains(&weakened);
    if is_named && limits.weakened > 0 {
        refusals.push(Refusal::Weakened(limits.weakened));
    }
    match limits.max_changes {
        Some(allowed) if allowed.is_less_than(all, managed) => {
            let limit = "--max-changes allows".to_owned();
            refusals.push(share(all, "updated or archived", limit));
        }
        Some(_) => {}
        None if managed < FLOOR => {}
        None => {
            let usual = [
                (archived, "archived", MAX_ARCHIVED),
                (updated, "updated", MAX_UPDATED),
            ];
            let over = usual
                .into_iter()
                .filter(|(rooms, _, limit)| rooms * 100 > managed.saturating_mul(*limit));
            refusals
                .extend(over.map(|(rooms, verb, limit)| share(rooms, verb, format!("{limit}%"))));
        }
    }
    for effect in Effect::ALL {
        let bans = [Ban::NotAllowed, Ban::Protected];
        refusals.extend(
            bans.iter()
                .filter_map(|ban| banned(steps, effect, *ban, limits)),
        );
    }
    refusals
}

fn banned(steps: &[Step<'_>], effect: Effect, ban: Ban, limits: &Limits) -> Option<Refusal> {
    let has = |(room, _, effects): &&Step| {
        effects.contains(&effect) && limits.ban(room, effect) == Some(ban)
    };
    let mut rooms = steps.iter().filter(has);
    let first = rooms.next()?.0.clone();
    Some(Refusal::Effect {
        effect,
        ban,
        rooms: 1 + rooms.count() as u64,
        first,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Wanted;
    use crate::planner::testing::{applied, file, globs, name, pruning, shown};
    use crate::planner::{Gone, Sighting, plan};

    /// A plan that archives all of `rooms` rooms but `kept`.
    fn archiving(rooms: u64, kept: u64) -> Plan {
        let one = file(5).remove("a").unwrap();
        let files = (0..rooms).map(|number| (name(&format!("r{number}")), one.clone()));
        let state = applied(&files.collect());
        let mut plan = plan(&Default::default(), &state, None, &pruning());
        plan.changes.drain(..usize::try_from(kept).unwrap());
        plan
    }

    fn refused(plan: &Plan, max_changes: Option<&str>) -> Vec<String> {
        let limits = Limits {
            max_changes: max_changes.map(|text| text.parse().unwrap()),
            ..Limits::default()
        };
        refusals(plan, &limits)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    /// A plan that updates `updated` of `rooms` rooms.
    fn updating(rooms: u64, updated: u64) -> Plan {
        let mut plan = archiving(rooms, rooms - updated);
        for change in &mut plan.changes {
            change.action = Action::Update;
            change.effects = vec![Effect::RecordingOn];
        }
        plan
    }

    #[test]
    fn a_tenth_of_ten_or_more_rooms_may_go() {
        assert!(refused(&archiving(10, 9), None).is_empty());
        assert!(!refused(&archiving(10, 8), None).is_empty());
        assert!(
            refused(&archiving(9, 0), None).is_empty(),
            "below the floor"
        );
        assert_eq!(
            refused(&archiving(20, 17), None),
            [
                "3 of 20 managed rooms would be archived, more than 10%; allow it with --max-changes 3"
            ]
        );
    }

    #[test]
    fn three_tenths_may_be_updated() {
        assert!(refused(&updating(10, 3), None).is_empty());
        assert!(refused(&updating(9, 9), None).is_empty(), "below the floor");
        assert_eq!(
            refused(&updating(10, 4), None),
            [
                "4 of 10 managed rooms would be updated, more than 30%; allow it with --max-changes 4"
            ]
        );
        let mut both = updating(10, 4);
        both.changes.extend(archiving(10, 8).changes);
        let messages = refused(&both, None);
        assert_eq!(messages.len(), 2);
        assert!(
            messages
                .iter()
                .all(|message| message.ends_with("--max-changes 6")),
            "{messages:?}"
        );
        assert!(refused(&both, Some("6")).is_empty());
    }

    /// However it comes back: only rooms that are new to the state are new.
    #[test]
    fn a_managed_room_that_is_made_or_adopted_again_counts_as_updated() {
        let one = file(5).remove("a").unwrap();
        let rooms = |rooms: std::ops::Range<u64>| -> Wanted {
            let names = rooms.map(|number| name(&format!("r{number:02}")));
            names.map(|name| (name, one.clone())).collect()
        };
        let (state, all) = (applied(&rooms(0..12)), rooms(0..40));
        let recreated = || {
            let mut world = shown(&all);
            for sighting in world.values_mut() {
                if let Sighting::Present(live) = sighting {
                    live.id = Some("other".to_owned());
                }
            }
            world
        };
        let gone = || {
            all.keys()
                .map(|name| (name.clone(), Sighting::Absent(Gone::Missing)))
        };
        for (world, action) in [
            (recreated(), Action::Adopt),
            (gone().collect(), Action::Create),
        ] {
            let planned = |again: u64| {
                let mut plan = plan(&all, &state, Some(&world), &pruning());
                assert!(plan.changes.iter().all(|change| change.action == action));
                let name = |number: u64| name(&format!("r{number:02}"));
                plan.changes
                    .retain(|change| change.room < name(again) || change.room >= name(12));
                plan
            };
            assert_eq!(refused(&planned(3), None), [""; 0], "{action:?}");
            assert_eq!(
                refused(&planned(4), None),
                [
                    "4 of 12 managed rooms would be updated, more than 30%; allow it with --max-changes 4"
                ]
            );
        }
    }

    /// A room that is archived by its expiry goes, too.
    #[test]
    fn what_archives_itself_counts_as_archived() {
        let mut plan = updating(10, 2);
        for change in &mut plan.changes {
            change.effects = vec![Effect::Archived];
        }
        assert_eq!(
            refused(&plan, None),
            [
                "2 of 10 managed rooms would be archived, more than 10%; allow it with --max-changes 2"
            ]
        );
    }

    #[test]
    fn the_user_may_allow_more_or_less() {
        assert!(refused(&archiving(20, 17), Some("3")).is_empty());
        assert_eq!(
            refused(&archiving(20, 17), Some("2")),
            [
                "3 of 20 managed rooms would be updated or archived, more than --max-changes allows; allow it with --max-changes 3"
            ]
        );
        assert!(refused(&archiving(20, 17), Some("15%")).is_empty());
        assert!(!refused(&archiving(5, 4), Some("0")).is_empty());
        for bad in ["", "%", "101%", "-1", "x"] {
            assert!(bad.parse::<MaxChanges>().is_err(), "{bad}");
        }
    }

    #[test]
    fn effects_have_to_be_allowed_where_it_is_asked_for() {
        let plan = updating(20, 3);
        let limits = |require: &[Effect], allowed: &[Effect]| Limits {
            require_allow: require.to_vec(),
            allowed: allowed.to_vec(),
            ..Limits::default()
        };
        let (recording, privacy) = (Effect::RecordingOn, Effect::PrivacyWidened);
        assert_eq!(refusals(&plan, &limits(&[], &[])), []);
        assert_eq!(refusals(&plan, &limits(&[privacy], &[])), []);
        assert_eq!(refusals(&plan, &limits(&[recording], &[recording])), []);
        let refusals = refusals(&plan, &limits(&[recording, recording], &[privacy]));
        let messages: Vec<String> = refusals.iter().map(ToString::to_string).collect();
        assert_eq!(
            messages,
            [
                "recording-on in `r7` and 2 other rooms: meetings will or may be recorded; allow it with --allow recording-on"
            ]
        );
    }

    #[test]
    fn a_protected_room_is_never_archived_and_has_every_effect_allowed() {
        let refused = |plan: &Plan, protected: &str, allowed: &[Effect]| -> Vec<String> {
            let limits = Limits {
                protected: globs(&[protected]),
                allowed: allowed.to_vec(),
                ..Limits::default()
            };
            let refusals = refusals(plan, &limits);
            refusals.iter().map(ToString::to_string).collect()
        };
        let (gone, moved) = (archiving(5, 3), updating(5, 2));
        assert_eq!(refused(&gone, "r0", &[]), [""; 0], "another room");
        let archived = "archived in `r4`: the room will or may be archived, and `protected` in roomctl.yaml forbids it; \
                        bring its file back, take `deleteOnExp` out of it, or leave the room out with --exclude";
        assert_eq!(refused(&gone, "R4", &[]), [archived]);
        assert_eq!(refused(&gone, "R4", &[Effect::Archived]), [archived]);
        let recorded = "recording-on in `r3` and 1 other room: meetings will or may be recorded; allow it with \
                        --allow recording-on";
        assert_eq!(refused(&moved, "r[3-4]", &[]), [recorded]);
        assert_eq!(refused(&moved, "r*", &[Effect::RecordingOn]), [""; 0]);
    }
}
