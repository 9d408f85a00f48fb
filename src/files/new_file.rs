//! A new file below a directory: never through a link, never outside, whole or not at all.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};

use crate::disk::whole_file::{Way, write_whole};

#[derive(Debug, thiserror::Error)]
pub(crate) enum NewFileError {
    /// The path leads out of the directory, or to a name that is not read.
    #[error("{} is not a place for a room file", .0.display())]
    Outside(PathBuf),
    #[error("{} is a link, and links are not followed", .0.display())]
    Link(PathBuf),
    #[error("{} exists, and is no {kind}", .path.display())]
    Other {
        path: PathBuf,
        /// What should be there.
        kind: &'static str,
    },
    #[error("{} exists", .0.display())]
    Exists(PathBuf),
    #[error("cannot write {}: {source}", .path.display())]
    Io { path: PathBuf, source: io::Error },
}

/// Whether a room file may be written at `relative` below `root`; one that is there only if `replace`.
pub(crate) fn check(root: &Path, relative: &Path, replace: bool) -> Result<PathBuf, NewFileError> {
    // Hidden names are not read, and a directory with the name of a room file is an error.
    let is_read = |name: &str, is_last: bool| {
        let odd = !is_last && (name.ends_with(".yaml") || name.ends_with(".yml"));
        !name.starts_with('.') && !odd
    };
    check_parts(root, relative, replace, is_read)
}

fn check_parts(
    root: &Path,
    relative: &Path,
    replace: bool,
    allowed: impl Fn(&str, bool) -> bool,
) -> Result<PathBuf, NewFileError> {
    let mut path = root.to_owned();
    let mut parts = relative.components().peekable();
    if parts.peek().is_none() {
        return Err(NewFileError::Outside(path));
    }
    while let Some(part) = parts.next() {
        let Component::Normal(name) = part else {
            return Err(NewFileError::Outside(root.join(relative)));
        };
        path.push(name);
        let is_last = parts.peek().is_none();
        if !allowed(&name.to_string_lossy(), is_last) {
            return Err(NewFileError::Outside(path));
        }
        check_what_is_there(&path, is_last, replace)?;
    }
    Ok(path)
}

/// Writes `text` at `relative` below `root`, if [`check`] allows it.
pub(crate) fn write(
    root: &Path,
    relative: &Path,
    text: &str,
    replace: bool,
) -> Result<(), NewFileError> {
    written(check(root, relative, replace)?, text)
}

/// Writes `text` to a file of any name that is not there yet, at `relative` below `root`.
pub(crate) fn create(root: &Path, relative: &Path, text: &str) -> Result<(), NewFileError> {
    let path = check_parts(root, relative, false, |_, _| true)?;
    write_whole(&path, text.as_bytes(), Way::New).map_err(|source| match source.kind() {
        ErrorKind::AlreadyExists => NewFileError::Exists(path),
        _ => NewFileError::Io { path, source },
    })
}

/// Writes `text` over a file of any name that is there, at `relative` below `root`.
pub(crate) fn replace(root: &Path, relative: &Path, text: &str) -> Result<(), NewFileError> {
    written(check_parts(root, relative, true, |_, _| true)?, text)
}

fn written(path: PathBuf, text: &str) -> Result<(), NewFileError> {
    let written = write_whole(&path, text.as_bytes(), Way::Replace);
    written.map_err(|source| NewFileError::Io { path, source })
}

fn check_what_is_there(path: &Path, is_last: bool, replace: bool) -> Result<(), NewFileError> {
    let found = fs::symlink_metadata(path);
    let path = path.to_owned();
    match found {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(source) => Err(NewFileError::Io { path, source }),
        Ok(found) if found.is_symlink() => Err(NewFileError::Link(path)),
        Ok(found) if !is_last && !found.is_dir() => {
            let kind = "directory";
            Err(NewFileError::Other { path, kind })
        }
        Ok(found) if is_last && !found.is_file() => Err(NewFileError::Other { path, kind: "file" }),
        Ok(_) if is_last && !replace => Err(NewFileError::Exists(path)),
        Ok(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(root: &Path, relative: &str, replace: bool) -> String {
        match write(root, Path::new(relative), "new", replace) {
            Ok(()) => "written".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn only_new_files_and_only_below() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::write(root.join("old.yaml"), "old").unwrap();
        fs::create_dir(root.join("dir.yaml")).unwrap();
        assert_eq!(outcome(root, "new.yaml", false), "written");
        assert_eq!(outcome(root, "a/b/new.yaml", false), "written");
        assert!(outcome(root, "old.yaml", false).ends_with("old.yaml exists"));
        assert_eq!(fs::read_to_string(root.join("old.yaml")).unwrap(), "old");
        assert_eq!(outcome(root, "old.yaml", true), "written");
        for bad in [
            "../x.yaml",
            "a/../../x.yaml",
            "/x.yaml",
            ".x.yaml",
            ".h/x.yaml",
            "a.yaml/x.yaml",
            "",
        ] {
            assert!(outcome(root, bad, true).contains("not a place"), "{bad}");
        }
        assert!(outcome(root, "dir.yaml", true).contains("is no file"));
        fs::write(root.join("note"), "old").unwrap();
        assert!(outcome(root, "note/x.yaml", true).contains("is no directory"));
    }

    #[cfg(unix)]
    #[test]
    fn links_are_not_followed() {
        let outside = tempfile::tempdir().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let target = outside.path().join("file.yaml");
        fs::write(&target, "old").unwrap();
        let link = |to: &Path, name: &str| {
            std::os::unix::fs::symlink(to, dir.path().join(name)).unwrap();
        };
        link(&target, "a.yaml");
        link(outside.path(), "team");
        link(Path::new("nowhere"), "dangling.yaml");
        for bad in ["a.yaml", "team/file.yaml", "team/new.yaml", "dangling.yaml"] {
            assert!(
                outcome(dir.path(), bad, true).contains("is a link"),
                "{bad}"
            );
        }
        assert_eq!(fs::read_to_string(&target).unwrap(), "old");
    }
}
