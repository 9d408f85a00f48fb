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
use crate::model::{
    Live, LiveRoom, Scalar, Secret, Settings, Stored, StoredSettings, Value, digest,
};

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
                Some(live) => sides.fate(sends, again_of(live, attribute.name).is_some()),
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

    /// `is_sendable`: whether what the service shows of it can be sent.
    fn fate(&self, sends: bool, is_sendable: bool) -> Option<Fate> {
        let is_sent = self.is_sent(sends);
        match (self.status(), self.cause()) {
            (Status::Muted, _) if is_sent && !is_sendable => Some(Fate::NotSendable),
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
            again(attribute, &Live::Secret(Secret::new(&***text)))
        }
        Live::Plain(value) => Some(Value::Plain(attribute.kind.read(value))),
    }
}

/// The same of an attribute of a room that shows `live`.
pub(super) fn again_of(live: &LiveRoom, name: &str) -> Option<Value> {
    again(attribute(name)?, live.settings.get(name)?)
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
        let shown = applied.shown(live, salt);
        let accepted = self.accepted(applied, &shown, salt);
        body.extend(accepted.filter_map(|name| Some((name, again_of(live, name)?))));
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
        let shown = applied.shown(live, salt);
        let is_hidden =
            |muted: &&Muted| muted.fate == Fate::ReadFirst && !shown.contains_key(muted.name);
        let hidden: Vec<&str> = self.spared().filter(is_hidden).map(|m| m.name).collect();
        if !hidden.is_empty() {
            return Some(format!(
                "muted, and not shown by the service: {}; `roomctl plan --live` shows what writing it means, and `apply \
                 --live` does it",
                hidden.join(", ")
            ));
        }
        let accepted = self.accepted(applied, &shown, salt);
        let lost = accepted.filter(|name| again_of(live, name).is_none());
        let names: Vec<&str> = lost.collect();
        (!names.is_empty()).then(|| {
            format!(
                "muted, moved, and not to be sent as the service shows it: {}; edit it, or take the mute out",
                names.join(", ")
            )
        })
    }

    /// The attributes that moved in a room that is `shown` like this, and of which a mute accepts that.
    fn accepted(
        &self,
        applied: &AppliedRoom,
        shown: &StoredSettings,
        salt: &str,
    ) -> impl Iterator<Item = &'static str> {
        let spared = self.spared().map(|muted| muted.name);
        spared.filter(move |name| {
            let live = shown.get(name);
            live.is_some_and(|live| self.is_accepted(name, applied, live, salt))
        })
    }

    /// What is said of a write that was sent with `body`, if that left something alone, and the service did, too.
    pub(crate) fn left_alone(
        &self,
        body: &Settings,
        was_moved: impl Fn(&str) -> bool,
    ) -> Option<String> {
        let names = body
            .iter()
            .filter(|(name, value)| self.settings.get(name) != Some(value) && !was_moved(name));
        let names: Vec<&str> = names.map(|(name, _)| name.as_str()).collect();
        (!names.is_empty())
            .then(|| format!("left as it is there, since muted: {}", names.join(", ")))
    }

    /// Whether what the service shows of a muted attribute is a move that the mute accepts.
    fn is_accepted(&self, name: &str, applied: &AppliedRoom, live: &Stored, salt: &str) -> bool {
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
            live: Some(live),
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
            (Some(live), Fate::LeftAlone) => moving.insert(one.name.into(), live.clone()),
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

#[cfg(test)]
mod tests {
    use proptest::option;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::model::WireName;
    use crate::planner::testing::{applied, files, live, name, options, room_of, secret};
    use crate::planner::{Options, World, plan};
    use crate::tests::cases;

    const SECRET: &str = "meetingEndedWebhook";

    /// What a service may show of an attribute; the outer `None`: it does not.
    fn shown(attribute: &'static str) -> impl Strategy<Value = Option<Live>> {
        let url = |text: &str| Live::Secret(Secret::new(text));
        let all = match attribute {
            SECRET => vec![
                Live::Null,
                url("****"),
                url("https://canary.example/1"),
                url("https://canary.example/2"),
            ],
            _ => vec![Live::Null, 1.into(), 2.into(), (-1).into(), "lots".into()],
        };
        option::weighted(0.8, select(all))
    }

    proptest! {
        #![proptest_config(cases(1000))]

        /// Right before the write, a room is held back and left alone in what its plan says of what was seen, and in nothing
        /// else: of what the service keeps to itself nobody says that it moved.
        #[test]
        fn what_is_read_is_judged_as_what_was_seen(
            (people, hook) in (shown("maxParticipants"), shown(SECRET)),
            (edits, hidden, chosen) in any::<(bool, bool, bool)>(),
        ) {
            let file = |chat: bool, people: i64| files(&[("a", &[
                ("enableChat", chat.into()),
                ("maxParticipants", people.into()),
                (SECRET, secret("1")),
                ("privacy", "private".into()),
            ])]);
            let mut state = applied(&file(true, 1));
            let room = room_of(&mut state);
            room.unseen.extend(hidden.then(|| WireName::from(SECRET)));
            if chosen {
                room.overridden.insert("maxParticipants".into(), (-1).into());
            }
            let mut live = live(&Settings::from([("enableChat", true.into()), ("privacy", "private".into())]));
            let all = [("maxParticipants", people), (SECRET, hook)];
            live.settings.extend(all.into_iter().filter_map(|(name, live)| Some((name, live?))));
            let world: World = [(name("a"), Sighting::Present(live.clone()))].into();
            let mute = Mute::new("a", "*", "known", "2100-01-01").unwrap();
            let options = Options { mutes: &[mute], ..options() };
            let wanted = file(false, if edits { 2 } else { 1 });
            let (salt, room) = (state.salt(), &state.rooms["a"]);
            for world in [Some(&world), None] {
                let plan = plan(&wanted, &state, world, &options);
                let change = &plan.changes[0];
                let fate = |name: &str| change.muted.iter().find(|one| one.name == name).map(|one| one.fate);
                let is_hidden = |name: &str| !room.shown(&live, salt).contains_key(name);
                let is_lost = |one: &Muted| match one.fate {
                    Fate::ReadFirst => is_hidden(one.name),
                    fate => fate == Fate::NotSendable,
                };
                let lost = change.cannot_spare(room, &live, salt);
                let is_planned = change.muted.iter().any(is_lost);
                prop_assert!(lost.is_some() || !is_planned, "{change:?}");
                prop_assert!(lost.is_none() || is_planned || world.is_none(), "{lost:?}");
                if lost.is_some() {
                    continue;
                }
                for (name, sent) in change.body(room, &live, salt) {
                    let stays = change.settings[&*name] != sent;
                    match fate(&name) {
                        Some(Fate::LeftAlone) => prop_assert!(stays, "{name}"),
                        // Nobody looked for the plan: what is shown by now, and moved, stays.
                        Some(Fate::ReadFirst | Fate::NotReported) if world.is_none() => {}
                        _ => prop_assert!(!stays, "{name}"),
                    }
                }
            }
        }
    }
}
