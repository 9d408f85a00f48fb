//! Runs that are told to stop.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command};

use serde_json::Value;

use crate::harness::Site;
use crate::schemas::check;

/// A run of `apply` that has sent `requests` requests by now.
fn running(site: &Site, requests: u64) -> Child {
    let child = site.start_piped(&[
        "apply",
        "--yes",
        "--rate",
        "unlimited",
        "--parallelism",
        "2",
        "--format",
        "json",
    ]);
    while site.simulator().requests().total() < requests {
        std::thread::yield_now();
    }
    child
}

pub fn signal(child: &Child, name: &str) {
    // The shell's own `kill`: not every machine has the program.
    let kill = format!("kill -s {name} {}", child.id());
    let sent = Command::new("sh").args(["-c", &kill]).status().unwrap();
    assert!(sent.success());
}

/// Reads standard error up to the line that holds `text`.
fn wait_for(child: &mut Child, text: &str) -> BufReader<std::process::ChildStderr> {
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains(text) {
        line.clear();
        assert!(
            lines.read_line(&mut line).unwrap() > 0,
            "no line says {text}"
        );
    }
    lines
}

/// The report of a run that has ended, and its exit code.
fn end(mut child: Child) -> (Value, i32) {
    let mut stdout = String::new();
    let mut pipe = child.stdout.take().unwrap();
    pipe.read_to_string(&mut stdout).unwrap();
    let code = child.wait().unwrap().code().unwrap();
    let report = serde_json::from_str(&stdout).unwrap();
    check("apply", &report);
    (report, code)
}

fn of(report: &Value, outcome: &str) -> u64 {
    report["summary"][outcome].as_u64().unwrap()
}

fn well_again(site: &Site, rooms: u64) {
    site.faults(&[]);
    assert_eq!(site.apply(&[]).code, 0);
    assert_eq!(site.run(&["plan", "--detailed-exitcode"]).code, 0);
    let made = site
        .log()
        .iter()
        .filter(|r| r.wrote && r.method.name() == "POST")
        .count();
    assert_eq!(made as u64, rooms, "each room was made once");
}

#[test]
fn the_second_interrupt_leaves_at_once_and_reports_what_it_knows() {
    let site = Site::with_rooms(&[], &["slow=ms:60000,method:POST,skip:4"], 8);
    // Four rooms are made, and two POSTs wait for their answers.
    let mut child = running(&site, 12);
    signal(&child, "INT");
    let mut lines = wait_for(&mut child, "interrupt again to leave at once");
    signal(&child, "INT");
    let (report, code) = end(child);
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    assert_eq!(code, 130, "{report} {rest}");
    assert!(rest.contains("interrupted twice"), "{rest}");
    assert_eq!(of(&report, "confirmed"), 4, "{report}");
    assert_eq!(of(&report, "unknown"), 2, "{report}");
    assert_eq!(of(&report, "skipped"), 2, "{report}");
    well_again(&site, 8);
}

#[test]
fn a_run_whose_lock_is_taken_away_stops_and_the_next_one_goes_on() {
    let site = Site::with_rooms(&[], &["slow=ms:150"], 12);
    let child = running(&site, 9);
    let unlock = site.run(&["state", "unlock", "--yes"]);
    assert_eq!(unlock.code, 0, "{}", unlock.all());
    assert!(unlock.stdout.contains("tester"), "{}", unlock.stdout);
    let (report, code) = end(child);
    assert_eq!(code, 7, "{report}");
    let stopped = report["stopped"].as_str().unwrap();
    assert!(
        stopped.contains("the lock file was taken away"),
        "{stopped}"
    );
    let told = ["confirmed", "unknown", "skipped"].map(|outcome| of(&report, outcome));
    assert_eq!(told.iter().sum::<u64>(), 12, "{report}");
    assert!(told.iter().all(|number| *number > 0), "{report}");
    well_again(&site, 12);
}

/// What takes seconds.
mod slow {
    use super::*;

    #[test]
    fn the_first_interrupt_finishes_what_is_under_way() {
        for name in ["INT", "TERM", "HUP"] {
            let site = Site::with_rooms(&[], &["slow=ms:150"], 12);
            let child = running(&site, 9);
            signal(&child, name);
            let (report, code) = end(child);
            assert_eq!(code, 130, "{report}");
            assert_eq!(report["stopped"], "the run was interrupted");
            assert!(of(&report, "confirmed") >= 2, "{report}");
            assert!(of(&report, "skipped") >= 2, "{report}");
            assert_eq!(
                of(&report, "confirmed") + of(&report, "skipped"),
                12,
                "{report}"
            );
            let state = site.state();
            assert_eq!(
                state["rooms"].as_object().unwrap().len() as u64,
                of(&report, "confirmed")
            );
            assert_eq!(state["serial"], report["state"]["serial"]);
            well_again(&site, 12);
        }
    }

    /// Whatever it was about to do, it says how far it came.
    #[test]
    fn a_look_that_is_interrupted_is_reported() {
        for args in [
            &["drift"][..],
            &["plan", "--live", "--out", "plan"],
            &["apply", "--live", "--yes"],
            &["import", "--all", "--force"],
        ] {
            let site = Site::applied(&[], 8);
            let before = site.log().len();
            let state = site.state();
            site.faults(&["slow=ms:300,method:GET"]);
            let more: &[&str] = match args[0] {
                "import" => &[],
                _ => &["--report-file", "report.json"],
            };
            let network = ["--parallelism", "1", "--rate", "unlimited"];
            let mut child = site.start_piped(&[args, more, &network].concat());
            while site.log().len() < before + 2 {
                std::thread::yield_now();
            }
            signal(&child, "HUP");
            let code = child.wait().unwrap().code();
            assert_eq!(code, Some(130), "{args:?}");
            if args[0] != "import" {
                assert_eq!(site.state(), state, "{args:?}");
            }
            for made in more
                .iter()
                .skip(1)
                .chain(args.iter().filter(|arg| **arg == "plan").skip(1))
            {
                let report: Value = serde_json::from_str(&site.scratch.read(made)).unwrap();
                assert!(
                    report.to_string().contains("interrupted"),
                    "{args:?}: {report}"
                );
            }
            assert!(site.sent(before).iter().all(|(method, _)| *method == "GET"));
        }
    }
}
