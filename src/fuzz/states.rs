//! What is made of states and journals, whoever wrote them: shown, replayed, judged and planned with.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::value::RawValue;

use crate::disk::budget;
use crate::disk::plain_file::check_state;
use crate::files::defaults::Defaults;
use crate::model::{Origins, RoomName, Secret, Wanted};
use crate::planner::adopt::{self, Level};
use crate::planner::drift::Evidence;
use crate::planner::limits::{Limits, refusals};
use crate::planner::plan::Each;
use crate::planner::seen::Seen;
use crate::planner::{self, LeftOut, Options, Selection, Sighting, State, World, plan_with};
use crate::report::state::{StateListReport, StateShowReport};
use crate::report::{AnyReport, DriftReport, PlanReport, text};
use crate::service::api::{Request, interpret};
use crate::service::end::{End, Try};
use crate::service::leaks::SecretFilter;
use crate::store::{journal, state_file};

use super::reports::shown;
use super::{KEY, NOW, answered, read_room, text_of};

/// What is read and written again reads the same. It is shown, and can be planned with.
pub fn state(bytes: &[u8]) {
    if check_state(bytes).is_err() {
        return;
    }
    if let Ok(state) = state_file::parse(bytes, "here") {
        let written = state_file::render(&state);
        let again = state_file::parse(written.as_bytes(), "here");
        assert_eq!(again.expect("what was written is read"), state);
        // Of a text that is passed over, nobody asks whether it is UTF-8.
        if let Some(places) = state_file::places(bytes) {
            assert!(places.keys().eq(state.rooms.keys()));
        }
        text::state_list(&StateListReport::new(&state, &Selection::default()));
        for (name, room) in &state.rooms {
            text::state_show(&StateShowReport::new(&state, name, room), NOW);
        }
        for prune in [false, true] {
            planned(&state, None, prune);
        }
    }
}

/// Every other room of a state, as one file says it, and where that says it.
fn wanted(state: &State) -> (Wanted, Origins) {
    let file = "privacy: public\nmaxParticipants: 12\nexpireUnixSec: 1900000000\n";
    let (room, _) = read_room(file, Defaults::NONE);
    let room = room.expect("a room");
    let names = || state.rooms.keys().step_by(2).cloned();
    let wanted = names().map(|name| (name, room.wanted.clone()));
    let origins = names().map(|name| (name, room.origins.clone()));
    (wanted.collect(), origins.collect())
}

/// What a plan comes to that wants those, where this was seen of the service.
fn planned(state: &State, world: Option<&World>, prune: bool) {
    let (wanted, origins) = wanted(state);
    let options = Options {
        now: NOW,
        prune,
        ..Options::default()
    };
    let one_by_one: Each<'_> = &|rooms, find| rooms.iter().map(find).collect();
    let plan = plan_with(one_by_one, (&wanted, state, world), &options);
    let refusals = refusals(&plan, &Limits::default());
    let report = PlanReport::of(plan, &origins, &refusals, None);
    shown(&AnyReport::from(report));
}

/// A state, `---`, and what the service says of each of its rooms: judged, shown, adopted, and planned with.
pub fn drift(bytes: &[u8]) {
    let text = text_of(bytes);
    let (state, live) = text.split_once("\n---\n").unwrap_or((&text, ""));
    if check_state(state.as_bytes()).is_err() {
        return;
    }
    let Ok(state) = state_file::parse(state.as_bytes(), "here") else {
        return;
    };
    let (wanted, origins) = wanted(&state);
    let filter = SecretFilter::new(&Secret::new(KEY));
    let answer = answered(live.as_bytes());
    let sighting = |name: &RoomName| match interpret(&Request::Get(name), &answer, &filter) {
        Try::Ended(End::Room(live)) => Sighting::Present(live),
        Try::Ended(End::Missing(gone)) => Sighting::Absent(gone),
        other => Sighting::Unreadable(format!("{other:?}")),
    };
    let names = state.rooms.keys().chain(wanted.keys());
    let world: World = names.map(|name| (name.clone(), sighting(name))).collect();
    let listed = match interpret(&Request::List, &answer, &filter) {
        Try::Ended(End::Rooms(names)) => names.into_iter().collect(),
        _ => BTreeSet::new(),
    };
    let evidence = Evidence {
        wanted: &wanted,
        state: &state,
        others: &BTreeMap::new(),
        mutes: &[],
        now: NOW,
    };
    let seen = planner::drift(&evidence, &world, &listed);
    let (moves, _) = adopt::moves(&seen.rooms, None, &world);
    for level in [None, Some(Level::Room), Some(Level::Default)] {
        let (edits, _) = adopt::edits(&moves, level, &seen.rooms, &wanted, &origins);
        adopt::expected(&wanted, &edits);
    }
    let looks = Seen::default().after(&seen, &state, NOW);
    let none = (&[][..], &looks);
    let report = DriftReport::new(seen, &state, none, None, LeftOut::default(), Some(50));
    shown(&AnyReport::from(report));
    for prune in [false, true] {
        planned(&state, Some(&world), prune);
    }
}

/// The bytes as they are, and the same with the sums that belong to the lines.
pub fn journal(bytes: &[u8]) {
    replayed(bytes);
    let text = text_of(bytes);
    let lines = text.lines().map(|line| {
        let json = RawValue::from_string(line.to_owned());
        let sealed = json.and_then(|json| journal::encode(&json));
        sealed.unwrap_or_else(|_| format!("{line}\n"))
    });
    replayed(lines.collect::<String>().as_bytes());
}

fn replayed(bytes: &[u8]) {
    let mut state = State {
        lineage: "7f0c".to_owned(),
        ..State::fresh("acme")
    };
    let mut looked = Some(state.clone());
    if budget::fits(bytes, budget::OF_JOURNAL)
        && journal::replay(bytes, "here", &mut state, &mut looked).is_ok()
    {
        let written = state_file::render(&state);
        let again = state_file::parse(written.as_bytes(), "here");
        assert_eq!(again.expect("what was replayed is read"), state);
    }
}
