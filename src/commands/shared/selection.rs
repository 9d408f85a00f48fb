//! The rooms that a user selects, and what is said of a target that there is not.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use clap_complete::engine::ArgValueCompleter;

use super::args::SCOPE;
use super::exit::{Exit, Failure};
use super::output::Output;
use super::room_names::rooms;
use crate::model::suggest::nearest;
use crate::model::words::printable;
use crate::model::{Glob, Globs};
use crate::planner::{LeftOutBy, Selection};

#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = SCOPE)]
pub(crate) struct SelectionArgs {
    /// Consider only rooms whose name matches; the others are not read, counted or written. May be repeated
    #[arg(long, value_name = "GLOB", add = ArgValueCompleter::new(rooms))]
    pub target: Vec<Glob>,
    /// Leave out rooms whose name matches, also of those that --target names. May be repeated
    #[arg(long, value_name = "GLOB", add = ArgValueCompleter::new(rooms))]
    pub exclude: Vec<Glob>,
}

impl SelectionArgs {
    pub(crate) fn selection(&self) -> Selection {
        let Self { target, exclude } = self;
        Selection {
            target: target.iter().cloned().collect(),
            exclude: exclude.iter().cloned().collect(),
        }
    }
}

/// Refuses a target that no room has for a name. An exclusion of nothing is only doubtful: it may be there for rooms to
/// come.
pub(crate) fn check(
    selection: &Selection,
    known: &BTreeSet<&str>,
    others: &BTreeMap<String, LeftOutBy>,
    output: &Output,
) -> Result<(), Failure> {
    let is_elsewhere = |name: &&str| {
        let why = others.get(*name);
        why.is_some_and(|why| *why != LeftOutBy::Selection)
    };
    let near = |glob: &Glob| nearest(glob.as_str(), known.iter().copied());
    if let Some((at, glob)) = unmatched(&selection.target, known, |name| !is_elsewhere(name)).next()
    {
        let target = glob.as_str().escape_debug();
        let message = format!("--target {target} matches no room here");
        let failure = Failure::new(Exit::Usage, message);
        let mut elsewhere = known.iter().filter(|name| is_elsewhere(name));
        return Err(match elsewhere.find(|name| selection.target.matching(name).any(|one| one == at)) {
            Some(name) => failure.hint(format!(
                "there is `{}`, which this run leaves out: its file is elsewhere, or `owns` or `unmanaged` in roomctl.yaml says so",
                printable(name)
            )),
            None => failure.did_you_mean(near(glob), "`roomctl state list` names the rooms of the state"),
        });
    }
    for (_, glob) in unmatched(&selection.exclude, known, |_| true) {
        let exclude = glob.as_str().escape_debug();
        let near = near(glob).map(|name| format!("; did you mean `{}`?", printable(name)));
        let near = near.unwrap_or_default();
        let doubt = format!("--exclude {exclude} matches no room");
        output.note(&format!("warning: {doubt}{near}\n"));
    }
    Ok(())
}

/// The patterns that none of those names has that count, each with its place.
fn unmatched<'g>(
    globs: &'g Globs,
    known: &BTreeSet<&str>,
    counts: impl Fn(&&str) -> bool,
) -> impl Iterator<Item = (usize, &'g Glob)> {
    let counted = known.iter().filter(|name| counts(name));
    let matched: BTreeSet<usize> = counted.flat_map(|name| globs.matching(name)).collect();
    let globs = globs.iter().enumerate();
    globs.filter(move |(at, _)| !matched.contains(at))
}
