//! Interrupts, and what else asks a program to end (SIGTERM, SIGHUP, a console that is closed): the first asks for a clean stop, the second does not wait for it.

#[cfg(unix)]
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::exit::Exit;
use super::terminal::set_below;
#[cfg(unix)]
use crate::disk::plain_file::{MAX_TEXT, read};
use crate::service::stop::{Stop, StopReason};
use crate::store;

/// Whether somebody waits for interrupts who stops what is under way.
static HEEDED: AtomicBool = AtomicBool::new(false);

/// Whether there was one since `unheeded_from_here` was first called.
static ASKED: AtomicBool = AtomicBool::new(false);

/// Ends the program at an interrupt that nobody heeds: once a signal is watched, it has no effect of its own any more.
pub(crate) async fn otherwise() {
    let mut signals = Signals::new();
    loop {
        signals.next().await;
        ASKED.store(true, Ordering::SeqCst);
        if !HEEDED.load(Ordering::SeqCst) {
            // Nothing is under way that would have to be finished or recorded.
            leave();
        }
        store::leave(false);
    }
}

/// The same from here to the end of the process, whatever else is watched and ended meanwhile.
pub(crate) fn unheeded_from_here() {
    static WATCHED: std::sync::Once = std::sync::Once::new();
    HEEDED.store(false, Ordering::SeqCst);
    WATCHED.call_once(|| {
        std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.map(|runtime| runtime.block_on(otherwise()))
        });
    });
}

/// Whether somebody asked for an end since then, whoever heeded it.
pub(crate) fn is_asked() -> bool {
    ASKED.load(Ordering::SeqCst)
}

/// Leaves the terminal as it was found, and ends. At once: whoever asks is a thread beside the work, or in the midst of it, and what is under way
/// may wait for ever.
fn leave() -> ! {
    set_below(String::new());
    std::process::exit(Exit::Interrupted as i32)
}

/// Does `work`, which only reads, and which the first interrupt stops. The second ends the program: nothing is written that
/// could be left half done.
pub(crate) async fn heeded<T>(stop: &Stop, work: impl Future<Output = T>) -> T {
    let done = tokio::select! {
        // Listens before anything is shown that somebody could interrupt.
        biased;
        () = second(stop) => leave(),
        done = work => done,
    };
    HEEDED.store(false, Ordering::SeqCst);
    done
}

/// What the user answers to `ask`; `None` at an interrupt, after which whoever asked puts everything back in order.
pub(crate) async fn answered<T: Send + 'static>(
    ask: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    HEEDED.store(true, Ordering::SeqCst);
    let mut signals = Signals::new();
    let (send, answer) = tokio::sync::oneshot::channel();
    // A thread that nobody waits for: nothing ends its reading.
    std::thread::spawn(move || send.send(ask()));
    tokio::select! {
        answer = answer => {
            HEEDED.store(false, Ordering::SeqCst);
            answer.ok()
        }
        () = signals.next() => None,
    }
}

/// Stops the run at the first interrupt, and returns at the second.
pub(crate) async fn second(stop: &Stop) {
    HEEDED.store(true, Ordering::SeqCst);
    let mut signals = Signals::new();
    signals.next().await;
    stop.stop(StopReason::Interrupted);
    store::leave(false);
    tracing::warn!("interrupted: finishing what is under way; interrupt again to leave at once");
    signals.next().await;
    store::leave(true);
}

/// Returns at the first interrupt.
pub(crate) async fn first() {
    Signals::new().next().await;
}

#[cfg(unix)]
struct Signals(Vec<tokio::signal::unix::Signal>);

#[cfg(unix)]
impl Signals {
    fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let hangup = (!is_under_nohup()).then(SignalKind::hangup);
        let kinds = [SignalKind::interrupt(), SignalKind::terminate()];
        let kinds = kinds.into_iter().chain(hangup);
        // A signal that cannot be watched keeps its usual effect: the process ends, and the journal holds
        // what was done.
        Self(kinds.filter_map(|kind| signal(kind).ok()).collect())
    }

    async fn next(&mut self) {
        let signals = &mut self.0;
        std::future::poll_fn(|context| {
            let any = signals.iter_mut().any(|s| s.poll_recv(context).is_ready());
            match any {
                true => std::task::Poll::Ready(()),
                false => std::task::Poll::Pending,
            }
        })
        .await;
    }
}

/// Whether whoever started the program wants it to go on when the terminal is gone, as far as the system shows that.
#[cfg(unix)]
fn is_under_nohup() -> bool {
    static IGNORED: std::sync::LazyLock<bool> = std::sync::LazyLock::new(|| {
        let status = read(Path::new("/proc/self/status"), MAX_TEXT).unwrap_or_default();
        let status = String::from_utf8_lossy(&status);
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        mask.is_some_and(|mask| mask & 1 == 1)
    });
    *IGNORED
}

#[cfg(windows)]
struct Signals(
    Option<tokio::signal::windows::CtrlC>,
    Option<tokio::signal::windows::CtrlClose>,
);

#[cfg(windows)]
impl Signals {
    fn new() -> Self {
        use tokio::signal::windows::{ctrl_c, ctrl_close};
        Self(ctrl_c().ok(), ctrl_close().ok())
    }

    async fn next(&mut self) {
        let Self(interrupt, close) = self;
        std::future::poll_fn(|context| {
            let interrupt = interrupt.as_mut().map(|s| s.poll_recv(context).is_ready());
            let close = close.as_mut().map(|s| s.poll_recv(context).is_ready());
            match interrupt == Some(true) || close == Some(true) {
                true => std::task::Poll::Ready(()),
                false => std::task::Poll::Pending,
            }
        })
        .await;
    }
}
