//! The state on disk, with its journal and its lock beside it.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::disk::crash_point::crash_point;
use crate::disk::whole_file::write_whole_alone;
use crate::planner::State;
use crate::planner::state::VERSION;
use crate::store::journal::{self, Header, JournalError};
use crate::store::journal_writer::Recorder;
use crate::store::lock::{Holder, Lock, LockError, Status};
use crate::store::state_file::{ParseError, parse, render};

/// What is wrong with a state.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// It could not be read or written.
    #[error("cannot {verb} the state {}", .path.display())]
    Io {
        verb: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    /// It is not a state.
    #[error("the state {} is damaged; it is kept as it is", .path.display())]
    Damaged {
        path: PathBuf,
        source: serde_json::Error,
    },
    /// It was written by a newer version.
    #[error("the state {} has version {version}, and this program knows {VERSION}; use a newer roomctl", .path.display())]
    Newer { path: PathBuf, version: u64 },
    /// It is about another app.
    #[error("the state {} belongs to the app `{found}`, not to `{wanted}`", .path.display())]
    OtherApp {
        path: PathBuf,
        /// The app of the state.
        found: String,
        /// The app of this run.
        wanted: String,
    },
    /// The journal beside it does not belong to it.
    #[error("the journal {} does not belong to the state beside it: {why}", .path.display())]
    OtherJournal { path: PathBuf, why: &'static str },
    /// The journal is not usable.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The lock is not to be had.
    #[error(transparent)]
    Lock(#[from] LockError),
}

/// How often state and journal are read again when they do not belong together.
const LOOKS: usize = 3;

/// A state in a local file, with its journal and lock beside it.
#[derive(Clone, Debug)]
pub(crate) struct LocalStore {
    /// As the user named it: for messages.
    named: PathBuf,
    path: PathBuf,
}

/// A state as it was found.
#[derive(Debug)]
pub(crate) struct Found {
    /// The state, with the events of an unfinished run taken in. Fresh, when there is none.
    pub state: State,
    /// How many events an unfinished run left.
    pub recovered: usize,
}

impl LocalStore {
    /// The store at `path`. If that is a link, the file it leads to: a rename would replace the link.
    pub(crate) fn new(path: &Path) -> Self {
        Self {
            named: path.to_owned(),
            path: path.canonicalize().unwrap_or_else(|_| path.to_owned()),
        }
    }

    /// Reads the state of `app`, or of whatever app it is about, and what an unfinished run left in the
    /// journal. Writes nothing. `None`: there is no state, and nobody says which app it would be about.
    pub(crate) fn load(&self, app: Option<&str>) -> Result<Option<Found>, StoreError> {
        // Whoever only looks holds no lock: a run may save the state between the two files being read.
        for _ in 0..LOOKS {
            match self.look(app) {
                Err(StoreError::OtherJournal { .. }) => {}
                found => return found,
            }
        }
        self.look(app)
    }

    fn look(&self, app: Option<&str>) -> Result<Option<Found>, StoreError> {
        let mut state = match (self.read()?, app) {
            (Some(state), Some(app)) if state.app != app => {
                return Err(StoreError::OtherApp {
                    path: self.named.clone(),
                    found: state.app,
                    wanted: app.to_owned(),
                });
            }
            (Some(state), _) => state,
            (None, Some(app)) => State::fresh(app),
            (None, None) => return Ok(None),
        };
        let mut recovered = 0;
        if let Some((header, events)) = journal::read(&self.beside("journal"))?
            && self.belongs(&header, &mut state)?
        {
            recovered = events.len();
            for event in events {
                state.record(event);
            }
        }
        Ok(Some(Found { state, recovered }))
    }

    /// Whether the events behind `header` are still to be taken into `state`.
    fn belongs(&self, header: &Header, state: &mut State) -> Result<bool, StoreError> {
        let other = |why| {
            Err(StoreError::OtherJournal {
                path: self.beside("journal"),
                why,
            })
        };
        if header.app != state.app {
            return other("it is about another app");
        }
        if state.lineage.is_empty() {
            if header.serial > 0 {
                return other("the state it comes after is gone");
            }
            // The first run died before the first save: the journal is all there is.
            state.lineage.clone_from(&header.lineage);
            return Ok(true);
        }
        if header.lineage != state.lineage {
            return other("their lineages differ");
        }
        if header.serial > state.serial {
            return other("the state is older than the one it comes after");
        }
        // Older: it was folded in before the process could remove it.
        Ok(header.serial == state.serial)
    }

    /// Takes the lock for writing, making the directory if there is none.
    pub(crate) fn lock(&self, holder: &Holder) -> Result<Locked, StoreError> {
        if let Some(parent) = self.path.parent().filter(|p| !p.as_os_str().is_empty()) {
            std::fs::create_dir_all(parent).map_err(|source| self.failed("write", source))?;
        }
        let (lock, left) = Lock::take(&self.beside("lock"), holder)?;
        Ok(Locked {
            store: self.clone(),
            lock,
            left,
        })
    }

    /// Whether anybody holds the lock. Takes the record of one who ended without releasing it away.
    pub(crate) fn lock_status(&self) -> Result<Status, StoreError> {
        Ok(Lock::status(&self.beside("lock"))?)
    }

    /// Takes the lock away from whoever holds it.
    pub(crate) fn evict(&self) -> Result<(), StoreError> {
        Ok(Lock::evict(&self.beside("lock"))?)
    }

    fn read(&self) -> Result<Option<State>, StoreError> {
        let bytes = match std::fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed("read", error)),
        };
        parse(&bytes).map(Some).map_err(|error| match error {
            ParseError::Newer(version) => StoreError::Newer {
                path: self.named.clone(),
                version,
            },
            ParseError::Damaged(source) => StoreError::Damaged {
                path: self.named.clone(),
                source,
            },
        })
    }

    fn beside(&self, ending: &str) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(".");
        name.push(ending);
        PathBuf::from(name)
    }

    fn failed(&self, verb: &'static str, source: io::Error) -> StoreError {
        StoreError::Io {
            verb,
            path: self.named.clone(),
            source,
        }
    }
}

/// A store that this process alone may write.
#[derive(Debug)]
pub(crate) struct Locked {
    store: LocalStore,
    lock: Lock,
    /// Who held the lock before, and ended without releasing it.
    pub left: Option<Holder>,
}

impl Locked {
    /// Begins the journal of a run that starts from `state`.
    pub(crate) fn begin(&self, state: &State) -> Result<Recorder, StoreError> {
        let header = Header {
            journal: journal::VERSION,
            app: state.app.clone(),
            lineage: state.lineage.clone(),
            serial: state.serial,
        };
        let path = self.store.beside("journal");
        Ok(Recorder::begin(&path, &header, self.lock.watch())?)
    }

    /// Saves `state` under the next serial, and removes the journal that led to it.
    ///
    /// # Errors
    /// When it cannot be written, or somebody took the lock away; then the file, the journal and the serial
    /// are as before.
    pub(crate) fn save(&self, state: &mut State) -> Result<(), StoreError> {
        state.serial += 1;
        if let Err(error) = self.write(state) {
            // Whoever tells the serial after this must not tell one that was never written.
            state.serial -= 1;
            return Err(error);
        }
        self.drop_journal()
    }

    /// Removes the journal, if there is one.
    pub(crate) fn drop_journal(&self) -> Result<(), StoreError> {
        self.lock.check()?;
        crash_point("journal-removal-due");
        match std::fs::remove_file(self.store.beside("journal")) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(self.store.failed("write", error));
            }
            _ => {}
        }
        crash_point("journal-removed");
        Ok(())
    }

    fn write(&self, state: &State) -> Result<(), StoreError> {
        let store = &self.store;
        let text = render(state).map_err(|source| StoreError::Damaged {
            path: store.named.clone(),
            source,
        })?;
        self.lock.check()?;
        write_whole_alone(&store.path, &store.beside("new"), text.as_bytes())
            .map_err(|source| store.failed("write", source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RoomName;
    use crate::planner::{AppliedRoom, Event};
    use crate::store::journal_writer::Record;

    fn room(name: &str) -> RoomName {
        RoomName::try_from(name.to_owned()).unwrap()
    }

    fn state() -> State {
        let mut state = State::fresh("acme");
        state.lineage = "7f0c".into();
        let applied = AppliedRoom {
            id: Some("64c0ffee".into()),
            ..AppliedRoom::default()
        };
        state.rooms.insert(room("stand-up"), applied);
        state
    }

    fn store() -> (tempfile::TempDir, LocalStore) {
        let dir = tempfile::tempdir().unwrap();
        let store = LocalStore::new(&dir.path().join("state.json"));
        (dir, store)
    }

    fn locked(store: &LocalStore) -> Locked {
        let holder = Holder {
            holder: "a test".into(),
            host: "here".into(),
            pid: 1,
            since: "2026-11-01T08:00:00Z".into(),
        };
        store.lock(&holder).unwrap()
    }

    fn reload(store: &LocalStore) -> Found {
        store.load(Some("acme")).unwrap().unwrap()
    }

    #[test]
    fn saved_and_loaded() {
        let (_dir, store) = store();
        let mut saved = state();
        locked(&store).save(&mut saved).unwrap();
        assert_eq!(saved.serial, 1);
        assert_eq!(reload(&store).state, saved);
        assert_eq!(store.load(None).unwrap().unwrap().state, saved);
    }

    #[test]
    fn a_save_that_fails_leaves_the_serial() {
        let dir = tempfile::tempdir().unwrap();
        // A directory in the place of the state cannot be replaced by a file.
        let store = LocalStore::new(dir.path());
        let mut state = state();
        state.serial = 6;
        assert!(locked(&store).save(&mut state).is_err());
        assert_eq!(state.serial, 6);
    }

    #[test]
    fn nothing_there_is_a_fresh_state() {
        let (_dir, store) = store();
        assert_eq!(reload(&store).state, State::fresh("acme"));
        assert!(store.load(None).unwrap().is_none());
    }

    #[test]
    fn what_cannot_be_trusted_is_refused_and_kept() {
        let cases = [
            ("", "damaged"),
            ("{", "damaged"),
            ("[]", "damaged"),
            (
                r#"{"version":1,"lineage":"","serial":1,"app":"acme","rooms":{}}"#,
                "damaged",
            ),
            (
                r#"{"version":0,"lineage":"x","serial":1,"app":"acme","rooms":{}}"#,
                "damaged",
            ),
            (
                r#"{"version":1,"lineage":"x","serial":1,"app":"acme","rooms":{},"more":1}"#,
                "damaged",
            ),
            (r#"{"version":2,"anything":"else"}"#, "has version 2"),
            (
                r#"{"version":1,"lineage":"x","serial":1,"app":"other","rooms":{}}"#,
                "belongs to the app `other`",
            ),
        ];
        for (text, message) in cases {
            let (_dir, store) = store();
            std::fs::write(&store.path, text).unwrap();
            let error = store.load(Some("acme")).unwrap_err();
            assert!(error.to_string().contains(message), "{text}: {error}");
            assert_eq!(std::fs::read_to_string(&store.path).unwrap(), text);
        }
    }

    #[tokio::test]
    async fn an_unfinished_run_is_taken_in_and_folded_once() {
        let (_dir, store) = store();
        let mut state = state();
        locked(&store).save(&mut state).unwrap();
        let journal = locked(&store).begin(&state).unwrap();
        let gone = Event::Missing {
            room: room("stand-up"),
        };
        journal.record(&[gone]).unwrap().await.unwrap();
        drop(journal);
        let found = reload(&store);
        assert_eq!((found.recovered, found.state.rooms.len()), (1, 0));

        // The process dies between the rename and the removal of the journal.
        let kept = std::fs::read(store.beside("journal")).unwrap();
        let mut folded = found.state;
        folded.rooms.insert(room("later"), AppliedRoom::default());
        locked(&store).save(&mut folded).unwrap();
        std::fs::write(store.beside("journal"), kept).unwrap();
        let found = reload(&store);
        assert_eq!((found.recovered, &found.state), (0, &folded));
    }

    #[tokio::test]
    async fn a_first_run_that_died_is_known_from_its_journal_alone() {
        let (_dir, store) = store();
        let mut fresh = State::fresh("acme");
        fresh.lineage = "7f0c".into();
        let journal = locked(&store).begin(&fresh).unwrap();
        let applied = state().rooms[&room("stand-up")].clone();
        let event = Event::Applied {
            room: room("stand-up"),
            applied,
        };
        journal.record(&[event]).unwrap().await.unwrap();
        drop(journal);
        let found = reload(&store);
        assert_eq!(found.state.rooms, state().rooms);
        assert_eq!(found.state.lineage, "7f0c");
    }

    #[tokio::test]
    async fn a_journal_of_another_state_is_refused() {
        let (_dir, store) = store();
        let mut mine = state();
        locked(&store).save(&mut mine).unwrap();
        for (lineage, serial) in [("other", 1), ("7f0c", 2)] {
            let mut other = mine.clone();
            other.lineage = lineage.into();
            other.serial = serial;
            locked(&store).begin(&other).unwrap();
            assert!(matches!(
                store.load(Some("acme")),
                Err(StoreError::OtherJournal { .. })
            ));
            locked(&store).drop_journal().unwrap();
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_the_state_stays_a_link() {
        let (dir, store) = store();
        locked(&store).save(&mut state()).unwrap();
        let link = dir.path().join("link.json");
        std::os::unix::fs::symlink(&store.path, &link).unwrap();
        locked(&LocalStore::new(&link)).save(&mut state()).unwrap();
        assert!(link.is_symlink());
    }
}
