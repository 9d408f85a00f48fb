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
        let change = self.change(action, &sides.wanted, &sides.wanted, muted);
        Ok(Some(Change {
            effects: self.effects(action, Some(&sides.wanted), &change.muted, false, now),
            attributes,
            settings: self.restored(&change)?,
            sends: true,
            needs: self.variables(|name| self.only_in_file(name) && !change.leaves_alone(name)),
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

    /// The secret with the digest `kept`, from whoever still has it. What the service shows takes no variable.
    fn secret(&self, name: &str, kept: &Stored) -> Option<Value> {
        self.on_service(name, kept).or_else(|| {
            let in_file = self.wanted?.settings.get(name)?;
            self.is_kept(name, in_file, kept).then(|| in_file.clone())
        })
    }

    fn on_service(&self, name: &str, kept: &Stored) -> Option<Value> {
        let Some(Sighting::Present(live)) = self.seen else {
            return None;
        };
        let Some(Live::Secret(secret)) = live.settings.get(name) else {
            return None;
        };
        let value = Value::Secret(secret.clone());
        self.is_kept(name, &value, kept).then_some(value)
    }

    fn is_kept(&self, name: &str, value: &Value, kept: &Stored) -> bool {
        value.stored(self.salt, name, Some(kept)).as_ref() == Some(kept)
    }

    fn only_in_file(&self, name: &str) -> bool {
        let kept = self.applied.settings.get(name);
        kept.is_some_and(|kept| self.on_service(name, kept).is_none())
    }
}
