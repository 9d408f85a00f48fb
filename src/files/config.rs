//! `roomctl.yaml`: what a team would otherwise repeat as flags. Read as strictly as room files. Pure.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::files::yaml;
use crate::model::Place;
use crate::model::policy::PolicyConfig;
use crate::model::types::Managed;
use crate::model::{Effect, Glob, NameRule};

/// Settings of a repository. Flags and environment variables win over them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "roomctl config")]
pub(crate) struct Config {
    /// The account's app name, as in `https://<app>.metered.live`.
    pub app: Managed<String>,
    /// Address of the service. Default: `https://<app>.metered.live`.
    pub base_url: Managed<String>,
    /// Directory of the room files. Default: `rooms`.
    pub rooms: Managed<PathBuf>,
    /// The state file. Default: `.roomctl/state.json`.
    pub state: Managed<String>,
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
    pub owns: Managed<Vec<Glob>>,
    /// Rooms that are never archived, and that no effect on people happens to without `--allow EFFECT`, as globs over
    /// their names. Each is read right before it is written. Default: none.
    pub protected: Managed<Vec<Glob>>,
    /// What every room has to keep to, beyond the rules of the service; `validate`, `plan` and `apply` report breaches.
    pub policies: Managed<Vec<PolicyConfig>>,
    /// Which room names are accepted. Default: `lowercase`.
    pub names: Managed<NameRule>,
}

/// What `apply` refuses unless it is allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Guard {
    /// Effects on people that `apply` refuses without `--allow EFFECT`.
    pub require_allow: Vec<Effect>,
}

/// The configuration that `text` is; otherwise what is wrong with it, and where.
pub(crate) fn parse(text: &str) -> Result<Config, (Place, String)> {
    let entries = yaml::strict_mapping(text).map_err(|error| (error.place, error.message))?;
    for entry in &entries {
        let alone = yaml::typed::<Config>(std::iter::once(entry));
        if let Err(error) = alone {
            return Err((entry.key_at, format!("`{}`: {error}", entry.key)));
        }
    }
    yaml::typed(entries.iter()).map_err(|error| (Place::default(), error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_configuration() {
        let config = parse("app: acme\nrate: 300/m\nparallelism: 8\nnames: url-safe\n").unwrap();
        assert_eq!(config.app, Managed::Set("acme".to_owned()));
        assert_eq!(config.parallelism, Managed::Set(8));
        assert_eq!(config.names, Managed::Set(NameRule::UrlSafe));
        assert_eq!(parse("").unwrap(), Config::default());
    }

    #[test]
    fn mistakes_are_reported_with_their_place() {
        for (text, line, words) in [
            ("app: acme\nrates: 5/s", 2, "unknown field `rates`"),
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
            ("- app", 1, "key: value"),
        ] {
            let (place, message) = parse(text).unwrap_err();
            assert_eq!(place.line, line, "{text}");
            assert!(message.contains(words), "{message}");
        }
    }
}
