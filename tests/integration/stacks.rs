//! Several stacks in one run: the built program against a service for each of two.

use std::process::Command;

use serde_json::Value;

use crate::common::Ran;
use crate::explained::git;
use crate::harness::{KEY, Site};
use crate::schemas::check;

const FILES: [(&str, &str); 4] = [
    (
        "roomctl.yaml",
        "app: acme\nrate: unlimited\nvars: {people: 15}\nstacks:\n  - name: staging\n    vars: {people: 3}\n  - name: live\n",
    ),
    ("rooms/_defaults.yaml", "privacy: private\n"),
    ("rooms/_defaults.staging.yaml", "enableChat: true\n"),
    ("rooms/tea.yaml", "maxParticipants: ${var:people}\n"),
];

/// The site of `staging`, with the files, and the one of `live`.
fn sites() -> [Site; 2] {
    let staging = Site::new(&[], &[]);
    for (file, text) in FILES {
        staging.scratch.write(file, text);
    }
    [staging, Site::new(&[], &[])]
}

fn command([staging, live]: &[Site; 2], args: &[&str]) -> Command {
    let mut command = staging.scratch.command(args);
    command
        .env("METERED_SECRET_KEY_STAGING", KEY)
        .env("METERED_SECRET_KEY_LIVE", KEY)
        .env("METERED_BASE_URL_STAGING", staging.url())
        .env("METERED_BASE_URL_LIVE", live.url());
    command
}

fn run(sites: &[Site; 2], args: &[&str]) -> Ran {
    command(sites, args).output().unwrap().into()
}

fn exits(report: &Value) -> Vec<Option<u64>> {
    let stacks = report["stacks"].as_array().unwrap();
    stacks.iter().map(|one| one["exit"].as_u64()).collect()
}

#[test]
fn all_are_planned_applied_and_checked_in_one_run_with_one_report() {
    let sites = sites();
    let plan = run(&sites, &["plan", "--format", "json"]);
    assert_eq!(plan.code, 0, "{}", plan.all());
    check("stacks", &plan.json());
    let people = |at: usize| {
        let changes = &plan.json()["stacks"][at]["report"]["changes"][0]["attributes"];
        let mut all = changes.as_array().unwrap().clone().into_iter();
        all.find(|one| one["name"] == "maxParticipants").unwrap()["after"].clone()
    };
    assert_eq!((people(0), people(1)), (3.into(), 15.into()));

    let applied = run(&sites, &["apply", "--yes", "--report-file", "apply.json"]);
    assert_eq!(applied.code, 0, "{}", applied.all());
    let kept = &sites[0].scratch;
    let report: Value = serde_json::from_str(&kept.read("apply.json")).unwrap();
    check("stacks", &report);
    for (stack, chat) in [("staging", true), ("live", false)] {
        let state = kept.read(&format!(".roomctl/{stack}/state.json"));
        assert_eq!(
            state.contains("enableChat\": true"),
            chat || state.contains("observed"),
            "{state}"
        );
        let settings: Value = serde_json::from_str(&state).unwrap();
        let settings = &settings["rooms"]["tea"]["settings"];
        assert_eq!(
            settings["enableChat"].as_bool().is_some(),
            chat,
            "{settings}"
        );
    }
    let again = run(&sites, &["apply", "--yes"]);
    assert!(again.stdout.contains("nothing to do"), "{}", again.all());

    sites[1].edit("tea", "privacy", "public".into());
    let drift = run(&sites, &["drift", "--format", "json"]);
    assert_eq!(
        (drift.code, exits(&drift.json())),
        (2, vec![Some(0), Some(2)])
    );
    kept.write("drift.json", &drift.stdout);
    for format in [
        "text", "markdown", "html", "github", "sarif", "junit", "gitlab",
    ] {
        let shown = sites[0].run(&["render", "drift.json", "--format", format]);
        assert_eq!(shown.code, 0, "{format}: {}", shown.all());
        let text = shown.stdout.replace("&#47;", "/").replace("&#x2f;", "/");
        let is_named = text.contains("live/tea") || text.contains("in the stack `live`");
        let others = text.contains("staging/tea") || text.contains("in the stack `staging`");
        assert!(is_named && !others, "{format}: {text}");
    }
    let outputs = sites[0].run(&["render", "drift.json", "--outputs"]);
    assert!(outputs.stdout.contains("drift=1\n"), "{}", outputs.all());
}

/// What comes after a stack that did not end well may be what people depend on.
#[test]
fn the_next_one_is_not_begun_after_one_that_failed() {
    let sites = sites();
    let reversed = FILES[0]
        .1
        .replace("name: staging", "name: x")
        .replace("name: live", "name: staging")
        .replace("name: x", "name: live");
    sites[0].scratch.write("roomctl.yaml", &reversed);
    sites[1].faults(&["500=method:GET"]);
    let ran = run(&sites, &["apply", "--yes", "--format", "json"]);
    assert_ne!(ran.code, 0, "{}", ran.all());
    assert_eq!(exits(&ran.json())[1], None, "{}", ran.all());
    assert_eq!(sites[0].writes(), 0);
    sites[1].faults(&[]);
    let planned = run(&sites, &["plan", "--format", "json"]);
    assert_eq!(exits(&planned.json()), [Some(0), Some(0)]);
}

#[test]
fn a_stack_has_its_own_key_and_nothing_of_one_is_given_to_several() {
    let sites = sites();
    let mut command = command(&sites, &["plan", "--live", "--stack", "live"]);
    let command = command.env_remove("METERED_SECRET_KEY_LIVE");
    let ran: Ran = command
        .env("METERED_SECRET_KEY", KEY)
        .output()
        .unwrap()
        .into();
    assert_eq!(ran.code, 64, "{}", ran.all());
    assert!(
        ran.stderr.contains("METERED_SECRET_KEY_LIVE"),
        "{}",
        ran.stderr
    );
    for args in [
        &["plan", "--out", "plan.roomctl"][..],
        &["plan", "--rooms", "rooms"],
        &["plan", "--state", "x.json"],
        &["apply", "--deadline", "9s"],
        &["state", "pull", "--branch", "main", "--stack", "live"],
        &["plan", "--report-file", ".roomctl/live/state.json"],
        &[
            "plan",
            "--stack",
            "live",
            "--out",
            ".roomctl/staging/state.json",
        ],
        &["drift", "--metrics-file", "x"],
        &["state", "list"],
        &["plan", "--stack", "stagin"],
        &["plan", "--stack", "staging", "--stack", "stagin"],
        &["plan", "--stack", "live", "--app", "other"],
    ] {
        let ran = run(&sites, args);
        assert_eq!(ran.code, 64, "{args:?}: {}", ran.all());
    }
    let one = run(&sites, &["plan", "--stack", "live", "--format", "json"]);
    assert_eq!(one.json()["kind"], "plan");
}

#[test]
fn what_is_wrong_with_a_file_is_said_once() {
    let sites = sites();
    let files = &sites[0].scratch;
    files.write(
        "rooms/tea.yaml",
        "maxParticipants: ${var:people}\nprivcy: public\n",
    );
    files.write("rooms/pie.yaml", "maxParticipants: ${var:only_live}\n");
    files.write("rooms/_defaults.stagin.yaml", "enableChat: true\n");
    files.write(
        "roomctl.yaml",
        &(FILES[0].1.to_owned() + "    vars: {only_live: 2}\n"),
    );
    let ran = run(&sites, &["validate", "--format", "json"]);
    assert_eq!(ran.code, 3, "{}", ran.all());
    let report = ran.json();
    check("validate", &report);
    let findings = report["findings"].as_array().unwrap();
    let messages: Vec<&str> = findings
        .iter()
        .map(|one| one["message"].as_str().unwrap())
        .collect();
    assert_eq!(messages.len(), 3, "{messages:?}");
    for words in [
        "no stack `stagin`",
        "`only_live` for the stack `staging`",
        "`privcy`",
    ] {
        assert!(
            messages.iter().any(|said| said.contains(words)),
            "{words}: {messages:?}"
        );
    }
}

#[test]
fn a_value_of_vars_is_not_adopted_into_a_file() {
    let sites = sites();
    assert_eq!(run(&sites, &["apply", "--yes"]).code, 0);
    sites[1].edit("tea", "maxParticipants", 9.into());
    let ran = run(&sites, &["adopt", "tea", "--stack", "live"]);
    assert_eq!(ran.code, 4, "{}", ran.all());
    assert!(ran.all().contains("`vars`"), "{}", ran.all());
    assert_eq!(sites[0].scratch.read("rooms/tea.yaml"), FILES[3].1);
}

const ONE_APP: &str = "app: acme\nrate: unlimited\nstacks:\n  - {name: eu, rooms: rooms/eu}\n  - {name: us, rooms: rooms/us, app: 'https://acme.metered.live'}\n";

/// Two stacks of one app, with a room each, applied.
fn of_one_app() -> Site {
    of_one_account(ONE_APP)
}

fn of_one_account(config: &str) -> Site {
    let site = Site::new(&[], &[]);
    site.scratch.write("roomctl.yaml", config);
    site.scratch
        .write("rooms/eu/pie.yaml", "privacy: private\n");
    site.scratch
        .write("rooms/us/tea.yaml", "privacy: private\n");
    let ran = in_one_app(&site, &["apply", "--yes"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    site
}

fn in_one_app(site: &Site, args: &[&str]) -> Ran {
    in_one_app_command(site, args).output().unwrap().into()
}

fn in_one_app_command(site: &Site, args: &[&str]) -> Command {
    let mut command = site.scratch.command(args);
    for stack in ["EU", "US"] {
        command.env(format!("METERED_SECRET_KEY_{stack}"), KEY);
        // One account, however its address is written.
        let mut url = site.url().to_owned();
        if stack == "US" {
            url = url.replace("127.0.0.1", "LocalHost") + "/";
        }
        command.env(format!("METERED_BASE_URL_{stack}"), url);
    }
    if !site.scratch.read("roomctl.yaml").starts_with("app:") {
        command.env("METERED_APP", "acme");
    }
    command
}

#[test]
fn no_stack_archives_or_writes_what_is_another_ones() {
    let with = |apps: [&str; 3]| {
        let [all, eu, us] = apps;
        format!(
            "{all}rate: unlimited\nstacks:\n  - {{name: eu, rooms: rooms/eu{eu}}}\n  - {{name: us, rooms: rooms/us{us}}}\n"
        )
    };
    for config in [
        ONE_APP.to_owned(),
        with(["", "", ""]),
        with(["", ", app: acme", ""]),
        with(["app: acme\n", "", ", app: Acme"]),
    ] {
        none_archives_or_writes_what_is_another_ones(&of_one_account(&config));
    }
}

fn none_archives_or_writes_what_is_another_ones(site: &Site) {
    let listed = in_one_app(site, &["drift", "--format", "json"]);
    assert_eq!(listed.code, 0, "{}", listed.all());
    let unmanaged = |report: &Value| report["report"]["summary"]["unmanaged"].as_u64();
    for report in listed.json()["stacks"].as_array().unwrap() {
        assert_eq!(unmanaged(report), Some(0), "{report}");
    }

    // It is moved from one to the other: the first archives nothing that the second has taken over.
    let tea = site.scratch.path("rooms/us/tea.yaml");
    std::fs::rename(tea, site.scratch.path("rooms/eu/tea.yaml")).unwrap();
    site.scratch
        .write("rooms/us/pot.yaml", "privacy: private\n");
    let pruned = in_one_app(site, &["apply", "--yes", "--prune"]);
    assert_eq!(pruned.code, 5, "{}", pruned.all());
    assert!(
        pruned.stderr.contains("the stack `eu` has a file of `tea`"),
        "{}",
        pruned.all()
    );
    let rooms = || site.simulator().with_world(|world| world.rooms().count());
    assert_eq!(rooms(), 2, "{}", pruned.all());
    assert_eq!(
        in_one_app(site, &["state", "forget", "tea", "--yes", "--stack", "us"]).code,
        0
    );
    let pruned = in_one_app(site, &["apply", "--yes", "--prune"]);
    assert_eq!((pruned.code, rooms()), (0, 3), "{}", pruned.all());

    // And a room that both have is an error of both.
    site.scratch.write("rooms/us/tea.yaml", "privacy: public\n");
    for args in [
        &["plan"][..],
        &["apply", "--yes"],
        &["drift", "--stack", "us"],
    ] {
        let ran = in_one_app(site, args);
        assert_eq!(ran.code, 3, "{args:?}: {}", ran.all());
        assert!(
            ran.stderr.contains("the room `tea` of this app as well"),
            "{}",
            ran.all()
        );
    }
}

/// A file that only this disk misses is still a file of that stack.
#[test]
fn no_stack_archives_what_another_has_but_not_here() {
    let site = of_one_app();
    let to = |of: &str, to: &str| {
        std::fs::rename(site.scratch.path(of), site.scratch.path(to)).unwrap();
    };
    git(&site, &["init", "-q", "-b", "main"]);
    site.scratch
        .write("rooms/us/cup.yaml", "privacy: private\n");
    to("rooms/eu/pie.yaml", "rooms/us/pie.yaml");
    site.scratch
        .write("rooms/eu/pot.yaml", "privacy: private\n");
    git(&site, &["add", "-A"]);
    git(&site, &["commit", "-q", "-m", "Move"]);
    let is_refused = || {
        let args = ["apply", "--yes", "--prune", "--stack", "eu"];
        let mut command = in_one_app_command(&site, &args);
        let command = command.env("PATH", std::env::var("PATH").unwrap());
        let ran: Ran = command.output().unwrap().into();
        assert_eq!(ran.code, 4, "{}", ran.all());
        assert!(ran.stderr.contains("are not here"), "{}", ran.all());
    };
    let but = [
        "sparse-checkout",
        "set",
        "--no-cone",
        "/*",
        "!/rooms/us/pie.yaml",
    ];
    git(&site, &but);
    is_refused();
    git(&site, &["sparse-checkout", "disable"]);
    // As a submodule that nobody checked out leaves it.
    to("rooms/us", "kept");
    std::fs::create_dir(site.scratch.path("rooms/us")).unwrap();
    is_refused();
}

#[test]
fn a_stack_that_nobody_looked_at_is_not_valid() {
    let site = of_one_app();
    site.scratch
        .write("roomctl.yaml", &ONE_APP.replace("rooms/us", "linked"));
    #[cfg(unix)]
    std::os::unix::fs::symlink("rooms/us", site.scratch.path("linked")).unwrap();
    let ran = in_one_app(&site, &["validate", "--format", "json"]);
    assert_eq!(
        (ran.code, &ran.json()["summary"]["errors"]),
        (3, &1.into()),
        "{}",
        ran.all()
    );
}

/// A run may be killed while it is about the second.
#[test]
fn what_became_of_one_is_reported_while_the_next_one_goes_on() {
    let sites = sites();
    let [staging, live] = &sites;
    live.faults(&["slow=ms:600000,method:GET"]);
    let mut command = command(&sites, &["apply", "--yes", "--report-file", "apply.json"]);
    let mut running = command.spawn().unwrap();
    while live.log().is_empty() {
        std::thread::yield_now();
    }
    running.kill().unwrap();
    running.wait().unwrap();
    let report: Value = serde_json::from_str(&staging.scratch.read("apply.json")).unwrap();
    check("stacks", &report);
    let first = &report["stacks"][0];
    assert_eq!(first["report"]["summary"]["confirmed"], 1, "{report}");
}

/// Also where no configuration says which files these are.
#[test]
fn a_report_takes_the_place_of_no_file_of_any_stack() {
    let site = of_one_app();
    let refused = |args: &[&str], at: &str, broken: bool| {
        let before = std::fs::read(site.scratch.path(at)).ok();
        let mut command = in_one_app_command(&site, args);
        command.args(["--report-file", at]);
        if broken {
            command.env("ROOMCTL_ENV_PREFIX", "-");
        }
        let ran: Ran = command.output().unwrap().into();
        assert_eq!(ran.code, 64, "{args:?} {at}: {}", ran.all());
        let now = std::fs::read(site.scratch.path(at)).ok();
        assert_eq!(before, now, "{args:?} {at}");
    };
    for at in [
        "rooms/us/tea.yaml",
        "rooms/us/new.yaml",
        ".roomctl/us/state.json",
    ] {
        for args in [&["plan"][..], &["validate"], &["drift", "--stack", "eu"]] {
            refused(args, at, false);
        }
        refused(&["apply", "--yes"], at, true);
    }
    refused(&["plan"], "roomctl.yaml", true);
}

#[test]
fn a_change_of_vars_is_this_change() {
    let [staging, live] = sites();
    git(&staging, &["init", "-q", "-b", "main"]);
    git(&staging, &["add", "-A"]);
    git(&staging, &["commit", "-q", "-m", "Begin"]);
    let sites = [staging, live];
    assert_eq!(run(&sites, &["apply", "--yes"]).code, 0);
    let config = FILES[0].1.replace("people: 15", "people: 16");
    sites[0].scratch.write("roomctl.yaml", &config);
    let args = [
        "plan",
        "--stack",
        "live",
        "--base",
        "HEAD",
        "--deny",
        "unexplained",
    ];
    let mut command = command(&sites, &args);
    let command = command.env("PATH", std::env::var("PATH").unwrap());
    let ran: Ran = command.output().unwrap().into();
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert!(
        ran.stdout.contains("15 → 16") && ran.stdout.contains("[this change]"),
        "{}",
        ran.all()
    );
}
