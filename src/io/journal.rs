//! The journal: what `apply` did since the state was last saved, one line an event, durable before it is
//! reported.
//!
//! A receipt must survive a killed runner, and 10,000 receipts must not rewrite a 10,000-room state 10,000
//! times. So events are appended here and folded into the state at the end, or at the next start. Events
//! that arrive while the disk is busy share the next sync.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::JoinHandle;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::durable::sync_directory;
use super::lock::{LockError, Watch};
use crate::model::secret::sha256;
use crate::planner::Event;

/// The first line: which state the events belong to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
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
pub const VERSION: u64 = 1;

/// What is wrong with a journal.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// It could not be read or written.
    #[error("cannot use the journal {}", .path.display())]
    Io {
        /// The journal.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A line other than the last is damaged.
    #[error("the journal {} is damaged in line {line}; it is kept as it is", .path.display())]
    Damaged {
        /// The journal.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// It was written by a newer version.
    #[error("the journal {} has version {version}, and this program knows {VERSION}", .path.display())]
    Newer {
        /// The journal.
        path: PathBuf,
        /// Its version.
        version: u64,
    },
    /// Somebody took the lock away, and reads this journal as it was before.
    #[error("cannot use the journal {}", .path.display())]
    Evicted {
        /// The journal.
        path: PathBuf,
        /// The cause.
        source: LockError,
    },
    /// An earlier write failed, so nothing more is written.
    #[error("the journal stopped after an earlier error")]
    Stopped,
}

/// A journal that is being written.
pub struct Journal {
    lines: mpsc::Sender<Line>,
    writer: JoinHandle<()>,
}

struct Line {
    text: String,
    done: oneshot::Sender<Result<(), JournalError>>,
}

impl Journal {
    /// Begins a journal at `path`, which must not exist yet. Nothing counts as recorded that was written
    /// after `lock` was taken away.
    ///
    /// # Errors
    /// When it exists or cannot be written.
    pub fn begin(path: &Path, header: &Header, lock: Watch) -> Result<Self, JournalError> {
        let path = path.to_owned();
        let open = || -> io::Result<File> {
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .open(&path)?;
            file.write_all(encode(header)?.as_bytes())?;
            file.sync_all()?;
            sync_directory(&path)?;
            Ok(file)
        };
        let file = open().map_err(|source| JournalError::Io {
            path: path.clone(),
            source,
        })?;
        let (lines, queue) = mpsc::channel();
        let writer = std::thread::spawn(move || write_lines(file, &path, &lock, &queue));
        Ok(Self { lines, writer })
    }

    /// Appends `event`, and returns when it is durable.
    ///
    /// # Errors
    /// When it could not be written; then nothing more will be.
    pub async fn append(&self, event: &Event) -> Result<(), JournalError> {
        let text = encode(event).map_err(|_| JournalError::Stopped)?;
        let (done, written) = oneshot::channel();
        self.lines
            .send(Line { text, done })
            .map_err(|_| JournalError::Stopped)?;
        written.await.unwrap_or(Err(JournalError::Stopped))
    }

    /// Waits until the writer is done. Every append has been answered before.
    pub fn end(self) {
        drop(self.lines);
        // A panic of the writer has already reached the appends as `Stopped`.
        let _ = self.writer.join();
    }
}

/// Writes all lines that wait, syncs once, answers them all; until nobody can send any more.
fn write_lines(mut file: File, path: &Path, lock: &Watch, queue: &mpsc::Receiver<Line>) {
    while let Ok(first) = queue.recv() {
        let mut batch = vec![first];
        batch.extend(queue.try_iter());
        let text: String = batch.iter().map(|line| line.text.as_str()).collect();
        let result = file
            .write_all(text.as_bytes())
            .and_then(|()| file.sync_data());
        // After the sync: whoever took the lock away reads what was there by then.
        let evicted = !lock.holds();
        for line in batch {
            // Nobody waits any more for an event whose task was dropped.
            let _ = line.done.send(written(path, &result, evicted));
        }
        if result.is_err() || evicted {
            return;
        }
    }
}

fn written(path: &Path, result: &io::Result<()>, evicted: bool) -> Result<(), JournalError> {
    let path = path.to_owned();
    match result {
        Err(error) => Err(JournalError::Io {
            path,
            source: io::Error::new(error.kind(), error.to_string()),
        }),
        Ok(()) if evicted => Err(JournalError::Evicted {
            path,
            source: LockError::Evicted,
        }),
        Ok(()) => Ok(()),
    }
}

/// Reads a journal. `None`: there is none, or not even its first line was finished.
///
/// # Errors
/// When it cannot be read, is newer, or is damaged before its last line.
pub fn read(path: &Path) -> Result<Option<(Header, Vec<Event>)>, JournalError> {
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
fn encode(value: &impl Serialize) -> io::Result<String> {
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

    async fn written(names: &[&str]) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let journal = Journal::begin(&path, &header(), Watch::nothing()).unwrap();
        for name in names {
            journal.append(&event(name)).await.unwrap();
        }
        journal.end();
        (dir, path)
    }

    #[tokio::test]
    async fn what_was_appended_is_read() {
        let (_dir, path) = written(&["a", "b"]).await;
        let (read_header, events) = read(&path).unwrap().unwrap();
        assert_eq!(read_header, header());
        assert_eq!(events, [event("a"), event("b")]);
    }

    #[tokio::test]
    async fn a_torn_last_line_is_dropped_wherever_it_tore() {
        let (_dir, path) = written(&["a", "b"]).await;
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

    #[tokio::test]
    async fn other_damage_is_refused() {
        let (_dir, path) = written(&["a", "b"]).await;
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

    #[tokio::test]
    async fn an_existing_journal_is_not_overwritten() {
        let (_dir, path) = written(&["a"]).await;
        assert!(Journal::begin(&path, &header(), Watch::nothing()).is_err());
        assert!(read(&path).unwrap().is_some());
    }
}
