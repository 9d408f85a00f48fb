//! Several stacks in one run: the built program against a service for each of two.

use serde_json::Value;

use crate::common::Ran;
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

fn run([staging, live]: &[Site; 2], args: &[&str]) -> Ran {
    let mut command = staging.scratch.command(args);
    command
        .env("METERED_SECRET_KEY_STAGING", KEY)
        .env("METERED_SECRET_KEY_LIVE", KEY)
        .env("METERED_BASE_URL_STAGING", staging.url())
        .env("METERED_BASE_URL_LIVE", live.url());
    command.output().unwrap().into()
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
    let mut command = sites[0]
        .scratch
        .command(&["plan", "--live", "--stack", "live"]);
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
