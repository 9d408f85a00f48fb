//! Files that appear whole or not at all, and stay after a power cut.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use tempfile::NamedTempFile;

use crate::disk::crash_point::crash_point;

/// How a file is written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way<'a> {
    /// It is replaced if it is there.
    Replace,
    /// The same for a file that has one writer at a time, by way of this name in the same directory. What a writer
    /// that died left there is replaced; under names that are new each time it would pile up.
    Alone(&'a Path),
    /// It is there, and keeps its permissions. A link is followed: what it leads to is replaced.
    Edit,
    /// It is an error if it is there.
    New,
}

/// Writes a file so that it is either as before or whole, also after a power cut.
pub(crate) fn write_whole(path: &Path, bytes: &[u8], way: Way<'_>) -> io::Result<()> {
    let target = match way {
        Way::Edit => path.canonicalize()?,
        _ => path.to_owned(),
    };
    create_parent(&target)?;
    crash_point("file-due");
    let mut file = new_file(&target, way)?;
    crash_point("file-created");
    file.write_all(bytes)?;
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
        builder.prefix(".roomctl-");
    }
    let file = builder.tempfile_in(parent(target))?;
    if let Way::Edit = way {
        let permissions = std::fs::metadata(target)?.permissions();
        file.as_file().set_permissions(permissions)?;
    }
    Ok(file)
}

/// Makes the directory of `path`, if there is none.
pub(crate) fn create_parent(path: &Path) -> io::Result<()> {
    std::fs::create_dir_all(parent(path))
}

/// Removes a file, if there is one.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
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

fn parent(path: &Path) -> &Path {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}
