//! What the guards of this checkout forbid less than those at the base of a change did.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::configuration::{Configuration, MUTES};
use super::session::Session;
use crate::files::config::{self, Config};
use crate::files::config_search::NAMES;
use crate::files::discover::as_typed;
use crate::files::git::{self, GitError, History};
use crate::files::mutes;
use crate::files::text_file::{ConfigError, load};
use crate::files::weakened::{Weakening, weakened, weakened_mutes};
use crate::model::{Effect, Place};
use crate::planner::Explanation;
use crate::planner::limits::BaseGuard;
use crate::planner::mutes::Mute;
use crate::report::plan::WeakenedReport;

/// What the base forbids, and what of that is weaker here.
#[derive(Clone, Debug, Default)]
pub(crate) struct Guards {
    pub base: BaseGuard,
    pub weakened: Vec<WeakenedReport>,
}

/// The settings of one commit; why they could not be read otherwise.
type Then = Result<Settings, String>;

#[derive(Default)]
struct Settings {
    config: Config,
    mutes: Vec<Mute>,
}

/// Compares with `history`. `named` is the file of mutes that the user named.
pub(crate) fn since(
    session: &Session,
    named: Option<&Path>,
    history: &History,
) -> Result<Guards, GitError> {
    let configuration = &session.workspace.configuration;
    let asked = Asked {
        configuration,
        mutes: named,
    };
    let base = asked.settings_at(&history.commit)?;
    let mut left = Vec::new();
    for commit in &history.merge_bases {
        if *commit != history.commit {
            left.push(asked.settings_at(commit)?);
        }
    }
    let now = |then: &Then| weaker(then, &configuration.config, &session.mutes);
    let before: Vec<Vec<Weakening>> = left.iter().map(now).collect();
    let weakened = now(&base).into_iter().map(|one| {
        // What the base forbids only since the branch left it, the branch did not weaken.
        let explanation = match &base {
            Err(_) => Explanation::Unread,
            Ok(_) if before.iter().all(|then| then.contains(&one)) => Explanation::ThisChange,
            Ok(_) => Explanation::Behind,
        };
        asked.report(one, explanation)
    });
    Ok(Guards {
        weakened: weakened.collect(),
        base: forbidden(&base),
    })
}

/// What counts beside the guards of this checkout. If nobody knows it, whatever is weaker has to be allowed.
fn forbidden(base: &Then) -> BaseGuard {
    match base {
        Err(_) => BaseGuard {
            require_allow: vec![Effect::GuardWeakened],
            ..BaseGuard::default()
        },
        Ok(Settings { config, .. }) => BaseGuard {
            require_allow: config
                .guard
                .get()
                .map_or_else(Vec::new, |guard| guard.require_allow.clone()),
            protected: config.protected.get().cloned().unwrap_or_default(),
        },
    }
}

fn weaker(then: &Then, config: &Config, mutes: &[Mute]) -> Vec<Weakening> {
    match then {
        Ok(then) => {
            let mut weaker = weakened(&then.config, config);
            weaker.extend(weakened_mutes(&then.mutes, mutes));
            weaker
        }
        Err(why) => vec![Weakening {
            key: "",
            what: "configuration".to_owned(),
            words: format!("what it forbade cannot be read at the base: {why}"),
        }],
    }
}

/// Where the settings of this run are.
struct Asked<'a> {
    configuration: &'a Configuration,
    mutes: Option<&'a Path>,
}

impl Asked<'_> {
    fn settings_at(&self, commit: &str) -> Result<Then, GitError> {
        let (directory, config) = match self.config_at(commit)? {
            Ok(found) => found,
            Err(why) => return Ok(Err(why)),
        };
        let usual = directory.join(MUTES);
        let mutes = self.mutes.unwrap_or(&usual);
        let name = mutes.file_name().unwrap_or_default().to_string_lossy();
        let directory = mutes.parent().unwrap_or(Path::new(""));
        let found = read(directory, commit, &[&name], mutes::parse)?;
        let mutes =
            found.map(|mut found| found.pop_first().map_or_else(Vec::new, |(_, mutes)| mutes));
        Ok(mutes.map(|mutes| Settings { config, mutes }))
    }

    /// The configuration that a run from here would have had, and its directory.
    fn config_at(&self, commit: &str) -> Result<Result<(PathBuf, Config), String>, GitError> {
        let Configuration {
            file,
            base,
            searched,
            ..
        } = self.configuration;
        let name = file.as_deref().and_then(Path::file_name);
        let name = name.unwrap_or_default().to_string_lossy();
        let is_named = searched.is_empty();
        let names = if is_named {
            vec![&*name]
        } else {
            NAMES.to_vec()
        };
        let searched = if is_named {
            std::slice::from_ref(base)
        } else {
            searched
        };
        for directory in searched {
            let found = match read(directory, commit, &names, config::parse)? {
                Ok(found) => found,
                Err(why) => return Ok(Err(why)),
            };
            let mut found = found.into_values();
            match (found.next(), found.next()) {
                (None, _) => {}
                (Some(one), None) => return Ok(Ok((directory.clone(), one.config))),
                (Some(_), Some(_)) => return Ok(Err(format!("there are {}", names.join(" and ")))),
            }
        }
        Ok(Ok((base.clone(), Config::default())))
    }

    fn report(&self, one: Weakening, explanation: Explanation) -> WeakenedReport {
        let Configuration {
            file, lines, base, ..
        } = self.configuration;
        let usual = base.join(MUTES);
        let file = match one.key {
            "mutes" => Some(self.mutes.unwrap_or(&usual)),
            _ => file.as_deref(),
        };
        WeakenedReport {
            what: one.what,
            message: one.words,
            file: file.map(as_typed),
            line: lines.get(one.key).copied(),
            explanation,
        }
    }
}

/// Those of the files that were in a directory at a commit; otherwise why one could not be read. None in a directory that
/// is in no repository, or in another one: no change to this one moves them.
fn read<T>(
    directory: &Path,
    commit: &str,
    names: &[&str],
    parse: impl Fn(&str) -> Result<T, (Place, String)>,
) -> Result<Result<BTreeMap<String, T>, String>, GitError> {
    let here = Path::new(".");
    let directory = if directory.as_os_str().is_empty() {
        here
    } else {
        directory
    };
    let Some(tree) = git::named_at(directory, commit, names)? else {
        return Ok(Ok(BTreeMap::new()));
    };
    if let Some((name, why)) = tree.unread.into_iter().next() {
        return Ok(Err(format!("{name}: {why}")));
    }
    let mut found = BTreeMap::new();
    for name in names {
        match load(&tree.files.path().join(name), &parse) {
            Ok(Some(text)) => _ = found.insert((*name).to_owned(), text),
            Ok(None) => {}
            Err(ConfigError::Invalid { place, message, .. }) => {
                return Ok(Err(format!("{name}:{}: {message}", place.line)));
            }
            Err(error) => return Ok(Err(format!("{name}: {error}"))),
        }
    }
    Ok(Ok(found))
}
