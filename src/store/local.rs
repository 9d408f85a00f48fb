//! A place on this machine: the state in a file, with its journal and its lock beside it.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use crate::disk::crash_point::crash_point;
use crate::disk::plain_file::{MAX_STATE, check_state, read_own_bytes};
use crate::disk::whole_file::{Way, create_parent, remove, write_whole};
use crate::store::error::StoreError;
use crate::store::holder::{Holder, Status};
use crate::store::journal_writer::Recorder;
use crate::store::lock::Lock;
use crate::store::port::{Answer, Contents, Form, Lease, Place, Record};

#[derive(Clone, Debug)]
pub(super) struct Local {
    pub(super) path: PathBuf,
    /// Of the state file when it was read last, or written by us since.
    seen: Arc<Mutex<Seen>>,
}

/// Whether a state file was looked at, and which one it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Seen {
    #[default]
    Never,
    Nothing,
    File(u64, Option<SystemTime>),
}

#[derive(Debug)]
struct LocalLease {
    place: Local,
    lock: Lock,
}

impl Local {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            seen: Arc::default(),
        }
    }

    /// What is there now.
    fn look(&self) -> Seen {
        let file = std::fs::symlink_metadata(&self.path);
        file.map_or(Seen::Nothing, |file| {
            Seen::File(file.len(), file.modified().ok())
        })
    }

    fn remember(&self, seen: Seen) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = seen;
    }

    /// Whether a save would replace a state that nobody here has read.
    fn is_replaced(&self) -> bool {
        let (now, seen) = (self.look(), self.seen.lock());
        let seen = seen.unwrap_or_else(PoisonError::into_inner);
        !matches!(now, Seen::Nothing) && !matches!(*seen, Seen::Never) && *seen != now
    }

    fn beside(&self, ending: &str) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(".");
        name.push(ending);
        PathBuf::from(name)
    }

    fn unwritten(&self, source: io::Error) -> StoreError {
        StoreError::file("write the state", &self.path, source)
    }
}

impl Place for Local {
    fn load(&self) -> Answer<'_, Contents> {
        Box::pin(async {
            // Before it is read: what comes between is found out by the save.
            self.remember(self.look());
            Ok(Contents {
                state: read(&self.path, "read the state")?,
                journal: read(&self.beside("journal"), "use the journal")?,
            })
        })
    }

    fn lock<'a>(&'a self, holder: &'a Holder) -> Answer<'a, (Box<dyn Lease>, Option<Holder>)> {
        Box::pin(async {
            create_parent(&self.path).map_err(|source| self.unwritten(source))?;
            let (lock, left) = Lock::take(&self.beside("lock"), holder)?;
            // What a writer that died left. If it is in the way, saving says so.
            let _ = remove(&self.beside("new"));
            let place = self.clone();
            Ok((Box::new(LocalLease { place, lock }) as Box<dyn Lease>, left))
        })
    }

    fn unlock(&self, force: bool) -> Answer<'_, Status> {
        Box::pin(async move { Lock::status(&self.beside("lock"), force) })
    }
}

impl Lease for LocalLease {
    fn begin<'a>(&'a self, first: &'a str, form: Form) -> Answer<'a, Arc<dyn Record>> {
        Box::pin(async {
            self.lock.watch.check()?;
            let journal = self.place.beside("journal");
            let recorder = Recorder::begin(&journal, first, form, self.lock.watch.clone())?;
            Ok(Arc::new(recorder) as Arc<dyn Record>)
        })
    }

    fn save<'a>(&'a self, state: &'a str) -> Answer<'a, ()> {
        Box::pin(async {
            self.lock.watch.check()?;
            let place = &self.place;
            if place.is_replaced() {
                return Err(StoreError::Replaced(String::new()));
            }
            check_state(state.as_bytes()).map_err(|unfit| place.unwritten(unfit.into()))?;
            let beside = place.beside("new");
            write_whole(&place.path, state.as_bytes(), Way::Alone(&beside))
                .map_err(|source| place.unwritten(source))?;
            place.remember(place.look());
            Ok(())
        })
    }

    fn now(&self) -> Answer<'_, Option<Vec<u8>>> {
        Box::pin(async { read(&self.place.path, "read the state") })
    }

    fn end(&self) -> Answer<'_, ()> {
        Box::pin(async {
            self.lock.watch.check()?;
            crash_point("journal-removal-due");
            remove(&self.place.beside("journal")).map_err(|source| self.place.unwritten(source))?;
            crash_point("journal-removed");
            Ok(())
        })
    }
}

/// The bytes of a file, if there is one.
fn read(path: &Path, deed: &str) -> Result<Option<Vec<u8>>, StoreError> {
    match read_own_bytes(path, MAX_STATE) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::file(deed, path, error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::stores::holder;

    #[tokio::test]
    async fn what_could_not_be_read_again_replaces_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let place = Local::new(&dir.path().join("state.json"));
        let (lease, _) = place.lock(&holder()).await.unwrap();
        lease.save("{}").await.unwrap();
        for large in [" ".repeat(MAX_STATE as usize + 1), "[".repeat(1_000)] {
            assert!(lease.save(&large).await.is_err());
        }
        assert_eq!(place.load().await.unwrap().state.unwrap(), b"{}");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_link_to_a_state_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let (path, link) = (dir.path().join("state.json"), dir.path().join("link.json"));
        std::fs::write(&path, "before").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let place = Local::new(&link);
        assert!(place.load().await.is_err());
        assert!(place.lock(&holder()).await.is_err());
        assert!(link.is_symlink());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "before");
    }
}
