//! `schema`: the JSON Schema of a format.

use clap::Args;

use super::shared::exit::{Exit, Failure};
use super::shared::output::Output;
use super::shared::schemas::{SchemaName, text};

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  roomctl schema room > room.schema.json")]
pub(crate) struct SchemaArgs {
    /// Which format
    #[arg(value_enum)]
    pub name: SchemaName,
}

pub(crate) fn run(args: &SchemaArgs, output: &mut Output) -> Result<Exit, Failure> {
    output.result(&text(args.name)?);
    Ok(Exit::Done)
}
