//! Where the state is kept, and how nothing that was confirmed is lost.
//!
//! | File | Is |
//! |---|---|
//! | `port` | what a place for states has to be able to do |
//! | `local` | a place on this machine |
//! | `lock` | its lock: one writer at a time |
//! | `objects`, `object_lease`, `object_versions`, `object_words` | a place in an object store; its lock; what it keeps of before; what such a store says |
//! | `encryption` | what keeps a state from those who may read the place |
//! | `clouds`, `cloud_http`, `leaving` | which object store an address means; how it is reached, and how long waited for when the run has to end |
//! | `journal_writer` | its journal: each receipt is durable before anybody hears of it |
//! | `state_file` | the state as bytes, and back |
//! | `journal` | what happened since the state was saved, as bytes, and back |
//! | `holder` | who holds a lock |
//! | `error` | what can be wrong |
//!
//! What is said here holds for every place: which state belongs to an app, which journal belongs to a state, and
//! that the serial rises.

#[cfg(feature = "remote-state")]
mod cloud_http;
#[cfg(feature = "remote-state")]
pub(crate) mod clouds;
pub(crate) mod encryption;
pub(crate) mod error;
pub(crate) mod holder;
pub(crate) mod journal;
pub(crate) mod journal_writer;
#[cfg(feature = "remote-state")]
mod leaving;
mod local;
mod lock;
#[cfg(feature = "remote-state")]
mod object_lease;
#[cfg(feature = "remote-state")]
pub(crate) mod object_versions;
#[cfg(feature = "remote-state")]
mod object_words;
#[cfg(feature = "remote-state")]
pub(crate) mod objects;
pub(crate) mod port;
pub(crate) mod state_file;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use crate::disk::plain_file::{MAX_STATE, check_size, check_state};
use crate::model::address::ObjectAddress;
use crate::planner::State;
use encryption::Keys;
use error::StoreError;
use holder::{Holder, Status};
use journal::{Header, encode};
use local::Local;
use port::{Contents, Lease, Place, Record, Version};

/// Somebody wants the run to end: from now on, a place in the network is not waited for long or, `at_once`, not at all.
pub(crate) fn leave(at_once: bool) {
    #[cfg(feature = "remote-state")]
    leaving::leave(at_once);
    #[cfg(not(feature = "remote-state"))]
    let _ = at_once;
}

/// How often state and journal are read again when they do not belong together.
const LOOKS: usize = 3;

/// Where a state is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Location {
    File(PathBuf),
    Object(ObjectAddress),
}

#[derive(Debug, thiserror::Error)]
#[error(
    "`{0}` is no place for a state: a file, or s3://BUCKET/KEY, az://CONTAINER/KEY or gs://BUCKET/KEY"
)]
pub(crate) struct LocationError(String);

impl Location {
    /// Its text as seen from `base`: the same on every machine, if it is below.
    pub(crate) fn below(&self, base: &Path) -> String {
        match self {
            Self::File(path) => path
                .strip_prefix(base)
                .unwrap_or(path)
                .display()
                .to_string(),
            Self::Object(address) => address.to_string(),
        }
    }
}

impl FromStr for Location {
    type Err = LocationError;

    fn from_str(text: &str) -> Result<Self, LocationError> {
        if !text.contains("://") {
            return Ok(Self::File(PathBuf::from(text)));
        }
        let address = ObjectAddress::parse(text).map(Self::Object);
        address.ok_or_else(|| LocationError(printable_place(text)))
    }
}

/// What was typed, without what may be a token.
fn printable_place(text: &str) -> String {
    let end = match text.contains('@') {
        true => text.find("://").map(|at| at + 3),
        false => text.find(['?', '#']),
    };
    text[..end.unwrap_or(text.len())].to_owned()
}

/// A state, wherever it is kept.
#[derive(Debug)]
pub(crate) struct Store {
    /// Its name in messages.
    at: String,
    place: Box<dyn Place>,
    pub keys: Keys,
}

/// A state as it was found.
#[derive(Debug)]
pub(crate) struct Found {
    /// The state, with the events of an unfinished run taken in. Fresh, when there is none.
    pub state: State,
    /// How many events an unfinished run left.
    pub recovered: usize,
    /// The state without them; `None`: there are none.
    pub saved: Option<State>,
    /// The same with what looks showed before that run wrote anything.
    pub looked: Option<State>,
}

impl Found {
    /// A state that no run left unfinished.
    pub(crate) fn of(state: State) -> Self {
        let (recovered, saved, looked) = (0, None, None);
        Self {
            state,
            recovered,
            saved,
            looked,
        }
    }
}

impl Store {
    /// Asks nothing of the place yet.
    pub(crate) fn open(location: &Location) -> Result<Self, StoreError> {
        match location {
            Location::File(path) => {
                let local = Local::new(path);
                Ok(Self::new(local.path.display().to_string(), Box::new(local)))
            }
            #[cfg(feature = "remote-state")]
            Location::Object(address) => {
                let objects = clouds::open(address)?;
                Ok(Self::new(address.to_string(), Box::new(objects)))
            }
            #[cfg(not(feature = "remote-state"))]
            Location::Object(address) => Err(StoreError::Unusable {
                at: address.to_string(),
                why: "this program was built without the feature `remote-state`".to_owned(),
            }),
        }
    }

    pub(crate) fn new(at: String, place: Box<dyn Place>) -> Self {
        let keys = Keys::default();
        Self { at, place, keys }
    }

    /// The same, encrypted.
    pub(crate) fn with(self, keys: Keys) -> Self {
        Self { keys, ..self }
    }

    /// Reads the state of `app`, or of whatever app it is about, and what an unfinished run left in the
    /// journal. Writes nothing. `None`: there is no state, and nobody says which app it would be about.
    pub(crate) async fn load(&self, app: Option<&str>) -> Result<Option<Found>, StoreError> {
        // Whoever only looks holds no lock: a run may save the state between the two being read.
        for _ in 0..LOOKS {
            match self.read(&self.contents().await?, app) {
                Err(StoreError::OtherJournal { .. }) => {}
                found => return found,
            }
        }
        self.read(&self.contents().await?, app)
    }

    /// The bytes of state and journal, in clear.
    pub(crate) async fn contents(&self) -> Result<Contents, StoreError> {
        self.keys.open(&self.at, self.place.load().await?)
    }

    /// What is kept of the state as it is and as it was, newest first. None: nothing of what it was.
    pub(crate) async fn versions(&self) -> Result<Vec<Version>, StoreError> {
        self.place.versions().await
    }

    /// The bytes of one of them, in clear.
    pub(crate) async fn version(&self, id: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let kept = self.place.version(id).await?;
        kept.map(|bytes| self.keys.open_state(&self.at, bytes))
            .transpose()
    }

    /// What `contents` say of `app`.
    pub(crate) fn read(
        &self,
        contents: &Contents,
        app: Option<&str>,
    ) -> Result<Option<Found>, StoreError> {
        let Contents { state, journal } = contents;
        let [kept, recorded] = [state, journal].map(|bytes| bytes.as_deref().unwrap_or_default());
        let parts = [
            (check_state(kept), "read the state", ""),
            (
                check_size(recorded, MAX_STATE),
                "use the journal",
                ".journal",
            ),
        ];
        for (fits, deed, ending) in parts {
            let path = PathBuf::from(format!("{}{ending}", self.at));
            fits.map_err(|unfit| StoreError::file(deed, &path, unfit.into()))?;
        }
        let state = state.as_ref();
        let state = state.map(|bytes| state_file::parse(bytes, &self.at));
        let mut state = match (state.transpose()?, app) {
            (Some(state), Some(app)) if state.app != app => {
                return Err(StoreError::OtherApp {
                    at: self.at.clone(),
                    found: state.app,
                    wanted: app.to_owned(),
                });
            }
            (Some(state), _) => state,
            (None, Some(app)) => State::fresh(app),
            (None, None) => return Ok(None),
        };
        let at = format!("{}.journal", self.at);
        let saved = journal.is_some().then(|| state.clone());
        let mut looked = saved.clone();
        let journal = journal.as_deref().unwrap_or_default();
        let recovered = journal::replay(journal, &at, &mut state, &mut looked)?;
        Ok(Some(Found {
            state,
            recovered,
            saved: saved.filter(|_| recovered > 0),
            looked: looked.filter(|_| recovered > 0),
        }))
    }

    /// The names of the rooms in the saved state, whatever else is in it.
    pub(crate) async fn names(&self) -> Result<BTreeSet<String>, StoreError> {
        let contents = self.contents().await?;
        let names = contents
            .state
            .map(|bytes| state_file::names(&bytes, &self.at));
        Ok(names.transpose()?.unwrap_or_default())
    }

    /// Takes the lock for writing.
    pub(crate) async fn lock(&self, holder: &Holder) -> Result<Locked, StoreError> {
        let (lease, left) = self.place.lock(holder).await?;
        let (at, keys) = (self.at.clone(), self.keys.clone());
        Ok(Locked {
            lease,
            left,
            at,
            keys,
        })
    }

    /// Says who holds the lock, and takes the record of a run that ended away. With `force`, takes the lock away
    /// from whoever holds it.
    pub(crate) async fn unlock(&self, force: bool) -> Result<Status, StoreError> {
        self.place.unlock(force).await
    }
}

/// A state that this process alone may write.
#[derive(Debug)]
pub(crate) struct Locked {
    lease: Box<dyn Lease>,
    /// Who held the lock before, and ended without releasing it.
    pub left: Option<Holder>,
    at: String,
    keys: Keys,
}

impl Locked {
    /// Begins the journal of a run that starts from `state`.
    pub(crate) async fn begin(&self, state: &State) -> Result<Arc<dyn Record>, StoreError> {
        state_file::check_next(state)?;
        let form = self.keys.form(&self.at)?;
        let first = encode(&Header::after(state)).map_err(|_| StoreError::Stopped)?;
        self.lease.begin(&form(first)?, form).await
    }

    /// Saves `state` under the next serial, and removes the journal that led to it. When it cannot be saved, or
    /// somebody took the lock away, state, journal and serial are as before.
    pub(crate) async fn save(&self, state: &mut State) -> Result<(), StoreError> {
        state_file::check_next(state)?;
        state.serial += 1;
        if let Err(error) = self.write(state).await {
            // Whoever reports the serial after this must not report one that was never written.
            state.serial -= 1;
            return Err(self.with_serials(error, state.serial).await);
        }
        self.drop_journal().await
    }

    /// The error of a save from this serial, with the one that is there if somebody else saved.
    async fn with_serials(&self, error: StoreError, ours: u64) -> StoreError {
        let StoreError::Replaced(_) = error else {
            return error;
        };
        let there = self.lease.now().await.ok().flatten();
        let there = there.and_then(|bytes| self.keys.open_state(&self.at, bytes).ok());
        let there = there.and_then(|bytes| state_file::parse(&bytes, "").ok());
        let theirs = there.map_or("another state".to_owned(), |there| {
            format!("serial {}", there.serial)
        });
        StoreError::Replaced(format!(
            ": it began with serial {ours}, and {theirs} is there by now"
        ))
    }

    /// Puts a state there that was saved elsewhere, with the serial that it has.
    pub(crate) async fn put(&self, state: &State) -> Result<(), StoreError> {
        self.write(state).await?;
        self.drop_journal().await
    }

    async fn write(&self, state: &State) -> Result<(), StoreError> {
        let text = self.keys.seal(&self.at, state_file::render(state))?;
        self.lease.save(&text).await
    }

    /// Removes the journal, if there is one.
    pub(crate) async fn drop_journal(&self) -> Result<(), StoreError> {
        self.lease.end().await
    }
}
