//! Policies: what a company demands of its rooms beyond the rules of the service, as CEL expressions.

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};

use cel::{Context, Program, Value as Cel};
use schemars::JsonSchema;
use serde::Deserialize;

use super::catalogue::attributes;
use super::finding::Severity;
use super::glob::Glob;
use super::reference::Template;
use super::rule::Rule;
use super::rules::Violation;
use super::secret::MASK;
use super::value::Scalar;
use super::{RoomName, Settings, Value};

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
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PolicyError {
    #[error("there are two policies called `{0}`")]
    Twice(String),
    #[error("policy `{id}`: the expression cannot be read: {why}")]
    Expression { id: String, why: String },
}

#[derive(Debug)]
pub(crate) struct Policy {
    config: PolicyConfig,
    program: Program,
}

/// A room as a policy sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    pub room: &'a RoomName,
    pub file: &'a str,
    pub settings: &'a Settings,
    /// The secrets among them, of which it sees the outlines.
    pub secrets: &'a BTreeMap<&'static str, Template>,
    /// In Unix seconds.
    pub now: i64,
}

pub(crate) fn compile(configs: &[PolicyConfig]) -> Result<Vec<Policy>, PolicyError> {
    let mut policies: Vec<Policy> = Vec::with_capacity(configs.len());
    for config in configs {
        if policies.iter().any(|other| other.config.id == config.id) {
            return Err(PolicyError::Twice(config.id.clone()));
        }
        policies.push(Policy::new(config)?);
    }
    Ok(policies)
}

impl Policy {
    fn new(config: &PolicyConfig) -> Result<Self, PolicyError> {
        let id = config.id.clone();
        // The parser is generated and large; what it cannot take must not end the program.
        let parsed = catch_unwind(|| Program::compile(&config.expression));
        let why = match parsed {
            Ok(Ok(program)) => {
                return Ok(Self {
                    config: config.clone(),
                    program,
                });
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "its parser gave up".to_owned(),
        };
        Err(PolicyError::Expression { id, why })
    }

    /// What the policy has to say about a room; nothing if it keeps to it.
    pub(crate) fn check(&self, subject: Subject<'_>) -> Option<Violation> {
        if !self.config.rooms.matches(subject.room.as_str()) {
            return None;
        }
        let PolicyConfig { id, message, .. } = &self.config;
        match self.ask(subject) {
            Ok(true) => None,
            Ok(false) => Some(self.violation(
                self.config.severity,
                message,
                format!("keep to the policy `{id}`, or change it in roomctl.yaml"),
            )),
            Err(why) => Some(self.violation(
                Severity::Error,
                &format!("the policy `{id}` cannot be asked about this room: {why}"),
                "a key that a room need not have is asked for with `has(room.KEY)`; the policy is in roomctl.yaml"
                    .to_owned(),
            )),
        }
    }

    fn ask(&self, subject: Subject<'_>) -> Result<bool, String> {
        let mut context = Context::default();
        context.add_variable_from_value("room", room(subject));
        context.add_variable_from_value("file", subject.file.to_owned());
        context.add_variable_from_value("now", subject.now);
        let answer = catch_unwind(AssertUnwindSafe(|| self.program.execute(&context)));
        match answer {
            Ok(Ok(Cel::Bool(answer))) => Ok(answer),
            Ok(Ok(_)) => Err("the expression is neither true nor false".to_owned()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("the expression could not be evaluated".to_owned()),
        }
    }

    fn violation(&self, severity: Severity, message: &str, help: String) -> Violation {
        Violation {
            rule: Rule::Policy,
            severity,
            message: format!("{message} [{}]", self.config.id),
            attributes: self.attributes(),
            help,
        }
    }

    /// The attributes that the expression names.
    fn attributes(&self) -> Vec<&'static str> {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let words: Vec<&str> = self.config.expression.split(|c| !is_word(c)).collect();
        let names = attributes().iter().map(|attribute| attribute.name);
        names.filter(|name| words.contains(name)).collect()
    }
}

fn room(subject: Subject<'_>) -> HashMap<String, Cel> {
    let settings = subject.settings.iter().map(|(name, value)| {
        let value = match value {
            Value::Plain(Scalar::Bool(value)) => Cel::from(*value),
            Value::Plain(Scalar::Integer(value)) => Cel::from(*value),
            Value::Plain(Scalar::Text(text)) => Cel::from(text.as_str()),
            Value::Secret(_) | Value::Unset { .. } => {
                let outline = subject.secrets.get(name).map(Template::outline);
                Cel::from(outline.map_or_else(|| MASK.to_owned(), |outline| outline.to_string()))
            }
        };
        ((*name).to_owned(), value)
    });
    let name = ("roomName".to_owned(), Cel::from(subject.room.as_str()));
    settings.chain([name]).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::Secret;

    fn config(rooms: &str, expression: &str) -> PolicyConfig {
        PolicyConfig {
            id: "p".into(),
            rooms: rooms.parse().unwrap(),
            expression: expression.into(),
            message: "reason".into(),
            severity: Severity::Warning,
        }
    }

    fn checked(rooms: &str, expression: &str) -> Option<String> {
        let settings: Settings = [
            ("privacy", Value::from("private")),
            ("maxParticipants", Value::from(12)),
            ("enableChat", Value::from(true)),
            ("rtmpOutURL", Value::Secret(Secret::new("rtmp://a/canary"))),
        ]
        .into();
        let room = RoomName::try_from("sales-demo".to_owned()).unwrap();
        let secret = Template::parse("rtmp://live.example/${env:ROOM_KEY}").unwrap();
        let secrets = [("rtmpOutURL", secret)].into();
        let subject = Subject {
            room: &room,
            file: "rooms/sales/demo.yaml",
            settings: &settings,
            secrets: &secrets,
            now: 1_000,
        };
        let policies = compile(&[config(rooms, expression)]).unwrap();
        let breach = policies[0].check(subject)?;
        Some(format!(
            "{:?} {} {:?}",
            breach.severity, breach.message, breach.attributes
        ))
    }

    #[test]
    fn rooms_that_keep_to_it_are_not_reported() {
        for expression in [
            "true",
            "room.privacy == 'private'",
            "room.maxParticipants <= 25 && room.enableChat",
            "!has(room.recordRoom) || !room.recordRoom",
            "room.roomName.startsWith('sales-')",
            "room.roomName.matches('^[a-z-]+$')",
            "file.startsWith('rooms/sales/')",
            "!has(room.expireUnixSec) || room.expireUnixSec > now",
            "room.rtmpOutURL == 'rtmp://live.example/**** (ROOM_KEY)'",
        ] {
            assert_eq!(checked("*", expression), None, "{expression}");
        }
        assert_eq!(checked("marketing-*", "false"), None, "another room");
    }

    #[test]
    fn others_are_reported_with_what_the_policy_looks_at() {
        assert_eq!(
            checked(
                "sales-*",
                "room.maxParticipants < 10 || room.privacy == 'public'"
            )
            .unwrap(),
            "Warning reason [p] [\"privacy\", \"maxParticipants\"]"
        );
    }

    #[test]
    fn what_cannot_be_answered_is_an_error() {
        for (expression, why) in [
            ("room.recordRoom", "No such key: recordRoom"),
            ("room.maxParticipants", "neither true nor false"),
            ("nobody == 1", "nobody"),
            ("room.privacy < 3", ""),
        ] {
            let breach = checked("*", expression).unwrap();
            assert!(
                breach.starts_with("Error the policy `p` cannot be asked"),
                "{breach}"
            );
            assert!(breach.contains(why), "{expression}: {breach}");
            assert!(!breach.contains("canary"));
        }
    }

    #[test]
    fn what_is_no_policy_is_refused() {
        let refused = |configs: &[PolicyConfig]| compile(configs).unwrap_err().to_string();
        assert!(refused(&[config("*", "room.privacy ==")]).contains("expression cannot be read"));
        let twice = [config("*", "true"), config("*", "true")];
        assert!(refused(&twice).contains("two policies"));
    }

    proptest! {
        #[test]
        fn no_expression_ends_the_program(expression in "(room|has|\\.|privacy|\\(|\\)|'|\"|==|&&|\\[|\\]|\\{|1|\\?|:|in| |all\\(x,|[^a]){0,12}") {
            if let Ok(policies) = compile(&[config("*", &expression)]) {
                let room = RoomName::try_from("a".to_owned()).unwrap();
                let settings = Settings::new();
                let subject = Subject { room: &room, file: "a", settings: &settings, secrets: &BTreeMap::new(), now: 0 };
                let _ = policies[0].check(subject);
            }
        }
    }
}
