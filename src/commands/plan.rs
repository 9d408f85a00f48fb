//! `plan`: wanted against applied. Makes no connection and writes nothing.

use super::cli::{Format, Global, PlanArgs};
use super::exit::{Exit, Failure};
use super::output::Output;
use super::settings::Settings;
use super::validate::{accept, load, now};
use crate::planner::plan;
use crate::report::{self, PlanReport, text};

/// Runs the command.
///
/// # Errors
/// When files, configuration or state cannot be used.
pub fn run(global: &Global, args: &PlanArgs, output: &mut Output) -> Result<Exit, Failure> {
    let settings = Settings::new(global)?;
    let (rate, burst) = settings.pace(&args.pace)?;
    // The state is parsed while the files are.
    let (loaded, found) = rayon::join(|| load(&settings), || settings.load_state());
    let (loaded, found) = (accept(loaded, output)?, found?);
    if found.recovered > 0 {
        output.note(&recovered(found.recovered));
    }
    let plan = plan(&loaded.wanted, &found.state, &rate, burst, now());
    let report = PlanReport::new(&plan, &loaded.lines);
    match args.report.format {
        Format::Text => output.result(&text::plan(&report, &rate.to_string())),
        Format::Json => output.result(&report::json(&report)?),
    }
    let differs = !plan.is_empty();
    // The process ends here; to take 10,000 rooms apart first would only cost time.
    std::mem::forget((loaded, found, plan));
    if args.detailed_exitcode && differs {
        return Ok(Exit::Differences);
    }
    Ok(Exit::Done)
}

/// The note about an earlier run that did not end.
pub fn recovered(events: usize) -> String {
    format!(
        "note: an earlier apply did not finish; its {events} recorded event{} are taken in\n",
        if events == 1 { "" } else { "s" }
    )
}
