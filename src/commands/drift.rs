//! `drift`: live against applied against wanted. Never writes, not even the state.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::slice;
use std::sync::Arc;

use clap::Args;

use super::shared::args::{Global, NetworkArgs, OUTPUT, ReportArgs, SAFETY, SCOPE};
use super::shared::exit::{Exit, Failure, leave};
use super::shared::output::Output;
use super::shared::pipeline::RunArgs;
use super::shared::print_report::print_report;
use super::shared::report_file;
use super::shared::rooms::{accept, leave_out_known};
use super::shared::selection::SelectionArgs;
use super::shared::session::Session;
use super::shared::store::Told;
use crate::disk::plain_file::{MAX_DATA, read_own};
use crate::files::room_files::{self, Loaded};
use crate::files::text_file::text_from;
use crate::model::RoomName;
use crate::model::policy::NOBODY;
use crate::planner::drift::Evidence;
use crate::planner::seen::Seen;
use crate::planner::{AppliedRoom, Considered, Scope, Sighting, State, World, drift};

use crate::report::envelope::read;
use crate::report::metrics::metrics;
use crate::report::{DriftReport, UndeclaredRoom, json};
use crate::service::http::Http;
use crate::service::observe::doubt_about;
use crate::service::requests::Reader;

#[derive(Debug, Args)]
#[command(after_help = "\
Exits with 2 on drift, missing rooms or conflicts, and below --require-visible, with 6 when a room could not be read.

Examples:
  roomctl drift
  roomctl drift --target 'sales-*'      only these rooms; the others are not read
  roomctl drift --format markdown --exit-zero
  roomctl drift --metrics-file /var/lib/node_exporter/roomctl.prom")]
pub(crate) struct DriftArgs {
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Mutes [default: mutes.yaml beside the configuration, if there is one]
    #[arg(long, value_name = "FILE", help_heading = SCOPE)]
    pub mutes: Option<PathBuf>,
    /// Exit with 2, also with --exit-zero, when a smaller share of the managed attributes could be checked; those of a
    /// room that could not be read count as not checked
    #[arg(long, value_name = "N%", value_parser = percent, help_heading = SAFETY)]
    pub require_visible: Option<u64>,
    #[command(flatten)]
    pub network: NetworkArgs,
    #[command(flatten)]
    pub report: ReportArgs,
    /// When rooms were last seen as they were applied: read, to say it of what moved, and written anew. Of another state
    /// it says nothing [default: only the last write is known]
    #[arg(long, value_name = "FILE", help_heading = OUTPUT)]
    pub seen_file: Option<PathBuf>,
    /// Write counters for Prometheus' textfile collector
    #[arg(long, value_name = "FILE", help_heading = OUTPUT)]
    pub metrics_file: Option<PathBuf>,
    /// Exit with 0 also on drift
    #[arg(long, help_heading = OUTPUT)]
    pub exit_zero: bool,
    #[command(flatten)]
    pub run: RunArgs,
}

/// `80` or `80%`.
fn percent(text: &str) -> Result<u64, String> {
    let number = text.strip_suffix('%').unwrap_or(text).parse().ok();
    let percent = number.filter(|percent| *percent <= 100);
    percent.ok_or_else(|| "from 0% to 100%".to_owned())
}

pub(crate) fn run(global: &Global, args: &DriftArgs, output: &mut Output) -> Result<Exit, Failure> {
    let session = begin(global, args)?;
    let workspace = &session.workspace;
    let found = workspace.load_state()?;
    let (state, recorded) = (found.state, (found.saved, found.looked));
    let service = session.service(&state.app)?;
    let looking = look(&session, service, &state, args, output);
    let (loaded, considered, seen) = session.wait(&state.app, looking)??;
    session.close()?;
    let untold = untold(recorded, (&state, &seen.world), workspace.now);
    let drift = drift(&Evidence {
        wanted: &loaded.wanted,
        state: &considered.state,
        world: &seen.world,
        listed: &considered.unmanaged,
        others: &considered.others,
        mutes: &session.mutes,
        now: workspace.now,
    });
    let before = seen_before(args, &state)?;
    let report = DriftReport {
        run: workspace.run.clone(),
        undeclared: untold,
        ..DriftReport::new(
            &drift,
            &state,
            &session.mutes,
            seen.warning,
            considered.left_out(),
            args.require_visible,
        )
        .traced(&drift, &state, &before)
    };
    let too_blind = report.too_blind();
    let exit = exit(&report, too_blind.is_some(), args);
    let seen_now = before.after(&drift, &state, workspace.now);
    let written = write_metrics(args, workspace.now, &report).and(write_seen(args, &seen_now));
    print_report(report, &args.report, session.detail(), output)?;
    if let Some(why) = too_blind {
        let failure = Failure::new(Exit::Differences, why);
        output.error(&failure.hint(
            "`roomctl drift -v` names what was not seen; `roomctl apply --reassert` sends it again",
        ));
    }
    written?;
    leave((drift, loaded, considered, seen.world));
    leave(state);
    if session.is_interrupted() {
        return Ok(Exit::Interrupted);
    }
    Ok(exit)
}

/// What a run made that died, as it recorded it or the look shows it.
fn untold(
    (saved, looked): (Option<State>, Option<State>),
    (state, world): (&State, &World),
    now: i64,
) -> Vec<UndeclaredRoom> {
    let mut rooms = state.rooms.values();
    if saved.is_none() && !rooms.any(AppliedRoom::is_in_doubt) {
        return Vec::new();
    }
    let news = Told::new(saved, looked, state).learned_by(world, state, now);
    UndeclaredRoom::learned(&news, &[])
}

fn begin(global: &Global, args: &DriftArgs) -> Result<Session, Failure> {
    let session = Session::begin(global, &args.network, &args.selection, None)?;
    let mut session = session.with_mutes(args.mutes.as_deref())?;
    session.workspace.run = args.run.run(global)?;
    let outputs = [
        ("--report-file", &args.report.report_file),
        ("--metrics-file", &args.metrics_file),
        ("--seen-file", &args.seen_file),
    ];
    report_file::check_outputs(&session.workspace, &args.mutes, outputs)?;
    Ok(session)
}

/// What was found on the service.
struct Looked {
    world: World,
    warning: Option<String>,
}

/// Reads the rooms of the state while the files are parsed, then those that only a file names. An invalid
/// file ends the check at once.
async fn look<'a>(
    session: &Session,
    service: &Arc<Reader<Http>>,
    state: &'a State,
    args: &DriftArgs,
    output: &mut Output,
) -> Result<(Loaded, Considered<'a>, Looked), Failure> {
    let workspace = &session.workspace;
    let early = known_early(&workspace.scope, state);
    let early = session.watch(service, early);
    let service_side = async { tokio::join!(early, service.list()) };
    tokio::pin!(service_side);
    let (roots, context) = (slice::from_ref(&workspace.rooms), workspace.context(NOBODY));
    let load = || room_files::load_meanwhile(&workspace.whole, roots, &context);
    let files = async { tokio::task::block_in_place(load) };
    let (mut loaded, early) = tokio::select! {
        biased;
        seen = &mut service_side => (load(), Some(seen)),
        loaded = files => (loaded, None),
    };
    leave_out_known(workspace, Some(state), &mut loaded);
    let mut loaded = accept(loaded, &args.report, output)?;
    let (mut world, listed) = match early {
        Some(seen) => seen,
        None => service_side.await,
    };
    let (names, unread) = names(listed);
    let considered =
        session.consider(&session.workspace.scope, &mut loaded, state, &names, output)?;
    let managed = loaded.wanted.keys().chain(considered.state.rooms.keys());
    let later: BTreeSet<&RoomName> = managed.filter(|name| !world.contains_key(*name)).collect();
    let later = later.into_iter().cloned().collect();
    world.extend(session.watch(service, later).await);
    let warning = unread.or_else(|| {
        let there = world.iter();
        let there = there.filter(|(_, seen)| matches!(seen, Sighting::Present(_)));
        let there = (there.map(|(name, _)| name), "that it just showed");
        doubt_about(&names, there, "unmanaged rooms are missing here")
    });
    Ok((loaded, considered, Looked { world, warning }))
}

/// The rooms that are looked at whatever the files say. Of a part of the rooms directory nobody knows before: a room may
/// have moved out of it.
fn known_early(scope: &Scope, state: &State) -> Vec<RoomName> {
    let rooms = state.rooms.iter().filter(|_| scope.whole);
    let considered = rooms.filter(|(name, room)| scope.may_consider(name.as_str(), room));
    considered.map(|(name, _)| name.clone()).collect()
}

/// The list only finds rooms that nobody manages, so a check goes on without it.
fn names(listed: Result<Vec<String>, String>) -> (BTreeSet<String>, Option<String>) {
    match listed {
        Ok(rooms) => (rooms.into_iter().collect(), None),
        Err(why) => {
            let warning = format!(
                "the list of rooms could not be read, so unmanaged rooms are missing here: {why}"
            );
            (BTreeSet::new(), Some(warning))
        }
    }
}

/// What earlier looks have shown of this state.
fn seen_before(args: &DriftArgs, state: &State) -> Result<Seen, Failure> {
    let Some(path) = args.seen_file.as_ref().filter(|path| path.exists()) else {
        return Ok(Seen::default());
    };
    let seen: Result<Seen, _> = read(&report_file::read(path, "times")?);
    let seen = seen.map_err(|error| report_file::unread(&error))?;
    Ok(Some(seen)
        .filter(|seen| seen.lineage == state.lineage)
        .unwrap_or_default())
}

fn write_seen(args: &DriftArgs, seen: &Seen) -> Result<(), Failure> {
    let Some(path) = &args.seen_file else {
        return Ok(());
    };
    report_file::write(path, "times", &json(seen)?)
}

fn write_metrics(args: &DriftArgs, now: i64, report: &DriftReport) -> Result<(), Failure> {
    let Some(path) = &args.metrics_file else {
        return Ok(());
    };
    let before = read_own(path, MAX_DATA).and_then(text_from).ok();
    let text = metrics(report, before.as_deref(), now);
    report_file::write(path, "metrics", &text)
}

fn exit(report: &DriftReport, too_blind: bool, args: &DriftArgs) -> Exit {
    let summary = report.summary;
    let differs =
        summary.differences() > 0 || report.undeclared.iter().any(UndeclaredRoom::is_made);
    if summary.unreadable > 0 {
        Exit::Service
    } else if too_blind || (differs && !args.exit_zero) {
        Exit::Differences
    } else {
        Exit::Done
    }
}
