//! Secrets as files write them. Of a secret whose variables are not set here, only its text can be compared: as long as that
//! is the one that was applied, it counts as unchanged, and any other is a change, wherever that leads.

use super::state::AppliedRoom;
use crate::model::reference::Template;
use crate::model::secret::SecretDigest;
use crate::model::value::{same, stored};
use crate::model::{Secrets, StoredSettings, Value, WantedRoom};

impl AppliedRoom {
    /// Whether `file` wants exactly what was applied, found out without building what it wants: most files do.
    pub(crate) fn is_as(&self, file: &WantedRoom, salt: &str) -> bool {
        let mut unset = file.settings.iter().filter(|(_, value)| value.is_unset());
        same(&file.settings, salt, &self.settings)
            && unset.all(|(name, _)| self.is_rotated(file, name, salt))
    }

    /// Whether nothing is to be done for `file` as long as nobody looks at the room, whatever else a plan depends on.
    pub(crate) fn is_settled(&self, file: &WantedRoom, salt: &str) -> bool {
        self.unconfirmed.is_empty() && self.is_as(file, salt)
    }

    /// What `file` wants, in the form that is stored and compared, without what is not known here.
    pub(super) fn wanted_of(&self, file: &WantedRoom, salt: &str) -> StoredSettings {
        let mut wanted = stored(&file.settings, salt, &self.settings);
        wanted.retain(|name, _| !self.is_unknown(file, name, salt));
        wanted
    }

    /// Whether nobody can say here what `file` wants of a secret: its variables are not set, and its text is not known to be
    /// what was applied.
    pub(super) fn is_unknown(&self, file: &WantedRoom, name: &str, salt: &str) -> bool {
        file.settings.get(name).is_some_and(Value::is_unset) && !self.is_rotated(file, name, salt)
    }

    /// Whether a secret refers to variables by the text that was applied, so that nothing but their values can have moved.
    pub(crate) fn is_rotated(&self, file: &WantedRoom, name: &str, salt: &str) -> bool {
        let text = file.secrets.get(name);
        let written = text.and_then(|text| written(text, name, salt));
        written.is_some() && self.written.get(name) == written.as_ref()
    }

    /// Remembers how `file` writes those of its secrets that are known here and were applied. Returns whether any of it is new.
    pub(super) fn follow_texts(&mut self, file: &WantedRoom, salt: &str) -> bool {
        let mut is_new = false;
        for (name, text) in &file.secrets {
            let value = file.settings.get(name).filter(|value| !value.is_unset());
            if self.written.get(name) == written(text, name, salt).as_ref() {
                continue;
            }
            let value = value.and_then(|value| value.stored(salt, name, None));
            if value.is_some() && value.as_ref() == self.settings.get(name) {
                self.write(name, text, salt);
                is_new = true;
            }
        }
        is_new
    }

    /// Takes over how `secrets` are written that were applied. Of any other, only what was not sent anew is as it was.
    pub(super) fn rewrite(&mut self, before: &Self, secrets: &Secrets, salt: &str) {
        let settings = &self.settings;
        let is_kept = |name: &str| settings.get(name) == before.settings.get(name);
        self.written
            .retain(|name, _| is_kept(name) && settings.contains_key(name));
        for (name, text) in secrets {
            if self.settings.contains_key(name) {
                self.write(name, text, salt);
            }
        }
    }

    fn write(&mut self, name: &str, text: &Template, salt: &str) {
        match written(text, name, salt) {
            Some(digest) => self.written.insert(name.into(), digest),
            None => self.written.remove(name),
        };
    }
}

/// What is remembered of a text; nothing of one that stands for itself: what was sent of it is remembered.
fn written(text: &Template, name: &str, salt: &str) -> Option<SecretDigest> {
    text.refers().then(|| text.written().digest(salt, name))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::model::{Secret, Wanted};
    use crate::planner::memory::Record;
    use crate::planner::testing::{name, options};
    use crate::planner::{Plan, State, plan};

    const HOOK: &str = "meetingEndedWebhook";

    /// Of which some stand for the same by some values.
    const TEXTS: [&str; 7] = [
        "https://a.example/1",
        "https://a.example/${env:A}",
        "https://a.example/${env:B}",
        "https://b.example/${env:A}",
        "https://a.example/${env:A}${env:B}",
        "https://a.example/$${env:A}",
        "${env:A}",
    ];

    /// What A and B hold, as far as they are set here.
    type Values = [Option<&'static str>; 2];

    fn machine() -> impl Strategy<Value = Values> {
        let value = || option::weighted(0.6, select(vec!["1", "https://a.example/1"]));
        [value(), value()]
    }

    fn file(text: &str, values: Values, people: i64) -> (WantedRoom, Option<String>) {
        let template = Template::parse(text).unwrap();
        let resolved =
            template.resolve(&|name| values[usize::from(name == "B")].map(str::to_owned));
        let sent = resolved
            .as_ref()
            .ok()
            .map(|secret| secret.expose().to_owned());
        let secret = match resolved {
            Ok(secret) => Value::Secret(secret),
            Err(variables) => Value::Unset {
                variables,
                no_url: false,
            },
        };
        let room = WantedRoom {
            settings: [(HOOK, secret), ("maxParticipants", people.into())].into(),
            secrets: [(HOOK, template)].into(),
            ..WantedRoom::default()
        };
        (room, sent)
    }

    /// What `apply` makes of the state without any failure, in its own order.
    fn apply(state: &mut State, wanted: &Wanted, plan: Plan) {
        state.follow_files(wanted);
        for change in plan.changes {
            if change.unset().next().is_some() {
                continue;
            }
            let before = state.applied(&change.room).clone();
            let record = Record {
                settings: stored(&change.settings, "lineage", &before.settings),
                secrets: change.secrets,
                ..Record::default()
            };
            let after = before.recorded(record, "lineage");
            state.rooms.insert(change.room, after.into());
        }
    }

    proptest! {
        /// Whatever was applied in whatever order, and whichever variables are known: a plan names a secret if what it stands
        /// for moved or, where that is not known, its text; and nothing that was applied is named again, on any machine.
        #[test]
        fn a_secret_is_named_if_it_moved_or_is_written_otherwise(
            steps in vec((select(&TEXTS[..]), machine(), 1..3_i64), 1..6),
        ) {
            let mut state = State { lineage: "lineage".to_owned(), ..State::fresh("acme") };
            // What was sent last, and the text that it stood in last.
            let mut last: Option<(String, &str)> = None;
            for (text, values, people) in steps {
                let (room, sent) = file(text, values, people);
                let wanted: Wanted = BTreeMap::from([(name("a"), room)]);
                let plan = plan(&wanted, &state, None, &options());
                let names = |plan: &Plan| plan.changes.iter().flat_map(|c| &c.attributes).any(|a| a.name == HOOK);
                let is_moved = match (&sent, &last) {
                    (_, None) => true,
                    (Some(sent), Some((applied, _))) => sent != applied,
                    (None, Some((_, written))) => text != *written,
                };
                prop_assert_eq!(names(&plan), is_moved, "{} after {:?}", text, last);
                apply(&mut state, &wanted, plan);
                let Some(sent) = sent else { continue };
                last = Some((sent, text));
                // Nothing clear is kept, and nothing is left to do, whether its variables are set or not.
                let json = serde_json::to_string(&state).unwrap();
                prop_assert!(!json.contains("example") && !json.contains("env"), "{}", json);
                for values in [values, [None, None]] {
                    let wanted: Wanted = BTreeMap::from([(name("a"), file(text, values, people).0)]);
                    let again = crate::planner::plan(&wanted, &state, None, &options());
                    prop_assert!(again.is_empty(), "{:?}", again.changes);
                }
            }
        }
    }

    #[test]
    fn a_state_that_remembers_no_texts_learns_them_without_a_write() {
        let (room, _) = file(TEXTS[1], [Some("1"), None], 1);
        let mut known = AppliedRoom {
            settings: stored(&room.settings, "lineage", &StoredSettings::new()),
            ..AppliedRoom::default()
        };
        let (unset, _) = file(TEXTS[1], [None, None], 1);
        assert!(known.is_as(&room, "lineage") && !known.is_as(&unset, "lineage"));
        assert!(
            !known.follow_texts(&unset, "lineage"),
            "nobody knows that it is the same"
        );
        assert!(known.follow_texts(&room, "lineage") && known.is_as(&unset, "lineage"));
        let other = Value::Secret(Secret::new("https://a.example/2"));
        let moved = WantedRoom {
            settings: [(HOOK, other)].into(),
            ..room
        };
        assert!(!known.follow_texts(&moved, "lineage"), "it was not applied");
    }
}
