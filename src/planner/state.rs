//! What we remember: what was last confirmed and seen of each room. How an event moves that is in `memory`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use schemars::JsonSchema;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};

use super::doubts::{ARCHIVE, Doubts};
use super::world::Sighting;
use crate::model::WireName;
use crate::model::secret::SecretDigest;
use crate::model::sorted::Sorted;
use crate::model::unique::unique;
use crate::model::{LiveRoom, NameRule, RoomName, Run, Stored, StoredSettings, Wanted};

/// The version of the state format that this program writes. It reads all before it, which knew less of a room.
pub(crate) const VERSION: u64 = 2;

/// All applied rooms of one app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "roomctl state")]
pub(crate) struct State {
    /// Format version. Readers refuse a newer one.
    #[schemars(range(min = 1, max = 2))]
    pub version: u64,
    /// Made once, when a state is first written. Two states with different lineages are about different
    /// things, whatever their serials say. Also the salt of secret digests. Never empty in a file.
    #[schemars(length(min = 1))]
    pub lineage: String,
    /// Rises with every save.
    pub serial: u64,
    /// The app whose rooms these are.
    pub app: String,
    /// The rooms, by name.
    #[serde(deserialize_with = "unique")]
    pub rooms: BTreeMap<RoomName, Arc<AppliedRoom>>,
}

/// One room as it was last applied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AppliedRoom {
    /// When a write under this name was last confirmed, in Unix seconds. Moves only with a write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i64")]
    pub asserted: Option<i64>,
    /// Whether nothing showed yet that it is this room that has the name: `state mv` gave it that, or another one was seen
    /// there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub claimed: bool,
    /// The file that it was applied from, with `/`, from the configuration's directory: only where that is looked
    /// at can the room be missed. Absent: a state of version 1 does not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub file: Option<String>,
    /// The service's own id of the room, to notice when it was deleted and recreated under its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub id: Option<String>,
    /// What the service held last, as far as anybody saw it, of attributes that the file does not manage or a mute left
    /// alone: to notice that one of them moved. Of those that were applied, what a later look showed instead. The service
    /// may hold it until a look that shows the attribute, or a confirmed write of it, says otherwise.
    #[serde(
        default,
        skip_serializing_if = "Sorted::is_empty",
        deserialize_with = "unique"
    )]
    pub observed: StoredSettings,
    /// Values that the service chose over what was sent. Told once, and not sent again until the file moves.
    #[serde(
        default,
        skip_serializing_if = "Sorted::is_empty",
        deserialize_with = "unique"
    )]
    pub overridden: StoredSettings,
    /// The run that wrote it then, as far as somebody said which; absent otherwise.
    #[serde(default, skip_serializing_if = "Run::is_unknown")]
    pub run: Run,
    /// The managed settings that were last confirmed to have been sent. Empty: never confirmed.
    #[serde(default, deserialize_with = "unique")]
    pub settings: StoredSettings,
    /// Of which text the settings came, in states of before: files are always read, and it is written no more.
    #[serde(default, skip_serializing, deserialize_with = "ignored")]
    #[schemars(with = "String")]
    pub source: (),
    /// What was sent without an answer since the attribute was last seen, or a write of it confirmed, every value of it: the
    /// service may hold any of these, or what is in `settings` or `observed`. Of `roomName`: an archive may have been carried
    /// out.
    #[serde(
        default,
        skip_serializing_if = "Sorted::is_empty",
        deserialize_with = "unique"
    )]
    pub unconfirmed: Doubts,
    /// Attributes that the service did not report when the room was last written or read, nor at a later look.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[schemars(with = "BTreeSet<String>")]
    pub unseen: BTreeSet<WireName>,
    /// Whether a look was there since what is in `unconfirmed` was sent, and did not show it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unshown: bool,
    /// Digests of the texts that the managed secrets had in the files, of those that refer to variables: where these are not
    /// set, another text is a change. Absent: a state that was written before there were any does not know.
    #[serde(
        default,
        skip_serializing_if = "Sorted::is_empty",
        deserialize_with = "unique"
    )]
    pub written: Sorted<WireName, SecretDigest>,
}

fn ignored<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| ())
}

impl AppliedRoom {
    /// What is remembered of a room that nothing was ever applied to.
    pub(crate) fn never() -> &'static Self {
        static NEVER: LazyLock<AppliedRoom> = LazyLock::new(AppliedRoom::default);
        &NEVER
    }

    /// Whether `live` is another room under the same name.
    pub(crate) fn is_recreated(&self, live: &LiveRoom) -> bool {
        live.is_another(self.id.as_deref())
    }

    /// Whether `live` is surely the room that was remembered: the service shows the id that it showed then.
    pub(crate) fn is_proven_by(&self, live: &LiveRoom) -> bool {
        self.id.is_some() && self.id == live.id
    }

    /// Whether that `live` is this room is only a claim of `state mv`: no id shows it, nor another one that it is not.
    pub(crate) fn is_only_claimed(&self, live: &LiveRoom) -> bool {
        self.claimed && !self.is_recreated(live) && !self.is_proven_by(live)
    }

    /// What of this memory holds for `live`: nothing, if that is another room under the same name.
    pub(crate) fn about(&self, live: &LiveRoom) -> &Self {
        if self.is_recreated(live) {
            Self::never()
        } else {
            self
        }
    }

    /// What `live` shows of this room, in the form that is compared. A secret without a value was taken out if there was
    /// one to be seen before; else the service shows none in any case.
    pub(crate) fn shown(&self, live: &LiveRoom, salt: &str) -> StoredSettings {
        self.in_view(live.stored(salt))
    }

    /// The same, of all that it shows in that form.
    pub(crate) fn in_view(&self, mut shown: StoredSettings) -> StoredSettings {
        let is_kept_back = |name: &str| {
            let kept = self.settings.get(name).or_else(|| self.observed.get(name));
            kept.is_some_and(Stored::is_secret) && self.unseen.contains(name)
        };
        shown.retain(|name, value| !matches!(value, Stored::Null(())) || !is_kept_back(name));
        shown
    }

    /// Whether a write of this room was ever confirmed.
    pub(crate) fn is_confirmed(&self) -> bool {
        !self.settings.is_empty()
    }

    /// Whether a write of ours may have been carried out of which nobody heard the end, and no look was there since: what is
    /// not as it was, it may have made.
    pub(crate) fn is_in_doubt(&self) -> bool {
        !self.unshown && self.unconfirmed.keys().any(|name| name != ARCHIVE)
    }

    /// Whether an archive of ours may have been carried out of which nobody heard the end.
    pub(super) fn is_perhaps_archived(&self) -> bool {
        self.unconfirmed.contains_key(ARCHIVE)
    }

    /// Why nobody can say whether the room, which no file wants, is ours, if so, and what to do.
    pub(super) fn doubt_as_orphan(
        &self,
        name: &RoomName,
        seen: Option<&Sighting>,
    ) -> Option<String> {
        let why = match seen {
            Some(Sighting::Present(live)) if self.is_recreated(live) => {
                "somebody recreated it under its name"
            }
            _ if self.is_confirmed() => return None,
            Some(Sighting::Absent(_)) => {
                "a write of it was never answered, and the service shows no such room"
            }
            _ => "a write of it was never answered, so a room of ours may exist",
        };
        Some(format!(
            "no file wants it, and {why}: bring its file back, or forget it with `roomctl state forget {}`",
            name.quoted()
        ))
    }
}

/// An attribute that the service set to something else than was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Override {
    pub name: String,
    pub sent: Stored,
    /// What the service answered.
    pub got: Stored,
}

/// Something that happened to a room during `apply`. The journal is a list of these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Event {
    /// The room is about to be written.
    Intent {
        room: RoomName,
        /// What is in doubt by then: what will be sent, and what was sent before without an answer.
        #[serde(deserialize_with = "unique")]
        settings: Doubts,
    },
    /// The service confirmed a write, or nothing needed to be sent.
    Applied {
        room: RoomName,
        /// What to remember of it.
        applied: Box<AppliedRoom>,
    },
    /// The announced write certainly did not happen.
    Withdrawn {
        room: RoomName,
        /// What was unconfirmed before it was announced, and still is.
        #[serde(deserialize_with = "unique")]
        unconfirmed: Doubts,
        /// Whether a look had not shown it.
        #[serde(default)]
        unshown: bool,
    },
    /// The service said, when asked, that there is no such room.
    Missing { room: RoomName },
}

impl State {
    /// The memory of an app that nothing was ever applied to.
    pub(crate) fn fresh(app: &str) -> Self {
        Self {
            version: VERSION,
            lineage: String::new(),
            serial: 0,
            app: app.to_owned(),
            rooms: BTreeMap::new(),
        }
    }

    /// What secret digests are salted with: the lineage or, before there is one, the app.
    pub(crate) fn salt(&self) -> &str {
        if self.lineage.is_empty() {
            &self.app
        } else {
            &self.lineage
        }
    }

    /// What is remembered of a room.
    pub(crate) fn applied(&self, room: &RoomName) -> &AppliedRoom {
        let known = self.rooms.get(room);
        known.map_or(AppliedRoom::never(), |room| room)
    }

    /// Takes an event into the memory. Recording the same list of events twice changes nothing more.
    pub(crate) fn record(&mut self, event: Event) {
        match event {
            Event::Intent { room, settings } => {
                let room = Arc::make_mut(self.rooms.entry(room).or_default());
                room.unconfirmed = settings;
                room.unshown = false;
            }
            Event::Applied { room, applied } => {
                self.rooms.insert(room, (*applied).into());
            }
            Event::Withdrawn {
                room,
                unconfirmed,
                unshown,
            } => self.withdraw(room, unconfirmed, unshown),
            Event::Missing { room } => {
                self.rooms.remove(&room);
            }
        }
    }

    /// Remembers `old` as `new`: for a room that somebody renamed on the service.
    ///
    /// A name is an address there, so this claims that what was confirmed under one address holds under
    /// another. Nothing here can check that; the id can, on the next look. So it is kept, and a room
    /// without one is not moved: nothing would distinguish `new` from somebody else's room, and as an orphan that
    /// one would be archived. Secret digests are salted with lineage and attribute, not with the name, so
    /// they hold. So does a write that was never answered: the same room got it, or did not.
    ///
    /// # Errors
    /// When the claim could not be checked, or the name is taken, also, unless names are as they are, by one
    /// that differs only by case: no files could declare both. Then nothing changes.
    pub(crate) fn rename(
        &mut self,
        old: &RoomName,
        new: &RoomName,
        rule: NameRule,
    ) -> Result<(), RenameError> {
        if old == new {
            return Err(RenameError::Same(new.clone()));
        }
        let key = rule.key(new.as_str());
        let mut others = self.rooms.keys().filter(|name| *name != old);
        if let Some(taken) = others.find(|name| rule.key(name.as_str()) == key) {
            return Err(RenameError::Taken(taken.clone()));
        }
        let Some(room) = self.rooms.remove(old) else {
            return Err(RenameError::NotRemembered(old.clone()));
        };
        if room.id.is_none() {
            self.rooms.insert(old.clone(), room);
            return Err(RenameError::NoId(old.clone()));
        }
        let room = Arc::unwrap_or_clone(room).renamed();
        self.rooms.insert(new.clone(), room.into());
        Ok(())
    }

    /// Remembers where the files are by now that declare the rooms, and how they write the secrets that were applied.
    /// Returns whether any was elsewhere, or written otherwise.
    pub(crate) fn follow_files(&mut self, wanted: &Wanted) -> bool {
        let salt = self.salt().to_owned();
        let mut moved = false;
        for (name, file) in wanted {
            if let Some(room) = self.rooms.get_mut(name)
                && room.is_confirmed()
            {
                let room = Arc::make_mut(room);
                if room.file.as_ref() != Some(&file.place) {
                    room.file = Some(file.place.clone());
                    moved = true;
                }
                moved |= room.follow_texts(file, &salt);
            }
        }
        moved
    }

    /// Remembers what a look showed, by room. Returns whether any of it is new.
    pub(crate) fn remember_look<'l>(
        &mut self,
        looked: impl IntoIterator<Item = (&'l RoomName, &'l LiveRoom)>,
    ) -> bool {
        let salt = self.salt().to_owned();
        let mut is_new = false;
        for (name, live) in looked {
            if let Some(room) = self.rooms.get_mut(name)
                && let Some(after) = room.looked(live, &salt)
            {
                *room = after.into();
                is_new = true;
            }
        }
        is_new
    }

    /// Takes only in what a look showed before its room was written.
    pub(crate) fn look(&mut self, event: &Event) {
        if let Event::Applied { room, applied } = event
            && !applied.unconfirmed.is_empty()
            && let Some(known) = self.rooms.get_mut(room)
            && known.asserted == applied.asserted
        {
            // While one was in doubt, it may have made what is seen.
            if !known.is_in_doubt() {
                let known = Arc::make_mut(known);
                let unconfirmed = std::mem::take(&mut known.unconfirmed);
                let unshown = known.unshown;
                *known = (**applied).clone();
                known.unconfirmed = unconfirmed;
                known.unshown = unshown;
            }
        }
    }

    /// The same, with what was sent since in doubt, by what `later` says of that: no report told the end of it.
    #[must_use]
    pub(crate) fn doubting(mut self, later: &Self) -> Self {
        for (name, after) in &later.rooms {
            let before = Arc::make_mut(self.rooms.entry(name.clone()).or_default());
            if !after.unconfirmed.is_empty() {
                before.unconfirmed.clone_from(&after.unconfirmed);
                before.unshown = after.unshown;
            }
            if before.asserted != after.asserted {
                // Of no attribute: what was confirmed was not there before.
                let any = Stored::Null(()).into();
                before.unconfirmed.insert("".into(), any);
                before.unshown = false;
            }
        }
        self
    }

    /// Forgets a room: no longer managed, and nothing else.
    pub(crate) fn forget(&mut self, room: &RoomName) {
        self.rooms.remove(room);
    }

    fn withdraw(&mut self, room: RoomName, unconfirmed: Doubts, unshown: bool) {
        if let Some(applied) = self.rooms.get_mut(&room) {
            let applied = Arc::make_mut(applied);
            applied.unconfirmed = unconfirmed;
            applied.unshown = unshown;
            if !applied.is_confirmed() && applied.unconfirmed.is_empty() {
                self.rooms.remove(&room);
            }
        }
    }
}

/// Why a room cannot be remembered under another name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RenameError {
    #[error("`{0}` is its name already")]
    Same(RoomName),
    #[error("`{0}` is not in the state")]
    NotRemembered(RoomName),
    #[error("`{0}` is in the state already")]
    Taken(RoomName),
    #[error(
        "the service's id of `{0}` is not known, so nothing could show whether the new name leads to this room"
    )]
    NoId(RoomName),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(name: &str) -> RoomName {
        RoomName::try_from(name.to_owned()).unwrap()
    }

    fn settings(count: i64) -> StoredSettings {
        [("maxParticipants", count.into())].into()
    }

    fn doubts(count: i64) -> Doubts {
        [("maxParticipants", count.into())].into()
    }

    fn applied(count: i64) -> AppliedRoom {
        AppliedRoom {
            settings: settings(count),
            ..AppliedRoom::default()
        }
    }

    #[test]
    fn an_intent_without_a_receipt_leaves_the_room_unconfirmed() {
        let mut state = State::fresh("acme");
        state.record(Event::Intent {
            room: room("a"),
            settings: doubts(5),
        });
        assert!(!state.rooms[&room("a")].is_confirmed());
        assert_eq!(state.rooms[&room("a")].unconfirmed, doubts(5));
    }

    #[test]
    fn a_receipt_settles_the_intent() {
        let mut state = State::fresh("acme");
        let events = [
            Event::Intent {
                room: room("a"),
                settings: doubts(5),
            },
            Event::Applied {
                room: room("a"),
                applied: applied(5).into(),
            },
        ];
        for event in events.iter().chain(&events) {
            state.record(event.clone());
        }
        assert_eq!(state.rooms[&room("a")], applied(5).into());
    }

    #[test]
    fn a_withdrawn_intent_leaves_what_was_there() {
        let mut state = State::fresh("acme");
        state.rooms.insert(room("a"), applied(5).into());
        for name in ["a", "new"] {
            state.record(Event::Intent {
                room: room(name),
                settings: doubts(6),
            });
            state.record(Event::Withdrawn {
                room: room(name),
                unconfirmed: Doubts::new(),
                unshown: false,
            });
        }
        assert_eq!(state.rooms, [(room("a"), applied(5).into())].into());
    }

    #[test]
    fn a_renamed_room_keeps_everything_and_takes_no_place() {
        let mut state = State::fresh("acme");
        let known = AppliedRoom {
            id: Some("c0ffee".into()),
            unconfirmed: doubts(7),
            ..applied(5)
        };
        let written = AppliedRoom {
            asserted: Some(7),
            ..known.clone()
        };
        let claimed = AppliedRoom {
            claimed: true,
            ..known.clone()
        };
        state.rooms.insert(room("a"), written.into());
        state.rooms.insert(room("b"), applied(6).into());
        assert_eq!(
            state.rename(&room("a"), &room("A"), NameRule::UrlSafe),
            Ok(())
        );
        assert_eq!(
            state.rooms,
            [(room("A"), claimed.into()), (room("b"), applied(6).into())].into()
        );
    }

    #[test]
    fn a_rename_that_is_refused_changes_nothing() {
        let mut state = State::fresh("acme");
        let known = AppliedRoom {
            id: Some("c0ffee".into()),
            ..applied(5)
        };
        state.rooms.insert(room("a"), known.into());
        state.rooms.insert(room("b"), applied(6).into());
        let before = state.clone();
        let cases = [
            ("a", "a", RenameError::Same(room("a"))),
            ("a", "b", RenameError::Taken(room("b"))),
            ("a", "B", RenameError::Taken(room("b"))),
            ("b", "c", RenameError::NoId(room("b"))),
            ("x", "c", RenameError::NotRemembered(room("x"))),
        ];
        for (old, new, error) in cases {
            assert_eq!(
                state.rename(&room(old), &room(new), NameRule::UrlSafe),
                Err(error)
            );
            assert_eq!(state, before, "{old} to {new}");
        }
    }

    #[test]
    fn a_forgotten_room_is_gone_and_the_others_stay() {
        let mut state = State::fresh("acme");
        state.rooms.insert(room("a"), applied(5).into());
        state.rooms.insert(room("b"), applied(6).into());
        for name in ["a", "a", "x"] {
            state.forget(&room(name));
        }
        assert_eq!(state.rooms, [(room("b"), applied(6).into())].into());
    }

    #[test]
    fn a_missing_room_is_forgotten() {
        let mut state = State::fresh("acme");
        state.rooms.insert(room("a"), applied(5).into());
        state.record(Event::Missing { room: room("a") });
        assert!(state.rooms.is_empty());
    }
}
