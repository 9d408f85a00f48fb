//! `state pull`, `push`, `migrate` and `rekey`: the same state in another place, or for others to read.

use std::io::{Write, stdout};
use std::path::Path;

use super::exit::{Exit, Failure};
use super::output::{Output, unwritten};
use super::report_file;
use super::state_history;
use super::store::{self, this_process};
use super::workspace::Workspace;
use crate::disk::plain_file::MAX_STATE;
use crate::files::git;
use crate::model::words::count;
use crate::planner::State;
use crate::store::port::Contents;
use crate::store::{Found, Location, LocationError, Store, state_file};

/// Writes the state to standard output as it is kept, but in clear.
pub(crate) fn pull(workspace: &Workspace, output: &Output) -> Result<Exit, Failure> {
    let runtime = workspace.runtime()?;
    let contents = runtime.block_on(workspace.store.contents())?;
    // What cannot be read is of no use elsewhere either.
    noted(&workspace.state_of(&contents)?, output);
    let Some(bytes) = contents.state else {
        return Err(Failure::new(Exit::State, "there is no state yet"));
    };
    print(&bytes)
}

/// The same of a version from before.
pub(crate) fn pull_version(workspace: &Workspace, id: &str) -> Result<Exit, Failure> {
    print(&state_history::version(workspace, id)?)
}

fn print(bytes: &[u8]) -> Result<Exit, Failure> {
    let mut to = stdout().lock();
    let written = to.write_all(bytes).and_then(|()| to.flush());
    written.map_err(|error| unwritten(&error))?;
    Ok(Exit::Done)
}

fn noted(found: &Found, output: &Output) {
    if found.recovered > 0 {
        let events = count(found.recovered as u64, "recorded event");
        output.note(&format!(
            "note: not in it: {events} of a run that did not finish; the next apply takes them in\n"
        ));
    }
}

/// Puts the state that a branch keeps in the place of the one here: a copy, with the same serial.
pub(crate) fn bring(
    workspace: &Workspace,
    revision: &str,
    output: &mut Output,
) -> Result<Exit, Failure> {
    if workspace.state_file("").is_none() {
        let message = "the state is in an object store, which every command reads itself";
        return Err(Failure::new(Exit::Usage, message));
    }
    if workspace.configuration.stack.is_some() {
        let message = "a branch keeps one state, and there are several stacks";
        return Err(Failure::new(Exit::Usage, message)
            .hint("keep their states in an object store, which every machine reads"));
    }
    let directory = Path::new(".").join(&workspace.configuration.base);
    let file = |name| {
        git::file_at(&directory, revision, name).map_err(|error| {
            let hint = "fetch the branch first: `git fetch origin roomctl-state`";
            Failure::because(Exit::State, &error).hint(hint)
        })
    };
    let contents = Contents {
        journal: file("state.json.journal")?,
        state: file("state.json")?,
    };
    if contents.state.is_none() {
        let message = format!("there is no state.json at {revision}");
        return Err(Failure::new(Exit::State, message));
    }
    let contents = workspace.store.keys.open(revision, contents)?;
    let found = workspace.state_of(&contents)?;
    let theirs = found.saved.as_ref().unwrap_or(&found.state);
    let mut held = store::lock(workspace, output)?;
    // What a run that died here recorded is not thrown away.
    held.save(false)?;
    if held.state != *theirs {
        comes_after(&held.state, theirs)?;
    }
    // Also the same: it may have been kept for others to read.
    held.put(theirs)?;
    noted(&found, output);
    let serial = theirs.serial;
    output.result(&format!(
        "The state here is that of {revision}, with serial {serial}.\n"
    ));
    Ok(Exit::Done)
}

/// Puts the state of a file in the place of the one that is kept, if it comes after that.
pub(crate) fn push(
    workspace: &Workspace,
    file: &Path,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let at = file.display().to_string();
    let read = report_file::read_most(file, "state", MAX_STATE)?;
    let read = workspace.store.keys.open_state(&at, read)?;
    let pushed = state_file::parse(&read, &at)?;
    if !workspace.takes(&pushed.app) {
        let message = format!("{at} is a state of the app `{}`", pushed.app.escape_debug());
        return Err(Failure::new(Exit::Usage, message));
    }
    let mut held = store::lock(workspace, output)?;
    held.save(false)?;
    let is_same = held.state == pushed;
    if !is_same {
        comes_after(&held.state, &pushed)?;
    }
    // Also the same: it may have been kept for others to read.
    held.put(&pushed)?;
    if is_same {
        output.result("The state is the same already.\n");
        return Ok(Exit::Done);
    }
    let serial = pushed.serial;
    output.result(&format!(
        "The state is that of {at}, with serial {serial}.\n"
    ));
    Ok(Exit::Done)
}

fn comes_after(kept: &State, pushed: &State) -> Result<(), Failure> {
    let refused = |why: String| {
        let hint = "it is kept as it is; `roomctl state pull` shows it";
        Err(Failure::new(Exit::Refused, why).hint(hint))
    };
    let is_new = kept.lineage.is_empty();
    if !is_new && kept.lineage != pushed.lineage {
        return refused(
            "the state that is kept is of another lineage: it is about other things".to_owned(),
        );
    }
    if !is_new && kept.serial >= pushed.serial {
        let (theirs, ours) = (kept.serial, pushed.serial);
        return refused(format!(
            "the state that is kept has serial {theirs}, and this one {ours}, which is not newer"
        ));
    }
    Ok(())
}

/// Saves the state as it is, so that it is encrypted for those whom the configuration names by now.
pub(crate) fn rekey(workspace: &Workspace, output: &mut Output) -> Result<Exit, Failure> {
    let recipients = workspace.store.keys.recipients.len() as u64;
    if recipients == 0 {
        let message = "the configuration names nobody whom the state would be encrypted for";
        return Err(Failure::new(Exit::Usage, message)
            .hint("write `state_encryption:` with `recipients:` into roomctl.yaml"));
    }
    let mut held = store::lock(workspace, output)?;
    if held.state.lineage.is_empty() {
        return Err(Failure::new(Exit::State, "there is no state yet"));
    }
    let told = held.tell(workspace, &held.learned(workspace.now), output);
    held.save(true)?;
    output.result(&format!(
        "The state is encrypted for {}, as serial {}. Copies of before can still be read by those who could.\n",
        count(recipients, "recipient"),
        held.state.serial
    ));
    told.map(|()| Exit::Done)
}

fn is_same(there: &State, here: &State) -> bool {
    there.lineage == here.lineage && there.rooms == here.rooms
}

/// Copies the state to a place where there is none yet.
pub(crate) fn migrate(
    workspace: &Workspace,
    to: &str,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let location: Location = to
        .parse()
        .map_err(|error: LocationError| Failure::because(Exit::Usage, &error))?;
    let mut held = store::lock(workspace, output)?;
    held.save(false)?;
    let runtime = workspace.runtime()?;
    let store = Store::open(&location)?.with(workspace.store.keys.clone());
    let target = runtime.block_on(store.lock(&this_process()))?;
    if runtime.block_on(store.contents())?.journal.is_some() {
        let message = format!("a run in {to} did not finish, and what it recorded is there");
        return Err(Failure::new(Exit::Refused, message)
            .hint("name another place, or let `roomctl apply` take that in first"));
    }
    let there = runtime.block_on(store.load(None))?.map(|found| found.state);
    if held.state.lineage.is_empty() {
        return Err(Failure::new(
            Exit::State,
            "there is no state yet that could be copied",
        ));
    }
    match there {
        // Also the same: it may be kept there for others to read.
        Some(there) if is_same(&there, &held.state) => runtime.block_on(target.put(&there))?,
        Some(_) => {
            let message = format!("there is a state in {to} already");
            return Err(Failure::new(Exit::Refused, message)
                .hint("name another place, or look at it with `roomctl state list --state`"));
        }
        None => runtime.block_on(target.put(&held.state))?,
    }
    let rooms = count(held.state.rooms.len() as u64, "room");
    output.result(&format!(
        "The state of {rooms} is in {to} now. From here on name that: `state: {to}` in roomctl.yaml, or --state. What was kept so far \
         is still there and is not written any more; remove it when nobody uses it.\n"
    ));
    Ok(Exit::Done)
}
