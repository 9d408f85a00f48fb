//! Patterns over room names: in flags, claims, policies and mutes.

use std::str::FromStr;

use globset::{ErrorKind, GlobBuilder, GlobSet};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A pattern over room names: `*`, `?`, `[a-z]`, `{one,other}`. Case does not count: names that differ only by case
/// are never two rooms here, and what is protected by a name stays so however the service writes it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub(crate) struct Glob {
    text: String,
    /// Of this one. A matcher of one alone ends the program where the pattern is more than it can compile.
    set: GlobSet,
}

/// Longest pattern, in bytes: a hundred names of usual length.
const MOST_TEXT: usize = 2048;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a pattern for room names: {why}")]
pub(crate) struct GlobError {
    text: String,
    why: String,
}

impl Glob {
    pub(crate) fn matches(&self, name: &str) -> bool {
        self.set.is_match(name)
    }

    /// As it was written.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }
}

/// Whether one of the patterns matches.
pub(crate) fn any(globs: &[Glob], name: &str) -> bool {
    globs.iter().any(|glob| glob.matches(name))
}

/// Every name.
impl Default for Glob {
    fn default() -> Self {
        "*".parse().expect("a star is a pattern")
    }
}

impl FromStr for Glob {
    type Err = GlobError;

    fn from_str(text: &str) -> Result<Self, GlobError> {
        if text.len() > MOST_TEXT {
            return Err(GlobError {
                text: format!("{}…", text.chars().take(30).collect::<String>()),
                why: format!("it has more than {MOST_TEXT} bytes"),
            });
        }
        let glob = GlobBuilder::new(text).case_insensitive(true).build();
        let set = glob.and_then(|glob| GlobSet::new([glob]));
        let set = set.map_err(|error| GlobError {
            text: text.to_owned(),
            why: match error.kind() {
                // Its words repeat all that it makes of the pattern.
                ErrorKind::Regex(_) => "it is nested too deeply".to_owned(),
                kind => kind.to_string(),
            },
        })?;
        Ok(Self {
            text: text.to_owned(),
            set,
        })
    }
}

impl TryFrom<String> for Glob {
    type Error = GlobError;

    fn try_from(text: String) -> Result<Self, GlobError> {
        text.parse()
    }
}

impl From<Glob> for String {
    fn from(glob: Glob) -> Self {
        glob.as_str().to_owned()
    }
}

impl PartialEq for Glob {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Glob {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_matched_whole_and_by_any_case() {
        let cases = [
            ("sales-*", "sales-emea", true),
            ("sales-*", "presales-emea", false),
            ("sales", "sales-emea", false),
            ("Board", "board", true),
            ("board", "BOARD", true),
            ("room-0?", "room-07", true),
            ("{tea,coffee}", "coffee", true),
            ("[!a-m]*", "tea", true),
            ("*", "a.b~c", true),
            ("", "a", false),
        ];
        for (glob, name, expected) in cases {
            let glob: Glob = glob.parse().unwrap();
            assert_eq!(glob.matches(name), expected, "{glob:?} {name}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused_with_its_text() {
        for bad in ["[", "{a", "a["] {
            let error = bad.parse::<Glob>().unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("`{bad}` is not a pattern")),
                "{error}"
            );
        }
    }

    proptest! {
        /// Whatever the parts, and however often and deeply: an answer in few words, and no panic.
        #[test]
        fn every_text_is_a_pattern_or_is_refused(
            before in "[{}\\[\\]!*?,a-cé/\\\\-]{0,6}", behind in "[{}\\[\\]!*?,a-cé/\\\\-]{0,6}",
            times in 0..1500usize,
        ) {
            let text = before.repeat(times) + "a" + &behind.repeat(times);
            match text.parse::<Glob>() {
                Ok(glob) => _ = glob.matches("a") || glob.matches(&"a".repeat(300)),
                Err(error) => prop_assert!(error.to_string().len() < MOST_TEXT + 300),
            }
        }
    }

    #[test]
    fn what_is_nested_or_long_beyond_reason_is_refused() {
        for (before, behind) in [("{", "}"), ("{a,", "}"), ("{{a,b},", "}")] {
            for times in [10, 100, 300, 1_000, 100_000] {
                let text = before.repeat(times) + "a" + &behind.repeat(times);
                let read = text.parse::<Glob>();
                assert_eq!(read.is_ok(), times <= 100, "{before} {times}");
            }
        }
    }
}
