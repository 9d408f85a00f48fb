//! `apply`: plans, asks, carries out, records, reports.

use std::cell::Cell;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::shared::approval::{approve, can_be_asked};
use super::shared::args::{
    Format, Global, NetworkArgs, OUTPUT, PACE, PlanningArgs, ReportArgs, SAFETY, span,
};
use super::shared::audit::Audit;
use super::shared::exit::{Exit, Failure};
use super::shared::intent::{Intent, Planned};
use super::shared::interrupt;
use super::shared::output::Output;
use super::shared::pipeline::RunArgs;
use super::shared::print_report::print_report;
use super::shared::progress::Progress;
use super::shared::report_file::check_outputs;
use super::shared::rooms::{accept, clean_up, load};
use super::shared::saved_plan;
use super::shared::selection::SelectionArgs;
use super::shared::session::Session;
use super::shared::store::{Held, lock, refused, tell};
use super::shared::workspace::Workspace;
use crate::disk::crash_point::crash_point;
use crate::files::room_files::Loaded;
use crate::model::RoomName;
use crate::model::words::count;
use crate::planner::change::Unreadable;
use crate::planner::limits::{BaseGuard, Limits, Refusal, refusals};
use crate::planner::receipt::set_aside;
use crate::planner::{Action, Narrowed, Options, Plan, Receipt};
use crate::report::PlanReport;
use crate::report::apply::Summary;
use crate::report::saved::SavedPlan;
use crate::report::view::{self, Detail, View};
use crate::report::{AllowedReport, ApplyReport, StateId, UndeclaredRoom, text};
use crate::run::apply::{Job, apply};
use crate::service::stop::StopReason;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  roomctl apply                         asks before it changes anything
  roomctl apply --yes --rate 300/m      for pipelines
  roomctl apply --target 'sales-*'      only these rooms; the others are not even read
  roomctl apply plan.roomctl --yes      exactly what the saved plan holds
  roomctl apply --yes --covered-by a.roomctl b.roomctl
                                        what is to be done now, if each change is in a reviewed plan
  roomctl apply --yes --deadline 8m     for a runner that is stopped after ten minutes
  roomctl apply --sandbox --yes         the whole job, without an account")]
pub(crate) struct ApplyArgs {
    /// Apply exactly this plan, which `plan --out` saved: nothing that was not in it, and nothing if one of its
    /// rooms is no longer as it was (exit 4). It keeps the selection it was made for; --target and --exclude leave
    /// out more of its rooms, for a later run, once all of it was checked. What was planned with --prune or --drift-only
    /// needs the flag here too. When other rooms would change as well, that is said and, elsewhere than on a terminal, ends
    /// with exit 4
    #[arg(value_name = "PLAN", group = "reviewed", conflicts_with_all = ["live", "reassert"])]
    pub plan: Option<PathBuf>,
    #[command(flatten)]
    pub selection: SelectionArgs,
    #[command(flatten)]
    pub planning: PlanningArgs,
    /// Make a plan now, and apply it only if each of its changes is in one of these saved plans: the same action, all
    /// that is sent, and no line and no effect that was not shown. What none of them has stops the run (exit 4, and
    /// nothing is sent). Without a file: nothing was reviewed, so nothing may change
    #[arg(long, value_name = "PLAN", num_args = 0.., group = "reviewed", conflicts_with = "plan", help_heading = SAFETY)]
    pub covered_by: Option<Vec<PathBuf>>,
    /// The plans whose guards count until the run is over, if those are not the ones of --covered-by: also plans that a later one
    /// was made on top of, and none that an earlier run went by
    #[arg(long, value_name = "PLAN", num_args = 0.., requires = "covered_by", help_heading = SAFETY)]
    pub guards_of: Option<Vec<PathBuf>>,
    /// Apply the rooms that are still as in the saved plan, or that a reviewed one covers (exit 5 when there are others)
    #[arg(long, requires = "reviewed", help_heading = SAFETY)]
    pub partial: bool,
    /// Apply without asking
    #[arg(long, short, help_heading = SAFETY)]
    pub yes: bool,
    #[command(flatten)]
    pub network: NetworkArgs,
    /// Be over by then, with everything saved: what has not been started stays for the next run (exit 5)
    #[arg(long, value_name = "TIME", value_parser = span, help_heading = PACE)]
    pub deadline: Option<Duration>,
    #[command(flatten)]
    pub report: ReportArgs,
    /// Add a line of JSON for each room that requests are sent for: who, when, which attributes by name, and how it ended. Of no value.
    /// When a line cannot be added, no further room is begun
    #[arg(long, value_name = "FILE", help_heading = OUTPUT)]
    pub audit_file: Option<PathBuf>,
    /// Exit with 2 when the service chose other values than were sent
    #[arg(long, help_heading = OUTPUT)]
    pub detailed_exitcode: bool,
    #[command(flatten)]
    pub run: RunArgs,
}

pub(crate) fn run(global: &Global, args: &ApplyArgs, output: &mut Output) -> Result<Exit, Failure> {
    let (session, intent) = begin(global, args)?;
    let policies = session.workspace.policies()?;
    let files = load(&session.workspace, &*policies);
    let mut files = accept(files, &args.report, output)?;
    let mut held = lock(&session.workspace, output)?;
    clean_up(&session.workspace, &files);
    intent.check(&session.workspace, &held.state, &args.planning)?;
    let planned = plan_now((&session, &intent), args, &mut files, &mut held, output)?;
    let moved = held.state.follow_files(&files.wanted);
    let limits = session.limits(&args.planning);
    let options = session.options(intent.mode(), &limits);
    show_stale(&planned.narrowed, &files, &session, &options, output);
    if planned.narrowed.is_refused(args.partial) {
        return refuse_stale(&session, &held, &planned.narrowed, args, output);
    }
    let mut skipped = saved_plan::skipped(&planned.narrowed);
    saved_plan::verify(planned.untrue)?;
    let (mut plan, others) = (planned.narrowed.plan, planned.narrowed.others);
    let refusals = refusals(&plan, &limits);
    show(&plan, &files, &refusals, &session, args, output)?;
    skipped.extend(set_aside(&mut plan));
    let plan = Arc::new(plan);
    let (mut receipts, moved) = if plan.is_empty() && refusals.is_empty() {
        (Vec::new(), Ok(moved))
    } else {
        permit(&session, &plan, &refusals, args, output)?;
        carry_out(&session, &plan, &limits, (&mut held, moved), args, output)?
    };
    receipts.extend(plan.unreadable.iter().map(unread).chain(skipped));
    let closed = session.close();
    // Whatever becomes of state and sandbox, the report comes first: it says what was done, and until it is out the journal
    // keeps that for the next run.
    let done = (&*receipts, &*others);
    let learned = held.learned(session.workspace.now);
    let learned = UndeclaredRoom::learned(&learned, &receipts);
    let is_news = learned.iter().any(UndeclaredRoom::is_made);
    let due = held.due(moved.as_ref().ok().copied());
    crash_point("report-due");
    let is_any = !(receipts.is_empty() && others.is_empty() && learned.is_empty());
    let summary = print_end((&session, due), done, learned, &plan, args, output)?;
    crash_point("save-due");
    held.save(moved?).map_err(|error| {
        Failure::from(error)
            .hint("every receipt is in the journal beside it; the next run takes them in")
    })?;
    if is_any && args.report.format == Format::Text {
        output.page(&text::saved(held.state.serial));
    }
    closed?;
    let exit = exit((summary, is_news), &receipts, &plan, &session, args);
    Ok(unless_left(exit, &others, output))
}

/// What is planned now. However the run goes on, what its look showed is remembered.
fn plan_now(
    (session, intent): (&Session, &Intent),
    args: &ApplyArgs,
    files: &mut Loaded,
    held: &mut Held<'_>,
    output: &mut Output,
) -> Result<Planned, Failure> {
    let planned = intent.plan(session, &args.planning, files, &mut held.state, output);
    if held.state == held.told.saved {
        return planned;
    }
    // First, since no later run says it.
    let news = held.learned(session.workspace.now);
    tell(&news, session.detail(), output);
    let mut refused = refused(&news, &session.limits(&args.planning)).into_iter();
    let Some(why) = refused.next() else {
        held.save(true)?;
        return planned;
    };
    if let Ok(planned) = planned {
        let learned = UndeclaredRoom::learned(&news, &[]);
        let plan = &planned.narrowed.plan;
        print_end(
            (session, held.due(Some(true))),
            (&[], &[]),
            learned,
            plan,
            args,
            output,
        )?;
    }
    held.save(true)?;
    // Once. Nothing else was judged, so that nothing may count as applied in part: guards that go count in the next run, too.
    Err(Failure::new(Exit::Refused, why).causes(refused).hint(
        "perhaps an earlier write did this, of which no report told the end; nothing was sent now, and the next run goes \
         on from here",
    ))
}

/// Whether the report takes the place of nothing that is read.
fn check(args: &ApplyArgs, session: &Session) -> Result<(), Failure> {
    let outputs = [
        ("--report-file", &args.report.report_file),
        ("--audit-file", &args.audit_file),
    ];
    let plans = args.plan.iter().chain(args.covered_by.iter().flatten());
    let plans = plans.chain(args.guards_of.iter().flatten());
    let inputs = args.planning.mutes.iter().chain(plans);
    check_outputs(&session.workspace, inputs, outputs)
}

fn begin(global: &Global, args: &ApplyArgs) -> Result<(Session, Intent), Failure> {
    let session = Session::begin(global, &args.network, &args.selection, args.deadline)?;
    let mut session = session.with_mutes(args.planning.mutes.as_deref())?;
    session.workspace.run = args.run.run(global)?;
    check(args, &session)?;
    let plans = (args.plan.as_deref(), args.covered_by.as_deref());
    let scope = &mut session.workspace.scope;
    let intent = Intent::of(plans, args.planning.mode(), &mut scope.selection)?;
    scope.planned = intent.selection();
    let mut base = BaseGuard::default();
    let reviewed = intent.reviewed();
    let named = args.guards_of.as_deref().map(saved_plan::read_all);
    let named = named.transpose()?;
    let guarding = named.as_deref().unwrap_or(reviewed);
    for saved in guarding {
        base.extend(&saved.terms.base);
    }
    session.keep_to(base, guarding.iter().map(SavedPlan::weakened).sum());
    session.is_reviewed = !reviewed.is_empty();
    let allowed = reviewed.iter().flat_map(|saved| saved.terms.allowed());
    let allowed: Vec<AllowedReport> = allowed.collect();
    let asked = &args.planning;
    session.allowed = AllowedReport::all(&asked.allow, asked.max_changes, &allowed);
    Ok((session, intent))
}

fn show(
    plan: &Plan,
    files: &Loaded,
    refusals: &[Refusal],
    session: &Session,
    args: &ApplyArgs,
    output: &mut Output,
) -> Result<(), Failure> {
    if !plan.is_empty() && refusals.is_empty() {
        // Before anybody reads a plan: without a key and an address there is nothing to approve.
        session.service(&plan.app)?;
    }
    if args.report.format == Format::Text {
        let report = session.report(PlanReport::new(plan, &files.origins, refusals, None));
        output.pages(text::page(&view(&report, session)));
    }
    Ok(())
}

fn view<'a>(plan: &'a PlanReport, session: &Session) -> View<'a> {
    let detail = session.detail();
    view::plan(plan, detail).grouped(detail)
}

/// Says which rooms of a saved plan are no longer as they were, and what would be done to them now.
fn show_stale(
    narrowed: &Narrowed,
    files: &Loaded,
    session: &Session,
    options: &Options<'_>,
    output: &Output,
) {
    output.note(&saved_plan::notes(narrowed));
    let instead = saved_plan::instead(narrowed, options);
    let now = session.report(PlanReport::of(instead, &files.origins, &[], None));
    if !now.changes.is_empty() {
        let now: String = text::page(&view(&now, session)).collect();
        output.note(&format!("\nWhat would be done to these now:\n\n{now}\n"));
    }
}

/// Nothing of a saved plan is done when a part of it is stale, unless that was asked for.
fn refuse_stale(
    session: &Session,
    held: &Held<'_>,
    narrowed: &Narrowed,
    args: &ApplyArgs,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let none = saved_plan::none_done(narrowed);
    let done = (&*none, &*narrowed.others);
    print_end(
        (session, held.due(None)),
        done,
        Vec::new(),
        &narrowed.plan,
        args,
        output,
    )?;
    Err(saved_plan::refused(narrowed))
}

/// Whether the plan may be carried out: within its limits, and approved.
fn permit(
    session: &Session,
    plan: &Plan,
    refusals: &[Refusal],
    args: &ApplyArgs,
    output: &Output,
) -> Result<(), Failure> {
    if !refusals.is_empty() {
        return Err(guarded(refusals));
    }
    // Nothing is sent any more, and the report says why.
    if session.is_interrupted() {
        return Ok(());
    }
    warn_of_deadline(plan, args, output);
    let (yes, question) = (args.yes, question(&session.workspace, plan));
    let asking = interrupt::answered(move || approve(yes, &question));
    let answer = session.workspace.runtime()?.block_on(asking);
    answer.unwrap_or_else(|| {
        output.note("\n");
        let message = "interrupted; nothing was done";
        Err(Failure::new(Exit::Interrupted, message))
    })
}

/// Carries the plan out with every event in the journal.
///
/// Returns the receipts, and whether the state moved by that or had `moved` before; or why it cannot be saved.
fn carry_out(
    session: &Session,
    plan: &Arc<Plan>,
    limits: &Limits,
    (held, moved): (&mut Held<'_>, bool),
    args: &ApplyArgs,
    output: &mut Output,
) -> Result<(Vec<Receipt>, Result<bool, Failure>), Failure> {
    let service = session.service(&plan.app)?;
    let audit = args.audit_file.as_deref();
    let audit = audit.map(|path| Audit::open(path, &session.workspace, (plan, &held.state)));
    let mut audit = audit.transpose()?;
    let journal = match held.begin() {
        Ok(journal) => journal,
        Err(error) => {
            let untried = plan.actionable();
            let untried = untried.map(|c| Receipt::skipped(&c.room, c.action, &error));
            return Ok((untried.collect(), Err(error.into())));
        }
    };
    let rooms = plan.actionable().count();
    let mut progress = Progress::new(rooms, args.report.format, detail(session, args), output);
    let abandoned = Cell::new(false);
    let job = Job {
        plan,
        limits,
        run: &session.workspace.run,
        parallelism: session.parallelism,
    };
    let applying = apply(
        job,
        &mut held.state,
        service,
        &journal,
        async {
            interrupt::second(&service.stop).await;
            abandoned.set(true);
        },
        |index, receipt| {
            let added = audit
                .as_mut()
                .map_or(Ok(()), |audit| audit.add(index, receipt));
            if let Err(why) = added {
                service.stop.stop(StopReason::Unrecorded(why));
            }
            progress.ended(index, receipt);
        },
    );
    let (receipts, has_moved) = session.workspace.runtime()?.block_on(applying);
    drop(progress);
    if abandoned.get() {
        let left = Failure::new(Exit::Interrupted, "interrupted twice: left at once");
        let left = left.hint("every receipt so far is in the journal; the next run takes them in");
        return Ok((receipts, Err(left)));
    }
    Ok((receipts, Ok(moved || has_moved)))
}

/// Says beforehand that the rate is too low for the deadline.
fn warn_of_deadline(plan: &Plan, args: &ApplyArgs, output: &Output) {
    let (Some(deadline), Some(seconds)) = (args.deadline, plan.forecast.seconds) else {
        return;
    };
    let deadline = deadline.as_secs_f64();
    if seconds > deadline {
        output.note(&format!(
            "warning: this takes at least {seconds:.0} s at the set rate, and the deadline is {deadline:.0} s: the \
             rooms that do not fit are left for the next run\n"
        ));
    }
}

/// The receipt of a room that nothing was planned for, since it could not be read.
fn unread(room: &Unreadable) -> Receipt {
    let action = match room.file {
        Some(_) => Action::Update,
        None => Action::Orphan,
    };
    Receipt {
        held_back: room.was_read,
        ..Receipt::skipped(&room.room, action, &room.message)
    }
}

/// Prints what was done, and the rooms that a saved plan left out.
fn print_end(
    (session, state): (&Session, StateId),
    (receipts, others): (&[Receipt], &[RoomName]),
    undeclared: Vec<UndeclaredRoom>,
    plan: &Plan,
    args: &ApplyArgs,
    output: &mut Output,
) -> Result<Summary, Failure> {
    let stopped = session.stopped().as_ref().map(StopReason::sentence);
    let report = ApplyReport {
        uncovered: others.iter().map(ToString::to_string).collect(),
        allowed: session.allowed.clone(),
        run: session.workspace.run.clone(),
        undeclared,
        ..ApplyReport::new(&plan.app, state, receipts, stopped, plan.left_out)
    };
    let summary = report.summary;
    print_report(report, &args.report, detail(session, args), output)?;
    Ok(summary)
}

/// As text, each room is shown when it ends.
fn detail(session: &Session, args: &ApplyArgs) -> Detail {
    Detail {
        rooms_shown: args.report.format == Format::Text,
        ..session.detail()
    }
}

/// The plan goes further than it may.
fn guarded(refusals: &[Refusal]) -> Failure {
    let mut reasons = refusals.iter().map(ToString::to_string);
    Failure::new(Exit::Refused, reasons.next().unwrap_or_default())
        .causes(reasons)
        .hint("nothing was sent")
}

/// What is about to be done, for whoever approves it.
fn question(workspace: &Workspace, plan: &Plan) -> String {
    let rooms = count(plan.actionable().count() as u64, "room");
    if workspace.sandbox {
        return format!("Change {rooms} of the sandbox");
    }
    let app = &plan.app;
    format!("Change {rooms} of {app} at {}", workspace.base_url(app))
}

/// What a saved plan does not have, somebody at a terminal reads; a pipeline that is green would say that all is applied.
fn unless_left(exit: Exit, others: &[RoomName], output: &Output) -> Exit {
    let is_done = matches!(exit, Exit::Done | Exit::Differences | Exit::Partial);
    if others.is_empty() || !is_done || can_be_asked() {
        return exit;
    }
    let rooms = count(others.len() as u64, "room");
    let how = if exit == Exit::Partial {
        " in part"
    } else {
        ""
    };
    let message =
        format!("the plan is applied{how}, and does not cover all: {rooms} would still change");
    let hint =
        "make a new plan and have it reviewed; --target and --exclude leave out what is not meant";
    output.error(&Failure::new(Exit::Refused, message).hint(hint));
    Exit::Refused
}

fn exit(
    (summary, is_news): (Summary, bool),
    receipts: &[Receipt],
    plan: &Plan,
    session: &Session,
    args: &ApplyArgs,
) -> Exit {
    match session.stopped() {
        Some(StopReason::Interrupted) => return Exit::Interrupted,
        Some(StopReason::Unrecorded(_)) => return Exit::State,
        // It did what it could in its time, even if that was nothing.
        Some(StopReason::Deadline) if summary.not_done() > 0 => return Exit::Partial,
        _ => {}
    }
    if plan.any_unread() {
        return Exit::Service;
    }
    let held_back = receipts.iter().filter(|receipt| receipt.held_back).count() as u64;
    let moved =
        is_news || summary.overridden > 0 || receipts.iter().any(|one| !one.undeclared.is_empty());
    match (summary.done(), summary.not_done()) {
        (_, 0) if receipts.iter().any(|one| one.not_allowed) => Exit::Partial,
        (_, 0) if args.detailed_exitcode && moved => Exit::Differences,
        (_, 0) => Exit::Done,
        (0, not_done) if held_back < not_done => Exit::Service,
        _ => Exit::Partial,
    }
}
