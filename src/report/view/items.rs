//! The items of a view, each made when it is looked at: those of thousands of rooms at once take more than all else of a run.

use std::fmt;
use std::rc::Rc;

use serde::{Serialize, Serializer};

use super::Item;

#[derive(Clone)]
pub(crate) struct Items<'a> {
    count: usize,
    make: Rc<dyn Fn(usize) -> Item + 'a>,
}

impl<'a> Items<'a> {
    /// One for each of `about`.
    pub(super) fn of<T: 'a>(about: Vec<T>, make: impl Fn(&T) -> Item + 'a) -> Self {
        Self {
            count: about.len(),
            make: Rc::new(move |at| make(&about[at])),
        }
    }

    /// The same with something done to each.
    pub(super) fn map(self, with: impl Fn(Item) -> Item + 'a) -> Self {
        Self {
            count: self.count,
            make: Rc::new(move |at| with(self.get(at))),
        }
    }

    /// Those of several, each in its own way.
    pub(super) fn joined(all: Vec<(String, Self)>, with: impl Fn(&str, Item) -> Item + 'a) -> Self {
        Self {
            count: all.iter().map(|(_, items)| items.count).sum(),
            make: Rc::new(move |mut at| {
                for (name, items) in &all {
                    if at < items.count {
                        return with(name, items.get(at));
                    }
                    at -= items.count;
                }
                Item::default()
            }),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(crate) fn get(&self, at: usize) -> Item {
        (self.make)(at)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Item> {
        (0..self.count).map(|at| self.get(at))
    }
}

impl Default for Items<'_> {
    fn default() -> Self {
        Vec::new().into()
    }
}

impl From<Vec<Item>> for Items<'_> {
    fn from(items: Vec<Item>) -> Self {
        Self::of(items, Item::clone)
    }
}

impl fmt::Debug for Items<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Serialize for Items<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}
