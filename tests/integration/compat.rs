//! Files that earlier versions wrote, and such as a later one may: each is read, or refused with what to do.
//!
//! `tests/compat` has one of each format and version that was ever written. Whoever changes a format adds its files there.

use std::fs;

use crate::common::{Ran, root};
use crate::harness::Site;

fn kept(file: &str) -> String {
    fs::read_to_string(root().join("tests/compat").join(file)).unwrap()
}

/// A site with the state that the files of `tests/compat` are about, and what its room files said then.
fn site() -> Site {
    let site = Site::new(&[], &[]);
    site.scratch
        .write(".roomctl/state.json", &kept("state-2.json"));
    site.scratch
        .write("rooms/tea.yaml", "privacy: private\nmaxParticipants: 9\n");
    site.scratch.write(
        "rooms/stage.yaml",
        "privacy: public\nrtmpOutURL: ${env:ROOM_KEY}\nenableRTMPOut: true\nenableComposition: true\n",
    );
    site
}

fn run(site: &Site, args: &[&str]) -> Ran {
    let key = (
        "ROOM_KEY".to_owned(),
        "rtmp://live.example/app/not-a-key".to_owned(),
    );
    site.run_with(&[key], args)
}

/// The same text of another version.
fn of_version(text: &str, version: &str) -> String {
    let other = text.replace(
        "\"format_version\": \"1.0\"",
        &format!("\"format_version\": \"{version}\""),
    );
    assert_ne!(other, text);
    other
}

fn assert_newer(ran: &Ran, code: i32, version: &str) {
    assert_eq!(ran.code, code, "{}", ran.all());
    assert!(ran.stderr.contains(version), "{}", ran.all());
}

#[test]
fn reports_of_every_minor_version_are_shown() {
    let site = Site::new(&[], &[]);
    for kind in ["plan", "apply", "drift", "validate"] {
        let text = kept(&format!("report-{kind}.json"));
        let later = text.replacen('{', "{\n  \"unheard_of\": [{\"a\": 1}],", 1);
        for text in [text.clone(), of_version(&later, "1.7")] {
            site.scratch.write("report.json", &text);
            for form in ["text", "markdown", "html", "github"] {
                let ran = site.run(&["render", "report.json", "--format", form]);
                assert_eq!(ran.code, 0, "{kind} {form}: {}", ran.all());
            }
        }
        site.scratch.write("report.json", &of_version(&text, "2.0"));
        assert_newer(&site.run(&["render", "report.json"]), 3, "2.0");
    }
}

#[test]
fn states_and_journals_of_every_version_are_read() {
    let site = site();
    let state = kept("state-2.json");
    for (journal, people) in [
        (None, 5),
        (Some("journal-1.jsonl"), 9),
        (Some("journal-2.jsonl"), 9),
    ] {
        if let Some(journal) = journal {
            site.scratch
                .write(".roomctl/state.json.journal", &kept(journal));
        }
        let ran = run(&site, &["state", "show", "tea", "--format", "json"]);
        assert_eq!(ran.code, 0, "{journal:?}: {}", ran.all());
        assert_eq!(
            ran.json()["settings"]["maxParticipants"],
            people,
            "{journal:?}"
        );
    }
    // Of a later version, and with lines whose sums are right.
    site.scratch
        .write(".roomctl/state.json.journal", &kept("journal-3.jsonl"));
    assert_newer(&run(&site, &["plan"]), 7, "version 3");
    fs::remove_file(site.scratch.path(".roomctl/state.json.journal")).unwrap();
    site.scratch.write(
        ".roomctl/state.json",
        &state.replace("\"version\": 2", "\"version\": 3"),
    );
    assert_newer(&run(&site, &["plan"]), 7, "version 3");
    site.scratch
        .write(".roomctl/state.json", &kept("state-1/state.json"));
    assert_eq!(run(&site, &["state", "list"]).code, 0);
}

/// It was made for a port at which nobody listens: that it is asked shows that all else was accepted.
#[test]
fn saved_plans_are_applied() {
    let site = site();
    site.scratch.write("plan.roomctl", &kept("plan.roomctl"));
    let apply = [
        "apply",
        "plan.roomctl",
        "--yes",
        "--base-url",
        "http://127.0.0.1:44821",
    ];
    let ran = run(&site, &apply);
    assert_eq!(ran.code, 6, "{}", ran.all());
    site.scratch
        .write("plan.roomctl", &of_version(&kept("plan.roomctl"), "2.0"));
    assert_newer(&run(&site, &apply), 3, "2.0");
}

#[test]
fn what_is_kept_beside_is_read_or_made_anew() {
    let site = site();
    let plan = |site: &Site| run(site, &["plan", "--now", "2026-11-02T00:00:00Z"]).stdout;
    let before = plan(&site);
    for cache in [
        kept("cache"),
        kept("cache").replacen('{', "{\"version\":9,", 1),
        "\u{0}".to_owned(),
    ] {
        site.scratch.write(".roomctl/state.json.cache", &cache);
        assert_eq!(plan(&site), before);
    }
    let drift = ["drift", "--rate", "unlimited", "--seen-file", "seen.json"];
    site.scratch.write("seen.json", &kept("seen.json"));
    assert_eq!(run(&site, &drift).code, 2);
    site.scratch
        .write("seen.json", &of_version(&kept("seen.json"), "2.0"));
    assert_newer(&run(&site, &drift), 3, "2.0");
    // It says nothing, then, and spoils nothing.
    site.scratch
        .write("service.json", &of_version(&kept("service.json"), "2.0"));
    let ran = run(&site, &["plan"]);
    assert_newer(&ran, 0, "2.0");
    let ran = run(
        &site,
        &[
            "probe",
            "--room",
            "probe-1",
            "--check",
            "--rate",
            "unlimited",
        ],
    );
    assert_newer(&ran, 3, "2.0");
    site.scratch.write("service.json", &kept("service.json"));
    let ran = run(
        &site,
        &[
            "probe",
            "--room",
            "probe-1",
            "--check",
            "--rate",
            "unlimited",
        ],
    );
    assert_eq!(ran.code, 0, "{}", ran.all());
}
