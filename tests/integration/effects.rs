//! No named effect without its permission: whatever the service may hold by now, whatever was lost before.

use serde_json::{Value, json};

use roomctl::simulator::Quirks;

use crate::harness::Site;

/// One room that is applied as `text`; from then on these effects need a permission.
fn site(text: &str, named: &str) -> Site {
    let site = Site::new(&[], &[]);
    site.room(0, text);
    assert_eq!(site.apply(&[]).code, 0);
    name(&site, named);
    site
}

fn name(site: &Site, effects: &str) {
    let config = format!("guard:\n  require_allow: [{effects}]\n");
    site.scratch.write("roomctl.yaml", &config);
}

/// What the service holds.
fn held(site: &Site, room: &str, attribute: &str) -> Value {
    site.simulator().with_world(|world| {
        let room = world.room(room).unwrap();
        room.attributes.get(attribute).cloned().unwrap_or_default()
    })
}

/// A room that somebody made by hand, private.
fn made_by_hand(site: &Site, number: usize) {
    site.simulator().with_world(|world| {
        let attributes = [("privacy".to_owned(), json!("private"))].into();
        world.create(&format!("room-{number:02}"), attributes, 0);
    });
}

fn a_write_that_was_not_answered_counts_as_held() {
    let site = site("privacy: public\n", "privacy-widened");
    site.room(0, "privacy: private\n");
    site.faults(&["500-after=method:PUT"]);
    assert_eq!(site.apply(&[]).code, 6);
    site.faults(&[]);
    assert_eq!(held(&site, "room-00", "privacy"), "private");
    site.room(0, "privacy: public\n");
    let ran = site.apply(&[]);
    assert_eq!(ran.code, 4, "{}", ran.all());
    assert_eq!(held(&site, "room-00", "privacy"), "private");
    assert_eq!(site.apply(&["--allow", "privacy-widened"]).code, 0);
    assert_eq!(held(&site, "room-00", "privacy"), "public");
}

#[test]
fn a_value_that_the_service_chose_counts_as_held() {
    let site = Site::new(&["override=privacy:\"private\""], &[]);
    site.room(0, "privacy: public\n");
    assert_eq!(site.apply(&[]).code, 0);
    name(&site, "privacy-widened");
    site.room(0, "privacy: public\nenableChat: true\n");
    let ran = site.apply(&[]);
    assert_eq!(ran.code, 4, "{}", ran.all());
}

#[test]
fn an_adopted_room_is_judged_by_what_was_just_read() {
    let site = Site::new(&[], &[]);
    name(&site, "privacy-widened");
    made_by_hand(&site, 0);
    site.room(0, "privacy: public\n");
    assert_eq!(site.run(&["plan"]).code, 0);
    let before = site.log().len();
    let ran = site.apply(&[]);
    assert_eq!(ran.code, 5, "{}", ran.all());
    let receipt = &ran.json()["receipts"][0];
    assert_eq!(
        (&receipt["action"], &receipt["outcome"]),
        (&json!("adopt"), &json!("refused"))
    );
    let message = receipt["message"].as_str().unwrap();
    assert!(message.contains("--allow privacy-widened"), "{message}");
    assert_eq!(
        site.sent(before),
        [("GET", "/api/v1/room/room-00".to_owned())]
    );
    // Looked at while it is planned, it is known before anything is sent.
    assert_eq!(site.apply(&["--live"]).code, 4);
    let before = site.log().len();
    assert_eq!(site.apply(&["--allow", "privacy-widened"]).code, 0);
    let methods: Vec<&str> = site
        .sent(before)
        .iter()
        .map(|(method, _)| *method)
        .collect();
    assert_eq!(methods, ["GET", "PUT"]);
    assert_eq!(held(&site, "room-00", "privacy"), "public");
}

#[test]
fn a_lost_state_opens_nothing() {
    let site = Site::with_rooms(&[], &[], 12);
    assert_eq!(site.apply(&[]).code, 0);
    name(&site, "privacy-widened");
    std::fs::remove_dir_all(site.scratch.path(".roomctl")).unwrap();
    (0..11).for_each(|number| site.room(number, "privacy: public\nmaxParticipants: 5\n"));
    let ran = site.apply(&[]);
    assert_eq!(ran.code, 5, "{}", ran.all());
    let summary = &ran.json()["summary"];
    assert_eq!(
        (&summary["refused"], &summary["confirmed"]),
        (&json!(11), &json!(1))
    );
    for number in 0..12 {
        assert_eq!(
            held(&site, &format!("room-{number:02}"), "privacy"),
            "private"
        );
    }
    // A refused room is as new as before.
    assert_eq!(site.state()["rooms"].as_object().unwrap().len(), 1);
}

#[test]
fn a_room_that_nobody_had_is_not_opened_by_creating_it() {
    let site = Site::new(&[], &[]);
    name(&site, "privacy-widened, ejects-participants, recording-on");
    site.room(0, "privacy: public\nmaxParticipants: 5\n");
    assert_eq!(site.apply(&[]).code, 0);
    // What a meeting in it costs, and whether it is recorded, is new with it.
    site.room(1, "privacy: public\nrecordRoom: true\n");
    assert_eq!(site.apply(&[]).code, 4);
}

/// Its people have the name of a room that somebody archived: made again, it is not opened to everybody unsaid.
#[test]
fn a_room_that_is_gone_is_not_opened_by_creating_it_again() {
    let site = Site::new(&["archived-name=reusable"], &[]);
    site.room(0, "privacy: private\n");
    assert_eq!(site.apply(&[]).code, 0);
    name(&site, "privacy-widened");
    site.simulator()
        .with_world(|world| world.archive("room-00").unwrap());
    site.room(0, "privacy: public\n");
    let posts = site.count("POST");
    let ran = site.apply(&["--live"]);
    assert_eq!((ran.code, site.count("POST")), (4, posts), "{}", ran.all());
    let ran = site.apply(&["--live", "--allow", "privacy-widened"]);
    assert_eq!(
        (ran.code, site.count("POST")),
        (0, posts + 1),
        "{}",
        ran.all()
    );
}

#[test]
fn no_limit_is_more_than_any() {
    let room = |people: i64| format!("privacy: private\nmaxParticipants: {people}\n");
    let site = site(&room(0), "ejects-participants");
    site.room(0, &room(10));
    let ran = site.apply(&[]);
    assert_eq!(ran.code, 4, "{}", ran.all());
    assert_eq!(site.apply(&["--allow", "ejects-participants"]).code, 0);
    site.room(0, &room(0));
    let ran = site.apply(&[]);
    assert_eq!(ran.code, 0, "{}", ran.all());
}

#[test]
fn a_key_that_was_not_managed_may_hold_anything() {
    let site = Site::new(&["echo=sample"], &[]);
    site.room(0, "privacy: private\n");
    assert_eq!(site.apply(&[]).code, 0);
    name(&site, "billing-changed");
    site.edit("room-00", "enableRTMPOut", json!(true));
    site.room(0, "privacy: private\nenableRTMPOut: false\n");
    let ran = site.apply(&[]);
    assert_eq!(ran.code, 4, "{}", ran.all());
}

#[test]
fn a_secret_that_cannot_be_put_back_is_said_beforehand_and_no_failed_read() {
    let site = Site::new(&[], &[]);
    site.room(
        0,
        "privacy: private\nmeetingJoinWebhook: https://hooks.example/one\n",
    );
    assert_eq!(site.apply(&[]).code, 0);
    site.room(
        0,
        "privacy: private\nmeetingJoinWebhook: https://hooks.example/two\n",
    );
    site.edit(
        "room-00",
        "meetingJoinWebhook",
        json!("https://hooks.example/three"),
    );
    let plan = site.run(&["plan", "--drift-only", "--rate", "unlimited"]);
    assert_eq!(plan.code, 0, "{}", plan.all());
    assert!(
        plan.stdout.contains("left as it is: the applied value of"),
        "{}",
        plan.stdout
    );
    let ran = site.apply(&["--drift-only"]);
    assert_eq!(ran.code, 5, "{}", ran.all());
    let receipt = &ran.json()["receipts"][0];
    assert_eq!(receipt["outcome"], "skipped");
}

/// Waits for the real back-off.
mod slow {
    use super::*;

    #[test]
    fn a_write_that_was_not_answered_counts_as_held() {
        super::a_write_that_was_not_answered_counts_as_held();
    }

    /// Nor is what a write of ours made, that nobody answered, what was there before it.
    #[test]
    fn what_a_lost_write_made_is_judged_by_what_was_sent() {
        for method in ["POST", "PUT"] {
            let site = Site::new(&[], &[]);
            if method == "PUT" {
                site.room(0, "privacy: private\nenableChat: true\n");
                assert_eq!(site.apply(&[]).code, 0);
            }
            name(&site, "privacy-widened");
            site.becomes("override=privacy:\"public\"");
            site.room(0, "privacy: private\nenableChat: false\n");
            let first = if method == "POST" { ",first:1" } else { "" };
            site.faults(&[&format!("drop-after=method:{method}{first}")]);
            let first = site.apply(&[]);
            site.faults(&[]);
            let ran = match first.code {
                6 => site.apply(&["--live"]),
                _ => first,
            };
            assert_eq!(ran.code, 5, "{method}: {}", ran.all());
            let receipt = &ran.json()["receipts"][0];
            assert_eq!(receipt["effects"], json!(["privacy-widened"]), "{method}");
        }
    }
}

/// What any apply has seen is remembered, also when it refuses, leaves alone what it saw, or finds another room.
#[test]
fn what_an_apply_has_seen_counts_as_held() {
    for way in ["live", "reassert", "recreated", "mute"] {
        let site = Site::new(&["archived-name=reusable"], &[]);
        site.room(0, "privacy: public\nmaxParticipants: 5\n");
        assert_eq!(site.apply(&[]).code, 0);
        name(&site, "privacy-widened");
        match way {
            "recreated" => {
                site.simulator()
                    .with_world(|world| world.archive("room-00").unwrap());
                made_by_hand(&site, 0);
            }
            _ => site.edit("room-00", "privacy", json!("private")),
        }
        let mute =
            "mutes:\n  - {room: room-00, attribute: privacy, reason: closed, until: 2100-01-01}\n";
        let (args, code) = match way {
            "reassert" => (["--reassert"], 5),
            "mute" => (["--live"], 0),
            _ => (["--live"], 4),
        };
        if way == "mute" {
            site.scratch.write("mutes.yaml", mute);
        }
        let ran = site.apply(&args);
        assert_eq!(ran.code, code, "{way}: {}", ran.all());
        site.scratch.write("mutes.yaml", "mutes: []\n");
        site.room(0, "privacy: public\nmaxParticipants: 60\n");
        let plan = site.run(&["plan"]).stdout;
        assert!(plan.contains("privacy-widened"), "{way}: {plan}");
        let ran = site.apply(&[]);
        assert_eq!(ran.code, 4, "{way}: {}", ran.all());
        assert_eq!(held(&site, "room-00", "privacy"), "private", "{way}");
        if way != "recreated" {
            assert_eq!(site.apply(&["--allow", "privacy-widened"]).code, 0);
            assert_eq!(held(&site, "room-00", "privacy"), "public", "{way}");
            // Confirmed since: nothing is left to be allowed.
            site.room(0, "privacy: public\nmaxParticipants: 70\n");
            assert_eq!(site.apply(&[]).code, 0, "{way}");
        }
    }
}

/// What was seen outlives what does not show it: a recording that sends nothing, an import, and a part of a saved plan.
#[test]
fn what_was_seen_outlives_what_does_not_show_it() {
    for way in ["recorded", "imported", "part"] {
        let site = site(
            "privacy: private\nenableChat: true\nrecordRoom: true\n",
            "recording-on",
        );
        site.room(1, "privacy: private\n");
        assert_eq!(site.apply(&["--allow", "recording-on"]).code, 0);
        site.edit("room-00", "recordRoom", json!(false));
        if way == "part" {
            site.room(1, "privacy: private\nenableChat: false\n");
            let plan = ["plan", "--live", "--allow", "recording-on"];
            assert_eq!(
                site.run(&[&plan[..], &["--out", "p.plan"]].concat()).code,
                0
            );
            let ran = site.apply(&["p.plan", "--target", "room-01", "--allow", "recording-on"]);
            assert_eq!(ran.code, 0, "{}", ran.all());
        } else {
            assert_eq!(site.apply(&["--live"]).code, 4);
        }
        site.becomes("hide=recordRoom");
        site.room(0, "privacy: private\nrecordRoom: true\n");
        match way {
            "recorded" => assert_eq!(site.apply(&["--live"]).code, 0),
            "imported" => assert_eq!(site.run(&["import", "room-00", "--force"]).code, 0),
            _ => {}
        }
        site.room(
            0,
            "privacy: private\nrecordRoom: true\nmaxParticipants: 6\n",
        );
        let ran = site.apply(&[]);
        assert_eq!(ran.code, 4, "{way}: {}", ran.all());
        assert_eq!(held(&site, "room-00", "recordRoom"), false, "{way}");
    }
}

/// Whatever no file declares and is gone after a write is told, once: by its receipt or, if its answer showed the room as it
/// was before, by the next look.
#[test]
fn what_no_file_declares_and_is_gone_is_told_once() {
    for answer in ["answer=after", "answer=before"] {
        let site = Site::new(&["put=replace", answer], &[]);
        made_by_hand(&site, 0);
        site.edit("room-00", "maxParticipants", json!(50));
        site.room(0, "privacy: private\n");
        assert_eq!(site.apply(&["--live"]).code, 0);
        let (from, detailed) = (site.log().len(), "--detailed-exitcode");
        let code = if answer == "answer=after" { 2 } else { 0 };
        let ran = site.apply(&["--reassert", detailed]);
        assert_eq!(ran.code, code, "{}", ran.all());
        // What the answer lacks is read again.
        assert_eq!(site.sent(from).len(), 1 + usize::from(code == 2));
        let is_told = |text: &str| text.contains("maxParticipants  50  no longer shown");
        assert_eq!(is_told(&site.run(&["drift", "-v"]).stdout), code == 0);
        let ran = site.apply(&["--live"]);
        let told = ran.json()["undeclared"][0]["attributes"][0]["name"].clone();
        assert_eq!(told == "maxParticipants", code == 0, "{answer}: {told}");
        let from = site.log().len();
        assert_eq!(site.apply(&["--reassert", detailed]).code, 0);
        assert_eq!(site.sent(from).len(), 1, "{answer}: one PUT");
        assert!(!is_told(&site.run(&["drift", "-v"]).stdout));
    }
}

/// A service that replaces resets what a write does not send. Nobody can know beforehand; it is told, and goes no further.
#[test]
fn what_a_write_resets_is_told_with_its_effect() {
    for way in ["released", "undeclared", "recorded", "seen"] {
        let site = Site::new(&["put=replace"], &[]);
        let audio = "privacy: private\naudioOnlyRoom: true\nenableChat: true\n";
        let plain = "privacy: private\nenableChat: true\n";
        for number in 0..2 {
            let is_declared = matches!(way, "released" | "recorded");
            site.room(number, if is_declared { audio } else { plain });
        }
        assert_eq!(site.apply(&[]).code, 0);
        name(&site, "billing-changed");
        let args = [
            "--parallelism",
            "1",
            "--report-file",
            "apply.json",
            "--live",
        ];
        let args = if way == "undeclared" {
            &args[..]
        } else {
            &args[..4]
        };
        for number in 0..2 {
            if matches!(way, "undeclared" | "seen") {
                site.edit(&format!("room-0{number}"), "audioOnlyRoom", json!(true));
            }
            site.room(number, plain);
        }
        match way {
            "recorded" => assert_eq!(site.apply(&[]).code, 0),
            "seen" => assert_eq!(site.apply(&["--live"]).code, 0),
            _ => {}
        }
        (0..2).for_each(|number| site.room(number, "privacy: private\nenableChat: false\n"));
        let ran = site.apply(args);
        assert_eq!(ran.code, 5, "{way}: {}", ran.all());
        let states = ["room-00", "room-01"].map(|room| held(&site, room, "audioOnlyRoom"));
        assert_eq!(
            states,
            [Value::Null, json!(true)],
            "the next one is not written"
        );
        let report: Value = serde_json::from_str(&site.scratch.read("apply.json")).unwrap();
        crate::schemas::check("apply", &report);
        let receipt = &report["receipts"][0];
        let moved = json!([{"name": "audioOnlyRoom", "before": true, "live": null}]);
        assert_eq!(receipt["undeclared"], moved, "{way}: {receipt}");
        assert_eq!(receipt["effects"], json!(["billing-changed"]));
        for form in ["text", "markdown", "html", "github"] {
            let shown = site.run(&["render", "apply.json", "--format", form]).stdout;
            for word in [
                "audioOnlyRoom",
                "billing-changed",
                "--allow billing-changed",
            ] {
                assert!(shown.contains(word), "{way} {form}: {shown}");
            }
        }
        assert!(ran.stderr.contains("audioOnlyRoom  true"), "{}", ran.stderr);
        let ran = site.apply(&["--allow", "billing-changed"]);
        assert_eq!(ran.code, 0, "{way}: {}", ran.all());
        assert!(ran.stdout.contains("billing-changed"), "{}", ran.stdout);
        assert_eq!(site.apply(&["--live"]).code, 0, "{way}");
    }
}

/// Two rooms of which the first was written by a run that died before it told what the service made of that.
fn died_before_its_report(quirk: &str, effect: &str) -> Site {
    died_at("receipt-recorded", quirk, effect)
}

fn died_at(at: &str, quirk: &str, effect: &str) -> Site {
    let site = Site::new(&[], &[]);
    for number in [0, 1] {
        site.room(number, "privacy: private\nenableChat: true\n");
    }
    assert_eq!(site.apply(&[]).code, 0);
    site.edit("room-00", "audioOnlyRoom", json!(true));
    assert_eq!(site.apply(&["--live"]).code, 0);
    name(&site, effect);
    site.becomes(quirk);
    site.room(0, "privacy: private\nenableChat: false\n");
    let mut dying = site.command(&["apply", "--yes", "--rate", "unlimited"]);
    let died = dying.env("ROOMCTL_CRASH_AT", at).output();
    assert!(!died.unwrap().status.success());
    site
}

const RESET: (&str, &str) = ("put=replace", "billing-changed");

/// Whatever takes in what a run left that died is the last that knows of it.
#[test]
fn what_takes_in_a_dead_run_says_what_it_made() {
    for command in [
        &["state", "forget", "room-01", "--yes"][..],
        &["state", "mv", "room-00", "daily"],
        &["import", "room-01", "--force"],
    ] {
        let site = died_before_its_report(RESET.0, RESET.1);
        let ran = site.run(command);
        assert_eq!(ran.code, 4, "{command:?}: {}", ran.all());
        for said in [
            "audioOnlyRoom true in `room-00`: no longer shown",
            "not allowed: billing-changed",
            "the command did what it was asked for",
        ] {
            assert!(ran.stderr.contains(said), "{command:?}: {}", ran.all());
        }
        let again = site.apply(&[]);
        assert!(
            !again.all().contains("billing-changed"),
            "once: {}",
            again.all()
        );
    }
}

/// A plan shows it as `apply` would, `drift` warns of it, and the report of the run that stops for it has it, too, whatever
/// rooms that one is about: it takes it in, and no later one learns it.
#[test]
fn what_stops_a_run_is_in_its_plan_and_in_its_report() {
    let made = json!([{
        "room": "room-00",
        "attributes": [{
            "name": "audioOnlyRoom", "before": true, "live": null, "perhaps_ours": true
        }],
        "effects": ["billing-changed"],
    }]);
    for target in ["room-0*", "room-01"] {
        let site = died_before_its_report(RESET.0, RESET.1);
        let target = ["--target", target];
        let plan = site.run(&[&["plan", "--live", "--format", "json"], &target[..]].concat());
        assert_eq!(plan.code, 0, "{}", plan.all());
        assert_eq!(plan.json()["undeclared"], made);
        let careful = site.run(&[&["plan", "--detailed-exitcode"], &target[..]].concat());
        assert_eq!(careful.code, 2, "{}", careful.all());
        let guard = plan.json()["guard"].to_string();
        assert!(guard.contains("billing-changed"), "{guard}");
        let drift = site.run(&["drift", "--format", "json"]);
        assert_eq!(drift.code, 2, "{}", drift.all());
        crate::schemas::check("drift", &drift.json());
        assert_eq!(drift.json()["undeclared"], made);
        let shown = site.run(&["drift", "--format", "markdown"]).stdout;
        assert!(shown.contains("billing-changed"), "{shown}");
        let ran = site.apply(&[&["--live"], &target[..]].concat());
        assert_eq!(ran.code, 4, "{}", ran.all());
        assert_eq!(ran.json()["undeclared"], made);
        assert!(ran.stderr.contains("billing-changed"), "{}", ran.all());
    }
}

/// Also when it looks at that room first, or a file says by now that it is to be so.
#[test]
fn what_a_look_or_an_edit_settles_is_told_before() {
    for command in [
        &["import", "room-00", "--force"][..],
        &["apply", "--yes", "--live"],
    ] {
        for is_declared in [false, true] {
            let site = died_at("request-answered", RESET.0, RESET.1);
            if is_declared {
                site.room(
                    0,
                    "privacy: private\nenableChat: false\naudioOnlyRoom: false\n",
                );
            }
            let ran = site.run(command);
            assert_eq!(ran.code, 4, "{command:?} {is_declared}: {}", ran.all());
            assert!(ran.all().contains("billing-changed"), "{}", ran.all());
        }
    }
}

/// The write that died did not send it any more.
#[test]
fn what_a_dead_run_released_and_the_service_reset_is_judged() {
    let live = &["apply", "--yes", "--live"][..];
    let (shown, gone) = ("override=audioOnlyRoom:false", "put=replace");
    for (file, command, quirk) in [
        ("", live, shown),
        ("", live, gone),
        ("audioOnlyRoom: false\n", live, shown),
        ("audioOnlyRoom: false\n", live, gone),
        ("", &["import", "room-00", "--force"], shown),
        ("", &["import", "room-00", "--force"], gone),
    ] {
        let site = Site::new(&[], &[]);
        site.room(
            0,
            "privacy: private\nenableChat: true\naudioOnlyRoom: true\n",
        );
        assert_eq!(site.apply(&[]).code, 0);
        site.becomes(quirk);
        let released = "privacy: private\nenableChat: false\n";
        site.room(0, released);
        let mut dying = site.command(&["apply", "--yes", "--rate", "unlimited"]);
        let died = dying.env("ROOMCTL_CRASH_AT", "receipt-due").output();
        assert!(!died.unwrap().status.success());
        name(&site, "billing-changed");
        site.room(0, &format!("{released}{file}"));
        let drift = site.run(&["drift"]);
        assert_eq!(drift.code, 2, "{}", drift.all());
        assert!(drift.all().contains("billing-changed"), "{}", drift.all());
        let ran = site.run(command);
        assert_eq!(ran.code, 4, "{file}: {}", ran.all());
        assert!(ran.all().contains("billing-changed"), "{}", ran.all());
    }
}

/// It was sent as it was there, and the service made something else of it.
#[test]
fn what_the_service_chose_over_a_mute_in_a_dead_run_is_judged() {
    let site = Site::new(&[], &[]);
    site.room(0, "privacy: private\nenableChat: true\n");
    assert_eq!(site.apply(&[]).code, 0);
    site.scratch.write(
        "mutes.yaml",
        "mutes:\n  - {room: room-00, attribute: \"*\", reason: guests, until: 2100-01-01}\n",
    );
    name(&site, "privacy-widened");
    site.becomes("override=privacy:\"public\"");
    site.room(0, "privacy: private\nenableChat: false\n");
    let mut dying = site.command(&["apply", "--yes", "--rate", "unlimited"]);
    let died = dying.env("ROOMCTL_CRASH_AT", "request-answered#2").output();
    assert!(!died.unwrap().status.success());
    assert_eq!(site.run(&["drift"]).code, 2);
    let ran = site.apply(&["--live"]);
    assert_eq!(ran.code, 4, "{}", ran.all());
    assert!(ran.stderr.contains("privacy-widened"), "{}", ran.all());
}

/// With its values, as its own report would have had it.
#[test]
fn what_the_service_chose_in_a_dead_run_is_in_the_next_report() {
    let site = died_before_its_report("override=privacy:\"public\"", "recording-on");
    let ran = site.apply(&["--detailed-exitcode"]);
    assert_eq!(ran.code, 2, "{}", ran.all());
    let room = &ran.json()["undeclared"][0];
    let chosen = json!([{"name": "privacy", "sent": "private", "got": "public"}]);
    assert_eq!(room["overridden"], chosen);
    assert_eq!(room["effects"], json!(["privacy-widened"]));
    assert_eq!(site.apply(&["--detailed-exitcode"]).code, 0, "once");
}

/// A run that died told nobody what its write made. The next one judges it as that one would have, once, whether the end of
/// the write is in the journal or only a look shows it.
#[test]
fn what_a_write_of_a_dead_run_made_is_judged_by_the_next() {
    for (at, quirk, effect) in [
        ("request-answered", "put=replace", "billing-changed"),
        ("receipt-recorded", "put=replace", "billing-changed"),
        ("report-due", "put=replace", "billing-changed"),
        ("save-due", "put=replace", "billing-changed"),
        (
            "receipt-recorded",
            "override=privacy:\"public\"",
            "privacy-widened",
        ),
    ] {
        for is_allowed in [false, true] {
            let site = Site::new(&[], &[]);
            site.room(0, "privacy: private\nenableChat: true\n");
            assert_eq!(site.apply(&[]).code, 0);
            site.edit("room-00", "audioOnlyRoom", json!(true));
            assert_eq!(site.apply(&["--live"]).code, 0);
            name(&site, effect);
            site.becomes(quirk);
            site.room(0, "privacy: private\nenableChat: false\n");
            let mut dying = site.command(&["apply", "--yes", "--rate", "unlimited"]);
            let died = dying.env("ROOMCTL_CRASH_AT", at).output().unwrap();
            assert!(!died.status.success(), "{at}: {died:?}");
            let writes = site.writes();
            let live = if at == "request-answered" {
                &["--live"][..]
            } else {
                &[]
            };
            let allow = if is_allowed {
                &["--allow", effect][..]
            } else {
                &[]
            };
            let ran = site.apply(&[live, allow].concat());
            let code = if is_allowed { 0 } else { 4 };
            assert_eq!(
                (ran.code, site.writes()),
                (code, writes),
                "{at}: {}",
                ran.all()
            );
            assert!(is_allowed || ran.stderr.contains(effect), "{}", ran.all());
            if quirk == "put=replace" {
                let told = "no longer shown, perhaps because of an earlier write of ours";
                assert!(ran.stderr.contains(told), "{at}: {}", ran.all());
            }
            assert!(!ran.all().contains("moved on the service"), "{}", ran.all());
            let again = site.apply(live);
            assert_eq!(again.code, 0, "{at}: once: {}", again.all());
        }
    }
}

/// A service that shows less in answers to writes than to reads has not moved what is not shown; one read more decides.
#[test]
fn what_an_answer_leaves_out_was_not_moved() {
    for (attribute, value) in [
        ("maxParticipants", json!(50)),
        ("audioOnlyRoom", json!(true)),
    ] {
        let site = Site::new(&["echo=writes"], &[]);
        site.room(0, "privacy: private\n");
        made_by_hand(&site, 0);
        site.edit("room-00", attribute, value);
        assert_eq!(site.apply(&[]).code, 0);
        site.room(0, "privacy: private\nenableChat: false\n");
        let from = site.log().len();
        let report = site.apply(&["--live"]).json();
        assert_eq!(report["receipts"][0].get("undeclared"), None, "{report}");
        // The look, the read before the write, the write, and the read.
        assert_eq!(site.log().len() - from, 4, "{attribute}");
    }
}

/// What the service chooses in place of what was sent does to people what anything else does, also where that was sent only
/// so that it stays.
#[test]
fn what_the_service_chooses_is_judged_as_what_was_asked_for() {
    const MUTES: &str =
        "mutes:\n  - {room: room-00, attribute: privacy, reason: x, until: 2100-01-01}\n";
    for (file, is_muted) in [("privacy: private\n", false), ("privacy: public\n", true)] {
        let site = site(file, "privacy-widened");
        site.edit("room-00", "privacy", json!("private"));
        if is_muted {
            site.scratch.write("mutes.yaml", MUTES);
        }
        site.becomes("override=privacy:\"public\"");
        site.room(0, &format!("{file}enableChat: false\n"));
        let ran = site.apply(&[]);
        assert_eq!(ran.code, 5, "{}", ran.all());
        let receipt = &ran.json()["receipts"][0];
        assert_eq!(receipt["effects"], json!(["privacy-widened"]));
        assert_eq!(receipt["overridden"][0]["got"], "public");
        let message = receipt["message"].as_str().unwrap();
        assert!(!message.contains("left as it is"), "{message}");
    }
}

/// Hidden by one look is not gone, and shown again it is compared again.
#[test]
fn what_was_out_of_sight_once_is_compared_when_it_is_shown() {
    let site = site("privacy: private\nenableChat: true\n", "billing-changed");
    site.becomes("hide=enableRecording");
    assert_eq!(site.apply(&["--live"]).code, 0);
    site.becomes("extra-fields=on");
    site.edit("room-00", "enableRecording", json!(true));
    let drift = site.run(&["drift", "--rate", "unlimited", "-v"]);
    assert!(drift.all().contains("enableRecording"), "{}", drift.all());
    site.room(0, "privacy: private\nenableChat: false\n");
    let ran = site.apply(&[]);
    assert_eq!(ran.code, 5, "{}", ran.all());
    assert_eq!(
        ran.json()["receipts"][0]["undeclared"][0]["name"],
        "enableRecording"
    );
}

/// What is not shown any more is as it was, as far as anybody knows.
#[test]
fn what_is_hidden_is_not_off() {
    let site = Site::new(&[], &[]);
    let file = "privacy: private\nexpireUnixSec: 2027-06-01T00:00:00Z\n";
    site.room(0, file);
    assert_eq!(site.apply(&[]).code, 0);
    site.edit("room-00", "deleteOnExp", json!(true));
    assert_eq!(site.apply(&["--live"]).code, 0);
    name(&site, "archived");
    site.simulator().with_world(|world| {
        let mut quirks = Quirks::default();
        for quirk in ["hide=deleteOnExp", "override=expireUnixSec:1800000000"] {
            quirks.parse(quirk).unwrap();
        }
        world.set_quirks(quirks);
    });
    site.room(0, &format!("{file}enableChat: false\n"));
    let ran = site.apply(&[]);
    assert_eq!(ran.code, 5, "{}", ran.all());
    assert_eq!(ran.json()["receipts"][0]["effects"], json!(["archived"]));
}
