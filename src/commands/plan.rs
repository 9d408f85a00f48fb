//! `plan`: what apply would change. Writes nothing; without `--live` makes no connection either.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};

use super::shared::args::{Global, NetworkArgs, PlanningArgs, ReportArgs};
use super::shared::exit::{Exit, Failure};
use super::shared::output::Output;
use super::shared::planning::Planning;
use super::shared::print_report::print_report;
use super::shared::rooms::{accept, load};
use super::shared::saved_plan as saved;
use super::shared::service;
use super::shared::store::noted;
use super::shared::workspace::Workspace;
use crate::files::git::files_at;
use crate::files::room_files::{self, Loaded};
use crate::model::Finding;
use crate::planner::explain::{Base, ExplainedChange};
use crate::planner::{Explained, Plan, explain, review};
use crate::report::PlanReport;
use crate::report::saved::SavedPlan;
use crate::report::view::Detail;

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
  roomctl plan --live                   reads the rooms, and tells drift from changes
  roomctl plan --base origin/main       tells this change from what was merged earlier
  roomctl plan --detailed-exitcode      exits 2 when apply has something to do
  roomctl plan --format json > plan.json
  roomctl plan --out plan.roomctl       for `roomctl apply plan.roomctl`, after a review")]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub report: ReportArgs,
    #[command(flatten)]
    pub planning: PlanningArgs,
    #[command(flatten)]
    pub network: NetworkArgs,
    /// Tell of each line whether it comes from the change since this git revision, was merged earlier and not
    /// applied, or is drift
    #[arg(long, value_name = "REV")]
    pub base: Option<String>,
    /// Exit with 4 when the plan holds lines that the change since --base does not explain
    #[arg(long, value_name = "WHAT", requires = "base")]
    pub deny: Option<Deny>,
    /// Save the plan, for `apply FILE`; holds no secret
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Exit with 2 when apply has something to do
    #[arg(long)]
    pub detailed_exitcode: bool,
}

pub(crate) fn run(global: &Global, args: &PlanArgs, output: &mut Output) -> Result<Exit, Failure> {
    let workspace = Workspace::new(global)?;
    let (rate, _) = workspace.pace(&args.network.pace)?;
    let policies = workspace.policies()?;
    // The state is parsed while the files are.
    let (loaded, found) = rayon::join(|| load(&workspace, &policies), || workspace.load_state());
    let loaded = accept(loaded, &args.report, output)?;
    let found = noted(found?, output);
    let planning = Planning {
        workspace: &workspace,
        args: &args.planning,
        network: &args.network,
    };
    let plan = if planning.looks() {
        workspace.runtime()?.block_on(async {
            let backend = service::open(&workspace, &found.state.app, args.network.timeout).await?;
            let service = Arc::new(service::paced(&workspace, &args.network, &backend)?);
            let plan = planning.online(&loaded, &found.state, &service).await;
            backend.close().await?;
            plan
        })?
    } else {
        planning.offline(&loaded, &found.state)?
    };
    let explained = match &args.base {
        Some(revision) => Some(explained(&workspace, revision, &plan, &loaded)?),
        None => None,
    };
    let refusals = planning.refusals(&plan);
    let report = PlanReport::explained(&plan, &loaded.origins, &refusals, explained.as_ref());
    if let Some(path) = &args.out {
        let changes = review(&plan, &loaded.wanted, &found.state);
        saved::write(
            path,
            &SavedPlan::new(saved::mode(&args.planning), changes, &report)?,
        )?;
    }
    let rate = rate.to_string();
    let detail = Detail {
        now: workspace.now,
        verbose: global.verbose > 0,
        rate: Some(&rate),
        ..Detail::default()
    };
    print_report(report, &args.report, detail, output)?;
    let is_open = |one: &ExplainedChange| !one.change.is_explained();
    let denied = args.deny == Some(Deny::Unexplained)
        && explained.is_some_and(|explained| explained.values().any(is_open));
    let exit = if denied {
        Exit::Refused
    } else if !plan.unreadable.is_empty() {
        Exit::Service
    } else if args.detailed_exitcode && !plan.is_empty() {
        Exit::Differences
    } else {
        Exit::Done
    };
    // The process ends here; to take 10,000 rooms apart first would only cost time.
    std::mem::forget((loaded, found, plan));
    Ok(exit)
}

/// Where the lines of the plan come from: the files are read again as they were at `revision`.
fn explained(
    workspace: &Workspace,
    revision: &str,
    plan: &Plan,
    loaded: &Loaded,
) -> Result<Explained, Failure> {
    let before = files_at(&workspace.rooms, revision).map_err(|error| {
        Failure::because(Exit::Usage, &error)
            .hint("in a pipeline, fetch the whole history, or at least that revision, before")
    })?;
    let root = before.path();
    // What was wrong then is not to be told now.
    let base = room_files::load(root, &[root.to_owned()], &workspace.context(&[]));
    let base = Base {
        complete: !Finding::any_error(&base.findings),
        wanted: base.wanted,
    };
    Ok(explain(plan, &loaded.wanted, &base))
}
