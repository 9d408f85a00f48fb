//! The wire name of an attribute, kept once for all rooms that have it.

use std::borrow::Borrow;
use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;
use std::ops::Deref;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};

/// How the service calls an attribute, be it one that we know or not. Half as large as a text: a state has millions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WireName(&'static &'static str);

impl WireName {
    /// One that is kept for good already.
    pub(super) fn kept(name: &'static &'static str) -> Self {
        Self(name)
    }

    pub(crate) fn as_str(self) -> &'static str {
        self.0
    }
}

thread_local! {
    /// Each is kept for good: they are as few as files, a state and answers name.
    static KEPT: RefCell<HashSet<WireName>> = RefCell::default();
}

/// Most that are read of files, which people may have made up: a hundred times as many as the service has.
const MOST: usize = 10_000;

impl From<&str> for WireName {
    fn from(name: &str) -> Self {
        KEPT.with_borrow_mut(|kept| {
            if let Some(known) = kept.get(name) {
                return *known;
            }
            let text: &'static str = Box::leak(name.into());
            let new = Self(Box::leak(Box::new(text)));
            kept.insert(new);
            new
        })
    }
}

impl From<&String> for WireName {
    fn from(name: &String) -> Self {
        name.as_str().into()
    }
}

impl From<String> for WireName {
    fn from(name: String) -> Self {
        name.as_str().into()
    }
}

impl From<WireName> for String {
    fn from(name: WireName) -> Self {
        name.as_str().to_owned()
    }
}

impl Deref for WireName {
    type Target = str;

    fn deref(&self) -> &str {
        self.0
    }
}

impl Borrow<str> for WireName {
    fn borrow(&self) -> &str {
        self.0
    }
}

impl PartialEq<str> for WireName {
    fn eq(&self, other: &str) -> bool {
        *self.0 == other
    }
}

impl PartialEq<&str> for WireName {
    fn eq(&self, other: &&str) -> bool {
        self.0 == other
    }
}

impl PartialEq<String> for WireName {
    fn eq(&self, other: &String) -> bool {
        *self.0 == other
    }
}

impl fmt::Display for WireName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

impl fmt::Debug for WireName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.0, f)
    }
}

impl Serialize for WireName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

impl<'de> Deserialize<'de> for WireName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = WireName;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of an attribute")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<WireName, E> {
                let kept = WireName::from(name);
                match KEPT.with_borrow(HashSet::len) > MOST {
                    true => Err(E::custom("it names more attributes than rooms can have")),
                    false => Ok(kept),
                }
            }
        }
        deserializer.deserialize_str(Text)
    }
}
