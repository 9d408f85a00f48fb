//! The journal: what `apply` did since the state was last saved, one line an event, durable before it is
//! reported.
//!
//! A receipt must survive a killed runner, and 10,000 receipts must not rewrite a 10,000-room state 10,000
//! times. So events are appended to a journal and folded into the state at the end, or at the next start. This
//! file is about its form. Pure.

use serde::{Deserialize, Serialize};

use crate::model::digest::sha256;
use crate::model::version::newer;
use crate::planner::{Event, State};
use crate::store::error::StoreError;

/// The first line: which state the events belong to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    pub journal: u64,
    pub app: String,
    pub lineage: String,
    /// Serial of the state that the events come after.
    pub serial: u64,
}

/// The version of the journal format that this program writes. It reads all before it.
pub(super) const VERSION: u64 = 2;

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
    fn belongs(&self, state: &mut State) -> Result<bool, &'static str> {
        if self.app != state.app {
            return Err("it is about another app");
        }
        if self.lineage.is_empty() {
            return Err("it has no lineage");
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

/// Takes what the journal `at` holds into `state`, if it comes after it. Returns how many events that were.
///
/// `looked` is the same before anything was written: it learns only what looks showed.
pub(crate) fn replay(
    bytes: &[u8],
    at: &str,
    state: &mut State,
    looked: &mut Option<State>,
) -> Result<usize, StoreError> {
    let Some((header, events)) = parse(bytes, at)? else {
        return Ok(0);
    };
    match header.belongs(state) {
        Ok(true) => {
            let count = events.len();
            for event in events {
                looked.iter_mut().for_each(|looked| looked.look(&event));
                state.record(event);
            }
            Ok(count)
        }
        Ok(false) => Ok(0),
        Err(why) => Err(StoreError::OtherJournal {
            at: at.to_owned(),
            why,
        }),
    }
}

/// `None`: not even the first line was finished.
pub(super) fn parse(bytes: &[u8], at: &str) -> Result<Option<(Header, Vec<Event>)>, StoreError> {
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
        return Err(StoreError::Newer {
            what: format!("journal {at}"),
            version,
            known: VERSION,
        });
    }
    let damaged = |number: usize| StoreError::DamagedJournal {
        at: at.to_owned(),
        line: number + 1,
    };
    let header = decode(first).ok_or_else(|| damaged(number))?;
    let mut events = Vec::new();
    for (number, line) in lines.filter(|(_, line)| !line.is_empty()) {
        events.push(decode(line).ok_or_else(|| damaged(number))?);
    }
    Ok(Some((header, events)))
}

/// One line: a checksum, the JSON, a line break.
pub(crate) fn encode(value: &impl Serialize) -> serde_json::Result<String> {
    let json = serde_json::to_string(value)?;
    Ok(format!("{} {json}\n", checksum(json.as_bytes())))
}

fn decode<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Option<T> {
    serde_json::from_slice(json(line)?).ok()
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
        let (read_header, events) = parse(&written(&["a", "b"]), "x").unwrap().unwrap();
        assert_eq!(read_header, header());
        assert_eq!(events, [missing("a"), missing("b")]);
    }

    #[test]
    fn a_torn_last_line_is_dropped_wherever_it_tore() {
        let bytes = written(&["a", "b"]);
        let first_two = bytes.len() - encode(&missing("b")).unwrap().len();
        for length in first_two..bytes.len() {
            let (_, events) = parse(&bytes[..length], "x").unwrap().unwrap();
            assert_eq!(events, [missing("a")], "cut to {length} bytes");
        }
        assert!(parse(&bytes[..10], "x").unwrap().is_none());
        assert!(parse(b"", "x").unwrap().is_none());
    }

    #[test]
    fn other_damage_is_refused() {
        let mut bytes = written(&["a", "b"]);
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        let error = parse(&bytes, "x").unwrap_err();
        assert!(
            error.to_string().contains("x is damaged in line 2"),
            "{error}"
        );
    }

    #[test]
    fn what_stands_twice_in_a_line_is_refused() {
        let header = encode(&header()).unwrap();
        for event in [
            r#"{"intent":{"room":"a","settings":{"privacy":"private","privacy":"public"}}}"#,
            r#"{"withdrawn":{"room":"a","unconfirmed":{"privacy":"private","privacy":"public"}}}"#,
            r#"{"applied":{"room":"a","applied":{"settings":{"privacy":1,"privacy":2}}}}"#,
            r#"{"missing":{"room":"a","room":"b"}}"#,
        ] {
            let line = format!("{header}{} {event}\n", checksum(event.as_bytes()));
            let error = parse(line.as_bytes(), "x").unwrap_err();
            assert!(error.to_string().contains("line 2"), "{event}: {error}");
        }
    }

    #[test]
    fn a_journal_of_version_1_is_read() {
        let lines = [
            r#"{"journal":1,"app":"acme","lineage":"7f0c","serial":0}"#,
            r#"{"applied":{"room":"a","applied":{"settings":{"privacy":"private"}}}}"#,
        ];
        let text = lines.map(|json| format!("{} {json}\n", checksum(json.as_bytes())));
        let mut state = crate::tests::stores::state();
        assert_eq!(
            replay(text.concat().as_bytes(), "x", &mut state, &mut None).unwrap(),
            1
        );
        assert!(state.rooms.contains_key("a"));
    }

    #[test]
    fn a_newer_journal_is_refused() {
        let line = encode(&serde_json::json!({"journal": 3, "new": true})).unwrap();
        let error = parse(line.as_bytes(), "x").unwrap_err();
        assert!(
            error.to_string().contains("journal x has version 3"),
            "{error}"
        );
    }
}
