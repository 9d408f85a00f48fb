//! What a store in the network is given once somebody wants the run to end: one that hangs must not hold that up.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// How long each answer is waited for from then on. After the first that did not come, none is.
const WAIT: Duration = Duration::from_secs(5);

/// That somebody wants it: since when, and whether nothing is waited for any more.
#[derive(Clone, Copy)]
struct Leaving {
    since: Instant,
    at_once: bool,
}

static LEAVING: Mutex<Option<Leaving>> = Mutex::new(None);
static WANTED: Notify = Notify::const_new();

/// Somebody wants the run to end soon or, as when asked for again, `at_once`.
pub(super) fn leave(at_once: bool) {
    let since = Instant::now();
    let mut leaving = LEAVING.lock().unwrap_or_else(PoisonError::into_inner);
    let wanted = leaving.get_or_insert(Leaving { since, at_once });
    wanted.at_once |= at_once;
    WANTED.notify_waiters();
}

fn wanted() -> Option<Leaving> {
    *LEAVING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether nothing is tried again any more.
pub(super) fn is_over() -> bool {
    wanted().is_some_and(|wanted| wanted.at_once || wanted.since.elapsed() > WAIT)
}

/// Waits for an answer. `None`: it is no longer worth it.
pub(super) async fn waited<T>(answer: impl Future<Output = T>) -> Option<T> {
    let begun = Instant::now();
    tokio::pin!(answer);
    loop {
        let asked = WANTED.notified();
        let over = async {
            match wanted() {
                None => std::future::pending().await,
                Some(wanted) if wanted.at_once => {}
                Some(wanted) => {
                    tokio::time::sleep_until((wanted.since.max(begun) + WAIT).into()).await
                }
            }
        };
        tokio::select! {
            biased;
            answer = &mut answer => return Some(answer),
            () = asked => {}
            () = over => {
                leave(true);
                return None;
            }
        }
    }
}
