//! One reading of an answer: a value is the same value, however the service writes it, for import, for a plan with its
//! effects, and for drift.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value as Json, json};

use crate::model::catalogue::{Kind, attributes};
use crate::model::effect::effects;
use crate::model::{
    LiveRoom, RoomName, Secret, Settings, StoredSettings, Value, Wanted, WantedRoom,
};
use crate::planner::drift::Evidence;
use crate::planner::import::{Known, draft};
use crate::planner::testing::{applied, options};
use crate::planner::{AppliedRoom, Cause, Sighting, State, Verdict, World, drift, plan};
use crate::service::api::{Answer, Request, interpret};
use crate::service::end::{End, Try};
use crate::service::leaks::SecretFilter;

/// How a service may write a whole number.
const FORMS: [fn(i64) -> Json; 3] = [
    |number| json!(number),
    |number| json!(number as f64),
    |number| json!(number.to_string()),
];

/// Numbers of a room by attribute: zero, small ones, and moments.
fn numbers() -> impl Strategy<Value = BTreeMap<&'static str, i64>> {
    let whole = |kind: &Kind| matches!(kind, Kind::Count(_) | Kind::Moment | Kind::Span);
    let names = attributes()
        .iter()
        .filter(|a| whole(&a.kind))
        .map(|a| a.name);
    let number = prop_oneof![Just(0_i64), 1_i64..1000, 1_800_000_000_i64..9_000_000_000];
    proptest::collection::btree_map(select(names.collect::<Vec<_>>()), number, 0..8)
}

fn name() -> RoomName {
    RoomName::try_from("a".to_owned()).unwrap()
}

/// The room as it is read when each number is written in `form`.
fn read(numbers: &BTreeMap<&'static str, i64>, form: fn(i64) -> Json) -> LiveRoom {
    let numbers = numbers.iter();
    answered(numbers.map(|(name, number)| ((*name).to_owned(), form(*number))))
}

/// The room as it is read from an answer with these attributes.
fn answered(attributes: impl Iterator<Item = (String, Json)>) -> LiveRoom {
    let mut body: Map<String, Json> = Map::new();
    body.insert("roomName".into(), json!("a"));
    body.insert("privacy".into(), json!("private"));
    body.extend(attributes);
    let answer = Answer {
        status: 200,
        retry_after: None,
        content_type: "application/json".to_owned(),
        body: Json::Object(body).to_string().into_bytes(),
    };
    let filter = SecretFilter::new(&Secret::new("key-of-letters"));
    match interpret(&Request::Get(&name()), &answer, &filter) {
        Try::Ended(End::Room(live)) => live,
        other => panic!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(super::cases(512))]

    #[test]
    fn a_number_is_the_same_in_every_form(numbers in numbers(), people in prop_oneof![Just(0_i64), 1_i64..1000]) {
        let options = options();
        let rooms = FORMS.map(|form| read(&numbers, form));
        let drafts = rooms.each_ref().map(|live| draft(live, &Known::nothing(), options.now).unwrap());
        prop_assert!(drafts.iter().all(|draft| *draft == drafts[0]), "{:?}", drafts);
        let file = WantedRoom { settings: drafts[0].settings.clone(), ..WantedRoom::default() };
        let mut moved = file.clone();
        moved.settings.insert("maxParticipants".into(), people.into());
        let files = |file: WantedRoom| -> Wanted { [(name(), file)].into() };
        let (file, moved) = (files(file), files(moved));
        for (draft, imported) in drafts.iter().zip(&rooms) {
            let mut state = State::fresh("acme");
            state.rooms.insert(name(), draft.applied(imported, AppliedRoom::never(), "rooms/a.yaml", WantedRoom::default(), state.salt()).into());
            let mut changes = Vec::new();
            for live in &rooms {
                let world: World = [(name(), Sighting::Present(live.clone()))].into();
                let none = plan(&file, &state, Some(&world), &options);
                prop_assert!(none.is_empty(), "{:?}", none.changes);
                let drift = drift(&Evidence {
                    wanted: &file,
                    state: &state,
                    others: &BTreeMap::new(),
                    mutes: &[],
                    now: options.now,
                }, &world, &BTreeSet::new());
                let room = &drift.rooms[0];
                prop_assert_eq!(room.verdict, Verdict::InSync);
                prop_assert!(room.attributes.iter().all(|a| a.cause == Cause::Unobservable));
                prop_assert!(room.undeclared.is_empty());
                let plan = plan(&moved, &state, Some(&world), &options);
                let shown = plan.changes.into_iter().map(|change| (change.effects, change.attributes));
                changes.push(shown.collect::<Vec<_>>());
            }
            prop_assert!(changes.iter().all(|one| *one == changes[0]), "{:?}", changes);
        }
    }
}

/// Odd and plain forms of a value in an answer.
fn forms() -> Vec<Json> {
    vec![
        json!([]),
        json!({}),
        json!(-5),
        json!("-5"),
        json!("+5"),
        json!("5.0"),
        json!(5.5),
        json!(1e30),
        json!(5),
        json!("5"),
        json!(5.0),
        json!(0),
        json!("0"),
        json!(0.0),
        Json::Null,
        json!(""),
        json!(true),
        json!("true"),
        json!("false"),
        json!("private"),
    ]
}

/// What a file may say of an attribute.
fn sayable(kind: &Kind) -> Vec<Value> {
    match kind {
        Kind::Flag => vec![true.into(), false.into()],
        Kind::Count(_) | Kind::Moment | Kind::Span => vec![0.into(), 5.into(), 6.into()],
        Kind::Words(words) => words.iter().map(|word| Value::from(*word)).collect(),
        Kind::Text => Vec::new(),
        Kind::SecretUrl => vec![Value::Secret(Secret::new("https://hooks.example/x"))],
    }
}

#[test]
fn import_effects_plan_and_drift_agree_on_every_form() {
    let options = options();
    for attribute in attributes().iter().filter(|a| a.name != "roomName") {
        for (form, said) in forms().iter().flat_map(|form| {
            let sayable = sayable(&attribute.kind).into_iter();
            sayable.map(move |said| (form, said))
        }) {
            let live = answered([(attribute.name.to_owned(), form.clone())].into_iter());
            let told = format!("{} {form} {said:?}", attribute.name);
            let mut settings: Settings = [("privacy", "private".into())].into();
            settings.insert(attribute.name.into(), said.clone());
            let file = WantedRoom {
                settings,
                ..WantedRoom::default()
            };
            let files: Wanted = [(name(), file)].into();
            let state = applied(&files);
            let salt = state.salt();
            let world: World = [(name(), Sighting::Present(live.clone()))].into();
            let planned = plan(&files, &state, Some(&world), &options);
            let planned = planned.changes.iter().flat_map(|change| &change.attributes);
            let is_planned = planned.clone().any(|a| a.name == attribute.name);
            let drift = drift(
                &Evidence {
                    wanted: &files,
                    state: &state,
                    others: &BTreeMap::new(),
                    mutes: &[],
                    now: options.now,
                },
                &world,
                &BTreeSet::new(),
            );
            let mut drifted = drift.rooms[0].attributes.iter();
            assert_eq!(
                drifted.any(|a| a.name == attribute.name),
                is_planned,
                "{told}"
            );
            // Import would write exactly what is in sync, or leaves it out for a rule's sake.
            let draft = draft(&live, &Known::nothing(), options.now).ok();
            let imported = draft
                .as_ref()
                .and_then(|draft| draft.settings.get(attribute.name));
            let against_a_rule = draft.as_ref().is_some_and(|draft| {
                let why = draft.left_out.get(attribute.name);
                why.is_some_and(|why| !why.starts_with("the service reports"))
            });
            let is_left_off = attribute.undocumented && said == false.into();
            if !against_a_rule && !is_left_off {
                assert_eq!(imported == Some(&said), !is_planned, "{told} {imported:?}");
            }
            // What is there already has no effect, and what was imported counts as what was read.
            let body: StoredSettings = applied(&files).applied(&name()).settings.clone();
            let of = |stored: StoredSettings| {
                let held = stored.into_iter().map(|(name, value)| (name, vec![value]));
                effects(&held.collect(), &body, options.now)
            };
            if !is_planned {
                assert_eq!(of(live.stored(salt)), of(body.clone()), "{told}");
            }
            if let Some(imported) = imported {
                let mut stored = live.stored(salt);
                let value = imported.stored(salt, attribute.name, None).unwrap();
                stored.insert(attribute.name.into(), value);
                assert_eq!(of(live.stored(salt)), of(stored), "{told}");
            }
        }
    }
}
