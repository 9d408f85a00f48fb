//! What the files wanted at the base of a change, as far as git still has it and it can be read.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::files::context::Context;
use crate::files::discover::as_typed;
use crate::files::git::{self, GitError, History, Unread};
use crate::files::room_files::{self, Loaded};
use crate::model::{Finding, Severity};
use crate::planner::explain::{Base, Snapshot};

/// Reads the files of `rooms` at a revision, and where the branch that is checked out left it. Also returns what could
/// not be read there.
pub(crate) fn read(
    rooms: &Path,
    history: &History,
    context: &Context<'_>,
) -> Result<(Base, Unread), GitError> {
    let (revision, mut unread) = snapshot(rooms, &history.commit, context)?;
    let mut merge_bases = Vec::new();
    for commit in &history.merge_bases {
        if *commit != history.commit {
            let (left, then) = snapshot(rooms, commit, context)?;
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
    let tree = git::files_at(rooms, commit)?;
    let root = tree.files.path();
    // Which rooms are owned is a question about what the files say now.
    let context = Context {
        owns: None,
        unmanaged: None,
        ..*context
    };
    let loaded = room_files::load(root, &[root.to_owned()], &context);
    let below = format!("{}/", as_typed(root));
    let within = |file: &str| file.strip_prefix(&below).unwrap_or_default().to_owned();
    let mut unread = tree.unread;
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
