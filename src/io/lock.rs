//! One writer at a time: a file lock, with a record of who holds it.
//!
//! The lock is the operating system's, so a process that dies leaves none behind. The record is only for
//! the message that the next one prints.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Who holds a lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// A user, or the URL of a CI run.
    pub holder: String,
    /// The machine.
    pub host: String,
    /// The process.
    pub pid: u32,
    /// Since when, RFC 3339.
    pub since: String,
}

/// Why there is no lock.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else holds it.
    #[error("the state is locked by {}", describe(.0.as_ref()))]
    Held(Option<Holder>),
    /// The lock file cannot be used.
    #[error("cannot use the lock file {}", .path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

fn describe(holder: Option<&Holder>) -> String {
    match holder {
        Some(h) => format!(
            "{} on {} (process {}) since {}",
            h.holder, h.host, h.pid, h.since
        ),
        None => "another process".to_owned(),
    }
}

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Lock {
    /// Takes the lock at `path`, without waiting, and records `holder` in it.
    ///
    /// # Errors
    /// When somebody holds it, or the file cannot be used.
    pub fn take(path: &Path, holder: &Holder) -> Result<Self, LockError> {
        let failed = |source| LockError::Io {
            path: path.to_owned(),
            source,
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LockError::Held(read(&mut file))),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        write(&mut file, holder).map_err(failed)?;
        Ok(Self { file })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The file stays: to delete it would let two processes lock two files of one name. An old record
        // in it does no harm, since only the lock itself counts.
        let _ = self.file.set_len(0);
        let _ = self.file.unlock();
    }
}

fn read(file: &mut File) -> Option<Holder> {
    let mut text = String::new();
    file.take(4096).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

fn write(file: &mut File, holder: &Holder) -> io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(serde_json::to_string(holder)?.as_bytes())?;
    file.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder() -> Holder {
        Holder {
            holder: "build 7".into(),
            host: "runner".into(),
            pid: 42,
            since: "2026-11-01T08:00:00Z".into(),
        }
    }

    #[test]
    fn the_second_is_told_who_holds_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let lock = Lock::take(&path, &holder()).unwrap();
        let error = Lock::take(&path, &holder()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the state is locked by build 7 on runner (process 42) since 2026-11-01T08:00:00Z"
        );
        drop(lock);
        assert!(Lock::take(&path, &holder()).is_ok());
    }

    #[test]
    fn an_old_record_does_not_lock() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        std::fs::write(&path, serde_json::to_string(&holder()).unwrap()).unwrap();
        assert!(Lock::take(&path, &holder()).is_ok());
    }
}
