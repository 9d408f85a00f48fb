//! A command about several stacks: the same for one after the other, and one report of all.

use super::shared::args::{Global, ReportArgs};
use super::shared::configuration::Configuration;
use super::shared::exit::{Exit, Failure};
use super::shared::output::Output;
use super::shared::print_report::print_report;
use super::{Cli, Command, one};
use crate::report::stacks::{self, StackReport, StacksReport};
use crate::report::view::Detail;
use crate::report::{AnyReport, ValidateReport};

/// The stacks that the command is about, if it is about several.
pub(super) fn several(cli: &mut Cli) -> Result<Vec<String>, Failure> {
    let named = &cli.global.stack;
    if cli.command.report().is_none() {
        return Ok(Vec::new());
    }
    let mut names = Configuration::stacks(&cli.global)?;
    if !named.is_empty() {
        // In the order of the configuration; what is not there is said where it is looked for.
        if named.len() > 1
            && let Some(unknown) = named.iter().find(|name| !names.contains(name))
        {
            cli.global.stack = vec![unknown.clone()];
            return Ok(Vec::new());
        }
        names.retain(|name| named.contains(name));
    }
    if names.len() == 1 {
        cli.global.stack = names;
        return Ok(Vec::new());
    }
    if !names.is_empty() {
        check(&cli.global, &cli.command)?;
    }
    Ok(names)
}

/// What is of one stack is not given to several.
fn check(global: &Global, command: &Command) -> Result<(), Failure> {
    let is_set = |flag: &Option<_>| Option::is_some(flag);
    let flags = [
        ("--rooms", is_set(&global.rooms)),
        ("--secret-key-file", is_set(&global.secret_key_file)),
        ("--state", global.state.is_some()),
        ("--base-url", global.base_url.is_some()),
        (
            "--out",
            matches!(command, Command::Plan(args) if args.out.is_some()),
        ),
        (
            "a saved plan",
            matches!(command, Command::Apply(args) if args.plan.is_some()),
        ),
        (
            "--metrics-file",
            matches!(command, Command::Drift(args) if args.metrics_file.is_some()),
        ),
        (
            "--seen-file",
            matches!(command, Command::Drift(args) if args.seen_file.is_some()),
        ),
    ];
    match flags.into_iter().find(|(_, is_set)| *is_set) {
        Some((flag, _)) => Err(Failure::new(
            Exit::Usage,
            format!("{flag} is of one stack, and this run is about several"),
        )
        .hint("name the one with --stack")),
        None => Ok(()),
    }
}

/// Runs the command for each. One that writes stops at the first that does not end well: what comes after it may be what people
/// depend on.
pub(super) fn each(
    cli: &mut Cli,
    names: Vec<String>,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let writes = matches!(cli.command, Command::Apply(_));
    let mut ends = Vec::new();
    let mut all = Vec::new();
    let mut last_detail = Detail::default();
    for name in names {
        let is_over = ends.iter().any(|end| match end {
            Exit::Interrupted => true,
            end => writes && ![Exit::Done, Exit::Differences].contains(end),
        });
        if is_over {
            all.push(StackReport {
                stack: name,
                exit: None,
                error: Some("another stack before it did not end well".to_owned()),
                report: None,
            });
            continue;
        }
        cli.global.stack = vec![name.clone()];
        output.note(&format!("Stack {name}:\n"));
        output.parts = Some(Vec::new());
        let ended = one(cli, output);
        let part = output.parts.take().and_then(|mut parts| parts.pop());
        let (report, detail) = part.unzip();
        let (exit, error) = match ended {
            Ok(exit) => (exit, None),
            Err(failure) => {
                output.error(&failure);
                (failure.exit, Some(failure.message))
            }
        };
        ends.push(exit);
        last_detail = detail.unwrap_or(last_detail);
        all.push(StackReport {
            stack: name,
            exit: Some(exit as u8),
            error,
            report,
        });
    }
    print(&cli.command, all, last_detail, output)?;
    Ok(Exit::joined(&ends, writes))
}

fn print(
    command: &Command,
    all: Vec<StackReport>,
    detail: Detail,
    output: &mut Output,
) -> Result<(), Failure> {
    let joined = |command| StacksReport {
        command,
        stacks: all.clone(),
    };
    let report = |args: &ReportArgs, report: AnyReport, output: &mut Output| {
        print_report(report, args, detail, output)
    };
    match command {
        Command::Plan(args) => report(&args.report, joined(stacks::Command::Plan).into(), output),
        Command::Apply(args) => report(&args.report, joined(stacks::Command::Apply).into(), output),
        Command::Drift(args) => report(&args.report, joined(stacks::Command::Drift).into(), output),
        // Files are files: what is wrong with one is said once.
        Command::Validate(args) => {
            let reports = all.into_iter().filter_map(|stack| match stack.report {
                Some(AnyReport::Validate(report)) => Some(*report),
                _ => None,
            });
            report(&args.report, ValidateReport::joined(reports).into(), output)
        }
        _ => Ok(()),
    }
}
