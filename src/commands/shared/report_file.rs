//! Files that one run writes for another, or for a program: reports, saved plans, counters.

use std::io::{self, ErrorKind, Write, stdin};
use std::path::{Path, PathBuf};

use super::exit::{Exit, Failure};
use super::workspace::Workspace;
use crate::disk::plain_file::{Identity, MAX_DATA, is_free, read_from, read_given};
use crate::disk::whole_file::{Way, write_whole_by};
use crate::files::discover::is_yaml;
use crate::report::AnyReport;
use crate::report::envelope::ReadError;

/// Reads a file; `-` is standard input. `what` is what it should be: `report`.
pub(crate) fn read(path: &Path, what: &str) -> Result<Vec<u8>, Failure> {
    read_most(path, what, MAX_DATA)
}

/// The same of at most so many bytes.
pub(crate) fn read_most(path: &Path, what: &str, most: u64) -> Result<Vec<u8>, Failure> {
    let read = match path.as_os_str() == "-" {
        true => read_from(stdin(), most, 0),
        false => read_given(path, most, None),
    };
    let exit = |kind| match kind {
        ErrorKind::FileTooLarge => Exit::Invalid,
        _ => Exit::Usage,
    };
    let path = path.display();
    let why = |error| format!("cannot read the {what} {path}: {error}");
    read.map_err(|error| Failure::new(exit(error.kind()), why(error)))
}

/// Whether the files that a run is to write take the place of nothing that it, or the next run, reads: neither of a file
/// of the `workspace`, nor of one of the `inputs`, nor of each other.
pub(crate) fn check_outputs<'a>(
    workspace: &Workspace,
    inputs: impl IntoIterator<Item = &'a PathBuf>,
    outputs: impl IntoIterator<Item = (&'a str, &'a Option<PathBuf>)>,
) -> Result<(), Failure> {
    let named = inputs.into_iter().cloned();
    let mut taken: Vec<PathBuf> = workspace.files().into_iter().chain(named).collect();
    let here = [&workspace.rooms, &workspace.whole].map(Clone::clone);
    let others = workspace.configuration.others().map(|other| other.rooms());
    let rooms: Vec<_> = here.into_iter().chain(others).collect();
    let rooms: Vec<_> = rooms.iter().map(|rooms| Identity::of(rooms)).collect();
    for (flag, path) in outputs {
        let Some(path) = path else { continue };
        if let Err(error) = is_free(path) {
            return refused(flag, path, &error.to_string());
        }
        let identity = Identity::of(path);
        let same = |other: &&PathBuf| Identity::of(other) == identity;
        if let Some(other) = taken.iter().find(same) {
            let why = format!("it would take the place of {}", other.display());
            return refused(flag, path, &why);
        }
        if is_yaml(path) && rooms.iter().flatten().any(|rooms| rooms.holds(path)) {
            return refused(flag, path, "that is the place of a room file");
        }
        taken.push(path.clone());
    }
    Ok(())
}

/// The same of one file where nobody could say which files these are: nothing is replaced, and no room file made.
pub(crate) fn check_new(flag: &str, path: &Path) -> Result<(), Failure> {
    if is_yaml(path) || path.symlink_metadata().is_ok() {
        let why = "it may be a file of the run, and which these are is not known here";
        return refused(flag, path, why);
    }
    Ok(())
}

fn refused(flag: &str, path: &Path, why: &str) -> Result<(), Failure> {
    let message = format!("{flag} {}: {why}", path.display());
    let hint = "nothing was done; name another file";
    Err(Failure::new(Exit::Usage, message).hint(hint))
}

/// A file that is not the report that is needed.
pub(crate) fn unread(error: &ReadError) -> Failure {
    let exit = match error {
        ReadError::Edited(_) => Exit::Refused,
        _ => Exit::Invalid,
    };
    Failure::because(exit, error)
}

/// Writes a file, whole or not at all: somebody may read it at any moment.
pub(crate) fn write(path: &Path, what: &str, text: &str) -> Result<(), Failure> {
    write_by(path, what, Way::Replace, |file| {
        file.write_all(text.as_bytes())
    })
}

/// Writes the JSON form of a report.
pub(crate) fn keep(path: &Path, report: &AnyReport, way: Way<'_>) -> Result<(), Failure> {
    write_by(path, "report", way, |file| Ok(report.write_json(file)?))
}

fn write_by(
    path: &Path,
    what: &str,
    way: Way<'_>,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), Failure> {
    write_whole_by(path, way, write).map_err(|error| {
        let message = format!("cannot write the {what} to {}: {error}", path.display());
        Failure::new(Exit::Unexpected, message)
    })
}
