//! `import`: rooms that exist already become files, and are remembered as they are. Only reads the service.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::Args;
use clap_complete::engine::ArgValueCompleter;

use super::shared::args::{Global, NetworkArgs, PlainFormat};
use super::shared::exit::{Exit, Failure};
use super::shared::output::Output;
use super::shared::room_names::rooms;
use super::shared::room_secrets;
use super::shared::rooms::{accept, clean_up, elsewhere, load_any};
use super::shared::selection::{self, SelectionArgs};
use super::shared::session::Session;
use super::shared::store::lock;
use super::shared::workspace::Workspace;
use crate::disk::plain_file::{MAX_DATA, read_own};
use crate::files::context::Context;
use crate::files::defaults;
use crate::files::discover::as_typed;
use crate::files::new_file;
use crate::files::room_file;
use crate::files::room_files::Loaded;
use crate::files::room_yaml::{RoomYaml, path_back, room_yaml};
use crate::model::policy::NOBODY;
use crate::model::{LiveRoom, RoomName, Value, Variables, Wanted, WantedRoom};
use crate::planner::import::{Draft, Known, VariableNames, draft, stem};
use crate::planner::{
    Event, Gone, LeftOut, LeftOutBy, Scope, Sighting, State, World, named_otherwise,
};
use crate::report::import::{Outcome, RoomReport, Summary};
use crate::report::{ImportReport, text, view};
use crate::service::observe::doubt_about;

#[derive(Debug, Args)]
#[command(after_help = "\
Writes one file a room, with `${env:…}` in place of secrets, and never writes to the service.
Exits with 5 when some rooms were not imported, with 6 or 4 when none was. One that was killed is finished by
running it again: files that hold exactly what it would write are taken in.

Examples:
  roomctl import --all
  roomctl import --all --exclude 'trial-*'
  roomctl import stand-up all-hands --dir company
  roomctl import stand-up --force       replaces its file by what the service shows now")]
pub(crate) struct ImportArgs {
    /// Names of rooms
    #[arg(
        required_unless_present = "all",
        conflicts_with = "all",
        value_name = "NAME",
        add = ArgValueCompleter::new(rooms)
    )]
    pub names: Vec<String>,
    /// All rooms that the service lists
    #[arg(long)]
    pub all: bool,
    /// Also rooms that are managed already; their files are replaced, but for what the service does not show
    #[arg(long)]
    pub force: bool,
    /// Directory for new files, below the rooms directory
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Form of the result
    #[arg(long, value_enum, default_value_t = PlainFormat::Text)]
    pub format: PlainFormat,
    #[command(flatten)]
    pub selection: SelectionArgs,
    #[command(flatten)]
    pub network: NetworkArgs,
}

/// The schema that the first line of a file names, if it is beside the configuration.
const SCHEMA: &str = "schema/room.schema.json";

/// The same for a file that has defaults above it: an editor does not see them.
const SCHEMA_WITH_DEFAULTS: &str = "schema/room-with-defaults.schema.json";

pub(crate) fn run(
    global: &Global,
    args: &ImportArgs,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let session = Session::begin(global, &args.network, &args.selection, None)?;
    let workspace = &session.workspace;
    // They must be right: which rooms a broken file declares, nobody knows.
    let files = accept(load_any(workspace), &args.format.into(), output)?;
    let mut held = lock(workspace, output)?;
    clean_up(workspace, &files);
    let (mut names, warning) = asked_for(&session, args, &held.state.app)?;
    let (mut rooms, left_out) = select(&mut names, &workspace.scope, args, output)?;
    let elsewhere = elsewhere(workspace, &files.wanted).ok_or_else(|| hidden(workspace))?;
    let import = Import {
        workspace,
        args,
        loaded: &files,
        elsewhere: &elsewhere,
    };
    let (names, others) = import.sort_out(&names, &held.state);
    rooms.extend(others);
    let world = session.look(&held.state.app, names)?;
    session.close()?;
    held.start_lineage();
    let before = held.state.clone();
    rooms.extend(import.all(&world, &mut held.state));
    // A crash before this leaves files that the next import takes in.
    let saved = held.save(held.state != before);
    // Whatever became of the state, the report comes first: it says which files were written.
    let report = ImportReport::new(&held.state, rooms, warning, left_out);
    output.plain(&report, args.format, &text::page(&view::import(&report)))?;
    let variables = report.variables.iter().cloned().collect();
    if let Some(note) = room_secrets::hand_over(Path::new("."), &variables) {
        output.note(&note);
    }
    saved?;
    if session.is_interrupted() {
        return Ok(Exit::Interrupted);
    }
    Ok(exit(report.summary))
}

/// The rooms that the user names, or all that the service lists, and a doubt about that list.
fn asked_for(
    session: &Session,
    args: &ImportArgs,
    app: &str,
) -> Result<(BTreeSet<String>, Option<String>), Failure> {
    if !args.all {
        return Ok((args.names.iter().cloned().collect(), None));
    }
    let listing = session.service(app)?.list();
    let rooms = session.wait(app, listing)?;
    let rooms = rooms.map_err(|why| {
        let message = format!("the list of rooms could not be read: {why}");
        let failure = Failure::new(Exit::Service, message);
        // What ended the run would end the reading of a room as well.
        match session.stopped() {
            None => failure.hint("name the rooms instead of --all"),
            Some(_) => failure,
        }
    })?;
    let doubt = doubt_about(rooms.len(), "import the others by name");
    Ok((rooms.into_iter().collect(), doubt))
}

/// Leaves out of `names` the rooms that the run is not about. One that the user names and others own is refused.
fn select(
    names: &mut BTreeSet<String>,
    scope: &Scope,
    args: &ImportArgs,
    output: &Output,
) -> Result<(Vec<RoomReport>, LeftOut), Failure> {
    let why = |name: &String| Some((name.clone(), scope.leaves_out(name)?));
    let others: BTreeMap<String, LeftOutBy> = names.iter().filter_map(why).collect();
    let known = names.iter().map(String::as_str).collect();
    selection::check(&scope.selection, &known, &others, output)?;
    names.retain(|name| !others.contains_key(name));
    let (mut refused, mut left_out) = (Vec::new(), LeftOut::default());
    for (name, why) in others {
        if why == LeftOutBy::Claim && !args.all {
            let why = "`owns` in roomctl.yaml leaves this room to others";
            refused.push(RoomReport::not_imported(&name, Outcome::Refused, why));
        } else {
            left_out.add(why);
        }
    }
    Ok((refused, left_out))
}

/// Files that cannot be read may declare any room.
fn hidden(workspace: &Workspace) -> Failure {
    let (whole, rooms) = (workspace.whole.display(), workspace.rooms.display());
    let message = format!(
        "room files of {whole} outside of {rooms} have errors, so nobody knows which rooms they declare"
    );
    Failure::new(Exit::Invalid, message).hint(format!("`roomctl validate {whole}` shows them"))
}

fn declared_by(wanted: &WantedRoom) -> String {
    format!("{} declares it; --force replaces the file", wanted.file)
}

/// One run: what it was asked, and what was there before.
struct Import<'a> {
    workspace: &'a Workspace,
    args: &'a ImportArgs,
    loaded: &'a Loaded,
    /// What files declare where this run does not look.
    elsewhere: &'a Wanted,
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

impl Import<'_> {
    /// The rooms to read, and those that are not to be imported whatever the service says.
    fn sort_out(
        &self,
        names: &BTreeSet<String>,
        state: &State,
    ) -> (Vec<RoomName>, Vec<RoomReport>) {
        let rule = self.workspace.configuration.names();
        let spellings = self.spellings(names, state);
        let (mut read, mut rooms) = (Vec::new(), Vec::new());
        for text in names {
            let refused = |why: String| RoomReport::not_imported(text, Outcome::Refused, why);
            if let Some(wanted) = self.elsewhere.get(text.as_str()) {
                let file = &wanted.file;
                let why = format!("{file} declares it, where this run does not look");
                rooms.push(refused(why));
                continue;
            }
            let mut spelled = spellings[&text.to_lowercase()].iter();
            match (
                RoomName::parse(text, rule),
                spelled.find(|other| **other != text),
            ) {
                (_, Some(twin)) => {
                    let by_case = format!("its name differs only by case from `{twin}`");
                    let declared = self.loaded.wanted.contains_key(*twin);
                    let hint = declared.then(|| format!("; if {}", named_otherwise(text)));
                    rooms.push(refused(by_case + &hint.unwrap_or_default()));
                }
                (Err(error), None) => rooms.push(refused(format!("{error}; {}", error.help()))),
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
        let managed = state.rooms.contains_key(name) && !self.args.force;
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
                .entry(name.to_lowercase())
                .or_default()
                .insert(name);
        }
        spellings
    }

    /// Writes a file for each room that was seen, and takes the rooms into `state`.
    fn all(&self, world: &World, state: &mut State) -> Vec<RoomReport> {
        let files = [&self.loaded.wanted, self.elsewhere];
        let mut names = VariableNames::new(&self.workspace.env_prefix, files);
        let rooms = world.iter();
        rooms
            .map(|(room, sighting)| self.one(room, sighting, &mut names, state))
            .collect()
    }

    fn one(
        &self,
        room: &RoomName,
        sighting: &Sighting,
        names: &mut VariableNames<'_>,
        state: &mut State,
    ) -> RoomReport {
        let name = room.as_str();
        let not_imported = |outcome, why: &str| RoomReport::not_imported(name, outcome, why);
        let imported = match sighting {
            Sighting::Unreadable(why) => return not_imported(Outcome::Unreadable, why),
            Sighting::Absent(Gone::Archived) => Err("it is archived".to_owned()),
            Sighting::Absent(Gone::Missing) => {
                Err("the service says that there is no such room".to_owned())
            }
            Sighting::Present(live) => self.import(room, live, names, state),
        };
        match (imported, self.declared(room)) {
            (Ok(report), _) => report,
            (Err(_), Some(wanted)) => not_imported(Outcome::Skipped, &declared_by(wanted)),
            (Err(why), None) => not_imported(Outcome::Refused, &why),
        }
    }

    /// The file of the room, if it has one that must not be replaced.
    fn declared(&self, room: &RoomName) -> Option<&WantedRoom> {
        self.loaded.wanted.get(room).filter(|_| !self.args.force)
    }

    fn import(
        &self,
        room: &RoomName,
        live: &LiveRoom,
        names: &mut VariableNames<'_>,
        state: &mut State,
    ) -> Result<RoomReport, String> {
        let known = self.known(room, state);
        let draft = draft(live, &known, self.workspace.now)?;
        let variables = draft.variables(room, names);
        let place = self.place(room)?;
        let (text, source) = self.text(room, &place, &draft, &variables)?;
        let taken_in = self.is_there(&place, &text);
        if !taken_in {
            new_file::write(&self.workspace.rooms, &place.relative, &text, place.replace)
                .map_err(|error| error.to_string())?;
        }
        let remembered = self.workspace.scope.place_of(&place.shown).into_owned();
        let applied = draft.applied(live, known.applied, &remembered, source, state.salt());
        state.record(Event::Applied {
            room: room.clone(),
            applied,
        });
        Ok(RoomReport {
            room: room.to_string(),
            outcome: Outcome::Imported,
            message: remarks(&draft, taken_in, self.has_defaults(&place)),
            file: Some(place.shown),
            variables: draft.refers_to(variables).into_iter().collect(),
        })
    }

    /// What its file says, with the digest of that.
    fn text(
        &self,
        room: &RoomName,
        place: &Place,
        draft: &Draft,
        variables: &BTreeMap<&'static str, String>,
    ) -> Result<(String, Option<String>), String> {
        let stem = place.relative.file_stem().unwrap_or_default();
        let stem = stem.to_string_lossy();
        let text = room_yaml(&RoomYaml {
            room,
            stem: &stem,
            schema: self.schema(place).as_deref(),
            draft,
            variables,
        });
        let source = self.verified(room, &stem, &text, draft, variables)?;
        Ok((text, source))
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

    fn has_defaults(&self, place: &Place) -> bool {
        let is_defaults = |directory: &Path| {
            let files = defaults::paths_in(directory);
            files
                .iter()
                .any(|file| self.workspace.rooms.join(file).is_file())
        };
        place.relative.ancestors().skip(1).any(is_defaults)
    }

    /// The schema that holds where the file is, as seen from there.
    fn schema(&self, place: &Place) -> Option<String> {
        let schema = if self.has_defaults(place) {
            SCHEMA_WITH_DEFAULTS
        } else {
            SCHEMA
        };
        let Workspace {
            configuration,
            scope,
            ..
        } = self.workspace;
        let there = configuration.base.join(schema);
        path_back(&scope.place_of(&place.shown), schema).filter(|_| there.is_file())
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
                replace: self.args.force,
            });
        }
        let dir = self.args.dir.clone().unwrap_or_default();
        let relative = dir.join(format!("{}.yaml", stem(room)));
        Ok(Place {
            shown: as_typed(&self.workspace.rooms.join(&relative)),
            relative,
            is_its_own: false,
            replace: false,
        })
    }

    /// Reads what is about to be written as any command would, and gives its digest out. A file that says
    /// something else than the service would be applied over it.
    fn verified(
        &self,
        room: &RoomName,
        stem: &str,
        text: &str,
        draft: &Draft,
        variables: &BTreeMap<&'static str, String>,
    ) -> Result<Option<String>, String> {
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
            .map(|parsed| parsed.wanted.source)
            .ok_or_else(|| "no file could be made that says what the service reports".to_owned())
    }
}

/// What there is to say beside that it was imported.
fn remarks(draft: &Draft, taken_in: bool, has_defaults: bool) -> Option<String> {
    let names: Vec<&str> = draft.left_out.keys().map(String::as_str).collect();
    let mut doubts = Vec::new();
    if taken_in {
        doubts.push("its file was there, and holds exactly this".to_owned());
    }
    let kept: Vec<&str> = draft.kept.keys().copied().collect();
    if !kept.is_empty() {
        let kept = kept.join(", ");
        doubts.push(format!(
            "kept as it was, since the service does not show it: {kept}"
        ));
    }
    if !names.is_empty() {
        doubts.push(format!("without {}; the file says why", names.join(", ")));
    }
    if has_defaults {
        let above = "there are defaults above it, which may set more: `roomctl plan` shows it";
        doubts.push(above.to_owned());
    }
    (!doubts.is_empty()).then(|| doubts.join("; "))
}

fn exit(summary: Summary) -> Exit {
    let Summary {
        imported,
        skipped: _,
        unreadable,
        refused,
    } = summary;
    if unreadable + refused == 0 {
        Exit::Done
    } else if imported > 0 {
        Exit::Partial
    } else if unreadable > 0 {
        Exit::Service
    } else {
        Exit::Refused
    }
}
