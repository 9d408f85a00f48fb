//! Files that appear whole or not at all, and stay after a power cut.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use crate::disk::crash_point::crash_point;

/// Writes a file so that it is either as before or whole, also after a power cut.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut builder = tempfile::Builder::new();
    write_by_way_of(builder.prefix(".roomctl-"), path, bytes)
}

/// The same for a file that has one writer at a time, by way of `beside`, a name in the same directory. What a
/// writer that died left there is replaced; under names that are new each time it would pile up.
pub(crate) fn write_whole_alone(path: &Path, beside: &Path, bytes: &[u8]) -> io::Result<()> {
    match std::fs::remove_file(beside) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let name = beside.file_name().unwrap_or_default();
    let mut builder = tempfile::Builder::new();
    write_by_way_of(builder.prefix(name).rand_bytes(0), path, bytes)
}

/// Replaces a file that is there, which keeps its permissions. A link is followed: what it leads to is replaced.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let path = path.canonicalize()?;
    let permissions = std::fs::metadata(&path)?.permissions();
    let mut builder = tempfile::Builder::new();
    let mut file = builder.prefix(".roomctl-").tempfile_in(parent(&path))?;
    file.write_all(bytes)?;
    file.as_file().set_permissions(permissions)?;
    file.as_file().sync_all()?;
    file.persist(&path).map_err(|error| error.error)?;
    sync_directory(&path)
}

/// Writes a file that is not there yet, whole or not at all.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let parent = parent(path);
    std::fs::create_dir_all(parent)?;
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.prefix(".roomctl-").tempfile_in(parent)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path).map_err(|error| error.error)?;
    sync_directory(path)
}

fn write_by_way_of(
    builder: &mut tempfile::Builder<'_, '_>,
    path: &Path,
    bytes: &[u8],
) -> io::Result<()> {
    let parent = parent(path);
    std::fs::create_dir_all(parent)?;
    crash_point("file-due");
    // Like any other file the user makes, so that a team can share it: the default would be the owner only.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(parent)?;
    crash_point("file-created");
    file.write_all(bytes)?;
    crash_point("file-written");
    file.as_file().sync_all()?;
    crash_point("file-synced");
    file.persist(path).map_err(|error| error.error)?;
    crash_point("file-renamed");
    sync_directory(path)?;
    crash_point("file-durable");
    Ok(())
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
