//! Makes the plan that `plan` shows and `apply` carries out: from files and state, or with the service
//! looked at.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::args::{NetworkArgs, PlanningArgs};
use super::exit::Failure;
use super::progress::Reading;
use super::workspace::Workspace;
use crate::files::room_files::Loaded;
use crate::model::RoomName;
use crate::planner::limits::{Limits, Refusal, refusals};
use crate::planner::{Options, Plan, State, World, plan};
use crate::service::http::Http;
use crate::service::observe::observe;
use crate::service::requests::Client;

pub(crate) struct Planning<'a> {
    pub workspace: &'a Workspace,
    /// What to look at.
    pub args: &'a PlanningArgs,
    /// How to talk to the service.
    pub network: &'a NetworkArgs,
}

impl Planning<'_> {
    /// Whether the service has to be looked at.
    pub(crate) fn looks(&self) -> bool {
        self.args.live || self.args.drift_only
    }

    /// The plan, without looking at the service.
    pub(crate) fn offline(&self, loaded: &Loaded, state: &State) -> Result<Plan, Failure> {
        Ok(plan(&loaded.wanted, state, None, &self.options()?))
    }

    /// The plan, after a look at every room it could be about.
    pub(crate) async fn online(
        &self,
        loaded: &Loaded,
        state: &State,
        service: &Arc<Client<Http>>,
    ) -> Result<Plan, Failure> {
        let world = self.look(loaded, state, service).await?;
        Ok(plan(&loaded.wanted, state, Some(&world), &self.options()?))
    }

    /// Why the plan must not be applied, if so.
    pub(crate) fn refusals(&self, plan: &Plan) -> Vec<Refusal> {
        let limits = Limits {
            max_changes: self.args.max_changes,
            require_allow: self.workspace.require_allow().to_vec(),
            allowed: self.args.allow.clone(),
        };
        refusals(plan, &limits)
    }

    /// What the plan depends on besides files and state.
    pub(crate) fn options(&self) -> Result<Options, Failure> {
        let (rate, burst) = self.workspace.pace(&self.network.pace)?;
        Ok(Options {
            rate,
            burst,
            now: self.workspace.now,
            prune: self.args.prune,
            drift_only: self.args.drift_only,
        })
    }

    async fn look(
        &self,
        loaded: &Loaded,
        state: &State,
        service: &Arc<Client<Http>>,
    ) -> Result<World, Failure> {
        let names: BTreeSet<RoomName> = loaded
            .wanted
            .keys()
            .chain(state.rooms.keys())
            .cloned()
            .collect();
        let parallelism = self.workspace.parallelism(self.network.parallelism)?;
        let reading = Reading::new(names.len());
        let names = names.into_iter().collect();
        let world = observe(service, names, parallelism, || reading.one()).await;
        reading.finish();
        Ok(world)
    }
}
