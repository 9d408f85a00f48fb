//! Places for states, as a test finds them, and what is kept in them.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::sleep;

use crate::model::{RoomName, Stored};
use crate::planner::{AppliedRoom, Event, State};
use crate::store::error::StoreError;
use crate::store::holder::{Holder, Status};
use crate::store::journal::{Header, encode};
use crate::store::port::{Answer, Contents, Durable, Lease, Place, Record};
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
        settings: [("privacy".into(), Stored::from("private"))].into(),
        ..AppliedRoom::default()
    };
    state.rooms.insert(room("stand-up"), applied);
    state
}

/// Of the journal after [`state`].
pub(crate) fn header() -> Header {
    Header::after(&state())
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
        Store::open(&Location::File(self.path("")))
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

/// How often a place behind a network saves what was recorded.
const EVERY: Duration = Duration::from_secs(2);

/// A place that behaves like objects behind a network: the lock is a record with an owner, and what is recorded is
/// sent from time to time.
#[derive(Clone, Debug, Default)]
pub(super) struct InMemory {
    objects: Arc<Mutex<Objects>>,
    /// The version of the state that this process read last.
    read: Arc<Mutex<Option<u64>>>,
}

#[derive(Debug, Default)]
struct Objects {
    contents: Contents,
    /// Of the state: rises whenever it is written.
    version: u64,
    lock: Option<LockObject>,
    /// Owners so far.
    owners: u64,
    full: bool,
}

/// The lock.
#[derive(Clone, Debug)]
struct LockObject {
    holder: Holder,
    /// `None`: it was not renewed in time.
    owner: Option<u64>,
}

#[derive(Debug)]
struct MemoryLease {
    place: InMemory,
    owner: u64,
}

/// What was recorded and not sent yet.
struct Unsent {
    place: InMemory,
    owner: u64,
    lines: Arc<Mutex<Vec<u8>>>,
}

impl InMemory {
    fn objects(&self) -> MutexGuard<'_, Objects> {
        self.objects.lock().unwrap()
    }

    /// The objects, if the lock is still that of `owner`.
    fn owned_by(&self, owner: u64) -> Result<MutexGuard<'_, Objects>, StoreError> {
        let objects = self.objects();
        match &objects.lock {
            Some(lock) if lock.owner == Some(owner) => Ok(objects),
            _ => Err(StoreError::Evicted("the lock is somebody else's by now")),
        }
    }
}

impl Place for InMemory {
    fn load(&self) -> Answer<'_, Contents> {
        Box::pin(async {
            let objects = self.objects();
            *self.read.lock().unwrap() = Some(objects.version);
            Ok(objects.contents.clone())
        })
    }

    fn lock<'a>(&'a self, holder: &'a Holder) -> Answer<'a, (Box<dyn Lease>, Option<Holder>)> {
        Box::pin(async {
            let mut objects = self.objects();
            let left = match objects.lock.take() {
                Some(lock) if lock.owner.is_some() => {
                    objects.lock = Some(lock.clone());
                    return Err(StoreError::Held(Some(lock.holder)));
                }
                other => other.map(|lock| lock.holder),
            };
            objects.owners += 1;
            let (place, owner) = (self.clone(), objects.owners);
            objects.lock = Some(LockObject {
                holder: holder.clone(),
                owner: Some(owner),
            });
            let lease: Box<dyn Lease> = Box::new(MemoryLease { place, owner });
            Ok((lease, left))
        })
    }

    fn unlock(&self, force: bool) -> Answer<'_, Status> {
        Box::pin(async move {
            let mut objects = self.objects();
            let status = match objects.lock.clone() {
                None => Status::Free,
                Some(lock) if lock.owner.is_none() => Status::Left(lock.holder),
                Some(lock) => Status::Held(Some(lock.holder)),
            };
            if force || matches!(status, Status::Left(_)) {
                objects.lock = None;
            }
            Ok(status)
        })
    }
}

impl Lease for MemoryLease {
    fn begin<'a>(&'a self, header: &'a Header) -> Answer<'a, Arc<dyn Record>> {
        Box::pin(async {
            let mut objects = self.place.owned_by(self.owner)?;
            if objects.contents.journal.is_some() {
                return Err(StoreError::Stopped);
            }
            let line = encode(header).unwrap();
            objects.contents.journal = Some(line.into_bytes());
            let record: Arc<dyn Record> = Arc::new(Unsent {
                place: self.place.clone(),
                owner: self.owner,
                lines: Arc::default(),
            });
            Ok(record)
        })
    }

    fn save<'a>(&'a self, state: &'a str) -> Answer<'a, ()> {
        Box::pin(async {
            let mut objects = self.place.owned_by(self.owner)?;
            if objects.full {
                return Err(StoreError::Stopped);
            }
            let mut read = self.place.read.lock().unwrap();
            if read.is_some_and(|read| read != objects.version) {
                return Err(StoreError::Replaced);
            }
            objects.contents.state = Some(state.as_bytes().to_vec());
            objects.version += 1;
            *read = Some(objects.version);
            Ok(())
        })
    }

    fn end(&self) -> Answer<'_, ()> {
        Box::pin(async {
            self.place.owned_by(self.owner)?.contents.journal = None;
            Ok(())
        })
    }
}

impl Drop for MemoryLease {
    fn drop(&mut self) {
        if let Ok(mut objects) = self.place.owned_by(self.owner) {
            objects.lock = None;
        }
    }
}

impl Record for Unsent {
    fn record(&self, events: &[Event]) -> Result<Durable, StoreError> {
        let lines: String = events.iter().map(|event| encode(event).unwrap()).collect();
        self.lines.lock().unwrap().extend(lines.into_bytes());
        let (place, owner, lines) = (self.place.clone(), self.owner, self.lines.clone());
        Ok(Box::pin(async move {
            sleep(EVERY).await;
            send(&place, owner, &lines)
        }))
    }
}

impl Drop for Unsent {
    fn drop(&mut self) {
        // Whoever waits for it learns of it.
        let _ = send(&self.place, self.owner, &self.lines);
    }
}

fn send(place: &InMemory, owner: u64, lines: &Mutex<Vec<u8>>) -> Result<(), StoreError> {
    let mut objects = place.owned_by(owner)?;
    let journal = objects.contents.journal.get_or_insert_default();
    journal.append(&mut lines.lock().unwrap());
    Ok(())
}

impl Site for InMemory {
    fn store(&self) -> Store {
        let place = Self {
            objects: self.objects.clone(),
            ..Self::default()
        };
        Store::new("memory".into(), Box::new(place))
    }

    fn contents(&self) -> Contents {
        self.objects().contents.clone()
    }

    fn put(&self, contents: Contents) {
        let mut objects = self.objects();
        objects.contents = contents;
        objects.version += 1;
    }

    fn leave_lock(&self, holder: &Holder) {
        self.objects().lock = Some(LockObject {
            holder: holder.clone(),
            owner: None,
        });
    }

    fn fill_up(&self) {
        self.objects().full = true;
    }
}
