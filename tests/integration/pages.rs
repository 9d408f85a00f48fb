//! What the pages say of the tree: the files and headings that they name are there, and the book has all its pages.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

use crate::common::root;
use crate::reference::anchor;

/// All pages, by their paths from the root.
pub fn pages() -> Vec<String> {
    let mut pages = [
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "README.md",
        "SECURITY.md",
    ]
    .map(str::to_owned)
    .to_vec();
    below("docs", &mut pages);
    pages.sort();
    pages
}

fn below(dir: &str, pages: &mut Vec<String>) {
    for entry in fs::read_dir(root().join(dir)).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{dir}/{}", entry.file_name().to_str().unwrap());
        if entry.path().is_dir() {
            below(&path, pages);
        } else if path.ends_with(".md") {
            pages.push(path);
        }
    }
}

pub fn text(page: &str) -> String {
    fs::read_to_string(root().join(page)).unwrap()
}

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
    for page in pages() {
        for found in named.captures_iter(&text(&page)) {
            assert!(is_there(&found[1]), "{page}: {}", &found[1]);
        }
    }
}

/// The text outside of fenced blocks.
fn prose(text: &str) -> String {
    let mut fenced = false;
    let lines = text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fence && !fenced
    });
    lines.map(|line| format!("{line}\n")).collect()
}

fn anchors(page: &str) -> Vec<String> {
    let mut anchors: Vec<String> = Vec::new();
    for heading in prose(&text(page))
        .lines()
        .filter(|line| line.starts_with('#'))
    {
        let anchor = anchor(heading.trim_start_matches('#'));
        assert!(
            !anchors.contains(&anchor),
            "{page}: two headings have the address {anchor}"
        );
        anchors.push(anchor);
    }
    anchors
}

/// The path without `.` and `..`, from the root.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path {
        if part == ".." {
            assert!(plain.pop(), "{}", path.display());
        } else if part != "." {
            plain.push(part);
        }
    }
    plain
}

#[test]
fn the_pages_link_to_what_is_there() {
    let link = Regex::new(r"\]\(([^)#: ]*)(?:#([^)]*))?\)").unwrap();
    for page in pages() {
        let dir = Path::new(&page).parent().unwrap();
        for found in link.captures_iter(&prose(&text(&page))) {
            let shown = &found[0];
            let target = if found[1].is_empty() {
                PathBuf::from(&page)
            } else {
                plain(&dir.join(&found[1]))
            };
            assert!(root().join(&target).exists(), "{page}: {shown}");
            if page.starts_with("docs/") {
                // The book holds what is below docs, shows no directory, and has a README only as its front page.
                let is_front = page == "docs/SUMMARY.md" || !target.ends_with("README.md");
                let is_shown = target.starts_with("docs") && !target.is_dir() && is_front;
                assert!(is_shown, "{page}: {shown} is not in the book");
            }
            if let Some(anchor) = found.get(2) {
                let anchors = anchors(target.to_str().unwrap());
                assert!(
                    anchors.iter().any(|a| a == anchor.as_str()),
                    "{page}: {shown}, of {anchors:?}"
                );
            }
        }
    }
}

#[test]
fn the_summary_lists_each_page_once_by_its_title() {
    let entry = Regex::new(r"(?m)^(?:- )?\[([^\]]*)\]\(([^)]*)\)$").unwrap();
    let summary = text("docs/SUMMARY.md");
    let mut listed = BTreeSet::new();
    for found in entry.captures_iter(&summary) {
        let page = format!("docs/{}", &found[2]);
        let page_text = text(&page);
        let title = page_text
            .lines()
            .find_map(|line| line.strip_prefix("# "))
            .unwrap();
        assert!(
            found[1].ends_with(title) || found[1].to_lowercase().ends_with(&title.to_lowercase()),
            "{page}: {title}, and {} in the summary",
            &found[1]
        );
        assert!(listed.insert(page.clone()), "{page} is listed twice");
    }
    let pages: BTreeSet<String> = pages()
        .into_iter()
        .filter(|page| page.starts_with("docs/") && page != "docs/SUMMARY.md")
        .collect();
    assert_eq!(listed, pages);
}

#[test]
fn the_readme_is_short_and_each_page_is_reached_from_it() {
    let readme = text("README.md");
    assert!(readme.lines().count() < 250);
    for page in pages().iter().filter(|page| page.starts_with("docs/")) {
        let is_frame = ["docs/README.md", "docs/SUMMARY.md"].contains(&page.as_str());
        assert!(is_frame || readme.contains(&format!("]({page}")), "{page}");
    }
}
