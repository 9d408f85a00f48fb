//! What tests outside of this crate look up inside it. Not an interface: it changes with the code.
//!
//! What `plan`, `drift` and `import` hold of the service is a [`Reader`]: it reads.
//!
//! ```
//! use roomctl::inside::{Http, Reader};
//! let _ = (Reader::<Http>::get, Reader::<Http>::list);
//! ```
//!
//! What carries out a plan makes a [`Writer`] of it.
//!
//! ```
//! use roomctl::inside::{Http, Writer};
//! let _ = (Writer::<Http>::put, Writer::<Http>::post, Writer::<Http>::delete);
//! ```
//!
//! On a reader there is no PUT, no POST and no DELETE, so a command that holds one cannot write.
//!
//! ```compile_fail
//! use roomctl::inside::{Http, Reader};
//! let _ = Reader::<Http>::put;
//! ```
//! ```compile_fail
//! use roomctl::inside::{Http, Reader};
//! let _ = Reader::<Http>::post;
//! ```
//! ```compile_fail
//! use roomctl::inside::{Http, Reader};
//! let _ = Reader::<Http>::delete;
//! ```

use std::error::Error;
use std::io;
use std::path::Path;

use serde_json::Value as Json;
use tokio::runtime::Builder;

pub use crate::commands::command;
pub use crate::disk::crash_point::{CRASH_POINTS, VARIABLE};
use crate::model::RoomName;
use crate::planner::Event;
pub use crate::service::http::Http;
pub use crate::service::requests::Reader;
pub use crate::service::writer::Writer;
use crate::store::holder::Holder;
use crate::store::{Location, Locked, Store};

/// The state of `app` at `path` as the next run finds it: with what an unfinished run left.
///
/// # Errors
/// When it cannot be used.
pub fn state(path: &Path, app: &str) -> Result<Json, Box<dyn Error>> {
    let found = waited(open(path)?.load(Some(app)))??;
    Ok(serde_json::to_value(found.map(|found| found.state))?)
}

/// A state that is locked by somebody else, until this is dropped.
#[derive(Debug)]
pub struct Held {
    store: Store,
    locked: Locked,
}

impl Held {
    /// Locks the state at `path` in the name of `holder`, the lock's own JSON.
    pub fn lock(path: &Path, holder: &Json) -> Result<Self, Box<dyn Error>> {
        let store = open(path)?;
        let holder: Holder = serde_json::from_value(holder.clone())?;
        let locked = waited(store.lock(&holder))??;
        Ok(Self { store, locked })
    }

    /// Leaves a journal that says that the service has no such room.
    pub async fn record_missing(&self, room: &str) -> Result<(), Box<dyn Error>> {
        let found = self.store.load(None).await?.ok_or("there is no state")?;
        let room = RoomName::try_from(room.to_owned())?;
        let journal = self.locked.begin(&found.state).await?;
        journal.record(&[Event::Missing { room }])?.await?;
        Ok(())
    }

    /// Saves the state, unless somebody took the lock away.
    pub fn save(&self) -> Result<(), Box<dyn Error>> {
        let mut found = waited(self.store.load(None))??.ok_or("there is no state")?;
        Ok(waited(self.locked.save(&mut found.state))??)
    }
}

fn open(path: &Path) -> Result<Store, Box<dyn Error>> {
    Ok(Store::open(&Location::File(path.to_owned()))?)
}

fn waited<T>(answer: impl Future<Output = T>) -> io::Result<T> {
    Ok(Builder::new_current_thread().build()?.block_on(answer))
}
