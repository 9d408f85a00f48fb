//! Texts from the service may repeat what was sent: the key from the URL, or a secret from the body.
//! Here, at the boundary, they become either text that may be shown or a [`Secret`].

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::model::secret::hex;
use crate::model::{Secret, Settings, Value};
use crate::service::escapes::{is_plain, layers};

/// A run of so many letters and digits of a secret gives it away. Shorter runs are everyday words.
const TELLTALE: usize = size_of::<Run>();

/// [`TELLTALE`] lower-case letters and digits.
type Run = u64;

/// A path shorter than this hides nothing, and would be found in every other word.
const SHORTEST: usize = 4;

/// Longest part of a message that is shown, in characters.
const SHOWN: usize = 300;

/// Knows the secrets that an answer could repeat.
#[derive(Clone)]
pub(crate) struct SecretFilter {
    /// Each for some secrets. The key's is made once, and shared by the guards of all requests.
    patterns: Vec<Arc<Patterns>>,
}

/// What to look for. Each answer of a large account is searched for hundreds of runs, in one pass.
struct Patterns {
    runs: HashSet<Run>,
    /// Where a run may be in `runs`, by some of its bits: most are told to be strangers by this alone.
    sieve: Box<[bool; SIEVE]>,
    /// Secrets with too few letters and digits for a run, in lower case.
    whole: Vec<Secret>,
}

const SIEVE: usize = 1 << 12;

/// The parts are parts of secrets.
impl fmt::Debug for SecretFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretFilter(****)")
    }
}

impl SecretFilter {
    pub(crate) fn new(key: &Secret) -> Self {
        Self {
            patterns: vec![Arc::new(Patterns::of([key.expose()]))],
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
            .filter(|private| private.chars().count() >= SHORTEST)
            .collect();
        if secrets.is_empty() {
            return Cow::Borrowed(self);
        }
        let mut filter = self.clone();
        filter.patterns.push(Arc::new(Patterns::of(secrets)));
        Cow::Owned(filter)
    }

    /// Whether `text` repeats enough of a secret to give it away: plainly, reversed, with something put
    /// between its characters, in base64, in hexadecimal, or under layers of escapes. A text with more
    /// layers than anybody writes by accident counts as one that does.
    pub(crate) fn gives_away(&self, text: &str) -> bool {
        let is_in = |text: &str| self.is_in(text.as_bytes());
        is_in(text)
            || !is_plain(text.as_bytes())
                && layers(text).any(|layer| layer.is_none_or(|layer| is_in(&layer)))
    }

    /// Whether the raw bytes of an answer cannot hold a secret in any form that its values could be
    /// decoded to: then these need no look of their own.
    pub(crate) fn is_clean(&self, answer: &[u8]) -> bool {
        is_plain(answer) && !self.is_in(answer)
    }

    fn is_in(&self, text: &[u8]) -> bool {
        self.patterns.iter().any(|patterns| patterns.are_in(text))
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

impl Patterns {
    fn of<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut patterns = Self {
            runs: HashSet::new(),
            sieve: Box::new([false; SIEVE]),
            whole: Vec::new(),
        };
        for secret in secrets.into_iter().filter(|secret| !secret.is_empty()) {
            patterns.add(secret);
        }
        patterns
    }

    fn add(&mut self, secret: &str) {
        if runs(secret.as_bytes()).next().is_none() {
            self.whole.push(Secret::new(secret.to_lowercase()));
        }
        for form in forms(secret) {
            for run in runs(form.as_bytes()) {
                self.runs.insert(run);
                self.sieve[slot(run)] = true;
            }
        }
    }

    fn are_in(&self, text: &[u8]) -> bool {
        runs(text).any(|run| self.sieve[slot(run)] && self.runs.contains(&run))
            || !self.whole.is_empty() && self.whole_in(text)
    }

    fn whole_in(&self, text: &[u8]) -> bool {
        let text = String::from_utf8_lossy(text).to_lowercase();
        self.whole
            .iter()
            .any(|secret| text.contains(secret.expose()))
    }
}

/// Any spread of the bits will do; this one is Fibonacci hashing.
fn slot(run: Run) -> usize {
    (run.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (Run::BITS - SIEVE.trailing_zeros())) as usize
}

/// All runs of letters and digits in `text`, whatever stands between them.
fn runs(text: &[u8]) -> impl Iterator<Item = Run> {
    let bare = text.iter().filter(|byte| byte.is_ascii_alphanumeric());
    let ending = bare.scan(0, |run: &mut Run, byte| {
        *run = *run << 8 | Run::from(byte.to_ascii_lowercase());
        Some(*run)
    });
    ending.skip(TELLTALE - 1)
}

/// `secret`, and its disguises that no unescaping takes off.
fn forms(secret: &str) -> Vec<String> {
    let mut forms = vec![
        secret.to_owned(),
        secret.chars().rev().collect(),
        hex(secret.as_bytes()),
    ];
    // Three bytes are four digits of base64: where the secret begins in a longer text decides which.
    forms.extend((0..3).map(|shift| {
        let mut text = vec![0; shift];
        text.extend_from_slice(secret.as_bytes());
        let digits = STANDARD.encode(text);
        // The digits at the edges also hold what stands beside the secret.
        let inner = digits.trim_end_matches('=');
        let last = inner.len().saturating_sub(1);
        inner.get(4..last).unwrap_or_default().to_owned()
    }));
    forms
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
            "&#x4b;&#x45;&#x59&#x2f;with&#x2b;odd",
            "KEY%252Fwith%252Bodd%253Dchars",
            r"\u004b\u0045\u0059\u002fwith+odd",
            r"\x4b\x45\x59\x2fwith+odd",
            "K.E.Y./.w.i.t.h.+.o.d.d",
            "K E Y / w i t h + o d d",
            "K\u{200b}E\u{200b}Y\u{200b}/\u{200b}w\u{200b}i\u{200b}t\u{200b}h+odd=chars",
            "srahc=ddo+htiw/YEK",
            "4b45592f776974682b6f64643d6368617273",
            "4B:45:59:2F:77:69:74:68:2B:6F:64:64:3D:63:68:61:72:73",
            "S0VZL3dpdGgrb2RkPWNoYXJz",
            "c2VjcmV0S2V5PUtFWS93aXRoK29kZD1jaGFycw==",
            "eD1LRVkvd2l0aCtvZGQ9Y2hhcnM",
            "=4BEY=2Fwith=2Bodd",
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
            br#"{"x":"K E Y / w i t h + o d d"}"#,
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
        assert!(!filter.gives_away("ab c"));
    }
}
