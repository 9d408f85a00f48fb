//! The report of a plan.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AllowedReport, StateId, UndeclaredRoom, shown_or_null};
use crate::model::reference::Outline;
use crate::model::secret::MASK;
use crate::model::words::joined;
use crate::model::{
    Effect, Origin, Origins, RoomName, RoomOrigins, Run, Shown, Stored, WireName, sum,
};
use crate::planner::change::Unreadable;
use crate::planner::explain::ExplainedChange;
use crate::planner::limits::Refusal;
use crate::planner::mutes::{Fate, Muted};
use crate::planner::posture::Posture;
use crate::planner::{
    Action, AttributeChange, Cause, Change, Explained, Explanation, LeftOut, Plan,
};

/// What would change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "roomctl plan report")]
pub(crate) struct PlanReport {
    /// The app whose rooms these are.
    pub app: String,
    /// The state that the files were compared with.
    pub state: StateId,
    /// What forbids less than at the base of the change; absent when nothing does, and without `--base`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weakened: Vec<WeakenedReport>,
    /// How many rooms of each kind.
    pub summary: Summary,
    /// How many rooms were not considered, and why; absent when there are none.
    #[serde(default, skip_serializing_if = "LeftOut::is_none")]
    pub left_out: LeftOut,
    /// What it will cost.
    pub forecast: ForecastReport,
    /// How open all managed rooms are before and after; absent when nothing of that moves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Posture")]
    pub posture: Option<Posture>,
    /// The changes, in the order in which `apply` makes them.
    pub changes: Vec<ChangeReport>,
    /// Rooms that could not be read, so that nothing is planned for them.
    pub unreadable: Vec<UnreadableReport>,
    /// What becomes of attributes that a mute is about, as far as that makes a difference.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub muted: Vec<MutedRoom>,
    /// Attributes that no file declares and that moved on the service since they were last seen. Nothing
    /// is planned for them. Empty when the service was not looked at.
    pub undeclared: Vec<UndeclaredRoom>,
    /// Why `apply` would refuse the plan, one reason a line; null when it would not.
    pub guard: Option<String>,
    /// What was allowed that the guard would have refused, whether it was met or not; absent when nothing was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed: Vec<AllowedReport>,
    /// The variables that `apply` needs for what it would send, by name, whether they are set here or not. It leaves
    /// out the rooms of those that are not set.
    #[serde(default)]
    pub needs: Vec<String>,
    /// The run that made it; absent when nobody says which.
    #[serde(default, skip_serializing_if = "Run::is_unknown")]
    pub run: Run,
    /// Whether it is for the sandbox, which makes up what the variables would hold; absent when it is not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sandbox: bool,
}

impl PlanReport {
    /// The attributes that would be written otherwise than before, and whether any of them becomes 0.
    pub(crate) fn wanted(&self) -> (BTreeSet<&'static str>, bool) {
        let attributes = self.changes.iter().flat_map(|change| &change.attributes);
        let wanted = attributes.filter(|one| one.after != Shown::NONE);
        let is_zero = |one: &AttributeReport| one.after == Shown::Number(0.into());
        let has_zero = wanted.clone().any(is_zero);
        (wanted.map(|one| one.name.as_str()).collect(), has_zero)
    }
}

/// Something that forbids less than at the base of the change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct WeakenedReport {
    /// What it is: `guard.require_allow`, `policies.ID`, `mutes`.
    pub what: String,
    /// How it is weaker, in words.
    pub message: String,
    /// The file that says so now; null when there is none.
    pub file: Option<String>,
    /// Line in it; null when it says nothing of it any more.
    pub line: Option<u32>,
    /// Where that comes from.
    pub explanation: Explanation,
}

/// A room with attributes that a mute is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct MutedRoom {
    /// Name of the room.
    pub room: String,
    /// The attributes, by name.
    pub attributes: Vec<MutedReport>,
}

/// An attribute that a mute is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct MutedReport {
    /// Wire name.
    pub name: String,
    /// The wanted value; null: not known here. `****` for a secret.
    pub wanted: Shown,
    /// What the service reports; null: it does not, or was not looked at. `****` for a secret.
    pub live: Shown,
    /// Whether its values are never shown.
    pub sensitive: bool,
    /// What becomes of it.
    pub fate: Fate,
    /// Why it is muted.
    pub reason: String,
    /// Until when it is muted.
    pub until: String,
}

impl From<&Muted> for MutedReport {
    fn from(muted: &Muted) -> Self {
        let sides = [&muted.wanted, &muted.live];
        Self {
            name: muted.name.to_owned(),
            wanted: shown_or_null(&muted.wanted),
            live: shown_or_null(&muted.live),
            sensitive: sides.into_iter().flatten().any(Stored::is_secret),
            fate: muted.fate,
            reason: muted.reason.clone(),
            until: muted.until.clone(),
        }
    }
}

/// A room that nothing is planned for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct UnreadableReport {
    /// Name of the room.
    pub room: String,
    /// The file that wants it; null when there is none.
    pub file: Option<String>,
    /// Why.
    pub message: String,
    /// Whether it was read, and is left all the same: it cannot be put back as `apply --drift-only` would, or was
    /// recreated and is not archived.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub was_read: bool,
}

impl From<&Unreadable> for UnreadableReport {
    fn from(room: &Unreadable) -> Self {
        Self {
            was_read: room.was_read,
            room: room.room.as_str().to_owned(),
            file: room.file.clone(),
            message: room.message.clone(),
        }
    }
}

/// How many rooms of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Summary {
    /// New to the state; `apply` reads the room and then creates or adopts it.
    pub add: u64,
    /// New to the state and known not to exist on the service.
    pub create: u64,
    /// New to the state and known to exist on the service.
    pub adopt: u64,
    /// In the state, and wanted differently.
    pub update: u64,
    /// In the state, wanted by no file, and to be archived.
    pub archive: u64,
    /// In the state, wanted by no file, and left alone.
    pub orphan: u64,
    /// As they were applied.
    pub unchanged: u64,
    /// Their files are ahead, and only what the service moved is put back; absent when there are none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub pending: u64,
    /// Could not be read, so nothing is planned for them.
    pub unreadable: u64,
}

impl Summary {
    /// The rooms to which anything is to be done.
    pub(crate) fn changes(&self) -> u64 {
        let Self {
            add,
            create,
            adopt,
            update,
            archive,
            ..
        } = *self;
        sum([add, create, adopt, update, archive])
    }
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What a plan will cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ForecastReport {
    /// Requests, without retries.
    pub requests: u64,
    /// Seconds at the set rate; null when the rate is unlimited.
    pub seconds: Option<f64>,
    /// The set rate: `5/s`, `300/m` or `unlimited`.
    pub rate: String,
}

/// One room that changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ChangeReport {
    /// Name of the room.
    pub room: String,
    /// What is done to it.
    pub action: Action,
    /// The file that wants it; null for an orphan.
    pub file: Option<String>,
    /// Line in it of the first attribute that changes, or of the room's first key; null for an orphan, and when
    /// all of it comes from defaults.
    pub line: Option<u32>,
    /// Why it is left alone, if there is more to say of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub message: Option<String>,
    /// What it does to people.
    pub effects: Vec<Effect>,
    /// The attributes that change, by name.
    pub attributes: Vec<AttributeReport>,
    /// Where the least explained of its lines comes from; null without `--base`.
    pub explanation: Option<Explanation>,
    /// Identity of the change: moves when what would be sent or what was applied moves.
    pub digest: String,
}

/// One attribute that changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct AttributeReport {
    /// Wire name.
    #[schemars(with = "String")]
    pub name: WireName,
    /// The applied value; null: not managed before. `****` for a secret.
    pub before: Shown,
    /// The wanted value; null: no longer managed. `****` for a secret.
    pub after: Shown,
    /// What the service reports; null: it does not, or was not looked at. `****` for a secret.
    pub live: Shown,
    /// Whether the wanted value is not known until apply: its variable is not set here, or makes no URL of it.
    pub unknown: bool,
    /// Why it changes.
    pub cause: Cause,
    /// The file that `line` is in, when it is not the room's own but one of defaults.
    pub file: Option<Arc<str>>,
    /// Line in the file; null when no file sets the key.
    pub line: Option<u32>,
    /// Where the line comes from; null without `--base`.
    pub explanation: Option<Explanation>,
    /// Whether its values are never shown.
    pub sensitive: bool,
    /// What may be seen of the wanted value; only of a secret that a file holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Box<Outline>>,
    /// Whether `before` was sent without an answer, so that the service may or may not hold it.
    pub unconfirmed: bool,
}

impl PlanReport {
    /// Says also what an earlier write of ours made that no report told, and why `apply` stops for that.
    pub(crate) fn add(&mut self, learned: Vec<UndeclaredRoom>, refused: Vec<String>) {
        UndeclaredRoom::add(&mut self.undeclared, learned);
        self.guard = joined(self.guard.take().into_iter().chain(refused), "\n");
    }

    /// The report of `plan`. `origins` says where in the files the attributes are, `refusals` why it must not be
    /// applied, and `explained` where each line comes from, as far as that is known.
    pub(crate) fn new(
        plan: &Plan,
        origins: &Origins,
        refusals: &[Refusal],
        explained: Option<&Explained>,
    ) -> Self {
        Self::about(plan, refusals).with(&plan.changes, (origins, explained))
    }

    /// The same of a plan that nobody needs any more: of thousands of rooms it goes as the report comes.
    pub(crate) fn of(
        plan: Plan,
        origins: &Origins,
        refusals: &[Refusal],
        explained: Option<&Explained>,
    ) -> Self {
        Self::about(&plan, refusals).with(plan.changes, (origins, explained))
    }

    fn with(
        self,
        changes: impl IntoIterator<Item = impl Borrow<Change>>,
        (origins, explained): (&Origins, Option<&Explained>),
    ) -> Self {
        let nowhere = RoomOrigins::new();
        let changes = changes.into_iter().map(|change| {
            let change = change.borrow();
            let explained = explained.and_then(|explained| explained.get(&change.room));
            let origins = origins.get(&change.room).unwrap_or(&nowhere);
            change_report(change, origins, explained)
        });
        let mut report = Self {
            changes: changes.collect(),
            ..self
        };
        report.summary = report.counted();
        report
    }

    /// All but its changes.
    fn about(plan: &Plan, refusals: &[Refusal]) -> Self {
        Self {
            app: plan.app.clone(),
            state: StateId::new(&plan.lineage, plan.serial),
            weakened: Vec::new(),
            summary: Summary {
                unchanged: plan.unchanged,
                pending: plan.pending,
                ..Summary::default()
            },
            left_out: plan.left_out,
            forecast: ForecastReport {
                requests: plan.forecast.requests,
                seconds: plan.forecast.seconds,
                rate: plan.forecast.rate.to_string(),
            },
            posture: plan.posture(),
            changes: Vec::new(),
            unreadable: plan.unreadable.iter().map(UnreadableReport::from).collect(),
            muted: muted(plan),
            undeclared: UndeclaredRoom::moved(&plan.undeclared),
            guard: joined(refusals.iter().map(ToString::to_string), "\n"),
            allowed: Vec::new(),
            needs: needs(plan),
            run: Run::default(),
            sandbox: false,
        }
    }

    /// Its summary, of which only the rooms without changes are not in it.
    pub(super) fn counted(&self) -> Summary {
        let of = |action| self.changes.iter().filter(|c| c.action == action).count() as u64;
        Summary {
            add: of(Action::Add),
            create: of(Action::Create),
            adopt: of(Action::Adopt),
            update: of(Action::Update),
            archive: of(Action::Archive),
            orphan: of(Action::Orphan),
            unchanged: self.summary.unchanged,
            pending: self.summary.pending,
            unreadable: self.unreadable.len() as u64,
        }
    }
}

/// The rooms that are written, and those that nothing is done to, by name.
fn muted(plan: &Plan) -> Vec<MutedRoom> {
    let changes = plan.changes.iter();
    let changes = changes.map(|change| (&change.room, &change.muted));
    let all: BTreeMap<&RoomName, &Vec<Muted>> = changes.chain(&plan.muted).collect();
    let some = all.into_iter().filter(|(_, muted)| !muted.is_empty());
    some.map(|(room, muted)| MutedRoom {
        room: room.as_str().to_owned(),
        attributes: muted.iter().map(MutedReport::from).collect(),
    })
    .collect()
}

fn needs(plan: &Plan) -> Vec<String> {
    let names: BTreeSet<&String> = plan.actionable().flat_map(|change| &change.needs).collect();
    names.into_iter().cloned().collect()
}

fn change_report(
    change: &Change,
    origins: &RoomOrigins,
    explained: Option<&ExplainedChange>,
) -> ChangeReport {
    let attributes = change.attributes.iter().map(|attribute| {
        let explanation = explained.and_then(|e| e.attributes.get(attribute.name.as_str()));
        let origin = origins.get(attribute.name.as_str());
        attribute_report(attribute, origin, explanation.copied())
    });
    let attributes: Vec<AttributeReport> = attributes.collect();
    ChangeReport {
        room: change.room.as_str().to_owned(),
        action: change.action,
        line: first_line(&attributes, origins),
        file: change.file.clone(),
        message: change.message.clone(),
        effects: change.effects.clone(),
        explanation: explained.map(|explained| explained.change),
        attributes,
        digest: change.digest.clone(),
    }
}

/// The line of the room's own file to point at.
pub(super) fn first_line(attributes: &[AttributeReport], origins: &RoomOrigins) -> Option<u32> {
    let own = attributes.iter().filter(|a| a.file.is_none());
    let first = own.filter_map(|a| a.line).min();
    first.or_else(|| {
        let own = origins.values().filter(|origin| origin.file().is_none());
        own.map(|origin| origin.line).min()
    })
}

/// The file of defaults that an attribute is from, if it is, and its line.
pub(super) fn place(origin: Option<&Origin>) -> (Option<Arc<str>>, Option<u32>) {
    let file = origin.and_then(|origin| origin.shared_file().cloned());
    (file, origin.map(|origin| origin.line))
}

fn attribute_report(
    attribute: &AttributeChange,
    origin: Option<&Origin>,
    explanation: Option<Explanation>,
) -> AttributeReport {
    let (file, line) = place(origin);
    let sides = [&attribute.before, &attribute.after, &attribute.live];
    AttributeReport {
        name: attribute.name,
        before: shown_or_null(&attribute.before),
        after: match &attribute.after {
            None if attribute.unknown => MASK.into(),
            after => shown_or_null(after),
        },
        live: shown_or_null(&attribute.live),
        unknown: attribute.unknown,
        cause: attribute.cause,
        file,
        line,
        explanation,
        secret: attribute.outline.clone(),
        sensitive: attribute.unknown || sides.into_iter().flatten().any(Stored::is_secret),
        unconfirmed: attribute.unconfirmed,
    }
}
