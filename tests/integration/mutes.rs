//! What a mute accepts is left alone, also when something else of the room is written.

use serde_json::{Value, json};

use crate::common::Ran;
use crate::harness::Site;
use crate::schemas::check;

const MUTES: &str =
    "mutes:\n  - {room: room-00, attribute: maxParticipants, reason: fair, until: 2100-01-01}\n";

const FILE: &str = "privacy: private\nmaxParticipants: 5\nenableChat: true\n";

/// The same with something else in it.
const EDITED: &str = "privacy: private\nmaxParticipants: 5\nenableChat: false\n";

/// A room that somebody made larger by hand, which a mute accepts.
fn muted(quirks: &[&str]) -> Site {
    let site = Site::applied(quirks, 1);
    site.scratch.write("mutes.yaml", MUTES);
    site.edit("room-00", "maxParticipants", json!(500));
    site
}

fn held(site: &Site, room: &str, attribute: &str) -> Value {
    site.simulator().with_world(|world| {
        let room = world.room(room).unwrap();
        room.attributes.get(attribute).cloned().unwrap_or_default()
    })
}

fn plan(site: &Site, more: &[&str]) -> Ran {
    let ran = site.run(&[&["plan", "--rate", "unlimited"], more].concat());
    assert_eq!(ran.code, 0, "{}", ran.all());
    ran
}

fn is_empty(site: &Site, more: &[&str]) {
    let args = ["plan", "--detailed-exitcode", "--rate", "unlimited"];
    let ran = site.run(&[&args[..], more].concat());
    assert_eq!(ran.code, 0, "{}", ran.all());
}

/// The fates of the muted attributes of a plan.
fn fates(site: &Site, more: &[&str]) -> Vec<String> {
    let report = plan(site, &[&["--format", "json"], more].concat()).json();
    check("plan", &report);
    let rooms = report["muted"].as_array().cloned().unwrap_or_default();
    let attributes = rooms.iter().flat_map(|room| {
        let attributes = room["attributes"].as_array().unwrap().iter();
        attributes.map(move |a| format!("{} {} {}", room["room"], a["name"], a["fate"]))
    });
    attributes.map(|text| text.replace('"', "")).collect()
}

fn methods(site: &Site, from: usize) -> Vec<&'static str> {
    let sent = site.sent(from);
    sent.into_iter().map(|(method, _)| method).collect()
}

#[test]
fn muted_drift_is_left_alone_when_something_else_is_sent() {
    for (look, requests) in [(&["--live"][..], 3), (&[], 2)] {
        let site = muted(&[]);
        site.room(0, EDITED);
        let before = site.log().len();
        let ran = site.apply(look);
        assert_eq!(ran.code, 0, "{}", ran.all());
        let sent = methods(&site, before);
        assert_eq!((sent.len(), sent.last()), (requests, Some(&"PUT")));
        let message = &ran.json()["receipts"][0]["message"];
        assert_eq!(message, "left as it is there, since muted: maxParticipants");
        assert_eq!(held(&site, "room-00", "enableChat"), false);
        assert_eq!(held(&site, "room-00", "maxParticipants"), 500);
        // What was applied is still what the mute is about.
        let room = &site.state()["rooms"]["room-00"];
        assert_eq!(room["settings"]["maxParticipants"], 5);
        assert_eq!(room["overridden"], Value::Null);
        let drift = site.run(&["drift", "--rate", "unlimited", "--format", "json"]);
        let summary = &drift.json()["summary"];
        assert_eq!((drift.code, &summary["muted"]), (0, &json!(1)));
        is_empty(&site, &[]);
        is_empty(&site, &["--live"]);
        // Without the mute it is drift like any other, and put back.
        std::fs::remove_file(site.scratch.path("mutes.yaml")).unwrap();
        assert_eq!(site.apply(&["--live"]).code, 0);
        assert_eq!(held(&site, "room-00", "maxParticipants"), 5);
    }
}

/// How open all rooms are, counts what a mute leaves open.
#[test]
fn what_is_left_public_counts_as_public() {
    for edited in [true, false] {
        let site = Site::new(&[], &[]);
        site.room(0, FILE);
        site.room(1, FILE);
        assert_eq!(site.apply(&[]).code, 0);
        site.edit("room-00", "privacy", json!("public"));
        site.scratch
            .write("mutes.yaml", &MUTES.replace("maxParticipants", "privacy"));
        site.room(0, if edited { EDITED } else { FILE });
        site.room(1, &FILE.replace("private", "public"));
        let report = plan(&site, &["--live", "--format", "json"]).json();
        let public = &report["posture"]["public"];
        assert_eq!(public, &json!({"before": 1, "after": 2}), "{report}");
    }
}

/// What reviewers saw spared stays spared, or is planned again.
#[test]
fn a_mute_that_ended_is_not_overwritten_by_what_was_reviewed() {
    let site = muted(&[]);
    site.room(0, EDITED);
    plan(&site, &["--out", "plan.roomctl"]);
    std::fs::remove_file(site.scratch.path("mutes.yaml")).unwrap();
    let ran = site.apply(&["--covered-by", "plan.roomctl"]);
    assert_eq!(ran.code, 4, "{}", ran.all());
    assert!(ran.all().contains("a mute was to leave"), "{}", ran.all());
    site.scratch.write("mutes.yaml", MUTES);
    let ran = site.apply(&["--covered-by", "plan.roomctl"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert_eq!(held(&site, "room-00", "maxParticipants"), 500);
}

/// Where the service does not show it, it is overwritten, and the plan says so: in a new room, and newly in a file.
#[test]
fn what_is_muted_newly_managed_and_hidden_is_in_the_plan() {
    let quirks = ["hide=maxParticipants"];
    let new = Site::new(&quirks, &[]);
    new.existing(1);
    let managed = Site::new(&quirks, &[]);
    managed.room(0, "privacy: private\nenableChat: true\n");
    assert_eq!(managed.apply(&[]).code, 0);
    for site in [new, managed] {
        site.scratch.write("mutes.yaml", MUTES);
        site.room(0, FILE);
        assert_eq!(
            fates(&site, &["--live"]),
            ["room-00 maxParticipants not-reported"]
        );
    }
}

#[test]
fn every_form_says_what_is_left_alone_why_and_until_when() {
    let site = muted(&[]);
    // Also when nothing else is to be done.
    for text in [EDITED, FILE] {
        site.room(0, text);
        assert_eq!(
            fates(&site, &["--live"]),
            ["room-00 maxParticipants left-alone"]
        );
        for format in ["text", "markdown", "html", "github"] {
            let ran = plan(&site, &["--live", "--format", format]);
            let said =
                "muted until 2100-01-01 (fair): left as it is on the service, 500; the file says 5";
            let said = [said.to_owned(), said.replace(',', "%2C")];
            let is_said = said.iter().any(|said| ran.stdout.contains(said));
            assert!(
                is_said && ran.stdout.contains("500"),
                "{format}: {}",
                ran.stdout
            );
        }
    }
}

#[test]
fn without_a_look_the_room_is_read_first() {
    let site = muted(&[]);
    site.room(0, EDITED);
    assert_eq!(fates(&site, &[]), ["room-00 maxParticipants read-first"]);
    for format in ["text", "markdown", "html", "github"] {
        let said = "maxParticipants: muted until 2100-01-01 (fair): read first";
        let shown = plan(&site, &["--format", format]).stdout;
        let shown = shown.replace("&#58;", ":").replace("&#45;", "-");
        assert!(
            shown.replace("&#40;", "(").contains(said),
            "{format}: {shown}"
        );
    }
    let report = plan(&site, &["--format", "json"]).json();
    assert_eq!(report["forecast"]["requests"], 2);
    assert_eq!(report["changes"][0]["effects"], json!([]));
    let elsewhere = site.scratch.path("elsewhere.yaml");
    std::fs::rename(site.scratch.path("mutes.yaml"), elsewhere).unwrap();
    assert!(fates(&site, &[]).is_empty());
    let named = ["--mutes", "elsewhere.yaml"];
    assert_eq!(fates(&site, &named), ["room-00 maxParticipants read-first"]);
    assert_eq!(site.run(&["plan", "--mutes", "none.yaml"]).code, 3);
    // A mute of another room or attribute costs nothing.
    let before = site.log().len();
    assert_eq!(site.apply(&[]).code, 0);
    assert_eq!(methods(&site, before), ["PUT"]);
}

/// It is not, where the service shows it no longer: what it holds by then is not overwritten before a plan said so.
#[test]
fn what_cannot_be_read_first_is_not_written_before_a_look() {
    let site = muted(&[]);
    site.room(0, EDITED);
    site.becomes("hide=maxParticipants");
    let puts = site.count("PUT");
    let ran = site.apply(&[]);
    assert_eq!((ran.code, site.count("PUT")), (5, puts), "{}", ran.all());
    assert!(ran.stdout.contains("roomctl plan --live"), "{}", ran.all());
    let report = plan(&site, &["--live", "--format", "json"]).json();
    let effects = &report["changes"][0]["effects"];
    assert_eq!(*effects, json!(["ejects-participants"]), "{report}");
    assert_eq!(site.apply(&["--live"]).code, 0);
    assert_eq!(site.count("PUT"), puts + 1);
}

#[test]
fn a_mute_mutes_drift_and_no_edit() {
    let six = "privacy: private\nmaxParticipants: 6\nenableChat: true\n";
    for look in [&["--live"][..], &[]] {
        let site = muted(&[]);
        site.room(0, six);
        assert_eq!(fates(&site, look), ["room-00 maxParticipants edited"]);
        let text = plan(&site, look).stdout;
        let said = "muted until 2100-01-01 (fair): overwritten, since the file moved";
        assert!(
            text.contains(said) && text.contains("ejects-participants"),
            "{text}"
        );
        let drift = site.run(&["drift", "--rate", "unlimited", "--format", "json"]);
        assert_eq!(drift.json()["summary"]["pending"], 1);
        assert_eq!(site.apply(look).code, 0);
        assert_eq!(held(&site, "room-00", "maxParticipants"), 6);
        // From then on that is what a move is measured against.
        site.edit("room-00", "maxParticipants", json!(7));
        assert_eq!(site.apply(&["--live"]).code, 0);
        assert_eq!(held(&site, "room-00", "maxParticipants"), 7);
    }
}

#[test]
fn what_may_be_anything_may_eject() {
    let site = muted(&[]);
    site.scratch.write(
        "roomctl.yaml",
        "guard:\n  require_allow: [ejects-participants]\n",
    );
    // It grows, as far as the state knows.
    site.room(
        0,
        "privacy: private\nmaxParticipants: 400\nenableChat: true\n",
    );
    assert_eq!(site.apply(&[]).code, 4);
    site.room(0, EDITED);
    assert_eq!(site.apply(&[]).code, 0, "it stays as it is");
    assert_eq!(held(&site, "room-00", "maxParticipants"), 500);
    // What was seen of it stays known when the mute is over.
    std::fs::remove_file(site.scratch.path("mutes.yaml")).unwrap();
    site.room(0, FILE);
    assert_eq!(site.apply(&[]).code, 4);
}

#[test]
fn what_is_not_reported_is_overwritten_and_the_plan_says_so() {
    let site = muted(&["hide=maxParticipants"]);
    assert!(fates(&site, &["--live"]).is_empty(), "nothing is written");
    site.room(0, EDITED);
    for look in [&["--live"][..], &[]] {
        assert_eq!(fates(&site, look), ["room-00 maxParticipants not-reported"]);
        let text = plan(&site, look).stdout;
        assert!(text.contains("ejects-participants"), "{text}");
    }
    assert_eq!(site.apply(&[]).code, 0);
    assert_eq!(held(&site, "room-00", "maxParticipants"), 5);
}

/// A service may keep secrets to itself: that is no move, and blocks no room.
#[test]
fn a_secret_that_is_kept_back_is_overwritten_as_the_plan_says() {
    let hook = "meetingEndedWebhook: https://hook.example/canary-1\n";
    for (kept_back, look) in [("null", &["--live"][..]), ("\"****\"", &[])] {
        let site = Site::new(&[&format!("override=meetingEndedWebhook:{kept_back}")], &[]);
        site.room(0, &format!("{FILE}{hook}"));
        assert_eq!(site.apply(&[]).code, 0);
        let mute = MUTES.replace("maxParticipants", "\"*\"");
        site.scratch.write("mutes.yaml", &mute);
        site.room(0, &format!("{EDITED}{hook}"));
        let fate = "room-00 meetingEndedWebhook not-reported".to_owned();
        assert!(
            fates(&site, look).contains(&fate),
            "{:?}",
            fates(&site, look)
        );
        let ran = site.apply(look);
        assert_eq!(ran.code, 0, "{kept_back} {}", ran.all());
        assert_eq!(held(&site, "room-00", "enableChat"), false);
        is_empty(&site, look);
    }
}

#[test]
fn a_secret_that_the_service_shows_is_left_alone() {
    let site = Site::new(&[], &[]);
    let file = |chat: bool| {
        format!(
            "privacy: private\nenableChat: {chat}\nmeetingJoinWebhook: https://hooks.example/canary-1\n"
        )
    };
    site.room(0, &file(true));
    assert_eq!(site.apply(&[]).code, 0);
    site.scratch.write(
        "mutes.yaml",
        "mutes:\n  - {room: \"*\", attribute: meetingJoinWebhook, reason: moved, until: 2100-01-01}\n",
    );
    let moved = json!("https://hooks.example/canary-2");
    for (chat, look) in [(false, &["--live"][..]), (true, &[]), (false, &[])] {
        site.edit("room-00", "meetingJoinWebhook", moved.clone());
        site.room(0, &file(chat));
        assert_eq!(site.apply(look).code, 0);
        assert_eq!(held(&site, "room-00", "meetingJoinWebhook"), moved);
        assert_eq!(held(&site, "room-00", "enableChat"), chat);
        is_empty(&site, &["--live"]);
    }
    // What may be masked is not sent, nor overwritten.
    site.edit(
        "room-00",
        "meetingJoinWebhook",
        json!("https://hooks.example/****"),
    );
    site.room(0, &file(true));
    assert_eq!(
        fates(&site, &["--live"]),
        ["room-00 meetingJoinWebhook not-sendable"]
    );
    for look in [&["--live"][..], &[]] {
        let ran = site.apply(look);
        assert_eq!(ran.code, 5, "{}", ran.all());
        let why = "not to be sent as the service shows it: meetingJoinWebhook";
        assert!(ran.stdout.contains(why), "{}", ran.stdout);
        assert_eq!(
            held(&site, "room-00", "meetingJoinWebhook"),
            json!("https://hooks.example/****")
        );
    }
}

#[test]
fn what_the_service_chose_is_no_move_whether_it_is_muted_or_not() {
    let site = Site::new(&["override=maxParticipants:9"], &[]);
    site.room(0, FILE);
    assert_eq!(site.apply(&[]).code, 0);
    site.scratch.write("mutes.yaml", MUTES);
    for (text, look) in [(EDITED, &["--live"][..]), (FILE, &[])] {
        site.room(0, text);
        assert_eq!(site.apply(look).code, 0);
        let room = &site.state()["rooms"]["room-00"];
        assert_eq!(room["overridden"]["maxParticipants"], 9);
        let drift = site.run(&["drift", "--rate", "unlimited", "--format", "json"]);
        assert_eq!(drift.json()["summary"]["in_sync"], 1);
    }
}

#[test]
fn drift_only_puts_back_what_is_not_muted() {
    let site = muted(&[]);
    let puts = site.count("PUT");
    let ran = site.apply(&["--drift-only"]);
    assert_eq!((ran.code, site.count("PUT")), (0, puts), "{}", ran.all());
    site.edit("room-00", "enableChat", json!(false));
    assert_eq!(
        fates(&site, &["--drift-only"]),
        ["room-00 maxParticipants left-alone"]
    );
    assert_eq!(site.apply(&["--drift-only"]).code, 0);
    assert_eq!(held(&site, "room-00", "enableChat"), true);
    assert_eq!(held(&site, "room-00", "maxParticipants"), 500);
}

#[test]
fn a_mute_of_a_whole_room_leaves_all_of_it_alone() {
    let site = muted(&[]);
    site.scratch.write(
        "mutes.yaml",
        "mutes:\n  - {room: \"room-*\", attribute: \"*\", reason: fair, until: 2100-01-01}\n",
    );
    site.edit("room-00", "privacy", json!("public"));
    let puts = site.count("PUT");
    assert_eq!(site.apply(&["--live"]).code, 0);
    assert_eq!(site.count("PUT"), puts);
    site.room(0, EDITED);
    assert_eq!(
        fates(&site, &["--live"]),
        [
            "room-00 maxParticipants left-alone",
            "room-00 privacy left-alone"
        ]
    );
    assert_eq!(site.apply(&[]).code, 0);
    assert_eq!(held(&site, "room-00", "privacy"), "public");
    assert_eq!(held(&site, "room-00", "maxParticipants"), 500);
    assert_eq!(held(&site, "room-00", "enableChat"), false);
    // A room that no file wants is archived all the same: that is an edit.
    site.room(1, FILE);
    site.remove(0);
    let ran = site.apply(&["--prune", "--allow", "archived"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert!(
        site.simulator()
            .with_world(|world| world.room("room-00").unwrap().archived)
    );
}

#[test]
fn a_lost_state_moves_nothing_that_is_muted() {
    for look in [&["--live"][..], &[]] {
        let site = muted(&[]);
        std::fs::remove_dir_all(site.scratch.path(".roomctl")).unwrap();
        site.room(0, EDITED);
        let ran = site.apply(look);
        assert_eq!(ran.code, 0, "{}", ran.all());
        assert_eq!(held(&site, "room-00", "maxParticipants"), 500);
        assert_eq!(held(&site, "room-00", "enableChat"), false);
        is_empty(&site, &[]);
        is_empty(&site, &["--live"]);
        let drift = site.run(&["drift", "--rate", "unlimited", "--format", "json"]);
        assert_eq!(drift.json()["summary"]["muted"], 1);
    }
}

#[test]
fn a_recreated_room_is_written_but_for_what_is_muted() {
    let site = muted(&[]);
    site.simulator().with_world(|world| {
        world.archive("room-00").unwrap();
        let attributes = [
            ("privacy", json!("public")),
            ("maxParticipants", json!(500)),
        ];
        let attributes = attributes.map(|(name, value)| (name.to_owned(), value));
        world.create("room-00", attributes.into(), 7);
    });
    assert_eq!(
        fates(&site, &["--live"]),
        ["room-00 maxParticipants left-alone"]
    );
    assert_eq!(site.apply(&["--live"]).code, 0);
    assert_eq!(held(&site, "room-00", "privacy"), "private");
    assert_eq!(held(&site, "room-00", "maxParticipants"), 500);
    is_empty(&site, &["--live"]);
}

#[test]
fn a_mute_that_came_or_went_makes_a_saved_plan_stale() {
    for look in [&["--live"][..], &[]] {
        let site = muted(&[]);
        site.room(0, EDITED);
        let save = || plan(&site, &[&["--out", "plan.roomctl"], look].concat());
        let over = ["plan.roomctl", "--now", "2100-01-02T00:00:00Z"];
        save();
        assert_eq!(site.apply(&over).code, 4, "it is over");
        std::fs::remove_file(site.scratch.path("mutes.yaml")).unwrap();
        let stale = site.apply(&["plan.roomctl"]);
        assert_eq!(stale.code, 4, "it is gone");
        assert!(stale.stderr.contains("a mute"), "{}", stale.stderr);
        save();
        site.scratch.write("mutes.yaml", MUTES);
        assert_eq!(site.apply(&["plan.roomctl"]).code, 4, "it is new");
        assert_eq!(held(&site, "room-00", "maxParticipants"), 500);
        save();
        assert_eq!(site.apply(&["plan.roomctl"]).code, 0);
        assert_eq!(held(&site, "room-00", "maxParticipants"), 500);
        assert_eq!(held(&site, "room-00", "enableChat"), false);
    }
}

fn a_room_that_cannot_be_read_first_is_not_written() {
    let site = muted(&[]);
    site.room(0, EDITED);
    site.faults(&["500=method:GET"]);
    let ran = site.apply(&[]);
    assert_eq!(ran.code, 6, "{}", ran.all());
    assert_eq!(site.count("PUT"), 0);
    assert_eq!(held(&site, "room-00", "maxParticipants"), 500);
    // Nor is one that is gone, and the next run makes it again.
    site.faults(&[]);
    site.simulator()
        .with_world(|world| world.archive("room-00").unwrap());
    assert_eq!(site.apply(&[]).code, 6);
    assert_eq!(site.state()["rooms"], json!({}));
}

/// The last of the lost writes is not the only one that may have arrived.
fn every_write_without_an_answer_counts_as_held() {
    let site = Site::new(&[], &[]);
    let write = |people: i64, more: &[&str]| {
        site.room(0, &format!("privacy: private\nmaxParticipants: {people}\n"));
        site.apply(more).code
    };
    assert_eq!(write(5, &[]), 0);
    let guard = "guard:\n  require_allow: [ejects-participants]\n";
    site.scratch.write("roomctl.yaml", guard);
    // The first arrives, and its answer is lost; the second is lost as a whole.
    site.faults(&["500-after=method:PUT"]);
    assert_eq!(write(500, &[]), 6);
    site.faults(&["500=method:PUT"]);
    assert_eq!(write(10, &["--allow", "ejects-participants"]), 6);
    site.faults(&[]);
    let doubts = &site.state()["rooms"]["room-00"]["unconfirmed"];
    assert_eq!(doubts["maxParticipants"], json!([10, 500]));
    assert_eq!(write(50, &[]), 4, "500 people may be in it");
    assert_eq!(held(&site, "room-00", "maxParticipants"), 500);
    assert_eq!(write(500, &[]), 0);
    assert_eq!(site.state()["rooms"]["room-00"]["unconfirmed"], Value::Null);
}

/// Waits for the real back-off.
mod slow {
    #[test]
    fn a_room_that_cannot_be_read_first_is_not_written() {
        super::a_room_that_cannot_be_read_first_is_not_written();
    }

    #[test]
    fn every_write_without_an_answer_counts_as_held() {
        super::every_write_without_an_answer_counts_as_held();
    }
}

/// What left its file is one line, whatever a mute left of it before.
#[test]
fn a_muted_attribute_that_leaves_its_file_is_one_line() {
    let site = muted(&[]);
    site.room(0, EDITED);
    assert_eq!(site.apply(&[]).code, 0);
    site.edit("room-00", "maxParticipants", json!(501));
    site.scratch.write("mutes.yaml", "mutes: []\n");
    site.room(0, "privacy: private\nenableChat: false\n");
    let drift = site.run(&["drift", "-v", "--rate", "unlimited"]);
    let lines = drift.stdout.lines();
    let lines = lines.filter(|line| line.contains("maxParticipants"));
    assert_eq!(lines.count(), 1, "{}", drift.all());
    assert!(!drift.stdout.contains("in 1 second"), "{}", drift.all());
    let plan = plan(&site, &["--live"]).stdout;
    assert!(!plan.contains("no file declares"), "{plan}");
}

#[test]
fn a_room_whose_file_is_ahead_is_not_called_unchanged() {
    let site = muted(&[]);
    site.room(0, EDITED);
    let plan = plan(&site, &["--live", "--drift-only"]).stdout;
    assert!(plan.contains("room-00  left as it is"), "{plan}");
    assert!(plan.contains("Plan: 1 pending"), "{plan}");
}
