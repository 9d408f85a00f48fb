//! A place in an object store: the state is an object, and its lock and the parts of its journal are objects beside it. The
//! lock and the state are written only if they are as they were read, so that of two writers one wins.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::io;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use object_store::path::Path;
use object_store::{
    Attribute, GetOptions, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload,
    UpdateVersion,
};
use tokio::runtime::{Builder, Runtime};
use tracing::debug;

use crate::disk::plain_file::MAX_STATE;
use crate::store::cloud_http::NoCredentials;
use crate::store::error::StoreError;
use crate::store::holder::{Holder, Status};
use crate::store::journal_writer::Pace;
use crate::store::object_versions::Lister;
use crate::store::object_words::plain;
use crate::store::port::{Answer, Contents, Lease, Place, Version};

/// How many objects are read or removed at once.
const AT_ONCE: usize = 16;

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

/// An object that was read.
pub(super) struct Object {
    pub(super) bytes: Vec<u8>,
    pub(super) version: UpdateVersion,
    /// The run that wrote it or, of a state, whose journal was taken into it.
    run: Option<String>,
}

#[derive(Clone)]
pub(crate) struct Objects {
    /// The name of the state in messages.
    at: String,
    store: Arc<dyn ObjectStore>,
    pub(super) path: Path,
    pub(super) manner: Manner,
    /// The state object that was read last, or written by us since; `None` within: there was none.
    pub(super) seen: Arc<Mutex<Option<Option<UpdateVersion>>>>,
    /// What knows the versions of the state; `None`: nothing does.
    lister: Option<Arc<Lister>>,
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.at)
    }
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

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What tells one state from another.
pub(super) fn tag(version: Option<&UpdateVersion>) -> String {
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
            lister: None,
        }
    }

    pub(super) fn with(self, lister: Lister) -> Self {
        let lister = Some(Arc::new(lister));
        Self { lister, ..self }
    }

    pub(super) fn beside(&self, ending: &str) -> Path {
        Path::from(format!("{}.{ending}", self.path))
    }

    pub(super) fn part(&self, run: &str, number: usize) -> Path {
        Path::from(format!("{}.journal/{run}-{number:08}", self.path))
    }

    /// What went wrong, without the address: that may hold a token.
    pub(super) fn failed(&self, deed: &str, error: &(dyn Error + 'static)) -> StoreError {
        let kind = match error.downcast_ref() {
            Some(
                object_store::Error::Unauthenticated { .. }
                | object_store::Error::PermissionDenied { .. },
            ) => io::ErrorKind::PermissionDenied,
            _ => io::ErrorKind::Other,
        };
        let mut said = vec![error.to_string()];
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if error.is::<NoCredentials>() {
                said = vec![text];
                break;
            }
            if !said.iter().any(|before| before.contains(&text)) {
                said.push(text);
            }
            cause = error.source();
        }
        StoreError::Failed {
            deed: format!("{deed} {}", self.at),
            advice: "the store has to be there, and the credentials have to allow to read, write, list and delete what begins with the state's \
                     name; which variables say them is in docs/runners.md",
            source: Arc::new(io::Error::new(kind, plain(&said.join(": ")))),
        }
    }

    pub(super) async fn get(&self, path: &Path, most: u64) -> Result<Option<Object>, StoreError> {
        self.get_by(path, most, GetOptions::default()).await
    }

    async fn get_by(
        &self,
        path: &Path,
        most: u64,
        options: GetOptions,
    ) -> Result<Option<Object>, StoreError> {
        let read = |error: &(dyn Error + 'static)| self.failed("read", error);
        let found = match self.store.get_opts(path, options).await {
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
    pub(super) async fn put(
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
    pub(super) async fn clean_up(&self) {
        let paths: Vec<Path> = self.parts().await.unwrap_or_default().into_keys().collect();
        for some in paths.chunks(AT_ONCE) {
            let removed = self.each(some, |place, path| async move { place.delete(&path).await });
            for error in removed.await.into_iter().filter_map(Result::err) {
                debug!("a part of an old journal stays: {error}");
            }
        }
    }
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
        Box::pin(self.take(holder))
    }

    fn unlock(&self, force: bool) -> Answer<'_, Status> {
        Box::pin(self.give_up(force))
    }

    fn versions(&self) -> Answer<'_, Vec<Version>> {
        Box::pin(async {
            let Some(lister) = &self.lister else {
                return Ok(Vec::new());
            };
            let listed = lister.list(self.path.as_ref()).await;
            listed.map_err(|error| self.failed("list the versions of", &*error))
        })
    }

    fn version<'a>(&'a self, id: &'a str) -> Answer<'a, Option<Vec<u8>>> {
        Box::pin(async move {
            let options = GetOptions::new().with_version(Some(id));
            let there = self.get_by(&self.path, MAX_STATE, options).await?;
            Ok(there.map(|version| version.bytes))
        })
    }
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;
    use crate::store::object_lease::Claim;
    use crate::tests::stores::{first_line, holder, missing};

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
        let journal = lease.begin(&first_line(), Arc::new(Ok)).await.unwrap();
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
        let journal = lease.begin(&first_line(), Arc::new(Ok)).await.unwrap();
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
        let journal = lease.begin(&first_line(), Arc::new(Ok)).await.unwrap();
        journal.record(&[missing("a")]).unwrap().await.unwrap();
        drop((journal, lease));
        assert_eq!(here.unlock(false).await.unwrap(), Status::Free);
    }
}
