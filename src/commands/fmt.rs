//! `fmt`: room files in their canonical form.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use super::shared::args::Global;
use super::shared::exit::{Exit, Failure};
use super::shared::output::{Output, unwritten};
use super::shared::rooms::write;
use super::shared::workspace::Workspace;
use crate::disk::plain_file::{MAX_TEXT, read_from};
use crate::disk::whole_file::{parent, sweep};
use crate::files::cores::{all_cores, on_cores};
use crate::files::defaults::Beside;
use crate::files::discover::{as_typed, discover, whole_file};
use crate::files::entries::Findings;
use crate::files::room_format::format;
use crate::files::text_file::{read_text, text_from, text_of};
use crate::model::{Finding, Rule};
use crate::report::ValidateReport;
use crate::report::text::{self, MOST};

#[derive(Debug, Args)]
#[command(after_help = "\
Keys come into the order of the schema, one `key: value` a line, with quotes only where a value needs them.
Comments and blank lines move with the key below them. A file that cannot be read is left as it is (exit 3).
In a diff, secrets are shown as ****, and comments as `# …`: an old secret may stand in one.

Examples:
  roomctl fmt
  roomctl fmt --check                   changes nothing; exits 2 when there is something to format
  roomctl fmt --check --diff            shows what it would do
  roomctl fmt - < rooms/stand-up.yaml   for editors: standard input to standard output")]
pub(crate) struct FmtArgs {
    /// Files or directories [default: the rooms directory]; `-` is standard input
    pub paths: Vec<PathBuf>,
    /// Change nothing, and exit with 2 when a file is not in its canonical form
    #[arg(long)]
    pub check: bool,
    /// Show the lines that change, secrets masked
    #[arg(long)]
    pub diff: bool,
}

pub(crate) fn run(global: &Global, args: &FmtArgs, output: &mut Output) -> Result<Exit, Failure> {
    if args.paths.iter().any(|path| path.as_os_str() == "-") {
        return from_input(args, output);
    }
    let workspace = Workspace::new(global)?;
    let mut findings = Vec::new();
    let files = files(&workspace.rooms, &args.paths, &mut findings);
    let (changed, any_unwritten) = format_all(&files, args, &mut findings, output);
    let refused = Finding::any_error(&findings);
    findings.sort();
    let report = ValidateReport::new(files.len(), &findings);
    output.note(&text::findings(&report, &text_of, MOST));
    let number = files.len() as u64;
    output.note(&text::format_summary(number, changed, args.check));
    if any_unwritten {
        return Ok(Exit::Unexpected);
    }
    Ok(exit(refused, changed > 0, args))
}

/// How many of `files` are not in their canonical form, or were not, and whether one could not be written.
fn format_all(
    files: &[PathBuf],
    args: &FmtArgs,
    findings: &mut Vec<Finding>,
    output: &mut Output,
) -> (u64, bool) {
    let (mut changed, mut any_unwritten) = (0, false);
    let formatted = on_cores(all_cores(), files, |path| formatted(path));
    for (path, (other, mut found)) in files.iter().zip(formatted) {
        findings.append(&mut found);
        if !args.check {
            sweep(parent(path));
        }
        let Some((before, after)) = other else {
            continue;
        };
        if !args.check
            && let Err(failure) = write(path, &after)
        {
            // One that cannot be written keeps no other from its form.
            output.error(&failure);
            any_unwritten = true;
            continue;
        }
        changed += 1;
        let file = as_typed(path);
        output.result(&text::format_line(&file, args.check));
        if args.diff {
            output.result(&text::format_diff(&file, &before, &after));
        }
    }
    (changed, any_unwritten)
}

/// The files below `paths`, or below the rooms directory. What else is in the way is for `validate` to report.
fn files(rooms: &Path, paths: &[PathBuf], findings: &mut Vec<Finding>) -> Vec<PathBuf> {
    let whole = [rooms.to_owned()];
    let roots = if paths.is_empty() { &whole[..] } else { paths };
    let mut files = Vec::new();
    for root in roots {
        // A link may be meant when it is named, but is named by `rooms/*.yaml` too, and may lead anywhere.
        if root.is_symlink() && !root.is_dir() {
            let message = "this is a link, and links are not written through";
            findings.push(whole_file(
                root,
                Rule::Link,
                message,
                "name the file itself",
            ));
            continue;
        }
        let found = discover(rooms, root);
        let nothing = found.rooms.is_empty() && found.defaults.is_empty();
        let is_named = nothing && root.is_file();
        let concerns = |rule| is_named || matches!(rule, Rule::NoRooms | Rule::Unreadable);
        findings.extend(found.findings.into_iter().filter(|one| concerns(one.rule)));
        files.extend(found.rooms);
        files.extend(found.defaults.values().flat_map(Beside::all).cloned());
    }
    files.sort();
    files.dedup();
    files
}

/// The text of a file before and after; nothing, perhaps with findings that say why, when it is left as it is.
fn formatted(path: &Path) -> (Option<(String, String)>, Vec<Finding>) {
    let before = match read_text(path) {
        Ok(text) => text,
        Err(finding) => return (None, vec![*finding]),
    };
    let file = as_typed(path);
    let mut found = Findings::new(&file);
    let after = format(&before, &mut found).filter(|after| *after != before);
    (after.map(|after| (before, after)), found.list)
}

/// Formats standard input, for editors: nothing but the result goes to standard output.
fn from_input(args: &FmtArgs, output: &mut Output) -> Result<Exit, Failure> {
    if args.paths.len() > 1 {
        let message = "`-` is standard input, and stands alone";
        return Err(Failure::new(Exit::Usage, message));
    }
    if args.diff && !args.check {
        let message = "`--diff` and the formatted text cannot both go to standard output";
        return Err(Failure::new(Exit::Usage, message).hint("add --check for the diff alone"));
    }
    let before = read_input()?;
    let mut found = Findings::new("standard input");
    let Some(after) = format(&before, &mut found) else {
        let report = ValidateReport::new(1, &found.list);
        output.note(&text::findings(&report, &|_| Some(before.clone()), MOST));
        return Ok(Exit::Invalid);
    };
    let changed = before != after;
    if changed && args.diff {
        output.result(&text::format_diff("standard input", &before, &after));
    }
    if !args.check {
        // As it is: a file may hold characters that a terminal would act on, and the editor wants them back.
        let mut stdout = std::io::stdout().lock();
        let written = stdout.write_all(after.as_bytes());
        written
            .and_then(|()| stdout.flush())
            .map_err(|error| unwritten(&error))?;
    }
    Ok(exit(false, changed, args))
}

/// Standard input, held to what holds for files.
fn read_input() -> Result<String, Failure> {
    let read = read_from(std::io::stdin().lock(), MAX_TEXT, 0).and_then(text_from);
    let why = |error| format!("cannot read standard input: {error}");
    read.map_err(|error| Failure::new(Exit::Invalid, why(error)))
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
