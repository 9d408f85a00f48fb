//! The canonical form of a settings file: the order of its keys, spacing and quotes. Pure.
//!
//! One `key: value` a line at the margin, keys in the order of the catalogue and unknown ones behind them, quotes
//! only where a value would read as something else without them. What people wrote is theirs:
//!
//! - Comments and blank lines above a key move with it, as they are; so does a comment behind its value.
//! - What comes first in the file stays first: a line for editors (`# yaml-language-server: …`), `---`, and
//!   everything down to the last blank line before the first key's own comment. What comes last stays last.
//! - Line ends stay of the kind that the first line has.
//!
//! A value is never read as another one: the result is parsed and compared before it is given out. What is not
//! understood is refused, not guessed at.

use std::collections::BTreeMap;

use serde_json::Value;

use super::yaml::{self, Entry};
use crate::model::catalogue::attributes;
use crate::model::{Place, Severity};

use super::settings_file::{Findings, duplicates};

/// The canonical form of `text`, or nothing and why in `findings`. `text` has no secret that a finding repeats.
pub fn format(text: &str, findings: &mut Findings<'_>) -> Option<String> {
    let bare = text.strip_prefix('\u{feff}').unwrap_or(text);
    let line_end = match bare.find('\n') {
        Some(at) if bare[..at].ends_with('\r') => "\r\n",
        _ => "\n",
    };
    let plain = bare.replace("\r\n", "\n");
    let entries = match yaml::mapping(&plain) {
        Ok(entries) => entries,
        Err(error) => {
            findings.add(
                error.place,
                "yaml",
                Severity::Error,
                error.message,
                error.help,
            );
            return None;
        }
    };
    let before = findings.list.len();
    duplicates(&entries, findings);
    if findings.list.len() > before {
        return None;
    }
    let formatted = match arrange(&plain, &entries) {
        Ok(formatted) => formatted,
        Err(refusal) => {
            findings.add(
                refusal.place,
                "format",
                Severity::Error,
                refusal.message,
                Some(refusal.help),
            );
            return None;
        }
    };
    if !same(&entries, &formatted) {
        findings.add(
            Place::WHOLE_FILE,
            "format",
            Severity::Error,
            "the file would not mean the same any more, so it is left as it is",
            Some("this is a fault of roomctl: please report it with the shape of the file"),
        );
        return None;
    }
    Some(if line_end == "\n" {
        formatted
    } else {
        formatted.replace('\n', line_end)
    })
}

/// Why a file is left as it is.
struct Refusal {
    place: Place,
    message: &'static str,
    help: &'static str,
}

/// A key with everything that moves with it.
struct Block<'a> {
    /// Comments and blank lines above it.
    above: Vec<&'a str>,
    /// The line itself.
    line: String,
    /// Its place in the catalogue; unknown keys come last.
    rank: usize,
}

fn arrange(text: &str, entries: &[Entry]) -> Result<String, Refusal> {
    let lines: Vec<&str> = text.lines().collect();
    let Some(first) = entries.first() else {
        return Ok(joined(lines.iter().copied()));
    };
    if let Some(marker) = lines
        .iter()
        .position(|line| line.starts_with('%') || *line == "...")
    {
        return Err(Refusal {
            place: line_place(marker),
            message: "directives and end markers are not formatted",
            help: "take the line out: a file holds one document anyway",
        });
    }
    let top = index(first);
    let header = header(&lines[..top]);
    let mut blocks: Vec<Block<'_>> = Vec::with_capacity(entries.len());
    let mut next = header;
    for entry in entries {
        let (line, last) = entry_line(&lines, entry)?;
        let above = lines.get(next..index(entry)).ok_or_else(|| braces(entry))?;
        if let Some(other) = above.iter().position(|line| !is_remark(line)) {
            return Err(several_lines(next + other));
        }
        blocks.push(Block {
            above: above.to_vec(),
            line,
            rank: rank(&entry.key),
        });
        next = last + 1;
    }
    let footer = lines.get(next..).unwrap_or_default();
    if let Some(other) = footer.iter().position(|line| !is_remark(line)) {
        return Err(several_lines(next + other));
    }
    blocks.sort_by_key(|block| block.rank);
    let body = blocks.iter().flat_map(|block| {
        let above = block.above.iter().copied();
        above.chain(std::iter::once(block.line.as_str()))
    });
    let all = lines[..header].iter().copied().chain(body);
    Ok(joined(all.chain(footer.iter().copied())))
}

/// How many of the lines before the first key stay at the top.
fn header(before: &[&str]) -> usize {
    let is_top =
        |line: &&str| line.trim().is_empty() || line.starts_with("---") || is_modeline(line);
    before.iter().rposition(is_top).map_or(0, |last| last + 1)
}

fn is_modeline(line: &str) -> bool {
    line.trim_start_matches(['#', ' '])
        .starts_with("yaml-language-server:")
}

/// A line that says nothing to a program.
fn is_remark(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

/// The line of a key in its canonical form, and the index of the last line that it took.
fn entry_line(lines: &[&str], entry: &Entry) -> Result<(String, usize), Refusal> {
    let at = index(entry);
    let line = lines.get(at).copied().unwrap_or_default();
    let (before, rest) = split_chars(line, entry.key_at.column as usize - 1);
    let (written_key, rest) = split_chars(rest, entry.key_at.width as usize);
    let rest = rest.trim_start();
    let Some(rest) = rest.strip_prefix(':').filter(|_| before.trim().is_empty()) else {
        return Err(braces(entry));
    };
    let key = plain_key(&entry.key).unwrap_or_else(|| written_key.to_owned());
    let value_line = entry.value_at.line as usize - 1;
    let (rest, last) = match rest.trim() {
        "" if value_line > at && !entry.value.is_null() => {
            if lines[at + 1..value_line]
                .iter()
                .any(|line| !line.trim().is_empty())
            {
                return Err(several_lines(at + 1));
            }
            (
                lines.get(value_line).copied().unwrap_or_default(),
                value_line,
            )
        }
        _ => (rest, at),
    };
    let rest = rest.trim();
    let line = line_of(&key, &entry.value, rest).ok_or_else(|| several_lines(at))?;
    Ok((line, last))
}

/// `key: value`, with what stands behind the value as it is; `None` when the value goes on below.
fn line_of(key: &str, value: &Value, rest: &str) -> Option<String> {
    if rest.is_empty() {
        return Some(format!("{key}:"));
    }
    let behind = behind(rest, value)?;
    Some(match canonical(key, value) {
        Some(canonical) => format!("{key}: {canonical}{behind}"),
        None => format!("{key}: {rest}"),
    })
}

/// The comment behind the value, with the blanks before it; `None` when it cannot be told where the value ends.
fn behind<'a>(rest: &'a str, value: &Value) -> Option<&'a str> {
    let ends = rest
        .match_indices('#')
        .map(|(at, _)| rest[..at].trim_end().len())
        .chain([rest.len()]);
    // The first place at which the text before reads as the value, and the rest is a comment.
    for end in ends {
        let (written, comment) = rest.split_at(end);
        let is_comment = comment.is_empty() || comment.starts_with([' ', '\t']);
        if is_comment && reads_as(written).as_ref() == Some(value) {
            return Some(comment);
        }
    }
    None
}

/// What a text reads as when it stands behind a key.
fn reads_as(written: &str) -> Option<Value> {
    let mut entries = yaml::mapping(&format!("k: {written}\n")).ok()?;
    (entries.len() == 1).then(|| entries.remove(0).value)
}

/// The one way to write a value; `None` where what stands there is kept.
fn canonical(key: &str, value: &Value) -> Option<String> {
    match value {
        Value::Bool(value) => Some(value.to_string()),
        Value::String(text) if is_plain(key, text) => Some(text.clone()),
        Value::String(_) => Some(value.to_string()),
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Whether a text needs no quotes, for any reader of YAML.
fn is_plain(key: &str, text: &str) -> bool {
    // What older readers take for truth, nothing or a number.
    const OTHERS: [&str; 8] = ["y", "n", "yes", "no", "on", "off", "~", "null"];
    // `2h` and `2029-03-31T10:00:00+01:00` begin with a digit, and nobody quotes them.
    let is_time = (key.ends_with("InSec") || key.ends_with("UnixSec"))
        && text.contains(|c: char| c.is_ascii_alphabetic())
        && !text.contains(['e', 'E', 'x', 'o', 'b', '_']);
    let looks_like_a_number = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
    !OTHERS.contains(&text.to_ascii_lowercase().as_str())
        && (is_time || !looks_like_a_number)
        && reads_as(text).as_ref() == Some(&Value::from(text))
}

fn plain_key(key: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_plain = key.starts_with(|c: char| c.is_ascii_alphabetic()) && key.chars().all(plain);
    (is_plain && reads_as(key) == Some(Value::from(key))).then(|| key.to_owned())
}

/// Whether a text still holds the same keys with the same values.
fn same(entries: &[Entry], formatted: &str) -> bool {
    let Ok(after) = yaml::mapping(formatted) else {
        return false;
    };
    let pairs = |entries: &[Entry]| -> BTreeMap<String, Value> {
        let pairs = entries.iter().map(|e| (e.key.clone(), e.value.clone()));
        pairs.collect()
    };
    after.len() == entries.len() && pairs(entries) == pairs(&after)
}

fn rank(key: &str) -> usize {
    let attributes = attributes();
    let place = attributes
        .iter()
        .position(|attribute| attribute.name == key);
    place.unwrap_or(attributes.len())
}

fn index(entry: &Entry) -> usize {
    (entry.key_at.line as usize).saturating_sub(1)
}

fn split_chars(text: &str, chars: usize) -> (&str, &str) {
    let at = text
        .char_indices()
        .nth(chars)
        .map_or(text.len(), |(at, _)| at);
    text.split_at(at)
}

/// The lines without blanks at their ends, with none of them empty at the end of the file.
fn joined<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let mut text = String::new();
    for line in lines {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    let end = text.trim_end().len();
    text.truncate(end);
    if end > 0 {
        text.push('\n');
    }
    text
}

fn braces(entry: &Entry) -> Refusal {
    Refusal {
        place: entry.key_at,
        message: "this key does not stand on a line of its own, and is not formatted",
        help: "write one `key: value` a line, without braces or `?`",
    }
}

fn several_lines(line: usize) -> Refusal {
    Refusal {
        place: line_place(line),
        message: "a value that goes over several lines is not formatted",
        help: "write it on one line",
    }
}

fn line_place(index: usize) -> Place {
    Place {
        line: u32::try_from(index + 1).unwrap_or(u32::MAX),
        column: 1,
        width: 0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn formatted(text: &str) -> Result<String, String> {
        let mut findings = Findings::new("rooms/a.yaml");
        format(text, &mut findings).ok_or_else(|| {
            let finding = findings.list.remove(0);
            format!("{}: {}", finding.place.line, finding.message)
        })
    }

    #[test]
    fn order_spacing_and_quotes() {
        for (before, after) in [
            ("", ""),
            ("# later\n\n\n", "# later\n"),
            ("privacy: private", "privacy: private\n"),
            (
                "enableChat: true\nprivacy: private\n",
                "privacy: private\nenableChat: true\n",
            ),
            (
                "zzz: 1\naaa: 2\nprivacy: private\n",
                "privacy: private\nzzz: 1\naaa: 2\n",
            ),
            (
                "  privacy:   'private'   \n  \"enableChat\" : True\n",
                "privacy: private\nenableChat: true\n",
            ),
            (
                "privacy:\n  private\nautoJoin: FALSE",
                "privacy: private\nautoJoin: false\n",
            ),
            (
                "\u{feff}privacy: private\r\nautoJoin: true\r\n",
                "privacy: private\r\nautoJoin: true\r\n",
            ),
            (
                "privacy: private   # who # really\n",
                "privacy: private   # who # really\n",
            ),
            (
                "privacy: \"private\" # quoted\n",
                "privacy: private # quoted\n",
            ),
            ("---\nprivacy: private\n", "---\nprivacy: private\n"),
            (
                "maxParticipants: 1_000\nroomName: '12'\n",
                "roomName: \"12\"\nmaxParticipants: \"1_000\"\n",
            ),
            ("roomName: \"no\"\n", "roomName: \"no\"\n"),
            ("roomName: 'a # b'\n", "roomName: \"a # b\"\n"),
            ("roomName: \"a: b\" # c\n", "roomName: \"a: b\" # c\n"),
            (
                "ejectAfterElapsedTimeInSec: '2h'\n",
                "ejectAfterElapsedTimeInSec: 2h\n",
            ),
            (
                "expireUnixSec: \"2029-03-31T10:00:00+01:00\"\n",
                "expireUnixSec: 2029-03-31T10:00:00+01:00\n",
            ),
            (
                "rtmpOutURL: \"rtmp://a/${env:KEY}#x\"\n",
                "rtmpOutURL: rtmp://a/${env:KEY}#x\n",
            ),
            ("rtmpOutURL: '${env:KEY}'\n", "rtmpOutURL: ${env:KEY}\n"),
            (
                "maxParticipants: 0x10\nautoJoin:\n",
                "maxParticipants: 0x10\nautoJoin:\n",
            ),
            (
                "enableChat: [ true,  false ] # list\n",
                "enableChat: [ true,  false ] # list\n",
            ),
            ("roomName: !!str 12\n", "roomName: \"12\"\n"),
        ] {
            assert_eq!(formatted(before).as_deref(), Ok(after), "{before:?}");
            assert_eq!(formatted(after).as_deref(), Ok(after), "again: {before:?}");
        }
    }

    #[test]
    fn comments_and_blank_lines_move_with_their_key() {
        let before = "\
# yaml-language-server: $schema=x
# About the file.

# About chat,
#   over two lines.
enableChat: true   # behind chat

# About privacy.


privacy: private
# The end.
";
        let after = "\
# yaml-language-server: $schema=x
# About the file.


# About privacy.


privacy: private
# About chat,
#   over two lines.
enableChat: true   # behind chat
# The end.
";
        assert_eq!(formatted(before).as_deref(), Ok(after));
        assert_eq!(formatted(after).as_deref(), Ok(after));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for (text, expected) in [
            ("{privacy: private}", "1: this key does not stand"),
            ("? privacy\n: private\n", "1: this key does not stand"),
            (
                "privacy: private\nautoJoin: [true,\n  false]\n",
                "2: a value that goes",
            ),
            ("roomName: >-\n  a\n  b\n", "1: a value that goes"),
            ("roomName: a\n  b\n", "1: a value that goes"),
            ("roomName: 'a\n  b'\n", "1: a value that goes"),
            ("roomName: |\n  # no comment\nprivacy: private\n", "1: "),
            (
                "privacy: private\nprivacy: public\n",
                "2: `privacy` is set twice",
            ),
            ("privacy: [\n", "1: a bracket"),
            ("privacy: private\n...\n", "2: directives"),
        ] {
            let told = formatted(text).expect_err(text);
            assert!(told.starts_with(expected), "{text:?}: {told}");
        }
    }

    fn files() -> impl Strategy<Value = String> {
        let key = "(privacy|roomName|enableChat|maxParticipants|rtmpOutURL|ejectAfterElapsedTimeInSec|zzz|'autoJoin'|\"joinVideoOn\")";
        let value = "(private|true|FALSE|12|1_000|0x1f|-3|2h|\"a # b\"|'it''s'|\"\\\\u00e9 x\"|rtmp://a/\\$\\{env:K\\}|a b c|yes|~||'yes'|\"12\"|2029-01-01T00:00:00Z|x#y|é|'a: b'|\\[1, 2\\]|\"\"|1e3|\\.5|'- x')";
        let line = (
            "(|\n|\n\n|# one\n|# one\n# two: x\n|\n# \"x\"\n\n|  # in\n)",
            key,
            "( ?: {1,3})",
            value,
            "(|  | # c|   # 'c' # d)",
        );
        let lines = prop::collection::vec(line, 0..7);
        (
            "(|\u{feff})(|---\n)(|# yaml-language-server: x\n|# top\n\n)",
            lines,
            "(|\n|\n\n# end\n|# end)",
            any::<bool>(),
        )
            .prop_map(|(top, lines, end, windows)| {
                let mut text = top;
                for (above, key, colon, value, comment) in lines {
                    text += &format!("{above}{key}{colon}{value}{comment}\n");
                }
                text += &end;
                if windows {
                    text.replace('\n', "\r\n")
                } else {
                    text
                }
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_meaning_stays_and_once_is_enough(text in files()) {
            if let Ok(after) = formatted(&text) {
                let pairs = |text: &str| -> BTreeMap<String, Value> {
                    yaml::mapping(text).unwrap().into_iter().map(|e| (e.key, e.value)).collect()
                };
                prop_assert_eq!(pairs(&text), pairs(&after));
                prop_assert_eq!(formatted(&after), Ok(after));
            }
        }

        #[test]
        fn no_comment_and_no_blank_line_between_keys_is_lost(text in files()) {
            if let Ok(after) = formatted(&text) {
                let comments = |text: &str| -> Vec<String> {
                    let bare = text.trim_start_matches('\u{feff}');
                    let mut comments: Vec<String> = bare
                        .lines()
                        .filter(|line| line.trim_start().starts_with('#'))
                        .map(|line| line.trim_end().to_owned())
                        .collect();
                    comments.sort();
                    comments
                };
                prop_assert_eq!(comments(&text), comments(&after));
                let blank = |text: &str| {
                    text.trim_start_matches('\u{feff}').trim_end().lines().filter(|line| line.trim().is_empty()).count()
                };
                prop_assert_eq!(blank(&text), blank(&after));
            }
        }

        #[test]
        fn any_text_is_formatted_or_refused(text in "(?s).{0,120}") {
            let _ = formatted(&text);
        }
    }
}
