//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::engine::ArgValueCompleter;
use jiff::SignedDuration;

use super::completions::rooms;
use crate::model::Effect;
use crate::model::types::UnixSeconds;
use crate::planner::Rate;
use crate::planner::limits::MaxChanges;

/// Keeps the meeting rooms of a Metered.ca account the way YAML files in git say they should be.
#[derive(Debug, Parser)]
#[command(
    name = "roomctl",
    version,
    propagate_version = true,
    after_help = EXIT_CODES,
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0    done, nothing to say
  1    unexpected error
  2    differences (drift, plan --detailed-exitcode)
  3    invalid files or configuration
  4    refused: unsafe, stale or not approved
  5    applied in part
  6    the service failed or refused
  7    state or lock
  64   wrong usage
  130  interrupted, after a clean stop

Try it without an account:  roomctl apply --sandbox";

/// Options of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Configuration file [default: roomctl.yaml, if there is one]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Directory of the room files [default: rooms]
    #[arg(long, global = true, value_name = "DIR")]
    pub rooms: Option<PathBuf>,
    /// State file [default: .roomctl/state.json]
    #[arg(long, global = true, value_name = "PATH")]
    pub state: Option<String>,
    /// The account's app name
    #[arg(long, global = true, env = "METERED_APP", value_name = "NAME")]
    pub app: Option<String>,
    /// Address of the service [default: https://<app>.metered.live]
    #[arg(long, global = true, value_name = "URL", value_parser = NonEmptyStringValueParser::new())]
    pub base_url: Option<String>,
    /// File that holds the account's secret key (otherwise: METERED_SECRET_KEY)
    #[arg(long, global = true, value_name = "FILE")]
    pub secret_key_file: Option<PathBuf>,
    /// Use an embedded simulator of the service: no account, no key, no network
    #[arg(long, global = true)]
    pub sandbox: bool,
    /// What to take for now, as Unix seconds or RFC 3339: makes output reproducible [default: the clock]
    #[arg(long, global = true, value_name = "TIME", value_parser = moment)]
    pub now: Option<UnixSeconds>,
    /// When to colour
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub color: Color,
    /// Say more on standard error; repeat for more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Form of the log on standard error
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text, value_name = "FORMAT")]
    pub log_format: LogFormat,
}

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a repository for rooms: configuration, an example, schemas; replaces nothing
    Init(InitArgs),
    /// Check the room files and tell everything that is wrong
    Validate(ValidateArgs),
    /// Show what apply would change; contacts nobody without --live
    Plan(PlanArgs),
    /// Make the service's rooms what the files say
    Apply(ApplyArgs),
    /// Tell who moved what on the service; never writes
    Drift(DriftArgs),
    /// Take rooms over that exist already: a file each, and the state
    Import(ImportArgs),
    /// Look at what is remembered, and correct it; contacts nobody
    State(StateArgs),
    /// Bring room files into their canonical form
    Fmt(FmtArgs),
    /// Show a JSON report in another form
    Render(RenderArgs),
    /// Show a room with its defaults, and where each value comes from
    Show(ShowArgs),
    /// Print the JSON Schema of a format
    Schema(SchemaArgs),
    /// Print the script that makes a shell complete commands, flags and room names
    Completions(CompletionsArgs),
    /// Print the manual page, or write one for each command
    Man(ManArgs),
    /// Serve the simulator on loopback until interrupted
    Simulate(SimulateArgs),
}

/// Form of a result that has only two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlainFormat {
    /// For people.
    Text,
    /// One JSON report.
    Json,
}

/// How a result is shown that has only two forms.
#[derive(Clone, Debug, Args)]
pub(crate) struct PlainArgs {
    /// Form of the result
    #[arg(long, value_enum, default_value_t = PlainFormat::Text)]
    pub format: PlainFormat,
}

impl From<&PlainArgs> for ReportArgs {
    fn from(args: &PlainArgs) -> Self {
        Self {
            format: match args.format {
                PlainFormat::Text => Format::Text,
                PlainFormat::Json => Format::Json,
            },
            max_bytes: None,
            marker: None,
            report_file: None,
        }
    }
}

/// Form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// One JSON report.
    Json,
    /// For a comment, an issue or a step summary.
    Markdown,
    /// One page that needs nothing else.
    Html,
    /// Annotations of a GitHub workflow.
    Github,
}

/// How a report is shown.
#[derive(Clone, Debug, Args)]
pub(crate) struct ReportArgs {
    /// Form of the result
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Most bytes of markdown: what does not fit is shown in a shorter form, never cut inside a room [default: as
    /// many as it takes; a comment on GitHub holds 65536 characters]
    #[arg(long, value_name = "N")]
    pub max_bytes: Option<usize>,
    /// Part of the comment in the first line of markdown, by which a later run finds its own
    #[arg(long, value_name = "NAME")]
    pub marker: Option<String>,
    /// Also write the JSON report to this file
    #[arg(long, value_name = "FILE")]
    pub report_file: Option<PathBuf>,
}

/// How fast requests are sent.
#[derive(Debug, Args)]
pub(crate) struct PaceArgs {
    /// Most requests in a span of time: N/s, N/m or unlimited [default: 5/s]
    #[arg(long, value_name = "RATE")]
    pub rate: Option<Rate>,
    /// How many requests may start at once after a rest [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub burst: Option<u32>,
}

/// How to talk to the service.
#[derive(Debug, Args)]
pub(crate) struct NetworkArgs {
    /// How fast.
    #[command(flatten)]
    pub pace: PaceArgs,
    /// How many rooms are worked on at once [default: 4]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub parallelism: Option<u32>,
    /// How long to wait for one answer, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub timeout: Duration,
}

/// Arguments of `init`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  roomctl init --app acme
  roomctl init meeting-rooms --app acme")]
pub(crate) struct InitArgs {
    /// Where [default: here]
    pub dir: Option<PathBuf>,
}

/// Arguments of `validate`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  roomctl validate
  roomctl validate rooms/sales rooms/all-hands.yaml
  roomctl validate --format json
  roomctl validate --format github      marks the lines in a pull request")]
pub(crate) struct ValidateArgs {
    /// Files or directories [default: the rooms directory]
    pub paths: Vec<PathBuf>,
    /// How the report is shown.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// What a plan looks at, and how far it may go.
#[derive(Clone, Debug, Args)]
pub(crate) struct PlanningArgs {
    /// Look at the service too: tell who moved what, and create from adopt
    #[arg(long)]
    pub live: bool,
    /// Archive rooms that are in the state and in no file
    #[arg(long)]
    pub prune: bool,
    /// Only put back what the service moved; newer files wait
    #[arg(long, conflicts_with = "prune")]
    pub drift_only: bool,
    /// Allow so many rooms, or such a share, to be updated or archived at once [default: 30% updated and 10%
    /// archived, of 10 or more]
    #[arg(long, value_name = "N|P%")]
    pub max_changes: Option<MaxChanges>,
    /// Allow an effect that the configuration wants to be allowed; may be repeated
    #[arg(long, value_name = "EFFECT", value_parser = effect)]
    pub allow: Vec<Effect>,
}

/// What a plan may not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Deny {
    /// Lines that the change to the files does not explain.
    Unexplained,
}

/// Arguments of `plan`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  roomctl plan
  roomctl plan --live                   reads the rooms, and tells drift from changes
  roomctl plan --base origin/main       tells this change from what was merged earlier
  roomctl plan --detailed-exitcode      exits 2 when apply has something to do
  roomctl plan --format json > plan.json
  roomctl plan --out plan.roomctl       for `roomctl apply plan.roomctl`, after a review")]
pub(crate) struct PlanArgs {
    /// How the report is shown.
    #[command(flatten)]
    pub report: ReportArgs,
    /// What to look at.
    #[command(flatten)]
    pub planning: PlanningArgs,
    /// How to talk to the service, and for the forecast.
    #[command(flatten)]
    pub network: NetworkArgs,
    /// Tell of each line whether it comes from the change since this git revision, was merged earlier and not
    /// applied, or is drift
    #[arg(long, value_name = "REV")]
    pub base: Option<String>,
    /// Exit with 4 when the plan holds lines that the change since --base does not explain
    #[arg(long, value_name = "WHAT", requires = "base")]
    pub deny: Option<Deny>,
    /// Save the plan, for `apply FILE`; holds no secret
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Exit with 2 when apply has something to do
    #[arg(long)]
    pub detailed_exitcode: bool,
}

/// Arguments of `apply`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  roomctl apply                         asks before it changes anything
  roomctl apply --yes --rate 300/m      for pipelines
  roomctl apply plan.roomctl --yes      exactly what was reviewed
  roomctl apply --yes --deadline 8m     for a runner that is stopped after ten minutes
  roomctl apply --sandbox --yes         the whole job, without an account")]
pub(crate) struct ApplyArgs {
    /// Apply exactly this plan, which `plan --out` saved: nothing that was not in it, and nothing if one of its
    /// rooms is no longer as it was (exit 4)
    #[arg(value_name = "PLAN", conflicts_with_all = ["live", "prune", "drift_only"])]
    pub plan: Option<PathBuf>,
    /// Of a saved plan, apply the rooms that are still as they were (exit 5 when there are others)
    #[arg(long, requires = "plan")]
    pub partial: bool,
    /// Apply without asking
    #[arg(long, short)]
    pub yes: bool,
    /// How the report is shown.
    #[command(flatten)]
    pub report: ReportArgs,
    /// What to look at.
    #[command(flatten)]
    pub planning: PlanningArgs,
    /// How to talk to the service.
    #[command(flatten)]
    pub network: NetworkArgs,
    /// Be over by then, with everything saved: what has not been started stays for the next run (exit 5)
    #[arg(long, value_name = "TIME", value_parser = span)]
    pub deadline: Option<Duration>,
    /// Exit with 2 when the service chose other values than were sent
    #[arg(long)]
    pub detailed_exitcode: bool,
}

/// One of the effects by its name.
fn effect(text: &str) -> Result<Effect, String> {
    let known = Effect::ALL.iter().find(|effect| effect.name() == text);
    known.copied().ok_or_else(|| {
        let names: Vec<&str> = Effect::ALL.iter().map(|effect| effect.name()).collect();
        format!("there are {}", names.join(", "))
    })
}

/// As in a room file.
fn moment(text: &str) -> Result<UnixSeconds, String> {
    UnixSeconds::parse(text).map_err(|why| format!("{why}, nor whole Unix seconds"))
}

/// `8m`, `90s`, `1h 30m`.
fn span(text: &str) -> Result<Duration, String> {
    let wrong = || "write it like `8m`, `90s` or `1h 30m`".to_owned();
    let span: SignedDuration = text.parse().map_err(|_| wrong())?;
    let span = Duration::try_from(span).map_err(|_| wrong())?;
    if !(Duration::from_secs(1)..=Duration::from_secs(86_400)).contains(&span) {
        return Err("from one second to a day".to_owned());
    }
    Ok(span)
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text
        .parse()
        .map_err(|_| "not a number of seconds".to_owned())?;
    if !(0.01..=3600.0).contains(&number) {
        return Err("from 0.01 to 3600".to_owned());
    }
    Ok(Duration::from_secs_f64(number))
}

/// Arguments of `drift`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exits with 2 on drift, missing rooms or conflicts, with 6 when a room could not be read.

Examples:
  roomctl drift
  roomctl drift --format markdown --exit-zero
  roomctl drift --metrics-file /var/lib/node_exporter/roomctl.prom")]
pub(crate) struct DriftArgs {
    /// How the report is shown.
    #[command(flatten)]
    pub report: ReportArgs,
    /// Exit with 0 also on drift
    #[arg(long)]
    pub exit_zero: bool,
    /// Mutes [default: mutes.yaml, if there is one]
    #[arg(long, value_name = "FILE")]
    pub mutes: Option<PathBuf>,
    /// Write counters for Prometheus' textfile collector
    #[arg(long, value_name = "FILE")]
    pub metrics_file: Option<PathBuf>,
    /// How to talk to the service.
    #[command(flatten)]
    pub network: NetworkArgs,
}

/// Arguments of `import`.
#[derive(Debug, Args)]
#[command(after_help = "\
Writes one file a room, with `${env:…}` in place of secrets, and never writes to the service.
Exits with 5 when some rooms were not imported, with 6 or 4 when none was.

Examples:
  roomctl import --all
  roomctl import stand-up all-hands --dir company
  roomctl import stand-up --force       replaces its file by what the service has now")]
pub(crate) struct ImportArgs {
    /// Names of rooms
    #[arg(
        required_unless_present = "all",
        conflicts_with = "all",
        value_name = "NAME",
        add = ArgValueCompleter::new(rooms)
    )]
    pub names: Vec<String>,
    /// All rooms that the service lists
    #[arg(long)]
    pub all: bool,
    /// Also rooms that are managed already; their files are replaced
    #[arg(long)]
    pub force: bool,
    /// Directory for new files, below the rooms directory
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// How the report is shown.
    #[command(flatten)]
    pub report: PlainArgs,
    /// How to talk to the service.
    #[command(flatten)]
    pub network: NetworkArgs,
}

/// Arguments of `state`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  roomctl state list
  roomctl state show stand-up
  roomctl state mv stand-up daily       it was renamed on the service, by hand
  roomctl state forget old-room         stop managing it, and leave it alone")]
pub(crate) struct StateArgs {
    /// What to do with it.
    #[command(subcommand)]
    pub command: StateCommand,
}

/// What to do with the state.
#[derive(Debug, Subcommand)]
pub(crate) enum StateCommand {
    /// List the rooms, and what is doubtful about each
    #[command(after_help = "\
Examples:
  roomctl state list
  roomctl state list --format json | jq -r '.rooms[] | select(.unconfirmed > 0).room'")]
    List {
        /// How the report is shown.
        #[command(flatten)]
        report: PlainArgs,
    },
    /// Show all that is remembered of a room; secrets as ****
    #[command(after_help = "\
Examples:
  roomctl state show stand-up
  roomctl state show stand-up --format json")]
    Show {
        /// The room
        #[arg(add = ArgValueCompleter::new(rooms))]
        room: String,
        /// How the report is shown.
        #[command(flatten)]
        report: PlainArgs,
    },
    /// Remember a room that was renamed on the service under its new name
    ///
    /// Changes the state and nothing else. A room's name is its address on the service, whose API documents
    /// no way to change it, so roomctl renames no room. This is only right when the room has the new name
    /// there already, because somebody renamed it by hand.
    ///
    /// The service's id of the room stays with it, so that `drift` and `plan --live` tell when the new name
    /// leads to another room, and `--prune` leaves that one alone. A room whose id is not known is refused;
    /// forget it instead, and let a file name the room as it is called now.
    ///
    /// To rename a file, this is not needed: write `roomName: OLD` into it, and its room stays the same.
    #[command(after_help = "\
Example:
  roomctl state mv stand-up daily       then `roomctl drift`, to see that it is the same room")]
    Mv {
        /// Its name so far
        #[arg(add = ArgValueCompleter::new(rooms))]
        old: String,
        /// Its name on the service now; not in the state yet
        new: String,
    },
    /// Take the lock away from a run that hangs
    ///
    /// A run that ends, in whatever way, leaves no lock behind. This is for one that neither works nor ends:
    /// it shows who holds the lock, and asks. The run it is taken from writes nothing more to the state.
    #[command(after_help = "\
Examples:
  roomctl state unlock
  roomctl state unlock --yes            for pipelines")]
    Unlock {
        /// Take it without asking
        #[arg(long, short)]
        yes: bool,
    },
    /// Stop managing rooms, and leave them alone
    ///
    /// Takes the rooms out of the state. The service is not contacted, and the rooms stay as they are. A
    /// file that still names one adds it again with the next plan, so remove the file too.
    #[command(after_help = "\
Examples:
  roomctl state forget old-room
  roomctl state forget old-room older-room --yes")]
    Forget {
        /// The rooms
        // Not `rooms`: that is the id of the global option.
        #[arg(required = true, value_name = "ROOM", add = ArgValueCompleter::new(rooms))]
        names: Vec<String>,
        /// Without asking
        #[arg(long, short)]
        yes: bool,
    },
}

/// Arguments of `fmt`.
#[derive(Debug, Args)]
#[command(after_help = "\
Keys come into the order of the schema, one `key: value` a line, with quotes only where a value needs them.
Comments and blank lines move with the key below them. A file that cannot be read is left as it is (exit 3).
In a diff, secrets are shown as ****, and comments as `# …`: an old secret may stand in one.

Examples:
  roomctl fmt
  roomctl fmt --check                   changes nothing; exits 2 when there is something to format
  roomctl fmt --check --diff            shows what it would do
  roomctl fmt - < rooms/stand-up.yaml   for editors: standard input to standard output")]
pub(crate) struct FmtArgs {
    /// Files or directories [default: the rooms directory]; `-` is standard input
    pub paths: Vec<PathBuf>,
    /// Change nothing, and exit with 2 when a file is not in its canonical form
    #[arg(long)]
    pub check: bool,
    /// Show the lines that change, secrets masked
    #[arg(long)]
    pub diff: bool,
}

/// Arguments of `render`.
#[derive(Debug, Args)]
#[command(after_help = "\
For the reports of plan, apply, drift and validate, and for saved plans. Contacts nobody, and reads nothing else.

Examples:
  roomctl plan --report-file plan.json
  roomctl render plan.json --format markdown --max-bytes 65000
  roomctl render plan.json --format html > plan.html
  roomctl render - < plan.json")]
pub(crate) struct RenderArgs {
    /// The JSON report, or a saved plan; `-` is standard input
    pub file: PathBuf,
    /// Print `changes=N`, `drift=N` and `effects=…` instead, for later steps of a workflow to decide by
    #[arg(long)]
    pub outputs: bool,
    /// How the report is shown.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// Arguments of `show`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  roomctl show stand-up
  roomctl show stand-up --format json | jq '.attributes[] | {name, file, line}'")]
pub(crate) struct ShowArgs {
    /// The room
    #[arg(add = ArgValueCompleter::new(rooms))]
    pub room: String,
    /// How the report is shown.
    #[command(flatten)]
    pub report: PlainArgs,
}

/// Arguments of `schema`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  roomctl schema room > room.schema.json")]
pub(crate) struct SchemaArgs {
    /// Which format
    #[arg(value_enum)]
    pub name: SchemaName,
}

/// A format with a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemaName {
    /// A room file that stands alone.
    Room,
    /// A room file below a `_defaults.yaml`.
    RoomWithDefaults,
    /// A `_defaults.yaml`.
    Defaults,
    /// `roomctl.yaml`.
    Config,
    /// The JSON report of `plan`.
    Plan,
    /// The JSON report of `apply`.
    Apply,
    /// The JSON report of `drift`.
    Drift,
    /// The JSON report of `import`.
    Import,
    /// A plan that `plan --out` saved.
    SavedPlan,
    /// The JSON report of `validate`.
    Validate,
    /// The JSON report of `show`.
    Show,
    /// The state file.
    State,
    /// The JSON report of `state list`.
    StateList,
    /// The JSON report of `state show`.
    StateShow,
}

/// Arguments of `completions`.
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

/// A shell that can be taught to complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    /// GNU Bash.
    Bash,
    /// Z shell.
    Zsh,
    /// The friendly interactive shell.
    Fish,
    /// PowerShell.
    Powershell,
    /// Elvish.
    Elvish,
}

/// Arguments of `man`.
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

/// Arguments of `simulate`.
#[derive(Debug, Args)]
pub(crate) struct SimulateArgs {
    /// Where to listen; loopback only, port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    pub listen: SocketAddr,
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
