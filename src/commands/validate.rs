//! `validate`: all findings of all files.

use std::path::PathBuf;

use clap::Args;

use super::shared::args::{Global, ReportArgs};
use super::shared::exit::{Exit, Failure};
use super::shared::output::Output;
use super::shared::print_report::print_report;
use super::shared::report_file::check_outputs;
use super::shared::rooms::leave_out_known;
use super::shared::workspace::Workspace;
use crate::files::room_files;
use crate::model::Finding;
use crate::report::ValidateReport;
use crate::report::view::Detail;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  roomctl validate
  roomctl validate rooms/sales rooms/all-hands.yaml
  roomctl validate --format json
  roomctl validate --format github      marks the lines in a pull request")]
pub(crate) struct ValidateArgs {
    /// Files or directories [default: the rooms directory]
    pub paths: Vec<PathBuf>,
    #[command(flatten)]
    pub report: ReportArgs,
}

pub(crate) fn run(
    global: &Global,
    args: &ValidateArgs,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let workspace = Workspace::new(global)?;
    let outputs = [("--report-file", &args.report.report_file), ("", &None)];
    check_outputs(&workspace, [], outputs)?;
    let whole = [workspace.rooms.clone()];
    let named = &args.paths[..];
    let roots = if named.is_empty() { &whole } else { named };
    let policies = workspace.policies()?;
    let context = workspace.context(&*policies);
    let mut loaded = room_files::load(&workspace.whole, roots, &context);
    leave_out_known(&workspace, None, &mut loaded);
    let report = ValidateReport::new(loaded.files, &loaded.findings);
    print_report(report, &args.report, Detail::default(), output)?;
    if Finding::any_error(&loaded.findings) {
        return Ok(Exit::Invalid);
    }
    Ok(Exit::Done)
}
