//! A place in an object store: the state is an object, and its lock and the parts of its journal are objects beside it. The
//! lock and the state are written only if they are as they were read, so that of two writers one wins.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use object_store::path::Path;
use object_store::{
    ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, PutResult, UpdateVersion,
};
use serde::{Deserialize, Serialize};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::disk::plain_file::{MAX_STATE, check_size};
use crate::store::error::StoreError;
use crate::store::holder::{Holder, Status};
use crate::store::journal::{Header, encode};
use crate::store::journal_writer::{Pace, Recorder};
use crate::store::port::{Answer, Contents, Lease, Place, Record};

/// What the clocks of two machines may differ by, in seconds, before one takes the other for dead.
const SKEW: i64 = 30;

/// Most of what a store says that is shown, in characters.
const MOST_SAID: usize = 400;

/// Largest lock object that is read, in bytes.
const MAX_LOCK: u64 = 4096;

/// How a place is used.
#[derive(Clone, Copy)]
pub(crate) struct Manner {
    /// How often receipts are saved.
    pub pace: Pace,
    /// How long a lock holds that is not renewed. It is renewed three times as often.
    pub lease: Duration,
    /// Largest state, in bytes.
    pub most: u64,
}

impl Manner {
    pub(crate) const USUAL: Self = Self {
        pace: Pace {
            gather: Duration::from_secs(2),
            gather_intents: Duration::ZERO,
            ahead: Duration::from_secs(4),
        },
        lease: Duration::from_secs(60),
        most: MAX_STATE,
    };
}

/// What a lock object says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Claim {
    holder: Holder,
    /// Made at random by each run that takes the lock. Empty: it was released.
    owner: String,
    /// Until when it holds, in Unix seconds.
    until: i64,
}

impl Claim {
    fn is_released(&self) -> bool {
        self.owner.is_empty()
    }

    fn is_stale(&self) -> bool {
        self.until.saturating_add(SKEW) < clock()
    }

    fn renewed(&self, lease: Duration) -> Self {
        Self {
            until: clock().saturating_add(lease.as_secs() as i64),
            ..self.clone()
        }
    }

    fn released(&self) -> Self {
        Self {
            owner: String::new(),
            ..self.clone()
        }
    }
}

#[derive(Clone)]
pub(crate) struct Objects {
    /// The name of the state in messages.
    at: String,
    store: Arc<dyn ObjectStore>,
    path: Path,
    manner: Manner,
    /// The state object that was read last, or written by us since; `None` within: there was none.
    seen: Arc<Mutex<Option<Option<UpdateVersion>>>>,
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.at)
    }
}

/// The lock, as long as it is ours.
struct Hold {
    place: Objects,
    claim: Mutex<(Claim, UpdateVersion)>,
    /// Until when nobody else can have it.
    until: Mutex<Instant>,
}

struct ObjectsLease {
    hold: Arc<Hold>,
    renewal: JoinHandle<()>,
}

/// What connections live on, and locks are renewed by: whoever drops a lease may be outside of any other runtime, or within one
/// that waits for it.
pub(super) fn runtime() -> io::Result<&'static Runtime> {
    static RUNTIME: OnceLock<io::Result<Runtime>> = OnceLock::new();
    let started = RUNTIME.get_or_init(|| {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(1).enable_all().build()
    });
    started
        .as_ref()
        .map_err(|error| io::Error::new(error.kind(), error.to_string()))
}

const EVICTED: StoreError = StoreError::Evicted(
    "the lock was taken away from this run, by `state unlock`, or since it could not be renewed in time",
);

fn clock() -> i64 {
    Timestamp::now().as_second()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn version(put: PutResult) -> UpdateVersion {
    UpdateVersion {
        e_tag: put.e_tag,
        version: put.version,
    }
}

impl Objects {
    pub(crate) fn new(at: String, store: Arc<dyn ObjectStore>, path: Path, manner: Manner) -> Self {
        Self {
            at,
            store,
            path,
            manner,
            seen: Arc::default(),
        }
    }

    fn beside(&self, ending: &str) -> Path {
        Path::from(format!("{}.{ending}", self.path))
    }

    fn part(&self, number: usize) -> Path {
        Path::from(format!("{}.journal/{number:08}", self.path))
    }

    /// What went wrong, without the address: that may hold a token.
    fn failed(&self, deed: &str, error: &dyn Error) -> StoreError {
        let mut said = vec![error.to_string()];
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !said.iter().any(|before| before.contains(&text)) {
                said.push(text);
            }
            cause = error.source();
        }
        StoreError::Failed {
            deed: format!("{deed} {}", self.at),
            advice: "the store has to be there, and the credentials have to allow to read, write, list and delete what begins with the state's \
                     name; which variables say them is in docs/runners.md",
            source: Arc::new(io::Error::other(plain(&said.join(": ")))),
        }
    }

    /// An object with its version, if it is there.
    async fn get(
        &self,
        path: &Path,
        most: u64,
    ) -> Result<Option<(Vec<u8>, UpdateVersion)>, StoreError> {
        let read = |error: &dyn Error| self.failed("read", error);
        let found = match self.store.get(path).await {
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            found => found.map_err(|error| read(&error))?,
        };
        let version = UpdateVersion {
            e_tag: found.meta.e_tag.clone(),
            version: found.meta.version.clone(),
        };
        if found.meta.size > most {
            let large = format!("it is larger than {} KiB", most / 1024);
            return Err(read(&io::Error::other(large)));
        }
        let bytes = found.bytes().await.map_err(|error| read(&error))?;
        Ok(Some((bytes.into(), version)))
    }

    /// Writes an object on a condition. `None`: it is not met.
    ///
    /// A write whose answer was lost is tried again, and then fails by itself: so what is there is read.
    async fn put(
        &self,
        path: &Path,
        bytes: &[u8],
        mode: PutMode,
    ) -> Result<Option<UpdateVersion>, StoreError> {
        let payload = PutPayload::from(bytes.to_vec());
        let options = PutOptions {
            mode,
            ..PutOptions::default()
        };
        match self.store.put_opts(path, payload, options).await {
            Ok(put) => Ok(Some(version(put))),
            Err(
                object_store::Error::AlreadyExists { .. }
                | object_store::Error::Precondition { .. },
            ) => {
                let there = self.get(path, MAX_STATE).await?;
                Ok(there
                    .filter(|(there, _)| there == bytes)
                    .map(|(_, version)| version))
            }
            Err(error) => Err(self.failed("write", &error)),
        }
    }

    async fn delete(&self, path: &Path) -> Result<(), StoreError> {
        match self.store.delete(path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed("remove the journal of", &error)),
        }
    }

    /// The lock as it is.
    async fn claim(&self) -> Result<Option<(Claim, UpdateVersion)>, StoreError> {
        let Some((bytes, version)) = self.get(&self.beside("lock"), MAX_LOCK).await? else {
            return Ok(None);
        };
        let claim = serde_json::from_slice(&bytes)
            .map_err(|error| self.failed("read the lock of", &error))?;
        Ok(Some((claim, version)))
    }

    async fn put_claim(
        &self,
        claim: &Claim,
        mode: PutMode,
    ) -> Result<Option<UpdateVersion>, StoreError> {
        let text = serde_json::to_vec(claim).map_err(|error| self.failed("lock", &error))?;
        self.put(&self.beside("lock"), &text, mode).await
    }

    /// The parts of the journal that are there, by number.
    async fn parts(&self) -> Result<BTreeMap<usize, Path>, StoreError> {
        let beside = self.beside("journal");
        let listed = self.store.list_with_delimiter(Some(&beside)).await;
        let listed = listed.map_err(|error| self.failed("list the journal of", &error))?;
        let parts = listed.objects.into_iter().filter_map(|object| {
            let number = object.location.filename()?.parse().ok()?;
            Some((number, object.location))
        });
        Ok(parts.collect())
    }

    /// The journal, as far as it goes on without a gap: what is behind one came from a run that had lost its lock.
    async fn journal(&self) -> Result<Option<Vec<u8>>, StoreError> {
        let mut journal = Vec::new();
        for (expected, (number, path)) in self.parts().await?.into_iter().enumerate() {
            let room = MAX_STATE.saturating_sub(journal.len() as u64);
            match self.get(&path, room).await? {
                Some((part, _)) if number == expected => journal.extend(part),
                _ => break,
            }
        }
        Ok(Some(journal).filter(|journal| !journal.is_empty()))
    }
}

/// What a store says in XML or else what went wrong, without the body of an answer: that may repeat what was sent.
fn plain(text: &str) -> String {
    let element = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        Some(rest.split_once("</")?.0)
    };
    let said = element("Code")
        .zip(element("Message"))
        .map(|(code, message)| format!("{code}: {}", message.lines().next().unwrap_or_default()));
    let said = said.unwrap_or_else(|| {
        let status = "status code: ";
        let body = text.find(status).map(|at| at + status.len());
        let body = body.and_then(|at| Some(at + text[at..].find(':')?));
        text[..body.unwrap_or(text.len())].to_owned()
    });
    without_addresses(&said.chars().take(MOST_SAID).collect::<String>())
}

/// A text without the addresses in it.
pub(super) fn without_addresses(text: &str) -> String {
    let word = |word: &str| match word.find("://") {
        Some(_) => "(address)".to_owned(),
        None => word.to_owned(),
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

impl Place for Objects {
    fn load(&self) -> Answer<'_, Contents> {
        Box::pin(async {
            let state = self.get(&self.path, MAX_STATE).await?;
            let (state, version) = state.unzip();
            *locked(&self.seen) = Some(version);
            let journal = self.journal().await?;
            Ok(Contents { state, journal })
        })
    }

    fn lock<'a>(&'a self, holder: &'a Holder) -> Answer<'a, (Box<dyn Lease>, Option<Holder>)> {
        Box::pin(async {
            let (there, mode) = match self.claim().await? {
                None => (None, PutMode::Create),
                Some((claim, version)) => (Some(claim), PutMode::Update(version)),
            };
            if let Some(claim) = &there
                && !claim.is_released()
                && !claim.is_stale()
            {
                return Err(StoreError::Held(Some(claim.holder.clone())));
            }
            let claim = Claim {
                holder: holder.clone(),
                owner: Uuid::new_v4().to_string(),
                until: 0,
            };
            let lease = self.manner.lease;
            let (claim, until) = (claim.renewed(lease), Instant::now() + lease);
            let Some(version) = self.put_claim(&claim, mode).await? else {
                let theirs = self.claim().await?.map(|(claim, _)| claim.holder);
                return Err(StoreError::Held(theirs));
            };
            let hold = Arc::new(Hold {
                place: self.clone(),
                claim: Mutex::new((claim, version)),
                until: Mutex::new(until),
            });
            let runtime = runtime().map_err(|error| self.failed("lock", &error))?;
            let renewal = runtime.spawn(renew(hold.clone()));
            let left = there
                .filter(|claim| !claim.is_released())
                .map(|claim| claim.holder);
            let lease: Box<dyn Lease> = Box::new(ObjectsLease { hold, renewal });
            Ok((lease, left))
        })
    }

    fn unlock(&self, force: bool) -> Answer<'_, Status> {
        Box::pin(async move {
            let Some((claim, version)) = self.claim().await? else {
                return Ok(Status::Free);
            };
            let status = match (claim.is_released(), claim.is_stale()) {
                (true, _) => return Ok(Status::Free),
                (false, true) => Status::Left(claim.holder.clone()),
                (false, false) => Status::Held(Some(claim.holder.clone())),
            };
            if force || matches!(status, Status::Left(_)) {
                self.put_claim(&claim.released(), PutMode::Update(version))
                    .await?;
            }
            Ok(status)
        })
    }
}

/// Renews the lock until it is lost.
async fn renew(hold: Arc<Hold>) {
    let lease = hold.place.manner.lease;
    let mut pause = lease / 3;
    loop {
        tokio::time::sleep(pause).await;
        // One that is not answered in time is tried again soon.
        let renewed = tokio::time::timeout(lease / 6, hold.renew()).await;
        pause = match renewed {
            Ok(Ok(true)) => lease / 3,
            Ok(Ok(false)) => return,
            Ok(Err(_)) | Err(_) => lease / 60,
        };
    }
}

impl Hold {
    /// Fails once the lock is somebody else's, or may be.
    async fn check(&self) -> Result<(), StoreError> {
        if *locked(&self.until) < Instant::now() {
            return Err(EVICTED);
        }
        let ours = locked(&self.claim).0.owner.clone();
        match self.place.claim().await? {
            Some((claim, _)) if claim.owner == ours => Ok(()),
            _ => Err(EVICTED),
        }
    }

    /// Whether the lock is ours for another while.
    async fn renew(&self) -> Result<bool, StoreError> {
        let lease = self.place.manner.lease;
        let (claim, version) = locked(&self.claim).clone();
        let (claim, until) = (claim.renewed(lease), Instant::now() + lease);
        let put = self.place.put_claim(&claim, PutMode::Update(version));
        if let Some(version) = put.await? {
            *locked(&self.claim) = (claim, version);
            *locked(&self.until) = until;
            return Ok(true);
        }
        // One of ours may have arrived whose answer did not.
        let there = self.place.claim().await?;
        let Some(ours) = there.filter(|(there, _)| there.owner == claim.owner) else {
            *locked(&self.until) = Instant::now();
            return Ok(false);
        };
        *locked(&self.claim) = ours;
        Err(StoreError::Stopped)
    }

    async fn release(&self) {
        let (claim, version) = locked(&self.claim).clone();
        let released = claim.released();
        let put = self.place.put_claim(&released, PutMode::Update(version));
        // One that cannot be released ends by itself.
        let _ = tokio::time::timeout(self.place.manner.lease / 6, put).await;
    }

    async fn add(&self, number: usize, lines: &[u8]) -> Result<(), StoreError> {
        self.check().await?;
        let place = &self.place;
        match place
            .put(&place.part(number), lines, PutMode::Create)
            .await?
        {
            Some(_) => Ok(()),
            None => Err(EVICTED),
        }
    }
}

impl Lease for ObjectsLease {
    fn begin<'a>(&'a self, header: &'a Header) -> Answer<'a, Arc<dyn Record>> {
        Box::pin(async {
            let (hold, place) = (self.hold.clone(), &self.hold.place);
            hold.check().await?;
            let parts = place.parts().await?;
            if parts.contains_key(&0) {
                return Err(place.failed(
                    "begin the journal of",
                    &io::Error::other("there is one already"),
                ));
            }
            for path in parts.values() {
                place.delete(path).await?;
            }
            let line =
                encode(header).map_err(|error| place.failed("begin the journal of", &error))?;
            hold.add(0, line.as_bytes()).await?;
            let unsent: Arc<Mutex<Vec<u8>>> = Arc::default();
            let lines = unsent.clone();
            let append = move |more: &[u8]| {
                locked(&lines).extend_from_slice(more);
                Ok(())
            };
            let runtime =
                runtime().map_err(|error| place.failed("begin the journal of", &error))?;
            let mut number = 0;
            let sync = move || {
                let lines = std::mem::take(&mut *locked(&unsent));
                if lines.is_empty() {
                    return Ok(());
                }
                number += 1;
                runtime.block_on(hold.add(number, &lines))
            };
            let recorder = Recorder::over(Box::new(append), Box::new(sync), place.manner.pace);
            Ok(Arc::new(recorder) as Arc<dyn Record>)
        })
    }

    fn save<'a>(&'a self, state: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            self.hold.check().await?;
            let place = &self.hold.place;
            check_size(state.as_bytes(), place.manner.most)
                .map_err(|unfit| place.failed("write", &unfit))?;
            let mode = match locked(&place.seen).clone() {
                None => PutMode::Overwrite,
                Some(None) => PutMode::Create,
                Some(Some(version)) => PutMode::Update(version),
            };
            let Some(version) = place.put(&place.path, state.as_bytes(), mode).await? else {
                return Err(StoreError::Replaced);
            };
            *locked(&place.seen) = Some(Some(version));
            Ok(())
        })
    }

    fn end(&self) -> Answer<'_, ()> {
        Box::pin(async {
            self.hold.check().await?;
            // From the beginning: what is left of it without that is none.
            for path in self.hold.place.parts().await?.values() {
                self.hold.place.delete(path).await?;
            }
            Ok(())
        })
    }
}

impl fmt::Debug for ObjectsLease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lock of {:?}", self.hold.place)
    }
}

impl Drop for ObjectsLease {
    fn drop(&mut self) {
        self.renewal.abort();
        let Ok(runtime) = runtime() else { return };
        // In a thread that belongs to no runtime, as this one may.
        std::thread::scope(|threads| {
            threads.spawn(|| runtime.block_on(self.hold.release()));
        });
    }
}
