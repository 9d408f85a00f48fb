//! What the pages say of the tree: the files that they name are there.

use std::fs;
use std::path::Path;

use regex::Regex;

use crate::common::root;

const PAGES: [&str; 7] = [
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "README.md",
    "SECURITY.md",
    "docs/config.md",
    "docs/install.md",
    "docs/threat-model.md",
];

/// Whether a file is there, or one of a family such as `tests/cases/hostile-*`.
fn is_there(path: &str) -> bool {
    let Some((start, "")) = path.split_once('*') else {
        return root().join(path).exists();
    };
    let (dir, start) = start.rsplit_once('/').unwrap();
    let mut entries = fs::read_dir(root().join(dir)).unwrap();
    entries.any(|entry| {
        let name = entry.unwrap().file_name();
        name.to_string_lossy().starts_with(start)
    })
}

#[test]
fn the_pages_name_files_that_are_there() {
    let named = Regex::new(r"`((?:src|tests|docs|packaging|\.github|\.ci)/[^` ]*)`").unwrap();
    for page in PAGES {
        let text = fs::read_to_string(root().join(page)).unwrap();
        for found in named.captures_iter(&text) {
            assert!(is_there(&found[1]), "{page}: {}", &found[1]);
        }
    }
}

#[test]
fn the_pages_link_to_what_is_there() {
    let link = Regex::new(r"\]\(([^)#:]+)(?:#[^)]*)?\)").unwrap();
    for page in PAGES {
        let text = fs::read_to_string(root().join(page)).unwrap();
        let dir = Path::new(page).parent().unwrap();
        for found in link.captures_iter(&text) {
            let target = root().join(dir).join(&found[1]);
            assert!(target.exists(), "{page}: {}", &found[1]);
        }
    }
}
