//! When the next request may start: first come first served, never above the rate, everyone waits together,
//! and slower for a while when the service says that it is too much.

use std::collections::VecDeque;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

use crate::planner::Rate;

/// A server counts the moments at which requests arrive, and on the way some fall behind and others catch up. Spans are
/// longer by so much than the rate asks for, so that its count does not exceed the rate either. Of a request that was
/// answered sooner, it is known when it had arrived at the latest, and nothing more is to be allowed for.
const MARGIN: f64 = 0.01;

/// Two clocks run apart by no more than this share, even while one of them is being set. No answer says anything of that.
const DRIFT: f64 = 0.0005;

/// A sleeper wakes late. Up to so much is made up for by the next ones, or a rate of many a second would
/// never be reached.
const CATCH_UP: Duration = Duration::from_millis(20);

/// Another 429 within this time of the last one slows the pace down.
const REPEATED: Duration = Duration::from_secs(60);

/// The pace is never slowed down to less than this share of the rate.
const SLOWEST: f64 = 1.0 / 16.0;

/// After so much time without a 429 the pace recovers by [`RECOVERY`] of the rate.
const RECOVERY_EVERY: Duration = Duration::from_secs(10);
const RECOVERY: f64 = 1.0 / 16.0;

/// What a run without a limit is slowed down from, a second: something has to be halved.
const UNLIMITED_FALLS_FROM: f64 = 64.0;

/// Hands out the moments at which requests may start.
#[derive(Debug)]
pub(crate) struct Pacer {
    /// The turnstile. tokio's mutex is fair, and it is held across the wait, so requests start in the
    /// order in which they asked.
    turnstile: Mutex<()>,
    /// Apart from the turnstile, so that an answer can change it while somebody waits there.
    schedule: std::sync::Mutex<Schedule>,
}

impl Pacer {
    /// A pacer for `rate` that lets up to `burst` requests start at once after a rest.
    pub(crate) fn new(rate: &Rate, burst: u32) -> Self {
        Self {
            turnstile: Mutex::new(()),
            schedule: std::sync::Mutex::new(Schedule::new(rate, burst)),
        }
    }

    /// Time between two requests at the full rate; `None`: no limit.
    pub(crate) fn interval(&self) -> Option<Duration> {
        self.schedule().full_interval()
    }

    /// Waits for this caller's turn, and returns when it began.
    pub(crate) async fn turn(&self) -> Instant {
        let _turn = self.turnstile.lock().await;
        loop {
            let now = Instant::now();
            let due = self.schedule().due(now);
            if due <= now {
                self.schedule().start(now);
                return now;
            }
            // The schedule may change meanwhile, so look again after waking.
            sleep_until(due).await;
        }
    }

    /// Lets nobody start before `moment`. An earlier moment than one already set changes nothing.
    pub(crate) fn hold_until(&self, moment: Instant) {
        self.schedule().hold_until(moment);
    }

    /// Takes note of a 429 to a request that started at `started`. Returns the rate a second that the pace
    /// falls to, if it does.
    pub(crate) fn too_many(&self, started: Instant) -> Option<f64> {
        self.schedule().too_many(started, Instant::now())
    }

    /// Takes note that a request that started at `started` was answered by now: so it had arrived.
    pub(crate) fn answered(&self, started: Instant) {
        self.schedule().answered(started, Instant::now());
    }

    fn schedule(&self) -> std::sync::MutexGuard<'_, Schedule> {
        // Nothing panics while it is held; and every change of it is whole.
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The moments themselves: what was started and answered in, the next moment out.
#[derive(Debug)]
struct Schedule {
    /// No more than so many requests may arrive within so much time, bursts included; `None`: no limit.
    window: Option<(usize, Duration)>,
    /// How far behind its start a request may arrive, as far as the last answer goes.
    late: Duration,
    /// How many requests may start at once.
    burst: u32,
    /// The last starts, as many as the window holds, and when each has surely left it.
    starts: VecDeque<(Instant, Instant)>,
    /// When the next request is due at an even pace.
    next: Option<Instant>,
    hold: Option<Instant>,
    /// The share of the rate that is used.
    share: f64,
    /// When the service last said that it is too much.
    throttled: Option<Instant>,
    /// Since when the pace has been recovering.
    recovering: Option<Instant>,
}

impl Schedule {
    fn new(rate: &Rate, burst: u32) -> Self {
        let window = rate.window();
        Self {
            window,
            late: window.map_or(Duration::ZERO, |(_, span)| span.mul_f64(MARGIN)),
            burst: burst.max(1),
            starts: VecDeque::new(),
            next: None,
            hold: None,
            share: 1.0,
            throttled: None,
            recovering: None,
        }
    }

    /// When the next request may start.
    fn due(&mut self, now: Instant) -> Instant {
        self.recover(now);
        let even = self
            .next
            .map(|next| next.checked_sub(self.slack()).unwrap_or(next));
        let windowed = self.window.and_then(|(count, _)| {
            let earliest = self.starts.len().checked_sub(count)?;
            Some(self.starts.get(earliest)?.1)
        });
        [even, windowed, self.hold]
            .into_iter()
            .flatten()
            .fold(now, Instant::max)
    }

    fn start(&mut self, now: Instant) {
        if let Some(interval) = self.interval() {
            // A rest earns at most the burst, not the whole time that was unused.
            let rested = now.checked_sub(CATCH_UP).unwrap_or(now);
            let from = self.next.map_or(now, |next| next.max(rested));
            self.next = Some(from + interval);
        }
        if let Some((count, span)) = self.window {
            self.starts
                .push_back((now, now + span.mul_f64(1.0 + MARGIN)));
            while self.starts.len() > count {
                self.starts.pop_front();
            }
        }
    }

    fn answered(&mut self, started: Instant, now: Instant) {
        let Some((_, span)) = self.window else { return };
        let late = now.duration_since(started) + span.mul_f64(DRIFT);
        self.late = late.min(span.mul_f64(MARGIN));
        let mut starts = self.starts.iter_mut().rev();
        if let Some((_, left)) = starts.find(|(at, left)| *at == started && *left > now + span) {
            *left = (*left).min(started + span + late);
        }
    }

    fn hold_until(&mut self, moment: Instant) {
        self.hold = Some(self.hold.map_or(moment, |set| set.max(moment)));
    }

    /// Requests that were under way together get their 429s together: that is one occasion.
    fn too_many(&mut self, started: Instant, now: Instant) -> Option<f64> {
        let last = self.throttled;
        if last.is_some_and(|last| started < last) {
            return None;
        }
        self.throttled = Some(now);
        last.filter(|last| now.duration_since(*last) <= REPEATED)?;
        self.share = (self.share / 2.0).max(SLOWEST);
        self.recovering = Some(now);
        self.interval()
            .map(|interval| (1.0 + MARGIN) / interval.as_secs_f64())
    }

    fn recover(&mut self, now: Instant) {
        while let Some(since) = self.recovering
            && now.duration_since(since) >= RECOVERY_EVERY
        {
            self.share = (self.share + RECOVERY).min(1.0);
            self.recovering = (self.share < 1.0).then(|| since + RECOVERY_EVERY);
        }
    }

    /// Time between two requests at the pace of this moment.
    fn interval(&self) -> Option<Duration> {
        if self.share >= 1.0 {
            return self.full_interval();
        }
        let full = self
            .full_interval()
            .unwrap_or_else(|| Duration::from_secs_f64((1.0 + MARGIN) / UNLIMITED_FALLS_FROM));
        Some(full.div_f64(self.share))
    }

    /// The same at the full rate; `None`: no limit.
    fn full_interval(&self) -> Option<Duration> {
        let (count, span) = self.window?;
        Some((span + self.late).div_f64(count as f64))
    }

    /// A pace that was slowed down has no bursts.
    fn slack(&self) -> Duration {
        if self.share < 1.0 {
            return Duration::ZERO;
        }
        self.full_interval().unwrap_or_default() * (self.burst - 1)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    /// When requests arrive, and when the last one starts, which take so many thousandths of a span to be answered, and a
    /// share of that to arrive; but no longer than is allowed for.
    fn arrivals(rate: &str, burst: u32, answers: &[(f64, f64)]) -> (Vec<Instant>, Duration) {
        let mut schedule = Schedule::new(&rate.parse().unwrap(), burst);
        let (_, span) = schedule.window.unwrap();
        let (begun, mut open, mut arrived) = (Instant::now(), Vec::new(), Vec::new());
        let mut now = begun;
        for (took, share) in answers {
            loop {
                let due = schedule.due(now);
                let first = open.iter().copied().min().filter(|(at, _)| *at <= due);
                let Some((at, started)) = first else {
                    now = due;
                    break;
                };
                open.retain(|one| *one != (at, started));
                now = now.max(at);
                schedule.answered(started, now);
            }
            schedule.start(now);
            let took = span.mul_f64(took / 1000.0);
            open.push((now + took, now));
            arrived.push(now + took.min(span.mul_f64(MARGIN)).mul_f64(*share));
        }
        arrived.sort_unstable();
        (arrived, now - begun)
    }

    proptest! {
        /// However long requests are on their way, and in whatever order they arrive.
        #[test]
        fn no_window_of_the_server_holds_more_than_the_rate(
            rate in select(&["1/s", "2.5/s", "5/s", "50/s", "60/m"][..]),
            burst in 1..70_u32,
            answers in vec((prop_oneof![0.0..2.0, 0.0..30.0, 0.0..2000.0], 0.0..=1.0), 1..200),
        ) {
            let (count, span) = rate.parse::<Rate>().unwrap().window().unwrap();
            let (arrived, _) = arrivals(rate, burst, &answers);
            for more in arrived.windows(count + 1) {
                prop_assert!(more[count] - more[0] >= span, "{:?}", more[count] - more[0]);
            }
        }

        /// What keeps below it is only what nobody knows of the way.
        #[test]
        fn the_rate_is_kept_as_far_as_answers_come(took in 0.0..50.0, share in 0.0..=1.0) {
            let requests = 1000;
            let (_, last) = arrivals("50/s", 1, &vec![(took, share); requests]);
            let ideal = Duration::from_millis(20 * (requests as u64 - 1));
            let behind = (took / 1000.0 + DRIFT).min(MARGIN);
            let most = ideal.mul_f64(1.0 + behind) + Duration::from_millis(20);
            prop_assert!(last <= most, "{last:?} {most:?}");
        }
    }

    /// The moments, in milliseconds from now, at which the next `count` requests start.
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
        assert_eq!(turns(pacer("5/s", 1), 4).await, [0, 202, 404, 606]);
        assert_eq!(turns(pacer("60/m", 1), 3).await, [0, 1010, 2020]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_starts_at_once_and_is_not_saved_up_twice() {
        let pacer = pacer("10/s", 3);
        assert_eq!(turns(pacer.clone(), 5).await, [0, 0, 0, 101, 202]);
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(turns(pacer, 5).await, [0, 0, 0, 81, 182]);
    }

    #[tokio::test(start_paused = true)]
    async fn no_window_holds_more_than_the_rate_whatever_the_burst() {
        for burst in [1, 3, 5, 50] {
            let starts = turns(pacer("5/s", burst), 60).await;
            for six in starts.windows(6) {
                assert!(six[5] - six[0] > 1000, "burst {burst}: {six:?}");
            }
            // And the rate is reached all the same.
            assert!(*starts.last().unwrap() < 12_000, "burst {burst}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn late_wakes_are_made_up_for() {
        let pacer = pacer("50/s", 1);
        let start = Instant::now();
        for _ in 0..500 {
            pacer.turn().await;
            // The next one asks late, by half of its interval and more.
            tokio::time::sleep(Duration::from_millis(12)).await;
        }
        let ideal = Duration::from_secs(10);
        assert!(
            start.elapsed() < ideal.mul_f64(1.02),
            "{:?}",
            start.elapsed()
        );
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
        assert_eq!(waiting.await.unwrap(), [3000, 3182]);
    }

    /// A request that is answered 429 at once.
    async fn throttled(pacer: &Pacer) -> Option<f64> {
        let started = pacer.turn().await;
        tokio::time::sleep(Duration::from_millis(1)).await;
        pacer.too_many(started)
    }

    #[tokio::test(start_paused = true)]
    async fn a_single_429_is_waited_out_and_a_second_slows_down() {
        let pacer = pacer("8/s", 1);
        assert_eq!(throttled(&pacer).await, None);
        assert_eq!(throttled(&pacer).await, Some(4.0));
        assert_eq!(throttled(&pacer).await, Some(2.0));
        for _ in 0..9 {
            throttled(&pacer).await;
        }
        assert_eq!(
            throttled(&pacer).await,
            Some(0.5),
            "a sixteenth, and no less"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_were_under_way_together_are_one_occasion() {
        let pacer = pacer("unlimited", 1);
        let started = pacer.turn().await;
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(pacer.too_many(started), None);
        assert_eq!(pacer.too_many(started), None);
        assert_eq!(throttled(&pacer).await, Some(32.0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_429_long_after_another_is_a_single_one() {
        let pacer = pacer("8/s", 1);
        throttled(&pacer).await;
        tokio::time::sleep(Duration::from_secs(61)).await;
        assert_eq!(throttled(&pacer).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_pace_recovers_slowly_and_never_above_the_rate() {
        let pacer = pacer("10/s", 1);
        throttled(&pacer).await;
        throttled(&pacer).await;
        let gap = async || {
            pacer.turn().await;
            let at = turns(pacer.clone(), 2).await;
            at[1] - at[0]
        };
        assert_eq!(gap().await, 202);
        tokio::time::sleep(Duration::from_secs(11)).await;
        assert_eq!(gap().await, 180, "9/16 of the rate");
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert_eq!(gap().await, 101);
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
