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
