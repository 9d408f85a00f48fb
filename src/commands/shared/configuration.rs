//! The configuration of a run, and what is counted from its directory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tracing::info;

use super::args::Global;
use super::exit::{Exit, Failure};
use crate::disk::plain_file::refuse_links_below;
use crate::files::config::{self, Config, ConfigText};
use crate::files::config_search::{NAMES, SearchError, directories, find};
use crate::files::text_file::load;
use crate::files::weakened::Placed;
use crate::model::{Effect, Globs, NameRule, Place};

/// The usual places, from the directory of the configuration.
pub(crate) const ROOMS: &str = "rooms";
pub(crate) const STATE: &str = ".roomctl/state.json";
pub(crate) const SANDBOX_STATE: &str = ".roomctl/sandbox-state.json";
pub(crate) const SANDBOX: &str = ".roomctl/sandbox.json";
pub(crate) const MUTES: &str = "mutes.yaml";

#[derive(Clone, Debug, Default)]
pub(crate) struct Configuration {
    pub config: Config,
    /// The line of each key in its file.
    pub lines: BTreeMap<String, u32>,
    /// The file, as it is reached from the working directory; `None`: there is none.
    pub file: Option<PathBuf>,
    /// The directory that all is counted from which it or a default names. Empty: the working directory.
    pub base: PathBuf,
    /// Where it was looked for, the nearest directory first; none if the user named it.
    pub searched: Vec<PathBuf>,
}

impl Configuration {
    pub(crate) fn read(global: &Global) -> Result<Self, Failure> {
        let (file, searched) = match &global.config {
            Some(named) => (Some(named.clone()), Vec::new()),
            None => search()?,
        };
        let Some(file) = file else {
            return Ok(Self {
                searched,
                ..Self::default()
            });
        };
        let text = settings(Some(&file), &file, config::parse)?;
        let found = Self::of(text, file);
        if !found.base.as_os_str().is_empty() {
            info!("the configuration is {}", found.line_of(""));
        }
        Ok(Self { searched, ..found })
    }

    /// What a text says in a file of this path.
    pub(crate) fn of(text: ConfigText, file: PathBuf) -> Self {
        Self {
            config: text.config,
            lines: text.lines,
            base: file.parent().unwrap_or(Path::new("")).to_owned(),
            file: Some(file),
            searched: Vec::new(),
        }
    }

    /// What is compared of it.
    pub(crate) fn placed(&self) -> Placed<'_> {
        Placed {
            config: &self.config,
            directory: &self.base,
        }
    }

    pub(crate) fn names(&self) -> NameRule {
        self.config.names.get().copied().unwrap_or_default()
    }

    /// Effects that `apply` refuses without `--allow`.
    pub(crate) fn require_allow(&self) -> &[Effect] {
        let guard = self.config.guard.get();
        guard.map_or(&[], |guard| &guard.require_allow)
    }

    /// Rooms that `apply` never archives, and for which it wants every effect to be allowed.
    pub(crate) fn protected(&self) -> Globs {
        self.config.protected.get().cloned().unwrap_or_default()
    }

    /// `../roomctl.yaml:7`: where it says something.
    pub(crate) fn line_of(&self, key: &str) -> String {
        let file = self.file.as_deref().unwrap_or(Path::new(""));
        let line = self.lines.get(key).map(|line| format!(":{line}"));
        format!("{}{}", file.display(), line.unwrap_or_default())
    }

    /// Where something is that the configuration or a default names. Not where a link leads: a link is a file, and files
    /// say where something is only as a path below.
    pub(crate) fn place(&self, below: &Path) -> Result<PathBuf, Failure> {
        refuse_links_below(&self.base, below).map_err(|error| {
            let hint = "put what it leads to in its place, or name that with --rooms or --state";
            let message = format!(
                "roomctl follows a link only where it is named on the command line: {error}"
            );
            Failure::new(Exit::Invalid, message).hint(hint)
        })?;
        Ok(self.base.join(below))
    }
}

/// The configuration that is nearest, and where it was looked for.
fn search() -> Result<(Option<PathBuf>, Vec<PathBuf>), Failure> {
    let here = std::env::current_dir().map_err(|error| {
        let message = format!("cannot tell what the working directory is: {error}");
        Failure::new(Exit::Unexpected, message)
    })?;
    let home = std::env::home_dir().and_then(|home| home.canonicalize().ok());
    let searched = directories(&here, home.as_deref());
    let found = find(&here, &searched).map_err(|error| {
        let failure = Failure::because(Exit::Invalid, &error);
        match error {
            SearchError::Both(..) => failure.hint("keep one of the two"),
            _ => failure.hint("name the configuration with --config"),
        }
    })?;
    Ok((found, searched))
}

/// Whether a directory holds a configuration, by whichever name.
pub(crate) fn is_in(directory: &Path) -> bool {
    let mut paths = NAMES.iter().map(|name| directory.join(name));
    paths.any(|path| path.is_symlink() || path.exists())
}

/// The other name of a configuration, if `name` is one and the directory has that instead.
pub(crate) fn other_in(directory: &Path, name: &str) -> Option<&'static str> {
    let is_there = |other: &&&str| **other != name && directory.join(other).exists();
    let is_one = NAMES.contains(&name) && !directory.join(name).exists();
    let mut others = NAMES.iter().filter(|_| is_one);
    others.find(is_there).copied()
}

/// A file of settings that the user `named`, which has to be there, or the usual one.
pub(crate) fn settings<T: Default>(
    named: Option<&Path>,
    usual: &Path,
    parse: impl Fn(&str) -> Result<T, (Place, String)>,
) -> Result<T, Failure> {
    let found = load(named.unwrap_or(usual), parse)?;
    match (found, named) {
        (Some(found), _) => Ok(found),
        (None, None) => Ok(T::default()),
        (None, Some(path)) => {
            let message = format!("there is no {}", path.display());
            Err(Failure::new(Exit::Invalid, message))
        }
    }
}
