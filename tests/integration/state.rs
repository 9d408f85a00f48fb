//! The `state` commands against a service that a room was really renamed on, an unfinished run, and a lock.

use roomctl::inside::Held;
use roomctl::simulator::{Method, Request};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::explained::git;
use crate::harness::{KEY, Site};
use crate::schemas::check;

const ROOM: &str = "privacy: private\nmaxParticipants: 5\nenableChat: true\n";

fn plan(site: &Site) -> Value {
    let args = ["plan", "--live", "--rate", "unlimited", "--format", "json"];
    site.run(&args).json()
}

#[test]
fn a_room_renamed_on_the_service_is_known_under_its_new_name() {
    let site = Site::applied(&["body-room-name=rename"], 2);
    let rename = Request::new(Method::Put, "/api/v1/room/room-01")
        .with_key(KEY)
        .with_body(&json!({"roomName": "daily"}));
    let answer = site.simulator().with_world(|world| world.handle(&rename));
    assert_eq!(answer.status, 200);
    site.remove(1);
    site.scratch.write("rooms/daily.yaml", ROOM);
    let (before, requests) = (site.state(), site.log().len());
    let ran = site.run(&["state", "mv", "room-01", "daily"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{}", ran.all());
    assert_eq!(site.log().len(), requests, "the service was contacted");
    let after = site.state();
    // All is kept but when it was written: under that name, nothing was.
    let mut kept = before["rooms"]["room-01"].clone();
    kept.as_object_mut().unwrap().remove("asserted");
    kept["claimed"] = json!(true);
    assert_eq!(after["rooms"]["daily"], kept);
    assert_eq!(after["rooms"]["room-01"], Value::Null);
    assert_eq!(after["lineage"], before["lineage"]);
    assert_eq!(
        after["serial"].as_u64().unwrap(),
        before["serial"].as_u64().unwrap() + 1
    );
    let plan = plan(&site);
    assert_eq!(plan["changes"], json!([]), "{plan}");
    assert_eq!(site.run(&["drift"]).code, 0);
}

#[test]
fn a_move_to_a_room_of_somebody_else_is_noticed_and_archives_nothing() {
    let site = Site::applied(&[], 2);
    site.simulator()
        .with_world(|world| world.create("theirs", [].into(), 1));
    site.remove(1);
    let ran = site.run(&["state", "mv", "room-01", "theirs"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert!(
        ran.stderr.contains("no file names `theirs`"),
        "{}",
        ran.stderr
    );
    let drift = site.run(&["drift"]);
    assert_eq!(drift.code, 2);
    assert!(drift.stdout.contains("theirs"), "{}", drift.stdout);
    let ran = site.apply(&["--prune"]);
    assert_eq!((ran.code, site.count("DELETE")), (5, 0), "{}", ran.all());
    site.scratch.write("rooms/theirs.yaml", ROOM);
    let plan = plan(&site);
    assert_eq!(plan["changes"][0]["action"], "adopt", "{plan}");
}

#[test]
fn what_an_unfinished_run_left_is_taken_in_first() {
    for args in [
        &["state", "mv", "room-00", "daily"] as &[&str],
        &["state", "forget", "room-00", "--yes"],
    ] {
        let site = Site::applied(&[], 2);
        let serial = site.state()["serial"].as_u64().unwrap();
        let held = hold(&site);
        let runtime = Runtime::new().unwrap();
        runtime.block_on(held.record_missing("room-01")).unwrap();
        drop(held);

        // Looking, and a change that is refused, leave every byte as it was.
        let files = site.scratch.files();
        let list = site.run(&["state", "list", "--format", "json"]);
        assert_eq!(list.json()["rooms"].as_array().unwrap().len(), 1);
        assert_eq!(site.run(&["state", "forget", "room-00"]).code, 4);
        assert_eq!(site.run(&["state", "forget", "room-01", "--yes"]).code, 64);
        let kept = |files: Vec<(_, _)>| -> Vec<_> {
            let lock = site.scratch.path(".roomctl/state.json.lock");
            files
                .into_iter()
                .filter(|(path, _)| *path != lock)
                .collect()
        };
        assert_eq!(kept(site.scratch.files()), kept(files));

        let ran = site.run(args);
        assert_eq!(ran.code, 0, "{}", ran.all());
        assert!(
            ran.stderr.contains("its 1 recorded event"),
            "{}",
            ran.stderr
        );
        assert!(!site.scratch.path(".roomctl/state.json.journal").exists());
        let state = site.state();
        assert_eq!(state["serial"].as_u64(), Some(serial + 1));
        assert_eq!(state["rooms"].get("room-00"), None);
        assert_eq!(state["rooms"].get("room-01"), None);
    }
}

fn holder() -> Value {
    json!({"holder": "build 7", "host": "runner", "pid": 42, "since": "2026-11-01T08:00:00Z"})
}

/// Somebody else's lock.
fn hold(site: &Site) -> Held {
    Held::lock(&site.scratch.path(".roomctl/state.json"), &holder()).unwrap()
}

#[test]
fn only_changes_wait_for_the_lock() {
    let site = Site::applied(&[], 1);
    let lock = hold(&site);
    assert_eq!(site.run(&["state", "list"]).code, 0);
    assert_eq!(site.run(&["state", "show", "room-00"]).code, 0);
    assert_eq!(site.run(&["state", "mv", "room-00", "daily"]).code, 7);
    let ran = site.run(&["state", "forget", "room-00", "--yes"]);
    assert_eq!(ran.code, 7);
    // Nothing is told as done that was not saved.
    assert_eq!(ran.stdout, "");
    drop(lock);
    assert_eq!(site.run(&["state", "forget", "room-00", "--yes"]).code, 0);
}

#[test]
fn reports_fit_their_schemas_and_hold_no_secret() {
    let site = Site::new(&["override=maxParticipants:3"], &[]);
    site.room(
        0,
        "privacy: private\nmaxParticipants: 5\nrtmpOutURL: rtmp://live.example/canary-stream\n",
    );
    assert_eq!(site.apply(&[]).code, 0);
    let list = site.run(&["state", "list", "--format", "json"]).json();
    check("state-list", &list);
    assert_eq!(list["rooms"][0]["overridden"], 1);
    let show = site.run(&["state", "show", "room-00", "--format", "json"]);
    check("state-show", &show.json());
    assert_eq!(show.json()["settings"]["rtmpOutURL"], "****");
    assert!(!show.all().contains("sha256"), "{}", show.all());
    let text = site.run(&["state", "show", "room-00"]).all();
    assert!(text.contains("****") && !text.contains("sha256"), "{text}");
    let wanted = site.run(&["show", "room-00", "--format", "json"]);
    check("show", &wanted.json());
    assert_eq!(wanted.json()["attributes"][2]["value"], "****");
    let text = site.run(&["show", "room-00"]).all();
    assert!(text.contains("literal-secret"), "{text}");
    assert!(!(text + &wanted.all()).contains("canary"));
}

#[test]
fn a_lock_is_only_taken_away_from_who_is_named_first() {
    let site = Site::applied(&[], 1);
    let unlock = |args: &[&str]| site.run(&[&["state", "unlock"], args].concat());
    let free = unlock(&[]);
    assert_eq!(
        (free.code, free.stdout.as_str()),
        (0, "The state is not locked.\n")
    );

    let lock = hold(&site);
    let ran = unlock(&[]);
    assert_eq!(ran.code, 4, "{}", ran.all());
    assert!(
        ran.stderr.contains("build 7 on runner (process 42)"),
        "{}",
        ran.stderr
    );
    assert_eq!(site.run(&["state", "forget", "room-00", "--yes"]).code, 7);

    let ran = unlock(&["--yes"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert!(
        ran.stdout.contains("taken away from build 7"),
        "{}",
        ran.stdout
    );
    // Whoever held it can no longer write, and the others can.
    assert!(lock.save().is_err());
    assert_eq!(site.run(&["state", "forget", "room-00", "--yes"]).code, 0);
}

#[test]
fn a_lock_left_by_a_dead_run_is_recognised() {
    let site = Site::applied(&[], 1);
    let record = holder().to_string();
    let leave = || site.scratch.write(".roomctl/state.json.lock", &record);
    leave();
    let unlock = site.run(&["state", "unlock"]);
    assert_eq!(unlock.code, 0, "{}", unlock.all());
    assert!(unlock.stdout.contains("not locked"), "{}", unlock.stdout);
    assert!(unlock.stdout.contains("build 7"), "{}", unlock.stdout);
    leave();
    site.room(0, "privacy: public\n");
    let ran = site.apply(&[]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert!(ran.stderr.contains("the run of build 7"), "{}", ran.stderr);
    assert!(!site.apply(&[]).stderr.contains("build 7"));
}

const STATE: &str = ".roomctl/state.json";

/// The state of a pipeline on its branch, as it was after each of two applies; and none here.
fn with_a_branch() -> (Site, [String; 2]) {
    let site = Site::new(&[], &[]);
    git(&site, &["init", "-q", "-b", "main"]);
    git(&site, &["checkout", "-q", "--orphan", "kept"]);
    let mut states = Vec::new();
    for people in [5, 6] {
        site.room(0, &format!("privacy: private\nmaxParticipants: {people}\n"));
        assert_eq!(site.apply(&[]).code, 0);
        states.push(site.scratch.read(STATE));
        site.scratch.write("state.json", &states[states.len() - 1]);
        git(&site, &["add", "-f", "state.json"]);
        git(&site, &["commit", "-q", "-m", "State"]);
    }
    std::fs::remove_dir_all(site.scratch.path(".roomctl")).unwrap();
    (site, states.try_into().unwrap())
}

#[test]
fn a_plan_here_goes_by_what_a_pipeline_applied_once_its_state_is_brought() {
    let (site, [old, new]) = with_a_branch();
    let bring = |revision: &str| site.run(&["state", "pull", "--branch", revision]);
    for (revision, expected) in [("kept~1", &old), ("kept", &new), ("kept", &new)] {
        let ran = bring(revision);
        assert_eq!(ran.code, 0, "{revision}: {}", ran.all());
        assert_eq!(site.scratch.read(STATE), *expected, "{revision}");
    }
    let ran = site.run(&["plan", "--detailed-exitcode"]);
    assert_eq!(ran.code, 0, "{}", ran.all());

    // What is here and not there stays.
    let refused = bring("kept~1");
    assert_eq!(refused.code, 4, "{}", refused.all());
    assert_eq!(site.scratch.read(STATE), new);
    let unknown = bring("origin/kept");
    assert_eq!(unknown.code, 7, "{}", unknown.all());
    assert!(
        unknown.stderr.contains("git fetch origin"),
        "{}",
        unknown.all()
    );
    site.scratch
        .write(STATE, &new.replace("\"lineage\": \"", "\"lineage\": \"0"));
    assert_eq!(bring("kept").code, 4);

    // What a run of there recorded, and no more, is said: that it is taken in is for the next one.
    git(&site, &["checkout", "-q", "-f", "kept"]);
    site.scratch.write("state.json.journal", "no journal\n");
    git(&site, &["add", "-f", "state.json.journal"]);
    git(&site, &["commit", "-q", "-m", "A run died"]);
    std::fs::remove_dir_all(site.scratch.path(".roomctl")).unwrap();
    let broken = bring("kept");
    assert_eq!(broken.code, 7, "{}", broken.all());
    assert!(!site.scratch.path(STATE).exists(), "{}", broken.all());
}

#[test]
fn only_what_comes_after_it_takes_the_place_of_a_state() {
    let (site, [old, new]) = with_a_branch();
    site.scratch.write("old.json", &old);
    site.scratch.write("new.json", &new);
    let other = new.replace("\"lineage\": \"", "\"lineage\": \"0");
    site.scratch.write("other.json", &other);
    for (file, code, serial) in [
        ("old.json", 0, 1),
        ("old.json", 0, 1),
        ("new.json", 0, 2),
        ("old.json", 4, 2),
        ("other.json", 4, 2),
    ] {
        let ran = site.run(&["state", "push", file]);
        assert_eq!(
            (ran.code, site.state()["serial"].as_u64()),
            (code, Some(serial)),
            "{file}: {}",
            ran.all()
        );
    }

    let moved = site.run(&["state", "migrate", "elsewhere/state.json"]);
    assert_eq!(moved.code, 0, "{}", moved.all());
    let at = ["--state", "elsewhere/state.json"];
    let there = site.run(&[&at[..], &["state", "list", "--format", "json"]].concat());
    let here = site.run(&["state", "list", "--format", "json"]);
    assert_eq!(there.json()["rooms"], here.json()["rooms"]);
    let again = site.run(&["state", "migrate", "elsewhere/state.json"]);
    assert_eq!(again.code, 0, "{}", again.all());
    assert_eq!(site.run(&["state", "forget", "room-00", "--yes"]).code, 0);
    let taken = site.run(&["state", "migrate", "elsewhere/state.json"]);
    assert_eq!(taken.code, 4, "{}", taken.all());
}
