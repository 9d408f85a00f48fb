//! The service's behaviour, one request at a time.

use std::collections::BTreeMap;

use serde_json::Value;

use super::*;
use crate::simulator::request::Method::{self, Delete, Get, Other, Post, Put};
use crate::simulator::world::{Settings, SimKey, UnknownRoom};

const KEY: &str = "planted-key";

/// A world with these switches and faults, and a room `standup` in it.
fn world(switches: &[&str], faults: &[&str]) -> World {
    let mut settings = Settings::new("acme", SimKey::new(KEY));
    settings.log = true;
    for switch in switches {
        settings.quirks.parse(switch).unwrap();
    }
    settings.faults = faults.iter().map(|fault| fault.parse().unwrap()).collect();
    let mut world = World::new(settings);
    let attributes = [
        ("privacy".to_owned(), json!("private")),
        ("maxParticipants".to_owned(), json!(5)),
    ];
    world.create("standup", attributes.into(), 0);
    world
}

fn send(world: &mut World, method: Method, path: &str, body: Value) -> Response {
    let mut request = Request::new(method, &format!("/api/v1/{path}"))
        .with_key(KEY)
        .at(5_000);
    if !body.is_null() {
        request = request.with_body(&body);
    }
    world.handle(&request)
}

fn get(world: &mut World, name: &str) -> Value {
    send(world, Get, &format!("room/{name}"), Value::Null)
        .value()
        .unwrap()
}

fn put(world: &mut World, body: Value) -> Response {
    send(world, Put, "room/standup", body)
}

fn message(response: &Response) -> Option<String> {
    let body = response.value()?;
    body["message"].as_str().map(ToOwned::to_owned)
}

#[test]
fn a_room_can_be_read() {
    let mut world = world(&[], &[]);
    let response = send(&mut world, Get, "room/standup", Value::Null);
    assert_eq!(response.status, 200);
    assert_eq!(
        response.header("content-type"),
        Some("application/json; charset=utf-8")
    );
    let room = response.value().unwrap();
    assert_eq!(room["roomName"], "standup");
    assert_eq!(room["privacy"], "private");
    assert_eq!(room["maxParticipants"], 5);
    for id in ["_id", "app"] {
        let id = room[id].as_str().unwrap();
        assert!(
            id.len() == 24 && id.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{id}"
        );
    }
}

#[test]
fn put_merges_or_replaces() {
    for (switch, kept) in [("put=merge", json!(5)), ("put=replace", Value::Null)] {
        let mut world = world(&[switch], &[]);
        let response = put(
            &mut world,
            json!({"privacy": "public", "enableChat": false}),
        );
        assert_eq!(response.status, 200);
        let room = response.value().unwrap();
        assert_eq!(room, get(&mut world, "standup"));
        assert_eq!(
            (&room["privacy"], &room["enableChat"]),
            (&json!("public"), &json!(false))
        );
        assert_eq!(room["maxParticipants"], kept, "{switch}");
    }
}

#[test]
fn a_refused_put_changes_nothing() {
    let mut world = world(&[], &[]);
    world.take_changes();
    for body in [
        json!({"privacy": "open"}),
        json!({"enableRTMPOut": true}),
        json!([]),
    ] {
        let response = put(&mut world, body);
        assert_eq!((response.status, world.take_changes()), (400, vec![]));
    }
    // The URL may have been sent before.
    assert_eq!(
        put(&mut world, json!({"rtmpOutURL": "rtmp://example.test/x"})).status,
        200
    );
    assert_eq!(put(&mut world, json!({"enableRTMPOut": true})).status, 200);
}

#[test]
fn a_missing_room() {
    for (switch, status) in [
        ("missing=400", 400),
        ("missing=404", 404),
        ("missing=200", 200),
    ] {
        for method in [Get, Put, Delete] {
            let mut world = world(&[switch], &[]);
            let before = world.serial;
            let response = send(&mut world, method, "room/nobody", Value::Null);
            assert_eq!(response.status, status);
            assert_eq!(message(&response).as_deref(), Some("room not found"));
            assert_eq!(world.serial, before);
            assert!(world.room("nobody").is_none());
        }
    }
}

#[test]
fn put_can_create() {
    let mut world = world(&["upsert=on"], &[]);
    let response = send(&mut world, Put, "room/fresh", json!({"autoJoin": true}));
    assert_eq!(response.status, 200);
    assert_eq!(get(&mut world, "fresh")["autoJoin"], true);
    // An archived room keeps its name, also from an upsert.
    world.archive("standup").unwrap();
    assert_eq!(
        message(&put(&mut world, json!({}))).as_deref(),
        Some("room not found")
    );
}

#[test]
fn rooms_are_created() {
    let mut world = world(&[], &[]);
    let response = send(
        &mut world,
        Post,
        "room",
        json!({"roomName": "Fresh", "privacy": "private"}),
    );
    assert_eq!(response.status, 200);
    let room = response.value().unwrap();
    assert_eq!(room["created"], "1970-01-01T00:00:05.000Z");
    assert_eq!((&room["__v"], &room["lang"]), (&json!(0), &json!("en")));
    assert_eq!(
        (&room["archived"], &room["deleteOnExp"]),
        (&json!(false), &json!(false))
    );
    assert_eq!(room, get(&mut world, "Fresh"));
    assert_ne!(room["_id"], get(&mut world, "standup")["_id"]);
    assert_eq!(room["app"], get(&mut world, "standup")["app"]);
    assert_eq!(get(&mut world, "fresh")["message"], "room not found");
}

#[test]
fn rooms_without_a_name_get_one() {
    let mut world = world(&[], &[]);
    let names: Vec<_> = (0..3)
        .map(|_| {
            let response = send(&mut world, Post, "room/", Value::Null);
            assert_eq!(response.status, 200);
            response.value().unwrap()["roomName"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert!(
        names
            .iter()
            .all(|name| name.len() == 10 && world.room(name).is_some())
    );
    assert!(names[0] != names[1] && names[1] != names[2]);
}

#[test]
fn names_are_unique() {
    let mut world = world(&[], &[]);
    let response = send(&mut world, Post, "room", json!({"roomName": "standup"}));
    assert_eq!(response.status, 400);
    assert_eq!(
        response.value().unwrap(),
        json!({"success": false, "message": "room with the name standup already exists"})
    );
}

#[test]
fn archiving_is_soft() {
    let mut world = world(&[], &[]);
    let response = send(&mut world, Delete, "room/standup", Value::Null);
    assert_eq!(
        response.value().unwrap(),
        json!({"success": true, "message": "Room successfully archived"})
    );
    assert!(world.room("standup").unwrap().archived);
    for method in [Get, Put, Delete] {
        assert_eq!(
            send(&mut world, method, "room/standup", Value::Null).status,
            400
        );
    }
    assert_eq!(
        send(&mut world, Get, "rooms", Value::Null).value().unwrap(),
        json!([])
    );
}

#[test]
fn the_name_of_an_archived_room() {
    for (switch, status) in [
        ("archived-name=reserved", 400),
        ("archived-name=reusable", 200),
    ] {
        let mut world = world(&[switch], &[]);
        let old = get(&mut world, "standup");
        world.archive("standup").unwrap();
        let response = send(&mut world, Post, "room", json!({"roomName": "standup"}));
        assert_eq!(response.status, status);
        if status == 200 {
            assert_ne!(get(&mut world, "standup")["_id"], old["_id"]);
        }
    }
}

#[test]
fn lists() {
    let names = |switches: &[&str]| -> Vec<String> {
        let mut world = world(switches, &[]);
        for name in ["b", "a", "gone"] {
            world.create(name, BTreeMap::new(), 0);
        }
        world.archive("gone").unwrap();
        let listed = send(&mut world, Get, "rooms", Value::Null).value().unwrap();
        let rooms = listed.as_array().unwrap();
        rooms
            .iter()
            .map(|room| room["roomName"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&[]), ["a", "b", "standup"]);
    assert_eq!(names(&["list-archived=on"]), ["a", "b", "gone", "standup"]);
    assert_eq!(names(&["list-limit=2"]), ["a", "b"]);
}

#[test]
fn a_name_in_the_body_of_put() {
    let body = json!({"roomName": "daily", "autoJoin": true});
    let mut ignoring = world(&[], &[]);
    assert_eq!(
        put(&mut ignoring, body.clone()).value().unwrap()["roomName"],
        "standup"
    );

    let mut refusing = world(&["body-room-name=refuse"], &[]);
    assert_eq!(put(&mut refusing, body.clone()).status, 400);

    let mut renaming = world(&["body-room-name=rename"], &[]);
    let id = get(&mut renaming, "standup")["_id"].clone();
    assert_eq!(put(&mut renaming, body.clone()).status, 200);
    assert!(renaming.room("standup").is_none());
    assert_eq!(get(&mut renaming, "daily")["_id"], id);

    renaming.create("standup", BTreeMap::new(), 0);
    assert_eq!(
        message(&put(&mut renaming, body)).as_deref(),
        Some("room with the name daily already exists")
    );
    assert!(renaming.room("standup").is_some());
}

#[test]
fn composition_switches_itself_on() {
    for feature in ["enableLiveStreaming", "recordComposition", "enableRTMPOut"] {
        let body = json!({feature: true, "enableComposition": false, "rtmpOutURL": "rtmp://example.test/x"});
        let composed = |switch: &str| {
            put(&mut world(&[switch], &[]), body.clone())
                .value()
                .unwrap()["enableComposition"]
                .clone()
        };
        assert_eq!(composed("auto-composition=off"), false);
        assert_eq!(composed("auto-composition=on"), true, "{feature}");
    }
    let mut world = world(&["auto-composition=on"], &[]);
    assert!(
        put(&mut world, json!({"enableLiveStreaming": false}))
            .value()
            .unwrap()
            .get("enableComposition")
            .is_none()
    );
}

#[test]
fn overrides_win() {
    let mut world = world(&["override=enableChat:true"], &[]);
    assert_eq!(
        put(&mut world, json!({"enableChat": false}))
            .value()
            .unwrap()["enableChat"],
        true
    );
    assert_eq!(
        world.room("standup").unwrap().attributes["enableChat"],
        true
    );
}

#[test]
fn names_can_be_folded() {
    let mut world = world(&["lowercase-names=on"], &[]);
    let created = send(&mut world, Post, "room", json!({"roomName": "Board"}))
        .value()
        .unwrap();
    assert_eq!(created["roomName"], "board");
    assert_eq!(get(&mut world, "BOARD")["_id"], created["_id"]);
    let invented = send(&mut world, Post, "room", Value::Null).value().unwrap();
    let name = invented["roomName"].as_str().unwrap();
    assert_eq!(name, name.to_lowercase());
}

#[test]
fn stored_unknown_keys_come_back() {
    let mut world = world(&["unknown-keys=store"], &[]);
    put(&mut world, json!({"enableCamera": [1], "_id": "forged"}));
    let room = get(&mut world, "standup");
    assert_eq!(room["enableCamera"], json!([1]));
    assert_ne!(room["_id"], "forged");
}

#[test]
fn the_key_is_required() {
    for (switch, status) in [("auth=401", 401), ("auth=403", 403), ("auth=400", 400)] {
        let mut world = world(&[switch], &[]);
        for request in [
            Request::new(Put, "/api/v1/room/standup"),
            Request::new(Put, "/api/v1/room/standup").with_key("wrong"),
            Request::new(Put, "/api/v1/room/standup").with_query(format!("apiKey={KEY}")),
        ] {
            let before = world.serial;
            let response = world.handle(&request.with_body(&json!({"autoJoin": true})));
            assert_eq!((response.status, world.serial), (status, before));
            assert_eq!(response.value().unwrap()["success"], false);
        }
    }
}

#[test]
fn other_paths_are_not_found() {
    let mut world = world(&[], &[]);
    for (method, path) in [
        (Post, "token"),
        (Other, "rooms"),
        (Get, "realtimelivestreaming/room/standup"),
    ] {
        let response = send(&mut world, method, path, Value::Null);
        assert_eq!(
            (response.status, message(&response).as_deref()),
            (404, Some("not found"))
        );
    }
    assert_eq!(send(&mut world, Get, "room/%zz", Value::Null).status, 400);
}

#[test]
fn names_are_one_segment() {
    let mut world = world(&[], &[]);
    world.create("a/b c", BTreeMap::new(), 0);
    assert_eq!(get(&mut world, "a%2Fb%20c")["roomName"], "a/b c");
    assert_eq!(
        send(&mut world, Get, "room/a/b%20c", Value::Null).status,
        404
    );
}

#[test]
fn bodies_have_a_limit() {
    let mut world = world(&[], &[]);
    let sized = |size: usize| {
        let mut body = br#"{"autoJoin":true}"#.to_vec();
        body.resize(size, b' ');
        Request::new(Put, "/api/v1/room/standup")
            .with_key(KEY)
            .with_bytes(body)
    };
    assert_eq!(world.handle(&sized(BODY_LIMIT + 1)).status, 413);
    assert!(
        !world
            .room("standup")
            .unwrap()
            .attributes
            .contains_key("autoJoin")
    );
    assert_eq!(world.handle(&sized(BODY_LIMIT)).status, 200);
}

#[test]
fn the_rate_can_be_limited() {
    let mut world = world(&["rate-limit=2/s"], &[]);
    let request = |at| {
        Request::new(Put, "/api/v1/room/standup")
            .with_key(KEY)
            .at(at)
    };
    let statuses: Vec<_> = [0, 400, 999, 1999]
        .map(|at| world.handle(&request(at)).status)
        .into();
    assert_eq!(statuses, [200, 200, 429, 200]);
    assert_eq!(world.counts().over_limit, 1);
    assert_eq!(world.counts().written, 3);
}

#[test]
fn counts_and_log() {
    let mut world = world(&[], &["drop-after=method:PUT"]);
    get(&mut world, "standup");
    put(&mut world, json!({"autoJoin": true}));
    send(&mut world, Delete, "room/nobody", Value::Null);
    let counts = world.counts();
    assert_eq!(
        (counts.get, counts.put, counts.delete, counts.post),
        (1, 1, 1, 0)
    );
    assert_eq!((counts.total(), counts.written, counts.faults), (3, 1, 1));
    let log = world.log();
    assert_eq!(
        log[1],
        Record {
            sequence: 2,
            at_ms: 5_000,
            method: Put,
            path: "/api/v1/room/standup".into(),
            body: Some(json!({"autoJoin": true})),
            status: None,
            wrote: true,
            fault: Some("drop-after"),
        }
    );
    assert_eq!((log[2].status, log[2].wrote), (Some(400), false));
    assert!(!format!("{log:?}").contains(KEY));
}

#[test]
fn the_log_is_off_by_default() {
    let mut world = World::new(Settings::new("acme", SimKey::new(KEY)));
    get(&mut world, "standup");
    assert_eq!(world.counts().get, 1);
    assert!(world.log().is_empty());
}

#[test]
fn the_dashboard() {
    let mut world = world(&[], &[]);
    world.edit("standup", "autoJoin", json!(true)).unwrap();
    assert_eq!(get(&mut world, "standup")["autoJoin"], true);
    assert_eq!(
        world.edit("nobody", "autoJoin", json!(true)),
        Err(UnknownRoom("nobody".into()))
    );
}

/// The answer to a PUT that meets the fault, and whether it took effect.
fn faulty(fault: &str) -> (Response, bool) {
    let mut world = world(&[], &[fault]);
    let response = put(&mut world, json!({"autoJoin": true}));
    let took_effect = world
        .room("standup")
        .unwrap()
        .attributes
        .contains_key("autoJoin");
    assert_eq!(world.counts().written, u64::from(took_effect));
    (response, took_effect)
}

#[test]
fn faults_that_prevent_the_write() {
    for (fault, status) in [
        ("429", 429),
        ("500", 500),
        ("503", 503),
        ("html", 200),
        ("redirect", 302),
        ("reflect-key", 400),
    ] {
        let (response, took_effect) = faulty(fault);
        assert_eq!((response.status, took_effect), (status, false), "{fault}");
        assert_eq!(response.delivery, Delivery::Whole);
    }
    let (response, took_effect) = faulty("drop-before");
    assert_eq!((response.delivery, took_effect), (Delivery::Dropped, false));
}

#[test]
fn faults_that_spoil_the_answer() {
    let (whole, _) = faulty("500=method:GET");
    for fault in [
        "drop-after",
        "truncated",
        "short",
        "oversized",
        "wrong-name",
        "slow",
    ] {
        let (response, took_effect) = faulty(fault);
        assert!(took_effect, "{fault}");
        assert_eq!(response.status, 200);
        assert_ne!(response, whole, "{fault}");
    }
    assert_eq!(faulty("drop-after").0.delivery, Delivery::Dropped);
    let (short, _) = faulty("short");
    assert_eq!(
        (short.delivery, &short.body),
        (Delivery::Short(whole.body.len() / 2), &whole.body)
    );
    let (truncated, _) = faulty("truncated");
    assert!(whole.body.starts_with(&truncated.body) && truncated.value().is_none());
    let (oversized, _) = faulty("oversized");
    assert!(oversized.body.len() > 1 << 20);
    assert_eq!(oversized.value(), whole.value());
    assert_eq!(
        faulty("wrong-name").0.value().unwrap()["roomName"],
        "standup-other"
    );
    assert_eq!(faulty("slow=ms:7").0.delay_ms, 7);
}

#[test]
fn waits_are_reported_in_both_forms() {
    let wait = |fault: &str| faulty(fault).0.header("retry-after").map(ToOwned::to_owned);
    assert_eq!(wait("429"), None);
    assert_eq!(wait("429=retry-after:3").as_deref(), Some("3"));
    assert_eq!(
        wait("503=retry-after:date:10").as_deref(),
        Some("Thu, 01 Jan 1970 00:00:15 GMT")
    );
}

#[test]
fn what_faults_say() {
    let (reflected, _) = faulty("reflect-key");
    assert!(message(&reflected).unwrap().contains(KEY));
    let (broken, _) = faulty("500");
    assert!(broken.value().unwrap()["eventCode"].is_string());
    assert!(faulty("html").0.body.starts_with(b"<!DOCTYPE html>"));
    assert_eq!(
        faulty("redirect").0.header("location"),
        Some("/moved/api/v1/room/standup")
    );
}

#[test]
fn faults_find_the_room_of_a_post() {
    let mut world = world(&[], &["500=room:fresh"]);
    assert_eq!(
        send(&mut world, Post, "room", json!({"roomName": "other"})).status,
        200
    );
    assert_eq!(
        send(&mut world, Post, "room", json!({"roomName": "fresh"})).status,
        500
    );
}

#[test]
fn two_worlds_with_one_seed_are_equal() {
    let run = |seed| {
        let mut settings = Settings::new("acme", SimKey::new(KEY));
        settings.seed = seed;
        let mut world = World::new(settings);
        send(&mut world, Post, "room", Value::Null);
        send(&mut world, Post, "room", json!({"roomName": "a"}));
        world.take_changes()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}
