//! What is made from the code and checked in: schemas, the reference of the book, and the pictures in the README.
//! `just generate` writes it again.

use std::env;
use std::fs;

use roomctl::inside::command;
use serde_json::{Value, json};

use crate::common::{Ran, Scratch, root};
use crate::harness::Site;
use crate::picture::picture;
use crate::reference::{commands, exit_codes, fields};
use crate::schemas::NAMES;

/// Compares what was made with what is checked in; with `ROOMCTL_BLESS` set, writes it.
fn compare(made: &[(String, String)]) {
    for (path, text) in made {
        let stored = fs::read_to_string(root().join(path)).unwrap_or_default();
        if *text != stored && env::var_os("ROOMCTL_BLESS").is_some() {
            fs::create_dir_all(root().join(path).parent().unwrap()).unwrap();
            fs::write(root().join(path), text).unwrap();
        } else {
            assert!(
                *text == stored,
                "{path} is stale: `just generate` writes it again"
            );
        }
    }
}

fn schema(name: &str) -> String {
    Scratch::new().run(&["schema", name]).stdout
}

fn parsed(name: &str) -> Value {
    serde_json::from_str(&schema(name)).unwrap()
}

#[test]
fn schemas() {
    compare(&NAMES.map(|name| (format!("schema/{name}.schema.json"), schema(name))));
}

#[test]
fn reference() {
    let reports = [
        "validate",
        "plan",
        "apply",
        "drift",
        "adopt",
        "import",
        "show",
        "state-list",
        "state-show",
        "state-history",
        "service",
        "saved-plan",
    ];
    let reports = reports.map(|name| (name, parsed(name)));
    let pages = [
        (
            "attributes",
            fields(
                "Attributes of a room",
                "`roomctl schema room` prints this as a JSON Schema, with the patterns that editors check.",
                &[("room", parsed("room"))],
            ),
        ),
        (
            "config",
            fields(
                "Keys of the configuration",
                "[Where it is found](../config.md).",
                &[("config", parsed("config"))],
            ),
        ),
        (
            "state",
            fields(
                "Fields of the state",
                "[What it is for](../state.md).",
                &[("state", parsed("state"))],
            ),
        ),
        (
            "reports",
            fields(
                "Fields of reports",
                "What `--format json` prints, and a saved plan. `roomctl schema NAME` prints the JSON Schema of each. A report may\n\
                 gain fields; if one goes or changes its meaning, `format_version` gets a new first number. Types that several\n\
                 reports share are shown where they come first.",
                &reports,
            ),
        ),
        ("commands", commands(command())),
        ("exit-codes", exit_codes(&command())),
    ];
    let pages = pages.map(|(name, text)| (format!("docs/reference/{name}.md"), text));
    compare(&pages);
    let stored = fs::read_dir(root().join("docs/reference")).unwrap().count();
    assert_eq!(
        stored,
        pages.len(),
        "docs/reference holds what is generated, and nothing else"
    );
}

/// The example rooms, applied by a pipeline.
fn applied() -> Site {
    let site = Site::new(&[], &[]);
    site.scratch.copy(&root().join("rooms"), "rooms");
    let commit = ["--commit", "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d"];
    let ran = at(
        &site,
        26,
        &[&["apply", "--yes", "--rate", "unlimited"], &commit[..]].concat(),
    );
    assert_eq!(ran.code, 0, "{}", ran.all());
    site
}

/// Runs the program on a day of November 2026.
fn at(site: &Site, day: u8, args: &[&str]) -> Ran {
    let variables = ["ROOM_TICKETS_TOKEN", "ROOM_WEBINAR_STREAM_KEY"];
    let variables = variables.map(|name| (name.to_owned(), "canary-value".to_owned()));
    let now = format!("2026-11-{day}T09:00:00Z");
    site.run_with(&variables, &[args, &["--now", &now]].concat())
}

/// Edits the files, as a pull request does.
fn edit(site: &Site) {
    for (path, before, after) in [
        (
            "people/interviews-2029",
            "privacy: private",
            "privacy: public",
        ),
        (
            "engineering/incident-bridge",
            "maxParticipants: 100",
            "maxParticipants: 250",
        ),
        (
            "marketing/webinar",
            "live.example.com/app",
            "live.example.com/stage",
        ),
    ] {
        let path = format!("rooms/{path}.yaml");
        let text = site.scratch.read(&path);
        assert!(text.contains(before), "{path}");
        site.scratch.write(&path, &text.replace(before, after));
    }
    site.scratch.write(
        "rooms/company/tea.yaml",
        "# As coffee, but quiet.\nprivacy: private\nmaxParticipants: 8\n",
    );
}

#[test]
fn pictures() {
    let site = applied();
    site.edit("hotline", "maxParticipants", json!(50));
    site.edit("one-on-one", "privacy", json!("public"));
    let drift = ["drift", "--rate", "unlimited", "--color", "always"];
    let drift = at(&site, 27, &drift).stdout;
    edit(&site);
    let plan = at(&site, 27, &["plan", "--color", "always"]).stdout;
    let comment = at(&site, 27, &["plan", "--format", "markdown"]).stdout;
    let apply = [
        &["apply", "--yes", "--rate", "unlimited"],
        &["--color", "always"][..],
    ]
    .concat();
    let apply = at(&site, 27, &apply).stdout;
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let (before, rest) = readme.split_once("<!-- generated: comment -->\n").unwrap();
    let (_, after) = rest.split_once("<!-- end -->").unwrap();
    // As a quotation, so that its headings are none of the page.
    let comment = comment
        .trim_end()
        .lines()
        .map(|line| format!("> {line}").trim_end().to_owned() + "\n");
    let comment: String = comment.collect();
    let readme = format!("{before}<!-- generated: comment -->\n{comment}<!-- end -->{after}");
    compare(&[
        (
            "docs/pictures/plan.svg".to_owned(),
            picture("roomctl plan", &plan),
        ),
        (
            "docs/pictures/drift.svg".to_owned(),
            picture("roomctl drift", &drift),
        ),
        (
            "docs/pictures/apply.svg".to_owned(),
            picture("roomctl apply --yes", &apply),
        ),
        ("README.md".to_owned(), readme),
    ]);
}
