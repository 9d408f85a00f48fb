//! Writes the journal: each event at once, so that a killed process loses none, and durably with one sync for
//! all that wait, so that a disk that takes a millisecond for a sync does not slow a run down.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::disk::crash_point::crash_point;
use crate::disk::plain_file::open_own;
use crate::disk::whole_file::sync_directory;
use crate::planner::Event;
use crate::store::error::StoreError;
use crate::store::journal::encode;
use crate::store::lock::Watch;
use crate::store::port::{Durable, Form, Record};

/// A sync costs as much processor time as several requests. So there is at least this much time between two of
/// them, in which events gather. One that comes alone is synced at once.
const GATHER: Duration = Duration::from_millis(3);

pub(super) struct Recorder {
    shared: Arc<Shared>,
    synced: watch::Receiver<Synced>,
    syncer: Option<JoinHandle<()>>,
    form: Form,
    pace: Pace,
}

/// How events gather before they are made durable together.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    /// At least so much time between two syncs, unless an intent is to be synced.
    pub gather: Duration,
    /// The same where one is: a room waits for it.
    pub gather_intents: Duration,
    /// For how long ahead intents are recorded, so that no room waits.
    pub ahead: Duration,
}

impl Pace {
    const DISK: Self = Self {
        gather: GATHER,
        gather_intents: GATHER,
        ahead: Duration::from_millis(20),
    };
}

/// Adds lines to what a journal is written to.
pub(super) type Append = Box<dyn FnMut(&[u8]) -> Result<(), StoreError> + Send>;
/// Makes durable what was added until it is called.
pub(super) type Sync = Box<dyn FnMut() -> Result<(), StoreError> + Send>;

struct Shared {
    written: Mutex<Written>,
    /// Wakes the thread that syncs.
    more: Condvar,
}

/// The side of the journal that grows.
struct Written {
    append: Append,
    bytes: u64,
    /// Whether an intent is among what is not synced.
    any_intent: bool,
    /// Whether nothing gathers any more.
    hurry: bool,
    /// Why nothing more is written: a line may be torn, and only the last one may be.
    failed: Option<StoreError>,
    ended: bool,
    /// The thread that syncs has nothing to do, and waits to be woken.
    idle: bool,
}

/// How far the file is durable.
#[derive(Clone, Debug, Default)]
struct Synced {
    bytes: u64,
    /// Why no more of it becomes durable.
    failed: Option<StoreError>,
}

impl Recorder {
    /// Begins a journal at `path`, which must not exist yet. Nothing counts as durable that was written after
    /// `lock` was taken away.
    pub(super) fn begin(
        path: &Path,
        first: &str,
        form: Form,
        lock: Watch,
    ) -> Result<Self, StoreError> {
        let path = path.to_owned();
        let open = || -> io::Result<(File, File)> {
            crash_point("journal-due");
            let mut file = open_own(&path, OpenOptions::new().write(true).create_new(true))?;
            crash_point("journal-created");
            file.write_all(first.as_bytes())?;
            crash_point("journal-header-written");
            file.sync_all()?;
            crash_point("journal-header-synced");
            sync_directory(&path)?;
            crash_point("journal-begun");
            Ok((file.try_clone()?, file))
        };
        let (file, mut same) = open().map_err(|source| failed(&path, source))?;
        let unwritten = path.clone();
        let append: Append = Box::new(move |lines| {
            same.write_all(lines)
                .map_err(|source| failed(&unwritten, source))
        });
        // The lock after the sync: whoever took it away reads what was there by then.
        let sync: Sync = Box::new(move || {
            let synced = file.sync_data().map_err(|source| failed(&path, source));
            synced.and_then(|()| lock.check())
        });
        Ok(Self::over(append, sync, form, Pace::DISK))
    }

    /// A journal that has begun.
    pub(super) fn over(append: Append, sync: Sync, form: Form, pace: Pace) -> Self {
        let shared = Arc::new(Shared {
            written: Mutex::new(Written {
                append,
                bytes: 0,
                any_intent: false,
                hurry: false,
                failed: None,
                ended: false,
                idle: false,
            }),
            more: Condvar::new(),
        });
        let (report, synced) = watch::channel(Synced::default());
        let theirs = shared.clone();
        let syncer = std::thread::spawn(move || sync_all(sync, &theirs, pace, &report));
        Self {
            shared,
            synced,
            syncer: Some(syncer),
            form,
            pace,
        }
    }
}

impl Record for Recorder {
    fn record(&self, events: &[Event]) -> Result<Durable, StoreError> {
        let mut lines = String::new();
        for event in events {
            let line = encode(event).map_err(|_| StoreError::Stopped)?;
            lines += &(self.form)(line)?;
        }
        let mut written = self.shared.lock();
        if let Some(error) = &written.failed {
            return Err(error.clone());
        }
        crash_point("event-due");
        if let Err(error) = (written.append)(lines.as_bytes()) {
            written.failed = Some(error.clone());
            return Err(error);
        }
        crash_point("event-written");
        written.bytes += lines.len() as u64;
        let any_intent = events
            .iter()
            .any(|event| matches!(event, Event::Intent { .. }));
        written.any_intent |= any_intent;
        let upto = written.bytes;
        let idle = std::mem::take(&mut written.idle);
        drop(written);
        if idle || any_intent {
            self.shared.more.notify_one();
        }
        Ok(Box::pin(durable(self.synced.clone(), upto)))
    }

    fn ahead(&self) -> Duration {
        self.pace.ahead
    }

    fn hurry(&self) {
        self.shared.lock().hurry = true;
        self.shared.more.notify_one();
    }
}

impl Drop for Recorder {
    /// Waits until everything that was written is durable.
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.more.notify_one();
        if let Some(syncer) = self.syncer.take() {
            // If it panicked, all who wait know that the journal stopped.
            let _ = syncer.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Written> {
        // Nothing panics while it is held; and every change of it is whole.
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for something to sync, and until the last sync was a while ago. Returns how many bytes there are.
    /// `None`: there will be no more.
    fn next(&self, synced: u64, last: Option<Instant>, pace: Pace) -> Option<u64> {
        let nothing = |written: &mut Written| {
            written.idle = written.bytes == synced && !written.ended;
            written.idle
        };
        let mut written = self
            .more
            .wait_while(self.lock(), nothing)
            .unwrap_or_else(PoisonError::into_inner);
        loop {
            let gather = match written.any_intent {
                true => pace.gather_intents,
                false => pace.gather,
            };
            let rest = last.map_or(Duration::ZERO, |last| gather.saturating_sub(last.elapsed()));
            if rest.is_zero() || written.hurry || written.ended {
                written.any_intent = false;
                return (written.bytes > synced).then_some(written.bytes);
            }
            let woken = self.more.wait_timeout(written, rest);
            written = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Waits until `upto` bytes are durable.
async fn durable(mut synced: watch::Receiver<Synced>, upto: u64) -> Result<(), StoreError> {
    let enough = |synced: &Synced| synced.bytes >= upto || synced.failed.is_some();
    let Ok(synced) = synced.wait_for(enough).await else {
        return Err(StoreError::Stopped);
    };
    match &synced.failed {
        Some(error) if synced.bytes < upto => Err(error.clone()),
        _ => Ok(()),
    }
}

/// Syncs whenever there is more, and reports how far it got. What is written meanwhile shares the next sync.
fn sync_all(mut sync: Sync, shared: &Shared, pace: Pace, report: &watch::Sender<Synced>) {
    let (mut synced, mut last) = (0, None);
    while let Some(bytes) = shared.next(synced, last, pace) {
        crash_point("sync-due");
        let result = sync();
        crash_point("synced");
        last = Some(Instant::now());
        if let Err(error) = result {
            // Each way to hear of it says the same: the first to hear says why the run stops.
            shared.lock().failed = Some(error.clone());
            report.send_modify(|synced| synced.failed = Some(error));
            return;
        }
        synced = bytes;
        report.send_modify(|reported| reported.bytes = synced);
        crash_point("sync-announced");
    }
}

fn failed(path: &Path, source: io::Error) -> StoreError {
    StoreError::file("use the journal", path, source)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::store::journal::{Header, parse};
    use crate::store::lock::Lock;
    use crate::tests::stores::{first_line, header, holder, missing};

    struct Scratch {
        dir: tempfile::TempDir,
        lock: Lock,
    }

    impl Scratch {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let (lock, _) = Lock::take(&dir.path().join("lock"), &holder()).unwrap();
            Self { dir, lock }
        }

        fn begin(&self) -> Result<Recorder, StoreError> {
            Recorder::begin(
                &self.path(),
                &first_line(),
                Arc::new(Ok),
                self.lock.watch.clone(),
            )
        }

        fn path(&self) -> PathBuf {
            self.dir.path().join("journal")
        }

        fn read(&self) -> (Header, Vec<Event>) {
            let bytes = std::fs::read(self.path()).unwrap();
            parse(&bytes, "x").unwrap().unwrap()
        }
    }

    #[tokio::test]
    async fn what_was_recorded_is_there_at_once_and_durable_later() {
        let scratch = Scratch::new();
        let recorder = scratch.begin().unwrap();
        let first = recorder.record(&[missing("a"), missing("b")]).unwrap();
        assert_eq!(scratch.read().1, [missing("a"), missing("b")]);
        let second = recorder.record(&[missing("c")]).unwrap();
        second.await.unwrap();
        first.await.unwrap();
        drop(recorder);
        let (read_header, events) = scratch.read();
        assert_eq!((read_header, events.len()), (header(), 3));
    }

    #[tokio::test]
    async fn the_end_waits_for_what_nobody_waited_for() {
        let scratch = Scratch::new();
        let recorder = scratch.begin().unwrap();
        let durable = recorder.record(&[missing("a")]).unwrap();
        drop(recorder);
        durable.await.unwrap();
    }

    #[tokio::test]
    async fn an_existing_journal_is_not_overwritten() {
        let scratch = Scratch::new();
        drop(scratch.begin().unwrap());
        assert!(scratch.begin().is_err());
        assert_eq!(scratch.read().0, header());
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn nothing_counts_that_came_after_the_lock_was_lost() {
        let scratch = Scratch::new();
        let recorder = scratch.begin().unwrap();
        recorder.record(&[missing("a")]).unwrap().await.unwrap();
        Lock::status(&scratch.dir.path().join("lock"), true).unwrap();
        let late = recorder.record(&[missing("b")]).unwrap().await;
        assert!(matches!(late, Err(StoreError::Evicted(_))), "{late:?}");
        // Whoever comes first after it is the one who says why the run stops.
        assert!(matches!(
            recorder.record(&[missing("c")]),
            Err(StoreError::Evicted(_))
        ));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_full_disk_is_reported_at_once_and_stops_the_journal() {
        let scratch = Scratch::new();
        let recorder = scratch.begin().unwrap();
        recorder.record(&[missing("a")]).unwrap().await.unwrap();
        let mut full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let path = scratch.path();
        recorder.shared.lock().append = Box::new(move |lines| {
            full.write_all(lines)
                .map_err(|source| failed(&path, source))
        });
        let full = recorder.record(&[missing("b")]);
        assert!(matches!(full, Err(StoreError::Failed { .. })));
        assert!(matches!(
            recorder.record(&[missing("c")]),
            Err(StoreError::Failed { .. })
        ));
        drop(recorder);
        assert_eq!(scratch.read().1, [missing("a")]);
    }
}
