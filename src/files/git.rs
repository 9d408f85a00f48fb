//! Files as they were at a revision, by the `git` program.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Component, Path};
use std::process::Stdio;
use std::time::Duration;

use ring::digest::{self, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use tempfile::TempDir;

use crate::disk::plain_file::{MAX_TEXT, open_own};
use crate::disk::whole_file::create_parent;
use crate::files::discover::is_yaml;
pub(crate) use crate::files::git_program::GitError;
use crate::files::git_program::{Answers, Asked, FIRST, PATIENCE, Start, ask, git, run};
use crate::model::digest::hex;

/// The commit of a revision, and where the branch that is checked out left it.
#[derive(Debug)]
pub(crate) struct History {
    pub commit: String,
    /// The best commits that both have: `commit` itself for a branch that has all of it, several after merges in
    /// both directions.
    pub merge_bases: Vec<String>,
}

/// Files that a directory had at a commit, in a directory of their own.
#[derive(Debug)]
pub(crate) struct Tree {
    pub files: TempDir,
    pub unread: Unread,
}

/// The YAML files that a directory had at a commit.
#[derive(Debug, Default)]
pub(crate) struct Listed {
    /// Which object holds each, by its path below the directory.
    pub files: BTreeMap<String, String>,
    pub unread: Unread,
}

/// Why something could not be read, by its path below the directory, with `/`; empty for the directory itself.
pub(crate) type Unread = BTreeMap<String, String>;

/// The commit of `revision` in the repository that `directory` is in.
pub(crate) fn commit(directory: &Path, revision: &str) -> Result<String, GitError> {
    let peeled = format!("{revision}^{{commit}}");
    let find = ["rev-parse", "--quiet", "--verify", "--end-of-options"];
    let find = [&find[..], &[&peeled]].concat();
    let found = ask(git(directory).args(find), FIRST).map_err(|error| match error {
        GitError::Refused(said) => GitError::Revision {
            revision: revision.escape_debug().to_string(),
            message: match said.is_empty() {
                true => "there is no such commit".to_owned(),
                false => said,
            },
        },
        other => other,
    })?;
    Ok(String::from_utf8_lossy(&found).trim().to_owned())
}

/// A file of the top directory as it was at `revision`; `None`: it was not there.
pub(crate) fn file_at(
    directory: &Path,
    revision: &str,
    name: &str,
) -> Result<Option<Vec<u8>>, GitError> {
    let commit = commit(directory, revision)?;
    let list = ["ls-tree", "--full-tree", "--name-only", &commit, "--", name];
    match run(directory, &list)?.is_empty() {
        true => Ok(None),
        false => run(
            directory,
            &["cat-file", "blob", &format!("{commit}:{name}")],
        )
        .map(Some),
    }
}

/// Looks `revision` up, and where the branch that is checked out left it.
pub(crate) fn history(directory: &Path, revision: &str) -> Result<History, GitError> {
    let commit = commit(directory, revision)?;
    let common = run(directory, &["merge-base", "--all", "HEAD", &commit]);
    let common = common.map_err(|error| match error {
        GitError::Refused(said) if said.is_empty() => {
            GitError::NothingInCommon(revision.escape_debug().to_string())
        }
        other => other,
    })?;
    let merge_bases = String::from_utf8_lossy(&common);
    Ok(History {
        merge_bases: merge_bases.lines().map(str::to_owned).collect(),
        commit,
    })
}

/// Which YAML files `directory` had at `commit`.
pub(crate) fn files_at(directory: &Path, commit: &str) -> Result<Listed, GitError> {
    let listing = list(directory, &["ls-tree", "-r", commit], &[""], PATIENCE)?;
    // What is hidden is not read in the rooms directory either.
    let seen = entries(&listing).filter(|entry| !entry.path.split('/').any(is_hidden));
    let mut listed = Listed::of(seen);
    if listing.is_empty()
        && let Some(why) = elsewhere(directory, commit)?
    {
        listed.unread.insert(String::new(), why);
    }
    Ok(listed)
}

/// What belongs below `directory` and is not on this disk, as its own repository knows: files that a sparse checkout leaves
/// out, and submodules that nobody checked out. Nothing, where no repository says so.
pub(crate) fn not_here(directory: &Path) -> Result<BTreeSet<String>, GitError> {
    let start = Start::of(directory);
    let listing = list(directory, &["ls-files", "-t", "-s"], &[""], FIRST);
    let listing = match listing {
        Err(GitError::Missing(_)) if !start.may_leave_out() => Vec::new(),
        Err(GitError::Refused(_)) if !start.in_repository => Vec::new(),
        listing => listing?,
    };
    if listing.is_empty() && start.may_leave_out() && commit(directory, "HEAD").is_ok() {
        let why = "nothing of what was committed is checked out";
        return Err(GitError::Refused(why.to_owned()));
    }
    let entries = listing.into_iter().filter_map(|(head, path)| {
        // Its head is `TAG MODE ID STAGE`.
        let path = String::from_utf8_lossy(&path).into_owned();
        let inside = || std::fs::read_dir(directory.join(&path));
        let is_empty = || !inside().is_ok_and(|mut inside| inside.next().is_some());
        let is_missing = head.starts_with("S ") || (head.contains(" 160000 ") && is_empty());
        is_missing.then_some(path)
    });
    Ok(entries.collect())
}

/// Whether git would keep `bytes` in the object `id`, as long as it keeps them as they are.
pub(crate) fn is_kept_in(id: &str, bytes: &[u8]) -> bool {
    let algorithm = match id.len() {
        64 => &SHA256,
        // Whoever can make two files with one digest has them told apart by git itself, which refuses such files.
        _ => &SHA1_FOR_LEGACY_USE_ONLY,
    };
    let mut digest = digest::Context::new(algorithm);
    digest.update(format!("blob {}\0", bytes.len()).as_bytes());
    digest.update(bytes);
    hex(digest.finish().as_ref()) == id
}

/// Copies those of the files called `names` that `directory` itself had at `commit`. `None`: its repository has no such
/// commit, or it is in none.
pub(crate) fn named_at(
    directory: &Path,
    commit: &str,
    names: &[&str],
) -> Result<Option<Tree>, GitError> {
    let peeled = format!("{commit}^{{commit}}");
    let is_known = ask(git(directory).args(["cat-file", "-e", &peeled]), FIRST);
    match is_known {
        Err(GitError::Refused(_)) => return Ok(None),
        known => known?,
    };
    let listed = Listed::of(entries(&list(
        directory,
        &["ls-tree", commit],
        names,
        PATIENCE,
    )?));
    let files = TempDir::new().map_err(GitError::Io)?;
    let mut unread = listed.unread;
    contents(directory, &listed.files, |path, content| {
        let written = content.and_then(|bytes| {
            let written = write(&files.path().join(path), &bytes);
            written.map_err(|error| error.to_string())
        });
        if let Err(why) = written {
            unread.insert(path.to_owned(), why);
        }
    })?;
    Ok(Some(Tree { files, unread }))
}

impl Listed {
    fn of(entries: impl Iterator<Item = Entry>) -> Self {
        let mut listed = Self::default();
        for entry in entries {
            match entry.id {
                Ok(id) => listed.files.insert(entry.path, id),
                Err(why) => listed.unread.insert(entry.path, why.to_owned()),
            };
        }
        listed
    }
}

/// Git keeps no empty directory, so a directory without an entry was not there. It may have had another name then:
/// nothing is known of it as long as anything else in the repository could be one of its rooms.
fn elsewhere(directory: &Path, commit: &str) -> Result<Option<String>, GitError> {
    let listed = list(
        directory,
        &["ls-tree", "-r", "--full-tree", commit],
        &[],
        PATIENCE,
    )?;
    let could_be_a_room = |path: &String| {
        let name = path.rsplit('/').next().unwrap_or_default();
        !is_hidden(name) && !name.starts_with("roomctl.") && !path.starts_with(".github/")
    };
    let mut paths = entries(&listed).map(|entry| entry.path);
    let other = paths.find(could_be_a_room);
    let may_be = "may be one of its rooms under another name";
    Ok(other.map(|other| format!("it is not there, and {other} {may_be}")))
}

fn is_hidden(name: &str) -> bool {
    name.starts_with('.')
}

/// What a listing holds that is, or may hide, a YAML file.
struct Entry {
    path: String,
    /// Where its content is, or why it cannot be read.
    id: Result<String, &'static str>,
}

/// What git lists of those of `names` that are in `directory`, an empty one for all of it: what it says of each, and its
/// path below the directory. Without names, all of the repository.
fn list(
    directory: &Path,
    what: &[&str],
    names: &[&str],
    patience: Duration,
) -> Result<Vec<(String, Vec<u8>)>, GitError> {
    let below = Start::of(directory).below;
    let paths = names.iter().map(|name| {
        let mut path = below.clone();
        path.push(name);
        path
    });
    let mut command = git(directory);
    let command = command.args(what).args(["-z", "--"]);
    let listed = ask(
        command.args(paths.filter(|path| !path.is_empty())),
        patience,
    )?;
    let below = below.as_encoded_bytes();
    // `HEAD\tPATH\0`.
    let entries = listed.split(|byte| *byte == 0).filter_map(|entry| {
        let tab = entry.iter().position(|byte| *byte == b'\t')?;
        let (head, path) = (&entry[..tab], &entry[tab + 1..]);
        // The directory itself, when it is a submodule, has no `/` behind it.
        let path = match path.strip_prefix(below) {
            Some(inside) => inside,
            None if below.strip_suffix(b"/") == Some(path) => b"",
            None => path,
        };
        Some((String::from_utf8_lossy(head).into_owned(), path.to_owned()))
    });
    Ok(entries.collect())
}

/// Reads `MODE KIND ID`, and the path behind it.
fn entries(listed: &[(String, Vec<u8>)]) -> impl Iterator<Item = Entry> {
    listed.iter().filter_map(|(head, raw)| {
        let path = String::from_utf8_lossy(raw).into_owned();
        let mut head = head.split(' ');
        let (mode, _kind, id) = (head.next()?, head.next()?, head.next()?);
        let is_inside = |part: Component<'_>| matches!(part, Component::Normal(_));
        let id = match mode {
            "160000" => Err("it is a submodule"),
            "120000" => Err("it is a link, and links are not followed"),
            _ if !is_yaml(Path::new(&path)) => return None,
            _ if path.as_bytes() != *raw => Err("its path is not UTF-8"),
            _ if !Path::new(&path).components().all(is_inside) => Err("its path leads elsewhere"),
            _ => Ok(id.to_owned()),
        };
        Some(Entry { path, id })
    })
}

/// Gives `take` the content of each of `files`, or why there is none. Asks one process for all of them: a process for each
/// would take minutes for ten thousand rooms.
pub(crate) fn contents(
    directory: &Path,
    files: &BTreeMap<String, String>,
    take: impl FnMut(&str, Result<Vec<u8>, String>),
) -> Result<(), GitError> {
    match files.is_empty() {
        true => Ok(()),
        false => ask_for(directory, files, take).map_err(GitError::Io),
    }
}

fn ask_for(
    directory: &Path,
    files: &BTreeMap<String, String>,
    mut take: impl FnMut(&str, Result<Vec<u8>, String>),
) -> io::Result<()> {
    let mut command = git(directory);
    let command = command
        .args(["cat-file", "--batch"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut asked = Asked::start(command)?;
    let broken = || io::Error::other("git ended early");
    let mut questions = asked.child.stdin.take().ok_or_else(broken)?;
    let ids: String = files.values().map(|id| format!("{id}\n")).collect();
    // Beside the reading: both pipes are short, and each side would wait for the other.
    let asking = std::thread::spawn(move || questions.write_all(ids.as_bytes()));
    let pipe = asked.child.stdout.take().ok_or_else(broken)?;
    let mut answers = BufReader::new(Answers::of(pipe, PATIENCE));
    for path in files.keys() {
        let content = content(&mut answers)?;
        take(
            path,
            content.ok_or_else(|| "its content is not here: fetch it".to_owned()),
        );
    }
    drop(answers);
    asking.join().map_err(|_| broken())??;
    asked.child.wait()?;
    Ok(())
}

/// The next answer: `ID KIND SIZE`, and the content behind it. `None`: the repository does not hold it, as it was
/// cloned in part.
fn content(answers: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut header = String::new();
    answers.read_line(&mut header)?;
    let last = header.trim().rsplit(' ').next().unwrap_or_default();
    if last == "missing" {
        return Ok(None);
    }
    let size: u64 = last
        .parse()
        .map_err(|_| io::Error::other("git ended early"))?;
    let mut bytes = Vec::new();
    // One byte more than is read of any file, so that one that is too large is seen to be.
    answers
        .take(size.min(MAX_TEXT + 1))
        .read_to_end(&mut bytes)?;
    let rest = size - bytes.len() as u64 + 1;
    io::copy(&mut answers.take(rest), &mut io::sink())?;
    Ok(Some(bytes))
}

/// Never over another file: where names that differ only by case are one, the second is not known.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    create_parent(path)?;
    let mut options = OpenOptions::new();
    open_own(path, options.write(true).create_new(true))?.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_called_after_what_it_holds() {
        let id = "d670460b4b4aece5915caf5c68d12f560a9fe3e4";
        assert!(is_kept_in(id, b"test content\n"));
        assert!(!is_kept_in(id, b"test content"));
        let id = "473a0f4c3be8a93681a267e3b1e9a7dcda1185436fe141f7749120a303721813";
        assert!(is_kept_in(id, b""));
    }
}
