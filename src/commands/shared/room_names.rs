//! The names of the rooms here, for a shell that completes one.

use std::collections::BTreeSet;
use std::ffi::OsStr;

use clap::Parser;
use clap_complete::engine::CompletionCandidate;

use super::args::Global;
use super::rooms::load;
use super::workspace::Workspace;
use crate::model::policy::NOBODY;
use crate::store::Found;

/// The global options without any flag: what the shell has of the line so far is not known here.
#[derive(Parser)]
struct Alone {
    #[command(flatten)]
    global: Global,
}

/// The rooms of the files here, and those of the state, that begin like `current`.
pub(crate) fn rooms(current: &OsStr) -> Vec<CompletionCandidate> {
    let names = names_here().unwrap_or_default().into_iter();
    let beginning = current.to_string_lossy();
    let fitting = names.filter(|name| name.starts_with(&*beginning));
    fitting.map(CompletionCandidate::new).collect()
}

/// `None`: there is no configuration to go by. Nobody who presses a key wants to read why.
fn names_here() -> Option<BTreeSet<String>> {
    let Alone { global } = Alone::try_parse_from(["roomctl"]).ok()?;
    let workspace = Workspace::new(&global).ok()?;
    let files = load(&workspace, NOBODY).wanted.into_keys();
    let mut names: BTreeSet<String> = files.map(|name| name.as_str().to_owned()).collect();
    if let Ok(Found { state, .. }) = workspace.load_state() {
        names.extend(state.rooms.keys().map(|name| name.as_str().to_owned()));
    }
    Some(names)
}
