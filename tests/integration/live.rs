//! Plans that look at the service, applies that put drift back, and rooms that are archived.

use serde_json::{Value, json};

use crate::harness::Site;
use crate::schemas::check;

const PERSONALITIES: [&[&str]; 7] = [
    &[],
    &["put=replace"],
    &["missing=404", "numbers=float"],
    &["missing=200", "numbers=string"],
    &["lowercase-names=on", "auto-composition=on"],
    &["override=autoJoin:true", "extra-fields=on"],
    &["list-archived=on", "list-limit=1", "archived-name=reusable"],
];

fn plan(site: &Site, more: &[&str]) -> (i32, Value) {
    let mut args = vec!["plan", "--live", "--rate", "unlimited", "--format", "json"];
    args.extend(more);
    let ran = site.run(&args);
    let report = ran.json();
    check("plan", &report);
    (ran.code, report)
}

fn changes(report: &Value) -> Vec<String> {
    let told = |c: &Value| {
        let causes = c["attributes"].as_array().unwrap().iter();
        let causes: Vec<&str> = causes.map(|a| a["cause"].as_str().unwrap()).collect();
        format!(
            "{} {} {}",
            c["room"].as_str().unwrap(),
            c["action"].as_str().unwrap(),
            causes.join(",")
        )
    };
    report["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(told)
        .collect()
}

#[test]
fn add_is_resolved_and_a_missing_room_is_created_again() {
    let site = Site::with_rooms(&["archived-name=reusable"], &[], 2);
    site.existing(1);
    assert_eq!(
        changes(&plan(&site, &[]).1),
        [
            "room-00 adopt converged,change,change",
            "room-01 create change,change,change"
        ]
    );
    assert_eq!(site.apply(&["--live"]).code, 0);
    site.simulator()
        .with_world(|world| world.archive("room-01").unwrap());
    let (_, report) = plan(&site, &[]);
    assert_eq!(changes(&report), ["room-01 create change,change,change"]);
    assert_eq!(report["forecast"]["requests"], 2);
    let from = site.log().len();
    assert_eq!(site.apply(&["--live"]).code, 0);
    // A look at both rooms, and what was forecast.
    let get = |number| ("GET", format!("/api/v1/room/room-0{number}"));
    let post = ("POST", "/api/v1/room".to_owned());
    let mut sent = site.sent(from);
    sent[..2].sort();
    assert_eq!(sent, [get(0), get(1), get(1), post]);
    assert_eq!(plan(&site, &["--detailed-exitcode"]).0, 0);
}

#[test]
fn rooms_that_cannot_be_read_are_left_alone() {
    left_alone_because_of("html=method:GET,room:room-01");
}

/// Waits for the real back-off.
mod slow {
    use super::*;

    #[test]
    fn drift_only_undoes_nothing_of_ours_and_writes_no_room_of_others() {
        super::drift_only_undoes_nothing_of_ours_and_writes_no_room_of_others();
    }

    #[test]
    fn rooms_that_do_not_answer_are_left_alone() {
        super::left_alone_because_of("500=method:GET,room:room-01");
    }

    #[test]
    fn who_moved_is_reported_and_put_right_under_every_personality() {
        for personality in PERSONALITIES {
            let site = Site::applied(personality, 4);
            assert_eq!(
                plan(&site, &["--detailed-exitcode"]).0,
                0,
                "{personality:?}"
            );
            site.edit("room-01", "maxParticipants", json!(9));
            site.edit("room-02", "maxParticipants", json!(9));
            site.edit("room-03", "maxParticipants", json!(6));
            for number in [2, 3] {
                site.room(
                    number,
                    "privacy: private\nmaxParticipants: 6\nenableChat: true\n",
                );
            }
            let (_, report) = plan(&site, &[]);
            assert_eq!(
                changes(&report),
                [
                    "room-01 update drift",
                    "room-02 update conflict",
                    "room-03 update converged"
                ],
                "{personality:?}"
            );
            // Some personalities answer numbers as text.
            let live = report["changes"][0]["attributes"][0]["live"].to_string();
            assert_eq!(live.trim_matches('"'), "9", "{personality:?}");
            let before = site.writes();
            let ran = site.apply(&["--live"]);
            assert_eq!(ran.code, 0, "{personality:?}: {}", ran.all());
            assert_eq!(
                site.writes() - before,
                2,
                "{personality:?}: the converged room needs no write"
            );
            assert_eq!(
                plan(&site, &["--detailed-exitcode"]).0,
                0,
                "{personality:?}"
            );
            let drift = site.run(&["drift", "--rate", "unlimited"]);
            assert_eq!(drift.code, 0, "{personality:?}: {}", drift.all());
        }
    }

    #[test]
    fn pruned_rooms_are_archived_and_others_are_not_touched() {
        for personality in PERSONALITIES {
            let site = Site::applied(personality, 3);
            site.simulator()
                .with_world(|world| world.create("by-hand", [].into(), 0));
            site.remove(1);
            assert_eq!(
                site.apply(&[]).code,
                0,
                "without --prune nothing is archived"
            );
            assert_eq!(site.count("DELETE"), 0);
            let report = site.run(&["plan", "--prune", "--format", "json"]).json();
            check("plan", &report);
            assert_eq!(report["changes"][0]["action"], "archive");
            assert_eq!(report["changes"][0]["effects"], json!(["archived"]));
            let ran = site.apply(&["--prune"]);
            assert_eq!(ran.code, 0, "{personality:?}: {}", ran.all());
            assert_eq!(site.count("DELETE"), 1);
            assert!(!site.scratch.read(".roomctl/state.json").contains("room-01"));
            assert_eq!(
                site.run(&["plan", "--prune", "--detailed-exitcode"]).code,
                0
            );
        }
    }

    /// Also what is released by the file, was sent without an answer, or was seen by a run that died before its report.
    #[test]
    fn what_is_no_longer_declared_is_told_when_it_is_seen_otherwise() {
        for way in ["released", "unanswered", "killed"] {
            let site = Site::new(&[], &[]);
            let declared = "privacy: private\nenableRecording: false\n";
            let (with, without) = (
                "privacy: private\nenableRecording: true\n",
                "privacy: private\n",
            );
            site.room(0, if way == "released" { declared } else { without });
            assert_eq!(site.apply(&[]).code, 0);
            match way {
                "unanswered" => {
                    site.faults(&["drop-after=method:PUT"]);
                    site.room(0, with);
                    assert_eq!(site.apply(&[]).code, 6);
                    site.faults(&[]);
                }
                "killed" => {
                    site.edit("room-00", "enableRecording", json!(true));
                    site.scratch
                        .write("roomctl.yaml", "app: acme\nprotected: [room-00]\n");
                    site.room(0, "privacy: private\nenableChat: false\n");
                    let crash = [("ROOMCTL_CRASH_AT".to_owned(), "receipt-recorded".to_owned())];
                    let dead = site.run_with(&crash, &["apply", "--yes", "--rate", "unlimited"]);
                    assert_ne!(dead.code, 0, "{}", dead.all());
                }
                _ => site.edit("room-00", "enableRecording", json!(true)),
            }
            site.room(0, without);
            let ran = site.apply(&["--live"]);
            assert_eq!(ran.code, 0, "{way}: {}", ran.all());
            let told = &ran.json()["undeclared"][0]["attributes"];
            let is_it = |one: &Value| one["name"] == "enableRecording" && one["live"] == true;
            assert!(told.as_array().unwrap().iter().any(is_it), "{way}: {told}");
        }
    }
}

fn left_alone_because_of(fault: &str) {
    let site = Site::applied(&[], 3);
    for number in 0..3 {
        site.room(number, "privacy: public\n");
    }
    site.faults(&[fault]);
    let (code, report) = plan(&site, &[]);
    assert_eq!((code, &report["summary"]["unreadable"]), (6, &json!(1)));
    let ran = site.apply(&["--live", "--parallelism", "3"]);
    assert_eq!(ran.code, 6, "{}", ran.all());
    let written: Vec<String> = site
        .log()
        .iter()
        .filter(|r| r.method.name() == "PUT")
        .map(|r| r.path.clone())
        .collect();
    assert!(!written.contains(&"/api/v1/room/room-01".to_owned()));
}

#[test]
fn only_drift_is_put_back() {
    let site = Site::applied(&[], 3);
    site.edit("room-01", "enableChat", json!(false));
    site.room(1, "privacy: public\nmaxParticipants: 5\nenableChat: true\n");
    site.room(2, "privacy: public\nmaxParticipants: 5\nenableChat: true\n");
    let before = site.log().len();
    assert_eq!(site.apply(&["--drift-only"]).code, 0);
    let log = site.log();
    let puts: Vec<_> = log[before..]
        .iter()
        .filter(|r| r.method.name() == "PUT")
        .collect();
    assert_eq!(puts.len(), 1);
    assert_eq!(
        puts[0].body,
        Some(json!({"privacy": "private", "maxParticipants": 5, "enableChat": true}))
    );
    assert_eq!(
        site.run(&["plan", "--format", "json"]).json()["summary"]["update"],
        2
    );
}

/// A service that forgets what a write does not name: what did not drift stays as it is there, as a plan without a word
/// about it says, and as it was remembered.
#[test]
fn whatever_did_not_drift_stays() {
    let quirks = [
        "put=replace",
        "override=maxParticipants:10",
        "override-writes=1",
    ];
    let site = Site::new(&quirks, &[]);
    let room =
        |people: i64| format!("privacy: private\nmaxParticipants: {people}\nautoJoin: true\n");
    site.room(0, &room(50));
    site.apply(&[]);
    site.edit("room-00", "autoJoin", json!(false));
    site.room(0, &room(60));
    let plan = site
        .run(&["plan", "--drift-only", "--format", "json"])
        .json();
    let lines = plan["changes"][0]["attributes"].as_array().unwrap();
    let names: Vec<&Value> = lines.iter().map(|line| &line["name"]).collect();
    assert_eq!(names, ["autoJoin"], "{plan}");
    assert_eq!(site.apply(&["--drift-only"]).code, 0);
    let log = site.log();
    let body = json!({"autoJoin": true, "maxParticipants": 10, "privacy": "private"});
    assert_eq!(log.last().unwrap().body, Some(body));
    let known = &site.state()["rooms"]["room-00"];
    assert_eq!(known["settings"]["maxParticipants"], json!(50), "{known}");
    // What the service chose was told once, and is still what was asked for.
    site.room(0, &room(50));
    let drift = site.run(&["drift", "--format", "json"]);
    assert_eq!(
        drift.json()["summary"]["in_sync"],
        json!(1),
        "{}",
        drift.all()
    );
}

/// What was sent and not answered is newer than what was confirmed; a room that is not ours, or that no file wants, is
/// nobody's to put back.
fn drift_only_undoes_nothing_of_ours_and_writes_no_room_of_others() {
    let site = Site::applied(&["archived-name=reusable"], 3);
    site.faults(&["drop-after=method:PUT"]);
    site.room(0, "privacy: public\nmaxParticipants: 5\nenableChat: true\n");
    assert_eq!(site.apply(&["--max-changes", "3"]).code, 6);
    site.faults(&[]);
    site.remove(1);
    site.remove(2);
    site.simulator().with_world(|world| {
        world.archive("room-01").unwrap();
        world.create("room-01", [].into(), 1);
        world.archive("room-02").unwrap();
    });
    let writes = || ["PUT", "POST", "DELETE"].map(|method| site.count(method));
    let before = writes();
    let ran = site.apply(&["--drift-only"]);
    assert_eq!((ran.code, writes()), (0, before), "{}", ran.all());
    let report = site
        .run(&["plan", "--drift-only", "--format", "json"])
        .json();
    check("plan", &report);
    let why = report["changes"][0]["message"].to_string();
    assert!(
        why.contains("recreated") && why.contains("state forget room-01"),
        "{report}"
    );
}

/// What the service chose once is over when any look shows something else, and when it is there again, somebody moved it:
/// also if the run that looked was refused, or held the room back.
#[test]
fn what_a_look_proved_over_is_forgotten_by_a_run_that_does_nothing() {
    for (look, code) in [("--live", 4), ("--reassert", 5)] {
        let site = Site::new(&["override=autoJoin:true", "override-writes=1"], &[]);
        site.room(0, "privacy: private\nautoJoin: false\nmaxParticipants: 5\n");
        site.apply(&[]);
        site.edit("room-00", "autoJoin", json!(false));
        site.scratch.write(
            "roomctl.yaml",
            "app: acme\nguard: {require_allow: [ejects-participants]}\n",
        );
        site.edit("room-00", "maxParticipants", json!(50));
        let ran = site.apply(&[look]);
        assert_eq!((ran.code, site.count("PUT")), (code, 0), "{}", ran.all());
        site.edit("room-00", "maxParticipants", json!(5));
        site.edit("room-00", "autoJoin", json!(true));
        let drift = site.run(&["drift", "--rate", "unlimited"]);
        assert_eq!(drift.code, 2, "{look}: {}", drift.all());
        assert_eq!(site.apply(&["--live"]).code, 0);
        assert_eq!(site.run(&["drift", "--rate", "unlimited"]).code, 0);
    }
}

/// Whatever run learns that something moved that no file declares, and remembers it so, says it: nobody would hear of it
/// again.
#[test]
fn what_no_file_declares_is_told_by_the_run_that_learns_of_it() {
    let protected = "app: acme\nprotected: [room-00]\n";
    let guarded = "app: acme\nguard: {require_allow: [billing-changed]}\n";
    let (other, forbidden) = ("enableChat: false\n", "audioOnlyRoom: true\n");
    let runs = [
        (protected, other, &[][..], 0),
        ("app: acme\n", other, &["--live"], 0),
        (guarded, forbidden, &["--live"], 4),
    ];
    for (config, file, look, code) in runs {
        let site = Site::applied(&[], 1);
        site.scratch.write("roomctl.yaml", config);
        site.room(0, &format!("privacy: private\n{file}"));
        site.edit("room-00", "lang", json!("de"));
        site.edit("room-00", "enableRecording", json!(true));
        let ran = site.apply(look);
        assert_eq!(ran.code, code, "{}", ran.all());
        if code == 0 {
            let moved = &ran.json()["undeclared"][0];
            assert_eq!(moved["room"], "room-00");
            assert_eq!(moved["attributes"][0]["name"], "enableRecording");
        } else {
            let said = "enableRecording false → true in `room-00`";
            assert!(ran.stderr.contains(said), "{}", ran.stderr);
        }
        let again = site.apply(look);
        assert!(!again.all().contains("enableRecording"), "{}", again.all());
    }
}

/// What the service chose is told by the run that asked for something else, not by one that sends nothing.
#[test]
fn what_the_service_chose_is_told_once() {
    for look in [&[][..], &["--live"]] {
        let site = Site::new(&["override=maxParticipants:9", "override-writes=1"], &[]);
        site.room(
            0,
            "privacy: private\nenableChat: true\nmaxParticipants: 5\n",
        );
        let exit = ["--detailed-exitcode"];
        assert_eq!(site.apply(&exit).code, 2);
        site.room(0, "privacy: private\nmaxParticipants: 5\n");
        let released = site.apply(&[&exit, look].concat());
        assert_eq!(
            (released.code, site.count("PUT")),
            (0, 0),
            "{}",
            released.all()
        );
        site.edit("room-00", "maxParticipants", json!(8));
        assert_eq!(site.run(&["drift", "--rate", "unlimited"]).code, 2);
    }
}

/// What the service chose, and no file can say, it would refuse: the applied value is sent, as in any other update.
#[test]
fn drift_only_sends_nothing_that_no_file_can_say() {
    let composed =
        "privacy: private\nenableChat: true\nenableComposition: true\ncompositionLayout: grid\n";
    let limited = "privacy: private\nenableChat: true\nmaxParticipants: 5\n";
    for (quirk, file) in [
        ("layout=broadcaster", composed),
        ("override=maxParticipants:\"lots\"", limited),
        ("override=maxParticipants:-1", limited),
    ] {
        let site = Site::new(&[quirk], &[]);
        site.room(0, file);
        assert_eq!(site.apply(&[]).code, 0);
        site.edit("room-00", "enableChat", json!(false));
        let ran = site.apply(&["--drift-only"]);
        assert_eq!(ran.code, 0, "{quirk} {}", ran.all());
        site.simulator().with_world(|world| {
            assert_eq!(
                world.room("room-00").unwrap().attributes["enableChat"],
                true
            );
        });
        let puts = site.count("PUT");
        assert_eq!(site.apply(&["--drift-only"]).code, 0);
        assert_eq!(site.count("PUT"), puts, "{quirk}");
    }
}

/// A name of the state that leads to somebody else's room opens nothing that has to be allowed.
#[test]
fn a_moved_name_is_looked_at_before_it_is_written() {
    let site = Site::applied(&[], 1);
    site.scratch.write(
        "roomctl.yaml",
        "app: acme\nguard: {require_allow: [recording-on]}\n",
    );
    site.room(0, "privacy: private\nenableRecording: true\n");
    assert_eq!(site.apply(&["--allow", "recording-on"]).code, 0);
    site.simulator().with_world(|world| {
        world.create(
            "others",
            [("privacy".to_owned(), json!("private"))].into(),
            1,
        )
    });
    assert_eq!(site.run(&["state", "mv", "room-00", "others"]).code, 0);
    site.remove(0);
    let moved = "privacy: private\nenableRecording: true\nmaxParticipants: 9\n";
    site.scratch.write("rooms/others.yaml", moved);
    let puts = site.count("PUT");
    let ran = site.apply(&[]);
    assert_eq!((ran.code, site.count("PUT")), (5, puts), "{}", ran.all());
    // Nor without a guard: it was never ours.
    site.scratch.write("roomctl.yaml", "app: acme\n");
    let ran = site.apply(&[]);
    assert_eq!((ran.code, site.count("PUT")), (5, puts), "{}", ran.all());
    let why = "another room is there under its name";
    assert!(ran.stdout.contains(why), "{}", ran.all());
    assert_eq!(site.apply(&["--live", "--allow", "recording-on"]).code, 0);
    assert_eq!(site.count("PUT"), puts + 1);
}

/// Where the service shows no id, nothing shows that a name of the state is true: the room is left alone, until somebody
/// gives that up.
#[test]
fn a_claim_without_an_id_writes_nothing_and_says_how_to_go_on() {
    let site = Site::applied(&[], 1);
    let theirs = [
        ("privacy".to_owned(), json!("private")),
        ("maxParticipants".to_owned(), json!(50)),
    ];
    site.simulator()
        .with_world(|world| world.create("others", theirs.into(), 1));
    assert_eq!(site.run(&["state", "mv", "room-00", "others"]).code, 0);
    site.remove(0);
    let file = "privacy: public\nmaxParticipants: 60\n";
    site.scratch.write("rooms/others.yaml", file);
    site.becomes("hide=_id");
    let puts = site.count("PUT");
    for how in [&[][..], &["--live"], &["--drift-only"], &["--reassert"]] {
        let ran = site.apply(how);
        let done = (ran.code, site.count("PUT"));
        assert_eq!(done, (5, puts), "{how:?} {}", ran.all());
        let next = "`roomctl state forget others`";
        assert!(ran.stdout.contains(next), "{how:?} {}", ran.all());
    }
    let forgotten = site.run(&["state", "forget", "others", "--yes"]);
    assert_eq!(forgotten.code, 0, "{}", forgotten.all());
    assert_eq!(site.apply(&[]).code, 0);
    assert_eq!(site.count("PUT"), puts + 1);
}

/// Whoever writes without a look learns afterwards that it was another's room. That does not make it ours.
#[test]
fn a_recreated_room_that_was_written_unseen_stays_in_doubt_until_somebody_looks() {
    let site = Site::applied(&["archived-name=reusable"], 2);
    let recreate = |room: &str| {
        let attributes = [
            ("privacy", json!("private")),
            ("enableRecording", json!(true)),
        ];
        let attributes = attributes.map(|(name, value)| (name.to_owned(), value));
        site.simulator()
            .with_world(|world| world.create(room, attributes.into(), 1));
    };
    recreate("room-00");
    site.room(0, "privacy: private\nmaxParticipants: 9\n");
    let ran = site.apply(&[]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert!(ran.stdout.contains("id of it has changed"), "{}", ran.all());
    assert!(!ran.all().contains("no file declares"), "{}", ran.all());
    let drift = site.run(&["drift", "--rate", "unlimited"]);
    assert_eq!(drift.code, 2, "{}", drift.all());
    site.remove(0);
    let ran = site.apply(&["--prune"]);
    assert_eq!((ran.code, site.count("DELETE")), (5, 0), "{}", ran.all());
    // What is made again by a run of ours is no surprise.
    site.room(0, "privacy: private\nmaxParticipants: 9\n");
    site.simulator()
        .with_world(|world| world.archive("room-01").unwrap());
    let ran = site.apply(&["--live"]);
    assert!(
        !ran.stdout.contains("id of it has changed"),
        "{}",
        ran.all()
    );
}

/// Nothing was written, and what no file declares moved: the run that sees it says so, and remembers it.
#[test]
fn recording_alone_hides_no_move_of_what_no_file_declares() {
    let site = Site::new(&[], &[]);
    site.room(0, "privacy: private\nautoJoin: true\n");
    assert_eq!(site.apply(&[]).code, 0);
    site.edit("room-00", "enableRecording", json!(true));
    site.edit("room-00", "autoJoin", json!(false));
    site.room(0, "privacy: private\n");
    let drift = || {
        site.run(&["drift", "--rate", "unlimited", "--format", "json"])
            .json()
    };
    let undeclared = |report: &Value| report["rooms"][0]["undeclared"].clone();
    assert_eq!(undeclared(&drift()).as_array().unwrap().len(), 1);
    let puts = site.count("PUT");
    let ran = site.apply(&["--live"]);
    assert_eq!((ran.code, site.count("PUT")), (0, puts));
    let told = ran.json()["undeclared"][0]["attributes"].clone();
    let told = told.as_array().unwrap().iter().map(|one| &one["name"]);
    assert_eq!(told.collect::<Vec<_>>(), ["autoJoin", "enableRecording"]);
    let observed = &site.state()["rooms"]["room-00"]["observed"];
    let seen = (&observed["enableRecording"], &observed["autoJoin"]);
    assert_eq!(seen, (&json!(true), &json!(false)));
}

#[test]
fn a_lost_answer_to_an_archive_is_read_before_it_is_repeated() {
    let site = Site::with_rooms(&[], &["drop-after=first:1,method:DELETE"], 2);
    assert_eq!(site.apply(&[]).code, 0);
    site.remove(1);
    let ran = site.apply(&["--prune"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert_eq!(site.count("DELETE"), 1);
}

#[test]
fn too_many_archives_are_refused_with_the_flag_that_allows_them() {
    let site = Site::applied(&[], 12);
    for number in 0..3 {
        site.remove(number);
    }
    let report = site.run(&["plan", "--prune", "--format", "json"]).json();
    assert!(report["guard"].as_str().unwrap().contains("3 of 12"));
    let ran = site.apply(&["--prune"]);
    assert_eq!((ran.code, site.count("DELETE")), (4, 0));
    assert!(ran.stderr.contains("--max-changes 3"), "{}", ran.stderr);
    assert_eq!(site.apply(&["--prune", "--max-changes", "3"]).code, 0);
    assert_eq!(site.count("DELETE"), 3);
}

#[test]
fn a_room_that_somebody_made_anew_is_not_ours_to_archive() {
    let site = Site::applied(&["archived-name=reusable"], 2);
    site.simulator().with_world(|world| {
        world.archive("room-01").unwrap();
        world.create("room-01", [].into(), 1);
    });
    site.remove(1);
    let ran = site.apply(&["--prune"]);
    assert_eq!((ran.code, site.count("DELETE")), (5, 0), "{}", ran.all());
}

#[test]
fn undeclared_attributes_that_moved_are_counted_and_named_on_demand() {
    let site = Site::with_rooms(&[], &[], 2);
    site.existing(2);
    site.edit("room-00", "autoJoin", json!(false));
    assert_eq!(site.apply(&[]).code, 0);
    let quiet = plan(&site, &["--detailed-exitcode"]);
    assert_eq!((quiet.0, &quiet.1["undeclared"]), (0, &json!([])));
    site.edit("room-00", "autoJoin", json!(true));
    let (code, report) = plan(&site, &["--detailed-exitcode"]);
    let moved = json!([{
        "room": "room-00",
        "attributes": [{"name": "autoJoin", "before": false, "live": true}],
    }]);
    // Nobody declared it, so nothing is to be done about it.
    assert_eq!((code, &report["undeclared"]), (0, &moved));
    let text = |more: &[&str]| {
        let args = [&["plan", "--live", "--rate", "unlimited"], more].concat();
        site.run(&args).stdout
    };
    let room = "  = room-00  unchanged\n";
    let short = text(&[]);
    let counted = "      1 attribute that no file declares moved on the service; -v names them\n";
    assert!(short.contains(&format!("{room}{counted}")), "{short}");
    assert!(!short.contains("autoJoin"), "{short}");
    let long = text(&["-v"]);
    let named = "      autoJoin  false → true  on the service; no file declares it\n";
    assert!(long.contains(&format!("{room}{named}")), "{long}");
}

#[test]
fn a_room_under_another_id_is_reported_when_it_is_written() {
    let site = Site::applied(&[], 1);
    site.simulator().with_world(|world| {
        world.archive("room-00").unwrap();
        let attributes = [("privacy".to_owned(), json!("public"))].into();
        world.create("room-00", attributes, 0);
    });
    site.room(0, "privacy: private\nmaxParticipants: 9\n");
    let ran = site.apply(&[]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    let message = ran.json()["receipts"][0]["message"].to_string();
    assert!(
        message.contains("recreated, or is another room"),
        "{message}"
    );
}

#[test]
fn a_deadline_that_comes_while_rooms_are_read_is_reported() {
    let site = Site::applied(&[], 6);
    site.faults(&["slow=method:GET,ms:400"]);
    let ran = site.apply(&["--live", "--deadline", "1s", "--parallelism", "1"]);
    assert_eq!(ran.code, 5, "{}", ran.all());
    assert_eq!(ran.json()["stopped"], "the deadline came first");
    assert_eq!(site.count("PUT"), 0);
}
