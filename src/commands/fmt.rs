//! `fmt`: room files in their canonical form.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use super::cli::{FmtArgs, Global};
use super::exit::{Exit, Failure};
use super::output::Output;
use super::settings::Settings;
use super::validate::MOST;
use crate::io::discover::{discover, shown};
use crate::io::durable::replace;
use crate::io::room_files::{read_text, text_of};
use crate::io::room_format::format;
use crate::io::settings_file::Findings;
use crate::model::{Finding, Severity};
use crate::report::{ValidateReport, text};

/// Runs the command.
///
/// # Errors
/// When the configuration cannot be used, or a file cannot be written.
pub fn run(global: &Global, args: &FmtArgs, output: &mut Output) -> Result<Exit, Failure> {
    if args.paths.iter().any(|path| path.as_os_str() == "-") {
        return from_input(args, output);
    }
    let settings = Settings::new(global)?;
    let mut findings = Vec::new();
    let files = files(&settings.rooms, &args.paths, &mut findings);
    let mut changed: u64 = 0;
    for path in &files {
        let Some((before, after)) = formatted(path, &mut findings) else {
            continue;
        };
        if before == after {
            continue;
        }
        changed += 1;
        if !args.check {
            write(path, &after)?;
        }
        let word = if args.check {
            "would format"
        } else {
            "formatted"
        };
        output.result(&format!("{word} {}\n", shown(path)));
    }
    let refused = findings
        .iter()
        .any(|finding| finding.severity == Severity::Error);
    findings.sort();
    let report = ValidateReport::new(files.len(), &findings);
    output.note(&text::findings(&report, &text_of, MOST));
    output.note(&summary(files.len() as u64, changed, args.check));
    Ok(exit(refused, changed > 0, args))
}

/// The files below `paths`, or below the rooms directory. What else is in the way is for `validate` to tell.
fn files(rooms: &Path, paths: &[PathBuf], findings: &mut Vec<Finding>) -> Vec<PathBuf> {
    let whole = [rooms.to_owned()];
    let roots = if paths.is_empty() { &whole[..] } else { paths };
    let mut files = Vec::new();
    for root in roots {
        let found = discover(rooms, root);
        let unusable = |finding: &Finding| ["no-rooms", "unreadable"].contains(&finding.rule);
        findings.extend(found.findings.into_iter().filter(unusable));
        files.extend(found.rooms);
        files.extend(found.defaults.into_values());
    }
    files.sort();
    files.dedup();
    files
}

/// The text of a file before and after; nothing, and why, when it is left as it is.
fn formatted(path: &Path, findings: &mut Vec<Finding>) -> Option<(String, String)> {
    let before = match read_text(path) {
        Ok(text) => text,
        Err(finding) => {
            findings.push(*finding);
            return None;
        }
    };
    let file = shown(path);
    let mut found = Findings::new(&file);
    let after = format(&before, &mut found);
    findings.append(&mut found.list);
    Some((before, after?))
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    replace(path, text.as_bytes()).map_err(|error| {
        let message = format!("cannot write {}: {error}; it is as it was", shown(path));
        Failure::new(Exit::Unexpected, message)
    })
}

/// Formats standard input, for editors: nothing but the result goes to standard output.
fn from_input(args: &FmtArgs, output: &mut Output) -> Result<Exit, Failure> {
    if args.paths.len() > 1 {
        return Err(Failure::new(
            Exit::Usage,
            "`-` is standard input, and stands alone",
        ));
    }
    let mut before = String::new();
    std::io::stdin()
        .read_to_string(&mut before)
        .map_err(|error| {
            let message = format!("cannot read standard input: {error}");
            Failure::new(Exit::Invalid, message)
        })?;
    let mut found = Findings::new("standard input");
    let Some(after) = format(&before, &mut found) else {
        let report = ValidateReport::new(1, &found.list);
        output.note(&text::findings(&report, &|_| Some(before.clone()), MOST));
        return Ok(Exit::Invalid);
    };
    let changed = before != after;
    if !args.check {
        // As it is: a file may hold characters that a terminal would act on, and the editor wants them back.
        let mut stdout = std::io::stdout().lock();
        let written = stdout
            .write_all(after.as_bytes())
            .and_then(|()| stdout.flush());
        written.map_err(|error| {
            let message = format!("cannot write to standard output: {error}");
            Failure::new(Exit::Unexpected, message)
        })?;
    }
    Ok(exit(false, changed, args))
}

fn summary(files: u64, changed: u64, check: bool) -> String {
    let count = |number: u64| format!("{number} file{}", if number == 1 { "" } else { "s" });
    match (changed, check) {
        (0, _) => format!("{} looked at, nothing to format.\n", count(files)),
        (_, true) => format!(
            "{} of {} not in canonical form; `roomctl fmt` writes it.\n",
            changed,
            count(files)
        ),
        (_, false) => format!("{changed} of {} formatted.\n", count(files)),
    }
}

fn exit(refused: bool, changed: bool, args: &FmtArgs) -> Exit {
    if refused {
        Exit::Invalid
    } else if changed && args.check {
        Exit::Differences
    } else {
        Exit::Done
    }
}
