//! Where a configuration may say that something is: what anybody may propose leads to no other place of the machine, and to no
//! other server. Pure.

use std::path::Path;

use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use crate::model::address::{ObjectAddress, is_loopback};

/// A path that leads down from the directory of the configuration, on every system: whoever proposes a file chooses no
/// other place to be read or written.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub(crate) struct PathBelow(String);

impl PathBelow {
    pub(crate) fn path(&self) -> &Path {
        Path::new(&self.0)
    }
}

impl TryFrom<String> for PathBelow {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let leads_elsewhere = |c: char| c == '\\' || c == ':' || c.is_control();
        let is_below = !text.is_empty()
            && !text.starts_with('/')
            && !text.contains(leads_elsewhere)
            && text.split('/').all(|part| part != "..");
        is_below.then_some(Self(text)).ok_or_else(|| {
            "this has to be a path below the directory of this file, with `/` and without `..`; only --rooms and \
             --state may lead elsewhere"
                .to_owned()
        })
    }
}

/// Where a state is kept.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub(crate) enum StateAt {
    Below(PathBelow),
    Object(ObjectAddress),
}

impl StateAt {
    /// Where nobody says it.
    pub(crate) const USUAL: &'static str = ".roomctl/state.json";

    pub(crate) fn usual() -> Self {
        Self::Below(PathBelow(Self::USUAL.to_owned()))
    }

    /// What stands beside a state in a file, and the state itself, by the endings of their names.
    pub(crate) const ENDINGS: [&str; 5] = ["", ".journal", ".lock", ".new", ".cache"];

    /// Whether a run with one would write what a run with the other reads, however they are spelled.
    pub(crate) fn is_in_the_way_of(&self, other: &Self) -> bool {
        let [one, other] = [self, other].map(|state| match state {
            // Also where names do not differ by case.
            Self::Below(path) => {
                let parts = path.0.split('/').filter(|part| !["", "."].contains(part));
                parts.map(str::to_lowercase).collect::<Vec<_>>().join("/")
            }
            Self::Object(address) => address.to_string(),
        });
        let is_beside = |one: &str, other: &str| {
            let ending = one.strip_prefix(other);
            ending.is_some_and(|ending| {
                // A journal in an object store is several objects below its name.
                Self::ENDINGS.contains(&ending) || ending.starts_with(".journal/")
            })
        };
        is_beside(&one, &other) || is_beside(&other, &one)
    }

    /// The same in a directory of this name.
    pub(crate) fn within(&self, name: &str) -> Self {
        let within = |path: &str| match path.rsplit_once('/') {
            Some((above, file)) => format!("{above}/{name}/{file}"),
            None => format!("{name}/{path}"),
        };
        match self {
            Self::Below(path) => Self::Below(PathBelow(within(&path.0))),
            Self::Object(address) => Self::Object(ObjectAddress {
                key: within(&address.key),
                ..address.clone()
            }),
        }
    }
}

impl TryFrom<String> for StateAt {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if !text.contains("://") {
            return PathBelow::try_from(text).map(Self::Below);
        }
        ObjectAddress::parse(&text).map(Self::Object).ok_or_else(|| {
            "this has to be a path below the directory of this file, or s3://BUCKET/KEY, az://CONTAINER/KEY or gs://BUCKET/KEY"
                .to_owned()
        })
    }
}

/// An address of this machine: a file, which anybody may propose, does not say where the key is sent.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub(crate) struct LoopbackUrl(String);

impl LoopbackUrl {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for LoopbackUrl {
    type Error = String;

    /// The address is not repeated: it may hold a password.
    fn try_from(text: String) -> Result<Self, String> {
        let url = Url::parse(&text).ok();
        let is_bare = |url: &&Url| url.username().is_empty() && url.password().is_none();
        let host = url.as_ref().filter(is_bare).and_then(Url::host);
        host.is_some_and(|host| is_loopback(&host))
            .then_some(Self(text))
            .ok_or_else(|| {
                "a file may name an address on loopback only, since the key is sent there; pass --base-url or set \
                 METERED_BASE_URL"
                    .to_owned()
            })
    }
}
