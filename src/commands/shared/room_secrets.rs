//! The lines by which the workflow that applies hands the secrets of rooms to roomctl: names, never values.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::files::new_file;
use crate::files::text_file::read_text;

/// The workflow that needs them.
pub(crate) const WORKFLOW: &str = ".github/workflows/apply.yml";
const BEGIN: &str = "# roomctl: secrets of rooms begin";
const END: &str = "# roomctl: secrets of rooms end";

/// `workflow` with exactly these names between its marks. `None`: there are no marks, or something else is between them.
pub(crate) fn with(workflow: &str, names: &BTreeSet<String>) -> Option<String> {
    let (before, between, after) = parts(workflow)?;
    let indent = before.len() - before.trim_end_matches(' ').len();
    let block = block(names, indent);
    named(between)?;
    let indent = " ".repeat(indent);
    Some(format!("{before}{BEGIN}{block}{indent}{END}{after}"))
}

/// The same, with the names that are there already.
pub(crate) fn with_more(workflow: &str, names: &BTreeSet<String>) -> Option<String> {
    let there = named(parts(workflow)?.1)?;
    with(workflow, &there.union(names).cloned().collect())
}

/// Adds the names to the workflow below `root`; otherwise says which lines it needs. Nothing where there is none.
pub(crate) fn hand_over(root: &Path, names: &BTreeSet<String>) -> Option<String> {
    let path = root.join(WORKFLOW);
    let text = read_text(&path).ok().filter(|_| !names.is_empty())?;
    let Some(new) = with_more(&text, names) else {
        return Some(by_hand(names));
    };
    if new == text {
        return None;
    }
    let written = new_file::replace(root, &PathBuf::from(WORKFLOW), &new);
    let done = "hands these secrets to roomctl now; set them for its environment";
    let said = written.map(|()| format!("{WORKFLOW} {done}\n"));
    Some(said.unwrap_or_else(|_| by_hand(names)))
}

fn by_hand(names: &BTreeSet<String>) -> String {
    let lines = block(names, 0);
    format!(
        "{WORKFLOW} is not as `roomctl init` writes it; its step that applies needs these lines:\n{}\n",
        lines.trim_end()
    )
}

/// What is before, between and after the marks, each of which is there once.
fn parts(workflow: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = workflow.split_once(BEGIN)?;
    let (between, after) = rest.split_once(END)?;
    let is_once = !after.contains(BEGIN) && !after.contains(END);
    is_once.then_some((before, between, after))
}

/// The names between the marks, if nothing else is there.
fn named(between: &str) -> Option<BTreeSet<String>> {
    let lines = between.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && *line != "env:");
    let name = |line: &str| {
        let (name, _) = line.split_once(':')?;
        (line == self::line(name)).then(|| name.to_owned())
    };
    lines.map(name).collect()
}

fn line(name: &str) -> String {
    format!("{name}: ${{{{ secrets.{name} }}}}")
}

/// An `env:` without a line would be an error.
fn block(names: &BTreeSet<String>, indent: usize) -> String {
    let indent = " ".repeat(indent);
    let mut text = "\n".to_owned();
    if !names.is_empty() {
        text += &format!("{indent}env:\n");
    }
    for name in names {
        text += &format!("{indent}  {}\n", line(name));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = include_str!("../../../.github/workflows/apply.yml");

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn the_names_are_all_that_moves() {
        let none = with(OWN, &names(&[])).unwrap();
        assert!(!none.contains("ROOM_"), "{none}");
        assert!(!none.contains("env:\n        #"), "{none}");
        let two = with_more(&none, &names(&["ROOM_B", "ROOM_A"])).unwrap();
        let lines = "        env:\n          ROOM_A: ${{ secrets.ROOM_A }}\n          ROOM_B: ${{ secrets.ROOM_B }}\n        # ";
        assert!(two.contains(lines), "{two}");
        assert_eq!(with_more(&two, &names(&["ROOM_A"])), Some(two.clone()));
        assert_eq!(with(&two, &names(&[])), Some(none));
    }

    #[test]
    fn what_others_wrote_is_left_alone() {
        let between = |text: &str| {
            with(OWN, &names(&[]))
                .unwrap()
                .replace(END, &format!("{text}\n        {END}"))
        };
        for other in [
            "env:\n          ROOM_A: value",
            "env:\n          ROOM_A: ${{ secrets.OTHER }}",
            "run: evil",
            BEGIN,
        ] {
            assert_eq!(
                with_more(&between(other), &names(&["ROOM_B"])),
                None,
                "{other}"
            );
        }
        assert_eq!(with_more("name: apply\n", &names(&["ROOM_B"])), None);
    }
}
