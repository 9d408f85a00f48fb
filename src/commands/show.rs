//! `show`: one room as the files want it, and where each value comes from.

use clap::Args;
use clap_complete::engine::ArgValueCompleter;

use super::shared::args::{Global, PlainFormat, ReportArgs};
use super::shared::exit::{Exit, Failure};
use super::shared::output::Output;
use super::shared::room_names::rooms;
use super::shared::rooms::{accept, load};
use super::shared::workspace::Workspace;
use crate::files::room_files::Loaded;
use crate::files::text_file::text_of;
use crate::model::suggest::nearest;
use crate::model::{Finding, RoomName, RoomOrigins};
use crate::report::ValidateReport;
use crate::report::show::ShowReport;
use crate::report::text::{self, MOST};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  roomctl show stand-up
  roomctl show stand-up --format json | jq '.attributes[] | {name, file, line}'")]
pub(crate) struct ShowArgs {
    /// The room
    #[arg(add = ArgValueCompleter::new(rooms))]
    pub room: String,
    /// Form of the result
    #[arg(long, value_enum, default_value_t = PlainFormat::Text)]
    pub format: PlainFormat,
}

pub(crate) fn run(global: &Global, args: &ShowArgs, output: &mut Output) -> Result<Exit, Failure> {
    let workspace = Workspace::new(global)?;
    let loaded = load(&workspace, &*workspace.policies()?);
    let Some((name, wanted)) = loaded.wanted.get_key_value(args.room.as_str()) else {
        return Err(missing(&args.room, loaded, &args.format.into(), output));
    };
    let nowhere = RoomOrigins::new();
    let origins = loaded.origins.get(name).unwrap_or(&nowhere);
    let report = ShowReport::new(name, wanted, origins);
    // Other rooms may be wrong; that is for other commands to report.
    let is_about =
        |f: &&Finding| report.attributes.iter().any(|a| a.file == f.file) || f.file == wanted.file;
    let findings: Vec<Finding> = loaded.findings.iter().filter(is_about).cloned().collect();
    let findings = ValidateReport::new(1, &findings);
    output.note(&text::findings(&findings, &text_of, MOST));
    output.plain(&report, args.format, &text::show(&report, workspace.now))?;
    Ok(Exit::Done)
}

/// Why there is no such room: its file may be among those with errors.
fn missing(room: &str, loaded: Loaded, how: &ReportArgs, output: &mut Output) -> Failure {
    let nearest = nearest(room, loaded.wanted.keys().map(RoomName::as_str)).map(str::to_owned);
    if let Err(failure) = accept(loaded, how, output) {
        return failure;
    }
    let message = format!("no file declares a room `{}`", room.escape_debug());
    let named = "a room is named by its file, or by `roomName` in it";
    Failure::new(Exit::Usage, message).did_you_mean(nearest.as_deref(), named)
}
