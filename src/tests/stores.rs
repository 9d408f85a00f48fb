//! Places for states, as a test finds them, and what is kept in them.

use std::path::PathBuf;

#[cfg(feature = "remote-state")]
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

#[cfg(feature = "remote-state")]
use object_store::{ObjectStore, ObjectStoreExt, path::Path};

use crate::model::{RoomName, Stored};
use crate::planner::{AppliedRoom, Event, State};
#[cfg(feature = "remote-state")]
use crate::store::clouds;
use crate::store::holder::Holder;
use crate::store::journal::{Header, encode};
#[cfg(feature = "remote-state")]
use crate::store::journal_writer::Pace;
#[cfg(feature = "remote-state")]
use crate::store::objects::{Manner, Objects};
use crate::store::port::Contents;
#[cfg(feature = "remote-state")]
use crate::store::port::Place;
use crate::store::{Location, Store};

pub(crate) fn room(name: &str) -> RoomName {
    RoomName::try_from(name.to_owned()).unwrap()
}

/// One room, never saved.
pub(crate) fn state() -> State {
    let mut state = State::fresh("acme");
    state.lineage = "7f0c".into();
    let applied = AppliedRoom {
        id: Some("64c0ffee".into()),
        settings: [("privacy", Stored::from("private"))].into(),
        ..AppliedRoom::default()
    };
    state.rooms.insert(room("stand-up"), applied.into());
    state
}

/// Of the journal after [`state`].
pub(crate) fn header() -> Header {
    Header::after(&state())
}

/// Its first line.
pub(crate) fn first_line() -> String {
    encode(&header()).unwrap()
}

pub(crate) fn missing(name: &str) -> Event {
    Event::Missing { room: room(name) }
}

pub(crate) fn holder() -> Holder {
    Holder {
        holder: "build 7".into(),
        host: "runner".into(),
        pid: 42,
        since: "2026-11-01T08:00:00Z".into(),
        until: None,
    }
}

/// A place as nobody sees it but its owner.
pub(super) trait Site {
    /// The store, as another process would open it.
    fn store(&self) -> Store;
    fn contents(&self) -> Contents;
    fn put(&self, contents: Contents);
    /// Leaves the lock as a run does that ends without releasing it.
    fn leave_lock(&self, holder: &Holder);
    /// From here on no state can be saved.
    fn fill_up(&self);
}

/// A directory.
pub(super) struct OnDisk(tempfile::TempDir);

impl OnDisk {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, ending: &str) -> PathBuf {
        self.0.path().join(format!("state.json{ending}"))
    }
}

impl Site for OnDisk {
    fn store(&self) -> Store {
        Store::open(&Location::File(self.path(""))).unwrap()
    }

    fn contents(&self) -> Contents {
        Contents {
            state: std::fs::read(self.path("")).ok(),
            journal: std::fs::read(self.path(".journal")).ok(),
        }
    }

    fn put(&self, contents: Contents) {
        for (ending, bytes) in [("", contents.state), (".journal", contents.journal)] {
            match bytes {
                Some(bytes) => std::fs::write(self.path(ending), bytes).unwrap(),
                None => drop(std::fs::remove_file(self.path(ending))),
            }
        }
    }

    fn leave_lock(&self, holder: &Holder) {
        let record = serde_json::to_string(holder).unwrap();
        std::fs::write(self.path(".lock"), record).unwrap();
    }

    /// No file can be written in the place of a directory.
    fn fill_up(&self) {
        std::fs::create_dir_all(self.path(".new").join("in-the-way")).unwrap();
    }
}

/// An object store: `open` reaches it, as another process would.
#[cfg(feature = "remote-state")]
pub(super) struct InObjects<F> {
    open: F,
    path: Path,
    full: AtomicBool,
}

#[cfg(feature = "remote-state")]
impl<F: Fn() -> Arc<dyn ObjectStore>> InObjects<F> {
    pub(super) fn new(open: F, path: &str) -> Self {
        Self {
            open,
            path: path.into(),
            full: AtomicBool::new(false),
        }
    }

    fn beside(&self, ending: &str) -> Path {
        format!("{}.{ending}", self.path).into()
    }

    fn put_object(&self, path: &Path, bytes: Vec<u8>) {
        let store = (self.open)();
        waited(async move { store.put(path, bytes.into()).await.unwrap() });
    }

    /// Changes the lock, be it released or held.
    fn change_claim(&self, change: impl FnOnce(&mut serde_json::Value)) {
        let (store, path) = ((self.open)(), self.beside("lock"));
        let there = waited(async move {
            let found = store.get(&path).await.ok()?;
            found.bytes().await.ok()
        });
        let released = || serde_json::json!({"holder": holder(), "owner": "", "until": 0});
        let claim = there.map(|bytes| serde_json::from_slice(&bytes).unwrap());
        let mut claim = claim.unwrap_or_else(released);
        change(&mut claim);
        self.put_object(&self.beside("lock"), claim.to_string().into_bytes());
    }

    fn remove(&self, path: &Path) {
        let store = (self.open)();
        let _ = waited(async move { store.delete(path).await });
    }
}

/// The store of an address.
#[cfg(feature = "remote-state")]
pub(super) fn store_of(location: &Location) -> Arc<dyn ObjectStore> {
    let Location::Object(address) = location else {
        panic!("{location:?} is in no object store");
    };
    clouds::store(address)
}

/// Waits in a thread that belongs to no runtime.
#[cfg(feature = "remote-state")]
fn waited<T: Send>(answer: impl Future<Output = T> + Send) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().unwrap();
    std::thread::scope(|scope| {
        scope
            .spawn(move || runtime.block_on(answer))
            .join()
            .unwrap()
    })
}

#[cfg(feature = "remote-state")]
impl<F: Fn() -> Arc<dyn ObjectStore>> Site for InObjects<F> {
    fn store(&self) -> Store {
        let manner = Manner {
            pace: Pace {
                gather: Duration::from_millis(20),
                gather_intents: Duration::ZERO,
                ahead: Duration::from_secs(1),
            },
            lease: Duration::from_secs(30),
            most: if self.full.load(Ordering::Relaxed) {
                10
            } else {
                1 << 20
            },
        };
        let objects = Objects::new("object".into(), (self.open)(), self.path.clone(), manner);
        Store::new("object".into(), Box::new(objects))
    }

    fn contents(&self) -> Contents {
        let objects = Objects::new(
            "object".into(),
            (self.open)(),
            self.path.clone(),
            Manner::USUAL,
        );
        waited(async move { objects.load().await.unwrap() })
    }

    fn put(&self, contents: Contents) {
        match contents.state {
            Some(state) => self.put_object(&self.path, state),
            None => self.remove(&self.path),
        }
        let store = (self.open)();
        let path = self.path.clone();
        let found = waited(async move { store.head(&path).await });
        let after = found.ok().and_then(|found| found.e_tag.or(found.version));
        let journal = contents.journal.map(|journal| {
            let part = format!("{}.journal/put-00000000", self.path);
            self.put_object(&part.into(), journal);
            serde_json::json!({"run": "put", "after": after.unwrap_or_default()})
        });
        self.change_claim(|claim| claim["journal"] = serde_json::json!(journal));
    }

    fn leave_lock(&self, holder: &Holder) {
        let claim = serde_json::json!({"holder": holder, "owner": "gone", "until": 0});
        self.put_object(&self.beside("lock"), claim.to_string().into_bytes());
    }

    fn fill_up(&self) {
        self.full.store(true, Ordering::Relaxed);
    }
}
