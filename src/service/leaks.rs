//! Texts from the service may repeat what was sent: the key from the URL, or a secret from the body.
//! Here, at the boundary, they become either text that may be shown or a [`Secret`].
//!
//! Six forms are recognised, those that services, proxies and error pages are known to put a text in: as it is,
//! percent-encoded, escaped for JSON or HTML, in base64, reversed. Only letters and digits count, in either case.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use regex::{Captures, Regex};

use crate::model::{Secret, Settings, Value};

/// A run of so many letters and digits of a secret gives it away; of a shorter secret, all of them. Shorter runs
/// of a long one are everyday words.
const TELLTALE: usize = size_of::<Run>();

/// Up to [`TELLTALE`] lower-case letters and digits.
type Run = u64;

/// A path with fewer letters and digits hides nothing, and would be found in every other word.
const SHORTEST: usize = 4;

/// Longest part of a message that is shown, in characters.
const SHOWN: usize = 300;

/// Knows the secrets that an answer could repeat.
#[derive(Clone)]
pub(crate) struct SecretFilter {
    /// Each of some secrets. The key's is made once, and shared by the filters of all requests.
    runs: Vec<Arc<Runs>>,
}

/// What to look for: each answer of a large account is searched for hundreds of runs, in one pass.
#[derive(Default)]
struct Runs(BTreeMap<usize, Known>);

/// Runs of one length, sorted. Nearly everything that is asked for is not among them, and most of that shows in the
/// `sieve`, at the place that some bits of a run name.
struct Known {
    runs: Vec<Run>,
    sieve: Box<[bool; 1 << SIEVE]>,
}

/// How many bits of a run the sieve goes by.
const SIEVE: u32 = 12;

/// The runs are parts of secrets.
impl fmt::Debug for SecretFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretFilter(****)")
    }
}

impl SecretFilter {
    pub(crate) fn new(key: &Secret) -> Self {
        Self {
            runs: vec![Arc::new(Runs::of([key.expose()]))],
        }
    }

    /// This filter, and the secret values of `settings` too.
    pub(crate) fn with(&self, settings: Option<&Settings>) -> Cow<'_, Self> {
        let values = settings.into_iter().flat_map(Settings::values);
        let secrets: Vec<&str> = values
            .filter_map(|value| match value {
                Value::Secret(secret) => Some(private_part(secret.expose())),
                _ => None,
            })
            .filter(|private| bare(private.as_bytes()).count() >= SHORTEST)
            .collect();
        if secrets.is_empty() {
            return Cow::Borrowed(self);
        }
        let mut filter = self.clone();
        filter.runs.push(Arc::new(Runs::of(secrets)));
        Cow::Owned(filter)
    }

    /// Whether `text` repeats enough of a secret to give it away.
    pub(crate) fn gives_away(&self, text: &str) -> bool {
        self.is_in(text.as_bytes())
            || may_escape(text.as_bytes()) && self.is_in(unescaped(text).as_bytes())
    }

    /// Whether the raw bytes of an answer cannot hold a secret in any form that its values could be
    /// decoded to: then these need no look of their own.
    pub(crate) fn is_clean(&self, answer: &[u8]) -> bool {
        !may_escape(answer) && !self.is_in(answer)
    }

    fn is_in(&self, text: &[u8]) -> bool {
        self.runs.iter().any(|runs| runs.are_in(text))
    }

    /// A message of the service as it may be shown: nothing of a secret, and short. What would act on a
    /// terminal is escaped where it is printed.
    pub(crate) fn message(&self, text: &str) -> String {
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

impl Runs {
    fn of<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut runs = Self::default();
        for secret in secrets {
            let length = bare(secret.as_bytes()).count().min(TELLTALE);
            if length == 0 {
                continue;
            }
            let known = runs.0.entry(length).or_default();
            for form in forms(secret) {
                known.runs.extend(runs_of(&form, length));
            }
        }
        runs.0.values_mut().for_each(Known::sort);
        runs
    }

    fn are_in(&self, text: &[u8]) -> bool {
        let mut lengths = self.0.iter();
        lengths.any(|(length, known)| runs_of(text, *length).any(|run| known.has(run)))
    }
}

impl Default for Known {
    fn default() -> Self {
        Self {
            runs: Vec::new(),
            sieve: Box::new([false; 1 << SIEVE]),
        }
    }
}

impl Known {
    /// Makes it ready to be asked.
    fn sort(&mut self) {
        self.runs.sort_unstable();
        self.runs
            .iter()
            .for_each(|run| self.sieve[slot(*run)] = true);
    }

    fn has(&self, run: Run) -> bool {
        self.sieve[slot(run)] && self.runs.binary_search(&run).is_ok()
    }
}

/// Any spread of the bits will do; this one is Fibonacci hashing.
fn slot(run: Run) -> usize {
    (run.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (Run::BITS - SIEVE)) as usize
}

/// The letters and digits of `text`, in lower case.
fn bare(text: &[u8]) -> impl Iterator<Item = u8> {
    let bytes = text.iter().filter(|byte| byte.is_ascii_alphanumeric());
    bytes.map(u8::to_ascii_lowercase)
}

/// All runs of so many letters and digits in `text`, whatever stands between them.
fn runs_of(text: &[u8], length: usize) -> impl Iterator<Item = Run> {
    let unused = 8 * (TELLTALE - length);
    let ending = bare(text).scan(0, move |run: &mut Run, byte| {
        *run = *run << 8 | Run::from(byte);
        Some(*run << unused)
    });
    ending.skip(length - 1)
}

/// `secret`, and its forms that are not made of escapes.
fn forms(secret: &str) -> Vec<Vec<u8>> {
    let mut forms = vec![secret.into(), secret.bytes().rev().collect()];
    // Six bits are a digit of base64: where the secret begins in a longer text decides which. The digits at the
    // edges also hold what stands beside it.
    forms.extend((0..3).map(|shift| {
        let text = [&vec![0; shift], secret.as_bytes()].concat();
        let inner = (8 * shift).div_ceil(6)..8 * text.len() / 6;
        STANDARD_NO_PAD.encode(text)[inner].into()
    }));
    forms
}

fn may_escape(text: &[u8]) -> bool {
    text.iter().any(|byte| matches!(byte, b'%' | b'&' | b'\\'))
}

/// `text` with each escape of a URL, of JSON and of HTML read as the character that it stands for. Those that
/// stand for no letter or digit may as well go.
fn unescaped(text: &str) -> Cow<'_, str> {
    static ESCAPE: LazyLock<Regex> = LazyLock::new(|| {
        const FORMS: &str =
            r"%([0-9A-Fa-f]{2})|\\u([0-9A-Fa-f]{4})|&#[xX]([0-9A-Fa-f]+);|&#([0-9]+);|&[a-z]+;";
        Regex::new(FORMS).expect("a constant that is an expression")
    });
    ESCAPE.replace_all(text, |escape: &Captures<'_>| {
        let number = |group, radix| u32::from_str_radix(escape.get(group)?.as_str(), radix).ok();
        let hexadecimal = (1..=3).find_map(|group| number(group, 16));
        let character = hexadecimal
            .or_else(|| number(4, 10))
            .and_then(char::from_u32);
        character.map(String::from).unwrap_or_default()
    })
}

/// The part of a URL that is worth hiding: scheme and host stand in many messages for good reasons.
fn private_part(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    if rest.contains('@') {
        return rest;
    }
    let path = rest.split_once(['/', '?', '#']);
    path.map_or("", |(_, path)| path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter() -> SecretFilter {
        let settings: Settings = [(
            "rtmpOutURL",
            Value::Secret(Secret::new("rtmp://live.example/app/stream-key-77")),
        )]
        .into();
        SecretFilter::new(&Secret::new("KEY/with+odd=chars"))
            .with(Some(&settings))
            .into_owned()
    }

    #[test]
    fn secrets_are_recognised_whole_cut_and_encoded() {
        for text in [
            "no such key KEY/with+odd=chars",
            "bad url ?secretKey=KEY%2Fwith%2Bodd%3Dchars",
            "key/WITH+odd",
            "push to rtmp://live.example/app/stream-key-77 failed",
            "unknown stream stream-key",
            "&#75;&#69;&#89;/with&#43;odd",
            "&#x4b;&#x45;&#x59;&#x2f;with&#x2b;odd",
            "no stream &quot;app/stream&amp;-key",
            r"\u004b\u0045\u0059\u002fwith+odd",
            r"no stream app\/stream\u002dkey",
            "srahc=ddo+htiw/YEK",
            "S0VZL3dpdGgrb2RkPWNoYXJz",
            "c2VjcmV0S2V5PUtFWS93aXRoK29kZD1jaGFycw==",
            "eD1LRVkvd2l0aCtvZGQ9Y2hhcnM",
        ] {
            assert!(filter().gives_away(text), "{text}");
            assert_eq!(
                filter().message(text),
                "(a message that repeats a secret; not shown)"
            );
        }
    }

    #[test]
    fn a_clean_answer_is_clean_in_every_value() {
        assert!(filter().is_clean(br#"{"roomName":"a","lang":"en"}"#));
        for dirty in [
            &br#"{"x":"KEY/with+odd=chars"}"#[..],
            br#"{"x":"\u004bEY"}"#,
            br#"{"x":"KEY%2Fwith"}"#,
            br#"{"x":"&#75;EY"}"#,
            br#"{"x":"srahc=ddo+htiw/YEK"}"#,
        ] {
            assert!(!filter().is_clean(dirty));
        }
        assert!(!format!("{:?}", filter()).contains("KEY"));
    }

    #[test]
    fn other_messages_are_shown_and_kept_short() {
        assert_eq!(filter().message(" room not found \n"), "room not found");
        assert_eq!(
            filter().message("rtmp://live.example is down"),
            "rtmp://live.example is down"
        );
        assert_eq!(
            filter().message(&"x".repeat(5000)).chars().count(),
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
        let filter = SecretFilter::new(&Secret::new("long-enough"));
        let filter = filter.with(Some(&settings));
        assert!(!filter.gives_away("privacy"));
    }

    #[test]
    fn a_short_secret_counts_as_a_whole() {
        let filter = SecretFilter::new(&Secret::new("abc"));
        assert!(filter.gives_away("xabcx"));
        assert!(!filter.gives_away("ab d"));
    }
}
