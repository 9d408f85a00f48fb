//! The rate of requests, and how long a number of them takes at it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How many requests may start in a span of time, and how many of them at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rate {
    /// Time between two requests; `None`: no limit.
    interval: Option<Duration>,
    text: Shown,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Shown {
    number: f64,
    unit: char,
}

/// Why a text is not a rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a rate; write `5/s`, `300/m` or `unlimited`")]
pub(crate) struct RateError(String);

impl Default for Rate {
    /// Five a second. The service documents no limit for rooms, so we stay modest.
    fn default() -> Self {
        Self::per(5.0, 's', Duration::from_secs(1))
    }
}

impl Rate {
    pub(crate) const UNLIMITED: Self = Self {
        interval: None,
        text: Shown {
            number: 0.0,
            unit: 's',
        },
    };

    fn per(number: f64, unit: char, span: Duration) -> Self {
        Self {
            interval: Some(span.div_f64(number)),
            text: Shown { number, unit },
        }
    }

    /// How many requests may start in any window of this length: the rate as it was written, so that
    /// `5/s` is no more than five in any second. `None`: no limit.
    ///
    /// A fraction of a request cannot start, so `2.5/s` is two in 0.8 seconds, and `0.5/s` one in two.
    pub(crate) fn window(&self) -> Option<(usize, Duration)> {
        let interval = self.interval?;
        let count = self.text.number.floor().max(1.0);
        Some((count as usize, interval.mul_f64(count)))
    }

    /// Time between two requests; `None`: no limit.
    pub(crate) fn interval(&self) -> Option<Duration> {
        self.interval
    }
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        if text == "unlimited" {
            return Ok(Self::UNLIMITED);
        }
        let wrong = || RateError(text.to_owned());
        let (number, unit) = text.split_once('/').ok_or_else(wrong)?;
        let number: f64 = number.trim().parse().map_err(|_| wrong())?;
        // The bounds keep every interval within what a clock can measure: a day down to a microsecond.
        if !(number.is_finite() && number > 0.0) {
            return Err(wrong());
        }
        let (unit, span) = match unit.trim() {
            "s" => ('s', Duration::from_secs(1)),
            "m" => ('m', Duration::from_secs(60)),
            _ => return Err(wrong()),
        };
        let seconds = span.as_secs_f64() / number;
        if !(1e-6..=86_400.0).contains(&seconds) {
            return Err(wrong());
        }
        Ok(Self::per(number, unit, span))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.interval {
            None => f.write_str("unlimited"),
            Some(_) => write!(f, "{}/{}", self.text.number, self.text.unit),
        }
    }
}

/// What a plan will cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Forecast {
    pub requests: u64,
    /// Seconds at the set rate, without the time the service takes; `None` when the rate is unlimited.
    pub seconds: Option<f64>,
    /// The set rate.
    pub rate: Rate,
}

/// How long `requests` take at `rate`, when `burst` of them may start at once.
pub(crate) fn forecast(requests: u64, rate: &Rate, burst: u32) -> Forecast {
    let waits = requests.saturating_sub(u64::from(burst.max(1)));
    let seconds = rate.interval().map(|interval| {
        // A tenth of a second is as much as anyone can use.
        (interval.as_secs_f64() * waits as f64 * 10.0).round() / 10.0
    });
    Forecast {
        requests,
        seconds,
        rate: *rate,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_is_the_rate_as_written() {
        for (rate, count, milliseconds) in [
            ("5/s", 5, 1000),
            ("300/m", 300, 60_000),
            ("2.5/s", 2, 800),
            ("0.5/s", 1, 2000),
        ] {
            let window = rate.parse::<Rate>().unwrap().window();
            assert_eq!(
                window,
                Some((count, Duration::from_millis(milliseconds))),
                "{rate}"
            );
        }
        assert_eq!(Rate::UNLIMITED.window(), None);
    }

    #[test]
    fn rates_are_read_and_shown() {
        for (text, millis) in [
            ("5/s", 200),
            ("0.5/s", 2000),
            ("300/m", 200),
            ("1/m", 60_000),
        ] {
            let rate: Rate = text.parse().unwrap();
            assert_eq!(
                rate.interval(),
                Some(Duration::from_millis(millis)),
                "{text}"
            );
            assert_eq!(rate.to_string(), text);
        }
        assert_eq!("unlimited".parse(), Ok(Rate::UNLIMITED));
        for bad in [
            "5", "5/h", "0/s", "-1/s", "x/s", "inf/s", "NaN/s", "1e300/s", "1e-300/s", "",
        ] {
            assert!(bad.parse::<Rate>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_first_request_does_not_wait() {
        let rate = Rate::default();
        assert_eq!(forecast(0, &rate, 1).seconds, Some(0.0));
        assert_eq!(forecast(1, &rate, 1).seconds, Some(0.0));
        assert_eq!(forecast(11, &rate, 1).seconds, Some(2.0));
        assert_eq!(forecast(11, &rate, 6).seconds, Some(1.0));
        assert_eq!(forecast(11, &Rate::UNLIMITED, 1).seconds, None);
    }
}
