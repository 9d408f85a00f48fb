//! The plan that only puts back what the service moved: newer files wait.

use super::change::{Action, Change};
use super::plan::Room;
use super::state::AppliedRoom;
use super::world::Sighting;
use crate::model::catalogue::attribute;
use crate::model::{Live, Settings, Stored, Value};

impl Room<'_> {
    /// What makes it as it was applied, if the service moved.
    pub(super) fn put_back(&self, now: i64) -> Result<Option<Change>, String> {
        let mut sides = self.back();
        let mut action = Action::Update;
        if let Some(Sighting::Absent(_)) = self.seen {
            sides.applied = AppliedRoom::never();
            action = Action::Create;
        }
        let attributes = sides.changes();
        if !attributes.iter().any(|a| a.cause.needs_a_write()) {
            return Ok(None);
        }
        let muted = sides.muted(true, self.seen);
        let change = self.change(action, &self.applied.settings, muted);
        Ok(Some(Change {
            effects: self.effects(action, Some(&sides.wanted), &change.muted, now),
            attributes,
            settings: self.restored(&change)?,
            sends: true,
            place: self.applied.file.clone(),
            source: self.applied.source.clone(),
            ..change
        }))
    }

    /// The applied settings as they can be sent. Of a secret only the digest is known; it can be sent again only
    /// when the file or the service still has it.
    fn restored(&self, change: &Change) -> Result<Settings, String> {
        let mut settings = Settings::new();
        for (name, kept) in &self.applied.settings {
            let value = match kept {
                Stored::Plain(value) => Some(Value::Plain(value.clone())),
                // Another is sent, and this one stays remembered.
                Stored::Secret { .. } if change.leaves_alone(name) => Some(Value::Unset {
                    variables: Vec::new(),
                }),
                Stored::Secret { .. } => self.secret(name, kept),
                Stored::Null(()) => None,
            };
            let (Some(attribute), Some(value)) = (attribute(name), value) else {
                return Err(format!(
                    "the applied value of `{name}` is a secret that only its digest is known of; apply the file instead"
                ));
            };
            settings.insert(attribute.name, value);
        }
        Ok(settings)
    }

    /// The secret with the digest `kept`, from whoever still has it.
    fn secret(&self, name: &str, kept: &Stored) -> Option<Value> {
        let is_kept =
            |value: &Value| value.stored(self.salt, name, Some(kept)).as_ref() == Some(kept);
        let in_file = self.wanted.and_then(|file| file.settings.get(name));
        let in_file = in_file.filter(|value| is_kept(value));
        let on_service = match self.seen {
            Some(Sighting::Present(live)) => match live.settings.get(name) {
                Some(Live::Secret(secret)) => Some(Value::Secret(secret.clone())),
                _ => None,
            },
            _ => None,
        };
        match (in_file, on_service.filter(is_kept)) {
            // Its variable is not set, and apply would ask for it.
            (Some(Value::Unset { .. }), Some(value)) => Some(value),
            (Some(value), _) => Some(value.clone()),
            (None, value) => value,
        }
    }
}
