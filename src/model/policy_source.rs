//! A policy as `roomctl.yaml` has it, and its expression parsed, if it is short enough for that.

use std::panic::catch_unwind;

use cel::{ParseErrors, Program};
use schemars::JsonSchema;
use serde::Deserialize;

use super::finding::{Place, Severity};
use super::glob::Glob;

/// Longest expression, id and message, in bytes. Each breach is reported with the two.
const MOST_TEXT: usize = 4096;
const MOST_ID: usize = 100;
const MOST_MESSAGE: usize = 1000;

/// Most terms of an expression. The parser takes a stretch of stack for each.
const MOST_TERMS: usize = 500;

/// One policy, as `roomctl.yaml` declares it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PolicyConfig {
    /// Its name in findings. Unique.
    pub id: String,
    /// The rooms that it is about, as a glob over their names. Default: all.
    #[serde(default)]
    pub rooms: Glob,
    /// A CEL expression that is true for every room that keeps to the policy. `room` holds the wanted settings by
    /// wire name, and `room.roomName`; of a secret, scheme, host and variables: `https://hooks.example/****
    /// (ROOM_TOKEN)`. `has(room.maxParticipants)` says whether a key is
    /// managed. `file` is the path of the room's file, `now` the time in Unix seconds.
    pub expression: String,
    /// What is reported about a room that does not.
    pub message: String,
    /// How much that weighs: with `error` nothing is planned or sent. Default: `error`.
    #[serde(default)]
    pub severity: Severity,
    /// Where the text of the expression begins in the file; the width is 0 where its lines are laid out otherwise.
    #[serde(skip)]
    pub at: Place,
}

/// Why a policy cannot be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("policy `{id}`: {why}")]
pub(crate) struct PolicyError {
    pub id: String,
    /// In the file of the policy.
    pub at: Place,
    pub why: String,
    pub help: String,
}

impl PolicyConfig {
    pub(crate) fn error(
        &self,
        at: Place,
        why: impl Into<String>,
        help: impl Into<String>,
    ) -> PolicyError {
        PolicyError {
            id: self.id.clone(),
            at,
            why: why.into(),
            help: help.into(),
        }
    }

    /// Where in the file the expression stands that far into its text.
    pub(crate) fn place(&self, line: usize, column: usize) -> Place {
        if self.at.width == 0 {
            return self.at;
        }
        let (first, margin) = (self.at.line as usize, self.at.column as usize);
        let (below, within) = (line.saturating_sub(1), column.saturating_sub(1));
        Place::new(first + below, margin + within, 1)
    }

    /// Refuses what is too long to be parsed.
    pub(crate) fn check_length(&self) -> Result<(), PolicyError> {
        let (bytes, terms) = (self.expression.len(), terms(&self.expression));
        let why = if self.id.len() > MOST_ID || self.message.len() > MOST_MESSAGE {
            let why = format!("an id has at most {MOST_ID} bytes, and a message {MOST_MESSAGE}");
            let id = self.id.chars().take(MOST_ID / 4).collect();
            return Err(PolicyError {
                id,
                ..self.error(self.at, why, "shorten it")
            });
        } else if bytes > MOST_TEXT {
            format!("the expression has {bytes} bytes; {MOST_TEXT} are accepted")
        } else if terms > MOST_TERMS {
            format!("the expression has more than {MOST_TERMS} terms")
        } else {
            return Ok(());
        };
        Err(self.error(self.at, why, "make several policies of it"))
    }

    /// Needs a stack of `policy::STACK`.
    pub(crate) fn parse(&self) -> Result<Program, PolicyError> {
        // The parser is generated and large; what it cannot take must not end the program.
        match catch_unwind(|| Program::compile(&self.expression)) {
            Ok(Ok(program)) => Ok(program),
            Ok(Err(errors)) => Err(self.syntax(&errors)),
            Err(_) => {
                let why = "the expression cannot be read";
                Err(self.error(self.at, why, "write it in another way"))
            }
        }
    }

    /// The first thing that is wrong, in fewer words than the parser's.
    fn syntax(&self, errors: &ParseErrors) -> PolicyError {
        let help = "docs/policies.md shows what expressions look like";
        let Some(first) = errors.errors.first() else {
            return self.error(self.at, "the expression cannot be read", help);
        };
        let mut said = errors.errors.iter().map(|error| &error.msg);
        if said.any(|said| said.contains("Recursion limit")) {
            let why = "the expression is nested too deeply";
            return self.error(self.at, why, "write it flat");
        }
        let why = first.msg.split(" expecting ").next().unwrap_or_default();
        let why = why.trim_start_matches("Syntax error: ");
        let why = why.replace("mismatched input '<EOF>'", "it ends too early");
        let why: String = why.chars().take(200).collect();
        let (line, column) = (first.pos.0.try_into(), first.pos.1.try_into());
        let at = self.place(line.unwrap_or(1), column.unwrap_or(1));
        self.error(at, format!("the expression cannot be read: {why}"), help)
    }
}

/// At least how many terms an expression has: each needs one of these characters.
pub(crate) fn terms(expression: &str) -> usize {
    let is_term =
        |c: &char| c.is_ascii_punctuation() && !matches!(c, '"' | '\'' | '_' | ')' | ']' | '}');
    expression.chars().filter(is_term).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(id: usize, message: usize, expression: String) -> PolicyConfig {
        PolicyConfig {
            id: "i".repeat(id),
            rooms: Glob::default(),
            expression,
            message: "m".repeat(message),
            severity: Severity::default(),
            at: Place::new(3, 5, 1),
        }
    }

    #[test]
    fn what_is_longer_than_it_may_be_is_refused_and_said() {
        let text = |bytes: usize| format!("\"{}\" == \"\"", "a".repeat(bytes - 8));
        let sum = |terms: usize| vec!["1"; terms].join("+");
        let most = (1..)
            .take_while(|ones| terms(&sum(*ones)) <= MOST_TERMS)
            .last()
            .unwrap();
        for (id, message, expression) in [
            (MOST_ID, MOST_MESSAGE, text(9)),
            (1, 1, text(MOST_TEXT)),
            (1, 1, sum(most)),
        ] {
            assert_eq!(config(id, message, expression).check_length(), Ok(()));
        }
        for (id, message, expression, why) in [
            (MOST_ID + 1, 1, text(9), "an id has at most 100 bytes"),
            (1, MOST_MESSAGE + 1, text(9), "and a message 1000"),
            (1, 1, text(MOST_TEXT + 1), "4097 bytes; 4096 are accepted"),
            (1, 1, sum(most + 1), "more than 500 terms"),
        ] {
            let error = config(id, message, expression).check_length().unwrap_err();
            assert!(error.why.contains(why), "{error}");
            assert_eq!(
                (error.at, error.id.len()),
                (Place::new(3, 5, 1), id.min(25))
            );
        }
    }
}
