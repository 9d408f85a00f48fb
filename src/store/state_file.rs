//! The text of a state file: strict on the way in, one attribute a line on the way out. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::Write;
use std::ops::Range;
use std::sync::Arc;

use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};
use serde_json::value::RawValue;

use crate::model::RoomName;
use crate::model::version::newer;
use crate::model::words::printable_json;
use crate::planner::State;
use crate::planner::state::VERSION;
use crate::store::error::StoreError;

/// Several times as many as a state of the largest size has.
const MOST_ROOMS: usize = 1_000_000;

/// Reads the state `at`. Its version decides first; it is only looked for when the rest cannot be read, since a state
/// may be large.
pub(crate) fn parse(bytes: &[u8], at: &str) -> Result<State, StoreError> {
    let problem = match serde_json::from_slice::<State>(bytes) {
        Ok(state) => match fault(&state) {
            None => {
                return Ok(State {
                    version: VERSION,
                    ..state
                });
            }
            Some(fault) => serde_json::Error::custom(fault),
        },
        Err(error) => error,
    };
    Err(match newer(bytes, VERSION) {
        Some(version) => StoreError::Newer {
            what: format!("state {at}"),
            version,
            known: VERSION,
        },
        None => StoreError::DamagedState {
            at: at.to_owned(),
            source: Arc::new(problem),
        },
    })
}

/// The names of the rooms in the state `at`, much faster than all of it.
pub(super) fn names(bytes: &[u8], at: &str) -> Result<BTreeSet<String>, StoreError> {
    #[derive(Deserialize)]
    struct Rooms {
        rooms: Names,
    }
    let read = serde_json::from_slice::<Rooms>(bytes);
    let read = read.map_err(|problem| StoreError::DamagedState {
        at: at.to_owned(),
        source: Arc::new(problem),
    })?;
    Ok(read.rooms.0)
}

/// Within a limit of their own: nothing else of a state that is only searched for names becomes anything in memory.
struct Names(BTreeSet<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Names;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Names, A::Error> {
                let mut names = BTreeSet::new();
                while let Some((name, IgnoredAny)) = map.next_entry()? {
                    names.insert(name);
                    if names.len() > MOST_ROOMS {
                        return Err(A::Error::custom("it has more rooms than a state may"));
                    }
                }
                Ok(Names(names))
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

/// Where in the bytes of a state, which can be read, what it says of each room begins and ends.
pub(crate) fn places(bytes: &[u8]) -> Option<BTreeMap<RoomName, Range<usize>>> {
    #[derive(Deserialize)]
    struct Rooms<'a> {
        #[serde(borrow)]
        rooms: BTreeMap<RoomName, &'a RawValue>,
    }
    let Rooms { rooms } = serde_json::from_slice(bytes).ok()?;
    let places = rooms.into_iter().map(|(name, text)| {
        let start = text.get().as_ptr().addr() - bytes.as_ptr().addr();
        (name, start..start + text.get().len())
    });
    Some(places.collect())
}

/// What is wrong with a state that can be read.
fn fault(state: &State) -> Option<&'static str> {
    match state {
        State { version: 0, .. } => Some("no version of roomctl wrote version 0"),
        State { version, .. } if *version > VERSION => Some("its version is newer"),
        State { lineage, .. } if lineage.is_empty() => Some("it has no lineage"),
        State {
            serial: u64::MAX, ..
        } => Some("its serial is the highest there is, so nothing could be saved after it"),
        _ => None,
    }
}

/// Whether another state can be saved after this one, and be read again.
pub(super) fn check_next(state: &State) -> Result<(), StoreError> {
    if state.serial >= u64::MAX - 1 {
        return Err(StoreError::LastSerial);
    }
    Ok(())
}

/// The text of a state file: sorted, two spaces a level, one attribute a line, so that it reads well in a diff.
pub(crate) fn render(state: &State) -> String {
    let mut text = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut text, AttributeLines::default());
    state
        .serialize(&mut serializer)
        .expect("sorted maps with text keys always serialise");
    text.push(b'\n');
    let text = String::from_utf8(text).expect("JSON is UTF-8 by its own rules");
    printable_json(text).into_owned()
}

/// Pretty down to an attribute, whose value stays on its line even when it is an object (a secret's digest).
#[derive(Default)]
struct AttributeLines {
    pretty: PrettyFormatter<'static>,
    depth: usize,
}

/// File, rooms, room, settings; what is below is a value.
const VALUE_DEPTH: usize = 4;

impl AttributeLines {
    fn in_value(&self) -> bool {
        self.depth > VALUE_DEPTH
    }
}

impl Formatter for AttributeLines {
    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> std::io::Result<()> {
        self.depth += 1;
        if self.in_value() {
            writer.write_all(b"{")
        } else {
            self.pretty.begin_object(writer)
        }
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> std::io::Result<()> {
        let in_value = self.in_value();
        self.depth -= 1;
        if in_value {
            writer.write_all(b"}")
        } else {
            self.pretty.end_object(writer)
        }
    }

    fn begin_object_key<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        if !self.in_value() {
            self.pretty.begin_object_key(writer, first)
        } else if first {
            Ok(())
        } else {
            writer.write_all(b", ")
        }
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> std::io::Result<()> {
        self.pretty.begin_object_value(writer)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> std::io::Result<()> {
        if self.in_value() {
            Ok(())
        } else {
            self.pretty.end_object_value(writer)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Secret, Value};
    use crate::tests::stores::{room, state};

    #[test]
    fn one_attribute_a_line() {
        let secret = Secret::new("rtmp://x/k");
        let digest = serde_json::to_string(&secret.digest("7f0c", "rtmpOutURL")).unwrap();
        let remembered = Value::Secret(secret).stored("7f0c", "rtmpOutURL", None);
        let mut state = state();
        let applied = state.rooms.get_mut(&room("stand-up")).unwrap();
        let settings = &mut Arc::make_mut(applied).settings;
        settings.insert("rtmpOutURL".into(), remembered.unwrap());
        let text = render(&state);
        assert_eq!(
            text,
            format!(
                r#"{{
  "version": 2,
  "lineage": "7f0c",
  "serial": 0,
  "app": "acme",
  "rooms": {{
    "stand-up": {{
      "id": "64c0ffee",
      "settings": {{
        "privacy": "private",
        "rtmpOutURL": {{"secret": {digest}}}
      }}
    }}
  }}
}}
"#
            )
        );
        assert_eq!(parse(text.as_bytes(), "x").unwrap(), state);
    }
}
