//! One writer at a time: a file lock, with a record of who holds it.
//!
//! The lock is the operating system's, so a process that dies leaves none behind, only its record. A holder
//! that hangs can be evicted: its lock file is taken away, which it notices before it records anything more.

use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::disk::plain_file::{open_own, read_from};
use crate::disk::whole_file::remove;
use crate::store::error::StoreError;
use crate::store::holder::{Holder, Status};

/// How long a lock without a record is looked at again. The record follows the lock within microseconds, or
/// milliseconds on a busy machine, so this only ends for a holder that cannot write one.
const PATIENCE: Duration = Duration::from_millis(500);

/// How each record begins.
const RECORD: &[u8] = b"{\"holder\":";

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
    pub(super) watch: Watch,
}

/// Sees whether a lock is still the one that was taken.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    path: PathBuf,
    identity: Option<(u64, u64)>,
}

impl Lock {
    /// Takes the lock at `path`, without waiting until it is free, and records `holder` in it. Also returns the
    /// record of one who ended without taking it away.
    pub(super) fn take(path: &Path, holder: &Holder) -> Result<(Self, Option<Holder>), StoreError> {
        let failed = |source| failed(path, source);
        let start = Instant::now();
        loop {
            let mut file = open(path, true).map_err(failed)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let record = read(&mut file).map_err(failed)?;
                    if record.is_some() || start.elapsed() > PATIENCE {
                        return Err(StoreError::Held(record));
                    }
                    // Taken or let go just now: whoever that is writes the record next, or leaves the lock.
                    std::thread::yield_now();
                    continue;
                }
                Err(TryLockError::Error(source)) => return Err(failed(source)),
            }
            let watch = Watch::new(path, &file).map_err(failed)?;
            if watch.check().is_err() {
                // Taken away between the opening and the locking: what is locked is no longer the lock.
                continue;
            }
            let left = read(&mut file).map_err(failed)?;
            write(&mut file, holder).map_err(failed)?;
            return Ok((Self { file, watch }, left));
        }
    }

    /// Whether anybody holds the lock at `path`. Takes the record of one who ended away and, with `force`, the lock
    /// from whoever holds it: that one keeps a file without a name, and notices with the next thing it records.
    pub(super) fn status(path: &Path, force: bool) -> Result<Status, StoreError> {
        let failed = |source| failed(path, source);
        let mut file = match open(path, false) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Status::Free),
            Err(error) => return Err(failed(error)),
        };
        let held = match file.try_lock() {
            Ok(()) => false,
            Err(TryLockError::WouldBlock) => true,
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        };
        let record = read(&mut file).map_err(failed)?;
        if !held {
            file.set_len(0).map_err(failed)?;
            return Ok(record.map_or(Status::Free, Status::Left));
        }
        if force {
            remove(path).map_err(failed)?;
        }
        Ok(Status::Held(record))
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

impl Watch {
    fn new(path: &Path, file: &File) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            identity: identity(&file.metadata()?),
        })
    }

    pub(super) fn check(&self) -> Result<(), StoreError> {
        let Some(taken) = self.identity else {
            // This system does not let a file be removed that somebody has open.
            return Ok(());
        };
        match std::fs::symlink_metadata(&self.path) {
            Ok(there) if identity(&there) == Some(taken) => Ok(()),
            _ => Err(StoreError::Evicted(
                "the lock file was taken away from this run, by `state unlock` or with its directory",
            )),
        }
    }
}

#[cfg(unix)]
fn identity(metadata: &Metadata) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn identity(_: &Metadata) -> Option<(u64, u64)> {
    None
}

fn failed(path: &Path, source: io::Error) -> StoreError {
    StoreError::file("use the lock file", path, source)
}

fn open(path: &Path, create: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .create(create)
        .truncate(false);
    open_own(path, &mut options)
}

/// The record of whoever holds it or held it, as far as there is one. Files of other programs are called locks, too, and
/// are kept as they are.
fn read(file: &mut File) -> io::Result<Option<Holder>> {
    let bytes = read_from(file, 4096, 0)?;
    let record = serde_json::from_slice(&bytes).ok();
    // What was being written in a power cut may be torn, or zeros.
    let begun = &RECORD[..RECORD.len().min(bytes.len())];
    if record.is_none() && !bytes.starts_with(begun) && bytes.iter().any(|byte| *byte != 0) {
        return Err(io::Error::other("it is the file of something else"));
    }
    Ok(record)
}

fn write(file: &mut File, holder: &Holder) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(serde_json::to_string(holder)?.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::stores::holder;

    fn scratch() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        (dir, path)
    }

    #[test]
    fn the_second_learns_who_holds_it() {
        let (_dir, path) = scratch();
        let lock = Lock::take(&path, &holder()).unwrap();
        let error = Lock::take(&path, &holder()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the state is locked by build 7 on runner (process 42) since 2026-11-01T08:00:00Z"
        );
        assert_eq!(
            Lock::status(&path, false).unwrap(),
            Status::Held(Some(holder()))
        );
        drop(lock);
        assert_eq!(Lock::status(&path, false).unwrap(), Status::Free);
        assert!(Lock::take(&path, &holder()).is_ok());
    }

    #[test]
    fn an_old_record_does_not_lock_and_is_reported_once() {
        let (_dir, path) = scratch();
        let record = serde_json::to_string(&holder()).unwrap();
        std::fs::write(&path, &record).unwrap();
        let (lock, left) = Lock::take(&path, &holder()).unwrap();
        assert_eq!(left, Some(holder()));
        drop(lock);
        assert_eq!(Lock::take(&path, &holder()).unwrap().1, None);
        std::fs::write(&path, &record).unwrap();
        assert_eq!(Lock::status(&path, false).unwrap(), Status::Left(holder()));
        assert_eq!(Lock::status(&path, false).unwrap(), Status::Free);
    }

    #[test]
    fn a_holder_without_a_record_is_not_waited_for_forever() {
        let (_dir, path) = scratch();
        let silent = File::create(&path).unwrap();
        silent.try_lock().unwrap();
        let error = Lock::take(&path, &holder()).unwrap_err();
        assert!(matches!(error, StoreError::Held(None)), "{error}");
    }

    #[test]
    fn whoever_is_refused_learns_by_whom() {
        let (_dir, path) = scratch();
        let take_and_let_go = || {
            for _ in 0..2000 {
                match Lock::take(&path, &holder()) {
                    Ok(_) | Err(StoreError::Held(Some(_))) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        };
        std::thread::scope(|threads| {
            threads.spawn(take_and_let_go);
            threads.spawn(take_and_let_go);
        });
    }

    #[test]
    fn no_file_is_no_lock() {
        let (_dir, path) = scratch();
        assert_eq!(Lock::status(&path, false).unwrap(), Status::Free);
        assert_eq!(Lock::status(&path, true).unwrap(), Status::Free);
        assert!(!path.exists());
    }

    #[cfg(unix)]
    #[test]
    fn who_is_evicted_notices() {
        let (_dir, path) = scratch();
        let (mine, _) = Lock::take(&path, &holder()).unwrap();
        mine.watch.check().unwrap();
        Lock::status(&path, true).unwrap();
        assert!(matches!(mine.watch.check(), Err(StoreError::Evicted(_))));
        let (theirs, left) = Lock::take(&path, &holder()).unwrap();
        assert_eq!(left, None);
        assert!(matches!(mine.watch.check(), Err(StoreError::Evicted(_))));
        // The evicted one ends later, and takes nothing away from the other.
        drop(mine);
        theirs.watch.check().unwrap();
        assert!(Lock::take(&path, &holder()).is_err());
    }
}
