//! What is kept of an encrypted state, and who can read it.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use age::x25519::Identity;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::cases;
use super::stores::{OnDisk, Site, holder, missing, room, state};
use crate::model::recipient::Recipient;
use crate::model::{Secret, Stored};
use crate::planner::{AppliedRoom, State};
use crate::store::Store;
use crate::store::encryption::Keys;
use crate::store::error::StoreError;
use crate::store::holder::Holder;
use crate::store::port::Contents;

static IDENTITIES: LazyLock<[Identity; 2]> =
    LazyLock::new(|| [(); 2].map(|()| Identity::generate()));

fn recipients(who: &[usize]) -> BTreeSet<Recipient> {
    let text = |one: &usize| IDENTITIES[*one].to_public().to_string();
    who.iter()
        .map(|one| text(one).try_into().unwrap())
        .collect()
}

/// For these, read by those.
fn keys(to: &[usize], by: &[usize]) -> Keys {
    use age::secrecy::ExposeSecret;
    let lines = by
        .iter()
        .map(|one| format!("# made\n{}\n", IDENTITIES[*one].to_string().expose_secret()));
    Keys {
        recipients: recipients(to),
        identity: (!by.is_empty()).then(|| Secret::new(lines.collect::<String>())),
        ..Keys::default()
    }
}

/// A place whose states are encrypted.
pub(super) struct Encrypted<S>(pub S);

impl<S: Site> Site for Encrypted<S> {
    fn store(&self) -> Store {
        self.0.store().with(keys(&[0, 1], &[0]))
    }

    fn contents(&self) -> Contents {
        self.0.contents()
    }

    fn put(&self, contents: Contents) {
        self.0.put(contents);
    }

    fn leave_lock(&self, holder: &Holder) {
        self.0.leave_lock(holder);
    }

    fn fill_up(&self) {
        self.0.fill_up();
    }
}

async fn save(site: &OnDisk, keys: Keys, state: &State) -> Result<State, StoreError> {
    let store = site.store().with(keys);
    let locked = store.lock(&holder()).await?;
    store.load(None).await?;
    let mut state = state.clone();
    locked.save(&mut state).await?;
    Ok(state)
}

async fn load(site: &OnDisk, keys: Keys) -> Result<State, StoreError> {
    let found = site.store().with(keys).load(None).await?;
    Ok(found.unwrap().state)
}

fn waited<T>(answer: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.build().unwrap().block_on(answer)
}

/// Why a state cannot be used.
fn why<T: std::fmt::Debug>(result: Result<T, StoreError>) -> &'static str {
    match result {
        Err(StoreError::Encrypted { why, .. }) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn who_is_named_reads_and_nobody_else() {
    let site = OnDisk::new();
    let clear = save(&site, Keys::default(), &state()).await.unwrap();
    assert_eq!(load(&site, keys(&[0], &[])).await.unwrap(), clear);
    let saved = save(&site, keys(&[0], &[0]), &clear).await.unwrap();
    for (to, by) in [(&[0][..], &[0][..]), (&[], &[0]), (&[1], &[1, 0])] {
        assert_eq!(load(&site, keys(to, by)).await.unwrap(), saved);
    }
    assert!(why(load(&site, keys(&[0], &[])).await).contains("no identity"));
    assert!(why(load(&site, keys(&[0], &[1])).await).contains("not for the identity"));
    let nonsense = Keys {
        identity: Some(Secret::new("AGE-SECRET-KEY-1CANARY")),
        ..keys(&[0], &[])
    };
    assert!(why(load(&site, nonsense).await).contains("none of age"));

    // For another: who reads it by then no longer reads what is saved, so has to read it with both.
    let saved = save(&site, keys(&[1], &[0, 1]), &saved).await.unwrap();
    assert!(why(load(&site, keys(&[1], &[0])).await).contains("not for the identity"));
    assert_eq!(load(&site, keys(&[1], &[1])).await.unwrap(), saved);
}

#[tokio::test]
async fn nothing_is_saved_in_clear_that_was_not_nor_what_nobody_here_could_read() {
    let site = OnDisk::new();
    for by in [&[][..], &[1]] {
        let refused = why(save(&site, keys(&[0], by), &state()).await);
        assert!(refused.contains("identity"), "{refused}");
    }
    assert!(site.contents().state.is_none());
    let saved = save(&site, keys(&[0], &[0]), &state()).await.unwrap();
    let before = site.contents().state;
    assert!(why(save(&site, keys(&[], &[0]), &saved).await).contains("in clear"));
    assert!(why(save(&site, keys(&[1], &[0]), &saved).await).contains("could not be read again"));
    let store = site.store().with(keys(&[], &[0]));
    let locked = store.lock(&holder()).await.unwrap();
    store.load(None).await.unwrap();
    assert!(why(locked.begin(&saved).await.map(drop)).contains("in clear"));
    // Nor elsewhere, as `state migrate` does.
    let other = OnDisk::new();
    let store = other.store().with(store.keys.clone());
    let locked = store.lock(&holder()).await.unwrap();
    assert!(why(locked.save(&mut saved.clone()).await).contains("in clear"));
    let after = site.contents();
    assert_eq!((after.state, after.journal), (before, None));
}

/// A text that nothing else holds by chance.
fn word() -> impl Strategy<Value = String> {
    "[a-z]{12,20}"
}

fn states() -> impl Strategy<Value = State> {
    let settings = btree_map(word(), word(), 0..4);
    let rooms = btree_map(word(), settings, 0..6);
    (word(), word(), 0..1_000_u64, rooms).prop_map(|(app, lineage, serial, rooms)| {
        let applied = |settings: std::collections::BTreeMap<String, String>| AppliedRoom {
            settings: settings
                .into_iter()
                .map(|(name, value)| (name, Stored::from(&*value)))
                .collect(),
            ..AppliedRoom::default()
        };
        let rooms = rooms.into_iter();
        State {
            lineage,
            serial,
            rooms: rooms
                .map(|(name, settings)| (room(&name), applied(settings).into()))
                .collect(),
            ..State::fresh(&app)
        }
    })
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn what_is_kept_says_nothing_and_is_read_again(state in states(), seen in vec(word(), 0..4)) {
        let site = Encrypted(OnDisk::new());
        let mut saved = state.clone();
        waited(async {
            let locked = site.store().lock(&holder()).await.unwrap();
            locked.save(&mut saved).await.unwrap();
            let journal = locked.begin(&saved).await.unwrap();
            for name in &seen {
                journal.record(&[missing(name)]).unwrap().await.unwrap();
            }
        });
        let Contents { state: kept, journal } = site.contents();
        let kept = [kept.unwrap(), journal.unwrap()].concat();
        let kept = String::from_utf8(kept).unwrap();
        let values = saved.rooms.values().flat_map(|room| &room.settings);
        let values = values.flat_map(|(name, value)| [name.to_string(), format!("{value:?}")]);
        let texts = values.chain(saved.rooms.keys().map(ToString::to_string)).chain(seen.clone());
        for text in texts.chain([saved.lineage.clone(), saved.app.clone()]) {
            let text = text.rsplit_once("(\"").map_or(&*text, |(_, value)| value.trim_end_matches("\")"));
            prop_assert!(!kept.contains(text), "{text}");
        }
        let found = waited(site.store().load(None)).unwrap().unwrap();
        prop_assert_eq!(found.recovered, seen.len());
        prop_assert_eq!(found.saved.unwrap_or(found.state), saved);
    }

    /// Also where it only looks different: armor may end its lines in two ways.
    #[test]
    fn whatever_is_changed_is_refused_or_the_same(at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let site = Encrypted(OnDisk::new());
        let before = waited(async {
            let locked = site.store().lock(&holder()).await.unwrap();
            locked.save(&mut state()).await.unwrap();
            let journal = locked.begin(&State { serial: 1, ..state() }).await.unwrap();
            journal.record(&[missing("stand-up")]).unwrap().await.unwrap();
            drop(journal);
            site.store().load(None).await.unwrap().unwrap()
        });
        let kept = site.contents();
        let (state, journal) = (kept.state.unwrap(), kept.journal.unwrap());
        let mut both = [&state[..], &journal].concat();
        // Not its last line break: without one, a line was never written.
        both[at.index(state.len() + journal.len() - 1)] = to;
        let (state, journal) = both.split_at(state.len());
        site.put(Contents { state: Some(state.to_vec()), journal: Some(journal.to_vec()) });
        if let Ok(after) = waited(site.store().load(None)) {
            let after = after.unwrap();
            prop_assert_eq!((after.state, after.recovered), (before.state, before.recovered));
        }
    }
}
