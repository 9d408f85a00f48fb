//! `drift`: live against applied against wanted. Never writes, not even the state.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::slice;
use std::sync::Arc;

use clap::Args;

use super::shared::args::{Global, NetworkArgs, OUTPUT, ReportArgs, SAFETY, SCOPE};
use super::shared::exit::{Exit, Failure, leave};
use super::shared::known_service::say_what_is_known;
use super::shared::output::Output;
use super::shared::pipeline::RunArgs;
use super::shared::print_report::print_report;
use super::shared::report_file;
use super::shared::rooms::{accept, leave_out_known};
use super::shared::selection::SelectionArgs;
use super::shared::session::Session;
use super::shared::store::Told;
use crate::disk::plain_file::{MAX_DATA, read_own};
use crate::files::room_files;
use crate::files::text_file::text_from;
use crate::model::RoomName;
use crate::model::policy::NOBODY;
use crate::planner::drift::Evidence;
use crate::planner::seen::Seen;
use crate::planner::{Drift, LeftOut, Sighting, State};

use crate::report::envelope::read;
use crate::report::metrics::metrics;
use crate::report::{DriftReport, UndeclaredRoom, json};
use crate::service::http::Http;
use crate::service::observe::doubt_about;
use crate::service::requests::Reader;
use crate::store::Found;

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
    let Found {
        state,
        saved,
        looked,
        ..
    } = workspace.load_state()?;
    let is_untold = saved.is_some() || state.rooms.values().any(|room| room.is_in_doubt());
    let told = is_untold.then(|| Told::new(saved, looked, &state));
    let doubted = told.as_ref().and_then(|told| told.in_doubt(&state));
    let service = session.service(&state.app)?;
    let looking = look(&session, service, (&state, doubted), args, output);
    let Looked {
        drift,
        left_out,
        warning,
        doubted,
    } = session.wait(&state.app, looking)??;
    session.close()?;
    // What a run made that died, as it recorded it or the look shows it.
    let news = told.map(|told| told.learned_by(doubted.as_ref(), &state, workspace.now));
    let before = seen_before(args, &state)?;
    let seen_file = args.seen_file.as_ref();
    let after = seen_file.map(|_| before.clone().after(&drift, &state, workspace.now));
    let report = DriftReport {
        run: workspace.run.clone(),
        undeclared: UndeclaredRoom::learned(&news.unwrap_or_default(), &[]),
        ..DriftReport::new(
            drift,
            &state,
            (&session.mutes, &before),
            warning,
            left_out,
            args.require_visible,
        )
    };
    let too_blind = report.too_blind();
    let exit = exit(&report, too_blind.is_some(), args);
    let metrics = write_metrics(args, workspace.now, &report);
    let written = metrics.and(seen_file.zip(after).map_or(Ok(()), |(path, seen)| {
        report_file::write(path, "times", &json(&seen)?)
    }));
    let unseen: BTreeSet<String> = report
        .rooms
        .iter()
        .flat_map(|room| room.unseen.iter().cloned())
        .collect();
    print_report(report, &args.report, session.detail(), output)?;
    let unseen = unseen.iter().map(String::as_str);
    say_what_is_known(workspace, &state.app, unseen, (false, 0), output);
    if let Some(why) = too_blind {
        let failure = Failure::new(Exit::Differences, why);
        output.error(&failure.hint(
            "`roomctl drift -v` names what was not seen; `roomctl apply --reassert` sends it again",
        ));
    }
    written?;
    leave(state);
    if session.is_interrupted() {
        return Ok(Exit::Interrupted);
    }
    Ok(exit)
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
    drift: Drift,
    left_out: LeftOut,
    warning: Option<String>,
    /// The state in doubt, with what was seen.
    doubted: Option<State>,
}

/// Reads the rooms of the state while the files are parsed, then those that only a file names. An invalid
/// file ends the check at once. Of a room that was judged, only the verdict stays.
async fn look(
    session: &Session,
    service: &Arc<Reader<Http>>,
    (state, mut doubted): (&State, Option<State>),
    args: &DriftArgs,
    output: &mut Output,
) -> Result<Looked, Failure> {
    let workspace = &session.workspace;
    let scope = &workspace.scope;
    // Of a part of the rooms directory nobody knows before: a room may have moved out of it.
    let is_early = |name: &RoomName| {
        let known = state.rooms.get(name).filter(|_| scope.whole);
        known.is_some_and(|room| scope.may_consider(name.as_str(), room))
    };
    let early = state.rooms.keys().filter(|name| is_early(name));
    let early = session.begin_look(service, early.cloned().collect());
    // By itself: the text of a long list is gone before the files are all there.
    let listing = tokio::spawn({
        let service = service.clone();
        async move { service.list().await }
    });
    let (roots, context) = (slice::from_ref(&workspace.rooms), workspace.context(NOBODY));
    let load = || room_files::load_meanwhile(&workspace.whole, roots, &context);
    let mut loaded = tokio::task::block_in_place(load);
    leave_out_known(workspace, Some(state), &mut loaded);
    let mut loaded = accept(loaded, &args.report, output)?;
    // Where they are from, nobody asks.
    loaded.origins.clear();
    let listed = listing.await.map_err(|error| error.to_string());
    let (names, unread) = names(listed.flatten());
    let considered = session.consider(scope, &mut loaded, state, &names, output)?;
    let evidence = Evidence {
        wanted: &loaded.wanted,
        state: &considered.state,
        others: &considered.others,
        mutes: &session.mutes,
        now: workspace.now,
    };
    let mutes = evidence.active_mutes();
    let (mut rooms, mut unlisted) = (Vec::new(), BTreeSet::new());
    let mut take = |name: RoomName, seen: Sighting| {
        if let Some(live) = seen.present() {
            if let Some(doubted) = &mut doubted {
                doubted.remember_look([(&name, live)]);
            }
            if unread.is_none() && !names.contains(name.as_str()) {
                unlisted.insert(name.clone());
            }
        }
        if evidence.is_managed(name.as_str()) {
            rooms.push(evidence.judge(&name, &seen, &mutes));
        }
    };
    early.each(&mut take).await;
    let later = evidence.managed().filter(|name| !is_early(name));
    let later = session.begin_look(service, later.cloned().collect());
    later.each(&mut take).await;
    let warning = unread.or_else(|| {
        let there = (unlisted.iter(), "that it just showed");
        doubt_about(&names, there, "unmanaged rooms are missing here")
    });
    let looked = Looked {
        drift: evidence.conclude(rooms, &considered.unmanaged, &mutes),
        left_out: considered.left_out(),
        warning,
        doubted,
    };
    leave((considered, loaded));
    Ok(looked)
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
