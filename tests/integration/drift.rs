//! Who moved what, told by the built program against the simulator under each of its personalities.

use serde_json::{Value, json};

use crate::harness::Site;
use crate::schemas::check;

/// Personalities under which drift is claimed to be told right.
const PERSONALITIES: [&[&str]; 10] = [
    &[],
    &["put=replace"],
    &["missing=404"],
    &["missing=200", "extra-fields=on"],
    &["numbers=float"],
    &["numbers=string"],
    &["auto-composition=on", "lowercase-names=on"],
    &["override=autoJoin:true"],
    &["list-archived=on", "list-limit=2"],
    &[
        "body-room-name=rename",
        "unknown-keys=refuse",
        "privacy=required",
    ],
];

fn drift(site: &Site, more: &[&str]) -> (i32, Value) {
    let mut args = vec!["drift", "--rate", "unlimited", "--format", "json"];
    args.extend(more);
    let ran = site.run(&args);
    let report = ran.json();
    check("drift", &report);
    (ran.code, report)
}

fn verdicts(report: &Value) -> Vec<String> {
    let rooms = report["rooms"].as_array().unwrap().iter();
    rooms
        .map(|r| format!("{} {}", r["room"], r["verdict"]).replace('"', ""))
        .collect()
}

/// A room that was read and is not in the list shows that the list is not whole: what it does not name is no absence.
#[test]
fn a_list_that_lacks_a_room_that_is_there_is_doubted() {
    let site = Site::new(&[], &[]);
    for number in 0..3 {
        site.room(number, "privacy: private\n");
    }
    assert_eq!(site.apply(&[]).code, 0);
    let warning = |site: &Site| drift(site, &[]).1["warning"].clone();
    assert_eq!(warning(&site), Value::Null);
    site.becomes("list-limit=2");
    let said = warning(&site).to_string();
    assert!(
        said.contains("lacks 1 room that it just showed, the first `room-02`"),
        "{said}"
    );
    let ran = site.run(&["import", "--all", "--format", "json"]);
    let said = ran.json()["warning"].to_string();
    assert!(
        said.contains("lacks 1 room of the state, the first `room-02`"),
        "{said}"
    );
}

#[test]
fn what_the_service_does_not_report_is_no_drift() {
    let site = Site::applied(&["echo=sample", "hide=privacy"], 2);
    site.edit("room-00", "maxParticipants", json!(9));
    let (code, report) = drift(&site, &[]);
    assert_eq!(
        (code, verdicts(&report)),
        (
            0,
            vec!["room-00 in_sync".to_owned(), "room-01 in_sync".to_owned()]
        )
    );
    assert_eq!(report["rooms"][0]["attributes"][0]["cause"], "unobservable");
}

#[test]
fn rooms_that_cannot_be_read_are_unreadable_and_the_rest_is_reported() {
    unreadable_because_of("html=method:GET,room:room-03");
}

/// Waits for the real back-off.
mod slow {
    use super::*;

    #[test]
    fn rooms_that_do_not_answer_are_unreadable_and_the_rest_is_reported() {
        super::unreadable_because_of("500=method:GET,room:room-03");
    }

    #[test]
    fn every_verdict_under_every_personality() {
        for personality in PERSONALITIES {
            let site = Site::with_rooms(personality, &[], 5);
            let text = "privacy: private\nmaxParticipants: 5\nautoJoin: false\n";
            for number in 0..5 {
                site.room(number, text);
            }
            assert_eq!(site.apply(&[]).code, 0, "{personality:?}");
            assert_eq!(
                drift(&site, &[]).0,
                0,
                "{personality:?}: in sync after apply"
            );

            let state = site.scratch.read(".roomctl/state.json");
            let before = site.writes();
            site.edit("room-01", "maxParticipants", json!(9));
            site.edit("room-03", "maxParticipants", json!(7));
            site.simulator()
                .with_world(|world| world.archive("room-02").unwrap());
            site.room(3, &text.replace('5', "6"));
            site.room(4, &text.replace('5', "6"));
            site.room(5, text);
            let (code, report) = drift(&site, &[]);
            assert_eq!(code, 2, "{personality:?}");
            assert_eq!(
                verdicts(&report),
                [
                    "room-00 in_sync",
                    "room-01 drifted",
                    "room-02 missing",
                    "room-03 conflict",
                    "room-04 pending",
                    "room-05 pending",
                ],
                "{personality:?}"
            );
            let moved = &report["rooms"][1]["attributes"];
            let moved = moved
                .as_array()
                .unwrap()
                .iter()
                .find(|a| a["cause"] == "drift")
                .unwrap();
            assert_eq!(
                (&moved["name"], &moved["applied"], &moved["wanted"]),
                (&json!("maxParticipants"), &json!(5), &json!(5)),
                "{personality:?}"
            );
            assert_eq!(drift(&site, &["--exit-zero"]).0, 0);
            assert_eq!(
                site.writes(),
                before,
                "{personality:?}: drift wrote something"
            );
            assert_eq!(site.scratch.read(".roomctl/state.json"), state);
        }
    }
}

fn unreadable_because_of(fault: &str) {
    let site = Site::applied(&[], 10);
    site.faults(&[fault]);
    site.edit("room-05", "enableChat", json!(false));
    let before = site.writes();
    let (code, report) = drift(&site, &["--parallelism", "4"]);
    assert_eq!(code, 6);
    assert_eq!(report["summary"]["unreadable"], 1);
    assert_eq!(report["summary"]["drifted"], 1);
    assert_eq!(report["summary"]["in_sync"], 8);
    assert_eq!(site.writes(), before);
}

#[test]
fn rooms_made_by_hand_are_unmanaged_and_left_out_of_the_exit_code() {
    let site = Site::applied(&[], 1);
    site.simulator()
        .with_world(|world| world.create("by-hand", [].into(), 0));
    let (code, report) = drift(&site, &[]);
    assert_eq!(
        (code, verdicts(&report)),
        (
            0,
            vec!["by-hand unmanaged".to_owned(), "room-00 in_sync".to_owned()]
        )
    );
}

#[test]
fn mutes_metrics_and_other_formats() {
    let site = Site::applied(&[], 2);
    site.edit("room-00", "enableChat", json!(false));
    let text = site.run(&["drift", "--rate", "unlimited"]);
    assert_eq!(text.code, 2);
    let (_, mute) = text
        .stdout
        .lines()
        .find_map(|line| line.split_once("mute: "))
        .unwrap();
    site.scratch
        .write("mutes.yaml", &format!("mutes:\n  {mute}\n"));
    let (code, report) = drift(&site, &["--metrics-file", "out.prom"]);
    assert_eq!((code, &report["summary"]["muted"]), (0, &json!(1)));
    assert!(
        site.scratch
            .read("out.prom")
            .contains("verdict=\"muted\"} 1")
    );
    let markdown = site
        .run(&["drift", "--rate", "unlimited", "--format", "markdown"])
        .stdout;
    assert!(
        markdown.contains("<code>room-00</code> muted")
            && markdown.contains(
                "| <code>enableChat</code> | <code>true</code> | <code>true</code> | <code>false</code> | muted;"
            ),
        "{markdown}"
    );
}

/// A limit that is gone does not read as if nothing had moved: in no report, and in no form.
#[test]
fn a_value_that_is_gone_is_nothing_in_every_report() {
    let site = Site::applied(&[], 1);
    site.becomes("override=maxParticipants:null");
    site.edit("room-00", "maxParticipants", json!(null));
    let gone = |args: &[&str], words: &str| {
        let ran = site.run(&[args, &["--rate", "unlimited"]].concat());
        assert!(ran.stdout.contains(words), "{words}: {}", ran.all());
    };
    gone(&["drift"], "5 → nothing  on the service");
    gone(
        &["drift", "--format", "markdown"],
        "<code>5</code> → <code>nothing</code>",
    );
    gone(
        &["drift", "--format", "markdown"],
        "| <code>5</code> | <code>nothing</code> |",
    );
    gone(&["drift", "--format", "junit"], "5 → nothing");
    gone(&["plan", "--live"], "nothing → 5  drift");
    gone(
        &["apply", "--yes", "--live"],
        "5 → nothing  sent, and what the service chose",
    );
}
