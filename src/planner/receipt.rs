//! What happened to one change, and the comparison of an answer with what was sent.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::plan::Action;
use crate::model::{Live, RoomName, Settings, Stored, Value};

/// How a change ended.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    /// The service answered with what was sent, as far as it can be seen.
    Confirmed,
    /// The service took the write and chose other values for some attributes.
    Overridden,
    /// The service did not take the write.
    Refused,
    /// No usable answer came: the write may or may not have happened.
    Unknown,
    /// Not tried.
    Skipped,
}

/// An attribute that the service set to something else than was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Override {
    pub name: String,
    pub sent: Stored,
    /// What the service answered.
    pub got: Stored,
}

/// What happened to one change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub room: RoomName,
    /// What was done; an `add` says which of create and adopt it became, once that is known.
    pub action: Action,
    pub outcome: Outcome,
    /// Requests sent for it.
    pub attempts: u32,
    /// Status of the last answer.
    pub http_status: Option<u16>,
    /// Why it ended like this, for a person. Free of secrets.
    pub message: Option<String>,
    /// Attributes that the service chose itself.
    pub overridden: Vec<Override>,
    /// Wire names of attributes that were sent and are not in the answer.
    pub unobservable: Vec<String>,
}

impl Receipt {
    /// The receipt of a room that ended like this, without anything sent.
    pub(crate) fn new(
        room: &RoomName,
        action: Action,
        outcome: Outcome,
        message: Option<String>,
    ) -> Self {
        Self {
            room: room.clone(),
            action,
            outcome,
            attempts: 0,
            http_status: None,
            message,
            overridden: Vec::new(),
            unobservable: Vec::new(),
        }
    }
}

/// An answer held against what was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Comparison {
    /// Attributes that the service chose itself.
    pub overridden: Vec<Override>,
    /// Wire names of attributes that are not in the answer.
    pub unobservable: Vec<String>,
}

/// Compares an answer with what was sent. An attribute missing from the answer is unobservable: it
/// proves nothing either way, since the service's documented answer leaves most attributes out.
pub(crate) fn compare(sent: &Settings, live: &BTreeMap<String, Live>, salt: &str) -> Comparison {
    let mut comparison = Comparison::default();
    for (&name, value) in sent {
        match live.get(name) {
            None => comparison.unobservable.push(name.to_owned()),
            Some(live) if live.holds(value) => {}
            Some(live) => {
                // What is not known here was not sent, so there is nothing to override.
                comparison
                    .overridden
                    .extend(value.remember(salt, name).map(|sent| Override {
                        name: name.to_owned(),
                        sent,
                        got: live.remember(salt, name, matches!(value, Value::Secret(_))),
                    }));
            }
        }
    }
    comparison
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Secret;

    #[test]
    fn equal_different_and_absent() {
        let sent: Settings = [
            ("enableChat", Value::Bool(true)),
            ("maxParticipants", Value::Integer(5)),
            ("privacy", Value::Text("private".into())),
            ("rtmpOutURL", Value::Secret(Secret::new("rtmp://a/k"))),
        ]
        .into();
        let live = [
            ("enableChat".to_owned(), Live::Bool(false)),
            ("maxParticipants".to_owned(), Live::Integer(5)),
            ("rtmpOutURL".to_owned(), Live::Text("rtmp://b/k".into())),
            ("never-sent".to_owned(), Live::Bool(true)),
        ]
        .into();
        let comparison = compare(&sent, &live, "salt");
        assert_eq!(comparison.unobservable, ["privacy"]);
        let names: Vec<&str> = comparison.overridden.iter().map(|o| &*o.name).collect();
        assert_eq!(names, ["enableChat", "rtmpOutURL"]);
        assert_eq!(comparison.overridden[0].got, Stored::Bool(false));
        assert!(comparison.overridden[1].got.is_secret());
    }
}
