//! `plan`: what apply would change. Writes nothing but what it keeps for the next one; without `--live` makes no connection
//! either.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::shared::args::{Global, NetworkArgs, OUTPUT, PlanningArgs, ReportArgs, SAFETY};
use super::shared::cache;
use super::shared::exit::{Exit, Failure, leave};
use super::shared::guards::{self, Guards};
use super::shared::known_service::say_what_is_known;
use super::shared::output::Output;
use super::shared::pipeline::RunArgs;
use super::shared::print_report::print_report;
use super::shared::report_file::check_outputs;
use super::shared::rooms::accept;
use super::shared::saved_plan;
use super::shared::selection::SelectionArgs;
use super::shared::session::Session;
use super::shared::store::{News, Told, noted, refused};
use crate::files::base;
use crate::files::discover::as_typed;
use crate::files::git::{self, GitError, Unread};
use crate::files::looked::surroundings;
use crate::model::policy::NOBODY;
use crate::planner::explain::Base;
use crate::planner::limits::{BaseGuard, refusals};
use crate::planner::{Explained, Plan, SavedChange, State, explain, saved_changes};
use crate::report::plan::WeakenedReport;
use crate::report::saved::{Mode, SavedPlan, Terms};
use crate::report::{PlanReport, UndeclaredRoom};

/// What a plan may not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Deny {
    /// Lines that the change to the files does not explain.
    Unexplained,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  roomctl plan
  roomctl plan --live                   reads the rooms, and sets drift apart from changes
  roomctl plan --base origin/main       shows what is this change's, and what others merged
  roomctl plan --target 'sales-*' --exclude sales-demo
  roomctl plan --detailed-exitcode      exits 2 when apply has something to do
  roomctl plan --format json > plan.json
  roomctl plan --out plan.roomctl       for `roomctl apply plan.roomctl`, after a review")]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub selection: SelectionArgs,
    #[command(flatten)]
    pub planning: PlanningArgs,
    /// Say of each line whether it comes from the change since the branch left this git revision, was merged earlier
    /// and not applied, would revert what the revision has got since, or is drift
    #[arg(long, value_name = "REV", conflicts_with = "reassert", help_heading = SAFETY)]
    pub base: Option<String>,
    /// Compare the guards of the base with those of this git revision, which were only proposed: nothing of them counts
    /// for the plan, which is made with the configuration that is here
    #[arg(long, value_name = "REV", requires = "base", help_heading = SAFETY)]
    pub proposed: Option<String>,
    /// Exit with 4 when the plan holds lines that the change does not explain, or for which --base cannot be read
    #[arg(long, value_name = "WHAT", requires = "base", help_heading = SAFETY)]
    pub deny: Option<Deny>,
    #[command(flatten)]
    pub network: NetworkArgs,
    #[command(flatten)]
    pub report: ReportArgs,
    /// Save the plan, for `apply FILE`; holds no secret
    #[arg(long, value_name = "FILE", help_heading = OUTPUT)]
    pub out: Option<PathBuf>,
    /// Compare every room, also those of which the last plan had nothing to say; shows the same, more slowly
    #[arg(long)]
    pub no_cache: bool,
    /// Exit with 2 when apply has something to do
    #[arg(long, help_heading = OUTPUT)]
    pub detailed_exitcode: bool,
    #[command(flatten)]
    pub run: RunArgs,
}

pub(crate) fn run(global: &Global, args: &PlanArgs, output: &mut Output) -> Result<Exit, Failure> {
    let session = begin(global, args)?;
    let policies = session.workspace.policies()?;
    let keeps = policies.is_idle() && keeps(&session, args);
    let (files, found, cache) = cache::read(&session.workspace, &*policies, keeps);
    let mut files = accept(files, &args.report, output)?;
    let found = noted(found?, output);
    let (state, (saved, looked)) = (found.state, (found.saved, found.looked));
    let since = args.base.as_ref();
    let since = since.map(|revision| Since::new(&session, revision, args, output));
    let (base, guards) = since
        .transpose()?
        .map_or_else(Default::default, |since| (Some(since.base), since.guards));
    session.keep_to(guards.base.clone(), guards.weakened.len());
    let (mode, nothing) = (args.planning.mode(), BTreeSet::new());
    let plan = session.plan(mode, &args.planning, &mut files, &state, &nothing, output)?;
    session.close()?;
    if args.proposed.is_some() {
        few_enough(&plan)?;
    }
    let explained = base.map(|base| explain(&plan, &files.wanted, &base));
    let terms = terms(&session, args, &plan, guards.base);
    let refusals = refusals(&plan, &session.limits(&args.planning));
    let mut exit = exit(&plan, &guards.weakened, explained.as_ref(), args);
    let limits = session.limits(&args.planning);
    let out = args.out.as_ref();
    let out = out.map(|path| (path, saved_changes(&plan, &files.wanted, &state, &limits)));
    let news = news(&state, (saved, looked), &plan, session.workspace.now);
    let stops = refused(&news, &limits);
    let mut report = PlanReport {
        weakened: guards.weakened,
        allowed: terms.allowed(),
        ..session.report(PlanReport::of(
            plan,
            &files.origins,
            &refusals,
            explained.as_ref(),
        ))
    };
    if let Some((path, changes)) = out {
        save(path, &session, args, terms, (changes, &state), &report)?;
    }
    // Not of the saved plan: the next `apply` says it, whatever it applies.
    if exit == Exit::Done && args.detailed_exitcode && !stops.is_empty() {
        exit = Exit::Differences;
    }
    report.add(UndeclaredRoom::learned(&news, &[]), stops);
    let (names, has_zero) = report.wanted();
    let changes = report.summary.changes();
    print_report(report, &args.report, session.detail(), output)?;
    say_what_is_known(
        &session.workspace,
        &state.app,
        names,
        (has_zero, changes),
        output,
    );
    if let Some(cache) = &cache {
        cache.keep(&session.workspace, &files, &state);
    }
    leave((files, state, cache));
    match session.is_interrupted() {
        true => Ok(Exit::Interrupted),
        false => Ok(exit),
    }
}

/// What a write that was not answered, or one of a run that died, turns out to have made, as far as it is looked at.
fn news(
    state: &State,
    (saved, looked): (Option<State>, Option<State>),
    plan: &Plan,
    now: i64,
) -> News {
    let mut rooms = state.rooms.values();
    if saved.is_none() && !rooms.any(|room| room.is_in_doubt()) {
        return News::new();
    }
    let mut known = state.clone();
    known.remember_look(&plan.looked);
    Told::new(saved, looked, state).learned(&known, now)
}

fn begin(global: &Global, args: &PlanArgs) -> Result<Session, Failure> {
    let session = Session::begin(global, &args.network, &args.selection, None)?;
    let mut session = session.with_mutes(args.planning.mutes.as_deref())?;
    session.workspace.run = args.run.run(global)?;
    let report_file = &args.report.report_file;
    let outputs = [("--out", &args.out), ("--report-file", report_file)];
    check_outputs(&session.workspace, &args.planning.mutes, outputs)?;
    Ok(session)
}

/// Most attributes that a proposal may move, with all that its rooms inherit: a few lines of defaults can make a report of
/// hundreds of megabytes, and no comment has the place for it.
const MOST_PROPOSED: usize = 50_000;

fn few_enough(plan: &Plan) -> Result<(), Failure> {
    let moved: usize = plan.changes.iter().map(|room| room.attributes.len()).sum();
    if moved <= MOST_PROPOSED {
        return Ok(());
    }
    let message = format!(
        "{moved} attributes are to change, and at most {MOST_PROPOSED} can be proposed at once"
    );
    Err(Failure::new(Exit::Refused, message).hint("make it several changes, each of fewer rooms"))
}

/// Whether rooms of which there is nothing to say need not be looked at, nor be there at all.
fn keeps(session: &Session, args: &PlanArgs) -> bool {
    let scope = &session.workspace.scope;
    let is_about_all = scope.whole && scope.selection.is_empty();
    let is_usual = args.planning.mode() == Mode::default() && args.base.is_none();
    is_about_all && is_usual && !args.no_cache
}

/// What the report says of time and guard is made with these.
fn terms(session: &Session, args: &PlanArgs, plan: &Plan, base: BaseGuard) -> Terms {
    let limits = session.limits(&args.planning);
    Terms {
        burst: session.options(args.planning.mode(), &limits).burst,
        managed: plan.managed,
        max_changes: limits.max_changes,
        allowed: limits.allowed,
        base,
    }
}

/// Writes the file for a later apply.
fn save(
    path: &Path,
    session: &Session,
    args: &PlanArgs,
    terms: Terms,
    (changes, state): (Vec<SavedChange>, &State),
    report: &PlanReport,
) -> Result<(), Failure> {
    let (mode, selection) = (args.planning.mode(), args.selection.selection());
    let target = session.workspace.target(&state.app)?;
    let saved = SavedPlan::new(target, mode, selection, terms, changes, report);
    saved_plan::write(path, &saved)
}

fn exit(
    plan: &Plan,
    weakened: &[WeakenedReport],
    explained: Option<&Explained>,
    args: &PlanArgs,
) -> Exit {
    let lines = explained.into_iter().flat_map(Explained::values);
    let lines = lines.map(|one| one.change);
    let guards = weakened.iter().map(|one| one.explanation);
    let any_open = lines.chain(guards).any(|one| !one.is_explained());
    if any_open && args.deny == Some(Deny::Unexplained) {
        Exit::Refused
    } else if plan.any_unread() {
        Exit::Service
    } else if args.detailed_exitcode && !plan.is_empty() {
        Exit::Differences
    } else {
        Exit::Done
    }
}

/// The base of the change: its files, and its guards compared with those here.
struct Since {
    base: Base,
    guards: Guards,
}

impl Since {
    fn new(
        session: &Session,
        revision: &str,
        args: &PlanArgs,
        output: &Output,
    ) -> Result<Self, Failure> {
        let workspace = &session.workspace;
        let rooms = surroundings(&workspace.whole, &workspace.rooms);
        let read = || {
            let history = git::history(rooms, revision)?;
            let gave = |commit: &str| guards::gave(session, commit);
            let (base, unread) = base::read(rooms, &history, &workspace.context(NOBODY), &gave)?;
            let proposed = args.proposed.as_deref();
            let proposed = proposed.map(|revision| git::commit(rooms, revision));
            let proposed = proposed.transpose()?;
            let mutes = args.planning.mutes.as_deref();
            let guards = guards::since(session, mutes, &history, proposed.as_deref())?;
            Ok((unread, Self { base, guards }))
        };
        let (unread, since) = read().map_err(|error: GitError| {
            Failure::because(Exit::Usage, &error)
                .hint("in a pipeline, check out the whole history first (`fetch-depth: 0`)")
        })?;
        note_unread(rooms, revision, &unread, output);
        Ok(since)
    }
}

fn note_unread(rooms: &Path, revision: &str, unread: &Unread, output: &Output) {
    let Some((path, why)) = unread.first_key_value() else {
        return;
    };
    // Without the `/` that the rooms directory itself would get at its end.
    let path: PathBuf = rooms.join(path).components().collect();
    let (number, path) = (unread.len(), as_typed(&path));
    let unread = format!("files that could not be read at the base `{revision}`: {number}");
    let text = format!("{unread}, the first {path}: {why}");
    let meaning = "what may be in them is not taken for this change";
    output.note(&format!("note: {}; {meaning}\n", text.escape_debug()));
}
