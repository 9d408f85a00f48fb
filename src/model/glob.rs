//! Patterns over room names: in flags, claims, policies and mutes.

use std::str::FromStr;

use globset::{GlobBuilder, GlobMatcher};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A pattern over room names: `*`, `?`, `[a-z]`, `{one,other}`. Case does not count: names that differ only by case
/// are never two rooms here, and what is protected by a name stays so however the service writes it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub(crate) struct Glob(GlobMatcher);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a pattern for room names: {why}")]
pub(crate) struct GlobError {
    text: String,
    why: String,
}

impl Glob {
    pub(crate) fn matches(&self, name: &str) -> bool {
        self.0.is_match(name)
    }

    /// As it was written.
    pub(crate) fn as_str(&self) -> &str {
        self.0.glob().glob()
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
        let glob = GlobBuilder::new(text).case_insensitive(true).build();
        let glob = glob.map_err(|error| GlobError {
            text: text.to_owned(),
            why: error.kind().to_string(),
        })?;
        Ok(Self(glob.compile_matcher()))
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
}
