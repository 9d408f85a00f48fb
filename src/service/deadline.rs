//! When a run has to be over: early enough to finish what is under way, and to save.

use std::time::Duration;

use tokio::time::Instant;

/// Kept free at the end, to save the state and to print the report.
const SAVING: Duration = Duration::from_secs(1);

/// The moment by which a run has to have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deadline {
    end: Instant,
    /// Kept free before the end: less than [`SAVING`] when the whole run may not take much longer.
    saving: Duration,
}

impl Deadline {
    /// A deadline for a run that began at `start` and may take `time`.
    pub(crate) fn new(start: Instant, time: Duration) -> Self {
        Self {
            end: start + time,
            saving: SAVING.min(time / 4),
        }
    }

    /// When requests that are still under way are no longer waited for.
    pub(crate) fn cut(&self) -> Instant {
        self.end.checked_sub(self.saving).unwrap_or(self.end)
    }

    /// The last moment at which a request may start, when the slowest one so far took `slowest`: with as
    /// much time again and half of it, the answer comes before the cut.
    pub(crate) fn last_start(&self, slowest: Duration) -> Instant {
        let needed = slowest.mul_f64(1.5) + self.saving / 2;
        self.cut().checked_sub(needed).unwrap_or(self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_start_early_enough_to_be_answered_and_saved() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let deadline = Deadline::new(start, 60 * second);
        assert_eq!(deadline.cut(), start + 59 * second);
        assert_eq!(
            deadline.last_start(Duration::ZERO),
            start + second * 117 / 2
        );
        assert_eq!(deadline.last_start(10 * second), start + second * 87 / 2);
    }

    #[test]
    fn a_short_run_keeps_a_quarter_for_saving() {
        let start = Instant::now();
        let deadline = Deadline::new(start, Duration::from_secs(2));
        assert_eq!(deadline.cut(), start + Duration::from_millis(1500));
    }
}
