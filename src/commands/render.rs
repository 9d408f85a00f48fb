//! `render`: a report that some run kept as JSON, in another form.

use std::path::PathBuf;

use clap::Args;

use super::shared::args::{Global, ReportArgs};
use super::shared::exit::{Exit, Failure};
use super::shared::output::Output;
use super::shared::print_report::show;
use super::shared::report_file;
use super::shared::workspace::clock;
use crate::report::AnyReport;
use crate::report::outputs::outputs;
use crate::report::view::Detail;

#[derive(Debug, Args)]
#[command(after_help = "\
For the reports of plan, apply, drift and validate, and for saved plans. Contacts nobody, and reads nothing else.

Examples:
  roomctl plan --report-file plan.json
  roomctl render plan.json --format markdown --max-bytes 65000
  roomctl render plan.json --format html > plan.html
  roomctl render - < plan.json")]
pub(crate) struct RenderArgs {
    /// The JSON report, or a saved plan; `-` is standard input
    pub file: PathBuf,
    /// Print `changes=N`, `drift=N`, `pending=N` and `effects=…` instead, for later steps of a workflow to decide by
    #[arg(long)]
    pub outputs: bool,
    #[command(flatten)]
    pub report: ReportArgs,
}

pub(crate) fn run(
    global: &Global,
    args: &RenderArgs,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let bytes = report_file::read(&args.file, "report")?;
    let report = AnyReport::parse(&bytes).map_err(|error| {
        let mut failure = report_file::unread(&error);
        let name = args.file.display();
        failure.message = format!("{name} cannot be shown: {}", failure.message);
        failure
            .hint("plan, apply, drift and validate write one with --report-file or --format json")
    })?;
    let detail = Detail {
        now: global.now.map_or_else(clock, |now| now.0),
        verbose: global.verbose > 0,
        ..Detail::default()
    };
    match args.outputs {
        true => output.result(&outputs(&report)),
        false => show(&report, &args.report, detail, output)?,
    }
    Ok(Exit::Done)
}
