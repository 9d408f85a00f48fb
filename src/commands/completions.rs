//! `completions`: the script that makes a shell complete commands, flags and room names.
//!
//! The script asks the program itself, through a variable of the environment, so that rooms are those of the
//! directory in which somebody types.

use clap::{Args, Command};
use clap_complete::env::Shells;
use clap_complete::{CompleteEnv, Shell};

use super::shared::exit::{Exit, Failure};
use super::shared::output::Output;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  source <(roomctl completions bash)                      in ~/.bashrc
  source <(roomctl completions zsh)                       in ~/.zshrc
  roomctl completions fish | source                       in ~/.config/fish/config.fish
  roomctl completions powershell | Out-String | Invoke-Expression")]
pub(crate) struct CompletionsArgs {
    /// Which shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// The variable by which a script asks. Not the library's `COMPLETE`, which anybody may have set.
const VARIABLE: &str = "ROOMCTL_COMPLETE";

/// Answers a script and ends the process, if one is asking.
pub(crate) fn answer(command: fn() -> Command) {
    CompleteEnv::with_factory(command).var(VARIABLE).complete();
}

pub(crate) fn run(args: &CompletionsArgs, output: &mut Output) -> Result<Exit, Failure> {
    let shells = Shells::builtins();
    let name = args.shell.to_string();
    let unknown = || Failure::new(Exit::Unexpected, format!("no script for {name}"));
    let shell = shells.completer(&name).ok_or_else(unknown)?;
    let mut script = Vec::new();
    let written = shell.write_registration(VARIABLE, "roomctl", "roomctl", "roomctl", &mut script);
    written.map_err(|error| Failure::because(Exit::Unexpected, &error))?;
    output.result(&String::from_utf8_lossy(&script));
    Ok(Exit::Done)
}
