//! Cases are folders under `tests/cases`: files, the lines to run, and what must come out.
//!
//! `steps` has one step a line: `roomctl ARGS`, `overlay DIR` (copies a folder of the case over it) or
//! `remove FILE`,
//! `fill FILE BYTES` or `link TARGET NAME` (neither can be kept in a repository that everybody can check out).
//! `expected` has every line with its output. Write it anew with `ROOMCTL_BLESS=1`, and
//! then read it: a snapshot that nobody read proves nothing.

use std::fs;
use std::path::Path;

use crate::common::{Ran, Scratch, root};

#[test]
fn cases() {
    let mut wrong = Vec::new();
    let mut names: Vec<_> = fs::read_dir(root().join("tests/cases"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.sort();
    assert!(!names.is_empty());
    for case in names {
        let printed = run(&case);
        let expected = case.join("expected");
        if std::env::var_os("ROOMCTL_BLESS").is_some() {
            fs::write(&expected, &printed).unwrap();
        }
        if fs::read_to_string(&expected).unwrap_or_default() != printed {
            wrong.push(format!("{}:\n{printed}", case.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
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
            }
            ("overlay", dir) => scratch.copy(&case.join(dir), ""),
            ("remove", file) => fs::remove_file(scratch.path(file)).unwrap(),
            ("fill", rest) => {
                let (file, bytes) = rest.split_once(' ').unwrap();
                scratch.write(file, &"#".repeat(bytes.parse().unwrap()));
            }
            ("link", rest) => {
                let (target, link) = rest.split_once(' ').unwrap();
                std::os::unix::fs::symlink(target, scratch.path(link)).unwrap();
            }
            _ => panic!("{}: `{step}` is no step", case.display()),
        }
    }
    printed
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
