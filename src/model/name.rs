//! Room names: which are accepted, and why others are not.
//!
//! The service documents "URL friendly, no spaces" and uniqueness within the app; length and character
//! set are unknown. Several public clients lower-case names before they call. So by default we take only
//! names that survive every reading of that: lower-case ASCII letters, digits, hyphen, underscore.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::words::{printable, quoted};

/// Longest name we accept, in characters. Our own limit: the service documents none.
pub(crate) const MAX_LENGTH: usize = 128;

/// The same of a name that is taken as it is.
pub(crate) const MAX_AS_IS: usize = 255;

/// Which characters a declared name may have.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum NameRule {
    /// Lower-case ASCII letters, digits, `-` and `_`.
    #[default]
    Lowercase,
    /// Also upper-case ASCII letters, `.` and `~`: every character that needs no escape in a URL.
    UrlSafe,
    /// Every name of up to 255 characters that the service shows, but one of dots only. Names that differ only by case are
    /// two rooms, and `import` escapes in the name of a file what is no lower-case letter, digit, `-` or `_`.
    AsIs,
}

impl NameRule {
    /// Its word in files.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Lowercase => "lowercase",
            Self::UrlSafe => "url-safe",
            Self::AsIs => "as-is",
        }
    }

    /// What two names have in common that are one room, as far as can be told.
    pub(crate) fn key(self, name: &str) -> String {
        match self {
            Self::AsIs => name.to_owned(),
            Self::Lowercase | Self::UrlSafe => name.to_lowercase(),
        }
    }
}

/// The name of a room: one path segment of the service's URLs, unique within the app.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct RoomName(String);

/// Why a text is not a room name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("a room name cannot be empty")]
    Empty,
    #[error("a room name of {0} characters is too long; at most {1} are accepted")]
    TooLong(usize, usize),
    /// Only dots: a URL path would swallow it.
    #[error("`{0}` is a path, not a room name")]
    Dots(String),
    #[error("`{}` is not allowed in a room name", named(*.0))]
    Character(char),
    #[error("upper-case letters are not allowed in a room name")]
    Uppercase,
}

/// A character by itself, without acting on a terminal.
fn named(character: char) -> String {
    match character {
        '\'' | '"' | '\\' => character.to_string(),
        _ => character.escape_debug().to_string(),
    }
}

impl NameError {
    /// What to write instead.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Uppercase => {
                "write it in lower case: clients of the service differ on whether case counts \
                 (`names: url-safe` in roomctl.yaml allows it)"
            }
            Self::Character(_) => {
                "use lower-case letters, digits, `-` and `_`; the name becomes part of the join URL"
            }
            Self::Empty | Self::TooLong(..) | Self::Dots(_) => {
                "name the file after the room, or set `roomName`"
            }
        }
    }
}

impl RoomName {
    /// Checks `text` against `rule`.
    pub fn parse(text: &str, rule: NameRule) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        let length = text.chars().count();
        let as_is = rule == NameRule::AsIs;
        let most = if as_is { MAX_AS_IS } else { MAX_LENGTH };
        if length > most {
            return Err(NameError::TooLong(length, most));
        }
        if text.chars().all(|c| c == '.') {
            return Err(NameError::Dots(text.to_owned()));
        }
        let is_allowed = |c: char| match c {
            'a'..='z' | '0'..='9' | '-' | '_' => true,
            'A'..='Z' | '.' | '~' => rule != NameRule::Lowercase,
            _ => as_is,
        };
        match text.chars().find(|&c| !is_allowed(c)) {
            None => Ok(Self(text.to_owned())),
            Some(c) if c.is_ascii_uppercase() => Err(NameError::Uppercase),
            Some(c) => Err(NameError::Character(c)),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form in which names that differ only by case are equal.
    pub fn folded(&self) -> String {
        self.0.to_lowercase()
    }

    /// As a word of a command line, or a value of a file.
    pub(crate) fn quoted(&self) -> String {
        quoted(&self.0)
    }
}

/// For people: as data it is [`RoomName::as_str`].
impl fmt::Display for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&self.0))
    }
}

/// For names that were accepted before, such as those in a state file: the wide rule.
impl TryFrom<String> for RoomName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        Self::parse(&text, NameRule::AsIs)
    }
}

impl From<RoomName> for String {
    fn from(name: RoomName) -> Self {
        name.0
    }
}

impl std::borrow::Borrow<str> for RoomName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_under_each_rule() {
        let cases = [
            ("stand-up_2", true, true),
            ("0", true, true),
            ("Stand", false, true),
            ("a.b~c", false, true),
            ("", false, false),
            (".", false, false),
            ("..", false, false),
            ("a b", false, false),
            ("a/b", false, false),
            ("a%2fb", false, false),
            ("caf\u{e9}", false, false),
            ("a\u{0}b", false, false),
        ];
        for (text, lowercase, url_safe) in cases {
            assert_eq!(
                RoomName::parse(text, NameRule::Lowercase).is_ok(),
                lowercase,
                "{text:?}"
            );
            assert_eq!(
                RoomName::parse(text, NameRule::UrlSafe).is_ok(),
                url_safe,
                "{text:?}"
            );
        }
        for text in ["Stand", "a b", "a/b", "caf\u{e9}", "a\u{0}b", "...a"] {
            assert!(RoomName::parse(text, NameRule::AsIs).is_ok(), "{text:?}");
        }
        for text in ["", ".", "..", &"a".repeat(MAX_AS_IS + 1)] {
            assert!(RoomName::parse(text, NameRule::AsIs).is_err(), "{text:?}");
        }
        let shown = RoomName::try_from("a\n\u{202e}b".to_owned()).unwrap();
        assert_eq!(shown.to_string(), "a\\u{a}\\u{202e}b");
        assert!(RoomName::parse(&"a".repeat(MAX_LENGTH), NameRule::Lowercase).is_ok());
        assert_eq!(
            RoomName::parse(&"a".repeat(MAX_LENGTH + 1), NameRule::Lowercase),
            Err(NameError::TooLong(MAX_LENGTH + 1, MAX_LENGTH))
        );
    }

    #[test]
    fn what_is_wrong_with_a_name_is_said() {
        let says = |text: &str| {
            RoomName::parse(text, NameRule::Lowercase)
                .unwrap_err()
                .to_string()
        };
        assert_eq!(says("a b"), "` ` is not allowed in a room name");
        assert_eq!(says("it's"), "`'` is not allowed in a room name");
        assert_eq!(says("a\u{1b}"), "`\\u{1b}` is not allowed in a room name");
        assert_eq!(
            says("aB c"),
            "upper-case letters are not allowed in a room name"
        );
    }
}
