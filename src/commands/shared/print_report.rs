//! Tells a report in the form that was asked for, and keeps it as JSON beside that.

use serde::Serialize;

use super::args::{Format, ReportArgs};
use super::exit::{Exit, Failure};
use super::output::Output;
use crate::disk::whole_file::{Way, write_whole};
use crate::report::markdown::{Markdown, markdown};
use crate::report::view::View;
use crate::report::{self, AnyReport, github, html};

/// Tells `report`. `text` is its form for people; `now` is what moments are told from, in Unix seconds.
///
/// # Errors
/// When the file for the JSON cannot be written. Then the report has been told.
pub(crate) fn print_report<R: Serialize + Into<AnyReport>>(
    report: R,
    args: &ReportArgs,
    now: i64,
    output: &mut Output,
    text: impl FnOnce(&R) -> String,
) -> Result<(), Failure> {
    let kept = keep(&report, args);
    match args.format {
        Format::Text => output.result(&text(&report)),
        Format::Json => output.result(&report::json(&report)?),
        form => output.result(&shown(&report.into(), form, args, now)?),
    }
    kept
}

/// The report in one of the forms that all kinds have.
pub(crate) fn shown(
    report: &AnyReport,
    form: Format,
    args: &ReportArgs,
    now: i64,
) -> Result<String, Failure> {
    let view = View::new(report, now);
    Ok(match form {
        Format::Html => {
            html::html(&view).map_err(|error| Failure::because(Exit::Unexpected, &error))?
        }
        Format::Github => github::github(&view),
        _ => markdown(
            &view,
            Markdown {
                max_bytes: args.max_bytes,
                marker: args.marker.as_deref(),
            },
        ),
    })
}

/// Writes the JSON form to the file that `--report-file` names.
fn keep(report: &impl Serialize, args: &ReportArgs) -> Result<(), Failure> {
    let Some(path) = &args.report_file else {
        return Ok(());
    };
    write_whole(path, report::json(report)?.as_bytes(), Way::Replace).map_err(|error| {
        let message = format!("cannot write the report to {}: {error}", path.display());
        Failure::new(Exit::Unexpected, message)
    })
}
