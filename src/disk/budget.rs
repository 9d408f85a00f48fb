//! What a JSON text becomes in memory, at most, before any of it is read: a byte of it can become five hundred.
//!
//! One budget for everything that is not written by people: states, journals, plans, reports, answers. It counts what all
//! of them are made of, and not what each of them may hold.

use memchr::memchr2;

/// Most that a report, a plan or the like may become, in bytes: a plan in which a hundred thousand rooms move, one attribute
/// each, or ten thousand are new. A report of many small things becomes less than half of what is counted here, and takes less
/// than 300 MiB in each of its forms.
pub(crate) const OF_DATA: u64 = 384 * 1024 * 1024;

/// The same of a state or a journal.
pub(crate) const OF_STATE: u64 = 960 * 1024 * 1024;

/// The same of the service's list of rooms.
pub(crate) const OF_LIST: u64 = 240 * 1024 * 1024;

/// Most levels. It is the limit of the JSON library, too.
const DEPTH: usize = 128;

/// Longest text, in bytes as it is written. It is copied as often as it is shown, and so are its pieces. The longest of ours is what an answer
/// of a mebibyte may say of a room, of which each byte becomes up to six: `\u007f`.
pub(crate) const LONGEST: usize = 8 * 1024 * 1024;

/// What a map or an object takes for its first entries, and what for each beyond those. An object of ours has fields,
/// which it takes anyway; of a map of many entries each is a line of a report, too.
const OBJECT: u64 = 1_000;
const FIRST: u32 = 40;
const FIELD: u64 = 60;
const ENTRY: u64 = 2_000;

/// What a list takes, and each of its elements.
const LIST: u64 = 300;
const ELEMENT: u64 = 150;

/// From which length on a text is long, and what each byte of those takes, in several copies and forms. An answer about one room
/// may be such a text.
const LONG: usize = 256;
const BYTE: u64 = 8;
const FREE: u64 = 1024 * 1024;

/// The bytes that are looked at, as a table: a state of many megabytes is looked through.
const COUNTS: [bool; 256] = {
    let (mut counts, all) = ([false; 256], b"\"{[,}]");
    let mut at = 0;
    while at < all.len() {
        counts[all[at] as usize] = true;
        at += 1;
    }
    counts
};

/// Whether `text` becomes no more than `most` bytes, and has no text of more than [`LONGEST`]. Of what is no JSON nothing is said: it is refused by its reader.
pub(crate) fn fits(text: &[u8], most: u64) -> bool {
    // The usual answer is so short that it fits whatever it holds.
    let opened = text.iter().filter(|byte| matches!(byte, b'{' | b'['));
    if text.len() as u64 * ENTRY <= most && opened.count() <= DEPTH {
        return true;
    }
    // How many entries each object has that is open; none for a list.
    let mut open: Vec<Option<u32>> = Vec::with_capacity(DEPTH);
    let (mut cost, mut long, mut at) = (0, 0_u64, 0);
    let counts = |byte: &u8| COUNTS[usize::from(*byte)];
    while let Some(next) = text[at..].iter().position(counts) {
        at += next + 1;
        cost += match text[at - 1] {
            b'"' => {
                let length = string(&text[at..]);
                if length > LONG {
                    long += length as u64;
                    if length > LONGEST || long.saturating_sub(FREE) * BYTE > most {
                        return false;
                    }
                }
                at += length;
                continue;
            }
            b'{' => {
                open.push(Some(0));
                OBJECT
            }
            b'[' => {
                open.push(None);
                LIST
            }
            b',' => match open.last_mut() {
                Some(Some(entries)) => {
                    *entries = entries.saturating_add(1);
                    if *entries < FIRST { FIELD } else { ENTRY }
                }
                _ => ELEMENT,
            },
            _ => {
                open.pop();
                continue;
            }
        };
        if cost > most || open.len() > DEPTH {
            return false;
        }
    }
    true
}

/// How long the rest of a text in quotes is, with its end.
fn string(rest: &[u8]) -> usize {
    let mut at = 0;
    while let Some(found) = memchr2(b'"', b'\\', &rest[at..]) {
        at += found + 1;
        if rest[at - 1] == b'"' {
            return at;
        }
        at = rest.len().min(at + 1);
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value as Json, json};

    use super::*;

    const TEXT: &str = "[a\\\\\"{}\\[\\],: é]{0,6}";

    /// Any value, with texts that look like anything.
    fn values() -> impl Strategy<Value = Json> {
        let text = TEXT;
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<i64>().prop_map(Json::from),
            text.prop_map(Json::from)
        ];
        leaf.prop_recursive(2, 64, 8, |inner| {
            let keys = TEXT;
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..8).prop_map(Json::from),
                proptest::collection::vec((keys, inner), 0..90)
                    .prop_map(|all| all.into_iter().collect()),
            ]
        })
    }

    fn cost(value: &Json) -> u64 {
        match value {
            Json::Array(list) => {
                let commas = (list.len() as u64).saturating_sub(1);
                LIST + ELEMENT * commas + list.iter().map(cost).sum::<u64>()
            }
            Json::Object(map) => {
                let commas = (map.len() as u64).saturating_sub(1);
                let fields = commas.min(u64::from(FIRST) - 1);
                let entries = ENTRY * (commas - fields) + FIELD * fields;
                OBJECT + entries + map.values().map(cost).sum::<u64>()
            }
            _ => 0,
        }
    }

    proptest! {
        /// Whatever stands in texts, and however it is laid out.
        #[test]
        fn it_counts_what_is_there(value in values()) {
            for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
                prop_assert!(fits(text.as_bytes(), cost(&value)), "{text}");
                prop_assert!(cost(&value) == 0 || !fits(text.as_bytes(), cost(&value) - 1), "{text}");
            }
        }

        #[test]
        fn no_bytes_are_too_odd(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            fits(&bytes, OF_DATA);
            fits(&bytes, 0);
        }
    }

    #[test]
    fn a_plan_in_which_a_hundred_thousand_rooms_move_is_read() {
        let attribute = json!({
            "name": "maxParticipants", "before": 5, "after": 9, "live": null, "unknown": false, "cause": "change",
            "file": null, "line": 10, "explanation": null, "sensitive": false, "unconfirmed": false
        });
        let change = json!({
            "room": "stand-up", "action": "update", "file": "rooms/stand-up.yaml", "line": 10, "effects": [],
            "attributes": [attribute], "explanation": null, "digest": ""
        });
        let plan = json!({"changes": vec![change; 1_000]}).to_string();
        assert!(fits(plan.as_bytes(), OF_DATA / 100));
    }

    #[test]
    fn a_text_has_an_end() {
        for (length, fit) in [(LONGEST - 1, true), (LONGEST, false)] {
            let text = "x".repeat(length);
            for held in [
                format!("[\"{text}\"]"),
                format!("{{\"{text}\":0}}"),
                format!("\"{text}"),
            ] {
                // One that does not end has no quote to count.
                let is_open = !held.ends_with(['"', ']', '}']);
                assert_eq!(fits(held.as_bytes(), OF_STATE), fit || is_open, "{length}");
            }
        }
    }

    #[test]
    fn long_texts_have_an_end_together() {
        let many = |bytes: usize| json!(vec!["x".repeat(4_000); bytes / 4_000]).to_string();
        assert!(fits(many(40 << 20).as_bytes(), OF_DATA));
        assert!(!fits(many(56 << 20).as_bytes(), OF_DATA));
    }

    #[test]
    fn depth_has_an_end() {
        for open in ["[", "{\"a\":"] {
            assert!(fits(open.repeat(DEPTH).as_bytes(), OF_DATA));
            assert!(!fits(open.repeat(DEPTH + 1).as_bytes(), OF_DATA));
        }
        assert!(fits(
            json!({"a": "[".repeat(1_000)}).to_string().as_bytes(),
            OBJECT
        ));
    }
}
