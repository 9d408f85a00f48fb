//! `import`: rooms that exist already become files, and are remembered as they are. Only reads the service.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::Args;
use clap_complete::engine::ArgValueCompleter;

use super::shared::args::{Global, NetworkArgs, OUTPUT, PlainFormat, SAFETY, SCOPE};
use super::shared::exit::{Exit, Failure};
use super::shared::import_rooms::Import;
use super::shared::known_service::say_what_is_known;
use super::shared::output::Output;
use super::shared::room_names::rooms;
use super::shared::room_secrets;
use super::shared::rooms::{accept, clean_up, elsewhere, hidden, load_any};
use super::shared::selection::{self, SelectionArgs};
use super::shared::session::Session;
use super::shared::store::lock;
use super::shared::trial::remove_trial;
use crate::model::RoomName;
use crate::model::catalogue::attributes;
use crate::planner::{LeftOut, LeftOutBy, Scope, State};
use crate::report::import::{Outcome, RoomReport, Summary};
use crate::report::{ImportReport, text, view};
use crate::service::observe::doubt_about;

#[derive(Debug, Args)]
#[command(after_help = "\
Writes one file a room, with `${env:…}` in place of secrets, and never writes to the service.
Rooms whose names `names` in roomctl.yaml does not accept are listed with what to write there: `names: as-is`, or `unmanaged`.
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
        conflicts_with = "all",
        value_name = "NAME",
        add = ArgValueCompleter::new(rooms)
    )]
    pub names: Vec<String>,
    /// All rooms that the service lists
    #[arg(long, help_heading = SCOPE)]
    pub all: bool,
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Also rooms that are managed already; their files are replaced, but for what the service does not show
    #[arg(long, help_heading = SAFETY)]
    pub force: bool,
    #[command(flatten)]
    pub network: NetworkArgs,
    /// Directory for new files, below the rooms directory
    #[arg(long, value_name = "DIR", help_heading = OUTPUT)]
    pub dir: Option<PathBuf>,
    /// Form of the result
    #[arg(long, value_enum, default_value_t = PlainFormat::Text, help_heading = OUTPUT)]
    pub format: PlainFormat,
}

pub(crate) fn run(
    global: &Global,
    args: &ImportArgs,
    output: &mut Output,
) -> Result<Exit, Failure> {
    if args.names.is_empty() && !args.all {
        let hint = "`roomctl import --all` takes all of the account; or name some: `roomctl import stand-up`";
        return Err(Failure::new(Exit::Usage, "which rooms?").hint(hint));
    }
    let session = Session::begin(global, &args.network, &args.selection, None)?;
    let workspace = &session.workspace;
    // They must be right: which rooms a broken file declares, nobody knows.
    let files = accept(load_any(workspace), &args.format.into(), output)?;
    let mut held = lock(workspace, output)?;
    clean_up(workspace, &files);
    let (mut names, warning) = asked_for(&session, args, &held.state)?;
    let (mut rooms, left_out) = select(&mut names, &workspace.scope, &held.state, args, output)?;
    let elsewhere = elsewhere(workspace, &files.wanted).ok_or_else(|| hidden(workspace))?;
    let import = Import {
        workspace,
        force: args.force,
        dir: args.dir.as_deref(),
        loaded: &files,
        elsewhere: &elsewhere,
    };
    let (names, others) = import.sort_out(&names, &held.state);
    rooms.extend(others);
    let world = session.look(&held.state.app, names)?;
    session.close()?;
    let mut looked = held.told.in_doubt(&held.state);
    if let Some(looked) = &mut looked {
        let shown = world
            .iter()
            .filter_map(|(name, seen)| Some((name, seen.present()?)));
        looked.remember_look(shown);
    }
    let news = (held.told).learned_by(looked.as_ref(), &held.state, workspace.now);
    let told = held.tell(workspace, &news, output);
    held.start_lineage();
    let before = held.state.clone();
    rooms.extend(import.all(&world, &mut held.state));
    // A crash before this leaves files that the next import takes in.
    let saved = held.save(held.state != before);
    // Whatever became of the state, the report comes first: it says which files were written.
    let report = ImportReport::new(&held.state, rooms, warning, left_out);
    let page: String = text::page(&view::import(&report)).collect();
    output.plain(&report, args.format, &page)?;
    if report.summary.imported > 0 {
        let all = attributes().iter().map(|attribute| attribute.name);
        say_what_is_known(workspace, &held.state.app, all, (false, 0), output);
    }
    let variables = report.variables.iter().cloned().collect();
    if let Some(note) = room_secrets::hand_over(Path::new("."), &variables) {
        output.note(&note);
    }
    saved?;
    if args.all
        && !is_trial_used(&report, &held.state)
        && remove_trial(&workspace.configuration.base)
    {
        output.note("removed rooms/roomctl-trial.yaml: the trial room of `init`, as it was made and never applied\n");
    }
    if session.is_interrupted() {
        return Ok(Exit::Interrupted);
    }
    let Summary {
        imported,
        unreadable,
        refused,
        ..
    } = report.summary;
    told?;
    Ok(Exit::of_taken(imported, unreadable, refused))
}

/// Whether the trial room of `init` is one of the account's, or the only one that there is.
fn is_trial_used(report: &ImportReport, state: &State) -> bool {
    let reported = report.rooms.iter().map(|room| room.room.as_str());
    let mut names = reported.chain(state.rooms.keys().map(RoomName::as_str));
    state.rooms.is_empty() || names.any(|name| name == "roomctl-trial")
}

/// The rooms that the user names, or all that the service lists, and a doubt about that list.
fn asked_for(
    session: &Session,
    args: &ImportArgs,
    state: &State,
) -> Result<(BTreeSet<String>, Option<String>), Failure> {
    if !args.all {
        return Ok((args.names.iter().cloned().collect(), None));
    }
    let app = &state.app;
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
    let rooms: BTreeSet<String> = rooms.into_iter().collect();
    let known = state.rooms.iter().filter(|(_, room)| room.is_confirmed());
    let known = (known.map(|(name, _)| name), "of the state");
    let hint = "`roomctl drift` says whether they are gone; if not, import the others by name";
    let doubt = doubt_about(&rooms, known, hint);
    Ok((rooms, doubt))
}

/// Leaves out of `names` the rooms that the run is not about. One that the user names and others own is refused.
fn select(
    names: &mut BTreeSet<String>,
    scope: &Scope,
    state: &State,
    args: &ImportArgs,
    output: &Output,
) -> Result<(Vec<RoomReport>, LeftOut), Failure> {
    let why = |name: &String| {
        let is_chosen = scope.unmanaged.contains(name) && !state.rooms.contains_key(&**name);
        let chosen = is_chosen.then_some(LeftOutBy::Choice);
        Some((name.clone(), scope.leaves_out(name).or(chosen)?))
    };
    let others: BTreeMap<String, LeftOutBy> = names.iter().filter_map(why).collect();
    let known = names.iter().map(String::as_str).collect();
    selection::check(&scope.selection, &known, &others, output)?;
    names.retain(|name| !others.contains_key(name));
    let (mut refused, mut left_out) = (Vec::new(), LeftOut::default());
    for (name, why) in others {
        let refuses = match why {
            LeftOutBy::Claim => "`owns` in roomctl.yaml leaves this room to others",
            LeftOutBy::Choice => "`unmanaged` in roomctl.yaml lists this room",
            LeftOutBy::Selection | LeftOutBy::Place => "",
        };
        match args.all || refuses.is_empty() {
            true => left_out.add(why),
            false => refused.push(RoomReport::not_imported(&name, Outcome::Refused, refuses)),
        }
    }
    Ok((refused, left_out))
}
