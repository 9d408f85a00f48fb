//! What became of a write of which nobody heard the end is found out once, and told as what it is.

use serde_json::{Value, json};

use crate::harness::Site;

const APPLIED: &str = "privacy: private\nenableChat: true\n";

/// Rooms that are applied.
fn site(rooms: usize) -> Site {
    let site = Site::new(&[], &[]);
    for number in 0..rooms {
        site.room(number, APPLIED);
    }
    assert_eq!(site.apply(&[]).code, 0);
    site
}

/// One run that dies at a place.
fn die(site: &Site, at: &str, more: &[&str]) {
    let args = [&["apply", "--yes", "--rate", "unlimited"], more].concat();
    let mut dying = site.command(&args);
    let died = dying.env("ROOMCTL_CRASH_AT", at).output().unwrap();
    assert_eq!(died.status.code(), None, "{at}: {died:?}");
}

fn held(site: &Site, attribute: &str) -> Value {
    site.simulator()
        .with_world(|world| world.room("room-00").unwrap().attributes[attribute].clone())
}

/// The lines of a plan without a look, of one room.
fn lines(site: &Site) -> Vec<Value> {
    let plan = site.run(&["plan", "--format", "json"]);
    assert_eq!(plan.code, 0, "{}", plan.all());
    let change = &plan.json()["changes"][0];
    change["attributes"].as_array().cloned().unwrap_or_default()
}

/// Nothing is planned any more, and no doubt is left.
fn check_settled(site: &Site) {
    assert_eq!(lines(site), [] as [Value; 0]);
    let known = &site.state()["rooms"]["room-00"];
    assert_eq!(known["unconfirmed"], Value::Null, "{known}");
}

#[test]
fn a_lost_put_back_is_sent_again() {
    let site = site(1);
    site.edit("room-00", "privacy", json!("public"));
    die(&site, "intent-recorded", &["--live"]);
    assert_eq!(held(&site, "privacy"), "public");
    let again = lines(&site);
    let is_again = |line: &Value| line["cause"] == "reassert" && line["unconfirmed"] == true;
    assert!(!again.is_empty() && again.iter().all(is_again), "{again:?}");
    let ran = site.apply(&[]);
    assert_eq!((ran.code, held(&site, "privacy")), (0, json!("private")));
    check_settled(&site);
}

#[test]
fn what_was_sent_and_no_file_wants_any_more_is_named_once() {
    let site = site(1);
    site.room(0, &format!("{APPLIED}enableRecording: true\n"));
    die(&site, "request-answered", &[]);
    assert_eq!(held(&site, "enableRecording"), true);
    site.room(0, APPLIED);
    let lines = lines(&site);
    let named = lines.iter().find(|line| line["name"] == "enableRecording");
    assert_eq!(named.unwrap()["cause"], "released", "{lines:?}");
    assert_eq!(site.apply(&[]).code, 0);
    check_settled(&site);
}

/// What moves after a look was not made by a write before it.
#[test]
fn a_look_ends_what_a_write_may_have_made() {
    let site = site(2);
    let guard = "guard:\n  require_allow: [recording-on]\n";
    site.scratch.write("roomctl.yaml", guard);
    site.room(0, "privacy: private\nenableChat: false\n");
    die(&site, "request-answered", &[]);
    assert_eq!(site.apply(&["--drift-only"]).code, 0);
    check_settled(&site);
    site.edit("room-00", "enableRecording", json!(true));
    site.edit("room-01", "privacy", json!("public"));
    let ran = site.apply(&["--drift-only"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    let moved = &ran.json()["undeclared"][0]["attributes"][0];
    assert_eq!(moved["live"], true, "{}", ran.all());
    assert_eq!(moved["perhaps_ours"], Value::Null, "{}", ran.all());
    assert_eq!(ran.json()["receipts"][0]["room"], "room-01");
}

/// No value was sent: the room is read, and is as it was applied.
#[test]
fn after_an_archive_without_an_answer_the_room_is_read() {
    let site = site(2);
    let guard = "guard:\n  require_allow: [privacy-widened]\n";
    site.scratch.write("roomctl.yaml", guard);
    site.room(0, "privacy: public\n");
    assert_eq!(site.apply(&["--allow", "privacy-widened"]).code, 0);
    site.remove(0);
    die(&site, "intent-recorded", &["--prune"]);
    site.room(0, "privacy: public\n");
    let plan = site.run(&["plan", "--format", "json"]);
    let change = &plan.json()["changes"][0];
    assert_eq!(change["effects"], json!([]), "{}", plan.all());
    let ran = site.apply(&[]);
    assert_eq!((ran.code, held(&site, "privacy")), (0, json!("public")));
    check_settled(&site);
}

/// Nobody's file is ahead of a room without one.
#[test]
fn an_orphan_is_never_pending() {
    let site = site(2);
    site.room(0, "privacy: private\nenableChat: false\n");
    die(&site, "request-answered", &[]);
    site.remove(0);
    for _ in 0..2 {
        let drift = site.run(&["drift", "--format", "json"]);
        let rooms = &drift.json()["rooms"];
        let mut rooms = rooms.as_array().unwrap().iter();
        assert!(
            rooms.all(|room| room["verdict"] == "in_sync"),
            "{}",
            drift.all()
        );
        assert_eq!(site.apply(&["--live"]).code, 0);
    }
}
