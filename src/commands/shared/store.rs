//! The state as a command opens it: with a note about an unfinished run, and under a lock that says who we are.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::runtime::Runtime;
use uuid::Uuid;

use super::cache::is_none_kept;
use super::environment::variable;
use super::exit::{Exit, Failure};
use super::output::Output;
use super::pipeline;
use super::workspace::Workspace;
use crate::model::RoomName;
use crate::model::words::count;
use crate::planner::State;
use crate::planner::limits::{Limits, more_moved};
use crate::planner::undeclared::{Learned, learned};
use crate::report::view::{self, Detail};
use crate::report::{StateId, UndeclaredRoom};
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
    found
}

/// What reports told, as far as the state knows.
pub(crate) struct Told {
    /// The state as its file was when this run began.
    pub saved: State,
    /// The same with what an unfinished run saw, and what it wrote in doubt; `None`: there was none.
    doubted: Option<State>,
}

impl Told {
    /// With what was `looked` at by a run that died before it told what led to `state`.
    pub(crate) fn new(saved: Option<State>, looked: Option<State>, state: &State) -> Self {
        Self {
            saved: saved.unwrap_or_else(|| state.clone()),
            doubted: looked.map(|looked| looked.doubting(state)),
        }
    }

    /// What was learned since by whoever knows `state`.
    pub(crate) fn learned(&self, state: &State, now: i64) -> News {
        let before = self.doubted.as_ref().unwrap_or(&self.saved);
        learned((&self.saved, before), state, now)
    }

    /// A state to remember a look in, where writes are in doubt: what the look shows may have been made by them.
    pub(crate) fn in_doubt(&self, state: &State) -> Option<State> {
        let is_any = || state.rooms.values().any(|room| room.is_in_doubt());
        (self.doubted.is_some() || is_any()).then(|| state.clone())
    }

    /// The same as `learned`, and what writes in doubt made by what was `looked` at since: that ends the doubt, so that no
    /// later look tells it.
    pub(crate) fn learned_by(&self, looked: Option<&State>, state: &State, now: i64) -> News {
        let mut news = self.learned(state, now);
        let made = looked.map(|looked| self.learned(looked, now));
        news.extend(
            made.into_iter()
                .flatten()
                .filter(|(_, learned)| learned.is_made()),
        );
        news
    }
}

/// What no report told yet, by room.
pub(crate) type News = BTreeMap<RoomName, Learned>;

/// Says it in the words of a report: a log may be all that somebody reads.
pub(crate) fn tell(news: &News, detail: Detail, output: &Output) {
    for remark in view::undeclared(UndeclaredRoom::learned(news, &[]).iter(), detail) {
        output.note(&format!("warning: {}\n", remark.text));
    }
}

/// What of it is not allowed. Whatever rooms a run is about: it takes in what another left, and no later one learns it.
pub(crate) fn refused(news: &News, limits: &Limits) -> Vec<String> {
    let why = news.iter().filter_map(|(room, learned)| {
        let why = limits.objections(room, &[], &learned.effects)?;
        Some(more_moved(room, &why))
    });
    why.collect()
}

pub(crate) struct Held<'a> {
    runtime: &'a Runtime,
    store: Locked,
    pub state: State,
    pub told: Told,
    /// Whether `state` holds events of an unfinished run that its file does not hold yet.
    recovered: bool,
}

/// Locks the state for this process, says when somebody died with the lock, and loads it.
pub(crate) fn lock<'a>(workspace: &'a Workspace, output: &Output) -> Result<Held<'a>, Failure> {
    let runtime = workspace.runtime()?;
    let store = runtime.block_on(workspace.store.lock(&this_process()))?;
    is_none_kept(workspace);
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
        told: Told::new(saved, looked, &state),
        state,
        recovered: recovered > 0,
    })
}

impl Held<'_> {
    /// What was learned since the state was last saved by a run that ended.
    pub(crate) fn learned(&self, now: i64) -> News {
        self.told.learned(&self.state, now)
    }

    /// Says what is news of what an unfinished run left, for a command that makes no report of it and takes it in. With what is not allowed
    /// of it the command has to end, once it has done what it was asked for.
    pub(crate) fn tell(
        &self,
        workspace: &Workspace,
        news: &News,
        output: &Output,
    ) -> Result<(), Failure> {
        tell(news, Detail::default(), output);
        let mut refused = refused(news, &workspace.limits()).into_iter();
        let Some(why) = refused.next() else {
            return Ok(());
        };
        Err(Failure::new(Exit::Refused, why).causes(refused).hint(
            "perhaps an earlier write did this, of which no report told the end; the command did what it was asked for",
        ))
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

    /// The state as a report names it before it is saved; `None`: it will not be.
    pub(crate) fn due(&self, changed: Option<bool>) -> StateId {
        let is_next = changed.is_some_and(|changed| changed || self.recovered);
        let serial = self.state.serial.saturating_add(u64::from(is_next));
        StateId::new(&self.state.lineage, serial)
    }

    /// Puts a copy of a state that was saved elsewhere in the place of this one.
    pub(crate) fn put(&self, state: &State) -> Result<(), StoreError> {
        self.runtime.block_on(self.store.put(state))
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
pub(crate) fn this_process() -> Holder {
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
        until: None,
    }
}
