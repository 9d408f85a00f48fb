//! What every form of a report shows: counts, effects, and an item for each room or finding.
//!
//! One shape for all kinds, so that markdown, HTML and annotations cannot tell different stories.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value as Json;

use super::any::AnyReport;
use super::apply::{ApplyReport, ReceiptReport};
use super::drift::{self, DriftReport, RoomReport};
use super::plan::{AttributeReport, ChangeReport, PlanReport};
use super::text::plan::with_unit;
use super::validate::{FindingReport, ValidateReport};
use crate::model::{Effect, Severity};
use crate::planner::{Action, Cause, Outcome, Verdict};

/// A report in the shape that is shown.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct View {
    /// The kind of report.
    pub kind: &'static str,
    /// What it is, and of what: `Plan for acme`.
    pub title: String,
    /// How many of each kind; none of them 0.
    pub counts: Vec<(String, u64)>,
    /// What it does to people.
    pub effects: Vec<EffectView>,
    /// What holds it back, or must not be missed.
    pub warnings: Vec<String>,
    /// The rooms or findings.
    pub items: Vec<Item>,
    /// What else there is to say.
    pub notes: Vec<String>,
}

/// One effect on people.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct EffectView {
    pub name: &'static str,
    pub sentence: &'static str,
    /// The rooms that have it.
    pub rooms: Vec<String>,
}

/// How much an item asks for attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Weight {
    Error,
    Warning,
    /// As it should be.
    Notice,
}

/// One room, or one finding.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Item {
    /// How much it asks for attention.
    pub weight: Weight,
    /// One character for what is done to it.
    pub symbol: &'static str,
    /// What is done to it, or how it stands, in a word or two.
    pub action: String,
    /// The room, or the rule.
    pub name: String,
    pub file: Option<String>,
    /// Line in the file.
    pub line: Option<u32>,
    /// Column in the line.
    pub column: Option<u32>,
    /// Names of its effects.
    pub effects: Vec<&'static str>,
    /// Who moved its attributes.
    pub causes: BTreeSet<&'static str>,
    /// What else there is to say about it.
    pub message: Option<String>,
    pub lines: Vec<Line>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Line {
    pub name: String,
    pub before: Option<String>,
    pub after: Option<String>,
    /// What else there is to say about it.
    pub note: Option<String>,
    /// Whether it is known that the change to the files does not explain it.
    pub unexplained: bool,
}

impl View {
    /// The view of a report. `now` is what moments are told from, in Unix seconds.
    pub(crate) fn new(report: &AnyReport, now: i64) -> Self {
        match report {
            AnyReport::Plan(report) => plan(report, now),
            AnyReport::Apply(report) => apply(report),
            AnyReport::Drift(report) => drift_check(report, now),
            AnyReport::Validate(report) => validate(report),
        }
    }
}

fn counted(counts: &[(&str, u64)]) -> Vec<(String, u64)> {
    let some = counts.iter().filter(|(_, number)| *number > 0);
    some.map(|(name, number)| ((*name).to_owned(), *number))
        .collect()
}

fn plan(report: &PlanReport, now: i64) -> View {
    let s = report.summary;
    let guard = report.guard.iter().flat_map(|guard| guard.lines());
    let unreadable = report.unreadable.iter().map(|room| Item {
        weight: Weight::Error,
        symbol: "?",
        action: "unreadable".to_owned(),
        name: room.room.clone(),
        file: room.file.clone(),
        line: None,
        column: None,
        effects: Vec::new(),
        causes: BTreeSet::new(),
        message: Some(format!("nothing is planned: {}", room.message)),
        lines: Vec::new(),
    });
    let changes = report.changes.iter().map(|change| plan_item(change, now));
    let mut notes = vec![format!(
        "{} requests, without retries",
        report.forecast.requests
    )];
    if !report.undeclared.is_empty() {
        notes.push(format!(
            "in {} rooms, attributes that no file declares moved on the service",
            report.undeclared.len()
        ));
    }
    let mut items: Vec<Item> = unreadable.chain(changes).collect();
    // What a change does not explain was not reviewed with it.
    items.sort_by_key(|item| !item.lines.iter().any(|line| line.unexplained));
    View {
        kind: "plan",
        title: format!("Plan for {}", report.app),
        counts: counted(&[
            ("to add", s.add),
            ("to create", s.create),
            ("to adopt", s.adopt),
            ("to update", s.update),
            ("to archive", s.archive),
            ("left alone, without a file", s.orphan),
            ("unreadable", s.unreadable),
            ("unchanged", s.unchanged),
        ]),
        effects: Effect::ALL
            .iter()
            .filter_map(|effect| effect_view(report, *effect))
            .collect(),
        warnings: guard
            .map(|reason| format!("apply refuses this: {reason}"))
            .collect(),
        items,
        notes,
    }
}

fn effect_view(report: &PlanReport, effect: Effect) -> Option<EffectView> {
    let rooms = report
        .changes
        .iter()
        .filter(|change| change.effects.contains(&effect));
    let rooms: Vec<String> = rooms.map(|change| change.room.clone()).collect();
    (!rooms.is_empty()).then(|| EffectView {
        name: effect.name(),
        sentence: effect.sentence(),
        rooms,
    })
}

fn plan_item(change: &ChangeReport, now: i64) -> Item {
    Item {
        weight: if change.effects.is_empty() {
            Weight::Notice
        } else {
            Weight::Warning
        },
        symbol: match change.action {
            Action::Add | Action::Create | Action::Adopt => "+",
            Action::Update => "~",
            Action::Archive => "-",
            Action::Orphan => "?",
        },
        action: change.action.name().to_owned(),
        name: change.room.clone(),
        file: change.file.clone(),
        line: change.line,
        column: None,
        effects: change.effects.iter().map(|effect| effect.name()).collect(),
        causes: change.attributes.iter().map(|a| a.cause.name()).collect(),
        message: match change.action {
            Action::Orphan => Some("in the state, but no file wants it: left alone".to_owned()),
            Action::Archive => Some("in the state, but no file wants it".to_owned()),
            _ => None,
        },
        lines: change
            .attributes
            .iter()
            .map(|a| plan_line(a, now))
            .collect(),
    }
}

fn plan_line(attribute: &AttributeReport, now: i64) -> Line {
    let side = |json: &Json| some(json).map(|json| with_unit(&attribute.name, json, now));
    let live = || side(&attribute.live).unwrap_or_else(|| "nothing".to_owned());
    let mut notes = Vec::new();
    match attribute.cause {
        _ if attribute.unknown => {
            notes.push("unknown until apply: its variable is not set".to_owned())
        }
        Cause::Drift => notes.push(format!("moved on the service to {}: put back", live())),
        Cause::Conflict => notes.push(format!("also moved on the service, to {}", live())),
        Cause::Converged => notes.push("already so on the service: recorded, not sent".to_owned()),
        Cause::Released => notes.push("no longer managed, left as it is".to_owned()),
        _ if attribute.sensitive => notes.push("changed".to_owned()),
        Cause::Change | Cause::Unobservable => {}
    }
    if attribute.unconfirmed {
        notes.push("sent before, never confirmed".to_owned());
    }
    if let Some(file) = &attribute.file {
        notes.push(match attribute.line {
            Some(line) => format!("from {file}:{line}"),
            None => format!("from {file}"),
        });
    }
    if let Some(explanation) = attribute.explanation {
        notes.push(format!("[{}]", explanation.words()));
    }
    Line {
        name: attribute.name.clone(),
        before: side(&attribute.before),
        after: side(&attribute.after),
        note: joined(notes),
        unexplained: attribute.explanation.is_some_and(|e| !e.is_explained()),
    }
}

fn some(json: &Json) -> Option<&Json> {
    (!json.is_null()).then_some(json)
}

fn joined(notes: Vec<String>) -> Option<String> {
    (!notes.is_empty()).then(|| notes.join("; "))
}

fn apply(report: &ApplyReport) -> View {
    let s = report.summary;
    let mut items: Vec<Item> = report.receipts.iter().map(apply_item).collect();
    items.sort_by_key(|item| item.weight);
    View {
        kind: "apply",
        title: format!("Apply to {}", report.app),
        counts: counted(&[
            ("confirmed", s.confirmed),
            ("overridden by the service", s.overridden),
            ("refused", s.refused),
            ("unknown", s.unknown),
            ("not tried", s.skipped),
        ]),
        effects: Vec::new(),
        warnings: report.stopped.iter().cloned().collect(),
        items,
        notes: vec![format!("state serial {}", report.state.serial)],
    }
}

fn apply_item(receipt: &ReceiptReport) -> Item {
    let (weight, symbol, action) = match receipt.outcome {
        Outcome::Confirmed => (Weight::Notice, "✓", "confirmed"),
        Outcome::Overridden => (Weight::Warning, "!", "overridden by the service"),
        Outcome::Refused => (Weight::Error, "✗", "refused"),
        Outcome::Unknown => (Weight::Error, "?", "unknown"),
        Outcome::Skipped => (Weight::Warning, "·", "not tried"),
    };
    let lines = receipt.overridden.iter().map(|o| Line {
        name: o.name.clone(),
        before: some(&o.sent).map(super::text::value),
        after: some(&o.got).map(super::text::value),
        note: Some("sent, and what the service chose".to_owned()),
        unexplained: false,
    });
    Item {
        weight,
        symbol,
        action: format!("{} {action}", receipt.action.name()),
        name: receipt.room.clone(),
        file: None,
        line: None,
        column: None,
        effects: Vec::new(),
        causes: BTreeSet::new(),
        message: receipt.message.clone(),
        lines: lines.collect(),
    }
}

fn drift_check(report: &DriftReport, now: i64) -> View {
    let counts: Vec<(String, u64)> = report
        .summary
        .counts()
        .into_iter()
        .filter(|(_, number)| *number > 0)
        .map(|(name, number)| (name.replace('_', " "), number))
        .collect();
    let rooms = report.by_verdict().into_values().flatten();
    let shown = rooms.filter(|room| !matches!(room.verdict, Verdict::InSync | Verdict::Unmanaged));
    let idle = report.idle_mutes.iter().map(|mute| {
        let (room, attribute) = (&mute.room, &mute.attribute);
        format!(
            "the mute of {attribute} in {room} (until {}) is {}",
            mute.until, mute.problem
        )
    });
    View {
        kind: "drift",
        title: format!("Drift of {}", report.app),
        counts,
        effects: Vec::new(),
        warnings: report.warning.iter().cloned().collect(),
        items: shown.map(|room| drift_item(room, now)).collect(),
        notes: idle.collect(),
    }
}

fn drift_item(room: &RoomReport, now: i64) -> Item {
    let (weight, symbol) = match room.verdict {
        Verdict::InSync | Verdict::Unmanaged => (Weight::Notice, " "),
        Verdict::Drifted | Verdict::Conflict => (Weight::Warning, "~"),
        Verdict::Missing => (Weight::Warning, "-"),
        Verdict::Pending | Verdict::Muted => (Weight::Notice, "·"),
        Verdict::Unreadable => (Weight::Error, "?"),
    };
    let attributes = room
        .attributes
        .iter()
        .filter(|a| a.cause != Cause::Unobservable);
    Item {
        weight,
        symbol,
        action: verdict(room.verdict).to_owned(),
        name: room.room.clone(),
        file: room.file.clone(),
        line: None,
        column: None,
        effects: Vec::new(),
        causes: room.attributes.iter().map(|a| a.cause.name()).collect(),
        message: room.message.clone(),
        lines: attributes.map(|a| drift_line(a, now)).collect(),
    }
}

fn drift_line(attribute: &drift::AttributeReport, now: i64) -> Line {
    let side = |json: &Json| some(json).map(|json| with_unit(&attribute.name, json, now));
    let wanted = side(&attribute.wanted).unwrap_or_else(|| "nothing".to_owned());
    let mut notes = Vec::new();
    match attribute.cause {
        Cause::Conflict => notes.push(format!("and to {wanted} in the file")),
        Cause::Change => notes.push(format!("the file wants {wanted}; not applied yet")),
        _ => {}
    }
    if attribute.muted {
        notes.push("muted".to_owned());
    }
    Line {
        name: attribute.name.clone(),
        before: side(&attribute.applied),
        after: side(&attribute.live),
        note: joined(notes),
        unexplained: false,
    }
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::InSync => "in sync",
        Verdict::Drifted => "drifted",
        Verdict::Missing => "missing",
        Verdict::Conflict => "conflict",
        Verdict::Pending => "pending",
        Verdict::Unmanaged => "unmanaged",
        Verdict::Unreadable => "unreadable",
        Verdict::Muted => "muted",
    }
}

fn validate(report: &ValidateReport) -> View {
    let s = report.summary;
    View {
        kind: "validate",
        title: "Room files".to_owned(),
        counts: counted(&[
            ("errors", s.errors),
            ("warnings", s.warnings),
            ("notes", s.notes),
            ("files", s.files),
        ]),
        effects: Vec::new(),
        warnings: Vec::new(),
        items: report.findings.iter().map(finding_item).collect(),
        notes: Vec::new(),
    }
}

fn finding_item(finding: &FindingReport) -> Item {
    let (weight, symbol) = match finding.severity {
        Severity::Error => (Weight::Error, "✗"),
        Severity::Warning => (Weight::Warning, "!"),
        Severity::Note => (Weight::Notice, "·"),
    };
    let help = finding.help.as_deref().map(|help| format!("\n{help}"));
    Item {
        weight,
        symbol,
        action: finding.severity.word().to_owned(),
        name: finding.rule.clone(),
        file: Some(finding.file.clone()),
        line: finding.line,
        column: finding.column,
        effects: Vec::new(),
        causes: BTreeSet::new(),
        message: Some(format!("{}{}", finding.message, help.unwrap_or_default())),
        lines: Vec::new(),
    }
}
