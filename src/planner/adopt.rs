//! What somebody changed on the service, taken into the files: which attributes, and the line that each belongs to.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use super::change::Cause;
use super::drift::{RoomDrift, Verdict};
use super::import::accept;
use super::world::{Sighting, World};
use crate::model::catalogue::{Kind, attribute};
use crate::model::words::quoted;
use crate::model::words::words;
use crate::model::{Origin, Origins, RoomName, Scalar, Stored, Value, Wanted};

/// Where a value goes that comes from defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// To a line of its own in the room's file.
    Room,
    /// To the line of the defaults, whichever other rooms it moves.
    Default,
}

/// What is asked for of a room: these attributes, by name. Empty: whatever moved.
pub(crate) type Asked = BTreeMap<RoomName, BTreeSet<&'static str>>;

/// An attribute that somebody moved on the service, with the value that its file is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Move {
    pub room: RoomName,
    pub attribute: &'static str,
    pub value: Scalar,
}

/// One line of one file, as it is to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Edit {
    /// The file.
    pub file: String,
    /// The line that stands there already; null for a new one.
    pub line: Option<u32>,
    /// Wire name of the attribute.
    pub attribute: &'static str,
    /// What the files say now; null when they do not say anything.
    pub before: Option<Scalar>,
    /// What the service shows.
    pub after: Scalar,
    /// The rooms whose change on the service it is, by name.
    pub adopted: BTreeSet<RoomName>,
    /// The other rooms that it moves, by name.
    pub moved: BTreeSet<RoomName>,
}

impl Edit {
    /// Every room of which the files then say something else.
    pub(crate) fn rooms(&self) -> impl Iterator<Item = &RoomName> {
        self.adopted.iter().chain(&self.moved)
    }
}

words! {
    /// Why something was not adopted.
    Why {
        /// There is nothing to adopt, or a mute accepts it as it is.
        LeftAlone = "left_alone",
        /// It cannot be adopted.
        Refused = "refused",
        /// The room could not be read.
        Unreadable = "unreadable",
    }
}

/// Something that was asked for, and is not adopted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub(crate) struct Left {
    /// The room.
    pub room: String,
    /// Whether it could not be, or need not be.
    pub why: Why,
    /// Wire name of the attribute; null when it is about the whole room.
    pub attribute: Option<String>,
    /// The reason.
    pub message: String,
}

impl Left {
    fn new(room: &str, attribute: Option<&str>, why: Why, message: impl std::fmt::Display) -> Self {
        Self {
            room: room.to_owned(),
            attribute: attribute.map(str::to_owned),
            why,
            message: message.to_string(),
        }
    }

    pub(crate) fn refused(room: &RoomName, attribute: &str, message: &str) -> Self {
        Self::new(room.as_str(), Some(attribute), Why::Refused, message)
    }
}

/// What of the `rooms` can be adopted, and what cannot. Without `asked`, of all of them what moved.
pub(crate) fn moves(
    rooms: &[RoomDrift],
    asked: Option<&Asked>,
    world: &World,
) -> (Vec<Move>, Vec<Left>) {
    let (mut moves, mut left) = (Vec::new(), Vec::new());
    for room in rooms {
        let names = asked.map(|asked| asked.get(room.room.as_str()));
        let nothing = BTreeSet::new();
        let Some(names) = names.unwrap_or(Some(&nothing)) else {
            continue;
        };
        if let Some(one) = whole_room(room, asked.is_some()) {
            left.extend(one);
            continue;
        }
        for name in attributes(room, names) {
            match one(room, name, names.contains(name), world) {
                Ok(found) => moves.push(found),
                Err((why, message)) => left.push(Left::new(&room.room, Some(name), why, message)),
            }
        }
        if asked.is_some() && attributes(room, names).is_empty() {
            let message = "nothing of it moved on the service";
            left.push(Left::new(&room.room, None, Why::LeftAlone, message));
        }
    }
    (moves, left)
}

/// What is said of a room of which nothing can be adopted. An empty answer: it is not worth a word.
fn whole_room(room: &RoomDrift, is_asked: bool) -> Option<Option<Left>> {
    let name = &room.room;
    let import = format!(
        "`roomctl import {} --force` takes it over as it is",
        quoted(name)
    );
    let message = room.message.as_deref().unwrap_or_default();
    let left = |why, message| Some(Left::new(name, None, why, message));
    let refused = |message| left(Why::Refused, message);
    Some(match room.verdict {
        Verdict::Unreadable => left(Why::Unreadable, message.to_owned()),
        Verdict::Missing if room.file.is_none() => None,
        Verdict::Missing => refused(format!(
            "{message}; `roomctl apply` creates it again, or take its file out"
        )),
        _ if room.is_only_claimed => refused(message.to_owned()),
        Verdict::Pending if !room.is_there && is_asked => refused(message.to_owned()),
        Verdict::Pending if !room.is_there => None,
        // Recreated: nothing of it was ever applied.
        Verdict::Drifted if room.message.is_some() => refused(format!("{message}; {import}")),
        Verdict::Drifted | Verdict::Conflict if room.file.is_none() => {
            refused(format!("no file declares it; {import}"))
        }
        _ => return None,
    })
}

/// The attributes to look at: those that are `named`, or those that moved.
fn attributes(room: &RoomDrift, named: &BTreeSet<&'static str>) -> BTreeSet<&'static str> {
    if !named.is_empty() {
        return named.clone();
    }
    let moved = room.attributes.iter();
    let moved = moved.filter(|one| one.cause.is_a_move_of_the_service());
    moved
        .filter_map(|one| Some(attribute(&one.name)?.name))
        .collect()
}

/// An attribute as its file is to have it, or why not.
fn one(
    room: &RoomDrift,
    name: &'static str,
    is_named: bool,
    world: &World,
) -> Result<Move, (Why, String)> {
    let refused = |message: String| (Why::Refused, message);
    let known = attribute(name).filter(|one| one.kind != Kind::SecretUrl);
    let known = known.ok_or_else(|| {
        let why =
            "it is a secret, and a file only names the variable that holds it: change that one";
        refused(why.to_owned())
    })?;
    may_adopt(room, name, is_named)?;
    let live = world.get(room.room.as_str()).and_then(Sighting::present);
    let live = live.and_then(|live| live.settings.get(name));
    let live = live.ok_or_else(|| refused("the service does not show it".to_owned()))?;
    let value = accept(known, live).map(|_| live.read(&known.kind));
    let why = |why: &str| refused(format!("no file can say so: {why}"));
    let value = value.map_err(why)?.ok_or_else(|| why("it has no value"))?;
    let room = RoomName::try_from(room.room.clone());
    Ok(Move {
        room: room.map_err(|error| refused(error.to_string()))?,
        attribute: name,
        value,
    })
}

/// Only what the service moved and nothing else speaks for.
fn may_adopt(room: &RoomDrift, name: &str, is_named: bool) -> Result<(), (Why, String)> {
    let is_undeclared = room.undeclared.iter().any(|one| one.name == name);
    let moved = room.attributes.iter().find(|one| one.name == name);
    let refused = |message: &str| Err((Why::Refused, message.to_owned()));
    let alone = |message: &str| Err((Why::LeftAlone, message.to_owned()));
    match moved.map(|one| (one.cause, one.muted)) {
        Some((_, true)) => alone("a mute accepts it as it is; take the mute out to adopt it"),
        Some((Cause::Conflict, _)) if !is_named => refused(&format!(
            "the file moved, too: `roomctl adopt {}` takes what the service shows",
            quoted(&format!("{}.{name}", room.room))
        )),
        Some((Cause::Drift | Cause::Conflict, _)) => Ok(()),
        Some((Cause::Unobservable, _)) => refused("the service does not show it"),
        Some((Cause::Converged, _)) => alone("its file says so already"),
        Some(_) => refused("the file moved, and not the service: `roomctl apply` sends it"),
        None if is_undeclared => Ok(()),
        None => alone("it did not move on the service"),
    }
}

/// The lines that `moves` belong to, of the rooms that were `seen`. `all` and `origins` are those of every room that the
/// files declare.
pub(crate) fn edits(
    moves: &[Move],
    into: Option<Level>,
    seen: &[RoomDrift],
    all: &Wanted,
    origins: &Origins,
) -> (Vec<Edit>, Vec<Left>) {
    let (mut edits, mut left) = (Vec::new(), Vec::new());
    let mut shared: BTreeMap<(&str, &'static str), Vec<&Move>> = BTreeMap::new();
    for one in moves {
        match origin(origins, &one.room, one.attribute).and_then(Origin::file) {
            Some(defaults) => shared
                .entry((defaults, one.attribute))
                .or_default()
                .push(one),
            None => edits.extend(own(one, all, origins)),
        }
    }
    for ((file, attribute), moves) in shared {
        let from = |name| origin(origins, name, attribute).and_then(Origin::file);
        let rooms = origins.keys().filter(|name| from(name) == Some(file));
        let rooms: BTreeSet<RoomName> = rooms.cloned().collect();
        let mut seen = seen.iter().filter(|room| rooms.contains(&*room.room));
        let is_one = seen.all(|room| is_moved_to(room, attribute, &moves[0].value));
        let is_all = rooms.len() == moves.len();
        match into {
            Some(Level::Default) if !is_one => {
                let why = format!(
                    "rooms that have it from {file} were moved to different values: --into room"
                );
                let moves = moves.iter();
                left.extend(moves.map(|one| Left::refused(&one.room, attribute, &why)));
            }
            Some(Level::Room) => {
                edits.extend(moves.iter().filter_map(|one| own(one, all, origins)))
            }
            None if !(is_one && is_all) => {
                edits.extend(moves.iter().filter_map(|one| own(one, all, origins)));
            }
            // Nobody else is moved by it, so that the line that owns it stays the one that does; or that is asked for.
            None | Some(Level::Default) => {
                let line = origin(origins, &moves[0].room, attribute);
                edits.push(edit(file, line, &moves, rooms, all));
            }
        }
    }
    edits.sort_by(|a, b| (&a.file, a.line, a.attribute).cmp(&(&b.file, b.line, b.attribute)));
    (edits, left)
}

/// Whether nobody moved it to something else on the service, be that adopted or not, and be its file so already.
fn is_moved_to(room: &RoomDrift, attribute: &str, value: &Scalar) -> bool {
    let is_it = |live: &Stored| matches!(live, Stored::Plain(live) if live == value);
    let mut all = room.attributes.iter().filter(|one| one.name == attribute);
    all.all(|one| one.live == one.applied || one.live.as_ref().is_none_or(is_it))
}

fn origin<'o>(origins: &'o Origins, room: &RoomName, attribute: &str) -> Option<&'o Origin> {
    origins.get(room)?.get(attribute)
}

fn before(all: &Wanted, room: &RoomName, attribute: &str) -> Option<Scalar> {
    match all.get(room)?.settings.get(attribute)? {
        Value::Plain(value) => Some(value.clone()),
        Value::Secret(_) | Value::Unset { .. } => None,
    }
}

/// The line in the room's own file.
fn own(one: &Move, all: &Wanted, origins: &Origins) -> Option<Edit> {
    let there = origin(origins, &one.room, one.attribute).filter(|there| there.file().is_none());
    let file = &all.get(&one.room)?.file;
    Some(edit(file, there, &[one], BTreeSet::new(), all))
}

/// The line of a file that `moves`, and all of `rooms`, have it from.
fn edit(
    file: &str,
    line: Option<&Origin>,
    moves: &[&Move],
    mut rooms: BTreeSet<RoomName>,
    all: &Wanted,
) -> Edit {
    let adopted: BTreeSet<RoomName> = moves.iter().map(|one| one.room.clone()).collect();
    rooms.retain(|room| !adopted.contains(room));
    Edit {
        file: file.to_owned(),
        line: line.map(|there| there.line),
        attribute: moves[0].attribute,
        before: before(all, &moves[0].room, moves[0].attribute),
        after: moves[0].value.clone(),
        adopted,
        moved: rooms,
    }
}

/// What the files say when exactly this is edited.
pub(crate) fn expected(all: &Wanted, edits: &[Edit]) -> Wanted {
    let mut expected = all.clone();
    for edit in edits {
        for room in edit.rooms() {
            if let Some(room) = expected.get_mut(room) {
                room.settings
                    .insert(edit.attribute.into(), Value::Plain(edit.after.clone()));
            }
        }
    }
    expected
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planner::drift::{AttributeDrift, Checked};
    use crate::planner::testing::{files, name};

    const PEOPLE: &str = "maxParticipants";

    /// A room with a file, and without one.
    fn rooms(verdict: Verdict, message: Option<&str>) -> [RoomDrift; 2] {
        [Some("rooms/a.yaml"), None].map(|file| RoomDrift {
            room: "a".to_owned(),
            verdict,
            file: file.map(str::to_owned),
            attributes: Vec::new(),
            undeclared: Vec::new(),
            message: message.map(str::to_owned),
            checked: Checked::default(),
            asserted: None,
            unseen: Vec::new(),
            is_there: true,
            is_only_claimed: false,
        })
    }

    /// One that `live` people may enter, where 5 were applied.
    fn moved(room: &str, live: i64, cause: Cause, muted: bool) -> RoomDrift {
        let [one, _] = rooms(Verdict::Drifted, None);
        let people = AttributeDrift {
            name: PEOPLE.to_owned(),
            applied: Some(5.into()),
            wanted: Some(5.into()),
            live: Some(live.into()),
            cause,
            outline: None,
            muted,
        };
        RoomDrift {
            room: room.to_owned(),
            attributes: vec![people],
            ..one
        }
    }

    /// Why nothing of the room can be adopted, and what is said of it; nothing, if it is not worth a word.
    fn said(room: &RoomDrift, is_asked: bool) -> Option<Option<(Why, String)>> {
        let said = whole_room(room, is_asked);
        said.map(|left| left.map(|left| (left.why, left.message)))
    }

    #[test]
    fn of_some_rooms_nothing_can_be_adopted() {
        let refused = |message: &str| Some(Some((Why::Refused, message.to_owned())));
        let unreadable = Some(Some((Why::Unreadable, "m".to_owned())));
        let import = "`roomctl import a --force` takes it over as it is";
        let again = "m; `roomctl apply` creates it again, or take its file out";
        let undeclared = refused(&format!("no file declares it; {import}"));
        let recreated = refused(&format!("m; {import}"));
        for (verdict, message, expected) in [
            (
                Verdict::Unreadable,
                Some("m"),
                [unreadable.clone(), unreadable],
            ),
            (Verdict::Missing, Some("m"), [refused(again), Some(None)]),
            (Verdict::Drifted, Some("m"), [recreated.clone(), recreated]),
            (Verdict::Drifted, None, [None, undeclared.clone()]),
            (Verdict::Conflict, None, [None, undeclared]),
            (Verdict::Pending, None, [None, None]),
            (Verdict::InSync, None, [None, None]),
        ] {
            for (room, expected) in rooms(verdict, message).iter().zip(expected) {
                assert_eq!(said(room, false), expected, "{verdict:?} {:?}", room.file);
                assert_eq!(said(room, true), expected, "{verdict:?} {:?}", room.file);
            }
        }
        // Neither created nor shown to be that room.
        let [mut room, _] = rooms(Verdict::Pending, Some("m"));
        room.is_there = false;
        assert_eq!(
            [false, true].map(|asked| said(&room, asked)),
            [Some(None), refused("m")]
        );
        room.is_only_claimed = true;
        assert_eq!(
            [false, true].map(|asked| said(&room, asked)),
            [refused("m"), refused("m")]
        );
    }

    #[test]
    fn only_what_the_service_moved_is_adopted() {
        let why = |room: &RoomDrift, is_named| {
            may_adopt(room, PEOPLE, is_named).err().map(|(why, _)| why)
        };
        for (cause, unnamed, named) in [
            (Cause::Drift, None, None),
            (Cause::Conflict, Some(Why::Refused), None),
            (Cause::Unobservable, Some(Why::Refused), Some(Why::Refused)),
            (Cause::Converged, Some(Why::LeftAlone), Some(Why::LeftAlone)),
            (Cause::Change, Some(Why::Refused), Some(Why::Refused)),
        ] {
            let room = moved("a", 7, cause, false);
            assert_eq!(
                [false, true].map(|is| why(&room, is)),
                [unnamed, named],
                "{cause:?}"
            );
            let muted = moved("a", 7, cause, true);
            assert_eq!(why(&muted, true), Some(Why::LeftAlone), "{cause:?}");
        }
        let [room, _] = rooms(Verdict::Drifted, None);
        assert_eq!(why(&room, true), Some(Why::LeftAlone));
    }

    /// Two rooms that have it from one line of defaults.
    #[test]
    fn the_line_of_the_defaults_moves_only_with_all_of_its_rooms() {
        let all = files(&[("a", &[(PEOPLE, 5.into())]), ("b", &[(PEOPLE, 5.into())])]);
        let line = || Origin::new(3, Some("rooms/defaults.yaml".into()), Vec::new());
        let origins: Origins = ["a", "b"]
            .map(|room| (name(room), [(PEOPLE, line())].into_iter().collect()))
            .into();
        let adopted = |people: &[(&str, i64)], shown: &[(&str, i64)], into| {
            let one = |(room, people): &(&str, i64)| Move {
                room: name(room),
                attribute: PEOPLE,
                value: (*people).into(),
            };
            let moves: Vec<Move> = people.iter().map(one).collect();
            let shown = shown.iter();
            let seen: Vec<_> = shown
                .map(|(room, live)| moved(room, *live, Cause::Drift, false))
                .collect();
            let (edits, left) = edits(&moves, into, &seen, &all, &origins);
            let lines = edits
                .into_iter()
                .map(|edit| (edit.file, edit.line, edit.moved.len()));
            (lines.collect::<Vec<_>>(), left.len())
        };
        let shared = |others| vec![("rooms/defaults.yaml".to_owned(), Some(3), others)];
        let own = |rooms: &[&str]| {
            let files = rooms
                .iter()
                .map(|room| (all[&name(room)].file.clone(), None, 0));
            files.collect::<Vec<_>>()
        };
        let (both, one) = ([("a", 7), ("b", 7)], [("a", 7)]);
        let differing = [("a", 7), ("b", 8)];
        let (room, default) = (Some(Level::Room), Some(Level::Default));
        assert_eq!(adopted(&both, &both, None), (shared(0), 0));
        assert_eq!(adopted(&both, &both, room), (own(&["a", "b"]), 0));
        assert_eq!(adopted(&one, &one, None), (own(&["a"]), 0));
        assert_eq!(adopted(&one, &one, default), (shared(1), 0));
        assert_eq!(adopted(&differing, &differing, None), (own(&["a", "b"]), 0));
        assert_eq!(adopted(&differing, &differing, default), (Vec::new(), 2));
        // The other one is so as it was applied, or already as it is to be.
        assert_eq!(
            adopted(&one, &[("a", 7), ("b", 5)], default),
            (shared(1), 0)
        );
        assert_eq!(adopted(&one, &both, default), (shared(1), 0));
        assert_eq!(adopted(&one, &differing, default), (Vec::new(), 1));
    }
}
