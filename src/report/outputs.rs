//! A report as outputs of a workflow's step: `NAME=VALUE` lines for later steps to decide by.

use std::collections::BTreeSet;

use super::any::AnyReport;
use crate::model::Effect;

/// The outputs. Their values are numbers and words of ours, so that none of them can bring a line of its own.
pub(crate) fn outputs(report: &AnyReport) -> String {
    let (changes, drift, pending, effects) = counted(report);
    let named = Effect::ALL.iter().map(|effect| effect.name());
    let effects: Vec<&str> = named.filter(|name| effects.contains(name)).collect();
    let effects = effects.join(" ");
    let failed = match report {
        AnyReport::Stacks(report) => {
            let is_well = |exit: Option<u8>| matches!(exit, Some(0 | 2));
            let failed = report.stacks.iter().filter(|stack| !is_well(stack.exit));
            format!("failed={}\n", failed.count())
        }
        _ => String::new(),
    };
    format!("changes={changes}\ndrift={drift}\npending={pending}\neffects={effects}\n{failed}")
}

/// Changes, drift, what waits for an apply, and effects.
fn counted(report: &AnyReport) -> (u64, u64, u64, BTreeSet<&'static str>) {
    match report {
        AnyReport::Plan(report) => {
            let changes = report.summary.changes();
            let used = |effect: &&Effect| match effect {
                Effect::GuardWeakened => !report.weakened.is_empty(),
                effect => report.changes.iter().any(|c| c.effects.contains(effect)),
            };
            let effects = Effect::ALL.iter().filter(used).map(|e| e.name());
            (changes, 0, 0, effects.collect())
        }
        AnyReport::Apply(report) => (report.summary.done(), 0, 0, BTreeSet::new()),
        AnyReport::Drift(report) => {
            let s = report.summary;
            (0, s.differences(), s.pending, BTreeSet::new())
        }
        AnyReport::Validate(_) => (0, 0, 0, BTreeSet::new()),
        AnyReport::Stacks(report) => {
            let each = report
                .stacks
                .iter()
                .filter_map(|stack| stack.report.as_ref());
            each.map(counted)
                .fold((0, 0, 0, BTreeSet::new()), |all, one| {
                    let add = u64::saturating_add;
                    (
                        add(all.0, one.0),
                        add(all.1, one.1),
                        add(all.2, one.2),
                        &all.3 | &one.3,
                    )
                })
        }
    }
}
