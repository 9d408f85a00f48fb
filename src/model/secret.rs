//! Values that must never be seen: the API key, stream URLs, webhook URLs.
//!
//! [`Secret`] cannot be printed, logged or serialised; [`SecretDigest`] is what may be kept of it.

use std::fmt;
use std::sync::Arc;

use ring::digest::{Context, SHA256};
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::digest::named;

/// What stands for a secret wherever there is one.
pub(crate) const MASK: &str = "****";

/// A text that is never shown. It is wiped from memory when dropped.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    /// The clear text. Only for the moment of sending, and for recognising it in what came back.
    pub(crate) fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// What may be remembered: enough to notice that the value moved, useless without it.
    ///
    /// `salt` is the lineage of the state, so that two states do not show that they share a secret;
    /// `attribute` is its wire name, so that two attributes of a room do not either.
    pub(crate) fn digest(&self, salt: &str, attribute: &str) -> SecretDigest {
        let mut hash = Context::new(&SHA256);
        for part in [salt, attribute, self.expose()] {
            // Lengths first: otherwise ("ab", "c") and ("a", "bc") would be one digest.
            hash.update(&(part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        SecretDigest(Arc::new(named("sha256:", hash.finish().as_ref()).into()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(****)")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for Secret {}

/// The salted digest of a secret: `sha256:` and 64 hex digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub(crate) struct SecretDigest(#[schemars(regex(pattern = "^sha256:[0-9a-f]{64}$"))] Arc<Box<str>>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::new("rtmp://x/key")), "Secret(****)");
    }

    #[test]
    fn digest_depends_on_salt_attribute_and_text() {
        let secret = Secret::new("value");
        let base = secret.digest("lineage", "rtmpOutURL");
        assert_eq!(base, Secret::new("value").digest("lineage", "rtmpOutURL"));
        assert_ne!(base, secret.digest("other", "rtmpOutURL"));
        assert_ne!(base, secret.digest("lineage", "meetingJoinWebhook"));
        assert_ne!(base, Secret::new("value2").digest("lineage", "rtmpOutURL"));
        assert_ne!(
            Secret::new("c").digest("ab", "x"),
            Secret::new("bc").digest("a", "x")
        );
    }
}
