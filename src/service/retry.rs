//! Whether to try again, and after how long: trouble and count in, wait or stop out.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// How often a request is sent at most.
pub(crate) const TRIES: u32 = 5;

/// A service that asks for more patience than this ends the run: nobody waits an hour for a pipeline.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// What went wrong with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It never reached the service.
    NotSent,
    /// It never reached the service, for a reason that stays if nothing ever did.
    Unreachable,
    /// It was sent, and no answer came.
    Unanswered,
    /// 429, with the wait that the service asks for.
    TooMany(Option<Duration>),
    /// 5xx, with the wait that the service asks for.
    Failed(Option<Duration>),
    /// 401 or 403 with a page of something in between, such as a CDN.
    Blocked,
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// This request waits, others go on.
    Wait(Duration),
    /// Everyone waits: the service is asking for it.
    Everyone(Duration),
    GiveUp,
    /// The service asks for a wait that is not worth waiting for: the run ends.
    EndRun(Duration),
}

/// Decides about a request that was sent `tries` times. `backoff` is the wait that is due without a wish
/// of the service.
pub(crate) fn decide(trouble: Trouble, tries: u32, backoff: Duration) -> Next {
    let (asked, everyone) = match trouble {
        Trouble::NotSent | Trouble::Unreachable | Trouble::Unanswered => (None, false),
        Trouble::TooMany(asked) => (asked, true),
        Trouble::Failed(asked) => (asked, asked.is_some()),
        // It decided about this request, and would decide the same of the next; asking again makes it stricter.
        Trouble::Blocked => return Next::GiveUp,
    };
    if let Some(asked) = asked.filter(|asked| *asked > LONGEST_PAUSE) {
        return Next::EndRun(asked);
    }
    if tries >= TRIES {
        return Next::GiveUp;
    }
    // No wait, or a date that has passed, is no plan for what just failed.
    let asked = asked.filter(|asked| !asked.is_zero());
    let wait = asked.unwrap_or(backoff);
    if everyone {
        Next::Everyone(wait)
    } else {
        Next::Wait(wait)
    }
}

/// The waits between the tries of one request: half a second, doubling, each with up to as much again by
/// chance, so that requests that failed together do not come back together.
pub(crate) fn backoff(seed: u64) -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(500))
        .with_factor(2.0)
        .with_max_delay(Duration::from_secs(20))
        .with_max_times(TRIES as usize)
        .with_jitter()
        .with_jitter_seed(seed)
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn waits_follow_the_service_then_the_backoff() {
        let asked = Some(SECOND * 7);
        let cases = [
            (Trouble::NotSent, 1, Next::Wait(SECOND)),
            (Trouble::Unanswered, 4, Next::Wait(SECOND)),
            (Trouble::Unanswered, 5, Next::GiveUp),
            (Trouble::Blocked, 1, Next::GiveUp),
            (Trouble::TooMany(None), 1, Next::Everyone(SECOND)),
            (Trouble::TooMany(asked), 1, Next::Everyone(SECOND * 7)),
            (Trouble::TooMany(asked), 5, Next::GiveUp),
            (Trouble::Failed(None), 1, Next::Wait(SECOND)),
            (Trouble::Failed(asked), 1, Next::Everyone(SECOND * 7)),
            (
                Trouble::TooMany(Some(Duration::ZERO)),
                1,
                Next::Everyone(SECOND),
            ),
            (
                Trouble::Failed(Some(Duration::ZERO)),
                1,
                Next::Everyone(SECOND),
            ),
            (
                Trouble::TooMany(Some(SECOND * 86_400)),
                1,
                Next::EndRun(SECOND * 86_400),
            ),
        ];
        for (trouble, tries, next) in cases {
            assert_eq!(decide(trouble, tries, SECOND), next, "{trouble:?} {tries}");
        }
    }

    #[test]
    fn backoff_grows_with_jitter_and_is_the_same_for_a_seed() {
        let waits: Vec<Duration> = backoff(7).collect();
        assert_eq!(waits, backoff(7).collect::<Vec<_>>());
        assert_ne!(waits, backoff(8).collect::<Vec<_>>());
        for (n, wait) in waits.iter().enumerate() {
            let base = Duration::from_millis(500 << n);
            assert!(*wait >= base && *wait <= base * 2, "{n}: {wait:?}");
        }
    }
}
