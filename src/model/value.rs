//! What an attribute can hold: [`Value`] on its way to the service, [`Stored`] everywhere else. On its way back it is
//! a [`Live`](super::Live).

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value as Json};

use super::secret::{Secret, SecretDigest};
use super::sorted::Sorted;
use super::wire_name::WireName;

/// What is no secret: the same in a file, on the wire, in the state and in a report.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum Scalar {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number: seconds, Unix seconds or people.
    Integer(i64),
    // Behind one thin pointer: a state has millions of values, and few of them are texts.
    Text(Arc<Box<str>>),
}

/// A value as it is sent. Not serialisable, since it may hold a secret in clear:
/// only the code that writes a request body takes it apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Plain(Scalar),
    Secret(Secret),
    /// A secret that is not known here: these variables are not set, or what they make is `no_url`. Never sent.
    Unset {
        variables: Vec<String>,
        no_url: bool,
    },
}

/// A value as it is stored in the state and compared: a secret is only its digest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Stored {
    /// What anyone may read.
    Plain(Scalar),
    /// The digest of a secret, salted by the lineage of the state.
    Secret {
        /// The digest.
        secret: SecretDigest,
    },
    /// `null`: only ever as the service's answer, never as something wanted.
    Null(()),
}

/// The managed attributes of one room by wire name, as they will be sent.
pub(crate) type Settings = Sorted<WireName, Value>;

/// The attributes of one room by wire name, in the form that is stored and compared.
pub(crate) type StoredSettings = Sorted<WireName, Stored>;

impl From<bool> for Scalar {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Scalar {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<&str> for Scalar {
    fn from(text: &str) -> Self {
        Self::Text(Arc::new(text.into()))
    }
}

impl From<String> for Scalar {
    fn from(text: String) -> Self {
        Self::Text(Arc::new(text.into()))
    }
}

impl<T: Into<Scalar>> From<T> for Value {
    fn from(value: T) -> Self {
        Self::Plain(value.into())
    }
}

impl<T: Into<Scalar>> From<T> for Stored {
    fn from(value: T) -> Self {
        Self::Plain(value.into())
    }
}

impl From<&Scalar> for Shown {
    fn from(value: &Scalar) -> Self {
        value.clone().into()
    }
}

impl From<&Scalar> for Json {
    fn from(value: &Scalar) -> Self {
        match value {
            Scalar::Bool(value) => Self::from(*value),
            Scalar::Integer(value) => Self::from(*value),
            Scalar::Text(text) => Self::from(&***text),
        }
    }
}

/// A value as reports show it, which is no list and no object, whatever somebody wrote there. Small, since a report has three
/// of every attribute.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum Shown {
    Null(()),
    Bool(bool),
    Number(Number),
    Text(Box<str>),
}

impl Shown {
    pub(crate) const NONE: Self = Self::Null(());

    pub(crate) fn is_text(&self, text: &str) -> bool {
        matches!(self, Self::Text(shown) if **shown == *text)
    }

    pub(crate) fn is_null(&self) -> bool {
        *self == Self::NONE
    }

    pub(crate) fn integer(&self) -> Option<i64> {
        match self {
            Self::Number(number) => number.as_i64(),
            _ => None,
        }
    }
}

impl<T: Into<Scalar>> From<T> for Shown {
    fn from(value: T) -> Self {
        match value.into() {
            Scalar::Bool(flag) => Self::Bool(flag),
            Scalar::Integer(number) => Self::Number(number.into()),
            Scalar::Text(text) => Self::Text(text.as_ref().clone()),
        }
    }
}

impl From<Shown> for Json {
    fn from(shown: Shown) -> Self {
        match shown {
            Shown::Null(()) => Self::Null,
            Shown::Bool(flag) => flag.into(),
            Shown::Number(number) => number.into(),
            Shown::Text(text) => text.into_string().into(),
        }
    }
}

/// As JSON has it, but for a text, which is as it is.
impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null(()) => f.write_str("null"),
            Self::Bool(flag) => flag.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl<'de> Deserialize<'de> for Shown {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Plain;
        impl Visitor<'_> for Plain {
            type Value = Shown;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a number, true, false or null")
            }

            fn visit_bool<E>(self, flag: bool) -> Result<Shown, E> {
                Ok(Shown::Bool(flag))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Shown, E> {
                Ok(Shown::Number(number.into()))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Shown, E> {
                Ok(Shown::Number(number.into()))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Shown, E> {
                Ok(Number::from_f64(number).map_or(Shown::NONE, Shown::Number))
            }

            fn visit_str<E>(self, text: &str) -> Result<Shown, E> {
                Ok(Shown::Text(text.into()))
            }

            fn visit_unit<E>(self) -> Result<Shown, E> {
                Ok(Shown::NONE)
            }
        }
        deserializer.deserialize_any(Plain)
    }
}

impl JsonSchema for Shown {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Json::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Json::json_schema(generator)
    }
}

impl Value {
    /// Whether it is a secret that is not known here.
    pub(crate) fn is_unset(&self) -> bool {
        matches!(self, Self::Unset { .. })
    }

    /// The form that is stored and compared. `salt` is the lineage of the state. A secret that is not known
    /// here is taken for the one that was `applied`: a run without secrets would otherwise see a change in
    /// every room that has some. `None`: nothing was applied that it could be taken for.
    pub(crate) fn stored(
        &self,
        salt: &str,
        attribute: &str,
        applied: Option<&Stored>,
    ) -> Option<Stored> {
        match self {
            Self::Plain(value) => Some(Stored::Plain(value.clone())),
            Self::Secret(secret) => Some(Stored::digest(secret, salt, attribute)),
            Self::Unset { .. } => applied.filter(|applied| applied.is_secret()).cloned(),
        }
    }
}

impl Stored {
    pub(super) fn digest(secret: &Secret, salt: &str, attribute: &str) -> Self {
        Self::Secret {
            secret: secret.digest(salt, attribute),
        }
    }

    /// Whether only the fact of a change may be shown.
    pub(crate) fn is_secret(&self) -> bool {
        matches!(self, Self::Secret { .. })
    }

    pub(crate) fn is_true(&self) -> bool {
        *self == Self::Plain(Scalar::Bool(true))
    }

    pub(crate) fn integer(&self) -> Option<i64> {
        match self {
            Self::Plain(Scalar::Integer(number)) => Some(*number),
            _ => None,
        }
    }
}

/// Settings in the form that is stored and compared, but for secrets that are not known here and were not
/// `applied` either.
pub(crate) fn stored(settings: &Settings, salt: &str, applied: &StoredSettings) -> StoredSettings {
    let one = |(name, value): (&WireName, &Value)| {
        let stored = value.stored(salt, name, applied.get(name))?;
        Some((*name, stored))
    };
    settings.iter().filter_map(one).collect()
}

/// Whether `settings` are exactly the `applied` ones, found out without building their stored form: those of most
/// rooms are.
pub(crate) fn same(settings: &Settings, salt: &str, applied: &StoredSettings) -> bool {
    let is = |name: &str, value: &Value, kept: &Stored| match (value, kept) {
        (Value::Plain(one), Stored::Plain(other)) => one == other,
        _ => value.stored(salt, name, Some(kept)).as_ref() == Some(kept),
    };
    let mut pairs = settings.iter().zip(applied);
    settings.len() == applied.len()
        && pairs.all(|((name, value), (other, kept))| **name == **other && is(name, value, kept))
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
                Ok(value.into())
            }

            fn visit_i64<E>(self, value: i64) -> Result<Stored, E> {
                Ok(value.into())
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Stored, E> {
                i64::try_from(value).map(Stored::from).map_err(E::custom)
            }

            fn visit_str<E>(self, value: &str) -> Result<Stored, E> {
                Ok(value.into())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Value {
        Value::Secret(Secret::new(text))
    }

    fn one(name: &'static str, value: &Value) -> Settings {
        [(name, value.clone())].into()
    }

    fn stored_alone(settings: &Settings) -> StoredSettings {
        stored(settings, "salt", &StoredSettings::new())
    }

    #[test]
    fn stored_values_survive_json() {
        let values = [
            Stored::from(true),
            Stored::from(7_832_947_982),
            Stored::from("grid"),
            Stored::Null(()),
            Stored::digest(&Secret::new("s"), "salt", "rtmpOutURL"),
        ];
        for value in values {
            let text = serde_json::to_string(&value).unwrap();
            assert_eq!(serde_json::from_str::<Stored>(&text).unwrap(), value);
        }
    }

    #[test]
    fn same_means_the_same_stored_form() {
        let values = [
            true.into(),
            false.into(),
            1.into(),
            "1".into(),
            secret("1"),
            secret("2"),
        ];
        for first in &values {
            for second in &values {
                let applied = stored_alone(&one("a", second));
                let is = same(&one("a", first), "salt", &applied);
                assert_eq!(is, first == second, "{first:?} {second:?}");
            }
        }
        let settings = one("a", &true.into());
        let other = stored_alone(&one("b", &true.into()));
        assert!(!same(&settings, "salt", &other));
        assert!(!same(&settings, "salt", &StoredSettings::new()));
    }

    #[test]
    fn a_secret_that_is_not_known_is_taken_for_the_applied_one() {
        let unset = Value::Unset {
            variables: vec!["KEY".to_owned()],
            no_url: false,
        };
        let settings = one("rtmpOutURL", &unset);
        let applied = stored_alone(&one("rtmpOutURL", &secret("rtmp://a/k")));
        assert!(same(&settings, "salt", &applied));
        assert_eq!(stored(&settings, "salt", &applied), applied);
        let nothing = StoredSettings::new();
        assert!(!same(&settings, "salt", &nothing));
        assert_eq!(stored(&settings, "salt", &nothing), nothing);
    }

    #[test]
    fn a_stored_secret_holds_no_clear_text() {
        let url = "rtmp://live.example/abc-key";
        let stored = stored_alone(&one("rtmpOutURL", &secret(url)));
        let text = serde_json::to_string(&stored).unwrap();
        assert!(!text.contains("abc-key") && text.contains("sha256:"));
        assert!(!format!("{:?}", secret(url)).contains("abc-key"));
    }

    #[test]
    fn values_are_told_apart() {
        let shown = Shown::Text("a".into());
        assert_eq!(["a", "b"].map(|text| shown.is_text(text)), [true, false]);
        assert!(!Shown::Bool(true).is_text("true"));
        let secret = Stored::digest(
            &Secret::new("https://a.example"),
            "salt",
            "meetingJoinWebhook",
        );
        let plain = [Stored::Null(()), true.into(), 5.into(), "a".into()];
        assert!(secret.is_secret() && !plain.iter().any(Stored::is_secret));
    }
}
