//! Imports point one way, and the pure layers touch nothing outside.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{root, sources};

/// Each layer, and the layers it may use.
const LAYERS: [(&str, &[&str]); 10] = [
    ("model", &[]),
    ("planner", &["model"]),
    ("report", &["model", "planner"]),
    ("disk", &[]),
    ("files", &["model", "planner", "disk"]),
    ("service", &["model", "planner", "disk"]),
    ("store", &["model", "planner", "disk"]),
    ("run", &["model", "planner", "disk", "service", "store"]),
    ("simulator", &["disk"]),
    (
        "commands",
        &[
            "model",
            "planner",
            "report",
            "disk",
            "files",
            "service",
            "store",
            "run",
            "simulator",
        ],
    ),
];

/// Folders that touch nothing outside, and the files of other folders that do not either.
const PURE: &[&str] = &[
    "model",
    "planner",
    "report",
    "files/adopted.rs",
    "files/config.rs",
    "files/context.rs",
    "files/defaults.rs",
    "files/entries.rs",
    "files/mutes.rs",
    "files/room_edit.rs",
    "files/room_file.rs",
    "files/room_format.rs",
    "files/room_yaml.rs",
    "files/scalar.rs",
    "files/settled.rs",
    "files/usual.rs",
    "files/weakened.rs",
    "files/yaml.rs",
    "service/api.rs",
    "service/end.rs",
    "service/leaks.rs",
    "service/retry.rs",
    "store/holder.rs",
    "store/journal.rs",
    "store/state_file.rs",
];

/// What a pure layer must not name.
const IMPURE: [&str; 11] = [
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::io",
    "std::thread",
    "SystemTime",
    "Instant",
    "Timestamp::now",
    "tokio",
    "reqwest",
];

/// Of that, what names no file and no stream: how a serializer takes bytes.
const HARMLESS: [&str; 2] = ["std::io::Write;", "std::io::Result<"];

/// The code of a file without comment lines and without its tests, which may use anything.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// The layers that `code` names after `crate::`, also in braces.
fn named(code: &str) -> Vec<String> {
    let mut layers = Vec::new();
    for rest in code.split("crate::").skip(1) {
        let part = match rest.strip_prefix('{') {
            Some(list) => list.split('}').next().unwrap_or_default(),
            None => rest.split([';', '(', '<', ' ']).next().unwrap_or_default(),
        };
        for name in part.split(',') {
            let name = name.trim().split("::").next().unwrap_or_default();
            layers.push(name.to_owned());
        }
    }
    layers
}

/// What `code` names that a pure layer must not.
fn impure(code: &str) -> Vec<&'static str> {
    let harmless = |code: String, name: &&str| code.replace(name, "");
    let code = HARMLESS.iter().fold(code.to_owned(), harmless);
    let named = IMPURE.iter().filter(|name| code.contains(**name));
    named.copied().collect()
}

#[test]
fn imports_point_one_way() {
    let mut wrong = Vec::new();
    for (layer, allowed) in LAYERS {
        let files = sources(&root().join("src").join(layer));
        assert!(!files.is_empty(), "{layer} has files");
        for file in files {
            for name in named(&code(&file)) {
                let is_layer = LAYERS.iter().any(|(layer, _)| *layer == name);
                if is_layer && name != layer && !allowed.contains(&name.as_str()) {
                    wrong.push(format!("{} uses {name}", file.display()));
                }
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// Files, each with those that it uses.
type Uses = BTreeMap<PathBuf, BTreeSet<PathBuf>>;

/// The files that `file` of the sources names: by `super::` those beside it, by `crate::` any.
fn uses(file: &Path, code: &str) -> BTreeSet<PathBuf> {
    let src = root().join("src");
    let beside = file.parent().unwrap();
    let of = |base: &Path, rest: &str| {
        let path =
            rest.split(|letter: char| !letter.is_alphanumeric() && letter != '_' && letter != ':');
        let mut at = base.to_owned();
        for part in path.into_iter().next().unwrap_or_default().split("::") {
            let above = at.parent().unwrap().to_owned();
            at = if part == "super" {
                above
            } else {
                at.join(part)
            };
            let found = at.with_extension("rs");
            if found.is_file() && found != file {
                return Some(found);
            }
        }
        None
    };
    let named = |base: PathBuf, word: &str| -> Vec<PathBuf> {
        let places = code.split(word).skip(1);
        places.filter_map(|rest| of(&base, rest)).collect()
    };
    let all = [named(src, "crate::"), named(beside.to_owned(), "super::")];
    all.concat().into_iter().collect()
}

/// What remains of `files` once each is taken away that uses none of the others, or that none of them uses.
fn in_circles(mut files: Uses) -> Uses {
    loop {
        let left: BTreeSet<PathBuf> = files.keys().cloned().collect();
        let used: BTreeSet<PathBuf> = files.values().flatten().cloned().collect();
        files.retain(|file, uses| used.contains(file) && !uses.is_disjoint(&left));
        if files.len() == left.len() {
            return files;
        }
    }
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let src = root().join("src");
    let files = sources(&src).into_iter();
    let files =
        files.filter(|file| !file.ends_with("mod.rs") && !file.starts_with(src.join("tests")));
    let uses = files.map(|file| {
        let uses = uses(&file, &code(&file));
        (file, uses)
    });
    let uses: BTreeMap<_, _> = uses.collect();
    assert!(
        uses.values().map(BTreeSet::len).sum::<usize>() > 300,
        "imports are found"
    );
    assert_eq!(in_circles(uses), BTreeMap::new());
}

#[test]
fn a_circle_of_files_is_seen() {
    let names = |names: &[&str]| names.iter().map(PathBuf::from).collect();
    let files = [
        ("a", names(&["b"])),
        ("b", names(&["c", "d"])),
        ("c", names(&["b"])),
        ("d", names(&[])),
    ];
    let files = files.map(|(name, uses)| (PathBuf::from(name), uses));
    let circle: BTreeSet<PathBuf> = in_circles(files.into()).into_keys().collect();
    assert_eq!(circle, names(&["b", "c"]));
}

#[test]
fn pure_layers_touch_nothing_outside() {
    let mut wrong = Vec::new();
    for place in PURE {
        for file in sources(&root().join("src").join(place)) {
            for name in impure(&code(&file)) {
                wrong.push(format!("{} uses {name}", file.display()));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// A writer is made by `run` alone, and a command has no other way to write: it sends no request itself.
#[test]
fn only_what_carries_out_a_plan_may_write() {
    let src = root().join("src");
    let mut wrong = Vec::new();
    for file in sources(&src) {
        let place = file.strip_prefix(&src).unwrap();
        let code = code(&file);
        let may_write = ["run", "service", "inside.rs"]
            .iter()
            .any(|may| place.starts_with(may));
        let sends = place.starts_with("commands") && code.contains("service::api");
        if sends || (code.contains("service::writer") && !may_write) {
            wrong.push(place.to_owned());
        }
    }
    assert_eq!(wrong, Vec::<PathBuf>::new());
}

#[test]
fn commands_have_in_common_only_what_they_share() {
    let commands = root().join("src/commands");
    let mut wrong = Vec::new();
    for file in sources(&commands) {
        let code = code(&file);
        let is_command = file.parent() == Some(&*commands) && !file.ends_with("mod.rs");
        let above = code.split("super::").skip(1);
        let of_another = |rest: &str| is_command && !rest.starts_with("shared::");
        if code.contains("crate::commands") || above.into_iter().any(of_another) {
            wrong.push(file);
        }
    }
    assert_eq!(wrong, Vec::<PathBuf>::new());
}

/// A folder's `mod.rs` opens with a table of its files, one line each: the map for whoever looks for a place.
#[test]
fn every_folder_opens_with_a_table_of_its_files() {
    let mut missing = Vec::new();
    for file in sources(&root().join("src")) {
        let folder = file.parent().unwrap();
        let name = file.file_stem().unwrap().to_str().unwrap();
        if name == "mod" || folder.ends_with("src") || folder.ends_with("tests") {
            continue;
        }
        let head = fs::read_to_string(folder.join("mod.rs")).unwrap();
        let in_table =
            |line: &str| line.starts_with("//! |") && line.contains(&format!("`{name}`"));
        if !name.ends_with("_tests") && name != "testing" && !head.lines().any(in_table) {
            missing.push(file);
        }
    }
    assert_eq!(missing, Vec::<PathBuf>::new());
}

#[test]
fn the_search_for_imports_sees_every_form() {
    assert_eq!(named("use crate::store::local::X;"), ["store"]);
    assert_eq!(
        named("use crate::{store::local, model};"),
        ["store", "model"]
    );
    assert_eq!(named("let x = crate::report::json(&y);"), ["report"]);
}

#[test]
fn a_trait_of_io_is_harmless_and_its_streams_are_not() {
    let formatter = "use std::io::Write;\nfn f() -> std::io::Result<()>";
    assert_eq!(impure(formatter), [""; 0]);
    for code in [
        "use std::io;",
        "use std::io::{Write, stdout};",
        "std::io::stdout()",
    ] {
        assert_eq!(impure(code), ["std::io"], "{code}");
    }
}

/// Files that others supply are opened in one place, which knows what may lie there instead.
#[test]
fn files_are_opened_in_one_place() {
    let src = root().join("src");
    let mut wrong = Vec::new();
    for file in sources(&src) {
        let place = file.strip_prefix(&src).unwrap();
        let name = place.file_stem().unwrap().to_str().unwrap();
        if place.starts_with("disk") || place.starts_with("tests") || name.ends_with("_tests") {
            continue;
        }
        let code = code(&file);
        let opens = [
            "File::open",
            "File::create",
            "fs::read(",
            "fs::read_to_string",
            "fs::write",
            "fs::copy",
            "fs::rename",
            "fs::hard_link",
            "fs::remove",
            "fs::create_dir",
            "options.open(",
            "OpenOptions::new().open(",
            "persist",
        ];
        let opens = opens.into_iter().filter(|name| code.contains(name));
        wrong.extend(opens.map(|name| format!("{}: {name}", place.display())));
    }
    assert_eq!(wrong, Vec::<String>::new());
}
