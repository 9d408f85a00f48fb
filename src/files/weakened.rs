//! What one configuration forbids and another does not. Whoever proposes a change may propose with it that the guard goes
//! which the change would meet, so that has to be seen first. Pure.
//!
//! Where nobody can say whether one forbids all that the other did, as with two expressions, it counts as weaker.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use crate::files::config::{Config, PathBelow};
use crate::model::policy::PolicyConfig;
use crate::model::{Effect, Glob, NameRule, Severity};
use crate::planner::mutes::Mute;

/// One thing that was forbidden, or held in its place, and is not any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Weakening {
    /// The key of the file that says so.
    pub key: &'static str,
    /// What is weaker: `guard.require_allow`.
    pub what: String,
    /// How, in words.
    pub words: String,
}

impl Weakening {
    fn new(key: &'static str, what: impl Into<String>, words: impl Into<String>) -> Self {
        Self {
            key,
            what: what.into(),
            words: words.into(),
        }
    }
}

/// What `base` forbids and `now` does not. Without `..`, so that a new key cannot be forgotten.
pub(crate) fn weakened(base: &Config, now: &Config) -> Vec<Weakening> {
    let Config {
        app,
        base_url,
        rooms,
        state,
        // These refuse nothing, and forbid nobody anything.
        rate: _,
        burst: _,
        parallelism: _,
        guard,
        owns,
        protected,
        policies,
        names,
    } = base;
    let moved = |key, text: String| Weakening::new(key, key, text);
    let mut weaker = Vec::new();
    if let Some(app) = app.get().filter(|_| app != &now.app) {
        weaker.push(moved(
            "app",
            format!("the rooms of `{app}` were meant, and others are now"),
        ));
    }
    if base_url != &now.base_url {
        weaker.push(moved(
            "base_url",
            "the key is sent to another address".to_owned(),
        ));
    }
    if place(rooms.get(), "rooms") != place(now.rooms.get(), "rooms") {
        weaker.push(moved(
            "rooms",
            "the room files are looked for in another place".to_owned(),
        ));
    }
    if place(state.get(), "state") != place(now.state.get(), "state") {
        weaker.push(moved("state", "another state is believed".to_owned()));
    }
    let (before, after) = (guard.get(), now.guard.get());
    let effects = |guard: Option<&crate::files::config::Guard>| {
        guard.map_or(&[][..], |guard| &guard.require_allow).to_vec()
    };
    weaker.extend(unguarded(&effects(before), &effects(after)));
    weaker.extend(claims(owns.get(), now.owns.get()));
    let (before, after) = (protected.get(), now.protected.get());
    let gone = patterns(before.map_or(&[][..], Vec::as_slice));
    let kept = patterns(after.map_or(&[][..], Vec::as_slice));
    weaker.extend(gone.difference(&kept).map(|glob| {
        let words = format!("rooms that `{glob}` names are no longer protected");
        Weakening::new("protected", "protected", words)
    }));
    let (before, after) = (policies.get(), now.policies.get());
    let after = after.map_or(&[][..], Vec::as_slice);
    weaker.extend(
        before
            .into_iter()
            .flatten()
            .filter_map(|policy| unpoliced(policy, after)),
    );
    let (before, after) = (names.get().copied(), now.names.get().copied());
    if before.unwrap_or_default() == NameRule::Lowercase && after == Some(NameRule::UrlSafe) {
        weaker.push(moved(
            "names",
            "names are accepted that were refused".to_owned(),
        ));
    }
    weaker
}

/// The mutes `now` that accept what none of the `base` did.
pub(crate) fn weakened_mutes(base: &[Mute], now: &[Mute]) -> Vec<Weakening> {
    let is_new = |mute: &&Mute| !base.iter().any(|old| old.accepts_all_of(mute));
    let new = now.iter().filter(is_new);
    new.map(|mute| {
        let (room, attribute) = (mute.room.as_str(), &mute.attribute);
        let words = format!(
            "drift of `{attribute}` in `{room}` is accepted until {}",
            mute.until
        );
        Weakening::new("mutes", "mutes", words)
    })
    .collect()
}

/// A path without what makes no difference; the `usual` one if none is set.
fn place(set: Option<&PathBelow>, usual: &str) -> PathBuf {
    let usual = match usual {
        "state" => Path::new(".roomctl/state.json"),
        usual => Path::new(usual),
    };
    let path = set.map_or(usual, PathBelow::path);
    let parts = path.components();
    parts.filter(|part| *part != Component::CurDir).collect()
}

fn unguarded(before: &[Effect], after: &[Effect]) -> Vec<Weakening> {
    let gone = before.iter().filter(|effect| !after.contains(effect));
    let gone: BTreeSet<&Effect> = gone.collect();
    let words = |effect: &Effect| {
        let words = format!("`{}` no longer has to be allowed", effect.name());
        Weakening::new("guard", "guard.require_allow", words)
    };
    gone.into_iter().map(words).collect()
}

fn patterns(globs: &[Glob]) -> BTreeSet<&str> {
    globs.iter().map(Glob::as_str).collect()
}

/// Rooms that are claimed newly may be written; those that no longer are, nobody looks after.
fn claims(before: Option<&Vec<Glob>>, after: Option<&Vec<Glob>>) -> Option<Weakening> {
    let words = match (before, after) {
        (None, None) => return None,
        (None, Some(_)) => "only some rooms are looked after any more",
        (Some(_), None) => "all rooms are owned, and may be written",
        (Some(before), Some(after)) => {
            let (before, after) = (patterns(before), patterns(after));
            if before == after {
                return None;
            }
            match after.is_subset(&before) {
                true => "fewer rooms are looked after",
                false => "other rooms are owned, and may be written",
            }
        }
    };
    Some(Weakening::new("owns", "owns", words))
}

fn unpoliced(policy: &PolicyConfig, after: &[PolicyConfig]) -> Option<Weakening> {
    let PolicyConfig {
        id,
        rooms,
        expression,
        // These are only what is said, and where.
        message: _,
        at: _,
        severity,
    } = policy;
    let how = match after.iter().find(|other| other.id == *id) {
        None => "is gone",
        Some(now) if now.expression != *expression => "demands something else",
        Some(now) if now.rooms.as_str() != rooms.as_str() => "is about other rooms",
        Some(now) if *severity == Severity::Error && now.severity != Severity::Error => {
            "no longer stops anything"
        }
        Some(_) => return None,
    };
    let words = format!("the policy `{}` {how}", id.escape_debug());
    Some(Weakening::new(
        "policies",
        format!("policies.{}", id.escape_debug()),
        words,
    ))
}

#[cfg(test)]
mod tests {
    use proptest::option;
    use proptest::prelude::*;
    use proptest::sample::{select, subsequence};

    use super::*;
    use crate::files::{config, mutes};
    use crate::model::{RoomName, glob};
    use crate::planner::limits::Limits;

    fn of(text: &str) -> Config {
        config::parse(text)
            .unwrap_or_else(|error| panic!("{text}: {error:?}"))
            .config
    }

    fn said(base: &str, now: &str) -> Vec<String> {
        let weaker = weakened(&of(base), &of(now)).into_iter();
        weaker
            .map(|one| format!("{}: {}", one.what, one.words))
            .collect()
    }

    #[test]
    fn each_is_said_in_words() {
        let policy = "policies: [{id: p, expression: 'true', message: m}]";
        let milder = "policies: [{id: p, expression: 'true', message: n, severity: warning}]";
        for (base, now, words) in [
            (
                "app: a",
                "app: b",
                "app: the rooms of `a` were meant, and others are now",
            ),
            (
                "",
                "base_url: http://localhost:1",
                "base_url: the key is sent to another address",
            ),
            (
                "",
                "rooms: other",
                "rooms: the room files are looked for in another place",
            ),
            ("state: x.json", "", "state: another state is believed"),
            (
                "guard: {require_allow: [archived, recording-on]}",
                "guard: {require_allow: [archived]}",
                "guard.require_allow: `recording-on` no longer has to be allowed",
            ),
            (
                "owns: [a]",
                "owns: [a, b]",
                "owns: other rooms are owned, and may be written",
            ),
            (
                "owns: [a, b]",
                "owns: [a]",
                "owns: fewer rooms are looked after",
            ),
            (
                "protected: [a]",
                "",
                "protected: rooms that `a` names are no longer protected",
            ),
            (policy, "", "policies.p: the policy `p` is gone"),
            (
                policy,
                milder,
                "policies.p: the policy `p` no longer stops anything",
            ),
            (
                "",
                "names: url-safe",
                "names: names are accepted that were refused",
            ),
        ] {
            assert_eq!(said(base, now), [words], "{base} -> {now}");
        }
        for (base, now) in [
            (
                "",
                "app: a\nrate: 9/s\nrooms: ./rooms/\nstate: .roomctl/state.json",
            ),
            (milder, policy),
            ("names: url-safe", "names: lowercase"),
            ("protected: [a]", "protected: [b, a]"),
            (
                "guard: {require_allow: [archived]}",
                "guard: {require_allow: [archived, recording-on]}",
            ),
        ] {
            assert_eq!(said(base, now), [""; 0], "{base} -> {now}");
        }
    }

    const NAMES: [&str; 4] = ["a", "b", "sales-1", "A"];
    const GLOBS: [&str; 4] = ["a", "sales-*", "*", "[ab]"];
    const LATE: &str = "2099-01-01";

    fn list(values: &[&str]) -> String {
        let quoted: Vec<String> = values.iter().map(|value| format!("\"{value}\"")).collect();
        format!("[{}]", quoted.join(", "))
    }

    fn key(name: &'static str, values: &'static [&'static str]) -> impl Strategy<Value = String> {
        let lists = option::of(subsequence(values.to_vec(), 0..=2));
        lists.prop_map(move |values| {
            values.map_or(String::new(), |v| format!("{name}: {}\n", list(&v)))
        })
    }

    fn one(name: &'static str, values: &'static [&'static str]) -> impl Strategy<Value = String> {
        let value = option::of(select(values));
        value.prop_map(move |value| value.map_or(String::new(), |v| format!("{name}: {v}\n")))
    }

    fn policies() -> impl Strategy<Value = String> {
        let policy = (
            select(vec!["true", "false"]),
            select(&GLOBS[..]),
            select(vec!["error", "warning"]),
        );
        let policy = policy.prop_map(|(asks, rooms, severity)| {
            format!("policies: [{{id: p, expression: '{asks}', rooms: '{rooms}', message: m, severity: {severity}}}]\n")
        });
        option::of(policy).prop_map(Option::unwrap_or_default)
    }

    fn configs() -> impl Strategy<Value = Config> {
        let effects = &[
            "archived",
            "recording-on",
            "privacy-widened",
            "guard-weakened",
        ];
        let effects = key("require_allow", effects).prop_map(|text| {
            if text.is_empty() {
                text
            } else {
                format!("guard:\n  {text}")
            }
        });
        let places = (
            one("app", &["a", "b"]),
            one("rooms", &["rooms", "./rooms", "x"]),
            one("state", &["x", "y"]),
        );
        let claims = (
            key("owns", &GLOBS),
            key("protected", &GLOBS),
            one("names", &["lowercase", "url-safe"]),
        );
        let address = one("base_url", &["http://127.0.0.1:1", "http://localhost:2"]);
        (effects, places, claims, address, policies()).prop_map(
            |(effects, (a, b, c), (d, e, f), g, h)| of(&[effects, a, b, c, d, e, f, g, h].concat()),
        )
    }

    /// What a configuration refuses of a fixed list of questions, each by its name.
    fn refused(config: &Config) -> BTreeSet<String> {
        let limits = Limits {
            require_allow: config
                .guard
                .get()
                .map_or(Vec::new(), |guard| guard.require_allow.clone()),
            protected: config.protected.get().cloned().unwrap_or_default(),
            ..Limits::default()
        };
        let mut refused = BTreeSet::new();
        for text in NAMES {
            let name = RoomName::try_from(text.to_owned()).unwrap();
            for effect in Effect::ALL {
                if limits.ban(&name, effect).is_some() {
                    refused.insert(format!("{} of {name}", effect.name()));
                }
            }
            if config.owns.get().is_some_and(|owns| !glob::any(owns, text)) {
                refused.insert(format!("a file of {name}"));
            }
            let stops = |policy: &&PolicyConfig| {
                policy.severity == Severity::Error
                    && policy.expression == "false"
                    && policy.rooms.matches(text)
            };
            if config
                .policies
                .get()
                .is_some_and(|all| all.iter().any(|one| stops(&one)))
            {
                refused.insert(format!("what {name} wants"));
            }
        }
        if config.names.get() != Some(&NameRule::UrlSafe) {
            refused.insert("a name in upper case".to_owned());
        }
        // Whatever is believed, looked for and written in one place is not in any other.
        let app = config
            .app
            .get()
            .map(|app| format!("not the rooms of {app}"));
        refused.extend(app);
        refused.insert(format!("not the key to {:?}", config.base_url.get()));
        refused.insert(format!(
            "not the rooms in {}",
            place(config.rooms.get(), "rooms").display()
        ));
        refused.insert(format!(
            "not the state {}",
            place(config.state.get(), "state").display()
        ));
        refused
    }

    fn mutes_of(rooms: &[(&str, &str, &str)]) -> Vec<Mute> {
        let one = |(room, attribute, until): &(&str, &str, &str)| {
            format!(
                "  - {{room: \"{room}\", attribute: \"{attribute}\", reason: r, until: {until}}}\n"
            )
        };
        let lines: String = rooms.iter().map(one).collect();
        mutes::parse(&format!("mutes:\n{lines}  []\n").replace("  []\n", "")).unwrap_or_default()
    }

    proptest! {
        #[test]
        fn nothing_that_was_refused_is_allowed_without_a_word(base in configs(), now in configs()) {
            let let_go: Vec<String> = refused(&base).difference(&refused(&now)).cloned().collect();
            let weaker = weakened(&base, &now);
            prop_assert!(let_go.is_empty() || !weaker.is_empty(), "{let_go:?}");
            prop_assert_eq!(weakened(&base, &base), []);
        }

        #[test]
        fn no_drift_is_newly_accepted_without_a_word(
            base in proptest::collection::vec((select(&GLOBS[..]), select(vec!["*", "privacy", "lang"]), select(vec!["2027-01-01", LATE])), 0..3),
            now in proptest::collection::vec((select(&GLOBS[..]), select(vec!["*", "privacy", "lang"]), select(vec!["2027-01-01", LATE])), 0..3),
        ) {
            let (base, now) = (mutes_of(&base), mutes_of(&now));
            let accepts = |mutes: &[Mute], room: &str, attribute: &str, at: i64| {
                mutes.iter().any(|mute| mute.is_active(at) && mute.covers(room, attribute))
            };
            let newly = NAMES.iter().any(|room| ["privacy", "lang"].iter().any(|attribute| {
                [1_700_000_000, 3_000_000_000].iter().any(|at| {
                    accepts(&now, room, attribute, *at) && !accepts(&base, room, attribute, *at)
                })
            }));
            let weaker = weakened_mutes(&base, &now);
            prop_assert!(!newly || !weaker.is_empty());
            prop_assert_eq!(weakened_mutes(&now, &now), []);
        }
    }
}
