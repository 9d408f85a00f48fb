//! What tests of the planner begin with: files, a state that remembers them, and a service that shows them.

use super::doubts::{self, Doubts};
use super::{AppliedRoom, Options, Sighting, State, World};
use crate::model::reference::Template;
use crate::model::value::stored;
use crate::model::{
    Glob, Globs, Live, LiveRoom, RoomName, Secret, Settings, StoredSettings, Value, Wanted,
    WantedRoom,
};
use std::sync::Arc;

pub(crate) fn name(text: &str) -> RoomName {
    RoomName::try_from(text.to_owned()).unwrap()
}

pub(crate) fn options() -> Options<'static> {
    Options {
        now: 1_790_000_000,
        ..Options::default()
    }
}

pub(crate) fn pruning() -> Options<'static> {
    Options {
        prune: true,
        ..options()
    }
}

/// A secret, of which tests look for "canary" where it must not be.
pub(crate) fn secret(text: &str) -> Value {
    Value::Secret(Secret::new(format!("https://canary.example/{text}")))
}

/// A secret whose variable is not set.
pub(crate) fn unset() -> Value {
    Value::Unset {
        variables: vec!["KEY".to_owned()],
        no_url: false,
    }
}

/// The same files, each secret of which is written as a reference.
pub(crate) fn referring(mut files: Wanted) -> Wanted {
    for file in files.values_mut() {
        let secrets = file
            .settings
            .iter()
            .filter(|(_, value)| !matches!(value, Value::Plain(_)));
        let text = || Template::parse("${env:KEY}").unwrap();
        file.secrets
            .extend(secrets.map(|(name, _)| (name.as_str(), text())));
    }
    files
}

/// Files that say this.
pub(crate) fn files(rooms: &[(&str, &[(&'static str, Value)])]) -> Wanted {
    let file = |(room, settings): &(&str, &[(&'static str, Value)])| {
        let wanted = WantedRoom {
            file: format!("rooms/{room}.yaml"),
            place: format!("rooms/{room}.yaml"),
            settings: settings.iter().cloned().collect(),
            ..WantedRoom::default()
        };
        (name(room), wanted)
    };
    rooms.iter().map(file).collect()
}

/// A room `a` for so many people.
pub(crate) fn file(people: i64) -> Wanted {
    files(&[(
        "a",
        &[
            ("privacy", "private".into()),
            ("maxParticipants", people.into()),
            ("meetingJoinWebhook", secret("join")),
        ],
    )])
}

/// A state that remembers `files` as applied.
pub(crate) fn applied(files: &Wanted) -> State {
    let mut state = State::fresh("acme");
    state.lineage = "lineage".to_owned();
    for (name, file) in files {
        let mut room = AppliedRoom {
            id: Some("c0ffee".into()),
            settings: stored(&file.settings, "lineage", &StoredSettings::new()),
            ..AppliedRoom::default()
        };
        room.follow_texts(file, "lineage");
        state.rooms.insert(name.clone(), room.into());
    }
    state
}

/// What is in doubt when `a` was sent like this without an answer.
pub(crate) fn sent(files: &Wanted) -> Doubts {
    doubts::with(Doubts::new(), &applied(files).applied(&name("a")).settings)
}

/// The state of `a` to change something in it.
pub(crate) fn room_of(state: &mut State) -> &mut AppliedRoom {
    Arc::make_mut(state.rooms.get_mut("a").unwrap())
}

/// A service that shows exactly `files`.
pub(crate) fn shown(files: &Wanted) -> World {
    let shown = files.iter();
    let shown = shown.map(|(name, file)| (name.clone(), Sighting::Present(live(&file.settings))));
    shown.collect()
}

pub(crate) fn live(settings: &Settings) -> LiveRoom {
    let shown = settings.iter().map(|(name, value)| {
        let live = match value {
            Value::Plain(value) => Live::Plain(value.clone()),
            Value::Secret(secret) => Live::Secret(secret.clone()),
            Value::Unset { .. } => Live::Null,
        };
        (*name, live)
    });
    LiveRoom {
        id: Some("c0ffee".into()),
        settings: shown.collect(),
    }
}

/// What the service shows of `a`, to change something in it.
pub(crate) fn live_of(world: &mut World) -> &mut LiveRoom {
    match world.get_mut("a") {
        Some(Sighting::Present(live)) => live,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn globs(texts: &[&str]) -> Globs {
    let globs = texts.iter().map(|text| text.parse::<Glob>().unwrap());
    globs.collect()
}
