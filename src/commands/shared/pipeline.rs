//! What a pipeline says of its run: by flags, or in the variables that the usual services set.

use std::str::FromStr;

use clap::Args;

use super::args::Global;
use super::environment::variable;
use super::exit::{Exit, Failure};
use crate::model::Run;
use crate::model::types::UnixSeconds;

/// The run, for the footer of its report and for what is remembered of rooms.
#[derive(Debug, Args)]
#[command(next_help_heading = "Pipeline")]
pub(crate) struct RunArgs {
    /// Commit of the files, to be remembered of each room that is written, and shown [default: what GitHub, GitLab or
    /// Jenkins say]
    #[arg(long, value_name = "ID")]
    commit: Option<String>,
    /// Page of this run, for the same [default: what GitHub, GitLab or Jenkins say]
    #[arg(long, value_name = "URL")]
    run_url: Option<String>,
}

impl RunArgs {
    /// What is known of the run. Its time only if somebody says it, so that the same input gives the same bytes.
    pub(crate) fn run(&self, global: &Global) -> Result<Run, Failure> {
        let commits = ["GITHUB_SHA", "CI_COMMIT_SHA", "GIT_COMMIT"];
        let said = |text: String| text.parse().ok();
        let commit = || commits.into_iter().find_map(variable).and_then(said);
        let link = || page().and_then(|text| text.parse().ok());
        let begun = || UnixSeconds::parse(&variable("CI_JOB_STARTED_AT")?).ok();
        let run = Run {
            commit: given("--commit", &self.commit)?.or_else(commit),
            link: given("--run-url", &self.run_url)?.or_else(link),
            at: None,
        };
        let at = || global.now.or_else(begun).map(|at| at.0);
        Ok(match run.is_unknown() {
            true => run,
            false => Run { at: at(), ..run },
        })
    }
}

/// What a flag says. Whatever else it holds is not repeated: it may be a password.
fn given<T: FromStr<Err = &'static str>>(
    flag: &str,
    text: &Option<String>,
) -> Result<Option<T>, Failure> {
    let wrong = |why| Failure::new(Exit::Usage, format!("{flag}: {why}"));
    text.as_deref().map(str::parse).transpose().map_err(wrong)
}

/// The page of the run.
pub(super) fn page() -> Option<String> {
    let of_github =
        ["SERVER_URL", "REPOSITORY", "RUN_ID"].map(|name| variable(&format!("GITHUB_{name}")));
    if let [Some(server), Some(repository), Some(run)] = of_github {
        return Some(format!("{server}/{repository}/actions/runs/{run}"));
    }
    variable("CI_JOB_URL").or_else(|| variable("BUILD_URL"))
}
