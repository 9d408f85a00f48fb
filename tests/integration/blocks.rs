//! The commands that the README and the book show are run, a page at a time, in one shell from its top to its end.
//!
//! - In a `sh` block each command has to succeed.
//! - In a `console` block a command follows `$ `, its further lines `> `, and then what it prints: compared, but for dates
//!   and distances in time. A line `…` stands for any lines. `ROOMCTL_BLESS=1` writes what was printed into the page.
//! - A command may fail only where the next one is `echo $?`, so that its exit code is shown, and compared.
//! - A `yaml` block is taken as the file that its first key belongs to.
//! - A block whose first line begins with `# needs ` is for another machine, and is listed in [`ELSEWHERE`].

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use regex::Regex;
use serde_json::{Value, json};

use crate::common::{Scratch, root};
use crate::harness::{KEY, Site};
use crate::pages::{pages, text};

/// What is not run, and why not.
const ELSEWHERE: [(&str, &str); 5] = [
    ("docs/fuzzing.md", "the sources, and minutes to hours"),
    ("docs/fuzzing.md", "cargo-fuzz and a nightly compiler"),
    ("docs/install.md", "a release, and none is published"),
    (
        "docs/runners.md",
        "GitHub, or another server with your repository: URL is its address",
    ),
    (
        "docs/tutorial.md",
        "the network: the address of the repository is the one you found it under",
    ),
];

/// What a page begins with.
fn prepare(page: &str, site: &Site) {
    let scratch = &site.scratch;
    match page {
        "README.md" | "docs/tutorial.md" | "docs/editors.md" | "docs/reports.md"
        | "docs/plans.md" | "docs/state.md" => {
            scratch.copy(&root().join("rooms"), "work/rooms");
            scratch.write("work/roomctl.yaml", "rate: unlimited\n");
        }
        "docs/adopt.md" => {
            exists(
                site,
                "stand-up",
                json!({"privacy": "private", "meetingEndedWebhook": "https://hooks.example/canary"}),
            );
            exists(
                site,
                "all-hands",
                json!({"privacy": "private", "ownerOnlyBroadcast": true}),
            );
        }
        "docs/config.md" | "docs/guards.md" => {
            scratch.write("work/roomctl.yaml", "app: acme\n");
            scratch.write("work/.git/HEAD", "ref: refs/heads/main\n");
            scratch.write("work/rooms/sales/sales-fair.yaml", "privacy: private\n");
        }
        "docs/dashboard.md" => {
            let stand_up = "privacy: private\nmaxParticipants: 15\nenableChat: true\n";
            scratch.write("work/rooms/stand-up.yaml", stand_up);
            let tea = "# Tea at four.\nprivacy: private\nmaxParticipants: 8  # as many as chairs\n";
            scratch.write("work/rooms/tea.yaml", tea);
            let ran = site.run(&["-C", "work", "apply", "--yes"]);
            assert_eq!(ran.code, 0, "{}", ran.all());
            site.edit("stand-up", "enableChat", json!(false));
            site.edit("tea", "maxParticipants", json!(12));
        }
        "docs/runner-died.md" => scratch.write("work/rooms/stand-up.yaml", "privacy: private\n"),
        _ => {}
    }
}

fn exists(site: &Site, room: &str, attributes: Value) {
    let attributes = attributes
        .as_object()
        .unwrap()
        .clone()
        .into_iter()
        .collect();
    site.simulator()
        .with_world(|world| world.create(room, attributes, 0));
}

/// A command of a page, and where it stands.
struct Shown {
    line: usize,
    command: String,
    /// Where what it prints stands: the first line, and the one after the last. Nothing in a `sh` block.
    output: Option<(usize, usize)>,
    indent: usize,
}

/// The commands of a page, and the reasons for those that are not run.
fn commands(text: &str) -> (Vec<Shown>, Vec<String>) {
    let lines: Vec<&str> = text.lines().collect();
    let (mut shown, mut elsewhere) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < lines.len() {
        let fence = lines[at].trim_start();
        let Some(language) = fence.strip_prefix("```") else {
            at += 1;
            continue;
        };
        let end = (at + 1..lines.len())
            .find(|&line| lines[line].trim() == "```")
            .expect("a fence that ends");
        let indent = lines[at].len() - fence.len();
        let reason = lines[at + 1].trim_start().strip_prefix("# needs ");
        match (language, reason) {
            ("sh" | "console", Some(reason)) => elsewhere.push(reason.to_owned()),
            ("sh", None) => script(&lines, at + 1, end, indent, &mut shown),
            ("console", None) => session(&lines, at + 1, end, indent, &mut shown),
            ("text" | "yaml" | "diff", _) => {}
            (other, _) => panic!("line {}: no kind of block is `{other}`", at + 1),
        }
        at = end + 1;
    }
    (shown, elsewhere)
}

fn script(lines: &[&str], mut at: usize, end: usize, indent: usize, shown: &mut Vec<Shown>) {
    while at < end {
        let line = at;
        let mut command = lines[at][indent.min(lines[at].len())..].to_owned();
        let here = command
            .split_once("<<'")
            .map(|(_, rest)| rest.split('\'').next().unwrap().to_owned());
        while at + 1 < end
            && (command.ends_with('\\')
                || here.as_ref().is_some_and(|here| lines[at].trim() != here))
        {
            at += 1;
            command = format!("{command}\n{}", &lines[at][indent.min(lines[at].len())..]);
        }
        at += 1;
        shown.push(Shown {
            line,
            command,
            output: None,
            indent,
        });
    }
}

fn session(lines: &[&str], mut at: usize, end: usize, indent: usize, shown: &mut Vec<Shown>) {
    while at < end {
        let line = at;
        let first = lines[at].trim_start().strip_prefix("$ ");
        let mut command = first
            .unwrap_or_else(|| panic!("line {}: no command", at + 1))
            .to_owned();
        at += 1;
        while let Some(more) = lines[at].trim_start().strip_prefix("> ") {
            command = format!("{command}\n{more}");
            at += 1;
        }
        let from = at;
        while at < end && !lines[at].trim_start().starts_with("$ ") {
            at += 1;
        }
        shown.push(Shown {
            line,
            command,
            output: Some((from, at)),
            indent,
        });
    }
}

/// A program that stands in for cargo: what it would build is built.
const CARGO: &str = r#"#!/bin/sh
case "$*" in
  "run -- "*) shift 2; exec roomctl "$@" ;;
  test | "install --locked --path .") ;;
  *) echo "no such use of cargo: $*" >&2; exit 1 ;;
esac
"#;

/// What each command of a page printed, with its exit code.
fn run(page: &str, shown: &[Shown]) -> Vec<(String, i32)> {
    let site = Site::new(&[], &[]);
    site.scratch.write("bin/cargo", CARGO);
    fs::set_permissions(
        site.scratch.path("bin/cargo"),
        fs::Permissions::from_mode(0o755),
    )
    .unwrap();
    fs::create_dir_all(site.scratch.path("work")).unwrap();
    fs::create_dir_all(site.scratch.path("home")).unwrap();
    prepare(page, &site);
    let mut script = String::from("exec 2>&1\n");
    for command in shown {
        // On a line of its own: a command may end with a comment.
        let end = r"code=$?; printf '\036%d\036' $code; (exit $code)";
        script += &format!("{}\n{end}\n", command.command);
    }
    script += "for job in $(jobs -p); do kill $job; done\n";
    site.scratch.write("script", &script);
    let program = Path::new(env!("CARGO_BIN_EXE_roomctl")).parent().unwrap();
    let mut command = Command::new("bash");
    command
        .arg(site.scratch.path("script"))
        .current_dir(site.scratch.path("work"))
        .env_clear();
    command.env(
        "PATH",
        format!(
            "{}:{}:/usr/local/bin:/usr/bin:/bin",
            site.scratch.path("bin").display(),
            program.display()
        ),
    );
    command
        .env("HOME", site.scratch.path("home"))
        .env("USER", "tester")
        .env("LC_ALL", "C.UTF-8");
    command
        .env("METERED_BASE_URL", site.url())
        .env("METERED_APP", "acme");
    // Those two ask for it.
    if !["README.md", "docs/adopt.md"].contains(&page) {
        command.env("METERED_SECRET_KEY", KEY);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // One that asks for nothing may have ended by now.
    let _ = writeln!(child.stdin.take().unwrap(), "{KEY}");
    let printed = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    assert!(!printed.contains("canary"), "{page}: {printed}");
    let parts: Vec<&str> = printed.split('\u{1e}').collect();
    let runs = parts
        .chunks_exact(2)
        .map(|run| (run[0].to_owned(), run[1].parse().unwrap()));
    let runs: Vec<_> = runs.collect();
    assert_eq!(runs.len(), shown.len(), "{page}: {printed}");
    runs
}

/// The lines without what moves with the clock, and what the simulator makes up.
fn stable(text: &str) -> Vec<String> {
    let moving = Regex::new(concat!(
        r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d)?(?: UTC|Z)?)?",
        r"|\b(?:in )?\d+ (?:second|minute|hour|day|month|year)s?(?: ago)?",
        r"|127\.0\.0\.1:\d+|\b[0-9a-f]{24}\b",
    ));
    let moving = moving.unwrap();
    let lines = text.lines();
    let lines = lines.map(|line| moving.replace_all(line.trim_end(), "…").into_owned());
    lines.collect()
}

/// Whether `printed` is what is expected, where `…` alone stands for any lines.
fn fits(expected: &[String], printed: &[String]) -> bool {
    match expected.split_first() {
        None => printed.is_empty(),
        Some((first, rest)) if first == "…" => {
            (0..=printed.len()).any(|skipped| fits(rest, &printed[skipped..]))
        }
        Some((first, rest)) => printed.first() == Some(first) && fits(rest, &printed[1..]),
    }
}

/// What is wrong with a page; with `ROOMCTL_BLESS` set, what is printed is written into it.
fn check(page: &str) -> Vec<String> {
    let before = text(page);
    let (shown, _) = commands(&before);
    if shown.is_empty() {
        return Vec::new();
    }
    let bless = std::env::var_os("ROOMCTL_BLESS").is_some();
    let lines: Vec<&str> = before.lines().collect();
    let (mut wrong, mut blessed, mut copied) = (Vec::new(), String::new(), 0);
    for ((number, command), (printed, code)) in shown.iter().enumerate().zip(run(page, &shown)) {
        let place = format!("{page}:{}: {}", command.line + 1, command.command);
        let is_shown = shown
            .get(number + 1)
            .is_some_and(|next| next.command == "echo $?");
        if code != 0 && !is_shown {
            wrong.push(format!("{place}\nexited with {code}:\n{printed}"));
        }
        let Some((from, to)) = command.output else {
            continue;
        };
        if fits(
            &expected(&lines[from..to], command.indent),
            &stable(&printed),
        ) {
            blessed += &joined(&lines[copied..to]);
        } else if bless {
            let indent = " ".repeat(command.indent);
            let printed: Vec<String> = printed
                .lines()
                .map(|line| format!("{indent}{line}"))
                .collect();
            blessed += &joined(&lines[copied..from]);
            blessed += &joined(&printed);
        } else {
            wrong.push(format!("{place}\nprinted:\n{printed}"));
        }
        copied = to;
    }
    blessed += &joined(&lines[copied..]);
    if bless && blessed != before {
        fs::write(root().join(page), blessed).unwrap();
    }
    wrong
}

fn joined(lines: &[impl AsRef<str>]) -> String {
    let lines = lines
        .iter()
        .map(|line| format!("{}\n", line.as_ref().trim_end()));
    lines.collect()
}

/// What a page shows, without the indentation of its block.
fn expected(lines: &[&str], indent: usize) -> Vec<String> {
    let lines = lines
        .iter()
        .map(|line| line.get(indent..).unwrap_or_default());
    stable(&lines.collect::<Vec<_>>().join("\n"))
}

fn book() -> Vec<String> {
    let pages = pages().into_iter();
    pages
        .filter(|page| page == "README.md" || page.starts_with("docs/"))
        .collect()
}

#[test]
fn what_is_not_run_is_listed_with_its_reason() {
    let found = book().into_iter().flat_map(|page| {
        let (_, elsewhere) = commands(&text(&page));
        elsewhere
            .into_iter()
            .map(move |reason| (page.clone(), reason))
    });
    let found: Vec<_> = found.collect();
    let listed: Vec<_> = ELSEWHERE
        .map(|(page, reason)| (page.to_owned(), reason.to_owned()))
        .into();
    assert_eq!(found, listed);
}

/// The file that a block shows; nothing for those of other programs.
fn file_of(block: &str) -> Option<&'static str> {
    let mut lines = block.lines();
    let first = lines.find(|line| !line.starts_with('#') && !line.starts_with(' '));
    match first?.split(':').next()? {
        "app" | "state" | "guard" | "owns" | "policies" | "accept" | "names" | "unmanaged" => {
            Some("roomctl.yaml")
        }
        "mutes" => Some("mutes.yaml"),
        "privacy" => Some("rooms/webinar.yaml"),
        "- uses" | "repos" => None,
        other => panic!("no file begins with {other}"),
    }
}

#[test]
fn the_files_that_the_pages_show_are_taken() {
    for page in book() {
        let text = text(&page);
        for block in text.split("```yaml\n").skip(1) {
            let block = block.split("```").next().unwrap();
            let Some(file) = file_of(block) else { continue };
            let scratch = Scratch::new();
            scratch.write("rooms/webinar.yaml", "privacy: private\n");
            scratch.write(file, block);
            let ran = scratch.run(&["plan", "--sandbox", "--now", "2026-11-26T09:00:00Z"]);
            assert_eq!(ran.code, 0, "{page}: {block}{}", ran.all());
        }
    }
}

/// What takes seconds.
mod slow {
    use super::*;

    #[test]
    fn what_the_pages_show_is_what_happens() {
        let pages = book();
        let wrong: Vec<String> = thread::scope(|scope| {
            let runs: Vec<_> = pages
                .iter()
                .map(|page| scope.spawn(|| check(page)))
                .collect();
            runs.into_iter()
                .flat_map(|run| run.join().unwrap())
                .collect()
        });
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
