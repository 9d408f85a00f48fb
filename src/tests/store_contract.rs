//! What holds for every place that a state is kept in.

#[cfg(feature = "state-encryption")]
use super::encryption::Encrypted;
#[cfg(feature = "remote-state")]
use super::stores::{InObjects, store_of};
use super::stores::{OnDisk, Site, holder, missing, room, state};
use crate::planner::{AppliedRoom, Event, State};
use crate::store::error::StoreError;
use crate::store::holder::{Holder, Status};
use crate::store::port::Contents;
use crate::store::{Found, Locked, Store};
use jiff::Timestamp;
#[cfg(feature = "remote-state")]
use object_store::{ObjectStore, memory::InMemory};
use std::sync::Arc;
use tokio::task::JoinSet;

/// Each case against a place of its own.
macro_rules! contract {
    ($($case:ident),* $(,)?) => {
        mod on_disk {
            $(#[tokio::test]
            async fn $case() {
                super::$case(super::OnDisk::new()).await;
            })*
        }
        #[cfg(feature = "state-encryption")]
        mod on_disk_encrypted {
            $(#[tokio::test]
            async fn $case() {
                super::$case(super::Encrypted(super::OnDisk::new())).await;
            })*
        }
        #[cfg(all(feature = "remote-state", feature = "state-encryption"))]
        mod in_objects_encrypted {
            $(#[tokio::test]
            async fn $case() {
                super::$case(super::Encrypted(super::in_memory())).await;
            })*
        }
        #[cfg(feature = "remote-state")]
        mod in_objects {
            $(#[tokio::test]
            async fn $case() {
                super::$case(super::in_memory()).await;
            })*
        }
        #[cfg(feature = "remote-state")]
        mod on_servers {
            $(#[tokio::test]
            #[ignore = "needs servers: tests/remote/run.py starts them"]
            async fn $case() {
                for site in super::servers(stringify!($case)) {
                    super::$case(site).await;
                }
            })*
        }
    };
}

contract!(
    nothing_there_is_a_fresh_state,
    what_was_saved_is_loaded_and_the_serial_rises,
    only_one_holds_the_lock_and_is_named,
    what_a_dead_run_left_does_not_lock_and_is_named_once,
    whoever_lost_the_lock_overwrites_nothing,
    a_state_that_nobody_here_has_read_is_not_overwritten,
    a_dead_run_is_taken_in_and_folded_once,
    a_first_run_that_died_is_known_from_its_journal_alone,
    a_journal_that_is_there_is_not_begun_again,
    a_journal_of_another_state_is_refused,
    what_cannot_be_trusted_is_refused_and_kept,
    a_save_that_fails_leaves_serial_and_journal,
    what_is_saved_can_be_read,
    of_many_that_want_the_lock_one_has_it,
    of_many_that_save_one_does,
);

/// As many as that race, so many times.
const RACERS: usize = 20;
const ROUNDS: usize = 30;

async fn of_many_that_want_the_lock_one_has_it(site: impl Site) {
    let stores: Vec<Arc<Store>> = (0..RACERS).map(|_| Arc::new(site.store())).collect();
    for round in 0..ROUNDS {
        let mut racing = JoinSet::new();
        for store in &stores {
            let store = store.clone();
            racing.spawn(async move { store.lock(&holder()).await });
        }
        let (won, lost): (Vec<_>, Vec<_>) =
            racing.join_all().await.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1, "round {round}");
        for refused in lost {
            assert!(
                matches!(refused, Err(StoreError::Held(_))),
                "round {round}: {refused:?}"
            );
        }
    }
}

/// They hold the lock one after the other, but what they read was before that.
async fn of_many_that_save_one_does(site: impl Site) {
    let mut state = saved(&site).await;
    for round in 0..ROUNDS / 3 {
        let mut stores = Vec::new();
        for _ in 0..RACERS / 4 {
            let store = site.store();
            store.load(Some("acme")).await.unwrap();
            stores.push(store);
        }
        let mut saves = 0;
        for (racer, store) in stores.into_iter().enumerate() {
            let locked = store.lock(&holder()).await.unwrap();
            let mut mine = state.clone();
            mine.rooms.insert(
                room(&format!("room-{round}-{racer}")),
                AppliedRoom::default().into(),
            );
            match locked.save(&mut mine).await {
                Ok(()) => saves += 1,
                Err(error) => {
                    let serials = [round as u64 + 1, round as u64 + 2];
                    let said = serials.map(|serial| format!("serial {serial}"));
                    let words = error.to_string();
                    let is_said = said.iter().all(|serial| words.contains(serial));
                    assert!(
                        matches!(error, StoreError::Replaced(_)) && is_said,
                        "{words}"
                    );
                }
            }
        }
        assert_eq!(saves, 1, "round {round}");
        state = loaded(&site).await.state;
        assert_eq!(state.serial, round as u64 + 2);
    }
}

/// An object store in memory.
#[cfg(feature = "remote-state")]
fn in_memory() -> impl Site {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    InObjects::new(move || store.clone(), "rooms/state.json")
}

/// The object stores that run on this machine, which variables name as they would others; a key of its own for each case.
#[cfg(feature = "remote-state")]
fn servers(case: &str) -> Vec<impl Site> {
    let places = std::env::var("ROOMCTL_TEST_STATES").unwrap();
    let places: Vec<String> = places.split(' ').map(str::to_owned).collect();
    assert!(!places.is_empty());
    let site = |place: String| {
        let key = format!("{case}-{}/state.json", uuid::Uuid::new_v4());
        let address = format!("{place}/{key}").parse().unwrap();
        InObjects::new(move || store_of(&address), &key)
    };
    places.into_iter().map(site).collect()
}

async fn locked(site: &impl Site) -> Locked {
    site.store().lock(&holder()).await.unwrap()
}

async fn loaded(site: &impl Site) -> Found {
    site.store().load(Some("acme")).await.unwrap().unwrap()
}

/// Saves [`state`] for the first time.
async fn saved(site: &impl Site) -> State {
    let mut state = state();
    locked(site).await.save(&mut state).await.unwrap();
    state
}

/// A run that starts from `state`, records `event`, and dies.
async fn died(site: &impl Site, state: &State, event: Event) {
    let locked = locked(site).await;
    let journal = locked.begin(state).await.unwrap();
    journal.record(&[event]).unwrap().await.unwrap();
}

async fn nothing_there_is_a_fresh_state(site: impl Site) {
    let found = loaded(&site).await;
    assert_eq!((found.state, found.recovered), (State::fresh("acme"), 0));
    assert!(site.store().load(None).await.unwrap().is_none());
}

async fn what_was_saved_is_loaded_and_the_serial_rises(site: impl Site) {
    let mut state = state();
    let locked = locked(&site).await;
    for serial in 1..=3 {
        locked.save(&mut state).await.unwrap();
        assert_eq!(state.serial, serial);
        assert_eq!(loaded(&site).await.state, state);
    }
    let unnamed = site.store().load(None).await.unwrap().unwrap();
    assert_eq!(unnamed.state, state);
}

/// When the lock ends that somebody holds, where it ends by itself: not before the next minute is over.
fn ends(status: &Status) -> Option<Timestamp> {
    let Status::Held(Some(held)) = status else {
        panic!("{status:?}");
    };
    let ends = held.until;
    assert_eq!(
        held,
        &Holder {
            until: ends,
            ..holder()
        }
    );
    assert!(ends.is_none_or(|ends| ends > Timestamp::now()));
    ends
}

async fn only_one_holds_the_lock_and_is_named(site: impl Site) {
    let store = site.store();
    assert_eq!(store.unlock(false).await.unwrap(), Status::Free);
    let lock = locked(&site).await;
    assert_eq!(lock.left, None);
    let error = store.lock(&holder()).await.unwrap_err();
    let held = store.unlock(false).await.unwrap();
    let until = ends(&held).map(|until| format!("; if that has died, until {until}"));
    assert_eq!(
        error.to_string(),
        format!(
            "the state is locked by build 7 on runner (process 42) since 2026-11-01T08:00:00Z{}",
            until.unwrap_or_default()
        )
    );
    assert!(store.lock(&holder()).await.is_err(), "asking takes nothing");
    loaded(&site).await;
    drop(lock);
    assert_eq!(store.unlock(false).await.unwrap(), Status::Free);
    assert_eq!(locked(&site).await.left, None);
}

async fn what_a_dead_run_left_does_not_lock_and_is_named_once(site: impl Site) {
    site.leave_lock(&holder());
    assert_eq!(locked(&site).await.left, Some(holder()));
    assert_eq!(locked(&site).await.left, None);
    site.leave_lock(&holder());
    let store = site.store();
    let left = Status::Left(holder());
    assert_eq!(store.unlock(false).await.unwrap(), left);
    assert_eq!(store.unlock(false).await.unwrap(), Status::Free);
}

async fn whoever_lost_the_lock_overwrites_nothing(site: impl Site) {
    if cfg!(not(unix)) {
        // There, a lock file that is open cannot be removed, so no lock is lost.
        return;
    }
    let mut mine = saved(&site).await;
    let lost = locked(&site).await;
    let journal = lost.begin(&mine).await.unwrap();
    ends(&site.store().unlock(true).await.unwrap());

    let late = journal.record(&[missing("stand-up")]).unwrap().await;
    assert!(matches!(late, Err(StoreError::Evicted(_))), "{late:?}");
    drop(journal);
    let theirs = locked(&site).await;
    let mut state = loaded(&site).await.state;
    state
        .rooms
        .insert(room("theirs"), AppliedRoom::default().into());
    theirs.save(&mut state).await.unwrap();
    let journal = theirs.begin(&state).await.unwrap();
    journal
        .record(&[missing("stand-up")])
        .unwrap()
        .await
        .unwrap();

    let before = site.contents();
    for result in [
        lost.save(&mut mine).await,
        lost.drop_journal().await,
        lost.begin(&mine).await.map(drop),
    ] {
        assert!(matches!(result, Err(StoreError::Evicted(_))), "{result:?}");
    }
    assert_eq!(mine.serial, 1);
    drop(lost);
    let after = site.contents();
    assert_eq!((after.state, after.journal), (before.state, before.journal));
    assert!(site.store().lock(&holder()).await.is_err(), "still theirs");
}

async fn a_state_that_nobody_here_has_read_is_not_overwritten(site: impl Site) {
    let theirs = Some(b"{\"version\": 2}".to_vec());
    for _ in ["nothing was there", "a state was there"] {
        let store = site.store();
        let locked = store.lock(&holder()).await.unwrap();
        let mut state = store.load(Some("acme")).await.unwrap().unwrap().state;
        state.lineage = "7f0c".into();
        let (before, serial) = (site.contents(), state.serial);
        site.put(Contents {
            state: theirs.clone(),
            ..Contents::default()
        });
        let refused = locked.save(&mut state).await;
        let Err(error @ StoreError::Replaced(_)) = refused else {
            panic!("{refused:?}");
        };
        assert!(error.to_string().contains("another state"), "{error}");
        assert_eq!(site.contents().state, theirs);
        assert_eq!(state.serial, serial);

        // One's own is replaced as often as one likes.
        site.put(before);
        store.load(Some("acme")).await.unwrap();
        for _ in 0..2 {
            locked.save(&mut state).await.unwrap();
        }
    }
}

async fn a_dead_run_is_taken_in_and_folded_once(site: impl Site) {
    let state = saved(&site).await;
    died(&site, &state, missing("stand-up")).await;
    let found = loaded(&site).await;
    assert_eq!((found.recovered, found.state.rooms.len()), (1, 0));

    // The process dies between the save and the removal of the journal.
    let journal = site.contents().journal;
    let mut folded = found.state;
    folded
        .rooms
        .insert(room("later"), AppliedRoom::default().into());
    locked(&site).await.save(&mut folded).await.unwrap();
    let state = site.contents().state;
    assert!(site.contents().journal.is_none());
    site.put(Contents { state, journal });
    let found = loaded(&site).await;
    assert_eq!((found.recovered, found.state), (0, folded));
}

async fn a_first_run_that_died_is_known_from_its_journal_alone(site: impl Site) {
    let mut fresh = State::fresh("acme");
    fresh.lineage = "7f0c".into();
    let event = Event::Applied {
        room: room("stand-up"),
        applied: AppliedRoom::clone(&state().rooms[&room("stand-up")]).into(),
    };
    died(&site, &fresh, event).await;
    assert_eq!(loaded(&site).await.state, state());
}

async fn a_journal_that_is_there_is_not_begun_again(site: impl Site) {
    let state = saved(&site).await;
    died(&site, &state, missing("stand-up")).await;
    let before = site.contents().journal;
    assert!(locked(&site).await.begin(&state).await.is_err());
    assert_eq!(site.contents().journal, before);
}

async fn a_journal_of_another_state_is_refused(site: impl Site) {
    let mine = saved(&site).await;
    for (lineage, serial) in [("other", 1), ("7f0c", 2)] {
        let mut other = mine.clone();
        other.lineage = lineage.into();
        other.serial = serial;
        died(&site, &other, missing("stand-up")).await;
        let error = site.store().load(Some("acme")).await.unwrap_err();
        assert!(matches!(error, StoreError::OtherJournal { .. }), "{error}");
        locked(&site).await.drop_journal().await.unwrap();
    }
}

async fn what_cannot_be_trusted_is_refused_and_kept(site: impl Site) {
    let cases = [
        ("", "damaged"),
        ("{", "damaged"),
        ("[]", "damaged"),
        (
            r#"{"version":1,"lineage":"","serial":1,"app":"acme","rooms":{}}"#,
            "damaged",
        ),
        (
            r#"{"version":0,"lineage":"x","serial":1,"app":"acme","rooms":{}}"#,
            "damaged",
        ),
        (
            r#"{"version":1,"lineage":"x","serial":1,"app":"acme","rooms":{},"more":1}"#,
            "damaged",
        ),
        (r#"{"version":3,"anything":"else"}"#, "has version 3"),
        (
            r#"{"version":1,"lineage":"x","serial":1,"app":"other","rooms":{}}"#,
            "belongs to the app `other`",
        ),
    ];
    for (text, message) in cases {
        let state = Some(text.as_bytes().to_vec());
        let journal = None;
        site.put(Contents { state, journal });
        let error = site.store().load(Some("acme")).await.unwrap_err();
        assert!(error.to_string().contains(message), "{text}: {error}");
        assert_eq!(site.contents().state.as_deref(), Some(text.as_bytes()));
    }
}

async fn a_save_that_fails_leaves_serial_and_journal(site: impl Site) {
    let mut state = saved(&site).await;
    died(&site, &state, missing("stand-up")).await;
    let before = site.contents();
    site.fill_up();
    assert!(locked(&site).await.save(&mut state).await.is_err());
    assert_eq!(state.serial, 1);
    let after = site.contents();
    assert_eq!((after.state, after.journal), (before.state, before.journal));
}

async fn what_is_saved_can_be_read(site: impl Site) {
    let mut state = state();
    state.serial = u64::MAX - 2;
    let locked = locked(&site).await;
    locked.save(&mut state).await.unwrap();
    assert_eq!(loaded(&site).await.state, state);
    for refused in [
        locked.save(&mut state).await,
        locked.begin(&state).await.map(drop),
    ] {
        assert!(
            matches!(refused, Err(StoreError::LastSerial)),
            "{refused:?}"
        );
    }
    assert_eq!(loaded(&site).await.state, state);
}
