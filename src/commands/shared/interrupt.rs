//! Interrupts: the first asks for a clean stop, the second does not wait for it.

use crate::service::stop::{Stop, StopReason};

/// Stops the run at the first interrupt, and returns at the second.
pub(crate) async fn second(stop: &Stop) {
    let mut signals = Signals::new();
    signals.next().await;
    stop.stop(StopReason::Interrupted);
    tracing::warn!("interrupted: finishing what is under way; interrupt again to leave at once");
    signals.next().await;
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
        let kinds = [SignalKind::interrupt(), SignalKind::terminate()];
        // A signal that cannot be watched keeps its usual effect: the process ends, and the journal holds
        // what was done.
        Self(
            kinds
                .into_iter()
                .filter_map(|kind| signal(kind).ok())
                .collect(),
        )
    }

    async fn next(&mut self) {
        let signals = &mut self.0;
        std::future::poll_fn(|context| {
            let any = signals.iter_mut().any(|s| s.poll_recv(context).is_ready());
            if any {
                std::task::Poll::Ready(())
            } else {
                std::task::Poll::Pending
            }
        })
        .await;
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> Self {
        Self
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
