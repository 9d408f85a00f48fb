//! `render`: a report that some run kept as JSON, in another form.

use std::io::Read;

use super::cli::{Format, Global, RenderArgs};
use super::exit::{Exit, Failure};
use super::output::Output;
use super::print_report::shown;
use super::validate::MOST;
use super::workspace::clock;
use crate::files::room_files::text_of;
use crate::report::outputs::outputs;
use crate::report::text::{self, PlanView};
use crate::report::{self, AnyReport};

/// Largest report that is read, in bytes: about a hundred thousand changes.
const MAX_BYTES: u64 = 256 * 1024 * 1024;

pub(crate) fn run(
    global: &Global,
    args: &RenderArgs,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let name = args.file.display().to_string();
    let text = read(args).map_err(|error| {
        Failure::new(
            Exit::Usage,
            format!("cannot read the report {name}: {error}"),
        )
    })?;
    let report = AnyReport::parse(&text).map_err(|error| {
        let mut failure = Failure::because(Exit::Invalid, &error);
        failure.message = format!("{name} cannot be shown: {}", failure.message);
        failure
            .hint("plan, apply, drift and validate write one with --report-file or --format json")
    })?;
    let now = global.now.map_or_else(clock, |now| now.0);
    let shown = match args.report.format {
        _ if args.outputs => outputs(&report),
        Format::Json => report::json(&report.json()?)?,
        Format::Text => for_people(&report, global.verbose > 0, now),
        form => shown(&report, form, &args.report, now)?,
    };
    output.result(&shown);
    Ok(Exit::Done)
}

fn read(args: &RenderArgs) -> std::io::Result<String> {
    let mut text = String::new();
    if args.file.as_os_str() == "-" {
        std::io::stdin().take(MAX_BYTES).read_to_string(&mut text)?;
    } else {
        std::fs::File::open(&args.file)?
            .take(MAX_BYTES)
            .read_to_string(&mut text)?;
    }
    Ok(text)
}

fn for_people(report: &AnyReport, verbose: bool, now: i64) -> String {
    match report {
        AnyReport::Plan(report) => {
            let view = PlanView {
                rate: None,
                verbose,
                now,
            };
            text::plan(report, view)
        }
        AnyReport::Apply(report) => text::apply_end(report),
        AnyReport::Drift(report) => text::drift(report, "YYYY-MM-DD", verbose),
        AnyReport::Validate(report) => text::validate(report, &text_of, MOST),
    }
}
