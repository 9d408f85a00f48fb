//! What the service may hold of a room before it is written, and what may not be done to it then. The same judgement
//! when a plan is made, and right before a room is written.

use super::mutes::Muted;
use super::state::AppliedRoom;
use crate::model::effect::Held;
use crate::model::{Stored, StoredSettings};

impl AppliedRoom {
    /// All that the service may hold of the room. What it shows, `live`, settles an attribute; without that it is what
    /// was confirmed, what the service answered to that or showed beside it, or what was sent since without an answer.
    /// What is not managed may be anything, whatever was seen of it once.
    ///
    /// So may an attribute that a mute is about: somebody moves it, and nobody looks. And so may one that is not shown, of
    /// a room that is sent `again` because of that.
    pub(crate) fn held(&self, live: Option<&StoredSettings>, muted: &[Muted], again: bool) -> Held {
        let settings = self.settings.iter();
        let one = |(name, value): (&String, &Stored)| (name.clone(), vec![value.clone()]);
        let mut held: Held = settings.map(one).collect();
        let sent = self.unconfirmed.iter();
        let sent = sent.flat_map(|(name, sent)| sent.values().map(move |value| (name, value)));
        for (name, value) in self.observed.iter().chain(&self.overridden).chain(sent) {
            if let Some(values) = held.get_mut(name) {
                values.push(value.clone());
            }
        }
        let is_hidden = |name: &String| {
            again
                && live.map_or_else(
                    || self.unseen.contains(name),
                    |live| !live.contains_key(name),
                )
        };
        held.retain(|name, _| !is_hidden(name) && !muted.iter().any(|one| one.name == name));
        for (name, value) in live.into_iter().flatten() {
            held.insert(name.clone(), vec![value.clone()]);
        }
        held
    }
}
