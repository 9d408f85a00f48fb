//! Maps of JSON in which nothing stands twice. Read the usual way, the last of two would win without a word.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use super::sorted::Sorted;

/// What is made of entries that are sorted by their keys, each there once.
pub(crate) trait OfSorted {
    type Key;
    type Value;

    fn of_sorted(entries: Vec<(Self::Key, Self::Value)>) -> Self;
}

impl<K: Ord, V> OfSorted for BTreeMap<K, V> {
    type Key = K;
    type Value = V;

    fn of_sorted(entries: Vec<(K, V)>) -> Self {
        entries.into_iter().collect()
    }
}

impl<K: Ord + Borrow<str>, V> OfSorted for Sorted<K, V> {
    type Key = K;
    type Value = V;

    fn of_sorted(entries: Vec<(K, V)>) -> Self {
        Self::of_sorted(entries)
    }
}

/// For `deserialize_with`: a key that stands twice is an error.
pub(crate) fn unique<'de, D, M>(deserializer: D) -> Result<M, D::Error>
where
    D: Deserializer<'de>,
    M: OfSorted<Key: Deserialize<'de> + Ord + fmt::Display, Value: Deserialize<'de>>,
{
    struct Unique<M>(PhantomData<M>);
    impl<'de, M> Visitor<'de> for Unique<M>
    where
        M: OfSorted<Key: Deserialize<'de> + Ord + fmt::Display, Value: Deserialize<'de>>,
    {
        type Value = M;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<M, A::Error> {
            // Nobody knows how many there are; a room has about so many attributes.
            let mut read = Vec::with_capacity(32);
            while let Some(entry) = map.next_entry::<M::Key, M::Value>()? {
                read.push(entry);
            }
            // Nearly all are sorted already, as we write them.
            read.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
            let twice = read.windows(2).find(|pair| pair[0].0 == pair[1].0);
            if let Some((key, _)) = twice.map(|pair| &pair[0]) {
                let twice = format!("`{}` is there twice", key.to_string().escape_debug());
                return Err(A::Error::custom(twice));
            }
            Ok(M::of_sorted(read))
        }
    }
    deserializer.deserialize_map(Unique(PhantomData))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    struct Map(#[serde(deserialize_with = "unique")] BTreeMap<String, ()>);

    #[test]
    fn nothing_stands_twice() {
        let read = |text| serde_json::from_str::<Map>(text).map_err(|error| error.to_string());
        assert_eq!(read(r#"{"b":null,"a":null}"#).unwrap().0.len(), 2);
        let twice = read(r#"{"a":null,"b":null,"a":null}"#).unwrap_err();
        assert!(twice.contains("`a` is there twice"), "{twice}");
    }
}
