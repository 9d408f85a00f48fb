//! The form of the state: what an earlier version wrote is read, and what cannot be trusted is refused.

use serde_json::{Value, json};

use crate::common::root;
use crate::harness::Site;

/// A directory that version 1 of the format was written in: two files as they were applied, and one whose last write
/// was never answered.
fn version_1() -> Site {
    let site = Site::new(&[], &[]);
    let kept = |path: &str| {
        std::fs::read_to_string(root().join("tests/compat/state-1").join(path)).unwrap()
    };
    for file in ["plain", "sales/stream", "sales/doubtful"] {
        let path = format!("rooms/{file}.yaml");
        site.scratch.write(&path, &kept(&path));
    }
    site.scratch
        .write(".roomctl/state.json", &kept("state.json"));
    site
}

#[test]
fn a_state_of_version_1_is_read_and_written_anew_by_the_next_save() {
    let site = version_1();
    let before = site.scratch.read(".roomctl/state.json");
    let key = [(
        "ROOM_KEY".to_owned(),
        "rtmp://live.example/canary".to_owned(),
    )];
    let plan = site.run_with(&key, &["plan", "--format", "json"]).json();
    assert_eq!(plan["summary"]["unchanged"], 2, "{plan}");
    assert_eq!(plan["changes"][0]["room"], "doubtful");
    // How its secrets were written, it does not know.
    let plan = site.run(&["plan", "--format", "json"]).json();
    assert_eq!(plan["summary"]["unchanged"], 1, "{plan}");
    assert_eq!(site.run(&["state", "list"]).code, 0);
    assert_eq!(site.scratch.read(".roomctl/state.json"), before);

    site.simulator()
        .with_world(|world| world.create("doubtful", [].into(), 1));
    let apply = [
        "apply",
        "--yes",
        "--rate",
        "unlimited",
        "--now",
        "2026-11-01T00:00:00Z",
    ];
    let ran = site.run_with(&key, &apply);
    assert_eq!(ran.code, 0, "{}", ran.all());
    let old: Value = serde_json::from_str(&before).unwrap();
    let new = site.state();
    assert_eq!((&new["version"], &new["serial"]), (&json!(2), &json!(2)));
    assert_eq!(new["lineage"], old["lineage"]);
    let written = &new["rooms"]["doubtful"];
    assert_eq!(written["file"], "rooms/sales/doubtful.yaml");
    assert_eq!(written["asserted"], 1_793_491_200, "{written}");
    assert_eq!(written["unconfirmed"], Value::Null);
    // What nobody wrote was not written.
    let [mut plain, mut before] = [&new, &old].map(|state| state["rooms"]["plain"].clone());
    plain.as_object_mut().unwrap().remove("file");
    // Which text they came from is not written any more.
    before.as_object_mut().unwrap().remove("source").unwrap();
    assert_eq!(plain, before);
    assert_eq!(site.run(&["plan", "--detailed-exitcode"]).code, 0);
}

#[test]
fn a_write_is_remembered_with_its_time_and_what_was_not_seen() {
    let site = Site::with_rooms(&["echo=sample"], &[], 1);
    let room = |now: &str| {
        let ran = site.apply(&["--now", now]);
        assert_eq!(ran.code, 0, "{}", ran.all());
        site.state()["rooms"]["room-00"].clone()
    };
    let first = room("1790000000");
    assert_eq!(first["asserted"], 1_790_000_000);
    assert_eq!(first["unseen"], json!(["maxParticipants"]));
    assert_eq!(first["file"], "rooms/room-00.yaml");
    // Nothing to write: nothing moves.
    assert_eq!(room("1790000100"), first);
    // A key that is no longer managed is recorded, and not written.
    site.room(0, "privacy: private\nmaxParticipants: 5\n");
    let released = room("1790000200");
    assert_eq!(released["asserted"], 1_790_000_000, "{released}");
    site.room(0, "privacy: private\nmaxParticipants: 6\n");
    assert_eq!(room("1790000300")["asserted"], 1_790_000_300);
}

/// A state, or a line of its journal, that holds something twice: the last would win without a word.
#[test]
fn what_stands_twice_in_a_state_is_refused() {
    let state = |serial: &str, rooms: &str| {
        format!(
            r#"{{"version":2,"lineage":"x","serial":{serial},"app":"acme","rooms":{{{rooms}}}}}"#
        )
    };
    let cases = [
        (
            state(
                "1",
                r#""a":{"settings":{"privacy":"private"}},"a":{"settings":{"privacy":"public"}}"#,
            ),
            "`a` is there twice",
        ),
        (
            state(
                "1",
                r#""a":{"settings":{"privacy":"private","privacy":"public"}}"#,
            ),
            "`privacy` is there twice",
        ),
        (
            state(
                "1",
                r#""a":{"settings":{"privacy":"private"},"unconfirmed":{"a":1,"a":2}}"#,
            ),
            "`a` is there twice",
        ),
        (
            state("18446744073709551615", ""),
            "its serial is the highest there is",
        ),
        (
            r#"{"version":2,"lineage":"","serial":1,"app":"acme","rooms":{}}"#.to_owned(),
            "it has no lineage",
        ),
    ];
    for (text, message) in cases {
        let site = Site::with_rooms(&[], &[], 1);
        site.scratch.write(".roomctl/state.json", &text);
        for args in [
            &["plan"][..],
            &["apply", "--yes"],
            &["drift"],
            &["state", "list"],
        ] {
            let ran = site.run(args);
            assert_eq!(ran.code, 7, "{args:?} {text}: {}", ran.all());
            assert!(ran.stderr.contains(message), "{args:?}: {}", ran.stderr);
        }
        assert_eq!(site.scratch.read(".roomctl/state.json"), text);
        assert_eq!(site.log().len(), 0);
    }
}

/// What a file said when it was applied is in the state's settings and nowhere else: the `source` that states of before have is
/// read, and nothing is made of it.
#[test]
fn a_file_is_read_whatever_a_state_says_of_it() {
    let site = Site::with_rooms(&[], &[], 1);
    site.room(0, "privacy: private\nmaxParticipants: 5\n");
    assert_eq!(site.apply(&[]).code, 0);
    let mut state = site.state();
    assert!(state["rooms"]["room-00"].get("source").is_none());
    site.room(0, "privacy: private\nmaxParticipants: 9\n");
    for source in [json!("sha256:0"), json!(7), json!(null)] {
        state["rooms"]["room-00"]["source"] = source;
        site.scratch
            .write(".roomctl/state.json", &state.to_string());
        let drift = site.run(&["drift", "--format", "json"]).json();
        assert_eq!(drift["summary"]["pending"], 1, "{drift}");
    }
    // Settings that were edited: the file is ahead of them.
    site.room(0, "privacy: private\nmaxParticipants: 5\n");
    state["rooms"]["room-00"]["settings"]["maxParticipants"] = json!(9);
    site.scratch
        .write(".roomctl/state.json", &state.to_string());
    site.edit("room-00", "maxParticipants", json!(9));
    let drift = site.run(&["drift", "--format", "json"]).json();
    assert_eq!(drift["summary"]["pending"], 1, "{drift}");
}
