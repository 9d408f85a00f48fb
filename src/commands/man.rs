//! `man`: the manual, generated from the same table as `--help`.

use clap::Command;
use clap_mangen::{Man, generate_to};

use super::cli::ManArgs;
use super::exit::{Exit, Failure};
use super::output::Output;

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
