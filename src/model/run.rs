//! Where a run of the program runs, as flags or a pipeline say: the commit of its files, the page of the run, its time.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is known of a run. Nothing of it is found out: the same input gives the same bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Run {
    /// The commit of its files; absent when nobody says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub commit: Option<Commit>,
    /// The page of the run; absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub link: Option<Link>,
    /// When it ran, in Unix seconds; absent when nobody says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i64")]
    pub at: Option<i64>,
}

impl Run {
    pub(crate) fn is_unknown(&self) -> bool {
        *self == Self::default()
    }

    /// Who wrote a room: when is kept beside it.
    pub(crate) fn without_time(&self) -> Self {
        Self {
            at: None,
            ..self.clone()
        }
    }
}

/// `1a2b3c4 (https://ci.example.com/7)`.
impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.commit, &self.link) {
            (Some(commit), Some(link)) => write!(f, "{commit} ({})", link.0),
            (Some(commit), None) => write!(f, "{commit}"),
            (None, Some(link)) => f.write_str(&link.0),
            (None, None) => Ok(()),
        }
    }
}

/// The id of a commit in git. Shown as people write it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct Commit(String);

impl fmt::Display for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0[..7])
    }
}

impl FromStr for Commit {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_hex = text.bytes().all(|b| b.is_ascii_hexdigit());
        let is_id = is_hex && (7..=64).contains(&text.len());
        let id = || Self(text.to_ascii_lowercase());
        is_id
            .then(id)
            .ok_or("that is no id of a commit: 7 to 64 hexadecimal digits")
    }
}

/// An address on the web that is harmless wherever it is written, and holds no password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct Link(String);

impl Link {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Link {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const LONGEST: usize = 500;
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/?&=%+,".contains(&b);
        let rest = ["https://", "http://"]
            .into_iter()
            .find_map(|scheme| text.strip_prefix(scheme));
        let is_link = rest
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
            && text.len() <= LONGEST
            && text.bytes().all(is_plain);
        is_link
            .then(|| Self(text.to_owned()))
            .ok_or("that is no plain https address")
    }
}

macro_rules! texts {
    ($($of:ident),*) => {
        $(impl From<$of> for String {
            fn from(text: $of) -> Self {
                text.0
            }
        }

        impl TryFrom<String> for $of {
            type Error = &'static str;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        })*
    };
}

texts!(Commit, Link);

#[cfg(test)]
mod tests {
    use super::*;

    fn run(commit: Option<&str>, link: Option<&str>, at: Option<i64>) -> Run {
        Run {
            commit: commit.map(|text| text.parse().unwrap()),
            link: link.map(|text| text.parse().unwrap()),
            at,
        }
    }

    #[test]
    fn a_run_is_shown_by_what_is_known_of_it() {
        let (commit, link) = ("1A2B3C4d5e", "https://ci.example.com/7?a=b");
        for (commit, link, shown) in [
            (
                Some(commit),
                Some(link),
                "1a2b3c4 (https://ci.example.com/7?a=b)",
            ),
            (Some(commit), None, "1a2b3c4"),
            (None, Some(link), link),
            (None, None, ""),
        ] {
            let run = run(commit, link, Some(5));
            assert_eq!(run.to_string(), shown);
            assert_eq!(run.link.as_ref().map(Link::as_str), link);
            let text = serde_json::to_string(&run).unwrap();
            assert_eq!(serde_json::from_str::<Run>(&text).unwrap(), run);
            let timeless = run.without_time();
            assert_eq!(
                (&timeless.commit, &timeless.link, timeless.at),
                (&run.commit, &run.link, None)
            );
            assert_eq!(timeless.is_unknown(), shown.is_empty());
            assert!(!run.is_unknown());
        }
    }

    #[test]
    fn what_is_no_commit_and_no_plain_address_is_refused() {
        let hex = "a".repeat(65);
        for text in ["", "1a2b3c", "1a2b3cg", "main", &hex] {
            assert!(text.parse::<Commit>().is_err(), "{text}");
        }
        assert!("1a2b3c4".parse::<Commit>().is_ok() && hex[..64].parse::<Commit>().is_ok());
        let most = format!("https://{}", "a".repeat(492));
        let more = format!("{most}a");
        for text in [
            "",
            "https://",
            "https:///a",
            "https://-a",
            "ci.example.com",
            "ftp://a",
            "javascript:a",
            "https://who@ci.example.com",
            "https://a/<b>",
            "https://a/b c",
            "https://a/(b)",
            &more,
        ] {
            assert!(text.parse::<Link>().is_err(), "{text}");
        }
        assert!("http://a".parse::<Link>().is_ok() && most.parse::<Link>().is_ok());
    }
}
