//! The report of an apply.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AllowedReport, StateId, UndeclaredReport, UndeclaredRoom, shown};
use crate::model::{Effect, Run, Shown, sum};
use crate::planner::{Action, Cause, LeftOut, Outcome, Override, Receipt};

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "roomctl apply report")]
pub(crate) struct ApplyReport {
    /// The app whose rooms these are.
    pub app: String,
    /// The state after the run.
    pub state: StateId,
    /// How many rooms ended in which way.
    pub summary: Summary,
    /// What was allowed that a guard would have refused, whether it was met or not; absent when nothing was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed: Vec<AllowedReport>,
    /// How many rooms were not considered, and why; absent when there are none.
    #[serde(default, skip_serializing_if = "LeftOut::is_none")]
    pub left_out: LeftOut,
    /// Why the run stopped before its end; null when it did not.
    pub stopped: Option<String>,
    /// What happened to each room, in the order of the plan.
    pub receipts: Vec<ReceiptReport>,
    /// The run; absent when nobody says which.
    #[serde(default, skip_serializing_if = "Run::is_unknown")]
    pub run: Run,
    /// Rooms of which attributes had moved on the service that no file declares, as this run saw; absent when there are
    /// none. They are remembered so, and not reported again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undeclared: Vec<UndeclaredRoom>,
    /// Rooms that would change as well, and that the saved plan does not have; absent when there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uncovered: Vec<String>,
}

/// How many rooms ended in which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Summary {
    /// The service holds what was sent, as far as it can be seen.
    pub confirmed: u64,
    /// The service took the write and chose other values for some attributes.
    pub overridden: u64,
    /// The service did not take the write.
    pub refused: u64,
    /// No usable answer came.
    pub unknown: u64,
    /// Not tried.
    pub skipped: u64,
}

impl Summary {
    /// Counts the outcomes of `receipts`.
    pub(crate) fn new(receipts: &[Receipt]) -> Self {
        let of = |outcome| receipts.iter().filter(|r| r.outcome == outcome).count() as u64;
        Self {
            confirmed: of(Outcome::Confirmed),
            overridden: of(Outcome::Overridden),
            refused: of(Outcome::Refused),
            unknown: of(Outcome::Unknown),
            skipped: of(Outcome::Skipped),
        }
    }

    /// Rooms whose write the service took.
    pub(crate) fn done(&self) -> u64 {
        sum([self.confirmed, self.overridden])
    }

    /// Rooms that are not as wanted, or not known to be.
    pub(crate) fn not_done(&self) -> u64 {
        sum([self.refused, self.unknown, self.skipped])
    }
}

/// What happened to one room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ReceiptReport {
    /// Name of the room.
    pub room: String,
    /// What was done; an `add` says `create` or `adopt` once that is known.
    pub action: Action,
    /// `reassert` when nothing had to be sent, and the room was sent again because of `--reassert`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// How it ended.
    pub outcome: Outcome,
    /// Requests sent for it.
    pub attempts: u32,
    /// Status of the last answer; null when there was none.
    pub http_status: Option<u16>,
    /// Why it ended like this.
    pub message: Option<String>,
    /// Attributes that the service set to something else than was sent.
    pub overridden: Vec<OverrideReport>,
    /// Attributes that were sent and are not in the answer.
    pub unobservable: Vec<String>,
    /// Attributes that were not sent, and are not as they were known to be; absent when there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undeclared: Vec<UndeclaredReport>,
    /// What that does to people; absent when there is nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<Effect>,
}

/// An attribute that the service set to something else than was sent. `****` for a secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct OverrideReport {
    /// Wire name.
    pub name: String,
    /// What was sent.
    pub sent: Shown,
    /// What the service answered.
    pub got: Shown,
}

impl From<&Override> for OverrideReport {
    fn from(o: &Override) -> Self {
        Self {
            name: o.name.clone(),
            sent: shown(&o.sent),
            got: shown(&o.got),
        }
    }
}

impl From<&Receipt> for ReceiptReport {
    fn from(receipt: &Receipt) -> Self {
        // Without `..`, so that a new field of a receipt cannot be forgotten.
        let Receipt {
            room,
            action,
            cause,
            outcome,
            attempts,
            http_status,
            message,
            overridden,
            unobservable,
            undeclared,
            effects,
            not_allowed: _,
            held_back: _,
        } = receipt;
        Self {
            room: room.as_str().to_owned(),
            action: *action,
            cause: *cause,
            outcome: *outcome,
            attempts: *attempts,
            http_status: *http_status,
            message: message.clone(),
            overridden: overridden.iter().map(OverrideReport::from).collect(),
            unobservable: unobservable.clone(),
            undeclared: undeclared.iter().map(UndeclaredReport::from).collect(),
            effects: effects.clone(),
        }
    }
}

impl ApplyReport {
    /// The report of a run that leaves `state`.
    pub(crate) fn new(
        app: &str,
        state: StateId,
        receipts: &[Receipt],
        stopped: Option<String>,
        left_out: LeftOut,
    ) -> Self {
        Self {
            app: app.to_owned(),
            state,
            summary: Summary::new(receipts),
            allowed: Vec::new(),
            left_out,
            stopped,
            run: Run::default(),
            receipts: receipts.iter().map(ReceiptReport::from).collect(),
            undeclared: Vec::new(),
            uncovered: Vec::new(),
        }
    }
}
