//! The plan that only puts back what the service moved: newer files wait, and so does everything that a drift report
//! does not call drifted. As a write names all that is managed, such attributes are sent as the service holds them, and
//! remembered as before.

use std::borrow::Cow;

use super::change::{Action, Change};
use super::muted::again_of;
use super::plan::Room;
use super::status::Status;
use super::three_way::{RoomSides, Standing};
use super::world::Sighting;
use crate::model::catalogue::attribute;
use crate::model::{Settings, Stored, StoredSettings, Value, WantedRoom};

impl Room<'_> {
    /// What makes it as it was applied where the service moved it.
    pub(super) fn put_back(&self, file: &WantedRoom, now: i64) -> Result<Option<Change>, String> {
        if !self.remembered.is_confirmed() {
            return Ok(None);
        }
        if self.is_recreated() {
            return Err("it was recreated under its name; apply the file instead".to_owned());
        }
        let toward = self.toward(file);
        let is_gone = matches!(self.seen, Some(Sighting::Absent(_)));
        if !self.is_moved(&toward) {
            return Ok(None);
        }
        let mut sides = self.back();
        let standing = if is_gone { &sides } else { &toward };
        let standing = standing.as_it_stands(|name| self.again(name).is_some());
        let Standing { holds, keeps } = standing.map_err(|name| {
            format!("`{name}` was sent without an answer, and is not shown; apply the file instead")
        })?;
        sides.applied = self.applied;
        sides.wanted = Cow::Borrowed(&holds);
        let action = match is_gone {
            true => Action::Create,
            false => Action::Update,
        };
        let muted = sides.muted(true, self.seen);
        let change = self.change(action, &holds, &holds, muted);
        let mut attributes = sides.changes();
        attributes.retain(|line| !keeps.contains_key(&line.name));
        let is_from_file =
            |name: &str| !change.leaves_alone(name) && self.only_in_file(name, &holds);
        Ok(Some(Change {
            effects: self.effects(action, Some(&holds), &change.muted, false, now),
            attributes,
            settings: self.restored(&holds, &change)?,
            sends: true,
            needs: self.variables(is_from_file),
            place: Some(file.place.clone()),
            keeps,
            ..change
        }))
    }

    /// Whether its file is ahead of what was applied.
    pub(super) fn is_pending(&self) -> bool {
        let is_ahead = |file| {
            let sides = self.toward(file);
            sides.attributes().any(|a| a.status() == Status::Pending)
        };
        self.wanted.is_some_and(is_ahead)
    }

    fn is_moved(&self, sides: &RoomSides<'_>) -> bool {
        let is_there = matches!(self.seen, Some(Sighting::Present(_)));
        !is_there || sides.attributes().any(|a| a.status() == Status::Drifted)
    }

    fn back(&self) -> RoomSides<'_> {
        RoomSides::back(self.remembered, &self.live, self.mutes.of(self.name))
    }

    /// The settings as they can be sent. Of a secret only the digest is known; it can be sent again only when the file
    /// or the service still has it. What the service shows without a value is left out, and what left its file and cannot
    /// be sent as it is there.
    fn restored(&self, wanted: &StoredSettings, change: &Change) -> Result<Settings, String> {
        let mut settings = Settings::new();
        let is_left_out = |name: &str, kept: &Stored| {
            let is_live = self.live.get(name) == Some(kept);
            *kept == Stored::Null(()) || (is_live && self.again(name).is_none())
        };
        let sent = wanted
            .iter()
            .filter(|(name, kept)| !is_left_out(name, kept));
        for (name, kept) in sent {
            let value = match kept {
                Stored::Plain(value) => Some(Value::Plain(value.clone())),
                // Another is sent, and this one stays remembered.
                Stored::Secret { .. } if change.leaves_alone(name) => Some(Value::Unset {
                    variables: Vec::new(),
                    no_url: false,
                }),
                Stored::Secret { .. } => self.secret(name, kept),
                Stored::Null(()) => None,
            };
            let (Some(attribute), Some(value)) = (attribute(name), value) else {
                return Err(format!(
                    "the applied value of `{name}` is a secret that only its digest is known of; apply the file instead"
                ));
            };
            settings.insert(attribute.name.into(), value);
        }
        Ok(settings)
    }

    /// The secret with the digest `kept`, from whoever still has it. What the service shows takes no variable.
    fn secret(&self, name: &str, kept: &Stored) -> Option<Value> {
        self.on_service(name, kept).or_else(|| {
            let file = self.wanted?;
            let in_file = file.settings.get(name)?;
            let is_kept = self.is_kept(name, in_file, kept);
            let is_it = is_kept && !self.remembered.is_unknown(file, name, self.salt);
            is_it.then(|| in_file.clone())
        })
    }

    fn on_service(&self, name: &str, kept: &Stored) -> Option<Value> {
        let shown = self.again(name);
        shown.filter(|value| self.is_kept(name, value, kept))
    }

    /// What the service shows of an attribute as it can be sent again.
    fn again(&self, name: &str) -> Option<Value> {
        self.present().and_then(|live| again_of(live, name))
    }

    fn is_kept(&self, name: &str, value: &Value, kept: &Stored) -> bool {
        value.stored(self.salt, name, Some(kept)).as_ref() == Some(kept)
    }

    fn only_in_file(&self, name: &str, holds: &StoredSettings) -> bool {
        let kept = holds.get(name);
        kept.is_some_and(|kept| self.on_service(name, kept).is_none())
    }
}
