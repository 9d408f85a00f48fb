//! Prints a report in the form that was asked for, and keeps it as JSON beside that.

use super::args::{Format, ReportArgs};
use super::exit::{Exit, Failure};
use super::output::Output;
use super::report_file;
use crate::disk::whole_file::Way;
use crate::files::discover::is_yaml;
use crate::files::text_file::text_of;
use crate::report::markdown::{Markdown, markdown};
use crate::report::view::{Detail, View};
use crate::report::{AnyReport, ValidateReport, github, gitlab, html, junit, sarif, text};

/// Prints `report`.
///
/// # Errors
/// When the file for the JSON cannot be written. Then the report has been printed.
pub(crate) fn print_report(
    report: impl Into<AnyReport>,
    args: &ReportArgs,
    detail: Detail,
    output: &mut Output,
) -> Result<(), Failure> {
    let report = report.into();
    let kept = keep(&report, detail, args, output);
    // Of several stacks all is shown at the end, but for what is under way for long.
    if output.parts.is_none() || (detail.rooms_shown && args.format == Format::Text) {
        show(&report, args, detail, output)?;
    }
    kept
}

/// Shows what ended a command before it had a report to a program that asked for one. Which files are the run's own, the
/// configuration would have said: so nothing is replaced, and no room file made.
pub(crate) fn print_failure(failure: &Failure, args: &ReportArgs, output: &mut Output) {
    let Some(finding) = failure.finding.as_deref() else {
        return;
    };
    let report = ValidateReport::new(1, std::slice::from_ref(finding)).into();
    let path = args.report_file.as_deref().filter(|path| !is_yaml(path));
    let kept = path.map_or(Ok(()), |path| report_file::keep(path, &report, Way::New));
    let shown = match args.format {
        Format::Text => Ok(()),
        _ => show(&report, args, Detail::default(), output),
    };
    for failure in [kept, shown, output.finish()]
        .into_iter()
        .filter_map(Result::err)
    {
        output.error(&failure);
    }
}

/// Prints the report in the form that was asked for.
pub(crate) fn show(
    report: &AnyReport,
    args: &ReportArgs,
    detail: Detail,
    output: &mut Output,
) -> Result<(), Failure> {
    let view = || View::new(report, detail);
    let apart = Detail {
        apart: true,
        ..detail
    };
    let apart = || View::new(report, apart);
    let shown = match args.format {
        Format::Text => {
            let view = view();
            let parts = text::text(report, &view, detail, &text_of);
            // The lines of a file that findings show stay as they are.
            match report {
                AnyReport::Validate(_) => output.result(&parts.collect::<String>()),
                _ => output.pages(parts),
            }
            return Ok(());
        }
        Format::Json => {
            output.result_by(|to| Ok(report.write_json(to)?));
            return Ok(());
        }
        Format::Markdown => {
            let how = Markdown {
                max_bytes: args.max_bytes,
                marker: args.marker.as_deref(),
            };
            markdown(&view(), how).ok_or_else(too_long)?
        }
        Format::Html => {
            html::html(&view()).map_err(|error| Failure::because(Exit::Unexpected, &error))?
        }
        Format::Github => github::github(apart(), detail),
        Format::Gitlab => {
            output.result_by(|to| Ok(gitlab::gitlab(&apart(), to)?));
            return Ok(());
        }
        Format::Sarif => {
            output.result_by(|to| Ok(sarif::sarif(&apart(), to)?));
            return Ok(());
        }
        Format::Junit => junit::junit(&apart()),
    };
    output.result(&shown);
    Ok(())
}

/// What nobody could see, nobody could object to.
fn too_long() -> Failure {
    let message = "not every weaker guard, room and host fits in --max-bytes, and none of them may be left out";
    Failure::new(Exit::Refused, message.to_owned())
        .hint("make it several changes, each with fewer of them, or allow more bytes")
}

/// Writes the JSON form to the file that `--report-file` names. Of several stacks it has all that is known by now: what was written is
/// reported before the state forgets how it came to be.
pub(crate) fn keep(
    report: &AnyReport,
    detail: Detail,
    args: &ReportArgs,
    output: &mut Output,
) -> Result<(), Failure> {
    let so_far = output.parts.as_mut().map(|parts| {
        parts.report = Some((report.clone(), detail));
        args.report_file.as_ref().map(|_| parts.so_far())
    });
    let report = match &so_far {
        None => Some(report),
        Some(so_far) => so_far.as_ref(),
    };
    let path = args.report_file.as_deref();
    path.zip(report).map_or(Ok(()), |(path, report)| {
        report_file::keep(path, report, Way::Replace)
    })
}
