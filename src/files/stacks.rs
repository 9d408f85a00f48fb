//! `stacks:` and `vars:` of `roomctl.yaml`: the same room files for several apps, accounts or environments. A stack is the
//! configuration with some keys of its own. Pure.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::files::places::{LoopbackUrl, PathBelow, StateAt};
use crate::model::given::{MOST_STACKS, is_name};
use crate::model::types::Managed;

/// One of several apps, accounts or environments that the files are for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stack {
    /// Its name, for `--stack`, `METERED_SECRET_KEY_<NAME>` and `_defaults.<name>.yaml`: lower-case letters, digits and `-`.
    pub name: StackName,
    /// As above, for this stack.
    #[serde(default)]
    pub(super) app: Managed<String>,
    /// As above, for this stack. Otherwise `METERED_BASE_URL_<NAME>` says it.
    #[serde(default)]
    pub(super) base_url: Managed<LoopbackUrl>,
    /// As above, for this stack.
    #[serde(default)]
    pub(super) rooms: Managed<PathBelow>,
    /// As above, for this stack. Default: beside the one above, in a directory of its name: `.roomctl/<name>/state.json`.
    #[serde(default)]
    pub(super) state: Managed<StateAt>,
    /// As above, for this stack: its share where several have one account.
    #[serde(default)]
    pub(super) rate: Managed<String>,
    /// Values for `${var:NAME}` in room files and defaults, which win over those above.
    #[serde(default)]
    pub(super) vars: Managed<Vars>,
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

/// All stacks, in the order in which they are planned and applied: at most 200.
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
        if stacks.len() > MOST_STACKS {
            let count = stacks.len();
            return Err(format!(
                "these are {count} stacks, and at most {MOST_STACKS} are read: put the others into a configuration of their own"
            ));
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
                // A value that is a part of a reference would hide it from whoever looks for it.
                Value::String(text) => !text.contains(['$', '{', '}']) && text.len() <= 1024,
                Value::Number(number) => number.is_i64(),
                Value::Bool(_) => true,
                _ => false,
            };
            if !is_plain {
                return Err(format!(
                    "`{name}` has to be a text of at most 1024 bytes without `$`, `{{` and `}}`, a whole number, true or false"
                ));
            }
        }
        Ok(Self(values))
    }
}
