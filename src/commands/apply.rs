//! `apply`: plans, asks, carries out, records, reports.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::runtime::Runtime;
use uuid::Uuid;

use super::approval::approve;
use super::cli::{ApplyArgs, Format, Global};
use super::exit::{Exit, Failure};
use super::holder::this_process;
use super::interrupt::{self, Interrupted};
use super::output::Output;
use super::plan::recovered as recovered_note;
use super::planning::Planning;
use super::progress::Progress;
use super::service;
use super::settings::Settings;
use super::validate::{accept, load};
use crate::io::apply::apply;
use crate::io::exchange::Service;
use crate::io::http::Http;
use crate::io::journal::Journal;
use crate::io::stop::StopReason;
use crate::io::store::{Found, LocalStore};
use crate::planner::plan::Unreadable;
use crate::planner::{Action, Outcome, Plan, Rate, Receipt, State};
use crate::report::apply::Summary;
use crate::report::{self, ApplyReport, PlanReport, text};

/// Runs the command.
///
/// # Errors
/// When anything but single rooms goes wrong; rooms that fail are in the report and the exit code.
pub fn run(global: &Global, args: &ApplyArgs, output: &mut Output) -> Result<Exit, Failure> {
    let settings = Settings::new(global)?;
    let loaded = accept(load(&settings), output)?;
    let store = settings.store();
    let _lock = store.lock(&this_process())?;
    let Found { state, recovered } = settings.load_state()?;
    if recovered > 0 {
        output.note(&recovered_note(recovered));
    }
    let mut memory = Memory {
        store,
        state,
        recovered,
    };
    let planning = Planning {
        settings: &settings,
        args: &args.planning,
        network: &args.network,
        drift_only: args.drift_only,
    };
    let runtime = service::runtime()?;
    let open = || {
        let app = &memory.state.app;
        runtime.block_on(service::open(&settings, app, args.network.timeout))
    };
    // Without a look at the service it is only opened when there is something to send.
    let (plan, opened) = if planning.looks() {
        let backend = open()?;
        let plan = runtime.block_on(planning.online(&loaded, &memory.state, &backend))?;
        (plan, Some(backend))
    } else {
        (planning.offline(&loaded, &memory.state)?, None)
    };
    let refusal = planning.refusal(&plan);
    let (rate, _) = settings.pace(&args.network.pace)?;
    let shown = PlanReport::new(&plan, &loaded.lines, refusal.as_ref());
    show(&shown, args, &rate, output);
    if plan.is_empty() {
        memory.fold()?;
        let receipts: Vec<Receipt> = plan.unreadable.iter().map(unread).collect();
        return end(&memory.state, &receipts, None, args, output);
    }
    if let Some(refusal) = refusal {
        return Err(Failure::new(Exit::Refused, refusal));
    }
    all_known(&plan)?;
    approve(args.yes, &question(&settings, &memory.state.app, &plan))?;
    let backend = match opened {
        Some(backend) => backend,
        None => open()?,
    };
    let run = Run {
        plan: &plan,
        service: service::paced(&settings, &args.network, &backend)?,
        parallelism: settings.parallelism(args.network.parallelism)?,
        format: args.report.format,
    };
    let stop = run.service.stop.clone();
    let (receipts, saved) = memory.through(run, &runtime, output)?;
    runtime.block_on(backend.close())?;
    // Whatever became of the state, the report is told first: it says what was done.
    let exit = end(
        &memory.state,
        &receipts,
        stop.reason().as_ref(),
        args,
        output,
    )?;
    saved.map(|()| exit)
}

/// The state, and where it is kept. Under the lock.
struct Memory {
    store: LocalStore,
    state: State,
    /// Events of an unfinished run that are in the state, and not yet in its file.
    recovered: usize,
}

impl Memory {
    /// Carries `run` out with every event in the journal, and saves what it learnt.
    ///
    /// Returns the receipts, and whether the state was saved.
    fn through(
        &mut self,
        run: Run<'_>,
        runtime: &Runtime,
        output: &mut Output,
    ) -> Result<(Vec<Receipt>, Result<(), Failure>), Failure> {
        if self.state.lineage.is_empty() {
            self.state.lineage = Uuid::new_v4().to_string();
        }
        self.fold()?;
        let before = self.state.clone();
        let journal = Arc::new(self.store.begin(&self.state)?);
        let mut unread: Vec<Receipt> = run.plan.unreadable.iter().map(unread).collect();
        let applied = runtime.block_on(carry_out(run, &mut self.state, &journal, output));
        let mut receipts = applied?;
        receipts.append(&mut unread);
        // All workers have ended, so this is the last one who knows the journal.
        if let Some(journal) = Arc::into_inner(journal) {
            journal.end();
        }
        Ok((receipts, self.save(&before)))
    }

    /// Saves what the run learnt. When that is nothing, the state keeps its bytes.
    fn save(&mut self, before: &State) -> Result<(), Failure> {
        if self.state == *before {
            return Ok(self.store.drop_journal()?);
        }
        self.store.save(&mut self.state).map_err(|error| {
            Failure::from(error)
                .hint("every receipt is in the journal beside it; the next run takes them in")
        })
    }

    /// Saves what an unfinished run left, so that a new journal can begin.
    fn fold(&mut self) -> Result<(), Failure> {
        if self.recovered > 0 {
            self.store.save(&mut self.state)?;
            self.recovered = 0;
        } else {
            self.store.drop_journal()?;
        }
        Ok(())
    }
}

/// What a run works with.
struct Run<'a> {
    plan: &'a Plan,
    service: Service<Http>,
    parallelism: usize,
    format: Format,
}

/// Applies until all rooms have ended, or until the second interrupt.
async fn carry_out(
    run: Run<'_>,
    state: &mut State,
    journal: &Arc<Journal>,
    output: &mut Output,
) -> Result<Vec<Receipt>, Failure> {
    let stop = run.service.stop.clone();
    let service: Arc<Service<Http>> = Arc::new(run.service);
    let rooms = run.plan.actionable().count();
    let mut progress = Progress::new(rooms, run.format, output);
    let applying = apply(
        run.plan,
        state,
        &service,
        journal,
        run.parallelism,
        |receipt| {
            progress.ended(receipt);
        },
    );
    let receipts = tokio::select! {
        receipts = applying => receipts,
        Interrupted = interrupt::second(&stop) => {
            return Err(Failure::new(Exit::Interrupted, "interrupted twice: left at once").hint(
                "every receipt so far is recorded; the next run reads what was in flight",
            ));
        }
    };
    progress.finish();
    Ok(receipts)
}

fn show(plan: &PlanReport, args: &ApplyArgs, rate: &Rate, output: &mut Output) {
    if args.report.format == Format::Text {
        output.result(&text::plan(plan, &rate.to_string()));
    }
}

/// The receipt of a room that nothing was planned for, since it could not be read.
fn unread(room: &Unreadable) -> Receipt {
    Receipt {
        room: room.room.clone(),
        action: if room.file.is_some() {
            Action::Update
        } else {
            Action::Orphan
        },
        outcome: Outcome::Skipped,
        attempts: 0,
        http_status: None,
        message: Some(format!("not tried: {}", room.message)),
        overridden: Vec::new(),
        unobservable: Vec::new(),
    }
}

/// Tells what happened, and the exit code of it.
fn end(
    state: &State,
    receipts: &[Receipt],
    stopped: Option<&StopReason>,
    args: &ApplyArgs,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let report = ApplyReport::new(state, receipts, stopped.map(StopReason::sentence));
    match args.report.format {
        Format::Text if receipts.is_empty() => {}
        Format::Text => output.result(&text::apply_end(&report)),
        Format::Json => output.result(&report::json(&report)?),
    }
    Ok(exit(report.summary, stopped, args))
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
fn question(settings: &Settings, app: &str, plan: &Plan) -> String {
    let rooms = count(plan.actionable().count());
    if settings.sandbox {
        return format!("Change {rooms} of the sandbox");
    }
    format!("Change {rooms} of {app} at {}", settings.base_url(app))
}

fn count(rooms: usize) -> String {
    format!("{rooms} room{}", if rooms == 1 { "" } else { "s" })
}

fn exit(summary: Summary, stopped: Option<&StopReason>, args: &ApplyArgs) -> Exit {
    match stopped {
        Some(StopReason::Interrupted) => return Exit::Interrupted,
        Some(StopReason::Unrecorded(_)) => return Exit::State,
        _ => {}
    }
    match (summary.done(), summary.not_done()) {
        (_, 0) if args.detailed_exitcode && summary.overridden > 0 => Exit::Differences,
        (_, 0) => Exit::Done,
        (0, _) => Exit::Service,
        _ => Exit::Partial,
    }
}
