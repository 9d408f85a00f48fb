//! The rooms of an import: which of them are read, and how one that was seen becomes a file and is remembered.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::workspace::Workspace;
use crate::disk::plain_file::{MAX_DATA, MAX_TEXT, read_own};
use crate::files::context::Context;
use crate::files::cores::on_cores;
use crate::files::defaults;
use crate::files::discover::as_typed;
use crate::files::new_file;
use crate::files::room_file;
use crate::files::room_files::Loaded;
use crate::files::room_yaml::{RoomYaml, path_back, room_yaml};
use crate::files::text_file::text_from;
use crate::model::policy::NOBODY;
use crate::model::words::joined;
use crate::model::{LiveRoom, RoomName, Value, Variables, Wanted, WantedRoom};
use crate::planner::import::{Draft, Known, VariableNames, draft, stem};
use crate::planner::{AppliedRoom, Event, Gone, Sighting, State, World, named_otherwise};
use crate::report::import::{Outcome, RoomReport};

/// The schema that the first line of a file names, if it is beside the configuration.
const SCHEMA: &str = "schema/room.schema.json";

/// The same for a file that has defaults above it: an editor does not see them.
const SCHEMA_WITH_DEFAULTS: &str = "schema/room-with-defaults.schema.json";

fn declared_by(wanted: &WantedRoom) -> String {
    format!("{} declares it; --force replaces the file", wanted.file)
}

/// One run: what it was asked, and what was there before.
pub(crate) struct Import<'a> {
    pub workspace: &'a Workspace,
    /// Whether rooms that are managed are imported again.
    pub force: bool,
    /// Where new files go, below the rooms directory.
    pub dir: Option<&'a Path>,
    pub loaded: &'a Loaded,
    /// What files declare where this run does not look.
    pub elsewhere: &'a Wanted,
}

struct Place {
    /// Below the rooms directory.
    relative: PathBuf,
    /// As the user would type it.
    shown: String,
    /// Whether it is the room's own file, which is there.
    is_its_own: bool,
    /// Whether that is to be replaced.
    replace: bool,
}

/// A room that can be imported, before its file is written.
struct New {
    place: Place,
    /// What is to be written, unless it is there already.
    text: Option<String>,
    applied: AppliedRoom,
    report: RoomReport,
}

/// How it ends for a room that is not imported, and why.
type Refusal = (Outcome, String);

/// How many files are written at once: each waits until the disk has it.
const WRITERS: usize = 32;

impl Import<'_> {
    /// The rooms to read, and those that are not to be imported whatever the service says.
    pub(crate) fn sort_out(
        &self,
        names: &BTreeSet<String>,
        state: &State,
    ) -> (Vec<RoomName>, Vec<RoomReport>) {
        let rule = self.workspace.configuration.names();
        let spellings = self.spellings(names, state);
        let (mut read, mut rooms) = (Vec::new(), Vec::new());
        for text in names {
            let refused = |why: String| RoomReport::not_imported(text, Outcome::Refused, why);
            let by_name = |why| RoomReport {
                by_name: true,
                ..refused(why)
            };
            if let Some(wanted) = self.elsewhere.get(text.as_str()) {
                let file = &wanted.file;
                let why = format!("{file} declares it, where this run does not look");
                rooms.push(refused(why));
                continue;
            }
            let mut spelled = spellings[&rule.key(text)].iter();
            let twin = spelled.find(|other| **other != text);
            match (RoomName::parse(text, rule), twin) {
                (_, Some(twin)) => {
                    let by_case = format!("its name differs only by case from `{twin}`");
                    let declared = self.loaded.wanted.contains_key(*twin);
                    let hint = declared.then(|| format!("; if {}", named_otherwise(text)));
                    rooms.push(by_name(by_case + &hint.unwrap_or_default()));
                }
                (Err(error), None) => rooms.push(by_name(error.to_string())),
                (Ok(name), None) => match self.managed_by(&name, state) {
                    Some(why) => rooms.push(RoomReport::not_imported(text, Outcome::Skipped, why)),
                    None => read.push(name),
                },
            }
        }
        (read, rooms)
    }

    /// Why a room is left alone that is managed already: it is in the state. Of one that only a file declares, perhaps an
    /// import that was killed wrote that file.
    fn managed_by(&self, name: &RoomName, state: &State) -> Option<String> {
        let managed = state.rooms.contains_key(name) && !self.force;
        managed.then(|| match self.loaded.wanted.get(name) {
            Some(wanted) => declared_by(wanted),
            None => "it is in the state; --force imports it again".to_owned(),
        })
    }

    /// How each name is spelled that is asked for, or managed already.
    fn spellings<'n>(
        &'n self,
        names: &'n BTreeSet<String>,
        state: &'n State,
    ) -> BTreeMap<String, BTreeSet<&'n str>> {
        let files = self.loaded.wanted.keys().chain(self.elsewhere.keys());
        let managed = files.chain(state.rooms.keys()).map(RoomName::as_str);
        let mut spellings: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        for name in names.iter().map(String::as_str).chain(managed) {
            spellings
                .entry(self.workspace.configuration.names().key(name))
                .or_default()
                .insert(name);
        }
        spellings
    }

    /// Writes a file for each room that was seen, and takes the rooms into `state`.
    pub(crate) fn all(&self, world: &World, state: &mut State) -> Vec<RoomReport> {
        let files = [&self.loaded.wanted, self.elsewhere];
        let mut names = VariableNames::new(&self.workspace.env_prefix, files);
        let rooms: Vec<(&RoomName, Result<New, Refusal>)> = world
            .iter()
            .map(|(room, sighting)| (room, self.one(room, sighting, &mut names, state)))
            .collect();
        let written = on_cores(WRITERS, &rooms, |(_, new)| self.write(new.as_ref().ok()?));
        let reports = rooms
            .into_iter()
            .zip(written)
            .map(|((room, new), unwritten)| {
                let refusal = match (new, unwritten) {
                    (Ok(new), None) => {
                        let (room, applied) = (room.clone(), new.applied.into());
                        state.record(Event::Applied { room, applied });
                        return new.report;
                    }
                    (Ok(_), Some(why)) => (Outcome::Refused, why),
                    (Err(refusal), _) => refusal,
                };
                self.not_imported(room, refusal)
            });
        reports.collect()
    }

    fn one(
        &self,
        room: &RoomName,
        sighting: &Sighting,
        names: &mut VariableNames<'_>,
        state: &State,
    ) -> Result<New, Refusal> {
        let why = match sighting {
            Sighting::Unreadable(why) => return Err((Outcome::Unreadable, why.clone())),
            Sighting::Absent(Gone::Archived) => "it is archived".to_owned(),
            Sighting::Absent(Gone::Missing) => {
                "the service says that there is no such room".to_owned()
            }
            Sighting::Present(live) => match self.import(room, live, names, state) {
                Ok(new) => return Ok(new),
                Err(why) => why,
            },
        };
        Err((Outcome::Refused, why))
    }

    fn not_imported(&self, room: &RoomName, (outcome, why): Refusal) -> RoomReport {
        let (outcome, why) = match (outcome, self.declared(room)) {
            (Outcome::Refused, Some(wanted)) => (Outcome::Skipped, declared_by(wanted)),
            refused => (refused.0, why),
        };
        RoomReport::not_imported(room.as_str(), outcome, why)
    }

    /// Why its file cannot be written, if so.
    fn write(&self, new: &New) -> Option<String> {
        let New { place, text, .. } = new;
        let text = text.as_ref()?;
        let written = new_file::write(&self.workspace.rooms, &place.relative, text, place.replace);
        written.err().map(|error| error.to_string())
    }

    /// The file of the room, if it has one that must not be replaced.
    fn declared(&self, room: &RoomName) -> Option<&WantedRoom> {
        self.loaded.wanted.get(room).filter(|_| !self.force)
    }

    fn import(
        &self,
        room: &RoomName,
        live: &LiveRoom,
        names: &mut VariableNames<'_>,
        state: &State,
    ) -> Result<New, String> {
        let known = self.known(room, state);
        let draft = draft(live, &known, self.workspace.now)?;
        let variables = draft.variables(room, names);
        let place = self.place(room)?;
        let (text, file) = self.text(room, &place, &draft, &variables)?;
        let taken_in = self.is_there(&place, &text);
        let remembered = self.workspace.scope.place_of(&place.shown).into_owned();
        let applied = draft.applied(live, known.applied, &remembered, file, state.salt());
        let report = RoomReport {
            room: room.as_str().to_owned(),
            outcome: Outcome::Imported,
            message: remarks(&draft, taken_in, self.is_added_to(&place, &draft)),
            file: Some(place.shown.clone()),
            variables: draft.refers_to(variables).into_iter().collect(),
            by_name: false,
        };
        Ok(New {
            text: (!taken_in).then_some(text),
            place,
            applied,
            report,
        })
    }

    /// What its file says, as text and as it is read.
    fn text(
        &self,
        room: &RoomName,
        place: &Place,
        draft: &Draft,
        variables: &BTreeMap<&'static str, String>,
    ) -> Result<(String, WantedRoom), String> {
        let stem = place.relative.file_stem().unwrap_or_default();
        let stem = stem.to_string_lossy();
        let text = room_yaml(&RoomYaml {
            room,
            stem: &stem,
            schema: self.schema(place).as_deref(),
            draft,
            variables,
        });
        let read = self.verified(room, &stem, &text, draft, variables)?;
        Ok((text, read))
    }

    fn known<'k>(&'k self, room: &RoomName, state: &'k State) -> Known<'k> {
        Known {
            file: self.loaded.wanted.get(room),
            origins: self.loaded.origins.get(room),
            applied: state.applied(room),
        }
    }

    /// Whether its file holds exactly this already, as after an import that was killed.
    fn is_there(&self, place: &Place, text: &str) -> bool {
        let path = self.workspace.rooms.join(&place.relative);
        place.is_its_own && read_own(&path, MAX_DATA).is_ok_and(|bytes| bytes == text.as_bytes())
    }

    /// The files of defaults above it.
    fn defaults(&self, place: &Place) -> Vec<PathBuf> {
        let directories = place.relative.ancestors().skip(1);
        let files = directories.flat_map(defaults::paths_in);
        let files = files.map(|file| self.workspace.rooms.join(file));
        files.filter(|file| file.is_file()).collect()
    }

    /// Whether they say more of it than its file does.
    fn is_added_to(&self, place: &Place, draft: &Draft) -> bool {
        self.defaults(place).iter().any(|file| {
            let text = read_own(file, MAX_TEXT).and_then(text_from);
            let text = text.unwrap_or_default();
            let (layer, _) = defaults::parse("", &text, &self.workspace.context(NOBODY).variables);
            let mut keys = layer.entries.iter().map(|entry| entry.key.as_ref());
            keys.any(|key: &str| !draft.settings.contains_key(key) && !draft.kept.contains_key(key))
        })
    }

    /// The schema that holds where the file is, as seen from there.
    fn schema(&self, place: &Place) -> Option<String> {
        let schema = match self.defaults(place).is_empty() {
            true => SCHEMA,
            false => SCHEMA_WITH_DEFAULTS,
        };
        let there = self.workspace.configuration.base.join(schema);
        let file = self.workspace.scope.place_of(&place.shown);
        path_back(&file, schema).filter(|_| there.is_file())
    }

    /// The room's own file if it has one; otherwise a new one that is named after it.
    fn place(&self, room: &RoomName) -> Result<Place, String> {
        let root = as_typed(&self.workspace.rooms);
        if let Some(wanted) = self.loaded.wanted.get(room) {
            let relative = Path::new(&wanted.file)
                .strip_prefix(&root)
                .map_err(|_| format!("{} is not below {root}", wanted.file))?;
            return Ok(Place {
                relative: relative.to_owned(),
                shown: wanted.file.clone(),
                is_its_own: true,
                replace: self.force,
            });
        }
        let dir = self.dir.unwrap_or(Path::new(""));
        let stem = stem(room, self.workspace.configuration.names());
        let relative = dir.join(format!("{stem}.yaml"));
        Ok(Place {
            shown: as_typed(&self.workspace.rooms.join(&relative)),
            relative,
            is_its_own: false,
            replace: false,
        })
    }

    /// Reads what is about to be written as any command would. A file that says
    /// something else than the service would be applied over it.
    fn verified(
        &self,
        room: &RoomName,
        stem: &str,
        text: &str,
        draft: &Draft,
        variables: &BTreeMap<&'static str, String>,
    ) -> Result<WantedRoom, String> {
        let lookup = |name: &str| {
            let (attribute, _) = variables.iter().find(|(_, variable)| *variable == name)?;
            match draft.settings.get(attribute)? {
                Value::Secret(secret) => Some(secret.expose().to_owned()),
                _ => None,
            }
        };
        let context = self.workspace.context(NOBODY);
        let context = Context {
            variables: Variables {
                values: &lookup,
                ..context.variables
            },
            sandbox: false,
            ..context
        };
        let (parsed, _) = room_file::parse("", stem, text, &context);
        parsed
            .filter(|parsed| parsed.name == *room && parsed.wanted.settings == draft.settings)
            .map(|parsed| parsed.wanted)
            .ok_or_else(|| "no file could be made that says what the service reports".to_owned())
    }
}

/// What there is to say beside that it was imported.
fn remarks(draft: &Draft, taken_in: bool, is_added_to: bool) -> Option<String> {
    let kept = "kept as it was, since the service does not show it";
    let doubts = [
        taken_in.then(|| "its file was there, and holds exactly this".to_owned()),
        joined(draft.kept.keys(), ", ").map(|names| format!("{kept}: {names}")),
        joined(draft.left_out.keys(), ", ")
            .map(|names| format!("without {names}; the file says why")),
        is_added_to.then(|| "defaults above it set more: `roomctl plan` shows it".to_owned()),
    ];
    joined(doubts.into_iter().flatten(), "; ")
}
