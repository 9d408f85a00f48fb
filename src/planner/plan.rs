//! Wanted against applied: what would change, why, and exactly what would be sent.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::forecast::{Forecast, Rate, forecast};
use super::state::{AppliedRoom, State};
use super::undeclared::Undeclared;
use super::world::Sighting;
use crate::model::effect::{Effect, effects};
use crate::model::secret::sha256;
use crate::model::value::{remember, same};
use crate::model::{RoomName, Secret, Settings, Stored, StoredSettings, Value};

/// A room as a file wants it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct WantedRoom {
    /// Path of the file, with `/`, as the user would type it.
    pub file: String,
    /// Digest of what the settings came from.
    pub source: Option<String>,
    pub settings: Settings,
    /// Secrets that refer to variables, by wire name, as they are written: part of them may be clear text.
    pub references: BTreeMap<&'static str, Secret>,
}

/// What is done to a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Action {
    /// New to the state: read first, then adopted or created.
    Add,
    /// New to the state and not on the service: POST.
    Create,
    /// New to the state, but already on the service: PUT.
    Adopt,
    /// In the state, and wanted differently: PUT.
    Update,
    /// In the state, and wanted by no file: DELETE, which archives.
    Archive,
    /// In the state, but no file wants it: left alone.
    Orphan,
}

impl Action {
    /// Its place in a plan: what is new, what changes, what goes, what is left alone.
    pub(crate) fn rank(self) -> u8 {
        match self {
            Self::Add | Self::Create | Self::Adopt => 0,
            Self::Update => 1,
            Self::Archive => 2,
            Self::Orphan => 3,
        }
    }

    /// The name in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Create => "create",
            Self::Adopt => "adopt",
            Self::Update => "update",
            Self::Archive => "archive",
            Self::Orphan => "orphan",
        }
    }
}

/// Why an attribute is in a change.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Cause {
    /// The file moved.
    Change,
    /// The service moved, and the file did not.
    Drift,
    /// Both moved, to different values.
    Conflict,
    /// The service already holds what the file newly wants: recorded, nothing is sent for it.
    Converged,
    /// Applied as wanted, and the service does not report it.
    Unobservable,
    /// The key is no longer in the file: no longer managed, and not touched.
    Released,
}

impl Cause {
    /// The name in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Change => "change",
            Self::Drift => "drift",
            Self::Conflict => "conflict",
            Self::Converged => "converged",
            Self::Unobservable => "unobservable",
            Self::Released => "released",
        }
    }
}

/// One attribute of a change. Values are in the form that may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AttributeChange {
    pub name: String,
    /// The applied value; `None`: not managed before.
    pub before: Option<Stored>,
    /// The wanted value; `None`: no longer managed, or unknown.
    pub after: Option<Stored>,
    /// What the service reports; `None`: it does not, or was not looked at.
    pub live: Option<Stored>,
    /// Whether the wanted value is a secret whose variable is not set here.
    pub unknown: bool,
    pub cause: Cause,
    /// Whether `before` was sent without an answer, so that the service may or may not hold it.
    pub unconfirmed: bool,
}

/// One room, one action, the attributes before and after, and exactly what will be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub room: RoomName,
    /// What is done to it.
    pub action: Action,
    /// The file that wants it; `None` for an orphan.
    pub file: Option<String>,
    /// What it does to people.
    pub effects: Vec<Effect>,
    /// The attributes that move, by name.
    pub attributes: Vec<AttributeChange>,
    /// The full wanted set; empty for an orphan.
    pub settings: Settings,
    /// Whether anything is sent. False for an orphan, and when attributes are only released: sending the
    /// rest would change nothing on a merging service, and reset the released ones on a replacing one.
    pub sends: bool,
    /// Digest of what the wanted settings came from.
    pub source: Option<String>,
    /// Digest over room, action, body and applied settings: the identity of what was reviewed.
    pub digest: String,
    /// What the service showed when this was planned; `None`: it was not looked at. `apply` looks again,
    /// and refuses what moved.
    pub seen: Option<Sighting>,
}

impl Change {
    /// Requests it takes, without retries.
    pub(crate) fn requests(&self) -> u64 {
        match self.action {
            // A GET decides between the PUT and the POST.
            Action::Add => 2,
            // Read, archived, and read again to be sure.
            Action::Archive => 3,
            _ if !self.sends => 0,
            _ if self.seen.is_some() => 2,
            _ => 1,
        }
    }

    /// The attributes that would be sent and are not known here, with the variables to set.
    pub(crate) fn unset(&self) -> impl Iterator<Item = (&'static str, &[String])> {
        let sent = self.sends.then_some(&self.settings);
        sent.into_iter()
            .flatten()
            .filter_map(|(name, value)| match value {
                Value::Unset { variables } => Some((*name, variables.as_slice())),
                _ => None,
            })
    }

    /// Whether `apply` has anything to do for it.
    pub(crate) fn is_actionable(&self) -> bool {
        self.action != Action::Orphan
    }
}

/// The changes of one run, in a fixed order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    pub app: String,
    /// Lineage of the state that the plan was made against; empty: there was none.
    pub lineage: String,
    /// Serial of that state.
    pub serial: u64,
    /// Adds, then updates, then orphans; each by name.
    pub changes: Vec<Change>,
    /// Rooms that are wanted as they were applied.
    pub unchanged: u64,
    /// What it will cost.
    pub forecast: Forecast,
    /// Rooms that could not be read, so that nothing is planned for them.
    pub unreadable: Vec<Unreadable>,
    /// How many rooms were applied before: what shares are measured against.
    pub managed: u64,
    /// Attributes that no file declares and that moved on the service, as far as it was looked at.
    pub undeclared: BTreeMap<RoomName, Vec<Undeclared>>,
}

/// A room that nothing is planned for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable {
    pub room: RoomName,
    /// The file that wants it.
    pub file: Option<String>,
    pub message: String,
}

/// What a plan depends on besides files and state.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Options {
    /// The rate of requests, for the forecast.
    pub rate: Rate,
    /// How many may start at once.
    pub burst: u32,
    /// Now, in Unix seconds, for effects that depend on a moment having passed.
    pub now: i64,
    /// Whether rooms that no file wants are archived.
    pub prune: bool,
}

impl Plan {
    /// The changes that `apply` carries out.
    pub(crate) fn actionable(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| change.is_actionable())
    }

    /// Whether `apply` has nothing to do.
    pub(crate) fn is_empty(&self) -> bool {
        self.actionable().next().is_none()
    }
}

/// Compares what the files want with what was last applied.
pub(crate) fn plan(
    wanted: &BTreeMap<RoomName, WantedRoom>,
    state: &State,
    options: &Options,
) -> Plan {
    let mut changes: Vec<Change> = wanted
        .iter()
        .filter_map(|(name, room)| change(name, room, state, options.now))
        .collect();
    let unchanged = (wanted.len() - changes.len()) as u64;
    changes.extend(
        state
            .rooms
            .iter()
            .filter(|(name, _)| !wanted.contains_key(*name))
            .map(|(name, applied)| left_over(name, applied, options)),
    );
    assemble(changes, unchanged, state, options)
}

/// Puts changes into their order and adds up what they cost.
pub(super) fn assemble(
    mut changes: Vec<Change>,
    unchanged: u64,
    state: &State,
    options: &Options,
) -> Plan {
    changes.sort_by(|a, b| (a.action.rank(), &a.room).cmp(&(b.action.rank(), &b.room)));
    let requests = changes.iter().map(Change::requests).sum();
    Plan {
        app: state.app.clone(),
        lineage: state.lineage.clone(),
        serial: state.serial,
        changes,
        unchanged,
        forecast: forecast(requests, &options.rate, options.burst),
        unreadable: Vec::new(),
        undeclared: BTreeMap::new(),
        managed: state
            .rooms
            .values()
            .filter(|room| room.is_confirmed())
            .count() as u64,
    }
}

fn change(name: &RoomName, room: &WantedRoom, state: &State, now: i64) -> Option<Change> {
    let never = AppliedRoom::default();
    let applied = state.rooms.get(name).unwrap_or(&never);
    // Most rooms end here, so it is told before anything is copied.
    if applied.unconfirmed.is_empty() && same(&room.settings, &applied.settings, state.salt()) {
        return None;
    }
    let settings = remember(&room.settings, state.salt(), &applied.settings);
    let unknown = unknown(&room.settings, &settings);
    let attributes = attributes(&settings, &unknown, applied);
    if attributes.is_empty() {
        return None;
    }
    let action = if applied.is_confirmed() {
        Action::Update
    } else {
        Action::Add
    };
    Some(Change {
        room: name.clone(),
        action,
        file: Some(room.file.clone()),
        effects: effects(&applied.settings, &settings, now),
        sends: attributes.iter().any(|a| a.cause == Cause::Change),
        attributes,
        settings: room.settings.clone(),
        source: room.source.clone(),
        digest: digest(name, action, &identity(settings, &unknown, room), applied),
        seen: None,
    })
}

/// A room in the state that no file wants: left alone, or archived.
///
/// A room whose first write was never answered is left alone in any case: it may have been there before,
/// made by somebody else, and no id is known that could tell.
pub(super) fn left_over(name: &RoomName, applied: &AppliedRoom, options: &Options) -> Change {
    let archives = options.prune && applied.is_confirmed();
    let (action, effects) = if archives {
        (Action::Archive, vec![Effect::Archived])
    } else {
        (Action::Orphan, Vec::new())
    };
    Change {
        room: name.clone(),
        action,
        file: None,
        effects,
        attributes: Vec::new(),
        settings: Settings::new(),
        sends: archives,
        source: None,
        digest: digest(name, action, &StoredSettings::new(), applied),
        seen: None,
    }
}

/// Newly managed secrets whose variable is not set: nothing was applied that could stand for them.
pub(crate) fn unknown(wanted: &Settings, remembered: &StoredSettings) -> BTreeSet<&'static str> {
    let names = wanted.keys().copied();
    names
        .filter(|name| !remembered.contains_key(*name))
        .collect()
}

/// What would be sent, told from everything else that could be: what is not known is told apart from what is
/// not wanted, and a secret that refers to variables counts by its reference, so that it makes no difference
/// whether they are set.
pub(super) fn identity(
    mut settings: StoredSettings,
    unknown: &BTreeSet<&str>,
    room: &WantedRoom,
) -> StoredSettings {
    settings.extend(
        unknown
            .iter()
            .map(|name| ((*name).to_owned(), Stored::Null(()))),
    );
    settings.extend(room.references.iter().map(|(name, written)| {
        // Not the lineage's salt: that comes only with the first run, and this is how a file reads.
        let secret = written.digest("reference", name);
        ((*name).to_owned(), Stored::Secret { secret })
    }));
    settings
}

fn attributes(
    wanted: &StoredSettings,
    unknown: &BTreeSet<&str>,
    applied: &AppliedRoom,
) -> Vec<AttributeChange> {
    let names: BTreeSet<&str> = wanted
        .keys()
        .chain(applied.settings.keys())
        .chain(applied.unconfirmed.keys())
        .map(String::as_str)
        .chain(unknown.iter().copied())
        .collect();
    names
        .into_iter()
        .filter_map(|name| attribute(name, wanted.get(name), unknown.contains(name), applied))
        .collect()
}

fn attribute(
    name: &str,
    wanted: Option<&Stored>,
    unknown: bool,
    applied: &AppliedRoom,
) -> Option<AttributeChange> {
    let confirmed = applied.settings.get(name);
    let unconfirmed = applied.unconfirmed.get(name);
    // The service holds the confirmed value, or the one it never answered for. Only when neither differs
    // from the file is there nothing to do.
    let (before, is_unconfirmed) = match (confirmed, unconfirmed) {
        (Some(confirmed), _) if Some(confirmed) != wanted => (Some(confirmed), false),
        (_, Some(sent)) => (Some(sent), true),
        (confirmed, None) => (confirmed, false),
    };
    // A room whose write was never confirmed is written in any case, and read first.
    if before == wanted && applied.is_confirmed() && !unknown {
        return None;
    }
    Some(AttributeChange {
        name: name.to_owned(),
        before: before.cloned(),
        after: wanted.cloned(),
        live: None,
        unknown,
        cause: if wanted.is_some() || unknown {
            Cause::Change
        } else {
            Cause::Released
        },
        unconfirmed: is_unconfirmed,
    })
}

pub(super) fn digest(
    room: &RoomName,
    action: Action,
    body: &StoredSettings,
    applied: &AppliedRoom,
) -> String {
    let parts = (room, action, body, &applied.settings, &applied.unconfirmed);
    // Maps are sorted and keys are text, so this cannot fail and has one form.
    sha256(&serde_json::to_vec(&parts).expect("sorted maps with text keys always serialise"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Value;

    fn name(text: &str) -> RoomName {
        RoomName::try_from(text.to_owned()).unwrap()
    }

    fn wants(rooms: &[(&str, &[(&'static str, Value)])]) -> BTreeMap<RoomName, WantedRoom> {
        rooms
            .iter()
            .map(|(room, settings)| {
                let wanted = WantedRoom {
                    file: format!("rooms/{room}.yaml"),
                    source: Some("sha256:0".to_owned()),
                    settings: settings.iter().cloned().collect(),
                    ..WantedRoom::default()
                };
                (name(room), wanted)
            })
            .collect()
    }

    fn state_of(wanted: &BTreeMap<RoomName, WantedRoom>) -> State {
        let mut state = State::fresh("acme");
        state.lineage = "lineage".to_owned();
        state.rooms = wanted
            .iter()
            .map(|(name, room)| {
                let applied = AppliedRoom {
                    settings: remember(&room.settings, "lineage", &StoredSettings::new()),
                    ..AppliedRoom::default()
                };
                (name.clone(), applied)
            })
            .collect();
        state
    }

    fn run(wanted: &BTreeMap<RoomName, WantedRoom>, state: &State) -> Plan {
        plan(
            wanted,
            state,
            &Options {
                rate: Rate::default(),
                burst: 1,
                now: 1_000,
                prune: false,
            },
        )
    }

    fn text(value: &str) -> Value {
        Value::Text(value.to_owned())
    }

    fn actions(plan: &Plan) -> Vec<(Action, &str)> {
        plan.changes
            .iter()
            .map(|c| (c.action, c.room.as_str()))
            .collect()
    }

    #[test]
    fn what_was_applied_as_wanted_needs_nothing() {
        let wanted = wants(&[(
            "a",
            &[
                ("privacy", text("private")),
                ("rtmpOutURL", Value::Secret(Secret::new("rtmp://a/k"))),
            ],
        )]);
        let plan = run(&wanted, &state_of(&wanted));
        assert_eq!(plan.changes, []);
        assert_eq!(plan.unchanged, 1);
        assert_eq!(plan.forecast.requests, 0);
    }

    #[test]
    fn order_is_add_update_orphan_then_name() {
        let before = wants(&[
            ("m-gone", &[("privacy", text("private"))]),
            ("b-update", &[("privacy", text("private"))]),
        ]);
        let after = wants(&[
            ("z-add", &[("privacy", text("public"))]),
            ("a-add", &[("privacy", text("public"))]),
            ("b-update", &[("privacy", text("public"))]),
        ]);
        let plan = run(&after, &state_of(&before));
        assert_eq!(
            actions(&plan),
            [
                (Action::Add, "a-add"),
                (Action::Add, "z-add"),
                (Action::Update, "b-update"),
                (Action::Orphan, "m-gone"),
            ]
        );
        // Two requests an add, one an update, none for the orphan.
        assert_eq!(plan.forecast.requests, 5);
        assert_eq!(plan.changes[2].effects, [Effect::PrivacyWidened]);
    }

    #[test]
    fn the_body_is_the_full_wanted_set() {
        let before = wants(&[(
            "a",
            &[
                ("privacy", text("private")),
                ("enableChat", Value::Bool(false)),
            ],
        )]);
        let after = wants(&[(
            "a",
            &[
                ("privacy", text("private")),
                ("enableChat", Value::Bool(true)),
            ],
        )]);
        let plan = run(&after, &state_of(&before));
        let change = &plan.changes[0];
        assert_eq!(change.settings, after[&name("a")].settings);
        assert_eq!(change.attributes.len(), 1);
        assert_eq!(change.attributes[0].before, Some(Stored::Bool(false)));
        assert_eq!(change.attributes[0].after, Some(Stored::Bool(true)));
    }

    #[test]
    fn a_room_that_was_never_confirmed_is_not_archived() {
        let gone = wants(&[("ours", &[("privacy", text("private"))])]);
        let mut state = state_of(&gone);
        // A first write that was not answered: the room may be one that somebody made by hand.
        state.rooms.insert(
            name("doubtful"),
            AppliedRoom {
                unconfirmed: [("privacy".to_owned(), Stored::Text("public".into()))].into(),
                ..AppliedRoom::default()
            },
        );
        let options = Options {
            rate: Rate::default(),
            burst: 1,
            now: 1_000,
            prune: true,
        };
        let expected = [(Action::Archive, "ours"), (Action::Orphan, "doubtful")];
        let offline = plan(&BTreeMap::new(), &state, &options);
        assert_eq!(actions(&offline), expected);
        assert!(!offline.changes[1].sends && offline.changes[1].effects.is_empty());
        let present = |room: &str| {
            (
                name(room),
                Sighting::Present(crate::model::LiveRoom::default()),
            )
        };
        let world = [present("ours"), present("doubtful")].into();
        let live = crate::planner::plan_live(&BTreeMap::new(), &state, &world, &options);
        assert_eq!(actions(&live), expected);
    }

    #[test]
    fn a_removed_key_is_released_and_nothing_is_sent() {
        let before = wants(&[(
            "a",
            &[
                ("privacy", text("private")),
                ("enableChat", Value::Bool(false)),
            ],
        )]);
        let after = wants(&[("a", &[("privacy", text("private"))])]);
        let plan = run(&after, &state_of(&before));
        let change = &plan.changes[0];
        assert_eq!(change.attributes[0].cause, Cause::Released);
        assert_eq!(change.attributes[0].after, None);
        assert!(!change.sends);
        assert_eq!(plan.forecast.requests, 0);
        assert!(!plan.is_empty(), "the release has to be recorded");
    }

    #[test]
    fn an_unanswered_write_is_planned_again_even_if_the_file_moved_back() {
        let wanted = wants(&[("a", &[("privacy", text("private"))])]);
        let mut state = state_of(&wanted);
        if let Some(room) = state.rooms.get_mut("a") {
            room.unconfirmed = [("privacy".to_owned(), Stored::Text("public".into()))].into();
        }
        let plan = run(&wanted, &state);
        let attribute = &plan.changes[0].attributes[0];
        assert_eq!(attribute.before, Some(Stored::Text("public".into())));
        assert!(attribute.unconfirmed);
        assert!(plan.changes[0].sends);
    }

    #[test]
    fn an_unanswered_first_write_is_added_again() {
        let wanted = wants(&[("a", &[("privacy", text("private"))])]);
        let mut state = State::fresh("acme");
        state.rooms.insert(
            name("a"),
            AppliedRoom {
                unconfirmed: remember(&wanted[&name("a")].settings, "acme", &StoredSettings::new()),
                ..AppliedRoom::default()
            },
        );
        let plan = run(&wanted, &state);
        assert_eq!(actions(&plan), [(Action::Add, "a")]);
    }

    #[test]
    fn the_digest_moves_with_body_and_applied_settings() {
        let private = wants(&[("a", &[("privacy", text("private"))])]);
        let public = wants(&[("a", &[("privacy", text("public"))])]);
        let chatty = wants(&[(
            "a",
            &[
                ("privacy", text("public")),
                ("enableChat", Value::Bool(true)),
            ],
        )]);
        let digest = |wanted, state: &State| run(wanted, state).changes[0].digest.clone();
        let base = digest(&public, &state_of(&private));
        assert_eq!(base, digest(&public, &state_of(&private)));
        assert_ne!(base, digest(&chatty, &state_of(&private)));
        assert_ne!(
            digest(&private, &state_of(&public)),
            digest(&private, &state_of(&chatty))
        );
    }

    fn unset() -> Value {
        Value::Unset {
            variables: vec!["KEY".to_owned()],
        }
    }

    #[test]
    fn an_unset_secret_alone_is_no_change() {
        let known = Value::Secret(Secret::new("rtmp://a/k"));
        let room = |people: i64, secret: Value| {
            wants(&[(
                "a",
                &[
                    ("maxParticipants", Value::Integer(people)),
                    ("rtmpOutURL", secret),
                ],
            )])
        };
        let state = state_of(&room(5, known.clone()));
        assert_eq!(run(&room(5, unset()), &state).changes, []);

        // The room changes for another reason: the secret is taken for the applied one, as if it were known.
        let plan = run(&room(6, unset()), &state);
        let names: Vec<&str> = plan.changes[0]
            .attributes
            .iter()
            .map(|a| &*a.name)
            .collect();
        assert_eq!(names, ["maxParticipants"]);
        assert_eq!(
            plan.changes[0].digest,
            run(&room(6, known), &state).changes[0].digest
        );
        let told: Vec<_> = plan.changes[0].unset().collect();
        assert_eq!(told, [("rtmpOutURL", &["KEY".to_owned()][..])]);
    }

    #[test]
    fn a_newly_managed_unset_secret_is_unknown() {
        let without = wants(&[("a", &[("privacy", text("private"))])]);
        let with = wants(&[(
            "a",
            &[("privacy", text("private")), ("rtmpOutURL", unset())],
        )]);
        for state in [state_of(&without), State::fresh("acme")] {
            let plan = run(&with, &state);
            let change = &plan.changes[0];
            let secret = change.attributes.last().unwrap();
            assert_eq!((&*secret.name, secret.unknown), ("rtmpOutURL", true));
            assert_eq!((&secret.after, secret.cause), (&None, Cause::Change));
            assert!(change.sends);
            assert_ne!(
                change.digest,
                digest(
                    &change.room,
                    change.action,
                    &remember(&change.settings, state.salt(), &StoredSettings::new()),
                    state.rooms.get("a").unwrap_or(&AppliedRoom::default())
                )
            );
        }
    }

    #[test]
    fn a_release_beside_an_unset_secret_sends_nothing() {
        let known = Value::Secret(Secret::new("rtmp://a/k"));
        let before = wants(&[("a", &[("privacy", text("private")), ("rtmpOutURL", known)])]);
        let after = wants(&[("a", &[("rtmpOutURL", unset())])]);
        let plan = run(&after, &state_of(&before));
        assert!(!plan.changes[0].sends);
        assert_eq!(plan.changes[0].unset().count(), 0);
    }

    #[test]
    fn a_secret_moves_without_being_shown() {
        let secret = |text: &str| Value::Secret(Secret::new(text));
        let before = wants(&[("a", &[("rtmpOutURL", secret("rtmp://a/canary-1"))])]);
        let after = wants(&[("a", &[("rtmpOutURL", secret("rtmp://a/canary-2"))])]);
        let plan = run(&after, &state_of(&before));
        assert_eq!(plan.changes[0].attributes.len(), 1);
        assert!(!format!("{plan:?}").contains("canary"));
    }
}
