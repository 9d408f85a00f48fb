//! Texts from the service may repeat what was sent: the key from the URL, or a secret from the body.
//! Here, at the boundary, they become either text that may be shown or a [`Secret`].

use std::borrow::Cow;
use std::fmt;

use aho_corasick::AhoCorasick;

use crate::model::{Secret, Settings, Value};

/// A run of so many characters of a secret gives it away. Shorter runs are everyday words.
const TELLTALE: usize = 8;

/// A path shorter than this hides nothing, and would be found in every other word.
const SHORTEST: usize = 4;

/// Longest part of a message that is shown, in characters.
const SHOWN: usize = 300;

/// Knows the secrets that an answer could repeat.
#[derive(Clone)]
pub struct Guard {
    /// One automaton for all fragments: each answer of a large account is searched for dozens of them.
    fragments: AhoCorasick,
}

/// The fragments are parts of secrets, and an automaton can be printed.
impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guard(****)")
    }
}

impl Guard {
    /// Guards the key, and the secret values of `settings`.
    pub fn new(key: &Secret, settings: &Settings) -> Self {
        let mut fragments = Vec::new();
        cut(key.expose(), &mut fragments);
        for value in settings.values() {
            if let Value::Secret(secret) = value {
                let private = private_part(secret.expose());
                if private.chars().count() >= SHORTEST {
                    cut(private, &mut fragments);
                }
            }
        }
        let patterns = fragments
            .iter()
            .map(|fragment| fragment.expose().to_owned());
        let mut builder = AhoCorasick::builder();
        let automaton = builder.ascii_case_insensitive(true).build(patterns);
        Self {
            // Fails only for patterns that do not fit the memory of the machine.
            fragments: automaton.expect("a few short patterns always build"),
        }
    }

    /// This guard, and the secret values of `settings` too.
    pub fn with(&self, key: &Secret, settings: Option<&Settings>) -> Cow<'_, Self> {
        let secret = |value: &Value| matches!(value, Value::Secret(_));
        match settings.filter(|settings| settings.values().any(secret)) {
            None => Cow::Borrowed(self),
            Some(settings) => Cow::Owned(Self::new(key, settings)),
        }
    }

    /// Whether `text` repeats enough of a secret to give it away, plainly or in an encoding.
    pub fn gives_away(&self, text: &str) -> bool {
        self.fragments.is_match(text)
            || (text.contains('%') && self.fragments.is_match(&*percent_decoded(text)))
    }

    /// Whether the raw bytes of an answer cannot hold a secret in any encoding that its values could be
    /// decoded from: then these need no look of their own.
    pub fn is_clean(&self, answer: &[u8]) -> bool {
        !answer.contains(&b'\\') && !answer.contains(&b'%') && !self.fragments.is_match(answer)
    }

    /// A message of the service as it may be shown: nothing of a secret, no control characters, short.
    pub fn message(&self, text: &str) -> String {
        if self.gives_away(text) {
            return "(a message that repeats a secret; not shown)".to_owned();
        }
        let text = text.trim();
        let mut shown: String = text.chars().take(SHOWN).collect();
        if text.chars().count() > SHOWN {
            shown.push('…');
        }
        shown
    }
}

/// All runs of [`TELLTALE`] characters of a secret, or the whole of a shorter one.
fn cut(secret: &str, fragments: &mut Vec<Secret>) {
    let characters: Vec<char> = secret.chars().collect();
    if characters.is_empty() {
        return;
    }
    let length = characters.len().min(TELLTALE);
    for window in characters.windows(length) {
        fragments.push(Secret::new(window.iter().collect::<String>()));
    }
}

/// The part of a URL that is worth hiding: scheme and host stand in many messages for good reasons.
fn private_part(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    if rest.contains('@') {
        return rest;
    }
    rest.split_once(['/', '?', '#'])
        .map_or("", |(_, path)| path)
}

fn percent_decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    // A form pair is decoded like a query; the name is empty.
    let query = format!("={}", text.replace(['&', '+'], " "));
    url::form_urlencoded::parse(query.as_bytes())
        .next()
        .map_or(Cow::Borrowed(text), |(_, value)| {
            Cow::Owned(value.into_owned())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard() -> Guard {
        let settings: Settings = [(
            "rtmpOutURL",
            Value::Secret(Secret::new("rtmp://live.example/app/stream-key-77")),
        )]
        .into();
        Guard::new(&Secret::new("KEY/with+odd=chars"), &settings)
    }

    #[test]
    fn secrets_are_recognised_whole_cut_and_encoded() {
        for text in [
            "no such key KEY/with+odd=chars",
            "bad url ?secretKey=KEY%2Fwith%2Bodd%3Dchars",
            "key/WITH+odd",
            "push to rtmp://live.example/app/stream-key-77 failed",
            "unknown stream stream-key",
        ] {
            assert!(guard().gives_away(text), "{text}");
            assert_eq!(
                guard().message(text),
                "(a message that repeats a secret; not shown)"
            );
        }
    }

    #[test]
    fn a_clean_answer_is_clean_in_every_value() {
        assert!(guard().is_clean(br#"{"roomName":"a","lang":"en"}"#));
        for dirty in [
            &br#"{"x":"KEY/with+odd=chars"}"#[..],
            br#"{"x":"\u004bEY"}"#,
            br#"{"x":"KEY%2Fwith"}"#,
        ] {
            assert!(!guard().is_clean(dirty));
        }
        assert!(!format!("{:?}", guard()).contains("KEY"));
    }

    #[test]
    fn other_messages_are_shown_and_kept_short() {
        assert_eq!(guard().message(" room not found \n"), "room not found");
        assert_eq!(
            guard().message("rtmp://live.example is down"),
            "rtmp://live.example is down"
        );
        assert_eq!(
            guard().message(&"x".repeat(5000)).chars().count(),
            SHOWN + 1
        );
    }

    #[test]
    fn the_path_of_a_url_that_hides_nothing_is_not_searched_for() {
        let settings: Settings = [(
            "meetingJoinWebhook",
            Value::Secret(Secret::new("https://hooks.example/a")),
        )]
        .into();
        let guard = Guard::new(&Secret::new("long-enough"), &settings);
        assert!(!guard.gives_away("privacy"));
    }

    #[test]
    fn a_short_secret_counts_as_a_whole() {
        let guard = Guard::new(&Secret::new("abc"), &Settings::new());
        assert!(guard.gives_away("xabcx"));
        assert!(!guard.gives_away("ab c"));
    }
}
