//! Files that one run writes for another, or for a program: reports, saved plans, counters.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::exit::{Exit, Failure};
use crate::disk::whole_file::{Way, write_whole};
use crate::report::envelope::ReadError;

/// Largest file that is read, in bytes: about a hundred thousand changes.
const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// Reads a file. `what` is what it should be: `report`.
pub(crate) fn read(path: &Path, what: &str) -> Result<Vec<u8>, Failure> {
    read_from(File::open(path), path, what)
}

/// The same from what is open already.
pub(crate) fn read_from(
    source: io::Result<impl Read>,
    path: &Path,
    what: &str,
) -> Result<Vec<u8>, Failure> {
    let shown = path.display();
    let mut bytes = Vec::new();
    source
        .and_then(|source| source.take(MAX_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| {
            Failure::new(
                Exit::Usage,
                format!("cannot read the {what} {shown}: {error}"),
            )
        })?;
    if bytes.len() as u64 > MAX_BYTES {
        let message = format!("{shown} is too large for a {what}");
        return Err(Failure::new(Exit::Invalid, message));
    }
    Ok(bytes)
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
    write_whole(path, text.as_bytes(), Way::Replace).map_err(|error| {
        let message = format!("cannot write the {what} to {}: {error}", path.display());
        Failure::new(Exit::Unexpected, message)
    })
}
