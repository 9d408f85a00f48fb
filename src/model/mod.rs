//! The nouns: a room and its attributes, values, secrets, names, rules, effects.
//!
//! Pure: no network, files, clock, environment or printing. Time comes in as an argument.

pub mod catalogue;
pub mod effect;
pub mod finding;
pub mod name;
pub mod reference;
pub mod room;
pub mod rules;
pub mod secret;
pub mod types;
pub mod value;

pub use effect::Effect;
pub use finding::{Finding, Severity};
pub use name::{NameRule, RoomName};
pub use reference::Lookup;
pub use room::Room;
pub use secret::{Secret, SecretDigest};
pub use value::{Live, LiveRoom, Remembered, RememberedSettings, Settings, Value};

/// Line of each key in the files, by room: for reports that point at what they talk about.
pub type Lines = std::collections::BTreeMap<RoomName, std::collections::BTreeMap<String, u32>>;
