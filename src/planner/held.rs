//! What the service may hold of a room before it is written, and what may not be done to it then. The same judgement
//! when a plan is made, and right before a room is written.

use super::mutes::Muted;
use super::state::AppliedRoom;
use crate::model::StoredSettings;
use crate::model::effect::Held;

impl AppliedRoom {
    /// All that the service may hold of the room. What it shows, `live`, settles an attribute; without that it is what
    /// was confirmed, what the service answered to that, or what was sent since without an answer. An attribute of
    /// which only a write without an answer is known may still be anything.
    ///
    /// So may one that a mute is about: somebody moves it, and nobody looks. And so may one that was never seen, of a room
    /// that is sent `again` because of that.
    pub(crate) fn held(&self, live: &StoredSettings, muted: &[Muted], again: bool) -> Held {
        let mut held: Held = Held::new();
        for (name, value) in self.settings.iter().chain(&self.observed) {
            held.entry(name.clone()).or_default().push(value.clone());
        }
        let sent = self.unconfirmed.iter();
        let sent = sent.flat_map(|(name, sent)| sent.values().map(move |value| (name, value)));
        for (name, value) in self.overridden.iter().chain(sent) {
            if let Some(values) = held.get_mut(name) {
                values.push(value.clone());
            }
        }
        let unseen = self.unseen.iter().map(String::as_str);
        let unseen = unseen.filter(|_| again);
        for name in muted.iter().map(|one| one.name).chain(unseen) {
            held.remove(name);
        }
        for (name, value) in live {
            held.insert(name.clone(), vec![value.clone()]);
        }
        held
    }
}
