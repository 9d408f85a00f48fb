//! Files as they were at a revision, by the `git` program.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::files::discover::is_yaml;
use crate::files::text_file::MAX_FILE_BYTES;

/// Why the files of a revision are not known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GitError {
    /// The program is not there.
    #[error("cannot run `git`")]
    Missing(#[source] io::Error),
    #[error("git does not know the revision `{revision}` here: {message}")]
    Revision { revision: String, message: String },
    /// It failed in the middle, or the copies could not be written.
    #[error("cannot read the files of the revision")]
    Io(#[source] io::Error),
}

/// Writes the YAML files that `directory` had at `revision` into a new directory. Links are left out, as they are
/// not followed anyway.
pub(crate) fn files_at(directory: &Path, revision: &str) -> Result<TempDir, GitError> {
    let ask = |arguments: &[&str]| {
        let output = git(directory).args(arguments).output();
        let output = output.map_err(GitError::Missing)?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let first = said.lines().next().unwrap_or("there is no such commit");
        Err(GitError::Revision {
            revision: revision.escape_debug().to_string(),
            message: first.escape_debug().to_string(),
        })
    };
    let peeled = format!("{revision}^{{commit}}");
    let verify = ["rev-parse", "--quiet", "--verify", "--end-of-options"];
    let commit = ask(&[&verify[..], &[&peeled]].concat())?;
    let commit = String::from_utf8_lossy(&commit).trim().to_owned();
    let listed = ask(&["ls-tree", "-r", "-z", &commit])?;
    let target = TempDir::new().map_err(GitError::Io)?;
    copy(directory, &blobs(&listed), target.path()).map_err(GitError::Io)?;
    Ok(target)
}

fn git(directory: &Path) -> Command {
    let mut command = Command::new("git");
    command
        .current_dir(directory)
        // Only looks: no lock, no question, and nothing fetched from a network.
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_NO_LAZY_FETCH", "1")
        .stdin(Stdio::null());
    command
}

/// The YAML files of a listing: object id and path. `MODE blob ID\tPATH\0`.
fn blobs(listed: &[u8]) -> Vec<(String, PathBuf)> {
    let entries = listed.split(|byte| *byte == 0);
    let parsed = entries.filter_map(|entry| {
        let text = std::str::from_utf8(entry).ok()?;
        let (head, path) = text.split_once('\t')?;
        let mut head = head.split(' ');
        let (mode, kind, id) = (head.next()?, head.next()?, head.next()?);
        let path = Path::new(path);
        let inside = path
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        let is_file = mode.starts_with("100") && kind == "blob";
        (is_file && inside && is_yaml(path)).then(|| (id.to_owned(), path.to_owned()))
    });
    parsed.collect()
}

/// Asks one process for all contents: a process for each would take minutes for ten thousand rooms.
fn copy(directory: &Path, blobs: &[(String, PathBuf)], target: &Path) -> io::Result<()> {
    let mut child = git(directory)
        .args(["cat-file", "--batch"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let broken = || io::Error::other("git ended early");
    let mut questions = child.stdin.take().ok_or_else(broken)?;
    let ids: String = blobs.iter().map(|(id, _)| format!("{id}\n")).collect();
    // Beside the reading: both pipes are short, and each side would wait for the other.
    let asking = std::thread::spawn(move || questions.write_all(ids.as_bytes()));
    let mut answers = BufReader::new(child.stdout.take().ok_or_else(broken)?);
    for (_, path) in blobs {
        let mut header = String::new();
        answers.read_line(&mut header)?;
        let size: u64 = header
            .trim()
            .rsplit(' ')
            .next()
            .and_then(|n| n.parse().ok())
            .ok_or_else(broken)?;
        let mut bytes = Vec::new();
        // One byte more than is read of any file, so that one that is too large is seen to be.
        (&mut answers)
            .take(size.min(MAX_FILE_BYTES + 1))
            .read_to_end(&mut bytes)?;
        io::copy(
            &mut (&mut answers).take(size - bytes.len() as u64 + 1),
            &mut io::sink(),
        )?;
        let file = target.join(path);
        std::fs::create_dir_all(file.parent().unwrap_or(target))?;
        std::fs::write(file, bytes)?;
    }
    drop(answers);
    asking.join().map_err(|_| broken())??;
    child.wait()?;
    Ok(())
}
