//! YAML, strictly: every call of the YAML library is here, with its limits against hostile input.
//!
//! A file is read as one mapping of keys to JSON values, each with its place. Types are checked later, on
//! the values: the library's own typed reading takes `"5"` for a number and stops at the first error.

use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::value::MapDeserializer;
use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use serde_yaml::{
    DuplicateKeyPolicy, Error, MergeKeyPolicy, Options, Spanned, budget::BudgetBreach,
};

use crate::files::usual;
pub(crate) use crate::files::usual::Entry;
use crate::model::Place;

/// Why a file is not a mapping that we accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct YamlError {
    pub place: Place,
    pub message: String,
    pub help: &'static str,
}

fn options(duplicate_keys: DuplicateKeyPolicy) -> Options {
    serde_yaml::options! {
        // No anchors and no aliases: a room is small, and they are how a small file becomes a huge one.
        budget: serde_yaml::budget! {
            max_depth: 16,
            max_aliases: 0,
            max_anchors: 0,
            max_documents: 1,
            max_nodes: 5000,
            max_events: 20_000,
            max_total_scalar_bytes: 262_144,
        },
        // `no` is a text, not false.
        strict_booleans: true,
        no_schema: true,
        underscored_numbers_as_strings: true,
        reject_unsupported_tags: true,
        merge_keys: MergeKeyPolicy::Error,
        duplicate_keys: duplicate_keys,
        // Snippets would repeat lines that may hold secrets.
        with_snippet: false,
    }
}

/// Reads `text` as one mapping, in the order of the file. An empty file is an empty mapping. A key may be there twice:
/// callers report that with both places.
///
/// # Errors
/// With the place, when it is not YAML, not a mapping, beyond the limits, or has a key twice within a value.
pub(crate) fn mapping(text: &str) -> Result<Vec<Entry>, YamlError> {
    let entries = read(text, DuplicateKeyPolicy::PassThrough)?;
    if entries
        .iter()
        .any(|entry| entry.value.is_array() || entry.value.is_object())
    {
        // Within a value, the last of two would win without a word.
        read(text, DuplicateKeyPolicy::Error)?;
    }
    Ok(entries)
}

/// The same of a file in which no key may be there twice at all.
pub(crate) fn strict_mapping(text: &str) -> Result<Vec<Entry>, YamlError> {
    read(text, DuplicateKeyPolicy::Error)
}

fn read(text: &str, duplicate_keys: DuplicateKeyPolicy) -> Result<Vec<Entry>, YamlError> {
    match usual::entries(text) {
        Some(entries) => Ok(entries),
        None => read_by_library(text, duplicate_keys),
    }
}

fn read_by_library(
    text: &str,
    duplicate_keys: DuplicateKeyPolicy,
) -> Result<Vec<Entry>, YamlError> {
    let read = serde_yaml::from_str_with_options(text, options(duplicate_keys));
    let Entries(entries) =
        read.map_err(|error| foreign(text).unwrap_or_else(|| explain(&error)))?;
    let is_comment = |entry: &Entry| entry.key.starts_with("//");
    if entries.iter().any(is_comment)
        && let Some(error) = foreign(text)
    {
        return Err(error);
    }
    Ok(entries)
}

/// The same as [`strict_mapping`], read by the library alone.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn by_library(text: &str) -> Result<Vec<Entry>, YamlError> {
    read_by_library(text, DuplicateKeyPolicy::Error)
}

/// Reads `entries` into a type that refuses what it does not know.
pub(crate) fn typed<'a, T: Deserialize<'a>>(
    entries: impl Iterator<Item = &'a Entry>,
) -> Result<T, serde_json::Error> {
    let pairs = entries.map(|entry| (entry.key.as_str(), &entry.value));
    T::deserialize(MapDeserializer::new(pairs))
}

/// A value of which only the place counts.
#[derive(Clone, Debug)]
pub(crate) struct Located {
    pub at: Place,
    /// Its bytes in the file.
    pub span: Range<usize>,
}

impl<'de> Deserialize<'de> for Located {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Spanned::<IgnoredAny>::deserialize(deserializer)?;
        Ok(Self {
            at: place(&value.referenced),
            span: span(&value.referenced),
        })
    }
}

/// Reads `text` into a type that holds places. For what was accepted before.
pub(crate) fn located<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_yaml::from_str_with_options(text, options(DuplicateKeyPolicy::Error)).ok()
}

struct Entries(Vec<Entry>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Mapping;
        impl<'de> Visitor<'de> for Mapping {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some((key, value)) = map.next_entry()? {
                    entries.push(entry(key, value));
                }
                Ok(Entries(entries))
            }

            fn visit_unit<E>(self) -> Result<Entries, E> {
                Ok(Entries(Vec::new()))
            }
        }
        deserializer.deserialize_map(Mapping)
    }
}

fn entry(key: Spanned<String>, value: Spanned<Value>) -> Entry {
    Entry {
        key_at: place(&key.referenced),
        key_span: span(&key.referenced),
        key: key.value,
        value_at: place(&value.referenced),
        span: span(&value.referenced),
        value: value.value,
    }
}

fn span(location: &serde_yaml::Location) -> Range<usize> {
    let span = location.span();
    let start = span.byte_offset().unwrap_or(0) as usize;
    let length = span.byte_len().unwrap_or(0) as usize;
    start..start.saturating_add(length)
}

fn place(location: &serde_yaml::Location) -> Place {
    let (line, column) = (location.line() as usize, location.column() as usize);
    Place::new(line, column, location.span().len() as usize)
}

/// A line that is of no YAML, and reads as all kinds of errors: of a merge that somebody committed half-way, or a comment of
/// another language.
fn foreign(text: &str) -> Option<YamlError> {
    const FOREIGN: [(&str, &str, &str); 2] = [
        (
            "<<<<<<< ",
            "a merge conflict that was never resolved",
            "keep one side, and take the lines with `<<<<<<<`, `=======` and `>>>>>>>` out",
        ),
        (
            "//",
            "a comment as other languages have it",
            "a comment begins with `#`",
        ),
    ];
    FOREIGN.into_iter().find_map(|(mark, message, help)| {
        let line = text.lines().position(|line| line.starts_with(mark))?;
        Some(YamlError {
            place: Place::new(line + 1, 1, mark.trim_end().len()),
            message: message.to_owned(),
            help,
        })
    })
}

fn explain(error: &Error) -> YamlError {
    let place = error.location().map(|at| place(&at)).unwrap_or_default();
    let message = plain_message(error, place);
    let (message, help) = match known(error, &message) {
        Some((message, help)) => (message.to_owned(), help),
        None => unexpected(&message).unwrap_or((
            message,
            "write one `key: value` a line, beginning at the margin; quote a text that holds `: ` or ` #`",
        )),
    };
    YamlError {
        place,
        message,
        help,
    }
}

/// What is wrong, and what to do about it.
type Explained = (&'static str, &'static str);

/// An error in words for people who do not know the library.
fn known(error: &Error, message: &str) -> Option<Explained> {
    Some(match error.without_snippet() {
        Error::Budget { breach, .. } => limit(breach),
        Error::UnknownAnchor { .. } => ALIASES,
        // Without the key, which may be anything in a file that is not as it should be.
        Error::DuplicateMappingKey { .. } => ("this key is set twice", "keep one of the two"),
        Error::MergeKeyNotAllowed { .. } => {
            ("merge keys (`<<`) are not accepted", "write the keys out")
        }
        Error::QuotingRequired { .. } => (
            "this key must be text",
            "keys are the names of room attributes, such as `privacy`",
        ),
        // Not the library's words: they repeat the tag, which may be the beginning of a secret.
        Error::UnsupportedTag { .. } => (
            "tags (`!`) are not accepted",
            "quote a text that begins with `!`",
        ),
        _ => {
            let mut rows = IN_OUR_WORDS.iter();
            let (_, words, help) = rows.find(|(beginning, ..)| message.starts_with(beginning))?;
            (*words, *help)
        }
    })
}

const ALIASES: Explained = (
    "anchors and aliases (`&`, `*`) are not accepted",
    "write the value out; quote a text that begins with `&` or `*`",
);

const TOO_DEEP: Explained = (
    "this is nested too deeply",
    "a room is a flat list of keys and values",
);

fn limit(breach: &BudgetBreach) -> Explained {
    match breach {
        BudgetBreach::Documents { .. } => (
            "a file holds one room, so only one YAML document",
            "move the part after `---` into a file of its own",
        ),
        BudgetBreach::Anchors { .. } | BudgetBreach::Aliases { .. } => ALIASES,
        BudgetBreach::Depth { .. } => TOO_DEEP,
        _ => (
            "this holds far more than a room can have",
            "a room is a flat list of keys, each of them once",
        ),
    }
}

/// What the library's messages begin with, and the same in our words.
const IN_OUR_WORDS: [(&str, &str, &str); 12] = [
    (
        "mapping values are not allowed",
        "a second `: ` in one value, or a key that is indented further than the one above",
        "quote a value that holds `: `, and let every key begin in the same column",
    ),
    (
        "did not find expected",
        "this line does not go on with what is above it",
        "let every key begin in the same column, best at the margin",
    ),
    (
        "tabs disallowed",
        "a line begins with a tab",
        "indent with spaces, if at all",
    ),
    (
        "unclosed quote",
        "a quote is opened here and never closed",
        "close it",
    ),
    (
        "unclosed bracket",
        "a bracket is opened here and never closed",
        "close it, or quote a text that begins with one",
    ),
    (
        "expected string scalar",
        "a key cannot be a list or a mapping",
        "keys are the names of room attributes; quote a value that begins with `{` or `[`",
    ),
    (
        "cannot deserialize null into string",
        "a key is missing before the colon",
        "write the name of an attribute there",
    ),
    (
        "simple key expected",
        "a `: ` is missing after a key",
        "write `key: value`",
    ),
    (
        "non-finite float",
        "this is no number that could be sent",
        "write a whole number, in digits",
    ),
    (
        "a BOM must not appear",
        "a byte-order mark in the middle of the file",
        "take out the invisible character at this place",
    ),
    ("recursion limit exceeded", TOO_DEEP.0, TOO_DEEP.1),
    (
        "expected mapping start",
        "a file must hold `key: value` lines",
        "write one `key: value` a line, with a space after the colon",
    ),
];

fn unexpected(message: &str) -> Option<(String, &'static str)> {
    let what = message.strip_prefix("unexpected character: `")?;
    Some(match what.strip_suffix('\'').unwrap_or(what) {
        "\\u{0}" => (
            "a NUL: this is not a text file".to_owned(),
            "save the file as UTF-8 text",
        ),
        control if control.starts_with("\\u{") => (
            format!("a control character ({control})"),
            "take out the invisible character at this place",
        ),
        other => (
            format!("a value cannot begin with `{other}`").replace("```", "a backtick"),
            "quote the value",
        ),
    })
}

/// The library's message without the place that it repeats at the end.
fn plain_message(error: &Error, place: Place) -> String {
    let text = error.to_string();
    let place = format!(" at line {}, column {}", place.line, place.column);
    text.strip_suffix(&place).unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        mapping(text).unwrap_err().message
    }

    #[test]
    fn keys_and_values_have_places() {
        let text = "\u{feff}a: true\r\n# note\r\nbb: \"x\"\r\n";
        let entries = mapping(text).unwrap();
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[1].key, "bb");
        let place = |line, column, width| Place {
            line,
            column,
            width,
        };
        assert_eq!(entries[1].key_at, place(3, 1, 2));
        assert_eq!(entries[1].value_at, place(3, 5, 3));
        assert_eq!(&text[entries[1].key_span.clone()], "bb");
        assert_eq!(&text[entries[1].span.clone()], "\"x\"");
    }

    #[test]
    fn words_and_underscores_are_not_values_of_another_type() {
        let value = |text: &str| mapping(text).unwrap().remove(0).value;
        assert_eq!(value("a: no"), Value::from("no"));
        assert_eq!(value("a: 1_000"), Value::from("1_000"));
        assert_eq!(value("a: \"5\""), Value::from("5"));
        assert_eq!(value("a: 5"), Value::from(5));
        assert_eq!(value("a:"), Value::Null);
    }

    #[test]
    fn duplicates_are_kept_for_the_caller() {
        assert_eq!(mapping("a: 1\na: 2").unwrap().len(), 2);
        assert!(strict_mapping("a: 1\na: 2").is_err());
    }

    #[test]
    fn within_a_value_no_key_is_there_twice() {
        for text in [
            "a: {b: 1, b: 2}",
            "a:\n  b: 1\n  c: 1\n  b: 1",
            "a: [{b: 1, b: 2}]",
            "a: [[{c: {b: 1, \"b\": 2}}]]",
        ] {
            assert_eq!(message(text), "this key is set twice", "{text}");
            assert!(strict_mapping(text).is_err(), "{text}");
        }
        for text in ["a: {b: 1, c: 1}", "a: [{b: 1}, {b: 2}]"] {
            assert!(
                mapping(text).is_ok() && strict_mapping(text).is_ok(),
                "{text}"
            );
        }
    }

    #[test]
    fn an_empty_file_is_an_empty_mapping() {
        assert!(mapping("").unwrap().is_empty());
        assert!(mapping("# only a comment\n").unwrap().is_empty());
    }

    #[test]
    fn hostile_input_is_refused_with_a_reason() {
        assert!(message("a: &x true").contains("anchors"));
        assert!(message("a: *x").contains("anchors"));
        assert!(message("<<: {a: 1}").contains("merge keys"));
        assert!(message("a: 1\n---\nb: 2").contains("one room"));
        assert!(message(&"[".repeat(100_000)).contains("nested too deeply"));
        assert!(message(&format!("a: {}1", "{b: ".repeat(300))).contains("nested"));
        assert!(message("- a").contains("key: value"));
        assert!(message("3").contains("key: value"));
        assert!(message("1: 2").contains("must be text"));
        assert_eq!(message("a: !thing 1"), "tags (`!`) are not accepted");
        let many: String = (0..6000).map(|n| format!("k{n}: 1\n")).collect();
        assert!(message(&many).contains("far more"));
    }
}
