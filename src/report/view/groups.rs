//! Rooms of which the same is to be said, as one item: what changes is read once, and the rooms are names below it.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, Hash, Hasher, RandomState};

use super::{Detail, Item, Items, Line, Member, Names, Trace, View, count};

impl View<'_> {
    /// With one item for all rooms of which the same is to be said. For people: a tool takes rooms in one by one, and a
    /// finding is of one place.
    pub(crate) fn grouped(mut self, detail: Detail) -> Self {
        if self.kind == "validate" {
            return self;
        }
        self.items = together(self.items, detail);
        self
    }

    /// The items of which none may be left out, as few as there can be: rooms with the same effects are one, whatever else
    /// moves in them. With `shared`, lines that more than one of them has are said, too, and of others that there are some.
    pub(crate) fn compact(&self, shared: bool) -> Vec<Item> {
        let kept = self.items.iter().filter(|item| item.is_kept);
        let mut kept: Vec<Item> = kept.map(|item| same_but_named(&item)).collect();
        let mut times: HashMap<Line, usize> = HashMap::new();
        for item in &kept {
            for line in &item.lines {
                *times.entry(line.clone()).or_default() += item.members.len().max(1);
            }
        }
        for item in &mut kept {
            item.lines.retain(|_| shared);
            for line in item.lines.iter_mut().filter(|line| times[*line] == 1) {
                *line = Line {
                    name: std::mem::take(&mut line.name),
                    note: Some("another in each".to_owned()),
                    ..Line::default()
                };
            }
        }
        let compact = together(kept.into(), Detail::default());
        compact.iter().collect()
    }
}

/// With one item for all of which the same is to be said. Items are made again when their group is looked at; until then a
/// digest stands for what is said of one, and what has the same is compared.
fn together(items: Items<'_>, detail: Detail) -> Items<'_> {
    let digests = RandomState::new();
    let mut known: HashMap<u64, usize> = HashMap::new();
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let mut digest = digests.hash_one(Said(&item));
        let is_of = |group: &Vec<usize>| Said(&items.get(group[0])) == Said(&item);
        while known
            .get(&digest)
            .is_some_and(|group| !is_of(&groups[*group]))
        {
            digest = digest.wrapping_add(1);
        }
        match known.get(&digest) {
            Some(group) => groups[*group].push(at),
            None => {
                known.insert(digest, groups.len());
                groups.push(vec![at]);
            }
        }
    }
    Items::of(groups, move |group| {
        one(group.iter().map(|at| items.get(*at)), detail)
    })
}

/// An item as what is said of a room, whichever one it is and wherever it stands, as [`same`] has it. Nothing is copied for it.
struct Said<'a>(&'a Item);

impl<'a> Said<'a> {
    fn words(
        &self,
    ) -> (
        impl Hash + Eq + use<'a>,
        impl Iterator<Item = impl Hash + Eq + use<'a>> + use<'a>,
    ) {
        let Item {
            weight,
            is_kept,
            sign,
            action,
            name: _,
            members: _,
            rooms: _,
            file: _,
            line: _,
            column: _,
            effects,
            causes,
            message,
            details,
            trace: _,
            lines,
        } = self.0;
        let head = (
            weight, is_kept, sign, action, effects, causes, message, details,
        );
        let lines = lines.iter().map(|line| {
            let Line {
                name,
                before,
                after,
                note,
                from,
                sides,
                line: _,
                surprise,
                mute: _,
            } = line;
            (name, before, after, note, from, sides, surprise)
        });
        (head, lines)
    }
}

impl Hash for Said<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let (head, lines) = self.words();
        head.hash(state);
        lines.for_each(|line| line.hash(state));
    }
}

impl PartialEq for Said<'_> {
    fn eq(&self, other: &Self) -> bool {
        let ((one, lines), (another, others)) = (self.words(), other.words());
        one == another && lines.eq(others)
    }
}

impl Eq for Said<'_> {}

/// What is said of a room or of several, and which they are, without where they stand.
fn same_but_named(item: &Item) -> Item {
    Item {
        name: item.name.clone(),
        members: item.members.clone(),
        causes: BTreeSet::new(),
        ..same(item)
    }
}

/// What is said of a room, without which one it is and where it stands.
fn same(item: &Item) -> Item {
    let lines = item.lines.iter().map(|line| Line {
        line: None,
        mute: None,
        ..line.clone()
    });
    Item {
        name: String::new(),
        members: Vec::new(),
        rooms: None,
        file: None,
        line: None,
        column: None,
        trace: Trace::default(),
        lines: lines.collect(),
        ..item.clone()
    }
}

/// The rooms of a group as one item, which stands where all of it comes from, if that is one place.
fn one(mut rest: impl Iterator<Item = Item>, detail: Detail) -> Item {
    let first = rest.next().unwrap_or_default();
    let Some(second) = rest.next() else {
        return first;
    };
    let (mut members, mut trace) = (members(&first), first.trace.clone());
    for item in std::iter::once(second).chain(rest) {
        members.extend(self::members(&item));
        trace = trace.and(&item.trace);
    }
    let mut whole = same(&first);
    let origin = whole.lines.first().and_then(|line| line.from.clone());
    if origin.is_some() && whole.lines.iter().all(|line| line.from == origin) {
        (whole.file, whole.line) = origin.map_or((None, None), |(file, line)| (Some(file), line));
        for line in &mut whole.lines {
            line.from = None;
        }
    }
    let names = members.iter().map(|member| match detail.verbose {
        true => member.to_string(),
        false => member.name.clone(),
    });
    let names = match detail.verbose {
        true => Names::all(names),
        false => Names::new(names),
    };
    Item {
        name: count(members.len() as u64, "room"),
        rooms: Some(names),
        members,
        trace,
        ..whole
    }
}

/// The rooms of an item, which may be of several already.
fn members(item: &Item) -> Vec<Member> {
    let only = Member {
        name: item.name.clone(),
        place: item.place(),
    };
    match item.members.is_empty() {
        true => vec![only],
        false => item.members.clone(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn item(name: &str, value: &str, from: Option<&str>) -> Item {
        Item {
            name: name.to_owned(),
            file: Some(format!("rooms/{name}.yaml")),
            line: from.is_none().then_some(2),
            lines: vec![Line {
                name: "privacy".into(),
                after: Some(value.to_owned()),
                from: from.map(|file| (file.to_owned(), Some(1))),
                ..Line::default()
            }],
            ..Item::default()
        }
    }

    fn grouped(items: Vec<Item>, verbose: bool) -> Vec<Item> {
        let view = View {
            items: items.into(),
            ..View::default()
        };
        let detail = Detail {
            verbose,
            ..Detail::default()
        };
        view.grouped(detail).items.iter().collect()
    }

    #[test]
    fn a_line_of_defaults_is_said_once() {
        let defaults = Some("rooms/_defaults.yaml");
        let rooms = ["a", "b", "c", "d", "e", "f"].map(|name| item(name, "public", defaults));
        let [only] = grouped(rooms.to_vec(), false).try_into().unwrap();
        assert_eq!(only.name, "6 rooms");
        assert_eq!(only.place().as_deref(), Some("rooms/_defaults.yaml:1"));
        assert_eq!(only.lines[0].from, None, "said once");
        let names = only.rooms.unwrap().list(str::to_owned);
        assert_eq!(names, "a, b, c, d, e and 1 more");
    }

    #[test]
    fn each_room_has_its_place_when_all_is_asked_for() {
        let rooms = ["a", "b"].map(|name| item(name, "public", None));
        let [only] = grouped(rooms.to_vec(), true).try_into().unwrap();
        assert_eq!(only.place(), None);
        let names = only.rooms.unwrap().list(str::to_owned);
        assert_eq!(names, "a (rooms/a.yaml:2), b (rooms/b.yaml:2)");
    }

    proptest! {
        /// Nothing is lost, nothing is said twice, and the order is that of the first of each.
        #[test]
        fn every_room_is_in_one_group_that_says_the_same(values in prop::collection::vec("[ab]", 0..12)) {
            let items: Vec<Item> = values
                .iter()
                .enumerate()
                .map(|(n, value)| item(&n.to_string(), value, None))
                .collect();
            let groups = grouped(items.clone(), false);
            let named = groups.iter().flat_map(|group| match group.members.as_slice() {
                [] => vec![(group.name.clone(), group.lines[0].after.clone())],
                members => {
                    let value = group.lines[0].after.clone();
                    members.iter().map(|member| (member.name.clone(), value.clone())).collect()
                }
            });
            let mut named: Vec<_> = named.collect();
            let first: Vec<usize> = groups
                .iter()
                .map(|group| group.members.first().map_or(&group.name, |member| &member.name).parse().unwrap())
                .collect();
            prop_assert!(first.is_sorted());
            let mut expected: Vec<_> =
                items.iter().map(|item| (item.name.clone(), item.lines[0].after.clone())).collect();
            named.sort();
            expected.sort();
            prop_assert_eq!(named, expected);
            let different: std::collections::BTreeSet<_> = values.iter().collect();
            prop_assert_eq!(groups.len(), different.len());
        }
    }
}
