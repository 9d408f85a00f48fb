//! The switches: one for each question about the real service that nobody has an answer to.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use thiserror::Error;

use super::wire;

/// One row of the table of switches, for help texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

const fn row(
    name: &'static str,
    values: &'static str,
    default: &'static str,
    about: &'static str,
) -> QuirkRow {
    QuirkRow {
        name,
        values,
        default,
        about,
    }
}

/// An enum whose values are words of the command line.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$meta:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub enum $name { $($(#[$meta])* $variant,)+ }

        impl $name {
            fn of(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

words! {
    /// How a room that is not there is answered; the status is disputed among clients.
    Missing {
        /// 400 and `room not found`.
        #[default]
        Status400 = "400",
        /// 404 and `room not found`.
        Status404 = "404",
        /// 200 and a body with nothing but that message.
        Status200 = "200",
    }
}

words! {
    /// What PUT does to attributes that it does not name.
    Put {
        /// Leaves them alone.
        #[default]
        Merge = "merge",
        /// Forgets them.
        Replace = "replace",
    }
}

words! {
    /// How much of a room is answered.
    Echo {
        /// Everything that was set, and the fields that only answers have.
        #[default]
        Full = "full",
        /// The 18 fields of the documented sample.
        Sample = "sample",
    }
}

words! {
    /// Whether PUT insists on `privacy`. POST never does: the vendor's quickstart sends no body.
    Privacy {
        /// It does not.
        #[default]
        Lax = "lax",
        /// It does, as the parameter table says.
        Required = "required",
    }
}

words! {
    /// What happens to keys that the parameter table does not have.
    UnknownKeys {
        /// Dropped in silence.
        #[default]
        Ignore = "ignore",
        /// 400 with `error.details`. Refuses `deleteOnExp` too, which the table does not have.
        Refuse = "refuse",
        /// Kept and answered.
        Store = "store",
    }
}

words! {
    /// Whether time and limit attributes may be 0.
    Zero {
        /// They may.
        #[default]
        Accept = "accept",
        /// They must be positive.
        Refuse = "refuse",
    }
}

words! {
    /// What PUT does with a `roomName` in its body.
    BodyRoomName {
        /// Nothing.
        #[default]
        Ignore = "ignore",
        /// Renames the room.
        Rename = "rename",
        /// 400 with `error.details`.
        Refuse = "refuse",
    }
}

words! {
    /// Whether the name of an archived room can be used again.
    ArchivedName {
        /// It cannot: names are unique in the app (documented) and archiving is soft.
        #[default]
        Reserved = "reserved",
        /// It can; the archived room is forgotten then.
        Reusable = "reusable",
    }
}

words! {
    /// Status for a missing or wrong key; nothing is documented.
    Auth {
        /// 401.
        #[default]
        Status401 = "401",
        /// 403.
        Status403 = "403",
        /// 400.
        Status400 = "400",
    }
}

words! {
    /// How integers are answered.
    Numbers {
        /// `300`
        #[default]
        Int = "int",
        /// `300.0`
        Float = "float",
        /// `"300"`
        String = "string",
    }
}

words! {
    /// What is answered as `compositionLayout`.
    Layout {
        /// What was set.
        #[default]
        Off = "off",
        /// `broadcaster`, whatever was set: the dashboard has a third layout whose wire value is not documented.
        Broadcaster = "broadcaster",
    }
}

/// The personality of the service. The default is the likeliest reading of the evidence.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Quirks {
    /// `missing`
    pub missing: Missing,
    /// `put`
    pub put: Put,
    /// `upsert`: PUT to a missing room creates it.
    pub upsert: bool,
    /// `echo`
    pub echo: Echo,
    /// `privacy`
    pub privacy: Privacy,
    /// `unknown-keys`
    pub unknown_keys: UnknownKeys,
    /// `zero`
    pub zero: Zero,
    /// `body-room-name`
    pub body_room_name: BodyRoomName,
    /// `auto-composition`: features that need composition switch it on.
    pub auto_composition: bool,
    /// `lowercase-names`: names are kept and looked up in lower case.
    pub lowercase_names: bool,
    /// `list-archived`: the list has archived rooms too.
    pub list_archived: bool,
    /// `list-limit`: the list ends after this many rooms.
    pub list_limit: Option<usize>,
    /// `archived-name`
    pub archived_name: ArchivedName,
    /// `auth`
    pub auth: Auth,
    /// `numbers`
    pub numbers: Numbers,
    /// `extra-fields`: rooms are answered with fields nobody knows.
    pub extra_fields: bool,
    /// `layout`
    pub layout: Layout,
    /// `rate-limit`: requests allowed in any second; more are answered 429.
    pub rate_limit: Option<usize>,
    /// `override`: every write ends with these values, whatever was sent.
    pub overrides: BTreeMap<String, Value>,
    /// `hide`: never answered.
    pub hidden: BTreeSet<String>,
}

/// Why a switch was not understood.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum QuirkError {
    /// No equals sign.
    #[error("quirk {0:?} is not of the form NAME=VALUE")]
    Form(String),
    /// No such switch.
    #[error("unknown quirk {name:?}; there are {}", known_names())]
    Name {
        /// What was given.
        name: String,
    },
    /// A value it cannot have.
    #[error("quirk {name} cannot be {value:?}; it takes {values}")]
    Value {
        /// The switch.
        name: &'static str,
        /// What was given.
        value: String,
        /// What it takes.
        values: &'static str,
    },
    /// An attribute that does not exist.
    #[error("quirk {name} names {attribute:?}, which is not an attribute of a room")]
    Attribute {
        /// The switch.
        name: &'static str,
        /// What was given.
        attribute: String,
    },
}

fn known_names() -> String {
    let names: Vec<_> = Quirks::CATALOGUE.iter().map(|row| row.name).collect();
    names.join(", ")
}

impl Quirks {
    /// Every switch.
    pub const CATALOGUE: &'static [QuirkRow] = &[
        row(
            "missing",
            "400|404|200",
            "400",
            "status for a room that is not there",
        ),
        row(
            "put",
            "merge|replace",
            "merge",
            "whether PUT forgets attributes it does not name",
        ),
        row(
            "upsert",
            "off|on",
            "off",
            "whether PUT creates a missing room",
        ),
        row(
            "echo",
            "full|sample",
            "full",
            "answer all that was set, or the 18 documented fields",
        ),
        row(
            "privacy",
            "lax|required",
            "lax",
            "whether PUT insists on privacy",
        ),
        row(
            "unknown-keys",
            "ignore|refuse|store",
            "ignore",
            "what happens to keys that are not documented",
        ),
        row(
            "zero",
            "accept|refuse",
            "accept",
            "whether times and limits may be 0",
        ),
        row(
            "body-room-name",
            "ignore|rename|refuse",
            "ignore",
            "what PUT does with roomName in its body",
        ),
        row(
            "auto-composition",
            "off|on",
            "off",
            "live streaming, composed recording and RTMP out switch enableComposition on",
        ),
        row(
            "lowercase-names",
            "off|on",
            "off",
            "names are kept and looked up in lower case",
        ),
        row(
            "list-archived",
            "off|on",
            "off",
            "whether the list has archived rooms",
        ),
        row(
            "list-limit",
            "none|N",
            "none",
            "the list ends after N rooms",
        ),
        row(
            "archived-name",
            "reserved|reusable",
            "reserved",
            "whether an archived room keeps its name",
        ),
        row(
            "auth",
            "401|403|400",
            "401",
            "status for a missing or wrong key",
        ),
        row(
            "numbers",
            "int|float|string",
            "int",
            "how integers are answered",
        ),
        row(
            "extra-fields",
            "off|on",
            "off",
            "rooms are answered with unknown fields",
        ),
        row(
            "layout",
            "off|broadcaster",
            "off",
            "answer a compositionLayout that is not documented",
        ),
        row(
            "rate-limit",
            "none|N|N/s",
            "none",
            "429 for more than N requests in any second",
        ),
        row(
            "override",
            "ATTR:JSON",
            "none",
            "every write ends with this value, whatever was sent; may be repeated",
        ),
        row(
            "hide",
            "ATTR",
            "none",
            "never answer this attribute; may be repeated",
        ),
    ];

    /// Turns one switch, given as `NAME=VALUE`.
    ///
    /// # Errors
    /// As [`Quirks::set`], and when there is no equals sign.
    pub fn parse(&mut self, setting: &str) -> Result<(), QuirkError> {
        let (name, value) = setting
            .split_once('=')
            .ok_or_else(|| QuirkError::Form(setting.to_owned()))?;
        self.set(name.trim(), value.trim())
    }

    /// Turns one switch. `override` and `hide` add up; the others replace what was set before.
    ///
    /// # Errors
    /// When the switch does not exist or cannot have the value; the message lists what can be given.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), QuirkError> {
        let Some(row) = Self::CATALOGUE.iter().find(|row| row.name == name) else {
            let name = name.to_owned();
            return Err(QuirkError::Name { name });
        };
        let wrong = || QuirkError::Value {
            name: row.name,
            value: value.to_owned(),
            values: row.values,
        };
        match row.name {
            "missing" => self.missing = Missing::of(value).ok_or_else(wrong)?,
            "put" => self.put = Put::of(value).ok_or_else(wrong)?,
            "upsert" => self.upsert = switch(value).ok_or_else(wrong)?,
            "echo" => self.echo = Echo::of(value).ok_or_else(wrong)?,
            "privacy" => self.privacy = Privacy::of(value).ok_or_else(wrong)?,
            "unknown-keys" => self.unknown_keys = UnknownKeys::of(value).ok_or_else(wrong)?,
            "zero" => self.zero = Zero::of(value).ok_or_else(wrong)?,
            "body-room-name" => self.body_room_name = BodyRoomName::of(value).ok_or_else(wrong)?,
            "auto-composition" => self.auto_composition = switch(value).ok_or_else(wrong)?,
            "lowercase-names" => self.lowercase_names = switch(value).ok_or_else(wrong)?,
            "list-archived" => self.list_archived = switch(value).ok_or_else(wrong)?,
            "list-limit" => self.list_limit = limit(value).ok_or_else(wrong)?,
            "archived-name" => self.archived_name = ArchivedName::of(value).ok_or_else(wrong)?,
            "auth" => self.auth = Auth::of(value).ok_or_else(wrong)?,
            "numbers" => self.numbers = Numbers::of(value).ok_or_else(wrong)?,
            "extra-fields" => self.extra_fields = switch(value).ok_or_else(wrong)?,
            "layout" => self.layout = Layout::of(value).ok_or_else(wrong)?,
            "rate-limit" => {
                let count = value.strip_suffix("/s").unwrap_or(value);
                self.rate_limit = limit(count).ok_or_else(wrong)?;
            }
            "override" => {
                let (attribute, json) = value.split_once(':').ok_or_else(wrong)?;
                let forced = serde_json::from_str(json).map_err(|_| wrong())?;
                let known = wire::attribute(attribute).is_some() && attribute != wire::ROOM_NAME;
                check_attribute(row.name, attribute, known)?;
                self.overrides.insert(attribute.to_owned(), forced);
            }
            "hide" => {
                check_attribute(
                    row.name,
                    value,
                    wire::all_names().any(|known| known == value),
                )?;
                self.hidden.insert(value.to_owned());
            }
            // A row of the table without an arm here; the test over the table finds it.
            _ => return Err(wrong()),
        }
        Ok(())
    }
}

fn switch(word: &str) -> Option<bool> {
    match word {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

/// `none`, or a count of at least one. The outer `None` is a word that is neither.
fn limit(word: &str) -> Option<Option<usize>> {
    if word == "none" {
        return Some(None);
    }
    word.parse().ok().filter(|count| *count > 0).map(Some)
}

fn check_attribute(name: &'static str, attribute: &str, known: bool) -> Result<(), QuirkError> {
    if known {
        return Ok(());
    }
    let attribute = attribute.to_owned();
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
