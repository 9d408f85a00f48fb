//! Live against applied against wanted: a verdict for each room.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::Sum;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::change::Cause;
use super::doubts::Doubts;
use super::mutes::{Idle, Mute, Mutes, RoomMutes};
use super::plan::only_claimed;
use super::scope::LeftOutBy;
use super::state::{AppliedRoom, State};
use super::status::Status;
use super::three_way::{AttributeSides, RoomSides};
use super::undeclared::{self, Undeclared};
use super::world::{Gone, Sighting, World, named_otherwise, sighting};
use crate::model::reference::{Outline, Template};
use crate::model::sum::share;
use crate::model::{LiveRoom, RoomName, Stored, StoredSettings, Wanted};

/// How one room stands.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// As it was applied, and as it is wanted.
    InSync,
    /// The service moved.
    Drifted,
    /// It was applied, and is no longer there.
    Missing,
    /// The service and the file both moved, to different values.
    Conflict,
    /// The file is ahead of what was applied; nobody else moved.
    Pending,
    /// On the service, and neither in a file nor in the state.
    Unmanaged,
    /// It could not be read, so nothing is said about it.
    Unreadable,
    /// The service moved, and a mute accepts it.
    Muted,
}

/// One attribute that is not as applied and wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AttributeDrift {
    pub name: String,
    /// The applied value; `None`: not managed so far.
    pub applied: Option<Stored>,
    /// The wanted value; `None`: not managed from now on.
    pub wanted: Option<Stored>,
    /// What the service reports; `None`: it does not.
    pub live: Option<Stored>,
    pub cause: Cause,
    /// What may be seen of the wanted value, if it is a secret of a file.
    pub outline: Option<Outline>,
    /// Whether a mute is about what moved.
    pub muted: bool,
}

impl AttributeDrift {
    /// An attribute from its sides; `None`: it is as applied and wanted.
    fn of(one: AttributeSides<'_>) -> Option<Self> {
        let cause = standing(&one)?;
        Some(Self {
            name: one.name.to_owned(),
            applied: one.applied().0.cloned(),
            wanted: one.wanted.cloned(),
            live: one.live.cloned(),
            cause,
            outline: one.secret.map(Template::outline),
            muted: cause.is_a_move_of_the_service() && one.is_muted,
        })
    }

    fn status(&self) -> Status {
        Status::of(Some(self.cause), self.muted)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RoomDrift {
    pub room: String,
    pub verdict: Verdict,
    /// The file that wants it.
    pub file: Option<String>,
    /// The attributes that are not as applied and wanted, by name.
    pub attributes: Vec<AttributeDrift>,
    /// Attributes that nobody declared and that moved, by name.
    pub undeclared: Vec<Undeclared>,
    /// What else there is to say, in a sentence.
    pub message: Option<String>,
    pub checked: Checked,
    /// When a write of it was last confirmed, in Unix seconds.
    pub asserted: Option<i64>,
    /// Managed attributes that the service shows neither now nor when the room was last recorded.
    pub unseen: Vec<String>,
    /// Whether the service shows it.
    pub is_there: bool,
    /// Whether nothing shows that it is the room that `state mv` gave this name.
    pub is_only_claimed: bool,
}

/// Who moved it. What is not known here, and the service does not report, nobody can tell.
fn standing(one: &AttributeSides<'_>) -> Option<Cause> {
    match one.unknown && one.live.is_none() {
        true => Some(Cause::Unobservable),
        false => one.cause(),
    }
}

/// How many managed attributes there are, and how many of them could be checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Attributes")]
pub(crate) struct Checked {
    /// Attributes that files want or, of a room without a file, that were applied.
    pub managed: u64,
    /// Those of them of which somebody can say how they stand: not what was applied as wanted, or is not known here, and
    /// the service does not report, and nothing of a room that could not be read, or that nothing shows to be ours.
    pub visible: u64,
}

impl Checked {
    /// All of `managed`, or none.
    fn whole(managed: usize, is_visible: bool) -> Self {
        let managed = managed as u64;
        let visible = if is_visible { managed } else { 0 };
        Self { managed, visible }
    }

    fn count(&mut self, one: &AttributeSides<'_>) {
        if one.wanted.is_some() || one.unknown {
            self.managed += 1;
            let status = Status::of(standing(one), one.is_muted);
            self.visible += u64::from(status != Status::NotVisible);
        }
    }

    /// Whether fewer than so many percent could be checked.
    pub(crate) fn is_below(self, percent: u64) -> bool {
        share(self.visible, percent, self.managed).is_lt()
    }
}

impl Sum for Checked {
    fn sum<I: Iterator<Item = Self>>(each: I) -> Self {
        each.fold(Self::default(), |all, one| Self {
            managed: all.managed + one.managed,
            visible: all.visible + one.visible,
        })
    }
}

/// All rooms, and the mutes that mute nothing.
#[derive(Clone, Debug)]
pub(crate) struct Drift {
    /// The rooms, by name.
    pub rooms: Vec<RoomDrift>,
    /// Positions of mutes that have no effect, and why.
    pub idle: Vec<(usize, Idle)>,
}

/// What drift is judged with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Evidence<'a> {
    /// What the files want.
    pub wanted: &'a Wanted,
    pub state: &'a State,
    /// Rooms that the check is not about.
    pub others: &'a BTreeMap<String, LeftOutBy>,
    pub mutes: &'a [Mute],
    /// Now, in Unix seconds.
    pub now: i64,
}

/// A verdict for each room of the files, the state and the names that the service `listed`.
pub(crate) fn drift(evidence: &Evidence<'_>, world: &World, listed: &BTreeSet<String>) -> Drift {
    let mutes = evidence.active_mutes();
    let judge = |name| evidence.judge(name, sighting(world, name), &mutes);
    let rooms = evidence.managed().map(judge).collect();
    evidence.conclude(rooms, listed, &mutes)
}

impl RoomDrift {
    fn new(room: &str, verdict: Verdict, message: Option<String>) -> Self {
        Self {
            room: room.to_owned(),
            verdict,
            file: None,
            attributes: Vec::new(),
            undeclared: Vec::new(),
            message,
            checked: Checked::default(),
            asserted: None,
            unseen: Vec::new(),
            is_there: false,
            is_only_claimed: false,
        }
    }

    /// Whether something moved that a mute of the room is about, or may have, as it could not be looked at.
    fn may_need(&self, mute: &Mute) -> bool {
        let may_have = |a: &AttributeDrift| {
            a.cause.is_a_move_of_the_service() || (a.live.is_none() && a.wanted.is_some())
        };
        let mut attributes = self.attributes.iter().filter(|a| mute.covers(&a.name));
        match self.is_there && !self.is_only_claimed {
            true => attributes.any(may_have),
            // Nothing is said of its attributes.
            false => self.verdict != Verdict::Unmanaged,
        }
    }
}

impl<'a> Evidence<'a> {
    pub(crate) fn active_mutes(&self) -> Mutes<'a> {
        Mutes::at(self.now, self.mutes)
    }

    /// The rooms of the files and of the state.
    pub(crate) fn managed(&self) -> impl Iterator<Item = &'a RoomName> {
        let (wanted, state) = (self.wanted, self.state);
        let orphans = state
            .rooms
            .keys()
            .filter(|name| !wanted.contains_key(*name));
        wanted.keys().chain(orphans)
    }

    pub(crate) fn is_managed(&self, name: &str) -> bool {
        self.wanted.contains_key(name) || self.state.rooms.contains_key(name)
    }

    /// All that is said of `rooms`, which were judged one by one, and of the names that the service `listed`: those that are in
    /// neither file nor state are unmanaged.
    pub(crate) fn conclude(
        &self,
        mut rooms: Vec<RoomDrift>,
        listed: &BTreeSet<String>,
        mutes: &Mutes<'_>,
    ) -> Drift {
        let unmanaged = listed.iter().filter(|name| !self.is_managed(name));
        let by_case = unmanaged.clone().map(|name| (name.to_lowercase(), name));
        let by_case: BTreeMap<String, &String> = by_case.collect();
        let was_never_there =
            |room: &&mut RoomDrift| room.verdict == Verdict::Pending && !room.is_there;
        for room in rooms.iter_mut().filter(was_never_there) {
            if let Some(theirs) = by_case.get(&room.room.to_lowercase()) {
                room.message = Some(named_otherwise(theirs));
            }
        }
        rooms.extend(unmanaged.map(|name| RoomDrift::new(name, Verdict::Unmanaged, None)));
        rooms.sort_by(|a, b| a.room.cmp(&b.room));
        let idle = self.idle(&rooms, mutes);
        Drift { rooms, idle }
    }

    /// The verdict on one room, by what was `seen` of it.
    pub(crate) fn judge(&self, name: &RoomName, seen: &Sighting, mutes: &Mutes<'_>) -> RoomDrift {
        let applied = self.state.applied(name);
        let file = self.wanted.get(name);
        let is_only_claimed =
            matches!(seen, Sighting::Present(live) if applied.is_only_claimed(live));
        let (verdict, message) = match seen {
            // Nobody knows whose attributes these are, so nothing is said of any.
            Sighting::Present(_) if is_only_claimed => (Verdict::Pending, only_claimed(name)),
            Sighting::Present(live) => {
                let doubt = self.doubt(name, seen);
                let room = self.compare(name, applied, live, mutes.of(name));
                return RoomDrift {
                    message: doubt.or(room.message),
                    ..room
                };
            }
            Sighting::Absent(_) if !applied.is_confirmed() => {
                let doubt = self.doubt(name, seen);
                let message = doubt.unwrap_or_else(|| "not applied yet".to_owned());
                (Verdict::Pending, message)
            }
            Sighting::Absent(gone) => (Verdict::Missing, why_gone(*gone, applied, self.now)),
            Sighting::Unreadable(why) => (Verdict::Unreadable, why.clone()),
        };
        let managed = file.map_or(applied.settings.len(), |file| file.settings.len());
        RoomDrift {
            file: file.map(|file| file.file.clone()),
            checked: Checked::whole(managed, verdict != Verdict::Unreadable && !is_only_claimed),
            asserted: applied.asserted,
            is_there: is_only_claimed,
            is_only_claimed,
            ..RoomDrift::new(name.as_str(), verdict, Some(message))
        }
    }

    /// Why nobody can say whether a room is ours that no file wants.
    fn doubt(&self, name: &RoomName, seen: &Sighting) -> Option<String> {
        let is_orphan = !self.wanted.contains_key(name);
        let doubt = || self.state.applied(name).doubt_as_orphan(name, Some(seen));
        is_orphan.then(doubt).flatten()
    }

    /// The verdict on a room that is there.
    fn compare(
        &self,
        name: &RoomName,
        known: &AppliedRoom,
        live: &LiveRoom,
        mutes: RoomMutes<'_>,
    ) -> RoomDrift {
        let (applied, recreated) = (known.about(live), known.is_recreated(live));
        let file = self.wanted.get(name);
        let salt = self.state.salt();
        let shown = applied.shown(live, salt);
        let arrived;
        let sides = match file {
            Some(file) => RoomSides::toward(file, applied, &shown, salt, mutes),
            // An orphan has no file: it is held against what was applied, as far as that arrived.
            None => {
                let looked = applied.looked(live, salt);
                arrived = AppliedRoom {
                    unconfirmed: Doubts::new(),
                    ..looked.unwrap_or_else(|| applied.clone())
                };
                RoomSides::back(&arrived, &shown, mutes)
            }
        };
        // An orphan releases nothing.
        let counts = |a: &AttributeSides<'_>| file.is_some() || a.wanted.is_some();
        let mut checked = Checked::default();
        let all = sides.attributes().inspect(|one| checked.count(one));
        let attributes: Vec<AttributeDrift> =
            all.filter(counts).filter_map(AttributeDrift::of).collect();
        // Nothing of what was applied is in another room, and that can be seen of all of it.
        if recreated && file.is_none() {
            checked = Checked::whole(known.settings.len(), true);
        }
        let message = recreated
            .then(|| "it was archived or deleted, and recreated under its name".to_owned());
        let mut room = RoomDrift {
            file: file.map(|file| file.file.clone()),
            undeclared: undeclared::moved(file, applied, &shown),
            checked,
            asserted: applied.asserted,
            unseen: still_unseen(applied, &shown),
            is_there: true,
            ..RoomDrift::new(
                name.as_str(),
                verdict(&attributes, applied, recreated),
                message,
            )
        };
        if let (Verdict::InSync, Some(secret)) = (room.verdict, sides.unknown.first()) {
            room.verdict = Verdict::Pending;
            let message = format!(
                "`{secret}` is newly managed or written anew, and its variable is not set, or makes no URL of it"
            );
            room.message = Some(message);
        }
        room.attributes = attributes;
        room
    }

    /// The mutes that mute nothing.
    fn idle(&self, rooms: &[RoomDrift], mutes: &Mutes<'_>) -> Vec<(usize, Idle)> {
        let others = self.others.keys().flat_map(|name| mutes.about(name));
        let mut needed: BTreeSet<usize> = others.map(|(at, _)| at).collect();
        for room in rooms {
            for (at, mute) in mutes.about(&room.room) {
                if !needed.contains(&at) && room.may_need(mute) {
                    needed.insert(at);
                }
            }
        }
        let idle = |(at, mute): (usize, &Mute)| match mute.is_active(self.now) {
            false => Some((at, Idle::Expired)),
            true => (!needed.contains(&at)).then_some((at, Idle::Unused)),
        };
        self.mutes.iter().enumerate().filter_map(idle).collect()
    }
}

fn verdict(attributes: &[AttributeDrift], applied: &AppliedRoom, recreated: bool) -> Verdict {
    if recreated {
        return Verdict::Drifted;
    }
    if !applied.is_confirmed() {
        return Verdict::Pending;
    }
    let any = |status| attributes.iter().any(|a| a.status() == status);
    let is_conflict =
        |a: &AttributeDrift| a.status() == Status::Drifted && a.cause == Cause::Conflict;
    if attributes.iter().any(is_conflict) {
        Verdict::Conflict
    } else if any(Status::Drifted) {
        Verdict::Drifted
    } else if any(Status::Muted) {
        Verdict::Muted
    } else if any(Status::Pending) {
        Verdict::Pending
    } else {
        Verdict::InSync
    }
}

fn still_unseen(applied: &AppliedRoom, shown: &StoredSettings) -> Vec<String> {
    let unseen = applied.unseen.iter();
    unseen
        .filter(|name| applied.settings.contains_key(name) && !shown.contains_key(name))
        .map(ToString::to_string)
        .collect()
}

/// A room that archives itself when it expires is distinguished from one that somebody archived.
fn why_gone(gone: Gone, applied: &AppliedRoom, now: i64) -> String {
    let setting = |name: &str| applied.settings.get(name);
    let moment = setting("expireUnixSec").and_then(Stored::integer);
    let expired = moment.is_some_and(|moment| moment <= now);
    let archives_itself = setting("deleteOnExp").is_some_and(Stored::is_true);
    match (gone, expired && archives_itself) {
        (_, true) => "it expired, and was to be archived then".to_owned(),
        (Gone::Archived, false) => "somebody archived it".to_owned(),
        (Gone::Missing, false) => "the service says that there is no such room".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Live, Secret};
    use crate::planner::testing::{
        applied, file, live_of, name, options, referring, room_of, shown, unset,
    };

    struct Case {
        wanted: Wanted,
        state: State,
        world: World,
        listed: BTreeSet<String>,
        mutes: Vec<Mute>,
    }

    impl Case {
        /// One room, applied for 5 people, wanted for `wanted`, seen with `live`.
        fn new(wanted: Option<i64>, live: Option<i64>) -> Self {
            let gone = || [(name("a"), Sighting::Absent(Gone::Missing))].into();
            Self {
                wanted: wanted.map(file).unwrap_or_default(),
                state: applied(&file(5)),
                world: live.map_or_else(gone, |live| shown(&file(live))),
                listed: BTreeSet::new(),
                mutes: Vec::new(),
            }
        }

        fn shows(&mut self, attribute: &str, live: impl Into<Live>) {
            let room = live_of(&mut self.world);
            room.settings.insert(attribute.into(), live.into());
        }

        fn drift(&self) -> Drift {
            let evidence = Evidence {
                wanted: &self.wanted,
                state: &self.state,
                others: &BTreeMap::new(),
                mutes: &self.mutes,
                now: options().now,
            };
            let drift = drift(&evidence, &self.world, &self.listed);
            assert!(!format!("{drift:?}").contains("canary"));
            drift
        }

        fn room(&self) -> RoomDrift {
            self.drift().rooms.remove(0)
        }
    }

    #[test]
    fn a_room_that_is_there_under_another_case_is_named() {
        let mut case = Case::new(None, None);
        case.wanted = [(name("aB3"), file(5).remove("a").unwrap())].into();
        case.state.rooms.clear();
        case.world = [(name("aB3"), Sighting::Absent(Gone::Missing))].into();
        case.listed = ["ab3".to_owned(), "other".to_owned()].into();
        let room = case.room();
        assert_eq!(
            (room.room.as_str(), room.verdict),
            ("aB3", Verdict::Pending)
        );
        assert_eq!(room.message, Some(named_otherwise("ab3")));
        case.listed.remove("ab3");
        assert_eq!(case.room().message.as_deref(), Some("not applied yet"));
    }

    #[test]
    fn an_override_that_is_over_is_in_sync_until_it_comes_back() {
        let mut case = Case::new(Some(5), Some(9));
        room_of(&mut case.state).overridden = [("maxParticipants", 9.into())].into();
        assert_eq!(case.room().verdict, Verdict::InSync, "it stands");
        case.shows("maxParticipants", 5);
        assert_eq!(case.room().verdict, Verdict::InSync, "it is over");
        room_of(&mut case.state).overridden.clear();
        case.shows("maxParticipants", 9);
        assert_eq!(case.room().verdict, Verdict::Drifted);
    }

    #[test]
    fn verdicts() {
        use Verdict::{Conflict, Drifted, InSync, Missing, Pending};
        let cases = [
            (Some(5), Some(5), InSync),
            (Some(6), Some(5), Pending),
            (Some(6), Some(6), Pending),
            (Some(5), Some(7), Drifted),
            (Some(6), Some(7), Conflict),
            (Some(5), None, Missing),
            (None, Some(5), InSync),
            (None, Some(7), Drifted),
        ];
        for (wanted, live, verdict) in cases {
            let room = Case::new(wanted, live).room();
            assert_eq!(room.verdict, verdict, "{wanted:?} {live:?}: {room:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_missing() {
        let mut case = Case::new(Some(5), Some(5));
        case.world
            .insert(name("a"), Sighting::Unreadable("HTTP 500".into()));
        assert_eq!(case.room().verdict, Verdict::Unreadable);
        case.world.clear();
        assert_eq!(case.room().verdict, Verdict::Unreadable);
    }

    #[test]
    fn expired_is_distinguished_from_archived() {
        let mut case = Case::new(Some(5), None);
        let message = |case: &Case| case.room().message.unwrap();
        assert!(message(&case).contains("no such room"));
        case.world
            .insert(name("a"), Sighting::Absent(Gone::Archived));
        assert!(message(&case).contains("somebody archived"));
        let settings = &mut room_of(&mut case.state).settings;
        settings.insert("expireUnixSec".into(), (options().now - 1).into());
        settings.insert("deleteOnExp".into(), true.into());
        assert!(message(&case).contains("expired"));
    }

    #[test]
    fn a_room_made_anew_is_drift() {
        let mut case = Case::new(Some(5), Some(5));
        live_of(&mut case.world).id = Some("f00d".into());
        // What the service chose once, it chose of the other.
        let chosen = [("maxParticipants", 9.into())].into();
        room_of(&mut case.state).overridden = chosen;
        case.shows("maxParticipants", 9);
        let room = case.room();
        assert_eq!(room.verdict, Verdict::Drifted);
        assert_eq!(room.attributes.first().unwrap().name, "maxParticipants");
        assert!(room.message.unwrap().contains("recreated"));
    }

    #[test]
    fn a_room_that_may_be_ours_and_that_no_file_wants_is_named() {
        let mut case = Case::new(None, Some(5));
        let room = room_of(&mut case.state);
        room.unconfirmed = [("privacy", "private".into())].into();
        room.settings.clear();
        room.id = None;
        for gone in [false, true] {
            if gone {
                case.world = [(name("a"), Sighting::Absent(Gone::Missing))].into();
            }
            let room = case.room();
            assert_eq!(room.verdict, Verdict::Pending);
            let message = room.message.unwrap();
            assert!(
                message.contains("never answered") && message.contains("state forget a"),
                "{message}"
            );
        }
    }

    #[test]
    fn undeclared_attributes_that_moved_are_shown_apart() {
        let mut case = Case::new(Some(5), Some(5));
        let observed = &mut room_of(&mut case.state).observed;
        observed.insert("autoJoin".into(), false.into());
        case.shows("autoJoin", true);
        let room = case.room();
        assert_eq!(room.verdict, Verdict::InSync);
        assert_eq!(room.undeclared.len(), 1);
        assert_eq!(room.undeclared[0].name, "autoJoin");
    }

    #[test]
    fn unmanaged_rooms_come_from_the_list() {
        let mut case = Case::new(Some(5), Some(5));
        case.listed = ["a".to_owned(), "by-hand".to_owned()].into();
        let rooms = case.drift().rooms;
        assert_eq!(rooms.len(), 2);
        assert_eq!(
            (rooms[1].room.as_str(), rooms[1].verdict),
            ("by-hand", Verdict::Unmanaged)
        );
    }

    #[test]
    fn a_mute_is_unused_only_if_all_that_it_is_about_was_seen() {
        let mut case = Case::new(Some(5), Some(5));
        case.mutes = ["maxParticipants", "*", "privacy"]
            .map(|attribute| Mute::new("*", attribute, "known", "2100-01-01").unwrap())
            .into();
        let idle = |case: &Case| -> Vec<usize> {
            let idle = case.drift().idle;
            idle.into_iter().map(|(position, _)| position).collect()
        };
        assert_eq!(idle(&case), [0, 1, 2]);
        live_of(&mut case.world).settings.remove("maxParticipants");
        assert_eq!(idle(&case), [2], "not reported");
        let unseen = [
            Sighting::Unreadable("no answer".to_owned()),
            Sighting::Absent(Gone::Missing),
        ];
        for unseen in unseen {
            case.world = [(name("a"), unseen)].into();
            assert_eq!(idle(&case), [0; 0]);
        }
    }

    #[test]
    fn a_mute_mutes_until_it_ends_and_is_reported_when_idle() {
        let mute = |room: &str, attribute: &str, until: &str| {
            Mute::new(room, attribute, "known", until).unwrap()
        };
        let mut case = Case::new(Some(5), Some(7));
        case.mutes = vec![
            mute("a", "maxParticipants", "2100-01-01"),
            mute("b*", "maxParticipants", "2100-01-01"),
            mute("*", "*", "2020-01-01"),
        ];
        let drift = case.drift();
        assert_eq!(drift.rooms[0].verdict, Verdict::Muted);
        assert_eq!(drift.idle, [(1, Idle::Unused), (2, Idle::Expired)]);
        // An edit of the file is not muted: it waits to be applied.
        case.wanted = file(6);
        let room = case.room();
        assert_eq!(room.verdict, Verdict::Pending);
        assert!(room.attributes[0].muted && room.attributes[0].cause == Cause::Conflict);
        case.wanted = file(5);
        case.mutes.remove(0);
        assert_eq!(case.drift().rooms[0].verdict, Verdict::Drifted);
    }

    #[test]
    fn an_unset_secret_is_as_it_was_applied() {
        let mut case = Case::new(Some(5), Some(5));
        case.state = applied(&referring(file(5)));
        case.wanted = referring(file(5));
        let room = case.wanted.get_mut(&name("a")).unwrap();
        room.settings.insert("meetingJoinWebhook".into(), unset());
        assert_eq!(case.room().verdict, Verdict::InSync);
        let room = case.wanted.get_mut(&name("a")).unwrap();
        room.settings.insert("meetingLeftWebhook".into(), unset());
        assert_eq!(case.room().verdict, Verdict::Pending);
        // Written otherwise, it is no drift; that somebody moved it on the service is.
        room_of(&mut case.state).written.clear();
        assert_eq!(case.room().verdict, Verdict::Pending);
        case.shows("meetingJoinWebhook", "https://canary.example/moved");
        assert_eq!(case.room().verdict, Verdict::Conflict);
    }

    #[test]
    fn numbers_that_come_back_as_text_are_the_same() {
        let mut case = Case::new(Some(5), Some(5));
        case.shows("maxParticipants", "5");
        assert_eq!(case.room().attributes, []);
        case.shows("maxParticipants", "5.5");
        assert_eq!(case.room().verdict, Verdict::Drifted);
    }

    /// A service may put a secret anywhere: it moves there like everything else, and is not shown.
    #[test]
    fn a_secret_in_an_attribute_that_is_none_is_drift_and_not_shown() {
        let mut case = Case::new(Some(5), Some(5));
        let canary = || Secret::new("https://canary.example/join");
        for name in ["maxParticipants", "privacy"] {
            case.shows(name, 5);
            let room = live_of(&mut case.world);
            room.settings.insert(name.into(), Live::Secret(canary()));
            let room = case.room();
            let moved = room.attributes.iter().find(|a| a.name == name).unwrap();
            assert_eq!(moved.cause, Cause::Drift);
            assert!(moved.live.as_ref().is_some_and(Stored::is_secret));
        }
        // What the file says is not a secret only because one reads the same.
        case = Case::new(Some(5), Some(5));
        let room = live_of(&mut case.world);
        let word = Live::Secret(Secret::new("private"));
        room.settings.insert("privacy".into(), word);
        assert_eq!(case.room().verdict, Verdict::InSync);
    }

    #[test]
    fn whatever_comes_back_in_a_secret_attribute_is_secret() {
        let mut case = Case::new(Some(5), Some(5));
        case.shows("meetingJoinWebhook", "https://canary.example/other");
        let hook = case.room().attributes.remove(0);
        assert_eq!(
            (&*hook.name, hook.cause),
            ("meetingJoinWebhook", Cause::Drift)
        );
        assert!(hook.live.is_some_and(|live| live.is_secret()));
    }
}
