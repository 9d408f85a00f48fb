//! `probe` from outside: what it asks, writes, leaves alone and cleans up.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use serde_json::{Value, json};

use crate::common::Ran;
use crate::harness::{KEY, Site};
use crate::hostile_service::{HostileService, Way, json_answer};
use crate::interrupts::signal;
use crate::schemas::check;

fn probe(site: &Site, more: &[&str]) -> Ran {
    let fixed = ["probe", "--rate", "unlimited", "--now", "1790000000"];
    site.run(&[&fixed, more].concat())
}

fn service(site: &Site) -> Value {
    serde_json::from_str(&site.scratch.read("service.json")).unwrap()
}

/// The rooms that are not archived, by name.
fn rooms(site: &Site) -> Vec<String> {
    site.simulator().with_world(|world| {
        let rooms = world.rooms().filter(|room| !room.archived);
        rooms.map(|room| room.name.clone()).collect()
    })
}

#[test]
fn every_question_is_answered_with_evidence_and_no_values() {
    let site = Site::new(&["put=replace", "echo=sample", "missing=404"], &[]);
    site.existing(3);
    let ran = probe(&site, &["--room", "Probe-1", "--format", "json"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    let report = ran.json();
    check("service", &report);
    assert_eq!(report, service(&site));
    assert_eq!(report["asked"], "2026-09-21T14:13:20Z");
    for (question, answer) in [
        ("put", "replace"),
        ("echo", "sample"),
        ("missing", "404"),
        ("auth", "401"),
    ] {
        let one = &report["answers"][question];
        assert_eq!(one["answer"], answer, "{question}");
        assert!(one["evidence"][0]["status"].is_number(), "{question}");
    }
    let text = site.scratch.read("service.json");
    for value in [
        KEY,
        "roomctl.invalid",
        "Probe-1",
        "probe-1",
        "1790",
        "room-0",
    ] {
        assert!(!text.contains(value), "{value}");
    }
    assert_eq!(rooms(&site), ["room-00", "room-01", "room-02"]);
    // A later one takes its place.
    assert_eq!(probe(&site, &["--room", "probe-2"]).code, 0);
}

#[test]
fn a_simulator_that_is_like_it_answers_like_it() {
    let quirks = [
        "put=replace",
        "answer=before",
        "missing=200",
        "zero=refuse",
        "numbers=string",
        "hide=recordRoom",
    ];
    let site = Site::new(&quirks, &[]);
    assert_eq!(probe(&site, &["--room", "Probe-1"]).code, 0);
    let mut like = site.start_piped(&["simulate", "--like", "service.json"]);
    let mut line = String::new();
    let mut pipe = std::io::BufReader::new(like.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut pipe, &mut line).unwrap();
    let same = ["--room", "Probe-1", "--check", "--base-url", line.trim()];
    let ran = site.run(&[&["probe", "--rate", "unlimited"], &same[..]].concat());
    signal(&like, "INT");
    assert!(like.wait().unwrap().success());
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert!(ran.stderr.contains("answers as it did"), "{}", ran.all());
}

#[test]
fn check_says_what_is_otherwise_by_now() {
    let site = Site::new(&[], &[]);
    let ran = probe(&site, &["--room", "probe-1", "--check"]);
    assert_eq!(ran.code, 64, "{}", ran.all());
    assert_eq!(probe(&site, &["--room", "probe-1"]).code, 0);
    let before = service(&site);
    site.becomes("put=replace");
    let ran = probe(&site, &["--room", "probe-2", "--check"]);
    assert_eq!(ran.code, 2, "{}", ran.all());
    assert!(
        ran.stderr.contains("changed: put: merge → replace"),
        "{}",
        ran.all()
    );
    assert_eq!(service(&site), before);
    // What cannot be compared is not as it was.
    site.becomes("echo=sample");
    let ran = probe(&site, &["--room", "probe-3", "--check"]);
    assert!(
        ran.stderr.contains("not answered this time: "),
        "{}",
        ran.all()
    );
}

#[test]
fn a_room_that_exists_or_is_managed_is_refused() {
    let site = Site::applied(&[], 1);
    site.simulator().with_world(|world| {
        world.create(
            "theirs",
            [("privacy".to_owned(), json!("public"))].into(),
            0,
        );
    });
    // One that is not applied yet would not find its name free.
    site.room(7, "privacy: public\n");
    for room in ["theirs", "room-00", "room-07", "Room-07"] {
        let before = site.simulator().requests();
        let ran = probe(&site, &["--room", room]);
        assert_eq!(ran.code, 4, "{room}: {}", ran.all());
        assert_eq!(site.simulator().requests().written, before.written);
    }
    assert!(!site.scratch.path("service.json").exists());
    // What is known of one app is not replaced by what another one does, be it the sandbox.
    assert_eq!(probe(&site, &["--room", "probe-1"]).code, 0);
    let kept = site.scratch.read("service.json");
    for more in [&["--sandbox"][..], &["--sandbox", "--check"]] {
        let ran = probe(&site, &[&["--room", "probe-2"], more].concat());
        assert_eq!(ran.code, 4, "{}", ran.all());
    }
    assert_eq!(site.scratch.read("service.json"), kept);
    // Nor is what a simulator answers taken for what the service of the same app does.
    let elsewhere = kept.replace("\"host\": \"localhost\"", "\"host\": \"acme.metered.live\"");
    assert_ne!(elsewhere, kept);
    site.scratch.write("service.json", &elsewhere);
    let ran = probe(&site, &["--room", "probe-2"]);
    assert_eq!(ran.code, 4, "{}", ran.all());
    assert!(ran.stderr.contains("acme.metered.live"), "{}", ran.all());
    // Nor does it take the place of something else.
    site.scratch.write("service.json", "{\"mine\": true}\n");
    assert_eq!(probe(&site, &["--room", "probe-1"]).code, 3);
    let ran = probe(&site, &["--room", "probe-1", "--out", "rooms/a.yaml"]);
    assert_eq!(ran.code, 64, "{}", ran.all());
}

#[test]
fn what_would_be_sent_is_listed_without_asking() {
    let site = Site::new(&[], &[]);
    let ran = probe(&site, &["--room", "probe-1", "--dry-run"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert!(ran.stdout.contains("POST room"), "{}", ran.all());
    assert_eq!(site.simulator().requests().total(), 0);
}

/// An interrupt ends the questions, and not what cleans up after them.
#[cfg(unix)]
#[test]
fn an_interrupt_leaves_nothing_on_the_service() {
    let site = Site::new(&[], &["slow=ms:300,method:PUT"]);
    let child = site.start_piped(&["probe", "--rate", "unlimited", "--room", "probe-1"]);
    while site.simulator().requests().put < 1 {
        std::thread::yield_now();
    }
    signal(&child, "INT");
    let ran: Ran = child.wait_with_output().unwrap().into();
    assert_eq!(ran.code, 130, "{}", ran.all());
    // Said beforehand, for whoever does not let it clean up.
    assert!(
        ran.stderr.contains("the room probe-1 is made"),
        "{}",
        ran.all()
    );
    assert_eq!(rooms(&site), Vec::<String>::new());
}

/// What cannot be archived is said.
#[test]
fn what_is_left_is_said() {
    let site = Site::new(&[], &["500=method:DELETE"]);
    let ran = probe(&site, &["--room", "probe-1"]);
    assert_eq!(ran.code, 5, "{}", ran.all());
    assert!(
        ran.stderr.contains("left on the service: room probe-1: "),
        "{}",
        ran.all()
    );
    let left = service(&site)["left"].as_array().unwrap().len();
    assert_eq!(left, 1);
    assert_eq!(rooms(&site), ["probe-1"]);
}

/// Plan, drift and import word by it what they say; what is planned, and how a run ends, is the same.
#[test]
fn other_commands_say_what_is_known() {
    let quirks = ["echo=sample", "put=replace", "zero=refuse"];
    let site = Site::new(&quirks, &[]);
    let file = "privacy: private\nmaxParticipants: 5\n";
    site.room(0, file);
    assert_eq!(site.apply(&[]).code, 0);
    site.room(0, "privacy: private\nmaxParticipants: 0\n");
    let runs = || [&["plan"][..], &["drift", "--rate", "unlimited"]].map(|args| site.run(args));
    let before = runs();
    assert_eq!(probe(&site, &["--room", "probe-1"]).code, 0);
    let after = runs();
    for (before, after) in before.iter().zip(&after) {
        assert_eq!((before.code, &before.stdout), (after.code, &after.stdout));
    }
    let plan = &after[0].stderr;
    for said in [
        "does not show maxParticipants",
        "forgets what a write does not name",
        "refuses 0",
    ] {
        assert!(plan.contains(said), "{said}: {plan}");
    }
    let drift = &after[1].stderr;
    assert!(drift.contains("does not show maxParticipants"), "{drift}");
    site.simulator().with_world(|world| {
        world.create(
            "theirs",
            [("privacy".to_owned(), json!("public"))].into(),
            0,
        );
    });
    let ran = site.run(&["import", "theirs", "--rate", "unlimited"]);
    assert!(
        ran.stderr
            .contains("does not show audioOnlyRoom, compositionLayout"),
        "{}",
        ran.all()
    );
    // Of another app it says nothing, and a damaged one spoils nothing.
    for text in [
        site.scratch.read("service.json").replace("acme", "other"),
        site.scratch
            .read("service.json")
            .replace("localhost", "acme.metered.live"),
        "{".to_owned(),
    ] {
        site.scratch.write("service.json", &text);
        let ran = site.run(&["plan"]);
        assert_eq!(ran.code, 0, "{}", ran.all());
        assert!(!ran.stderr.contains("does not show"), "{}", ran.all());
    }
}

/// Their room, which a service answers a POST with, whether it folds names or somebody was quicker.
#[test]
fn a_post_that_is_answered_with_a_room_that_was_there_is_followed_by_no_write() {
    use std::sync::{Arc, Mutex};
    for (room, theirs, expiry) in [
        ("probe-1", "probe-1", Some(99)),
        ("Probe-1", "probe-1", None),
        ("Probe-1", "Probe-1", Some(99)),
    ] {
        let writes = Arc::new(Mutex::new(Vec::new()));
        let (noted, made) = (writes.clone(), Mutex::new(false));
        let service = HostileService::new(&[], move |asked| {
            let mut held = json!({"roomName": theirs, "_id": "c0ffee"});
            if let Some(expiry) = expiry {
                held["expireUnixSec"] = json!(expiry);
            }
            if asked.method != "GET" {
                noted.lock().unwrap().push(asked.method.clone());
            }
            let mut made = made.lock().unwrap();
            *made |= asked.method == "POST";
            // Looked up under exactly its name; before the POST only the folded one is there.
            let is_there = asked.room() == theirs && (*made || room != theirs);
            Way::After(match asked.method == "POST" || is_there {
                true => json_answer(200, &held),
                false => json_answer(404, &json!({"message": "room not found"})),
            })
        });
        let args = ["probe", "--rate", "unlimited", "--room", room];
        let ran: Ran = service
            .command(&service.url, &args)
            .output()
            .unwrap()
            .into();
        assert_eq!(ran.code, 4, "{room}: {}", ran.all());
        let writes = writes.lock().unwrap();
        let after = writes.iter().filter(|method| *method != "POST").count();
        assert_eq!(after, 0, "{room}: {writes:?}");
    }
}

/// A POST that is not answered, and a room of that name: whether it is ours, it has to show by itself.
#[test]
fn a_room_that_appears_after_an_unanswered_post_is_not_cleaned_up() {
    let service = HostileService::new(&[], |asked| {
        let theirs = json!({"roomName": asked.room(), "_id": "c0ffee", "expireUnixSec": 99});
        match (asked.method.as_str(), asked.path.contains("/room/")) {
            ("POST", _) => Way::Instead(Vec::new()),
            ("GET", true) if MADE.swap(true, Relaxed) => Way::After(json_answer(200, &theirs)),
            _ => Way::After(json_answer(404, &json!({"message": "room not found"}))),
        }
    });
    let args = ["probe", "--rate", "unlimited", "--room", "probe-1"];
    let command = service.command(&service.url, &args).output();
    let ran: Ran = command.unwrap().into();
    assert_eq!(ran.code, 5, "{}", ran.all());
    assert!(
        ran.stderr.contains("left on the service: room probe-1: "),
        "{}",
        ran.all()
    );
    let asked = service.asked();
    let is_write = |method: &str| ["PUT", "DELETE"].contains(&method);
    assert!(!asked.iter().any(|one| is_write(&one.method)));
}

/// Whether the one read before the POST is over, in which nothing was there.
static MADE: AtomicBool = AtomicBool::new(false);
