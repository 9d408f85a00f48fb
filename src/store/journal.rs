//! The journal: what `apply` did since the state was last saved, one line an event, durable before it is
//! reported.
//!
//! A receipt must survive a killed runner, and 10,000 receipts must not rewrite a 10,000-room state 10,000
//! times. So events are appended to a journal ([`crate::store::journal_writer`]) and folded into the state at the end, or
//! at the next start. This file is about its form, and about reading it.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::model::secret::sha256;
use crate::planner::Event;
use crate::store::lock::LockError;

/// The first line: which state the events belong to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    /// Version of the journal's format.
    pub journal: u64,
    /// App of the state.
    pub app: String,
    /// Lineage of the state.
    pub lineage: String,
    /// Serial of the state that the events come after.
    pub serial: u64,
}

/// The version of the journal format that this program reads and writes.
pub(crate) const VERSION: u64 = 1;

/// What is wrong with a journal.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalError {
    /// It could not be read or written.
    #[error("cannot use the journal {}", .path.display())]
    Io { path: PathBuf, source: io::Error },
    /// A line other than the last is damaged.
    #[error("the journal {} is damaged in line {line}; it is kept as it is", .path.display())]
    Damaged {
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// It was written by a newer version.
    #[error("the journal {} has version {version}, and this program knows {VERSION}", .path.display())]
    Newer { path: PathBuf, version: u64 },
    /// Somebody took the lock away, and reads this journal as it was before.
    #[error("cannot use the journal {}", .path.display())]
    Evicted { path: PathBuf, source: LockError },
    /// An earlier write failed, so nothing more is written.
    #[error("the journal stopped after an earlier error")]
    Stopped,
}

/// Reads a journal. `None`: there is none, or not even its first line was finished.
pub(crate) fn read(path: &Path) -> Result<Option<(Header, Vec<Event>)>, JournalError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            let path = path.to_owned();
            return Err(JournalError::Io { path, source });
        }
    };
    // Whatever is behind the last line break was being written when the process died: it was never
    // reported as done.
    let whole = bytes
        .iter()
        .rposition(|b| *b == b'\n')
        .map_or(0, |end| end + 1);
    let mut lines = bytes[..whole].split(|b| *b == b'\n').enumerate();
    let damaged = |number: usize| JournalError::Damaged {
        path: path.to_owned(),
        line: number + 1,
    };
    let Some((number, first)) = lines.next().filter(|(_, line)| !line.is_empty()) else {
        return Ok(None);
    };
    let header = header(path, first)?.ok_or_else(|| damaged(number))?;
    let mut events = Vec::new();
    for (number, line) in lines.filter(|(_, line)| !line.is_empty()) {
        events.push(decode(line).ok_or_else(|| damaged(number))?);
    }
    Ok(Some((header, events)))
}

/// The version is looked at before the rest.
fn header(path: &Path, line: &[u8]) -> Result<Option<Header>, JournalError> {
    #[derive(Deserialize)]
    struct Version {
        journal: u64,
    }
    match decode::<Version>(line) {
        Some(Version { journal }) if journal > VERSION => Err(JournalError::Newer {
            path: path.to_owned(),
            version: journal,
        }),
        _ => Ok(decode(line)),
    }
}

/// One line: a checksum, the JSON, a line break.
pub(crate) fn encode(value: &impl Serialize) -> io::Result<String> {
    let json = serde_json::to_string(value)?;
    Ok(format!("{} {json}\n", checksum(json.as_bytes())))
}

fn decode<T: for<'de> Deserialize<'de>>(line: &[u8]) -> Option<T> {
    let space = line.iter().position(|b| *b == b' ')?;
    let (sum, json) = (&line[..space], &line[space + 1..]);
    if sum != checksum(json).as_bytes() {
        return None;
    }
    serde_json::from_slice(json).ok()
}

/// Enough of a digest to notice damage.
fn checksum(bytes: &[u8]) -> String {
    sha256(bytes)["sha256:".len()..][..16].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RoomName;

    fn header() -> Header {
        Header {
            journal: VERSION,
            app: "acme".into(),
            lineage: "l".into(),
            serial: 3,
        }
    }

    fn event(name: &str) -> Event {
        Event::Missing {
            room: RoomName::try_from(name.to_owned()).unwrap(),
        }
    }

    fn written(names: &[&str]) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let mut lines = encode(&header()).unwrap();
        for name in names {
            lines += &encode(&event(name)).unwrap();
        }
        std::fs::write(&path, lines).unwrap();
        (dir, path)
    }

    #[test]
    fn what_was_written_is_read() {
        let (_dir, path) = written(&["a", "b"]);
        let (read_header, events) = read(&path).unwrap().unwrap();
        assert_eq!(read_header, header());
        assert_eq!(events, [event("a"), event("b")]);
    }

    #[test]
    fn a_torn_last_line_is_dropped_wherever_it_tore() {
        let (_dir, path) = written(&["a", "b"]);
        let bytes = std::fs::read(&path).unwrap();
        let first_two = bytes.len() - encode(&event("b")).unwrap().len();
        for length in first_two..bytes.len() {
            std::fs::write(&path, &bytes[..length]).unwrap();
            let (_, events) = read(&path).unwrap().unwrap();
            assert_eq!(events, [event("a")], "cut to {length} bytes");
        }
        std::fs::write(&path, &bytes[..10]).unwrap();
        assert!(read(&path).unwrap().is_none());
    }

    #[test]
    fn other_damage_is_refused() {
        let (_dir, path) = written(&["a", "b"]);
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert!(matches!(read(&path), Err(JournalError::Damaged { .. })));
    }

    #[test]
    fn a_newer_journal_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let line = encode(&serde_json::json!({"journal": 2, "new": true})).unwrap();
        std::fs::write(&path, line).unwrap();
        assert!(matches!(
            read(&path),
            Err(JournalError::Newer { version: 2, .. })
        ));
    }
}
