//! Rooms whose names no file may have by itself: taken in as they are, or left out by a list.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::common::Ran;
use crate::harness::Site;
use crate::schemas::check;

const FAST: [&str; 2] = ["--rate", "unlimited"];

/// Names that need no care, and names that do.
fn odd_names() -> Vec<String> {
    let long = "x".repeat(200);
    let names = [
        "Board",
        "board",
        "BOARD",
        "My Room",
        "Caf\u{e9}",
        "Cafe\u{301}",
        "con",
        "_defaults",
        ".hidden",
        "a/b",
        "a\\b",
        "a%2Fb",
        "a%b",
        "a\nb",
        "ab",
        "a\tb",
        "a?b#c",
        "[a-c]*",
        "it's",
        "a: b",
        "123",
        "\u{202e}evil",
        "\u{1b}[31mred",
        "\u{1f642}",
        "|a|`b`<i>",
        "~42oard",
        &long,
    ];
    names.map(str::to_owned).to_vec()
}

fn account(names: &[String]) -> Site {
    let site = Site::new(&[], &[]);
    site.simulator().with_world(|world| {
        for (number, name) in names.iter().enumerate() {
            let people = json!(number + 2);
            let room = [("privacy", json!("private")), ("maxParticipants", people)];
            let room = room.map(|(key, value)| (key.to_owned(), value)).into();
            world.create(name, room, 0);
        }
    });
    site
}

fn run(site: &Site, args: &[&str]) -> Ran {
    let ran = site.run(&[args, &FAST].concat());
    is_calm(&ran);
    ran
}

/// Nothing in it acts on a terminal, or on the order of what is read.
fn is_calm(ran: &Ran) {
    let acts = |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{202a}'..='\u{202e}');
    assert!(!ran.all().contains(acts), "{:?}", ran.all());
}

fn names_in(ran: &Ran, key: &str) -> BTreeSet<String> {
    let rooms = ran.json()[key].as_array().cloned().unwrap_or_default();
    rooms
        .iter()
        .map(|room| room["room"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn what_a_rule_keeps_out_is_listed_once_with_both_ways_on() {
    let names = ["Board", "board", "My Room", "Caf\u{e9}", "a\nb", "ok"].map(str::to_owned);
    let site = account(&names);
    let ran = run(&site, &["import", "--all"]);
    assert_eq!(ran.code, 5, "{}", ran.all());
    let ways = "Names: 5 rooms kept out by name; in roomctl.yaml, `names: as-is` imports 5 of them under escaped file names, or \
                `unmanaged: [Board, 'Caf\u{e9}', 'My Room', \"a\\nb\", board]` leaves them alone and only counts them.";
    let said = ran.stdout.replace('\n', " ");
    assert!(said.contains(ways), "{ways}\n{}", ran.stdout);
    for reason in [
        "differs only by case from `board`",
        "Caf\u{e9}  refused: upper-case letters are not allowed",
        "`\\n` is not allowed",
    ] {
        assert_eq!(
            ran.stdout.matches(reason).count(),
            1,
            "{reason}: {}",
            ran.stdout
        );
    }
    // What it says to write is right as it stands.
    let (_, list) = ways.split_once("`unmanaged: [").unwrap();
    let (list, _) = list.split_once("]`").unwrap();
    site.scratch
        .write("roomctl.yaml", &format!("unmanaged: [{list}]\n"));
    let ran = run(&site, &["import", "--all", "--format", "json"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert_eq!(ran.json()["left_out"]["by_choice"], 5);
    assert_eq!(names_in(&ran, "rooms"), ["ok".to_owned()].into());
    let drift = run(&site, &["drift", "--format", "json"]);
    assert_eq!(drift.code, 0);
    check("drift", &drift.json());
    assert_eq!(drift.json()["summary"]["unmanaged"], 0);
    assert_eq!(drift.json()["left_out"]["by_choice"], 5);
    let text = run(&site, &["drift"]).stdout;
    assert!(text.contains("5 rooms unmanaged by choice"), "{text}");

    // No name is a way to hide: a room that is asked for is refused with the reason, and one that is managed is looked at.
    let ran = run(&site, &["import", "Board"]);
    assert_eq!(ran.code, 4);
    assert!(
        ran.stdout
            .contains("`unmanaged` in roomctl.yaml lists this room"),
        "{}",
        ran.stdout
    );
    site.scratch.write("roomctl.yaml", "unmanaged:\n  - ok\n");
    let findings = site.run(&["validate", "--format", "json"]).json();
    let finding = &findings["findings"][0];
    assert_eq!(
        (&finding["rule"], &finding["file"], &finding["line"]),
        (&json!("not-owned"), &json!("rooms/ok.yaml"), &json!(1))
    );
    for command in [
        &["plan"][..],
        &["drift"],
        &["apply", "--yes"],
        &["import", "--all"],
    ] {
        assert_eq!(site.run(command).code, 3, "{command:?}");
    }
    std::fs::remove_file(site.scratch.path("rooms/ok.yaml")).unwrap();
    let ran = run(&site, &["apply", "--yes", "--prune", "--allow-empty"]);
    assert_eq!((ran.code, site.count("DELETE")), (4, 0), "{}", ran.all());
    assert!(
        ran.all().contains("`roomctl state forget ok`"),
        "{}",
        ran.all()
    );
    site.edit("ok", "privacy", json!("public"));
    let drift = run(&site, &["drift", "--format", "json"]);
    assert_eq!(drift.code, 2, "{}", drift.all());
    let report = drift.json();
    let ok = report["rooms"]
        .as_array()
        .unwrap()
        .iter()
        .find(|room| room["room"] == "ok");
    assert_eq!(ok.unwrap()["verdict"], "drifted");

    // A name that no rule takes has one way on.
    let site = account(&["y".repeat(300)]);
    site.scratch.write("roomctl.yaml", "names: as-is\n");
    let ran = run(&site, &["import", "--all"]);
    assert_eq!(ran.code, 4, "{}", ran.all());
    assert!(
        ran.stdout.contains("at most 255") && ran.stdout.contains("roomctl.yaml, `unmanaged: [y"),
        "{}",
        ran.stdout
    );
}

#[test]
fn twins_by_case_are_two_rooms_in_all_that_is_done_to_them() {
    let site = account(&["Board", "board", "BOARD"].map(str::to_owned));
    site.scratch.write("roomctl.yaml", "names: as-is\n");
    assert_eq!(run(&site, &["import", "--all"]).code, 0);
    // One goes: it is archived, and no other.
    std::fs::remove_file(site.scratch.path("rooms/board.yaml")).unwrap();
    let ran = run(
        &site,
        &["apply", "--yes", "--prune", "--max-changes", "100%"],
    );
    assert_eq!(ran.code, 0, "{}", ran.all());
    site.simulator().with_world(|world| {
        let archived = ["Board", "board", "BOARD"].map(|name| world.room(name).unwrap().archived);
        assert_eq!(archived, [false, true, false]);
    });
    // Under another rule, two files of twins are an error again.
    site.scratch.write("roomctl.yaml", "names: url-safe\n");
    let ran = site.run(&["validate"]);
    assert_eq!(ran.code, 3);
    assert!(ran.all().contains("differs only by case"), "{}", ran.all());
}

/// Not in the fast suite: each takes seconds.
mod slow {
    use super::*;

    /// In each command and form, in findings, hints, questions, refusals and errors.
    #[test]
    fn a_name_is_never_shown_as_it_acts() {
        let name = "\u{202e}x\u{1b}[31m\n::error::y `z` <b>|";
        let site = account(&[name.to_owned(), "tea".to_owned(), "old\u{202e}".to_owned()]);
        let config = |text: &str| {
            site.scratch
                .write("roomctl.yaml", &format!("names: as-is\n{text}"))
        };
        config("");
        assert_eq!(run(&site, &["import", name, "old\u{202e}"]).code, 0);
        let files = site.scratch.files();
        let is_odd = |path: &std::path::Path| path.to_string_lossy().contains('~');
        let (path, text) = files
            .iter()
            .find(|(path, _)| is_odd(path) && !path.to_string_lossy().contains("old"))
            .unwrap();
        let (path, text) = (
            path.to_str().unwrap(),
            String::from_utf8(text.clone()).unwrap(),
        );
        std::fs::remove_file(site.scratch.path("rooms/old~E2~80~AE.yaml")).unwrap();
        site.edit(name, "maxParticipants", json!(77));
        site.edit(name, "enableChat", json!(false));
        let write = |text: &str| std::fs::write(path, text).unwrap();
        let forms = [
            "text", "json", "markdown", "html", "github", "gitlab", "sarif", "junit",
        ];
        let look = |commands: &[&[&str]]| {
            for command in commands {
                is_calm(&site.run(command));
            }
            // All forms of the first, which says most.
            let all = if commands.len() > 9 { forms.len() } else { 1 };
            for form in &forms[..all] {
                for command in [&["plan", "--live"][..], &["drift"], &["validate"]] {
                    is_calm(&site.run(
                        &[command, &["--format", form, "-v", "--rate", "unlimited"]].concat(),
                    ));
                }
            }
        };
        let escaped = "\u{202e}";
        look(&[
            &["adopt", name, "--patch", "-"],
            &["adopt", "--all-drift", "--patch", "x.patch", "-vvv"],
            &["adopt", &format!("{name}.zzz")],
            &["adopt", "\u{202e}x"],
            &["show", name],
            &["show", "\u{202e}x"],
            &["state", "list"],
            &["state", "show", name],
            &["state", "show", "\u{202e}x"],
            &["state", "mv", name, "tea\u{202e}"],
            &["state", "mv", "tea\u{202e}", name],
            &["state", "mv", name, "old\u{202e}"],
            &["state", "forget", name],
            &["plan", "--target", "\u{202e}y"],
            &["plan", "--exclude", "\u{202e}y"],
            &["import", "\u{202e}q", "--format", "text"],
            &["import", "--all", "-vvv"],
            &["apply", "--yes", "--drift-only", "-vvv"],
            &["plan", "--prune", "--allow-empty"],
            &["fmt", "--check"],
        ]);
        // What is wrong with it, and what is forbidden.
        write(&text.replace("private", "public"));
        config("protected: [\"*x*\"]\nguard: {require_allow: [privacy-widened]}\n");
        look(&[
            &["apply", "--yes", "-vvv"],
            &["apply"],
            &["plan", "--out", "p.roomctl"],
        ]);
        config("policies: [{id: p, message: m, expression: \"false\"}]\n");
        look(&[&["apply", "--yes"]]);
        config("owns: [tea]\n");
        look(&[]);
        config("unmanaged: [\"\\u202ex\\u001b[31m\\n::error::y `z` <b>|\"]\n");
        look(&[]);
        config("");
        write(&(text.clone() + "zzz: 1\n"));
        look(&[]);
        write(&text.replace("private", "public"));
        look(&[
            &["apply", "p.roomctl", "--yes"],
            &["apply", "--yes", "--covered-by", "p.roomctl"],
            &["render", "p.roomctl"],
        ]);
        site.faults(&["500-after=method:PUT"]);
        look(&[&["apply", "--yes", "--deadline", "1s", "-vvv"]]);
        site.simulator()
            .with_world(|world| world.archive(name).unwrap());
        look(&[&["apply", "--yes", "-vvv"], &["import", name, "--force"]]);
        let state = site.scratch.read(".roomctl/state.json");
        assert!(!state.contains(escaped), "{state}");
    }

    #[test]
    fn rooms_of_any_name_are_imported_as_they_are_and_nothing_is_to_do_then() {
        let names = odd_names();
        let site = account(&names);
        site.scratch.write("roomctl.yaml", "names: as-is\n");
        let ran = run(&site, &["import", "--all", "--format", "json", "-vvv"]);
        assert_eq!(ran.code, 0, "{}", ran.all());
        check("import", &ran.json());
        assert_eq!(names_in(&ran, "rooms"), names.iter().cloned().collect());
        let report = ran.json();
        let files: BTreeSet<&str> = report["rooms"]
            .as_array()
            .unwrap()
            .iter()
            .map(|room| room["file"].as_str().unwrap())
            .collect();
        assert_eq!(files.len(), names.len());
        for file in &files {
            let stem = file
                .strip_prefix("rooms/")
                .unwrap()
                .strip_suffix(".yaml")
                .unwrap();
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_~".contains(c);
            assert!(stem.chars().all(is_plain) && stem.len() <= 128, "{file}");
        }
        for (name, file) in [
            ("Board", "~42oard"),
            ("board", "board"),
            ("My Room", "~4Dy~20~52oom"),
            ("con", "~63on"),
        ] {
            let text = site.scratch.read(&format!("rooms/{file}.yaml"));
            assert_eq!(text.contains("roomName"), name != file, "{text}");
        }
        assert_eq!(site.run(&["fmt", "--check"]).code, 0);
        for _ in 0..2 {
            assert_eq!(site.run(&["plan", "--detailed-exitcode"]).code, 0);
            let ran = run(&site, &["plan", "--live", "--detailed-exitcode"]);
            assert_eq!(ran.code, 0, "{}", ran.all());
            let ran = run(&site, &["apply", "--yes"]);
            assert_eq!((ran.code, site.count("PUT")), (0, 0), "{}", ran.all());
            let ran = run(&site, &["drift", "--format", "json"]);
            assert_eq!(ran.code, 0, "{}", ran.all());
            assert_eq!(ran.json()["summary"]["in_sync"], names.len());
            assert_eq!(ran.json()["summary"]["unmanaged"], 0);
        }

        // Each is written under its own name, and no other room moves.
        for file in &files {
            let text = site.scratch.read(file);
            let at = text.find("maxParticipants: ").unwrap() + "maxParticipants: ".len();
            let (head, tail) = text.split_at(at);
            site.scratch.write(file, &format!("{head}9{tail}"));
        }
        for form in [
            "text", "json", "markdown", "html", "github", "gitlab", "sarif", "junit",
        ] {
            let ran = site.run(&["plan", "--format", form, "-v"]);
            is_calm(&ran);
            assert_eq!(ran.code, 0, "{form}: {}", ran.all());
        }
        assert_eq!(site.run(&["plan", "--out", "plan.roomctl"]).code, 0);
        let apply = [
            "apply",
            "plan.roomctl",
            "--yes",
            "--max-changes",
            "100%",
            "-v",
        ];
        let ran = run(&site, &apply);
        assert_eq!(
            (ran.code, site.count("PUT")),
            (0, names.len()),
            "{}",
            ran.all()
        );
        site.simulator().with_world(|world| {
            for (number, name) in names.iter().enumerate() {
                let people: Value = format!("9{}", number + 2).parse().unwrap();
                assert_eq!(
                    world.room(name).unwrap().attributes["maxParticipants"],
                    people,
                    "{name:?}"
                );
            }
        });
        assert_eq!(run(&site, &["drift"]).code, 0);

        // A command about one of them is about no other.
        for name in &names {
            let ran = site.run(&["show", name, "--format", "json"]);
            assert_eq!(
                (ran.code, &ran.json()["room"]),
                (0, &json!(name)),
                "{}",
                ran.all()
            );
            for command in [&["show", name][..], &["state", "show", name]] {
                let ran = site.run(command);
                is_calm(&ran);
                assert_eq!(ran.code, 0, "{command:?}: {}", ran.all());
            }
        }
        is_calm(&site.run(&["state", "list"]));
    }
}
