//! A state that somebody edited, by hand or by a merge: files are read again rather than taken for what it says.

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value as Json, json};

use crate::files::context::{Context, Policies};
use crate::files::defaults::Defaults;
use crate::files::room_file::parse;
use crate::files::unchanged::Known;
use crate::model::value::stored;
use crate::model::{NameRule, Variables};
use crate::planner::{AppliedRoom, State};

const CONTEXT: Context = Context {
    names: NameRule::Lowercase,
    now: 1_790_000_000,
    variables: Variables::NONE,
    defaults: Defaults::NONE,
    sandbox: false,
    policies: Policies::NONE,
    owns: None,
    unmanaged: None,
};

const ROOMS: [&str; 2] = ["a", "b"];

/// What the file of any room said at some time.
const TEXTS: [&str; 4] = [
    "privacy: private\nmaxParticipants: 5\n",
    "privacy: private\nmaxParticipants: 6\n",
    "maxParticipants: 6\nprivacy: private\n",
    "privacy: public\nenableChat: true\n",
];

/// The state after these texts were applied.
fn state(texts: [usize; 2]) -> Json {
    let mut state = State::fresh("acme");
    state.lineage = "lineage".to_owned();
    for (name, text) in ROOMS.into_iter().zip(texts) {
        let file = format!("rooms/{name}.yaml");
        let (room, _) = parse(&file, name, TEXTS[text], &CONTEXT);
        let room = room.unwrap();
        let applied = AppliedRoom {
            asserted: Some(1_790_000_000),
            file: Some(file),
            settings: stored(&room.wanted.settings, "lineage", &Default::default()),
            source: room.wanted.source,
            ..AppliedRoom::default()
        };
        state.rooms.insert(room.name, applied);
    }
    serde_json::to_value(state).unwrap()
}

fn leaves(json: &Json, at: &str, all: &mut Vec<String>) {
    match json.as_object() {
        Some(object) => {
            for (key, value) in object {
                leaves(value, &format!("{at}/{key}"), all);
            }
        }
        None => all.push(at.to_owned()),
    }
}

#[derive(Clone, Debug)]
enum Edit {
    Replaced,
    /// So many characters of what was there, and the rest from elsewhere; or the other way round.
    Spliced(usize, bool),
    Removed,
    Moved,
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        Just(Edit::Replaced),
        (0_usize..=140, any::<bool>()).prop_map(|(at, first)| Edit::Spliced(at, first)),
        // Where a source could be made of parts.
        (
            proptest::sample::select(vec![7_usize, 39, 71, 103]),
            any::<bool>()
        )
            .prop_map(|(at, first)| Edit::Spliced(at, first)),
        Just(Edit::Removed),
        Just(Edit::Moved),
    ]
}

/// Edits one leaf of `state` with what stands elsewhere, in it or in a state of another time.
fn edited(mut state: Json, at: &str, edit: &Edit, other: Json) -> Json {
    let (parent, key) = at.rsplit_once('/').unwrap();
    let old = state.pointer(at).unwrap().clone();
    let new = match edit {
        Edit::Replaced => other,
        Edit::Spliced(cut, first) => match (old.as_str(), other.as_str()) {
            (Some(old), Some(other)) => {
                let (head, tail) = if *first { (old, other) } else { (other, old) };
                let head: String = head.chars().take(*cut).collect();
                let tail: String = tail.chars().skip(*cut).collect();
                json!(head + &tail)
            }
            _ => other,
        },
        Edit::Removed | Edit::Moved => old,
    };
    let parent = state.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    parent.remove(key);
    match edit {
        Edit::Removed => {}
        Edit::Moved => drop(parent.insert("enableRecording".to_owned(), new)),
        _ => drop(parent.insert(key.to_owned(), new)),
    }
    state
}

proptest! {
    #![proptest_config(super::cases(4000))]

    /// Whatever one edit made of a state: it cannot be read, or every file makes what reading it makes.
    #[test]
    fn no_edit_makes_a_file_unread_that_says_something_else(
        (then, later) in ([0..TEXTS.len(), 0..TEXTS.len()], [0..TEXTS.len(), 0..TEXTS.len()]),
        (at, from, is_of_its_kind) in (any::<Index>(), any::<Index>(), any::<bool>()),
        edit in edit(),
    ) {
        let (before, other) = (state(then), state(later));
        let (mut places, mut sources) = (Vec::new(), Vec::new());
        leaves(&before, "", &mut places);
        leaves(&other, "", &mut sources);
        let at = at.get(&places);
        // What is copied is most often something of the same kind.
        let last = |path: &str| path.rsplit('/').next().unwrap().to_owned();
        if is_of_its_kind {
            sources.retain(|source| last(source) == last(at));
        }
        prop_assume!(!sources.is_empty());
        let from: &String = from.get(&sources);
        let from = other.pointer(from).unwrap().clone();
        let Ok(state) = serde_json::from_value::<State>(edited(before, at, &edit, from)) else {
            return Ok(());
        };
        let known = Known::of(&state);
        for (name, text) in ROOMS.into_iter().flat_map(|name| TEXTS.map(|text| (name, text))) {
            let Some(room) = known.room(name, text, &CONTEXT) else { continue };
            let (read, _) = parse("", name, text, &CONTEXT);
            let read = read.unwrap();
            prop_assert_eq!(room, (read.name, read.wanted.settings), "{} {:?}", at, edit);
        }
    }
}
