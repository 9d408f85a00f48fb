//! `state`: looks at what is remembered, and corrects it. The service is never contacted.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use clap::{Args, Subcommand, value_parser};
use clap_complete::engine::ArgValueCompleter;

use super::shared::approval::approve;
use super::shared::args::{Global, PlainFormat};
use super::shared::exit::{Exit, Failure};
use super::shared::output::Output;
use super::shared::room_names::rooms;
use super::shared::rooms::{elsewhere, load_any};
use super::shared::selection::{self, SelectionArgs};
use super::shared::state_copies;
use super::shared::state_history;
use super::shared::store;
use super::shared::workspace::Workspace;
use crate::files::room_files::Loaded;
use crate::model::suggest::nearest;
use crate::model::words::joined;
use crate::model::{Finding, RoomName, Wanted};
use crate::planner::{AppliedRoom, State};
use crate::report::state::{StateListReport, StateShowReport};
use crate::report::text;
use crate::store::Found;
use crate::store::error::StoreError;
use crate::store::holder::{Status, describe, in_the_way};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  roomctl state list
  roomctl state show stand-up
  roomctl state mv stand-up daily       it was renamed on the service, by hand
  roomctl state forget old-room         stop managing it, and leave it alone")]
pub(crate) struct StateArgs {
    #[command(subcommand)]
    pub command: StateCommand,
}

/// What to do with the state.
#[derive(Debug, Subcommand)]
pub(crate) enum StateCommand {
    /// List the rooms, and what is doubtful about each
    #[command(after_help = "\
Examples:
  roomctl state list
  roomctl state list --target 'sales-*'
  roomctl state list --format json | jq -r '.rooms[] | select(.unconfirmed > 0).room'")]
    List {
        #[command(flatten)]
        selection: SelectionArgs,
        /// Form of the result
        #[arg(long, value_enum, default_value_t = PlainFormat::Text)]
        format: PlainFormat,
    },
    /// Show all that is remembered of a room; secrets as ****
    #[command(after_help = "\
Examples:
  roomctl state show stand-up
  roomctl state show stand-up --format json")]
    Show {
        /// The room
        #[arg(add = ArgValueCompleter::new(rooms))]
        room: String,
        /// Form of the result
        #[arg(long, value_enum, default_value_t = PlainFormat::Text)]
        format: PlainFormat,
    },
    /// List the versions that an object store keeps of the state, newest first
    ///
    /// As far as its bucket or account keeps any, which is a setting there. Each with its serial, its rooms, when it was saved, and what the store
    /// calls it: `state pull --version-id` prints it.
    #[command(after_help = "\
Examples:
  roomctl state history
  roomctl state history --limit 100 --format json | jq -r '.versions[] | select(.serial == 41).version'")]
    History {
        /// How many at most
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = value_parser!(u32).range(1..=1000))]
        limit: u32,
        /// Form of the result
        #[arg(long, value_enum, default_value_t = PlainFormat::Text)]
        format: PlainFormat,
    },
    /// Remember a room that was renamed on the service under its new name
    ///
    /// Changes the state and nothing else. A room's name is its address on the service, whose API documents
    /// no way to change it, so roomctl renames no room. This is only right when the room has the new name
    /// there already, because somebody renamed it by hand.
    ///
    /// The service's id of the room stays with it, so that `drift` and `plan --live` show when the new name
    /// leads to another room, and `--prune` leaves that one alone. A room whose id is not known is refused;
    /// forget it instead, and let a file name the room as it is called now.
    ///
    /// To rename a file, this is not needed: write `roomName: OLD` into it, and its room stays the same.
    #[command(after_help = "\
Example:
  roomctl state mv stand-up daily       then `roomctl drift`, to see that it is the same room")]
    Mv {
        /// Its name so far
        #[arg(add = ArgValueCompleter::new(rooms))]
        old: String,
        /// Its name on the service now; not in the state yet
        new: String,
    },
    /// Take the lock away from a run that hangs
    ///
    /// A run that ends, in whatever way, leaves no lock behind. This is for one that neither works nor ends:
    /// it shows who holds the lock, and asks. The run it is taken from writes nothing more to the state.
    #[command(after_help = "\
Examples:
  roomctl state unlock
  roomctl state unlock --yes            for pipelines")]
    Unlock {
        /// Take it without asking
        #[arg(long, short)]
        yes: bool,
        /// Take it only from a run that ended: one that holds it is left alone (exit 7), and nobody is asked
        #[arg(long, conflicts_with = "yes")]
        if_stale: bool,
    },
    /// Write the state to standard output as it is kept (one that is encrypted, in clear), or bring it here from the branch that keeps it
    ///
    /// With --branch it takes the place of the one here, by which a plan on this machine then goes: only where that is of the same
    /// lineage and older, or there is none. The branch is read as it was fetched last.
    #[command(after_help = "\
Examples:
  roomctl state pull > state.json
  roomctl state pull --version-id 4mVl8TJq2N > before.json    one that `state history` lists
  git fetch origin roomctl-state && roomctl state pull --branch origin/roomctl-state")]
    Pull {
        /// The branch that a pipeline keeps the state on, or a commit of it
        #[arg(long, value_name = "REV")]
        branch: Option<String>,
        /// One that the store keeps of before, as `state history` calls it
        #[arg(
            long,
            value_name = "ID",
            conflicts_with = "branch",
            allow_hyphen_values = true
        )]
        version_id: Option<String>,
    },
    /// Put the state of a file in the place of the one that is kept
    ///
    /// In clear or encrypted; it is kept as the configuration says. Only one that comes after it: of the same lineage, and with a higher serial. Where there is none yet, any.
    #[command(after_help = "\
Example:
  roomctl state push state.json")]
    Push {
        /// The file; `-` is standard input
        file: PathBuf,
    },
    /// Copy the state to another place, where there is none yet
    ///
    /// What is kept so far stays as it is. The new place has to be named from then on, in roomctl.yaml or with --state.
    #[command(after_help = "\
Examples:
  roomctl state migrate s3://company-rooms/state.json
  roomctl --state az://rooms/state.json state migrate .roomctl/state.json")]
    Migrate {
        /// A file, or s3://BUCKET/KEY, az://CONTAINER/KEY or gs://BUCKET/KEY
        #[arg(value_name = "PLACE")]
        to: String,
    },
    /// Encrypt the state anew, for those whom the configuration names by now
    ///
    /// The next command that saves the state does so, too. Copies of before can still be read by those who could: of an
    /// identity that leaked, remove those as well.
    #[command(after_help = "\
Example:
  roomctl state rekey                   after `recipients:` in roomctl.yaml changed")]
    Rekey,
    /// Stop managing rooms, and leave them alone
    ///
    /// Takes the rooms out of the state. The service is not contacted, and the rooms stay as they are. A
    /// file that still names one adds it again with the next plan, so remove the file too.
    #[command(after_help = "\
Examples:
  roomctl state forget old-room
  roomctl state forget old-room older-room --yes")]
    Forget {
        /// The rooms
        // Not `rooms`: that is the id of the global option.
        #[arg(required = true, value_name = "ROOM", add = ArgValueCompleter::new(rooms))]
        names: Vec<String>,
        /// Without asking
        #[arg(long, short)]
        yes: bool,
    },
}

pub(crate) fn run(
    global: &Global,
    command: &StateCommand,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let workspace = Workspace::new(global)?;
    match command {
        StateCommand::List { selection, format } => list(&workspace, selection, *format, output),
        StateCommand::Show { room, format } => show(&workspace, room, *format, output),
        StateCommand::Mv { old, new } => mv(&workspace, old, new, output),
        StateCommand::Forget { names, yes } => forget(&workspace, names, *yes, output),
        StateCommand::Unlock { yes, if_stale } => unlock(&workspace, (*yes, *if_stale), output),
        StateCommand::History { limit, format } => {
            state_history::history(&workspace, *limit as usize, *format, output)
        }
        StateCommand::Pull { branch, version_id } => match (branch, version_id) {
            (Some(revision), _) => state_copies::bring(&workspace, revision, output),
            (_, Some(id)) => state_copies::pull_version(&workspace, id),
            (None, None) => state_copies::pull(&workspace, output),
        },
        StateCommand::Push { file } => state_copies::push(&workspace, file, output),
        StateCommand::Rekey => state_copies::rekey(&workspace, output),
        StateCommand::Migrate { to } => state_copies::migrate(&workspace, to, output),
    }
}

fn list(
    workspace: &Workspace,
    selection: &SelectionArgs,
    format: PlainFormat,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let Found { state, .. } = store::load(workspace, output)?;
    let selection = selection.selection();
    let known = state.rooms.keys().map(RoomName::as_str).collect();
    selection::check(&selection, &known, &BTreeMap::new(), output)?;
    let report = StateListReport::new(&state, &selection);
    output.plain(&report, format, &text::state_list(&report))?;
    Ok(Exit::Done)
}

fn show(
    workspace: &Workspace,
    room: &str,
    format: PlainFormat,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let Found { state, .. } = store::load(workspace, output)?;
    let (name, room) = find(&state, room)?;
    let report = StateShowReport::new(&state, name, room);
    output.plain(&report, format, &text::state_show(&report, workspace.now))?;
    Ok(Exit::Done)
}

fn mv(workspace: &Workspace, old: &str, new: &str, output: &mut Output) -> Result<Exit, Failure> {
    // The rule for files: under a name that no file may have, the room could only ever be an orphan.
    let new = RoomName::parse(new, workspace.configuration.names())
        .map_err(|error| Failure::because(Exit::Usage, &error).hint(error.help()))?;
    let mut held = store::lock(workspace, output)?;
    let old = find(&held.state, old)?.0.clone();
    let files = Files::read(workspace);
    let told = held.tell(workspace, &held.learned(workspace.now), output);
    held.state
        .rename(&old, &new, workspace.configuration.names())?;
    held.save(true)?;
    output.result(&format!(
        "`{old}` is now remembered as `{new}`. Nothing was renamed on the service: this is right only if \
         the room has that name there by now, which `roomctl drift` shows.\n"
    ));
    files.warn_of(&old, "adds a room of that name", output);
    if matches!(files.naming(&new), Named::Nowhere) {
        let text =
            format!("no file names `{new}`: it is an orphan, which `apply --prune` archives");
        warn(output, &text);
    }
    told.map(|()| Exit::Done)
}

fn forget(
    workspace: &Workspace,
    names: &[String],
    yes: bool,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let mut held = store::lock(workspace, output)?;
    // A set: the same room twice is one room.
    let one = |name: &String| find(&held.state, name).map(|(room, _)| room.clone());
    let rooms: BTreeSet<RoomName> = names.iter().map(one).collect::<Result<_, _>>()?;
    let files = Files::read(workspace);
    // Before the question: whoever answers it should know.
    for room in &rooms {
        files.warn_of(room, "adds it again", output);
    }
    let quoted = joined(rooms.iter().map(|room| format!("`{room}`")), ", ");
    let them = if rooms.len() == 1 { "it" } else { "them" };
    let question = format!(
        "Forget {}, and leave {them} alone",
        quoted.unwrap_or_default()
    );
    approve(yes, &question)?;
    let told = held.tell(workspace, &held.learned(workspace.now), output);
    for room in &rooms {
        held.state.forget(room);
    }
    held.save(true)?;
    for room in &rooms {
        let left = "is forgotten, and left as it is on the service";
        output.result(&format!("`{room}` {left}.\n"));
    }
    told.map(|()| Exit::Done)
}

fn unlock(
    workspace: &Workspace,
    (yes, if_stale): (bool, bool),
    output: &mut Output,
) -> Result<Exit, Failure> {
    let runtime = workspace.runtime()?;
    let unlock = |force| runtime.block_on(workspace.store.unlock(force));
    let status = match unlock(false)? {
        Status::Free => {
            output.result("The state is not locked.\n");
            return Ok(Exit::Done);
        }
        Status::Left(holder) => {
            output.result(&format!(
                "The state is not locked. The run of {holder} ended without releasing its lock; the next \
                 apply takes in what it recorded.\n"
            ));
            return Ok(Exit::Done);
        }
        Status::Held(status) => status,
    };
    let holder = describe(status.as_ref());
    if if_stale {
        return Err(StoreError::Held(status).into());
    }
    let ended = match status.as_ref().and_then(|holder| holder.until) {
        // Of another machine nobody knows that.
        Some(_) => in_the_way(status.as_ref()),
        None => format!("{holder}, and that process has not ended"),
    };
    output.note(&format!(
        "The state is locked by {ended}.\n\
         Without the lock it stops before it records anything more; a write that is under way then is \
         neither recorded nor reported as done.\n"
    ));
    approve(yes, &format!("Take the lock away from {holder}"))?;
    unlock(true)?;
    output.result(&format!("The lock was taken away from {holder}.\n"));
    Ok(Exit::Done)
}

/// What the room files say, as far as they can be read. Only for warnings, so errors in them stop nothing.
struct Files {
    loaded: Loaded,
    /// The rooms of files where this run does not look.
    elsewhere: Wanted,
    complete: bool,
}

enum Named<'a> {
    By(&'a str),
    /// One that could not be read may.
    Perhaps,
    Nowhere,
}

impl Files {
    fn read(workspace: &Workspace) -> Self {
        let loaded = load_any(workspace);
        let elsewhere = elsewhere(workspace, &loaded.wanted);
        Self {
            complete: !Finding::any_error(&loaded.findings) && elsewhere.is_some(),
            elsewhere: elsewhere.unwrap_or_default(),
            loaded,
        }
    }

    /// Warns when a file names `room`, or may: then the next plan does `what`.
    fn warn_of(&self, room: &RoomName, what: &str, output: &Output) {
        let text = match self.naming(room) {
            Named::By(file) => format!("{file} still names `{room}`: the next plan {what}"),
            Named::Perhaps => format!(
                "some room files have errors; if one of them names `{room}`, the next plan adds it again \
                 (`roomctl validate` shows them)"
            ),
            Named::Nowhere => return,
        };
        warn(output, &text);
    }

    fn naming(&self, room: &RoomName) -> Named<'_> {
        let (wanted, findings) = (&self.loaded.wanted, &self.loaded.findings);
        if let Some(wanted) = wanted.get(room).or_else(|| self.elsewhere.get(room)) {
            return Named::By(&wanted.file);
        }
        let about = |finding: &&Finding| finding.room.as_deref() == Some(room.as_str());
        match findings.iter().find(about) {
            Some(finding) => Named::By(&finding.file),
            None if self.complete => Named::Nowhere,
            None => Named::Perhaps,
        }
    }
}

fn warn(output: &Output, text: &str) {
    output.note(&format!("warning: {text}\n"));
}

fn find<'a>(state: &'a State, name: &str) -> Result<(&'a RoomName, &'a AppliedRoom), Failure> {
    if let Some((name, room)) = state.rooms.get_key_value(name) {
        return Ok((name, room));
    }
    let message = format!("`{}` is not in the state", name.escape_debug());
    let near = nearest(name, state.rooms.keys().map(RoomName::as_str));
    Err(Failure::new(Exit::Usage, message)
        .did_you_mean(near, "`roomctl state list` names them all"))
}
