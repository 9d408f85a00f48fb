//! A room that exists, as the file that declares it: in the form that `fmt` leaves alone. Pure.

use std::collections::BTreeMap;
use std::fmt::Write;

use jiff::Timestamp;

use crate::files::scalar::scalar;
use crate::model::catalogue::{Kind, attributes, kind};
use crate::model::{RoomName, Scalar, Value, reference};
use crate::planner::import::Draft;

#[derive(Clone, Copy, Debug)]
pub(crate) struct RoomYaml<'a> {
    pub room: &'a RoomName,
    /// The stem of its file; the name is written down only if it is another.
    pub stem: &'a str,
    /// Path to the schema, as seen from the file, for editors.
    pub schema: Option<&'a str>,
    pub draft: &'a Draft,
    pub variables: &'a BTreeMap<&'static str, String>,
}

/// The text of the file: keys in the order of the catalogue, moments with their calendar form, secrets as
/// references. Nothing that the service made up gets in: only values of our own types are written.
pub(crate) fn room_yaml(yaml: &RoomYaml<'_>) -> String {
    let mut text = String::new();
    if let Some(schema) = yaml.schema {
        let _ = writeln!(text, "# yaml-language-server: $schema={schema}\n");
    }
    if yaml.room.as_str() != yaml.stem {
        let _ = writeln!(text, "roomName: {}", scalar("roomName", yaml.room.as_str()));
    }
    for attribute in attributes() {
        let name = attribute.name;
        let kept = yaml.draft.kept.get(name).and_then(Option::as_ref);
        let kept = kept.map(|secret| scalar(name, secret.written().expose()));
        let value = yaml.draft.settings.get(name);
        let value = kept.or_else(|| written(name, value?, yaml.variables));
        if let Some(value) = value {
            let _ = writeln!(text, "{name}: {value}");
        }
    }
    let Draft { kept, left_out, .. } = yaml.draft;
    if !(kept.is_empty() && left_out.is_empty()) {
        text.push('\n');
    }
    for name in kept.keys() {
        let _ = writeln!(
            text,
            "# kept as it was: {name} (the service does not show it)"
        );
    }
    for (name, why) in left_out {
        let _ = writeln!(text, "# not imported: {name} ({why})");
    }
    text
}

/// The value as YAML; `None` of a secret without a variable, which cannot be written down.
fn written(name: &str, value: &Value, variables: &BTreeMap<&str, String>) -> Option<String> {
    Some(match value {
        Value::Plain(value) => plain(name, value),
        Value::Secret(_) | Value::Unset { .. } => reference::written(variables.get(name)?),
    })
}

/// What is no secret, as YAML; a moment with its calendar form.
pub(super) fn plain(name: &str, value: &Scalar) -> String {
    match value {
        Scalar::Bool(value) => value.to_string(),
        Scalar::Integer(value) if kind(name) == Some(&Kind::Moment) => moment(*value),
        Scalar::Integer(value) => value.to_string(),
        Scalar::Text(text) => scalar(name, text),
    }
}

pub(super) fn moment(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(
        |_| seconds.to_string(),
        |moment| format!("{seconds}  # {moment}"),
    )
}

/// The path from the file at `file` back to `target`; both are seen from the same directory. `None` when the
/// file's path leaves that directory.
pub(crate) fn path_back(file: &str, target: &str) -> Option<String> {
    let is_plain = |part: &str| !part.is_empty() && part != "." && part != "..";
    let parts: Vec<&str> = file.split('/').collect();
    if !parts.iter().copied().all(is_plain) {
        return None;
    }
    Some(format!("{}{target}", "../".repeat(parts.len() - 1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Secret;

    #[test]
    fn a_tidy_file() {
        let room = RoomName::try_from("123".to_owned()).unwrap();
        let draft = Draft {
            settings: [
                ("expireUnixSec", Value::from(1_869_642_000)),
                ("enableChat", Value::from(true)),
                ("privacy", Value::from("private")),
                (
                    "rtmpOutURL",
                    Value::Secret(Secret::new("rtmp://a.example/canary")),
                ),
            ]
            .into(),
            left_out: [("compositionLayout".to_owned(), "why".to_owned())].into(),
            ..Draft::default()
        };
        let text = room_yaml(&RoomYaml {
            room: &room,
            stem: "other",
            schema: Some("../schema/room.schema.json"),
            draft: &draft,
            variables: &[("rtmpOutURL", "ROOM_123_RTMP_OUT_URL".to_owned())].into(),
        });
        assert_eq!(
            text,
            "\
# yaml-language-server: $schema=../schema/room.schema.json

roomName: \"123\"
privacy: private
expireUnixSec: 1869642000  # 2029-03-31T09:00:00Z
enableChat: true
rtmpOutURL: ${env:ROOM_123_RTMP_OUT_URL}

# not imported: compositionLayout (why)
"
        );
    }

    #[test]
    fn the_way_back() {
        assert_eq!(path_back("rooms/a.yaml", "s").as_deref(), Some("../s"));
        assert_eq!(path_back("a/b/c.yaml", "s").as_deref(), Some("../../s"));
        assert_eq!(path_back("/a/b.yaml", "s"), None);
        assert_eq!(path_back("../b.yaml", "s"), None);
    }
}
