//! One file per command, and what they share. The only place that wires the layers together and prints.

pub(crate) mod apply;
pub(crate) mod approval;
pub(crate) mod cli;
pub(crate) mod completions;
pub(crate) mod drift;
pub(crate) mod exit;
pub(crate) mod fmt;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod interrupt;
pub(crate) mod lock;
pub(crate) mod logs;
pub(crate) mod man;
pub(crate) mod metrics;
pub(crate) mod output;
pub(crate) mod plan;
pub(crate) mod planning;
pub(crate) mod policies;
pub(crate) mod print_report;
pub(crate) mod progress;
pub(crate) mod render;
pub(crate) mod saved;
pub(crate) mod schema;
pub(crate) mod service;
pub(crate) mod show;
pub(crate) mod simulate;
pub(crate) mod state;
pub(crate) mod validate;
pub(crate) mod workspace;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use cli::{Cli, Command};
use exit::{Exit, Failure};
use output::Output;

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
    completions::answer(command);
    let cli = match parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    logs::start(&cli.global);
    let mut output = Output::new(cli.global.color);
    let result = run(&cli, &mut output).and_then(|exit| output.finish().map(|()| exit));
    let exit = result.unwrap_or_else(|failure| {
        output.error(&failure);
        failure.exit
    });
    exit.into()
}

fn command() -> clap::Command {
    Cli::command().mut_subcommand("simulate", |simulate| simulate.after_help(simulate::help()))
}

fn parse() -> Result<Cli, clap::Error> {
    Cli::from_arg_matches(&command().try_get_matches()?)
}

fn run(cli: &Cli, output: &mut Output) -> Result<Exit, Failure> {
    match &cli.command {
        Command::Validate(args) => validate::run(&cli.global, args, output),
        Command::Plan(args) => plan::run(&cli.global, args, output),
        Command::Apply(args) => apply::run(&cli.global, args, output),
        Command::Drift(args) => drift::run(&cli.global, args, output),
        Command::Import(args) => import::run(&cli.global, args, output),
        Command::Init(args) => init::run(&cli.global, args, output),
        Command::Fmt(args) => fmt::run(&cli.global, args, output),
        Command::Render(args) => render::run(&cli.global, args, output),
        Command::Show(args) => show::run(&cli.global, args, output),
        Command::Schema(args) => schema::run(args, output),
        Command::State(args) => state::run(&cli.global, &args.command, output),
        Command::Completions(args) => completions::run(args, output),
        Command::Man(args) => man::run(command(), args, output),
        Command::Simulate(args) => simulate::run(&cli.global, args, output),
    }
}

/// Help and version are results; anything else is wrong usage, with an exit code of its own.
fn usage(error: &clap::Error) -> ExitCode {
    // Nothing can be said when even that cannot be printed.
    let _ = error.print();
    if error.use_stderr() {
        Exit::Usage.into()
    } else {
        Exit::Done.into()
    }
}
