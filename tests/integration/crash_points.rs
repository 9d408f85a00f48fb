//! Deaths at every named place, one after the other. Debug builds only: the others have no such places.

use std::collections::BTreeSet;
use std::path::Path;

use roomctl::inside::CRASH_POINTS;

use crate::common::{root, sources};
use crate::crash_harness::{CrashHarness, Ended};
use crate::harness::Site;

/// Six rooms that the state does not know: three are on the service, three are missing.
fn first_run() -> CrashHarness {
    let mut harness = CrashHarness::new(&[], &[]);
    harness.site.existing(3);
    for number in 0..6 {
        harness.want(number, Some(5));
    }
    harness
}

/// The second run of a site: two rooms to update, two to archive, two to adopt, two to create.
fn later_run(args: &[&'static str]) -> CrashHarness {
    let mut harness = CrashHarness::new(&[], args);
    harness.site.existing(6);
    for number in 0..4 {
        harness.want(number, Some(5));
    }
    assert_eq!(harness.apply(None), Ended::ByItself);
    for number in [0, 1, 4, 5, 6, 7] {
        harness.want(number, Some(9));
    }
    harness.want(2, None);
    harness.want(3, None);
    harness
}

/// Dies at every point, and the run after it once more when it comes to that point for the third time.
fn die_everywhere(harness: impl Fn() -> CrashHarness) {
    let mut later = 0;
    for point in CRASH_POINTS {
        let mut harness = harness();
        assert_eq!(harness.apply(Some(point)), Ended::Died, "{point}");
        later += usize::from(harness.apply(Some(&format!("{point}#3"))) == Ended::Died);
        harness.converge();
    }
    // What belongs to a room, a request or a batch comes again and again; the rest once or twice a run.
    assert!(later >= 10, "only {later} points were passed three times");
}

#[test]
fn a_first_run_dies_everywhere() {
    die_everywhere(first_run);
}

#[test]
fn updates_and_archives_die_everywhere() {
    die_everywhere(|| later_run(&["--prune"]));
}

#[test]
fn a_run_that_looks_first_dies_everywhere() {
    die_everywhere(|| later_run(&["--prune", "--live"]));
}

/// The service holds what nobody heard of, and the files move back. Whatever becomes of the write that is to
/// put it right, the doubt lasts until the service answers.
#[test]
fn the_run_after_a_death_dies_everywhere_too() {
    for point in CRASH_POINTS {
        let mut harness = CrashHarness::new(&[], &[]);
        for (count, at) in [(5, None), (9, Some("request-answered#2")), (5, Some(point))] {
            (0..6).for_each(|number| harness.want(number, Some(count)));
            let died = harness.apply(at) == Ended::Died;
            assert_eq!(died, at.is_some(), "{point}");
        }
        harness.converge();
    }
}

#[test]
fn every_point_is_in_the_table_and_none_is_where_nothing_happens() {
    let mut called = Vec::new();
    for path in sources(&root().join("src")) {
        let text = std::fs::read_to_string(&path).unwrap();
        let calls = text.split("crash_point(\"").skip(1);
        called.extend(calls.map(|call| (path.clone(), call.split('"').next().unwrap().to_owned())));
    }
    let names: BTreeSet<&str> = called.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(names, CRASH_POINTS.into());
    assert_eq!(called.len(), CRASH_POINTS.len(), "a point is one place");
    let pure = |path: &Path| {
        ["model", "planner", "report", "simulator"]
            .iter()
            .any(|folder| path.starts_with(root().join("src").join(folder)))
    };
    assert!(!called.iter().any(|(path, _)| pure(path)));
}

/// What was not synced may be torn anywhere, or be gone.
#[test]
fn a_line_that_was_not_synced_may_be_torn_anywhere() {
    for point in ["event-written#5", "journal-header-written"] {
        for kept in [0, 1, 16, 17, 40, usize::MAX] {
            let mut harness = later_run(&["--prune"]);
            assert_eq!(harness.apply(Some(point)), Ended::Died);
            tear(&harness.site, kept);
            harness.converge();
        }
    }
}

/// Keeps so many bytes of the journal's last line.
fn tear(site: &Site, kept: usize) {
    let path = site.scratch.path(".roomctl/state.json.journal");
    let bytes = std::fs::read(&path).unwrap();
    let before = bytes[..bytes.len() - 1].iter().rposition(|b| *b == b'\n');
    let start = before.map_or(0, |end| end + 1);
    let end = (start.saturating_add(kept)).min(bytes.len());
    std::fs::write(&path, &bytes[..end]).unwrap();
}
