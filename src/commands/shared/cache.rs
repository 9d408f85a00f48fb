//! The rooms of which the last plan had nothing to say, kept beside the state: as long as the file of such a room, what
//! holds for it, and the whole state are byte for byte as they were, nothing of it is parsed. What is kept may vanish at any
//! time. It decides only over what a plan shows: `apply` never looks at it.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
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
use crate::disk::stamp::{Stamp, clock};
use crate::disk::whole_file::{Way, remove, write_whole};
use crate::files::cores::{all_cores, on_cores};
use crate::files::discover::discover;
use crate::files::room_files::{Loaded, load_found};
use crate::files::settled::{Settled, SettledRoom};
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
    kept: Kept<'static>,
    /// Whether that was there before.
    is_there: bool,
    /// Of the state, where writes show in the times of files.
    stamp: Option<Stamp>,
    /// All variables that files may refer to.
    variables: String,
    /// When this run began, as times of files are.
    begun: i64,
}

#[derive(Default, Serialize, Deserialize)]
struct Kept<'a> {
    /// Digest of the state, and of all else that is the same for every room.
    of: String,
    /// Digest and stamp of the state.
    state: (String, Option<Stamp>),
    /// Digest of what is above the files that have stamps.
    above: String,
    /// When this was written, as times of files are.
    written: i64,
    salt: String,
    lineage: String,
    serial: u64,
    app: String,
    /// All rooms of the state, by name.
    /// The rooms that are not settled, by name.
    #[serde(borrow)]
    others: Vec<(Cow<'a, str>, Piece)>,
    /// What is known of each of the settled rooms, behind its file as it is in JSON, by that.
    #[serde(skip)]
    lines: Vec<&'a [u8]>,
}

/// Where in the bytes of the state a room begins and ends.
type Piece = (usize, usize);

/// That there is nothing to do for a room, nor to say beside warnings. By short names in the file: there are many.
#[derive(Clone, Serialize, Deserialize)]
struct Silence<'a> {
    #[serde(rename = "n", borrow)]
    name: Cow<'a, str>,
    #[serde(rename = "p")]
    piece: Piece,
    /// Digest of its file and of what holds for it.
    #[serde(rename = "d")]
    of: &'a str,
    #[serde(rename = "w", default, skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Finding>,
    /// For how long.
    #[serde(rename = "t", default, skip_serializing_if = "Span::is_endless")]
    at: Span,
    #[serde(rename = "o")]
    open: Open,
    /// Of its file, once every later write shows in it.
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    stamp: Option<Stamp>,
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
        let room = |file: &str| kept.room(file, workspace.now);
        let files = load(
            found.take().unwrap_or_else(find),
            Some(&kept.settled(&room)),
        );
        if let Some((files, state)) = kept.rest(workspace, files) {
            let files = finished(workspace, Some(&state), files);
            return (files, Ok(Found::of(state)), cache);
        }
    }
    let whole = || cache.as_ref().and_then(|cache| cache.whole(workspace));
    let state = || match whole() {
        Some(contents) => (workspace.state_of(&contents), true),
        None => (workspace.load_state(), false),
    };
    let settled = cache.as_ref().map(|cache| cache.settled(&|_| None));
    let files = || load(found.unwrap_or_else(find), settled.as_ref());
    let ((state, is_whole), files) = beside(state, || finished(workspace, None, files()));
    let of_state = |cache| Cache {
        is_there: false,
        ..cache
    };
    (files, state, cache.filter(|_| is_whole).map(of_state))
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

/// Whether nothing is kept, since the state is encrypted, and a cache repeats names and digests of it. One from before goes.
pub(crate) fn is_none_kept(workspace: &Workspace) -> bool {
    if workspace.store.keys.recipients.is_empty() {
        return false;
    }
    let path = workspace.state_file(".cache");
    if let Some(Err(why)) = path.map(|path| remove(&path)) {
        debug!("nothing to remove: {why}");
    }
    true
}

impl Cache {
    /// `None`: there is no state, or an unfinished run left something to be taken into it.
    fn open(workspace: &Workspace) -> Option<Self> {
        if workspace.state_file(".journal")?.symlink_metadata().is_ok() {
            return None;
        }
        let begun = clock();
        if is_none_kept(workspace) {
            return None;
        }
        let path = workspace.state_file(".cache")?;
        let state = Pieces::open(&workspace.state_file("")?).ok()?;
        let kept = kept(&path, state.size()).unwrap_or_else(|why| {
            debug!("nothing is kept: {why}");
            Kept::default()
        });
        let stamp = Stamp::of(&path).filter(|_| kept.written != 0);
        let is_timed = stamp.is_none_or(|stamp| stamp.is_about(kept.written));
        let stamp = state.stamp().filter(|_| is_timed);
        if stamp.is_none() {
            debug!("times of files are not gone by here");
        }
        let is_unmoved = stamp.is_some() && stamp == kept.state.1;
        let digest = match is_unmoved {
            true => kept.state.0.clone(),
            false => digest(&state).ok()?,
        };
        let of = sha256(format!("{digest} {}", workspace.decides()).as_bytes());
        let is_there = kept.of == of;
        let kept = match is_there {
            true => kept,
            false => Kept {
                of,
                salt: Uuid::new_v4().to_string(),
                ..Kept::default()
            },
        };
        Some(Self {
            state,
            digest,
            kept,
            is_there,
            stamp,
            variables: workspace.variables(),
            begun,
        })
    }

    /// All of the same state, without anything that a run left unfinished.
    fn whole(&self, workspace: &Workspace) -> Option<Contents> {
        let is_same = |state: &Vec<u8>| sha256(state) == self.digest;
        let read = workspace.state_bytes()?;
        let is_whole = read.journal.is_none() && read.state.as_ref().is_some_and(is_same);
        is_whole.then_some(read)
    }

    fn settled<'a>(
        &'a self,
        room: &'a (dyn Fn(&str) -> Option<SettledRoom> + Sync),
    ) -> Settled<'a> {
        Settled {
            salt: &self.kept.salt,
            variables: &self.variables,
            above: &self.kept.above,
            room,
        }
    }

    /// What is settled of a file at a moment.
    fn room(&self, file: &str, now: i64) -> Option<SettledRoom> {
        let lines = &self.kept.lines;
        let begins = beginning(file).ok()?;
        let number = lines.partition_point(|line| *line < begins.as_slice());
        let line = lines.get(number)?.strip_prefix(begins.as_slice())?;
        let silence: Silence<'static> = serde_json::from_slice(line).ok()?;
        silence.at.contains(now).then_some(SettledRoom {
            number,
            name: silence.name,
            digest: silence.of,
            stamp: silence.stamp.filter(|_| self.stamp.is_some()),
            is_read: false,
            findings: silence.warnings,
            open: silence.open,
        })
    }

    /// A stamp that was taken before the file was read, if every write since then gives the file another one.
    fn lasting(&self, stamp: Option<Stamp>) -> Option<Stamp> {
        let (stamp, state) = (stamp?, self.stamp?);
        let is_lasting = stamp.is_beside(&state) && stamp.is_older_than(self.begun);
        is_lasting.then_some(stamp)
    }

    /// What has to be compared: without the rooms of `files` that are settled. `None`: they do not go together.
    fn rest(&self, workspace: &Workspace, mut files: Loaded) -> Option<(Loaded, State)> {
        let Kept {
            lineage,
            serial,
            app,
            others,
            lines,
            ..
        } = &self.kept;
        // Made up: the state itself would be refused.
        if !workspace.takes(app) {
            return None;
        }
        let mut is_settled = vec![false; lines.len()];
        for room in &files.settled {
            is_settled[room.number] = true;
            files.quiet.add(room.open);
        }
        let key = |name: &str| workspace.configuration.names().key(name);
        let settled = files.settled.iter().filter(|_| !files.wanted.is_empty());
        let settled: HashSet<String> = settled.map(|room| key(&room.name)).collect();
        let mut wanted = files.wanted.keys().map(RoomName::as_str);
        if wanted.any(|name| settled.contains(&key(name))) {
            return None;
        }
        let moved = lines.iter().zip(is_settled).filter(|(_, is)| !is);
        let moved = moved.map(|(line, _)| silence(line).map(|room| (room.name, room.piece)));
        let mut all = moved.collect::<Option<Vec<_>>>()?;
        all.extend_from_slice(others);
        // Made up: no two of them are at the same place. To read one again and again would fill the memory.
        all.sort_by_key(|(_, piece)| *piece);
        if !all.is_sorted_by(|(_, one), (_, next)| one.1 <= next.0) {
            return None;
        }
        let all = all.into_iter().map(|(name, piece)| {
            let text = self.state.piece(piece.0..piece.1).ok()?;
            let name = RoomName::try_from(name.into_owned()).ok()?;
            Some((name, serde_json::from_slice(&text).ok()?))
        });
        let state = State {
            lineage: lineage.clone(),
            serial: *serial,
            rooms: all.collect::<Option<_>>()?,
            ..State::fresh(app)
        };
        let unread = files.settled.iter().filter(|room| !room.is_read);
        debug!("files that were not read: {}", unread.count());
        debug!("rooms as the last plan left them: {}", files.settled.len());
        Some((files, state))
    }

    /// All rooms of the state, by name. They are read again: while all else was in memory, there was no place for its text, too.
    fn pieces(&self, workspace: &Workspace) -> Option<Vec<(Cow<'static, str>, Piece)>> {
        if self.is_there {
            let mut all = self.kept.others.clone();
            let lines = on_cores(all_cores(), &self.kept.lines, |line| silence(line));
            all.extend(lines.into_iter().flatten().map(|one| (one.name, one.piece)));
            return Some(all);
        }
        let places = state_file::places(&self.whole(workspace)?.state?)?;
        let piece = |(name, place): (RoomName, Range<usize>)| {
            (Cow::Owned(name.into()), (place.start, place.end))
        };
        Some(places.into_iter().map(piece).collect())
    }

    /// Keeps of which of the `files` there was nothing to say, if that is more than before. What fails is no matter.
    pub(crate) fn keep(&self, workspace: &Workspace, files: &Loaded, state: &State) {
        let stamps = files.settled.iter().map(|room| match room.is_read {
            true => self.lasting(room.stamp),
            false => room.stamp,
        });
        let stamps: Vec<Option<Stamp>> = stamps.collect();
        let mut all = files.settled.iter().zip(&stamps);
        let is_more = all.any(|(room, stamp)| room.is_read && stamp.is_some());
        let settled = files
            .digests
            .iter()
            .filter_map(|(name, (of, warnings, stamp))| {
                let (file, known) = (files.wanted.get(name)?, state.rooms.get(name)?);
                let is_settled = known.is_settled(file, state.salt());
                let silence = Silence {
                    name: Cow::Borrowed(name.as_str()),
                    piece: Piece::default(),
                    of,
                    warnings: warnings.clone(),
                    at: rules::constant(&file.settings, workspace.now),
                    open: posture::known(known),
                    stamp: self.lasting(*stamp),
                };
                is_settled.then_some((beginning(&file.file).ok()?, silence))
            });
        let mut settled: Vec<(Vec<u8>, Silence<'_>)> = settled.collect();
        if settled.is_empty() && !is_more {
            return;
        }
        let as_before = files.settled.iter().zip(stamps);
        settled.extend(as_before.filter_map(|(room, stamp)| {
            let line = self.kept.lines[room.number];
            let begins = line.split_inclusive(|byte| *byte == TAB).next()?.to_vec();
            Some((
                begins,
                Silence {
                    stamp,
                    ..silence(line)?
                },
            ))
        }));
        let Some(pieces) = self.pieces(workspace) else {
            return;
        };
        let mut others: BTreeMap<Cow<'_, str>, Piece> = pieces.into_iter().collect();
        for (_, silence) in &mut settled {
            silence.piece = others.remove(&silence.name).unwrap_or_default();
        }
        let kept = Kept {
            of: self.kept.of.clone(),
            state: (self.digest.clone(), self.lasting(self.stamp)),
            above: files.above.clone(),
            written: clock(),
            salt: self.kept.salt.clone(),
            lineage: state.lineage.clone(),
            serial: state.serial,
            app: state.app.clone(),
            others: others.into_iter().collect(),
            lines: Vec::new(),
        };
        let path = workspace.state_file(".cache");
        let written = path.map_or(Ok(()), |path| kept.write(settled, &path));
        if let Err(why) = written {
            debug!("nothing is kept for the next plan: {why}");
        }
    }
}

/// What is between the file of a settled room and all else: no JSON text has it within.
const TAB: u8 = b'\t';

/// How the line of a file begins.
fn beginning(file: &str) -> serde_json::Result<Vec<u8>> {
    let mut begins = serde_json::to_vec(file)?;
    begins.push(TAB);
    Ok(begins)
}

/// What the line of a file says.
fn silence(line: &[u8]) -> Option<Silence<'_>> {
    let begins = line.iter().position(|byte| *byte == TAB)?;
    serde_json::from_slice(&line[begins + 1..]).ok()
}

impl Kept<'_> {
    /// A line with the digest of the rest, one of what concerns all rooms, and one for each that is settled.
    fn write(&self, mut settled: Vec<(Vec<u8>, Silence<'_>)>, path: &Path) -> io::Result<()> {
        settled.sort_by(|(one, _), (next, _)| one.cmp(next));
        let mut rest = serde_json::to_vec(self)?;
        for (begins, silence) in &settled {
            rest.push(b'\n');
            rest.extend_from_slice(begins);
            serde_json::to_writer(&mut rest, silence)?;
        }
        let digest = sha256(&rest) + "\n";
        write_whole(path, &[digest.as_bytes(), &rest].concat(), Way::Replace)
    }
}

fn digest(state: &Pieces) -> io::Result<String> {
    let mut digest = Digest::default();
    state.all(MAX_STATE, |bytes| digest.add(bytes))?;
    Ok(digest.end())
}

/// What is kept in a file beside a state of a size. What takes more than that is not read: whoever made it up may want the
/// memory.
fn kept(path: &Path, size: u64) -> io::Result<Kept<'static>> {
    // For the rest of the run, which is all of the process.
    parsed(read_own_bytes(path, MAX_DATA.min(size))?.leak())
}

fn parsed(bytes: &[u8]) -> io::Result<Kept<'_>> {
    let end = bytes
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or_default();
    let (digest, rest) = (&bytes[..end], bytes.get(end + 1..).unwrap_or_default());
    if digest != sha256(rest).as_bytes() {
        return Err(io::Error::other("what was kept is damaged"));
    }
    let mut lines = rest.split(|byte| *byte == b'\n');
    let mut kept: Kept<'_> = serde_json::from_slice(lines.next().unwrap_or_default())?;
    kept.lines = lines.collect();
    match kept.lines.is_sorted_by(|one, next| one < next) {
        true => Ok(kept),
        false => Err(io::Error::other("what was kept is made up")),
    }
}

/// Reads bytes as a plan would read what is kept, with the digest that belongs to them. Returns how many rooms that says something of.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn rooms_in(rest: &[u8]) -> usize {
    let bytes = [sha256(rest).as_bytes(), b"\n", rest].concat();
    let Ok(kept) = parsed(&bytes) else { return 0 };
    kept.lines
        .iter()
        .filter_map(|line| silence(line))
        .filter(|room| room.at.contains(0))
        .count()
}
