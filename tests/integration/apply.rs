//! The built program against the simulator on a real socket: what is sent, what is told, what is kept.

use serde_json::{Value, json};

use crate::common::{Ran, Scratch};
use crate::harness::{KEY, Site};
use crate::schemas::check;

fn outcomes(report: &Value) -> Vec<String> {
    let receipts = report["receipts"].as_array().unwrap().iter();
    receipts
        .map(|r| format!("{} {} {}", r["room"], r["action"], r["outcome"]).replace('"', ""))
        .collect()
}

#[test]
fn existing_rooms_are_read_and_written_once_and_then_left_alone() {
    let site = Site::with_rooms(&[], &[], 25);
    site.existing(25);
    let ran = site.apply(&[]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert_eq!(
        (site.count("GET"), site.count("PUT"), site.log().len()),
        (25, 25, 50)
    );
    assert_eq!(ran.json()["summary"]["confirmed"], 25);
    assert_eq!(ran.json()["receipts"][0]["action"], "adopt");

    let state = site.scratch.read(".roomctl/state.json");
    assert_eq!(site.apply(&[]).code, 0);
    assert_eq!(site.log().len(), 50, "the second run sent something");
    assert_eq!(site.scratch.read(".roomctl/state.json"), state);
    site.check_files();
}

#[test]
fn three_edited_files_are_three_puts_with_the_full_set() {
    let site = Site::applied(&[], 10);
    for number in [2, 5, 7] {
        site.room(
            number,
            "privacy: private\nmaxParticipants: 9\nenableChat: true\n",
        );
    }
    let plan = site.run(&["plan", "--format", "json"]);
    assert_eq!(plan.stdout, site.run(&["plan", "--format", "json"]).stdout);
    let plan = plan.json();
    assert_eq!(plan["summary"]["update"], 3);
    assert_eq!(plan["changes"].as_array().unwrap().len(), 3);
    let attribute = &plan["changes"][0]["attributes"][0];
    assert_eq!(attribute["before"], 5);
    assert_eq!(attribute["after"], 9);
    assert_eq!(attribute["line"], 2);

    let before = site.log().len();
    assert_eq!(site.apply(&["--parallelism", "1"]).code, 0);
    let put = |n| ("PUT", format!("/api/v1/room/room-0{n}"));
    assert_eq!(site.sent(before), [put(2), put(5), put(7)]);
    let body = json!({"privacy": "private", "maxParticipants": 9, "enableChat": true});
    for record in &site.log()[before..] {
        assert_eq!(record.body, Some(body.clone()));
    }
}

#[test]
fn missing_rooms_are_created() {
    for missing in ["missing=400", "missing=404", "missing=200"] {
        let site = Site::with_rooms(&[missing], &[], 2);
        let ran = site.apply(&["--parallelism", "1"]);
        assert_eq!(ran.code, 0, "{missing}: {}", ran.all());
        assert_eq!(
            outcomes(&ran.json()),
            ["room-00 create confirmed", "room-01 create confirmed"]
        );
        let get = |n| ("GET", format!("/api/v1/room/room-0{n}"));
        let post = ("POST", "/api/v1/room".to_owned());
        assert_eq!(site.sent(0), [get(0), post.clone(), get(1), post]);
    }
}

#[test]
fn plan_and_validate_make_no_connection() {
    let site = Site::with_rooms(&[], &[], 3);
    assert_eq!(site.run(&["plan"]).code, 0);
    assert_eq!(site.run(&["validate"]).code, 0);
    assert_eq!(site.log().len(), 0);
}

#[test]
fn one_invalid_file_stops_everything() {
    let site = Site::with_rooms(&[], &[], 3);
    site.scratch
        .write("rooms/broken.yaml", "privacy: sometimes\n");
    let ran = site.apply(&[]);
    assert_eq!(ran.code, 3);
    assert_eq!(site.log().len(), 0);
}

#[test]
fn answers_that_do_not_show_the_room_are_not_success() {
    let cases = [
        ("html=method:PUT", "unknown"),
        ("wrong-name=method:PUT", "unknown"),
        ("truncated=method:PUT", "unknown"),
        ("oversized=method:PUT", "unknown"),
        ("redirect=method:PUT", "unknown"),
        ("reflect-key=method:PUT", "refused"),
    ];
    for (fault, outcome) in cases {
        let fault = format!("{fault},room:room-00");
        let site = Site::with_rooms(&[], &[&fault], 2);
        site.existing(2);
        let ran = site.apply(&[]);
        assert_eq!(ran.code, 5, "{fault}: {}", ran.all());
        assert_eq!(
            outcomes(&ran.json()),
            [
                format!("room-00 adopt {outcome}"),
                "room-01 adopt confirmed".to_owned()
            ],
            "{fault}"
        );
        // The next run, with the service well again, writes the room and is done.
        site.faults(&[]);
        assert_eq!(site.apply(&[]).code, 0, "{fault}");
        assert_eq!(
            site.run(&["plan", "--detailed-exitcode"]).code,
            0,
            "{fault}"
        );
        site.check_files();
    }
}

fn waited_out(fault: &str) {
    let site = Site::with_rooms(&[], &[fault], 2);
    if !fault.contains("POST") {
        site.existing(2);
    }
    let ran = site.apply(&[]);
    assert_eq!(ran.code, 0, "{fault}: {}", ran.all());
    assert_eq!(ran.json()["summary"]["confirmed"], 2, "{fault}");
    assert_eq!(
        site.simulator().with_world(|world| world.rooms().count()),
        2,
        "{fault}"
    );
    assert_eq!(
        site.run(&["plan", "--detailed-exitcode"]).code,
        0,
        "{fault}"
    );
}

#[test]
fn a_refused_key_stops_the_run() {
    for auth in ["auth=401", "auth=403"] {
        let site = Site::with_rooms(&[auth], &[], 9);
        site.scratch.write("key", "another-key\n");
        let ran = site.apply(&["--secret-key-file", "key", "--parallelism", "2"]);
        assert_eq!(ran.code, 6, "{}", ran.all());
        assert!(site.log().len() <= 2, "{:?}", site.sent(0));
        let summary = &ran.json()["summary"];
        assert_eq!(
            summary["refused"].as_u64().unwrap() + summary["skipped"].as_u64().unwrap(),
            9
        );
        assert!(ran.json()["stopped"].as_str().unwrap().contains("key"));
        assert!(!site.scratch.path(".roomctl/state.json").exists());
    }
}

#[test]
fn overrides_and_hidden_attributes_are_reported_and_not_fought_over() {
    let site = Site::with_rooms(&["override=maxParticipants:3", "hide=enableChat"], &[], 1);
    let ran = site.apply(&["--detailed-exitcode"]);
    assert_eq!(ran.code, 2);
    let receipt = &ran.json()["receipts"][0];
    assert_eq!(receipt["outcome"], "overridden");
    assert_eq!(
        receipt["overridden"],
        json!([{"name": "maxParticipants", "sent": 5, "got": 3}])
    );
    assert_eq!(receipt["unobservable"], json!(["enableChat"]));
    let before = site.log().len();
    assert_eq!(site.apply(&["--detailed-exitcode"]).code, 0);
    assert_eq!(site.log().len(), before);
}

#[test]
fn a_room_that_went_away_is_reported_and_added_again_by_the_next_run() {
    let site = Site::applied(&["archived-name=reusable"], 2);
    site.simulator()
        .with_world(|world| world.archive("room-00").unwrap());
    for number in 0..2 {
        site.room(number, "privacy: public\n");
    }
    let ran = site.apply(&[]);
    assert_eq!(ran.code, 5);
    assert_eq!(
        outcomes(&ran.json()),
        ["room-00 update refused", "room-01 update confirmed"]
    );
    assert_eq!(
        site.run(&["plan", "--format", "json"]).json()["changes"][0]["action"],
        "add"
    );
    assert_eq!(site.apply(&[]).code, 0);
}

#[test]
fn a_name_held_by_an_archived_room_is_not_fought_over() {
    let site = Site::with_rooms(&["archived-name=reserved"], &[], 1);
    site.existing(1);
    site.simulator()
        .with_world(|world| world.archive("room-00").unwrap());
    let ran = site.apply(&[]);
    assert_eq!(ran.code, 6);
    let message = ran.json()["receipts"][0]["message"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(message.contains("archived room"), "{message}");
    assert!(site.log().len() <= 3, "{:?}", site.sent(0));
}

#[test]
fn reports_fit_their_schemas() {
    let site = Site::with_rooms(
        &["override=maxParticipants:3"],
        &["html=room:room-01,method:POST"],
        3,
    );
    site.room(2, "privacy: public\nrtmpOutURL: rtmp://live.example/k\n");
    check("plan", &site.run(&["plan", "--format", "json"]).json());
    check("apply", &site.apply(&[]).json());
    check("plan", &site.run(&["plan", "--format", "json"]).json());
    check(
        "validate",
        &site.run(&["validate", "--format", "json"]).json(),
    );
    let state = site.scratch.read(".roomctl/state.json");
    assert!(!state.contains("rtmp://"));
    check("state", &serde_json::from_str(&state).unwrap());
}

#[test]
fn a_released_key_is_recorded_and_nothing_is_sent() {
    let site = Site::applied(&["put=replace"], 1);
    site.room(0, "privacy: private\nmaxParticipants: 5\n");
    let before = site.log().len();
    let ran = site.apply(&[]);
    assert_eq!((ran.code, site.log().len()), (0, before));
    assert_eq!(site.run(&["plan", "--detailed-exitcode"]).code, 0);
    let room = &site.state()["rooms"]["room-00"];
    assert_eq!(room["settings"].get("enableChat"), None);
    assert_eq!(room["observed"]["enableChat"], true, "what it held then");
}

#[test]
fn the_sandbox_runs_the_whole_job_and_is_kept() {
    let scratch = Scratch::new();
    scratch.write("rooms/a.yaml", "privacy: private\n");
    let args = [
        "apply",
        "--sandbox",
        "--yes",
        "--rate",
        "unlimited",
        "--format",
        "json",
    ];
    // The account's settings must not matter.
    let run = || -> Ran {
        let mut command = scratch.command(&args);
        let command = command
            .env("METERED_APP", "acme")
            .env("METERED_SECRET_KEY", KEY);
        command.output().unwrap().into()
    };
    let first = run();
    assert_eq!(first.code, 0, "{}", first.all());
    assert_eq!(first.json()["app"], "sandbox");
    assert_eq!(first.json()["receipts"][0]["action"], "create");
    assert_eq!(run().json()["receipts"], json!([]));
    scratch.write("rooms/a.yaml", "privacy: public\n");
    assert_eq!(run().json()["receipts"][0]["outcome"], "confirmed");
    assert!(scratch.read(".roomctl/sandbox.json").contains("public"));
    assert!(!scratch.path(".roomctl/state.json").exists());
}

/// A write went out and was never answered; then the file moved back to what was applied. The service may
/// hold the other value, so the plan must not be empty.
fn the_doubt_is_planned_and_settled(site: &Site) {
    site.room(
        0,
        "privacy: private\nmaxParticipants: 5\nenableChat: true\n",
    );
    let plan = site.run(&["plan", "--format", "json"]).json();
    let attribute = &plan["changes"][0]["attributes"][0];
    assert_eq!(
        (&attribute["before"], &attribute["after"]),
        (&json!(9), &json!(5))
    );
    assert_eq!(attribute["unconfirmed"], true);
    site.faults(&[]);
    assert_eq!(site.apply(&[]).code, 0);
    assert_eq!(site.run(&["plan", "--detailed-exitcode"]).code, 0);
    assert_eq!(site.run(&["drift", "--rate", "unlimited"]).code, 0);
}

#[test]
fn a_write_without_a_usable_answer_is_not_forgotten_when_the_file_moves_back() {
    not_forgotten_after("truncated=method:PUT");
}

fn not_forgotten_after(fault: &str) {
    let site = Site::applied(&[], 1);
    site.faults(&[fault]);
    site.room(
        0,
        "privacy: private\nmaxParticipants: 9\nenableChat: true\n",
    );
    assert_eq!(
        outcomes(&site.apply(&[]).json()),
        ["room-00 update unknown"]
    );
    the_doubt_is_planned_and_settled(&site);
}

/// Applies `maxParticipants` to the only room, and dies while the service meets the write with `fault`.
fn killed_in_the_middle_of_a_write(site: &Site, fault: &str, count: u64) {
    site.faults(&[fault]);
    site.room(
        0,
        &format!("privacy: private\nmaxParticipants: {count}\nenableChat: true\n"),
    );
    let before = site.count("PUT");
    let mut run = site.start(&["apply", "--yes", "--rate", "unlimited"]);
    while site.count("PUT") == before {
        assert_eq!(run.try_wait().unwrap(), None, "it ended before it wrote");
        std::thread::yield_now();
    }
    run.kill().unwrap();
    run.wait().unwrap();
}

/// The service has taken the write, and its answer is a minute away.
const TAKEN: &str = "slow=method:PUT,ms:60000";

#[test]
fn an_announcement_does_not_settle_an_older_doubt() {
    let site = Site::applied(&[], 1);
    killed_in_the_middle_of_a_write(&site, TAKEN, 9);
    // The file moves back, and the write that would put it right never arrives.
    killed_in_the_middle_of_a_write(&site, "drop-before=method:PUT", 5);
    the_doubt_is_planned_and_settled(&site);
}

#[test]
fn a_run_that_is_killed_in_the_middle_of_a_write_leaves_a_trace_of_it() {
    let site = Site::applied(&[], 1);
    killed_in_the_middle_of_a_write(&site, TAKEN, 9);
    assert!(site.scratch.path(".roomctl/state.json.journal").exists());
    the_doubt_is_planned_and_settled(&site);
    assert!(!site.scratch.path(".roomctl/state.json.journal").exists());
}

#[test]
fn a_run_that_cannot_record_sends_nothing_and_says_so() {
    let site = Site::with_rooms(&[], &[], 2);
    let journal = ".roomctl/state.json.journal";
    site.scratch.write(&format!("{journal}/in-the-way"), "");
    let ran = site.apply(&[]);
    assert_eq!(ran.code, 7, "{}", ran.all());
    assert_eq!(site.log().len(), 0);
    std::fs::remove_dir_all(site.scratch.path(journal)).unwrap();
    assert_eq!(site.apply(&[]).code, 0);
}

#[test]
fn a_deadline_ends_the_run_in_part_and_says_so_beforehand() {
    let site = Site::with_rooms(&[], &[], 20);
    let args = ["apply", "--yes", "--rate", "10/s", "--deadline", "2s"];
    let ran = site.run(&args);
    assert_eq!(ran.code, 5, "{}", ran.all());
    assert!(ran.stderr.contains("the deadline is 2 s"), "{}", ran.stderr);
    let not_tried = "Not tried:\n  the deadline came first:\n      room-";
    assert!(ran.stdout.contains(not_tried), "{}", ran.stdout);
    let (_, done) = ran.stdout.split_once("Posture:").unwrap();
    for room in (0..20).map(|number| format!("room-{number:02}")) {
        assert_eq!(done.matches(&room).count(), 1, "{room}: {done}");
    }
    assert!(
        ran.stdout.contains("the deadline came first"),
        "{}",
        ran.stdout
    );
    assert_eq!(site.apply(&[]).code, 0);
    // One POST a room, and nothing twice.
    assert_eq!((site.count("POST"), site.count("PUT")), (20, 0));
}

/// What waits for the real back-off.
mod slow {
    use super::*;

    #[test]
    fn a_write_whose_answers_are_all_lost_is_unknown_and_written_again() {
        let site = Site::with_rooms(&[], &["drop-after=method:PUT,room:room-00"], 1);
        site.existing(1);
        let ran = site.apply(&[]);
        assert_eq!(ran.code, 6);
        assert_eq!(outcomes(&ran.json()), ["room-00 adopt unknown"]);
        assert_eq!(ran.json()["receipts"][0]["attempts"], 6);
        assert_eq!(site.run(&["plan", "--detailed-exitcode"]).code, 2);
        site.faults(&[]);
        assert_eq!(site.apply(&[]).code, 0);
        assert_eq!(site.run(&["plan", "--detailed-exitcode"]).code, 0);
    }

    #[test]
    fn an_unanswered_write_is_not_forgotten_when_the_file_moves_back() {
        not_forgotten_after("drop-after=method:PUT");
    }

    #[test]
    fn trouble_that_passes_is_waited_out() {
        let faults = [
            "429=first:2,method:PUT,retry-after:1",
            "429=first:1,method:PUT,retry-after:date:1",
            "429=first:1,method:PUT",
            "500=first:1,method:PUT",
            "503=first:1,retry-after:1",
            "drop-before=first:1,method:PUT",
            "drop-after=first:1,method:PUT",
            "short=first:1,method:PUT",
            "500=first:1,method:GET",
            "drop-after=first:1,method:POST",
            "500=first:1,method:POST",
            "drop-before=first:1,method:POST",
        ];
        // Each waits at a site of its own.
        std::thread::scope(|threads| {
            for fault in faults {
                threads.spawn(|| waited_out(fault));
            }
        });
    }
}

/// However fast each room is, the lines come as the plan has them.
#[test]
fn rooms_are_shown_in_the_order_of_the_plan() {
    let site = Site::with_rooms(&[], &["slow=room:room-00,ms:300"], 9);
    let ran = site.run(&["apply", "--yes", "--rate", "unlimited"]);
    let lines = ran
        .stdout
        .lines()
        .filter_map(|line| line.trim().strip_prefix(['✓', '✗', '?']));
    let rooms: Vec<&str> = lines
        .map(|line| line.split_whitespace().next().unwrap())
        .collect();
    let expected: Vec<String> = (0..9).map(|number| format!("room-{number:02}")).collect();
    assert_eq!(rooms, expected, "{}", ran.all());
}

#[test]
fn a_serial_that_is_not_saved_is_not_said() {
    let site = Site::with_rooms(&[], &[], 1);
    // Where the new state is written before it takes the place of the old one.
    site.scratch.write(".roomctl/state.json.new/in-the-way", "");
    let ran = site.run(&["apply", "--yes", "--rate", "unlimited"]);
    assert_eq!(ran.code, 7, "{}", ran.all());
    assert!(!ran.stdout.contains("serial"), "{}", ran.all());
    std::fs::remove_dir_all(site.scratch.path(".roomctl/state.json.new")).unwrap();
    site.room(0, "privacy: public\n");
    let ran = site.run(&["apply", "--yes", "--rate", "unlimited"]);
    assert!(
        ran.stdout.ends_with("\nState: serial 2.\n"),
        "{}",
        ran.all()
    );
}
