//! `plan --base`: which lines a change to the files explains. With the `git` program.

use std::process::Command;

use serde_json::json;

use crate::harness::Site;
use crate::schemas::check;

fn git(site: &Site, args: &[&str]) {
    let done = Command::new("git")
        .args(["-c", "user.name=Test", "-c", "user.email=test@example.com"])
        .args(args)
        .current_dir(site.scratch.path(""))
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .output()
        .unwrap();
    assert!(
        done.status.success(),
        "{args:?}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
}

fn commit(site: &Site) {
    git(site, &["add", "-A", "rooms"]);
    git(site, &["commit", "-q", "-m", "rooms"]);
}

/// Two rooms applied; a third and a move merged since; then a change on top.
fn site() -> Site {
    let site = Site::new(&[], &[]);
    git(&site, &["init", "-q", "-b", "main"]);
    site.room(0, "privacy: private\nmaxParticipants: 5\n");
    site.room(1, "privacy: private\n");
    site.scratch
        .write("rooms/team/_defaults.yaml", "autoJoin: true\n");
    commit(&site);
    assert_eq!(site.apply(&[]).code, 0);
    site.room(0, "privacy: private\nmaxParticipants: 6\n");
    site.room(2, "privacy: private\n");
    commit(&site);
    git(&site, &["checkout", "-q", "-b", "change"]);
    site.room(0, "privacy: public\nmaxParticipants: 6\n");
    site.room(1, "privacy: public\n");
    commit(&site);
    site
}

#[test]
fn each_line_says_where_it_comes_from() {
    let site = site();
    let ran = site.run(&["plan", "--base", "main", "--format", "json"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    let report = ran.json();
    check("plan", &report);
    let lines: Vec<_> = report["changes"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|change| {
            let room = change["room"].clone();
            let attributes = change["attributes"].as_array().unwrap().iter();
            attributes.map(move |a| json!([room, a["name"], a["explanation"]]))
        })
        .collect();
    assert_eq!(
        lines,
        [
            json!(["room-02", "privacy", "merged-earlier"]),
            json!(["room-00", "maxParticipants", "merged-earlier"]),
            json!(["room-00", "privacy", "this-change"]),
            json!(["room-01", "privacy", "this-change"]),
        ]
    );
    let text = site.run(&["plan", "--base", "main"]).stdout;
    let place = |part: &str| text.find(part).unwrap_or_else(|| panic!("{part}: {text}"));
    assert!(place("~ room-00") < place("~ room-01"));
    assert!(place("[merged earlier, not applied]") < place("[this change]"));
    assert!(
        text.contains("Unexplained: 2 lines in 2 rooms not from this change."),
        "{text}"
    );
}

#[test]
fn unexplained_lines_can_be_denied() {
    let site = site();
    let denied = ["plan", "--base", "main", "--deny", "unexplained"];
    let ran = site.run(&denied);
    assert_eq!(ran.code, 4, "{}", ran.all());
    assert!(
        ran.stdout.contains("~ room-01"),
        "the plan is shown: {}",
        ran.stdout
    );
    assert_eq!(site.apply(&[]).code, 0);
    assert_eq!(site.run(&denied).code, 0);
    // Somebody moves a room on the service.
    site.edit("room-00", "maxParticipants", json!(9));
    let ran = site.run(&["plan", "--live", "--base", "main", "--deny", "unexplained"]);
    assert_eq!(ran.code, 4, "{}", ran.all());
    assert!(ran.stdout.contains("[drift]"), "{}", ran.stdout);
}

#[test]
fn a_revision_that_is_not_there_is_wrong_usage() {
    let site = site();
    for revision in ["nowhere", "--all", "HEAD:rooms", ""] {
        let ran = site.run(&["plan", &format!("--base={revision}")]);
        assert_eq!(ran.code, 64, "{revision}: {}", ran.all());
    }
}

#[test]
fn errors_in_the_files_of_then_make_nothing_look_new() {
    let site = site();
    git(&site, &["checkout", "-q", "main"]);
    site.room(1, "privacy: open\n");
    commit(&site);
    git(&site, &["checkout", "-q", "change"]);
    let ran = site.run(&["plan", "--base", "main", "--format", "json"]);
    let explanation = &ran.json()["changes"][2]["explanation"];
    assert_eq!(*explanation, "merged-earlier", "{}", ran.all());
}
