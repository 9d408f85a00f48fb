//! One room as the files want it, and where each value comes from.

use schemars::JsonSchema;
use serde::Serialize;

use crate::model::reference::{Outline, Template};
use crate::model::secret::MASK;
use crate::model::{Origin, RoomName, RoomOrigins, Shown, Value, WantedRoom, WireName};

/// A room with its defaults: what `apply` would send.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(title = "roomctl show report")]
pub(crate) struct ShowReport {
    /// Its name.
    pub room: String,
    /// The file that declares it.
    pub file: String,
    /// The settings, by name.
    pub attributes: Vec<ShownAttribute>,
}

/// One setting.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct ShownAttribute {
    /// Wire name.
    pub name: String,
    /// The value, as it is sent. `****` for a secret.
    pub value: Shown,
    /// Whether the value is never shown.
    pub sensitive: bool,
    /// What may be seen of it; only of a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<Outline>,
    /// Variables that the value needs and that are not set here, or make no URL of it.
    pub unset: Vec<String>,
    /// The file it stands in: the room's own, or one of defaults.
    pub file: String,
    /// Line in that file.
    pub line: Option<u32>,
    /// Defaults that it stands in front of, nearest first.
    pub overrides: Vec<OverriddenDefault>,
}

/// A default that something nearer has taken the place of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct OverriddenDefault {
    /// The file.
    pub file: String,
    /// Line in it.
    pub line: u32,
}

impl ShowReport {
    /// The report of one room.
    pub(crate) fn new(room: &RoomName, wanted: &WantedRoom, origins: &RoomOrigins) -> Self {
        let attribute = |(name, value): (&WireName, &Value)| ShownAttribute {
            secret: wanted.secrets.get(name.as_str()).map(Template::outline),
            ..attribute(name, value, &wanted.file, origins.get(name))
        };
        Self {
            room: room.as_str().to_owned(),
            file: wanted.file.clone(),
            attributes: wanted.settings.iter().map(attribute).collect(),
        }
    }
}

fn attribute(name: &str, value: &Value, file: &str, origin: Option<&Origin>) -> ShownAttribute {
    let (shown, sensitive, unset) = match value {
        Value::Plain(value) => (value.into(), false, &[][..]),
        Value::Secret(_) => (MASK.into(), true, &[][..]),
        Value::Unset { variables, .. } => (MASK.into(), true, variables.as_slice()),
    };
    let defaults = origin.and_then(Origin::file);
    let hidden = origin.map(Origin::hides).unwrap_or_default();
    ShownAttribute {
        name: name.to_owned(),
        value: shown,
        sensitive,
        secret: None,
        unset: unset.to_vec(),
        file: defaults.unwrap_or(file).to_owned(),
        line: origin.map(|origin| origin.line),
        overrides: hidden
            .iter()
            .map(|(file, line)| OverriddenDefault {
                file: file.to_string(),
                line: *line,
            })
            .collect(),
    }
}
