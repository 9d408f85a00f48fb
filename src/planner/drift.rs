//! Live against applied against wanted: a verdict for each room.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::mutes::{Idle, Mute};
use super::plan::{Cause, WantedRoom, unknown};
use super::state::{AppliedRoom, State};
use super::three_way::{cause, sides};
use super::undeclared::{self, Undeclared};
use super::world::{Gone, Sighting, World};
use crate::model::catalogue::{Attribute, attribute};
use crate::model::value::remember;
use crate::model::{Live, LiveRoom, RoomName, Stored, StoredSettings};

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
    /// Whether an active mute accepts it.
    pub muted: bool,
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
pub(crate) struct Sides<'a> {
    /// What the files want.
    pub wanted: &'a BTreeMap<RoomName, WantedRoom>,
    pub state: &'a State,
    pub world: &'a World,
    /// Names on the service, from its list; those that are in neither file nor state are unmanaged.
    pub listed: &'a BTreeSet<String>,
    pub mutes: &'a [Mute],
    /// Now, in Unix seconds.
    pub now: i64,
}

/// A verdict for each room of the files, the state and the service.
pub(crate) fn drift(all: &Sides<'_>) -> Drift {
    let mut used = vec![false; all.mutes.len()];
    let managed: BTreeSet<&RoomName> = all.wanted.keys().chain(all.state.rooms.keys()).collect();
    let mut rooms: Vec<RoomDrift> = managed
        .iter()
        .map(|name| judge(name, all, &mut used))
        .collect();
    let strangers = all.listed.iter().filter(|name| {
        let name = name.as_str();
        !all.wanted.contains_key(name) && !all.state.rooms.contains_key(name)
    });
    rooms.extend(strangers.map(|name| told(name, Verdict::Unmanaged, None)));
    rooms.sort_by(|a, b| a.room.cmp(&b.room));
    Drift {
        rooms,
        idle: idle(all, &used),
    }
}

fn idle(all: &Sides<'_>, used: &[bool]) -> Vec<(usize, Idle)> {
    let mutes = all.mutes.iter().zip(used).enumerate();
    mutes
        .filter_map(
            |(position, (mute, used))| match (mute.is_active(all.now), used) {
                (false, _) => Some((position, Idle::Expired)),
                (true, false) => Some((position, Idle::Unused)),
                (true, true) => None,
            },
        )
        .collect()
}

fn told(room: &str, verdict: Verdict, message: Option<String>) -> RoomDrift {
    RoomDrift {
        room: room.to_owned(),
        verdict,
        file: None,
        attributes: Vec::new(),
        undeclared: Vec::new(),
        message,
    }
}

fn judge(name: &RoomName, all: &Sides<'_>, used: &mut [bool]) -> RoomDrift {
    let wanted = all.wanted.get(name);
    let mut room = look(name, wanted, all, used);
    room.file = wanted.map(|wanted| wanted.file.clone());
    room
}

fn look(
    name: &RoomName,
    wanted: Option<&WantedRoom>,
    all: &Sides<'_>,
    used: &mut [bool],
) -> RoomDrift {
    let never = AppliedRoom::default();
    let applied = all.state.rooms.get(name).unwrap_or(&never);
    let live = match all.world.get(name) {
        Some(Sighting::Present(live)) => live,
        Some(Sighting::Absent(_)) if !applied.is_confirmed() => {
            return told(
                name.as_str(),
                Verdict::Pending,
                Some("not applied yet".to_owned()),
            );
        }
        Some(Sighting::Absent(gone)) => {
            let why = why_gone(*gone, applied, all.now);
            return told(name.as_str(), Verdict::Missing, Some(why));
        }
        Some(Sighting::Unreadable(why)) => {
            return told(name.as_str(), Verdict::Unreadable, Some(why.clone()));
        }
        None => {
            let why = "it was not looked at".to_owned();
            return told(name.as_str(), Verdict::Unreadable, Some(why));
        }
    };
    let salt = all.state.salt();
    // An orphan has no file: it is held against what was applied.
    let settings = wanted.map(|wanted| &wanted.settings);
    let wanted = match wanted {
        Some(wanted) => remember(&wanted.settings, salt, &applied.settings),
        None => applied.settings.clone(),
    };
    let mut room = told(name.as_str(), Verdict::InSync, None);
    room.attributes = attributes(&wanted, applied, live, salt);
    mute(&mut room, all, used);
    room.undeclared = undeclared::moved(&wanted, applied, live, salt);
    let made_anew = is_made_anew(applied, live);
    if made_anew {
        room.message = Some("it was archived or deleted, and made anew under its name".to_owned());
    }
    room.verdict = verdict(&room.attributes, applied, made_anew);
    let unknown = settings.map(|settings| unknown(settings, &wanted));
    if let (Verdict::InSync, Some(name)) = (room.verdict, unknown.iter().flatten().next()) {
        room.verdict = Verdict::Pending;
        room.message = Some(format!(
            "`{name}` is newly managed, and its variable is not set"
        ));
    }
    room
}

/// The service's id differs from the one that was remembered.
pub(crate) fn is_made_anew(applied: &AppliedRoom, live: &LiveRoom) -> bool {
    matches!((&applied.id, &live.id), (Some(before), Some(now)) if before != now)
}

fn verdict(attributes: &[AttributeDrift], applied: &AppliedRoom, made_anew: bool) -> Verdict {
    if !applied.is_confirmed() {
        return Verdict::Pending;
    }
    let any = |cause: Cause, muted: bool| {
        attributes
            .iter()
            .any(|a| a.cause == cause && a.muted == muted)
    };
    if any(Cause::Conflict, false) {
        Verdict::Conflict
    } else if any(Cause::Drift, false) || made_anew {
        Verdict::Drifted
    } else if any(Cause::Conflict, true) || any(Cause::Drift, true) {
        Verdict::Muted
    } else if attributes.iter().any(|a| a.cause != Cause::Unobservable) {
        Verdict::Pending
    } else {
        Verdict::InSync
    }
}

fn attributes(
    wanted: &StoredSettings,
    applied: &AppliedRoom,
    live: &LiveRoom,
    salt: &str,
) -> Vec<AttributeDrift> {
    let names: BTreeSet<&String> = wanted.keys().chain(applied.settings.keys()).collect();
    names
        .into_iter()
        .filter_map(|name| {
            let is = |live: &Live, kept: &Stored| live.is(kept, salt, name);
            let sides = sides(name, wanted, applied, live, is);
            Some(AttributeDrift {
                cause: cause(sides, is)?,
                applied: sides.applied.map(|known| known.sent.clone()),
                wanted: sides.wanted.cloned(),
                live: sides
                    .live
                    .map(|live| live.remember(salt, name, is_secret(name))),
                name: name.clone(),
                muted: false,
            })
        })
        .collect()
}

fn is_secret(name: &str) -> bool {
    attribute(name).is_some_and(Attribute::is_secret)
}

fn mute(room: &mut RoomDrift, all: &Sides<'_>, used: &mut [bool]) {
    for attribute in &mut room.attributes {
        if !matches!(attribute.cause, Cause::Drift | Cause::Conflict) {
            continue;
        }
        for (mute, used) in all.mutes.iter().zip(used.iter_mut()) {
            if mute.is_active(all.now) && mute.covers(&room.room, &attribute.name) {
                attribute.muted = true;
                *used = true;
            }
        }
    }
}

/// A room that archives itself when it expires is told apart from one that somebody archived.
fn why_gone(gone: Gone, applied: &AppliedRoom, now: i64) -> String {
    let flag = |name: &str| applied.settings.get(name) == Some(&Stored::Bool(true));
    let expired = match applied.settings.get("expireUnixSec") {
        Some(Stored::Integer(moment)) => *moment <= now,
        _ => false,
    };
    match (gone, expired && flag("deleteOnExp")) {
        (_, true) => "it expired, and was to be archived then".to_owned(),
        (Gone::Archived, false) => "somebody archived it".to_owned(),
        (Gone::Missing, false) => "the service says that there is no such room".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Secret, Settings, Value};

    const NOW: i64 = 1_790_000_000;

    fn name(text: &str) -> RoomName {
        RoomName::try_from(text.to_owned()).unwrap()
    }

    fn settings(people: i64) -> Settings {
        [
            ("privacy", Value::Text("private".into())),
            ("maxParticipants", Value::Integer(people)),
            (
                "meetingJoinWebhook",
                Value::Secret(Secret::new("https://a.example/canary")),
            ),
        ]
        .into()
    }

    struct Case {
        wanted: BTreeMap<RoomName, WantedRoom>,
        state: State,
        world: World,
        listed: BTreeSet<String>,
        mutes: Vec<Mute>,
    }

    impl Case {
        /// One room, applied with 5 people, wanted with `wanted`, seen with `live`.
        fn new(wanted: Option<i64>, live: Option<i64>) -> Self {
            let mut state = State::fresh("acme");
            state.lineage = "lineage".into();
            let applied = AppliedRoom {
                id: Some("c0ffee".into()),
                settings: remember(&settings(5), "lineage", &StoredSettings::new()),
                observed: [("autoJoin".to_owned(), Stored::Bool(false))].into(),
                ..AppliedRoom::default()
            };
            state.rooms.insert(name("a"), applied);
            let wanted = wanted.map(|people| {
                let room = WantedRoom {
                    file: "rooms/a.yaml".into(),
                    source: None,
                    settings: settings(people),
                    ..WantedRoom::default()
                };
                (name("a"), room)
            });
            let seen = match live {
                Some(people) => Sighting::Present(Self::live(people)),
                None => Sighting::Absent(Gone::Missing),
            };
            Self {
                wanted: wanted.into_iter().collect(),
                state,
                world: [(name("a"), seen)].into(),
                listed: BTreeSet::new(),
                mutes: Vec::new(),
            }
        }

        fn live(people: i64) -> LiveRoom {
            LiveRoom {
                id: Some("c0ffee".into()),
                settings: [
                    ("privacy".to_owned(), Live::Text("private".into())),
                    ("maxParticipants".to_owned(), Live::Integer(people)),
                    ("autoJoin".to_owned(), Live::Bool(false)),
                    (
                        "meetingJoinWebhook".to_owned(),
                        Live::Text("https://a.example/canary".into()),
                    ),
                ]
                .into(),
            }
        }

        fn live_mut(&mut self) -> &mut LiveRoom {
            match self.world.get_mut("a") {
                Some(Sighting::Present(live)) => live,
                _ => panic!("the room is there"),
            }
        }

        fn drift(&self) -> Drift {
            let drift = drift(&Sides {
                wanted: &self.wanted,
                state: &self.state,
                world: &self.world,
                listed: &self.listed,
                mutes: &self.mutes,
                now: NOW,
            });
            assert!(!format!("{drift:?}").contains("canary"));
            drift
        }

        fn room(&self) -> RoomDrift {
            self.drift().rooms.remove(0)
        }
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
    fn expired_is_told_apart_from_archived() {
        let mut case = Case::new(Some(5), None);
        let message = |case: &Case| case.room().message.unwrap();
        assert!(message(&case).contains("no such room"));
        case.world
            .insert(name("a"), Sighting::Absent(Gone::Archived));
        assert!(message(&case).contains("somebody archived"));
        if let Some(room) = case.state.rooms.get_mut("a") {
            room.settings
                .insert("expireUnixSec".into(), Stored::Integer(NOW - 1));
            room.settings
                .insert("deleteOnExp".into(), Stored::Bool(true));
        }
        assert!(message(&case).contains("expired"));
    }

    #[test]
    fn a_room_made_anew_is_drift() {
        let mut case = Case::new(Some(5), Some(5));
        case.live_mut().id = Some("f00d".into());
        let room = case.room();
        assert_eq!(room.verdict, Verdict::Drifted);
        assert!(room.message.unwrap().contains("made anew"));
    }

    #[test]
    fn undeclared_attributes_that_moved_are_told_apart() {
        let mut case = Case::new(Some(5), Some(5));
        case.live_mut()
            .settings
            .insert("autoJoin".into(), Live::Bool(true));
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
    fn a_mute_mutes_until_it_ends_and_is_told_when_idle() {
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
        case.mutes.remove(0);
        assert_eq!(case.drift().rooms[0].verdict, Verdict::Drifted);
    }

    #[test]
    fn an_unset_secret_is_as_it_was_applied() {
        let mut case = Case::new(Some(5), Some(5));
        let unset = Value::Unset {
            variables: vec!["HOOK".to_owned()],
        };
        let room = case.wanted.get_mut(&name("a")).unwrap();
        room.settings.insert("meetingJoinWebhook", unset.clone());
        assert_eq!(case.room().verdict, Verdict::InSync);
        let room = case.wanted.get_mut(&name("a")).unwrap();
        room.settings.insert("meetingLeftWebhook", unset);
        assert_eq!(case.room().verdict, Verdict::Pending);
    }
}
