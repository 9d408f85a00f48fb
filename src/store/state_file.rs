//! The text of a state file: strict on the way in, one attribute a line on the way out.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};

use crate::planner::State;
use crate::planner::state::VERSION;

/// Why bytes are not a state that we may use.
#[derive(Debug)]
pub(crate) enum ParseError {
    /// Written by a newer version, this one.
    Newer(u64),
    Damaged(serde_json::Error),
}

/// Reads a state. The version decides before anything else: a newer file is newer, not damaged, however
/// odd the rest of it looks.
pub(crate) fn parse(bytes: &[u8]) -> Result<State, ParseError> {
    #[derive(Deserialize)]
    struct Version {
        version: u64,
    }
    let problem = match serde_json::from_slice::<State>(bytes) {
        Ok(state) if state.version == VERSION && !state.lineage.is_empty() => return Ok(state),
        Ok(_) => serde::de::Error::custom("it has no lineage, or a version that never was"),
        Err(error) => error,
    };
    match serde_json::from_slice::<Version>(bytes) {
        Ok(Version { version }) if version > VERSION => Err(ParseError::Newer(version)),
        _ => Err(ParseError::Damaged(problem)),
    }
}

/// The text of a state file: sorted, two spaces a level, one attribute a line, so that it reads well in a diff.
pub(crate) fn render(state: &State) -> serde_json::Result<String> {
    let mut text = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut text, AttributeLines::default());
    state.serialize(&mut serializer)?;
    text.push(b'\n');
    // JSON is UTF-8 by its own rules.
    Ok(String::from_utf8_lossy(&text).into_owned())
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
    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth += 1;
        if self.in_value() {
            writer.write_all(b"{")
        } else {
            self.pretty.begin_object(writer)
        }
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
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
    ) -> io::Result<()> {
        if !self.in_value() {
            self.pretty.begin_object_key(writer, first)
        } else if first {
            Ok(())
        } else {
            writer.write_all(b", ")
        }
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.pretty.begin_object_value(writer)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
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
    use crate::model::{RoomName, Secret, Stored, Value};
    use crate::planner::AppliedRoom;

    fn room(name: &str) -> RoomName {
        RoomName::try_from(name.to_owned()).unwrap()
    }

    fn state() -> State {
        let mut state = State::fresh("acme");
        state.lineage = "7f0c".into();
        state.rooms.insert(
            room("stand-up"),
            AppliedRoom {
                id: Some("64c0ffee".into()),
                settings: [
                    ("privacy".to_owned(), Stored::Text("private".into())),
                    (
                        "rtmpOutURL".to_owned(),
                        Value::Secret(Secret::new("rtmp://x/k"))
                            .remember("7f0c", "rtmpOutURL")
                            .unwrap(),
                    ),
                ]
                .into(),
                ..AppliedRoom::default()
            },
        );
        state
    }

    #[test]
    fn one_attribute_a_line() {
        let text = render(&state()).unwrap();
        let digest = Secret::new("rtmp://x/k").digest("7f0c", "rtmpOutURL");
        let digest = serde_json::to_string(&digest).unwrap();
        assert_eq!(
            text,
            format!(
                r#"{{
  "version": 1,
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
    }

    #[test]
    fn what_is_written_is_read() {
        let text = render(&state()).unwrap();
        assert_eq!(parse(text.as_bytes()).unwrap(), state());
    }
}
