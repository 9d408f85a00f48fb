//! What the service reports, and the one place where it takes the form that is stored and compared.

use super::catalogue::{self, Kind};
use super::secret::Secret;
use super::sorted::Sorted;
use super::value::{Scalar, Stored, StoredSettings};
use super::wire_name::WireName;

/// A value as the service reports it; what no attribute should be, such as a list, is its JSON text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Live {
    Plain(Scalar),
    /// Text of a secret attribute, or one in which a secret was recognised.
    Secret(Secret),
    Null,
}

/// A room as the service reports it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LiveRoom {
    /// The service's id of the room, if it shows one that looks like an id.
    pub id: Option<String>,
    /// Everything it reports, by wire name. What is not here is unobservable, never false.
    pub(crate) settings: Sorted<WireName, Live>,
}

impl<T: Into<Scalar>> From<T> for Live {
    fn from(value: T) -> Self {
        Self::Plain(value.into())
    }
}

impl Kind {
    /// A value of the service as this kind takes it. Numbers and flags that come back as text count as such: it is
    /// unknown how strictly the service keeps types, and no write would mend it.
    pub(crate) fn read(&self, value: &Scalar) -> Scalar {
        match (self, value) {
            (Self::Count(_) | Self::Moment | Self::Span, Scalar::Text(text)) => {
                text.parse().map_or_else(|_| value.clone(), Scalar::Integer)
            }
            (Self::Flag, Scalar::Text(text)) => {
                text.parse().map_or_else(|_| value.clone(), Scalar::Bool)
            }
            _ => value.clone(),
        }
    }
}

impl Live {
    /// The value as an attribute of this kind takes it, for import, effects, plans and drift alike. `None`: there is
    /// none, or it is a secret.
    pub(crate) fn read(&self, kind: &Kind) -> Option<Scalar> {
        match (self, kind) {
            (Self::Null, _) | (_, Kind::SecretUrl) => None,
            (Self::Plain(value), kind) => Some(kind.read(value)),
            // A word that everybody may write gives nothing away, whatever else it is the secret of.
            (Self::Secret(text), Kind::Words(words)) if words.contains(&text.expose()) => {
                Some(text.expose().into())
            }
            (Self::Secret(_), _) => None,
        }
    }

    /// What it is as a text; secret, since it may be anything. `None`: the service reports no value.
    pub(crate) fn text(&self) -> Option<Secret> {
        Some(match self {
            Self::Null => return None,
            Self::Plain(Scalar::Text(text)) => Secret::new(&***text),
            Self::Plain(Scalar::Integer(number)) => Secret::new(number.to_string()),
            Self::Plain(Scalar::Bool(flag)) => Secret::new(flag.to_string()),
            Self::Secret(text) => text.clone(),
        })
    }

    /// The form that is stored and compared. Whatever the service puts into a secret attribute is a secret, unless it
    /// only stands for one.
    pub(crate) fn stored(&self, salt: &str, attribute: &str) -> Stored {
        let kind = catalogue::kind(attribute);
        let plain = match (self, kind) {
            (Self::Plain(value), None) => Some(value.clone()),
            (_, kind) => kind.and_then(|kind| self.read(kind)),
        };
        if let Some(value) = plain {
            return Stored::Plain(value);
        }
        let is_url = matches!(kind, Some(Kind::SecretUrl));
        let text = self.text().filter(|text| !is_url || !is_placeholder(text));
        text.map_or(Stored::Null(()), |text| {
            Stored::digest(&text, salt, attribute)
        })
    }
}

/// Whether a text in place of a secret URL is none: a mask, or a word.
pub(crate) fn is_placeholder(text: &Secret) -> bool {
    let text = text.expose();
    !text.contains("://") || text.contains("**")
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
            .map(|(name, live)| (*name, live.stored(salt, name)))
            .collect()
    }
}

impl Stored {
    /// Whether an attribute of that kind can hold it.
    pub(crate) fn is_of(&self, kind: &Kind) -> bool {
        match (kind, self) {
            (Kind::Flag, Self::Plain(Scalar::Bool(_)))
            | (Kind::Count(_) | Kind::Moment | Kind::Span, Self::Plain(Scalar::Integer(_)))
            | (Kind::Text, Self::Plain(Scalar::Text(_))) => true,
            (Kind::Words(words), Self::Plain(Scalar::Text(text))) => words.contains(&&***text),
            (Kind::SecretUrl, _) => self.is_secret(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Value;

    fn secret(text: &str) -> Value {
        Value::Secret(Secret::new(text))
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
            ("enableChat", text("true"), true.into(), true),
            ("enableChat", text("false"), true.into(), false),
            ("enableChat", text("1"), true.into(), false),
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
    fn what_is_secret_is_stored_as_a_digest_wherever_it_comes_back() {
        let url = "rtmp://live.example/abc-key";
        let room = LiveRoom {
            id: None,
            settings: [
                ("rtmpOutURL", url.into()),
                ("meetingJoinWebhook", 7_654_321.into()),
                ("privacy", Live::Secret(Secret::new(url))),
            ]
            .into(),
        };
        let text = serde_json::to_string(&room.stored("salt")).unwrap();
        assert!(!text.contains("abc-key") && text.contains("sha256:"));
        assert!(!text.contains("7654321"), "{text}");
    }

    #[test]
    fn what_stands_in_place_of_a_secret_url_is_none() {
        for (text, is) in [
            ("****", true),
            ("hidden", true),
            ("https://hooks.example/****", true),
            ("https://hooks.example/1", false),
        ] {
            assert_eq!(is_placeholder(&Secret::new(text)), is, "{text}");
            let stored = Live::from(text).stored("salt", "meetingJoinWebhook");
            assert_eq!(stored == Stored::Null(()), is, "{text}");
            assert_eq!(stored.is_of(&Kind::SecretUrl), !is, "{text}");
        }
    }
}
