//! When the next request may start: first come first served, never above the rate, everyone waits together.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

use crate::planner::Rate;

/// Hands out the moments at which requests may start.
#[derive(Debug)]
pub struct Pacer {
    interval: Option<Duration>,
    /// How far the schedule may lag behind, in intervals: what lets a burst through.
    slack: Duration,
    /// The turnstile. tokio's mutex is fair, and it is held across the wait, so requests start in the
    /// order in which they asked.
    next: Mutex<Option<Instant>>,
    /// Nobody starts before this moment. Apart from the turnstile, so that it can be raised while
    /// somebody waits there.
    hold: std::sync::Mutex<Option<Instant>>,
}

impl Pacer {
    /// A pacer for `rate` that lets up to `burst` requests start at once after a rest.
    pub fn new(rate: &Rate, burst: u32) -> Self {
        let interval = rate.interval();
        Self {
            interval,
            slack: interval.unwrap_or_default() * (burst.max(1) - 1),
            next: Mutex::new(None),
            hold: std::sync::Mutex::new(None),
        }
    }

    /// Waits for this caller's turn.
    pub async fn turn(&self) {
        let mut next = self.next.lock().await;
        loop {
            let now = Instant::now();
            let due = match *next {
                Some(next) => next.checked_sub(self.slack).unwrap_or(next),
                None => now,
            };
            let due = self.held_until().map_or(due, |hold| due.max(hold));
            if due > now {
                // The hold may be raised meanwhile, so look again after waking.
                sleep_until(due).await;
                continue;
            }
            if let Some(interval) = self.interval {
                // A rest earns at most the burst, not the whole time that was unused.
                let earliest = next.map_or(now, |next| next.max(now));
                *next = Some(earliest + interval);
            }
            return;
        }
    }

    /// Lets nobody start before `moment`. An earlier moment than one already set changes nothing.
    pub fn hold_until(&self, moment: Instant) {
        let mut hold = self.hold_guard();
        *hold = Some(hold.map_or(moment, |set| set.max(moment)));
    }

    fn held_until(&self) -> Option<Instant> {
        *self.hold_guard()
    }

    fn hold_guard(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        // Nothing panics while it is held; and a moment is whole in any case.
        self.hold
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// Milliseconds after the start at which each of `count` callers got its turn, in order of asking.
    async fn turns(pacer: Arc<Pacer>, count: usize) -> Vec<u64> {
        let start = Instant::now();
        let mut at = Vec::new();
        for _ in 0..count {
            pacer.turn().await;
            at.push(start.elapsed().as_millis() as u64);
        }
        at
    }

    fn pacer(rate: &str, burst: u32) -> Arc<Pacer> {
        Arc::new(Pacer::new(&rate.parse().unwrap(), burst))
    }

    #[tokio::test(start_paused = true)]
    async fn requests_start_an_interval_apart() {
        assert_eq!(turns(pacer("5/s", 1), 4).await, [0, 200, 400, 600]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_starts_at_once_and_is_not_saved_up_twice() {
        let pacer = pacer("10/s", 3);
        assert_eq!(turns(pacer.clone(), 5).await, [0, 0, 0, 100, 200]);
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(turns(pacer, 5).await, [0, 0, 0, 100, 200]);
    }

    #[tokio::test(start_paused = true)]
    async fn unlimited_never_waits() {
        assert_eq!(turns(pacer("unlimited", 1), 3).await, [0, 0, 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_hold_stops_those_who_already_wait() {
        let pacer = pacer("5/s", 1);
        pacer.turn().await;
        let waiting = tokio::spawn(turns(pacer.clone(), 2));
        tokio::task::yield_now().await;
        pacer.hold_until(Instant::now() + Duration::from_secs(3));
        pacer.hold_until(Instant::now() + Duration::from_secs(1));
        assert_eq!(waiting.await.unwrap(), [3000, 3200]);
    }

    #[tokio::test(start_paused = true)]
    async fn first_come_first_served() {
        let pacer = pacer("5/s", 1);
        let order = Arc::new(std::sync::Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for number in 0..5 {
            let (pacer, order) = (pacer.clone(), order.clone());
            tasks.push(tokio::spawn(async move {
                pacer.turn().await;
                order.lock().unwrap().push(number);
            }));
            tokio::task::yield_now().await;
        }
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4]);
    }
}
