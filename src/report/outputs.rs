//! A report as outputs of a workflow's step: `NAME=VALUE` lines for later steps to decide by.

use super::any::AnyReport;
use crate::model::Effect;

/// The outputs. Their values are numbers and words of ours, so that none of them can bring a line of its own.
pub(crate) fn outputs(report: &AnyReport) -> String {
    let (changes, drift, pending, effects) = match report {
        AnyReport::Plan(report) => {
            let s = report.summary;
            let changes = s.add + s.create + s.adopt + s.update + s.archive;
            let used = |effect: &&Effect| match effect {
                Effect::GuardWeakened => !report.weakened.is_empty(),
                effect => report.changes.iter().any(|c| c.effects.contains(effect)),
            };
            let effects: Vec<&str> = Effect::ALL.iter().filter(used).map(|e| e.name()).collect();
            (changes, 0, 0, effects)
        }
        AnyReport::Apply(report) => (report.summary.done(), 0, 0, Vec::new()),
        AnyReport::Drift(report) => {
            let s = report.summary;
            (0, s.differences(), s.pending, Vec::new())
        }
        AnyReport::Validate(_) => (0, 0, 0, Vec::new()),
    };
    let effects = effects.join(" ");
    format!("changes={changes}\ndrift={drift}\npending={pending}\neffects={effects}\n")
}
