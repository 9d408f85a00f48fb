//! `man`: the manual, generated from the same table as `--help`.

use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_mangen::Man;

use super::shared::exit::{Exit, Failure};
use super::shared::output::Output;
use crate::disk::whole_file::{Way, write_whole};

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
    let failed = |error: io::Error| Failure::because(Exit::Unexpected, &error);
    if let Some(dir) = &args.dir {
        let mut command = command.disable_help_subcommand(true);
        command.build();
        return write_pages(&command, dir)
            .map_err(failed)
            .map(|()| Exit::Done);
    }
    let mut page = Vec::new();
    Man::new(command).render(&mut page).map_err(failed)?;
    output.result(&String::from_utf8_lossy(&page));
    Ok(Exit::Done)
}

fn write_pages(command: &Command, dir: &Path) -> io::Result<()> {
    for below in command.get_subcommands().filter(|one| !one.is_hide_set()) {
        write_pages(below, dir)?;
    }
    let man = Man::new(command.clone());
    let mut page = Vec::new();
    man.render(&mut page)?;
    write_whole(&dir.join(man.get_filename()), &page, Way::Replace)
}
