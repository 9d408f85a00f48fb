//! One reading of an answer: a whole number is the same number, however the service writes it, for import, for a plan
//! with its effects, and for drift.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value as Json, json};

use crate::model::catalogue::{Kind, attributes};
use crate::model::{LiveRoom, RoomName, Secret, Wanted, WantedRoom};
use crate::planner::drift::Evidence;
use crate::planner::import::draft;
use crate::planner::testing::options;
use crate::planner::{Cause, Sighting, State, Verdict, World, drift, plan};
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
    let mut body: Map<String, Json> = Map::new();
    body.insert("roomName".into(), json!("a"));
    body.insert("privacy".into(), json!("private"));
    body.extend(
        numbers
            .iter()
            .map(|(name, number)| ((*name).to_owned(), form(*number))),
    );
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
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_number_is_the_same_in_every_form(numbers in numbers(), people in prop_oneof![Just(0_i64), 1_i64..1000]) {
        let options = options();
        let rooms = FORMS.map(|form| read(&numbers, form));
        let drafts = rooms.each_ref().map(|live| draft(live, options.now).unwrap());
        prop_assert!(drafts.iter().all(|draft| *draft == drafts[0]), "{:?}", drafts);
        let file = WantedRoom { settings: drafts[0].settings.clone(), ..WantedRoom::default() };
        let mut moved = file.clone();
        moved.settings.insert("maxParticipants", people.into());
        let files = |file: WantedRoom| -> Wanted { [(name(), file)].into() };
        let (file, moved) = (files(file), files(moved));
        for (draft, imported) in drafts.iter().zip(&rooms) {
            let mut state = State::fresh("acme");
            state.rooms.insert(name(), draft.applied(imported, "rooms/a.yaml", None, state.salt()));
            let mut changes = Vec::new();
            for live in &rooms {
                let world: World = [(name(), Sighting::Present(live.clone()))].into();
                let none = plan(&file, &state, Some(&world), &options);
                prop_assert!(none.is_empty(), "{:?}", none.changes);
                let drift = drift(&Evidence {
                    wanted: &file,
                    state: &state,
                    world: &world,
                    listed: &BTreeSet::new(),
                    others: &BTreeMap::new(),
                    mutes: &[],
                    now: options.now,
                });
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
