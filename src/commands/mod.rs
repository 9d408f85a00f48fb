//! One file per command, and what they share. The only place that wires the layers together and prints.

pub mod apply;
pub mod approval;
pub mod cli;
pub mod completions;
pub mod drift;
pub mod exit;
pub mod fmt;
pub mod holder;
pub mod import;
pub mod init;
pub mod interrupt;
pub mod logs;
pub mod man;
pub mod metrics;
pub mod output;
pub mod plan;
pub mod planning;
pub mod policies;
pub mod progress;
pub mod render;
pub mod saved;
pub mod schema;
pub mod service;
pub mod settings;
pub mod show;
pub mod simulate;
pub mod state;
pub mod tell;
pub mod validate;

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
