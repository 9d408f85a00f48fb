//! The names of the rooms here, for a shell that completes one.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::PathBuf;

use clap::Parser;
use clap_complete::engine::CompletionCandidate;

use super::args::Global;
use super::workspace::Workspace;
use crate::files::cores::all_cores;
use crate::files::discover::discover;
use crate::files::room_files::load_found;
use crate::files::text_file::read_text;
use crate::model::policy::NOBODY;

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

/// `None`: there is no configuration to go by. Nobody who presses a key wants to read why, or to wait until all files are
/// read: of those that are called like a room of the state, the name is known.
fn names_here() -> Option<BTreeSet<String>> {
    let Alone { global } = Alone::try_parse_from(["roomctl"]).ok()?;
    let workspace = Workspace::new(&global).ok()?;
    let mut names = workspace.remembered_names();
    let mut found = discover(&workspace.whole, &workspace.rooms);
    let stem = |path: &PathBuf| {
        path.file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
    };
    found
        .rooms
        .retain(|path| stem(path).is_none_or(|stem| !names.contains(&stem)));
    let (roots, context) = ([(&*workspace.rooms, found)], workspace.context(NOBODY));
    let others = load_found(roots.into_iter(), &context, &read_text, all_cores(), None).wanted;
    names.extend(others.into_keys().map(|name| name.as_str().to_owned()));
    Some(names)
}
