//! The first ten minutes: what somebody meets who has just installed the program and has an account with rooms.

use std::fs;

use serde_json::json;

use crate::common::{Ran, Scratch};
use crate::harness::Site;

/// An account with rooms that were made by hand, and an empty directory.
fn account(rooms: usize) -> Site {
    let site = Site::new(&[], &[]);
    site.existing(rooms);
    site
}

fn import(site: &Site) -> Ran {
    site.run(&["import", "--all", "--rate", "unlimited"])
}

#[test]
fn after_init_and_import_there_is_nothing_to_plan() {
    let site = account(34);
    assert_eq!(site.run(&["init"]).code, 0);
    let trial = site.scratch.path("rooms/roomctl-trial.yaml");
    assert!(trial.exists());
    let ran = import(&site);
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert!(
        !ran.all().contains("defaults"),
        "they add nothing: {}",
        ran.all()
    );
    assert!(
        ran.stderr.contains("removed rooms/roomctl-trial.yaml"),
        "{}",
        ran.stderr
    );
    let plan = site.run(&["plan", "--detailed-exitcode"]);
    assert_eq!((plan.code, plan.stderr.as_str()), (0, ""), "{}", plan.all());
    assert_eq!(site.run(&["drift", "--rate", "unlimited"]).code, 0);
}

#[test]
fn a_trial_room_that_is_somebodys_stays() {
    let edited = account(2);
    assert_eq!(edited.run(&["init"]).code, 0);
    let path = "rooms/roomctl-trial.yaml";
    let text = edited
        .scratch
        .read(path)
        .replace("maxParticipants: 4", "maxParticipants: 5");
    edited.scratch.write(path, &text);
    assert_eq!(import(&edited).code, 0);
    assert_eq!(edited.scratch.read(path), text);

    // Where it is the only room, or somebody made one of its name, it is not in the way.
    for rooms in [0, 1] {
        let site = account(rooms);
        assert_eq!(site.run(&["init"]).code, 0);
        site.simulator().with_world(|world| {
            if rooms == 1 {
                world.create(
                    "roomctl-trial",
                    [("privacy".to_owned(), json!("public"))].into(),
                    0,
                );
            }
        });
        import(&site);
        assert!(site.scratch.path(path).exists(), "{rooms}");
    }

    let applied = account(2);
    assert_eq!(applied.run(&["init"]).code, 0);
    assert_eq!(applied.apply(&[]).code, 0);
    assert_eq!(import(&applied).code, 0);
    assert!(applied.scratch.path(path).exists());
}

#[test]
fn defaults_that_add_to_an_imported_room_are_told() {
    let site = account(1);
    assert_eq!(site.run(&["init"]).code, 0);
    site.scratch.write(
        "rooms/_defaults.yaml",
        "privacy: private\nmaxParticipants: 4\n",
    );
    let ran = import(&site);
    assert!(
        ran.stdout.contains("defaults above it set more"),
        "{}",
        ran.all()
    );
    assert_eq!(site.run(&["plan", "--detailed-exitcode"]).code, 2);
}

#[test]
fn the_whole_address_names_the_app() {
    let scratch = Scratch::new();
    scratch.write("rooms/a.yaml", "privacy: private\n");
    for app in [
        "acme",
        "acme.metered.live",
        "https://acme.metered.live",
        "https://acme.metered.live/",
    ] {
        let ran = scratch.run(&["plan", "--app", app]);
        assert!(
            ran.stdout.starts_with("Plan for acme,"),
            "{app}: {}",
            ran.all()
        );
        scratch.write("roomctl.yaml", &format!("app: {app}\n"));
        assert!(
            scratch.run(&["plan"]).stdout.starts_with("Plan for acme,"),
            "{app}"
        );
    }
    for app in [
        "acme.example.com",
        "acme.metered.live.example.com",
        "http://acme.metered.live",
        "https://acme.metered.live/x",
    ] {
        assert_eq!(scratch.run(&["plan", "--app", app]).code, 64, "{app}");
    }
    let dir = Scratch::new();
    assert_eq!(
        dir.run(&["init", "--app", "https://acme.metered.live/"])
            .code,
        0
    );
    assert!(dir.read("roomctl.yaml").contains("\napp: acme\n"));
}

#[test]
fn import_without_names_says_how_to_take_all() {
    let ran = account(1).run(&["import"]);
    assert_eq!(ran.code, 64);
    assert!(
        ran.stderr.contains("roomctl import --all"),
        "{}",
        ran.stderr
    );
}

#[test]
fn where_there_is_no_room_the_next_step_is_named() {
    let site = account(0);
    for command in ["plan", "validate", "apply"] {
        let ran = site.run(&[command]);
        assert_eq!(ran.code, 3);
        assert!(ran.all().contains("roomctl init"), "{}", ran.all());
    }
    fs::create_dir(site.scratch.path("rooms")).unwrap();
    let ran = site.run(&["plan"]);
    assert_eq!(ran.code, 0);
    assert!(
        ran.stderr.contains("no room yet") && ran.stderr.contains("roomctl init"),
        "{}",
        ran.all()
    );
}

#[test]
fn a_file_that_is_not_read_is_named() {
    let scratch = Scratch::new();
    scratch.write("rooms/a.yaml", "privacy: private\n");
    scratch.write("rooms/README.md", "Our rooms.\n");
    scratch.write("rooms/x/b.json", "{}");
    scratch.write("rooms/c.yaml.txt", "privacy: private\n");
    let ran = scratch.run(&["plan", "--app", "acme"]);
    for file in ["rooms/x/b.json", "rooms/c.yaml.txt"] {
        assert!(ran.stderr.contains(file), "{}", ran.all());
    }
    assert!(!ran.all().contains("README"), "{}", ran.all());
}

#[test]
fn a_file_name_that_is_no_room_gets_one_that_is() {
    let names = [
        ("My Room", "my-room"),
        ("all.hands", "all-hands"),
        ("Sales", "sales"),
    ];
    for (stem, name) in names {
        let scratch = Scratch::new();
        scratch.write(&format!("rooms/{stem}.yaml"), "privacy: private\n");
        let ran = scratch.run(&["validate"]);
        assert_eq!(ran.code, 3);
        let help = format!("rename the file to `{name}`, or set `roomName`");
        assert!(ran.all().contains(&help), "{}", ran.all());
        scratch.write(&format!("other/{name}.yaml"), "privacy: private\n");
        assert_eq!(scratch.run(&["validate", "--rooms", "other"]).code, 0);
    }
}

#[test]
fn a_comment_of_another_language_is_understood() {
    for text in [
        "privacy: private\n// a comment\n",
        "// a comment\nprivacy: private\n",
        "privacy: private\n//a: comment\n",
    ] {
        let scratch = Scratch::new();
        scratch.write("rooms/a.yaml", text);
        let ran = scratch.run(&["validate"]);
        assert_eq!(ran.code, 3);
        assert!(
            ran.all().contains("a comment begins with `#`"),
            "{text}: {}",
            ran.all()
        );
    }
}

#[test]
fn a_renamed_file_gets_the_line_to_write() {
    let site = Site::applied(&[], 2);
    let (old, new) = (
        site.scratch.path("rooms/room-01.yaml"),
        site.scratch.path("rooms/tea.yaml"),
    );
    fs::rename(&old, &new).unwrap();
    site.remove(0);
    let ran = site.run(&["plan"]);
    assert_eq!(
        ran.stdout.matches("write `roomName: room-0").count(),
        1,
        "{}",
        ran.all()
    );
    assert!(
        ran.stdout.contains("rooms/tea.yaml says the same"),
        "{}",
        ran.all()
    );
    let rest = "give it up with `roomctl state forget`, or archive it with --prune";
    assert!(
        ran.stdout.contains(rest),
        "the other orphan's next step: {}",
        ran.all()
    );

    let site = Site::applied(&[], 1);
    let text = site.scratch.read("rooms/room-00.yaml");
    site.remove(0);
    site.scratch.write("rooms/tea.yaml", &text);
    assert!(
        site.run(&["plan"])
            .stdout
            .contains("write `roomName: room-00` into it")
    );
    site.scratch
        .write("rooms/tea.yaml", &format!("roomName: room-00\n{text}"));
    assert_eq!(site.run(&["plan", "--detailed-exitcode"]).code, 0);
}

#[test]
fn notes_are_counted_and_told_on_demand() {
    let site = account(0);
    for room in ["a", "b"] {
        let text = "privacy: public\nenableRequestToJoin: true\n";
        site.scratch.write(&format!("rooms/{room}.yaml"), text);
    }
    for command in ["plan", "drift", "apply"] {
        let more = if command == "apply" {
            "--yes"
        } else {
            "--color=never"
        };
        let ran = site.run(&[command, more]);
        assert!(
            ran.stderr.contains("2 notes: `roomctl validate` shows"),
            "{command}: {}",
            ran.all()
        );
        assert!(
            !ran.all().contains("request-to-join-unused"),
            "{command}: {}",
            ran.all()
        );
    }
    assert_eq!(
        site.run(&["validate"])
            .stdout
            .matches("request-to-join-unused")
            .count(),
        2
    );
}

#[test]
fn what_would_stop_an_apply_is_said_before_the_plan() {
    let scratch = Scratch::new();
    scratch.write("rooms/a.yaml", "privacy: private\n");
    let ran = scratch.run(&["apply", "--app", "acme", "--yes"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (64, ""), "{}", ran.all());
    let mut command = scratch.command(&[
        "apply",
        "--app",
        "acme",
        "--yes",
        "--base-url",
        "http://example.com",
    ]);
    let ran = Ran::from(
        command
            .env("METERED_SECRET_KEY", "x7f3a9c0")
            .output()
            .unwrap(),
    );
    assert_eq!((ran.code, ran.stdout.as_str()), (64, ""), "{}", ran.all());
}

#[test]
fn what_is_known_is_accepted_for_a_reason_and_until_a_day() {
    let scratch = Scratch::new();
    for room in ["sales", "tea"] {
        let text = "privacy: public\nenableRequestToJoin: true\nejectAtRoomExp: true\n";
        scratch.write(&format!("rooms/{room}.yaml"), text);
    }
    let told = |entry: &str, now: &str| {
        scratch.write(
            "roomctl.yaml",
            &format!("app: acme\naccept:\n  - {{{entry}}}\n"),
        );
        let ran = scratch.run(&["validate", "--now", now]);
        let rule = |name: &str| ran.stdout.matches(&format!("[{name}]")).count();
        (
            ran.code,
            rule("request-to-join-unused"),
            rule("expiry-missing"),
        )
    };
    let (june, july) = ("2026-06-30T00:00:00Z", "2026-07-02T00:00:00Z");
    let ends = "reason: the app asks, until: 2026-07-01";
    assert_eq!(
        told(
            &format!("rule: request-to-join-unused, room: 's*', {ends}"),
            june
        ),
        (0, 1, 2)
    );
    assert_eq!(
        told(
            &format!("rule: request-to-join-unused, room: '*', {ends}"),
            june
        ),
        (0, 0, 2)
    );
    assert_eq!(
        told(&format!("rule: expiry-missing, room: tea, {ends}"), june),
        (0, 2, 1)
    );
    assert_eq!(
        told(&format!("rule: expiry-missing, room: tea, {ends}"), july),
        (0, 2, 2),
        "it ends"
    );
    for wrong in [
        "rule: expiry-missing, room: tea, until: 2026-07-01".to_owned(),
        "rule: expiry-missing, room: tea, reason: known".to_owned(),
        "rule: expiry-missing, room: tea, reason: ' ', until: 2026-07-01".to_owned(),
        format!("rule: expiry-misses, room: tea, {ends}"),
        format!("rule: missing-privacy, room: tea, {ends}"),
    ] {
        assert_eq!(told(&wrong, june).0, 3, "{wrong}");
    }
}
