//! `apply`: plans, asks, carries out, records, reports.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use jiff::SignedDuration;
use tokio::runtime::Runtime;
use tokio::time::Instant;
use uuid::Uuid;

use super::shared::approval::approve;
use super::shared::args::{Format, Global, NetworkArgs, PlanningArgs, ReportArgs};
use super::shared::exit::{Exit, Failure};
use super::shared::interrupt::{self, Interrupted};
use super::shared::output::Output;
use super::shared::planning::Planning;
use super::shared::print_report::print_report;
use super::shared::progress::Progress;
use super::shared::rooms::{accept, load};
use super::shared::saved_plan as saved;
use super::shared::service::{self, Backend};
use super::shared::store;
use super::shared::workspace::Workspace;
use crate::disk::crash_point::crash_point;
use crate::planner::change::Unreadable;
use crate::planner::limits::Refusal;
use crate::planner::{Action, Change, Matched, Outcome, Plan, Receipt, State, matched};
use crate::report::apply::Summary;
use crate::report::saved::SavedPlan;
use crate::report::values::count;
use crate::report::view::{self, Detail};
use crate::report::{ApplyReport, PlanReport, text};
use crate::run::apply::apply;
use crate::service::deadline::Deadline;
use crate::service::http::Http;
use crate::service::requests::Client;
use crate::service::stop::StopReason;
use crate::store::port::Record;
use crate::store::{Found, Locked};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  roomctl apply                         asks before it changes anything
  roomctl apply --yes --rate 300/m      for pipelines
  roomctl apply plan.roomctl --yes      exactly what was reviewed
  roomctl apply --yes --deadline 8m     for a runner that is stopped after ten minutes
  roomctl apply --sandbox --yes         the whole job, without an account")]
pub(crate) struct ApplyArgs {
    /// Apply exactly this plan, which `plan --out` saved: nothing that was not in it, and nothing if one of its
    /// rooms is no longer as it was (exit 4)
    #[arg(value_name = "PLAN", conflicts_with_all = ["live", "prune", "drift_only"])]
    pub plan: Option<PathBuf>,
    /// Of a saved plan, apply the rooms that are still as they were (exit 5 when there are others)
    #[arg(long, requires = "plan")]
    pub partial: bool,
    /// Apply without asking
    #[arg(long, short)]
    pub yes: bool,
    #[command(flatten)]
    pub report: ReportArgs,
    #[command(flatten)]
    pub planning: PlanningArgs,
    #[command(flatten)]
    pub network: NetworkArgs,
    /// Be over by then, with everything saved: what has not been started stays for the next run (exit 5)
    #[arg(long, value_name = "TIME", value_parser = span)]
    pub deadline: Option<Duration>,
    /// Exit with 2 when the service chose other values than were sent
    #[arg(long)]
    pub detailed_exitcode: bool,
}

/// `8m`, `90s`, `1h 30m`.
fn span(text: &str) -> Result<Duration, String> {
    let wrong = || "write it like `8m`, `90s` or `1h 30m`".to_owned();
    let span: SignedDuration = text.parse().map_err(|_| wrong())?;
    let span = Duration::try_from(span).map_err(|_| wrong())?;
    if !(Duration::from_secs(1)..=Duration::from_secs(86_400)).contains(&span) {
        return Err("from one second to a day".to_owned());
    }
    Ok(span)
}

/// Runs the command.
///
/// # Errors
/// When anything but single rooms goes wrong; rooms that fail are in the report and the exit code.
pub(crate) fn run(global: &Global, args: &ApplyArgs, output: &mut Output) -> Result<Exit, Failure> {
    let begun = Instant::now();
    let workspace = Workspace::new(global)?;
    let approved = args.plan.as_deref().map(saved::read).transpose()?;
    let loaded = accept(
        load(&workspace, &workspace.policies()?),
        &args.report,
        output,
    )?;
    let store = store::lock(&workspace, output)?;
    let Found { state, recovered } = store::load(&workspace, output)?;
    let runtime = workspace.runtime()?;
    let mut memory = Memory {
        runtime,
        store,
        state,
        recovered,
    };
    if let Some(approved) = &approved {
        saved::check(approved, &memory.state)?;
    }
    let planning_args = match &approved {
        Some(approved) => saved::planning(approved.mode, &args.planning),
        None => args.planning.clone(),
    };
    let planning = Planning {
        workspace: &workspace,
        args: &planning_args,
        network: &args.network,
    };
    let parallelism = workspace.parallelism(args.network.parallelism)?;
    let opening = Opening {
        workspace: &workspace,
        args,
        begun,
        runtime,
    };
    // Without a look at the service it is only opened when there is something to send.
    let (plan, opened) = if planning.looks() {
        let (backend, service) = opening.open(&memory.state.app)?;
        let plan = runtime.block_on(planning.online(&loaded, &memory.state, &service))?;
        (plan, Some((backend, service)))
    } else {
        (planning.offline(&loaded, &memory.state)?, None)
    };
    let (rate, _) = workspace.pace(&args.network.pace)?;
    let rate = rate.to_string();
    let detail = Detail {
        now: workspace.now,
        verbose: global.verbose > 0,
        rate: Some(&rate),
        rooms_shown: true,
    };
    let (plan, stale) = match &approved {
        None => (plan, Vec::new()),
        Some(approved) => {
            let options = planning.options()?;
            let matched = matched(
                &approved.changes,
                plan,
                &loaded.wanted,
                &memory.state,
                &options,
            );
            let now = PlanReport::new(&saved::instead(&matched, &options), &loaded.origins, &[]);
            let now = (!now.changes.is_empty()).then(|| text::page(&view::plan(&now, detail)));
            reviewed(matched, approved, now, &memory.state, args, detail, output)?
        }
    };
    let refusals = planning.refusals(&plan);
    let shown = PlanReport::new(&plan, &loaded.origins, &refusals);
    show(&shown, args, detail, output);
    if plan.is_empty() {
        memory.fold()?;
        let receipts: Vec<Receipt> = plan.unreadable.iter().map(unread).chain(stale).collect();
        let unread = plan.unreadable.len();
        // The look alone may have met the deadline, or a key that is not accepted.
        let stopped = opened.and_then(|(_, service)| service.stop.reason());
        return end(
            &memory.state,
            &receipts,
            unread,
            stopped.as_ref(),
            args,
            detail,
            output,
        );
    }
    if !refusals.is_empty() {
        return Err(guarded(&refusals));
    }
    all_known(&plan)?;
    // Before anybody is asked: without a key and an address there is nothing to approve.
    let (backend, service) = match opened {
        Some(opened) => opened,
        None => opening.open(&memory.state.app)?,
    };
    warn_of_deadline(&plan, args, output);
    approve(args.yes, &question(&workspace, &memory.state.app, &plan))?;
    let run = Run {
        plan: &plan,
        service: service.clone(),
        parallelism,
        format: args.report.format,
        detail,
    };
    let (mut receipts, saved) = memory.through(run, output);
    receipts.extend(stale);
    let closed = runtime.block_on(backend.close());
    crash_point("report-due");
    // Whatever became of state and sandbox, the report is told first: it says what was done.
    let stopped = service.stop.reason();
    let unread = plan.unreadable.len();
    let exit = end(
        &memory.state,
        &receipts,
        unread,
        stopped.as_ref(),
        args,
        detail,
        output,
    )?;
    saved?;
    closed?;
    Ok(exit)
}

/// What of a saved plan is still to be done, and the receipts of what is not as it was reviewed. `now` is what
/// would be done to those instead.
fn reviewed(
    matched: Matched,
    approved: &SavedPlan,
    now: Option<String>,
    state: &State,
    args: &ApplyArgs,
    detail: Detail<'_>,
    output: &mut Output,
) -> Result<(Plan, Vec<Receipt>), Failure> {
    output.note(&saved::notes(&matched));
    if let Some(now) = now {
        output.note(&format!("\nWhat would be done to these now:\n\n{now}\n"));
    }
    let nothing_left = matched.plan.is_empty() && matched.plan.unreadable.is_empty();
    if !matched.stale.is_empty() && (!args.partial || nothing_left) {
        report_end(
            state,
            &saved::none_done(&matched),
            None,
            args,
            detail,
            output,
        )?;
        return Err(saved::refused(&matched, approved.changes.len()));
    }
    Ok((matched.plan, saved::skipped(&matched.stale)))
}

/// How the service is opened, when it is known that it has to be.
struct Opening<'a> {
    workspace: &'a Workspace,
    args: &'a ApplyArgs,
    begun: Instant,
    runtime: &'a Runtime,
}

impl Opening<'_> {
    /// The service, one for all requests of the run: looks and writes share the pace.
    fn open(&self, app: &str) -> Result<(Backend, Arc<Client<Http>>), Failure> {
        let network = &self.args.network;
        let opening = service::open(self.workspace, app, network.timeout);
        let backend = self.runtime.block_on(opening)?;
        let mut service = service::paced(self.workspace, network, &backend)?;
        let deadline = self.args.deadline;
        service.deadline = deadline.map(|time| Deadline::new(self.begun, time));
        Ok((backend, Arc::new(service)))
    }
}

/// The state, and where it is kept. Under the lock.
struct Memory<'a> {
    runtime: &'a Runtime,
    store: Locked,
    state: State,
    /// Events of an unfinished run that are in the state, and not yet in its file.
    recovered: usize,
}

impl Memory<'_> {
    /// Carries `run` out with every event in the journal, and saves what it learnt.
    ///
    /// Returns the receipts, and whether the state was saved.
    fn through(
        &mut self,
        run: Run<'_>,
        output: &mut Output,
    ) -> (Vec<Receipt>, Result<(), Failure>) {
        let plan = run.plan;
        let unread = plan.unreadable.iter().map(unread);
        let journal = match self.begin() {
            Ok(journal) => journal,
            Err(failure) => {
                let changes = plan.actionable();
                let untried = changes.map(|change| untried(change, &failure.message));
                return (untried.chain(unread).collect(), Err(failure));
            }
        };
        let before = self.state.clone();
        let carrying_out = carry_out(run, &mut self.state, &journal, output);
        let carried = self.runtime.block_on(carrying_out);
        let mut receipts = carried.receipts;
        receipts.extend(unread);
        if carried.abandoned {
            let left = Failure::new(Exit::Interrupted, "interrupted twice: left at once");
            let hint = "every receipt so far is in the journal; the next run takes them in";
            return (receipts, Err(left.hint(hint)));
        }
        // All workers have ended, so this ends the journal.
        drop(journal);
        let saved = self.save(&before);
        (receipts, saved)
    }

    /// Begins the journal of a run, with what an unfinished one left saved before.
    fn begin(&mut self) -> Result<Arc<dyn Record>, Failure> {
        self.fold()?;
        if self.state.lineage.is_empty() {
            self.state.lineage = Uuid::new_v4().to_string();
        }
        Ok(self.runtime.block_on(self.store.begin(&self.state))?)
    }

    /// Saves what the run learnt. When that is nothing, the state keeps its bytes.
    fn save(&mut self, before: &State) -> Result<(), Failure> {
        if self.state == *before {
            return Ok(self.runtime.block_on(self.store.drop_journal())?);
        }
        let saving = self.store.save(&mut self.state);
        self.runtime.block_on(saving).map_err(|error| {
            Failure::from(error)
                .hint("every receipt is in the journal beside it; the next run takes them in")
        })
    }

    /// Saves what an unfinished run left, so that a new journal can begin.
    fn fold(&mut self) -> Result<(), Failure> {
        if self.recovered > 0 {
            let saving = self.store.save(&mut self.state);
            self.runtime.block_on(saving)?;
            self.recovered = 0;
        } else {
            self.runtime.block_on(self.store.drop_journal())?;
        }
        Ok(())
    }
}

/// What a run works with.
struct Run<'a> {
    plan: &'a Plan,
    service: Arc<Client<Http>>,
    parallelism: usize,
    format: Format,
    detail: Detail<'a>,
}

/// How a run ended.
struct Carried {
    receipts: Vec<Receipt>,
    /// Whether it was left before all rooms had ended.
    abandoned: bool,
}

/// Applies until all rooms have ended, or until the second interrupt.
async fn carry_out(
    run: Run<'_>,
    state: &mut State,
    journal: &Arc<dyn Record>,
    output: &mut Output,
) -> Carried {
    let rooms = run.plan.actionable().count();
    let mut progress = Progress::new(rooms, run.format, run.detail, output);
    let abandoned = Cell::new(false);
    let receipts = apply(
        run.plan,
        state,
        &run.service,
        journal,
        run.parallelism,
        async {
            let Interrupted = interrupt::second(&run.service.stop).await;
            abandoned.set(true);
        },
        |receipt| progress.ended(receipt),
    )
    .await;
    progress.finish();
    Carried {
        receipts,
        abandoned: abandoned.get(),
    }
}

fn show(plan: &PlanReport, args: &ApplyArgs, detail: Detail<'_>, output: &mut Output) {
    if args.report.format == Format::Text {
        output.result(&text::page(&view::plan(plan, detail)));
    }
}

/// Says beforehand that the rate is too low for the deadline.
fn warn_of_deadline(plan: &Plan, args: &ApplyArgs, output: &Output) {
    let (Some(deadline), Some(seconds)) = (args.deadline, plan.forecast.seconds) else {
        return;
    };
    if seconds > deadline.as_secs_f64() {
        output.note(&format!(
            "warning: this takes at least {seconds:.0} s at the set rate, and the deadline is {:.0} s: the \
             rooms that do not fit are left for the next run\n",
            deadline.as_secs_f64()
        ));
    }
}

/// The receipt of a room that was not begun.
fn untried(change: &Change, why: &str) -> Receipt {
    let why = format!("not tried: {why}");
    Receipt::new(&change.room, change.action, Outcome::Skipped, Some(why))
}

/// The receipt of a room that nothing was planned for, since it could not be read.
fn unread(room: &Unreadable) -> Receipt {
    let action = if room.file.is_some() {
        Action::Update
    } else {
        Action::Orphan
    };
    let why = format!("not tried: {}", room.message);
    Receipt::new(&room.room, action, Outcome::Skipped, Some(why))
}

/// Tells what happened, and the exit code of it.
fn end(
    state: &State,
    receipts: &[Receipt],
    unread: usize,
    stopped: Option<&StopReason>,
    args: &ApplyArgs,
    detail: Detail<'_>,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let summary = report_end(state, receipts, stopped, args, detail, output)?;
    Ok(exit(summary, unread, stopped, args))
}

fn report_end(
    state: &State,
    receipts: &[Receipt],
    stopped: Option<&StopReason>,
    args: &ApplyArgs,
    detail: Detail<'_>,
    output: &mut Output,
) -> Result<Summary, Failure> {
    let report = ApplyReport::new(state, receipts, stopped.map(StopReason::sentence));
    let summary = report.summary;
    print_report(report, &args.report, detail, output)?;
    Ok(summary)
}

/// The plan goes further than it may.
fn guarded(refusals: &[Refusal]) -> Failure {
    let mut reasons = refusals.iter().map(ToString::to_string);
    let failure = Failure::new(Exit::Refused, reasons.next().unwrap_or_default());
    Failure {
        causes: reasons.collect(),
        ..failure
    }
    .hint("nothing was sent")
}

/// Refuses to send rooms with secrets that are not known here: a write without them could reset them.
fn all_known(plan: &Plan) -> Result<(), Failure> {
    let mut variables = BTreeSet::new();
    let mut places = Vec::new();
    for change in plan.actionable() {
        for (attribute, unset) in change.unset() {
            for variable in unset {
                places.push(format!(
                    "{}, {attribute}: {variable} is not set",
                    change.room
                ));
                variables.insert(variable.as_str());
            }
        }
    }
    if variables.is_empty() {
        return Ok(());
    }
    let message = "rooms that would be sent refer to variables that are not set; nothing was sent";
    let names: Vec<&str> = variables.into_iter().collect();
    let mut failure = Failure::new(Exit::Invalid, message)
        .hint(format!("set {} in the environment", names.join(", ")));
    failure.causes = places;
    Err(failure)
}

/// What is about to be done, for whoever approves it.
fn question(workspace: &Workspace, app: &str, plan: &Plan) -> String {
    let rooms = count(plan.actionable().count() as u64, "room");
    if workspace.sandbox {
        return format!("Change {rooms} of the sandbox");
    }
    format!("Change {rooms} of {app} at {}", workspace.base_url(app))
}

fn exit(summary: Summary, unread: usize, stopped: Option<&StopReason>, args: &ApplyArgs) -> Exit {
    match stopped {
        Some(StopReason::Interrupted) => return Exit::Interrupted,
        Some(StopReason::Unrecorded(_)) => return Exit::State,
        // It did what it could in its time, even if that was nothing.
        Some(StopReason::Deadline) if summary.not_done() > 0 => return Exit::Partial,
        _ => {}
    }
    if unread > 0 {
        return Exit::Service;
    }
    match (summary.done(), summary.not_done()) {
        (_, 0) if args.detailed_exitcode && summary.overridden > 0 => Exit::Differences,
        (_, 0) => Exit::Done,
        (0, _) => Exit::Service,
        _ => Exit::Partial,
    }
}
