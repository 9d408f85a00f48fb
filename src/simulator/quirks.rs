//! The switches: one for each question about the real service that nobody has an answer to. They are listed
//! once, in the table below.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use thiserror::Error;

use super::faults::listed;
use super::wire;

/// One row of the table, for help texts.
#[derive(Clone, Copy, Debug)]
pub struct QuirkRow {
    /// What is written before the equals sign.
    pub name: &'static str,
    /// What may be written after it.
    pub values: &'static str,
    /// What holds when it is not given.
    pub default: &'static str,
    /// What it does.
    pub about: &'static str,
}

/// Why a switch was not understood.
#[derive(Debug, Error)]
pub enum QuirkError {
    #[error("quirk {0:?} is not of the form NAME=VALUE")]
    Form(String),
    #[error("unknown quirk {name:?}; there are {}", known_names())]
    Name { name: String },
    #[error("quirk {name} cannot be {value:?}; it takes {values}")]
    Value {
        name: &'static str,
        value: String,
        values: &'static str,
    },
    #[error("quirk {name} names {attribute:?}, which is not an attribute of a room")]
    Attribute {
        name: &'static str,
        attribute: String,
    },
}

fn known_names() -> String {
    listed(Quirks::CATALOGUE.iter().map(|row| row.name))
}

/// What a switch can be set to.
trait Setting: Sized {
    const VALUES: &'static str;
    const DEFAULT: &'static str;

    /// Sets the switch of that name, or adds to it.
    fn set(&mut self, name: &'static str, value: &str) -> Result<(), QuirkError>;

    fn wrong(name: &'static str, value: &str) -> QuirkError {
        QuirkError::Value {
            name,
            value: value.to_owned(),
            values: Self::VALUES,
        }
    }
}

/// A switch that is one of some words, the default first.
macro_rules! words {
    ($about:literal $type:ident {
        $first:ident = $default:literal, $($variant:ident = $word:literal,)+
    }) => {
        #[doc = $about]
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub(super) enum $type { #[default] $first, $($variant,)+ }

        impl Setting for $type {
            const VALUES: &'static str = concat!($default, $("|", $word,)+);
            const DEFAULT: &'static str = $default;

            fn set(&mut self, name: &'static str, value: &str) -> Result<(), QuirkError> {
                *self = match value {
                    $default => Self::$first,
                    $($word => Self::$variant,)+
                    _ => return Err(Self::wrong(name, value)),
                };
                Ok(())
            }
        }
    };
}

/// Makes of the table the personality, its types, its catalogue and its parser.
macro_rules! quirks {
    ($(
        $field:ident = $name:literal, $about:literal,
        $type:ident $({ $($variant:ident = $word:literal,)+ })?;
    )+) => {
        $($( words! { $about $type { $($variant = $word,)+ } } )?)+

        /// The personality of the service. The default is the likeliest reading of the evidence.
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct Quirks { $(#[doc = $about] pub(super) $field: $type,)+ }

        impl Quirks {
            /// Every switch.
            pub const CATALOGUE: &'static [QuirkRow] = &[$(QuirkRow {
                name: $name,
                values: <$type as Setting>::VALUES,
                default: <$type as Setting>::DEFAULT,
                about: $about,
            },)+];

            fn set(&mut self, name: &str, value: &str) -> Result<(), QuirkError> {
                match name {
                    $($name => self.$field.set($name, value),)+
                    _ => {
                        let name = name.to_owned();
                        Err(QuirkError::Name { name })
                    }
                }
            }
        }
    };
}

quirks! {
    // Clients disagree; 200 has a body with nothing but the message.
    missing = "missing", "status for a room that is not there",
        Missing { Status400 = "400", Status404 = "404", Status200 = "200", };
    put = "put", "whether PUT forgets attributes it does not name",
        Put { Merge = "merge", Replace = "replace", };
    upsert = "upsert", "whether PUT creates a missing room",
        bool;
    // Nothing is documented but the room; clients take any 200. The storage's usual call answers what it found.
    answer = "answer", "what a write answers: the room after or before it, 204, an empty 200, or success alone",
        Answers { After = "after", Before = "before", NoContent = "204", Empty = "empty", Success = "success", };
    echo = "echo", "answer all that was set, or the 18 documented fields, always or to writes only",
        Echo { Full = "full", Sample = "sample", Writes = "writes", };
    // The parameter table says that it is required. POST never insists: the vendor's quickstart sends no body.
    privacy = "privacy", "whether PUT insists on privacy",
        Privacy { Lax = "lax", Required = "required", };
    // `refuse` refuses `deleteOnExp` too, which the parameter table does not have.
    unknown_keys = "unknown-keys", "what happens to keys that are not documented",
        UnknownKeys { Ignore = "ignore", Refuse = "refuse", Store = "store", };
    zero = "zero", "whether times and limits may be 0",
        Zero { Accept = "accept", Refuse = "refuse", };
    body_room_name = "body-room-name", "what PUT does with roomName in its body",
        BodyRoomName { Ignore = "ignore", Rename = "rename", Refuse = "refuse", };
    auto_composition = "auto-composition",
        "live streaming, composed recording and RTMP out switch enableComposition on",
        bool;
    lowercase_names = "lowercase-names", "names are kept in lower case, and looked up so or exactly",
        LowercaseNames { Off = "off", On = "on", Exact = "exact", };
    list_archived = "list-archived", "whether the list has archived rooms",
        bool;
    list_limit = "list-limit", "the list ends after N rooms",
        Limit;
    // Names are unique in the app (documented) and archiving is soft. An archived room whose name is used again
    // is forgotten.
    archived_name = "archived-name", "whether an archived room keeps its name",
        ArchivedName { Reserved = "reserved", Reusable = "reusable", };
    auth = "auth", "status for a missing or wrong key",
        Auth { Status401 = "401", Status403 = "403", Status400 = "400", };
    // `300`, `300.0` and `"300"`.
    numbers = "numbers", "how integers are answered",
        Numbers { Int = "int", Float = "float", String = "string", };
    flags = "flags", "how flags are answered",
        Flags { Bool = "bool", String = "string", };
    extra_fields = "extra-fields", "rooms are answered with unknown fields",
        bool;
    // The dashboard has a third layout whose value on the wire nobody knows.
    layout = "layout", "answer a compositionLayout that is not documented",
        Layout { Off = "off", Broadcaster = "broadcaster", };
    rate_limit = "rate-limit", "429 for more than N requests in any second",
        PerSecond;
    overrides = "override",
        "every write ends with this value, whatever was sent; may be repeated",
        Overrides;
    override_writes = "override-writes", "only the first N writes end with the values of override",
        Limit;
    hidden = "hide", "never answer this attribute; may be repeated",
        Hidden;
}

impl Quirks {
    /// Turns one switch, given as `NAME=VALUE`. `override` and `hide` add up; the others replace what was set
    /// before.
    ///
    /// # Errors
    /// When the switch does not exist or cannot have the value; the message lists what can be given.
    pub fn parse(&mut self, setting: &str) -> Result<(), QuirkError> {
        let (name, value) = setting
            .split_once('=')
            .ok_or_else(|| QuirkError::Form(setting.to_owned()))?;
        self.set(name.trim(), value.trim())
    }
}

impl Setting for bool {
    const VALUES: &'static str = "off|on";
    const DEFAULT: &'static str = "off";

    fn set(&mut self, name: &'static str, value: &str) -> Result<(), QuirkError> {
        *self = match value {
            "off" => false,
            "on" => true,
            _ => return Err(Self::wrong(name, value)),
        };
        Ok(())
    }
}

/// At least one, or no limit.
pub(super) type Limit = Option<usize>;

impl Setting for Limit {
    const VALUES: &'static str = "none|N";
    const DEFAULT: &'static str = "none";

    fn set(&mut self, name: &'static str, value: &str) -> Result<(), QuirkError> {
        let count = value.parse().ok().filter(|count| *count > 0);
        if value != "none" && count.is_none() {
            return Err(Self::wrong(name, value));
        }
        *self = count;
        Ok(())
    }
}

/// A limit that may be written with its unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PerSecond(pub(super) Limit);

impl Setting for PerSecond {
    const VALUES: &'static str = "none|N|N/s";
    const DEFAULT: &'static str = "none";

    fn set(&mut self, name: &'static str, value: &str) -> Result<(), QuirkError> {
        let limit = value.strip_suffix("/s").unwrap_or(value);
        let set = self.0.set(name, limit);
        set.map_err(|_| Self::wrong(name, value))
    }
}

pub(super) type Overrides = BTreeMap<String, Value>;

impl Setting for Overrides {
    const VALUES: &'static str = "ATTR:JSON";
    const DEFAULT: &'static str = "none";

    fn set(&mut self, name: &'static str, value: &str) -> Result<(), QuirkError> {
        let wrong = || Self::wrong(name, value);
        let (attribute, json) = value.split_once(':').ok_or_else(wrong)?;
        let forced = serde_json::from_str(json).map_err(|_| wrong())?;
        let known = wire::attribute(attribute).is_some() && attribute != wire::ROOM_NAME;
        self.insert(checked(name, attribute, known)?, forced);
        Ok(())
    }
}

pub(super) type Hidden = BTreeSet<String>;

impl Setting for Hidden {
    const VALUES: &'static str = "ATTR";
    const DEFAULT: &'static str = "none";

    fn set(&mut self, name: &'static str, value: &str) -> Result<(), QuirkError> {
        let known = wire::attribute(value).is_some() || wire::is_response_only(value);
        self.insert(checked(name, value, known)?);
        Ok(())
    }
}

fn checked(name: &'static str, attribute: &str, known: bool) -> Result<String, QuirkError> {
    let attribute = attribute.to_owned();
    if known {
        return Ok(attribute);
    }
    Err(QuirkError::Attribute { name, attribute })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_row_takes_each_of_its_values() {
        for row in Quirks::CATALOGUE {
            for value in row.values.split('|') {
                let value = match value {
                    "N" => "3",
                    "N/s" => "3/s",
                    "ATTR" => "enableChat",
                    "ATTR:JSON" => "enableChat:true",
                    word => word,
                };
                let mut quirks = Quirks::default();
                quirks
                    .set(row.name, value)
                    .unwrap_or_else(|error| panic!("{}={value}: {error}", row.name));
                let is_default = value == row.default;
                assert_eq!(
                    quirks == Quirks::default(),
                    is_default,
                    "{}={value}",
                    row.name
                );
            }
        }
    }

    #[test]
    fn errors_say_what_can_be_given() {
        let mut quirks = Quirks::default();
        let unknown = quirks.parse("mising=400").unwrap_err().to_string();
        assert!(
            unknown.contains("\"mising\"") && unknown.contains("missing, put"),
            "{unknown}"
        );
        assert_eq!(
            quirks.parse("put=patch").unwrap_err().to_string(),
            "quirk put cannot be \"patch\"; it takes merge|replace"
        );
        assert_eq!(
            quirks.parse("hide=chat").unwrap_err().to_string(),
            "quirk hide names \"chat\", which is not an attribute of a room"
        );
        assert!(
            quirks
                .parse("put")
                .unwrap_err()
                .to_string()
                .contains("NAME=VALUE")
        );
        assert!(quirks.parse("list-limit=0").is_err());
        assert!(quirks.parse("override=privacy:private").is_err());
        assert!(quirks.parse("override=roomName:\"x\"").is_err());
        assert_eq!(quirks, Quirks::default());
    }

    #[test]
    fn overrides_and_hidden_add_up() {
        let mut quirks = Quirks::default();
        for setting in [
            "override=enableChat:true",
            "override=privacy:\"private\"",
            "hide=_id",
            "hide=privacy",
        ] {
            quirks.parse(setting).unwrap();
        }
        assert_eq!(quirks.overrides.len(), 2);
        assert_eq!(quirks.overrides["privacy"], json!("private"));
        assert_eq!(quirks.hidden.len(), 2);
    }
}
