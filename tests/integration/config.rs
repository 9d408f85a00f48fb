//! Where the configuration is found, what is counted from its directory, and what a file may not say.

use std::fs;

use serde_json::json;

use crate::common::Ran;
use crate::harness::Site;

const ROOM: &str = "privacy: private\nmaxParticipants: 5\n";

/// A repository with two teams, of which rooms are applied, and a change in one of them.
fn repository() -> Site {
    let site = Site::new(&[], &[]);
    fs::create_dir(site.scratch.path(".git")).unwrap();
    let config = "app: acme\nrooms: rooms\nguard: {require_allow: [recording-on]}\n";
    site.scratch.write("roomctl.yaml", config);
    site.scratch
        .write("rooms/_defaults.yaml", "enableChat: true\n");
    site.scratch.write("rooms/sales/emea.yaml", ROOM);
    site.scratch.write("rooms/hr/payroll.yaml", ROOM);
    let ran = site.apply(&[]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    let other = format!("{ROOM}recordRoom: true\n");
    site.scratch.write("rooms/sales/emea.yaml", &other);
    site
}

fn run_in(site: &Site, dir: &str, args: &[&str]) -> Ran {
    let mut command = site.command(args);
    let dir = site.scratch.path(dir);
    Ran::from(command.current_dir(dir).output().unwrap())
}

#[test]
fn from_within_a_part_the_same_is_planned_as_from_the_root() {
    let site = repository();
    let fixed = ["plan", "--format", "json", "--now", "2026-11-24T09:00:00Z"];
    let root = site.run(&[&fixed[..], &["--rooms", "rooms/sales"]].concat());
    assert_eq!(root.json()["changes"][0]["room"], "emea", "{}", root.all());
    assert!(root.json()["guard"].is_string(), "{}", root.all());
    let from = |dir: &str, more: &[&str]| run_in(&site, dir, &[&fixed[..], more].concat());
    for (inside, typed) in [
        (from("rooms/sales", &["--rooms", "."]), "emea.yaml"),
        (from("rooms", &["--rooms", "sales"]), "sales/emea.yaml"),
        (
            from("", &["-C", "rooms/sales", "--rooms", "."]),
            "emea.yaml",
        ),
        (
            from("rooms", &["-C", "sales", "-C", "../sales", "--rooms", "."]),
            "emea.yaml",
        ),
    ] {
        let as_typed = inside
            .stdout
            .replace(&format!("\"{typed}\""), "\"rooms/sales/emea.yaml\"");
        assert_eq!(as_typed, root.stdout, "{}", inside.all());
    }
    let pruned = run_in(
        &site,
        "rooms/sales",
        &["apply", "--yes", "--prune", "--rooms", "."],
    );
    assert_eq!(
        (pruned.code, site.count("DELETE")),
        (4, 0),
        "{}",
        pruned.all()
    );
    let named = run_in(&site, "rooms/sales", &["plan", "-v"]);
    assert!(
        named.stderr.contains("../../roomctl.yaml"),
        "{}",
        named.stderr
    );
    assert!(
        named.stdout.contains("../../rooms/sales/emea.yaml"),
        "{}",
        named.all()
    );
}

#[test]
fn two_configurations_in_one_place_are_an_error_and_either_name_will_do() {
    let site = repository();
    let text = site.scratch.read("roomctl.yaml");
    site.scratch.write("roomctl.yml", &text);
    let ran = run_in(&site, "rooms/hr", &["validate"]);
    assert_eq!(ran.code, 3, "{}", ran.all());
    for name in ["../../roomctl.yaml", "../../roomctl.yml"] {
        assert!(ran.stderr.contains(name), "{}", ran.stderr);
    }
    fs::remove_file(site.scratch.path("roomctl.yaml")).unwrap();
    let ran = site.run(&["plan", "--format", "json"]);
    assert!(ran.json()["guard"].is_string(), "{}", ran.all());
    let ran = site.scratch.run(&["init"]);
    assert!(!site.scratch.path("roomctl.yaml").exists(), "{}", ran.all());
}

#[test]
fn without_a_repository_only_the_working_directory_has_a_configuration() {
    let site = repository();
    fs::remove_dir(site.scratch.path(".git")).unwrap();
    let ran = run_in(&site, "rooms/sales", &["plan", "--rooms", ".", "-v"]);
    assert!(!ran.stderr.contains("roomctl.yaml"), "{}", ran.all());
    // A repository within the repository is one of its own.
    fs::create_dir(site.scratch.path(".git")).unwrap();
    fs::create_dir(site.scratch.path("rooms/sales/.git")).unwrap();
    let ran = run_in(&site, "rooms/sales", &["plan", "--rooms", ".", "-v"]);
    assert!(!ran.stderr.contains("roomctl.yaml"), "{}", ran.all());
}

#[cfg(unix)]
#[test]
fn a_configuration_that_cannot_be_read_is_not_absent() {
    let site = repository();
    let text = site.scratch.read("roomctl.yaml");
    fs::remove_file(site.scratch.path("roomctl.yaml")).unwrap();
    std::os::unix::fs::symlink("nowhere", site.scratch.path("roomctl.yaml")).unwrap();
    let ran = run_in(&site, "rooms/sales", &["plan"]);
    assert_eq!(ran.code, 3, "{}", ran.all());
    assert!(ran.stderr.contains("../../roomctl.yaml"), "{}", ran.stderr);
    fs::remove_file(site.scratch.path("roomctl.yaml")).unwrap();
    fs::create_dir(site.scratch.path("roomctl.yaml")).unwrap();
    let ran = run_in(&site, "rooms/sales", &["plan"]);
    assert_eq!(ran.code, 3, "{}", ran.all());
    drop(text);
}

#[test]
fn the_address_may_come_from_the_environment() {
    let site = repository();
    let drift = |url: &str| {
        let mut command = site.scratch.command(&["--app", "acme", "drift"]);
        command.env("METERED_SECRET_KEY", crate::harness::KEY);
        Ran::from(command.env("METERED_BASE_URL", url).output().unwrap())
    };
    let ran = drift(&site.url);
    assert_eq!(ran.code, 0, "{}", ran.all());
    let ran = drift("http://evil.example");
    assert_eq!(ran.code, 64, "{}", ran.all());
}

#[cfg(unix)]
#[test]
fn what_the_configuration_names_passes_no_link() {
    use std::os::unix::fs::symlink;
    let elsewhere = tempfile::tempdir().unwrap();
    for (config, link) in [
        ("rooms: teams/rooms\n", "teams"),
        ("rooms: teams\n", "teams"),
        ("state: kept/state.json\n", "kept"),
        ("state: kept/state.json\n", "kept/state.json"),
        ("", ".roomctl"),
        ("", "rooms"),
    ] {
        let site = Site::new(&[], &[]);
        site.scratch
            .write("roomctl.yaml", &format!("app: acme\n{config}"));
        let link = site.scratch.path(link);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        if !config.contains("rooms") && !link.ends_with("rooms") {
            site.scratch.write("rooms/a.yaml", ROOM);
        }
        symlink(elsewhere.path(), &link).unwrap();
        let ran = site.run(&["plan"]);
        assert_eq!(ran.code, 3, "{config}: {}", ran.all());
        assert!(ran.stderr.contains("is a link"), "{config}: {}", ran.stderr);
    }
}

/// What takes seconds.
mod slow {
    use super::*;

    #[test]
    fn all_that_a_default_names_is_beside_the_configuration() {
        let site = repository();
        let mute =
            "mutes:\n  - {room: \"*\", attribute: enableChat, reason: trial, until: 2099-01-31}\n";
        site.scratch.write("mutes.yaml", mute);
        site.edit("payroll", "enableChat", json!(false));
        let ran = run_in(&site, "rooms/hr", &["drift"]);
        assert_eq!(ran.code, 0, "the mutes at the root: {}", ran.all());
        let ran = run_in(
            &site,
            "rooms/hr",
            &["apply", "--yes", "--allow", "recording-on"],
        );
        assert_eq!(ran.code, 0, "{}", ran.all());
        let ran = run_in(
            &site,
            "rooms/hr",
            &["--sandbox", "apply", "--yes", "--allow", "recording-on"],
        );
        assert_eq!(ran.code, 0, "{}", ran.all());
        assert!(site.scratch.path(".roomctl/sandbox.json").exists());
        assert!(!site.scratch.path("rooms/hr/.roomctl").exists());
        let typed = run_in(&site, "rooms/hr", &["plan", "--out", "plan.roomctl"]);
        assert_eq!(typed.code, 0, "{}", typed.all());
        assert!(site.scratch.path("rooms/hr/plan.roomctl").exists());
        // A file made from within names the schema that is beside the configuration.
        site.scratch
            .write("schema/room-with-defaults.schema.json", "{}");
        site.existing(1);
        let ran = run_in(&site, "rooms/hr", &["import", "--all", "--dir", "new"]);
        assert_eq!(ran.code, 0, "{}", ran.all());
        let file = site.scratch.read("rooms/new/room-00.yaml");
        assert!(
            file.contains("$schema=../../schema/room-with-defaults"),
            "{file}"
        );
    }

    /// The key goes nowhere, and nothing is read or written, where a file leads.
    #[test]
    fn a_file_moves_neither_the_key_nor_the_rooms_nor_the_state() {
        let site = repository();
        let before = site.log().len();
        for (line, words) in [
            ("base_url: https://evil.example", "METERED_BASE_URL"),
            (
                "base_url: http://127.0.0.1.evil.example",
                "METERED_BASE_URL",
            ),
            ("base_url: http://user:canary@127.0.0.1", "METERED_BASE_URL"),
            (
                "base_url: https://evil.example@127.0.0.1.evil.example",
                "METERED_BASE_URL",
            ),
            ("rooms: ../elsewhere", "--rooms"),
            ("rooms: /etc", "--rooms"),
            ("rooms: rooms/../../x", "--rooms"),
            ("rooms: 'C:\\rooms'", "--rooms"),
            ("rooms: 'C:rooms'", "--rooms"),
            ("rooms: '\\\\host\\share'", "--rooms"),
            ("rooms: '..\\elsewhere'", "--rooms"),
            ("rooms: ''", "--rooms"),
            ("state: /tmp/state.json", "--state"),
            ("state: ../state.json", "--state"),
            ("state: 'https://evil/state.json'", "s3://BUCKET/KEY"),
            ("state: 's3://user:canary@evil/x.json'", "s3://BUCKET/KEY"),
            ("state: 's3://evil/x.json?endpoint=x'", "s3://BUCKET/KEY"),
            ("state: 's3://evil'", "s3://BUCKET/KEY"),
            ("state: 'gs://evil/../x.json'", "s3://BUCKET/KEY"),
            ("state: 'x\\..\\..\\state.json'", "--state"),
        ] {
            site.scratch
                .write("roomctl.yaml", &format!("app: acme\n{line}\n"));
            // Whatever the flags say: whoever reviews the file must not have to know them.
            for command in ["validate", "plan", "drift"] {
                let ran = site.run(&[command]);
                assert_eq!(ran.code, 3, "{line}: {}", ran.all());
                assert!(
                    ran.stderr.contains("roomctl.yaml:2:"),
                    "{line}: {}",
                    ran.stderr
                );
                assert!(ran.stderr.contains(words), "{line}: {}", ran.stderr);
            }
        }
        assert_eq!(site.log().len(), before);
        site.scratch
            .write("roomctl.yaml", "app: acme\nrooms: ./rooms/sales/..\n");
        assert_eq!(site.run(&["plan"]).code, 3);
        site.scratch.write(
            "roomctl.yaml",
            &format!("app: acme\nbase_url: {}\nrooms: ./rooms\n", site.url),
        );
        let mut command = site.scratch.command(&["drift"]);
        let ran = Ran::from(
            command
                .env("METERED_SECRET_KEY", "no-key")
                .output()
                .unwrap(),
        );
        assert_eq!(ran.code, 6, "loopback is asked: {}", ran.all());
    }
}

/// A new key may name a place that the pipeline does not look at: then it stops there, or says here that it does not.
#[test]
fn a_pipeline_knows_each_key_but_those_that_name_other_places() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |file: &str| std::fs::read_to_string(root.join(file)).unwrap();
    let script = read(".github/actions/roomctl/state.sh");
    let known = script.lines().find_map(|line| line.strip_prefix("known='"));
    let schema: serde_json::Value =
        serde_json::from_str(&read("schema/config.schema.json")).unwrap();
    let keys = schema["properties"].as_object().unwrap().keys();
    let mut expected: Vec<&str> = keys
        .map(String::as_str)
        .filter(|key| *key != "stacks")
        .collect();
    expected.sort_unstable();
    let known: Vec<&str> = known.unwrap().trim_end_matches('\'').split(' ').collect();
    assert_eq!(known, expected);
}
