//! What a place for states has to be able to do: keep bytes, and let one at a time write them. What the bytes
//! mean is decided above it, once for all places.
//!
//! Everything is asynchronous, for places behind a network. What such a place has to do by itself, as to renew a
//! lock or to save receipts from time to time, it does without being asked, and reports with the next call.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::planner::Event;
use crate::store::error::StoreError;
use crate::store::holder::{Holder, Status};

pub(crate) type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A place that keeps a state, its journal and its lock.
pub(crate) trait Place: fmt::Debug + Send + Sync {
    /// What is there. Needs no lock, so a run may save the state while its journal is still to be read.
    fn load(&self) -> Answer<'_, Contents>;

    /// Takes the lock, without waiting until it is free. Also returns the record of a run that ended without
    /// releasing it.
    fn lock<'a>(&'a self, holder: &'a Holder) -> Answer<'a, (Box<dyn Lease>, Option<Holder>)>;

    /// Says who holds the lock, and takes the record of a run that ended away. With `force`, takes the lock away
    /// from whoever holds it.
    fn unlock(&self, force: bool) -> Answer<'_, Status>;

    /// What is kept of the state as it is and as it was, newest first. None: nothing of what it was.
    fn versions(&self) -> Answer<'_, Vec<Version>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    /// The bytes of one of them.
    fn version<'a>(&'a self, _: &'a str) -> Answer<'a, Option<Vec<u8>>> {
        Box::pin(async { Ok(None) })
    }
}

/// The state as it was saved once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Version {
    /// What the place calls it.
    pub id: String,
    pub saved: Timestamp,
}

/// The right to write. Dropping it releases it, and no runtime may be running there: a place that has to wait for
/// that, or to renew the lock, has a thread for it. Once the right is lost every call fails and changes nothing,
/// so that whoever has it now is not disturbed.
pub(crate) trait Lease: fmt::Debug + Send + Sync {
    /// Begins the journal, which must not be there yet, with its first line. All others get a form before they are written.
    fn begin<'a>(&'a self, first: &'a str, form: Form) -> Answer<'a, Arc<dyn Record>>;

    /// Replaces the state that was loaded last, whole or not at all. Fails when another one is there by now: not
    /// everybody asks for the lock, such as whoever restores a backup.
    fn save<'a>(&'a self, state: &'a str) -> Answer<'a, ()>;

    /// The state that is there by now, whoever wrote it. What was loaded last stays that.
    fn now(&self) -> Answer<'_, Option<Vec<u8>>>;

    /// Removes the journal, if there is one.
    fn end(&self) -> Answer<'_, ()>;
}

/// A journal that is being written. It is whole once this is dropped.
pub(crate) trait Record: Send + Sync {
    /// Records `events` in their order, at the latest when the future ends.
    fn record(&self, events: &[Event]) -> Result<Durable, StoreError>;

    /// For how long ahead intents are to be recorded, so that no room waits until its own is durable.
    fn ahead(&self) -> Duration;

    /// The last rooms are under way: from now on nothing gathers.
    fn hurry(&self);
}

/// What a line of a journal becomes before it is written.
pub(crate) type Form = Arc<dyn Fn(String) -> Result<String, StoreError> + Send + Sync>;

/// Ends when what was recorded would survive a power cut, or cannot be made to.
pub(crate) type Durable = Answer<'static, ()>;

/// The bytes of a state and its journal, as far as there are any.
#[derive(Clone, Debug, Default)]
pub(crate) struct Contents {
    pub state: Option<Vec<u8>>,
    pub journal: Option<Vec<u8>>,
}
