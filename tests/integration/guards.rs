//! Plans that go too far: shown by `plan`, refused by `apply`.

use serde_json::{Value, json};

use crate::harness::Site;
use crate::schemas::check;

/// Ten rooms that are applied, and `moved` of them moved since.
fn site(moved: usize, text: &str) -> Site {
    let site = Site::applied(&[], 10);
    (0..moved).for_each(|number| site.room(number, text));
    site
}

#[test]
fn a_mass_edit_is_shown_and_refused() {
    let site = site(4, "privacy: private\nmaxParticipants: 9\n");
    let plan = site.run(&["plan"]);
    assert_eq!(plan.code, 0, "{}", plan.all());
    let told =
        "4 of 10 managed rooms would be updated, more than 30%; allow it with --max-changes 4";
    assert!(plan.stdout.contains(told), "{}", plan.stdout);
    let puts = site.count("PUT");
    let ran = site.apply(&[]);
    assert_eq!(ran.code, 4, "{}", ran.all());
    assert!(ran.stderr.contains(told), "{}", ran.stderr);
    assert_eq!(site.count("PUT"), puts);
    assert_eq!(site.apply(&["--max-changes", "3"]).code, 4);
    assert_eq!(site.count("PUT"), puts);
    assert_eq!(site.apply(&["--max-changes", "40%"]).code, 0);
    assert_eq!(site.count("PUT"), puts + 4);
}

#[test]
fn rooms_new_to_the_state_do_not_count() {
    let site = site(3, "privacy: private\nmaxParticipants: 9\n");
    (10..30).for_each(|number| site.room(number, "privacy: private\n"));
    assert_eq!(site.apply(&[]).code, 0);
}

#[test]
fn an_effect_has_to_be_allowed_where_the_configuration_says_so() {
    let site = site(1, "privacy: public\nmaxParticipants: 5\nenableChat: true\n");
    let config = "guard:\n  require_allow: [privacy-widened, recording-on]\n";
    site.scratch.write("roomctl.yaml", config);
    let puts = site.count("PUT");
    let ran = site.apply(&["--allow", "recording-on"]);
    assert_eq!(ran.code, 4, "{}", ran.all());
    assert!(
        ran.stderr.contains("privacy-widened in `room-00`"),
        "{}",
        ran.stderr
    );
    assert_eq!(site.count("PUT"), puts);
    assert_eq!(site.apply(&["--allow", "privacy-widened"]).code, 0);
    assert_eq!(site.count("PUT"), puts + 1);
    assert_eq!(site.apply(&["--allow", "privacy"]).code, 64);
    site.scratch
        .write("roomctl.yaml", "guard:\n  require_allow: [privacy]\n");
    let wrong = site.apply(&[]);
    assert_eq!(wrong.code, 3, "{}", wrong.all());
}

/// Pipelines take a run that ends with 5 for one that went by the guards: each of them has judged all of the plan by then.
#[test]
fn what_is_left_out_is_judged_all_the_same() {
    let hook = "meetingJoinWebhook: https://hooks.example/${env:ROOM_NOT_SET}\n";
    for text in [
        "privacy: public\n",
        "privacy: private\nmaxParticipants: 6\n",
    ] {
        let site = site(0, "");
        site.scratch.write(
            "roomctl.yaml",
            "app: acme\nguard: {require_allow: [privacy-widened]}\n",
        );
        site.room(0, &format!("{text}{hook}"));
        let code = if text.contains("public") { 4 } else { 5 };
        let puts = site.count("PUT");
        assert_eq!(site.run(&["plan", "--out", "saved"]).code, 0);
        for args in [&[][..], &["saved"]] {
            let ran = site.apply(args);
            assert_eq!(
                (ran.code, site.count("PUT")),
                (code, puts),
                "{args:?}: {}",
                ran.all()
            );
            let told = ran.stderr.contains("privacy-widened in `room-00`");
            assert_eq!(told, code == 4, "{}", ran.stderr);
        }
        // Nor is it one when nobody judged a room that its plan does not have.
        site.room(1, "privacy: public\n");
        let ran = site.apply(&["saved"]);
        assert_eq!((ran.code, site.count("PUT")), (4, puts), "{}", ran.all());
    }
}

/// A room that is there shows that a moment which has passed may never end it, so a later one may.
#[test]
fn a_moment_that_ended_nothing_may_be_never() {
    for moment in [-1, 1000] {
        let site = Site::new(&[], &[]);
        let theirs = [
            ("privacy".to_owned(), json!("private")),
            ("deleteOnExp".to_owned(), json!(true)),
            ("expireUnixSec".to_owned(), json!(moment)),
        ];
        site.simulator()
            .with_world(|world| world.create("room-00", theirs.into(), 1));
        site.scratch.write(
            "roomctl.yaml",
            "app: acme\nguard: {require_allow: [archived]}\n",
        );
        site.room(0, "privacy: private\nexpireUnixSec: 4000000000\n");
        let ran = site.apply(&["--live"]);
        assert_eq!((ran.code, site.writes()), (4, 0), "{moment}: {}", ran.all());
    }
}

/// What was let through, and by what, stays in the reports: of the plan, of the saved one, and of the apply.
#[test]
fn what_was_allowed_is_recorded() {
    let site = site(1, "privacy: public\nmaxParticipants: 5\nenableChat: true\n");
    let flags = ["--allow", "privacy-widened", "--max-changes", "40%"];
    let out = ["plan", "--out", "plan.roomctl", "--format", "json"];
    let plan = site.run(&[&out[..], &flags].concat()).json();
    check("plan", &plan);
    let by_flag = |what: &str| json!({"what": what, "by": ["flag"]});
    let both = json!([by_flag("privacy-widened"), by_flag("max-changes 40%")]);
    assert_eq!(plan["allowed"], both);
    for form in ["text", "markdown", "html", "github", "sarif"] {
        let shown = site
            .run(&["render", "plan.roomctl", "--format", form])
            .stdout;
        assert!(shown.contains("privacy-widened"), "{form}: {shown}");
        assert!(shown.contains(", max-changes 40"), "{form}: {shown}");
    }
    let mut edited: Value = serde_json::from_str(&site.scratch.read("plan.roomctl")).unwrap();
    check("saved-plan", &edited);
    edited["report"].as_object_mut().unwrap().remove("allowed");
    let text = serde_json::to_string_pretty(&edited).unwrap() + "\n";
    site.scratch.write("edited.roomctl", &text);
    assert_eq!(site.apply(&["edited.roomctl"]).code, 4);
    let fixed = ["plan.roomctl", "--allow", "archived", "--allow", "archived"];
    let ran = site.apply(&[&fixed[..], &flags[..2], &["--report-file", "apply.json"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.all());
    let words = "Allowed: privacy-widened (flag, reviewed-plan), archived (flag).";
    let end = site.run(&["render", "apply.json"]).stdout;
    assert!(end.contains(words), "{end}");
    let report: Value = serde_json::from_str(&site.scratch.read("apply.json")).unwrap();
    check("apply", &report);
    let widened = json!({"what": "privacy-widened", "by": ["flag", "reviewed-plan"]});
    assert_eq!(report["allowed"], json!([widened, by_flag("archived")]));
    let plain = site.run(&["plan", "--format", "json"]).json();
    assert_eq!(plain.get("allowed"), None, "nothing was");
}

/// What takes seconds.
mod slow {
    use super::*;

    /// What is promised is what is sent: rooms that are protected, or whose effects are judged, are read first.
    #[test]
    fn the_forecast_counts_every_read() {
        for config in [
            "protected: [room-00, room-01]\n",
            "guard: {require_allow: [recording-on]}\n",
        ] {
            let site = Site::with_rooms(&[], &[], 3);
            site.scratch.write("roomctl.yaml", config);
            assert_eq!(site.apply(&[]).code, 0);
            for number in 0..3 {
                site.room(
                    number,
                    "privacy: private\nmaxParticipants: 6\nenableChat: true\n",
                );
            }
            for args in [&[][..], &["--reassert"], &["--reassert", "--live"]] {
                let (plan, before) = (&["plan", "--format", "json"], site.log().len());
                let promised =
                    site.run(&[plan, args].concat()).json()["forecast"]["requests"].clone();
                let looked = site.log().len() - before;
                assert_eq!(site.apply(args).code, 0);
                let sent = site.log().len() - before - 2 * looked;
                assert_eq!(promised, serde_json::json!(sent), "{config} {args:?}");
            }
        }
    }
}
