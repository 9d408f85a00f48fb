//! All room files below a directory: found, read on all cores, checked against each other.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use ignore::WalkBuilder;
use rayon::prelude::*;

use super::known::Known;
use super::room_file::{self, Context, RoomFile};
use super::yaml::Place;
use crate::model::{Finding, Lines, RoomName, Severity};
use crate::planner::WantedRoom;

/// Largest room file that is read, in bytes. A room with every attribute and a comment on each is about 4 KiB.
pub const MAX_FILE_BYTES: u64 = 256 * 1024;

/// What the files say.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The rooms they want.
    pub wanted: BTreeMap<RoomName, WantedRoom>,
    /// Line of each key, by room.
    pub lines: Lines,
    /// Everything that is wrong or doubtful, sorted by file and place.
    pub findings: Vec<Finding>,
    /// Files looked at.
    pub files: usize,
}

/// Reads all room files below each of `roots`; a root may also be a file.
pub fn load(roots: &[PathBuf], context: &Context<'_>) -> Loaded {
    load_unless_known(roots, context, &Known::default())
}

/// The same, without parsing the files that are `known`. Of these there are no lines.
pub fn load_unless_known(roots: &[PathBuf], context: &Context<'_>, known: &Known<'_>) -> Loaded {
    let loaded = read_all(roots, context, known);
    if known.is_empty() || !Finding::any_error(&loaded.findings) {
        return loaded;
    }
    // Two files for one room, perhaps: that is told with places, which only reading gives.
    read_all(roots, context, &Known::default())
}

fn read_all(roots: &[PathBuf], context: &Context<'_>, known: &Known<'_>) -> Loaded {
    let mut findings = Vec::new();
    let mut paths = Vec::new();
    for root in roots {
        discover(root, &mut paths, &mut findings);
    }
    paths.sort();
    paths.dedup();
    let read: Vec<(Option<RoomFile>, Vec<Finding>)> = paths
        .par_iter()
        .map(|path| read_room(path, context, known))
        .collect();
    let mut rooms = Vec::with_capacity(read.len());
    for (room, mut found) in read {
        findings.append(&mut found);
        rooms.extend(room);
    }
    let mut loaded = Loaded {
        files: paths.len(),
        ..Loaded::default()
    };
    join(rooms, &mut loaded, &mut findings);
    findings.sort();
    loaded.findings = findings;
    loaded
}

/// Finds room files without following links: a link could lead out of the tree that was reviewed.
fn discover(root: &Path, paths: &mut Vec<PathBuf>, findings: &mut Vec<Finding>) {
    if !root.exists() {
        let help = "create it with a first room file, or name another one with --rooms";
        findings.push(whole_file(
            root,
            "no-rooms",
            "there is no such file or directory",
            help,
        ));
        return;
    }
    // Nothing is filtered but hidden directories: a room file that some ignore file hides would silently
    // stop being managed.
    let walk = WalkBuilder::new(root)
        .standard_filters(false)
        .follow_links(false)
        .filter_entry(|entry| {
            let is_directory = entry.file_type().is_some_and(|kind| kind.is_dir());
            entry.depth() == 0 || !is_directory || !is_hidden(entry.path())
        })
        .build();
    for entry in walk {
        match entry {
            Err(error) => {
                let message = format!("cannot be read: {}", reason(&error));
                findings.push(whole_file(
                    root,
                    "unreadable",
                    &message,
                    "check its permissions",
                ));
            }
            Ok(entry) => sort_out(&entry, root, paths, findings),
        }
    }
}

fn sort_out(
    entry: &ignore::DirEntry,
    root: &Path,
    paths: &mut Vec<PathBuf>,
    findings: &mut Vec<Finding>,
) {
    let path = entry.path();
    // The root itself may be a link: the user named it.
    if path == root && path.is_dir() {
        return;
    }
    let is_yaml = path
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("yaml") || e.eq_ignore_ascii_case("yml"));
    let kind = entry.file_type();
    if path != root && is_hidden(path) {
        if is_yaml {
            findings.push(Finding {
                severity: Severity::Warning,
                ..whole_file(
                    path,
                    "hidden",
                    "is hidden by its name, and not read",
                    "take the leading dot away if it is a room",
                )
            });
        }
    } else if kind.is_some_and(|kind| kind.is_symlink()) {
        findings.push(whole_file(
            path,
            "link",
            "is a link, and links are not followed",
            "put the file itself here",
        ));
    } else if kind.is_some_and(|kind| kind.is_dir()) {
        if is_yaml {
            findings.push(whole_file(
                path,
                "directory",
                "is a directory with the name of a room file",
                "rename the directory",
            ));
        }
    } else if is_yaml || path == root {
        match path.file_stem().and_then(|stem| stem.to_str()) {
            Some("_defaults") => findings.push(whole_file(
                path,
                "defaults",
                "this version does not read defaults",
                "write the settings into each room file",
            )),
            Some(_) if kind.is_some_and(|kind| kind.is_file()) => paths.push(path.to_owned()),
            Some(_) => findings.push(whole_file(
                path,
                "unreadable",
                "is not a regular file",
                "put a regular file here",
            )),
            None => findings.push(whole_file(
                path,
                "file-name",
                "its name is not valid UTF-8",
                "rename the file",
            )),
        }
    }
}

fn is_hidden(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

fn read_room(
    path: &Path,
    context: &Context<'_>,
    known: &Known<'_>,
) -> (Option<RoomFile>, Vec<Finding>) {
    let text = match read_text(path) {
        Ok(text) => text,
        Err(finding) => return (None, vec![*finding]),
    };
    let stem = path
        .file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or_default();
    if let Some((name, settings)) = known.room(stem, &text, context) {
        let room = RoomFile {
            file: shown(path),
            name,
            name_at: Place::default(),
            // Nothing is applied from here.
            source: None,
            settings,
            lines: BTreeMap::new(),
        };
        return (Some(room), Vec::new());
    }
    room_file::parse(&shown(path), stem, &text, context)
}

fn read_text(path: &Path) -> Result<String, Box<Finding>> {
    let unreadable = |error: std::io::Error| {
        let message = format!("cannot be read: {error}");
        Box::new(whole_file(
            path,
            "unreadable",
            &message,
            "check its permissions",
        ))
    };
    let mut bytes = Vec::new();
    // One byte more than allowed, so that a file that grows meanwhile is noticed too.
    File::open(path)
        .map_err(unreadable)?
        .take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(Box::new(whole_file(
            path,
            "file-size",
            "is larger than 256 KiB",
            "a room file holds one room: at most 31 short keys",
        )));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let (line, column) = end_of(&String::from_utf8_lossy(good));
        Box::new(Finding {
            line,
            column,
            ..whole_file(
                path,
                "encoding",
                "is not valid UTF-8",
                "save the file as UTF-8",
            )
        })
    })
}

/// Line and column, from 1, just behind `text`.
fn end_of(text: &str) -> (u32, u32) {
    let line = text.matches('\n').count() + 1;
    let column = text.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let small = |number| u32::try_from(number).unwrap_or(u32::MAX);
    (small(line), small(column))
}

/// Brings the rooms together; two files for one room, or for two names that differ only by case, are errors.
fn join(rooms: Vec<RoomFile>, loaded: &mut Loaded, findings: &mut Vec<Finding>) {
    let mut by_name: BTreeMap<String, (String, RoomName)> = BTreeMap::new();
    for room in rooms {
        let folded = room.name.folded();
        if let Some((file, name)) = by_name.get(&folded) {
            findings.push(twin(&room, file, name));
            continue;
        }
        by_name.insert(folded, (room.file.clone(), room.name.clone()));
        loaded.lines.insert(room.name.clone(), room.lines);
        let wanted = WantedRoom {
            file: room.file,
            source: room.source,
            settings: room.settings,
        };
        loaded.wanted.insert(room.name, wanted);
    }
}

fn twin(room: &RoomFile, file: &str, name: &RoomName) -> Finding {
    let message = if *name == room.name {
        format!("`{name}` is declared twice; the first time in {file}")
    } else {
        format!(
            "`{}` differs only by case from `{name}` in {file}",
            room.name
        )
    };
    Finding {
        file: room.file.clone(),
        line: room.name_at.line,
        column: room.name_at.column,
        rule: "duplicate-room",
        severity: Severity::Error,
        room: Some(room.name.to_string()),
        message,
        help: Some("keep one of the two files, or give one another `roomName`".to_owned()),
    }
}

fn whole_file(path: &Path, rule: &'static str, message: &str, help: &str) -> Finding {
    Finding {
        file: shown(path),
        line: 0,
        column: 0,
        rule,
        severity: Severity::Error,
        room: None,
        message: message.to_owned(),
        help: Some(help.to_owned()),
    }
}

/// The reason alone: the path is told by the finding.
fn reason(error: &ignore::Error) -> String {
    error
        .io_error()
        .map_or_else(|| error.to_string(), ToString::to_string)
}

/// A path as the user would type it, with `/` everywhere.
fn shown(path: &Path) -> String {
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
    use std::fs;

    use super::*;
    use crate::model::NameRule;

    const CONTEXT: Context = Context {
        names: NameRule::UrlSafe,
        now: 1_790_000_000,
        variables: &|_| None,
    };

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        dir
    }

    fn rules(dir: &tempfile::TempDir) -> Vec<(String, &'static str)> {
        load(&[dir.path().to_owned()], &CONTEXT)
            .findings
            .into_iter()
            .map(|f| {
                let name = f.file.rsplit('/').next().unwrap().to_owned();
                (name, f.rule)
            })
            .collect()
    }

    #[test]
    fn files_of_both_endings_in_any_depth() {
        let dir = tree(&[
            ("a.yaml", "privacy: public"),
            ("x/y/b.yml", "privacy: public"),
            ("x/readme.md", "not a room"),
            (".git/c.yaml", "not: read"),
            (".hidden", "not: read"),
        ]);
        let loaded = load(&[dir.path().to_owned()], &CONTEXT);
        assert_eq!(loaded.findings, []);
        let names: Vec<&str> = loaded.wanted.keys().map(RoomName::as_str).collect();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn a_hidden_file_is_told_and_not_read() {
        let dir = tree(&[(".a.yaml", "not: read"), ("b.yaml", "privacy: public")]);
        let loaded = load(&[dir.path().to_owned()], &CONTEXT);
        assert_eq!((loaded.files, loaded.wanted.len()), (1, 1));
        let [finding] = loaded.findings.as_slice() else {
            panic!("{:?}", loaded.findings);
        };
        assert_eq!(
            (finding.rule, finding.severity),
            ("hidden", Severity::Warning)
        );
    }

    #[test]
    fn twins_are_told_with_both_files() {
        let dir = tree(&[
            ("a.yaml", "privacy: public"),
            ("b/a.yaml", "privacy: public"),
            ("c.yaml", "privacy: public\nroomName: A"),
        ]);
        assert_eq!(
            rules(&dir),
            [
                ("a.yaml".to_owned(), "duplicate-room"),
                ("c.yaml".to_owned(), "duplicate-room")
            ]
        );
    }

    #[test]
    fn what_is_no_room_file_is_told() {
        let dir = tree(&[
            ("big.yaml", &"#".repeat(MAX_FILE_BYTES as usize + 1)),
            ("dir.yaml/in.yaml", "privacy: public"),
            ("_defaults.yaml", "privacy: public"),
        ]);
        fs::write(dir.path().join("latin.yaml"), b"privacy: public\n# caf\xe9").unwrap();
        assert_eq!(
            rules(&dir),
            [
                ("_defaults.yaml".to_owned(), "defaults"),
                ("big.yaml".to_owned(), "file-size"),
                ("dir.yaml".to_owned(), "directory"),
                ("latin.yaml".to_owned(), "encoding"),
            ]
        );
        let loaded = load(&[dir.path().to_owned()], &CONTEXT);
        let latin = loaded.findings.last().unwrap();
        assert_eq!((latin.line, latin.column), (2, 6));
    }

    #[cfg(unix)]
    #[test]
    fn links_are_not_followed() {
        let outside = tree(&[("secret.yaml", "privacy: public")]);
        let dir = tree(&[("a.yaml", "privacy: public")]);
        let link = |target: &Path, name: &str| {
            std::os::unix::fs::symlink(target, dir.path().join(name)).unwrap();
        };
        link(&outside.path().join("secret.yaml"), "file.yaml");
        link(outside.path(), "directory");
        link(dir.path(), "loop");
        let loaded = load(&[dir.path().to_owned()], &CONTEXT);
        assert_eq!(loaded.wanted.len(), 1);
        assert_eq!(loaded.findings.len(), 3);
        assert!(loaded.findings.iter().all(|f| f.rule == "link"));
    }

    #[test]
    fn a_missing_directory_is_not_an_empty_one() {
        let dir = tree(&[]);
        let loaded = load(&[dir.path().join("nowhere")], &CONTEXT);
        assert_eq!(loaded.findings[0].rule, "no-rooms");
    }
}
