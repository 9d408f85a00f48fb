//! How a single value reads, in every form: on one line, with a date or a span beside bare seconds, and with
//! nothing in it that acts on a reader.

use jiff::Timestamp;
use serde_json::Value as Json;

use crate::model::Shown;
use crate::model::catalogue::{Kind, kind};
pub(super) use crate::model::words::printable;
use crate::model::words::{count, span};

/// `Room` for `room`.
pub(super) fn capitalized(word: &str) -> String {
    let mut chars = word.chars();
    let first = chars.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(chars).collect()
}

/// `rooms/tea.yaml:4`.
pub(super) fn place(file: &str, line: Option<u32>) -> String {
    match line {
        Some(line) => format!("{file}:{line}"),
        None => file.to_owned(),
    }
}

/// How it reads that there is no value.
pub(super) const NOTHING: &str = "nothing";

/// The value of an attribute on one line; with a moment's date and its distance from `now` (Unix seconds), or a
/// span in hours and minutes, beside it. A text that would read as something else, such as `true` or `5`, is quoted.
pub(super) fn value(name: &str, json: &Shown, now: i64) -> String {
    match json {
        Shown::Text(text) if text.is_empty() || is_no_text(text) => {
            format!("\"{}\"", printable(text))
        }
        Shown::Text(text) => printable(text),
        other => {
            let unit = json.integer().and_then(|number| unit(name, number, now));
            unit.map_or_else(|| other.to_string(), |unit| format!("{other} ({unit})"))
        }
    }
}

fn is_no_text(text: &str) -> bool {
    text == NOTHING || serde_json::from_str::<Json>(text).is_ok()
}

fn unit(name: &str, seconds: i64, now: i64) -> Option<String> {
    match kind(name)? {
        Kind::Moment => moment(seconds, now),
        Kind::Span => (seconds >= 60).then(|| span(seconds)),
        Kind::Flag | Kind::Count(_) | Kind::Words(_) | Kind::Text | Kind::SecretUrl => None,
    }
}

/// `2027-01-01 00:00 UTC, in 39 days`.
pub(crate) fn moment(seconds: i64, now: i64) -> Option<String> {
    let date = date(seconds)?;
    let distance = now.abs_diff(seconds);
    let distance = match distance {
        0..60 => count(distance, "second"),
        60..7200 => count(distance / 60, "minute"),
        7200..172_800 => count(distance / 3600, "hour"),
        172_800..63_115_200 => count(distance / 86_400, "day"),
        _ => count(distance / 31_557_600, "year"),
    };
    Some(if seconds > now {
        format!("{date}, in {distance}")
    } else {
        format!("{date}, {distance} ago")
    })
}

/// `2027-01-01 00:00 UTC`.
pub(super) fn date(seconds: i64) -> Option<String> {
    let date = Timestamp::from_second(seconds).ok()?;
    Some(date.strftime("%Y-%m-%d %H:%M UTC").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_392_000;

    #[test]
    fn a_text_is_not_taken_for_another_type() {
        for (json, shown) in [
            (Shown::from("true"), "\"true\""),
            (Shown::from(true), "true"),
            (Shown::from("5"), "\"5\""),
            (Shown::from(5), "5"),
            (Shown::from(""), "\"\""),
            (Shown::from("nothing"), "\"nothing\""),
            (Shown::NONE, "null"),
            (Shown::from("grid"), "grid"),
        ] {
            assert_eq!(value("layout", &json, NOW), shown);
        }
    }

    #[test]
    fn seconds_have_a_date_or_a_span_beside_them() {
        for (name, seconds, shown) in [
            (
                "expireUnixSec",
                1_798_761_600,
                "1798761600 (2027-01-01 00:00 UTC, in 39 days)",
            ),
            ("ejectAfterElapsedTimeInSec", 45, "45"),
            ("ejectAfterElapsedTimeInSec", 5405, "5405 (1h30m5s)"),
            ("maxParticipants", 5405, "5405"),
        ] {
            assert_eq!(value(name, &Shown::from(seconds), NOW), shown);
        }
    }

    #[test]
    fn distances_are_in_one_unit() {
        for (seconds, shown) in [
            (0, "0 seconds ago"),
            (1, "in 1 second"),
            (-90, "1 minute ago"),
            (7199, "in 119 minutes"),
            (90_000, "in 25 hours"),
            (-172_800, "2 days ago"),
            (63_115_200, "in 2 years"),
        ] {
            let moment = moment(NOW + seconds, NOW).unwrap();
            assert!(moment.ends_with(shown), "{moment}");
        }
    }

    #[test]
    fn nothing_acts_on_the_terminal() {
        assert_eq!(
            printable("a\u{1b}[31m\u{202e}b\n"),
            "a\\u{1b}[31m\\u{202e}b\\u{a}"
        );
        assert_eq!(printable("caf\u{e9} ✓"), "caf\u{e9} ✓");
    }
}
