//! The room files as a command reads them, and what it does when one has an error.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::args::{Format, ReportArgs};
use super::exit::{Exit, Failure};
use super::output::Output;
use super::print_report::{keep, print_report};
use super::workspace::Workspace;
use crate::disk::whole_file::{Way, parent, sweep, write_whole};
use crate::files::context::Context;
use crate::files::discover::{as_typed, passed_over};
use crate::files::git::{self, GitError};
use crate::files::looked;
use crate::files::room_files::{self, Loaded};
use crate::files::text_file::text_of;
use crate::model::policy::{Ask, NOBODY};
use crate::model::words::count;
use crate::model::{Finding, Rule, Severity, Wanted};
use crate::planner::State;
use crate::planner::mutes::Mutes;
use crate::report::ValidateReport;
use crate::report::text::{self, MOST};
use crate::report::view::Detail;

/// Most findings in front of a result that they do not prevent.
const MOST_DOUBTS: usize = 10;

/// Reads the rooms, and asks `policies` about them.
pub(crate) fn load(workspace: &Workspace, policies: &dyn Ask) -> Loaded {
    let loaded = load_by(workspace, &workspace.context(policies));
    finished(workspace, None, loaded)
}

/// The same rooms with their places, and without the findings that nobody wants to read. The `state` is read if it is not
/// there, and needed.
pub(crate) fn finished(workspace: &Workspace, state: Option<&State>, mut loaded: Loaded) -> Loaded {
    leave_out_known(workspace, state, &mut loaded);
    for room in loaded.wanted.values_mut() {
        if let Cow::Owned(place) = workspace.scope.place_of(&room.file) {
            room.place = place;
        }
    }
    loaded
}

/// Takes out what the configuration accepts, and what is only worth knowing of rooms that are as `import` wrote them:
/// somebody else decided that. The `state` is read if it is not there, and needed.
pub(crate) fn leave_out_known(workspace: &Workspace, state: Option<&State>, loaded: &mut Loaded) {
    let accepted = workspace.configuration.config.accept.get();
    let accepted = accepted.map_or(&[][..], |accepted| &accepted.0);
    let mutes = Mutes::at(workspace.now, accepted);
    loaded.findings.retain(|one| {
        let mut about = mutes.about(one.room.as_deref().unwrap_or_default());
        // A policy may weigh more than its rule.
        one.severity == Severity::Error || !about.any(|(_, mute)| mute.attribute == one.rule.name())
    });
    let is_note = |one: &Finding| one.severity == Severity::Note && one.rule != Rule::Policy;
    if !loaded.findings.iter().any(is_note) {
        return;
    }
    // What is wrong with the state, the command says that needs it.
    let found = state.is_none().then(|| workspace.load_state().ok());
    let found = found.flatten();
    let Some(state) = state.or(found.as_ref().map(|found| &found.state)) else {
        return;
    };
    let is_imported = |room: &str| {
        let (file, known) = (loaded.wanted.get(room), state.rooms.get(room));
        let known = known.filter(|known| known.asserted.is_none());
        let both = file.zip(known);
        both.is_some_and(|(file, known)| known.is_as(file, state.salt()))
    };
    let is_told = |one: &Finding| !is_note(one) || !one.room.as_deref().is_some_and(is_imported);
    loaded.findings.retain(is_told);
}

/// Reads the rooms by the rules of any moment.
pub(crate) fn load_by(workspace: &Workspace, context: &Context<'_>) -> Loaded {
    let roots = std::slice::from_ref(&workspace.rooms);
    room_files::load(&workspace.whole, roots, context)
}

/// Reads the rooms, whatever the policies say; none where there is no directory for them yet.
pub(crate) fn load_any(workspace: &Workspace) -> Loaded {
    match workspace.rooms.exists() {
        true => load(workspace, NOBODY),
        false => Loaded::default(),
    }
}

/// Removes what writers of room files that died left beside them.
pub(crate) fn clean_up(workspace: &Workspace, files: &Loaded) {
    sweep(&workspace.rooms);
    for room in files.wanted.values() {
        sweep(parent(Path::new(&room.file)));
    }
}

/// The rooms that files declare beyond the `wanted` ones, which were looked at. `None`: nobody can tell.
pub(crate) fn elsewhere(workspace: &Workspace, wanted: &Wanted) -> Option<Wanted> {
    let Workspace { scope, whole, .. } = workspace;
    looked::elsewhere(scope, whole, wanted, &workspace.context(NOBODY))
}

/// The files and directories below `rooms` that nobody reads; otherwise which repository does not say what belongs there.
pub(crate) fn not_read(rooms: &Path) -> Result<BTreeSet<String>, (PathBuf, GitError)> {
    let passed_over = passed_over(rooms);
    let mut not_read = passed_over.files;
    let mut repositories = passed_over.repositories;
    repositories.insert(rooms.to_owned());
    for repository in repositories {
        let within = repository.strip_prefix(rooms).unwrap_or(Path::new(""));
        match git::not_here(&repository) {
            Ok(not_here) => {
                let not_here = not_here.iter().map(|path| as_typed(&within.join(path)));
                not_read.extend(not_here);
            }
            Err(error) => return Err((repository, error)),
        }
    }
    Ok(not_read)
}

/// Prints the findings on standard error, and gives the rooms out if there is no error among them. If there is,
/// a program that asked for another form gets them as the report of `validate`, and nothing is planned, whatever the
/// other files say.
pub(crate) fn accept(
    loaded: Loaded,
    how: &ReportArgs,
    output: &mut Output,
) -> Result<Loaded, Failure> {
    let report = ValidateReport::new(loaded.files, &loaded.findings);
    let any_error = Finding::any_error(&loaded.findings);
    let most = if any_error { MOST } else { MOST_DOUBTS };
    let is_told = |one: &&Finding| any_error || one.severity != Severity::Note;
    let told: Vec<Finding> = loaded.findings.iter().filter(is_told).cloned().collect();
    let shown = ValidateReport::new(loaded.files, &told);
    output.note(&text::findings(&shown, &text_of, most));
    let notes = count((loaded.findings.len() - told.len()) as u64, "note");
    if told.len() < loaded.findings.len() {
        let hint = "`roomctl validate` shows what is worth knowing";
        output.note(&format!("{notes}: {hint}\n"));
    }
    if any_error {
        let errors = count(report.summary.errors, "error");
        if how.format == Format::Text {
            keep(&report.into(), Detail::default(), how, output)?;
        } else {
            print_report(report, how, Detail::default(), output)?;
        }
        let message = format!("{errors} in the room files; nothing was planned or sent");
        return Err(Failure::new(Exit::Invalid, message));
    }
    Ok(loaded)
}

/// Files that cannot be read may declare any room.
pub(crate) fn hidden(workspace: &Workspace) -> Failure {
    let (whole, rooms) = (workspace.whole.display(), workspace.rooms.display());
    let message = format!(
        "room files of {whole} outside of {rooms} have errors, so nobody knows which rooms they declare"
    );
    Failure::new(Exit::Invalid, message).hint(format!("`roomctl validate {whole}` shows them"))
}

/// Replaces the text of a room file, which is there, and keeps its permissions.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    write_whole(path, text.as_bytes(), Way::Edit).map_err(|error| {
        let message = format!("cannot write {}: {error}; it is as it was", as_typed(path));
        Failure::new(Exit::Unexpected, message)
    })
}
