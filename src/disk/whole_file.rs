//! Files that appear whole or not at all, and stay after a power cut.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tempfile::NamedTempFile;

use crate::disk::crash_point::crash_point;
use crate::disk::plain_file::{open_own, place, real, writable};

/// How the name of a file begins, goes on and ends that is being written, until it is whole and gets its own.
const PREFIX: &str = ".roomctl-";
const RANDOM: usize = 12;
const SUFFIX: &str = ".new";

/// What is written at once, in bytes.
pub(crate) const PIECE: usize = 64 * 1024;

/// How a file is written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way<'a> {
    /// It is replaced if it is there.
    Replace,
    /// The same for a file that has one writer at a time, by way of this name in the same directory. What a writer
    /// that died left there is replaced; under names that are new each time it would pile up.
    Alone(&'a Path),
    /// It is there, and keeps its permissions.
    Edit,
    /// It is an error if it is there.
    New,
}

/// Writes a file so that it is either as before or whole, also after a power cut.
pub(crate) fn write_whole(path: &Path, bytes: &[u8], way: Way<'_>) -> io::Result<()> {
    write_whole_by(path, way, |file| file.write_all(bytes))
}

/// The same with all that `write` writes.
pub(crate) fn write_whole_by(
    path: &Path,
    way: Way<'_>,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let target = writable(path)?;
    create_parent(&target)?;
    crash_point("file-due");
    let mut file = new_file(&target, way)?;
    crash_point("file-created");
    let mut pieces = BufWriter::with_capacity(PIECE, &mut file);
    write(&mut pieces)?;
    pieces.flush()?;
    drop(pieces);
    crash_point("file-written");
    file.as_file().sync_all()?;
    crash_point("file-synced");
    let moved = match way {
        Way::New => file.persist_noclobber(&target),
        _ => file.persist(&target),
    };
    moved.map_err(|error| error.error)?;
    crash_point("file-renamed");
    sync_directory(&target)?;
    crash_point("file-durable");
    Ok(())
}

/// The file that is written first, and then moved to `target`.
fn new_file(target: &Path, way: Way<'_>) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    // Like any other file the user makes, so that a team can share it: the default would be the owner only.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    if let Way::Alone(beside) = way {
        remove(beside)?;
        let name = beside.file_name().unwrap_or_default();
        builder.prefix(name).rand_bytes(0);
    } else {
        builder.prefix(PREFIX).rand_bytes(RANDOM).suffix(SUFFIX);
        sweep(parent(target));
    }
    let file = loop {
        let file = builder.tempfile_in(parent(target))?;
        if is_held(&file) {
            break file;
        }
    };
    if let Way::Edit = way {
        let permissions = std::fs::metadata(target)?.permissions();
        file.as_file().set_permissions(permissions)?;
    }
    Ok(file)
}

/// Locks the file, so that nobody sweeps it away. Whoever was faster than that has swept it already.
fn is_held(file: &NamedTempFile) -> bool {
    match file.as_file().try_lock() {
        Ok(()) => file.path().exists(),
        Err(TryLockError::WouldBlock) => false,
        // Where nothing can be locked, nobody sweeps either.
        Err(TryLockError::Error(_)) => true,
    }
}

/// Removes, once in a process, what writers that died left in `directory`. One that lives holds a lock on its file.
pub(crate) fn sweep(directory: &Path) {
    static SWEPT: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    let mut swept = SWEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if swept.contains(directory) {
        return;
    }
    swept.insert(directory.to_owned());
    let Ok(directory) = real(directory) else {
        return;
    };
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        // A link has a kind of its own here, and is left alone.
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_file && is_ours(&entry.file_name()) {
            remove_left(&entry.path());
        }
    }
}

fn is_ours(name: &OsStr) -> bool {
    let name = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
    let random = name.and_then(|name| name.strip_suffix(SUFFIX));
    random.is_some_and(|random| {
        random.len() == RANDOM && random.bytes().all(|b| b.is_ascii_alphanumeric())
    })
}

/// Removes a file unless somebody holds it. Garbage that cannot be removed is no reason to fail.
fn remove_left(path: &Path) {
    if let Ok(file) = open_own(path, OpenOptions::new().read(true))
        && file.try_lock().is_ok()
    {
        let _ = remove(path);
    }
}

/// Makes the directory of `path`, if there is none.
pub(crate) fn create_parent(path: &Path) -> io::Result<()> {
    std::fs::create_dir_all(parent(&place(path)?))
}

/// Removes a file, if there is one.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(place(path)?) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes the presence of the file at `path` durable.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    // Only Unix can open a directory for this; elsewhere the rename is as durable as it gets.
    if cfg!(unix) {
        File::open(parent(path))?.sync_all()?;
    }
    Ok(())
}

/// The directory of `path`.
pub(crate) fn parent(path: &Path) -> &Path {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn left(directory: &Path) -> Vec<String> {
        let names = fs::read_dir(directory).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    #[test]
    fn only_what_is_ours_and_nobody_holds_is_swept_away() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let others = [
            ".roomctl-a1B2c3D4e5F.new",
            ".roomctl-a1B2c3D4e5F6.neu",
            ".roomctl-a1B2c3D4e5F6G.new",
            ".roomctl-a1B2c3D4e5-6.new",
            "a.roomctl-a1B2c3D4e5F6.new",
        ];
        for name in others.into_iter().chain([".roomctl-a1B2c3D4e5F6.new"]) {
            fs::write(root.join(name), "").unwrap();
        }
        fs::create_dir(root.join(".roomctl-directory000.new")).unwrap();
        let living = File::create(root.join(".roomctl-000000living.new")).unwrap();
        living.try_lock().unwrap();
        sweep(root);
        let mut expected = others.to_vec();
        expected.extend([".roomctl-000000living.new", ".roomctl-directory000.new"]);
        expected.sort_unstable();
        assert_eq!(left(root), expected);
    }

    #[cfg(unix)]
    #[test]
    fn links_are_not_swept_through() {
        let [directory, outside] = [(), ()].map(|()| tempfile::tempdir().unwrap());
        let target = outside.path().join(".roomctl-a1B2c3D4e5F6.new");
        fs::write(&target, "kept").unwrap();
        let link = directory.path().join(".roomctl-a1B2c3D4e5F6.new");
        std::os::unix::fs::symlink(&target, &link).unwrap();
        sweep(directory.path());
        assert!(link.is_symlink());
        assert_eq!(fs::read_to_string(target).unwrap(), "kept");
    }

    #[test]
    fn a_file_that_is_being_written_is_held_until_it_has_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("report.json");
        let file = new_file(&target, Way::Replace).unwrap();
        assert!(is_ours(file.path().file_name().unwrap()));
        remove_left(file.path());
        assert!(file.path().exists());
        file.persist(&target).unwrap();
        assert_eq!(left(directory.path()), ["report.json"]);
    }
}
