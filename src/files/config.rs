//! `roomctl.yaml`: what a team would otherwise repeat as flags. Read as strictly as room files. Pure.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::files::places::{LoopbackUrl, PathBelow, StateAt};
use crate::files::stacks::{Stack, StackName, Stacks, Vars};
use crate::files::yaml::{self, Located};
use crate::model::given::Given;
use crate::model::policy::PolicyConfig;
use crate::model::recipient::Recipient;
use crate::model::suggest::nearest;
use crate::model::types::Managed;
use crate::model::{Effect, Globs, NameRule, Place, Rule, Severity};
use crate::planner::mutes::Mute;

/// Settings of a repository. Flags and environment variables win over them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "roomctl config")]
pub(crate) struct Config {
    /// The account's app name, as in `https://<app>.metered.live`.
    pub app: Managed<String>,
    /// Address of the service, on loopback: any other is said by `--base-url` or `METERED_BASE_URL`, since the key is
    /// sent there. Default: `https://<app>.metered.live`.
    pub base_url: Managed<LoopbackUrl>,
    /// Directory of the room files, below the one of this file. Default: `rooms`.
    pub rooms: Managed<PathBelow>,
    /// The state: a file below the directory of this one, or an object `s3://BUCKET/KEY`, `az://CONTAINER/KEY` or
    /// `gs://BUCKET/KEY`. Default: `.roomctl/state.json`.
    pub state: Managed<StateAt>,
    /// Who may read the state, which is encrypted then. Default: whoever may read where it is kept.
    pub state_encryption: Managed<StateEncryption>,
    /// Most requests in a span of time: `5/s`, `300/m` or `unlimited`. Default: `5/s`.
    pub rate: Managed<String>,
    /// How many requests may start at once after a rest. Default: 1.
    #[schemars(range(min = 1))]
    pub burst: Managed<u32>,
    /// How many rooms are worked on at once. Default: 4.
    #[schemars(range(min = 1, max = 64))]
    pub parallelism: Managed<u32>,
    /// What `apply` refuses unless it is allowed.
    pub guard: Managed<Guard>,
    /// The rooms that are this repository's, as globs over their names: a file of another room is an error, and
    /// other rooms are left alone, whatever the state knows of them. Default: all.
    pub owns: Managed<Globs>,
    /// Rooms that are never archived, and that no effect on people happens to without `--allow EFFECT`, as globs over
    /// their names. Each is read right before it is written. Default: none.
    pub protected: Managed<Globs>,
    /// What every room has to keep to, beyond the rules of the service; `validate`, `plan` and `apply` report breaches.
    pub policies: Managed<Vec<PolicyConfig>>,
    /// Which room names are accepted. Default: `lowercase`.
    pub names: Managed<NameRule>,
    /// Rooms of the account that nobody manages by choice, by their exact names: `drift` and `import --all` only count them. A
    /// file of one is an error, and one that the state knows is reported as any other. Default: none.
    pub unmanaged: Managed<BTreeSet<String>>,
    /// Values that room files name in `${var:NAME}`.
    pub vars: Managed<Vars>,
    /// Several apps, accounts or environments that the room files are for, in the order in which they are planned and
    /// applied. Default: one.
    pub stacks: Managed<Stacks>,
    /// Warnings and notes that are known, each for a reason and until a day; they are not reported until then.
    pub accept: Managed<Accepted>,
}

/// A check whose findings are known in some rooms.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AcceptEntry {
    /// Name of the check, as it is reported, such as `request-to-join-unused`. Errors are accepted by nobody.
    rule: String,
    /// Which rooms, as a glob over their names.
    room: String,
    /// Why.
    reason: String,
    /// Until when: a day, or a time.
    until: String,
}

/// Warnings and notes that are known: mutes of checks.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "Vec<AcceptEntry>")]
#[schemars(with = "Vec<AcceptEntry>")]
pub(crate) struct Accepted(pub Vec<Mute>);

impl TryFrom<Vec<AcceptEntry>> for Accepted {
    type Error = String;

    fn try_from(entries: Vec<AcceptEntry>) -> Result<Self, String> {
        let mutes: Vec<Mute> = entries.into_iter().map(mute).collect::<Result<_, _>>()?;
        let fits = Globs::fit(mutes.iter().map(|mute| &mute.room));
        fits.then_some(Self(mutes))
            .ok_or_else(|| "the patterns are too long together".to_owned())
    }
}

fn mute(entry: AcceptEntry) -> Result<Mute, String> {
    let AcceptEntry {
        rule,
        room,
        reason,
        until,
    } = entry;
    match Rule::named(&rule).map(Rule::severity) {
        None => Err(format!("there is no check `{rule}`")),
        Some(Severity::Error) => Err(format!("`{rule}` is an error, which nobody can accept")),
        Some(Severity::Warning | Severity::Note) => {
            Mute::new(&room, &rule, &reason, &until).map_err(|error| error.to_string())
        }
    }
}

/// What `apply` refuses unless it is allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Guard {
    /// Effects on people that `apply` refuses without `--allow EFFECT`.
    pub require_allow: Vec<Effect>,
}

/// Who may read the state, which is encrypted then.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StateEncryption {
    /// The recipients of age, `age1…`, at least one. What reads the state has the identity of one of them from
    /// `ROOMCTL_STATE_IDENTITY` or `--state-identity-file`.
    pub recipients: Recipients,
}

/// At least one recipient.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "BTreeSet<Recipient>")]
#[schemars(with = "BTreeSet<Recipient>", inline, extend("minItems" = 1))]
pub(crate) struct Recipients(pub BTreeSet<Recipient>);

impl TryFrom<BTreeSet<Recipient>> for Recipients {
    type Error = &'static str;

    fn try_from(all: BTreeSet<Recipient>) -> Result<Self, Self::Error> {
        match all.is_empty() {
            true => Err("a state for no recipient could not be read again"),
            false => Ok(Self(all)),
        }
    }
}

impl Config {
    /// All stacks; none where there are no `stacks:`.
    pub(crate) fn stacks(&self) -> &[Stack] {
        self.stacks.get().map_or(&[], |stacks| &stacks.0)
    }

    pub(crate) fn stack(&self, name: &str) -> Option<&Stack> {
        self.stacks()
            .iter()
            .find(|stack| stack.name.as_str() == name)
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
        let above = self.state.get().cloned().unwrap_or_else(StateAt::usual);
        let state = || above.within(stack.name.as_str());
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

    /// Two stacks with one state, or with one beside the other's, if there are some: each would take the other's rooms for its
    /// own, or write over what it remembers.
    fn with_one_state(&self) -> Option<String> {
        let mut before: Vec<(&str, StateAt)> = Vec::new();
        for stack in self.stacks() {
            let state = self.of(stack).state.get().cloned()?;
            let same = before
                .iter()
                .find(|(_, other)| other.is_in_the_way_of(&state));
            if let Some((other, _)) = same {
                let name = stack.name.as_str();
                return Some(format!("the stacks `{other}` and `{name}` have one state"));
            }
            before.push((stack.name.as_str(), state));
        }
        None
    }

    /// What room files are given, in the configuration of `stack`.
    pub(crate) fn given(&self, stack: Option<&StackName>) -> Given {
        let names = self
            .stacks()
            .iter()
            .map(|stack| stack.name.as_str().to_owned());
        Given {
            stack: stack.map(|stack| stack.as_str().to_owned()),
            stacks: names.collect(),
            values: self.vars.get().cloned().unwrap_or_default().0,
        }
    }
}

/// A configuration with the line of each key, of the file that it was read from.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConfigText {
    pub config: Config,
    pub lines: BTreeMap<String, u32>,
}

/// The configuration that `text` is; otherwise what is wrong with it, and where.
pub(crate) fn parse(text: &str) -> Result<ConfigText, (Place, String)> {
    let entries = yaml::strict_mapping(text).map_err(|error| (error.place, error.message))?;
    for entry in &entries {
        let alone = yaml::typed::<Config>(std::iter::once(entry));
        if let Err(error) = alone {
            return Err((entry.key_at, wrong(&entry.key, &error.to_string())));
        }
    }
    let config = yaml::typed(entries.iter());
    let mut config: Config = config.map_err(|error| (Place::default(), error.to_string()))?;
    if let Managed::Set(policies) = &mut config.policies {
        locate(policies, text);
    }
    if let Some(message) = config.with_one_state() {
        let at = entries.iter().find(|entry| entry.key == "stacks");
        let at = at.map(|entry| entry.key_at).unwrap_or_default();
        return Err((at, format!("`stacks`: {message}")));
    }
    let lines = entries.iter();
    let lines = lines.map(|entry| (entry.key.clone(), entry.key_at.line));
    Ok(ConfigText {
        config,
        lines: lines.collect(),
    })
}

/// What is wrong with a key. Of one that there is not, the nearest that there is.
fn wrong(key: &str, error: &str) -> String {
    let known = error
        .strip_prefix("unknown field")
        .and_then(|rest| rest.split_once("expected"))
        .map(|(_, known)| known.split('`').skip(1).step_by(2));
    match known.and_then(|known| nearest(key, known)) {
        Some(near) => format!("`{key}`: there is no such key; did you mean `{near}`?"),
        None => format!("`{key}`: {error}"),
    }
}

/// Adds to each policy where its expression begins.
fn locate(policies: &mut [PolicyConfig], text: &str) {
    #[derive(Deserialize)]
    struct Written {
        policies: Vec<BTreeMap<String, Located>>,
    }
    let written = yaml::located::<Written>(text).map_or_else(Vec::new, |written| written.policies);
    for (policy, keys) in policies.iter_mut().zip(written) {
        if let Some(expression) = keys.get("expression") {
            policy.at = beginning(expression, text);
        }
    }
}

/// Where a text begins. Its width is 0 where its lines and columns are not those of the file.
fn beginning(value: &Located, text: &str) -> Place {
    let (line, column) = (value.at.line as usize, value.at.column as usize);
    let above = line.checked_sub(2);
    let above = above.and_then(|above| text.lines().nth(above));
    let above = above.unwrap_or_default().rsplit(": ").next();
    let is_block = above.is_some_and(|end| end.trim_start().starts_with('|'));
    let written = text.get(value.span.clone()).unwrap_or_default();
    let is_plain = !written.contains(['\n', '\\']) && !written.contains("''");
    let quote = usize::from(written.starts_with(['"', '\'']) && !is_block);
    Place::new(line, column + quote, usize::from(is_block || is_plain))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_good_configuration() {
        let text = "app: acme\nrate: 300/m\nparallelism: 8\nnames: url-safe\n";
        let ConfigText { config, lines } = parse(text).unwrap();
        assert_eq!(lines["parallelism"], 3);
        assert_eq!(config.app, Managed::Set("acme".to_owned()));
        assert_eq!(config.parallelism, Managed::Set(8));
        assert_eq!(config.names, Managed::Set(NameRule::UrlSafe));
        assert_eq!(parse("").unwrap().config, Config::default());
    }

    #[test]
    fn expressions_have_places() {
        let at = |text: &str| {
            let text = format!(
                "app: acme\npolicies:\n  - id: a\n    message: m\n    expression: {text}\n"
            );
            let config = parse(&text).unwrap().config;
            let at = config.policies.get().unwrap()[0].at;
            (at.line, at.column, at.width)
        };
        assert_eq!(at("a == 1"), (5, 17, 1));
        assert_eq!(at("'true'"), (5, 18, 1));
        assert_eq!(at("|\n      true &&\n      true"), (6, 7, 1));
        assert_eq!(at("|-\n      true"), (6, 7, 1));
        assert_eq!(at("true &&\n      true"), (5, 17, 0));
        assert_eq!(at("\"\\x41 == 1\"").2, 0);
        assert_eq!(at(">\n      true &&\n      true").2, 0);
    }

    #[test]
    fn mistakes_are_reported_with_their_place() {
        let many = format!("app: acme\nowns: [{}]", "\"{a,b}*?cccccc\",".repeat(3_000));
        for (text, line, words) in [
            ("app: acme\nrates: 5/s", 2, "did you mean `rate`?"),
            ("app: acme\nwhatever: 5/s", 2, "unknown field `whatever`"),
            ("app: acme\nparallelism: many", 2, "`parallelism`"),
            ("app: acme\nburst: -1", 2, "`burst`"),
            ("app: acme\napp: other", 2, "set twice"),
            (
                "guard:\n  require_allow: [archived]\n  require_allow: []",
                3,
                "set twice",
            ),
            ("app:", 1, "null"),
            ("app: acme\nowns: sales-*", 2, "`owns`"),
            (
                "app: acme\nprotected: [\"[\"]",
                2,
                "not a pattern for room names",
            ),
            (&many, 2, "more than 32768 characters"),
            ("- app", 1, "key: value"),
        ] {
            let (place, message) = parse(text).unwrap_err();
            assert_eq!(place.line, line, "{text}");
            assert!(message.contains(words), "{message}");
        }
    }

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
        let many: Vec<_> = (0..201).map(|n| format!("{{name: s{n}}}")).collect();
        let many = format!("[{}]", many.join(","));
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
            (
                "[{name: a, state: x.json}, {name: b, state: ./X.json.cache}]",
                "`a` and `b` have one state",
            ),
            (
                "[{name: a, state: 's3://b/x.journal/1'}, {name: b, state: 's3://b/x'}]",
                "have one state",
            ),
            (&many, "201 stacks"),
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
