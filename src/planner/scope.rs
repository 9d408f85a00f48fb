//! Where was looked. What is not there proves nothing about what is elsewhere.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::state::{AppliedRoom, State};
use crate::model::{RoomName, Wanted};

/// The rooms directory of a run, and whether that is all there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scope {
    /// How the paths of its room files begin, as the user typed it.
    typed: String,
    /// The same from the configuration's directory.
    place: String,
    /// Whether the whole configured directory is looked at.
    pub whole: bool,
}

impl Scope {
    /// The directory `typed`, which is `place` from the configuration's directory. Empty: that directory itself.
    pub(crate) fn new(typed: &str, place: &str, whole: bool) -> Self {
        let directory = |path: &str| match path.trim_end_matches('/') {
            "." => String::new(),
            path => path.to_owned(),
        };
        Self {
            typed: directory(typed),
            place: directory(place),
            whole,
        }
    }

    /// The place of a room file that was found.
    pub(crate) fn place_of(&self, file: &str) -> String {
        match within(file, &self.typed) {
            Some(rest) => join(&self.place, rest),
            None => file.to_owned(),
        }
    }
}

impl Scope {
    /// The part of `state` that a run over the files of this scope is about: the rooms that are `wanted`, and those
    /// that would be, since their file was where it looked. A room that a file `elsewhere` declares only moved there.
    /// `None`: nobody can tell what the files elsewhere declare.
    pub(crate) fn of<'a>(
        &self,
        state: &'a State,
        wanted: &Wanted,
        elsewhere: Option<&BTreeSet<RoomName>>,
    ) -> Cow<'a, State> {
        let is_missed = |name: &RoomName, room: &AppliedRoom| {
            self.looked_for(room) && elsewhere.is_some_and(|names| !names.contains(name))
        };
        let is_meant = |name: &RoomName, room: &AppliedRoom| {
            wanted.contains_key(name) || is_missed(name, room)
        };
        if state.rooms.iter().all(|(name, room)| is_meant(name, room)) {
            return Cow::Borrowed(state);
        }
        let mut part = state.clone();
        part.rooms.retain(|name, room| is_meant(name, room));
        Cow::Owned(part)
    }

    /// Whether the place was looked at that the room was applied from.
    fn looked_for(&self, room: &AppliedRoom) -> bool {
        match &room.file {
            Some(file) => within(file, &self.place).is_some(),
            None => self.whole,
        }
    }
}

/// What of `path` is below `directory`; nothing of it, if it is the directory itself.
fn within<'a>(path: &'a str, directory: &str) -> Option<&'a str> {
    if directory.is_empty() || path == directory {
        return Some(&path[directory.len()..]);
    }
    path.strip_prefix(directory)?.strip_prefix('/')
}

fn join(directory: &str, rest: &str) -> String {
    if directory.is_empty() || rest.is_empty() {
        return format!("{directory}{rest}");
    }
    format!("{directory}/{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planner::testing::{applied, files, name, options};
    use crate::planner::{Action, Options, plan};

    /// Two rooms that were applied from two directories, and one of which nobody remembers from where.
    fn state() -> State {
        let settings = [("privacy", "private".into())];
        let rooms = files(&[
            ("emea", &settings),
            ("payroll", &settings),
            ("old", &settings),
        ]);
        let mut state = applied(&rooms);
        for (room, file) in [
            ("emea", "rooms/sales/emea.yaml"),
            ("payroll", "rooms/hr/p.yaml"),
        ] {
            state.rooms.get_mut(room).unwrap().file = Some(file.to_owned());
        }
        state
    }

    #[test]
    fn only_what_was_looked_for_can_be_missed() {
        let state = state();
        let none = BTreeSet::new();
        let moved = BTreeSet::from([name("emea")]);
        let cases = [
            ("rooms", true, Some(&none), &["emea", "old", "payroll"][..]),
            (".", true, Some(&none), &["emea", "old", "payroll"]),
            ("rooms/sales", false, Some(&none), &["emea"]),
            ("rooms/sal", false, Some(&none), &[]),
            ("rooms/hr", false, Some(&none), &["payroll"]),
            ("rooms/hr/p.yaml", false, Some(&none), &["payroll"]),
            ("rooms/sales", false, Some(&moved), &[]),
            ("rooms/sales", false, None, &[]),
            // The configured directory has another name by now.
            ("meetings", true, Some(&none), &["old"]),
        ];
        for (place, whole, elsewhere, expected) in cases {
            let scope = Scope::new(place, place, whole);
            let part = scope.of(&state, &Wanted::new(), elsewhere);
            let pruning = Options {
                prune: true,
                ..options()
            };
            let plan = plan(&Wanted::new(), &part, None, &pruning);
            let archived: Vec<&str> = plan
                .changes
                .iter()
                .map(|change| change.room.as_str())
                .collect();
            assert_eq!(archived, expected, "{place}");
            assert!(plan.changes.iter().all(|c| c.action == Action::Archive));
            assert_eq!(plan.managed, expected.len() as u64, "{place}");
        }
    }

    #[test]
    fn what_a_file_wants_is_meant_wherever_it_was_applied_from() {
        let wanted = files(&[("payroll", &[])]);
        let scope = Scope::new("rooms/sales", "rooms/sales", false);
        let state = state();
        let part = scope.of(&state, &wanted, Some(&BTreeSet::new()));
        let names: Vec<&str> = part.rooms.keys().map(RoomName::as_str).collect();
        assert_eq!(names, ["emea", "payroll"]);
    }

    #[test]
    fn a_file_has_one_place_however_its_directory_was_typed() {
        let cases = [
            ("rooms", "rooms", "rooms/a.yaml", "rooms/a.yaml"),
            ("rooms/", "rooms", "rooms/a.yaml", "rooms/a.yaml"),
            (".", "rooms/hr", "a.yaml", "rooms/hr/a.yaml"),
            (".", ".", "a.yaml", "a.yaml"),
            ("../rooms", "rooms", "../rooms/x/a.yaml", "rooms/x/a.yaml"),
            ("/srv/rooms", "rooms", "/srv/rooms/a.yaml", "rooms/a.yaml"),
            (
                "rooms/a.yaml",
                "rooms/a.yaml",
                "rooms/a.yaml",
                "rooms/a.yaml",
            ),
        ];
        for (typed, place, file, expected) in cases {
            let scope = Scope::new(typed, place, true);
            assert_eq!(scope.place_of(file), expected, "{typed}");
        }
    }
}
