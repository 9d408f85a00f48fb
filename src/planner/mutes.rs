//! Mutes: drift that is known, accepted for a reason, and only until a day; and what can become of an attribute by one.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::glob::GlobError;
use crate::model::{Glob, Globs, RoomName, Stored};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mute {
    /// Which rooms, as a glob over names.
    pub room: Glob,
    /// Which attribute, by wire name; `*` for all.
    pub attribute: String,
    /// Why it is accepted.
    pub reason: String,
    /// Until when, as written.
    pub until: String,
    /// The first Unix second at which it is over.
    ends: i64,
}

/// Why something is not a mute.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MuteError {
    #[error(transparent)]
    Room(#[from] GlobError),
    #[error("`until: {0}` is neither a day (2027-01-31) nor a time (2027-01-31T12:00:00Z)")]
    Until(String),
    #[error("a mute needs a reason")]
    Reason,
}

/// What is the matter with a mute that mutes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Idle {
    /// Its time is over.
    Expired,
    /// Nothing that it would mute has moved.
    Unused,
}

impl Mute {
    /// Checks the parts of a mute.
    pub(crate) fn new(
        room: &str,
        attribute: &str,
        reason: &str,
        until: &str,
    ) -> Result<Self, MuteError> {
        let room = room.parse()?;
        if reason.trim().is_empty() {
            return Err(MuteError::Reason);
        }
        Ok(Self {
            room,
            attribute: attribute.to_owned(),
            reason: reason.trim().to_owned(),
            until: until.to_owned(),
            ends: ends(until).ok_or_else(|| MuteError::Until(until.to_owned()))?,
        })
    }

    /// Whether it still counts at `now`, in Unix seconds.
    pub(crate) fn is_active(&self, now: i64) -> bool {
        now < self.ends
    }

    /// Whether it is about this attribute, of a room that it is about.
    pub(crate) fn covers(&self, attribute: &str) -> bool {
        self.attribute == "*" || self.attribute == attribute
    }

    /// Sorts those that accept the most to the front, as far as can be said without the rooms.
    pub(crate) fn narrowness(&self) -> impl Ord + use<> {
        let (room, is_one) = (self.room.as_str(), self.attribute != "*");
        let is_plain = !room.contains(['*', '?', '[', '{']);
        (
            is_one || room != "*",
            is_one,
            room != "*",
            is_plain,
            Reverse(self.ends),
        )
    }

    /// Whether all that `other` accepts is accepted by this one, as far as can be said without comparing patterns.
    pub(crate) fn accepts_all_of(&self, other: &Self) -> bool {
        let attributes = [other.attribute.as_str(), "*"];
        self.room.as_str() == other.room.as_str()
            && attributes.contains(&self.attribute.as_str())
            && self.ends >= other.ends
    }
}

/// The mutes that count at a moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mutes<'a> {
    /// Each with its place among all.
    active: Vec<(usize, &'a Mute)>,
    rooms: Globs,
}

impl<'a> Mutes<'a> {
    /// Those of `all` that are not over at `now`, in Unix seconds.
    pub(crate) fn at(now: i64, all: &'a [Mute]) -> Self {
        let active = all.iter().enumerate();
        let active: Vec<_> = active.filter(|(_, mute)| mute.is_active(now)).collect();
        let rooms = active.iter().map(|(_, mute)| mute.room.clone()).collect();
        Self { active, rooms }
    }

    /// Those that are about a room, each with its place among all.
    pub(crate) fn about(&self, room: &str) -> impl Iterator<Item = (usize, &'a Mute)> {
        self.rooms.matching(room).map(|at| self.active[at])
    }

    /// The mutes of one room, by attribute: of several the one that lasts longest.
    pub(super) fn of(&self, room: &RoomName) -> RoomMutes<'a> {
        let mut longest = BTreeMap::new();
        for (_, one) in self.about(room.as_str()) {
            let longest = longest.entry(&*one.attribute).or_insert(one);
            if one.ends >= longest.ends {
                *longest = one;
            }
        }
        RoomMutes(longest)
    }
}

/// The mutes of one room that count.
#[derive(Clone, Debug, Default)]
pub(super) struct RoomMutes<'a>(BTreeMap<&'a str, &'a Mute>);

impl<'a> RoomMutes<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The mute of an attribute; of several the one that lasts longest.
    pub(super) fn of(&self, attribute: &str) -> Option<&'a Mute> {
        let mutes = [self.0.get("*"), self.0.get(attribute)];
        mutes
            .into_iter()
            .flatten()
            .copied()
            .max_by_key(|mute| mute.ends)
    }
}

/// The first second after the day, or the second itself.
fn ends(until: &str) -> Option<i64> {
    if let Ok(day) = until.parse::<Date>()
        && until.len() == "2027-01-31".len()
    {
        let next = day.checked_add(1.day()).ok()?;
        return Some(
            TimeZone::UTC
                .to_timestamp(next.at(0, 0, 0, 0))
                .ok()?
                .as_second(),
        );
    }
    Some(until.parse::<Timestamp>().ok()?.as_second())
}

/// What becomes of an attribute that a mute is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Fate {
    /// It moved on the service, and stays as it is there.
    LeftAlone,
    /// It was not looked at: `apply` reads the room first, and leaves the attribute alone if it moved.
    ReadFirst,
    /// Overwritten, since the service does not report it: what it holds cannot be sent again.
    NotReported,
    /// It moved, and what the service shows of it cannot be sent: `apply` holds the room back.
    NotSendable,
    /// Overwritten, since the file moved: a mute accepts drift, and an edit is none.
    Edited,
}

/// One attribute that a mute is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Muted {
    pub name: &'static str,
    /// The wanted value; `None`: not known here.
    pub wanted: Option<Stored>,
    /// What the service reports; `None`: it does not, or was not looked at.
    pub live: Option<Stored>,
    pub fate: Fate,
    /// Why the mute is there.
    pub reason: String,
    /// Until when, as it is written.
    pub until: String,
}

impl Fate {
    /// Whether the attribute stays as it is if it moved, as far as the body of a write allows.
    pub(crate) fn stays(self) -> bool {
        self != Self::Edited
    }
}

/// Whether one of `mutes` is about this attribute of this room, whenever it ends.
#[cfg(test)]
pub(crate) fn is_muted(mutes: &[Mute], room: &str, attribute: &str) -> bool {
    let at = Mutes::at(i64::MIN, mutes);
    at.about(room).any(|(_, mute)| mute.covers(attribute))
}

#[cfg(test)]
mod tests {
    use std::slice;

    use super::*;
    use crate::planner::testing::name;

    #[test]
    fn a_day_counts_to_its_end_and_a_time_to_the_second() {
        let mute = |until: &str| Mute::new("a", "*", "why", until);
        let day = mute("2027-01-01").unwrap();
        assert!(day.is_active(1_798_761_600 + 86_399));
        assert!(!day.is_active(1_798_761_600 + 86_400));
        let time = mute("2027-01-01T00:00:00Z").unwrap();
        assert!(time.is_active(1_798_761_599));
        assert!(!time.is_active(1_798_761_600));
        for bad in ["", "soon", "2027-02-30", "2027", "1798761600"] {
            assert!(mute(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn rooms_are_matched_by_pattern() {
        let mute = Mute::new("sales-*", "enableChat", "why", "2027-01-01").unwrap();
        assert!(is_muted(slice::from_ref(&mute), "sales-emea", "enableChat"));
        assert!(!is_muted(slice::from_ref(&mute), "sales-emea", "privacy"));
        assert!(!is_muted(&[mute], "presales-emea", "enableChat"));
        assert!(Mute::new("[", "*", "why", "2027-01-01").is_err());
        assert!(Mute::new("a", "*", " ", "2027-01-01").is_err());
    }

    #[test]
    fn of_several_mutes_the_one_counts_that_lasts_longest() {
        let mute = |reason, until| Mute::new("a", "*", reason, until).unwrap();
        let all = [
            mute("short", "2027-01-01"),
            mute("long", "2028-01-01T00:00:00Z"),
            mute("over", "2020-01-01"),
        ];
        let reason = |now, room| {
            let mutes = Mutes::at(now, &all).of(&name(room));
            mutes.of("privacy").map(|mute| mute.reason.as_str())
        };
        assert_eq!(reason(1_798_761_600, "a"), Some("long"));
        assert_eq!(reason(1_798_761_600, "b"), None);
        assert_eq!(reason(1_900_000_000, "a"), None);
    }
}
