//! The journal: what `apply` did since the state was last saved, one line an event, durable before it is
//! reported.
//!
//! A receipt must survive a killed runner, and 10,000 receipts must not rewrite a 10,000-room state 10,000
//! times. So events are appended to a journal and folded into the state at the end, or at the next start. This
//! file is about its form. Pure.

use serde::{Deserialize, Serialize};

use crate::model::secret::sha256;
use crate::model::version::newer;
use crate::planner::{Event, State};

/// The first line: which state the events belong to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    /// Version of the journal's format.
    pub journal: u64,
    pub app: String,
    pub lineage: String,
    /// Serial of the state that the events come after.
    pub serial: u64,
}

/// The version of the journal format that this program reads and writes.
pub(crate) const VERSION: u64 = 1;

/// Why bytes are not a journal that we may use.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ParseError {
    /// Written by a newer version, this one.
    Newer(String),
    /// A line other than the last, counted from 1.
    Damaged(usize),
}

impl Header {
    /// Of a journal that begins now.
    pub(crate) fn after(state: &State) -> Self {
        Self {
            journal: VERSION,
            app: state.app.clone(),
            lineage: state.lineage.clone(),
            serial: state.serial,
        }
    }

    /// Whether the events behind it are still to be taken into `state`, or why they must not be.
    pub(crate) fn belongs(&self, state: &mut State) -> Result<bool, &'static str> {
        if self.app != state.app {
            return Err("it is about another app");
        }
        if state.lineage.is_empty() {
            if self.serial > 0 {
                return Err("the state it comes after is gone");
            }
            // The first run died before the first save: the journal is all there is.
            state.lineage.clone_from(&self.lineage);
            return Ok(true);
        }
        if self.lineage != state.lineage {
            return Err("their lineages differ");
        }
        if self.serial > state.serial {
            return Err("the state is older than the one it comes after");
        }
        // Older: it was folded in before the process could remove it.
        Ok(self.serial == state.serial)
    }
}

/// Reads a journal. `None`: not even its first line was finished.
pub(crate) fn parse(bytes: &[u8]) -> Result<Option<(Header, Vec<Event>)>, ParseError> {
    // Whatever is behind the last line break was being written when the process died: it was never
    // reported as done.
    let whole = bytes
        .iter()
        .rposition(|b| *b == b'\n')
        .map_or(0, |end| end + 1);
    let mut lines = bytes[..whole].split(|b| *b == b'\n').enumerate();
    let Some((number, first)) = lines.next().filter(|(_, line)| !line.is_empty()) else {
        return Ok(None);
    };
    if let Some(version) = json(first).and_then(|json| newer(json, VERSION)) {
        return Err(ParseError::Newer(version));
    }
    let header = decode(number, first)?;
    let mut events = Vec::new();
    for (number, line) in lines.filter(|(_, line)| !line.is_empty()) {
        events.push(decode(number, line)?);
    }
    Ok(Some((header, events)))
}

/// One line: a checksum, the JSON, a line break.
pub(crate) fn encode(value: &impl Serialize) -> serde_json::Result<String> {
    let json = serde_json::to_string(value)?;
    Ok(format!("{} {json}\n", checksum(json.as_bytes())))
}

fn decode<'a, T: Deserialize<'a>>(number: usize, line: &'a [u8]) -> Result<T, ParseError> {
    json(line)
        .and_then(|json| serde_json::from_slice(json).ok())
        .ok_or(ParseError::Damaged(number + 1))
}

/// The JSON of a line that is as it was written.
fn json(line: &[u8]) -> Option<&[u8]> {
    let space = line.iter().position(|b| *b == b' ')?;
    let (sum, json) = (&line[..space], &line[space + 1..]);
    (sum == checksum(json).as_bytes()).then_some(json)
}

/// Enough of a digest to notice damage.
fn checksum(bytes: &[u8]) -> String {
    sha256(bytes)["sha256:".len()..][..16].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::stores::{header, missing};

    fn written(names: &[&str]) -> Vec<u8> {
        let events = names.iter().map(|name| encode(&missing(name)).unwrap());
        let lines = [encode(&header()).unwrap()].into_iter().chain(events);
        lines.collect::<String>().into_bytes()
    }

    #[test]
    fn what_was_written_is_read() {
        let (read_header, events) = parse(&written(&["a", "b"])).unwrap().unwrap();
        assert_eq!(read_header, header());
        assert_eq!(events, [missing("a"), missing("b")]);
    }

    #[test]
    fn a_torn_last_line_is_dropped_wherever_it_tore() {
        let bytes = written(&["a", "b"]);
        let first_two = bytes.len() - encode(&missing("b")).unwrap().len();
        for length in first_two..bytes.len() {
            let (_, events) = parse(&bytes[..length]).unwrap().unwrap();
            assert_eq!(events, [missing("a")], "cut to {length} bytes");
        }
        assert!(parse(&bytes[..10]).unwrap().is_none());
        assert!(parse(b"").unwrap().is_none());
    }

    #[test]
    fn other_damage_is_refused() {
        let mut bytes = written(&["a", "b"]);
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        assert_eq!(parse(&bytes), Err(ParseError::Damaged(2)));
    }

    #[test]
    fn a_newer_journal_is_refused() {
        let line = encode(&serde_json::json!({"journal": 2, "new": true})).unwrap();
        assert_eq!(parse(line.as_bytes()), Err(ParseError::Newer("2".into())));
    }
}
