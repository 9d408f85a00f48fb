//! The configuration of a run, and what is counted from its directory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tracing::info;

use super::args::Global;
use super::exit::{Exit, Failure};
use crate::disk::plain_file::refuse_links_below;
use crate::files::config::{self, Config, ConfigText};
use crate::files::config_search::{NAMES, SearchError, directories, find};
use crate::files::places::{PathBelow, StateAt};
use crate::files::stacks::{Stack, StackName};
use crate::files::text_file::load;
use crate::files::weakened::Placed;
use crate::model::suggest::nearest;
use crate::model::words::{joined, printable};
use crate::model::{Effect, Globs, NameRule, Place};

/// The usual places, from the directory of the configuration.
pub(crate) const ROOMS: &str = "rooms";
const KEPT: &str = ".roomctl";
pub(crate) const STATE: &str = StateAt::USUAL;
pub(crate) const SANDBOX_STATE: &str = "sandbox-state.json";
pub(crate) const SANDBOX: &str = "sandbox.json";
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
    /// Which of its stacks it is the configuration of.
    pub stack: Option<StackName>,
    /// The configuration of all of these.
    above: Option<Box<Config>>,
    /// Where it was looked for, the nearest directory first; none if the user named it.
    pub searched: Vec<PathBuf>,
}

impl Configuration {
    /// The names of all stacks; none where there are no `stacks:`.
    pub(crate) fn stacks(global: &Global) -> Result<Vec<String>, Failure> {
        let found = Self::find(global)?;
        let names = found
            .config
            .stacks()
            .iter()
            .map(|stack| stack.name.as_str());
        Ok(names.map(str::to_owned).collect())
    }

    pub(crate) fn read(global: &Global) -> Result<Self, Failure> {
        let found = Self::find(global)?.chosen(&global.stack)?;
        if !found.base.as_os_str().is_empty() {
            info!("the configuration is {}", found.line_of(""));
        }
        Ok(found)
    }

    fn find(global: &Global) -> Result<Self, Failure> {
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
        Ok(Self { searched, ..found })
    }

    /// What a text says in a file of this path.
    pub(crate) fn of(text: ConfigText, file: PathBuf) -> Self {
        Self {
            config: text.config,
            lines: text.lines,
            base: file.parent().unwrap_or(Path::new("")).to_owned(),
            file: Some(file),
            stack: None,
            above: None,
            searched: Vec::new(),
        }
    }

    /// The same of the stack that the user names. Where there are stacks, it is about one of them.
    fn chosen(self, named: &[String]) -> Result<Self, Failure> {
        let names = self.config.stacks().iter().map(|stack| stack.name.as_str());
        let usage = |message: String| Failure::new(Exit::Usage, message);
        let [name] = named else {
            let Some(all) = joined(names, ", ") else {
                return Ok(self);
            };
            let message = "this command is about one stack at a time".to_owned();
            return Err(usage(message).hint(format!("name it with --stack: {all}")));
        };
        match self.config.stack(name).cloned() {
            Some(stack) => Ok(self.of_stack(&stack)),
            None => {
                let message = format!(
                    "there is no stack `{}` in {}",
                    printable(name),
                    self.line_of("stacks")
                );
                let near = nearest(name, names.clone());
                let all = joined(names, ", ").unwrap_or_else(|| "`stacks:` lists them".to_owned());
                Err(usage(message).did_you_mean(near, &all))
            }
        }
    }

    /// The same of the stack of this name, if it has one.
    pub(crate) fn for_stack(self, stack: Option<&StackName>) -> Self {
        let stack = stack
            .and_then(|stack| self.config.stack(stack.as_str()))
            .cloned();
        match stack {
            Some(stack) => self.of_stack(&stack),
            None => self,
        }
    }

    fn of_stack(self, stack: &Stack) -> Self {
        Self {
            config: self.config.of(stack),
            stack: Some(stack.name.clone()),
            above: Some(Box::new(self.config)),
            ..self
        }
    }

    /// The configurations of the other stacks.
    pub(crate) fn others(&self) -> impl Iterator<Item = Self> {
        let all = self
            .above
            .iter()
            .flat_map(|above| above.stacks().iter().map(move |stack| (above, stack)));
        let others = all.filter(|(_, stack)| Some(&stack.name) != self.stack.as_ref());
        others.map(|(above, stack)| Self {
            config: above.of(stack),
            stack: Some(stack.name.clone()),
            ..self.clone()
        })
    }

    /// The directory of the room files, as it is configured.
    pub(crate) fn rooms(&self) -> PathBuf {
        let below = self.config.rooms.get();
        self.base
            .join(below.map_or(Path::new(ROOMS), PathBelow::path))
    }

    /// The name of a variable of the environment that each stack has for itself.
    pub(crate) fn variable(&self, of_all: &str) -> String {
        let stack = self.stack.as_ref();
        stack.map_or_else(|| of_all.to_owned(), |stack| stack.variable(of_all))
    }

    /// A file below `.roomctl` that each stack has for itself.
    pub(crate) fn kept(&self, file: &str) -> PathBuf {
        let stack = self.stack.as_ref().map_or("", StackName::as_str);
        Path::new(KEPT).join(stack).join(file)
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
