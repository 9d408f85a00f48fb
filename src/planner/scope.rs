//! Which rooms a run considers, and why not the others. What is not there proves nothing about what is elsewhere.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::state::{AppliedRoom, State};
use crate::model::words::count;
use crate::model::{Globs, RoomName, Wanted, sum};

/// The rooms that a user selects.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Selection {
    /// Only rooms that one of these matches. Empty: all.
    pub target: Globs,
    /// No room that one of these matches.
    pub exclude: Globs,
}

impl Selection {
    pub(crate) fn is_empty(&self) -> bool {
        self.target.is_empty() && self.exclude.is_empty()
    }

    pub(crate) fn takes(&self, name: &str) -> bool {
        let is_target = self.target.is_empty() || self.target.match_any(name);
        is_target && !self.exclude.match_any(name)
    }
}

/// Why a room is not considered. Then it is planned nothing for, counted nowhere else, and not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LeftOutBy {
    /// `owns` of the configuration.
    Claim,
    /// The selection of the user, or of the saved plan.
    Selection,
    /// The rooms directory of the run: its file is, or was, elsewhere.
    Place,
    /// `unmanaged` of the configuration.
    Choice,
}

/// How many rooms were not considered, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct LeftOut {
    /// Rooms that `owns` in `roomctl.yaml` leaves to others.
    pub not_owned: u64,
    /// Rooms that `--target` and `--exclude` leave out.
    pub not_selected: u64,
    /// Rooms whose file is, or was when they were applied, where was not looked.
    pub elsewhere: u64,
    /// Rooms of the service that `unmanaged` in `roomctl.yaml` lists, and that neither a file nor the state has.
    pub by_choice: u64,
}

impl LeftOut {
    pub(crate) fn add(&mut self, why: LeftOutBy) {
        *match why {
            LeftOutBy::Claim => &mut self.not_owned,
            LeftOutBy::Selection => &mut self.not_selected,
            LeftOutBy::Place => &mut self.elsewhere,
            LeftOutBy::Choice => &mut self.by_choice,
        } += 1;
    }

    pub(crate) fn parts(&self) -> [u64; 4] {
        [
            self.not_selected,
            self.not_owned,
            self.elsewhere,
            self.by_choice,
        ]
    }

    pub(crate) fn rooms(&self) -> u64 {
        sum(self.parts())
    }

    pub(crate) fn is_none(&self) -> bool {
        self.rooms() == 0
    }
}

/// `2 rooms not selected, 1 room applied from elsewhere`.
impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = [
            "not selected",
            "not owned here",
            "of files elsewhere",
            "unmanaged by choice",
        ];
        let parts = self.parts().into_iter().zip(why);
        let parts = parts.filter(|(rooms, _)| *rooms > 0);
        let parts: Vec<String> = parts
            .map(|(rooms, why)| format!("{} {why}", count(rooms, "room")))
            .collect();
        f.write_str(&parts.join(", "))
    }
}

/// Which rooms a run is about: where it looks, what its configuration claims, and what the user selected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scope {
    /// How the paths of its room files begin, as the user typed it.
    typed: String,
    /// The same from the configuration's directory.
    place: String,
    /// Whether the whole configured directory is looked at.
    pub whole: bool,
    /// Files and directories below it that belong there and are not read: they are not on this disk, or under a name that
    /// is passed over. Empty: nobody knows of any.
    pub not_here: BTreeSet<String>,
    /// The rooms that are this configuration's. `None`: all.
    pub owns: Option<Globs>,
    /// The rooms that it leaves alone, unless they are managed after all.
    pub unmanaged: BTreeSet<String>,
    /// What the user selected.
    pub selection: Selection,
    /// What the saved plan was made for.
    pub planned: Selection,
}

/// The rooms that a run is about, and what it leaves out. Their files are what is left of all files.
#[derive(Debug)]
pub(crate) struct Considered<'a> {
    pub state: Cow<'a, State>,
    /// The names on the service that neither a file nor the state has.
    pub unmanaged: BTreeSet<String>,
    /// The rooms that the run is not about.
    pub others: BTreeMap<String, LeftOutBy>,
    /// Why the absence of files need not be a wish, if there is a reason.
    pub doubt: Option<Doubt>,
}

/// Why the absence of files need not be a wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// There is no room file at all, but rooms in the state.
    Empty,
    /// Only a part of the configured directory was looked at.
    Part,
}

impl Considered<'_> {
    pub(crate) fn left_out(&self) -> LeftOut {
        let mut left_out = LeftOut::default();
        self.others.values().for_each(|why| left_out.add(*why));
        left_out
    }
}

impl Scope {
    /// The directory `typed`, which is `place` from the configuration's directory. Empty: that directory itself.
    pub(crate) fn new(typed: &str, place: &str, whole: bool) -> Self {
        let directory = |path: &str| {
            let root = if path.starts_with('/') { "/" } else { "" };
            let parts: Vec<&str> = parts(path).collect();
            format!("{root}{}", parts.join("/"))
        };
        Self {
            typed: directory(typed),
            place: directory(place),
            whole,
            ..Self::default()
        }
    }

    /// Whether rooms may have been applied from outside of it, as far as the state knows. Where all places are counted
    /// from, nothing can be seen to be outside.
    pub(crate) fn is_left(&self, state: &State) -> bool {
        let is_inside = |file: &str| within(file, &self.place).is_some();
        let mut files = files(state);
        self.place.is_empty() || files.any(|file| !file.is_some_and(is_inside))
    }

    /// The innermost directory that holds it and every file that rooms were applied from.
    pub(crate) fn around(&self, state: &State) -> String {
        let mut around: Vec<&str> = self.place.split('/').collect();
        for file in files(state).flatten() {
            let same = around.iter().zip(parts(file));
            around.truncate(same.take_while(|(one, other)| *one == other).count());
        }
        around.join("/")
    }

    /// The place of a room file that was found.
    pub(crate) fn place_of<'f>(&self, file: &'f str) -> Cow<'f, str> {
        match within(file, &self.typed) {
            Some(rest) => join(&self.place, rest).into(),
            None => file.into(),
        }
    }

    /// Why a room of this name is not considered, wherever it is.
    pub(crate) fn leaves_out(&self, name: &str) -> Option<LeftOutBy> {
        let is_owned = self.owns.as_ref().is_none_or(|owns| owns.match_any(name));
        if !is_owned {
            return Some(LeftOutBy::Claim);
        }
        let is_selected = self.selection.takes(name) && self.planned.takes(name);
        (!is_selected).then_some(LeftOutBy::Selection)
    }

    /// Whether a room of the state may be considered, as far as can be said before the files are read.
    pub(crate) fn may_consider(&self, name: &str, room: &AppliedRoom) -> bool {
        self.leaves_out(name).is_none() && self.looked_for(room)
    }

    /// Leaves out of `wanted`, and of what is returned of `state` and of the names that the service lists, all rooms
    /// that the run is not about.
    ///
    /// It is about the rooms that are wanted, and about those that would be, since their file was where it looked. A
    /// room that a file `elsewhere` declares only moved there. `None`: nobody can tell what the files elsewhere declare.
    pub(crate) fn consider<'a>(
        &self,
        wanted: &mut Wanted,
        state: &'a State,
        listed: &BTreeSet<String>,
        elsewhere: Option<&Wanted>,
    ) -> Considered<'a> {
        let any_file = !wanted.is_empty();
        let is_managed = |name: &str| wanted.contains_key(name) || state.rooms.contains_key(name);
        let listed = listed.iter().map(String::as_str);
        let mut unmanaged: BTreeSet<&str> = listed.filter(|name| !is_managed(name)).collect();
        let named = wanted.keys().map(|name| (name.as_str(), None));
        let known = state.rooms.iter();
        let known = known.map(|(name, room)| (name.as_str(), Some(&**room)));
        let listed = unmanaged.iter().map(|name| (*name, None));
        let rooms = named.chain(known).chain(listed);
        let mut others = self.others(rooms, wanted, elsewhere);
        let chosen = unmanaged
            .iter()
            .filter(|name| self.unmanaged.contains(**name));
        others.extend(chosen.map(|name| ((*name).to_owned(), LeftOutBy::Choice)));
        let is_considered = |name: &str| !others.contains_key(name);
        unmanaged.retain(|name| is_considered(name));
        wanted.retain(|name, _| is_considered(name.as_str()));
        let mut state = Cow::Borrowed(state);
        if !state.rooms.keys().all(|name| is_considered(name.as_str())) {
            let rooms = &mut state.to_mut().rooms;
            rooms.retain(|name, _| is_considered(name.as_str()));
        }
        let doubt = match (any_file, self.whole) {
            (false, _) if !state.rooms.is_empty() => Some(Doubt::Empty),
            (_, false) => Some(Doubt::Part),
            _ => None,
        };
        Considered {
            state,
            unmanaged: unmanaged.into_iter().map(str::to_owned).collect(),
            others,
            doubt,
        }
    }

    /// Those of `rooms` that the run is not about. With each comes what the state knows of it.
    fn others<'n>(
        &self,
        rooms: impl Iterator<Item = (&'n str, Option<&'n AppliedRoom>)>,
        wanted: &Wanted,
        elsewhere: Option<&Wanted>,
    ) -> BTreeMap<String, LeftOutBy> {
        // However it is spelled there: names that differ only by case may be one room.
        let elsewhere: Option<HashSet<String>> =
            elsewhere.map(|files| files.keys().map(RoomName::folded).collect());
        let is_nowhere = |name: &str| {
            let files = elsewhere.as_ref();
            files.is_some_and(|files| files.is_empty() || !files.contains(&name.to_lowercase()))
        };
        let is_here = |name: &str, room: Option<&AppliedRoom>| {
            let is_missed = room.is_none_or(|room| self.looked_for(room)) && is_nowhere(name);
            is_missed || wanted.contains_key(name)
        };
        let others = rooms.filter_map(|(name, room)| {
            let by_place = || (!is_here(name, room)).then_some(LeftOutBy::Place);
            let by = self.leaves_out(name).or_else(by_place)?;
            Some((name.to_owned(), by))
        });
        others.collect()
    }

    /// Whether the place was looked at that the room was applied from. What is hidden is passed over below the
    /// directory of a run, and read where it is that directory itself.
    fn looked_for(&self, room: &AppliedRoom) -> bool {
        let Some(file) = &room.file else {
            return self.whole;
        };
        let is_hidden = |part: &str| part.starts_with('.') && part != "." && part != "..";
        within(file, &self.place).is_some_and(|rest| {
            let is_here = |above: &Path| !self.not_here.iter().any(|one| above == Path::new(one));
            !rest.split('/').any(is_hidden) && Path::new(rest).ancestors().all(is_here)
        })
    }
}

/// Where the rooms that were ever confirmed were applied from, where that is known.
fn files(state: &State) -> impl Iterator<Item = Option<&str>> {
    let rooms = state.rooms.values().filter(|room| room.is_confirmed());
    rooms.map(|room| room.file.as_deref())
}

/// What of `path` is below `directory`; nothing of it, if it is the directory itself. However often their slashes are
/// repeated.
fn within<'a>(path: &'a str, directory: &str) -> Option<&'a str> {
    if !directory.is_empty() && path.starts_with('/') != directory.starts_with('/') {
        return None;
    }
    let mut rest = path;
    for part in parts(directory) {
        rest = begin(rest).strip_prefix(part)?;
        if !rest.is_empty() && !rest.starts_with('/') {
            return None;
        }
    }
    Some(if directory.is_empty() {
        rest
    } else {
        begin(rest)
    })
}

/// The names on a path.
fn parts(path: &str) -> impl Iterator<Item = &str> {
    let parts = path.split('/');
    parts.filter(|part| !part.is_empty() && *part != ".")
}

/// `path` from its first name on.
fn begin(path: &str) -> &str {
    let path = path.trim_start_matches('/');
    match path.strip_prefix("./") {
        Some(rest) => begin(rest),
        None if path == "." => "",
        None => path,
    }
}

fn join(directory: &str, rest: &str) -> String {
    if directory.is_empty() || rest.is_empty() {
        return format!("{directory}{rest}");
    }
    format!("{directory}/{rest}")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::planner::testing::{applied, files, globs, name, pruning};
    use crate::planner::{Action, plan};

    /// Rooms that were applied from two directories and a hidden one, and one of which nobody remembers from where.
    fn state() -> State {
        let settings = [("privacy", "private".into())];
        let rooms = files(&[
            ("emea", &settings),
            ("payroll", &settings),
            ("old", &settings),
            ("attic", &settings),
        ]);
        let mut state = applied(&rooms);
        for (room, file) in [
            ("emea", "rooms/sales/emea.yaml"),
            ("payroll", "rooms/hr/p.yaml"),
            ("attic", "rooms/.attic/a.yaml"),
        ] {
            Arc::make_mut(state.rooms.get_mut(room).unwrap()).file = Some(file.to_owned());
        }
        state
    }

    fn considered<'a>(
        scope: &Scope,
        wanted: &mut Wanted,
        state: &'a State,
        elsewhere: Option<&Wanted>,
    ) -> Considered<'a> {
        scope.consider(wanted, state, &BTreeSet::new(), elsewhere)
    }

    fn names(state: &State) -> Vec<&str> {
        state.rooms.keys().map(RoomName::as_str).collect()
    }

    #[test]
    fn only_what_was_looked_for_can_be_missed() {
        let state = state();
        let none = Wanted::new();
        let moved = files(&[("emea", &[])]);
        let spelled = files(&[("Emea", &[])]);
        let cases = [
            ("rooms", true, Some(&none), &["emea", "old", "payroll"][..]),
            (".", true, Some(&none), &["emea", "old", "payroll"]),
            ("rooms/sales", false, Some(&none), &["emea"]),
            ("rooms/sal", false, Some(&none), &[]),
            ("rooms/hr", false, Some(&none), &["payroll"]),
            ("rooms/hr/p.yaml", false, Some(&none), &["payroll"]),
            ("rooms/sales", false, Some(&moved), &[]),
            ("rooms/sales", false, Some(&spelled), &[]),
            ("rooms/sales", false, None, &[]),
            // The configured directory has another name by now.
            ("meetings", true, Some(&none), &["old"]),
            // Read as a directory of its own, and passed over as a part.
            ("rooms/.attic", false, Some(&none), &["attic"]),
        ];
        for (place, whole, elsewhere, expected) in cases {
            let scope = Scope::new(place, place, whole);
            let part = considered(&scope, &mut Wanted::new(), &state, elsewhere).state;
            let plan = plan(&Wanted::new(), &part, None, &pruning());
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
    fn the_state_shows_that_a_directory_is_only_a_part() {
        let known = |files: &[Option<&str>]| {
            let mut state = State::fresh("acme");
            for (number, file) in files.iter().enumerate() {
                let room = AppliedRoom {
                    file: file.map(str::to_owned),
                    ..state_of_one()
                };
                state.rooms.insert(name(&format!("r{number}")), room.into());
            }
            state
        };
        let (emea, pay) = (Some("teams/sales/emea.yaml"), Some("teams/hr/pay.yaml"));
        let cases = [
            ("teams", vec![], false, "teams"),
            ("teams", vec![emea, pay], false, "teams"),
            ("teams/sales", vec![emea], false, "teams/sales"),
            ("teams/sales", vec![emea, pay], true, "teams"),
            ("teams/sal", vec![emea], true, "teams"),
            ("teams/sales", vec![None], true, "teams/sales"),
            ("sales", vec![emea], true, ""),
            (
                "../teams/hr",
                vec![Some("../teams/a.yaml")],
                true,
                "../teams",
            ),
            (".", vec![], true, ""),
        ];
        for (place, files, is_left, around) in cases {
            let (scope, state) = (Scope::new(place, place, true), known(&files));
            let found = (scope.is_left(&state), scope.around(&state));
            assert_eq!(found, (is_left, around.to_owned()), "{place} {files:?}");
        }
    }

    fn state_of_one() -> AppliedRoom {
        let state = applied(&files(&[("a", &[("privacy", "private".into())])]));
        AppliedRoom::clone(&state.rooms["a"])
    }

    #[test]
    fn what_a_file_wants_is_meant_wherever_it_was_applied_from() {
        let mut wanted = files(&[("payroll", &[])]);
        let scope = Scope::new("rooms/sales", "rooms/sales", false);
        let state = state();
        let found = considered(&scope, &mut wanted, &state, Some(&Wanted::new()));
        assert_eq!(names(&found.state), ["emea", "payroll"]);
        assert_eq!(
            (found.left_out().elsewhere, found.doubt),
            (2, Some(Doubt::Part))
        );
    }

    #[test]
    fn claims_and_selections_leave_rooms_out_of_everything() {
        let globs = |text: &str| globs(&text.split_whitespace().collect::<Vec<_>>());
        let state = state();
        // Claims, targets, exclusions; the rooms of the state and of the files that are left; why the others are not.
        let cases = [
            (
                "*",
                "",
                "",
                &["attic", "emea", "old", "payroll"][..],
                &["emea", "tea"][..],
                (0, 0, 0),
            ),
            ("*", "e*", "", &["emea"], &["emea"], (0, 4, 0)),
            ("*", "e* OLD", "", &["emea", "old"], &["emea"], (0, 3, 0)),
            (
                "*",
                "",
                "emea",
                &["attic", "old", "payroll"],
                &["tea"],
                (0, 1, 0),
            ),
            ("*", "e*", "emea", &[], &[], (0, 5, 0)),
            ("?ea payroll", "", "", &["payroll"], &["tea"], (3, 0, 0)),
            ("?ea payroll", "e* p*", "", &["payroll"], &[], (3, 1, 0)),
            ("", "", "", &[], &[], (5, 0, 0)),
        ];
        for (owns, target, exclude, of_state, of_files, left_out) in cases {
            let mut scope = Scope::new("", "", true);
            scope.owns = Some(globs(owns));
            scope.selection.target = globs(target);
            scope.selection.exclude = globs(exclude);
            let mut wanted = files(&[("emea", &[]), ("tea", &[])]);
            let mut state = state.clone();
            // Nobody remembers from where.
            state
                .rooms
                .values_mut()
                .for_each(|room| Arc::make_mut(room).file = None);
            let found = considered(&scope, &mut wanted, &state, Some(&Wanted::new()));
            let case = format!("{owns} / {target} / {exclude}");
            assert_eq!(names(&found.state), of_state, "{case}");
            let wanted: Vec<&str> = wanted.keys().map(RoomName::as_str).collect();
            assert_eq!(wanted, of_files, "{case}");
            let LeftOut {
                not_owned,
                not_selected,
                elsewhere,
                by_choice: _,
            } = found.left_out();
            assert_eq!((not_owned, not_selected, elsewhere), left_out, "{case}");
        }
    }

    #[test]
    fn unmanaged_are_rooms_that_nobody_has_anywhere() {
        let state = state();
        let listed = ["attic", "emea", "payroll", "sales-new", "tea", "hr-new"];
        let listed = listed.map(str::to_owned).into();
        let unmanaged = |scope: &Scope, elsewhere| {
            let mut wanted = files(&[("emea", &[])]);
            let found = scope.consider(&mut wanted, &state, &listed, elsewhere);
            found.unmanaged.into_iter().collect::<Vec<_>>().join(" ")
        };
        let elsewhere = files(&[("tea", &[])]);
        let mut scope = Scope::new("rooms/sales", "rooms/sales", false);
        assert_eq!(unmanaged(&scope, Some(&elsewhere)), "hr-new sales-new");
        assert_eq!(
            unmanaged(&scope, None),
            "",
            "a file with an error may declare it"
        );
        scope.unmanaged = ["hr-new", "Sales-new", "payroll"].map(str::to_owned).into();
        assert_eq!(unmanaged(&scope, Some(&elsewhere)), "sales-new");
        scope.owns = Some(globs(&["sales-*"]));
        assert_eq!(unmanaged(&scope, Some(&elsewhere)), "sales-new");
        scope.selection.exclude = globs(&["*new"]);
        assert_eq!(unmanaged(&scope, Some(&elsewhere)), "");
    }

    #[test]
    fn a_file_has_one_place_however_its_directory_was_typed() {
        let cases = [
            ("rooms", "rooms", "rooms/a.yaml", "rooms/a.yaml"),
            ("rooms/", "rooms", "rooms/a.yaml", "rooms/a.yaml"),
            ("rooms//", "rooms", "rooms//a.yaml", "rooms/a.yaml"),
            ("./x/.//y", "x/y", "./x/.//y/z/a.yaml", "x/y/z/a.yaml"),
            (
                "/srv//rooms/",
                "rooms",
                "/srv//rooms/a.yaml",
                "rooms/a.yaml",
            ),
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
        // As an earlier version kept it.
        assert_eq!(within("rooms//hr/a.yaml", "rooms"), Some("hr/a.yaml"));
        assert_eq!(within("roomsx/a.yaml", "rooms"), None);
        assert_eq!(within("/rooms/a.yaml", "rooms"), None);
    }
}
