//! What was sent without an answer. Until a write is confirmed, the service may hold any of it.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::WireName;
use crate::model::sorted::Sorted;
use crate::model::{Stored, StoredSettings};

/// How many values are kept of an attribute. Who loses more answers than that in a row knows nothing of it.
const MOST: usize = 16;

/// The doubt whether the room is still there. No value was sent, so it is of the whole room: a read ends it.
pub(crate) const ARCHIVE: &str = "roomName";

/// All that was sent of each attribute since a write was last confirmed.
pub(crate) type Doubts = Sorted<WireName, Sent>;

/// All values that were sent of one attribute, sorted; `null` alone stands for any.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
#[schemars(inline)]
pub(crate) struct Sent(Vec<Stored>);

/// As it stands in a file: version 1 knew the last value only.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
enum Written {
    One(Stored),
    All(#[schemars(length(min = 1))] BTreeSet<Stored>),
}

impl TryFrom<Written> for Sent {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        match written {
            Written::One(value) => Ok(value.into()),
            Written::All(values) if values.is_empty() => Err("a doubt about no value"),
            Written::All(values) => Ok(Self(values.into_iter().collect())),
        }
    }
}

impl<T: Into<Stored>> From<T> for Sent {
    fn from(value: T) -> Self {
        Self(vec![value.into()])
    }
}

impl Sent {
    pub(crate) fn values(&self) -> impl Iterator<Item = &Stored> {
        self.0.iter()
    }

    /// Whether this value was sent; that it may have been anything says nothing of one.
    pub(crate) fn contains(&self, value: &Stored) -> bool {
        *value != Stored::Null(()) && self.0.contains(value)
    }

    /// Whether it may have been anything, as what is sent as it is there.
    pub(super) fn is_any(&self) -> bool {
        self.0.contains(&Stored::Null(()))
    }

    /// Whether nothing else was sent.
    pub(super) fn is_only(&self, value: &Stored) -> bool {
        self.0.iter().all(|sent| sent == value)
    }

    /// One that is not `value`, if there is any.
    pub(super) fn other_than(&self, value: Option<&Stored>) -> Option<&Stored> {
        let other = self.0.iter().find(|sent| Some(*sent) != value);
        other.or_else(|| self.0.first())
    }

    fn add(&mut self, value: &Stored) {
        if let Err(at) = self.0.binary_search(value) {
            self.0.insert(at, value.clone());
        }
        let any = Stored::Null(());
        if self.0.contains(&any) || self.0.len() > MOST {
            self.0 = vec![any];
        }
    }
}

/// What is in doubt once `sending` is on its way while `doubts` are open: those stay, since each of them may still be
/// what the service holds.
pub(crate) fn with(mut doubts: Doubts, sending: &StoredSettings) -> Doubts {
    // The usual case, in one go.
    if doubts.is_empty() {
        let alone = sending
            .iter()
            .map(|(name, value)| (*name, Sent(vec![value.clone()])));
        return alone.collect();
    }
    for (name, value) in sending {
        let none = || Sent(Vec::new());
        doubts.get_or_insert_with(*name, none).add(value);
    }
    doubts
}

/// What is in doubt once an archive of a room is on its way: whether it is there.
pub(crate) fn of_archive(mut doubts: Doubts) -> Doubts {
    doubts.insert(ARCHIVE.into(), Stored::Null(()).into());
    doubts
}

/// What of `doubts` is not settled by sending `sending`.
pub(super) fn without(doubts: &Doubts, sending: &StoredSettings) -> Doubts {
    let mut others = doubts.clone();
    others.retain(|name, sent| {
        sent.0.retain(|value| sending.get(name) != Some(value));
        !sent.0.is_empty()
    });
    others
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sending(count: i64) -> StoredSettings {
        [("maxParticipants", count.into())].into()
    }

    fn after(counts: impl IntoIterator<Item = i64>) -> Sent {
        let doubts = counts
            .into_iter()
            .fold(Doubts::new(), |doubts, count| with(doubts, &sending(count)));
        doubts["maxParticipants"].clone()
    }

    #[test]
    fn every_value_is_kept_once_and_in_order() {
        let sent = after([7, 5, 7]);
        assert_eq!(serde_json::to_string(&sent).unwrap(), "[5,7]");
        assert!(sent.contains(&5.into()) && !sent.is_only(&5.into()));
        assert_eq!(sent.other_than(Some(&5.into())), Some(&7.into()));
        assert_eq!(after([7]).other_than(Some(&7.into())), Some(&7.into()));
    }

    #[test]
    fn too_many_values_are_any() {
        let most = MOST as i64;
        assert_eq!(after(0..most).values().count(), MOST);
        for more in [most + 1, most + 5] {
            let any = serde_json::to_string(&after(0..more)).unwrap();
            assert_eq!(any, "[null]");
        }
    }

    #[test]
    fn the_one_value_of_version_1_is_read() {
        let read = |text: &str| serde_json::from_str::<Sent>(text);
        assert_eq!(read("20").unwrap(), 20.into());
        assert_eq!(read("[20,12,20]").unwrap(), after([12, 20]));
        let digest = format!(r#"{{"secret":"sha256:{}"}}"#, "0".repeat(64));
        assert_eq!(
            read(&digest).unwrap(),
            read(&format!("[{digest}]")).unwrap()
        );
        for wrong in ["[]", "[[1]]", "1.5", r#"{"secret":1}"#] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
