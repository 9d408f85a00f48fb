//! What was meant by an option that there is not: one that other programs have for the same, or one of another command.

use std::ffi::OsString;

use clap::Command;
use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::model::suggest::nearest;
use crate::model::words::joined;

/// How others call it, and the option that does it here, or the sentence that says what does.
const ELSEWHERE: &[(&[&str], &str)] = &[
    (
        &[
            "dry-run", "dryrun", "check", "diff", "what-if", "noop", "simulate",
        ],
        "`roomctl plan` shows what apply would change, and changes nothing",
    ),
    (
        &["fail-on-drift"],
        "`roomctl drift` exits with 2 on drift, and `roomctl plan --detailed-exitcode` when apply has something to do",
    ),
    (
        &["auto-approve", "approve", "assume-yes", "no-confirm"],
        "--yes",
    ),
    (&["json"], "--format json"),
    (&["output", "o"], "--format"),
    (
        &["only", "filter", "include", "room", "select", "names"],
        "--target",
    ),
    (&["ignore", "skip", "except"], "--exclude"),
    (&["destroy", "delete", "purge", "cleanup"], "--prune"),
    (&["refresh", "detect-drift"], "--live"),
    (
        &["concurrency", "jobs", "workers", "threads"],
        "--parallelism",
    ),
    (&["rate-limit", "throttle", "rps"], "--rate"),
    (&["url", "host", "endpoint", "server"], "--base-url"),
    (
        &["key", "token", "api-key", "secret-key", "secret"],
        "--secret-key-file",
    ),
    (
        &["chdir", "cwd", "directory"],
        "`-C DIR` works from another directory",
    ),
    (&["debug", "trace"], "--verbose"),
    (&["exit-code", "exitcode"], "--detailed-exitcode"),
];

/// Adds to an error about an option that there is not what was probably meant by it.
pub(crate) fn suggest(error: &mut clap::Error, root: &Command, typed: &[OsString]) {
    let Some(ContextValue::String(wrong)) = error.get(ContextKind::InvalidArg) else {
        return;
    };
    if error.kind() != ErrorKind::UnknownArgument {
        return;
    }
    let typed = typed.iter().map(|one| one.to_string_lossy().into());
    let typed: Vec<String> = typed.collect();
    let command = command_of(root, &typed);
    let is_known = error.get(ContextKind::SuggestedArg).is_some();
    if let Some(tip) = tip(root, command, &whole(wrong, &typed), is_known) {
        error.remove(ContextKind::SuggestedArg);
        let tip = ContextValue::StyledStrs(vec![StyledStr::from(tip)]);
        error.insert(ContextKind::Suggested, tip);
    }
}

/// The command that the line is of.
fn command_of<'a>(root: &'a Command, typed: &[String]) -> &'a Command {
    let names = typed.iter();
    names.fold(root, |command, name| {
        command.find_subcommand(name).unwrap_or(command)
    })
}

/// The name of the option as it was typed: of `-target`, which is one elsewhere, only `-t` is known to be wrong.
fn whole(wrong: &str, typed: &[String]) -> String {
    let long = typed.iter().find(|one| {
        let is_short = !one.starts_with("--") && !wrong.starts_with("--");
        is_short && one.len() > 2 && one.starts_with('-')
    });
    let name = long.map_or(wrong, |long| long);
    let name = name.trim_start_matches('-');
    name.split('=').next().unwrap_or_default().to_owned()
}

/// What to say of an option `name` that `command` does not have: the one by which that is meant elsewhere, or the command that
/// has it. Where something `is_known` that is like it, only that.
fn tip(root: &Command, command: &Command, name: &str, is_known: bool) -> Option<String> {
    let elsewhere = ELSEWHERE.iter().find(|(names, _)| names.contains(&name));
    let meant = elsewhere.map_or_else(|| format!("--{name}"), |(_, meant)| (*meant).to_owned());
    let Some(long) = meant.strip_prefix("--") else {
        return Some(meant);
    };
    let long = long.split(' ').next().unwrap_or_default();
    if longs(command).chain(longs(root)).any(|own| own == long) {
        return Some(format!("did you mean '{meant}'?"));
    }
    let others = root.get_subcommands();
    let others = others.filter(|one| longs(one).any(|other| other == long));
    let others = others.map(|one| format!("`roomctl {}`", one.get_name()));
    if let Some(others) = joined(others, ", ") {
        return Some(format!("'--{long}' is an option of {others}"));
    }
    let near = nearest(long, longs(command).chain(longs(root)));
    let near = near.filter(|_| !is_known);
    near.map(|near| format!("did you mean '--{near}'?"))
}

fn longs(command: &Command) -> impl Iterator<Item = &str> {
    command.get_arguments().filter_map(|arg| arg.get_long())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::command;

    #[test]
    fn what_is_suggested_is_there() {
        let root = command();
        let is_there = |long: &str| {
            let mut commands = root.get_subcommands().chain([&root]);
            commands.any(|one| longs(one).any(|own| own == long))
        };
        for (names, meant) in ELSEWHERE {
            if let Some(meant) = meant.strip_prefix("--") {
                let long = meant.split(' ').next().unwrap();
                assert!(is_there(long), "{long}");
            }
            for name in *names {
                assert!(tip(&root, &root, name, false).is_some(), "{name}");
            }
        }
    }
}
