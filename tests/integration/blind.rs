//! What the service does not show: it is counted, can be required, and is sent again on demand.

use roomctl::simulator::Quirks;
use serde_json::{Value, json};

use crate::common::Ran;
use crate::harness::Site;
use crate::hostile_service::{HostileService, Way, json_answer};
use crate::schemas::check;

const ROOM: &str = "privacy: private\nmaxParticipants: 5\nenableChat: true\nrecordRoom: false\n";

/// Rooms that are applied to a service that answers the documented fields only: of each room two attributes of four.
fn site(rooms: usize) -> Site {
    let site = Site::new(&["echo=sample"], &[]);
    for number in 0..rooms {
        site.room(number, ROOM);
    }
    assert_eq!(site.apply(&["--now", "1790000000"]).code, 0);
    site
}

fn drift(site: &Site, more: &[&str]) -> crate::common::Ran {
    let fixed = ["drift", "--rate", "unlimited", "--now", "1790090000"];
    site.run(&[&fixed, more].concat())
}

#[test]
fn every_form_of_a_drift_report_says_how_much_could_be_checked() {
    let site = site(2);
    site.edit("room-00", "maxParticipants", json!(9));
    let ran = drift(&site, &["--format", "json", "--metrics-file", "out.prom"]);
    let report = ran.json();
    check("drift", &report);
    assert_eq!(ran.code, 0);
    let attributes = json!({"managed": 8, "visible": 4});
    assert_eq!(report["summary"]["attributes"], attributes);
    let counted = site.scratch.read("out.prom");
    assert!(counted.contains("roomctl_attributes_managed{app=\"acme\"} 8\n"));
    assert!(counted.contains("roomctl_attributes_visible{app=\"acme\"} 4\n"));
    for form in ["text", "markdown", "html", "github"] {
        let ran = drift(&site, &["--format", form]);
        assert!(
            ran.stdout.contains("4 of 8 managed attributes"),
            "{}",
            ran.all()
        );
    }
    let verbose = drift(&site, &["-v"]).stdout;
    for said in [
        "last written 2026-09-21 14:13 UTC, 25 hours ago",
        "not shown: maxParticipants, recordRoom",
    ] {
        assert!(verbose.contains(said), "{verbose}");
        let shown = site.run(&["state", "show", "room-00", "--now", "1790090000"]);
        assert!(shown.stdout.contains(said), "{}", shown.all());
    }
}

/// A service may show something in place of a secret. That says nothing of where it leads by now.
#[test]
fn a_mask_or_nothing_in_place_of_a_secret_is_not_visible() {
    for shown in [
        json!("****"),
        json!("https://h***.example/****"),
        json!("hidden"),
        Value::Null,
    ] {
        let mask = shown.clone();
        let service = HostileService::new(&["a"], move |asked| {
            let hook = if asked.method == "POST" {
                &Value::Null
            } else {
                &mask
            };
            Way::After(json_answer(
                200,
                &json!({"roomName": "a", "privacy": "private", "meetingJoinWebhook": hook}),
            ))
        });
        let file = "privacy: private\nmeetingJoinWebhook: https://hooks.example/${env:ROOM_HOOK}\n";
        service.scratch.write("rooms/a.yaml", file);
        let run = |args: &[&str]| -> Ran {
            let mut command = service.command(&service.url, args);
            command.env("ROOM_HOOK", "canary").output().unwrap().into()
        };
        let applied = run(&["apply", "--yes", "--rate", "unlimited", "--format", "json"]);
        let receipt = &applied.json()["receipts"][0];
        assert_eq!(receipt["outcome"], "confirmed", "{shown}: {receipt}");
        assert_eq!(
            receipt["unobservable"],
            json!(["meetingJoinWebhook"]),
            "{shown}"
        );
        let drift = ["drift", "--rate", "unlimited", "--format", "json"];
        let report = run(&drift).json();
        let attributes = json!({"managed": 2, "visible": 1});
        assert_eq!(report["summary"]["attributes"], attributes, "{shown}");
        let required = run(&[&drift[..], &["--require-visible", "100%"]].concat());
        assert_eq!(required.code, 2, "{shown}: {}", required.all());
    }
}

/// But where it was seen before, somebody took it away.
#[test]
fn a_secret_that_is_shown_no_more_has_moved() {
    let site = Site::new(&[], &[]);
    site.room(
        0,
        "privacy: private\nmeetingJoinWebhook: https://hooks.example/x\n",
    );
    assert_eq!(site.apply(&[]).code, 0);
    for shown in [json!("****"), json!("hidden"), Value::Null] {
        site.edit("room-00", "meetingJoinWebhook", shown.clone());
        let ran = drift(&site, &["--exit-zero"]);
        assert!(ran.stdout.contains("drifted"), "{shown}: {}", ran.all());
    }
}

/// One that was hidden at first, as soon as any apply saw it.
#[test]
fn a_secret_that_came_into_sight_and_is_taken_out_has_moved() {
    let site = Site::new(&["hide=meetingJoinWebhook"], &[]);
    let file = "privacy: private\nmeetingJoinWebhook: https://hooks.example/x\n";
    site.room(0, file);
    assert_eq!(site.apply(&[]).code, 0);
    site.simulator()
        .with_world(|world| world.set_quirks(Quirks::default()));
    assert_eq!(site.apply(&["--live"]).code, 0);
    site.edit("room-00", "meetingJoinWebhook", json!(""));
    let ran = drift(&site, &[]);
    assert_eq!(ran.code, 2, "{}", ran.all());
}

/// What nobody knows here is listed; if nobody sees it there either, it is not visible, and never both.
#[test]
fn a_secret_that_is_newly_managed_and_not_known_is_listed() {
    for (quirks, cause, visible) in [
        (&[][..], "change", 2),
        (&["hide=meetingJoinWebhook"], "unobservable", 1),
    ] {
        let site = Site::new(quirks, &[]);
        site.room(0, "privacy: private\n");
        assert_eq!(site.apply(&[]).code, 0);
        site.edit(
            "room-00",
            "meetingJoinWebhook",
            json!("https://theirs.example/x"),
        );
        site.room(0, "privacy: private\nmeetingJoinWebhook: ${env:ROOM_H}\n");
        let report = drift(&site, &["--format", "json"]).json();
        let room = &report["rooms"][0];
        assert_eq!(room["verdict"], "pending", "{report}");
        assert_eq!(room["attributes"][0]["cause"], cause, "{report}");
        let attributes = json!({"managed": 2, "visible": visible});
        assert_eq!(report["summary"]["attributes"], attributes);
    }
}

fn held(site: &Site, attribute: &str) -> Vec<Value> {
    site.simulator().with_world(|world| {
        let rooms = world.rooms();
        rooms
            .map(|room| room.attributes[attribute].clone())
            .collect()
    })
}

fn causes(report: &Value) -> Vec<&str> {
    let rooms = report["changes"].as_array().unwrap().iter();
    let attributes = rooms.flat_map(|room| room["attributes"].as_array().unwrap());
    attributes.map(|a| a["cause"].as_str().unwrap()).collect()
}

#[test]
fn what_cannot_be_seen_is_sent_again_on_demand() {
    let site = site(2);
    site.edit("room-01", "maxParticipants", json!(9));
    for live in [&[][..], &["--live"]] {
        let args = [&["plan", "--reassert", "--format", "json"], live].concat();
        let plan = site.run(&args).json();
        check("plan", &plan);
        assert_eq!(plan["summary"]["update"], 2, "{plan}");
        assert_eq!(causes(&plan), ["reassert"; 8], "{plan}");
    }
    let before = site.log().len();
    let ran = site.apply(&["--reassert", "--now", "1790090000"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    let report = ran.json();
    check("apply", &report);
    assert_eq!(report["receipts"][1]["cause"], "reassert");
    assert_eq!(held(&site, "maxParticipants"), [5, 5]);
    let sent: Vec<&str> = site
        .sent(before)
        .iter()
        .map(|(method, _)| *method)
        .collect();
    assert_eq!(sent, ["PUT", "PUT"]);
    assert_eq!(site.state()["rooms"]["room-00"]["asserted"], 1_790_090_000);
    assert_eq!(site.run(&["plan", "--detailed-exitcode"]).code, 0);
    // What an answer cannot show is not said to be known.
    let again = site.run(&["apply", "--yes", "--rate", "unlimited", "--reassert"]);
    let known = "Reasserted: 2 rooms; an answer may repeat what was there before";
    assert!(again.stdout.contains(known), "{}", again.stdout);
    // A room that has to be sent anyway is sent for its own reason, and one new to the state is added.
    site.room(0, &ROOM.replace('5', "6"));
    site.room(2, ROOM);
    let plan = site.run(&["plan", "--reassert", "--format", "json"]).json();
    let expected = [
        "change", "change", "change", "change", "change", "reassert", "reassert", "reassert",
        "reassert",
    ];
    assert_eq!(causes(&plan), expected, "{plan}");
}

#[test]
fn a_saved_plan_carries_that_it_sends_again() {
    let site = site(2);
    let ran = site.run(&["plan", "--reassert", "--out", "plan.roomctl"]);
    assert!(ran.stdout.contains("sent again"), "{}", ran.all());
    site.edit("room-01", "maxParticipants", json!(9));
    let puts = site.count("PUT");
    let ran = site.apply(&["plan.roomctl"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert_eq!(held(&site, "maxParticipants"), [5, 5]);
    assert_eq!(site.count("PUT"), puts + 2);
    for args in [
        &["plan", "--reassert", "--drift-only"][..],
        &["plan", "--reassert", "--base", "main"],
        &["apply", "--reassert", "plan.roomctl"],
    ] {
        assert_eq!(site.run(args).code, 64, "{args:?}");
    }
}

/// As many as a plan may update at once, and no effect that has to be allowed.
#[test]
fn guards_hold_for_what_is_sent_again() {
    let site = site(10);
    assert_eq!(site.apply(&["--reassert"]).code, 4);
    let config = "guard:\n  require_allow: [privacy-widened]\n";
    site.scratch.write("roomctl.yaml", config);
    site.room(3, &ROOM.replace("private", "public"));
    assert_eq!(site.apply(&["--allow", "privacy-widened"]).code, 0);
    // Somebody closes the room by hand, and nobody looks.
    site.edit("room-03", "privacy", json!("private"));
    let ran = site.apply(&["--reassert", "--max-changes", "100%"]);
    assert_eq!(ran.code, 5, "{}", ran.all());
    assert!(
        ran.stdout.contains("allow it with --allow privacy-widened"),
        "{}",
        ran.stdout
    );
    assert_eq!(held(&site, "privacy"), vec!["private"; 10]);
}

/// What was never seen may be anything: to send it may do what nobody allowed.
#[test]
fn what_was_never_seen_may_be_anything_when_it_is_sent_again() {
    let site = site(2);
    let config = "guard:\n  require_allow: [ejects-participants]\n";
    site.scratch.write("roomctl.yaml", config);
    for live in [&[][..], &["--live"]] {
        let puts = site.count("PUT");
        let ran = site.apply(&[&["--reassert"], live].concat());
        assert_eq!(ran.code, 4, "{}", ran.all());
        let why = "ejects-participants in `room-00` and 1 other room";
        assert!(ran.stderr.contains(why), "{}", ran.stderr);
        assert_eq!(site.count("PUT"), puts);
    }
    let allowed = ["--reassert", "--allow", "ejects-participants"];
    assert_eq!(site.apply(&allowed).code, 0);
    assert_eq!(site.apply(&[]).code, 0, "nothing has to be sent");
}

/// What takes seconds.
mod slow {
    use super::*;

    #[test]
    fn too_little_that_can_be_checked_is_a_difference_if_that_is_asked_for() {
        let site = site(4);
        for (share, code) in [("0%", 0), ("50", 0), ("50%", 0), ("51%", 2), ("100", 2)] {
            let ran = drift(&site, &["--require-visible", share]);
            assert_eq!(ran.code, code, "{share}: {}", ran.all());
            let why = "only 8 of 16 managed attributes could be checked";
            for said in [&ran.stdout, &ran.stderr] {
                assert_eq!(said.contains(why), code == 2, "{share}: {}", ran.all());
            }
            let ran = drift(&site, &["--require-visible", share, "--exit-zero"]);
            assert_eq!(ran.code, code, "{share}: {}", ran.all());
        }
        for wrong in ["101", "-1", "50%%", "half", ""] {
            let share = format!("--require-visible={wrong}");
            assert_eq!(drift(&site, &[&share]).code, 64, "{wrong}");
        }
        // What could not be read was not checked; a room that is gone was.
        site.simulator()
            .with_world(|world| world.archive("room-01").unwrap());
        let gone = drift(&site, &["--require-visible", "50%", "--format", "json"]);
        assert_eq!(gone.code, 2);
        let attributes = &gone.json()["summary"]["attributes"];
        assert_eq!(*attributes, json!({"managed": 16, "visible": 10}));
        site.faults(&["html=method:GET,room:room-00"]);
        let failed = drift(&site, &["--require-visible", "90%", "--format", "json"]);
        assert_eq!(failed.code, 6, "{}", failed.all());
        let attributes = &failed.json()["summary"]["attributes"];
        assert_eq!(*attributes, json!({"managed": 16, "visible": 8}));
        assert!(failed.stderr.contains("only 8 of 16"), "{}", failed.stderr);
    }
}
