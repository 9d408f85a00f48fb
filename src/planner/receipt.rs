//! What happened to one change, and the comparison of an answer with what was sent.

use std::collections::BTreeSet;
use std::fmt::Display;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::change::{Action, Cause, Plan};
use super::state::Override;
use super::undeclared::Undeclared;
use crate::model::words::plural;
use crate::model::{Effect, RoomName, Stored, StoredSettings, Value};

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

/// What happened to one change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub room: RoomName,
    /// What was done; an `add` says which of create and adopt it became, once that is known.
    pub action: Action,
    /// `reassert`, if nothing else was the reason to send it.
    pub cause: Option<Cause>,
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
    /// Attributes that were not sent, and are not as they were known to be.
    pub undeclared: Vec<Undeclared>,
    /// What that does to people.
    pub effects: Vec<Effect>,
    /// Whether one of these had to be allowed, and was not.
    pub not_allowed: bool,
    /// Whether it was not written for a reason of ours: the service did not fail.
    pub held_back: bool,
}

impl Receipt {
    /// The receipt of a room that was not tried.
    pub(crate) fn skipped(room: &RoomName, action: Action, why: impl Display) -> Self {
        let why = format!("not tried: {why}");
        Self::new(room, action, Outcome::Skipped, Some(why))
    }

    /// The receipt of a room whose secrets are not all known here. A write without them could reset them.
    pub(crate) fn unset<'a>(
        room: &RoomName,
        action: Action,
        secrets: impl IntoIterator<Item = (&'static str, &'a Value)>,
    ) -> Self {
        let (mut names, mut why) = (BTreeSet::new(), Vec::new());
        for (attribute, value) in secrets {
            match value {
                Value::Unset {
                    variables,
                    no_url: true,
                } => why.push(format!(
                    "`{attribute}` is no URL with what is set: {}",
                    variables.join(", ")
                )),
                Value::Unset { variables, .. } => {
                    names.extend(variables.iter().map(String::as_str))
                }
                _ => {}
            }
        }
        if !names.is_empty() {
            let variables = plural(names.len() as u64, "variable");
            let names: Vec<&str> = names.into_iter().collect();
            why.insert(0, format!("{variables} not set: {}", names.join(", ")));
        }
        Self {
            held_back: true,
            ..Self::skipped(room, action, why.join("; "))
        }
    }

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
            cause: None,
            outcome,
            attempts: 0,
            http_status: None,
            message,
            overridden: Vec::new(),
            unobservable: Vec::new(),
            undeclared: Vec::new(),
            effects: Vec::new(),
            not_allowed: false,
            held_back: false,
        }
    }
}

/// Takes the rooms out of a plan whose secrets are not all known here, and gives their receipts out.
pub(crate) fn set_aside(plan: &mut Plan) -> Vec<Receipt> {
    let mut receipts = Vec::new();
    plan.changes.retain(|change| {
        let is_known = change.unset().next().is_none();
        if !is_known {
            receipts.push(Receipt::unset(&change.room, change.action, change.unset()));
        }
        is_known
    });
    receipts
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
/// proves nothing either way, since the service's documented answer leaves most attributes out. So is a secret without
/// a value.
pub(crate) fn compare(sent: &StoredSettings, live: &StoredSettings) -> Comparison {
    let mut comparison = Comparison::default();
    for (name, value) in sent {
        match live.get(name) {
            None => comparison.unobservable.push(name.to_string()),
            // A service that keeps secrets to itself shows none, or a mask: it chose nothing by that.
            Some(Stored::Null(())) if value.is_secret() => {
                comparison.unobservable.push(name.to_string());
            }
            Some(got) if got == value => {}
            Some(got) => comparison.overridden.push(Override {
                name: name.to_string(),
                sent: value.clone(),
                got: got.clone(),
            }),
        }
    }
    comparison
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_different_and_absent() {
        let settings = |settings: &[(&str, Stored)]| -> StoredSettings {
            let settings = settings.iter().cloned();
            settings.collect()
        };
        let sent = settings(&[
            ("enableChat", true.into()),
            ("maxParticipants", 5.into()),
            ("privacy", "private".into()),
        ]);
        let live = settings(&[
            ("enableChat", false.into()),
            ("maxParticipants", 5.into()),
            ("never-sent", true.into()),
        ]);
        let comparison = compare(&sent, &live);
        assert_eq!(comparison.unobservable, ["privacy"]);
        let [chat] = &*comparison.overridden else {
            panic!("{comparison:?}")
        };
        assert_eq!((&*chat.name, &chat.got), ("enableChat", &false.into()));
    }
}
