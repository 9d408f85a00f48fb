//! The `git` program: what it is started with, how long it may say nothing, and that it ends when nobody listens any more.

use std::ffi::OsString;
use std::io::{self, Read, Write};
#[cfg(unix)]
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

/// Why the files of a revision are not known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GitError {
    #[error("cannot run `git`")]
    Missing(#[source] io::Error),
    #[error("git does not know the revision `{revision}` here: {message}")]
    Revision { revision: String, message: String },
    #[error("`{0}` and this branch have no commit in common here")]
    NothingInCommon(String),
    #[error("git cannot read the history: {0}")]
    Refused(String),
    /// It failed in the middle, or the copies could not be written.
    #[error("cannot read the files of the revision")]
    Io(#[source] io::Error),
}

/// What settings of the repository must not do: start programs. And a directory of the checkout that looks like a bare
/// repository is none: a pull request can bring one, with settings and a history of its own.
const HARMLESS: &str = "--no-pager --literal-pathspecs -c safe.bareRepository=explicit -c core.fsmonitor=false -c core.hooksPath=/dev/null \
    -c core.sshCommand=false -c protocol.allow=never";

/// The program, for the repository that `directory` is in. With nothing of our environment but what it needs to start and
/// to find its settings: variables such as `GIT_DIR`, which a hook has, would lead it to another repository, and the key
/// is none of its business.
pub(super) fn git(directory: &Path) -> Command {
    const NEEDED: &str =
        "PATH HOME XDG_CONFIG_HOME SYSTEMROOT PROGRAMDATA USERPROFILE HOMEDRIVE HOMEPATH";
    let needed = NEEDED.split(' ');
    let needed = needed.filter_map(|name| Some((name, std::env::var_os(name)?)));
    let mut command = Command::new("git");
    command
        .current_dir(Start::of(directory).place)
        .args(HARMLESS.split(' '))
        .env_clear()
        .envs(needed)
        // Whatever the repository's own settings say of where to fetch what is missing, and by which program.
        .env("GIT_ALLOW_PROTOCOL", "")
        // Only looks: no lock, no question, and nothing fetched from a network or put in the place of a commit.
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_NO_LAZY_FETCH", "1")
        .env("GIT_NO_REPLACE_OBJECTS", "1")
        .stdin(Stdio::null());
    command
}

/// Where git is started: beside the nearest `.git`, where it looks no further. A directory on the way there may look like
/// a bare repository, since whoever writes the checkout can put such files into it, and git answers nothing from within.
pub(super) struct Start {
    place: PathBuf,
    /// Whether there is one.
    pub in_repository: bool,
    /// The way back to the directory that is asked about, each part with a `/` behind it; empty if it is the same.
    pub below: OsString,
}

impl Start {
    pub(super) fn of(directory: &Path) -> Self {
        let real = directory.canonicalize().unwrap_or_default();
        let above = real.ancestors().position(|one| one.join(".git").exists());
        let in_repository = above.is_some();
        let above = above.unwrap_or(0);
        let mut parts: Vec<_> = real.iter().rev().take(above).collect();
        parts.reverse();
        let mut below = OsString::new();
        for part in parts {
            below.push(part);
            below.push("/");
        }
        let place = directory.join("../".repeat(above));
        Self {
            place,
            in_repository,
            below,
        }
    }

    /// Whether a checkout there may lack files that belong to it, for whoever cannot ask git.
    pub(super) fn may_leave_out(&self) -> bool {
        let has = |path: &str| self.place.join(path).exists();
        let is_whole =
            has(".git/index") && !has(".git/info/sparse-checkout") && !has(".gitmodules");
        self.in_repository && !is_whole
    }
}

/// How long it may say nothing. The largest histories take seconds; without an end it waits for a pipe in the place of
/// one of its files.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// The same of a question about one commit, which takes milliseconds in any history: it reads the settings and what they
/// include, the names of commits and where objects are, so that a pipe among these is found here.
pub(super) const FIRST: Duration = Duration::from_secs(4);

/// A program that runs no longer than somebody listens.
pub(super) struct Asked {
    pub child: Child,
    /// Ends it if this program ends first, however that happens: it reads from us until then. None where there is no shell,
    /// nor a pipe that git could wait for.
    watch: Option<Child>,
}

impl Asked {
    pub(super) fn start(command: &mut Command) -> io::Result<Self> {
        let watch = watch(command);
        let child = command.spawn()?;
        Ok(Self { child, watch })
    }
}

/// Ends the group of processes that `command` is put into before it starts, so that there is no moment in between.
#[cfg(unix)]
fn watch(command: &mut Command) -> Option<Child> {
    let watch = Command::new("/bin/sh")
        .args(["-c", "read -r end || kill -s KILL 0"])
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn();
    let watch = watch.ok()?;
    command.process_group(watch.id().try_into().ok()?);
    Some(watch)
}

#[cfg(not(unix))]
fn watch(_: &mut Command) -> Option<Child> {
    None
}

impl Drop for Asked {
    fn drop(&mut self) {
        // One that has ended already is only waited for.
        _ = self.child.kill();
        _ = self.child.wait();
        if let Some(watch) = &mut self.watch {
            _ = watch.stdin.take().map(|mut end| end.write_all(b"\n"));
            _ = watch.wait();
        }
    }
}

/// What a program says; an error as soon as it says nothing for too long.
pub(super) struct Answers {
    said: Receiver<io::Result<Vec<u8>>>,
    chunk: io::Cursor<Vec<u8>>,
    patience: Duration,
}

impl Answers {
    pub(super) fn of(mut pipe: impl Read + Send + 'static, patience: Duration) -> Self {
        // Few at a time: whoever asks decides how much is in memory.
        let (sender, said) = sync_channel(2);
        std::thread::spawn(move || {
            loop {
                let mut chunk = vec![0; 64 * 1024];
                let read = pipe.read(&mut chunk);
                let is_last = !matches!(read, Ok(1..));
                let sent = sender.send(read.map(|length| {
                    chunk.truncate(length);
                    chunk
                }));
                if is_last || sent.is_err() {
                    return;
                }
            }
        });
        Self {
            said,
            chunk: io::Cursor::default(),
            patience,
        }
    }
}

impl Read for Answers {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.chunk.position() == self.chunk.get_ref().len() as u64 {
            let next = match self.said.recv_timeout(self.patience) {
                Ok(next) => next?,
                Err(RecvTimeoutError::Disconnected) => Vec::new(),
                Err(RecvTimeoutError::Timeout) => {
                    let seconds = self.patience.as_secs();
                    let why = format!("git said nothing for {seconds} s and was ended");
                    let why = format!("{why}: is a file that it reads a pipe?");
                    return Err(io::Error::new(io::ErrorKind::TimedOut, why));
                }
            };
            self.chunk = io::Cursor::new(next);
        }
        self.chunk.read(buffer)
    }
}

pub(super) fn run(directory: &Path, arguments: &[&str]) -> Result<Vec<u8>, GitError> {
    ask(git(directory).args(arguments), PATIENCE)
}

pub(super) fn ask(command: &mut Command, patience: Duration) -> Result<Vec<u8>, GitError> {
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut asked = Asked::start(command).map_err(GitError::Missing)?;
    let broken = || GitError::Io(io::Error::other("git ended early"));
    let complaints = asked.child.stderr.take().ok_or_else(broken)?;
    // Beside each other: each pipe is short, and the program waits until both are read.
    let mut complaints = Answers::of(complaints, patience);
    let complaining = std::thread::spawn(move || {
        let mut said = Vec::new();
        _ = complaints.read_to_end(&mut said);
        said
    });
    let mut answer = Vec::new();
    let pipe = asked.child.stdout.take().ok_or_else(broken)?;
    let heard = Answers::of(pipe, patience).read_to_end(&mut answer);
    heard.map_err(GitError::Io)?;
    if asked.child.wait().map_err(GitError::Io)?.success() {
        return Ok(answer);
    }
    let said = complaining.join().unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let first = said.lines().next().unwrap_or_default();
    Err(GitError::Refused(first.escape_debug().to_string()))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    /// Where a pipe is in the place of a file: its writer never comes.
    #[test]
    fn a_program_that_says_nothing_for_too_long_is_ended_and_does_not_stay() {
        let error = ask(Command::new("sleep").arg("1000"), Duration::from_millis(1)).unwrap_err();
        assert!(matches!(&error, GitError::Io(why) if why.kind() == io::ErrorKind::TimedOut));
        let asked = Asked::start(Command::new("sleep").arg("1000")).unwrap();
        let process = asked.child.id().to_string();
        drop(asked);
        let left = Command::new("kill").args(["-0", &process]).output();
        assert!(!left.unwrap().status.success(), "it stayed behind");
    }

    #[test]
    fn what_a_program_says_is_heard_whole() {
        let mut command = Command::new("sh");
        command.args([
            "-c",
            "head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2",
        ]);
        assert_eq!(ask(&mut command, PATIENCE).unwrap().len(), 300_000);
        let mut command = Command::new("sh");
        command.args(["-c", "echo why >&2; exit 1"]);
        let error = ask(&mut command, PATIENCE).unwrap_err();
        assert!(matches!(error, GitError::Refused(why) if why == "why"));
    }
}
