//! `adopt`: what somebody changed on the service becomes an edit of the line that owns it. Only reads the service, and
//! writes nothing but room files or a patch.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap_complete::engine::ArgValueCompleter;

use super::shared::args::{Global, NetworkArgs, OUTPUT, PlainFormat, SCOPE};
use super::shared::exit::{Exit, Failure};
use super::shared::output::Output;
use super::shared::report_file;
use super::shared::room_names::rooms;
use super::shared::rooms::{accept, hidden, load, write};
use super::shared::selection::SelectionArgs;
use super::shared::session::Session;
use super::shared::workspace::Workspace;
use crate::files::adopted::{Adopted, adopt};
use crate::files::config_search::directories;
use crate::files::context::Context;
use crate::files::looked::{place, surroundings};
use crate::files::room_files::{Edits, Loaded, load_edited};
use crate::files::text_file::read_text;
use crate::model::catalogue::{attribute, attributes};
use crate::model::policy::{Ask, NOBODY};
use crate::model::suggest::nearest;
use crate::model::{Finding, RoomName};
use crate::planner::adopt::{Asked, Level, edits, moves};
use crate::planner::drift;
use crate::planner::drift::Evidence;
use crate::report::adopt::Summary;
use crate::report::{AdoptReport, text, view};

#[derive(Debug, Args)]
#[command(after_help = "\
A value that comes from defaults is edited there when that moves no other room, and else gets a line of its own in the
room's file; --into decides otherwise. Comments, order and quotes stay as they are. Secrets are never adopted.
Exits with 5 when something was not adopted, with 4 or 6 when nothing was.

Examples:
  roomctl adopt stand-up                        whatever moved in it
  roomctl adopt stand-up.maxParticipants        also if its file moved, too
  roomctl adopt --all-drift --patch drift.patch && git apply drift.patch
  roomctl adopt stand-up --into default         moves all rooms that have the value from there")]
pub(crate) struct AdoptArgs {
    /// Rooms, or single attributes of them
    #[arg(value_name = "ROOM[.ATTRIBUTE]", required_unless_present = "all_drift", add = ArgValueCompleter::new(rooms))]
    pub names: Vec<String>,
    /// Whatever moved in any room
    #[arg(long, conflicts_with = "names", help_heading = SCOPE)]
    pub all_drift: bool,
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Mutes: what they accept is not adopted [default: mutes.yaml beside the configuration, if there is one]
    #[arg(long, value_name = "FILE", help_heading = SCOPE)]
    pub mutes: Option<PathBuf>,
    #[command(flatten)]
    pub network: NetworkArgs,
    /// Where values go that come from defaults: to a new line of the room's file, or to the line of the defaults
    #[arg(long, value_name = "WHERE", value_parser = into(), help_heading = OUTPUT)]
    pub into: Option<Level>,
    /// Edit nothing, and write a patch for `git apply`; `-` is standard output
    #[arg(long, value_name = "FILE", help_heading = OUTPUT)]
    pub patch: Option<PathBuf>,
    /// Form of the result
    #[arg(long, value_enum, default_value_t = PlainFormat::Text, help_heading = OUTPUT)]
    pub format: PlainFormat,
}

fn into() -> impl TypedValueParser<Value = Level> {
    let word = PossibleValuesParser::new(["room", "default"]);
    word.map(|word| match word.as_str() {
        "room" => Level::Room,
        _ => Level::Default,
    })
}

pub(crate) fn run(global: &Global, args: &AdoptArgs, output: &mut Output) -> Result<Exit, Failure> {
    let session = Session::begin(global, &args.network, &args.selection, None)?;
    let session = session.with_mutes(args.mutes.as_deref())?;
    let patch = args.patch.clone().filter(|file| !is_stdout(file));
    report_file::check_outputs(&session.workspace, &args.mutes, [("--patch", &patch)])?;
    let Some((adopted, report)) = find(&session, args, output)? else {
        return Ok(Exit::Interrupted);
    };
    let report = AdoptReport {
        patch: args.patch.as_ref().map(|file| file.display().to_string()),
        ..report.with(adopted.edits, adopted.left)
    };
    let Summary {
        adopted: done,
        refused,
        unreadable,
        ..
    } = report.summary;
    let exit = Exit::of_taken(done, unreadable, refused);
    let page: String = text::page(&view::adopt(&report, session.detail())).collect();
    let texts = adopted.after.iter();
    let patches = texts.filter_map(|(file, after)| patch_of(file, &adopted.before[file], after));
    match &args.patch {
        None => {
            let mut files = adopted.after.iter();
            files.try_for_each(|(file, text)| write(Path::new(file), text))?;
        }
        Some(file) if is_stdout(file) => {
            output.result(&patches.collect::<String>());
            output.note(&page);
            return Ok(exit);
        }
        Some(file) => report_file::write(file, "patch", &patches.collect::<String>())?,
    }
    output.plain(&report, args.format, &page)?;
    Ok(exit)
}

/// What is to be written, and a report without it. `None`: the run was interrupted.
fn find(
    session: &Session,
    args: &AdoptArgs,
    output: &mut Output,
) -> Result<Option<(Adopted, AdoptReport)>, Failure> {
    let workspace = &session.workspace;
    let policies = workspace.policies()?;
    let mut files = accept(load(workspace, &*policies), &args.format.into(), output)?;
    let read = |edits: &Edits| load_all(workspace, &*policies, edits);
    let all = read(&Edits::new());
    if Finding::any_error(&all.findings) {
        return Err(hidden(workspace));
    }
    let state = workspace.load_state()?.state;
    let scope = &workspace.scope;
    let considered = session.consider(scope, &mut files, &state, &BTreeSet::new(), output)?;
    let (wanted, state) = (&files.wanted, &*considered.state);
    let known: BTreeSet<&RoomName> = wanted.keys().chain(state.rooms.keys()).collect();
    let asked = asked(&args.names, &known)?;
    let names: Vec<RoomName> = match &asked {
        Some(asked) => asked.keys().cloned().collect(),
        None => known.into_iter().cloned().collect(),
    };
    let world = session.look(&state.app, names)?;
    session.close()?;
    if session.is_interrupted() {
        return Ok(None);
    }
    let evidence = Evidence {
        wanted,
        state,
        others: &considered.others,
        mutes: &session.mutes,
        now: workspace.now,
    };
    let seen = drift(&evidence, &world, &BTreeSet::new());
    let (moves, mut left) = moves(&seen.rooms, asked.as_ref(), &world);
    let (edits, more) = edits(&moves, args.into, &seen.rooms, &all.wanted, &all.origins);
    left.extend(more);
    let text = |file: &str| read_text(Path::new(file));
    let fits = |file: &str, before: &str, after: &str| {
        args.patch.is_none() || patch_of(file, before, after).is_some()
    };
    let adopted = adopt(edits, &all, text, fits, read).map_err(|unproved| {
        let failure = Failure::because(Exit::Refused, &unproved);
        failure.hint("nothing was written; edit the files by hand")
    })?;
    let report = AdoptReport::new(&state.app, left, considered.left_out());
    Ok(Some((adopted, report)))
}

fn is_stdout(file: &Path) -> bool {
    file.as_os_str() == "-"
}

/// All that the files declare, with some of them edited: defaults are for rooms elsewhere, too.
fn load_all(workspace: &Workspace, policies: &dyn Ask, edits: &Edits) -> Loaded {
    let whole = surroundings(&workspace.whole, &workspace.rooms);
    let mut context = workspace.context(policies);
    if !workspace.scope.whole {
        context = Context {
            owns: None,
            unmanaged: None,
            ..workspace.context(NOBODY)
        };
    }
    load_edited(whole, &context, edits)
}

/// The rooms and attributes that are named. `None`: whatever moved.
fn asked(names: &[String], known: &BTreeSet<&RoomName>) -> Result<Option<Asked>, Failure> {
    if names.is_empty() {
        return Ok(None);
    }
    let room = |name: &str| known.iter().find(|room| room.as_str() == name).copied();
    let (mut asked, mut whole) = (Asked::new(), BTreeSet::new());
    for name in names {
        let parts = name.rsplit_once('.');
        let parts = parts.and_then(|(name, attribute)| Some((room(name)?, attribute)));
        if let Some(room) = room(name) {
            whole.insert(room.clone());
        } else if let Some((room, name)) = parts {
            let known = attribute(name).ok_or_else(|| {
                let message = format!("`{}` is not an attribute of a room", name.escape_debug());
                let near = nearest(name, attributes().iter().map(|one| one.name));
                Failure::new(Exit::Usage, message)
                    .did_you_mean(near, "`roomctl schema room` lists all")
            })?;
            asked.entry(room.clone()).or_default().insert(known.name);
        } else {
            let shown = name.escape_debug();
            let message = format!("neither a file nor the state knows a room `{shown}` here");
            let near = nearest(name, known.iter().map(|room| room.as_str()));
            let import = format!("if it is on the service, `roomctl import {shown}` takes it over");
            return Err(Failure::new(Exit::Usage, message).did_you_mean(near, &import));
        }
    }
    asked.extend(whole.into_iter().map(|room| (room, BTreeSet::new())));
    Ok(Some(asked))
}

/// The patch of one file, from the repository's root.
fn patch_of(file: &str, before: &str, after: &str) -> Option<String> {
    let here = std::env::current_dir().unwrap_or_default();
    let root = directories(&here, None).pop().unwrap_or_default();
    text::patch(&place(&here.join(root), Path::new(file)), before, after)
}
