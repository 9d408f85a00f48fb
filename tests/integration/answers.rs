//! What an answer means, from outside: what it says, and then one GET.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::common::Ran;
use crate::harness::Site;
use crate::hostile_service::{Asked, HostileService, Way, answer, json_answer};

fn receipt(ran: &Ran, room: &str) -> Value {
    let report = ran.json();
    let receipts = report["receipts"].as_array().unwrap();
    let receipt = receipts.iter().find(|r| r["room"] == room);
    receipt.unwrap_or_else(|| panic!("{report}")).clone()
}

fn methods(service: &HostileService) -> Vec<String> {
    let asked = service.asked();
    asked.iter().map(|asked| asked.method.clone()).collect()
}

/// Answers that say that a write was taken, and show no room.
fn without_the_room() -> Vec<Vec<u8>> {
    let mut answers = vec![
        answer(204, "application/json", "", ""),
        answer(200, "text/plain", "", ""),
    ];
    let bodies = [
        json!({"success": true}),
        json!({"message": "updated"}),
        json!({}),
        json!([]),
    ];
    answers.extend(bodies.iter().map(|body| json_answer(200, body)));
    answers
}

#[test]
fn a_write_that_is_answered_without_the_room_is_settled_by_one_get() {
    for bytes in without_the_room() {
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        let service = HostileService::new(&["a"], move |asked| match asked.method.as_str() {
            "PUT" => Way::After(bytes.clone()),
            _ => Way::Well,
        });
        let ran = service.apply(&[]);
        assert_eq!(ran.code, 0, "{shown}: {}", ran.all());
        assert_eq!(receipt(&ran, "a")["outcome"], "confirmed", "{shown}");
        assert_eq!(methods(&service), ["GET", "PUT", "GET"], "{shown}");
        assert_eq!(service.apply(&[]).code, 0);
        assert_eq!(
            service.asked().len(),
            3,
            "{shown}: nothing is written again"
        );
    }
}

#[test]
fn a_get_that_shows_other_values_is_an_override_and_one_that_shows_nothing_leaves_it_unknown() {
    for (body, outcome, code) in [
        (
            json!({"roomName": "a", "privacy": "public", "maxParticipants": 5}),
            "overridden",
            0,
        ),
        (json!({"message": "busy"}), "unknown", 6),
        (json!({"message": "room not found"}), "unknown", 6),
    ] {
        let written = AtomicBool::new(false);
        let shown = body.to_string();
        let service = HostileService::new(&["a"], move |asked| match asked.method.as_str() {
            "PUT" => {
                written.store(true, Ordering::SeqCst);
                Way::After(answer(204, "application/json", "", ""))
            }
            _ if written.load(Ordering::SeqCst) => Way::Instead(json_answer(200, &body)),
            _ => Way::Well,
        });
        let ran = service.apply(&[]);
        assert_eq!(ran.code, code, "{shown}: {}", ran.all());
        assert_eq!(receipt(&ran, "a")["outcome"], outcome, "{shown}");
        assert_eq!(methods(&service), ["GET", "PUT", "GET"], "{shown}");
    }
}

#[test]
fn a_success_that_says_no_is_never_confirmed() {
    let room = json!({"roomName": "a", "privacy": "private", "maxParticipants": 5});
    for no in [
        json!({"success": false, "message": "Invalid request"}),
        json!({"error": "write failed"}),
        json!({"error": {"message": "write failed"}}),
        json!({"message": "room not found"}),
    ] {
        for with_room in [false, true] {
            let mut body = no.as_object().unwrap().clone();
            if with_room {
                body.extend(room.as_object().unwrap().clone());
            }
            let shown = json!(body).to_string();
            let bytes = json_answer(200, &Value::Object(body));
            let service = HostileService::new(&["a"], move |asked| match asked.method.as_str() {
                "PUT" => Way::Instead(bytes.clone()),
                _ => Way::Well,
            });
            let ran = service.apply(&[]);
            assert_eq!(ran.code, 6, "{shown}: {}", ran.all());
            let outcome = receipt(&ran, "a")["outcome"].clone();
            assert!(
                outcome == "refused" || outcome == "unknown",
                "{shown}: {outcome}"
            );
        }
    }
}

#[test]
fn a_name_that_is_taken_is_read_again_in_whichever_way_it_is_said() {
    let text = "room with the name a already exists";
    for (status, body) in [
        (400, json!({"message": text})),
        (400, json!({"error": text})),
        (400, json!({"error": {"message": text}})),
        (400, json!({"error": {"details": [{"message": text}]}})),
        (422, json!({"reason": text})),
        (409, json!({"message": "conflict"})),
        (200, json!({"success": false, "error": text})),
    ] {
        let first = AtomicBool::new(true);
        let shown = format!("{status} {body}");
        let taken = json_answer(status, &body);
        let missing = json_answer(400, &json!({"error": "Room not found"}));
        let service = HostileService::new(&["a"], move |asked| match asked.method.as_str() {
            "GET" if first.swap(false, Ordering::SeqCst) => Way::Instead(missing.clone()),
            "POST" => Way::Instead(taken.clone()),
            _ => Way::Well,
        });
        let ran = service.apply(&[]);
        assert_eq!(ran.code, 0, "{shown}: {}", ran.all());
        assert_eq!(receipt(&ran, "a")["action"], "adopt", "{shown}");
        assert_eq!(methods(&service), ["GET", "POST", "GET", "PUT"], "{shown}");
    }
}

#[test]
fn the_document_before_the_update_is_no_override() {
    let before = json!({"roomName": "a", "privacy": "public", "_id": "c0ffee"});
    let before = json_answer(200, &before);
    let service = HostileService::new(&["a"], move |asked| match asked.method.as_str() {
        "PUT" => Way::After(before.clone()),
        _ => Way::Well,
    });
    let ran = service.apply(&[]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert_eq!(receipt(&ran, "a")["outcome"], "confirmed", "{}", ran.all());
    assert_eq!(methods(&service), ["GET", "PUT", "GET"]);
}

#[test]
fn an_override_that_somebody_put_right_hides_no_later_drift() {
    for how in ["--live", "--drift-only"] {
        an_override_that_somebody_put_right_hides_no_later_drift_from(how);
    }
}

fn an_override_that_somebody_put_right_hides_no_later_drift_from(how: &str) {
    let site = Site::new(&["override=privacy:\"public\""], &[]);
    site.room(0, "privacy: private\nmaxParticipants: 5\n");
    assert_eq!(
        receipt(&site.apply(&[]), "room-00")["outcome"],
        "overridden"
    );
    let drift = |code: i32| {
        let ran = site.run(&["drift", "--rate", "unlimited"]);
        assert_eq!(ran.code, code, "{}", ran.all());
    };
    drift(0);
    // Put right by hand: in sync, and nothing is sent for it.
    site.edit("room-00", "privacy", json!("private"));
    drift(0);
    let writes = site.writes();
    let ran = site.apply(&[how]);
    assert_eq!((ran.code, site.writes()), (0, writes), "{}", ran.all());
    let plan = site.run(&[
        "plan",
        "--live",
        "--detailed-exitcode",
        "--rate",
        "unlimited",
    ]);
    assert_eq!(plan.code, 0, "{}", plan.all());
    // Opened by hand: that is drift.
    site.edit("room-00", "privacy", json!("public"));
    drift(2);
}

#[test]
fn a_page_that_refuses_one_room_stops_no_other() {
    for status in [401, 403] {
        let page = "<html><body>Attention required</body></html>";
        let service = HostileService::new(&["a", "b", "c"], move |asked: &Asked| {
            if asked.is("PUT", "b") {
                return Way::Instead(answer(status, "text/html", "", page));
            }
            Way::Well
        });
        let ran = service.apply(&["--parallelism", "1"]);
        assert_eq!(ran.code, 5, "{}", ran.all());
        let outcomes = ["a", "b", "c"].map(|room| receipt(&ran, room)["outcome"].clone());
        assert_eq!(
            outcomes,
            ["confirmed", "unknown", "confirmed"],
            "{}",
            ran.all()
        );
        assert_eq!(ran.json()["stopped"], Value::Null);
        assert_eq!(service.count("PUT", "b"), 1, "a page is not asked twice");
    }
}

#[test]
fn what_was_written_behind_a_page_still_counts_for_the_guard() {
    for status in [302, 401, 403, 404, 408, 413] {
        let armed = Arc::new(AtomicBool::new(false));
        let is_armed = armed.clone();
        let service = HostileService::new(&["a"], move |asked| {
            match asked.is("PUT", "a") && is_armed.swap(false, Ordering::SeqCst) {
                true => Way::After(answer(status, "text/html", "", "<html>blocked</html>")),
                false => Way::Well,
            }
        });
        let file = |privacy: &str, people: i64| {
            let text = format!("privacy: {privacy}\nmaxParticipants: {people}\n");
            service.scratch.write("rooms/a.yaml", &text);
        };
        let guard = "guard: {require_allow: [privacy-widened]}\n";
        service.scratch.write("roomctl.yaml", guard);
        file("public", 5);
        assert_eq!(service.apply(&["--allow", "privacy-widened"]).code, 0);
        armed.store(true, Ordering::SeqCst);
        file("private", 5);
        let ran = service.apply(&[]);
        assert_eq!(ran.code, 6, "{status} {}", ran.all());
        assert_eq!(receipt(&ran, "a")["outcome"], "unknown", "{status}");
        // The room is private by now; an edit of something else must not open it.
        file("public", 6);
        let ran = service.apply(&[]);
        assert_eq!(ran.code, 4, "{status} {}", ran.all());
    }
}

#[test]
fn an_answer_that_shows_less_than_a_read_hides_no_override() {
    for more in [&[][..], &["flags=string", "numbers=string"]] {
        let quirks = ["echo=writes", "override=maxParticipants:10"];
        let site = Site::new(&[&quirks[..], more].concat(), &[]);
        let mut privacy = "private";
        for people in [50, 51, 51] {
            let text = format!("privacy: {privacy}\nmaxParticipants: {people}\n");
            site.room(0, &text);
            let ran = site.apply(&[]);
            let receipt = receipt(&ran, "room-00");
            assert_eq!(receipt["outcome"], "overridden", "{}", ran.all());
            let drift = site.run(&["drift", "--rate", "unlimited"]);
            assert_eq!(drift.code, 0, "{}", drift.all());
            privacy = if people == 51 { "public" } else { "private" };
        }
    }
}

#[test]
fn a_service_that_shows_reads_no_more_than_writes_is_read_again_once() {
    let site = Site::new(&["echo=sample"], &[]);
    for (people, requests) in [(5, 3), (6, 1), (7, 1)] {
        site.room(0, &format!("privacy: private\nmaxParticipants: {people}\n"));
        let ran = site.apply(&[]);
        assert_eq!(
            receipt(&ran, "room-00")["attempts"],
            requests,
            "{}",
            ran.all()
        );
    }
}

#[test]
fn a_name_in_lower_case_that_is_looked_up_exactly_is_found_and_said() {
    for more in [&[][..], &["answer=204"]] {
        let site = Site::new(&[&["lowercase-names=exact"][..], more].concat(), &[]);
        site.scratch.write("roomctl.yaml", "names: url-safe\n");
        site.scratch.write("rooms/aB3.yaml", "privacy: private\n");
        for _ in 0..3 {
            let ran = site.apply(&[]);
            assert_eq!(ran.code, 6, "{}", ran.all());
            let receipt = receipt(&ran, "aB3");
            let message = receipt["message"].as_str().unwrap();
            assert!(message.contains("call its file `ab3.yaml`"), "{message}");
        }
        let (from, to) = ("rooms/aB3.yaml", "rooms/ab3.yaml");
        std::fs::rename(site.scratch.path(from), site.scratch.path(to)).unwrap();
        let ran = site.apply(&[]);
        assert_eq!(ran.code, 0, "{}", ran.all());
        assert_eq!(receipt(&ran, "ab3")["action"], "adopt");
    }
}

#[test]
fn a_page_on_first_contact_stops_the_run() {
    let rooms: Vec<String> = (0..8).map(|n| format!("room-{n}")).collect();
    let names: Vec<&str> = rooms.iter().map(String::as_str).collect();
    let service = HostileService::new(&names, |_| {
        Way::Instead(answer(403, "text/html", "", "<html>Forbidden</html>"))
    });
    let ran = service.apply(&["--parallelism", "1"]);
    assert_eq!(ran.code, 6, "{}", ran.all());
    assert_eq!(service.asked().len(), 1);
}

#[test]
fn a_service_that_names_the_room_in_lower_case_is_said_and_its_room_can_be_adopted() {
    let site = Site::new(&["lowercase-names=on"], &[]);
    site.scratch.write("roomctl.yaml", "names: url-safe\n");
    site.scratch
        .write("rooms/aB3.yaml", "privacy: private\nmaxParticipants: 5\n");
    let hint = |text: &str| {
        for part in ["`ab3`", "`ab3.yaml`", "`roomName: ab3`"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    };
    for more in [&[][..], &[], &["--live"]] {
        let ran = site.apply(more);
        assert_eq!(ran.code, 6, "{}", ran.all());
        hint(receipt(&ran, "aB3")["message"].as_str().unwrap());
    }
    assert_eq!(site.count("POST"), 1, "it is not created again");
    for command in ["drift", "plan"] {
        let live = if command == "plan" {
            &["--live"][..]
        } else {
            &[]
        };
        let ran = site.run(&[&[command, "--rate", "unlimited"], live].concat());
        assert_eq!(ran.code, 6, "{}", ran.all());
        hint(&ran.all());
    }
    // Once the file has the service's name, one command adopts the room.
    let (from, to) = ("rooms/aB3.yaml", "rooms/ab3.yaml");
    std::fs::rename(site.scratch.path(from), site.scratch.path(to)).unwrap();
    let ran = site.apply(&[]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert_eq!(receipt(&ran, "ab3")["action"], "adopt");
    for command in [&["plan", "--detailed-exitcode"][..], &["drift"]] {
        let ran = site.run(command);
        assert_eq!(ran.code, 0, "{}", ran.all());
    }
    assert_eq!(site.state()["rooms"].as_object().unwrap().len(), 1);
}
