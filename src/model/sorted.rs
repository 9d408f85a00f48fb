//! A small map: its entries in one piece, sorted. A room has some twenty attributes, and of each several maps are in memory for
//! every room: the usual map takes three times as much for them, and reads from as many more places.

use std::borrow::{Borrow, Cow};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Index;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};

/// A map of few entries, which reads like any other. A copy shares them until one of both is changed: what a file wants is
/// planned, sent, compared and remembered as it is.
#[derive(Clone)]
pub struct Sorted<K, V>(Option<Arc<Vec<(K, V)>>>);

/// Among so many, nearly all names differ by their length or their end already, which is seen sooner than which comes first.
const FEW: usize = 40;

impl<K, V> Sorted<K, V> {
    pub(crate) const fn new() -> Self {
        Self(None)
    }

    fn entries(&self) -> &[(K, V)] {
        self.0.as_ref().map_or(&[], |entries| entries)
    }

    /// Of entries that are sorted, and of which no two have the same key.
    pub(super) fn of_sorted(entries: Vec<(K, V)>) -> Self {
        if entries.is_empty() {
            return Self::new();
        }
        // To shrink it would leave it where it is, in up to twice as much.
        let mut exact = Vec::with_capacity(entries.len());
        exact.extend(entries);
        Self(Some(exact.into()))
    }

    pub(crate) fn len(&self) -> usize {
        self.entries().len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries().is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.0 = None;
    }

    pub(crate) fn iter(&self) -> Iter<'_, K, V> {
        self.entries().iter().map(|(key, value)| (key, value))
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> + Clone {
        self.entries().iter().map(|(key, _)| key)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> + Clone {
        self.entries().iter().map(|(_, value)| value)
    }
}

impl<K: Clone, V: Clone> Sorted<K, V> {
    /// Entries of its own.
    fn own(&mut self) -> &mut Vec<(K, V)> {
        Arc::make_mut(self.0.get_or_insert_default())
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        let entries = self.0.iter_mut().flat_map(Arc::make_mut);
        entries.map(|(key, value)| (&*key, value))
    }

    pub(crate) fn into_keys(self) -> impl Iterator<Item = K> {
        self.into_iter().map(|(key, _)| key)
    }

    pub(crate) fn retain(&mut self, mut keeps: impl FnMut(&K, &mut V) -> bool) {
        if !self.is_empty() {
            self.own().retain_mut(|(key, value)| keeps(key, value));
        }
    }
}

impl<K: Ord + Borrow<str>, V> Sorted<K, V> {
    /// Names of attributes are sorted like their texts.
    fn find(&self, key: &str) -> Result<usize, usize> {
        let entries = self.entries();
        entries.binary_search_by(|(known, _)| known.borrow().cmp(key))
    }

    pub(crate) fn get(&self, key: &str) -> Option<&V> {
        let entries = self.entries();
        if entries.len() > FEW {
            return self.find(key).ok().map(|at| &entries[at].1);
        }
        let end = key.as_bytes().last();
        let is_it = |known: &str| {
            known.len() == key.len() && known.as_bytes().last() == end && known == key
        };
        let found = entries.iter().find(|(known, _)| is_it(known.borrow()));
        found.map(|(_, value)| value)
    }

    pub(crate) fn contains_key(&self, key: &str) -> bool {
        self.get(key).is_some()
    }
}

impl<K: Ord + Borrow<str> + Clone, V: Clone> Sorted<K, V> {
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.find(key.borrow()) {
            Ok(at) => Some(std::mem::replace(&mut self.own()[at].1, value)),
            Err(at) => {
                self.own().insert(at, (key, value));
                None
            }
        }
    }

    pub(crate) fn remove(&mut self, key: &str) -> Option<V> {
        self.find(key).ok().map(|at| self.own().remove(at).1)
    }

    /// The value of `key`, made if there is none yet.
    pub(crate) fn get_or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        let at = self.find(key.borrow()).unwrap_or_else(|at| {
            self.own().insert(at, (key, make()));
            at
        });
        &mut self.own()[at].1
    }
}

impl<K: PartialEq, V: PartialEq> PartialEq for Sorted<K, V> {
    fn eq(&self, other: &Self) -> bool {
        let (one, another) = (self.entries(), other.entries());
        std::ptr::eq(one, another) || one == another
    }
}

impl<K: Eq, V: Eq> Eq for Sorted<K, V> {}

impl<K, V> Default for Sorted<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for Sorted<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K: Ord + Borrow<str>, V> Index<&str> for Sorted<K, V> {
    type Output = V;

    fn index(&self, key: &str) -> &V {
        self.get(key).expect("there is such a key")
    }
}

/// Of two entries with one key the last counts.
impl<K: Ord + Borrow<str>, Q: Into<K>, V> FromIterator<(Q, V)> for Sorted<K, V> {
    fn from_iter<I: IntoIterator<Item = (Q, V)>>(entries: I) -> Self {
        let entries = entries.into_iter();
        let mut entries: Vec<(K, V)> = entries.map(|(key, value)| (key.into(), value)).collect();
        if !entries.is_sorted_by(|(one, _), (other, _)| one < other) {
            entries.sort_by(|(one, _), (other, _)| one.cmp(other));
            entries.reverse();
            entries.dedup_by(|(one, _), (other, _)| one == other);
            entries.reverse();
        }
        Self::of_sorted(entries)
    }
}

impl<K: Ord + Borrow<str>, Q: Into<K>, V, const N: usize> From<[(Q, V); N]> for Sorted<K, V> {
    fn from(entries: [(Q, V); N]) -> Self {
        entries.into_iter().collect()
    }
}

impl<K: Ord + Borrow<str> + Clone, Q: Into<K>, V: Clone> Extend<(Q, V)> for Sorted<K, V> {
    fn extend<I: IntoIterator<Item = (Q, V)>>(&mut self, entries: I) {
        for (key, value) in entries {
            self.insert(key.into(), value);
        }
    }
}

impl<K: Clone, V: Clone> IntoIterator for Sorted<K, V> {
    type Item = (K, V);
    type IntoIter = std::vec::IntoIter<(K, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0
            .map(Arc::unwrap_or_clone)
            .unwrap_or_default()
            .into_iter()
    }
}

type Pair<K, V> = fn(&(K, V)) -> (&K, &V);
pub(crate) type Iter<'a, K, V> = std::iter::Map<std::slice::Iter<'a, (K, V)>, Pair<K, V>>;

impl<'a, K, V> IntoIterator for &'a Sorted<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = Iter<'a, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<K: Serialize, V: Serialize> Serialize for Sorted<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self)
    }
}

impl<K, V: JsonSchema> JsonSchema for Sorted<K, V> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        BTreeMap::<String, V>::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        BTreeMap::<String, V>::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// More than the few that are looked through one by one; of some only the middle differs.
    fn name() -> impl Strategy<Value = &'static str> {
        const MANY: &str =
            "a b ab B é aa c abc acc adc aec afc agc ahc aic ajc akc alc amc anc aoc";
        proptest::sample::select(MANY.split(' ').chain([""]).collect::<Vec<_>>())
    }

    proptest! {
        /// Whatever is done to it, it holds what the usual map would.
        #[test]
        fn it_is_a_map(
            entries in proptest::collection::vec((name(), any::<u8>()), 0..40),
            more in proptest::collection::vec((name(), any::<Option<u8>>()), 0..12),
        ) {
            let mut usual: BTreeMap<&str, u8> = entries.iter().copied().collect();
            let mut sorted: Sorted<&str, u8> = entries.into_iter().collect();
            for (key, value) in more {
                match value {
                    Some(value) if value % 2 == 0 => prop_assert_eq!(usual.insert(key, value), sorted.insert(key, value)),
                    Some(value) => {
                        prop_assert_eq!(usual.entry(key).or_insert(value), sorted.get_or_insert_with(key, || value));
                    }
                    None => prop_assert_eq!(usual.remove(key), sorted.remove(key)),
                }
                prop_assert_eq!(usual.get(key), sorted.get(key));
                prop_assert_eq!(usual.contains_key(key), sorted.contains_key(key));
            }
            prop_assert!(usual.iter().eq(&sorted));
            prop_assert_eq!(format!("{usual:?}"), format!("{sorted:?}"));
            let copy = sorted.clone();
            usual.retain(|key, value| (key.len() + usize::from(*value)) % 3 == 0);
            sorted.retain(|key, value| (key.len() + usize::from(*value)) % 3 == 0);
            prop_assert!(usual.iter().eq(&sorted));
            // A copy is as it was, whatever became of the other.
            usual.extend(&copy);
            prop_assert!(usual.iter().eq(&copy), "{:?}", copy);
            prop_assert_eq!(sorted == copy, sorted.len() == copy.len());
        }
    }

    #[test]
    fn of_two_entries_with_one_key_the_last_counts() {
        for entries in [
            &[("a", 1), ("a", 2)][..],
            &[("a", 1), ("a", 2), ("b", 3)],
            &[("b", 3), ("a", 1), ("a", 2)],
        ] {
            let sorted: Sorted<&str, u8> = entries.iter().copied().collect();
            let usual: BTreeMap<&str, u8> = entries.iter().copied().collect();
            assert!(usual.iter().eq(&sorted), "{sorted:?}");
        }
    }

    /// Of as many letters, with the same one at the end.
    #[test]
    fn names_that_look_alike_are_told_apart() {
        let few: Sorted<&str, u8> = [("abc", 1), ("adc", 2)].into_iter().collect();
        let found = ["abc", "adc", "acc", "ab", "abd"].map(|name| few.get(name).copied());
        assert_eq!(found, [Some(1), Some(2), None, None, None]);
    }
}
