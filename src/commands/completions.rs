//! `completions`: the script that makes a shell complete commands, flags and room names.
//!
//! The script asks the program itself, through a variable of the environment, so that rooms are those of the
//! directory in which somebody types.

use std::ffi::OsStr;

use clap::{Command, Parser};
use clap_complete::CompleteEnv;
use clap_complete::engine::CompletionCandidate;
use clap_complete::env::Shells;

use super::cli::{Cli, CompletionsArgs, Shell};
use super::exit::{Exit, Failure};
use super::output::Output;
use super::validate::read;
use super::workspace::Workspace;
use crate::store::Found;

/// The variable by which a script asks. Not the library's `COMPLETE`, which anybody may have set.
const VARIABLE: &str = "ROOMCTL_COMPLETE";

/// Answers a script and ends the process, if one is asking.
pub(crate) fn answer(command: fn() -> Command) {
    CompleteEnv::with_factory(command).var(VARIABLE).complete();
}

pub(crate) fn run(args: &CompletionsArgs, output: &mut Output) -> Result<Exit, Failure> {
    let name = match args.shell {
        Shell::Bash => "bash",
        Shell::Zsh => "zsh",
        Shell::Fish => "fish",
        Shell::Powershell => "powershell",
        Shell::Elvish => "elvish",
    };
    let shells = Shells::builtins();
    let shell = shells
        .completer(name)
        .ok_or_else(|| Failure::new(Exit::Unexpected, format!("no script for {name}")))?;
    let mut script = Vec::new();
    shell
        .write_registration(VARIABLE, "roomctl", "roomctl", "roomctl", &mut script)
        .map_err(|error| Failure::because(Exit::Unexpected, &error))?;
    output.result(&String::from_utf8_lossy(&script));
    Ok(Exit::Done)
}

/// The rooms of the files here, and those of the state, that begin like `current`.
pub(crate) fn rooms(current: &OsStr) -> Vec<CompletionCandidate> {
    let mut names = names_here().unwrap_or_default();
    names.sort();
    names.dedup();
    let beginning = current.to_string_lossy();
    let fits = |name: &String| name.starts_with(&*beginning);
    names
        .into_iter()
        .filter(fits)
        .map(CompletionCandidate::new)
        .collect()
}

/// `None`: there is no configuration to go by. Nobody who presses a key wants to read why.
fn names_here() -> Option<Vec<String>> {
    let cli = Cli::try_parse_from(["roomctl", "validate"]).ok()?;
    let workspace = Workspace::new(&cli.global).ok()?;
    let files = read(&workspace).wanted.into_keys();
    let mut names: Vec<String> = files.map(|name| name.to_string()).collect();
    if let Ok(Found { state, .. }) = workspace.load_state() {
        names.extend(state.rooms.keys().map(ToString::to_string));
    }
    Some(names)
}
