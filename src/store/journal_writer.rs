//! Writes the journal: each event at once, so that a killed process loses none, and durably with one sync for
//! all that wait, so that a disk that takes a millisecond for a sync does not slow a run down.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::disk::crash_point::crash_point;
use crate::disk::whole_file::sync_directory;
use crate::planner::Event;
use crate::store::journal::{Header, JournalError, encode};
use crate::store::lock::{LockError, Watch};

/// A sync costs as much processor time as several requests. So there is at least this much time between two of
/// them, in which events gather. One that comes alone is synced at once.
const GATHER: Duration = Duration::from_millis(3);

/// Ends when what was written would survive a power cut, or cannot be made to.
pub(crate) type Durable = Pin<Box<dyn Future<Output = Result<(), JournalError>> + Send>>;

/// Where events are recorded.
pub(crate) trait Record: Send + Sync + 'static {
    /// Writes `events` in their order. From here on they survive the end of the process; when they also
    /// survive a power cut, the future tells.
    fn record(&self, events: &[Event]) -> Result<Durable, JournalError>;
}

/// A journal that is being written.
pub(crate) struct Recorder {
    shared: Arc<Shared>,
    synced: watch::Receiver<Synced>,
    syncer: Option<JoinHandle<()>>,
}

struct Shared {
    path: PathBuf,
    written: Mutex<Written>,
    /// Wakes the thread that syncs.
    more: Condvar,
}

/// The side of the file that grows.
struct Written {
    file: File,
    /// Bytes written so far.
    bytes: u64,
    /// Why nothing more is written: a line may be torn, and only the last one may be.
    failed: Option<Trouble>,
    /// Nobody writes any more.
    ended: bool,
    /// The thread that syncs has nothing to do, and waits to be woken.
    idle: bool,
}

/// How far the file is durable.
#[derive(Clone, Debug, Default)]
struct Synced {
    bytes: u64,
    trouble: Option<Trouble>,
}

/// Why nothing more becomes durable. An `io::Error` cannot be told to all who wait.
#[derive(Clone, Debug)]
enum Trouble {
    Io(ErrorKind, String),
    Evicted,
}

impl Trouble {
    fn error(&self, path: &Path) -> JournalError {
        let path = path.to_owned();
        match self {
            Self::Io(kind, why) => JournalError::Io {
                path,
                source: io::Error::new(*kind, why.clone()),
            },
            Self::Evicted => JournalError::Evicted {
                path,
                source: LockError::Evicted,
            },
        }
    }
}

impl Recorder {
    /// Begins a journal at `path`, which must not exist yet. Nothing counts as durable that was written after
    /// `lock` was taken away.
    pub(crate) fn begin(path: &Path, header: &Header, lock: Watch) -> Result<Self, JournalError> {
        let path = path.to_owned();
        let open = || -> io::Result<(File, File)> {
            crash_point("journal-due");
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .open(&path)?;
            crash_point("journal-created");
            file.write_all(encode(header)?.as_bytes())?;
            crash_point("journal-header-written");
            file.sync_all()?;
            crash_point("journal-header-synced");
            sync_directory(&path)?;
            crash_point("journal-begun");
            let same = file.try_clone()?;
            Ok((file, same))
        };
        let (file, same) = open().map_err(|source| JournalError::Io {
            path: path.clone(),
            source,
        })?;
        let shared = Arc::new(Shared {
            path,
            written: Mutex::new(Written {
                file,
                bytes: 0,
                failed: None,
                ended: false,
                idle: false,
            }),
            more: Condvar::new(),
        });
        let (tell, synced) = watch::channel(Synced::default());
        let theirs = shared.clone();
        let syncer = std::thread::spawn(move || sync(&same, &theirs, &lock, &tell));
        Ok(Self {
            shared,
            synced,
            syncer: Some(syncer),
        })
    }
}

impl Record for Recorder {
    fn record(&self, events: &[Event]) -> Result<Durable, JournalError> {
        let mut lines = String::new();
        for event in events {
            lines += &encode(event).map_err(|_| JournalError::Stopped)?;
        }
        let mut written = self.shared.lock();
        if let Some(trouble) = &written.failed {
            return Err(trouble.error(&self.shared.path));
        }
        crash_point("event-due");
        if let Err(source) = written.file.write_all(lines.as_bytes()) {
            written.failed = Some(Trouble::Io(source.kind(), source.to_string()));
            let path = self.shared.path.clone();
            return Err(JournalError::Io { path, source });
        }
        crash_point("event-written");
        written.bytes += lines.len() as u64;
        let upto = written.bytes;
        let idle = std::mem::take(&mut written.idle);
        drop(written);
        if idle {
            self.shared.more.notify_one();
        }
        let (shared, synced) = (self.shared.clone(), self.synced.clone());
        Ok(Box::pin(async move { shared.durable(synced, upto).await }))
    }
}

impl Drop for Recorder {
    /// Waits until everything that was written is durable.
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.more.notify_one();
        if let Some(syncer) = self.syncer.take() {
            // If it panicked, all who wait have been told that the journal stopped.
            let _ = syncer.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Written> {
        // Nothing panics while it is held; and every change of it is whole.
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `upto` bytes are durable.
    async fn durable(
        &self,
        mut synced: watch::Receiver<Synced>,
        upto: u64,
    ) -> Result<(), JournalError> {
        let far_enough = |synced: &Synced| synced.bytes >= upto || synced.trouble.is_some();
        let Ok(synced) = synced.wait_for(far_enough).await else {
            return Err(JournalError::Stopped);
        };
        match &synced.trouble {
            _ if synced.bytes >= upto => Ok(()),
            None => Err(JournalError::Stopped),
            Some(trouble) => Err(trouble.error(&self.path)),
        }
    }

    /// Waits for something to sync, and until the last sync was a while ago. Returns how many bytes there are.
    /// `None`: there will be no more.
    fn next(&self, synced: u64, last: Option<Instant>) -> Option<u64> {
        let nothing = |written: &mut Written| {
            written.idle = written.bytes == synced && !written.ended;
            written.idle
        };
        let written = self
            .more
            .wait_while(self.lock(), nothing)
            .unwrap_or_else(PoisonError::into_inner);
        let rest = last.map_or(Duration::ZERO, |last| GATHER.saturating_sub(last.elapsed()));
        let (written, _) = self
            .more
            .wait_timeout_while(written, rest, |written| !written.ended)
            .unwrap_or_else(PoisonError::into_inner);
        (written.bytes > synced).then_some(written.bytes)
    }

    fn fail(&self, trouble: &Trouble) {
        self.lock().failed = Some(trouble.clone());
    }
}

/// Syncs whenever there is more, and tells how far it got. What is written meanwhile shares the next sync.
fn sync(file: &File, shared: &Shared, lock: &Watch, tell: &watch::Sender<Synced>) {
    let (mut synced, mut last) = (0, None);
    while let Some(bytes) = shared.next(synced, last) {
        crash_point("sync-due");
        let trouble = match file.sync_data() {
            Err(error) => Some(Trouble::Io(error.kind(), error.to_string())),
            // After the sync: whoever took the lock away reads what was there by then.
            Ok(()) if !lock.holds() => Some(Trouble::Evicted),
            Ok(()) => None,
        };
        crash_point("synced");
        last = Some(Instant::now());
        if let Some(trouble) = trouble {
            // Each way to hear of it tells the same: the first to hear tells why the run stops.
            shared.fail(&trouble);
            tell.send_modify(|synced| synced.trouble = Some(trouble));
            return;
        }
        synced = bytes;
        tell.send_modify(|told| told.bytes = synced);
        crash_point("sync-told");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RoomName;
    use crate::store::journal::{VERSION, read};

    fn header() -> Header {
        Header {
            journal: VERSION,
            app: "acme".into(),
            lineage: "7f0c".into(),
            serial: 3,
        }
    }

    fn event(name: &str) -> Event {
        Event::Missing {
            room: RoomName::try_from(name.to_owned()).unwrap(),
        }
    }

    fn scratch() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        (dir, path)
    }

    fn names(path: &Path) -> Vec<Event> {
        read(path).unwrap().unwrap().1
    }

    #[tokio::test]
    async fn what_was_recorded_is_there_at_once_and_durable_later() {
        let (_dir, path) = scratch();
        let recorder = Recorder::begin(&path, &header(), Watch::nothing()).unwrap();
        let first = recorder.record(&[event("a"), event("b")]).unwrap();
        assert_eq!(names(&path), [event("a"), event("b")]);
        let second = recorder.record(&[event("c")]).unwrap();
        second.await.unwrap();
        first.await.unwrap();
        drop(recorder);
        assert_eq!(read(&path).unwrap().unwrap().0, header());
        assert_eq!(names(&path).len(), 3);
    }

    #[tokio::test]
    async fn the_end_waits_for_what_nobody_waited_for() {
        let (_dir, path) = scratch();
        let recorder = Recorder::begin(&path, &header(), Watch::nothing()).unwrap();
        let durable = recorder.record(&[event("a")]).unwrap();
        drop(recorder);
        durable.await.unwrap();
    }

    #[tokio::test]
    async fn an_existing_journal_is_not_overwritten() {
        let (_dir, path) = scratch();
        drop(Recorder::begin(&path, &header(), Watch::nothing()).unwrap());
        assert!(Recorder::begin(&path, &header(), Watch::nothing()).is_err());
        assert!(read(&path).unwrap().is_some());
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn nothing_counts_that_came_after_the_lock_was_lost() {
        use crate::store::lock::{Holder, Lock};
        let (dir, path) = scratch();
        let lock_file = dir.path().join("lock");
        let holder = Holder {
            holder: "a test".into(),
            host: "here".into(),
            pid: 1,
            since: String::new(),
        };
        let (lock, _) = Lock::take(&lock_file, &holder).unwrap();
        let recorder = Recorder::begin(&path, &header(), lock.watch()).unwrap();
        recorder.record(&[event("a")]).unwrap().await.unwrap();
        Lock::evict(&lock_file).unwrap();
        let late = recorder.record(&[event("b")]).unwrap().await;
        assert!(
            matches!(late, Err(JournalError::Evicted { .. })),
            "{late:?}"
        );
        // Whoever comes first after it is the one who tells why the run stops.
        assert!(matches!(
            recorder.record(&[event("c")]),
            Err(JournalError::Evicted { .. })
        ));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_full_disk_is_told_at_once_and_stops_the_journal() {
        let (_dir, path) = scratch();
        let recorder = Recorder::begin(&path, &header(), Watch::nothing()).unwrap();
        recorder.record(&[event("a")]).unwrap().await.unwrap();
        recorder.shared.lock().file = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let full = recorder.record(&[event("b")]);
        assert!(matches!(full, Err(JournalError::Io { .. })));
        assert!(matches!(
            recorder.record(&[event("c")]),
            Err(JournalError::Io { .. })
        ));
        drop(recorder);
        assert_eq!(names(&path), [event("a")]);
    }
}
