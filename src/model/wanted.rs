//! Rooms as the files want them.

use std::collections::BTreeMap;

use super::reference::Template;
use super::{RoomName, Settings, Stored, StoredSettings, Value};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct WantedRoom {
    /// Path of the file, with `/`, as the user would type it.
    pub file: String,
    /// The same from the configuration's directory: what is remembered of it.
    pub place: String,
    pub settings: Settings,
    /// Its secrets as they are written, by wire name. What may be seen of one is its outline.
    pub secrets: Secrets,
}

/// Secrets as they are written in files, by wire name.
pub(crate) type Secrets = BTreeMap<&'static str, Template>;

pub(crate) type Wanted = BTreeMap<RoomName, WantedRoom>;

impl WantedRoom {
    /// What would be sent, apart from everything else that could be: what is not known here differs from what is
    /// not wanted, and a secret that refers to variables counts by its reference, so that it makes no difference
    /// whether they are set. `stored` is the stored form of the settings.
    pub(crate) fn identity(&self, stored: StoredSettings) -> StoredSettings {
        let mut identity = stored;
        for name in self.settings.keys() {
            if !identity.contains_key(name) {
                identity.insert(*name, Stored::Null(()));
            }
        }
        for (name, template) in self.references() {
            // Not the lineage's salt: that comes only with the first run, and this is how a file reads.
            let written = Stored::digest(template.written(), "reference", name);
            identity.insert(name.into(), written);
        }
        identity
    }

    /// Its secrets that are known here, as they are written.
    pub(crate) fn known_secrets(&self) -> Secrets {
        let is_known = |name: &str| matches!(self.settings.get(name), Some(Value::Secret(_)));
        let known = self.secrets.iter().filter(|(name, _)| is_known(name));
        known.map(|(name, text)| (*name, text.clone())).collect()
    }

    /// Its secrets that refer to variables, by wire name.
    pub(crate) fn references(&self) -> impl Iterator<Item = (&'static str, &Template)> {
        let secrets = self.secrets.iter().map(|(name, secret)| (*name, secret));
        secrets.filter(|(_, secret)| secret.refers())
    }

    /// The secret `attribute`, if it refers to variables.
    pub(crate) fn reference(&self, attribute: &str) -> Option<&Template> {
        self.secrets.get(attribute).filter(|secret| secret.refers())
    }
}
