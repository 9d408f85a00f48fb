//! Which files below the rooms directory are rooms, and which hold defaults.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirEntry, FileType};
use std::io;
use std::path::{Path, PathBuf};

use crate::disk::plain_file::real;
use crate::files::cores::{all_cores, on_cores};
use crate::files::defaults::{Beside, STEM};
use crate::model::{Finding, Place, Rule};

/// Most directories in each other: all their defaults are laid over each room.
const MOST_LEVELS: usize = 32;

#[derive(Debug, Default)]
pub(crate) struct Found {
    pub rooms: Vec<PathBuf>,
    pub defaults: BTreeMap<PathBuf, Beside>,
    /// Defaults of the directories above the root, outermost first.
    pub above: Vec<Beside>,
    pub findings: Vec<Finding>,
}

impl Found {
    fn add(&mut self, mut other: Self) {
        self.rooms.append(&mut other.rooms);
        self.defaults.append(&mut other.defaults);
        self.findings.append(&mut other.findings);
    }

    fn in_the_way(&mut self, path: &Path, rule: Rule, message: &str, help: &str) {
        self.findings.push(whole_file(path, rule, message, help));
    }

    fn hidden(&mut self, path: &Path, message: &str) {
        let help = "take the leading dot away if it is a room";
        self.in_the_way(path, Rule::Hidden, message, help);
    }

    fn too_deep(&mut self, dir: &Path) {
        let message = format!("this is more than {MOST_LEVELS} directories deep");
        self.in_the_way(dir, Rule::Directory, &message, "move it further up");
    }

    fn second_defaults(&mut self, path: &Path, before: Option<PathBuf>) {
        if let Some(other) = before {
            let other = as_typed(&other);
            let message =
                format!("these are the second defaults of this directory, beside {other}");
            self.in_the_way(path, Rule::DefaultsTwice, &message, "keep one of the two");
        }
    }

    fn named_like_a_room(&mut self, dir: &Path) {
        let message = "this directory has the name of a room file";
        self.in_the_way(dir, Rule::Directory, message, "rename the directory");
    }
}

/// Finds room files without following links: a link could lead out of the tree that was reviewed.
///
/// `root` is a directory or a single file; `rooms` is the rooms directory, whose defaults hold for all below.
pub(crate) fn discover(rooms: &Path, root: &Path) -> Found {
    let mut found = Found::default();
    if !root.exists() {
        let message = "there is no such file or directory";
        let help = "create it with a first room file, as `roomctl init` does, or name another one with --rooms";
        found.in_the_way(root, Rule::NoRooms, message, help);
        return found;
    }
    if let Err(error) = real(rooms).and_then(|_| real(root)) {
        let help =
            "put the directory itself there; one outside of the repository is named with --rooms";
        found.in_the_way(root, Rule::Link, &error.to_string(), help);
        return found;
    }
    above(rooms, root, &mut found);
    if !root.is_dir() {
        let kind = root.symlink_metadata().map(|metadata| metadata.file_type());
        sort_out(root, kind.ok(), true, &mut found);
        return found;
    }
    let deepest = root.components().count() + MOST_LEVELS;
    // A level after the other, since what is in directories beside each other can be found at once.
    let mut level = vec![root.to_owned()];
    while !level.is_empty() {
        let all = on_cores(all_cores(), &level, |dir| look_into(dir, deepest));
        level.clear();
        for (here, mut below) in all {
            found.add(here);
            level.append(&mut below);
        }
    }
    found
}

/// What is in a directory, and the directories in it. Nothing is filtered but hidden directories: a room file that some
/// ignore file hides would silently stop being managed.
fn look_into(dir: &Path, deepest: usize) -> (Found, Vec<PathBuf>) {
    let (mut found, mut below) = (Found::default(), Vec::new());
    let entries = entries(dir).unwrap_or_else(|error| {
        let message = format!("this cannot be read: {error}");
        found.in_the_way(dir, Rule::Unreadable, &message, "check its permissions");
        Vec::new()
    });
    for (path, kind) in entries {
        if kind.is_dir() && is_hidden(&path) {
            // What programs keep beside a repository is nobody's room.
            if !dir.join(".git").exists() && any_yaml(&path, MOST_LEVELS) {
                found.hidden(&path, "this directory is hidden by its name, and not read");
            }
            continue;
        }
        sort_out(&path, Some(kind), false, &mut found);
        if kind.is_dir() && path.components().count() <= deepest {
            below.push(path);
        } else if kind.is_dir() {
            found.too_deep(&path);
        }
    }
    (found, below)
}

/// The same of `files` below `root` that are only listed: all are regular, and none is hidden.
pub(crate) fn discover_listed(root: &Path, files: impl Iterator<Item = PathBuf>) -> Found {
    let mut found = Found::default();
    let deepest = root.components().count() + MOST_LEVELS;
    for path in files {
        let dir = path.parent().unwrap_or(root);
        let mut dirs = dir.ancestors().take_while(|dir| *dir != root);
        if let Some(wrong) = dirs.find(|dir| is_yaml(dir)) {
            found.named_like_a_room(wrong);
        } else if dir.components().count() > deepest {
            found.too_deep(dir);
        } else {
            sort_out_file(&path, true, &mut found);
        }
    }
    found
}

fn entries(dir: &Path) -> io::Result<Vec<(PathBuf, FileType)>> {
    let entry = |entry: DirEntry| Ok((entry.path(), entry.file_type()?));
    fs::read_dir(dir)?
        .map(|found| found.and_then(entry))
        .collect()
}

fn any_yaml(dir: &Path, levels: usize) -> bool {
    let is_one = |(path, kind): &(PathBuf, FileType)| match kind.is_dir() {
        true => levels > 0 && any_yaml(path, levels - 1),
        false => is_yaml(path),
    };
    entries(dir).is_ok_and(|entries| entries.iter().any(is_one))
}

/// Defaults between the rooms directory and a root below it. Compared by where they really are: the user may
/// have typed them in different ways.
fn above(rooms: &Path, root: &Path, found: &mut Found) {
    let parent = |path: &Path| match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let rooms = match rooms.is_file() {
        true => parent(rooms),
        false => rooms.to_owned(),
    };
    let (Ok(real_rooms), Ok(real_root)) = (rooms.canonicalize(), root.canonicalize()) else {
        return;
    };
    let inner = real_root.parent();
    let inner = inner.and_then(|above| above.strip_prefix(&real_rooms).ok());
    let Some(inner) = inner else {
        if root.is_file() {
            add_above(&parent(root), found);
        }
        return;
    };
    let mut dir = rooms;
    add_above(&dir, found);
    for part in inner {
        dir.push(part);
        add_above(&dir, found);
    }
}

fn add_above(dir: &Path, found: &mut Found) {
    let mut here = Found::default();
    // What is wrong with the directory itself is said where it is looked into.
    for (path, kind) in entries(dir).unwrap_or_default() {
        let name = path.file_name().unwrap_or_default();
        if !kind.is_dir() && is_yaml(&path) && name.as_encoded_bytes().starts_with(STEM.as_bytes())
        {
            sort_out(&path, Some(kind), false, &mut here);
        }
    }
    found.above.extend(here.defaults.into_values());
    found.findings.append(&mut here.findings);
}

fn sort_out(path: &Path, kind: Option<FileType>, is_root: bool, found: &mut Found) {
    // Alone: to look for it in a long path again and again takes longer than all the rest.
    let name = Path::new(path.file_name().unwrap_or_default());
    let is_yaml = is_yaml(name);
    if !is_root && is_hidden(name) {
        if is_yaml {
            found.hidden(path, "this file is hidden by its name, and not read");
        }
    } else if kind.is_some_and(|kind| kind.is_symlink()) {
        let message = "this is a link, and links are not followed";
        found.in_the_way(path, Rule::Link, message, "put the file itself here");
    } else if kind.is_some_and(|kind| kind.is_dir()) {
        if is_yaml {
            found.named_like_a_room(path);
        }
    } else if !is_yaml && !is_root && is_meant(path) {
        let message = "this file is not read: its name does not end in `.yaml` or `.yml`";
        found.in_the_way(path, Rule::Ignored, message, "rename it if it is a room");
    } else if is_yaml || is_root {
        let is_file = kind.is_some_and(|kind| kind.is_file());
        sort_out_file(path, is_file, found);
    }
}

fn sort_out_file(path: &Path, is_file: bool, found: &mut Found) {
    let name = Path::new(path.file_name().unwrap_or_default());
    let Some(stem) = name.file_stem().and_then(|stem| stem.to_str()) else {
        let message = "the name of this file is not valid UTF-8";
        return found.in_the_way(path, Rule::FileName, message, "rename the file");
    };
    if !is_file {
        let message = "this is not a regular file";
        return found.in_the_way(path, Rule::Unreadable, message, "put a regular file here");
    }
    let dir = path.parent().unwrap_or(Path::new("")).to_owned();
    if let Some(stack) = stem
        .strip_prefix(STEM)
        .and_then(|rest| rest.strip_prefix('.'))
    {
        let beside = found.defaults.entry(dir).or_default();
        let before = beside.by_stack.insert(stack.to_owned(), path.to_owned());
        return found.second_defaults(path, before);
    }
    if stem != STEM {
        // Taken for rooms, these would be rooms that nobody wanted.
        if stem.to_ascii_lowercase().starts_with("_default") {
            let message =
                "this file looks like defaults, which are read from `_defaults.yaml` only";
            let help = "rename the file to `_defaults.yaml`; for a room of this name, set `roomName` in a file of another name";
            return found.in_the_way(path, Rule::DefaultsFileName, message, help);
        }
        return found.rooms.push(path.to_owned());
    }
    let beside = found.defaults.entry(dir).or_default();
    let before = beside.for_all.replace(path.to_owned());
    found.second_defaults(path, before);
}

pub(crate) fn is_yaml(path: &Path) -> bool {
    // A file called `.yaml` has no extension, as far as the library goes.
    let ending = path.extension().or(path.file_name()).unwrap_or_default();
    let mut endings = ["yaml", "yml", ".yaml", ".yml"].iter();
    endings.any(|known| ending.eq_ignore_ascii_case(known))
}

/// Whether it could be taken for a room file, though it is none.
fn is_meant(path: &Path) -> bool {
    meant(&path.to_string_lossy()).is_some()
}

/// What is in front of the ending of a file that could be taken for a room file.
fn meant(path: &str) -> Option<&str> {
    let endings = ".json .jsonc .json5 .toml .yaml.txt .yml.txt .yaml.j2 .yml.j2";
    let end = |ending: &str| path.len().checked_sub(ending.len());
    let mut ends = endings.split(' ').filter_map(|one| Some((one, end(one)?)));
    let is_there = |(ending, at): &(&str, usize)| {
        path.get(*at..)
            .is_some_and(|found| found.eq_ignore_ascii_case(ending))
    };
    ends.find(is_there).map(|(_, at)| &path[..at])
}

/// What of a tree is passed over, where it may be what became of room files.
#[derive(Debug, Default)]
pub(crate) struct PassedOver {
    /// The paths that those files would have had, below the root: none of them is missed.
    pub files: BTreeSet<String>,
    /// Directories that are repositories of their own.
    pub repositories: BTreeSet<PathBuf>,
}

/// Goes where `discover` does not, too: into what is hidden.
pub(crate) fn passed_over(root: &Path) -> PassedOver {
    let mut passed_over = PassedOver::default();
    let mut left = vec![(root.to_owned(), String::new(), false)];
    while let Some((dir, seen, is_inside)) = left.pop() {
        let Ok(entries) = entries(&dir) else {
            // Whatever it holds.
            passed_over.files.insert(seen);
            continue;
        };
        for (path, kind) in entries {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let shown = format!("{seen}{}", name.trim_start_matches('.'));
            let is_inside = is_inside || is_hidden(&path);
            if name == ".git" {
                passed_over.repositories.insert(dir.clone());
            } else if kind.is_dir() {
                left.push((path, format!("{shown}/"), is_inside));
            } else if is_inside || !is_yaml(&path) {
                let stem = may_have_been(&shown);
                let files = stem.map(|stem| [format!("{stem}.yaml"), format!("{stem}.yml")]);
                passed_over.files.extend(files.into_iter().flatten());
                // A link may have become of a directory, too.
                passed_over.files.extend(kind.is_symlink().then_some(shown));
            }
        }
    }
    passed_over
}

/// The path of a room file without its ending, if `path` may have been one: `a.yaml.bak`, `a.yml.j2`, `a.json`.
fn may_have_been(path: &str) -> Option<&str> {
    let lower = path.to_ascii_lowercase();
    let ending = [".yaml", ".yml"]
        .iter()
        .filter_map(|ending| lower.rfind(ending))
        .max();
    ending.map(|at| &path[..at]).or_else(|| meant(path))
}

fn is_hidden(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

pub(crate) fn whole_file(path: &Path, rule: Rule, message: &str, help: &str) -> Finding {
    Finding::new(as_typed(path), Place::WHOLE_FILE, rule, message, help)
}

/// A path as the user would type it, with `/` everywhere.
pub(crate) fn as_typed(path: &Path) -> String {
    let text = path.to_string_lossy();
    let text = text.strip_prefix("./").unwrap_or(&text);
    if std::path::MAIN_SEPARATOR == '/' {
        text.to_owned()
    } else {
        text.replace(std::path::MAIN_SEPARATOR, "/")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn paths() -> impl Strategy<Value = Vec<PathBuf>> {
        let dirs = prop_oneof![
            3 => Just(String::new()), 3 => Just("a/".to_owned()), 2 => Just("a/b/".to_owned()), 1 => Just("c.yaml/".to_owned()),
            1 => Just("a/d.YML/e/".to_owned()), 1 => (31_usize..34).prop_map(|levels| "x/".repeat(levels)),
        ];
        let names = proptest::sample::select(
            &[
                "one.yaml",
                "two.yml",
                "_defaults.yaml",
                "_defaults.yml",
                "_default.yaml",
                "_defaults.live.yaml",
                "_DEFAULTS.yaml",
                "three.YAML",
            ][..],
        );
        let path = (dirs, names).prop_map(|(dir, name)| PathBuf::from(dir + name));
        proptest::collection::btree_set(path, 0..8).prop_map(|paths| paths.into_iter().collect())
    }

    proptest! {
        /// Whether the files are there or only listed makes no difference to what is read.
        #[test]
        fn what_is_listed_is_found_as_if_it_were_there(paths in paths()) {
            let dir = tempfile::tempdir().unwrap();
            let root = dir.path();
            for path in &paths {
                fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
                fs::write(root.join(path), "").unwrap();
            }
            let shown = |mut found: Found| {
                found.rooms.sort();
                let mut findings: Vec<_> = found.findings.iter().map(|one| (one.file.clone(), one.rule)).collect();
                findings.sort();
                findings.dedup();
                // One of each directory's defaults is read where there are two, which is an error.
                (found.rooms, found.defaults.into_keys().collect::<Vec<_>>(), findings)
            };
            let listed = shown(discover_listed(root, paths.iter().map(|path| root.join(path))));
            let mut there = shown(discover(root, root));
            // Of a directory with the name of a room file, everything is in doubt either way.
            let is_doubtful = |path: &Path| path.ancestors().skip(1).any(|dir| dir != root && dir.starts_with(root) && is_yaml(dir));
            there.0.retain(|path| !is_doubtful(path));
            there.1.retain(|dir| !is_doubtful(&dir.join("_")));
            let is_within = |file: &str| is_doubtful(Path::new(file));
            there.2.retain(|(file, _)| !is_within(file));
            prop_assert_eq!(listed, there);
        }
    }
}
