//! Which rooms a run is about: those where it looks, that its configuration owns and that were selected. The others are
//! none of its business: never written, never counted, never even read.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use crate::common::Ran;
use crate::explained::{git, looks_like_a_repository};
use crate::harness::Site;
use crate::schemas::check;

const ROOM: &str = "privacy: private\nmaxParticipants: 5\n";

/// Rooms of two teams, applied, with defaults above both.
fn two_teams() -> Site {
    let site = Site::new(&[], &[]);
    site.scratch
        .write("rooms/_defaults.yaml", "enableChat: true\n");
    for file in ["sales/emea", "sales/apac", "hr/payroll", "hr/hiring"] {
        site.scratch.write(&format!("rooms/{file}.yaml"), ROOM);
    }
    let ran = site.apply(&[]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    site
}

/// A directory of the usual name says nothing about rooms that are kept elsewhere.
#[test]
fn an_unrelated_directory_changes_nothing() {
    let site = Site::new(&[], &[]);
    site.scratch.write("rooms/example.yaml", ROOM);
    site.scratch
        .write("teams/_defaults.yaml", "enableChat: true\n");
    for file in ["sales/emea", "sales/apac", "hr/payroll"] {
        site.scratch.write(&format!("teams/{file}.yaml"), ROOM);
    }
    assert_eq!(site.apply(&["--rooms", "teams"]).code, 0);
    let sales = |more: &[&str]| {
        let plan = ["plan", "--format", "json", "--rooms", "teams/sales"];
        let ran = site.run(&[&plan, more].concat());
        assert_eq!(ran.code, 0, "{}", ran.all());
        assert_eq!(ran.json()["changes"], json!([]), "{}", ran.all());
    };
    sales(&[]);
    let (from, to) = ("teams/sales/apac.yaml", "teams/hr/apac.yaml");
    fs::rename(site.scratch.path(from), site.scratch.path(to)).unwrap();
    sales(&["--prune", "--allow-empty"]);
}

/// A room whose file moved to another team drifted, and only that is put back: its file is where it is by now.
#[test]
fn what_is_put_back_is_remembered_where_its_file_is() {
    let site = Site::new(&[], &[]);
    site.scratch.write("roomctl.yaml", "rooms: sales\n");
    site.scratch.write("sales/a.yaml", ROOM);
    site.scratch.write("sales/b.yaml", ROOM);
    assert_eq!(site.apply(&[]).code, 0);
    fs::create_dir(site.scratch.path("hr")).unwrap();
    fs::rename(
        site.scratch.path("sales/a.yaml"),
        site.scratch.path("hr/a.yaml"),
    )
    .unwrap();
    site.edit("a", "maxParticipants", json!(9));
    let ran = site.apply(&["--rooms", "hr", "--drift-only"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert_eq!(site.state()["rooms"]["a"]["file"], json!("hr/a.yaml"));
    let ran = site.apply(&["--prune"]);
    assert_eq!((ran.code, site.count("DELETE")), (0, 0), "{}", ran.all());
}

#[test]
fn a_part_of_the_rooms_archives_nothing_elsewhere_and_keeps_its_defaults() {
    let site = two_teams();
    let sales = ["--rooms", "rooms/sales"];
    let plan = site.run(&["plan", "--format", "json", sales[0], sales[1]]);
    assert_eq!(
        plan.json()["changes"],
        serde_json::json!([]),
        "{}",
        plan.all()
    );
    assert!(plan.stderr.contains("not considered"), "{}", plan.stderr);
    assert!(
        plan.stderr.contains("2 rooms of the state"),
        "{}",
        plan.stderr
    );

    let refused = site.apply(&["--prune", sales[0], sales[1]]);
    assert_eq!(
        (refused.code, site.count("DELETE")),
        (4, 0),
        "{}",
        refused.all()
    );
    assert!(
        refused.stderr.contains("--allow-empty"),
        "{}",
        refused.stderr
    );

    fs::remove_file(site.scratch.path("rooms/sales/apac.yaml")).unwrap();
    let ran = site.apply(&["--prune", "--allow-empty", sales[0], sales[1]]);
    assert_eq!((ran.code, site.count("DELETE")), (0, 1), "{}", ran.all());
    let rooms = site.state()["rooms"].as_object().unwrap().clone();
    let left: Vec<&String> = rooms.keys().collect();
    assert_eq!(left, ["emea", "hiring", "payroll"]);
}

#[test]
fn a_room_that_moved_elsewhere_is_not_missed_where_it_was() {
    let site = two_teams();
    let path = |file: &str| site.scratch.path(&format!("rooms/{file}.yaml"));
    fs::rename(path("sales/apac"), path("hr/apac")).unwrap();
    let ran = site.apply(&["--prune", "--allow-empty", "--rooms", "rooms/sales"]);
    assert_eq!((ran.code, site.count("DELETE")), (0, 0), "{}", ran.all());
    // A run that sees the file remembers where it is by now.
    assert_eq!(site.apply(&[]).code, 0);
    assert_eq!(site.state()["rooms"]["apac"]["file"], "rooms/hr/apac.yaml");
}

#[test]
fn an_empty_directory_is_said_and_prunes_nothing() {
    let site = two_teams();
    fs::remove_dir_all(site.scratch.path("rooms")).unwrap();
    fs::create_dir(site.scratch.path("rooms")).unwrap();
    let plan = site.run(&["plan"]);
    assert!(
        plan.stderr
            .contains("rooms holds no room, and the state knows 4 rooms"),
        "{}",
        plan.all()
    );
    let ran = site.apply(&["--prune"]);
    assert_eq!((ran.code, site.count("DELETE")), (4, 0), "{}", ran.all());
}

const MOVED: &str = "privacy: private\nmaxParticipants: 7\n";

/// The rooms that are named in requests since the one at `from`.
fn named(site: &Site, from: usize) -> Vec<String> {
    let log = site.log();
    let paths = log[from..].iter().map(|record| record.path.as_str());
    let rooms = paths.filter_map(|path| path.strip_prefix("/api/v1/room/"));
    let rooms: BTreeSet<String> = rooms.map(str::to_owned).collect();
    rooms.into_iter().collect()
}

/// The rooms of the two teams, every file of which moved since.
fn moved() -> Site {
    let site = two_teams();
    for file in ["sales/emea", "sales/apac", "hr/payroll", "hr/hiring"] {
        site.scratch.write(&format!("rooms/{file}.yaml"), MOVED);
    }
    site
}

fn rooms_in(report: &Value, list: &str) -> Vec<String> {
    let rooms = report[list].as_array().unwrap().iter();
    rooms
        .map(|room| room["room"].as_str().unwrap().to_owned())
        .collect()
}

const SELECTED: [&str; 6] = [
    "--target",
    "PAY*",
    "--target",
    "*a[cp]*",
    "--exclude",
    "payroll",
];

#[test]
fn only_what_is_selected_is_named_to_the_service() {
    let site = moved();
    for (command, kind, list) in [
        (&["plan", "--live"][..], "plan", "changes"),
        (&["drift"], "drift", "rooms"),
        (&["apply", "--yes", "--live"], "apply", "receipts"),
    ] {
        let from = site.log().len();
        let how = ["--rate", "unlimited", "--format", "json"];
        let ran = site.run(&[command, &how, &SELECTED].concat());
        let report = ran.json();
        check(kind, &report);
        assert_eq!(rooms_in(&report, list), ["apac"], "{}", ran.all());
        assert_eq!(
            report["left_out"],
            json!({"not_owned": 0, "not_selected": 3, "elsewhere": 0, "by_choice": 0})
        );
        assert_eq!(named(&site, from), ["apac"], "{command:?}");
    }
    let text = site.run(&[&["plan"][..], &SELECTED].concat());
    assert!(
        text.stdout.contains("Left out: 3 rooms not selected."),
        "{}",
        text.all()
    );
    for form in ["text", "markdown", "html", "github"] {
        let shown = site.run(&[&["plan", "--format", form][..], &SELECTED].concat());
        assert!(shown.stdout.contains("left out"), "{form}: {}", shown.all());
    }
    let list = site.run(&["state", "list", "--format", "json", "--exclude", "*i*"]);
    check("state-list", &list.json());
    assert_eq!(rooms_in(&list.json(), "rooms"), ["apac", "emea", "payroll"]);
    assert_eq!(list.json()["left_out"]["not_selected"], 1);

    let from = site.log().len();
    let ran = site.run(&[
        "import",
        "--all",
        "--force",
        "--format",
        "json",
        "--rate",
        "unlimited",
        "--exclude",
        "e*",
        "--exclude",
        "h*",
    ]);
    check("import", &ran.json());
    assert_eq!(
        rooms_in(&ran.json(), "rooms"),
        ["apac", "payroll"],
        "{}",
        ran.all()
    );
    assert_eq!(named(&site, from), ["apac", "payroll"]);
    assert_eq!(site.scratch.read("rooms/hr/hiring.yaml"), MOVED);
}

#[test]
fn a_target_that_there_is_not_is_wrong_usage_and_names_the_nearest() {
    let site = two_teams();
    let from = site.log().len();
    for command in [
        &["plan"][..],
        &["apply", "--yes", "--prune"],
        &["state", "list"],
    ] {
        let ran = site.run(&[command, &["--target", "emea", "--target", "pay-rol"]].concat());
        assert_eq!(ran.code, 64, "{}", ran.all());
        assert!(
            ran.stderr.contains("did you mean `payroll`?"),
            "{}",
            ran.stderr
        );
    }
    let elsewhere = site.run(&["plan", "--rooms", "rooms/sales", "--target", "payroll"]);
    assert_eq!(elsewhere.code, 64, "{}", elsewhere.all());
    assert!(
        elsewhere.stderr.contains("there is `payroll`"),
        "{}",
        elsewhere.stderr
    );
    assert_eq!(site.run(&["plan", "--target", "["]).code, 64);
    assert_eq!(site.log().len(), from);
    for command in [&["drift"][..], &["import", "--all"]] {
        let ran = site.run(&[command, &["--target", "pay-rol"]].concat());
        assert_eq!(ran.code, 64, "{}", ran.all());
    }
    assert_eq!(named(&site, from), [""; 0]);
    let ran = site.run(&["plan", "--exclude", "pay-rol"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert!(
        ran.stderr.contains("did you mean `payroll`?"),
        "{}",
        ran.stderr
    );
}

#[test]
fn pruning_keeps_to_the_selection() {
    let site = two_teams();
    for file in ["sales/emea", "sales/apac", "hr/hiring"] {
        fs::remove_file(site.scratch.path(&format!("rooms/{file}.yaml"))).unwrap();
    }
    let from = site.log().len();
    let ran = site.apply(&["--prune", "--target", "apac"]);
    assert_eq!((ran.code, site.count("DELETE")), (0, 1), "{}", ran.all());
    assert_eq!(named(&site, from), ["apac"]);
    let ran = site.apply(&["--prune", "--exclude", "hiring"]);
    assert_eq!((ran.code, site.count("DELETE")), (0, 2), "{}", ran.all());
    assert_eq!(named(&site, from), ["apac", "emea"]);
    let rooms: Vec<String> = site.state()["rooms"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    assert_eq!(rooms, ["hiring", "payroll"]);
}

#[test]
fn guards_count_what_is_selected() {
    let site = Site::applied(&[], 12);
    (0..4).for_each(|number| site.room(number, MOVED));
    let refused = site.apply(&["--exclude", "room-1?"]);
    assert_eq!(refused.code, 4, "{}", refused.all());
    assert!(
        refused.stderr.contains("4 of 10 managed rooms"),
        "{}",
        refused.stderr
    );
    assert_eq!(
        site.apply(&["--exclude", "room-00", "--exclude", "room-1?"])
            .code,
        0
    );
}

#[test]
fn an_unfinished_run_is_settled_whatever_is_selected() {
    let site = moved();
    let mut dying = site.command(&["apply", "--yes", "--rate", "unlimited", "--target", "emea"]);
    dying.env(roomctl::inside::VARIABLE, "intent-recorded");
    assert!(!dying.output().unwrap().status.success());
    let ran = site.apply(&["--target", "apac"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert_eq!(
        site.state()["rooms"]["emea"]["unconfirmed"]["maxParticipants"],
        json!([7])
    );
    assert_eq!(
        site.state()["rooms"]["emea"]["settings"]["maxParticipants"],
        5
    );
    assert_eq!(site.apply(&["--target", "emea"]).code, 0);
    assert_eq!(site.state()["rooms"]["emea"]["unconfirmed"], Value::Null);
}

#[test]
fn a_saved_plan_keeps_its_selection_and_may_be_narrowed_further() {
    let site = moved();
    let saved = "plan.roomctl";
    let made = site.run(&[
        "plan",
        "--live",
        "--rate",
        "unlimited",
        "--out",
        saved,
        "--exclude",
        "payroll",
    ]);
    assert_eq!(made.code, 0, "{}", made.all());
    check(
        "saved-plan",
        &serde_json::from_str(&site.scratch.read(saved)).unwrap(),
    );
    let from = site.log().len();
    let ran = site.apply(&[saved, "--target", "emea", "--target", "payroll"]);
    assert_eq!(ran.code, 64, "of the plan, payroll is none: {}", ran.all());
    let ran = site.apply(&[saved, "--target", "emea"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert_eq!(rooms_in(&ran.json(), "receipts"), ["emea"]);
    assert_eq!(ran.json()["left_out"]["not_selected"], 3);
    // All of it is looked at again, so that it shows nothing that is not so; only what is selected is written.
    assert_eq!(named(&site, from), ["apac", "emea", "hiring"]);
    let written = site.log().split_off(from);
    let written = written.iter().filter(|one| one.method.name() == "PUT");
    let written: Vec<&str> = written.map(|one| one.path.as_str()).collect();
    assert_eq!(written, ["/api/v1/room/emea"]);
    let ran = site.apply(&[saved]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert_eq!(named(&site, from), ["apac", "emea", "hiring"]);
}

#[test]
fn what_a_saved_plan_does_beyond_the_files_is_said_where_it_is_applied() {
    let site = two_teams();
    fs::remove_file(site.scratch.path("rooms/sales/apac.yaml")).unwrap();
    let part = ["--rooms", "rooms/sales"];
    let plan = |args: &[&str]| {
        let ran = site.run(
            &[
                &["plan", "--out", "plan.roomctl", "--rate", "unlimited"],
                args,
            ]
            .concat(),
        );
        assert_eq!(ran.code, 0, "{}", ran.all());
    };
    let refused = |args: &[&str], why: &str| {
        let ran = site.apply(&[&["plan.roomctl"], args].concat());
        assert_eq!((ran.code, site.count("DELETE")), (4, 0), "{}", ran.all());
        assert!(ran.stderr.contains(why), "{}", ran.stderr);
    };
    plan(&["--prune", "--allow-empty", part[0], part[1]]);
    refused(&part, "made with --prune");
    refused(&["--prune", part[0], part[1]], "--allow-empty");
    plan(&[]);
    refused(&["--prune"], "made without --prune");
    site.edit("emea", "maxParticipants", json!(9));
    plan(&["--drift-only"]);
    refused(&[], "made with --drift-only");
    plan(&["--prune"]);
    assert_eq!(site.apply(&["plan.roomctl", "--prune"]).code, 0);
    assert_eq!(site.count("DELETE"), 1);
}

#[test]
fn drift_keeps_to_the_part_that_is_looked_at() {
    let site = two_teams();
    let path = |file: &str| site.scratch.path(&format!("rooms/{file}.yaml"));
    fs::rename(path("sales/apac"), path("hr/apac")).unwrap();
    site.scratch.write("rooms/hr/new.yaml", ROOM);
    site.simulator().with_world(|world| {
        world.create("new", [("privacy".to_owned(), json!("private"))].into(), 0);
        world.create(
            "theirs",
            [("privacy".to_owned(), json!("private"))].into(),
            0,
        );
    });
    let from = site.log().len();
    let part = [
        "drift",
        "--rooms",
        "rooms/sales",
        "--format",
        "json",
        "--rate",
        "unlimited",
    ];
    let ran = site.run(&part);
    assert_eq!(
        rooms_in(&ran.json(), "rooms"),
        ["emea", "theirs"],
        "{}",
        ran.all()
    );
    assert_eq!(ran.json()["summary"]["unmanaged"], 1);
    assert_eq!(ran.json()["left_out"]["elsewhere"], 4);
    assert_eq!(named(&site, from), ["emea"]);
    // Whatever a file elsewhere declares, nobody knows: perhaps the room that the service lists.
    site.scratch.write("rooms/hr/new.yaml", "privacy: [");
    let ran = site.run(&part);
    assert_eq!(rooms_in(&ran.json(), "rooms"), ["emea"], "{}", ran.all());
    let mute =
        "mutes:\n  - {room: payroll, attribute: enableChat, reason: trial, until: 2099-01-01}\n";
    site.scratch.write("mutes.yaml", mute);
    assert_eq!(site.run(&part).json()["idle_mutes"], json!([]));
}

#[test]
fn import_and_the_state_know_the_files_where_they_do_not_look() {
    let site = two_teams();
    site.scratch.write("rooms/hr/new.yaml", ROOM);
    site.simulator().with_world(|world| {
        world.create("new", [("privacy".to_owned(), json!("private"))].into(), 0)
    });
    for force in [&[][..], &["--force"]] {
        let ran = site.run(
            &[
                &["import", "new", "payroll", "--rooms", "rooms/sales"],
                force,
            ]
            .concat(),
        );
        assert_eq!(ran.code, 4, "{}", ran.all());
        assert!(
            ran.stdout.contains("rooms/hr/new.yaml declares it"),
            "{}",
            ran.all()
        );
        assert!(!site.scratch.path("rooms/sales/new.yaml").exists());
        assert!(!site.scratch.path("rooms/sales/payroll.yaml").exists());
    }
    let mv = ["state", "mv", "emea", "new", "--rooms", "rooms/sales"];
    let ran = site.run(&mv);
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert!(
        !ran.stderr.contains("no file names `new`"),
        "{}",
        ran.stderr
    );
    let ran = site.run(&[
        "state",
        "forget",
        "payroll",
        "--yes",
        "--rooms",
        "rooms/sales",
    ]);
    assert!(
        ran.stderr.contains("rooms/hr/payroll.yaml still names"),
        "{}",
        ran.stderr
    );
}

/// The files of a team are in the repository, and not on this disk: a sparse checkout leaves them out, or their submodule is
/// not checked out. Or git does not say.
#[test]
fn what_was_not_checked_out_is_not_missed() {
    for how in [
        "sparse",
        "sparse, like a repository",
        "sparse, without git",
        "submodule",
        "sparse in a repository within",
        "broken",
        "nothing checked out",
    ] {
        let site = two_teams();
        if how.ends_with("within") {
            git(&site, &["init", "-q", "rooms/hr"]);
            git(&site, &["-C", "rooms/hr", "add", "-A"]);
            git(&site, &["-C", "rooms/hr", "commit", "-qm", "rooms"]);
            let none = [
                "-C",
                "rooms/hr",
                "sparse-checkout",
                "set",
                "--no-cone",
                "/none",
            ];
            git(&site, &none);
        }
        git(&site, &["init", "-q"]);
        git(&site, &["add", "-A", "rooms"]);
        if how == "submodule" {
            git(&site, &["rm", "-rq", "--cached", "rooms/hr"]);
            fs::remove_dir_all(site.scratch.path("rooms/hr")).unwrap();
            fs::create_dir(site.scratch.path("rooms/hr")).unwrap();
            let id = "160000,d670460b4b4aece5915caf5c68d12f560a9fe3e4,rooms/hr";
            git(&site, &["update-index", "--add", "--cacheinfo", id]);
        }
        git(&site, &["commit", "-qm", "rooms"]);
        if how.starts_with("sparse") && !how.ends_with("within") {
            git(&site, &["sparse-checkout", "set", "--cone", "rooms/sales"]);
        }
        if how.contains("like") {
            looks_like_a_repository(&site, "rooms");
        }
        if how == "nothing checked out" {
            fs::remove_file(site.scratch.path(".git/index")).unwrap();
        }
        if ["broken", "nothing checked out"].contains(&how) {
            fs::remove_dir_all(site.scratch.path("rooms/hr")).unwrap();
        }
        if how == "broken" {
            site.scratch
                .write(".git/config", "[core]\n\trepositoryformatversion = 9\n");
        }
        let path = match how.ends_with("without git") {
            true => site.scratch.path("").display().to_string(),
            false => std::env::var("PATH").unwrap(),
        };
        let prune = [
            "apply",
            "--yes",
            "--rate",
            "unlimited",
            "--format",
            "json",
            "--prune",
        ];
        let ran = site.run_with(&[("PATH".to_owned(), path)], &prune);
        assert_eq!(
            (ran.code, site.count("DELETE")),
            (0, 0),
            "{how}: {}",
            ran.all()
        );
        assert_eq!(ran.json()["left_out"]["elsewhere"], 2, "{how}");
        let drift = site.run(&["drift", "--format", "json"]);
        assert_eq!(
            drift.json()["left_out"]["elsewhere"],
            2,
            "{how}: {}",
            drift.all()
        );
    }
}

/// Nobody reads what is hidden, or has another ending; that is said, and not taken for a wish.
#[test]
fn what_is_passed_over_is_named_and_not_missed() {
    for (from, to) in [
        ("rooms/hr", "rooms/.hr"),
        ("rooms/hr/payroll.yaml", "rooms/hr/.payroll.yaml"),
        ("rooms/hr/payroll.yaml", "rooms/hr/.payroll.yml"),
        ("rooms/hr/payroll.yaml", "rooms/hr/payroll.json"),
        ("rooms/hr/payroll.yaml", "rooms/hr/payroll.YAML.txt"),
        ("rooms/hr/payroll.yaml", "rooms/hr/payroll.yml.j2"),
        ("rooms/hr/payroll.yaml", "rooms/hr/payroll.yaml.bak"),
        ("rooms/hr/payroll.yaml", "rooms/hr/.payroll.json"),
        ("rooms/hr/payroll.yaml", "rooms/.hr/payroll.yaml.old"),
    ] {
        let site = two_teams();
        fs::create_dir_all(site.scratch.path(to).parent().unwrap()).unwrap();
        fs::rename(site.scratch.path(from), site.scratch.path(to)).unwrap();
        let told = site.run(&["validate"]).all();
        let is_quiet = [".bak", "/.payroll.json", ".old"];
        let is_told = !is_quiet.iter().any(|end| to.ends_with(end));
        assert_eq!(told.contains(to), is_told, "{told}");
        // However the directory is typed.
        let ran = site.apply(&["--prune", "--allow-empty", "--rooms", "./rooms//"]);
        let done = (ran.code, site.count("DELETE"));
        assert_eq!(done, (0, 0), "{to}: {}", ran.all());
        let elsewhere = &ran.json()["left_out"]["elsewhere"];
        let expected = if from.ends_with("yaml") { 1 } else { 2 };
        assert_eq!(*elsewhere, expected, "{to}: {}", ran.all());
    }
}

/// Hidden with all that is in it, also beside a `.git`.
#[test]
fn a_hidden_directory_of_directories_is_not_missed() {
    for is_repository in [false, true] {
        let site = Site::new(&[], &[]);
        for file in ["sales/emea", "hr/berlin/payroll", "hr/berlin/x/hiring"] {
            site.scratch.write(&format!("rooms/{file}.yaml"), ROOM);
        }
        assert_eq!(site.apply(&[]).code, 0);
        if is_repository {
            git(&site, &["init", "-q", "rooms"]);
        }
        let to = site.scratch.path("rooms/.hr");
        fs::rename(site.scratch.path("rooms/hr"), to).unwrap();
        let told = site.run(&["validate"]).all();
        assert_eq!(told.contains("rooms/.hr"), !is_repository, "{told}");
        let ran = site.apply(&["--prune"]);
        let done = (ran.code, site.count("DELETE"));
        assert_eq!(done, (0, 0), "{}", ran.all());
    }
}

/// A file that is read is no other's: the room that it named before is missed.
#[test]
fn a_file_that_names_another_room_leaves_an_orphan() {
    let site = two_teams();
    site.scratch
        .write("rooms/hr/payroll.yaml", &format!("roomName: wages\n{ROOM}"));
    let ran = site.apply(&["--prune"]);
    let done = (ran.code, site.count("DELETE"));
    assert_eq!(done, (0, 1), "{}", ran.all());
}

#[test]
fn a_hidden_directory_that_was_applied_by_itself_is_not_missed() {
    let site = two_teams();
    site.scratch.write("rooms/.attic/old.yaml", ROOM);
    assert_eq!(site.apply(&["--rooms", "rooms/.attic"]).code, 0);
    let ran = site.apply(&["--prune"]);
    assert_eq!((ran.code, site.count("DELETE")), (0, 0), "{}", ran.all());
    assert_eq!(ran.json()["left_out"]["elsewhere"], 1);
}

#[test]
fn validate_keeps_the_defaults_above_a_part() {
    let site = Site::new(&[], &[]);
    site.scratch
        .write("rooms/_defaults.yaml", "privacy: private\n");
    site.scratch
        .write("rooms/sales/a.yaml", "enableChat: true\n");
    let ran = site.run(&["validate", "--rooms", "rooms/sales"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
}

/// Rooms of ours, of which one lost its file, and rooms of others, in one state.
fn shared() -> Site {
    let site = two_teams();
    fs::remove_dir_all(site.scratch.path("rooms/hr")).unwrap();
    fs::remove_file(site.scratch.path("rooms/sales/apac.yaml")).unwrap();
    site.scratch
        .write("roomctl.yaml", "owns: [emea, apac, \"sales-*\"]\n");
    site
}

#[test]
fn rooms_of_others_are_left_alone() {
    let site = shared();
    site.simulator().with_world(|world| {
        for room in ["sales-new", "hr-new"] {
            world.create(room, [("privacy".to_owned(), json!("private"))].into(), 0);
        }
    });
    let from = site.log().len();
    let drift = site.run(&["drift", "--format", "json", "--rate", "unlimited"]);
    assert_eq!(
        rooms_in(&drift.json(), "rooms"),
        ["apac", "emea", "sales-new"],
        "{}",
        drift.all()
    );
    assert_eq!(
        drift.json()["left_out"],
        json!({"not_owned": 3, "not_selected": 0, "elsewhere": 0, "by_choice": 0})
    );
    let plan = site.run(&["plan", "--format", "json"]);
    assert_eq!(plan.json()["summary"]["orphan"], 1, "{}", plan.all());
    let ran = site.run(&["import", "hr-new", "--rate", "unlimited"]);
    assert_eq!(ran.code, 4, "{}", ran.all());
    assert!(
        ran.stdout.contains("leaves this room to others"),
        "{}",
        ran.all()
    );
    let ran = site.apply(&["--prune"]);
    assert_eq!((ran.code, site.count("DELETE")), (0, 1), "{}", ran.all());
    let ran = site.run(&["import", "--all", "--format", "json", "--rate", "unlimited"]);
    assert_eq!(
        rooms_in(&ran.json(), "rooms"),
        ["emea", "sales-new"],
        "{}",
        ran.all()
    );
    assert_eq!(named(&site, from), ["apac", "emea", "sales-new"]);
    let rooms: Vec<String> = site.state()["rooms"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    assert_eq!(rooms, ["emea", "hiring", "payroll", "sales-new"]);
}

#[test]
fn a_file_of_a_room_of_others_is_an_error_with_its_line() {
    let site = shared();
    site.scratch.write(
        "rooms/sales/theirs.yaml",
        "privacy: private\nroomName: payroll\n",
    );
    for command in [
        &["validate"][..],
        &["plan"],
        &["apply", "--yes"],
        &["drift"],
        &["import", "--all"],
    ] {
        let ran = site.run(&[command, &["--format", "json"]].concat());
        assert_eq!(ran.code, 3, "{command:?}: {}", ran.all());
        let report = ran.json();
        check("validate", &report);
        let finding = &report["findings"][0];
        assert_eq!(finding["rule"], "not-owned");
        assert_eq!(
            (&finding["file"], &finding["line"]),
            (&json!("rooms/sales/theirs.yaml"), &json!(2))
        );
        assert!(finding["help"].as_str().unwrap().contains("widen `owns`"));
    }
    fs::remove_file(site.scratch.path("rooms/sales/theirs.yaml")).unwrap();
    site.scratch.write("rooms/sales/payroll.yaml", ROOM);
    let finding = &site.run(&["validate", "--format", "json"]).json()["findings"][0];
    assert_eq!(
        (&finding["rule"], &finding["line"]),
        (&json!("not-owned"), &json!(1))
    );
    site.scratch.write("roomctl.yaml", "owns: [\"[\"]\n");
    assert_eq!(site.run(&["plan"]).code, 3);
    // Also of a file that a check would not read again, since nothing in it moved.
    let site = two_teams();
    site.scratch.write("roomctl.yaml", "owns: [\"*a*\"]\n");
    let ran = site.run(&["drift", "--format", "json"]);
    assert_eq!(ran.code, 3, "{}", ran.all());
    let finding = &ran.json()["findings"][0];
    assert_eq!(
        (&finding["room"], &finding["line"]),
        (&json!("hiring"), &json!(1))
    );
}

#[test]
fn a_protected_room_is_never_archived_and_never_opened_unasked() {
    let site = two_teams();
    site.scratch
        .write("roomctl.yaml", "protected: [Emea, payroll]\n");
    fs::remove_file(site.scratch.path("rooms/sales/emea.yaml")).unwrap();
    for allowed in [&[][..], &["--allow", "archived", "--max-changes", "100%"]] {
        let ran = site.apply(&[&["--prune"], allowed].concat());
        assert_eq!((ran.code, site.count("DELETE")), (4, 0), "{}", ran.all());
        assert!(ran.stderr.contains("archived in `emea`"), "{}", ran.stderr);
    }
    let ran = site.apply(&["--prune", "--exclude", "emea"]);
    assert_eq!((ran.code, site.count("DELETE")), (0, 0), "{}", ran.all());
    let puts = site.count("PUT");
    site.scratch.write("rooms/sales/emea.yaml", ROOM);
    site.scratch.write(
        "rooms/hr/payroll.yaml",
        "privacy: public\nmaxParticipants: 5\n",
    );
    let ran = site.apply(&[]);
    assert_eq!((ran.code, site.count("PUT")), (4, puts), "{}", ran.all());
    assert!(
        ran.stderr.contains("privacy-widened in `payroll`"),
        "{}",
        ran.stderr
    );
    // Somebody closed the room by hand, and the file that changes says what was applied.
    site.scratch.write(
        "rooms/hr/payroll.yaml",
        "privacy: public\nmaxParticipants: 5\n",
    );
    assert_eq!(site.apply(&["--allow", "privacy-widened"]).code, 0);
    site.edit("payroll", "privacy", json!("private"));
    site.scratch.write(
        "rooms/hr/payroll.yaml",
        "privacy: public\nmaxParticipants: 9\n",
    );
    let puts = site.count("PUT");
    let ran = site.apply(&[]);
    assert_eq!((ran.code, site.count("PUT")), (5, puts), "{}", ran.all());
    site.edit("payroll", "privacy", json!("private"));
    // What is only seen when the room is read is refused then, alone.
    fs::remove_dir_all(site.scratch.path(".roomctl")).unwrap();
    site.scratch.write(
        "rooms/hr/hiring.yaml",
        "privacy: public\nmaxParticipants: 5\n",
    );
    let ran = site.apply(&[]);
    assert_eq!(ran.code, 5, "{}", ran.all());
    assert_eq!(ran.json()["summary"]["refused"], 1, "{}", ran.all());
    let ran = site.apply(&["--allow", "privacy-widened"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
}

/// A file that only changed the case of its name, on a service that does not keep it.
#[test]
fn another_spelling_of_a_name_archives_nothing() {
    for quirks in [&[][..], &["lowercase-names=on"]] {
        let site = Site::new(quirks, &[]);
        site.scratch.write("roomctl.yaml", "names: url-safe\n");
        site.scratch.write("rooms/sales/tea.yaml", ROOM);
        site.scratch.write("rooms/other.yaml", ROOM);
        assert_eq!(site.apply(&[]).code, 0);
        fs::remove_file(site.scratch.path("rooms/sales/tea.yaml")).unwrap();
        site.scratch.write("rooms/hr/Tea.yaml", ROOM);
        let sales = ["--prune", "--allow-empty", "--rooms", "rooms/sales"];
        fs::create_dir_all(site.scratch.path("rooms/sales")).unwrap();
        for args in [&["--prune"][..], &sales] {
            let ran = site.apply(args);
            assert_eq!(
                site.count("DELETE"),
                0,
                "{quirks:?} {args:?}: {}",
                ran.all()
            );
        }
    }
}

/// From within a part, nothing in sight says that there is more.
#[test]
fn a_run_from_within_a_part_misses_nothing_above() {
    let site = two_teams();
    let sales = site.scratch.path("rooms/sales");
    let (state, fast) = ("../../.roomctl/state.json", "unlimited");
    for prune in [&["--prune"][..], &["--prune", "--max-changes", "100%"]] {
        let args = [
            "apply", "--yes", "--rooms", ".", "--state", state, "--rate", fast,
        ];
        let mut command = site.command(&[&args, prune].concat());
        let ran = Ran::from(command.current_dir(&sales).output().unwrap());
        assert_eq!((ran.code, site.count("DELETE")), (4, 0), "{}", ran.all());
        assert!(ran.stderr.contains("--allow-empty"), "{}", ran.stderr);
    }
}

/// Rooms that were applied from a directory which no configuration names, with defaults at its top.
fn named_only() -> (Site, [&'static str; 2]) {
    let site = Site::new(&[], &[]);
    site.scratch
        .write("teams/_defaults.yaml", "enableChat: true\n");
    for file in ["sales/emea", "sales/apac", "hr/payroll"] {
        site.scratch.write(&format!("teams/{file}.yaml"), ROOM);
    }
    let ran = site.apply(&["--rooms", "teams"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    let path = |file: &str| site.scratch.path(&format!("teams/{file}.yaml"));
    fs::rename(path("sales/apac"), path("hr/apac")).unwrap();
    (site, ["--rooms", "teams/sales"])
}

/// The program, from a directory below the site's.
fn run_in(site: &Site, dir: &str, args: &[&str]) -> Ran {
    let mut command = site.command(args);
    let dir = site.scratch.path(dir);
    Ran::from(command.current_dir(dir).output().unwrap())
}

/// The state as the first version wrote it: nobody remembers from where rooms were applied.
fn of_version_1(site: &Site) {
    let mut state = site.state();
    state["version"] = json!(1);
    for room in state["rooms"].as_object_mut().unwrap().values_mut() {
        let room = room.as_object_mut().unwrap();
        for key in ["asserted", "file", "observed", "unseen"] {
            room.remove(key);
        }
    }
    site.scratch
        .write(".roomctl/state.json", &state.to_string());
}

#[test]
fn a_part_of_a_directory_that_nobody_configured_is_one_too() {
    for version in [2, 1] {
        let (site, sales) = named_only();
        if version == 1 {
            of_version_1(&site);
        }
        let plan = site.run(&["plan", "--format", "json", sales[0], sales[1]]);
        assert_eq!(plan.json()["changes"], json!([]), "{}", plan.all());
        let refused = site.apply(&["--prune", sales[0], sales[1]]);
        let deleted = site.count("DELETE");
        assert_eq!((refused.code, deleted), (4, 0), "{}", refused.all());
        assert!(
            refused.stderr.contains("only a part of teams"),
            "{}",
            refused.stderr
        );
        let ran = site.apply(&["--prune", "--allow-empty", sales[0], sales[1]]);
        assert_eq!((ran.code, site.count("DELETE")), (0, 0), "{}", ran.all());
    }
}

#[test]
fn where_one_stands_changes_nothing() {
    let site = two_teams();
    site.scratch.write("roomctl.yaml", "app: acme\n");
    let path = |file: &str| site.scratch.path(&format!("rooms/{file}.yaml"));
    fs::rename(path("sales/apac"), path("hr/apac")).unwrap();
    let from = [
        "--config",
        "../roomctl.yaml",
        "--state",
        "../.roomctl/state.json",
        "--rooms",
        "sales",
    ];
    let unnamed = &from[2..];
    for part in [&from[..], unnamed] {
        for version in [2, 1] {
            if version == 1 {
                of_version_1(&site);
            }
            let refused = run_in(
                &site,
                "rooms",
                &[&["apply", "--yes", "--prune"], part].concat(),
            );
            let deleted = site.count("DELETE");
            assert_eq!((refused.code, deleted), (4, 0), "{}", refused.all());
        }
    }
    let plan = run_in(
        &site,
        "rooms",
        &[&["plan", "--format", "json"], &from[..]].concat(),
    );
    assert_eq!(plan.json()["changes"], json!([]), "{}", plan.all());
}
