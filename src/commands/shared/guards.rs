//! What the guards of this checkout forbid less than those at the base of a change did.

use std::collections::BTreeMap;
use std::path::Path;

use super::configuration::{Configuration, MUTES};
use super::judge;
use super::rooms::load_by;
use super::session::Session;
use super::workspace::Workspace;
use crate::files::config;
use crate::files::config_search::NAMES;
use crate::files::context::Context;
use crate::files::discover::as_typed;
use crate::files::git::{self, GitError, History};
use crate::files::mutes;
use crate::files::text_file::{ConfigError, load};
use crate::files::weakened::{Weakening, weakened, weakened_mutes};
use crate::model::given::Given;
use crate::model::{Effect, Place, Severity};
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

/// The settings of one moment; why they could not be read otherwise.
type Then = Result<Settings, String>;

#[derive(Clone, Default)]
struct Settings {
    configuration: Configuration,
    mutes: Vec<Mute>,
}

/// Compares the guards at `history` with those of this checkout or, if somebody only `proposed` them, with those of that
/// commit, which decide nothing. `named` is the file of mutes that the user named.
pub(crate) fn since(
    session: &Session,
    named: Option<&Path>,
    history: &History,
    proposed: Option<&str>,
) -> Result<Guards, GitError> {
    let here = Settings {
        configuration: session.workspace.configuration.clone(),
        mutes: session.mutes.clone(),
    };
    let asked = Asked {
        here: &here,
        mutes: named,
    };
    let base = asked.settings_at(&history.commit)?;
    let now = match proposed {
        Some(commit) => asked.settings_at(commit)?,
        None => Ok(here.clone()),
    };
    let mut weaker = weaker(&base, &now);
    let explanations = asked.explained(&weaker, &base, &now, history)?;
    let mut forbidden = forbidden(&base);
    // What is only proposed lets nothing through that is planned here.
    if let (Ok(base), None) = (&base, proposed)
        && lets_through(&session.workspace, &base.configuration, &mut weaker)
    {
        forbidden.require_allow.push(Effect::GuardWeakened);
    }
    let weakened = weaker.into_iter().zip(explanations);
    let weakened = weakened.map(|(one, explanation)| asked.report(one, &now, explanation));
    Ok(Guards {
        weakened: weakened.collect(),
        base: forbidden,
    })
}

/// What the configuration at a commit gave to room files. Where nobody knows it, what it gives them now.
pub(crate) fn gave(session: &Session, commit: &str) -> Result<Given, GitError> {
    let here = Settings {
        configuration: session.workspace.configuration.clone(),
        mutes: Vec::new(),
    };
    let asked = Asked {
        here: &here,
        mutes: None,
    };
    let then = asked.configuration_at(commit)?;
    let then = then.as_ref().unwrap_or(&here.configuration);
    Ok(then.config.given(then.stack.as_ref()))
}

/// What counts beside the guards of this checkout. If nobody knows it, whatever is weaker has to be allowed.
fn forbidden(base: &Then) -> BaseGuard {
    match base {
        Err(_) => BaseGuard {
            require_allow: vec![Effect::GuardWeakened],
            ..BaseGuard::default()
        },
        Ok(Settings { configuration, .. }) => BaseGuard {
            require_allow: configuration.require_allow().to_vec(),
            protected: configuration.protected(),
        },
    }
}

/// Whether the base refuses rooms that are read here, which is said of the guards that are `weaker`: then the change brings
/// with it what it takes the guard away from.
fn lets_through(here: &Workspace, base: &Configuration, weaker: &mut [Weakening]) -> bool {
    let is_about_rooms =
        |one: &Weakening| ["policies", "owns", "names", "unmanaged"].contains(&one.key);
    if !weaker.iter().any(is_about_rooms) {
        return false;
    }
    // What nobody can ask any more refuses all.
    let Ok(policies) = judge::start(base) else {
        return true;
    };
    let context = Context {
        names: base.names(),
        owns: base.config.owns.get(),
        unmanaged: base.config.unmanaged.get(),
        ..here.context(&*policies)
    };
    let mut refused = load_by(here, &context).findings;
    refused.retain(|finding| finding.severity == Severity::Error);
    for one in weaker {
        let mut about = refused.iter().filter(|finding| one.is_about(finding));
        if let Some(first) = about.next() {
            let place = format!("{}:{}", first.file, first.place.line);
            let more = match about.count() {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            one.words += &format!("; the base refuses {place}{more}");
        }
    }
    !refused.is_empty()
}

fn weaker(then: &Then, now: &Then) -> Vec<Weakening> {
    let unread = |when: &str, why: &str| {
        vec![Weakening {
            key: "",
            what: "configuration".to_owned(),
            words: format!("what it {when}: {why}"),
        }]
    };
    match (then, now) {
        (Err(why), _) => unread("forbade cannot be read at the base", why),
        (_, Err(why)) => unread("is to forbid cannot be read", why),
        (Ok(then), Ok(now)) => {
            let [base, placed] = [then, now].map(|one| one.configuration.placed());
            let mut weaker = weakened(base, placed);
            weaker.extend(weakened_mutes(&then.mutes, &now.mutes));
            weaker
        }
    }
}

/// Where the settings of this run are.
struct Asked<'a> {
    here: &'a Settings,
    mutes: Option<&'a Path>,
}

impl Asked<'_> {
    fn settings_at(&self, commit: &str) -> Result<Then, GitError> {
        let configuration = match self.configuration_at(commit)? {
            Ok(found) => found,
            Err(why) => return Ok(Err(why)),
        };
        let usual = configuration.base.join(MUTES);
        let mutes = self.mutes.unwrap_or(&usual);
        let name = mutes.file_name().unwrap_or_default().to_string_lossy();
        let directory = mutes.parent().unwrap_or(Path::new(""));
        let found = read(directory, commit, &[&name], mutes::parse)?;
        let mutes = found.map(|found| match found {
            Some(mut found) => found.pop_first().map_or_else(Vec::new, |(_, mutes)| mutes),
            None => self.here.mutes.clone(),
        });
        Ok(mutes.map(|mutes| Settings {
            configuration,
            mutes,
        }))
    }

    /// The configuration that a run from here would have had.
    fn configuration_at(&self, commit: &str) -> Result<Result<Configuration, String>, GitError> {
        let here = &self.here.configuration;
        let named = here.file.as_deref().filter(|_| here.searched.is_empty());
        let name = named.and_then(Path::file_name).unwrap_or_default();
        let name = name.to_string_lossy();
        let (names, searched) = match named {
            Some(_) => (vec![&*name], std::slice::from_ref(&here.base)),
            None => (NAMES.to_vec(), &*here.searched),
        };
        for directory in searched {
            let found = match read(directory, commit, &names, config::parse)? {
                Ok(Some(found)) => found,
                Ok(None) => return Ok(Ok(here.clone())),
                Err(why) => return Ok(Err(why)),
            };
            let mut found = found.into_iter();
            match (found.next(), found.next()) {
                (None, _) => {}
                (Some((name, text)), None) => {
                    let found = Configuration::of(text, directory.join(name));
                    return Ok(Ok(found.for_stack(here.stack.as_ref())));
                }
                (Some(_), Some(_)) => return Ok(Err(format!("there are {}", names.join(" and ")))),
            }
        }
        Ok(match named {
            // The same run would have ended with that.
            Some(_) => Err(format!("there was no {name}")),
            None => Ok(Configuration::default()),
        })
    }

    /// Where each comes from. What the base forbids only since the branch left it, the branch did not weaken.
    fn explained(
        &self,
        weaker: &[Weakening],
        base: &Then,
        now: &Then,
        history: &History,
    ) -> Result<Vec<Explanation>, GitError> {
        let left = history.merge_bases.iter();
        let left = left.filter(|commit| **commit != history.commit);
        let left = left.map(|commit| Ok(self::weaker(&self.settings_at(commit)?, now)));
        let left = left.collect::<Result<Vec<_>, GitError>>()?;
        let explained = |one: &Weakening| match base {
            Err(_) => Explanation::Unread,
            Ok(_) if left.iter().all(|then| then.contains(one)) => Explanation::ThisChange,
            Ok(_) => Explanation::Behind,
        };
        Ok(weaker.iter().map(explained).collect())
    }

    fn report(&self, one: Weakening, now: &Then, explanation: Explanation) -> WeakenedReport {
        let Configuration {
            file, lines, base, ..
        } = &now.as_ref().unwrap_or(self.here).configuration;
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

/// Those of the files that were in a directory at a commit; otherwise why one could not be read. `None` in a directory that
/// is in no repository, or in another one: no change to this one moves them.
fn read<T>(
    directory: &Path,
    commit: &str,
    names: &[&str],
    parse: impl Fn(&str) -> Result<T, (Place, String)>,
) -> Result<Result<Option<BTreeMap<String, T>>, String>, GitError> {
    let here = Path::new(".");
    let directory = match directory.as_os_str().is_empty() {
        true => here,
        false => directory,
    };
    let Some(tree) = git::named_at(directory, commit, names)? else {
        return Ok(Ok(None));
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
    Ok(Ok(Some(found)))
}
