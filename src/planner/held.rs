//! What the service may hold of a room before it is written, and what may not be done to it then. The same judgement
//! when a plan is made, and right before a room is written.

use super::mutes::Muted;
use super::state::AppliedRoom;
use crate::model::StoredSettings;
use crate::model::effect::Held;

impl AppliedRoom {
    /// All that the service may hold of the room. What it shows, `live`, settles an attribute; without that it is what
    /// was confirmed, what the service answered to that or showed beside it, or what was sent since without an answer.
    /// What is not managed may be anything, whatever was seen of it once.
    ///
    /// So may an attribute that a mute is about: somebody moves it, and nobody looks. And so may one that is not shown, of
    /// a room that is sent `again` because of that.
    pub(crate) fn held(&self, live: Option<&StoredSettings>, muted: &[Muted], again: bool) -> Held {
        let mut held = self.possible();
        let is_hidden = |name: &str| {
            again
                && live.map_or_else(
                    || self.unseen.contains(name),
                    |live| !live.contains_key(name),
                )
        };
        held.retain(|name, _| {
            let is_managed = self.settings.contains_key(name);
            is_managed && !is_hidden(name) && !muted.iter().any(|one| *name == one.name)
        });
        for (name, value) in live.into_iter().flatten() {
            held.insert(*name, vec![value.clone()]);
        }
        held
    }
}
