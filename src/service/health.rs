//! Whether the service looks as if it were down.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::model::RoomName;

/// So many rooms in a row that met nothing but 5xx and silence, each to the end of its tries, make the service
/// look as if it were down. There may also be many rooms that it cannot digest, while the others are fine: only
/// a room that it answered for before can show.
pub(crate) const FAILING: u32 = 10;

/// What is known of the service from how rooms ended.
#[derive(Debug, Default)]
pub(crate) struct Health(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// Rooms in a row that failed to the end of their tries.
    failing: u32,
    /// A room that the service answered for.
    good: Option<RoomName>,
    /// Whether something was answered that takes a key.
    key_taken: bool,
    /// Whether anything was answered.
    reached: bool,
}

/// What to do about a room that failed to the end of its tries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Suspicion {
    None,
    /// Ask for this one, which was fine before.
    Ask(RoomName),
    /// So many have failed in a row, and none was fine before.
    Down(u32),
}

impl Health {
    /// The service answered, for `room` or for the list; `took_key` says that it was an answer which only a
    /// request with an accepted key gets.
    pub(crate) fn answered(&self, room: Option<&RoomName>, took_key: bool) {
        let mut known = self.known();
        known.failing = 0;
        known.key_taken |= took_key;
        if known.good.is_none() {
            known.good = room.cloned();
        }
    }

    /// Something came back, whatever it was.
    pub(crate) fn reached(&self) {
        self.known().reached = true;
    }

    /// Whether anything came back before.
    pub(crate) fn was_reached(&self) -> bool {
        self.known().reached
    }

    /// Whether the key was accepted before.
    pub(crate) fn took_the_key(&self) -> bool {
        self.known().key_taken
    }

    /// A room failed to the end of its tries.
    pub(crate) fn failed(&self) -> Suspicion {
        let mut known = self.known();
        known.failing += 1;
        match &known.good {
            _ if known.failing < FAILING => Suspicion::None,
            Some(room) => Suspicion::Ask(room.clone()),
            None => Suspicion::Down(known.failing),
        }
    }

    /// How many rooms in a row have failed.
    pub(crate) fn failing(&self) -> u32 {
        self.known().failing
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Nothing panics while it is held; and every change of it is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(name: &str) -> RoomName {
        RoomName::try_from(name.to_owned()).unwrap()
    }

    #[test]
    fn ten_in_a_row_are_suspicious_and_an_answer_clears_it() {
        let health = Health::default();
        for _ in 1..FAILING {
            assert_eq!(health.failed(), Suspicion::None);
        }
        assert_eq!(health.failed(), Suspicion::Down(FAILING));
        health.answered(Some(&room("a")), true);
        health.answered(Some(&room("b")), true);
        for _ in 1..FAILING {
            assert_eq!(health.failed(), Suspicion::None);
        }
        assert_eq!(health.failed(), Suspicion::Ask(room("a")));
    }
}
