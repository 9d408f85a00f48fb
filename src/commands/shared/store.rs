//! The state as a command opens it, its lock, and who we are in that.

use jiff::Timestamp;

use super::exit::Failure;
use super::output::Output;
use super::workspace::Workspace;
use crate::report::values::count;
use crate::store::holder::Holder;
use crate::store::{Found, Locked};

/// The state, without its lock: a save replaces the file whole.
pub(crate) fn load(workspace: &Workspace, output: &Output) -> Result<Found, Failure> {
    Ok(noted(workspace.load_state()?, output))
}

/// The same state, after a note when an earlier run did not end.
pub(crate) fn noted(found: Found, output: &Output) -> Found {
    if found.recovered > 0 {
        output.note(&format!(
            "note: an earlier apply did not finish; its {} are taken in\n",
            count(found.recovered as u64, "recorded event")
        ));
    }
    found
}

/// Locks the state for this process, and tells when somebody died with the lock.
pub(crate) fn lock(workspace: &Workspace, output: &Output) -> Result<Locked, Failure> {
    let locked = workspace
        .runtime()?
        .block_on(workspace.store.lock(&this_process()))?;
    if let Some(left) = &locked.left {
        output.note(&format!(
            "note: the run of {left} ended without releasing its lock; the lock is taken over\n"
        ));
    }
    Ok(locked)
}

/// This process: the CI run if there is one, else the user.
fn this_process() -> Holder {
    Holder {
        holder: ci_run()
            .or_else(user)
            .unwrap_or_else(|| "somebody".to_owned()),
        host: gethostname::gethostname().to_string_lossy().into_owned(),
        pid: std::process::id(),
        since: Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn user() -> Option<String> {
    variable("USER")
        .or_else(|| variable("LOGNAME"))
        .or_else(|| variable("USERNAME"))
}

/// The page of the CI run, from the variables that the usual services set.
fn ci_run() -> Option<String> {
    if let (Some(server), Some(repository), Some(run)) = (
        variable("GITHUB_SERVER_URL"),
        variable("GITHUB_REPOSITORY"),
        variable("GITHUB_RUN_ID"),
    ) {
        return Some(format!("{server}/{repository}/actions/runs/{run}"));
    }
    variable("CI_JOB_URL").or_else(|| variable("BUILD_URL"))
}
