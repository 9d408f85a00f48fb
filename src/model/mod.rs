//! The nouns: a room and its attributes, values, secrets, names, rules, effects.
//!
//! Pure: no network, files, clock, environment or printing. Time comes in as an argument.

pub mod catalogue;
pub mod effect;
pub mod finding;
pub mod likeness;
pub mod name;
pub mod origin;
pub mod policy;
pub mod reference;
pub mod room;
pub mod room_schema;
pub mod rules;
pub mod secret;
pub mod types;
pub mod value;
pub mod why;

pub use effect::Effect;
pub use finding::{Finding, Place, Related, Severity};
pub use name::{NameRule, RoomName};
pub use origin::{Origin, Origins, RoomOrigins};
pub use reference::Lookup;
pub use room::Room;
pub use secret::{Secret, SecretDigest};
pub use value::{Live, LiveRoom, Remembered, RememberedSettings, Settings, Value};
pub use why::why;
