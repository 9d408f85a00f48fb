//! What the files wanted at the base of a change, as far as git still has it and it can be read.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use crate::disk::plain_file::{MAX_TEXT, check_size, read_here};
use crate::files::context::Context;
use crate::files::cores::{all_cores, on_cores};
use crate::files::discover::{as_typed, discover_listed};
use crate::files::git::{self, GitError, History, Listed, Unread};
use crate::files::room_files::{self, Loaded};
use crate::files::text_file::text_in;
use crate::model::given::Given;
use crate::model::{Finding, Severity, Variables};
use crate::planner::explain::{Base, Snapshot};

/// Reads the files of `rooms` at a revision, and where the branch that is checked out left it, with what the configuration `gave` them
/// at each commit. Also returns what could not be read there.
pub(crate) fn read(
    rooms: &Path,
    history: &History,
    context: &Context<'_>,
    gave: &dyn Fn(&str) -> Result<Given, GitError>,
) -> Result<(Base, Unread), GitError> {
    let snapshot = |commit: &str| {
        let given = gave(commit)?;
        let variables = Variables {
            given: &given,
            ..context.variables
        };
        snapshot(
            rooms,
            commit,
            &Context {
                variables,
                ..*context
            },
        )
    };
    let (revision, mut unread) = snapshot(&history.commit)?;
    let mut merge_bases = Vec::new();
    for commit in &history.merge_bases {
        if *commit != history.commit {
            let (left, then) = snapshot(commit)?;
            merge_bases.push(left);
            unread.extend(then);
        }
    }
    let base = Base {
        revision,
        merge_bases,
    };
    Ok((base, unread))
}

fn snapshot(
    rooms: &Path,
    commit: &str,
    context: &Context<'_>,
) -> Result<(Snapshot, Unread), GitError> {
    let listed = git::files_at(rooms, commit)?;
    let (texts, mut unread) = texts(rooms, &listed)?;
    unread.extend(listed.unread);
    let root = Path::new("base");
    let loaded = load(root, &texts, context);
    let below = format!("{}/", as_typed(root));
    let within = |file: &str| file.strip_prefix(&below).unwrap_or_default().to_owned();
    let mut doubtful: BTreeSet<PathBuf> = unread.keys().map(|path| doubted(path)).collect();
    // What was only doubtful then is not said now.
    for error in errors(&loaded) {
        let others = error.related.iter().map(|related| &related.file);
        let files = others.chain([&error.file]);
        doubtful.extend(files.map(|file| doubted(&within(file))));
        unread.insert(within(&error.file), error.message.clone());
    }
    let mut wanted = loaded.wanted;
    wanted.retain(|_, room| {
        let file = within(&room.file);
        let mut above = Path::new(&file).ancestors();
        !above.any(|above| doubtful.contains(above))
    });
    let complete = unread.is_empty();
    Ok((Snapshot { wanted, complete }, unread))
}

/// Reads the files as if they were below `root`.
fn load(root: &Path, texts: &Texts, context: &Context<'_>) -> Loaded {
    // Which rooms are owned is a question about what the files say now.
    let context = Context {
        owns: None,
        unmanaged: None,
        ..*context
    };
    let found = discover_listed(root, texts.keys().map(|path| root.join(path)));
    let text = |path: &Path| {
        let within = path.strip_prefix(root).unwrap_or(path);
        let bytes = texts.get(within).cloned().unwrap_or_default();
        let fits = check_size(&bytes, MAX_TEXT).map_err(io::Error::from);
        text_in(path, fits.map(|()| bytes))
    };
    room_files::load_found(
        [(root, found)].into_iter(),
        &context,
        &text,
        all_cores(),
        None,
    )
}

/// The bytes of files, by their path below the rooms directory.
type Texts = BTreeMap<PathBuf, Vec<u8>>;

/// The bytes of the files that could be read.
fn texts(rooms: &Path, listed: &Listed) -> Result<(Texts, Unread), GitError> {
    let files: Vec<(&String, &String)> = listed.files.iter().collect();
    // Most are as they were then, and read many times faster than git could say them.
    let as_now = on_cores(all_cores(), &files, |(path, id)| {
        let bytes = read_here(&rooms.join(path), MAX_TEXT).ok()?;
        git::is_kept_in(id, &bytes).then_some(bytes)
    });
    let (mut texts, mut others) = (Texts::new(), BTreeMap::new());
    let mut unread = Unread::new();
    for ((path, id), bytes) in files.into_iter().zip(as_now) {
        match bytes {
            Some(bytes) => _ = texts.insert(PathBuf::from(path), bytes),
            None => _ = others.insert(path.clone(), id.clone()),
        }
    }
    git::contents(rooms, &others, |path, content| match content {
        Ok(bytes) => _ = texts.insert(path.into(), bytes),
        Err(why) => _ = unread.insert(path.to_owned(), why),
    })?;
    Ok((texts, unread))
}

fn errors(loaded: &Loaded) -> impl Iterator<Item = &Finding> {
    let findings = loaded.findings.iter();
    findings.filter(|finding| finding.severity == Severity::Error)
}

/// What is not known when `path` could not be read: itself, or all below the directory whose defaults it may hold.
fn doubted(path: &str) -> PathBuf {
    let path = Path::new(path);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if name.to_ascii_lowercase().starts_with("_default") {
        return path.parent().unwrap_or(path).to_owned();
    }
    path.to_owned()
}
