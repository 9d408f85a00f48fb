//! Which file is the configuration: the nearest from the working directory upwards, as far as the repository goes.
//!
//! As with git, uv and cargo, a run from within a part is about the same whole. A file above could be anybody's, though,
//! and it says which rooms there are: so the search ends at the repository's root, without one at the working directory,
//! and never leaves the home directory, the file system, or what belongs to the owner of the working directory.

use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// What it may be called.
pub(crate) const NAMES: [&str; 2] = ["roomctl.yaml", "roomctl.yml"];

#[derive(Debug, thiserror::Error)]
pub(crate) enum SearchError {
    #[error("there are {} and {}, and nobody can tell which one counts", .0.display(), .1.display())]
    Both(PathBuf, PathBuf),
    #[error("cannot look for {}", .0.display())]
    Unreadable(PathBuf, #[source] io::Error),
    #[error("{} belongs to somebody else than the directory that roomctl was started in", .0.display())]
    Foreign(PathBuf),
}

/// Where the configuration may be, the nearest directory first, each as it is reached from the working directory.
pub(crate) fn directories(here: &Path, home: Option<&Path>) -> Vec<PathBuf> {
    let mut directories = Vec::new();
    let mut reached = PathBuf::new();
    for directory in here.ancestors() {
        if !is_on_device_of(here, directory) {
            break;
        }
        directories.push(reached.clone());
        if directory.join(".git").symlink_metadata().is_ok() {
            return directories;
        }
        if home == Some(directory) {
            break;
        }
        reached.push("..");
    }
    // There is no repository.
    directories.truncate(1);
    directories
}

/// The nearest configuration in `directories`, if there is one. `here` is what they are reached from.
pub(crate) fn find(here: &Path, directories: &[PathBuf]) -> Result<Option<PathBuf>, SearchError> {
    for directory in directories {
        let mut found = Vec::new();
        for path in NAMES.map(|name| directory.join(name)) {
            match here.join(&path).symlink_metadata() {
                Ok(_) => found.push(path),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                // It may be there, and say what must not be done.
                Err(error) => return Err(SearchError::Unreadable(path, error)),
            }
        }
        let mut found = found.into_iter();
        match (found.next(), found.next()) {
            (None, _) => {}
            (Some(one), Some(other)) => return Err(SearchError::Both(one, other)),
            (Some(path), None) if is_trusted(here, &path) => return Ok(Some(path)),
            (Some(path), None) => return Err(SearchError::Foreign(path)),
        }
    }
    Ok(None)
}

/// Whether nobody could have put it there who does not also own the working directory, or the machine.
fn is_trusted(here: &Path, path: &Path) -> bool {
    let directory = path.parent().unwrap_or(path);
    if directory.as_os_str().is_empty() {
        return true;
    }
    let Ok(own) = fs::metadata(here) else {
        return false;
    };
    let is_ours = |path: PathBuf| {
        let there = here.join(path).symlink_metadata();
        there.is_ok_and(|there| is_owned_alike(&own, &there))
    };
    is_ours(path.to_owned()) && is_ours(directory.to_owned())
}

#[cfg(unix)]
fn is_owned_alike(own: &Metadata, there: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    [own.uid(), 0].contains(&there.uid())
}

#[cfg(not(unix))]
fn is_owned_alike(_: &Metadata, _: &Metadata) -> bool {
    true
}

#[cfg(unix)]
fn is_on_device_of(here: &Path, directory: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev()).ok();
    device(here) == device(directory)
}

#[cfg(not(unix))]
fn is_on_device_of(_: &Path, _: &Path) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_search_ends_at_the_repository_and_at_home() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        for dir in ["home/repo/a/b", "home/bare/a", "outer/inner/a"] {
            fs::create_dir_all(at(dir)).unwrap();
        }
        for git in ["home/repo/.git", "outer/.git", ".git"] {
            fs::create_dir(at(git)).unwrap();
        }
        // Of a submodule, or of a further work tree, it is a file.
        fs::write(at("outer/inner/.git"), "gitdir: elsewhere").unwrap();
        let home = at("home");
        let number = |from: &str| directories(&at(from), Some(&home)).len();
        let cases = [
            ("home/repo", 1),
            ("home/repo/a/b", 3),
            ("outer/inner/a", 2),
            ("outer", 1),
            // What is above the home directory is none of its repositories.
            ("home/bare/a", 1),
            ("home", 1),
        ];
        for (from, expected) in cases {
            assert_eq!(number(from), expected, "{from}");
        }
        let reached = directories(&at("home/repo/a/b"), Some(&home));
        assert_eq!(reached, ["", "..", "../.."].map(PathBuf::from));
    }

    #[test]
    fn the_nearest_counts() {
        let root = tempfile::tempdir().unwrap();
        let here = root.path().join("a/b");
        fs::create_dir_all(&here).unwrap();
        fs::create_dir(root.path().join(".git")).unwrap();
        let found = || {
            let found = find(&here, &directories(&here, None));
            found.map(|path| path.map(|path| path.to_string_lossy().into_owned()))
        };
        assert_eq!(found().unwrap(), None);
        fs::write(root.path().join("roomctl.yaml"), "").unwrap();
        assert_eq!(found().unwrap().as_deref(), Some("../../roomctl.yaml"));
        fs::write(root.path().join("a/roomctl.yml"), "").unwrap();
        assert_eq!(found().unwrap().as_deref(), Some("../roomctl.yml"));
        fs::write(root.path().join("a/roomctl.yaml"), "").unwrap();
        assert!(matches!(found(), Err(SearchError::Both(..))));
        // What is nearer hides it.
        fs::write(here.join("roomctl.yaml"), "").unwrap();
        assert_eq!(found().unwrap().as_deref(), Some("roomctl.yaml"));
    }
}
