//! Who may read a state that is encrypted.

use schemars::JsonSchema;
use serde::Deserialize;

/// A recipient of age, as `age-keygen -y` prints it. Anybody may see it; what it goes with, the identity, is a secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(inline, extend("pattern" = "^age1[02-9ac-hj-np-z]{58}$"))]
pub(crate) struct Recipient(String);

impl Recipient {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Recipient {
    type Error = &'static str;

    /// What was written is not repeated: it may be an identity.
    #[cfg(feature = "state-encryption")]
    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.parse::<age::x25519::Recipient>() {
            Ok(recipient) => Ok(Self(recipient.to_string())),
            Err(_) if text.to_ascii_uppercase().contains("SECRET-KEY") => Err(
                "this is an identity, which nobody may see: take it out, and make another; its recipient is what `age-keygen -y FILE` prints",
            ),
            Err(_) => {
                Err("a recipient of age has the form `age1…`, as `age-keygen -y FILE` prints it")
            }
        }
    }

    #[cfg(not(feature = "state-encryption"))]
    fn try_from(_: String) -> Result<Self, Self::Error> {
        Err(
            "this program was built without the feature `state-encryption`; what is released has it",
        )
    }
}
