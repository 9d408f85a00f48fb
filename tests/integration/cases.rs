//! Cases are folders under `tests/cases`: files, the lines to run, and what must come out. Each is a test by its
//! name, and a new folder is a new test.
//!
//! `steps` has one step a line: `roomctl ARGS`, `overlay DIR` (copies a folder of the case over it) or
//! `remove FILE`,
//! `fill FILE BYTES` or `link TARGET NAME` (neither can be kept in a repository that everybody can check out).
//! `expected` has every line with its output. Write it again with `ROOMCTL_BLESS=1`, and
//! then read it: a snapshot that nobody read proves nothing.

// The whole program is a test.
#![allow(clippy::unwrap_used)]
// One program: nothing is public beyond it.
#![allow(unreachable_pub)]

#[allow(dead_code, reason = "the other programs of this folder use the rest")]
mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

use crate::common::{Ran, Scratch, root};

fn main() -> ExitCode {
    let folders = fs::read_dir(root().join("tests/cases")).unwrap();
    let folders = folders.map(|entry| entry.unwrap().path());
    let trials: Vec<Trial> = folders.filter(|path| path.is_dir()).map(trial).collect();
    assert!(!trials.is_empty());
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn trial(case: PathBuf) -> Trial {
    let name = case.file_name().unwrap().to_str().unwrap().to_owned();
    let steps = fs::read_to_string(case.join("steps")).unwrap_or_default();
    // Where links take rights that not everybody has, a case with one is listed as ignored.
    let is_out_of_reach = cfg!(not(unix)) && steps.lines().any(|step| step.starts_with("link "));
    Trial::test(name, move || comes_out_as_expected(&case)).with_ignored_flag(is_out_of_reach)
}

fn comes_out_as_expected(case: &Path) -> Result<(), Failed> {
    let printed = run(case);
    let expected = case.join("expected");
    if std::env::var_os("ROOMCTL_BLESS").is_some() {
        fs::write(&expected, &printed)?;
    }
    let expected = fs::read_to_string(&expected).unwrap_or_default();
    if printed == expected {
        return Ok(());
    }
    let diff = similar::TextDiff::from_lines(&expected, &printed);
    Err(diff
        .unified_diff()
        .header("expected", "printed")
        .to_string()
        .into())
}

fn run(case: &Path) -> String {
    let scratch = Scratch::new();
    scratch.copy(case, "");
    let mut printed = String::new();
    for step in scratch.read("steps").lines() {
        printed.push_str(&format!("$ {step}\n"));
        match step.split_once(' ').unwrap_or((step, "")) {
            ("roomctl", args) => {
                let args: Vec<&str> = args.split_whitespace().collect();
                printed.push_str(&shown(&scratch.run(&args)));
                if ["plan", "drift", "validate"].contains(&args[0]) {
                    renders_alike(&scratch, &args);
                }
            }
            ("overlay", dir) => scratch.copy(&case.join(dir), ""),
            ("remove", file) => fs::remove_file(scratch.path(file)).unwrap(),
            ("fill", rest) => {
                let (file, bytes) = rest.split_once(' ').unwrap();
                scratch.write(file, &"#".repeat(bytes.parse().unwrap()));
            }
            ("link", rest) => {
                let (target, name) = rest.split_once(' ').unwrap();
                link(target, &scratch.path(name));
            }
            _ => panic!("{}: `{step}` is no step", case.display()),
        }
    }
    printed
}

/// What a command that writes nothing prints in each form is what `render` makes of its JSON, byte for byte.
fn renders_alike(scratch: &Scratch, args: &[&str]) {
    let mut run = args.to_vec();
    if let Some(at) = run.iter().position(|arg| *arg == "--format") {
        run.drain(at..at + 2);
    }
    let now = match run.iter().position(|arg| *arg == "--now") {
        Some(at) => run.drain(at..at + 2).collect(),
        None => vec!["--now", "2026-11-24T09:00:00Z"],
    };
    for form in ["text", "json", "markdown", "html", "github"] {
        let how = [&["--format", form], &now[..]].concat();
        let direct = scratch.run(&[&run, &how[..], &["--report-file", "kept.json"]].concat());
        // Findings that keep a plan back are text on standard error.
        if fs::exists(scratch.path("kept.json")).unwrap() && !direct.stdout.is_empty() {
            let kept = scratch.run(&[&["render", "kept.json"], &how[..]].concat());
            assert_eq!(direct.stdout, kept.stdout, "{args:?} as {form}");
            fs::remove_file(scratch.path("kept.json")).unwrap();
        }
    }
}

#[cfg(unix)]
fn link(target: &str, name: &Path) {
    std::os::unix::fs::symlink(target, name).unwrap();
}

#[cfg(not(unix))]
fn link(_: &str, name: &Path) {
    panic!("{} cannot be a link here", name.display());
}

fn shown(ran: &Ran) -> String {
    let mut text = ran.stdout.clone();
    for line in ran.stderr.lines() {
        text.push_str(&format!("stderr: {line}\n"));
    }
    text.push_str(&format!("exit {}\n\n", ran.code));
    steady(&text)
}

/// Takes out what is different in each run: digests and lineages.
fn steady(text: &str) -> String {
    let hex = |text: &str, from: usize| {
        text[from..]
            .bytes()
            .take_while(|b| b.is_ascii_hexdigit() || *b == b'-')
            .count()
    };
    let mut text = text.to_owned();
    for (mark, shown) in [
        ("sha256:", "sha256:[digest]"),
        ("\"lineage\": \"", "\"lineage\": \"[lineage]"),
    ] {
        let mut from = 0;
        while let Some(at) = text[from..].find(mark).map(|at| from + at) {
            let value = at + mark.len();
            let end = value + hex(&text, value);
            text.replace_range(at..end, shown);
            from = at + shown.len();
        }
    }
    text
}
