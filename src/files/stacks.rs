//! `stacks:` and `vars:` of `roomctl.yaml`: the same room files for several apps, accounts or environments. A stack is the
//! configuration with some keys of its own. Pure.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::files::config::{Config, LoopbackUrl, PathBelow, StateAt};
use crate::model::address::ObjectAddress;
use crate::model::given::{Given, is_name};
use crate::model::types::Managed;

/// The state where nobody names a place for it.
pub(crate) const STATE: &str = ".roomctl/state.json";

/// One of several apps, accounts or environments that the files are for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stack {
    /// Its name, for `--stack`, `METERED_SECRET_KEY_<NAME>` and `_defaults.<name>.yaml`: lower-case letters, digits and `-`.
    pub name: StackName,
    /// As above, for this stack.
    #[serde(default)]
    app: Managed<String>,
    /// As above, for this stack. Otherwise `METERED_BASE_URL_<NAME>` says it.
    #[serde(default)]
    base_url: Managed<LoopbackUrl>,
    /// As above, for this stack.
    #[serde(default)]
    rooms: Managed<PathBelow>,
    /// As above, for this stack. Default: beside the one above, in a directory of its name: `.roomctl/<name>/state.json`.
    #[serde(default)]
    state: Managed<StateAt>,
    /// As above, for this stack: its share where several have one account.
    #[serde(default)]
    rate: Managed<String>,
    /// Values for `${var:NAME}` in room files and defaults, which win over those above.
    #[serde(default)]
    vars: Managed<Vars>,
}

/// The name of a stack.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub(crate) struct StackName(String);

impl StackName {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// A variable of this stack alone: `METERED_SECRET_KEY_EU_STAGING`. No two stacks have the same.
    pub(crate) fn variable(&self, of_all: &str) -> String {
        let name = self.0.replace('-', "_").to_ascii_uppercase();
        format!("{of_all}_{name}")
    }
}

impl TryFrom<String> for StackName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let begins = text.starts_with(|c: char| c.is_ascii_lowercase());
        let fits = begins && text.chars().all(is_plain) && text.len() <= 40;
        fits.then_some(Self(text)).ok_or_else(|| {
            "the name of a stack begins with a lower-case letter and has these, digits and `-`, 40 at most".to_owned()
        })
    }
}

/// All stacks, in the order in which they are planned and applied.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "Vec<Stack>")]
#[schemars(with = "Vec<Stack>")]
pub(crate) struct Stacks(pub Vec<Stack>);

impl TryFrom<Vec<Stack>> for Stacks {
    type Error = String;

    fn try_from(stacks: Vec<Stack>) -> Result<Self, String> {
        if stacks.is_empty() {
            return Err("there is no stack in it: add one, or take the key out".to_owned());
        }
        let mut names = BTreeSet::new();
        match stacks.iter().find(|stack| !names.insert(&stack.name)) {
            Some(twice) => Err(format!("two stacks are called `{}`", twice.name.0)),
            None => Ok(Self(stacks)),
        }
    }
}

/// Values that room files name: texts, whole numbers, `true` and `false`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "BTreeMap<String, Value>")]
#[schemars(with = "BTreeMap<String, Value>")]
pub(crate) struct Vars(pub BTreeMap<String, Value>);

impl TryFrom<BTreeMap<String, Value>> for Vars {
    type Error = String;

    fn try_from(values: BTreeMap<String, Value>) -> Result<Self, String> {
        for (name, value) in &values {
            if !is_name(name) {
                return Err(format!(
                    "`{}` is no name: it begins with a lower-case letter and has these, digits and `_`",
                    name.escape_debug()
                ));
            }
            let is_plain = match value {
                // A value that refers to another, or to a secret, would be one more place to look at.
                Value::String(text) => !text.contains("${"),
                Value::Number(number) => number.is_i64(),
                Value::Bool(_) => true,
                _ => false,
            };
            if !is_plain {
                return Err(format!(
                    "`{name}` has to be a text without `${{`, a whole number, true or false"
                ));
            }
        }
        Ok(Self(values))
    }
}

impl Config {
    /// All stacks; none where there are no `stacks:`.
    pub(crate) fn stacks(&self) -> &[Stack] {
        self.stacks.get().map_or(&[], |stacks| &stacks.0)
    }

    pub(crate) fn stack(&self, name: &str) -> Option<&Stack> {
        self.stacks().iter().find(|stack| stack.name.0 == name)
    }

    /// The configuration of one stack: what that says itself wins.
    pub(crate) fn of(&self, stack: &Stack) -> Self {
        fn either<T: Clone>(own: &Managed<T>, above: &Managed<T>) -> Managed<T> {
            own.get()
                .or(above.get())
                .cloned()
                .map_or(Managed::Absent, Managed::Set)
        }
        let mut vars = self.vars.get().cloned().unwrap_or_default();
        vars.0
            .extend(stack.vars.get().cloned().unwrap_or_default().0);
        let state = || self.state_within(stack.name.as_str());
        Self {
            app: either(&stack.app, &self.app),
            base_url: either(&stack.base_url, &self.base_url),
            rooms: either(&stack.rooms, &self.rooms),
            state: Managed::Set(stack.state.get().cloned().unwrap_or_else(state)),
            rate: either(&stack.rate, &self.rate),
            vars: Managed::Set(vars),
            ..self.clone()
        }
    }

    /// The place of the state in a directory of this name.
    fn state_within(&self, name: &str) -> StateAt {
        let within = |path: &str| match path.rsplit_once('/') {
            Some((above, file)) => format!("{above}/{name}/{file}"),
            None => format!("{name}/{path}"),
        };
        match self.state.get() {
            None => StateAt::Below(PathBelow(within(STATE))),
            Some(StateAt::Below(path)) => StateAt::Below(PathBelow(within(&path.0))),
            Some(StateAt::Object(address)) => StateAt::Object(ObjectAddress {
                key: within(&address.key),
                ..address.clone()
            }),
        }
    }

    /// Two stacks with one state, if there are some: each would take the other's rooms for its own.
    pub(super) fn with_one_state(&self) -> Option<String> {
        let mut before: Vec<(&str, StateAt)> = Vec::new();
        for stack in self.stacks() {
            let state = self.of(stack).state.get().cloned()?;
            let same = before.iter().find(|(_, other)| *other == state);
            if let Some((other, _)) = same {
                return Some(format!(
                    "the stacks `{other}` and `{}` have one state",
                    stack.name.0
                ));
            }
            before.push((stack.name.as_str(), state));
        }
        None
    }

    /// What room files are given, in the configuration of `stack`.
    pub(crate) fn given(&self, stack: Option<&StackName>) -> Given {
        let names = self.stacks().iter().map(|stack| stack.name.0.clone());
        Given {
            stack: stack.map(|stack| stack.0.clone()),
            stacks: names.collect(),
            values: self.vars.get().cloned().unwrap_or_default().0,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::files::config::parse;

    const TEXT: &str = "app: acme
rate: 5/s
state: s3://company/rooms/state.json
vars: {domain: example.com, people: 15}
stacks:
  - name: staging
    app: acme-staging
    vars: {people: 3}
  - name: eu-live
    rooms: rooms/eu
    state: kept/eu.json
    rate: 2/s
";

    #[test]
    fn a_stack_is_the_configuration_with_keys_of_its_own() {
        let config = parse(TEXT).unwrap().config;
        let [staging, live] =
            ["staging", "eu-live"].map(|name| config.of(config.stack(name).unwrap()));
        assert_eq!(staging.app.get().unwrap(), "acme-staging");
        assert_eq!(live.app.get().unwrap(), "acme");
        assert_eq!(live.rate.get().unwrap(), "2/s");
        let state = |config: &Config| format!("{:?}", config.state.get().unwrap());
        assert!(
            state(&staging).contains("rooms/staging/state.json"),
            "{}",
            state(&staging)
        );
        assert!(state(&live).contains("kept/eu.json"));
        assert_eq!(staging.given(None).values["people"], json!(3));
        assert_eq!(staging.given(None).values["domain"], json!("example.com"));
        let name = StackName::try_from("eu-live".to_owned()).unwrap();
        assert_eq!(
            name.variable("METERED_SECRET_KEY"),
            "METERED_SECRET_KEY_EU_LIVE"
        );
        assert!(live.given(Some(&name)).stacks.contains("staging"));
    }

    #[test]
    fn what_two_stacks_may_not_share_is_refused() {
        for (stacks, words) in [
            ("[]", "no stack"),
            ("[{name: a}, {name: a}]", "two stacks are called `a`"),
            (
                "[{name: a, state: x.json}, {name: b, state: x.json}]",
                "`a` and `b` have one state",
            ),
            (
                "[{name: a, state: .roomctl/b/state.json}, {name: b}]",
                "have one state",
            ),
            ("[{name: A}]", "lower-case"),
            ("[{name: a/b}]", "lower-case"),
            ("[{name: a, key: x}]", "unknown field"),
            ("[{name: a, base_url: 'https://evil.example'}]", "loopback"),
            ("[{name: a, vars: {x: [1]}}]", "`x` has to be"),
            ("[{name: a, vars: {x: '${env:ROOM_A}'}}]", "`x` has to be"),
            ("[{name: a, vars: {X: 1}}]", "no name"),
        ] {
            let (place, message) = parse(&format!("app: acme\nstacks: {stacks}\n")).unwrap_err();
            assert!(
                message.contains(words) && place.line == 2,
                "{stacks}: {message}"
            );
        }
    }
}
