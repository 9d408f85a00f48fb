//! `man`: the manual, generated from the same table as `--help`.

use std::path::PathBuf;

use clap::{Args, Command};
use clap_mangen::{Man, generate_to};

use super::shared::exit::{Exit, Failure};
use super::shared::output::Output;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  roomctl man | man -l -
  roomctl man --dir /usr/local/share/man/man1")]
pub(crate) struct ManArgs {
    /// Write a page for each command into this directory
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// Runs the command: the page of the program, or with `--dir` a page for each command.
pub(crate) fn run(command: Command, args: &ManArgs, output: &mut Output) -> Result<Exit, Failure> {
    let failed = |error: std::io::Error| Failure::because(Exit::Unexpected, &error);
    if let Some(dir) = &args.dir {
        std::fs::create_dir_all(dir).map_err(failed)?;
        generate_to(command, dir).map_err(failed)?;
        return Ok(Exit::Done);
    }
    let mut page = Vec::new();
    Man::new(command).render(&mut page).map_err(failed)?;
    output.result(&String::from_utf8_lossy(&page));
    Ok(Exit::Done)
}
