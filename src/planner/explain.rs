//! Which lines of a plan a change to the files explains, and which were there before it.
//!
//! Whoever reviews a change sees a plan against what was applied. It also holds what was merged earlier and not
//! applied yet, and what somebody moved on the service: nobody reviewed that with this change.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::change::{Cause, Change, Plan};
use crate::model::{RoomName, Wanted, WantedRoom};

/// Where a line of a plan comes from.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Explanation {
    /// Somebody moved it on the service.
    Drift,
    /// The files said so before this change; it has not been applied yet.
    MergedEarlier,
    /// This change to the files.
    ThisChange,
}

impl Explanation {
    /// In words for the reader of a plan.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Drift => "drift",
            Self::MergedEarlier => "merged earlier, not applied",
            Self::ThisChange => "this change",
        }
    }

    /// Whether the change to the files accounts for it.
    pub(crate) fn is_explained(self) -> bool {
        self == Self::ThisChange
    }
}

/// Where the lines of one change of a plan come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExplainedChange {
    /// The change as a whole: the least explained of its lines.
    pub change: Explanation,
    /// Each attribute, by wire name.
    pub attributes: BTreeMap<String, Explanation>,
}

/// Where the lines of a plan come from, by room.
pub(crate) type Explained = BTreeMap<RoomName, ExplainedChange>;

/// What the files wanted before a change.
#[derive(Clone, Debug, Default)]
pub(crate) struct Base {
    pub wanted: Wanted,
    /// Whether these are all. False when files had errors: then nobody knows of a missing room that it is new.
    pub complete: bool,
}

/// Explains `plan` by what the files want now (`wanted`) and wanted before the change.
pub(crate) fn explain(plan: &Plan, wanted: &Wanted, base: &Base) -> Explained {
    let one = |change: &Change| {
        let room = RoomInFiles {
            now: wanted.get(&change.room),
            before: base.wanted.get(&change.room),
            complete: base.complete,
        };
        (change.room.clone(), room.explain(change))
    };
    plan.changes.iter().map(one).collect()
}

/// A room in the files, now and before the change.
struct RoomInFiles<'a> {
    now: Option<&'a WantedRoom>,
    before: Option<&'a WantedRoom>,
    complete: bool,
}

impl RoomInFiles<'_> {
    fn explain(&self, change: &Change) -> ExplainedChange {
        let attributes: BTreeMap<String, Explanation> = change
            .attributes
            .iter()
            .map(|a| (a.name.clone(), self.attribute(&a.name, a.cause)))
            .collect();
        // A room that no file wants has no lines: its file went with this change, or earlier.
        let whole = if self.came_or_went() {
            Explanation::ThisChange
        } else {
            Explanation::MergedEarlier
        };
        ExplainedChange {
            change: attributes.values().min().copied().unwrap_or(whole),
            attributes,
        }
    }

    fn attribute(&self, name: &str, cause: Cause) -> Explanation {
        if cause.is_a_move_of_the_service() {
            return Explanation::Drift;
        }
        if self.moved(name) {
            Explanation::ThisChange
        } else {
            Explanation::MergedEarlier
        }
    }

    /// Whether the file of the room is new, or gone, with this change.
    fn came_or_went(&self) -> bool {
        match (self.now, self.before) {
            (Some(_), None) => self.complete,
            (None, Some(_)) => true,
            _ => false,
        }
    }

    /// Whether the files say something else of an attribute than before. A secret that refers to variables
    /// says what is written.
    fn moved(&self, name: &str) -> bool {
        let (Some(now), Some(before)) = (self.now, self.before) else {
            return self.came_or_went();
        };
        let (written, then) = (now.references.get(name), before.references.get(name));
        if written.is_some() || then.is_some() {
            return written != then;
        }
        now.settings.get(name) != before.settings.get(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Secret, Value};
    use crate::planner::testing::{applied, files, name, options, secret};
    use crate::planner::{State, plan};

    fn rooms(rooms: &[(&str, &[(&'static str, i64)])]) -> Wanted {
        let settings = |settings: &[(&'static str, i64)]| -> Vec<_> {
            let settings = settings.iter();
            settings.map(|(name, n)| (*name, Value::from(*n))).collect()
        };
        let rooms: Vec<_> = rooms.iter().map(|(name, s)| (*name, settings(s))).collect();
        let rooms: Vec<_> = rooms.iter().map(|(name, s)| (*name, &**s)).collect();
        files(&rooms)
    }

    fn explained(before: &Wanted, base: &Wanted, now: &Wanted) -> Vec<String> {
        let plan = plan(now, &applied(before), None, &options());
        let base = Base {
            wanted: base.clone(),
            complete: true,
        };
        let mut lines = Vec::new();
        for (room, change) in explain(&plan, now, &base) {
            lines.push(format!("{room}: {}", change.change.words()));
            for (name, line) in change.attributes {
                lines.push(format!("  {name}: {}", line.words()));
            }
        }
        lines
    }

    #[test]
    fn each_line_has_its_own_reason() {
        let applied = rooms(&[("a", &[("maxParticipants", 1), ("expireUnixSec", 1)])]);
        let base = rooms(&[("a", &[("maxParticipants", 2), ("expireUnixSec", 1)])]);
        let now = rooms(&[("a", &[("maxParticipants", 2), ("expireUnixSec", 2)])]);
        assert_eq!(
            explained(&applied, &base, &now),
            [
                "a: merged earlier, not applied",
                "  expireUnixSec: this change",
                "  maxParticipants: merged earlier, not applied",
            ]
        );
    }

    #[test]
    fn rooms_and_keys_that_come_and_go() {
        let applied = rooms(&[
            ("gone", &[]),
            ("left", &[]),
            ("less", &[("maxParticipants", 1)]),
        ]);
        let base = rooms(&[
            ("gone", &[("maxParticipants", 1)]),
            ("less", &[("maxParticipants", 1)]),
        ]);
        let now = rooms(&[("new", &[("maxParticipants", 1)]), ("less", &[])]);
        let mut applied = applied;
        for room in applied.values_mut() {
            room.settings.insert("privacy", "private".into());
        }
        let told = explained(&applied, &base, &now);
        assert!(told.contains(&"gone: this change".to_owned()), "{told:?}");
        assert!(
            told.contains(&"left: merged earlier, not applied".to_owned()),
            "{told:?}"
        );
        assert!(told.contains(&"new: this change".to_owned()), "{told:?}");
        assert!(
            told.contains(&"  maxParticipants: this change".to_owned()),
            "{told:?}"
        );
        assert!(
            told.contains(&"  privacy: merged earlier, not applied".to_owned()),
            "{told:?}"
        );
    }

    #[test]
    fn a_reference_moves_with_what_is_written() {
        let with = |value: Value, written: &str| -> Wanted {
            let room = WantedRoom {
                settings: [("rtmpOutURL", value)].into(),
                references: [("rtmpOutURL", Secret::new(written))].into(),
                ..WantedRoom::default()
            };
            [(name("a"), room)].into()
        };
        let base = with(secret("1"), "${env:A}");
        let same = with(secret("2"), "${env:A}");
        let other = with(secret("1"), "${env:B}");
        assert_eq!(
            explained(&Wanted::new(), &base, &same)[0],
            "a: merged earlier, not applied"
        );
        assert_eq!(
            explained(&Wanted::new(), &base, &other)[0],
            "a: this change"
        );
    }

    #[test]
    fn where_files_had_errors_nothing_is_known_to_be_new() {
        let now = rooms(&[("a", &[("maxParticipants", 1)])]);
        let plan = plan(&now, &State::fresh("acme"), None, &options());
        let told = explain(&plan, &now, &Base::default());
        assert_eq!(told[&name("a")].change, Explanation::MergedEarlier);
    }
}
