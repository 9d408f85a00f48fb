//! Files that appear whole or not at all, and stay after a power cut.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Writes a file so that it is either as before or whole, also after a power cut.
///
/// # Errors
/// When the directory cannot be written; then the file is as before.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let parent = parent(path);
    std::fs::create_dir_all(parent)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".roomctl-");
    // Like any other file the user makes, so that a team can share it: the default would be the owner only.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(parent)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    sync_directory(path)
}

/// Makes the presence of the file at `path` durable.
///
/// # Errors
/// When the directory cannot be opened or synced.
pub fn sync_directory(path: &Path) -> io::Result<()> {
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
