//! Which lines of a plan a change to the files explains, and which were there before it.
//!
//! Whoever reviews a change sees a plan against what was applied. It also holds what was merged earlier and not
//! applied yet, and what somebody moved on the service: nobody reviewed that with this change.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::change::{Cause, Change, Plan};
use crate::model::{RoomName, Wanted, WantedRoom, WireName};

/// Where a line of a plan comes from; what is explained least comes first.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Explanation {
    /// Somebody moved it on the service.
    Drift,
    /// The base says something else since this change left it, which applying this change would revert.
    Behind,
    /// What the files said at the base could not be read.
    Unread,
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
            Self::Behind => "behind the base",
            Self::Unread => "not read at the base",
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
    pub attributes: BTreeMap<WireName, Explanation>,
}

/// Where the lines of a plan come from, by room.
pub(crate) type Explained = BTreeMap<RoomName, ExplainedChange>;

/// What the files wanted at the base of a change.
#[derive(Clone, Debug, Default)]
pub(crate) struct Base {
    /// At the revision that the change is made for.
    pub revision: Snapshot,
    /// Where the change left that revision, unless the change has all of it. Several after merges in both directions.
    pub merge_bases: Vec<Snapshot>,
}

/// What the files wanted at one commit, as far as they could be read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    pub wanted: Wanted,
    /// Whether everything was read. If not, nobody knows of a missing room that it was not wanted.
    pub complete: bool,
}

impl Snapshot {
    /// What was wanted of a room; the outer `None`: that could not be read.
    fn room(&self, name: &RoomName) -> Option<InFiles<'_>> {
        let room = self.wanted.get(name);
        (room.is_some() || self.complete).then_some(room)
    }
}

/// A room in the files at one moment; `None`: no file wants it.
type InFiles<'a> = Option<&'a WantedRoom>;

/// Explains `plan` by what the files want now (`wanted`) and wanted at the base.
pub(crate) fn explain(plan: &Plan, wanted: &Wanted, base: &Base) -> Explained {
    let one = |change: &Change| {
        let room = &change.room;
        let merge_bases = base.merge_bases.iter().map(|left| left.room(room));
        let sides = Sides {
            now: wanted.get(room),
            revision: base.revision.room(room),
            merge_bases: merge_bases.collect(),
        };
        (room.clone(), sides.explain(change))
    };
    plan.changes.iter().map(one).collect()
}

/// A room in the files now and at the base; where that could not be read, `None`.
struct Sides<'a> {
    now: InFiles<'a>,
    revision: Option<InFiles<'a>>,
    merge_bases: Option<Vec<InFiles<'a>>>,
}

impl Sides<'_> {
    fn explain(&self, change: &Change) -> ExplainedChange {
        let attributes: BTreeMap<WireName, Explanation> = change
            .attributes
            .iter()
            .map(|a| (a.name, self.attribute(&a.name, a.cause)))
            .collect();
        // A room that no file wants has no lines: it counts as a whole.
        let whole = || self.origin(|a, b| a.settings == b.settings && a.secrets == b.secrets);
        ExplainedChange {
            change: attributes.values().min().copied().unwrap_or_else(whole),
            attributes,
        }
    }

    fn attribute(&self, name: &str, cause: Cause) -> Explanation {
        if cause.is_a_move_of_the_service() {
            return Explanation::Drift;
        }
        self.origin(|a, b| is_said_alike(name, a, b))
    }

    /// Only what the base has not moved since is this change's, and only if all of them are known. `alike` compares
    /// the room where both want it.
    fn origin(&self, alike: impl Fn(&WantedRoom, &WantedRoom) -> bool) -> Explanation {
        let alike = |a: InFiles<'_>, b: InFiles<'_>| match (a, b) {
            (Some(a), Some(b)) => alike(a, b),
            (a, b) => a.is_none() && b.is_none(),
        };
        let Some(revision) = self.revision else {
            return Explanation::Unread;
        };
        if alike(self.now, revision) {
            return Explanation::MergedEarlier;
        }
        match &self.merge_bases {
            None => Explanation::Unread,
            Some(left) if left.iter().all(|left| alike(*left, revision)) => Explanation::ThisChange,
            Some(_) => Explanation::Behind,
        }
    }
}

/// Whether two files say the same of an attribute. A secret that refers to variables says what is written.
fn is_said_alike(name: &str, a: &WantedRoom, b: &WantedRoom) -> bool {
    let written = (a.reference(name), b.reference(name));
    match written {
        (None, None) => a.settings.get(name) == b.settings.get(name),
        (written, then) => written == then,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::model::Value;
    use crate::model::reference::Template;
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

    /// A base that says this, and that the change has all of.
    fn up_to_date(wanted: &Wanted) -> Base {
        Base {
            revision: read(wanted),
            merge_bases: Vec::new(),
        }
    }

    fn read(wanted: &Wanted) -> Snapshot {
        Snapshot {
            wanted: wanted.clone(),
            complete: true,
        }
    }

    fn explained(before: &Wanted, base: &Wanted, now: &Wanted) -> Vec<String> {
        let plan = plan(now, &applied(before), None, &options());
        let base = up_to_date(base);
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
            room.settings.insert("privacy".into(), "private".into());
        }
        let lines = explained(&applied, &base, &now);
        assert!(lines.contains(&"gone: this change".to_owned()), "{lines:?}");
        assert!(
            lines.contains(&"left: merged earlier, not applied".to_owned()),
            "{lines:?}"
        );
        assert!(lines.contains(&"new: this change".to_owned()), "{lines:?}");
        assert!(
            lines.contains(&"  maxParticipants: this change".to_owned()),
            "{lines:?}"
        );
        assert!(
            lines.contains(&"  privacy: merged earlier, not applied".to_owned()),
            "{lines:?}"
        );
    }

    #[test]
    fn a_reference_moves_with_what_is_written() {
        let with = |value: Value, written: &str| -> Wanted {
            let room = WantedRoom {
                settings: [("rtmpOutURL", value)].into(),
                secrets: [("rtmpOutURL", Template::parse(written).unwrap())].into(),
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
        let explained = explain(&plan, &now, &Base::default());
        assert_eq!(explained[&name("a")].change, Explanation::Unread);
    }

    fn trees() -> impl Strategy<Value = Wanted> {
        let settings = btree_map(
            select(vec!["maxParticipants", "expireUnixSec"]),
            0..3_i64,
            0..=2,
        );
        btree_map(select(vec!["a", "b", "c"]), settings, 0..=3).prop_map(|tree| {
            let tree = tree.into_iter();
            let tree: Vec<_> = tree
                .map(|(room, said)| (room, Vec::from_iter(said)))
                .collect();
            let tree: Vec<_> = tree.iter().map(|(room, said)| (*room, &**said)).collect();
            rooms(&tree)
        })
    }

    /// Which rooms cannot be read at a commit, bit by bit; `None`: everything can.
    type Lost = Option<u8>;

    fn losses() -> impl Strategy<Value = Lost> {
        proptest::option::of(0..8_u8)
    }

    fn lose(tree: &Wanted, lost: Lost) -> Snapshot {
        let kept = |bits: u8| {
            let numbered = tree.iter().enumerate();
            let kept = numbered.filter(move |(n, _)| bits >> n & 1 == 0);
            kept.map(|(_, (name, room))| (name.clone(), room.clone()))
        };
        lost.map_or_else(
            || read(tree),
            |bits| Snapshot {
                wanted: kept(bits).collect(),
                complete: false,
            },
        )
    }

    /// A line of a plan; without an attribute, a room that has no lines.
    type Line = (RoomName, Option<String>);

    fn each_line(plan: &Plan, now: &Wanted, base: &Base) -> BTreeMap<Line, Explanation> {
        let mut lines = BTreeMap::new();
        for (room, explained) in explain(plan, now, base) {
            if explained.attributes.is_empty() {
                lines.insert((room.clone(), None), explained.change);
            }
            for (name, explanation) in explained.attributes {
                lines.insert((room.clone(), Some(name.into())), explanation);
            }
        }
        lines
    }

    fn of_this_change(plan: &Plan, now: &Wanted, base: &Base) -> BTreeSet<Line> {
        let lines = each_line(plan, now, base).into_iter();
        let own = lines.filter(|(_, explanation)| *explanation == Explanation::ThisChange);
        own.map(|(line, _)| line).collect()
    }

    /// What files say in a line. That no file wants the room says something else than a file without the key.
    fn said(files: &Wanted, (room, name): &Line) -> Option<Vec<Value>> {
        let settings = files.get(room)?.settings.iter();
        let named = settings.filter(|(key, _)| name.as_ref().is_none_or(|name| **key == *name));
        Some(named.map(|(_, value)| value.clone()).collect())
    }

    proptest! {
        #[test]
        fn only_what_the_base_did_not_move_and_the_branch_did_is_this_change(
            (before, now, revision) in (trees(), trees(), trees()),
            left in vec((trees(), losses()), 0..3),
            lost in losses(),
        ) {
            let plan = plan(&now, &applied(&before), None, &options());
            let base = Base {
                revision: lose(&revision, lost),
                merge_bases: left.iter().map(|(tree, lost)| lose(tree, *lost)).collect(),
            };
            for line in of_this_change(&plan, &now, &base) {
                for snapshot in base.merge_bases.iter().chain([&base.revision]) {
                    let is_read = snapshot.complete || snapshot.wanted.contains_key(&line.0);
                    prop_assert!(is_read, "{line:?}");
                    let then = said(&snapshot.wanted, &line);
                    prop_assert_eq!(&then, &said(&revision, &line), "{:?}", line);
                    prop_assert_ne!(&then, &said(&now, &line), "{:?}", line);
                }
            }
        }

        #[test]
        fn what_cannot_be_read_makes_nothing_this_change(
            (before, now) in (trees(), trees()),
            trees in vec((trees(), losses(), losses()), 1..4),
        ) {
            let plan = plan(&now, &applied(&before), None, &options());
            let base = |lose_more: bool| {
                let mut snapshots = trees.iter().map(|(tree, lost, more)| {
                    let both = lost.unwrap_or(0) | more.unwrap_or(0);
                    let more = lost.or(*more).map(|_| both);
                    lose(tree, if lose_more { more } else { *lost })
                });
                Base {
                    revision: snapshots.next().unwrap_or_default(),
                    merge_bases: snapshots.collect(),
                }
            };
            let fewer = of_this_change(&plan, &now, &base(true));
            prop_assert!(fewer.is_subset(&of_this_change(&plan, &now, &base(false))));
        }

        #[test]
        fn a_branch_that_has_all_of_the_base_is_not_behind(
            (before, now, revision) in (trees(), trees(), trees()),
        ) {
            let plan = plan(&now, &applied(&before), None, &options());
            let base = up_to_date(&revision);
            let lines = each_line(&plan, &now, &base);
            for (line, explanation) in &lines {
                let expected = match said(&now, line) == said(&revision, line) {
                    true => Explanation::MergedEarlier,
                    false => Explanation::ThisChange,
                };
                prop_assert_eq!(*explanation, expected, "{:?}", line);
            }
            let twice = Base { merge_bases: [base.revision.clone()].into(), ..base };
            prop_assert_eq!(each_line(&plan, &now, &twice), lines);
        }
    }
}
