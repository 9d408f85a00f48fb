//! The usual file, read without the YAML library: one `key: value` a line from the margin, with comments, and nothing in it
//! that two readers could take for two things. Of anything else nothing is said here, and the library reads it.
//!
//! Not a second YAML: the law below holds it to the library. Most files of most accounts are like this, and the library
//! takes longer for them than all the rest of a plan.

use std::ops::Range;

use serde_json::Value;

use crate::model::Place;

/// One key of the top mapping, with its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub key: String,
    pub key_at: Place,
    pub key_span: Range<usize>,
    pub value: Value,
    pub value_at: Place,
    /// The bytes of the value in the file.
    pub span: Range<usize>,
}

/// More entries than a room has attributes, and a longer key than each. What has more is for the library and its limits.
const MOST: usize = 64;

/// Texts that a version of YAML takes for something else.
pub(crate) const OTHER_THINGS: [&str; 11] = [
    "null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf",
];

/// The entries of a usual file. None where a key is there twice.
pub(crate) fn entries(text: &str) -> Option<Vec<Entry>> {
    let mut entries: Vec<Entry> = Vec::with_capacity(16);
    let mut start = 0;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let content = line.strip_suffix('\n').unwrap_or(line);
        if !is_comment(content.trim_start_matches(' ')) {
            let entry = entry(content, number + 1, start)?;
            if entries.len() == MOST || entries.iter().any(|known| known.key == entry.key) {
                return None;
            }
            entries.push(entry);
        }
        start += line.len();
    }
    Some(entries)
}

/// A comment, or nothing, in letters of any language.
fn is_comment(content: &str) -> bool {
    let is_calm = |c: char| matches!(c, ' '..='~') || c.is_alphabetic();
    content.is_empty() || (content.starts_with('#') && content.chars().all(is_calm))
}

fn entry(line: &str, number: usize, start: usize) -> Option<Entry> {
    let (key, rest) = line.split_once(": ")?;
    let is_name =
        (1..=MOST).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_alphabetic());
    if !is_name || is_other(key) {
        return None;
    }
    let written = rest.trim_start_matches(' ');
    let at = line.len() - written.len();
    let (written, comment) = match written.find(" #") {
        Some(end) => (&written[..end], &written[end + 1..]),
        None => (written, ""),
    };
    let written = written.trim_end_matches(' ');
    let within = |range: Range<usize>| {
        let place = Place::new(number, range.start + 1, range.len());
        (place, start + range.start..start + range.end)
    };
    let (key_at, key_span) = within(0..key.len());
    let (value_at, span) = within(at..at + written.len());
    Some(Entry {
        key: key.to_owned(),
        key_at,
        key_span,
        value: value(written).filter(|_| is_comment(comment))?,
        value_at,
        span,
    })
}

fn value(written: &str) -> Option<Value> {
    let first = *written.as_bytes().first()?;
    match written {
        "true" => return Some(Value::Bool(true)),
        "false" => return Some(Value::Bool(false)),
        // As many digits as any reader holds exactly; one with a zero in front is octal for some.
        _ if first.is_ascii_digit() && !is_period(written) && !is_moment(written) => {
            let is_plain = written.len() <= 15 && (first != b'0' || written.len() == 1);
            let number: u64 = written.parse().ok().filter(|_| is_plain)?;
            return Some(number.into());
        }
        _ => {}
    }
    let begins_well = first.is_ascii_alphanumeric() || first == b'$';
    let is_calm = |byte: u8| byte.is_ascii_alphanumeric() || b" _-./:?=&%${}@+,~".contains(&byte);
    let is_text = begins_well
        && written.bytes().all(is_calm)
        && !written.contains(": ")
        && !written.ends_with(':')
        && !is_other(written);
    is_text.then(|| written.into())
}

/// Such as `90m` or `1h30m`: no number in any YAML.
fn is_period(text: &str) -> bool {
    let is_part = |part: &str| {
        let number = part.strip_suffix(['d', 'h', 'm', 's']).unwrap_or_default();
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    };
    text.split_inclusive(['d', 'h', 'm', 's']).all(is_part)
}

/// Such as `2027-01-31T09:00:00+01:00`: a text for the library, and the same moment for whoever reads it as a time.
fn is_moment(text: &str) -> bool {
    const DIGITS: &str = "0000-00-00T00:00:00";
    let is_like = |text: &str, form: &str| {
        let same = |(byte, form): (u8, u8)| byte == form || (form == b'0' && byte.is_ascii_digit());
        text.len() == form.len() && text.bytes().zip(form.bytes()).all(same)
    };
    text.split_at_checked(DIGITS.len())
        .is_some_and(|(moment, zone)| {
            is_like(moment, DIGITS)
                && ["Z", "+00:00", "-00:00"]
                    .iter()
                    .any(|form| is_like(zone, form))
        })
}

fn is_other(text: &str) -> bool {
    OTHER_THINGS
        .iter()
        .any(|other| text.eq_ignore_ascii_case(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_file_is_usual() {
        let text = "# Café, daily\n\nprivacy: private   # nobody else\nmaxParticipants: 20\nejectAfterElapsedTimeInSec: 1h30m\n\
                    expireUnixSec: 2029-03-31T10:00:00+01:00\nautoJoin: true\n\
                    meetingEndedWebhook: https://hooks.example.com/${env:ROOM_TOKEN}/ended?x=1\n  # the end\n";
        let entries = entries(text);
        let entries = entries.unwrap_or_default();
        let values: Vec<&str> = entries
            .iter()
            .map(|entry| &text[entry.span.clone()])
            .collect();
        let webhook = "https://hooks.example.com/${env:ROOM_TOKEN}/ended?x=1";
        assert_eq!(
            values,
            [
                "private",
                "20",
                "1h30m",
                "2029-03-31T10:00:00+01:00",
                "true",
                webhook
            ]
        );
    }

    #[test]
    fn what_could_be_two_things_is_for_the_library() {
        for text in [
            "a: yes",
            "a: 007",
            "a: 1:30",
            "a: 2001-01-01",
            "a: 1e3",
            "a: -1",
            "a: 'x'",
            "a: b: c",
            "a: b\n  c",
            "a: 1\na: 2",
            "null: 1",
            "a:",
            "- a",
            "a: b\r\n",
            "---\na: 1",
            "a: b # \u{85}",
            "\u{feff}a: 1",
            " a: 1",
        ] {
            assert!(entries(text).is_none(), "{text:?}");
        }
    }
}
