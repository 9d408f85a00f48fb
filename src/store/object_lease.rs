//! The lock of a state in an object store: an object that is written only if it is as it was read. Who holds it renews it, and it names
//! the journal that is to be taken in.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use object_store::{PutMode, UpdateVersion};
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::disk::plain_file::{MAX_STATE, check_size, check_state};
use crate::store::error::StoreError;
use crate::store::holder::{Holder, Status};
use crate::store::journal_writer::Recorder;
use crate::store::leaving::is_over;
use crate::store::objects::{Objects, locked, runtime, tag};
use crate::store::port::{Answer, Form, Lease, Record};

/// What the clocks of two machines may differ by, in seconds, before one takes the other for dead.
const SKEW: i64 = 30;

/// How long a run that ends waits until its lock is released.
const PATIENCE: Duration = Duration::from_secs(3);

/// Largest lock object that is read, in bytes.
const MAX_LOCK: u64 = 4096;

const EVICTED: StoreError = StoreError::Evicted(
    "the lock was taken away from this run, by `state unlock`, or since it could not be renewed in time",
);

/// What a lock object says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claim {
    pub(super) holder: Holder,
    /// Made at random by each run that takes the lock. Empty: it was released.
    pub(super) owner: String,
    /// Until when it holds, in Unix seconds.
    pub(super) until: i64,
    /// The journal that is to be taken in. Who takes the lock over, takes this over, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) journal: Option<Begun>,
}

/// Which journal it is, by a name made at random, and which state it goes on from: a request may arrive long after whoever sent it gave up, and then must
/// neither add to another's journal, nor make it void.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Begun {
    pub(super) run: String,
    pub(super) after: String,
}

impl Claim {
    fn is_released(&self) -> bool {
        self.owner.is_empty()
    }

    /// From when on others may have the lock.
    fn end(&self) -> i64 {
        self.until.saturating_add(SKEW)
    }

    fn is_stale(&self) -> bool {
        self.end() < clock()
    }

    /// Who is in the way.
    fn holder(self) -> Holder {
        let until = Timestamp::from_second(self.end()).ok();
        Holder {
            until,
            ..self.holder
        }
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

fn clock() -> i64 {
    Timestamp::now().as_second()
}

impl Objects {
    /// The lock as it is.
    pub(super) async fn claim(&self) -> Result<Option<(Claim, UpdateVersion)>, StoreError> {
        let Some(object) = self.get(&self.beside("lock"), MAX_LOCK).await? else {
            return Ok(None);
        };
        let claim = serde_json::from_slice(&object.bytes).map_err(|error| StoreError::Failed {
            deed: format!("read the lock of {:?}", self),
            advice: "nobody but roomctl should write it; when no run goes on, remove the object beside the state whose name ends in `.lock`",
            source: Arc::new(error.into()),
        })?;
        Ok(Some((claim, object.version)))
    }

    pub(super) async fn put_claim(
        &self,
        claim: &Claim,
        mode: PutMode,
    ) -> Result<Option<UpdateVersion>, StoreError> {
        let text = serde_json::to_vec(claim).map_err(|error| self.failed("lock", &error))?;
        let by = (&text[..], &claim.owner[..]);
        self.put(&self.beside("lock"), by, mode).await
    }

    /// Takes the lock, and says who left it without releasing it.
    pub(super) async fn take(
        &self,
        holder: &Holder,
    ) -> Result<(Box<dyn Lease>, Option<Holder>), StoreError> {
        let (there, mode) = match self.claim().await? {
            None => (None, PutMode::Create),
            Some((claim, version)) => (Some(claim), PutMode::Update(version)),
        };
        if let Some(claim) = &there
            && !claim.is_released()
            && !claim.is_stale()
        {
            return Err(StoreError::Held(Some(claim.clone().holder())));
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
            let theirs = self.claim().await?.map(|(claim, _)| claim.holder());
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
    }

    /// Says who holds the lock, and takes it from one that ended or, with `force`, from anybody.
    pub(super) async fn give_up(&self, force: bool) -> Result<Status, StoreError> {
        loop {
            let Some((claim, version)) = self.claim().await? else {
                return Ok(Status::Free);
            };
            let status = match (claim.is_released(), claim.is_stale()) {
                (true, _) => return Ok(Status::Free),
                (false, true) => Status::Left(claim.holder.clone()),
                (false, false) => Status::Held(Some(claim.clone().holder())),
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

    /// Adds a part to the journal. A store that does not answer is asked again as long as the lock holds; one that knows us no more is not.
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
                Err(error) if error.is_refusal() || is_over() || self.holds().is_err() => {
                    return Err(error);
                }
                Err(_) => tokio::time::sleep(Duration::from_secs(1)).await,
            }
        }
    }
}

impl Lease for ObjectsLease {
    fn begin<'a>(&'a self, first: &'a str, form: Form) -> Answer<'a, Arc<dyn Record>> {
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
            // Not the owner's: whoever saves without a journal does so in that name.
            let run = Uuid::new_v4().to_string();
            hold.add((&run, 0), first.as_bytes()).await?;
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
            let recorder =
                Recorder::over(Box::new(append), Box::new(sync), form, place.manner.pace);
            Ok(Arc::new(recorder) as Arc<dyn Record>)
        })
    }

    fn save<'a>(&'a self, state: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            self.hold.check().await?;
            let place = &self.hold.place;
            check_size(state.as_bytes(), place.manner.most)
                .and_then(|()| check_state(state.as_bytes()))
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
                return Err(StoreError::Replaced(String::new()));
            };
            *locked(&place.seen) = Some(Some(version));
            Ok(())
        })
    }

    fn now(&self) -> Answer<'_, Option<Vec<u8>>> {
        Box::pin(async {
            let place = &self.hold.place;
            let there = place.get(&place.path, place.manner.most).await?;
            Ok(there.map(|state| state.bytes))
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
