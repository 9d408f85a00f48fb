//! A drift check as counters for node-exporter's textfile collector, in the Prometheus text format.

use std::fmt::{Display, Write};

use super::DriftReport;
use crate::planner::drift::Checked;

const LAST_SUCCESS: &str = "roomctl_drift_last_success_timestamp_seconds";

/// The counters. `before` is their last text: unless every room could be read, the time of the last success is
/// carried over from it. `now` is in Unix seconds.
pub(crate) fn metrics(report: &DriftReport, before: Option<&str>, now: i64) -> String {
    let app = &report.app;
    let mut text = rooms(report);
    let Checked { managed, visible } = report.summary.attributes;
    let last_success = match report.summary.unreadable {
        0 => Some(now),
        _ => before.and_then(last_success),
    };
    let mut gauge = |name: &str, help: &str, value: &dyn Display| {
        let about = format!("# HELP {name} {help}\n# TYPE {name} gauge");
        let _ = writeln!(text, "{about}\n{name}{{app=\"{app}\"}} {value}");
    };
    gauge(
        "roomctl_attributes_managed",
        "Attributes that are managed.",
        &managed,
    );
    let checked = "Managed attributes that could be checked.";
    gauge("roomctl_attributes_visible", checked, &visible);
    let last_run = "roomctl_drift_last_run_timestamp_seconds";
    gauge(last_run, "When drift was last checked.", &now);
    if let Some(at) = last_success {
        gauge(LAST_SUCCESS, "When every room could last be read.", &at);
    }
    text
}

fn rooms(report: &DriftReport) -> String {
    let app = &report.app;
    let mut text = String::from(
        "# HELP roomctl_drift_rooms Rooms by verdict of the last drift check.\n# TYPE roomctl_drift_rooms gauge\n",
    );
    for (verdict, number) in report.summary.counts() {
        let labels = format!("app=\"{app}\",verdict=\"{verdict}\"");
        let _ = writeln!(text, "roomctl_drift_rooms{{{labels}}} {number}");
    }
    text
}

fn last_success(text: &str) -> Option<i64> {
    let line = text.lines().find(|line| line.starts_with(LAST_SUCCESS))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planner::LeftOut;
    use crate::report::StateId;
    use crate::report::drift::Summary;

    fn check(unreadable: u64) -> DriftReport {
        DriftReport {
            run: crate::model::Run::default(),
            app: "acme".into(),
            state: StateId::new("lineage", 1),
            summary: Summary {
                drifted: 2,
                unreadable,
                attributes: Checked {
                    managed: 7,
                    visible: 2,
                },
                ..Summary::default()
            },
            left_out: LeftOut::default(),
            rooms: Vec::new(),
            idle_mutes: Vec::new(),
            warning: None,
            undeclared: Vec::new(),
            require_visible: None,
        }
    }

    #[test]
    fn the_last_success_outlives_a_failed_check() {
        let first = metrics(&check(0), None, 100);
        let text = metrics(&check(1), Some(&first), 200);
        assert!(text.contains("roomctl_drift_rooms{app=\"acme\",verdict=\"drifted\"} 2\n"));
        assert!(text.contains("\nroomctl_attributes_managed{app=\"acme\"} 7\n"));
        assert!(text.contains("\nroomctl_attributes_visible{app=\"acme\"} 2\n"));
        assert!(text.contains("roomctl_drift_last_run_timestamp_seconds{app=\"acme\"} 200\n"));
        assert!(text.contains("roomctl_drift_last_success_timestamp_seconds{app=\"acme\"} 100\n"));
    }

    #[test]
    fn a_check_that_never_succeeded_says_no_time() {
        assert!(!metrics(&check(1), None, 5).contains(LAST_SUCCESS));
    }
}
