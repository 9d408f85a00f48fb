//! The report of a run about several stacks: the report of each, and how it ended.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::envelope::ReadError;
use super::{AnyReport, ValidateReport};
use crate::model::given::MOST_STACKS;
use crate::model::words::printable;
use crate::model::{Finding, Place, Rule};

/// What became of each stack.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(title = "roomctl stacks report")]
pub(crate) struct StacksReport {
    /// What was done with each: `plan`, `apply` or `drift`.
    pub command: Command,
    /// The stacks, in the order of the configuration.
    pub stacks: Vec<StackReport>,
}

/// What is done with several stacks in one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Command {
    Plan,
    Apply,
    Drift,
}

impl Command {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Apply => "apply",
            Self::Drift => "drift",
        }
    }
}

/// What became of one stack.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct StackReport {
    /// Its name.
    pub stack: String,
    /// The exit code that it would have had alone; null: it was not begun.
    pub exit: Option<u8>,
    /// What ended it before its end, or why it was not begun; null: nothing.
    pub error: Option<String>,
    /// Its report, of the kind of the command or `validate`; null: it came to none.
    pub report: Option<AnyReport>,
}

impl StackReport {
    /// One that came to no report, and why.
    pub(crate) fn without(stack: String, why: &str) -> Self {
        let error = (!why.is_empty()).then(|| why.to_owned());
        let (exit, report) = (None, None);
        Self {
            stack,
            exit,
            error,
            report,
        }
    }
}

impl StacksReport {
    /// One report of what a command made of each stack. Of files it is that of a validation, in which each finding is once.
    pub(crate) fn joined(command: Option<Command>, stacks: Vec<StackReport>) -> AnyReport {
        if let Some(command) = command {
            return Self { command, stacks }.into();
        }
        let reports = stacks.into_iter().filter_map(|stack| match stack.report {
            Some(AnyReport::Validate(report)) => Some(*report),
            // What nobody looked at is not well.
            _ => stack.error.map(|error| {
                let message = format!("the stack `{}` was not looked at: {error}", stack.stack);
                let place = Place::WHOLE_FILE;
                let finding = Finding::new("roomctl.yaml", place, Rule::Configuration, message, "");
                ValidateReport::new(0, &[finding])
            }),
        });
        ValidateReport::joined(reports).into()
    }

    pub(super) fn parse(text: &[u8]) -> Result<Self, ReadError> {
        #[derive(Deserialize)]
        struct Read<'a> {
            command: Command,
            #[serde(borrow)]
            stacks: Vec<One<'a>>,
        }
        #[derive(Deserialize)]
        struct One<'a> {
            stack: String,
            exit: Option<u8>,
            error: Option<String>,
            #[serde(borrow)]
            report: Option<&'a RawValue>,
        }
        let read: Read<'_> = serde_json::from_slice(text)?;
        if read.stacks.is_empty() {
            return Err(ReadError::kind("stacks, without any"));
        }
        if read.stacks.len() > MOST_STACKS {
            return Err(ReadError::kind("stacks, and more than there can be"));
        }
        let one = |one: One<'_>| {
            let report = one
                .report
                .map(|report| AnyReport::parse_one(report.get().as_bytes()));
            Ok(StackReport {
                stack: printable(&one.stack),
                exit: one.exit,
                error: one.error.map(|error| printable(&error)),
                report: report.transpose()?,
            })
        };
        Ok(Self {
            command: read.command,
            stacks: read
                .stacks
                .into_iter()
                .map(one)
                .collect::<Result<_, ReadError>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_stacks_are_read_than_there_can_be() {
        let stack = r#"{"stack": "a", "exit": 0, "error": null, "report": null}"#;
        for (count, fits) in [(0, false), (1, true), (200, true), (201, false)] {
            let stacks = vec![stack; count].join(",");
            let text = format!(r#"{{"command": "plan", "stacks": [{stacks}]}}"#);
            assert_eq!(
                StacksReport::parse(text.as_bytes()).is_ok(),
                fits,
                "{count}"
            );
        }
    }
}
