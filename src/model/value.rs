//! What an attribute can hold: [`Value`] on its way to the service, [`Live`] on its way back,
//! [`Stored`] everywhere else.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::catalogue::{self, Kind};
use super::secret::{Secret, SecretDigest};

/// What is no secret: the same in a file, on the wire, in the state and in a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub(crate) enum Scalar {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number: seconds, Unix seconds or people.
    Integer(i64),
    Text(String),
}

/// A value as it is sent. Not serialisable, since it may hold a secret in clear:
/// only the code that writes a request body takes it apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Plain(Scalar),
    /// Text that nobody may read.
    Secret(Secret),
    /// A secret that is not known here: these variables are not set. Never sent.
    Unset {
        variables: Vec<String>,
    },
}

/// A value as the service reports it; what no attribute should be, such as a list, is its JSON text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Live {
    Plain(Scalar),
    /// Text of a secret attribute, or one in which a secret was recognised.
    Secret(Secret),
    Null,
}

/// A value as it is stored in the state and compared: a secret is only its digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
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
pub(crate) type Settings = BTreeMap<&'static str, Value>;

/// The attributes of one room by wire name, in the form that is stored and compared.
pub(crate) type StoredSettings = BTreeMap<String, Stored>;

/// A room as the service reports it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LiveRoom {
    /// The service's id of the room, if it tells one that looks like an id.
    pub id: Option<String>,
    /// Everything it reports, by wire name. What is not here is unobservable, never false.
    pub settings: BTreeMap<String, Live>,
}

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
        Self::Text(text.to_owned())
    }
}

impl From<String> for Scalar {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl<T: Into<Scalar>> From<T> for Value {
    fn from(value: T) -> Self {
        Self::Plain(value.into())
    }
}

impl<T: Into<Scalar>> From<T> for Live {
    fn from(value: T) -> Self {
        Self::Plain(value.into())
    }
}

impl<T: Into<Scalar>> From<T> for Stored {
    fn from(value: T) -> Self {
        Self::Plain(value.into())
    }
}

impl From<&Scalar> for Json {
    fn from(value: &Scalar) -> Self {
        match value {
            Scalar::Bool(value) => Self::from(*value),
            Scalar::Integer(value) => Self::from(*value),
            Scalar::Text(text) => Self::from(text.as_str()),
        }
    }
}

impl Kind {
    /// A value of the service as this kind takes it. Numbers that come back as text count as numbers: it is
    /// unknown how strictly the service keeps types, and no write would mend it.
    pub(crate) fn read(&self, value: &Scalar) -> Scalar {
        match (self, value) {
            (Self::Count(_) | Self::Moment | Self::Span, Scalar::Text(text)) => {
                text.parse().map_or_else(|_| value.clone(), Scalar::Integer)
            }
            _ => value.clone(),
        }
    }
}

impl Value {
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

impl Live {
    /// The form that is stored and compared. Whatever the service puts into a secret attribute is a secret.
    fn stored(&self, salt: &str, attribute: &str) -> Stored {
        match (self, catalogue::kind(attribute)) {
            (Self::Null, _) => Stored::Null(()),
            (Self::Plain(Scalar::Text(text)), Some(Kind::SecretUrl)) => {
                Stored::digest(&Secret::new(text.as_str()), salt, attribute)
            }
            (Self::Plain(value), Some(kind)) => Stored::Plain(kind.read(value)),
            (Self::Plain(value), None) => Stored::Plain(value.clone()),
            // A word that everybody may write gives nothing away, whatever else it is the secret of.
            (Self::Secret(text), Some(Kind::Words(words))) if words.contains(&text.expose()) => {
                Stored::from(text.expose())
            }
            (Self::Secret(text), _) => Stored::digest(text, salt, attribute),
        }
    }
}

impl LiveRoom {
    /// Whether it is not the room with that id: that one was archived or deleted, and this one created under
    /// its name.
    pub(crate) fn is_another(&self, id: Option<&str>) -> bool {
        matches!((id, &self.id), (Some(before), Some(now)) if before != now)
    }

    /// Everything it reports in the form that is stored and compared.
    pub(crate) fn stored(&self, salt: &str) -> StoredSettings {
        let settings = self.settings.iter();
        settings
            .map(|(name, live)| (name.clone(), live.stored(salt, name)))
            .collect()
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

    /// Whether an attribute of that kind can hold it.
    pub(crate) fn is_of(&self, kind: &Kind) -> bool {
        match (kind, self) {
            (Kind::Flag, Self::Plain(Scalar::Bool(_)))
            | (Kind::Count(_) | Kind::Moment | Kind::Span, Self::Plain(Scalar::Integer(_)))
            | (Kind::Text, Self::Plain(Scalar::Text(_))) => true,
            (Kind::Words(words), Self::Plain(Scalar::Text(text))) => words.contains(&text.as_str()),
            (Kind::SecretUrl, _) => self.is_secret(),
            _ => false,
        }
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
    let one = |(name, value): (&&'static str, &Value)| {
        let stored = value.stored(salt, name, applied.get(*name))?;
        Some(((*name).to_owned(), stored))
    };
    settings.iter().filter_map(one).collect()
}

/// Whether `settings` are exactly the `applied` ones, found out without building their stored form.
pub(crate) fn same(settings: &Settings, salt: &str, applied: &StoredSettings) -> bool {
    let mut pairs = settings.iter().zip(applied);
    settings.len() == applied.len()
        && pairs.all(|((name, value), (other, kept))| {
            name == other && value.stored(salt, name, Some(kept)).as_ref() == Some(kept)
        })
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
    fn what_the_service_shows_is_stored_as_what_was_sent() {
        let text = |text: &str| Live::from(text);
        let hidden = |text: &str| Live::Secret(Secret::new(text));
        let url = "https://hooks.example/1";
        let cases = [
            ("enableChat", true.into(), true.into(), true),
            ("enableChat", false.into(), true.into(), false),
            ("enableChat", Live::Null, false.into(), false),
            ("maxParticipants", 5.into(), 5.into(), true),
            ("maxParticipants", text("5"), 5.into(), true),
            ("expireUnixSec", text("5"), 5.into(), true),
            ("endMeetingAfterNoActivityInSec", text("5"), 5.into(), true),
            ("maxParticipants", text("5.5"), 5.into(), false),
            ("compositionLayout", text("grid"), "grid".into(), true),
            ("compositionLayout", text("Grid"), "grid".into(), false),
            ("compositionLayout", hidden("grid"), "grid".into(), true),
            ("compositionLayout", hidden(url), "grid".into(), false),
            ("maxParticipants", hidden("5"), 5.into(), false),
            ("meetingJoinWebhook", text(url), secret(url), true),
            ("meetingJoinWebhook", hidden(url), secret(url), true),
            ("meetingJoinWebhook", text("other"), secret(url), false),
        ];
        for (name, live, sent, same) in cases {
            let sent = sent.stored("salt", name, None).unwrap();
            assert_eq!(live.stored("salt", name) == sent, same, "{name} {live:?}");
        }
    }

    #[test]
    fn a_stored_secret_holds_no_clear_text() {
        let url = "rtmp://live.example/abc-key";
        let room = LiveRoom {
            id: None,
            settings: [
                ("rtmpOutURL".to_owned(), url.into()),
                ("privacy".to_owned(), Live::Secret(Secret::new(url))),
            ]
            .into(),
        };
        let sent = stored_alone(&one("rtmpOutURL", &secret(url)));
        for stored in [sent, room.stored("salt")] {
            let text = serde_json::to_string(&stored).unwrap();
            assert!(
                !text.contains("abc-key") && text.contains("sha256:"),
                "{text}"
            );
        }
        assert!(!format!("{:?}", secret(url)).contains("abc-key"));
    }
}
