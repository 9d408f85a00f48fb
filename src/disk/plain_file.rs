//! The only place that opens files which people or pipelines supply, or that this program writes.
//!
//! They are plain: regular files, read within a limit. A pull request can bring a link wherever a file may be, so in the
//! checkout none is followed, not even to a directory; and none anywhere to a file that is written. What is not plain
//! ends at once: nothing waits for a pipe, and no device is opened.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Component, Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use super::budget;
use super::stamp::{self, Stamp};

/// Largest file that people write, in bytes. A room with every attribute and a comment on each is about 4 KiB.
pub(crate) const MAX_TEXT: u64 = 256 * 1024;

/// Largest file that one run writes for another, in bytes: a hundred thousand rooms that move, one attribute each, or ten
/// thousand new ones. What is read within this limit is within the budget of memory, too.
pub(crate) const MAX_DATA: u64 = 80 * 1024 * 1024;

/// Largest state or journal, in bytes: twice the state of a hundred thousand rooms, and half as much again as the journal of a run
/// that makes them all.
pub(crate) const MAX_STATE: u64 = 192 * 1024 * 1024;

/// Why a file is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unfit {
    #[error("{} is a link, and links are not followed", .0.display())]
    Link(PathBuf),
    #[error("it is a {0}, not a regular file")]
    Kind(&'static str),
    #[error("it has another name as well (a hard link), which would change with it")]
    Shared,
    #[error("it is larger than {} KiB", .0 / 1024)]
    TooLarge(u64),
    #[error("it holds more than fits into the memory that a run may take, or a text of more than {} MiB", budget::LONGEST >> 20)]
    TooMuch,
    #[error("nothing came through the pipe for {} s", .0.as_secs())]
    Silent(Duration),
}

impl From<Unfit> for io::Error {
    fn from(unfit: Unfit) -> Self {
        let kind = match unfit {
            Unfit::TooLarge(_) | Unfit::TooMuch => ErrorKind::FileTooLarge,
            Unfit::Silent(_) => ErrorKind::TimedOut,
            _ => ErrorKind::InvalidInput,
        };
        Self::new(kind, unfit)
    }
}

/// Reads a file that somebody names. Outside the checkout it may be a link, as mounted secrets and settings are.
pub(crate) fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let real = real(path)?;
    check_there(&real)?;
    read_here(&real, limit)
}

/// The same for one that this program writes, which is nowhere a link.
pub(crate) fn read_own(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let real = place(path)?;
    check_there(&real)?;
    read_here(&real, limit)
}

/// The same for one of which nobody knows yet that it becomes anything in memory.
pub(crate) fn read_own_bytes(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let (file, found) = open_to_read(path)?;
    bytes_from(file, limit, found.len())
}

fn open_to_read(path: &Path) -> io::Result<(File, Metadata)> {
    let real = place(path)?;
    check_there(&real)?;
    open_here(&real, OpenOptions::new().read(true))
}

/// A file of ours that is read piece by piece, so that it is never in memory as a whole.
#[derive(Debug)]
pub(crate) struct Pieces(File, Metadata);

impl Pieces {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        open_to_read(path).map(|(file, found)| Self(file, found))
    }

    /// `None`: not every write shows in the times of its file system.
    pub(crate) fn stamp(&self) -> Option<Stamp> {
        Stamp::from(&self.1).filter(|_| stamp::shows_writes(&self.0))
    }

    /// In bytes.
    pub(crate) fn size(&self) -> u64 {
        self.1.len()
    }

    /// Hands over all of the file.
    pub(crate) fn all(&self, limit: u64, mut take: impl FnMut(&[u8])) -> io::Result<()> {
        let mut source = (&self.0).take(limit + 1);
        let mut buffer = vec![0; 128 * 1024];
        while let read @ 1.. = source.read(&mut buffer)? {
            take(&buffer[..read]);
        }
        match source.limit() {
            0 => Err(Unfit::TooLarge(limit).into()),
            _ => Ok(()),
        }
    }

    /// What is in `place`, as far as there is anything.
    pub(crate) fn piece(&self, place: Range<usize>) -> io::Result<Vec<u8>> {
        let (mut file, mut bytes) = (&self.0, Vec::new());
        file.seek(SeekFrom::Start(place.start as u64))?;
        file.take(place.len() as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// The same for one that a walk without following links found to be a regular file.
pub(crate) fn read_here(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    read_stamped(path, limit).map(|(bytes, _)| bytes)
}

/// The same, with the stamp that the file had before it was read.
pub(crate) fn read_stamped(path: &Path, limit: u64) -> io::Result<(Vec<u8>, Option<Stamp>)> {
    let (file, found) = open_here(path, OpenOptions::new().read(true))?;
    let size = found.len();
    if size > limit {
        return Err(Unfit::TooLarge(limit).into());
    }
    Ok((read_from(file, limit, size)?, Stamp::from(&found)))
}

/// The same for what a shell may supply as well: `<(…)` and `/dev/stdin`, which are pipes that somebody has opened for
/// us already. What they bring comes within `patience`, if there is a limit to it.
pub(crate) fn read_given(
    path: &Path,
    limit: u64,
    patience: Option<Duration>,
) -> io::Result<Vec<u8>> {
    if !is_handed_down(path) {
        return read(path, limit);
    }
    let file = File::open(path)?;
    match kind(&file.metadata()?) {
        None => read_from(file, limit, 0),
        Some("pipe") => read_from(Patient::new(file, patience), limit, 0),
        Some(kind) => Err(Unfit::Kind(kind).into()),
    }
}

/// All of `source`, if that is not more than `limit` bytes.
pub(crate) fn read_from(source: impl Read, limit: u64, expected: u64) -> io::Result<Vec<u8>> {
    let bytes = bytes_from(source, limit, expected)?;
    check_size(&bytes, limit)?;
    Ok(bytes)
}

fn bytes_from(source: impl Read, limit: u64, expected: u64) -> io::Result<Vec<u8>> {
    let expected = usize::try_from(expected.min(limit)).unwrap_or(0);
    let mut bytes = Vec::with_capacity(expected.saturating_add(1));
    // One byte more than allowed, so that a file that grows meanwhile is noticed too.
    source.take(limit + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > limit {
        true => Err(Unfit::TooLarge(limit).into()),
        false => Ok(bytes),
    }
}

/// Whether what holds `bytes` would be read within `limit`: so that nothing is written that nobody can read.
pub(crate) fn check_size(bytes: &[u8], limit: u64) -> Result<(), Unfit> {
    if bytes.len() as u64 > limit {
        return Err(Unfit::TooLarge(limit));
    }
    let most = match limit {
        MAX_STATE => budget::OF_JOURNAL,
        MAX_DATA => budget::OF_DATA,
        // What people write is held to more by its readers.
        _ => u64::MAX,
    };
    match most < u64::MAX && !budget::fits(bytes, most) {
        true => Err(Unfit::TooMuch),
        false => Ok(()),
    }
}

/// The same of a state.
pub(crate) fn check_state(bytes: &[u8]) -> Result<(), Unfit> {
    if bytes.len() as u64 > MAX_STATE {
        return Err(Unfit::TooLarge(MAX_STATE));
    }
    match budget::state_fits(bytes, budget::OF_STATE) {
        true => Ok(()),
        false => Err(Unfit::TooMuch),
    }
}

/// Opens a file of ours to change it in place, or makes it.
pub(crate) fn open_own(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let real = place(path)?;
    check_there(&real)?;
    let (file, found) = open_here(&real, options)?;
    if names(&found) > 1 {
        return Err(Unfit::Shared.into());
    }
    Ok(file)
}

/// Refuses what is there already and no regular file. To open some devices does something already.
fn check_there(path: &Path) -> Result<(), Unfit> {
    match path.symlink_metadata() {
        Ok(there) => check(path, &there),
        Err(_) => Ok(()),
    }
}

/// Opens a file unless it is a link or no regular file. What it is, the file says that was opened, not its name.
fn open_here(path: &Path, options: &mut OpenOptions) -> io::Result<(File, Metadata)> {
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        std::os::unix::fs::OpenOptionsExt::custom_flags(options, flags.bits().cast_signed());
    }
    #[cfg(windows)]
    {
        const OPEN_REPARSE_POINT: u32 = 0x0020_0000;
        std::os::windows::fs::OpenOptionsExt::custom_flags(options, OPEN_REPARSE_POINT);
    }
    let file = options.open(path)?;
    let found = file.metadata()?;
    check(path, &found)?;
    Ok((file, found))
}

fn check(path: &Path, found: &Metadata) -> Result<(), Unfit> {
    match kind(found) {
        None => Ok(()),
        Some("link") => Err(Unfit::Link(path.to_owned())),
        Some(kind) => Err(Unfit::Kind(kind)),
    }
}

/// What it is instead of a regular file.
fn kind(found: &Metadata) -> Option<&'static str> {
    let kind = found.file_type();
    if kind.is_file() {
        return None;
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if kind.is_fifo() {
            return Some("pipe");
        }
        if kind.is_socket() {
            return Some("socket");
        }
    }
    Some(match () {
        () if kind.is_symlink() => "link",
        () if kind.is_dir() => "directory",
        () => "device",
    })
}

/// How many names a file has.
fn names(found: &Metadata) -> u64 {
    #[cfg(unix)]
    return std::os::unix::fs::MetadataExt::nlink(found);
    #[cfg(not(unix))]
    {
        let _ = found;
        1
    }
}

/// Where something that somebody names really is.
pub(crate) fn real(path: &Path) -> io::Result<PathBuf> {
    let real = resolve(path)?;
    if !real.is_symlink() {
        return Ok(real);
    }
    refuse_link(&real, real.starts_with(checkout()))?;
    real.canonicalize()
}

/// Where a file of ours is or will be, which is neither a link nor below one of the checkout.
pub(crate) fn place(path: &Path) -> io::Result<PathBuf> {
    let real = resolve(path)?;
    refuse_link(&real, real.is_symlink())?;
    Ok(real)
}

/// Whether a file may be written at `path` as a whole, in the place of a regular file or of nothing; and where.
pub(crate) fn writable(path: &Path) -> io::Result<PathBuf> {
    let real = place(path)?;
    match real.symlink_metadata() {
        Ok(there) => check(&real, &there).map(|()| real).map_err(Into::into),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(real),
        Err(error) => Err(error),
    }
}

/// Whether a file that somebody names for a result may be written there, as [`writable`], and has no other name.
pub(crate) fn is_free(path: &Path) -> io::Result<()> {
    match writable(path)?.symlink_metadata() {
        Ok(there) if names(&there) > 1 => Err(Unfit::Shared.into()),
        _ => Ok(()),
    }
}

/// Which file it is, however it is spelled: the nearest thing on the way that is there, and what of the path is not. A
/// disk may take names for the same that differ only by case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity(String, PathBuf);

impl Identity {
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let real = real(path).ok()?;
        let there = real.ancestors().find(|above| above.exists())?;
        let missing = real.strip_prefix(there).ok()?;
        let missing = missing.to_string_lossy().to_lowercase();
        Some(Self(number(there)?, PathBuf::from(missing)))
    }

    /// Whether `path` is in this directory, however deep.
    pub(crate) fn holds(&self, path: &Path) -> bool {
        let real = real(path).unwrap_or_default();
        let mut above = real.ancestors().skip(1);
        above.any(|dir| Self::of(dir).as_ref() == Some(self))
    }
}

fn number(path: &Path) -> Option<String> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let found = path.metadata().ok()?;
        Some(format!("{}:{}", found.dev(), found.ino()))
    }
    #[cfg(not(unix))]
    Some(path.canonicalize().ok()?.to_string_lossy().to_lowercase())
}

/// Where `path` really is, up to its last part. A link of the checkout on the way is refused.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    resolve_in(path, checkout())
}

fn resolve_in(path: &Path, checkout: &Path) -> io::Result<PathBuf> {
    let start = match path.has_root() {
        true => PathBuf::new(),
        false => std::env::current_dir()?,
    };
    walk(start, path, &|link| link.starts_with(checkout))
}

/// Refuses a link anywhere on the way from `base` along `below`, to the last part of it.
pub(crate) fn refuse_links_below(base: &Path, below: &Path) -> io::Result<()> {
    let real = walk(base.to_owned(), below, &|_| true)?;
    refuse_link(&real, real.is_symlink())
}

/// Where `path` leads from `real`, up to its last part. Links on the way are followed but for those that are `refused`.
fn walk(mut real: PathBuf, path: &Path, refused: &dyn Fn(&Path) -> bool) -> io::Result<PathBuf> {
    let mut parts = path.components().peekable();
    while let Some(part) = parts.next() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => _ = real.pop(),
            part => real.push(part),
        }
        if parts.peek().is_some() && real.is_symlink() {
            refuse_link(&real, refused(&real))?;
            real = real.canonicalize()?;
        }
    }
    Ok(real)
}

fn refuse_link(link: &Path, is_refused: bool) -> io::Result<()> {
    match is_refused {
        true => Err(Unfit::Link(link.to_owned()).into()),
        false => Ok(()),
    }
}

/// The directory that others may have filled: the repository that the working directory is in, or that directory alone.
fn checkout() -> &'static Path {
    static CHECKOUT: OnceLock<PathBuf> = OnceLock::new();
    CHECKOUT.get_or_init(|| {
        let here = std::env::current_dir().unwrap_or_default();
        let is_root = |dir: &&Path| dir.join(".git").symlink_metadata().is_ok();
        here.ancestors().find(is_root).unwrap_or(&here).to_owned()
    })
}

/// Whether `path` is something that whoever started this program had open already.
fn is_handed_down(path: &Path) -> bool {
    let below = ["/dev/fd", "/proc/self/fd"].iter();
    path == Path::new("/dev/stdin")
        || below
            .into_iter()
            .any(|dir| path.parent() == Some(Path::new(dir)))
}

/// A pipe that is waited for only so long.
struct Patient {
    file: File,
    #[cfg_attr(not(unix), expect(dead_code, reason = "only Unix has pipes as files"))]
    end: Option<(Duration, std::time::Instant)>,
}

impl Patient {
    fn new(file: File, patience: Option<Duration>) -> Self {
        let end = patience.map(|patience| (patience, std::time::Instant::now() + patience));
        Self { file, end }
    }
}

impl Read for Patient {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        #[cfg(unix)]
        if let Some((patience, end)) = self.end {
            use rustix::event::{PollFd, PollFlags, Timespec, poll};
            let rest = end.saturating_duration_since(std::time::Instant::now());
            let rest = Timespec::try_from(rest).map_err(io::Error::other)?;
            let ready = poll(&mut [PollFd::new(&self.file, PollFlags::IN)], Some(&rest))?;
            if ready == 0 {
                return Err(Unfit::Silent(patience).into());
            }
        }
        self.file.read(bytes)
    }
}
