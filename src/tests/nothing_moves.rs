//! No named effect happens without its permission, nothing that a mute accepts is moved, and whatever the service may
//! hold is remembered, whatever was lost before: generated files, rooms made by hand, moves that are muted, lost answers
//! and lost states, rooms that are archived or recreated, run by the real engine, and what the service holds before and
//! after held against an own small table of what each effect means, or against what drift says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use super::in_process::{Bench, options, quirks, wanted};
use crate::model::{Effect, RoomName, StoredSettings, Wanted, WantedRoom, WireName};
use crate::planner::drift::{Evidence, drift};
use crate::planner::import::{Known, draft};
use crate::planner::limits::{Limits, refusals};
use crate::planner::mutes::{Mute, is_muted};
use crate::planner::testing::globs;
use crate::planner::undeclared::{Undeclared, is_settable, learned};
use crate::planner::{Action, Event, Options, Outcome, Sighting, State, Verdict, plan};
use crate::report::saved::Mode;
use crate::service::observe::observe;
use crate::service::stop::StopReason;
use crate::simulator::Method;

const ROOMS: [&str; 3] = ["a", "b", "c"];

/// Expiries by their distance from now; `None`: zero, which nobody knows the meaning of.
const EXPIRIES: [Option<i64>; 4] = [Some(-1000), Some(1000), Some(2000), None];

/// What somebody may write into a file, or into a room by hand.
fn room() -> impl Strategy<Value = Map<String, Value>> {
    let flag = || proptest::option::of(any::<bool>());
    let limit = || proptest::option::of(proptest::sample::select(vec![0, 1, 10, 500]));
    let expiry = proptest::option::of((flag(), flag(), select(EXPIRIES.to_vec())));
    (any::<bool>(), flag(), flag(), limit(), limit(), expiry).prop_map(
        |(public, records, audio_only, most, idle, expiry)| {
            let mut room = Map::new();
            let mut set = |name: &str, value: Value| room.insert(name.to_owned(), value);
            set("privacy", json!(if public { "public" } else { "private" }));
            records.map(|on| set("enableRecording", json!(on)));
            audio_only.map(|on| set("audioOnlyRoom", json!(on)));
            most.map(|number| set("maxParticipants", json!(number)));
            idle.map(|number| set("endMeetingAfterNoActivityInSec", json!(number)));
            if let Some((ejects, deletes, distance)) = expiry {
                ejects.map(|on| set("ejectAtRoomExp", json!(on)));
                deletes.map(|on| set("deleteOnExp", json!(on)));
                let moment = distance.map_or(0, |distance| options().now + distance);
                set("expireUnixSec", json!(moment));
            }
            room
        },
    )
}

const OFFLINE: Mode = Mode {
    live: false,
    drift_only: false,
    prune: false,
    reassert: false,
};

const LIVE: Mode = Mode {
    live: true,
    ..OFFLINE
};

/// Mostly the usual one.
const MODES: [Mode; 9] = [
    Mode {
        prune: true,
        ..OFFLINE
    },
    Mode {
        prune: true,
        ..LIVE
    },
    OFFLINE,
    OFFLINE,
    OFFLINE,
    LIVE,
    Mode {
        drift_only: true,
        ..LIVE
    },
    Mode {
        reassert: true,
        ..OFFLINE
    },
    Mode {
        reassert: true,
        ..LIVE
    },
];

/// What one run begins with.
#[derive(Clone, Debug)]
struct Turn {
    files: BTreeMap<&'static str, Map<String, Value>>,
    /// What somebody writes into rooms that the state does not know.
    by_hand: Vec<Map<String, Value>>,
    /// What somebody moves by hand.
    moves: Vec<(&'static str, &'static str, Value)>,
    /// What somebody moves by hand after the look of the run, before it writes.
    late: Option<(&'static str, &'static str, Value)>,
    /// A room that somebody archives by hand, to make another under its name.
    recreated: Option<&'static str>,
    /// Rooms that somebody archives, and what another is made of under the name.
    gone: Vec<(&'static str, Option<Map<String, Value>>)>,
    state_is_lost: bool,
    mode: Mode,
    faults: Vec<String>,
    named: Vec<Effect>,
    allowed: Vec<Effect>,
    protected: Vec<&'static str>,
    /// Whether the mutes are over.
    is_unmuted: bool,
    /// Whether the plan was reviewed, and nothing may happen that it does not name.
    is_reviewed: bool,
}

fn turn() -> impl Strategy<Value = Turn> {
    let files = proptest::sample::subsequence(ROOMS.to_vec(), 1..=3).prop_flat_map(|names| {
        let rooms = proptest::collection::vec(room(), names.len());
        rooms.prop_map(move |rooms| names.iter().copied().zip(rooms).collect())
    });
    let fault = || {
        let kinds = [
            "500-after=method:PUT|POST",
            "drop-after=method:PUT,first:1",
            "500=method:PUT|POST",
            "500-after=method:POST",
            "500=method:GET,share:30%",
            "500-after=method:DELETE",
            "drop-after=method:DELETE,first:1",
            "truncated=method:PUT|POST,share:50%",
        ];
        proptest::sample::select(kinds.to_vec()).prop_map(str::to_owned)
    };
    let moved = (select(&ROOMS[..]), select(&MOVED[..]));
    let moved = moved.prop_map(|(room, (attribute, value))| (room, attribute, by_hand(value)));
    let late = prop::option::weighted(0.6, moved.clone());
    let recreated = prop::option::weighted(0.2, select(&ROOMS[..]));
    let gone = (select(&ROOMS[..]), proptest::option::of(room()));
    let gone = prop_oneof![3 => Just(Vec::new()), 1 => gone.prop_map(|one| vec![one])];
    let effects = || proptest::sample::subsequence(Effect::ALL.to_vec(), 0..=5);
    (
        files,
        proptest::collection::vec(room(), 0..3),
        (
            proptest::collection::vec(moved, 0..4),
            late,
            recreated,
            gone,
        ),
        prop::bool::weighted(0.2),
        select(&MODES[..]),
        proptest::collection::vec(fault(), 0..2),
        effects(),
        effects(),
        proptest::sample::subsequence(ROOMS.to_vec(), 0..=2),
        (prop::bool::weighted(0.2), any::<bool>()),
    )
        .prop_map(
            |(
                files,
                by_hand,
                moved,
                state_is_lost,
                mode,
                faults,
                named,
                allowed,
                protected,
                (is_unmuted, is_reviewed),
            )| {
                let (moves, late, recreated, gone) = moved;
                Turn {
                    files,
                    by_hand,
                    moves,
                    late,
                    recreated,
                    gone,
                    state_is_lost,
                    mode,
                    faults,
                    named,
                    allowed,
                    protected,
                    is_unmuted,
                    is_reviewed,
                }
            },
        )
}

/// Values that no file has.
const HAND_MADE: [i64; 2] = [901, 902];

/// Attributes, and what somebody may make of them by hand.
const MOVED: [(&str, &str); 9] = [
    ("maxParticipants", "901"),
    ("maxParticipants", "902"),
    ("maxParticipants", "null"),
    ("endMeetingAfterNoActivityInSec", "901"),
    ("endMeetingAfterNoActivityInSec", "902"),
    ("privacy", "public"),
    ("privacy", "private"),
    ("enableRecording", "true"),
    ("enableRecording", "false"),
];

fn by_hand(value: &str) -> Value {
    serde_json::from_str(value).unwrap_or_else(|_| json!(value))
}

/// Which room and attribute a case may mute.
const MUTES: [(&str, &str); 4] = [
    ("a", "maxParticipants"),
    ("*", "privacy"),
    ("*", "endMeetingAfterNoActivityInSec"),
    ("b", "*"),
];

fn mutes() -> impl Strategy<Value = Vec<Mute>> {
    let some = proptest::sample::subsequence(MUTES.to_vec(), 0..=4);
    some.prop_map(|some| {
        let mute = |(room, name)| Mute::new(room, name, "known", "2100-01-01").unwrap();
        some.into_iter().map(mute).collect()
    })
}

type Held = BTreeMap<String, BTreeMap<String, Value>>;

fn held(bench: &Bench) -> Held {
    let world = bench.world();
    let rooms = world.rooms().filter(|room| !room.archived);
    rooms
        .map(|room| (room.name.clone(), room.attributes.clone()))
        .collect()
}

/// What each effect means, said a second time.
fn happened(
    before: &BTreeMap<String, Value>,
    after: &BTreeMap<String, Value>,
    now: i64,
) -> Vec<Effect> {
    let on = |room: &BTreeMap<String, Value>, name: &str| room.get(name) == Some(&json!(true));
    let limit =
        |room: &BTreeMap<String, Value>, name: &str| match room.get(name).and_then(Value::as_i64) {
            None | Some(0) => i64::MAX,
            Some(limit) => limit,
        };
    // Zero is long ago, or never; so is what has passed for a room that was there, as long as nothing else is written.
    let is_over = |moment: &Value| moment.as_i64().is_some_and(|moment| moment <= now);
    let is_open = |moment: &Value| {
        moment == 0 || (is_over(moment) && before.get("expireUnixSec") == Some(moment))
    };
    let expiry = |room: &BTreeMap<String, Value>, flag: &str, zero| match room.get("expireUnixSec")
    {
        Some(moment) if on(room, flag) && is_open(moment) => zero,
        Some(moment) if on(room, flag) => moment.as_i64().unwrap().max(now),
        _ => i64::MAX,
    };
    let nearer = |flag: &str| {
        let mut zeros = [now, i64::MAX].into_iter();
        zeros.any(|zero| expiry(after, flag, zero) < expiry(before, flag, zero))
    };
    let turned = |name: &str| on(before, name) != on(after, name);
    let lowered = |name: &str| limit(after, name) < limit(before, name);
    let mut effects = Vec::new();
    if before["privacy"] != "public" && after["privacy"] == "public" {
        effects.push(Effect::PrivacyWidened);
    }
    if !on(before, "enableRecording") && on(after, "enableRecording") {
        effects.push(Effect::RecordingOn);
    }
    if lowered("maxParticipants")
        || lowered("endMeetingAfterNoActivityInSec")
        || nearer("ejectAtRoomExp")
    {
        effects.push(Effect::EjectsParticipants);
    }
    if turned("enableRecording") || turned("audioOnlyRoom") {
        effects.push(Effect::BillingChanged);
    }
    if nearer("deleteOnExp") {
        effects.push(Effect::Archived);
    }
    effects
}

/// What each effect means for a room that was not there: nobody is in it, nor has a link to it.
fn happened_by_creating(room: &BTreeMap<String, Value>, now: i64) -> Vec<Effect> {
    let nothing = BTreeMap::from([("privacy".to_owned(), json!("private"))]);
    let mut effects = happened(&nothing, room, now);
    effects.retain(|e| ![Effect::PrivacyWidened, Effect::EjectsParticipants].contains(e));
    effects
}

fn name(text: &str) -> RoomName {
    RoomName::try_from(text.to_owned()).unwrap()
}

/// Somebody fills rooms that the state knows nothing of: what moves in others by hand, an apply without a look cannot
/// know.
fn fill_by_hand(bench: &Bench, turn: &Turn) {
    let mut rooms = turn.by_hand.iter();
    for room in ROOMS {
        if bench.state.rooms.contains_key(&name(room)) {
            continue;
        }
        let Some(attributes) = rooms.next() else {
            return;
        };
        let mut world = bench.world();
        if world.room(room).is_none_or(|room| room.archived) {
            world.create(room, attributes.clone().into_iter().collect(), 0);
        } else {
            for (attribute, value) in attributes {
                world.edit(room, attribute, value.clone()).unwrap();
            }
        }
    }
}

/// What somebody moved by hand and no run saw that did the room: rooms and attributes.
type Moved = BTreeSet<(&'static str, &'static str)>;

fn move_by_hand(bench: &Bench, turn: &Turn, moved: &mut Moved) {
    let mut world = bench.world();
    for (room, attribute, value) in &turn.moves {
        if world.room(room).is_some() {
            world.edit(room, attribute, value.clone()).unwrap();
            moved.insert((*room, *attribute));
        }
    }
}

/// Somebody archives a room, and makes another under its name.
fn recreate(bench: &Bench, turn: &Turn) {
    let mut world = bench.world();
    let room = turn.recreated.and_then(|room| world.room(room).cloned());
    if let Some(room) = room {
        world.create(&room.name, room.attributes, 1_000);
    }
}

/// Moves a room by hand between the look and the write of a run that makes one. Returns what it holds by then.
fn move_late(bench: &Bench, turn: &Turn, moved: &mut Moved) -> Held {
    let (Some((room, attribute, value)), true) = (&turn.late, turn.mode.live) else {
        return Held::new();
    };
    let mut world = bench.world();
    // What was never set is off.
    let off = json!(false);
    let is_moved = world.room(room).is_some_and(|room| {
        let is_off = *value == off && !room.attributes.contains_key(*attribute);
        !room.archived && !is_off && room.attributes.get(*attribute) != Some(value)
    });
    if !is_moved {
        return Held::new();
    }
    world.edit(room, attribute, value.clone()).unwrap();
    moved.insert((*room, *attribute));
    let holds = world.room(room).unwrap().attributes.clone();
    [((*room).to_owned(), holds)].into()
}

/// What `room` may hold.
const ATTRIBUTES: [&str; 8] = [
    "audioOnlyRoom",
    "deleteOnExp",
    "ejectAtRoomExp",
    "enableRecording",
    "endMeetingAfterNoActivityInSec",
    "expireUnixSec",
    "maxParticipants",
    "privacy",
];

/// Somebody archives rooms, and makes others under their names.
fn archive(bench: &Bench, turn: &Turn, moved: &mut Moved) {
    let mut world = bench.world();
    for (room, again) in &turn.gone {
        if world.room(room).is_some_and(|room| !room.archived) {
            world.archive(room).unwrap();
            if let Some(attributes) = again {
                world.create(room, attributes.clone().into_iter().collect(), 0);
                moved.extend(ATTRIBUTES.map(|attribute| (*room, attribute)));
            }
        }
    }
}

fn files(turn: &Turn) -> Wanted {
    let files = turn.files.iter();
    files
        .map(|(room, settings)| (name(room), wanted(room, Value::Object(settings.clone()))))
        .collect()
}

fn look(bench: &Bench) -> crate::planner::World {
    let service = bench.service();
    let names = ROOMS.map(name).to_vec();
    bench
        .runtime
        .block_on(async { observe(&service, names, 1, || {}).world().await })
}

/// What drift says that the service moved in rooms that files want: attributes, or the whole room.
fn drifted(bench: &Bench, turn: &Turn, mutes: &[Mute]) -> BTreeMap<String, Option<Vec<String>>> {
    let (files, world) = (files(turn), look(bench));
    let drift = drift(
        &Evidence {
            wanted: &files,
            state: &bench.state,
            others: &BTreeMap::new(),
            mutes,
            now: options().now,
        },
        &world,
        &BTreeSet::new(),
    );
    let rooms = drift.rooms.into_iter().filter(|room| room.file.is_some());
    rooms
        .map(|room| {
            let moved = room.attributes.into_iter();
            let moved = moved.filter(|a| a.cause.is_a_move_of_the_service() && !a.muted);
            let names = moved.map(|attribute| attribute.name).collect();
            (
                room.room,
                (room.verdict != Verdict::Missing).then_some(names),
            )
        })
        .collect()
}

/// Only what drift says that the service moved was put back, and what was moved out of sight; the service itself may have chosen
/// something.
fn check_put_back(
    drifted: &BTreeMap<String, Option<Vec<String>>>,
    out_of_sight: &Moved,
    chooses: bool,
    before: &Held,
    after: &Held,
) -> Result<(), TestCaseError> {
    for (room, after) in after {
        let Some(before) = before.get(room) else {
            prop_assert_eq!(drifted.get(room), Some(&None), "{} was created", room);
            continue;
        };
        for (name, value) in after {
            let is_drift = matches!(drifted.get(room), Some(Some(names)) if names.contains(name));
            let is_hidden = out_of_sight.contains(&(room.as_str(), name.as_str()));
            // What was never set is off.
            let is_off = !before.contains_key(name) && *value == json!(false);
            let is_chosen = chooses && (name.as_str(), value) == ("privacy", &json!("private"));
            prop_assert!(
                is_drift || is_hidden || is_off || is_chosen || before.get(name) == Some(value),
                "{room} {name}: {before:?} -> {after:?}"
            );
        }
    }
    Ok(())
}

/// What the files said when each room was last done, as far as a run can know.
type Done = BTreeMap<String, Map<String, Value>>;

/// The effects that a plan names, by room: of rooms new to the state, which `apply` judges when it has read them, only if
/// nothing else may happen.
type Named = BTreeMap<String, Vec<Effect>>;

/// One run as `apply` makes it: planned, refused as a whole if it must be, carried out. Returns the rooms that it did, what
/// moved since it looked, and the effects of its plan.
fn run(
    bench: &mut Bench,
    turn: &Turn,
    mutes: &[Mute],
    is_shown: bool,
    moved: &mut Moved,
) -> (Done, Held, Named) {
    let files = files(turn);
    bench.limits = Limits {
        require_allow: turn.named.clone(),
        allowed: turn.allowed.clone(),
        protected: globs(&turn.protected),
        only_named: turn.is_reviewed,
        ..Limits::default()
    };
    let world = turn.mode.live.then(|| look(bench));
    let options = Options {
        mutes,
        drift_only: turn.mode.drift_only,
        prune: turn.mode.prune,
        reassert: turn.mode.reassert,
        ..options()
    };
    let plan = plan(&files, &bench.state, world.as_ref(), &options);
    // However the run goes on, what its look showed is known.
    bench.state.remember_look(&plan.looked);
    for (room, seen) in world.iter().flatten() {
        if is_shown && matches!(seen, Sighting::Present(_)) {
            moved.retain(|(moved, _)| *moved != room.as_str());
        }
    }
    let late = move_late(bench, turn, moved);
    let mut done = Done::new();
    if refusals(&plan, &bench.limits).is_empty() {
        for receipt in bench.carry_out(&plan) {
            assert!(
                !receipt.held_back || receipt.outcome == Outcome::Refused,
                "{receipt:?}"
            );
            let is_done = matches!(receipt.outcome, Outcome::Confirmed | Outcome::Overridden);
            let mut changes = plan.changes.iter();
            let change = changes.find(|change| change.room == receipt.room).unwrap();
            let is_read_first = change.sends && change.is_read_first(&bench.limits);
            let is_read = change.action == Action::Add || change.seen.is_some() || is_read_first;
            // Held back, it was read before.
            let is_seen =
                is_read && (receipt.held_back || !late.contains_key(receipt.room.as_str()));
            if (is_done || receipt.held_back) && is_shown && is_seen {
                moved.retain(|(room, _)| *room != receipt.room.as_str());
            }
            let file = turn.files.get(receipt.room.as_str());
            if let Some(file) = file.filter(|_| is_done && !turn.mode.drift_only) {
                done.insert(receipt.room.to_string(), file.clone());
            }
        }
    }
    if done.len() == files.len() {
        let again = super::in_process::plan_of(&files, &bench.state);
        assert!(again.is_empty(), "{:?}", again.changes);
    }
    let named = plan.changes.iter();
    let named = named.filter(|change| turn.is_reviewed || change.action != Action::Add);
    let named = named.map(|change| (change.room.to_string(), change.effects.clone()));
    (done, late, named.collect())
}

/// Whatever the service holds of an attribute of which anything is remembered, is among what is remembered that it may hold,
/// unless somebody moved it by hand.
fn check_held(bench: &Bench, moved: &Moved) -> Result<(), TestCaseError> {
    for (room, attributes) in held(bench) {
        let Some(applied) = bench.state.rooms.get(room.as_str()) else {
            continue;
        };
        let mut known = applied.held(None, &[], false);
        let beside = applied.observed.iter().chain(&applied.overridden);
        for (name, value) in beside {
            known
                .get_or_insert_with(*name, Vec::new)
                .push(value.clone());
        }
        for (name, sent) in &applied.unconfirmed {
            // It alone says nothing of what was there before.
            if known.contains_key(name) {
                let values = known.get_or_insert_with(*name, Vec::new);
                values.extend(sent.values().cloned());
            }
        }
        let is_moved = |name: &str| moved.contains(&(room.as_str(), name));
        for (name, values) in known.iter().filter(|(name, _)| !is_moved(name)) {
            let values: Vec<Value> = values.iter().map(|value| json!(value)).collect();
            // What was never written is whatever the service shows instead.
            let Some(real) = attributes.get(name.as_str()) else {
                continue;
            };
            prop_assert!(
                values.contains(real) || values.contains(&Value::Null),
                "{room} {name}: {real} is none of {values:?}"
            );
        }
    }
    Ok(())
}

/// What somebody made by hand, and a mute accepts, is as it was: unless the file asks for something else than when the
/// room was last done.
fn check_muted(
    turn: &Turn,
    mutes: &[Mute],
    done: &Done,
    before: &Held,
    after: &Held,
) -> Result<(), TestCaseError> {
    for (room, attributes) in before {
        for (name, value) in attributes {
            let is_number = value.as_i64().is_some_and(|n| HAND_MADE.contains(&n));
            let is_hand_made = is_number || value.is_null();
            let asked = turn.files.get(room.as_str()).map(|file| file.get(name));
            let is_asked = match done.get(room) {
                Some(done) if !turn.mode.drift_only => {
                    asked.is_some_and(|asked| asked != done.get(name))
                }
                _ => false,
            };
            let is_there = after.contains_key(room);
            if is_there && is_hand_made && is_muted(mutes, room, name) && !is_asked {
                prop_assert_eq!(&after[room][name], value, "{} of {}", name, room);
            }
        }
    }
    Ok(())
}

/// What moved by hand in a room that is not protected, nobody looked at; and what is not shown, nobody saw.
fn is_forbidden(turn: &Turn, moved: &Moved, is_shown: bool, room: &str, effect: Effect) -> bool {
    let is_protected = turn.protected.contains(&room);
    let is_known = !moved.iter().any(|(moved, _)| *moved == room);
    let is_looked_at = is_protected && is_shown;
    let is_named = is_protected || turn.named.contains(&effect);
    let is_named = is_named && (is_known || is_looked_at);
    let is_never = is_protected && effect == Effect::Archived;
    is_never || (is_named && !turn.allowed.contains(&effect))
}

/// Only what the state knows as the room that it is, and no file wants, is archived, when that is asked for and allowed.
fn check_archived(
    turn: &Turn,
    known: &State,
    ids: &BTreeMap<String, String>,
    before: &Held,
    after: &Held,
) -> Result<(), TestCaseError> {
    for room in before.keys().filter(|room| !after.contains_key(*room)) {
        let is_asked = turn.mode.prune && !turn.files.contains_key(room.as_str());
        let applied = known.rooms.get(room.as_str());
        let is_known = applied.is_some_and(|applied| {
            applied.is_confirmed() && applied.id.as_ref().is_none_or(|id| *id == ids[room])
        });
        let is_forbidden = is_forbidden(turn, &Moved::new(), true, room, Effect::Archived);
        prop_assert!(is_asked && is_known && !is_forbidden, "{room}: {turn:#?}");
    }
    Ok(())
}

/// A room that a run archived is forgotten, or something of it is in doubt: nobody takes it for what it was.
fn check_gone(bench: &Bench, ours: &BTreeSet<String>) -> Result<(), TestCaseError> {
    for room in ours {
        let known = bench.state.rooms.get(room.as_str());
        let is_settled = known.is_some_and(|known| known.unconfirmed.is_empty());
        prop_assert!(!is_settled, "{room} is gone, and {known:?}");
    }
    Ok(())
}

/// Another room under a name is remembered as ours only by who looked, or made it.
fn check_ids(
    turn: &Turn,
    known: &State,
    bench: &Bench,
    before: &Held,
) -> Result<(), TestCaseError> {
    for (room, now) in &bench.state.rooms {
        let then = known.applied(room);
        let is_taken = then.id.is_some() && now.id != then.id;
        let is_made = !before.contains_key(room.as_str());
        prop_assert!(!is_taken || is_made || turn.mode.live, "{room}: {turn:#?}");
    }
    Ok(())
}

/// What moved between the look of a run and its write was neither written nor archived.
fn check_late(late: &Held, after: &Held) -> Result<(), TestCaseError> {
    for (room, attributes) in late {
        prop_assert_eq!(after.get(room), Some(attributes), "{}", room);
    }
    Ok(())
}

/// The service's ids of the rooms.
fn ids(bench: &Bench) -> BTreeMap<String, String> {
    let world = bench.world();
    let ids = world
        .rooms()
        .map(|room| (room.name.clone(), room.id.clone()));
    ids.collect()
}

/// Rare among the generated turns, so that it has a turn of its own: an orphan that moves after it was seen.
#[test]
fn what_moved_since_the_look_is_not_archived() {
    for (late, is_archived) in [("private", true), ("public", false)] {
        let mut bench = Bench::new(quirks(&[]));
        let file = json!({"privacy": "private"});
        bench.apply(&[(name("a"), wanted("a", file))].into());
        let service = bench.service();
        let look = async { observe(&service, vec![name("a")], 1, || {}).world().await };
        let world = bench.runtime.block_on(look);
        let pruning = Options {
            prune: true,
            ..options()
        };
        let plan = plan(&Wanted::new(), &bench.state, Some(&world), &pruning);
        bench.world().edit("a", "privacy", json!(late)).unwrap();
        bench.carry_out(&plan);
        assert_eq!(bench.world().room("a").unwrap().archived, is_archived);
    }
}

/// Rare among the generated turns as well: a key that leaves its file while nobody knows whether its write arrived.
#[test]
fn a_doubt_outlives_the_release_of_its_attribute() {
    for arrived in [false, true] {
        let mut bench = Bench::new(quirks(&[]));
        let by_hand = [
            ("privacy", json!("private")),
            ("enableRecording", json!(true)),
        ];
        let by_hand = by_hand.map(|(name, value)| (name.to_owned(), value));
        bench.world().create("a", by_hand.into(), 0);
        let file = |text: Value| -> Wanted { [(name("a"), wanted("a", text))].into() };
        let without = file(json!({"privacy": "private"}));
        bench.apply(&without);
        bench.faults(&[if arrived {
            "drop-after=method:PUT"
        } else {
            "drop-before=method:PUT"
        }]);
        bench.apply(&file(
            json!({"privacy": "private", "enableRecording": false}),
        ));
        bench.faults(&[]);
        // No file wants any more what was sent: that is named, and settled.
        let named = super::in_process::plan_of(&without, &bench.state);
        let lines = named.changes.iter().flat_map(|change| &change.attributes);
        let lines: Vec<&str> = lines.map(|line| line.name.as_str()).collect();
        assert!(lines.contains(&"enableRecording"), "{lines:?}");
        check_held(&bench, &Moved::new()).unwrap();
        bench.carry_out(&named);
        check_held(&bench, &Moved::new()).unwrap();
        assert!(super::in_process::plan_of(&without, &bench.state).is_empty());
        let on = file(json!({"privacy": "private", "enableRecording": true}));
        let plan = super::in_process::plan_of(&on, &bench.state);
        assert!(plan.changes[0].effects.contains(&Effect::RecordingOn));
    }
}

/// That it was not shown before its write says nothing of the doubt: nobody looked since.
#[test]
fn what_was_sent_of_an_attribute_that_was_not_shown_before_is_said() {
    let mut bench = Bench::new(quirks(&["put=replace"]));
    let file = |text: Value| -> Wanted { [(name("a"), wanted("a", text))].into() };
    let text = json!({"privacy": "private", "maxParticipants": 7});
    let Value::Object(text) = text else { return };
    bench.world().create("a", text.into_iter().collect(), 0);
    let world = look(&bench);
    let adopting = file(json!({"privacy": "private"}));
    bench.carry_out(&plan(&adopting, &bench.state, Some(&world), &options()));
    let without = file(json!({"privacy": "private", "enableChat": false}));
    bench.apply(&without);
    assert!(
        bench
            .state
            .applied(&name("a"))
            .unseen
            .contains("maxParticipants"),
        "it was reset"
    );
    bench.faults(&["drop-after=method:PUT"]);
    let with = json!({"privacy": "private", "enableChat": false, "maxParticipants": 0});
    bench.apply(&file(with));
    bench.faults(&[]);
    assert!(bench.state.applied(&name("a")).is_in_doubt());
    for world in [None, Some(look(&bench))] {
        let made = plan(&without, &bench.state, world.as_ref(), &options());
        let lines = made.changes.iter().flat_map(|change| &change.attributes);
        let lines: Vec<&str> = lines.map(|line| line.name.as_str()).collect();
        assert!(lines.contains(&"maxParticipants"), "{lines:?}");
        assert!(made.undeclared.is_empty(), "{:?}", made.undeclared);
    }
}

/// Either value that was there before makes it possible, so what a service that replaces does is reported.
#[test]
fn what_is_reset_after_its_doubtful_release_is_told() {
    let mut bench = Bench::new(quirks(&["put=replace"]));
    let file = |text: Value| -> Wanted { [(name("a"), wanted("a", text))].into() };
    bench.apply(&file(json!({"privacy": "private", "audioOnlyRoom": true})));
    bench.faults(&["drop-before=method:PUT"]);
    bench.apply(&file(json!({"privacy": "private", "audioOnlyRoom": false})));
    bench.faults(&[]);
    let released = file(json!({"privacy": "private", "enableChat": false}));
    let receipt = bench.apply(&released).remove(0);
    assert_eq!(receipt.undeclared[0].name, "audioOnlyRoom", "{receipt:?}");
    assert_eq!(receipt.effects, [Effect::BillingChanged]);
}

/// Nor does a stop hide that a write was answered.
#[test]
fn a_write_that_was_answered_is_not_called_unanswered() {
    let mut bench = Bench::new(quirks(&["put=replace"]));
    let rooms = ["a", "b", "c", "d", "e", "f"];
    let files = |text: &Value| -> Wanted {
        let room = |room: &&str| (name(room), wanted(room, text.clone()));
        rooms.iter().map(room).collect()
    };
    bench.apply(&files(&json!({"privacy": "private"})));
    for room in rooms {
        let mut world = bench.world();
        world.edit(room, "audioOnlyRoom", json!(true)).unwrap();
    }
    let (service, names) = (bench.service(), rooms.map(name).to_vec());
    let world =
        (bench.runtime).block_on(async { observe(&service, names, 1, || {}).world().await });
    let plain = files(&json!({"privacy": "private"}));
    bench
        .state
        .remember_look(&plan(&plain, &bench.state, Some(&world), &options()).looked);
    bench.limits.require_allow = vec![Effect::BillingChanged];
    bench.rate = "5/s".parse().unwrap();
    bench.faults(&["slow=method:PUT"]);
    let receipts = bench.apply(&files(&json!({"privacy": "private", "enableChat": false})));
    let cut = |receipt: &&crate::planner::Receipt| receipt.outcome == Outcome::Unknown;
    let cut: Vec<_> = receipts.iter().filter(cut).collect();
    assert!(!cut.is_empty(), "{receipts:?}");
    for receipt in cut {
        let message = receipt.message.as_deref().unwrap();
        assert!(
            message.starts_with("the answer did not show all"),
            "{message}"
        );
    }
}

/// And an archive of which nobody can say whether it happened, with the file back by then.
#[test]
fn a_room_that_may_be_archived_is_not_taken_for_what_it_was() {
    for lost in ["drop-after=method:DELETE", "drop-before=method:DELETE"] {
        let mut bench = Bench::new(quirks(&["archived-name=reusable"]));
        let file = json!({"privacy": "public", "maxParticipants": 5});
        let files: Wanted = [(name("a"), wanted("a", file))].into();
        bench.apply(&files);
        bench.faults(&[lost, "503=method:GET,skip:1"]);
        let pruning = Options {
            prune: true,
            ..options()
        };
        let pruned = plan(&Wanted::new(), &bench.state, None, &pruning);
        assert_eq!(bench.carry_out(&pruned)[0].outcome, Outcome::Unknown);
        bench.faults(&[]);
        let again = plan(&Wanted::new(), &bench.state, None, &pruning);
        let digests = [&pruned, &again].map(|plan| plan.changes[0].digest.clone());
        assert_eq!(digests[0], digests[1], "it can be archived again");
        let back = super::in_process::plan_of(&files, &bench.state);
        assert_eq!(back.changes.len(), 1, "{lost}");
        // No value was sent, and what the room holds, the read before its write shows.
        let change = &back.changes[0];
        assert!(
            change.effects.is_empty() && change.is_read_first(&bench.limits),
            "{change:?}"
        );
        assert!(
            change.attributes.iter().all(|line| !line.unconfirmed),
            "{change:?}"
        );
        // The first run that wants it finds out, and the second one has it there.
        bench.apply(&files);
        bench.apply(&files);
        assert!(!bench.world().room("a").unwrap().archived, "{lost}");
        assert!(super::in_process::plan_of(&files, &bench.state).is_empty());
    }
}

/// How a write is lost.
const LOST: [&[&str]; 5] = [
    &[],
    &["500-after=method:PUT|POST"],
    &["500=method:PUT|POST"],
    &["drop-after=method:PUT|POST"],
    &["drop-before=method:PUT|POST"],
];

const PERSONALITIES: [&[&str]; 6] = [
    &[],
    &["echo=sample"],
    &["numbers=string"],
    &[
        "hide=privacy",
        "hide=maxParticipants",
        "hide=enableRecording",
    ],
    &["missing=404", "numbers=float", "extra-fields=on"],
    &["override=privacy:\"private\"", "override-writes=2"],
];

/// One run of a room `a`, and what happens before it.
#[derive(Clone, Debug)]
struct Step {
    file: Map<String, Value>,
    by_hand: Option<(&'static str, Value)>,
    is_recreated: bool,
    /// What the service does not show meanwhile.
    hidden: Vec<&'static str>,
    lost: &'static [&'static str],
    /// `None`: it is imported.
    mode: Option<Mode>,
    is_allowed: bool,
    is_muted: bool,
}

const HELD: [&str; 3] = ["maxParticipants", "audioOnlyRoom", "enableChat"];

fn step() -> impl Strategy<Value = Step> {
    let people = || prop::option::weighted(0.7, 1_i64..4);
    let flag = || prop::option::of(any::<bool>());
    let by_hand = prop_oneof![
        (1_i64..4).prop_map(|people| (HELD[0], json!(people))),
        any::<bool>().prop_map(|on| (HELD[1], json!(on))),
    ];
    let mode = prop::option::weighted(0.85, select(&MODES[..]));
    (
        (people(), flag(), flag()),
        prop::option::weighted(0.6, by_hand),
        prop::bool::weighted(0.1),
        proptest::sample::subsequence(HELD.to_vec(), 0..=3),
        prop_oneof![2 => Just(LOST[0]), 1 => select(&LOST[..])],
        (mode, any::<bool>(), any::<bool>()),
    )
        .prop_map(
            |(
                (people, audio_only, chat),
                by_hand,
                is_recreated,
                hidden,
                lost,
                (mode, is_allowed, is_muted),
            )| {
                let keys = [
                    ("privacy", Some(json!("private"))),
                    (HELD[0], people.map(|people| json!(people))),
                    (HELD[1], audio_only.map(|on| json!(on))),
                    (HELD[2], chat.map(|on| json!(on))),
                ];
                let keys = keys.into_iter();
                Step {
                    file: keys
                        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
                        .collect(),
                    by_hand,
                    is_recreated,
                    hidden,
                    lost,
                    mode,
                    is_allowed,
                    is_muted,
                }
            },
        )
}

impl Step {
    fn move_by_hand(&self, bench: &Bench, moved: &mut Moved) {
        let mut world = bench.world();
        let Some(room) = world.room("a").filter(|room| !room.archived).cloned() else {
            return;
        };
        if self.is_recreated {
            world.create("a", room.attributes, 1_000);
        }
        if let Some((name, value)) = &self.by_hand {
            world.edit("a", name, value.clone()).unwrap();
            moved.insert(("a", *name));
        }
    }

    fn file(&self) -> Wanted {
        [(name("a"), wanted("a", Value::Object(self.file.clone())))].into()
    }

    fn run(&self, bench: &mut Bench) {
        let file = self.file();
        let Some(mode) = self.mode else {
            return import(bench, &file);
        };
        let everything = || Effect::ALL.to_vec();
        bench.limits.allowed = if self.is_allowed {
            everything()
        } else {
            Vec::new()
        };
        let world = mode.live.then(|| look(bench));
        let mutes = [Mute::new("a", HELD[0], "known", "2100-01-01").unwrap()];
        let options = Options {
            mutes: if self.is_muted { &mutes } else { &[] },
            drift_only: mode.drift_only,
            reassert: mode.reassert,
            ..options()
        };
        let made = plan(&file, &bench.state, world.as_ref(), &options);
        bench.state.remember_look(&made.looked);
        if refusals(&made, &bench.limits).is_empty() {
            bench.carry_out(&made);
        }
    }
}

/// A look ends what it shows of a doubt, and nobody takes what moves after it for its work.
fn check_look_ends_doubts(bench: &Bench, file: &Wanted) -> Result<(), TestCaseError> {
    let looked = |known: &State| {
        let mut state = known.clone();
        let world = look(bench);
        let found = plan(file, &state, Some(&world), &options());
        state.remember_look(&found.looked);
        (state, world, found)
    };
    let (first, world, _) = looked(&bench.state);
    let (known, Some(Sighting::Present(live))) = (first.applied(&name("a")), world.get("a")) else {
        return Ok(());
    };
    if !known.is_confirmed() || known.claimed || known.is_recreated(live) {
        return Ok(());
    }
    let shown = live.stored("lineage");
    let mut open = known.unconfirmed.keys();
    prop_assert!(open.all(|name| !shown.contains_key(name)), "{known:?}");
    let on = shown.get("enableRecording") == Some(&true.into());
    bench
        .world()
        .edit("a", "enableRecording", json!(!on))
        .unwrap();
    let (second, _, found) = looked(&first);
    bench
        .world()
        .edit("a", "enableRecording", json!(on))
        .unwrap();
    let news = learned((&first, &first), &second, options().now);
    let moved = news.get("a").into_iter().flat_map(|one| &one.moved);
    let mut moved = moved.chain(found.undeclared.get("a").into_iter().flatten());
    prop_assert!(moved.all(|one| !one.perhaps_ours), "{known:?}: {news:?}");
    prop_assert!(
        news.values().all(|one| one.effects.is_empty()),
        "{known:?}: {news:?}"
    );
    Ok(())
}

/// The room becomes its file, as far as it is shown.
fn import(bench: &mut Bench, files: &Wanted) {
    let room = name("a");
    let Some(Sighting::Present(live)) = look(bench).remove("a") else {
        return;
    };
    let known = Known {
        file: files.get(&room),
        origins: None,
        applied: bench.state.applied(&room),
    };
    let draft = draft(&live, &known, options().now).unwrap();
    let applied = draft.applied(
        &live,
        known.applied,
        "rooms/a.yaml",
        WantedRoom::default(),
        bench.state.salt(),
    );
    let applied = Box::new(applied);
    bench.state.record(Event::Applied { room, applied });
}

/// A file and its write, and what somebody and the service make of the room meanwhile.
#[derive(Clone, Debug)]
struct Write {
    file: Map<String, Value>,
    by_hand: Map<String, Value>,
    chosen: Option<(&'static str, Value)>,
    is_muted: bool,
    is_live: bool,
    /// Whether nobody hears of its end.
    is_lost: bool,
}

fn write() -> impl Strategy<Value = Write> {
    let choices = [
        ("privacy", json!("public")),
        ("privacy", json!("private")),
        ("enableRecording", json!(true)),
        ("audioOnlyRoom", json!(false)),
        ("maxParticipants", json!(1)),
    ];
    let flags = (any::<bool>(), any::<bool>(), prop::bool::weighted(0.2));
    let chosen = proptest::option::of(select(choices.to_vec()));
    let by_hand = proptest::option::of(room());
    (room(), by_hand, chosen, flags).prop_map(|(file, by_hand, chosen, flags)| {
        let (is_muted, is_live, is_lost) = flags;
        Write {
            file,
            by_hand: by_hand.unwrap_or_default(),
            chosen,
            is_muted,
            is_live,
            is_lost,
        }
    })
}

/// What a room holds, and what the service shows of it.
type Was = (BTreeMap<String, Value>, StoredSettings);

/// What a write makes of what it does not send, and what it shows of that.
const WRITES: [&[&str]; 4] = [
    &[],
    &["put=replace"],
    &["echo=writes"],
    &["put=replace", "echo=writes"],
];

fn nothing_else_moves(
    turns: &[Turn],
    mutes: &[Mute],
    personality: usize,
) -> Result<(), TestCaseError> {
    let mut bench = Bench::new(quirks(PERSONALITIES[personality]));
    let is_shown = !PERSONALITIES[personality]
        .iter()
        .any(|quirk| quirk.starts_with("hide") || quirk.starts_with("echo"));
    let chooses = PERSONALITIES[personality]
        .iter()
        .any(|quirk| quirk.starts_with("override="));
    let (mut done, mut moved) = (Done::new(), Moved::new());
    let mut gone = BTreeSet::new();
    for turn in turns {
        if turn.state_is_lost {
            bench.state = State {
                lineage: "lineage".to_owned(),
                ..State::fresh("acme")
            };
            done.clear();
        }
        fill_by_hand(&bench, turn);
        archive(&bench, turn, &mut moved);
        recreate(&bench, turn);
        move_by_hand(&bench, turn, &mut moved);
        let mutes = if turn.is_unmuted { &[] } else { mutes };
        let drifted = turn.mode.drift_only.then(|| drifted(&bench, turn, mutes));
        bench.faults(&turn.faults.iter().map(String::as_str).collect::<Vec<_>>());
        let (mut before, known, ids) = (held(&bench), bench.state.clone(), ids(&bench));
        let unseen = if turn.mode.live && is_shown {
            Moved::new()
        } else {
            moved.clone()
        };
        let (now_done, late, named) = run(&mut bench, turn, mutes, is_shown, &mut moved);
        bench.faults(&[]);
        before.extend(late.clone());
        let after = held(&bench);
        for (room, learned) in learned((&known, &known), &bench.state, options().now) {
            let id = &known.rooms[&room].id;
            let is_ours = id.is_none() || *id == ids.get(room.as_str()).cloned();
            prop_assert!(
                is_ours || learned.moved.is_empty(),
                "{room} is another's: {learned:?}"
            );
        }
        check_archived(turn, &known, &ids, &before, &after)?;
        check_ids(turn, &known, &bench, &before)?;
        gone.extend(
            before
                .keys()
                .filter(|room| !after.contains_key(*room))
                .cloned(),
        );
        gone.retain(|room| !after.contains_key(room));
        check_gone(&bench, &gone)?;
        if let (Some(drifted), true) = (&drifted, late.is_empty()) {
            let out_of_sight = if is_shown {
                Moved::new()
            } else {
                moved.clone()
            };
            check_put_back(drifted, &out_of_sight, chooses, &before, &after)?;
        }
        if is_shown {
            check_late(&late, &after)?;
            check_muted(turn, mutes, &done, &before, &after)?;
        }
        done.extend(now_done);
        done.retain(|room, _| bench.state.rooms.contains_key(room.as_str()));
        check_held(&bench, &moved)?;
        for (room, after) in &after {
            let now = options().now;
            let before = before.get(room);
            let effects = before.map_or_else(
                || happened_by_creating(after, now),
                |before| happened(before, after, now),
            );
            let is_known =
                !late.contains_key(room) && !unseen.iter().any(|(unseen, _)| unseen == room);
            for effect in effects {
                let is_said = named.get(room).is_none_or(|named| named.contains(&effect));
                prop_assert!(
                    is_said || !is_known,
                    "{effect:?} in {room} was not in the plan: {before:?} -> {after:?}\n{turn:#?}"
                );
                prop_assert!(
                    !is_forbidden(turn, &moved, is_shown, room, effect),
                    "{effect:?} in {room}: {before:?} -> {after:?}\n{turn:#?}"
                );
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(super::cases(1000))]

    #[test]
    fn nothing_moves_that_was_not_asked_for(
        turns in proptest::collection::vec(turn(), 1..6),
        mutes in mutes(),
        personality in 0..PERSONALITIES.len(),
    ) {
        nothing_else_moves(&turns, &mutes, personality)?;
    }

    /// What a write leaves otherwise than it was sent, also if that was only to stay, and what it moves that it does not send,
    /// is told in its receipt with what that does; and the run ends if it had to be allowed.
    #[test]
    fn what_a_write_makes_beside_is_told(
        by_hand in proptest::option::of(room()),
        writes in proptest::collection::vec(write(), 1..5),
        personality in select(&WRITES[..]),
        named in proptest::sample::subsequence(Effect::ALL.to_vec(), 0..=6),
    ) {
        let mut bench = Bench::new(quirks(personality));
        if let Some(attributes) = by_hand {
            bench.world().create("a", attributes.into_iter().collect(), 0);
        }
        let held = |bench: &Bench| held(bench).remove("a").unwrap_or_default();
        let shown = |bench: &Bench| match look(bench).remove("a") {
            Some(Sighting::Present(live)) => live.stored("lineage"),
            _ => StoredSettings::new(),
        };
        // What somebody moved, and no run saw: an offline write cannot know of it.
        let mut unseen = BTreeSet::new();
        // What was there before writes of which nobody heard the end, what their plans said, and whether that is all.
        let mut doubt: Option<(Was, Vec<Effect>, bool)> = None;
        for write in writes {
            bench.limits.require_allow.clone_from(&named);
            for (name, value) in &write.by_hand {
                let _ = bench.world().edit("a", name, value.clone());
                unseen.insert(name.clone());
            }
            let chosen = write.chosen.as_ref().map(|(name, value)| format!("override={name}:{value}"));
            let personality: Vec<&str> = personality.iter().copied().chain(chosen.as_deref()).collect();
            bench.world().set_quirks(quirks(&personality));
            let is_short = personality.contains(&"echo=writes");
            if write.is_live {
                unseen.clear();
            }
            // An answer that shows only what was sent does not show it.
            let chosen = write.chosen.iter().map(|(name, _)| (*name).to_owned());
            unseen.extend(chosen.filter(|name| is_short && !write.file.contains_key(name)));
            let mute = Mute::new("a", "*", "known", "2100-01-01").unwrap();
            let mutes = if write.is_muted { std::slice::from_ref(&mute) } else { &[] };
            let wanted: Wanted = [(name("a"), wanted("a", Value::Object(write.file.clone())))].into();
            let (was, world) = ((held(&bench), shown(&bench)), write.is_live.then(|| look(&bench)));
            let made = plan(&wanted, &bench.state, world.as_ref(), &Options { mutes, ..options() });
            let planned: Vec<Effect> = made.changes.iter().flat_map(|change| change.effects.clone()).collect();
            // What the plan says is allowed, so that only the rest is judged.
            bench.limits.require_allow.retain(|effect| !planned.contains(effect));
            let found = |bench: &Bench| plan(&wanted, &bench.state, Some(&look(bench)), &options()).undeclared;
            let (found_before, known) = (found(&bench), bench.state.clone());
            let before = bench.world().log().len();
            bench.faults(if write.is_lost { &["drop-after=method:PUT|POST"] } else { &[] });
            bench.notes.take();
            let receipt = bench.carry_out(&made).pop();
            let events = bench.notes.take();
            // Nor is forgotten untold what somebody moved that no file declares.
            let now = options().now;
            let news = learned((&known, &known), &bench.state, now);
            let moved = news.get("a").into_iter().flat_map(|one| &one.moved);
            let told: Vec<&Undeclared> = moved.chain(receipt.iter().flat_map(|one| &one.undeclared)).collect();
            bench.faults(&[]);
            let (found_after, live) = (found(&bench), shown(&bench));
            for one in found_before.get("a").into_iter().flatten() {
                let is_told = told.iter().any(|told| told.name == one.name);
                let is_there = found_after.get("a").is_some_and(|still| still.iter().any(|still| still.name == one.name));
                // What an offline write replaced before anybody looked, nobody can know.
                let is_over = !write.is_live && live.get(&one.name) != Some(&one.live);
                // A plan that looked says it; made as it was by the write itself, it is no news at the end.
                let mut said = made.undeclared.values().flatten();
                let is_back = said.any(|said| said == one) && live.get(&one.name) == Some(&one.before);
                let is_declared = write.file.contains_key(&one.name);
                // It is what was sent without an answer, and the plan says that no file wants it any more.
                let mut lines = made.changes.iter().flat_map(|change| &change.attributes);
                let is_declared = is_declared || lines.any(|line| line.name == one.name);
                prop_assert!(is_told || is_there || is_over || is_back || is_declared, "{one:?}: {receipt:?}");
            }
            let after = (held(&bench), shown(&bench));
            // What was shown before, and what is shown for the first time may have been there.
            let is_new = |was: &StoredSettings| after.1.keys().any(|name| !was.contains_key(name));
            let seen: Vec<&Effect> = receipt.iter().flat_map(|one| &one.effects).collect();
            let has_read = write.is_live || receipt.as_ref().is_some_and(|one| one.outcome != Outcome::Refused);
            if let Some((was, earlier, is_sure)) = doubt.take_if(|_| !write.is_lost && has_read) {
                // By the run that learns it, as if it had heard of it.
                // What adopting it may do was judged as it was read.
                let is_adopted = receipt.as_ref().is_some_and(|one| one.action == Action::Adopt);
                let is_sure = is_sure && !is_adopted && write.by_hand.is_empty() && unseen.is_empty() && !is_new(&was.1);
                // What the file declares and is not shown any more is counted as not visible: nobody can say that it moved.
                let mut seen_after = after.0.clone();
                let is_hidden = |name: &String| write.file.contains_key(name) && !after.1.contains_key(name);
                seen_after.extend(was.0.clone().into_iter().filter(|(name, _)| is_hidden(name)));
                let done = if was.0.is_empty() { happened_by_creating(&after.0, now) } else { happened(&was.0, &seen_after, now) };
                // What the file asks for by now, its plan compares with what is there.
                let mut asked = was.0.clone();
                asked.extend(write.file.clone());
                let asked = if was.0.is_empty() { Vec::new() } else { happened(&was.0, &asked, now) };
                for effect in done.into_iter().filter(|effect| is_sure && !asked.contains(effect)) {
                    let mut learned = news.get("a").into_iter().flat_map(|one| &one.effects);
                    let is_told = earlier.contains(&effect) || planned.contains(&effect) || seen.contains(&&effect);
                    prop_assert!(is_told || learned.any(|one| *one == effect), "{effect:?}: {receipt:?}\n{was:?} -> {after:?}");
                }
                continue;
            }
            if write.is_lost || doubt.is_some() {
                let is_sure = unseen.is_empty() && write.chosen.is_none();
                let (was, mut earlier, was_sure) = doubt.take().unwrap_or((was, Vec::new(), true));
                earlier.extend(&planned);
                doubt = Some((was, earlier, is_sure && was_sure && write.by_hand.is_empty()));
                continue;
            }
            // Of a room that is adopted it is not recorded what was there, nor what is sent of what a mute accepts.
            let is_adopted = receipt.as_ref().is_some_and(|one| one.action == Action::Adopt);
            if unseen.is_empty() && !is_new(&was.1) && !is_adopted && !write.is_muted {
                // Had it died before its report, the next run would say the same.
                let mut saved = known.clone();
                saved.remember_look(&made.looked);
                let mut looked = saved.clone();
                events.iter().for_each(|event| looked.look(event));
                let dead = learned((&saved, &looked.doubting(&bench.state)), &bench.state, now);
                let next: Vec<&Effect> = dead.get("a").into_iter().flat_map(|one| &one.effects).collect();
                prop_assert!(seen.iter().all(|effect| next.contains(effect)), "{receipt:?}: {next:?}");
            }
            let Some(receipt) = receipt else { continue };
            let log = bench.world().log().split_off(before);
            let sent = log.into_iter().rfind(|one| one.method == Method::Put && one.wrote);
            let Some(Value::Object(sent)) = sent.and_then(|one| one.body) else { continue };
            if !matches!(receipt.outcome, Outcome::Confirmed | Outcome::Overridden) {
                continue;
            }
            let told: BTreeSet<&str> = receipt.overridden.iter().map(|one| one.name.as_str()).collect();
            let is_other = |name: &&str| is_settable(name) && after.0.get(*name) != sent.get(*name);
            let other: BTreeSet<&str> = sent.keys().map(String::as_str).filter(is_other).collect();
            prop_assert_eq!(told, other, "{:?}\n{:?}", receipt, sent);
            let told: BTreeSet<&str> = receipt.undeclared.iter().map(|one| one.name.as_str()).collect();
            // What is shown for the first time may have been there before.
            for name in was.1.keys().filter(|name| is_settable(name)) {
                let has_moved = !sent.contains_key(name.as_str()) && was.1.get(name) != after.1.get(name);
                prop_assert!(unseen.contains(name.as_str()) || told.contains(name.as_str()) == has_moved, "{name}: {receipt:?}\n{was:?} -> {after:?}");
            }
            let is_first = |name: &WireName| !was.1.contains_key(name) && !sent.contains_key(name.as_str());
            // What adopting it may do was judged as it was read.
            let is_ours = write.is_live || (receipt.action != Action::Adopt && unseen.is_empty());
            let is_sure = is_ours && !after.1.keys().any(is_first);
            for effect in happened(&was.0, &after.0, options().now).into_iter().filter(|_| is_sure) {
                let is_told = planned.contains(&effect) || receipt.effects.contains(&effect);
                prop_assert!(is_told, "{effect:?}: {receipt:?}\n{was:?} -> {after:?}");
                let is_allowed = !bench.limits.require_allow.contains(&effect);
                prop_assert!(is_allowed || receipt.not_allowed, "{effect:?}: {receipt:?}");
            }
            if !is_short {
                unseen.clear();
            }
            let has_stopped = matches!(bench.stopped, Some(StopReason::NotAllowed(_)));
            prop_assert_eq!(has_stopped, receipt.not_allowed, "{:?}", receipt);
        }
    }

    /// What a mute accepts, and a plan says is left as it is, is not overwritten where the service shows it no longer,
    /// whatever is remembered of it: unless the plan names what that does.
    #[test]
    fn what_is_muted_and_hidden_by_now_is_not_overwritten_unsaid(
        mode in select(&[OFFLINE, LIVE, MODES[7], MODES[8]][..]),
        was_seen in any::<bool>(),
        known in select(&["all", "less", "nothing"][..]),
        people in 5_i64..8,
    ) {
        let mut bench = Bench::new(quirks(&[]));
        let file = |people: i64| -> Wanted {
            let text = json!({"privacy": "public", "maxParticipants": people});
            [(name("a"), wanted("a", text))].into()
        };
        bench.apply(&file(5));
        bench.world().edit("a", "privacy", json!("private")).unwrap();
        let mutes = [Mute::new("a", "privacy", "known", "2100-01-01").unwrap()];
        let options = Options { mutes: &mutes, reassert: mode.reassert, ..options() };
        if was_seen {
            let made = plan(&file(6), &bench.state, None, &options);
            bench.carry_out(&made);
        }
        let applied = Arc::make_mut(bench.state.rooms.get_mut(&name("a")).unwrap());
        match known {
            "less" => applied.observed.clear(),
            "nothing" => bench.state.forget(&name("a")),
            _ => {}
        }
        bench.world().set_quirks(quirks(&["hide=privacy"]));
        let world = mode.live.then(|| look(&bench));
        let made = plan(&file(people), &bench.state, world.as_ref(), &options);
        let is_said = made.changes.iter().any(|change| change.effects.contains(&Effect::PrivacyWidened));
        bench.carry_out(&made);
        let is_left = bench.world().room("a").unwrap().attributes["privacy"] == "private";
        prop_assert!(is_left || is_said, "{made:#?}");
    }

    /// What the service may hold leaves the memory only by a look that shows the attribute, or by a confirmed write of it;
    /// however runs end, whatever leaves and comes back into the file, is hidden and shown again, lost, or imported.
    #[test]
    fn whatever_may_be_there_is_remembered(steps in prop::collection::vec(step(), 1..9), replaces in any::<bool>()) {
        let put = if replaces { "put=replace" } else { "put=merge" };
        let mut bench = Bench::new(quirks(&["archived-name=reusable", put]));
        bench.limits.protected = globs(&["a"]);
        let mut moved = Moved::new();
        for step in steps {
            let hidden = step.hidden.iter().map(|name| format!("hide={name}"));
            let hidden: Vec<String> = hidden.chain([put.to_owned(), "archived-name=reusable".to_owned()]).collect();
            bench.world().set_quirks(quirks(&hidden.iter().map(String::as_str).collect::<Vec<_>>()));
            step.move_by_hand(&bench, &mut moved);
            bench.faults(step.lost);
            let reads = bench.world().counts().get;
            step.run(&mut bench);
            if bench.world().counts().get > reads {
                moved.retain(|(_, name)| step.hidden.contains(name));
            }
            check_held(&bench, &moved)?;
        }
    }

    /// The first look of a later run ends what it shows of a doubt, and whatever moves after it was not made by the write that
    /// was in doubt; what no look ended is sent again or read by the next apply, once.
    #[test]
    fn a_doubt_ends(steps in prop::collection::vec(step(), 1..6), replaces in any::<bool>(), later in any::<bool>()) {
        let put = if replaces { "put=replace" } else { "put=merge" };
        let mut bench = Bench::new(quirks(&["archived-name=reusable", put]));
        for step in steps {
            let hidden = step.hidden.iter().map(|name| format!("hide={name}"));
            let hidden: Vec<String> = hidden.chain([put.to_owned(), "archived-name=reusable".to_owned()]).collect();
            bench.world().set_quirks(quirks(&hidden.iter().map(String::as_str).collect::<Vec<_>>()));
            step.move_by_hand(&bench, &mut Moved::new());
            bench.faults(step.lost);
            step.run(&mut bench);
            bench.faults(&[]);
            let file = step.file();
            if later {
                check_look_ends_doubts(&bench, &file)?;
            }
            let known = bench.state.applied(&name("a")).clone();
            let made = super::in_process::plan_of(&file, &bench.state);
            let is_declared = |name: &WireName| step.file.contains_key(name.as_str()) || known.settings.contains_key(name);
            let is_open = known.is_confirmed() && known.unconfirmed.keys().any(is_declared);
            prop_assert!(!is_open || !made.is_empty(), "{known:?}");
            bench.limits.allowed = Effect::ALL.to_vec();
            let done = bench.carry_out(&made);
            if done.iter().all(|one| matches!(one.outcome, Outcome::Confirmed | Outcome::Overridden)) {
                let again = super::in_process::plan_of(&file, &bench.state);
                prop_assert!(again.is_empty(), "{known:?}: {:?}", again.changes);
            }
        }
    }

    /// However many writes are lost in a row, whole or only their answers, whether the run goes on or another begins:
    /// what the service holds by then counts.
    #[test]
    fn whatever_may_have_arrived_counts_as_held(
        steps in proptest::collection::vec((1_i64..6, select(&LOST[..]), any::<bool>(), any::<bool>()), 1..9),
    ) {
        let mut bench = Bench::new(quirks(&[]));
        for (people, lost, live, restarts) in steps {
            let room = json!({"privacy": "private", "maxParticipants": people});
            let files: Wanted = [(name("a"), wanted("a", room))].into();
            bench.faults(lost);
            let world = live.then(|| {
                let service = bench.service();
                bench.runtime.block_on(async { observe(&service, vec![name("a")], 1, || {}).world().await })
            });
            let plan = plan(&files, &bench.state, world.as_ref(), &options());
            bench.carry_out(&plan);
            if restarts {
                let saved = serde_json::to_string(&bench.state).unwrap();
                bench.state = serde_json::from_str(&saved).unwrap();
            }
            check_held(&bench, &Moved::new())?;
        }
    }
}

/// The service itself chooses what a mute accepts, once it is written again for something else.
#[test]
fn what_the_service_chooses_is_no_move_of_ours() {
    let file = [
        ("privacy".to_owned(), json!("private")),
        ("maxParticipants".to_owned(), json!(0)),
    ];
    let turn = |moves: &[(&'static str, &'static str, Value)], live| Turn {
        files: [("c", file.clone().into_iter().collect())].into(),
        by_hand: Vec::new(),
        moves: moves.to_vec(),
        late: None,
        recreated: None,
        gone: Vec::new(),
        state_is_lost: false,
        mode: Mode {
            live,
            drift_only: live,
            prune: !live,
            reassert: false,
        },
        faults: Vec::new(),
        named: Vec::new(),
        allowed: Vec::new(),
        protected: Vec::new(),
        is_unmuted: false,
        is_reviewed: false,
    };
    let moves = [
        ("c", "privacy", json!("public")),
        ("c", "maxParticipants", json!(901)),
    ];
    let mute = Mute::new("*", "privacy", "known", "2100-01-01").unwrap();
    nothing_else_moves(&[turn(&[], false), turn(&moves, true)], &[mute], 5).unwrap();
}
