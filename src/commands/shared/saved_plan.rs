//! Saved plans: written by `plan --out`, and held against what would be done now by `apply FILE`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::args::PlanningArgs;
use super::exit::{Exit, Failure};
use super::report_file;
use crate::disk::plain_file::{MAX_DATA, check_size};
use crate::model::words::count;
use crate::model::words::printable;
use crate::planner::{Change, Narrowed, Options, Outcome, Plan, Receipt, Stale, State};
use crate::report::json;
use crate::report::saved::{Mode, SavedPlan, Target};

pub(crate) fn write(path: &Path, plan: &SavedPlan) -> Result<(), Failure> {
    let text = json(plan)?;
    check_size(text.as_bytes(), MAX_DATA).map_err(|unfit| {
        let message = format!("the plan is not saved, since nothing could apply it: {unfit}");
        Failure::new(Exit::Refused, message)
            .hint("save it in parts (--target, --exclude), or apply without a saved plan")
    })?;
    report_file::write(path, "plan", &text)
}

pub(crate) fn read(path: &Path) -> Result<SavedPlan, Failure> {
    let bytes = report_file::read(path, "plan")?;
    SavedPlan::parse(&bytes).map_err(|error| {
        let mut failure = report_file::unread(&error);
        failure.message = format!("{} cannot be applied: {}", path.display(), failure.message);
        failure.hint("`roomctl plan --out FILE` makes one")
    })
}

pub(crate) fn read_all(paths: &[PathBuf]) -> Result<Vec<SavedPlan>, Failure> {
    paths.iter().map(|path| read(path)).collect()
}

/// Whether what a plan showed to its reviewers is what is done.
pub(crate) fn verify(untrue: Option<String>) -> Result<(), Failure> {
    let Some(untrue) = untrue else {
        return Ok(());
    };
    let message = "the saved plan shows something else than would be done now; nothing was sent";
    Err(Failure::new(Exit::Refused, message)
        .causes([printable(&untrue)])
        .hint("make a new plan and have it reviewed"))
}

/// Whether a plan is for this app, service and state at all.
pub(crate) fn check(plan: &SavedPlan, state: &State, here: &Target) -> Result<(), Failure> {
    if plan.app != state.app {
        let (planned, here) = (&plan.app, &state.app);
        let message = format!("the plan is for the app `{planned}`, and this is `{here}`");
        return Err(Failure::new(Exit::Refused, message));
    }
    let (there, service, kept) = (
        &plan.target,
        "for the service at",
        "made against the state in",
    );
    let targets = [
        ("--base-url", service, &there.address, &here.address),
        ("--state", kept, &there.location, &here.location),
    ];
    let mut targets = targets.into_iter();
    if let Some((flag, what, planned, here)) = targets.find(|(.., planned, here)| planned != here) {
        let (planned, here) = (planned.escape_debug(), here.escape_debug());
        let message = format!("the plan is {what} `{planned}`, and this is `{here}`");
        let hint = format!(
            "if `{planned}` is right, apply it with `{flag} {planned}`; else make the plan again with `{flag} {here}`"
        );
        return Err(Failure::new(Exit::Refused, message).hint(hint));
    }
    match &plan.state.lineage {
        Some(lineage) if *lineage != state.lineage => {
            let message = "the plan was made against another state: their lineages differ";
            Err(Failure::new(Exit::Refused, message).hint("make the plan again with this state"))
        }
        _ => Ok(()),
    }
}

/// What goes beyond the files is said by whoever applies it, not only by a file.
pub(crate) fn check_mode(planned: Mode, args: &PlanningArgs) -> Result<(), Failure> {
    let flags = [
        ("--prune", planned.prune, args.prune),
        ("--drift-only", planned.drift_only, args.drift_only),
    ];
    let Some((flag, planned, _)) = flags.into_iter().find(|(_, planned, here)| planned != here)
    else {
        return Ok(());
    };
    let (message, hint) = match planned {
        true => ("with", "pass it here, too, if that is meant"),
        false => ("without", "leave it out, or make the plan again with it"),
    };
    let message = format!("the plan was made {message} {flag}");
    Err(Failure::new(Exit::Refused, message).hint(hint))
}

/// What is said about a plan that is not applied as it was saved; nothing if it is.
pub(crate) fn notes(narrowed: &Narrowed) -> String {
    let mut text = String::new();
    let rooms = |number: usize| count(number as u64, "room");
    if !narrowed.done.is_empty() {
        let rooms = rooms(narrowed.done.len());
        text.push_str(&format!("note: applied already: {rooms} of the plan\n"));
    }
    if !narrowed.others.is_empty() {
        let rooms = rooms(narrowed.others.len());
        let left = "note: not in the plan, and left alone";
        text.push_str(&format!("{left}: {rooms} that would change\n"));
    }
    let label = match narrowed.afresh {
        true => "not reviewed",
        false => "stale",
    };
    for stale in &narrowed.stale {
        text.push_str(&format!("{label}: {}: {}\n", stale.room, stale.why));
    }
    text
}

/// What would be done now to the rooms that are no longer as in the saved plan.
pub(crate) fn instead(narrowed: &Narrowed, options: &Options<'_>) -> Plan {
    let stale = narrowed.stale.iter();
    let changes: Vec<Change> = stale.filter_map(|stale| stale.now.clone()).collect();
    Plan {
        forecast: options.forecast(&changes),
        changes,
        unreadable: Vec::new(),
        muted: BTreeMap::new(),
        ..narrowed.plan.clone()
    }
}

pub(crate) fn refused(narrowed: &Narrowed) -> Failure {
    let held = narrowed.plan.changes.len() + narrowed.plan.unreadable.len();
    let of = held + narrowed.stale.len() + narrowed.done.len();
    if narrowed.afresh {
        let rooms = count(narrowed.stale.len() as u64, "room");
        let message = format!("covered by no reviewed plan: {rooms} of {of}; nothing was sent");
        let hint = "have a plan of them reviewed; `--partial` applies those that are covered";
        return Failure::new(Exit::Refused, message).hint(hint);
    }
    let rooms = format!("of the {of} rooms in the saved plan");
    let message = match narrowed.stale.len() {
        1 => format!("one {rooms} is no longer as it was; nothing was sent"),
        stale => format!("{stale} {rooms} are no longer as they were; nothing was sent"),
    };
    Failure::new(Exit::Refused, message)
        .hint("make a new plan and have it reviewed; `--partial` applies those that are the same")
}

/// The receipts of rooms that are not done, since they are not as in the saved plan, or cannot be judged here.
pub(crate) fn skipped(narrowed: &Narrowed) -> Vec<Receipt> {
    let label = match narrowed.afresh {
        true => "covered by no reviewed plan",
        false => "not as in the saved plan",
    };
    let skipped = |stale: &Stale| {
        let why = format!("{label}: {}", stale.why);
        Receipt::new(&stale.room, stale.action, Outcome::Skipped, Some(why))
    };
    let stale = narrowed.stale.iter().map(skipped);
    stale.chain(narrowed.unset.iter().cloned()).collect()
}

/// The receipts of a saved plan of which nothing is applied.
pub(crate) fn none_done(narrowed: &Narrowed) -> Vec<Receipt> {
    let why = match narrowed.afresh {
        true => "other rooms are covered by no reviewed plan",
        false => "other rooms are not as in the saved plan",
    };
    let held_back = narrowed.plan.actionable();
    let held_back = held_back.map(|c| Receipt::skipped(&c.room, c.action, why));
    held_back.chain(skipped(narrowed)).collect()
}
