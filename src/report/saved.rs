//! A saved plan: a plan in a file, to be applied later.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::envelope::{self, Envelope, ReadError, Report, json};
use super::plan::ChangeReport;
use super::{AllowedReport, PlanReport, StateId};
use crate::model::{Effect, digest, sum};
use crate::planner::forecast::forecast;
use crate::planner::limits::{BaseGuard, MaxChanges};
use crate::planner::{Action, Cause, Rate, SavedChange, Selection};

/// What was looked at, and how far the plan may go. `apply` makes its own plan in the same way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Mode {
    /// Whether the service was looked at.
    pub live: bool,
    /// Whether only what the service moved is put back.
    pub drift_only: bool,
    /// Whether rooms that no file wants are archived.
    pub prune: bool,
    /// Whether rooms are sent again in which nothing has to be.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reassert: bool,
}

/// What its report says of time and guard was made with. `apply` has its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Terms {
    /// How many requests could start at once.
    pub burst: u32,
    /// How many rooms had been applied before.
    pub managed: u64,
    /// How many rooms were allowed to change, `12` or `40%`; null: as many as usual.
    #[schemars(with = "Option<String>")]
    pub max_changes: Option<MaxChanges>,
    /// The effects that were allowed.
    pub allowed: Vec<Effect>,
    /// What the base of the change forbids. It counts where the plan is applied, too.
    #[serde(default, skip_serializing_if = "BaseGuard::is_empty")]
    pub base: BaseGuard,
}

/// What a plan may be applied to, beside its app.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Target {
    /// Address of the service; `sandbox` for the embedded simulator.
    pub address: String,
    /// Where the state is kept, from the configuration's directory.
    pub location: String,
}

/// A plan that was saved. Holds no secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "roomctl saved plan")]
pub(crate) struct SavedPlan {
    /// Version of the program that made it.
    pub roomctl: String,
    /// The app whose rooms these are.
    pub app: String,
    /// The service and the state that it is for.
    pub target: Target,
    /// The state that the files were compared with.
    pub state: StateId,
    /// How it was made.
    pub mode: Mode,
    /// The rooms that it was made for.
    #[serde(default, skip_serializing_if = "Selection::is_empty")]
    pub selection: Selection,
    /// What its report was made with.
    pub terms: Terms,
    /// Its changes, in the order of the plan.
    pub changes: Vec<SavedChange>,
    /// The report of the plan, for `render` and for people.
    #[serde(serialize_with = "envelope::serialize")]
    #[schemars(with = "Envelope<'_, PlanReport>")]
    pub report: PlanReport,
    /// Digest over all of the above.
    pub seal: String,
}

impl Terms {
    /// What the report of a plan with these terms says of that.
    pub(crate) fn allowed(&self) -> Vec<AllowedReport> {
        AllowedReport::all(&self.allowed, self.max_changes, &[])
    }
}

impl Target {
    /// The address of the embedded simulator, and its app.
    pub(crate) const SANDBOX: &str = "sandbox";
}

impl Report for SavedPlan {
    const KIND: &'static str = "saved-plan";
}

impl SavedPlan {
    pub(crate) fn new(
        target: Target,
        mode: Mode,
        selection: Selection,
        terms: Terms,
        changes: Vec<SavedChange>,
        report: &PlanReport,
    ) -> Self {
        let mut plan = Self {
            roomctl: env!("CARGO_PKG_VERSION").to_owned(),
            app: report.app.clone(),
            target,
            state: report.state.clone(),
            mode,
            selection,
            terms,
            changes,
            report: report.clone(),
            seal: String::new(),
        };
        plan.seal();
        plan
    }

    /// Gives it the seal that belongs to it. Returns the one that it had.
    pub(crate) fn seal(&mut self) -> String {
        let before = std::mem::take(&mut self.seal);
        self.seal = digest::of(self);
        before
    }

    /// Reads a file exactly as it was written. The version is looked at before the rest.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, ReadError> {
        let kind = envelope::kind(bytes)?;
        if kind != Self::KIND {
            return Err(ReadError::kind(&kind));
        }
        let mut read: Self = serde_json::from_slice(bytes).map_err(|error| edited(bytes, error))?;
        // The text, too: of what stands in it twice, two readers could see two things.
        let is_sealed = json(&read)?.as_bytes() == bytes && read.seal() == read.seal;
        if is_sealed && read.lists_what_it_shows() {
            return Ok(read);
        }
        Err(ReadError::Edited(read.roomctl))
    }

    /// How many guards the change weakens.
    pub(crate) fn weakened(&self) -> usize {
        self.report.weakened.len()
    }

    /// Whether its report is about the same app, state and changes as the rest of it.
    fn lists_what_it_shows(&self) -> bool {
        let report = &self.report;
        let shown = report.changes.iter();
        let shown = shown.filter(|change| change.action != Action::Orphan);
        let mut pairs = self.changes.iter().zip(shown.clone());
        let puts_back = !self.mode.drift_only || pairs.all(|(one, shown)| puts_back(one, shown));
        let shown = shown.map(|change| (change.room.as_str(), change.action));
        let listed = self.changes.iter();
        let listed = listed.map(|one| (one.room.as_str(), one.action));
        report.app == self.app
            && report.state == self.state
            && report.sandbox == (self.target.address == Target::SANDBOX)
            && report.allowed == self.terms.allowed()
            && report.summary == report.counted()
            && shown.eq(listed)
            && puts_back
            && self.adds_up(report)
    }

    /// Whether requests, time and variables are those of its changes.
    fn adds_up(&self, report: &PlanReport) -> bool {
        let shown = &report.forecast;
        let Ok(rate) = shown.rate.parse::<Rate>() else {
            return false;
        };
        let requests = sum(self.changes.iter().map(|change| change.requests));
        let made = forecast(requests, &rate, self.terms.burst);
        let needs = self.changes.iter().flat_map(|change| &change.needs);
        let needs: BTreeSet<&String> = needs.collect();
        self.terms.burst > 0
            && shown.requests == requests
            && shown.seconds == made.seconds
            && shown.rate == rate.to_string()
            && report.needs.iter().eq(needs)
    }
}

/// Whether it only puts back what the service moved. That nothing of it is left to do proves nothing of a plan that was
/// made in another mode.
fn puts_back(saved: &SavedChange, shown: &ChangeReport) -> bool {
    let mut causes = shown.attributes.iter().map(|line| line.cause);
    let is_back = shown.action == Action::Create || causes.all(Cause::is_a_move_of_the_service);
    saved.is_managed && is_back
}

/// What is wrong with a saved plan that cannot be read.
fn edited(bytes: &[u8], error: serde_json::Error) -> ReadError {
    #[derive(Deserialize)]
    struct Head {
        roomctl: String,
    }
    match serde_json::from_slice::<Head>(bytes) {
        Ok(head) => ReadError::Edited(head.roomctl),
        Err(_) => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_plan_of_this_format_is_refused() {
        let refusal = |text: &str| SavedPlan::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(refusal("").contains("not a report"));
        assert!(refusal("[1]").contains("not a report"));
        assert!(refusal(r#"{"kind":"saved-plan"}"#).contains("not a report"));
        assert!(refusal(r#"{"format_version":"1.0","kind":"plan"}"#).contains("the kind `plan`"));
        assert!(refusal(r#"{"format_version":"2.0","kind":"saved-plan"}"#).contains("format 2.0"));
        assert!(
            refusal(r#"{"format_version":"1.7","kind":"saved-plan"}"#).contains("not a report")
        );
    }
}
