//! Deaths of everything that writes files: an import is finished by running it again, and what a death left is removed
//! by the next run.

use std::path::Path;

use roomctl::inside::{CRASH_POINTS, VARIABLE};
use serde_json::json;

use crate::harness::Site;

/// Runs the program, which dies at `at` if it comes to it. Returns whether it did.
fn dies(site: &Site, args: &[&str], at: &str) -> bool {
    let run = site.command(args).env(VARIABLE, at).output().unwrap();
    run.status.code().is_none()
}

/// No file is left that was being written.
fn nothing_is_left(site: &Site, after: &str) {
    for (path, _) in site.scratch.files() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(!name.contains(".new"), "{after}: {}", path.display());
    }
}

/// Every place, and the same when a run comes to it for the second, the third and the fourth time.
fn everywhere() -> Vec<String> {
    let times = ["", "#2", "#3", "#4"].into_iter();
    times
        .flat_map(|time| CRASH_POINTS.map(|point| format!("{point}{time}")))
        .collect()
}

const IMPORT: [&str; 4] = ["import", "--all", "--rate", "unlimited"];

/// Three rooms that were made by hand, one of them with a secret.
fn by_hand() -> Site {
    let site = Site::new(&[], &[]);
    site.existing(3);
    site.edit(
        "room-01",
        "meetingJoinWebhook",
        json!("https://hooks.example.com/canary"),
    );
    site
}

#[test]
fn an_import_that_died_is_finished_by_running_it_again() {
    let mut deaths = 0;
    for at in everywhere() {
        let site = by_hand();
        if !dies(&site, &IMPORT, &at) {
            continue;
        }
        deaths += 1;
        let before = site.scratch.files();
        let is_file = |path: &Path| path.extension().is_some_and(|ending| ending == "yaml");
        let files = before.iter().filter(|(path, _)| is_file(path)).count();
        let is_remembered = site.scratch.path(".roomctl/state.json").exists();
        let ran = site.run(&IMPORT);
        assert_eq!(ran.code, 0, "{at}: {}", ran.all());
        let (said, taken_in) = match is_remembered {
            true => ("3 left alone", 0),
            false => ("3 rooms imported", files),
        };
        assert!(ran.stdout.contains(said), "{at}: {}", ran.stdout);
        let said = ran.stdout.matches("its file was there").count();
        assert_eq!(said, taken_in, "{at}: {}", ran.stdout);
        nothing_is_left(&site, &at);
        let plan = site.run(&["plan", "--detailed-exitcode"]);
        assert_eq!(plan.code, 0, "{at}: {}", plan.all());
        assert_eq!(site.writes(), 0);
    }
    assert!(deaths >= 20, "only {deaths}");
}

/// A file that says something else, even if only in a comment, is somebody's: it is left alone as it always was.
#[test]
fn an_import_takes_in_no_file_that_differs() {
    let site = by_hand();
    assert!(dies(&site, &IMPORT, "file-durable#2"));
    let path = "rooms/room-00.yaml";
    let edited = site.scratch.read(path) + "# ours\n";
    site.scratch.write(path, &edited);
    let ran = site.run(&IMPORT);
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert!(
        ran.stdout.contains("2 rooms imported, 1 left alone"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout
            .contains("rooms/room-00.yaml declares it; --force")
    );
    assert_eq!(site.scratch.read(path), edited);
    let plan = site.run(&["plan", "--format", "json"]).json();
    assert_eq!(plan["summary"]["add"], 1, "{plan}");
}

/// Everything else that writes files: run to its death at each place of a write, and once more.
#[test]
fn what_a_death_left_is_removed_by_the_next_run() {
    let commands: [&[&str]; 6] = [
        &["fmt"],
        &["plan", "--out", "out/plan.roomctl"],
        &["plan", "--report-file", "out/plan.json"],
        &[
            "drift",
            "--exit-zero",
            "--rate",
            "unlimited",
            "--metrics-file",
            "out/counts.prom",
        ],
        &["init", "new"],
        &[
            "apply",
            "--yes",
            "--rate",
            "unlimited",
            "--report-file",
            "out/apply.json",
        ],
    ];
    for args in commands {
        let mut deaths = 0;
        for at in everywhere().iter().filter(|at| at.starts_with("file-")) {
            let site = Site::new(&[], &[]);
            for number in 0..3 {
                site.room(number, "maxParticipants:   5\nprivacy: private\n");
            }
            if !dies(&site, args, at) {
                continue;
            }
            deaths += 1;
            let again = site.run(args);
            assert_eq!(again.code, 0, "{args:?} {at}: {}", again.all());
            nothing_is_left(&site, &format!("{args:?} {at}"));
        }
        assert!(deaths >= 6, "{args:?}: only {deaths}");
    }
}

/// The next run need not be the same command.
#[test]
fn apply_removes_what_an_import_left() {
    let site = by_hand();
    assert!(dies(&site, &IMPORT, "file-written#2"));
    let variable = (
        "ROOM_ROOM_01_MEETING_JOIN_WEBHOOK".to_owned(),
        "x".to_owned(),
    );
    let ran = site.run_with(&[variable], &["apply", "--yes"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    nothing_is_left(&site, "apply");
}
