//! `simulate`: the simulator as a server of its own, until it is interrupted.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;

use super::shared::args::Global;
use super::shared::environment::variable;
use super::shared::exit::{Exit, Failure};
use super::shared::interrupt;
use super::shared::known_service::MOST;
use super::shared::output::Output;
use super::shared::report_file;
use super::shared::workspace::runtime;
use crate::report::envelope::read;
use crate::report::service::ServiceReport;
use crate::simulator::{
    Fault, Quirks, Settings, SimKey, Simulator, SimulatorError, SimulatorOptions,
};

#[derive(Debug, Args)]
pub(crate) struct SimulateArgs {
    /// Where to listen; loopback only, port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// Answer like the service that this file is about, which `probe` wrote; --quirk comes on top
    #[arg(long, value_name = "FILE")]
    pub like: Option<PathBuf>,
    /// A trait of the simulated service, NAME=VALUE; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    pub quirk: Vec<String>,
    /// A fault of the simulated service, NAME=VALUE; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    pub fault: Vec<String>,
    /// Keep the rooms in this file
    #[arg(long, value_name = "FILE")]
    pub data: Option<PathBuf>,
    /// Where the chances of faults and ids begin
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub seed: u64,
}

const DEFAULT_KEY: &str = "simulated-key";

pub(crate) fn run(
    global: &Global,
    args: &SimulateArgs,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let options = options(global, args, output)?;
    let runtime = runtime()?;
    runtime.block_on(serve(options, output))
}

async fn serve(options: SimulatorOptions, output: &mut Output) -> Result<Exit, Failure> {
    let running = Simulator::start(options).await;
    let running = running.map_err(|error| match error {
        SimulatorError::NotLoopback(_) => Failure::because(Exit::Usage, &error),
        other => Failure::from(other),
    })?;
    output.result(&format!("{}\n", running.base_url()));
    output.note(
        "the key is METERED_SECRET_KEY, or `simulated-key` if that is not set; stop with Ctrl-C\n",
    );
    interrupt::first().await;
    let requests = running.requests();
    running.close().await?;
    output.note(&format!(
        "{} GET, {} PUT, {} POST, {} DELETE; {} changed a room, {} met a fault\n",
        requests.get,
        requests.put,
        requests.post,
        requests.delete,
        requests.written,
        requests.faults
    ));
    Ok(Exit::Done)
}

fn options(
    global: &Global,
    args: &SimulateArgs,
    output: &Output,
) -> Result<SimulatorOptions, Failure> {
    let mut quirks = match &args.like {
        Some(file) => like(file, output)?,
        None => Quirks::default(),
    };
    let mut given = args.quirk.iter();
    let set = given.try_for_each(|quirk| quirks.parse(quirk));
    set.map_err(|error| Failure::because(Exit::Usage, &error))?;
    let faults = args.fault.iter().map(|fault| fault.parse());
    let faults: Result<Vec<Fault>, _> = faults.collect();
    let key = variable("METERED_SECRET_KEY");
    Ok(SimulatorOptions {
        listen: args.listen,
        data: args.data.clone(),
        settings: Settings {
            quirks,
            faults: faults.map_err(|error| Failure::because(Exit::Usage, &error))?,
            seed: args.seed,
            ..Settings::new(
                global.app.as_deref().unwrap_or("simulated"),
                SimKey::new(key.as_deref().unwrap_or(DEFAULT_KEY)),
            )
        },
    })
}

/// A service that answers as one was found to do. What the simulator cannot do is said, and left as it usually is.
fn like(file: &Path, output: &Output) -> Result<Quirks, Failure> {
    let read = read::<ServiceReport>(&report_file::read_most(file, "answers", MOST)?);
    let service = read.map_err(|error| report_file::unread(&error))?;
    let mut quirks = Quirks::default();
    let is_switch = |name: &str| Quirks::CATALOGUE.iter().any(|row| row.name == name);
    for (name, value) in service.switches().filter(|(name, _)| is_switch(name)) {
        if let Err(error) = quirks.parse(&format!("{name}={value}")) {
            output.note(&format!("note: not like {}: {error}\n", file.display()));
        }
    }
    Ok(quirks)
}

/// What `--quirk` and `--fault` take, for the help.
pub(crate) fn help() -> String {
    let mut text = String::from("Quirks (NAME=VALUE, the default first in brackets):\n");
    for row in Quirks::CATALOGUE {
        text += &format!("  {:17} {} [{}]\n", row.name, row.values, row.default);
        text += &format!("{:20}{}\n", "", row.about);
    }
    text.push_str("\nFaults (NAME=ITEM,ITEM…; an item selects requests or sets the parameter):\n");
    for row in Fault::CATALOGUE {
        let parameter = row.parameter.map(|item| format!(" ({})", item.form));
        let parameter = parameter.unwrap_or_default();
        text.push_str(&format!("  {:17} {}{parameter}\n", row.name, row.about));
    }
    text.push_str("\nItems:\n");
    for row in Fault::SELECTORS {
        text.push_str(&format!("  {:27} {}\n", row.form, row.about));
    }
    text.push_str(
        "\nExample:\n  roomctl simulate --quirk put=replace --fault '429=every:5,retry-after:2'",
    );
    text
}
