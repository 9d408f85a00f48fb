//! What a JSON text becomes in memory, at most, before any of it is read: a byte of it can become five hundred.
//!
//! One budget for everything that is not written by people: states, journals, plans, reports, answers. It counts what all
//! of them are made of, and not what each of them may hold.

use memchr::memchr2;

/// Most that a report, a plan or the like may become, in bytes: a plan in which a hundred thousand rooms move, one attribute
/// each, or ten thousand are new. A report of many small things becomes less than half of what is counted here, and takes less
/// than 300 MiB in each of its forms.
pub(crate) const OF_DATA: u64 = 384 * 1024 * 1024;

/// The same of a journal.
pub(crate) const OF_JOURNAL: u64 = 960 * 1024 * 1024;

/// Most that a state may become, in bytes as they are measured: with the program less than 300 MiB. It is a state of somewhat more than a
/// hundred thousand rooms.
pub(crate) const OF_STATE: u64 = 272 * 1024 * 1024;

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

/// In how many objects a room of a state is, and a map in it.
const ROOM: usize = 2;
const MAP: usize = 3;

/// What a room of a state takes, a map in it, the digest of a secret, a list of what was sent or not seen, each of these, each value, and each text beside
/// its bytes; and what a plan says of a room that no file wants.
const OF_ROOM: u64 = 350;
const OF_MAP: u64 = 80;
const OF_DIGEST: u64 = 40;
const OF_LIST_OF_ROOM: u64 = 150;
const OF_VALUE: u64 = 36;
const OF_SENT: u64 = 100;
const OF_TEXT: u64 = 40;
const OF_ORPHAN: u64 = 900;

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
    let (mut cost, mut long) = (0, 0_u64);
    scan(text, |part| {
        cost += match part {
            Part::Object(_) => OBJECT,
            Part::List => LIST,
            Part::Entry(entries) if entries < FIRST => FIELD,
            Part::Entry(_) => ENTRY,
            Part::Element => ELEMENT,
            Part::Text { length, .. } => {
                if length > LONG {
                    long += length as u64;
                }
                return long.saturating_sub(FREE) * BYTE <= most;
            }
        };
        cost <= most
    })
}

/// The same of a state, of which more is known: where a room is, and the maps and digests in it.
pub(crate) fn state_fits(text: &[u8], most: u64) -> bool {
    let (mut kept, mut rooms) = (0, 0);
    let is_read = scan(text, |part| {
        kept += match part {
            // The file and its map of rooms.
            Part::Object(0 | 1) => 0,
            Part::Object(ROOM) => {
                rooms += 1;
                OF_ROOM
            }
            Part::Object(MAP) => OF_MAP,
            Part::Object(_) => OF_DIGEST,
            Part::List => OF_LIST_OF_ROOM,
            Part::Entry(_) => OF_VALUE,
            Part::Element => OF_SENT,
            // The name of an attribute is kept once for all.
            Part::Text {
                depth,
                is_key: true,
                ..
            } if depth != ROOM => 0,
            Part::Text { length, .. } => OF_TEXT + length as u64,
        };
        kept <= most
    });
    // What is read is in memory until it was read; what is said of a room that no file wants, afterwards.
    is_read && kept + (rooms * OF_ORPHAN).max(text.len() as u64) <= most
}

/// A part of a JSON text that becomes something in memory.
enum Part {
    /// An object in so many others or lists.
    Object(usize),
    List,
    /// One entry more in an object that has so many.
    Entry(u32),
    Element,
    Text {
        /// In bytes, with its end.
        length: usize,
        depth: usize,
        is_key: bool,
    },
}

/// Looks at each part until one is refused; whether none was, and no text is longer or deeper than any may be.
fn scan(text: &[u8], mut allows: impl FnMut(Part) -> bool) -> bool {
    // How many entries each object has that is open; none for a list.
    let mut open: Vec<Option<u32>> = Vec::with_capacity(DEPTH);
    let mut at = 0;
    let counts = |byte: &u8| COUNTS[usize::from(*byte)];
    while let Some(next) = text[at..].iter().position(counts) {
        at += next + 1;
        let depth = open.len();
        let part = match text[at - 1] {
            b'"' => {
                let length = string(&text[at..]);
                at += length;
                let is_key = text.get(at) == Some(&b':');
                if length > LONGEST {
                    return false;
                }
                Part::Text {
                    length,
                    depth,
                    is_key,
                }
            }
            b'{' => {
                open.push(Some(0));
                Part::Object(depth)
            }
            b'[' => {
                open.push(None);
                Part::List
            }
            b',' => match open.last_mut() {
                Some(Some(entries)) => {
                    *entries = entries.saturating_add(1);
                    Part::Entry(*entries)
                }
                _ => Part::Element,
            },
            _ => {
                open.pop();
                continue;
            }
        };
        if open.len() > DEPTH || !allows(part) {
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

    /// What a state, or a part of one in so many objects, takes, and how many rooms it has.
    fn of_state(value: &Json, depth: usize) -> (u64, u64) {
        let text = |text: &str| OF_TEXT + text.replace(['\\', '"'], "12").len() as u64 + 1;
        let add = |one: (u64, u64), other: (u64, u64)| (one.0 + other.0, one.1 + other.1);
        match value {
            Json::String(said) => (text(said), 0),
            Json::Array(list) => {
                let commas = (list.len() as u64).saturating_sub(1);
                let all = list.iter().map(|one| of_state(one, depth + 1));
                all.fold((OF_LIST_OF_ROOM + OF_SENT * commas, 0), add)
            }
            Json::Object(map) => {
                let own = match depth {
                    0 | 1 => (0, 0),
                    ROOM => (OF_ROOM, 1),
                    MAP => (OF_MAP, 0),
                    _ => (OF_DIGEST, 0),
                };
                let commas = OF_VALUE * (map.len() as u64).saturating_sub(1);
                let entry = |(key, value): (&String, &Json)| {
                    // The names of rooms are in the second object.
                    let key = if depth + 1 == ROOM { text(key) } else { 0 };
                    add((key, 0), of_state(value, depth + 1))
                };
                map.iter().map(entry).fold(add(own, (commas, 0)), add)
            }
            _ => (0, 0),
        }
    }

    proptest! {
        #[test]
        fn of_a_state_it_counts_what_is_there(value in values()) {
            let text = value.to_string();
            let (kept, rooms) = of_state(&value, 0);
            let cost = kept + (rooms * OF_ORPHAN).max(text.len() as u64);
            prop_assert!(state_fits(text.as_bytes(), cost), "{text}");
            prop_assert!(!state_fits(text.as_bytes(), cost - 1), "{text}");
        }

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
            state_fits(&bytes, OF_STATE);
            state_fits(&bytes, 0);
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
    fn a_state_of_a_hundred_thousand_rooms_is_read() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let mut settings: serde_json::Map<_, _> = (0..13)
            .map(|n| (format!("attribute{n:04}"), json!(10)))
            .collect();
        settings.extend([
            ("privacy".to_owned(), json!("private")),
            ("rtmpOutURL".to_owned(), json!({"secret": digest})),
        ]);
        let room = json!({
            "asserted": 1_795_745_691, "file": "rooms/region-000/team-0001/coffee-000021.yaml", "id": "6b08e7816a389551f8bb19e5",
            "observed": {"deleteOnExp": false, "ejectAtRoomExp": false}, "settings": settings, "written": {"rtmpOutURL": digest}
        });
        let rooms: serde_json::Map<_, _> = (0..1_000)
            .map(|n| (format!("coffee-{n:06}"), room.clone()))
            .collect();
        let state =
            json!({"version": 2, "lineage": "7f0c", "serial": 1, "app": "acme", "rooms": rooms});
        let text = serde_json::to_string_pretty(&state).unwrap();
        assert!(state_fits(text.as_bytes(), OF_STATE / 100));
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
                assert_eq!(
                    fits(held.as_bytes(), OF_JOURNAL),
                    fit || is_open,
                    "{length}"
                );
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
