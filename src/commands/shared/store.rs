//! The state as a command opens it: with a note about an unfinished run, and under a lock that says who we are.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::runtime::Runtime;
use uuid::Uuid;

use super::exit::Failure;
use super::output::Output;
use super::pipeline;
use super::workspace::{Workspace, variable};
use crate::model::words::count;
use crate::model::{RoomName, Stored, Wanted};
use crate::planner::State;
use crate::planner::undeclared::{Learned, learned};
use crate::store::error::StoreError;
use crate::store::holder::Holder;
use crate::store::port::Record;
use crate::store::{Found, Locked};

/// The state, without its lock: a save replaces the file whole.
pub(crate) fn load(workspace: &Workspace, output: &Output) -> Result<Found, Failure> {
    Ok(noted(workspace.load_state()?, output))
}

/// The same state, after a note when an earlier run did not end.
pub(crate) fn noted(found: Found, output: &Output) -> Found {
    if found.recovered > 0 {
        let events = count(found.recovered as u64, "recorded event");
        let text = format!("note: an earlier apply did not finish; its {events} are taken in\n");
        output.note(&text);
    }
    // That run may have died before it said so.
    for (room, applied) in found.saved.iter().flat_map(|_| &found.state.rooms) {
        let before = found.saved.as_ref().and_then(|saved| saved.rooms.get(room));
        let was_told = |(name, chosen): &(&String, &Stored)| {
            before.is_some_and(|before| before.overridden.get(*name) == Some(*chosen))
        };
        for (name, _) in applied.overridden.iter().filter(|one| !was_told(one)) {
            output.note(&format!(
                "warning: in `{room}` the service chose another `{name}` than was sent\n"
            ));
        }
    }
    found
}

pub(crate) struct Held<'a> {
    runtime: &'a Runtime,
    store: Locked,
    pub state: State,
    /// The state as its file was when this run began.
    pub saved: State,
    /// The same with what an unfinished run saw, and what it wrote in doubt; `None`: there was none.
    doubted: Option<State>,
    /// Whether `state` holds events of an unfinished run that its file does not hold yet.
    recovered: bool,
}

/// Locks the state for this process, says when somebody died with the lock, and loads it.
pub(crate) fn lock<'a>(workspace: &'a Workspace, output: &Output) -> Result<Held<'a>, Failure> {
    let runtime = workspace.runtime()?;
    let store = runtime.block_on(workspace.store.lock(&this_process()))?;
    if let Some(left) = &store.left {
        output.note(&format!(
            "note: the run of {left} ended without releasing its lock; the lock is taken over\n"
        ));
    }
    let Found {
        state,
        recovered,
        saved,
        looked,
    } = load(workspace, output)?;
    Ok(Held {
        runtime,
        store,
        saved: saved.unwrap_or_else(|| state.clone()),
        doubted: looked.map(|looked| looked.doubting(&state)),
        state,
        recovered: recovered > 0,
    })
}

impl Held<'_> {
    /// What was learned since the state was last saved by a run that ended.
    pub(crate) fn learned(&self, wanted: &Wanted, now: i64) -> BTreeMap<RoomName, Learned> {
        let before = self.doubted.as_ref().unwrap_or(&self.saved);
        learned((&self.saved, before), &self.state, wanted, now)
    }

    /// Begins the journal of a run, with what an unfinished one left saved before.
    pub(crate) fn begin(&mut self) -> Result<Arc<dyn Record>, StoreError> {
        self.save(false)?;
        self.start_lineage();
        self.runtime.block_on(self.store.begin(&self.state))
    }

    pub(crate) fn start_lineage(&mut self) {
        if self.state.lineage.is_empty() {
            self.state.lineage = Uuid::new_v4().to_string();
        }
    }

    /// Saves the state if this run `changed` it, or if an unfinished one did. Otherwise its file keeps its bytes.
    pub(crate) fn save(&mut self, changed: bool) -> Result<(), StoreError> {
        if !changed && !self.recovered {
            return self.runtime.block_on(self.store.drop_journal());
        }
        self.runtime.block_on(self.store.save(&mut self.state))?;
        self.recovered = false;
        Ok(())
    }
}

/// This process: the CI run if there is one, else the user.
fn this_process() -> Holder {
    let users = ["USER", "LOGNAME", "USERNAME"].into_iter();
    let holder = pipeline::page()
        .into_iter()
        .chain(users.filter_map(variable))
        .next();
    Holder {
        holder: holder.unwrap_or_else(|| "somebody".to_owned()),
        host: gethostname::gethostname().to_string_lossy().into_owned(),
        pid: std::process::id(),
        since: Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    }
}
