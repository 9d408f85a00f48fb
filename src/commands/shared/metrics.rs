//! Counters for node-exporter's textfile collector, in the Prometheus text format.

use std::fmt::Write;
use std::io;
use std::path::Path;

use crate::disk::whole_file::{Way, write_whole};

const LAST_SUCCESS: &str = "roomctl_drift_last_success_timestamp_seconds";

/// Writes the counts of a drift check to `path`, whole or not at all: the collector may read at any moment.
///
/// `success` says that every room could be read; otherwise the time of the last success is carried over.
/// `now` is in Unix seconds.
pub(crate) fn write(
    path: &Path,
    app: &str,
    counts: &[(&str, u64)],
    success: bool,
    now: i64,
) -> io::Result<()> {
    let last = if success {
        Some(now)
    } else {
        std::fs::read_to_string(path)
            .ok()
            .and_then(|text| last_success(&text))
    };
    write_whole(
        path,
        render(app, counts, last, now).as_bytes(),
        Way::Replace,
    )
}

fn render(app: &str, counts: &[(&str, u64)], last_success: Option<i64>, now: i64) -> String {
    let mut text = String::from(
        "# HELP roomctl_drift_rooms Rooms by verdict of the last drift check.\n# TYPE roomctl_drift_rooms gauge\n",
    );
    for (verdict, number) in counts {
        let _ = writeln!(
            text,
            "roomctl_drift_rooms{{app=\"{app}\",verdict=\"{verdict}\"}} {number}"
        );
    }
    let times = [
        (
            "roomctl_drift_last_run_timestamp_seconds",
            "When drift was last checked.",
            Some(now),
        ),
        (
            LAST_SUCCESS,
            "When every room could last be read.",
            last_success,
        ),
    ];
    for (name, help, time) in times {
        if let Some(time) = time {
            let _ = writeln!(
                text,
                "# HELP {name} {help}\n# TYPE {name} gauge\n{name}{{app=\"{app}\"}} {time}"
            );
        }
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

    #[test]
    fn the_last_success_outlives_a_failed_check() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("roomctl.prom");
        write(&path, "acme", &[("drifted", 2)], true, 100).unwrap();
        write(&path, "acme", &[("drifted", 3)], false, 200).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("roomctl_drift_rooms{app=\"acme\",verdict=\"drifted\"} 3\n"));
        assert!(text.contains("roomctl_drift_last_run_timestamp_seconds{app=\"acme\"} 200\n"));
        assert!(text.contains("roomctl_drift_last_success_timestamp_seconds{app=\"acme\"} 100\n"));
    }

    #[test]
    fn a_check_that_never_succeeded_says_no_time() {
        assert!(!render("acme", &[], None, 5).contains(LAST_SUCCESS));
    }
}
