//! The command line: one file for each command with its arguments, and what they share. The only place that wires the
//! layers together and prints.
//!
//! | File | Is |
//! |---|---|
//! | `plan`, `apply`, `drift`, `adopt`, `import`, `validate`, `show`, `state`, `render` | commands about rooms |
//! | `init`, `fmt`, `schema`, `completions`, `man`, `simulate` | help for authors |
//! | `probe` | the service, asked what nobody knows about it |
//! | `shared` | what several of them need |

mod adopt;
mod apply;
mod completions;
mod drift;
mod fmt;
mod import;
mod init;
mod man;
mod plan;
mod probe;
mod render;
mod schema;
mod shared;
mod show;
mod simulate;
mod state;
mod validate;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand};
use tracing::debug_span;

use shared::args::{Global, ReportArgs};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use shared::cache::rooms_in;
use shared::exit::{self, Exit, Failure};
use shared::interrupt::is_asked;
use shared::logs;
use shared::meant;
use shared::output::Output;
use shared::print_report::{print_failure, print_report};
use shared::progress::took;
use shared::report_file::{check_new, check_outputs};
use shared::stacks;
use shared::terminal::columns;
use shared::workspace::Workspace;

use crate::report::stacks as reports;

/// Keeps the meeting rooms of a Metered.ca account the way YAML files in git say they should be.
#[derive(Debug, Parser)]
#[command(
    name = "roomctl",
    version,
    propagate_version = true,
    after_help = format!("{}\nTry it without an account:  roomctl apply --sandbox", exit::help()),
    arg_required_else_help = true
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a repository for rooms: configuration, an example, schemas; replaces nothing
    Init(init::InitArgs),
    /// Check the room files and report everything that is wrong
    Validate(validate::ValidateArgs),
    /// Show what apply would change; asks the service nothing without --live
    Plan(plan::PlanArgs),
    /// Make the service's rooms what the files say
    Apply(apply::ApplyArgs),
    /// Report who moved what on the service; never writes
    Drift(drift::DriftArgs),
    /// Take what somebody changed on the service into the room files
    Adopt(adopt::AdoptArgs),
    /// Take rooms over that exist already: a file each, and the state
    Import(import::ImportArgs),
    /// Look at what is remembered, and correct it; asks the service nothing
    State(state::StateArgs),
    /// Bring room files into their canonical form
    Fmt(fmt::FmtArgs),
    /// Show a JSON report in another form
    Render(render::RenderArgs),
    /// Show a room with its defaults, and where each value comes from
    Show(show::ShowArgs),
    /// Print the JSON Schema of a format
    Schema(schema::SchemaArgs),
    /// Print the script that makes a shell complete commands, flags and room names
    Completions(completions::CompletionsArgs),
    /// Print the manual page, or write one for each command
    Man(man::ManArgs),
    /// Ask the service its open questions, on a room of its own that is archived again
    Probe(probe::ProbeArgs),
    /// Serve the simulator on loopback until interrupted
    Simulate(simulate::SimulateArgs),
}

impl Command {
    /// What a command with a report in several forms is asked for.
    fn report(&self) -> Option<&ReportArgs> {
        match self {
            Self::Validate(args) => Some(&args.report),
            Self::Plan(args) => Some(&args.report),
            Self::Apply(args) => Some(&args.report),
            Self::Drift(args) => Some(&args.report),
            _ => None,
        }
    }

    /// What the report is called of one that can be about several stacks, if it has one of its own then.
    fn of_stacks(&self) -> Option<Option<reports::Command>> {
        match self {
            // Files are files, whatever they are for.
            Self::Validate(_) => Some(None),
            Self::Plan(_) => Some(Some(reports::Command::Plan)),
            Self::Apply(_) => Some(Some(reports::Command::Apply)),
            Self::Drift(_) => Some(Some(reports::Command::Drift)),
            _ => None,
        }
    }

    /// Whether it is given what is of one stack.
    fn of_one_stack(&self) -> Vec<(&'static str, bool)> {
        match self {
            Self::Plan(args) => vec![("--out", args.out.is_some())],
            Self::Apply(args) => vec![
                ("a saved plan", args.plan.is_some()),
                ("--deadline", args.deadline.is_some()),
            ],
            Self::Drift(args) => vec![
                ("--metrics-file", args.metrics_file.is_some()),
                ("--seen-file", args.seen_file.is_some()),
            ],
            _ => Vec::new(),
        }
    }
}

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
    completions::answer(command);
    if is_version_alone() {
        // As it would be without: nobody is told that it could not be printed.
        Output::new(ColorChoice::Never).result(concat!(
            "roomctl ",
            env!("CARGO_PKG_VERSION"),
            "\n"
        ));
        return Exit::Done.into();
    }
    let (mut cli, command) = match parse() {
        Ok(parsed) => parsed,
        Err(error) => return usage(&error),
    };
    let mut output = Output::new(cli.global.color);
    let started = logs::start(&cli.global);
    let whole = debug_span!(target: logs::WHOLE, "run", command).entered();
    let result = started.and_then(|()| run(&mut cli, &mut output));
    drop(whole);
    let result = result.and_then(|exit| output.finish().map(|()| exit));
    let exit = result.unwrap_or_else(|failure| {
        if let Some(args) = cli.command.report() {
            print_failure(&failure, args, &mut output);
        }
        output.error(&failure);
        failure.exit
    });
    // What does not say when it is says the same each time.
    if let Some(took) = took().filter(|_| columns().is_some() && cli.global.now.is_none()) {
        output.note(&format!("Took {took}.\n"));
    }
    // Last, since a collector may let us wait.
    #[cfg(feature = "otlp")]
    shared::otlp::end();
    exit.into()
}

/// The whole command line, for the help, the manual and the reference.
pub fn command() -> clap::Command {
    Cli::command().mut_subcommand("simulate", |simulate| simulate.after_help(simulate::help()))
}

/// Whether only the version is asked for, as scripts often do: the whole command line takes longer to build than the rest.
fn is_version_alone() -> bool {
    let mut typed = std::env::args_os().skip(1);
    let asked = typed.next().filter(|_| typed.next().is_none());
    asked.is_some_and(|asked| asked == "--version" || asked == "-V")
}

/// What was asked for, and the name of the command.
fn parse() -> Result<(Cli, String), clap::Error> {
    let typed: Vec<OsString> = std::env::args_os().skip(1).collect();
    let matches = command().try_get_matches().map_err(|mut error| {
        meant::suggest(&mut error, &command(), &typed);
        error
    })?;
    let name = matches.subcommand_name().unwrap_or_default().to_owned();
    Ok((Cli::from_arg_matches(&matches)?, name))
}

fn run(cli: &mut Cli, output: &mut Output) -> Result<Exit, Failure> {
    for directory in &cli.global.directory {
        std::env::set_current_dir(directory).map_err(|error| {
            let message = format!("cannot work from {}: {error}", directory.display());
            Failure::new(Exit::Usage, message)
        })?;
    }
    let Some(what) = cli.command.of_stacks() else {
        return one(cli, output);
    };
    let names = stacks::several(&mut cli.global)?;
    if names.is_empty() {
        return one(cli, output);
    }
    stacks::check(&cli.global, &cli.command.of_one_stack())?;
    if let Some(args) = cli.command.report() {
        // Any of them knows the files of all.
        let workspace = names.iter().find_map(|name| {
            cli.global.stack = vec![name.clone()];
            Workspace::new(&cli.global).ok()
        });
        match (workspace, &args.report_file) {
            (Some(workspace), file) => check_outputs(&workspace, [], [("--report-file", file)])?,
            (None, Some(file)) => check_new("--report-file", file)?,
            (None, None) => {}
        }
    }
    let (report, detail, exit) = stacks::each(names, what, is_asked, output, |stack, output| {
        cli.global.stack = vec![stack.to_owned()];
        one(cli, output)
    });
    let args = cli.command.report();
    args.map_or(Ok(()), |args| print_report(report, args, detail, output))?;
    Ok(exit)
}

fn one(cli: &Cli, output: &mut Output) -> Result<Exit, Failure> {
    match &cli.command {
        Command::Validate(args) => validate::run(&cli.global, args, output),
        Command::Plan(args) => plan::run(&cli.global, args, output),
        Command::Apply(args) => apply::run(&cli.global, args, output),
        Command::Drift(args) => drift::run(&cli.global, args, output),
        Command::Adopt(args) => adopt::run(&cli.global, args, output),
        Command::Import(args) => import::run(&cli.global, args, output),
        Command::Init(args) => init::run(&cli.global, args, output),
        Command::Fmt(args) => fmt::run(&cli.global, args, output),
        Command::Render(args) => render::run(&cli.global, args, output),
        Command::Show(args) => show::run(&cli.global, args, output),
        Command::Schema(args) => schema::run(args, output),
        Command::State(args) => state::run(&cli.global, &args.command, output),
        Command::Completions(args) => completions::run(args, output),
        Command::Man(args) => man::run(command(), args, output),
        Command::Probe(args) => probe::run(&cli.global, args, output),
        Command::Simulate(args) => simulate::run(&cli.global, args, output),
    }
}

/// Help and version are results; anything else is wrong usage, with an exit code of its own.
fn usage(error: &clap::Error) -> ExitCode {
    // Nothing can be said when even that cannot be printed.
    let _ = error.print();
    let is_wrong = error.use_stderr();
    ExitCode::from(if is_wrong { Exit::Usage } else { Exit::Done })
}
