//! Files that need not be parsed again: the state remembers what each room was read from.
//!
//! Only a check that never writes relies on it. Where lines of the files are shown, or secrets are sent, the
//! files are read in full.

use std::collections::HashMap;

use crate::files::context::Context;
use crate::model::catalogue::attribute;
use crate::model::digest;
use crate::model::{RoomName, Settings, Stored, StoredSettings, Value};
use crate::planner::{AppliedRoom, State};

/// Part of every source, so that another program's reading is never relied on. Raise the number when the
/// reading of files or the rules change within a version.
const READER: &str = concat!("roomctl ", env!("CARGO_PKG_VERSION"), "/3");

const PREFIX: &str = "sha256:";

/// Length of a digest in hexadecimal digits.
const DIGITS: usize = 64;

/// The rooms of a state whose files may be known.
#[derive(Debug, Default)]
pub(crate) struct Known<'a> {
    /// By the first half of the source, which the text makes.
    rooms: HashMap<&'a str, (&'a RoomName, &'a AppliedRoom)>,
}

impl<'a> Known<'a> {
    /// The rooms of `state` that hold no secret, and of which nothing is in doubt.
    pub(crate) fn of(state: &'a State) -> Self {
        let plain = |room: &AppliedRoom| {
            room.unconfirmed.is_empty() && room.settings.values().all(is_plain)
        };
        let rooms = state.rooms.iter().filter(|(_, room)| plain(room));
        Self {
            rooms: rooms
                .filter_map(|(name, room)| {
                    let source = room.source.as_deref()?.strip_prefix(PREFIX)?;
                    Some((source.get(..DIGITS)?, (name, room)))
                })
                .collect(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rooms.is_empty()
    }

    /// The room of a file, if the state knows that this text makes exactly what it remembers, and reading it
    /// now would find nothing either.
    pub(crate) fn room(
        &self,
        stem: &str,
        text: &str,
        context: &Context<'_>,
    ) -> Option<(RoomName, Settings)> {
        if self.rooms.is_empty() {
            return None;
        }
        let read = text_digest(stem, text, context);
        let (name, room) = self.rooms.get(read.as_str())?;
        // Source, name or settings could have been edited since, by hand or by a merge. That is not refused: whoever
        // resolved a conflict in a state meant no harm, and reading the file gives the truth.
        if room.source.as_ref() != Some(&bound(&read, name, &room.settings)) {
            return None;
        }
        // The only finding that comes with time.
        let expires = room.settings.get("expireUnixSec");
        let expires = expires.and_then(Stored::integer);
        if expires.is_some_and(|moment| moment <= context.now) {
            return None;
        }
        let settings = room.settings.iter().map(|(name, kept)| {
            let Stored::Plain(value) = kept else {
                return None;
            };
            Some((attribute(name)?.name, Value::Plain(value.clone())))
        });
        Some(((*name).clone(), settings.collect::<Option<_>>()?))
    }
}

/// The identity of what a room was read from: the text with all that its reading depends on, bound to the name and
/// settings that came out. None of settings with secrets: such files are always read.
pub(crate) fn source(
    stem: &str,
    text: &str,
    context: &Context<'_>,
    name: &RoomName,
    settings: &Settings,
) -> Option<String> {
    let plain = settings.iter().map(|(name, value)| {
        let Value::Plain(value) = value else {
            return None;
        };
        Some(((*name).to_owned(), Stored::Plain(value.clone())))
    });
    let settings = plain.collect::<Option<StoredSettings>>()?;
    Some(bound(&text_digest(stem, text, context), name, &settings))
}

fn is_plain(kept: &Stored) -> bool {
    matches!(kept, Stored::Plain(_))
}

fn text_digest(stem: &str, text: &str, context: &Context<'_>) -> String {
    let (names, defaults) = (context.names, context.defaults.identity());
    let text = format!("{READER}\n{names:?}\n{defaults}\n{stem}\n{text}");
    digest::sha256(text.as_bytes()).split_off(PREFIX.len())
}

/// The text and, over it and all that came out, a second digest: halves of two sources make no third one. The name
/// counts, too: `state mv` remembers a room under another one.
fn bound(text: &str, name: &RoomName, settings: &StoredSettings) -> String {
    let all = digest::of(&(text, name, settings));
    format!("{PREFIX}{text}{}", &all[PREFIX.len()..])
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::files::context::Policies;
    use crate::files::defaults::{Defaults, parse as parse_defaults};
    use crate::files::room_file::parse;
    use crate::model::value::stored;
    use crate::model::{EnvPrefix, NameRule, Variables};

    const NOW: i64 = 1_790_000_000;
    const CONTEXT: Context = Context {
        names: NameRule::Lowercase,
        now: NOW,
        variables: Variables::NONE,
        defaults: Defaults::NONE,
        sandbox: false,
        owns: None,
        unmanaged: None,
        policies: Policies::NONE,
    };
    const TEXT: &str = "privacy: private\nmaxParticipants: 5 # people\nexpireUnixSec: 1893456000\n";

    /// The state after `text` was applied.
    fn state(text: &str) -> State {
        let (room, _) = parse("rooms/a.yaml", "a", text, &CONTEXT);
        let room = room.unwrap();
        let applied = AppliedRoom {
            settings: stored(&room.wanted.settings, "salt", &StoredSettings::new()),
            source: room.wanted.source,
            ..AppliedRoom::default()
        };
        let mut state = State::fresh("acme");
        state.rooms.insert(room.name, applied);
        state
    }

    fn applied(state: &mut State) -> &mut AppliedRoom {
        state.rooms.values_mut().next().unwrap()
    }

    #[test]
    fn a_known_file_makes_what_reading_it_makes() {
        let state = state(TEXT);
        let known = Known::of(&state);
        let (read, _) = parse("rooms/a.yaml", "a", TEXT, &CONTEXT);
        let read = read.unwrap();
        let room = known.room("a", TEXT, &CONTEXT);
        assert_eq!(room, Some((read.name, read.wanted.settings)));
    }

    #[test]
    fn whatever_else_moved_makes_it_unknown() {
        let state = state(TEXT);
        let known = Known::of(&state);
        assert!(
            known
                .room("a", &format!("{TEXT}# more\n"), &CONTEXT)
                .is_none()
        );
        assert!(known.room("b", TEXT, &CONTEXT).is_none(), "another name");
        let names = NameRule::UrlSafe;
        assert!(
            known
                .room("a", TEXT, &Context { names, ..CONTEXT })
                .is_none()
        );
        let now = 1_893_456_000;
        let expired = Context { now, ..CONTEXT };
        assert!(
            known.room("a", TEXT, &expired).is_none(),
            "a warning is due"
        );
    }

    #[test]
    fn defaults_that_moved_make_it_unknown() {
        let chain = |text: &str| {
            let (layer, _) = parse_defaults("_defaults.yaml", text, EnvPrefix::ROOM);
            Defaults::default().below(Arc::new(layer))
        };
        let (before, after) = (chain("autoJoin: true"), chain("autoJoin: true # why"));
        let with = |defaults| Context {
            defaults,
            ..CONTEXT
        };
        let (room, _) = parse("rooms/a.yaml", "a", TEXT, &with(&before));
        let mut state = state(TEXT);
        let room = room.unwrap();
        applied(&mut state).settings =
            stored(&room.wanted.settings, "salt", &StoredSettings::new());
        applied(&mut state).source = room.wanted.source;
        let known = Known::of(&state);
        let read = known.room("a", TEXT, &with(&before));
        assert_eq!(read, Some((room.name, room.wanted.settings)));
        assert!(known.room("a", TEXT, &with(&after)).is_none());
        assert!(known.room("a", TEXT, &CONTEXT).is_none());
    }

    #[test]
    fn a_state_that_was_edited_or_is_in_doubt_is_not_relied_on() {
        let mut edited = state(TEXT);
        let people = Stored::from(6);
        applied(&mut edited)
            .settings
            .insert("maxParticipants".into(), people.clone());
        assert!(Known::of(&edited).room("a", TEXT, &CONTEXT).is_none());
        let mut moved = state(TEXT);
        let room = moved.rooms.pop_first().unwrap().1;
        let other = RoomName::try_from("b".to_owned()).unwrap();
        moved.rooms.insert(other, room);
        assert!(Known::of(&moved).room("a", TEXT, &CONTEXT).is_none());
        let mut doubted = state(TEXT);
        applied(&mut doubted)
            .unconfirmed
            .insert("maxParticipants".into(), people.into());
        assert!(Known::of(&doubted).is_empty());
    }

    #[test]
    fn files_with_secrets_or_findings_are_always_read() {
        let secret = state("privacy: private\nmeetingEndedWebhook: https://hooks.example/x\n");
        assert!(Known::of(&secret).is_empty());
        let doubtful = state("privacy: private\nmaxParticipants: 0\n");
        assert!(Known::of(&doubtful).is_empty());
    }
}
