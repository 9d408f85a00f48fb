//! What an attribute can hold: [`Value`] on its way to the service, [`Live`] on its way back,
//! [`Stored`] everywhere else.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::secret::{Secret, SecretDigest};

/// A value as it is sent. Not serialisable, since it may hold a secret in clear:
/// only the code that writes a request body takes it apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Bool(bool),
    /// A whole number: seconds, Unix seconds or people.
    Integer(i64),
    /// Text that anyone may read.
    Text(String),
    /// Text that nobody may read.
    Secret(Secret),
    /// Text that nobody may read, and that is not known here: these variables are not set. Never sent.
    Unset {
        /// Names of the variables.
        variables: Vec<String>,
    },
}

impl Value {
    /// Whether this is what was remembered, told without making the form that is stored. A secret that is
    /// not known here is taken for the remembered one: a run without secrets would otherwise see a change
    /// in every room that has some.
    pub(crate) fn is(&self, remembered: &Stored, salt: &str, attribute: &str) -> bool {
        match (self, remembered) {
            (Self::Bool(value), Stored::Bool(other)) => value == other,
            (Self::Integer(value), Stored::Integer(other)) => value == other,
            (Self::Text(value), Stored::Text(other)) => value == other,
            (Self::Secret(value), Stored::Secret { secret }) => {
                value.digest(salt, attribute) == *secret
            }
            (Self::Unset { .. }, Stored::Secret { .. }) => true,
            _ => false,
        }
    }

    /// The form that may be stored, compared and shown; `None` of a secret that is not known here.
    pub(crate) fn remember(&self, salt: &str, attribute: &str) -> Option<Stored> {
        Some(match self {
            Self::Bool(value) => Stored::Bool(*value),
            Self::Integer(value) => Stored::Integer(*value),
            Self::Text(value) => Stored::Text(value.clone()),
            Self::Secret(secret) => Stored::Secret {
                secret: secret.digest(salt, attribute),
            },
            Self::Unset { .. } => return None,
        })
    }
}

/// A value as the service reports it. Wider than [`Value`], since an answer may hold anything.
/// A text in which a known secret was recognised arrives here as [`Live::Secret`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Live {
    Bool(bool),
    /// A whole number; an integral float counts as one.
    Integer(i64),
    Text(String),
    /// Text that nobody may read.
    Secret(Secret),
    Null,
    /// Something no attribute should be: the JSON text of a float, a list or an object.
    Other(String),
}

impl Live {
    /// Whether the service holds what was sent. Numbers that come back as text count, as long as they
    /// say the same: it is unknown how strictly the service keeps types, and no write would mend it.
    pub(crate) fn holds(&self, sent: &Value) -> bool {
        match (self, sent) {
            (Self::Bool(live), Value::Bool(sent)) => live == sent,
            (Self::Integer(live), Value::Integer(sent)) => live == sent,
            (Self::Text(live), Value::Integer(sent)) => live.parse() == Ok(*sent),
            (Self::Text(live), Value::Text(sent)) => live == sent,
            (Self::Text(live), Value::Secret(sent)) => live == sent.expose(),
            (Self::Secret(live), Value::Secret(sent)) => live == sent,
            (Self::Secret(live), Value::Text(sent)) => live.expose() == sent,
            _ => false,
        }
    }

    /// Whether the service holds what is remembered, in any form that says the same.
    pub(crate) fn is(&self, remembered: &Stored, salt: &str, attribute: &str) -> bool {
        match (self, remembered) {
            (Self::Bool(live), Stored::Bool(kept)) => live == kept,
            (Self::Integer(live), Stored::Integer(kept)) => live == kept,
            (Self::Text(live), Stored::Integer(kept)) => live.parse() == Ok(*kept),
            (Self::Text(live) | Self::Other(live), Stored::Text(kept)) => live == kept,
            (Self::Text(live) | Self::Other(live), Stored::Secret { secret }) => {
                Secret::new(live.as_str()).digest(salt, attribute) == *secret
            }
            (Self::Secret(live), Stored::Secret { secret }) => {
                live.digest(salt, attribute) == *secret
            }
            (Self::Secret(live), Stored::Text(kept)) => live.expose() == kept,
            (Self::Null, Stored::Null(())) => true,
            _ => false,
        }
    }

    /// The form that may be stored and shown. `secret` says that the attribute itself is secret, so that
    /// whatever the service put there is one too.
    pub(crate) fn remember(&self, salt: &str, attribute: &str, secret: bool) -> Stored {
        match self {
            Self::Bool(value) => Stored::Bool(*value),
            Self::Integer(value) => Stored::Integer(*value),
            Self::Text(text) | Self::Other(text) if secret => Stored::Secret {
                secret: Secret::new(text.as_str()).digest(salt, attribute),
            },
            Self::Text(text) | Self::Other(text) => Stored::Text(text.clone()),
            Self::Secret(text) => Stored::Secret {
                secret: text.digest(salt, attribute),
            },
            Self::Null => Stored::Null(()),
        }
    }
}

/// A room as the service reports it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LiveRoom {
    /// The service's id of the room, if it tells one that looks like an id.
    pub id: Option<String>,
    /// Everything it reports, by wire name. What is not here is unobservable, never false.
    pub settings: BTreeMap<String, Live>,
}

/// A value as it is stored in the state and compared: a secret is only its digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Stored {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number: seconds, Unix seconds or people.
    Integer(i64),
    /// Text that anyone may read.
    Text(String),
    /// The digest of a secret, salted by the lineage of the state.
    Secret {
        /// The digest.
        secret: SecretDigest,
    },
    /// `null`: only ever as the service's answer, never as something wanted.
    Null(()),
}

/// By hand: serde's own reading of an untagged enum copies each value first, and a state has 100,000.
impl<'de> Deserialize<'de> for Stored {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Stored;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false, a whole number, text, null or the digest of a secret")
            }

            fn visit_bool<E>(self, value: bool) -> Result<Stored, E> {
                Ok(Stored::Bool(value))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Stored, E> {
                Ok(Stored::Integer(value))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Stored, E> {
                i64::try_from(value).map(Stored::Integer).map_err(E::custom)
            }

            fn visit_str<E>(self, value: &str) -> Result<Stored, E> {
                Ok(Stored::Text(value.to_owned()))
            }

            fn visit_unit<E>(self) -> Result<Stored, E> {
                Ok(Stored::Null(()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Stored, A::Error> {
                #[derive(Deserialize)]
                #[serde(deny_unknown_fields)]
                struct Digest {
                    secret: SecretDigest,
                }
                let Digest { secret } = Digest::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Stored::Secret { secret })
            }
        }
        deserializer.deserialize_any(Any)
    }
}

impl Stored {
    /// Whether only the fact of a change may be shown.
    pub(crate) fn is_secret(&self) -> bool {
        matches!(self, Self::Secret { .. })
    }
}

/// The managed attributes of one room by wire name, as they will be sent.
pub(crate) type Settings = BTreeMap<&'static str, Value>;

/// The attributes of one room by wire name, as they are remembered.
pub(crate) type StoredSettings = BTreeMap<String, Stored>;

/// Whether `settings` are exactly the `remembered` ones.
pub(crate) fn same(settings: &Settings, remembered: &StoredSettings, salt: &str) -> bool {
    settings.len() == remembered.len()
        && settings
            .iter()
            .zip(remembered)
            .all(|((name, value), (other, kept))| name == other && value.is(kept, salt, name))
}

/// Turns settings into the form that is stored and compared. `salt` is the lineage of the state. Of a
/// secret that is not known here, what was `applied` is taken for it; if nothing was, it is left out.
pub(crate) fn remember(
    settings: &Settings,
    salt: &str,
    applied: &StoredSettings,
) -> StoredSettings {
    let assumed = |name: &str| {
        let kept = applied.get(name)?;
        kept.is_secret().then(|| kept.clone())
    };
    settings
        .iter()
        .filter_map(|(name, value)| {
            let kept = value.remember(salt, name).or_else(|| assumed(name))?;
            Some(((*name).to_owned(), kept))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembered_values_survive_json() {
        let values = [
            Stored::Bool(true),
            Stored::Integer(7_832_947_982),
            Stored::Text("grid".into()),
            Stored::Null(()),
            Value::Secret(Secret::new("s"))
                .remember("salt", "rtmpOutURL")
                .unwrap(),
        ];
        for value in values {
            let text = serde_json::to_string(&value).unwrap();
            assert_eq!(serde_json::from_str::<Stored>(&text).unwrap(), value);
        }
    }

    #[test]
    fn same_means_that_remembering_gives_what_is_remembered() {
        let values = [
            Value::Bool(true),
            Value::Bool(false),
            Value::Integer(1),
            Value::Text("1".into()),
            Value::Secret(Secret::new("1")),
            Value::Secret(Secret::new("2")),
        ];
        for one in &values {
            for other in &values {
                let settings: Settings = [("a", one.clone())].into();
                let kept = remember(
                    &[("a", other.clone())].into(),
                    "salt",
                    &StoredSettings::new(),
                );
                assert_eq!(
                    same(&settings, &kept, "salt"),
                    one == other,
                    "{one:?} {other:?}"
                );
            }
        }
        let settings: Settings = [("a", Value::Bool(true))].into();
        assert!(!same(
            &settings,
            &remember(
                &[("b", Value::Bool(true))].into(),
                "salt",
                &StoredSettings::new()
            ),
            "salt"
        ));
        assert!(!same(&settings, &StoredSettings::new(), "salt"));
    }

    #[test]
    fn a_secret_that_is_not_known_is_taken_for_the_applied_one() {
        let unset = Value::Unset {
            variables: vec!["KEY".to_owned()],
        };
        let settings: Settings = [("rtmpOutURL", unset.clone())].into();
        let known = [("rtmpOutURL", Value::Secret(Secret::new("rtmp://a/k")))].into();
        let applied = remember(&known, "salt", &StoredSettings::new());
        assert!(same(&settings, &applied, "salt"));
        assert_eq!(remember(&settings, "salt", &applied), applied);
        let nothing = StoredSettings::new();
        assert!(!same(&settings, &nothing, "salt"));
        assert_eq!(remember(&settings, "salt", &nothing), nothing);
        assert_eq!(unset.remember("salt", "rtmpOutURL"), None);
    }

    #[test]
    fn the_service_holds_what_was_sent_in_any_plausible_form() {
        let secret = |text: &str| Value::Secret(Secret::new(text));
        let text = |text: &str| Live::Text(text.into());
        let cases = [
            (Live::Bool(true), Value::Bool(true), true),
            (Live::Bool(false), Value::Bool(true), false),
            (Live::Null, Value::Bool(false), false),
            (Live::Integer(5), Value::Integer(5), true),
            (text("5"), Value::Integer(5), true),
            (text("5.5"), Value::Integer(5), false),
            (text("grid"), Value::Text("grid".into()), true),
            (text("Grid"), Value::Text("grid".into()), false),
            (text("https://a"), secret("https://a"), true),
            (text("https://b"), secret("https://a"), false),
            (Live::Secret(Secret::new("a")), secret("a"), true),
        ];
        for (live, sent, holds) in cases {
            assert_eq!(live.holds(&sent), holds, "{live:?} {sent:?}");
        }
    }

    #[test]
    fn a_live_value_is_what_it_is_remembered_as() {
        let lives = [
            Live::Bool(true),
            Live::Integer(5),
            Live::Text("grid".into()),
            Live::Text("https://a.example".into()),
            Live::Secret(Secret::new("https://b.example")),
            Live::Null,
            Live::Other("[1]".into()),
        ];
        for one in &lives {
            for other in &lives {
                for secret in [false, true] {
                    let kept = other.remember("salt", "x", secret);
                    assert_eq!(one.is(&kept, "salt", "x"), one == other, "{one:?} {kept:?}");
                }
            }
        }
    }

    #[test]
    fn whatever_comes_back_in_a_secret_attribute_is_secret() {
        let other = Live::Text("https://other.example".into());
        assert!(
            other
                .remember("salt", "meetingJoinWebhook", true)
                .is_secret()
        );
        assert!(!other.remember("salt", "privacy", false).is_secret());
    }

    #[test]
    fn a_remembered_secret_holds_no_clear_text() {
        let value = Value::Secret(Secret::new("rtmp://live.example/abc-key"));
        let text = serde_json::to_string(&value.remember("salt", "rtmpOutURL")).unwrap();
        assert!(!text.contains("abc-key"), "{text}");
        assert!(!format!("{value:?}").contains("abc-key"));
    }
}
