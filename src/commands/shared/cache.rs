//! The rooms of which the last plan had nothing to say, kept beside the state: as long as the file of such a room, what
//! holds for it, and the whole state are byte for byte as they were, nothing of it is parsed. What is kept may vanish at any
//! time. It decides only over what a plan shows: `apply` never looks at it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::ops::Range;
use std::panic::resume_unwind;
use std::path::Path;
use std::thread;

use serde::{Deserialize, Serialize};
use tracing::debug;
use uuid::Uuid;

use super::exit::Failure;
use super::rooms::finished;
use super::workspace::Workspace;
use crate::disk::plain_file::{MAX_DATA, MAX_STATE, Pieces, read_own_bytes};
use crate::disk::whole_file::{Way, write_whole};
use crate::files::cores::all_cores;
use crate::files::discover::discover;
use crate::files::room_files::{Loaded, load_found};
use crate::files::settled::Settled;
use crate::files::text_file::read_text;
use crate::model::digest::{Digest, sha256};
use crate::model::policy::Ask;
use crate::model::rules::{self, Span};
use crate::model::{Finding, RoomName};
use crate::planner::change::Open;
use crate::planner::{State, posture};
use crate::store::port::Contents;
use crate::store::{Found, state_file};

pub(crate) struct Cache {
    /// The state, of which only some pieces are read; without a journal.
    state: Pieces,
    /// The digest of all of it.
    digest: String,
    /// The state, where all of it is read.
    bytes: Option<Vec<u8>>,
    kept: Kept,
    /// Whether that was there before.
    is_there: bool,
}

#[derive(Default, Serialize, Deserialize)]
struct Kept {
    /// Digest of the state, and of all else that is the same for every room.
    of: String,
    salt: String,
    lineage: String,
    serial: u64,
    app: String,
    /// All rooms of the state, by name.
    rooms: Vec<Room>,
}

/// By short names in the file: there are many.
#[derive(Clone, Serialize, Deserialize)]
struct Room {
    #[serde(rename = "n")]
    name: RoomName,
    /// Where in the bytes of the state it begins and ends.
    #[serde(rename = "p")]
    place: (usize, usize),
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    settled: Option<Silence>,
}

/// That there is nothing to do for a room, nor to say beside warnings.
#[derive(Clone, Serialize, Deserialize)]
struct Silence {
    /// Digest of its file and of what holds for it.
    #[serde(rename = "d")]
    of: String,
    #[serde(rename = "w", default, skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Finding>,
    /// For how long.
    #[serde(rename = "t", default, skip_serializing_if = "Span::is_endless")]
    at: Span,
    #[serde(rename = "o")]
    open: Open,
}

/// Reads rooms and state side by side. Where it `keeps`, the rooms that are settled are only counted: there are no `policies`
/// then, and the run is about all rooms.
pub(crate) fn read(
    workspace: &Workspace,
    policies: &dyn Ask,
    keeps: bool,
) -> (Loaded, Result<Found, Failure>, Option<Cache>) {
    let find = || discover(&workspace.whole, &workspace.rooms);
    let load = |found, settled: Option<&Settled<'_>>| {
        let found = [(&*workspace.rooms, found)].into_iter();
        let context = workspace.context(policies);
        load_found(found, &context, &read_text, all_cores(), settled)
    };
    let (mut found, mut cache) = (None, None);
    if keeps {
        let (opened, here) = beside(|| Cache::open(workspace), find);
        (found, cache) = (Some(here), opened);
    }
    if let Some(kept) = cache.as_ref().filter(|cache| cache.is_there) {
        let files = load(
            found.take().unwrap_or_else(find),
            Some(&kept.settled(workspace.now)),
        );
        if let Some((files, state)) = kept.rest(workspace, files) {
            let files = finished(workspace, Some(&state), files);
            return (files, Ok(Found::of(state)), cache);
        }
    }
    let whole = || cache.as_ref().and_then(|cache| cache.whole(workspace));
    let state = || match whole() {
        Some(contents) => (workspace.state_of(&contents), contents.state),
        None => (workspace.load_state(), None),
    };
    let settled = cache.as_ref().map(Cache::none_settled);
    let files = || load(found.unwrap_or_else(find), settled.as_ref());
    let ((state, bytes), files) = beside(state, || finished(workspace, None, files()));
    let cache = cache.filter(|_| bytes.is_some());
    (files, state, cache.map(|cache| Cache { bytes, ..cache }))
}

/// Does one thing in a thread of its own, and the other meanwhile.
fn beside<A: Send, B>(one: impl FnOnce() -> A + Send, other: impl FnOnce() -> B) -> (A, B) {
    thread::scope(|scope| {
        let one = scope.spawn(one);
        let other = other();
        (
            one.join().unwrap_or_else(|panic| resume_unwind(panic)),
            other,
        )
    })
}

impl Cache {
    /// `None`: there is no state, or an unfinished run left something to be taken into it.
    fn open(workspace: &Workspace) -> Option<Self> {
        if workspace.state_file(".journal").symlink_metadata().is_ok() {
            return None;
        }
        let mut digest = Digest::default();
        let state = Pieces::open(&workspace.state_file(""), MAX_STATE, |bytes| {
            digest.add(bytes)
        });
        let (state, digest) = (state.ok()?, digest.end());
        let of = sha256(format!("{digest} {}", workspace.decides()).as_bytes());
        let kept = kept(&workspace.state_file(".cache"), &of);
        let is_there = kept.is_ok();
        let kept = kept.unwrap_or_else(|why| {
            debug!("all rooms are read: {why}");
            let salt = Uuid::new_v4().to_string();
            Kept {
                of,
                salt,
                ..Kept::default()
            }
        });
        let bytes = None;
        Some(Self {
            state,
            digest,
            bytes,
            kept,
            is_there,
        })
    }

    /// All of the same state, without anything that a run left unfinished.
    fn whole(&self, workspace: &Workspace) -> Option<Contents> {
        let is_same = |state: &Vec<u8>| sha256(state) == self.digest;
        let read = workspace.state_bytes()?;
        let is_whole = read.journal.is_none() && read.state.as_ref().is_some_and(is_same);
        is_whole.then_some(read)
    }

    /// What is settled at a moment.
    fn settled(&self, now: i64) -> Settled<'_> {
        let rooms = self.kept.rooms.iter().enumerate();
        let rooms = rooms.filter_map(|(number, room)| {
            let settled = room.settled.as_ref().filter(|one| one.at.contains(now))?;
            Some((settled.of.as_str(), (number, &*settled.warnings)))
        });
        let rooms = rooms.collect();
        Settled {
            rooms,
            ..self.none_settled()
        }
    }

    fn none_settled(&self) -> Settled<'_> {
        let (salt, rooms) = (self.kept.salt.as_str(), HashMap::new());
        Settled { salt, rooms }
    }

    /// What has to be compared: without the rooms of `files` that are settled. `None`: they do not go together.
    fn rest(&self, workspace: &Workspace, mut files: Loaded) -> Option<(Loaded, State)> {
        let Kept {
            lineage,
            serial,
            app,
            rooms,
            ..
        } = &self.kept;
        // Made up: the state itself would be refused.
        if !workspace.takes(app) {
            return None;
        }
        let mut is_settled = vec![false; rooms.len()];
        for number in &files.settled {
            let silence = rooms[*number].settled.as_ref()?;
            if std::mem::replace(&mut is_settled[*number], true) {
                return None;
            }
            files.quiet.add(silence.open);
        }
        let key = |name: &RoomName| workspace.configuration.names().key(name.as_str());
        let settled = files.settled.iter().filter(|_| !files.wanted.is_empty());
        let settled: HashSet<String> = settled.map(|number| key(&rooms[*number].name)).collect();
        if files.wanted.keys().any(|name| settled.contains(&key(name))) {
            return None;
        }
        let others = rooms.iter().enumerate();
        let others = others.filter(|(number, _)| !is_settled[*number]);
        let others = others.map(|(_, room)| {
            let text = self.state.piece(room.place.0..room.place.1).ok()?;
            Some((room.name.clone(), serde_json::from_slice(&text).ok()?))
        });
        let state = State {
            lineage: lineage.clone(),
            serial: *serial,
            rooms: others.collect::<Option<_>>()?,
            ..State::fresh(app)
        };
        debug!("rooms as the last plan left them: {}", files.settled.len());
        Some((files, state))
    }

    /// Keeps of which of the `files` there was nothing to say, if there are more of them than before. What fails is no matter.
    pub(crate) fn keep(&self, workspace: &Workspace, files: &Loaded, state: &State) {
        let settled = files.digests.iter().filter_map(|(name, (of, warnings))| {
            let (file, known) = (files.wanted.get(name)?, state.rooms.get(name)?);
            let is_settled = known.is_settled(file, state.salt());
            let silence = Silence {
                of: of.clone(),
                warnings: warnings.clone(),
                at: rules::constant(&file.settings, workspace.now),
                open: posture::known(known),
            };
            is_settled.then_some((name, silence))
        });
        let mut settled: BTreeMap<&RoomName, Silence> = settled.collect();
        if settled.is_empty() {
            return;
        }
        let mut rooms = match &self.bytes {
            None => self.kept.rooms.clone(),
            Some(bytes) => rooms_of(bytes),
        };
        let as_before: HashSet<usize> = files.settled.iter().copied().collect();
        for (number, room) in rooms.iter_mut().enumerate() {
            if !as_before.contains(&number) {
                room.settled = settled.remove(&room.name);
            }
        }
        let kept = Kept {
            of: self.kept.of.clone(),
            salt: self.kept.salt.clone(),
            lineage: state.lineage.clone(),
            serial: state.serial,
            app: state.app.clone(),
            rooms,
        };
        if let Err(why) = kept.write(&workspace.state_file(".cache")) {
            debug!("nothing is kept for the next plan: {why}");
        }
    }
}

impl Kept {
    /// A line with the digest of the rest, and the rest.
    fn write(&self, path: &Path) -> io::Result<()> {
        let rest = serde_json::to_string(self)?;
        let text = format!("{}\n{rest}", sha256(rest.as_bytes()));
        write_whole(path, text.as_bytes(), Way::Replace)
    }
}

/// The rooms of a state that was read well.
fn rooms_of(state: &[u8]) -> Vec<Room> {
    let places = state_file::places(state).unwrap_or_default().into_iter();
    let room = |(name, place): (_, Range<usize>)| Room {
        name,
        place: (place.start, place.end),
        settled: None,
    };
    places.map(room).collect()
}

/// What is kept in a file, if it is about this.
fn kept(path: &Path, of: &str) -> io::Result<Kept> {
    let bytes = read_own_bytes(path, MAX_DATA)?;
    let end = bytes
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or_default();
    let (digest, rest) = (&bytes[..end], bytes.get(end + 1..).unwrap_or_default());
    if digest != sha256(rest).as_bytes() {
        return Err(io::Error::other("what was kept is damaged"));
    }
    let kept: Kept = serde_json::from_slice(rest)?;
    let is_sorted = kept.rooms.is_sorted_by(|one, next| one.name < next.name);
    match kept.of == of && is_sorted {
        true => Ok(kept),
        false => Err(io::Error::other("what was kept is about something else")),
    }
}
