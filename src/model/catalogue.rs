//! The catalogue of attributes as a table, read off the schema of [`Room`](super::Room): for messages,
//! suggestions, formats and effects. There is no second list of names.

use std::sync::LazyLock;

use schemars::Schema;
use serde::Deserialize;
use serde_json::Value;

use super::room;
use super::words::joined;

#[derive(Debug)]
pub(crate) struct Attribute {
    pub name: &'static str,
    pub kind: Kind,
    /// In samples of the vendor, but in no table: a strict service might refuse it.
    pub undocumented: bool,
    traits: Vec<Trait>,
}

/// What an attribute holds: decides how its values are read, compared, shown and explained.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Flag,
    /// A whole number of these.
    Count(&'static str),
    /// Unix seconds.
    Moment,
    /// Seconds.
    Span,
    Words(Vec<&'static str>),
    Text,
    SecretUrl,
}

/// What else sets an attribute apart: `x-traits` in the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Trait {
    /// It has a price: audio-only has its own tariff, the others are billed extras.
    Billed,
    /// Meetings are, or may be, recorded.
    Records,
    /// Works on the composed picture only.
    NeedsComposition,
    /// Lowering it can put people out of a meeting.
    Ejects,
}

/// Every key a room file may have, in the order of the vendor's table.
pub(crate) fn attributes() -> &'static [Attribute] {
    static SCHEMA: LazyLock<Schema> = LazyLock::new(room::schema);
    static TABLE: LazyLock<Vec<Attribute>> = LazyLock::new(|| {
        let properties = SCHEMA.get("properties").and_then(Value::as_object);
        properties
            .into_iter()
            .flatten()
            .map(|(name, property)| Attribute {
                name,
                kind: Kind::of(property),
                undocumented: property.get("x-undocumented").is_some(),
                traits: traits(property),
            })
            .collect()
    });
    &TABLE
}

pub(crate) fn attribute(name: &str) -> Option<&'static Attribute> {
    // Asked for every key of every file: nearly all names differ by their length already, which no map is as fast as.
    attributes().iter().find(|attribute| attribute.name == name)
}

pub(crate) fn kind(name: &str) -> Option<&'static Kind> {
    attribute(name).map(|attribute| &attribute.kind)
}

/// The wire names of the attributes with this trait, in the order of the table.
pub(crate) fn with(wanted: Trait) -> impl Iterator<Item = &'static str> {
    let attributes = attributes().iter();
    attributes
        .filter(move |a| a.traits.contains(&wanted))
        .map(|a| a.name)
}

impl Attribute {
    pub(crate) fn is_secret(&self) -> bool {
        self.kind == Kind::SecretUrl
    }
}

impl Kind {
    fn of(property: &'static Value) -> Self {
        let text = |key: &str| property.get(key).and_then(Value::as_str);
        match (text("type"), text("x-unit")) {
            (_, Some("Unix seconds")) => Self::Moment,
            (_, Some("seconds")) => Self::Span,
            (_, Some(unit)) => Self::Count(unit),
            (Some("boolean"), None) => Self::Flag,
            _ if property.get("x-secret").is_some() => Self::SecretUrl,
            _ => match property.get("oneOf").and_then(Value::as_array) {
                Some(words) => {
                    Self::Words(words.iter().filter_map(|w| w["const"].as_str()).collect())
                }
                None => Self::Text,
            },
        }
    }

    /// All that can be written, where it is a choice of few words.
    pub(crate) fn words(&self) -> Option<&[&'static str]> {
        match self {
            Self::Flag => Some(&["true", "false"]),
            Self::Words(words) => Some(words),
            _ => None,
        }
    }

    /// What can be written, in words that fit after "expected".
    pub(crate) fn expects(&self) -> String {
        match self {
            Self::Flag | Self::Words(_) => {
                let words = self.words().into_iter().flatten();
                joined(words.map(|word| format!("`{word}`")), " or ").unwrap_or_default()
            }
            Self::Count(unit) => format!("a whole number ({unit}), 0 or more"),
            Self::Moment => {
                "Unix seconds, or a time such as `2027-01-01T09:00:00+01:00`".to_owned()
            }
            Self::Span => "seconds, or a duration such as `2h` or `1h30m`".to_owned(),
            Self::Text => "text".to_owned(),
            Self::SecretUrl => "a URL".to_owned(),
        }
    }
}

fn traits(property: &Value) -> Vec<Trait> {
    let Some(traits) = property.get("x-traits") else {
        return Vec::new();
    };
    Vec::deserialize(traits).expect("the schema names only traits that there are")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_kind_is_described() {
        let expects = |name: &str| attribute(name).unwrap().kind.expects();
        assert_eq!(expects("privacy"), "`public` or `private`");
        assert_eq!(expects("compositionLayout"), "`grid` or `active_speaker`");
        assert_eq!(expects("enableChat"), "`true` or `false`");
        assert_eq!(
            expects("maxParticipants"),
            "a whole number (people), 0 or more"
        );
        assert_eq!(
            expects("expireUnixSec"),
            "Unix seconds, or a time such as `2027-01-01T09:00:00+01:00`"
        );
        assert_eq!(
            expects("ejectAfterElapsedTimeInSec"),
            "seconds, or a duration such as `2h` or `1h30m`"
        );
        assert_eq!(expects("rtmpOutURL"), "a URL");
        assert_eq!(expects("roomName"), "text");
    }

    #[test]
    fn traits_are_read_off_the_schema() {
        let named = |wanted| with(wanted).collect::<Vec<_>>();
        assert_eq!(
            named(Trait::NeedsComposition),
            ["recordComposition", "enableRTMPOut", "enableLiveStreaming"]
        );
        assert_eq!(
            named(Trait::Records),
            ["enableRecording", "recordRoom", "recordComposition"]
        );
    }

    /// Client and simulator have a list each, so that they cannot share a typo. An attribute that is missing in
    /// one of them, or has another type there, is found here.
    #[test]
    fn the_simulator_knows_the_same_attributes() {
        let json = |kind: &Kind| match kind {
            Kind::Flag => "boolean",
            Kind::Count(_) | Kind::Moment | Kind::Span => "integer",
            Kind::Words(_) | Kind::Text | Kind::SecretUrl => "string",
        };
        let client = attributes().iter().map(|a| (a.name, json(&a.kind)));
        let client: BTreeSet<_> = client.collect();
        let simulator = crate::simulator::settable().collect();
        let apart: Vec<_> = client.symmetric_difference(&simulator).collect();
        assert!(apart.is_empty(), "only one side has {apart:?}");
    }
}
