//! The rooms that a user selects, and what is said of a target that there is not.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use clap_complete::engine::ArgValueCompleter;

use super::exit::{Exit, Failure};
use super::output::Output;
use super::room_names::rooms;
use crate::model::Glob;
use crate::model::suggest::nearest;
use crate::planner::{LeftOutBy, Selection};

#[derive(Clone, Debug, Default, Args)]
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
            target: target.clone(),
            exclude: exclude.clone(),
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
    let matched = |glob: &Glob, elsewhere: bool| {
        let mut names = known.iter().filter(|name| glob.matches(name));
        names.find(|name| is_elsewhere(name) == elsewhere).copied()
    };
    let near = |glob: &Glob| nearest(glob.as_str(), known.iter().copied());
    let is_unknown = |glob: &&Glob| matched(glob, false).is_none();
    if let Some(glob) = selection.target.iter().find(is_unknown) {
        let target = glob.as_str().escape_debug();
        let failure = Failure::new(
            Exit::Usage,
            format!("--target {target} matches no room here"),
        );
        return Err(match matched(glob, true) {
            Some(name) => failure.hint(format!(
                "there is `{name}`, which this run leaves out: its file is elsewhere, or roomctl.yaml does not own it"
            )),
            None => failure.did_you_mean(near(glob), "`roomctl state list` names the rooms of the state"),
        });
    }
    for glob in &selection.exclude {
        if !known.iter().any(|name| glob.matches(name)) {
            let exclude = glob.as_str().escape_debug();
            let near = near(glob).map(|name| format!("; did you mean `{name}`?"));
            let near = near.unwrap_or_default();
            output.note(&format!(
                "warning: --exclude {exclude} matches no room{near}\n"
            ));
        }
    }
    Ok(())
}
