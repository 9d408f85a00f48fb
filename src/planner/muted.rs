//! The attributes of a plan that a mute is about: what becomes of each, and the body that leaves them as they are.
//!
//! The body of a write is always the full wanted set, so an attribute is left alone by sending what the service shows
//! of it.

use super::change::{Cause, Change};
use super::import::accept;
use super::mutes::{Fate, Mute, Muted};
use super::state::AppliedRoom;
use super::status::Status;
use super::three_way::{AttributeSides, RoomSides};
use super::world::Sighting;
use crate::model::catalogue::{Attribute, attribute};
use crate::model::live::is_placeholder;
use crate::model::{Live, LiveRoom, Scalar, Secret, Settings, StoredSettings, Value, digest};

impl RoomSides<'_> {
    /// What becomes of the attributes that a mute is about when the room is written (`sends`) or not. `seen`: what a
    /// look at it showed; without it nobody looked.
    pub(super) fn muted(&self, sends: bool, seen: Option<&Sighting>) -> Vec<Muted> {
        let seen = match seen {
            _ if self.mutes.is_empty() => return Vec::new(),
            Some(Sighting::Present(live)) => Some(live),
            // In a room that is not there, nothing moved.
            Some(_) => return Vec::new(),
            None => None,
        };
        let muted = self.attributes().filter_map(|sides| {
            let mute: &Mute = self.mutes.of(sides.name)?;
            let attribute = attribute(sides.name)?;
            let fate = match seen {
                Some(live) => sides.fate(sends, live.settings.get(attribute.name), attribute),
                None => sides.fate_unseen(sends, self.applied),
            };
            Some(Muted {
                name: attribute.name,
                wanted: sides.wanted.cloned(),
                live: sides.live.cloned(),
                fate: fate?,
                reason: mute.reason.clone(),
                until: mute.until.clone(),
            })
        });
        muted.collect()
    }
}

impl AttributeSides<'_> {
    /// Whether the body of a write would hold it.
    fn is_sent(&self, sends: bool) -> bool {
        sends && (self.wanted.is_some() || self.unknown)
    }

    fn fate(&self, sends: bool, live: Option<&Live>, attribute: &Attribute) -> Option<Fate> {
        let is_sent = self.is_sent(sends);
        match (self.status(), self.cause()) {
            (Status::Muted, _) if is_sent && live.and_then(|l| again(attribute, l)).is_none() => {
                Some(Fate::NotSendable)
            }
            (Status::Muted, _) => Some(Fate::LeftAlone),
            (Status::NotVisible, _) => is_sent.then_some(Fate::NotReported),
            (_, Some(Cause::Change | Cause::Conflict)) => {
                let applied = self.applied().0;
                let fate = match (self.live, applied) {
                    (Some(live), Some(applied)) if live == applied => return None,
                    (Some(_), _) => Fate::Edited,
                    // Never applied, or as it was.
                    (None, None) => Fate::NotReported,
                    (None, _) if self.confirmed == self.wanted => Fate::NotReported,
                    (None, _) => Fate::Edited,
                };
                is_sent.then_some(fate)
            }
            _ => None,
        }
    }

    fn fate_unseen(&self, sends: bool, applied: &AppliedRoom) -> Option<Fate> {
        let file_moved = self.confirmed != self.wanted && !self.is_new;
        self.is_sent(sends).then(|| match file_moved {
            true => Fate::Edited,
            false if applied.unseen.contains(self.name) => Fate::NotReported,
            false => Fate::ReadFirst,
        })
    }
}

/// What the service shows of an attribute as it can be sent again.
fn again(attribute: &Attribute, live: &Live) -> Option<Value> {
    accept(attribute, live).ok()?;
    match live {
        Live::Null => None,
        Live::Secret(text) if attribute.is_secret() && is_placeholder(text) => None,
        Live::Secret(text) => Some(Value::Secret(text.clone())),
        Live::Plain(Scalar::Text(text)) if attribute.is_secret() => {
            again(attribute, &Live::Secret(Secret::new(text.as_str())))
        }
        Live::Plain(value) => Some(Value::Plain(attribute.kind.read(value))),
    }
}

impl Change {
    /// The muted attributes that stay as they are if they moved.
    fn spared(&self) -> impl Iterator<Item = &Muted> {
        self.muted.iter().filter(|muted| muted.fate.stays())
    }

    /// Whether a write leaves it as it is there.
    pub(crate) fn spares(&self, name: &str) -> bool {
        self.keeps.contains_key(name) || self.spared().any(|muted| muted.name == name)
    }

    /// Whether the value in the file is not needed, since another is sent.
    pub(crate) fn leaves_alone(&self, name: &str) -> bool {
        let is_it = |muted: &Muted| muted.name == name && muted.fate == Fate::LeftAlone;
        self.keeps.contains_key(name) || self.muted.iter().any(is_it)
    }

    /// Whether the room has to be read before it is written, so that what a mute accepts can be left alone.
    pub(crate) fn reads_first(&self) -> bool {
        self.sends && self.seen.is_none() && self.spared().next().is_some()
    }

    /// What is sent to a room that shows `live`: the full wanted set, with what a mute accepts as it is there.
    /// `applied` is what is remembered of the room.
    pub(crate) fn body(&self, applied: &AppliedRoom, live: &LiveRoom, salt: &str) -> Settings {
        let mut body = self.settings.clone();
        for muted in self.spared() {
            let (Some(shown), Some(attribute)) =
                (live.settings.get(muted.name), attribute(muted.name))
            else {
                continue;
            };
            if self.is_accepted(muted.name, applied, shown, salt)
                && let Some(value) = again(attribute, shown)
            {
                body.insert(muted.name, value);
            }
        }
        body
    }

    /// Why a room that shows `live` cannot be written: something moved that a mute accepts, and cannot be sent as it is;
    /// or it was to be read first, and is not shown, so that nobody knows whether it moved.
    pub(crate) fn cannot_spare(
        &self,
        applied: &AppliedRoom,
        live: &LiveRoom,
        salt: &str,
    ) -> Option<String> {
        let is_hidden = |muted: &&Muted| {
            muted.fate == Fate::ReadFirst && !live.settings.contains_key(muted.name)
        };
        let hidden: Vec<&str> = self.spared().filter(is_hidden).map(|m| m.name).collect();
        if !hidden.is_empty() {
            return Some(format!(
                "muted, and not shown by the service: {}; `roomctl plan --live` shows what writing it means",
                hidden.join(", ")
            ));
        }
        let lost = self.spared().filter(|muted| {
            let shown = live.settings.get(muted.name);
            shown
                .zip(attribute(muted.name))
                .is_some_and(|(shown, attribute)| {
                    again(attribute, shown).is_none()
                        && self.is_accepted(muted.name, applied, shown, salt)
                })
        });
        let names: Vec<&str> = lost.map(|muted| muted.name).collect();
        (!names.is_empty()).then(|| {
            format!(
                "muted, moved, and not to be sent as the service shows it: {}; edit it, or take the mute out",
                names.join(", ")
            )
        })
    }

    /// What is said of a write that was sent with `body`, if that left something alone.
    pub(crate) fn left_alone(&self, body: &Settings) -> Option<String> {
        let names = body
            .iter()
            .filter(|(name, value)| self.settings.get(*name) != Some(value));
        let names: Vec<&str> = names.map(|(name, _)| *name).collect();
        (!names.is_empty())
            .then(|| format!("left as it is there, since muted: {}", names.join(", ")))
    }

    /// Whether what the service shows of a muted attribute is a move that the mute accepts.
    fn is_accepted(&self, name: &str, applied: &AppliedRoom, shown: &Live, salt: &str) -> bool {
        let confirmed = applied.settings.get(name);
        let wanted = self.settings.get(name);
        let wanted = wanted.and_then(|value| value.stored(salt, name, confirmed));
        let sides = AttributeSides {
            name,
            confirmed,
            overridden: applied.overridden.get(name),
            unconfirmed: applied.unconfirmed.get(name),
            unknown: wanted.is_none(),
            wanted: wanted.as_ref(),
            live: Some(&shown.stored(salt, name)),
            secret: None,
            is_muted: true,
            is_new: !applied.is_confirmed(),
        };
        sides.status() == Status::Muted
    }
}

/// What of a body may move something: without what stays as it is. What is not looked at yet stays if the mute accepts
/// what it holds by then; not if that is what the service chose, or what was sent without an answer: nobody moved it.
pub(super) fn moving(
    body: &StoredSettings,
    muted: &[Muted],
    applied: &AppliedRoom,
) -> StoredSettings {
    let is_ours =
        |name| applied.overridden.contains_key(name) || applied.unconfirmed.contains_key(name);
    let mut moving = body.clone();
    for one in muted {
        match (&one.live, one.fate) {
            (Some(live), Fate::LeftAlone) => moving.insert(one.name.to_owned(), live.clone()),
            (_, Fate::ReadFirst) if !is_ours(one.name) => moving.remove(one.name),
            _ => None,
        };
    }
    moving
}

/// The identity of a change with what a mute is about in it; `plain` without that.
pub(super) fn identity(plain: String, muted: &[Muted]) -> String {
    if muted.is_empty() {
        return plain;
    }
    let muted: Vec<_> = muted.iter().map(|m| (m.name, m.fate, &m.live)).collect();
    digest::of(&(plain, muted))
}
