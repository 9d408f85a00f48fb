//! A plan is saved, and applied as it was: by the built program.

use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use crate::harness::{KEY, Site};
use crate::schemas::check;

const ROOM: &str = "privacy: private\nmaxParticipants: 5\n";
const MORE: &str = "privacy: private\nmaxParticipants: 6\n";

/// Three rooms that are applied.
fn site() -> Site {
    let site = Site::new(&[], &[]);
    for number in 0..3 {
        site.room(number, ROOM);
    }
    assert_eq!(site.apply(&[]).code, 0);
    site
}

/// Somebody moves the first room by hand.
fn edited(site: &Site, people: i64) {
    site.simulator().with_world(|world| {
        world
            .edit("room-00", "maxParticipants", json!(people))
            .unwrap()
    });
}

fn apply(site: &Site, args: &[&str]) -> crate::common::Ran {
    let fixed = ["apply", "--yes", "--rate", "unlimited", "plan.roomctl"];
    site.run(&[&fixed, args].concat())
}

#[test]
fn a_plan_is_applied_as_it_was_saved_and_only_once() {
    let site = site();
    site.room(0, MORE);
    assert_eq!(site.run(&["plan", "--out", "plan.roomctl"]).code, 0);
    let saved: Value = serde_json::from_str(&site.scratch.read("plan.roomctl")).unwrap();
    check("saved-plan", &saved);
    check("plan", &saved["report"]);
    // Merged meanwhile, and not in the saved plan.
    site.room(1, MORE);
    let puts = site.count("PUT");
    let ran = apply(&site, &["--format", "json"]);
    assert_eq!(ran.code, 4, "nobody would read it: {}", ran.all());
    check("apply", &ran.json());
    assert_eq!(ran.json()["uncovered"], json!(["room-01"]));
    assert_eq!(ran.json()["summary"]["confirmed"], 1);
    assert!(
        ran.stderr.contains("does not cover all: 1 room"),
        "{}",
        ran.stderr
    );
    assert_eq!(site.count("PUT"), puts + 1);
    let again = apply(&site, &[]);
    assert_eq!(again.code, 4, "{}", again.all());
    let said = "Not covered: 1 room that would change, and that the plan does not have: room-01";
    assert!(again.stdout.contains(said), "{}", again.stdout);
    assert_eq!(site.count("PUT"), puts + 1);
    let meant = apply(&site, &["--exclude", "room-01"]);
    assert_eq!(meant.code, 0, "{}", meant.all());
}

/// What an empty plan does is nothing, and that is not what the files want.
#[test]
fn an_empty_plan_does_not_apply_what_came_later() {
    let site = site();
    site.run(&["plan", "--out", "plan.roomctl"]);
    let puts = site.count("PUT");
    assert_eq!(apply(&site, &[]).code, 0, "it covers all that there is");
    site.room(1, MORE);
    let ran = apply(&site, &[]);
    assert_eq!((ran.code, site.count("PUT")), (4, puts), "{}", ran.all());
    assert!(ran.stderr.contains("does not cover all"), "{}", ran.stderr);
}

#[test]
fn a_room_that_moved_holds_the_plan_back() {
    let site = site();
    site.room(0, MORE);
    site.room(1, MORE);
    site.run(&["plan", "--out", "plan.roomctl"]);
    site.room(1, "privacy: private\nmaxParticipants: 7\n");
    let (puts, gets) = (site.count("PUT"), site.count("GET"));
    let ran = apply(&site, &["--format", "json"]);
    assert_eq!(ran.code, 4, "{}", ran.all());
    let report = ran.json();
    check("apply", &report);
    assert_eq!(report["summary"]["skipped"], 2);
    assert!(ran.stderr.contains("5 → 7"), "the new diff: {}", ran.stderr);
    assert_eq!((site.count("PUT"), site.count("GET")), (puts, gets));
    let ran = apply(&site, &["--partial"]);
    assert_eq!(ran.code, 5, "{}", ran.all());
    assert_eq!(site.count("PUT"), puts + 1);
    let ran = apply(&site, &["--partial"]);
    assert_eq!(
        ran.code,
        4,
        "nothing is left that is the same: {}",
        ran.all()
    );
}

#[test]
fn a_plan_is_bound_to_how_it_was_made() {
    let site = site();
    site.remove(2);
    site.run(&["plan", "--prune", "--out", "plan.roomctl"]);
    let ran = apply(&site, &["--prune", "--live"]);
    assert_eq!(ran.code, 64, "{}", ran.all());
    // What it does beyond the files is asked for where it is applied.
    let ran = apply(&site, &[]);
    assert_eq!((ran.code, site.count("DELETE")), (4, 0), "{}", ran.all());
    let ran = apply(&site, &["--prune"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert_eq!(site.count("DELETE"), 1, "{}", ran.all());
}

#[test]
fn what_the_service_showed_is_part_of_the_saved_plan() {
    let site = site();
    edited(&site, 9);
    site.run(&["plan", "--drift-only", "--out", "plan.roomctl"]);
    edited(&site, 8);
    let puts = site.count("PUT");
    let ran = apply(&site, &["--drift-only"]);
    assert_eq!(ran.code, 4, "{}", ran.all());
    assert!(ran.stderr.contains("stale: room-00"), "{}", ran.stderr);
    assert_eq!(site.count("PUT"), puts);
    site.run(&["plan", "--drift-only", "--out", "plan.roomctl"]);
    let ran = apply(&site, &["--drift-only"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert_eq!(site.count("PUT"), puts + 1);
}

#[test]
fn another_state_or_app_and_other_files_are_refused() {
    let site = site();
    site.room(0, MORE);
    site.run(&["plan", "--out", "plan.roomctl"]);
    let saved = site.scratch.read("plan.roomctl");
    let puts = site.count("PUT");
    for (from, to, code) in [
        (r#""app": "#, r#""app": "other", "x": "#, 4),
        (r#""lineage": ""#, r#""lineage": "f"#, 4),
        (
            r#""format_version": "1.0""#,
            r#""format_version": "2.0""#,
            3,
        ),
        (r#""kind": "saved-plan""#, r#""kind": "plan""#, 3),
        ("{", "", 3),
    ] {
        site.scratch
            .write("plan.roomctl", &saved.replacen(from, to, 1));
        let ran = apply(&site, &[]);
        assert_eq!(ran.code, code, "{to}: {}", ran.all());
    }
    assert_eq!(site.count("PUT"), puts);
}

#[test]
fn a_fork_without_secrets_plans_what_is_applied_with_them() {
    let site = Site::new(&[], &[]);
    site.room(
        0,
        "privacy: private\nmeetingEndedWebhook: https://h.example/${env:ROOM_CANARY_TOKEN}\n",
    );
    assert_eq!(site.run(&["plan", "--out", "plan.roomctl"]).code, 0);
    let set = [("ROOM_CANARY_TOKEN".to_owned(), "canary-value".to_owned())];
    let fixed = ["apply", "--yes", "--rate", "unlimited", "plan.roomctl"];
    let ran = site.run_with(&set, &fixed);
    assert_eq!(ran.code, 0, "{}", ran.all());
    site.room(
        0,
        "privacy: public\nmeetingEndedWebhook: https://h.example/${env:ROOM_CANARY_TOKEN}\n",
    );
    site.run_with(&set, &["plan", "--out", "plan.roomctl"]);
    assert!(!site.scratch.read("plan.roomctl").contains("canary-value"));
    // Without its variable the room is left out, also when the secret is all that moved.
    let ran = site.run(&fixed);
    assert_eq!(ran.code, 5, "{}", ran.all());
    let why = "variable not set: ROOM_CANARY_TOKEN";
    assert!(ran.stdout.contains(why), "{}", ran.stdout);
    assert_eq!(site.run_with(&set, &fixed).code, 0);
    let moved = [(set[0].0.clone(), "canary-other".to_owned())];
    site.run_with(&moved, &["plan", "--out", "plan.roomctl"]);
    let ran = site.run(&fixed);
    assert_eq!(ran.code, 5, "{}", ran.all());
    assert!(ran.stdout.contains(why), "{}", ran.stdout);
    assert_eq!(site.run_with(&moved, &fixed).code, 0);
}

/// A saved plan as somebody leaves it who has changed it and knows how it is made.
pub fn sealed(text: &str) -> String {
    let mut plan: Value = serde_json::from_str(text).unwrap();
    plan["seal"] = json!("");
    let mut inside = plan.clone();
    let fields = inside.as_object_mut().unwrap();
    fields.retain(|name, _| !["format_version", "kind"].contains(&name.as_str()));
    let digest = digest(&SHA256, &serde_json::to_vec(&inside).unwrap());
    let hex: String = digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    plan["seal"] = json!(format!("sha256:{hex}"));
    serde_json::to_string_pretty(&plan).unwrap() + "\n"
}

/// Whatever is changed in a saved plan, by whoever: nothing of it is applied.
#[test]
fn a_saved_plan_that_was_changed_is_refused() {
    let site = site();
    site.room(0, "privacy: private\n# why\nmaxParticipants: 505\n");
    site.run(&["plan", "--out", "plan.roomctl"]);
    let saved = site.scratch.read("plan.roomctl");
    let puts = site.count("PUT");
    let edits = [
        ("\"after\": 505", "\"after\": 999"),
        ("\"before\": 5", "\"before\": 504"),
        ("\"effects\": []", "\"effects\": [\"archived\"]"),
        ("\"effects\": []", "\"effects\":[]"),
        ("\"line\": 3", "\"line\": 2"),
        ("rooms/room-00.yaml", "rooms/room-01.yaml"),
        ("\"cause\": \"change\"", "\"cause\": \"drift\""),
        ("\"update\": 1", "\"update\": 2"),
        ("\"unchanged\": 2", "\"unchanged\": 1"),
        ("\"requests\": 1", "\"requests\": 2"),
        ("\"seconds\": 0.0", "\"seconds\": 1.0"),
        ("\"managed\": 3", "\"managed\": 30"),
        ("\"guard\": null", "\"guard\": \"none\""),
        ("\"prune\": false", "\"prune\": true"),
        ("\"after\": 505", "\"after\": 999, \"after\": 505"),
    ];
    for (from, to) in edits {
        assert!(saved.contains(from), "{from}: {saved}");
        site.scratch
            .write("plan.roomctl", &saved.replacen(from, to, 1));
        let ran = apply(&site, &[]);
        assert_eq!(ran.code, 4, "{to}: {}", ran.all());
        let shown = site.run(&["render", "plan.roomctl"]);
        assert_eq!((shown.code, shown.stdout.as_str()), (4, ""), "{to}");
        assert!(
            ran.stderr.contains("somebody changed it"),
            "{to}: {}",
            ran.stderr
        );
    }
    // Sealed again by somebody who knows how: it is made a second time and compared.
    assert_eq!(sealed(&saved), saved);
    for (from, to) in edits {
        let edited = sealed(&saved.replacen(from, to, 1));
        if edited != saved {
            site.scratch.write("plan.roomctl", &edited);
            let ran = apply(&site, &[]);
            assert_eq!(ran.code, 4, "{to}: {}", ran.all());
        }
    }
    let edited = sealed(&saved.replacen(edits[0].0, edits[0].1, 1));
    site.scratch.write("plan.roomctl", &edited);
    let ran = apply(&site, &[]);
    assert!(
        ran.stderr.contains("room-00: maxParticipants"),
        "{}",
        ran.stderr
    );
    assert_eq!(site.count("PUT"), puts);
    site.scratch.write("plan.roomctl", &saved);
    assert_eq!(apply(&site, &[]).code, 0);
}

/// Answers that were lost, on a service that shows only a part of a room: the same plan settles them, and does nothing twice.
#[test]
fn a_run_that_died_is_repeated() {
    let site = Site::new(&["echo=sample"], &[]);
    for number in 0..3 {
        site.room(number, ROOM);
    }
    assert_eq!(site.apply(&[]).code, 0);
    site.room(0, "privacy: private\nmaxParticipants: 6\nautoJoin: true\n");
    site.remove(1);
    site.run(&["plan", "--live", "--prune", "--out", "plan.roomctl"]);
    // Each room is looked at, and read before it is written.
    site.faults(&["drop-after=method:PUT|DELETE", "500=method:GET,skip:5"]);
    let ran = apply(&site, &["--prune", "--deadline", "1s"]);
    assert_eq!(ran.code, 5, "{}", ran.all());
    let known = &site.state()["rooms"];
    for (room, name) in [("room-00", "autoJoin"), ("room-01", "roomName")] {
        assert_ne!(known[room]["unconfirmed"][name], Value::Null, "{known}");
    }
    site.faults(&[]);
    let ran = apply(&site, &["--prune"]);
    assert_eq!((ran.code, site.count("DELETE")), (0, 1), "{}", ran.all());
    assert_eq!(site.state()["rooms"]["room-01"], Value::Null);
    let plan = site.run(&["plan", "--prune", "--format", "json"]).json();
    assert_eq!(plan["changes"], json!([]), "{plan}");
}

#[test]
fn what_was_sent_again_is_not_sent_a_third_time() {
    let site = site();
    site.run(&["plan", "--reassert", "--out", "plan.roomctl"]);
    site.faults(&["reflect-key=method:PUT,room:room-01"]);
    assert_eq!(apply(&site, &[]).code, 5);
    site.faults(&[]);
    for expected in [1, 0] {
        let puts = site.count("PUT");
        let ran = apply(&site, &[]);
        assert_eq!(
            (ran.code, site.count("PUT")),
            (0, puts + expected),
            "{}",
            ran.all()
        );
    }
}

/// Another service of the same name, and another copy of the same state, are not what was reviewed.
#[test]
fn a_plan_is_for_one_service_and_one_state() {
    let (site, other) = (site(), Site::new(&[], &[]));
    site.room(0, MORE);
    let state = site.scratch.read(".roomctl/state.json");
    site.scratch.write("copy.json", &state);
    let run = |args: &[&str]| {
        let mut command = site.scratch.command(&["--app", "acme"]);
        command.args(args).env("METERED_SECRET_KEY", KEY);
        crate::common::Ran::from(command.output().unwrap())
    };
    let apply = |url: &str, more: &[&str]| {
        run(&[
            &["--base-url", url, "apply", "--yes", "plan.roomctl"][..],
            more,
        ]
        .concat())
    };
    let refused = |ran: crate::common::Ran, flag: &str| {
        assert_eq!(ran.code, 4, "{}", ran.all());
        assert!(ran.stderr.contains(flag), "{}", ran.stderr);
    };
    // Nobody named a service where it was made: the one of the app is meant.
    run(&["plan", "--out", "plan.roomctl"]);
    refused(apply(site.url(), &[]), "https://acme.metered.live");
    run(&["--base-url", site.url(), "plan", "--out", "plan.roomctl"]);
    let before = (site.log().len(), other.log().len());
    refused(apply(other.url(), &[]), "--base-url http");
    refused(
        apply(site.url(), &["--state", "copy.json"]),
        "--state copy.json",
    );
    assert_eq!((site.log().len(), other.log().len()), before);
    let ran = apply(&format!("{}/", site.url()), &[]);
    assert_eq!(ran.code, 0, "{}", ran.all());
}

/// A guard that was taken out since, and totals that somebody changed: whatever is applied of a plan, all of it is checked.
#[test]
fn a_selection_loosens_nothing() {
    let site = site();
    let guard = "guard: {require_allow: [privacy-widened]}\n";
    site.scratch.write("roomctl.yaml", guard);
    site.room(0, "privacy: public\nmaxParticipants: 5\n");
    site.run(&["plan", "--live", "--out", "plan.roomctl"]);
    let saved = site.scratch.read("plan.roomctl");
    let puts = site.count("PUT");
    let selections = [
        &[][..],
        &["--exclude", "zz"],
        &["--exclude", "room-01"],
        &["--target", "room-00"],
    ];
    let refused = |why: &str| {
        for selection in selections {
            let ran = apply(&site, selection);
            assert_eq!(ran.code, 4, "{selection:?}: {}", ran.all());
            assert!(ran.stderr.contains(why), "{selection:?}: {}", ran.all());
        }
    };
    site.scratch.write("roomctl.yaml", "app: acme\n");
    refused("because: the guard");
    let edited = saved.replace("\"unchanged\": 2", "\"unchanged\": 999");
    site.scratch.write("plan.roomctl", &sealed(&edited));
    refused("because: the number of unchanged rooms");
    site.scratch.write("plan.roomctl", &saved);
    site.scratch.write("roomctl.yaml", guard);
    refused("allow it with --allow privacy-widened");
    assert_eq!(site.count("PUT"), puts);
    // Each room is read once, though it is planned twice.
    let gets = site.count("GET");
    let ran = apply(
        &site,
        &["--target", "room-00", "--allow", "privacy-widened"],
    );
    assert_eq!(
        (ran.code, site.count("PUT")),
        (0, puts + 1),
        "{}",
        ran.all()
    );
    assert_eq!(site.count("GET"), gets + 3 + 1);
}

/// What a run may do that takes several merges together.
mod covered {
    use super::*;

    fn merged(site: &Site, args: &[&str]) -> crate::common::Ran {
        let fixed = ["apply", "--yes", "--rate", "unlimited"];
        site.run(&[&fixed, args].concat())
    }

    fn plan(site: &Site, file: &str) {
        assert_eq!(site.run(&["plan", "--out", file]).code, 0);
    }

    #[test]
    fn several_merges_are_applied_in_one_run_if_each_was_reviewed() {
        let site = site();
        // Three pull requests; the plan of the third was made before the second was merged.
        site.room(0, MORE);
        plan(&site, "one.roomctl");
        site.room(0, ROOM);
        site.room(1, MORE);
        plan(&site, "two.roomctl");
        site.room(1, ROOM);
        site.room(2, MORE);
        plan(&site, "three.roomctl");
        site.room(0, MORE);
        site.room(1, MORE);
        let puts = site.count("PUT");
        for covers in [
            &["--covered-by"][..],
            &["--covered-by", "one.roomctl", "three.roomctl"],
        ] {
            let ran = merged(&site, covers);
            assert_eq!((ran.code, site.count("PUT")), (4, puts), "{}", ran.all());
            let held = "not reviewed: room-01: no reviewed plan has it";
            assert!(ran.stderr.contains(held), "{}", ran.stderr);
        }
        let all = [
            "--covered-by",
            "one.roomctl",
            "two.roomctl",
            "three.roomctl",
        ];
        let ran = merged(&site, &all);
        assert_eq!(
            (ran.code, site.count("PUT")),
            (0, puts + 3),
            "{}",
            ran.all()
        );
        let again = merged(&site, &["--covered-by"]);
        assert_eq!(again.code, 0, "nothing is left: {}", again.all());
    }

    #[test]
    fn what_was_reviewed_is_what_is_sent() {
        let site = site();
        site.room(0, MORE);
        site.room(1, MORE);
        plan(&site, "plan.roomctl");
        site.room(1, "privacy: public\nmaxParticipants: 6\n");
        let puts = site.count("PUT");
        let ran = merged(&site, &["--covered-by", "plan.roomctl"]);
        assert_eq!((ran.code, site.count("PUT")), (4, puts), "{}", ran.all());
        let ran = merged(
            &site,
            &[
                "--covered-by",
                "plan.roomctl",
                "--partial",
                "--format",
                "json",
            ],
        );
        assert_eq!(
            (ran.code, site.count("PUT")),
            (5, puts + 1),
            "{}",
            ran.all()
        );
        check("apply", &ran.json());
        assert!(
            ran.stdout.contains("covered by no reviewed plan"),
            "{}",
            ran.stdout
        );
    }

    /// A room that was applied in between comes from elsewhere to what was reviewed; what would newly be moved was not.
    #[test]
    fn the_same_may_be_reached_from_elsewhere_but_nothing_more_is_done() {
        let site = site();
        site.room(0, "privacy: private\nmaxParticipants: 7\n");
        plan(&site, "second.roomctl");
        site.room(0, MORE);
        assert_eq!(site.apply(&[]).code, 0);
        site.room(0, "privacy: private\nmaxParticipants: 7\n");
        let ran = merged(&site, &["--covered-by", "second.roomctl"]);
        assert_eq!(ran.code, 0, "{}", ran.all());
        // Applied from a machine of somebody's own: putting it back was not reviewed.
        site.room(0, "privacy: private\nmaxParticipants: 8\n");
        plan(&site, "third.roomctl");
        site.room(0, "privacy: public\nmaxParticipants: 7\n");
        assert_eq!(site.apply(&[]).code, 0);
        site.room(0, "privacy: private\nmaxParticipants: 8\n");
        let ran = merged(&site, &["--covered-by", "third.roomctl"]);
        assert_eq!(ran.code, 4, "{}", ran.all());
        assert!(
            ran.stderr.contains("it would change more"),
            "{}",
            ran.stderr
        );
    }

    /// A secret goes where a reviewed plan showed it to go, whoever knows the variables.
    #[test]
    fn a_secret_goes_nowhere_that_was_not_shown() {
        let site = Site::new(&[], &[]);
        let set = |token: &str, url: &str| {
            let set = [("ROOM_TOKEN", token), ("ROOM_URL", url)];
            set.map(|(name, value)| (name.to_owned(), value.to_owned()))
        };
        let here = set("canary", "https://h.example/canary");
        let write = |url: &str, people: i64| {
            let room = format!(
                "privacy: private\nmaxParticipants: {people}\nmeetingEndedWebhook: {url}\n"
            );
            site.room(0, &room);
        };
        let ran = |variables: &[(String, String)], args: &[&str]| {
            let fixed = ["apply", "--yes", "--rate", "unlimited"];
            let ran = site.run_with(variables, &[&fixed, args].concat());
            let sent = site.log().iter().rev().find_map(|one| {
                Some(
                    one.body.as_ref()?["meetingEndedWebhook"]
                        .as_str()?
                        .to_owned(),
                )
            });
            (ran.code, sent.unwrap_or_default(), ran.all())
        };
        write("https://h.example/${env:ROOM_TOKEN}", 1);
        assert_eq!(ran(&here, &[]).0, 0);

        // Only the variable moved, and a line beside it: nothing of it leads elsewhere.
        write("https://h.example/${env:ROOM_TOKEN}", 2);
        plan(&site, "plan.roomctl");
        let rotated = set("canary-2", "https://h.example/canary-2");
        let (code, sent, all) = ran(&rotated, &["--covered-by", "plan.roomctl"]);
        assert_eq!((code, &*sent), (0, "https://h.example/canary-2"), "{all}");

        // Made where the other text stands for the same, a plan does not show it; later it stands for something else.
        write("${env:ROOM_URL}", 3);
        let made = site.run_with(&rotated, &["plan", "--out", "plan.roomctl"]);
        assert!(
            !made.stdout.contains("meetingEndedWebhook"),
            "{}",
            made.all()
        );
        let evil = set("canary-2", "https://evil.example/canary-2");
        for how in [&["--covered-by", "plan.roomctl"][..], &["plan.roomctl"]] {
            let (code, sent, all) = ran(&evil, how);
            assert_eq!((code, &*sent), (4, "https://h.example/canary-2"), "{all}");
        }

        // Shown, it is sent; taken out of what was shown, it is not.
        write("https://evil.example/${env:ROOM_TOKEN}", 3);
        plan(&site, "plan.roomctl");
        let text = site.scratch.read("plan.roomctl");
        assert!(text.contains("https://evil.example/****"), "{text}");
        let mut forged: Value = serde_json::from_str(&text).unwrap();
        let lines = forged["report"]["changes"][0]["attributes"].as_array_mut();
        lines
            .unwrap()
            .retain(|line| line["name"] != "meetingEndedWebhook");
        site.scratch
            .write("forged.roomctl", &sealed(&forged.to_string()));
        for how in [&["--covered-by", "forged.roomctl"][..], &["forged.roomctl"]] {
            let (code, sent, all) = ran(&rotated, how);
            assert_eq!((code, &*sent), (4, "https://h.example/canary-2"), "{all}");
        }
        let (code, sent, all) = ran(&rotated, &["--covered-by", "plan.roomctl"]);
        assert_eq!(
            (code, &*sent),
            (0, "https://evil.example/canary-2"),
            "{all}"
        );
    }
}
