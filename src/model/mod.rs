//! The nouns: a room and its attributes, values, secrets, names, rules, effects.
//!
//! Pure: no network, files, clock, environment or printing. Time comes in as an argument.

pub(crate) mod catalogue;
pub(crate) mod digest;
pub(crate) mod effect;
pub(crate) mod finding;
pub(crate) mod name;
pub(crate) mod origin;
pub(crate) mod policy;
pub(crate) mod reference;
pub(crate) mod room;
pub(crate) mod room_schema;
pub(crate) mod rule;
pub(crate) mod rules;
pub(crate) mod secret;
pub(crate) mod suggest;
pub(crate) mod types;
pub(crate) mod value;
pub(crate) mod version;
pub(crate) mod wanted;
pub(crate) mod words;

pub(crate) use effect::Effect;
pub(crate) use finding::{Finding, Place, Related, Severity};
pub(crate) use name::{NameRule, RoomName};
pub(crate) use origin::{Origin, Origins, RoomOrigins};
pub(crate) use reference::Lookup;
pub(crate) use room::Room;
pub(crate) use rule::Rule;
pub(crate) use secret::Secret;
pub(crate) use value::{Live, LiveRoom, Scalar, Settings, Stored, StoredSettings, Value};
pub(crate) use wanted::{Wanted, WantedRoom};
