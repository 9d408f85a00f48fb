//! Options that several commands share.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ColorChoice, ValueEnum};
use jiff::SignedDuration;

use crate::model::Effect;
use crate::model::types::UnixSeconds;
use crate::planner::Rate;
use crate::planner::limits::MaxChanges;
use crate::report::saved::Mode;

/// Headings of the help.
pub(crate) const SCOPE: &str = "Scope";
pub(crate) const SAFETY: &str = "Safety";
pub(crate) const PACE: &str = "Pace";
pub(crate) const OUTPUT: &str = "Output";

/// The rooms of stacks that were read, and whether all of their files could be: once in a run, however many stacks it is about.
pub(crate) type Read = Arc<Mutex<BTreeMap<String, (Arc<Vec<String>>, bool)>>>;

/// Options of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Work from this directory, as if roomctl was started there; several lead on from each other
    #[arg(short = 'C', global = true, value_name = "DIR")]
    pub directory: Vec<PathBuf>,
    /// Configuration file [default: roomctl.yaml or roomctl.yml, the nearest from here up to the repository's root]. What
    /// it names is counted from its directory, what is typed from here
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Directory of the room files [default: rooms, beside the configuration]
    #[arg(long, global = true, value_name = "DIR")]
    pub rooms: Option<PathBuf>,
    /// State: a file, or s3://BUCKET/KEY, az://CONTAINER/KEY or gs://BUCKET/KEY [default: .roomctl/state.json, beside the
    /// configuration]
    #[arg(long, global = true, value_name = "PLACE")]
    pub state: Option<String>,
    /// The stack of roomctl.yaml that it is about; repeatable for validate, plan, apply and drift, which are about all without
    /// it
    #[arg(long, global = true, value_name = "NAME")]
    pub stack: Vec<String>,
    /// What was read of other stacks' rooms.
    #[arg(skip)]
    pub read: Read,
    /// The account's app name
    #[arg(long, global = true, env = "METERED_APP", value_name = "NAME")]
    pub app: Option<String>,
    /// Address of the service (otherwise: METERED_BASE_URL) [default: https://<app>.metered.live]
    #[arg(long, global = true, value_name = "URL", value_parser = NonEmptyStringValueParser::new())]
    pub base_url: Option<String>,
    /// File that holds the account's secret key (otherwise: METERED_SECRET_KEY)
    #[arg(long, global = true, value_name = "FILE")]
    pub secret_key_file: Option<PathBuf>,
    /// File that holds the identity of age that an encrypted state is read with (otherwise: ROOMCTL_STATE_IDENTITY)
    #[arg(long, global = true, value_name = "FILE")]
    pub state_identity_file: Option<PathBuf>,
    /// Beginning of the variables that room files may refer to (otherwise: ROOMCTL_ENV_PREFIX) [default: ROOM_]
    #[arg(long, global = true, value_name = "PREFIX")]
    pub env_prefix: Option<String>,
    /// Use an embedded simulator of the service: no account, no key, no network
    #[arg(long, global = true)]
    pub sandbox: bool,
    /// The moment that the run counts from, as Unix seconds or RFC 3339: makes output reproducible [default: the clock]
    #[arg(long, global = true, value_name = "TIME", value_parser = moment)]
    pub now: Option<UnixSeconds>,
    /// When to colour; `auto` is on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_enum, default_value_t = ColorChoice::Auto, value_name = "WHEN")]
    pub color: ColorChoice,
    /// Say more on standard error; repeat for more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Form of the log on standard error; `json` is one object a line
    #[arg(long, global = true, value_enum, default_value_t = PlainFormat::Text, value_name = "FORMAT")]
    pub log_format: PlainFormat,
    /// Write where the time went to a new file, in the trace format of Chrome, for chrome://tracing or ui.perfetto.dev
    #[arg(long, global = true, value_name = "FILE")]
    pub trace_file: Option<PathBuf>,
}

/// Form of what has only two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlainFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

impl From<PlainFormat> for ReportArgs {
    fn from(format: PlainFormat) -> Self {
        let format = match format {
            PlainFormat::Text => Format::Text,
            PlainFormat::Json => Format::Json,
        };
        Self {
            format,
            ..Self::default()
        }
    }
}

/// Form of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON report.
    Json,
    /// For a comment, an issue or a step summary.
    Markdown,
    /// One page that needs nothing else.
    Html,
    /// Annotations of a GitHub workflow.
    Github,
    /// Code quality of GitLab.
    Gitlab,
    /// SARIF 2.1.0, for code scanners.
    Sarif,
    /// JUnit XML: what asks for attention is a test that failed.
    Junit,
}

/// How a report is shown.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = OUTPUT)]
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
#[command(next_help_heading = PACE)]
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
#[command(next_help_heading = PACE)]
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

/// What a plan looks at, and how far it may go.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = SCOPE)]
pub(crate) struct PlanningArgs {
    /// Look at the service too: show who moved what, and which rooms are created or adopted
    #[arg(long)]
    pub live: bool,
    /// Archive rooms that are in the state and in no file
    #[arg(long)]
    pub prune: bool,
    /// With --prune: go on although only a part of the rooms directory is looked at, or it holds no room
    #[arg(long, help_heading = SAFETY)]
    pub allow_empty: bool,
    /// Only put back what the service moved; newer files wait
    #[arg(long, conflicts_with = "prune")]
    pub drift_only: bool,
    /// Mutes: drift in them is left as it is [default: mutes.yaml beside the configuration, if there is one]
    #[arg(long, value_name = "FILE")]
    pub mutes: Option<PathBuf>,
    /// Send the rooms again in which nothing has to be sent: what the service does not show may have moved
    #[arg(long, conflicts_with = "drift_only")]
    pub reassert: bool,
    /// Allow so many rooms, or such a share, to be updated or archived at once [default: 30% updated and 10%
    /// archived, of 10 or more]
    #[arg(long, value_name = "N|P%", help_heading = SAFETY)]
    pub max_changes: Option<MaxChanges>,
    /// Allow an effect that the configuration wants to be allowed; may be repeated
    #[arg(long, value_name = "EFFECT", value_parser = effect, help_heading = SAFETY)]
    pub allow: Vec<Effect>,
}

impl PlanningArgs {
    pub(crate) fn mode(&self) -> Mode {
        Mode {
            live: self.live,
            drift_only: self.drift_only,
            prune: self.prune,
            reassert: self.reassert,
        }
    }
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

fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text
        .parse()
        .map_err(|_| "not a number of seconds".to_owned())?;
    if !(0.01..=3600.0).contains(&number) {
        return Err("from 0.01 to 3600".to_owned());
    }
    Ok(Duration::from_secs_f64(number))
}

/// `8m`, `90s`, `1h 30m`.
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    let wrong = || "write it like `8m`, `90s` or `1h 30m`".to_owned();
    let span: SignedDuration = text.parse().map_err(|_| wrong())?;
    let span = Duration::try_from(span).map_err(|_| wrong())?;
    if !(Duration::from_secs(1)..=Duration::from_secs(86_400)).contains(&span) {
        return Err("from one second to a day".to_owned());
    }
    Ok(span)
}

#[cfg(test)]
mod tests {
    use crate::commands::command;

    /// A heading goes on below what is flattened, so an option without one of its own gets that of a neighbour.
    #[test]
    fn options_of_a_run_stand_under_their_headings() {
        let own = ["Scope", "Safety", "Pace", "Output"];
        let expected = |name: &str| match name {
            "commit" | "run-url" => Some("Pipeline"),
            "partial" | "yes" | "base" | "deny" | "force" | "max-changes" | "covered-by" => {
                Some("Safety")
            }
            "deadline" | "rate" | "burst" | "parallelism" | "timeout" => Some("Pace"),
            "detailed-exitcode" | "exit-zero" | "out" | "format" | "report-file" => Some("Output"),
            "target" | "exclude" | "all" | "live" | "prune" => Some("Scope"),
            _ => None,
        };
        for name in ["plan", "apply", "drift", "import", "adopt"] {
            let command = command();
            let options = command.find_subcommand(name).unwrap().get_opts();
            let headings = options.filter(|one| !one.is_global_set()).map(|option| {
                let long = option.get_long().unwrap();
                let heading = option.get_help_heading();
                match expected(long) {
                    None => assert!(heading.is_some_and(|one| own.contains(&one)), "{long}"),
                    expected => assert_eq!(heading, expected, "{name} --{long}"),
                }
                heading.unwrap()
            });
            // In the order in which they come first.
            let mut shown: Vec<&str> = Vec::new();
            for heading in headings.filter(|one| *one != "Pipeline") {
                if !shown.contains(&heading) {
                    shown.push(heading);
                }
            }
            let own = own
                .into_iter()
                .filter(|one| *one != "Safety" || name != "adopt");
            assert_eq!(shown, own.collect::<Vec<_>>(), "{name}");
        }
    }
}
