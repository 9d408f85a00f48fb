//! A saved plan: a plan in a file, to be applied later.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::envelope::{self, Envelope, ReadError, Report, json};
use super::plan::{AttributeReport, ChangeReport, MutedRoom, first_line, place};
use super::{PlanReport, StateId};
use crate::model::reference::Outline;
use crate::model::secret::MASK;
use crate::model::{Origins, RoomOrigins, Wanted, WantedRoom, digest};
use crate::planner::{Action, SavedChange, Selection};

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

/// A plan that was saved. Holds no secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "roomctl saved plan")]
pub(crate) struct SavedPlan {
    /// Version of the program that made it.
    pub roomctl: String,
    /// The app whose rooms these are.
    pub app: String,
    /// The state that the files were compared with.
    pub state: StateId,
    /// How it was made.
    pub mode: Mode,
    /// The rooms that it was made for.
    #[serde(default, skip_serializing_if = "Selection::is_empty")]
    pub selection: Selection,
    /// Its changes, in the order of the plan.
    pub changes: Vec<SavedChange>,
    /// The report of the plan, for `render` and for people.
    #[schemars(with = "Envelope<'_, PlanReport>")]
    pub report: Json,
    /// Digest over all of the above.
    pub seal: String,
}

impl Report for SavedPlan {
    const KIND: &'static str = "saved-plan";
}

impl SavedPlan {
    pub(crate) fn new(
        mode: Mode,
        selection: Selection,
        changes: Vec<SavedChange>,
        report: &PlanReport,
    ) -> serde_json::Result<Self> {
        let plan = Self {
            roomctl: env!("CARGO_PKG_VERSION").to_owned(),
            app: report.app.clone(),
            state: report.state.clone(),
            mode,
            selection,
            changes,
            report: envelope::json_value(report)?,
            seal: String::new(),
        };
        Ok(plan.sealed())
    }

    fn sealed(self) -> Self {
        let seal = digest::of(&Self {
            seal: String::new(),
            ..self.clone()
        });
        Self { seal, ..self }
    }

    /// Reads a file exactly as it was written. The version is looked at before the rest.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, ReadError> {
        let kind = envelope::kind(bytes)?;
        if kind != Self::KIND {
            return Err(ReadError::kind(&kind));
        }
        let read: Self = serde_json::from_slice(bytes)?;
        // The text, too: of what stands in it twice, two readers could see two things.
        let text = json(&read)?;
        let is_sealed = read.clone().sealed() == read && text.as_bytes() == bytes;
        if is_sealed && read.lists_what_it_shows() {
            return Ok(read);
        }
        Err(ReadError::Edited(read.roomctl))
    }

    /// The report in it, if nothing else is in its place.
    pub(super) fn plan(&self) -> Option<PlanReport> {
        let report = PlanReport::deserialize(&self.report).ok()?;
        let again = envelope::json_value(&report).ok()?;
        (again == self.report).then_some(report)
    }

    /// Whether its report is about the same app, state and changes as the rest of it.
    fn lists_what_it_shows(&self) -> bool {
        let Some(report) = self.plan() else {
            return false;
        };
        let shown = report.changes.iter();
        let shown = shown.filter(|change| change.action != Action::Orphan);
        let shown = shown.map(|change| (change.room.as_str(), change.action));
        let listed = self
            .changes
            .iter()
            .map(|one| (one.room.as_str(), one.action));
        report.app == self.app
            && report.state == self.state
            && report.summary == report.counted()
            && shown.eq(listed)
    }

    /// What it shows otherwise than it is done: `now` is the report of those of its changes that are still the same.
    /// Whoever changes a plan can seal it again, so what a reviewer relied on is made a second time and compared.
    pub(crate) fn untrue(
        &self,
        now: &PlanReport,
        wanted: &Wanted,
        origins: &Origins,
    ) -> Vec<String> {
        let Some(report) = self.plan() else {
            return vec!["the report as a whole".to_owned()];
        };
        let mut untrue = Vec::new();
        let nowhere = RoomOrigins::new();
        let shown = report.changes.iter();
        let shown: BTreeMap<&str, &ChangeReport> = shown.map(|c| (c.room.as_str(), c)).collect();
        for change in &now.changes {
            let room = change.room.as_str();
            let origins = origins.get(room).unwrap_or(&nowhere);
            let Some(shown) = shown.get(room) else {
                untrue.push(room.to_owned());
                continue;
            };
            let made = made_again(change, shown, wanted.get(room), origins);
            untrue.extend(difference(shown, &made).map(|what| format!("{room}: {what}")));
        }
        let rooms: BTreeSet<&str> = now.changes.iter().map(|c| c.room.as_str()).collect();
        if muted(&report, &rooms, wanted) != muted(now, &rooms, wanted) {
            untrue.push("what is muted".to_owned());
        }
        if now.changes.len() == self.changes.len() {
            if report.forecast.requests != now.forecast.requests {
                untrue.push("the number of requests".to_owned());
            }
            if report.needs != now.needs {
                untrue.push("the variables that apply needs".to_owned());
            }
        }
        untrue
    }
}

/// What of a change is shown otherwise than it was made.
fn difference(shown: &ChangeReport, made: &ChangeReport) -> Option<String> {
    if shown.file != made.file {
        return Some("its file".to_owned());
    }
    if shown.effects != made.effects {
        return Some("its effects".to_owned());
    }
    let pairs = shown.attributes.iter().zip(&made.attributes);
    if let Some((attribute, _)) = pairs.into_iter().find(|(shown, made)| shown != made) {
        return Some(attribute.name.clone());
    }
    (shown != made).then(|| "its place, or its attributes".to_owned())
}

/// What may be seen of a secret that refers to variables.
fn referring(file: Option<&WantedRoom>, attribute: &str) -> Option<Outline> {
    let outline = file?.secrets.get(attribute)?.outline();
    (!outline.variables.is_empty()).then_some(outline)
}

fn is_masked(value: &Json) -> bool {
    value.is_null() || value == MASK
}

/// What becomes of muted attributes of `rooms`, without whether variables are set.
fn muted(report: &PlanReport, rooms: &BTreeSet<&str>, wanted: &Wanted) -> Vec<MutedRoom> {
    let muted = report.muted.iter();
    let muted = muted.filter(|room| rooms.contains(room.room.as_str()));
    let mut muted: Vec<MutedRoom> = muted.cloned().collect();
    for room in &mut muted {
        let file = wanted.get(room.room.as_str());
        for attribute in &mut room.attributes {
            if referring(file, &attribute.name).is_some() && is_masked(&attribute.wanted) {
                (attribute.wanted, attribute.sensitive) = (Json::Null, true);
            }
        }
    }
    muted
}

/// The change `now` as it would be `shown` on the machine of the plan. Only there it was known where lines come from, and
/// whether a secret that refers to variables moved: such lines are taken over if they show nothing that depends on it.
fn made_again(
    now: &ChangeReport,
    shown: &ChangeReport,
    file: Option<&WantedRoom>,
    origins: &RoomOrigins,
) -> ChangeReport {
    let refers = |attribute: &AttributeReport| {
        let outline = referring(file, &attribute.name);
        outline.is_some() && attribute.secret == outline
    };
    let shows_nothing = |attribute: &&AttributeReport| {
        let values = [&attribute.before, &attribute.after, &attribute.live];
        let (file, line) = place(origins.get(attribute.name.as_str()));
        refers(attribute)
            && attribute.sensitive
            && values.into_iter().all(is_masked)
            && (attribute.file == file && attribute.line == line)
    };
    let mut attributes = now.attributes.clone();
    attributes.retain(|attribute| !refers(attribute));
    attributes.extend(shown.attributes.iter().filter(shows_nothing).cloned());
    attributes.sort_by(|a, b| a.name.cmp(&b.name));
    for (attribute, shown) in attributes.iter_mut().zip(&shown.attributes) {
        attribute.explanation = shown.explanation;
    }
    ChangeReport {
        line: first_line(&attributes, origins),
        attributes,
        explanation: shown.explanation,
        ..now.clone()
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
