//! The plan with the service looked at: three sides for each attribute, and create told from adopt.

use std::collections::{BTreeMap, BTreeSet};

use super::drift::is_made_anew;
use super::plan::{
    Action, AttributeChange, Cause, Change, Options, Plan, Unreadable, WantedRoom, assemble,
    digest, identity, left_over, unknown,
};
use super::state::{AppliedRoom, State};
use super::three_way::{cause, sides};
use super::undeclared::{self, Undeclared};
use super::world::{Sighting, World};
use crate::model::catalogue::{Attribute, attribute, attributes};
use crate::model::effect::effects;
use crate::model::value::remember;
use crate::model::{Live, LiveRoom, RoomName, Settings, Stored, StoredSettings, Value};

/// Compares what the files want with what was applied and with what the service shows. A room that could
/// not be read is planned nothing for.
pub(crate) fn plan_live(
    wanted: &BTreeMap<RoomName, WantedRoom>,
    state: &State,
    world: &World,
    options: &Options,
) -> Plan {
    let mut planned = Planned::default();
    for (name, room) in wanted {
        let view = View::new(name, state, world);
        planned.take(
            name,
            Some(&room.file),
            view.toward(room, options.now),
            &view,
        );
    }
    for name in state
        .rooms
        .keys()
        .filter(|name| !wanted.contains_key(*name))
    {
        let view = View::new(name, state, world);
        match (view.sighting, options.prune) {
            (None | Some(Sighting::Unreadable(_)), true) => {
                planned.take(name, None, Step::Unreadable, &view);
            }
            _ => planned.changes.push(left_over(name, view.applied, options)),
        }
    }
    planned.into_plan(wanted, state, world, options)
}

/// Plans to put back what was applied wherever the service moved, and nothing else: newer files wait.
pub(crate) fn plan_drift_only(
    wanted: &BTreeMap<RoomName, WantedRoom>,
    state: &State,
    world: &World,
    options: &Options,
) -> Plan {
    let mut planned = Planned::default();
    for (name, applied) in state
        .rooms
        .iter()
        .filter(|(_, applied)| applied.is_confirmed())
    {
        let view = View::new(name, state, world);
        let file = wanted.get(name);
        let step = view.back(applied, file);
        planned.take(name, file.map(|room| &room.file), step, &view);
    }
    planned.into_plan(wanted, state, world, options)
}

/// What changed of a room between two looks: the names of the attributes, or what else. `None`: nothing.
pub(crate) fn moved_between(then: &Sighting, now: &Sighting) -> Option<String> {
    match (then, now) {
        (Sighting::Absent(_), Sighting::Absent(_)) => None,
        (Sighting::Absent(_), Sighting::Present(_)) => Some("the room is there now".to_owned()),
        (Sighting::Present(_), Sighting::Absent(_)) => Some("the room is gone".to_owned()),
        (Sighting::Present(then), Sighting::Present(now)) => {
            if matches!((&then.id, &now.id), (Some(a), Some(b)) if a != b) {
                return Some("the room was made anew".to_owned());
            }
            let moved: Vec<&str> = attributes()
                .iter()
                .map(|a| a.name)
                .filter(|name| then.settings.get(*name) != now.settings.get(*name))
                .collect();
            (!moved.is_empty()).then(|| moved.join(", "))
        }
        (_, Sighting::Unreadable(why)) | (Sighting::Unreadable(why), _) => Some(why.clone()),
    }
}

/// What is to be done about one room.
enum Step {
    Nothing,
    Change(Box<Change>),
    Unreadable,
    /// It would have to be written, and cannot be, for this reason.
    Impossible(String),
}

#[derive(Default)]
struct Planned {
    changes: Vec<Change>,
    unchanged: u64,
    unreadable: Vec<Unreadable>,
}

impl Planned {
    fn take(&mut self, name: &RoomName, file: Option<&String>, step: Step, view: &View<'_>) {
        let unreadable = |message: String| Unreadable {
            room: name.clone(),
            file: file.cloned(),
            message,
        };
        match step {
            Step::Nothing => self.unchanged += 1,
            Step::Change(change) => self.changes.push(*change),
            Step::Unreadable => self.unreadable.push(unreadable(view.why_unreadable())),
            Step::Impossible(why) => self.unreadable.push(unreadable(why)),
        }
    }

    fn into_plan(
        self,
        wanted: &BTreeMap<RoomName, WantedRoom>,
        state: &State,
        world: &World,
        options: &Options,
    ) -> Plan {
        let mut plan = assemble(self.changes, self.unchanged, state, options);
        plan.unreadable = self.unreadable;
        plan.undeclared = undeclared_moves(wanted, state, world);
        plan
    }
}

/// What moved on the service that nothing is planned for, since no file declares it.
fn undeclared_moves(
    wanted: &BTreeMap<RoomName, WantedRoom>,
    state: &State,
    world: &World,
) -> BTreeMap<RoomName, Vec<Undeclared>> {
    let salt = state.salt();
    let moves = state.rooms.iter().filter_map(|(name, applied)| {
        let Some(Sighting::Present(live)) = world.get(name) else {
            return None;
        };
        let room = wanted.get(name);
        let declared = match room {
            Some(room) => remember(&room.settings, salt, &applied.settings),
            None => applied.settings.clone(),
        };
        let moved = undeclared::moved(&declared, applied, live, salt);
        (!moved.is_empty() && !is_made_anew(applied, live)).then(|| (name.clone(), moved))
    });
    moves.collect()
}

/// One room, as it is remembered and as it was seen.
struct View<'a> {
    name: &'a RoomName,
    applied: &'a AppliedRoom,
    sighting: Option<&'a Sighting>,
    salt: &'a str,
}

/// Nothing is remembered of a room that is new.
static UNKNOWN: AppliedRoom = AppliedRoom {
    id: None,
    observed: BTreeMap::new(),
    overridden: BTreeMap::new(),
    settings: BTreeMap::new(),
    source: None,
    unconfirmed: BTreeMap::new(),
};

impl<'a> View<'a> {
    fn new(name: &'a RoomName, state: &'a State, world: &'a World) -> Self {
        Self {
            name,
            applied: state.rooms.get(name).unwrap_or(&UNKNOWN),
            sighting: world.get(name),
            salt: state.salt(),
        }
    }

    fn why_unreadable(&self) -> String {
        match self.sighting {
            Some(Sighting::Unreadable(why)) => why.clone(),
            _ => "it was not looked at".to_owned(),
        }
    }

    /// What leads from here to what the file wants.
    fn toward(&self, room: &WantedRoom, now: i64) -> Step {
        let wanted = remember(&room.settings, self.salt, &self.applied.settings);
        let unknown = unknown(&room.settings, &wanted);
        let (action, mut attributes, before) = match self.sighting {
            None | Some(Sighting::Unreadable(_)) => return Step::Unreadable,
            Some(Sighting::Absent(_)) => {
                let mut attributes = all_new(&wanted);
                attributes.extend(unknown.iter().map(|name| not_known(name, None)));
                (Action::Create, attributes, BTreeMap::new())
            }
            Some(Sighting::Present(live)) => {
                let adopts = !self.applied.is_confirmed() || is_made_anew(self.applied, live);
                let action = if adopts {
                    Action::Adopt
                } else {
                    Action::Update
                };
                let mut attributes = self.attributes(&wanted, live);
                attributes.extend(unknown.iter().map(|name| {
                    let live = live.settings.get(*name);
                    not_known(name, live.map(|live| live.remember(self.salt, name, true)))
                }));
                if attributes.is_empty() && !adopts {
                    return Step::Nothing;
                }
                (action, attributes, self.shown(&wanted, live))
            }
        };
        let sends = action == Action::Create || attributes.iter().any(|a| needs_a_write(a.cause));
        attributes.sort_by(|a, b| a.name.cmp(&b.name));
        Step::Change(Box::new(Change {
            room: self.name.clone(),
            action,
            file: Some(room.file.clone()),
            effects: effects(&before, &wanted, now),
            attributes,
            settings: room.settings.clone(),
            sends,
            source: room.source.clone(),
            digest: digest(
                self.name,
                action,
                &identity(wanted, &unknown, room),
                self.applied,
            ),
            seen: self.sighting.cloned(),
        }))
    }

    /// What leads back to what was applied.
    fn back(&self, applied: &AppliedRoom, file: Option<&WantedRoom>) -> Step {
        let wanted = &applied.settings;
        let (action, attributes, live) = match self.sighting {
            None | Some(Sighting::Unreadable(_)) => return Step::Unreadable,
            Some(Sighting::Absent(_)) => (Action::Create, all_new(wanted), None),
            Some(Sighting::Present(live)) => {
                let attributes = self.attributes(wanted, live);
                if !attributes.iter().any(|a| needs_a_write(a.cause)) {
                    return Step::Nothing;
                }
                (Action::Update, attributes, Some(live))
            }
        };
        let settings = match self.restore(wanted, live, file) {
            Ok(settings) => settings,
            Err(name) => {
                return Step::Impossible(format!(
                    "the applied value of `{name}` is a secret that only its digest is known of; apply the file instead"
                ));
            }
        };
        let before = live
            .map(|live| self.shown(wanted, live))
            .unwrap_or_default();
        Step::Change(Box::new(Change {
            room: self.name.clone(),
            action,
            file: file.map(|room| room.file.clone()),
            effects: effects(&before, wanted, i64::MIN),
            attributes,
            settings,
            sends: true,
            source: applied.source.clone(),
            digest: digest(self.name, action, wanted, applied),
            seen: self.sighting.cloned(),
        }))
    }

    /// The applied settings as they can be sent. Of a secret only the digest is known; it can be sent again
    /// only when the file or the service still has it.
    fn restore(
        &self,
        applied: &StoredSettings,
        live: Option<&LiveRoom>,
        file: Option<&WantedRoom>,
    ) -> Result<Settings, String> {
        let mut settings = Settings::new();
        for (name, kept) in applied {
            let attribute = attribute(name).ok_or_else(|| name.clone())?;
            let in_file = || {
                file?
                    .settings
                    .get(name.as_str())
                    .filter(|v| v.is(kept, self.salt, name))
            };
            let from_live = || {
                live?
                    .settings
                    .get(name)
                    .filter(|v| v.is(kept, self.salt, name))
            };
            let value = match kept {
                Stored::Bool(value) => Value::Bool(*value),
                Stored::Integer(value) => Value::Integer(*value),
                Stored::Text(value) => Value::Text(value.clone()),
                Stored::Null(()) => return Err(name.clone()),
                Stored::Secret { .. } => match (in_file(), from_live()) {
                    (Some(value @ Value::Secret(_)), _) => value.clone(),
                    (_, Some(Live::Secret(secret))) => Value::Secret(secret.clone()),
                    // Its variable is not set, and apply will ask for it.
                    (Some(value), _) => value.clone(),
                    _ => return Err(name.clone()),
                },
            };
            settings.insert(attribute.name, value);
        }
        Ok(settings)
    }

    fn attributes(&self, wanted: &StoredSettings, live: &LiveRoom) -> Vec<AttributeChange> {
        let names: BTreeSet<&String> = wanted.keys().chain(self.applied.settings.keys()).collect();
        let mut attributes: Vec<AttributeChange> = names
            .into_iter()
            .filter_map(|name| self.attribute(name, wanted, live))
            .collect();
        if attributes.is_empty() {
            // A write that was never answered turns out to have arrived, or not to matter: that is recorded.
            attributes.extend(self.applied.unconfirmed.keys().filter_map(|name| {
                let value = wanted.get(name)?;
                Some(AttributeChange {
                    name: name.clone(),
                    before: Some(value.clone()),
                    after: Some(value.clone()),
                    live: None,
                    unknown: false,
                    cause: Cause::Converged,
                    unconfirmed: true,
                })
            }));
        }
        attributes
    }

    fn attribute(
        &self,
        name: &str,
        wanted: &StoredSettings,
        live: &LiveRoom,
    ) -> Option<AttributeChange> {
        let is = |live: &Live, kept: &Stored| live.is(kept, self.salt, name);
        let sides = sides(name, wanted, self.applied, live, is);
        let cause = cause(sides, is).filter(|cause| *cause != Cause::Unobservable)?;
        let secret = attribute(name).is_some_and(Attribute::is_secret);
        Some(AttributeChange {
            name: name.to_owned(),
            before: sides.applied.map(|known| known.sent.clone()),
            after: sides.wanted.cloned(),
            live: sides
                .live
                .map(|live| live.remember(self.salt, name, secret)),
            unknown: false,
            cause,
            unconfirmed: false,
        })
    }

    /// What the service holds of the wanted attributes, as far as it can be seen.
    fn shown(&self, wanted: &StoredSettings, live: &LiveRoom) -> StoredSettings {
        wanted
            .keys()
            .filter_map(|name| {
                let secret = attribute(name).is_some_and(Attribute::is_secret);
                let seen = live
                    .settings
                    .get(name)
                    .map(|live| live.remember(self.salt, name, secret));
                let value = seen.or_else(|| self.applied.settings.get(name).cloned())?;
                Some((name.clone(), value))
            })
            .collect()
    }
}

fn needs_a_write(cause: Cause) -> bool {
    matches!(cause, Cause::Change | Cause::Drift | Cause::Conflict)
}

/// A newly managed secret whose variable is not set.
fn not_known(name: &str, live: Option<Stored>) -> AttributeChange {
    AttributeChange {
        name: name.to_owned(),
        before: None,
        after: None,
        live,
        unknown: true,
        cause: Cause::Change,
        unconfirmed: false,
    }
}

/// Every attribute of a room that is not there yet.
fn all_new(wanted: &StoredSettings) -> Vec<AttributeChange> {
    wanted
        .iter()
        .map(|(name, value)| AttributeChange {
            name: name.clone(),
            before: None,
            after: Some(value.clone()),
            live: None,
            unknown: false,
            cause: Cause::Change,
            unconfirmed: false,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Secret;
    use crate::planner::Gone;
    use crate::planner::forecast::Rate;

    fn name(text: &str) -> RoomName {
        RoomName::try_from(text.to_owned()).unwrap()
    }

    fn settings(people: i64) -> Settings {
        [
            ("privacy", Value::Text("private".into())),
            ("maxParticipants", Value::Integer(people)),
            (
                "meetingJoinWebhook",
                Value::Secret(Secret::new("https://a.example/canary")),
            ),
        ]
        .into()
    }

    fn live(people: i64) -> LiveRoom {
        LiveRoom {
            id: Some("c0ffee".into()),
            settings: [
                ("privacy".to_owned(), Live::Text("private".into())),
                ("maxParticipants".to_owned(), Live::Integer(people)),
                (
                    "meetingJoinWebhook".to_owned(),
                    Live::Secret(Secret::new("https://a.example/canary")),
                ),
            ]
            .into(),
        }
    }

    fn wanted(people: i64) -> BTreeMap<RoomName, WantedRoom> {
        let room = WantedRoom {
            file: "rooms/a.yaml".into(),
            source: Some("sha256:1".into()),
            settings: settings(people),
            ..WantedRoom::default()
        };
        [(name("a"), room)].into()
    }

    fn state(people: Option<i64>) -> State {
        let mut state = State::fresh("acme");
        state.lineage = "lineage".into();
        if let Some(people) = people {
            let applied = AppliedRoom {
                id: Some("c0ffee".into()),
                settings: remember(&settings(people), "lineage", &StoredSettings::new()),
                ..AppliedRoom::default()
            };
            state.rooms.insert(name("a"), applied);
        }
        state
    }

    fn present(people: i64) -> World {
        [(name("a"), Sighting::Present(live(people)))].into()
    }

    fn options(prune: bool) -> Options {
        Options {
            rate: Rate::default(),
            burst: 1,
            now: 1_790_000_000,
            prune,
        }
    }

    type Told<'a> = (Action, bool, Vec<(&'a str, Cause)>);

    fn told(plan: &Plan) -> Vec<Told<'_>> {
        assert!(!format!("{plan:?}").contains("canary"));
        plan.changes
            .iter()
            .map(|c| {
                let causes = c
                    .attributes
                    .iter()
                    .map(|a| (a.name.as_str(), a.cause))
                    .collect();
                (c.action, c.sends, causes)
            })
            .collect()
    }

    #[test]
    fn add_becomes_create_or_adopt() {
        let absent: World = [(name("a"), Sighting::Absent(Gone::Missing))].into();
        let plan = plan_live(&wanted(5), &state(None), &absent, &options(false));
        let (action, sends, causes) = told(&plan).remove(0);
        assert_eq!((action, sends, causes.len()), (Action::Create, true, 3));

        let plan = plan_live(&wanted(5), &state(None), &present(7), &options(false));
        let (action, sends, causes) = told(&plan).remove(0);
        assert_eq!((action, sends), (Action::Adopt, true));
        assert_eq!(
            causes,
            [
                ("maxParticipants", Cause::Change),
                ("meetingJoinWebhook", Cause::Converged),
                ("privacy", Cause::Converged),
            ]
        );
        // Already as wanted: recorded, nothing is sent.
        let plan = plan_live(&wanted(5), &state(None), &present(5), &options(false));
        assert!(!told(&plan)[0].1);
    }

    #[test]
    fn updates_say_who_moved() {
        let people = |wants, applied, seen| {
            let plan = plan_live(
                &wanted(wants),
                &state(Some(applied)),
                &present(seen),
                &options(false),
            );
            told(&plan)
                .pop()
                .map(|(_, sends, causes)| (sends, causes[0].1))
        };
        assert_eq!(people(5, 5, 5), None);
        assert_eq!(people(6, 5, 5), Some((true, Cause::Change)));
        assert_eq!(people(5, 5, 7), Some((true, Cause::Drift)));
        assert_eq!(people(6, 5, 7), Some((true, Cause::Conflict)));
        assert_eq!(people(6, 5, 6), Some((false, Cause::Converged)));
    }

    #[test]
    fn a_room_that_cannot_be_read_is_planned_nothing_for() {
        for world in [
            World::new(),
            [(name("a"), Sighting::Unreadable("HTTP 500".into()))].into(),
        ] {
            let plan = plan_live(&wanted(6), &state(Some(5)), &world, &options(true));
            assert_eq!(plan.changes, []);
            assert_eq!(plan.unreadable.len(), 1);
            let orphan = plan_live(&BTreeMap::new(), &state(Some(5)), &world, &options(true));
            assert_eq!((orphan.changes.len(), orphan.unreadable.len()), (0, 1));
        }
    }

    #[test]
    fn drift_only_puts_back_what_was_applied_and_ships_nothing_newer() {
        let plan = plan_drift_only(&wanted(6), &state(Some(5)), &present(7), &options(false));
        assert_eq!(plan.changes[0].settings, settings(5));
        let plan = plan_drift_only(&wanted(6), &state(Some(5)), &present(5), &options(false));
        assert_eq!(plan.changes, []);
    }

    #[test]
    fn a_secret_that_nobody_has_any_more_cannot_be_put_back() {
        let mut world = present(7);
        if let Some(Sighting::Present(live)) = world.get_mut("a") {
            let other = Live::Secret(Secret::new("https://other.example"));
            live.settings.insert("meetingJoinWebhook".into(), other);
        }
        let plan = plan_drift_only(&BTreeMap::new(), &state(Some(5)), &world, &options(false));
        assert_eq!(plan.changes, []);
        assert!(plan.unreadable[0].message.contains("meetingJoinWebhook"));
        // The file still has it.
        let plan = plan_drift_only(&wanted(5), &state(Some(5)), &world, &options(false));
        assert_eq!(plan.changes[0].settings, settings(5));
    }

    #[test]
    fn moves_between_two_looks() {
        let seen = |people| Sighting::Present(live(people));
        assert_eq!(moved_between(&seen(5), &seen(5)), None);
        assert_eq!(
            moved_between(&seen(5), &seen(6)).unwrap(),
            "maxParticipants"
        );
        let absent = Sighting::Absent(Gone::Missing);
        assert_eq!(
            moved_between(&absent, &Sighting::Absent(Gone::Archived)),
            None
        );
        assert!(moved_between(&absent, &seen(5)).is_some());
        assert!(moved_between(&seen(5), &absent).is_some());
    }
}
