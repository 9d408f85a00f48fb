//! The exit codes, and how each kind of error finds its own.

use std::error::Error;
use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use crate::files::discover::as_typed;
use crate::files::text_file::ConfigError;
use crate::model::words::printable;
use crate::model::{Finding, Place, Rule};
use crate::planner::state::RenameError;
use crate::service::http::HttpError;
use crate::simulator::SimulatorError;
use crate::store::error::StoreError;

/// How the program ends. The numbers are part of its interface and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Done = 0,
    Unexpected = 1,
    Differences = 2,
    Invalid = 3,
    Refused = 4,
    Partial = 5,
    Service = 6,
    State = 7,
    Usage = 64,
    Interrupted = 130,
}

/// What each of them means, as `--help` and the reference list it.
const MEANINGS: [(Exit, &str); 10] = [
    (Exit::Done, "done, nothing to say"),
    (Exit::Unexpected, "unexpected error"),
    (
        Exit::Differences,
        "differences: `drift`, also below `--require-visible`; `fmt --check`; `probe --check`; `--detailed-exitcode` of `plan` and `apply`",
    ),
    (
        Exit::Invalid,
        "invalid files or configuration; nothing was planned or sent",
    ),
    (
        Exit::Refused,
        "refused: unsafe, stale or not approved; `import`, `adopt`: nothing could be taken over",
    ),
    (
        Exit::Partial,
        "applied, imported or adopted in part; `probe` may have left something on the service",
    ),
    (
        Exit::Service,
        "the service failed or refused every room, or a room could not be read",
    ),
    (Exit::State, "state or lock"),
    (Exit::Usage, "wrong usage"),
    (Exit::Interrupted, "interrupted, after a clean stop"),
];

/// The exit codes, for `--help`.
pub(crate) fn help() -> String {
    let lines = MEANINGS.map(|(exit, means)| format!("  {:<5}{means}\n", exit as u8));
    format!("Exit codes:\n{}", lines.concat())
}

impl Exit {
    /// How a run ends that took over so much, and not so much.
    pub(crate) fn of_taken(done: u64, unreadable: u64, refused: u64) -> Self {
        match (done, unreadable, refused) {
            (_, 0, 0) => Self::Done,
            (1.., ..) => Self::Partial,
            (0, 1.., _) => Self::Service,
            (0, 0, _) => Self::Refused,
        }
    }
}

impl Exit {
    /// How a run about several stacks ends: as the one of them that asks most for attention. If it `wrote` anything, and one of
    /// them was refused or failed, the whole was applied in part.
    pub(crate) fn joined(ends: &[Self], wrote: bool) -> Self {
        const BY_WEIGHT: [Exit; 10] = [
            Exit::Done,
            Exit::Differences,
            Exit::Partial,
            Exit::Service,
            Exit::Refused,
            Exit::Invalid,
            Exit::Usage,
            Exit::State,
            Exit::Unexpected,
            Exit::Interrupted,
        ];
        let weight = |end: &Self| BY_WEIGHT.iter().position(|one| one == end);
        let worst = ends
            .iter()
            .copied()
            .max_by_key(weight)
            .unwrap_or(Self::Done);
        let is_short = matches!(
            worst,
            Self::Service | Self::Refused | Self::Invalid | Self::Usage
        );
        match wrote && is_short {
            true => Self::Partial,
            false => worst,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Leaves what is large to the end of the process, which is near. To take thousands of rooms apart before would only
/// cost time.
pub(crate) fn leave<T>(large: T) {
    std::mem::forget(large);
}

/// An error on its way to the user: what happened, why, what to do next, and the exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    pub exit: Exit,
    pub message: String,
    /// The causes, outermost first.
    pub causes: Vec<String>,
    /// What to do next.
    pub hint: Option<String>,
    /// The same as a finding, of what stands in a file.
    pub finding: Option<Box<Finding>>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl fmt::Display) -> Self {
        Self {
            exit,
            message: message.to_string(),
            causes: Vec::new(),
            hint: None,
            finding: None,
        }
    }

    pub(crate) fn because(exit: Exit, error: &dyn Error) -> Self {
        let mut failure = Self::new(exit, error);
        let mut cause = error.source();
        while let Some(error) = cause {
            failure.causes.push(error.to_string());
            cause = error.source();
        }
        failure
    }

    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says where it stands.
    #[must_use]
    pub(crate) fn at(mut self, file: &Path, place: Place, message: String, help: &str) -> Self {
        let finding = Finding::new(as_typed(file), place, Rule::Configuration, message, help);
        self.finding = Some(finding.into());
        self
    }

    /// Adds what it is made of.
    pub(crate) fn causes(mut self, causes: impl IntoIterator<Item = String>) -> Self {
        self.causes.extend(causes);
        self
    }

    /// Adds the nearest name to the one that is not known; `otherwise` when none is near.
    pub(crate) fn did_you_mean(self, nearest: Option<&str>, otherwise: &str) -> Self {
        match nearest {
            Some(name) => self.hint(format!("did you mean `{}`?", printable(name))),
            None => self.hint(otherwise),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let failure = Self::because(Exit::State, &error);
        match error {
            StoreError::OtherApp { .. } => {
                failure.hint("name the app with --app, or another state with --state")
            }
            StoreError::Held(_) => failure.hint(
                "wait until it is done; plan and validate need no lock. If it hangs, end it, or take the \
                 lock away from it with `roomctl state unlock`",
            ),
            StoreError::Failed { advice, .. } | StoreError::Encrypted { advice, .. } => {
                failure.hint(advice)
            }
            StoreError::Evicted(_) => failure.hint(
                "somebody else may write now; what this run had recorded by then is taken in by the next one",
            ),
            StoreError::DamagedState { .. } => failure.hint("restore it from git or a backup"),
            StoreError::DamagedJournal { .. } => failure.hint(
                "it holds receipts that are not in the state yet; restore it from a backup, or move it \
                 away and apply again: rooms are written once more, nothing is lost",
            ),
            StoreError::OtherJournal { .. } => failure.hint(
                "the state was replaced while a run was unfinished; bring back the state that belongs to \
                 the journal, or move the journal away",
            ),
            StoreError::Replaced(_) => failure.hint(
                "only roomctl should write it; if it is the wrong one, bring back the one from before the run: \
                 what the run recorded is taken in by the next one",
            ),
            StoreError::LastSerial => {
                failure.hint("no run counts that far: restore the state from git or a backup")
            }
            StoreError::Unusable { .. } | StoreError::Newer { .. } | StoreError::Stopped => failure,
        }
    }
}

impl From<RenameError> for Failure {
    fn from(error: RenameError) -> Self {
        let because = |exit| Self::because(exit, &error);
        match &error {
            RenameError::Same(_) => because(Exit::Usage),
            RenameError::NotRemembered(_) => {
                because(Exit::Usage).hint("`roomctl state list` names the rooms that are")
            }
            RenameError::Taken(taken) => because(Exit::Refused).hint(format!(
                "if the memory of that room is wrong, `roomctl state forget {}` first",
                taken.quoted()
            )),
            RenameError::NoId(old) => because(Exit::Refused).hint(format!(
                "`roomctl state forget {}`, and let a file name the room as it is called now: apply \
                 reads it first, and takes it over",
                old.quoted()
            )),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let help = "`roomctl schema config` lists what it may hold";
        let failure = Self::because(Exit::Invalid, &error).hint(help);
        let (path, place, message) = match error {
            ConfigError::Invalid {
                path,
                place,
                message,
            } => (path, place, message),
            ConfigError::Io { path, source } => (path, Place::WHOLE_FILE, source.to_string()),
        };
        failure.at(&path, place, message, help)
    }
}

impl From<HttpError> for Failure {
    fn from(error: HttpError) -> Self {
        Self::because(Exit::Usage, &error)
    }
}

impl From<SimulatorError> for Failure {
    fn from(error: SimulatorError) -> Self {
        let because = |exit| Self::because(exit, &error);
        match &error {
            SimulatorError::Storage(_) => because(Exit::State).hint(
                "only one command at a time uses a sandbox; `rm .roomctl/sandbox*` makes it forget everything",
            ),
            _ => because(Exit::Unexpected),
        }
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::because(Exit::Unexpected, &error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All runs about up to four stacks.
    fn runs() -> Vec<Vec<Exit>> {
        let all = MEANINGS.map(|(exit, _)| exit);
        let mut runs = vec![Vec::new()];
        let mut longest = runs.clone();
        for _ in 0..4 {
            let longer = |run: &Vec<Exit>| all.map(|exit| [&run[..], &[exit]].concat());
            longest = longest.iter().flat_map(longer).collect();
            runs.extend(longest.iter().cloned());
        }
        runs
    }

    #[test]
    fn several_stacks_end_as_the_one_that_asks_most_for_attention() {
        for run in runs() {
            for wrote in [false, true] {
                let end = Exit::joined(&run, wrote);
                let all_done = run.iter().all(|one| *one == Exit::Done);
                assert_eq!(end == Exit::Done, all_done, "{run:?}");
                // The order is of no weight, nor is how many ended in one way.
                let mut other = [&run[..], &run[..]].concat();
                other.reverse();
                assert_eq!(end, Exit::joined(&other, wrote), "{run:?}");
                // It ended like one of them or, where something was written, in part.
                let is_one = run.contains(&end) || run.is_empty();
                assert!(is_one || wrote && end == Exit::Partial, "{run:?}: {end:?}");
                // What says that nothing was done is not said when something was.
                let says_nothing = [Exit::Service, Exit::Refused, Exit::Invalid, Exit::Usage];
                assert!(!wrote || !says_nothing.contains(&end), "{run:?}: {end:?}");
                for heavy in [Exit::Unexpected, Exit::State, Exit::Interrupted] {
                    let heavier = [Exit::State, Exit::Unexpected, Exit::Interrupted].contains(&end);
                    assert!(!run.contains(&heavy) || heavier, "{run:?}: {end:?}");
                }
            }
        }
        for one in MEANINGS.map(|(exit, _)| exit) {
            assert_eq!(Exit::joined(&[one], false), one);
        }
    }
}
