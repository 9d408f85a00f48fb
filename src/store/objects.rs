//! A place in an object store: the state is an object, and its lock and the parts of its journal are objects beside it. The
//! lock and the state are written only if they are as they were read, so that of two writers one wins.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::io;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use object_store::path::Path;
use object_store::{
    Attribute, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, UpdateVersion,
};
use serde::{Deserialize, Serialize};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tracing::debug;
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

/// How many objects are read or removed at once.
const AT_ONCE: usize = 16;

/// How long a run that ends waits until its lock is released.
const PATIENCE: Duration = Duration::from_secs(3);

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
    /// The journal that is to be taken in. Who takes the lock over, takes this over, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    journal: Option<Begun>,
}

/// Which journal it is, by a name made at random, and which state it goes on from: a request may arrive long after whoever sent it gave up, and then must
/// neither add to another's journal, nor make it void.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Begun {
    run: String,
    after: String,
}

/// An object that was read.
struct Object {
    bytes: Vec<u8>,
    version: UpdateVersion,
    /// The run that wrote it or, of a state, whose journal was taken into it.
    run: Option<String>,
}

impl Claim {
    fn is_released(&self) -> bool {
        self.owner.is_empty()
    }

    fn is_stale(&self) -> bool {
        self.until.saturating_add(SKEW) < clock()
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
    /// Whether a save was not answered: it may arrive later, so the lock is not given to others before it ends by itself.
    unanswered: AtomicBool,
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

/// What tells one state from another.
fn tag(version: Option<&UpdateVersion>) -> String {
    let tag = version.and_then(|version| version.e_tag.as_ref().or(version.version.as_ref()));
    tag.cloned().unwrap_or_default()
}

/// What says which run wrote an object.
const RUN: Attribute = Attribute::Metadata(Cow::Borrowed("run"));

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

    fn part(&self, run: &str, number: usize) -> Path {
        Path::from(format!("{}.journal/{run}-{number:08}", self.path))
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

    async fn get(&self, path: &Path, most: u64) -> Result<Option<Object>, StoreError> {
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
        let run = found.attributes.get(&RUN).map(|run| run.to_string());
        let bytes = found.bytes().await.map_err(|error| read(&error))?.into();
        Ok(Some(Object {
            bytes,
            version,
            run,
        }))
    }

    /// Writes an object of a run on a condition. `None`: it is not met.
    ///
    /// A write whose answer was lost is tried again, and then fails by itself: so what is there is read.
    async fn put(
        &self,
        path: &Path,
        (bytes, run): (&[u8], &str),
        mode: PutMode,
    ) -> Result<Option<UpdateVersion>, StoreError> {
        let payload = PutPayload::from(bytes.to_vec());
        let options = PutOptions {
            mode,
            attributes: [(RUN, run.to_owned())].into_iter().collect(),
            ..PutOptions::default()
        };
        match self.store.put_opts(path, payload, options).await {
            Ok(put) => Ok(Some(UpdateVersion {
                e_tag: put.e_tag,
                version: put.version,
            })),
            Err(
                object_store::Error::AlreadyExists { .. }
                | object_store::Error::Precondition { .. },
            ) => {
                let is_ours =
                    |there: &Object| there.bytes == bytes && there.run.as_deref() == Some(run);
                let there = self.get(path, MAX_STATE).await?.filter(is_ours);
                Ok(there.map(|there| there.version))
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
        let Some(object) = self.get(&self.beside("lock"), MAX_LOCK).await? else {
            return Ok(None);
        };
        let claim = serde_json::from_slice(&object.bytes)
            .map_err(|error| self.failed("read the lock of", &error))?;
        Ok(Some((claim, object.version)))
    }

    async fn put_claim(
        &self,
        claim: &Claim,
        mode: PutMode,
    ) -> Result<Option<UpdateVersion>, StoreError> {
        let text = serde_json::to_vec(claim).map_err(|error| self.failed("lock", &error))?;
        let by = (&text[..], &claim.owner[..]);
        self.put(&self.beside("lock"), by, mode).await
    }

    /// All parts of journals that are there, with their sizes.
    async fn parts(&self) -> Result<BTreeMap<Path, u64>, StoreError> {
        let beside = self.beside("journal");
        let listed = self.store.list_with_delimiter(Some(&beside)).await;
        let listed = listed.map_err(|error| self.failed("list the journal of", &error))?;
        let parts = listed.objects.into_iter();
        Ok(parts.map(|part| (part.location, part.size)).collect())
    }

    /// The journal of a run, as far as it arrived.
    async fn journal(&self, run: &str) -> Result<Vec<u8>, StoreError> {
        let there = self.parts().await?;
        let paths = (0..).map(|number| self.part(run, number));
        let paths: Vec<Path> = paths.take_while(|path| there.contains_key(path)).collect();
        let size: u64 = paths.iter().map(|path| there[path]).sum();
        if size > MAX_STATE {
            let large = format!("it is larger than {} KiB", MAX_STATE / 1024);
            return Err(self.failed("read the journal of", &io::Error::other(large)));
        }
        let mut journal = Vec::new();
        for some in paths.chunks(AT_ONCE) {
            for part in self
                .each(some, |place, path| async move {
                    place.get(&path, MAX_STATE).await
                })
                .await
            {
                let Some(part) = part? else {
                    return Err(StoreError::OtherJournal {
                        at: self.at.clone(),
                        why: "it went while it was read",
                    });
                };
                journal.extend(part.bytes);
            }
        }
        Ok(journal)
    }

    /// Does something with several objects at once.
    async fn each<T, F>(&self, paths: &[Path], deed: impl Fn(Self, Path) -> F) -> Vec<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let begun: Vec<_> = paths
            .iter()
            .map(|path| tokio::spawn(deed(self.clone(), path.clone())))
            .collect();
        let mut all = Vec::new();
        for one in begun {
            all.push(
                one.await
                    .unwrap_or_else(|error| resume_unwind(error.into_panic())),
            );
        }
        all
    }

    /// Removes all journals. One that stays is named by no lock, and read by nobody.
    async fn clean_up(&self) {
        let paths: Vec<Path> = self.parts().await.unwrap_or_default().into_keys().collect();
        for some in paths.chunks(AT_ONCE) {
            let removed = self.each(some, |place, path| async move { place.delete(&path).await });
            for error in removed.await.into_iter().filter_map(Result::err) {
                debug!("a part of an old journal stays: {error}");
            }
        }
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
            let version = state.as_ref().map(|state| state.version.clone());
            let (now, run) = (
                tag(version.as_ref()),
                state.as_ref().and_then(|state| state.run.clone()),
            );
            *locked(&self.seen) = Some(version);
            let begun = self.claim().await?.and_then(|(claim, _)| claim.journal);
            let journal = match begun {
                // Taken into this very state.
                Some(begun) if run.as_ref() == Some(&begun.run) => None,
                Some(begun) if begun.after == now => Some(self.journal(&begun.run).await?),
                Some(_) => {
                    return Err(StoreError::OtherJournal {
                        at: format!("{}.journal", self.at),
                        why: "the state was written by somebody else since it began",
                    });
                }
                None => None,
            };
            let state = state.map(|state| state.bytes);
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
                journal: there.as_ref().and_then(|claim| claim.journal.clone()),
            };
            let lease = self.manner.lease;
            let until = Instant::now() + lease;
            let claim = Claim {
                until: clock().saturating_add(lease.as_secs() as i64),
                ..claim
            };
            let Some(version) = self.put_claim(&claim, mode).await? else {
                let theirs = self.claim().await?.map(|(claim, _)| claim.holder);
                return Err(StoreError::Held(theirs));
            };
            let hold = Arc::new(Hold {
                place: self.clone(),
                claim: Mutex::new((claim, version)),
                until: Mutex::new(until),
                unanswered: AtomicBool::new(false),
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
            loop {
                let Some((claim, version)) = self.claim().await? else {
                    return Ok(Status::Free);
                };
                let status = match (claim.is_released(), claim.is_stale()) {
                    (true, _) => return Ok(Status::Free),
                    (false, true) => Status::Left(claim.holder.clone()),
                    (false, false) => Status::Held(Some(claim.holder.clone())),
                };
                if !force && !matches!(status, Status::Left(_)) {
                    return Ok(status);
                }
                let released = Claim {
                    owner: String::new(),
                    ..claim
                };
                // Renewed in between, perhaps.
                if self
                    .put_claim(&released, PutMode::Update(version))
                    .await?
                    .is_some()
                {
                    return Ok(status);
                }
            }
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
            Ok(Ok(())) => lease / 3,
            Ok(Err(StoreError::Evicted(_))) => return,
            Ok(Err(_)) | Err(_) => lease / 60,
        };
    }
}

impl Hold {
    fn holds(&self) -> Result<(), StoreError> {
        match *locked(&self.until) < Instant::now() {
            true => Err(EVICTED),
            false => Ok(()),
        }
    }

    /// Fails once the lock is somebody else's, or may be.
    async fn check(&self) -> Result<(), StoreError> {
        self.holds()?;
        let ours = locked(&self.claim).0.owner.clone();
        match self.place.claim().await? {
            Some((claim, _)) if claim.owner == ours => Ok(()),
            _ => Err(EVICTED),
        }
    }

    /// Changes what the lock says, as long as it is ours.
    async fn amend(&self, change: impl Fn(&mut Claim) + Send) -> Result<(), StoreError> {
        let ours = locked(&self.claim).0.owner.clone();
        loop {
            let (mut claim, version) = locked(&self.claim).clone();
            change(&mut claim);
            let put = self.place.put_claim(&claim, PutMode::Update(version));
            if let Some(version) = put.await? {
                *locked(&self.claim) = (claim, version);
                return Ok(());
            }
            // One of ours may have arrived whose answer did not.
            let there = self.place.claim().await?;
            let Some(there) = there.filter(|(there, _)| there.owner == ours) else {
                *locked(&self.until) = Instant::now();
                return Err(EVICTED);
            };
            *locked(&self.claim) = there;
        }
    }

    async fn renew(&self) -> Result<(), StoreError> {
        let lease = self.place.manner.lease;
        let until = Instant::now() + lease;
        let renew =
            |claim: &mut Claim| claim.until = clock().saturating_add(lease.as_secs() as i64);
        self.amend(renew).await?;
        *locked(&self.until) = until;
        Ok(())
    }

    async fn release(&self) {
        if self.unanswered.load(Ordering::Relaxed) {
            return;
        }
        // One that cannot be released ends by itself.
        let released = self.amend(|claim| claim.owner.clear());
        let _ = tokio::time::timeout(PATIENCE, released).await;
    }

    /// Adds a part to the journal. A store that does not answer is asked again as long as the lock holds.
    async fn add(&self, (run, number): (&str, usize), lines: &[u8]) -> Result<(), StoreError> {
        let place = &self.place;
        let path = place.part(run, number);
        loop {
            self.holds()?;
            let put = async {
                self.check().await?;
                place.put(&path, (lines, run), PutMode::Create).await
            };
            match put.await {
                Ok(Some(_)) => return Ok(()),
                Ok(None) | Err(StoreError::Evicted(_)) => return Err(EVICTED),
                Err(error) if self.holds().is_err() => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_secs(1)).await,
            }
        }
    }
}

impl Lease for ObjectsLease {
    fn begin<'a>(&'a self, header: &'a Header) -> Answer<'a, Arc<dyn Record>> {
        Box::pin(async {
            let (hold, place) = (self.hold.clone(), &self.hold.place);
            hold.check().await?;
            if locked(&hold.claim).0.journal.is_some() {
                let why = io::Error::other("there is one already");
                return Err(place.failed("begin the journal of", &why));
            }
            let seen = locked(&place.seen).clone();
            let seen = match seen {
                Some(seen) => seen,
                None => {
                    let there = place.get(&place.path, MAX_STATE).await?;
                    there.map(|state| state.version)
                }
            };
            let line =
                encode(header).map_err(|error| place.failed("begin the journal of", &error))?;
            // Not the owner's: whoever saves without a journal does so in that name.
            let run = Uuid::new_v4().to_string();
            hold.add((&run, 0), line.as_bytes()).await?;
            let begun = Begun {
                run: run.clone(),
                after: tag(seen.as_ref()),
            };
            hold.amend(|claim| claim.journal = Some(begun.clone()))
                .await?;
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
                runtime.block_on(hold.add((&run, number), &lines))
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
            // The run whose journal is in it now, be that this one or another that died.
            let run = {
                let (claim, _) = &*locked(&self.hold.claim);
                let begun = claim.journal.as_ref().map(|begun| &begun.run);
                begun.unwrap_or(&claim.owner).clone()
            };
            let by = (state.as_bytes(), &run[..]);
            let put = place.put(&place.path, by, mode).await;
            self.hold.unanswered.store(put.is_err(), Ordering::Relaxed);
            let Some(version) = put? else {
                return Err(StoreError::Replaced);
            };
            *locked(&place.seen) = Some(Some(version));
            Ok(())
        })
    }

    fn end(&self) -> Answer<'_, ()> {
        Box::pin(async {
            self.hold.check().await?;
            if locked(&self.hold.claim).0.journal.is_some() {
                self.hold.amend(|claim| claim.journal = None).await?;
                self.hold.place.clean_up().await;
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

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;
    use crate::tests::stores::{header, holder, missing};

    fn place(store: &Arc<dyn ObjectStore>) -> Objects {
        let path = Path::from("rooms/state.json");
        Objects::new("here".to_owned(), store.clone(), path, Manner::USUAL)
    }

    fn in_memory() -> Arc<dyn ObjectStore> {
        Arc::new(InMemory::new())
    }

    /// What a run had sent may arrive long after it gave up.
    #[tokio::test]
    async fn what_arrives_late_makes_no_journal_void() {
        let store = in_memory();
        let first = place(&store);
        let (lease, _) = first.lock(&holder()).await.unwrap();
        first.load().await.unwrap();
        let journal = lease.begin(&header()).await.unwrap();
        journal.record(&[missing("a")]).unwrap().await.unwrap();
        let theirs: Vec<Path> = first.parts().await.unwrap().into_keys().collect();
        drop((journal, lease));

        let next = place(&store);
        let (lease, _) = next.lock(&holder()).await.unwrap();
        assert!(next.load().await.unwrap().journal.is_some());
        lease.save("{}").await.unwrap();
        assert!(next.load().await.unwrap().journal.is_none(), "taken in");
        lease.end().await.unwrap();
        lease.save("{ \n}").await.unwrap();
        let journal = lease.begin(&header()).await.unwrap();
        journal.record(&[missing("b")]).unwrap().await.unwrap();
        let before = next.load().await.unwrap().journal.unwrap();

        for path in &theirs {
            next.put(path, (b"late", "first"), PutMode::Overwrite)
                .await
                .unwrap();
            assert_eq!(next.load().await.unwrap().journal.as_ref(), Some(&before));
            next.delete(path).await.unwrap();
            assert_eq!(next.load().await.unwrap().journal.as_ref(), Some(&before));
        }
        next.put(&next.path, (b"{ }", "first"), PutMode::Overwrite)
            .await
            .unwrap();
        let error = place(&store).load().await.unwrap_err();
        assert!(matches!(error, StoreError::OtherJournal { .. }), "{error}");
    }

    /// The lock moved on while nobody told us.
    #[tokio::test]
    async fn a_lock_of_ours_whose_version_is_another_is_still_ours() {
        let store = in_memory();
        let here = place(&store);
        let (lease, _) = here.lock(&holder()).await.unwrap();
        let (claim, version) = here.claim().await.unwrap().unwrap();
        let claim = Claim {
            until: claim.until + 1,
            ..claim
        };
        let arrived = here.put_claim(&claim, PutMode::Update(version)).await;
        assert!(arrived.unwrap().is_some());
        let journal = lease.begin(&header()).await.unwrap();
        journal.record(&[missing("a")]).unwrap().await.unwrap();
        drop((journal, lease));
        assert_eq!(here.unlock(false).await.unwrap(), Status::Free);
    }

    #[test]
    fn nothing_that_an_answer_repeats_is_shown() {
        for text in [
            "GET https://a.example/x?sig=canary - Server returned non-2xx status code: 403 Forbidden: canary",
            "Server returned non-2xx status code: 403 Forbidden: <Error><Code>Wrong</Code><Message>No.\ncanary</Message><Request>canary</Request></Error>",
        ] {
            let said = plain(text);
            assert!(!said.contains("canary"), "{said}");
            assert!(
                said.contains("403") || said.contains("Wrong: No."),
                "{said}"
            );
        }
    }
}
