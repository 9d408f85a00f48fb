//! What stands in several places for those who install: the version, and the names of the archives.

use std::fs;

use crate::common::root;

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn text_of(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap()
}

/// The action loads the release that its own repository has.
#[test]
fn the_action_installs_this_version() {
    let action: serde_json::Value =
        serde_yaml::from_str(&text_of(".github/actions/roomctl/action.yml")).unwrap();
    assert_eq!(action["inputs"]["version"]["default"], VERSION);
}

/// A name on a package index is of whoever took it.
#[test]
fn the_hooks_are_of_this_version_and_install_nothing_by_name() {
    let project = text_of("pyproject.toml");
    let line = format!("version = \"{VERSION}\"");
    assert!(project.lines().any(|found| found == line), "{line}");
    assert!(!project.contains("dependencies ="), "{project}");
    let hooks = text_of(".pre-commit-hooks.yaml");
    assert!(!hooks.contains("additional_dependencies"), "{hooks}");
}

/// What each crate is there for, and what of strangers reaches it, somebody has written down.
#[test]
fn every_direct_dependency_was_looked_at() {
    let manifest = text_of("Cargo.toml");
    let parts = manifest
        .split("\n[")
        .filter(|part| part.starts_with("dependencies]") || part.starts_with("target."));
    let lines = parts
        .flat_map(str::lines)
        .filter(|line| !line.starts_with('#'));
    let named = lines
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, _)| name);
    let named: std::collections::BTreeSet<&str> = named.collect();
    let page = text_of("docs/dependencies.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let rows = rows.filter_map(|row| row.split_once(" |"));
    let looked_at =
        rows.flat_map(|(names, _)| names.split('`').filter(|name| !name.starts_with(',')));
    let looked_at: std::collections::BTreeSet<&str> = looked_at
        .filter(|name| !name.is_empty() && !name.contains(' '))
        .collect();
    assert!(named.len() > 30);
    assert_eq!(looked_at, named);
    // What only some programs have in them is said to be so.
    let optional = manifest
        .lines()
        .filter(|line| line.contains("optional = true"));
    let optional = optional.filter_map(|line| line.split_once(" = "));
    for (name, _) in optional {
        let row = page.lines().find(|row| row.contains(&format!("`{name}`")));
        assert!(
            row.is_some_and(|row| row.contains("; only with `")),
            "{name}"
        );
    }
}
