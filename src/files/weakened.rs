//! What one configuration forbids and another does not. Whoever proposes a change may propose with it that the guard goes
//! which the change would meet, so that has to be seen first. Pure.
//!
//! Where nobody can say whether one forbids all that the other did, as with two expressions, it counts as weaker.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use crate::files::config::{Config, Guard, StateEncryption};
use crate::files::places::{LoopbackUrl, PathBelow, StateAt};
use crate::files::stacks::Stack;
use crate::model::policy::PolicyConfig;
use crate::model::recipient::Recipient;
use crate::model::types::Managed;
use crate::model::words::{joined, listed, printable};
use crate::model::{Effect, Finding, Glob, Globs, Rule, Severity, digest};
use crate::planner::Rate;
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

impl Weakening {
    /// Whether a finding is of the guard that is weaker.
    pub(crate) fn is_about(&self, finding: &Finding) -> bool {
        match (self.key, finding.rule) {
            ("names", Rule::RoomName) => true,
            ("owns" | "unmanaged", Rule::NotOwned) => finding
                .message
                .contains(&format!("`{}` in roomctl", self.key)),
            ("policies", Rule::Policy) => {
                let id = self.what.strip_prefix("policies.").unwrap_or_default();
                let before = finding.message.strip_suffix(']');
                let before = before.and_then(|before| before.strip_suffix(id));
                before.is_some_and(|before| before.ends_with('['))
            }
            _ => false,
        }
    }
}

/// A configuration, and the directory that it counts from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placed<'a> {
    pub config: &'a Config,
    pub directory: &'a Path,
}

impl Placed<'_> {
    /// A path without what makes no difference, and how the file says it.
    fn path(&self, below: &Path) -> (PathBuf, String) {
        let path = self.directory.join(below);
        let parts = path.components();
        let plain = parts.filter(|part| *part != Component::CurDir).collect();
        (plain, below.to_string_lossy().into_owned())
    }

    /// The rooms directory and the state.
    fn places(&self) -> [(PathBuf, String); 2] {
        let rooms = self.config.rooms.get();
        let rooms = rooms.map_or("rooms".as_ref(), PathBelow::path);
        let state = match self.config.state.get() {
            None => self.path(".roomctl/state.json".as_ref()),
            Some(StateAt::Below(below)) => self.path(below.path()),
            Some(StateAt::Object(address)) => (address.to_string().into(), address.to_string()),
        };
        [self.path(rooms), state]
    }
}

/// What `base` forbids and `now` does not. Without `..`, so that a new key cannot be forgotten.
pub(crate) fn weakened(base: Placed<'_>, now: Placed<'_>) -> Vec<Weakening> {
    let Config {
        app,
        base_url,
        rooms: _,
        state: _,
        state_encryption,
        rate,
        // These refuse nothing, and forbid nobody anything.
        burst: _,
        parallelism: _,
        accept: _,
        vars: _,
        stacks,
        guard,
        owns,
        protected,
        policies,
        names,
        unmanaged,
    } = base.config;
    let after = now.config;
    let mut weaker = Vec::new();
    if let Some(app) = app.get().filter(|_| *app != after.app) {
        let now = after.app.get().map_or("none", String::as_str);
        let words = format!("the rooms of another app are meant: {}", sides(app, now));
        weaker.push(Weakening::new("app", "app", words));
    }
    weaker.extend(elsewhere((base_url, base), (&after.base_url, now)));
    weaker.extend(shown(state_encryption.get(), after.state_encryption.get()));
    weaker.extend(slower(rate.get(), after.rate.get()));
    weaker.extend(unguarded(guard.get(), after.guard.get()));
    weaker.extend(claims(owns.get(), after.owns.get()));
    weaker.extend(unprotected(protected.get(), after.protected.get()));
    let kept = list(&after.policies);
    weaker.extend(list(policies).iter().filter_map(|one| unpoliced(one, kept)));
    let [rule, wider] = [names, &after.names].map(|names| names.get().copied().unwrap_or_default());
    if rule < wider {
        let sides = sides(rule.name(), wider.name());
        let words = format!("names are accepted that were refused: {sides}");
        weaker.push(Weakening::new("names", "names", words));
    }
    weaker.extend(unreported(unmanaged.get(), after.unmanaged.get()));
    let before = stacks.get().map_or(&[][..], |stacks| &stacks.0);
    let gone = before
        .iter()
        .filter(|stack| after.stack(stack.name.as_str()).is_none());
    weaker.extend(gone.map(|stack| {
        let words = format!(
            "nobody looks after the rooms of the stack `{}` any more",
            stack.name.as_str()
        );
        Weakening::new("stacks", "stacks", words)
    }));
    let new = after.stacks().iter();
    let new = new.filter(|stack| base.config.stack(stack.name.as_str()).is_none());
    weaker.extend(new.map(joins));
    weaker
}

/// A stack that is new: its rooms may be written, where none of them was. Of its keys those that it does not share are said, but
/// for what its rooms show.
fn joins(stack: &Stack) -> Weakening {
    let Stack {
        name,
        app,
        base_url,
        rooms,
        state,
        rate: _,
        vars: _,
    } = stack;
    let state = state.get().map(|state| match state {
        StateAt::Below(below) => below.path().to_string_lossy().into_owned(),
        StateAt::Object(address) => address.to_string(),
    });
    let rooms = rooms.get().map(|rooms| rooms.path().to_string_lossy());
    let own = [
        ("app", app.get().map(String::as_str)),
        ("base_url", base_url.get().map(LoopbackUrl::as_str)),
        ("rooms", rooms.as_deref()),
        ("state", state.as_deref()),
    ];
    let own = own.map(|(key, value)| Some(format!("{key} `{}`", visible(value?))));
    let own = joined(own.into_iter().flatten(), ", ").unwrap_or_else(|| "all as above".to_owned());
    let name = name.as_str();
    let words = format!("the rooms of the stack `{name}` may be written: {own}");
    Weakening::new("stacks", "stacks", words)
}

fn list<T>(set: &Managed<Vec<T>>) -> &[T] {
    set.get().map_or(&[], Vec::as_slice)
}

/// Whatever is believed, looked for or written in one place is not in any other.
fn elsewhere(
    (before, base): (&Managed<LoopbackUrl>, Placed<'_>),
    (after, now): (&Managed<LoopbackUrl>, Placed<'_>),
) -> impl Iterator<Item = Weakening> {
    let address = |url: &Managed<LoopbackUrl>| {
        let url = url.get().map(LoopbackUrl::as_str);
        (
            PathBuf::from(url.unwrap_or_default()),
            url.unwrap_or("the service").to_owned(),
        )
    };
    let [rooms, state] = base.places();
    let [new_rooms, new_state] = now.places();
    let all = [
        (
            "base_url",
            "the key is sent to another address",
            address(before),
            address(after),
        ),
        (
            "rooms",
            "the room files are looked for in another place",
            rooms,
            new_rooms,
        ),
        ("state", "another state is believed", state, new_state),
    ];
    let moved = all
        .into_iter()
        .filter(|(_, _, before, after)| before.0 != after.0);
    moved.map(|(key, words, before, after)| {
        Weakening::new(key, key, format!("{words}: {}", sides(&before.1, &after.1)))
    })
}

/// Who may read the state: everybody that may read its place, once it is not encrypted any more.
fn shown(before: Option<&StateEncryption>, after: Option<&StateEncryption>) -> Option<Weakening> {
    const KEY: &str = "state_encryption";
    let before = before?;
    let Some(after) = after else {
        return Some(Weakening::new(KEY, KEY, "the state is to be kept in clear"));
    };
    let [before, now] = [before, after].map(|one| {
        let recipients = one.recipients.0.iter();
        recipients.map(Recipient::as_str).collect::<BTreeSet<_>>()
    });
    let is_weaker = !now.is_subset(&before);
    let words = ["may read the state newly", "may not any more"];
    moved(KEY, [before, now], words).filter(|_| is_weaker)
}

/// A check that does not end finds nothing. A few thousand rooms are looked at within an hour at one a second.
fn slower(before: Option<&String>, after: Option<&String>) -> Option<Weakening> {
    let rate = |text: Option<&String>| text.map_or(Ok(Rate::default()), |text| text.parse());
    // What is no rate is refused where it is read.
    let (before, after): (Rate, Rate) = (rate(before).ok()?, rate(after).ok()?);
    let interval = after.interval()?;
    let is_slower = before.interval().is_none_or(|before| before < interval);
    (is_slower && interval > Duration::from_secs(1)).then(|| {
        let words = format!("so slow that checks may not end: {after}");
        Weakening::new("rate", "rate", words)
    })
}

/// The mutes `now` that accept what none of the `base` did, the widest first.
pub(crate) fn weakened_mutes(base: &[Mute], now: &[Mute]) -> Vec<Weakening> {
    let is_new = |mute: &&Mute| !base.iter().any(|old| old.accepts_all_of(mute));
    let mut new: Vec<&Mute> = now.iter().filter(is_new).collect();
    new.sort_by_key(|mute| mute.narrowness());
    let words = |mute: &Mute| {
        let (room, attribute) = (mute.room.as_str(), &mute.attribute);
        let words = format!(
            "drift of `{attribute}` in `{room}` is accepted until {}",
            mute.until
        );
        Weakening::new("mutes", "mutes", words)
    };
    new.into_iter().map(words).collect()
}

fn unguarded(before: Option<&Guard>, after: Option<&Guard>) -> Vec<Weakening> {
    let effects = |guard: Option<&Guard>| -> BTreeSet<Effect> {
        let named = guard.iter().flat_map(|guard| &guard.require_allow);
        named.copied().collect()
    };
    let gone = &effects(before) - &effects(after);
    let words = |effect: Effect| {
        let words = format!("`{}` no longer has to be allowed", effect.name());
        Weakening::new("guard", "guard.require_allow", words)
    };
    gone.into_iter().map(words).collect()
}

/// What a list holds newly and no more, all of it: two changes, each reviewed, can be merged into a third.
fn moved(
    key: &'static str,
    [before, now]: [BTreeSet<&str>; 2],
    [came, went]: [&str; 2],
) -> Option<Weakening> {
    let changes = [(&now - &before, came), (&before - &now, went)];
    let words = |(names, what): &(BTreeSet<&str>, &str)| {
        (!names.is_empty()).then(|| format!("{what}: {}", listed(names)))
    };
    let words = joined(changes.iter().filter_map(words), "; ");
    words.map(|words| Weakening::new(key, key, words))
}

fn patterns(globs: Option<&Globs>) -> BTreeSet<&str> {
    let globs = globs.into_iter().flat_map(Globs::iter);
    globs.map(Glob::as_str).collect()
}

fn unprotected(before: Option<&Globs>, after: Option<&Globs>) -> Option<Weakening> {
    let both = [before, after].map(patterns);
    let is_weaker = !both[0].is_subset(&both[1]);
    let words = ["protected in their place", "no longer protected"];
    moved("protected", both, words).filter(|_| is_weaker)
}

/// Who makes a room by hand may propose that nobody hears of it; and a room that nobody was to manage may be written.
fn unreported(
    before: Option<&BTreeSet<String>>,
    after: Option<&BTreeSet<String>>,
) -> Option<Weakening> {
    let words = [
        "not reported as unmanaged any more",
        "no longer left unmanaged, and may be written",
    ];
    let names = [before, after].map(|set| set.into_iter().flatten().map(String::as_str).collect());
    moved("unmanaged", names, words)
}

/// Rooms that are claimed newly may be written; those that no longer are, nobody looks after.
fn claims(before: Option<&Globs>, after: Option<&Globs>) -> Option<Weakening> {
    let [owned, claimed] = [before, after].map(patterns);
    let words = match (before, after) {
        (None, None) => return None,
        (None, _) if claimed.is_empty() => "no rooms are looked after any more".to_owned(),
        (_, None) if owned.is_empty() => {
            "all rooms are owned, and may be written, where none was".to_owned()
        }
        (None, _) => format!(
            "no rooms but these are looked after any more: {}",
            listed(&claimed)
        ),
        (_, None) => format!(
            "all rooms are owned, and may be written, not only: {}",
            listed(&owned)
        ),
        _ => {
            let words = [
                "owned newly, and may be written",
                "not looked after any more",
            ];
            return moved("owns", [owned, claimed], words);
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
    let mut words = Vec::new();
    if let Some(now) = after.iter().find(|other| other.id == *id) {
        if now.expression != *expression {
            let sides = sides(expression, &now.expression);
            words.push(format!("demands something else: {sides}"));
        }
        if now.rooms.as_str() != rooms.as_str() {
            let sides = sides(rooms.as_str(), now.rooms.as_str());
            words.push(format!("is about other rooms: {sides}"));
        }
        if *severity == Severity::Error && now.severity != Severity::Error {
            words.push("no longer stops anything".to_owned());
        }
        if words.is_empty() {
            return None;
        }
        // Two changes, each reviewed, can be merged into a third: the words are those of one policy, and of no other.
        let digest = digest::of(&(&now.expression, now.rooms.as_str(), now.severity.name()));
        words.push(digest[..39].to_owned());
    } else {
        words.push("is gone".to_owned());
    }
    let (id, words) = (id.escape_debug(), words.join("; "));
    let words = format!("the policy `{id}` {words}");
    Some(Weakening::new("policies", format!("policies.{id}"), words))
}

/// What a text was, and what it is now. Of long ones only the parts where they differ, with some of what is around.
fn sides(before: &str, now: &str) -> String {
    const AROUND: usize = 100;
    let both = [before, now].map(|text| text.chars().collect::<Vec<char>>());
    let [before, now] = &both;
    let is_same = |(one, other): &(&char, &char)| one == other;
    let head = before.iter().zip(now).take_while(is_same).count();
    let rest = before.len().min(now.len()) - head;
    let ends = before.iter().rev().zip(now.iter().rev());
    let tail = ends.take(rest).take_while(is_same).count();
    let from = head.saturating_sub(AROUND);
    let left_out = |is_any: bool| if is_any { "…" } else { "" };
    let shown = both.each_ref().map(|text| {
        let to = text.len() - tail.saturating_sub(AROUND);
        let (before, after) = (left_out(from > 0), left_out(to < text.len()));
        let part: String = text[from..to].iter().collect();
        format!("{before}`{}`{after}", visible(&part))
    });
    shown.join(" → ")
}

/// On one line that reads as the lines do: what ends one is seen, since in a policy it ends a comment, too.
fn visible(text: &str) -> String {
    let line = |line: &str| {
        let line = printable(line);
        line.replace('⏎', "\\u{23ce}").replace('`', "\\u{60}")
    };
    text.split('\n')
        .map(line)
        .collect::<Vec<String>>()
        .join("⏎")
}

#[cfg(test)]
mod tests {
    use proptest::option;
    use proptest::prelude::*;
    use proptest::sample::{select, subsequence};

    use super::*;
    use crate::files::{config, mutes};
    use crate::model::policy::{self, Ask, Question, Subject};
    use crate::model::{NameRule, RoomName, Settings, Value};
    use crate::planner::limits::Limits;
    use crate::planner::mutes::is_muted;

    fn of(text: &str) -> Config {
        config::parse(text)
            .unwrap_or_else(|error| panic!("{text}: {error:?}"))
            .config
    }

    fn compared(base: &Config, now: &Config) -> Vec<Weakening> {
        weakened(here(base), here(now))
    }

    fn here(config: &Config) -> Placed<'_> {
        let directory = Path::new("");
        Placed { config, directory }
    }

    fn said(base: &str, now: &str) -> Vec<String> {
        let weaker = compared(&of(base), &of(now)).into_iter();
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
                "app: the rooms of another app are meant: `a` → `b`",
            ),
            (
                "",
                "base_url: http://localhost:1",
                "base_url: the key is sent to another address: `the service` → `http://localhost:1`",
            ),
            (
                "",
                "rooms: other",
                "rooms: the room files are looked for in another place: `rooms` → `other`",
            ),
            (
                "state: x.json",
                "",
                "state: another state is believed: `x.json` → `.roomctl/state.json`",
            ),
            (
                "rate: unlimited",
                "rate: 59/m",
                "rate: so slow that checks may not end: 59/m",
            ),
            (
                "guard: {require_allow: [archived, recording-on]}",
                "guard: {require_allow: [archived]}",
                "guard.require_allow: `recording-on` no longer has to be allowed",
            ),
            (
                "owns: [a]",
                "owns: [a, b]",
                "owns: owned newly, and may be written: b",
            ),
            ("", "owns: []", "owns: no rooms are looked after any more"),
            (
                "",
                "owns: [a]",
                "owns: no rooms but these are looked after any more: a",
            ),
            (
                "owns: []",
                "",
                "owns: all rooms are owned, and may be written, where none was",
            ),
            (
                "owns: [a]",
                "",
                "owns: all rooms are owned, and may be written, not only: a",
            ),
            (
                "owns: [a, b]",
                "owns: [a]",
                "owns: not looked after any more: b",
            ),
            ("protected: [a]", "", "protected: no longer protected: a"),
            (policy, "", "policies.p: the policy `p` is gone"),
            (
                policy,
                milder,
                "policies.p: the policy `p` no longer stops anything; sha256:dfc4747003d129785dd8b70509265014",
            ),
            (
                policy,
                "policies: [{id: p, message: m, expression: \"room.privacy\\n\\n  == \\u202e'x'\"}]",
                "policies.p: the policy `p` demands something else: `true` → `room.privacy⏎⏎  == \\u{202e}'x'`; sha256:cdf21bf76549066293199ef6191e1918",
            ),
            (
                "",
                "names: url-safe",
                "names: names are accepted that were refused: `lowercase` → `url-safe`",
            ),
            (
                "names: url-safe",
                "names: as-is",
                "names: names are accepted that were refused: `url-safe` → `as-is`",
            ),
            (
                "unmanaged: [a, \"B 1\"]",
                "unmanaged: [a, \"o'x\", c, d, e, f, g]",
                "unmanaged: not reported as unmanaged any more: c, d, e, f, g, \"o'x\"; no longer left unmanaged, and may be \
                 written: 'B 1'",
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
            ("rate: 2/m", "rate: 3/m"),
            ("rate: 2/m", "rate: 120/m"),
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

    /// All that a few recipients can become: whoever reads a state newly is named, and no two changes read alike.
    #[cfg(feature = "state-encryption")]
    #[test]
    fn nobody_reads_an_encrypted_state_newly_without_a_word() {
        let all = [(); 3].map(|()| age::x25519::Identity::generate().to_public().to_string());
        let config = |chosen: usize| match chosen {
            0 => Config::default(),
            _ => {
                let some = (0..3).filter(|one| chosen & (1 << one) != 0);
                let some: Vec<&str> = some.map(|one| &*all[one]).collect();
                of(&format!(
                    "state_encryption: {{recipients: {}}}",
                    quoted(&some)
                ))
            }
        };
        for base in 0..8_usize {
            let mut words = BTreeSet::new();
            for now in 0..8_usize {
                let weaker = compared(&config(base), &config(now));
                let is_weaker = base != 0 && (now == 0 || now & !base != 0);
                assert_eq!(weaker.len(), usize::from(is_weaker), "{base} -> {now}");
                for one in weaker {
                    let is_named = |new: usize| one.words.contains(&all[new]);
                    let new = |one: &usize| now & !base & (1 << one) != 0;
                    assert!((0..3).filter(new).all(is_named), "{}", one.words);
                    assert!(words.insert(one.words), "{base} -> {now}");
                }
            }
        }
    }

    const NAMES: [&str; 4] = ["a", "b", "sales-1", "A"];
    const GLOBS: [&str; 4] = ["a", "sales-*", "*", "[ab]"];
    const LATE: &str = "2099-01-01";

    fn quoted(values: &[&str]) -> String {
        let quoted: Vec<String> = values.iter().map(|value| format!("\"{value}\"")).collect();
        format!("[{}]", quoted.join(", "))
    }

    fn key(name: &'static str, values: &'static [&'static str]) -> impl Strategy<Value = String> {
        let lists = option::of(subsequence(values.to_vec(), 0..=2));
        lists.prop_map(move |values| {
            values.map_or(String::new(), |v| format!("{name}: {}\n", quoted(&v)))
        })
    }

    fn one(name: &'static str, values: &'static [&'static str]) -> impl Strategy<Value = String> {
        let value = option::of(select(values));
        value.prop_map(move |value| value.map_or(String::new(), |v| format!("{name}: {v}\n")))
    }

    /// Any policies, in any order.
    fn policies() -> impl Strategy<Value = String> {
        let policy = (
            select(vec!["true", "false", "room.maxParticipants < 10"]),
            select(&GLOBS[..]),
            select(vec!["error", "warning"]),
        );
        let ids = subsequence(vec!["p", "q", "r"], 0..=2).prop_shuffle();
        let some = (ids, proptest::collection::vec(policy, 2));
        some.prop_map(|(ids, some)| ids.into_iter().zip(some).map(policy_line).collect())
    }

    fn policy_line((id, (asks, rooms, severity)): (&str, (&str, &str, &str))) -> String {
        format!(
            "  - {{id: {id}, expression: '{asks}', rooms: '{rooms}', message: m, severity: {severity}}}\n"
        )
    }

    /// As many warnings as a room has breaches told of where there are many rooms, or none.
    fn warnings() -> impl Strategy<Value = String> {
        let line = |id| policy_line((id, ("false", "*", "warning")));
        select(vec![0, 3])
            .prop_map(move |most| ["x", "y", "z"][..most].iter().copied().map(line).collect())
    }

    /// Which of many rooms the policies stop, asked as the program does.
    fn stopped(config: &Config) -> Vec<String> {
        let asks = || {
            let policies = policy::compile(list(&config.policies)).unwrap();
            let mut stopped = Vec::new();
            for (name, most) in NAMES.iter().flat_map(|name| [(name, 5), (name, 50)]) {
                let room = RoomName::parse(name, NameRule::UrlSafe).unwrap();
                let settings: Settings = [("maxParticipants", Value::from(most))].into();
                let subject = Subject {
                    room: &room,
                    file: "rooms/a.yaml",
                    settings: &settings,
                    secrets: &[].into(),
                    now: 0,
                };
                let breaches = policies.ask(Question::new(subject, 10_000));
                if breaches.iter().any(|one| one.severity == Severity::Error) {
                    stopped.push(format!("{name} with {most}"));
                }
            }
            stopped
        };
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().stack_size(policy::STACK);
            thread.spawn_scoped(scope, asks).unwrap().join().unwrap()
        })
    }

    /// The keys of a configuration, as texts.
    fn keys() -> impl Strategy<Value = [String; 13]> {
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
            one("state", &["x", "y", "s3://b/x", "gs://b/x"]),
        );
        let claims = (
            key("owns", &GLOBS),
            key("protected", &GLOBS),
            one("names", &["lowercase", "url-safe", "as-is"]),
            key("unmanaged", &NAMES),
        );
        let address = (
            one("base_url", &["http://127.0.0.1:1", "http://localhost:2"]),
            one("rate", &["unlimited", "5/s", "70/m", "50/m", "0.001/m"]),
        );
        let policies = (warnings(), policies());
        let stacks = &[
            "[{name: s}]",
            "[{name: s}, {name: t}]",
            "[{name: t, app: c}]",
            "[{name: t, rooms: x, state: z}, {name: s}]",
            "[{name: t, base_url: 'http://localhost:3'}]",
        ];
        let all = (
            effects,
            places,
            claims,
            address,
            one("stacks", stacks),
            policies,
        );
        all.prop_map(
            |(effects, (a, b, c), (d, e, f, u), (g, r), s, (warnings, policies))| {
                [effects, a, b, c, d, e, f, u, g, r, s, warnings, policies]
            },
        )
    }

    fn together(keys: &[String; 13]) -> Config {
        let (others, policies) = keys.split_at(11);
        let head = if policies.concat().is_empty() {
            ""
        } else {
            "policies:\n"
        };
        of(&[&others.concat(), head, &policies.concat()].concat())
    }

    /// Two configurations, of which the second differs in some keys.
    fn pairs() -> impl Strategy<Value = (Config, Config)> {
        let moved = subsequence((0..13).collect::<Vec<usize>>(), 0..=2);
        (keys(), keys(), moved).prop_map(|(base, other, moved)| {
            let pick = |key: usize| if moved.contains(&key) { &other } else { &base }[key].clone();
            (together(&base), together(&std::array::from_fn(pick)))
        })
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
            if config.owns.get().is_some_and(|owns| !owns.match_any(text)) {
                refused.insert(format!("a file of {name}"));
            }
        }
        refused.extend(stopped(config));
        let rule = config.names.get().copied().unwrap_or_default();
        let is_refused = |name: &&str| RoomName::parse(name, rule).is_err();
        refused.extend(
            ["Tea", "a b"]
                .into_iter()
                .filter(is_refused)
                .map(str::to_owned),
        );
        // Also silence: a room that is made by hand, and that a check does not report.
        let listed = config.unmanaged.get().cloned().unwrap_or_default();
        refused.extend(
            listed
                .iter()
                .map(|name| format!("a file of {name}, which is listed")),
        );
        let reported = NAMES.iter().filter(|name| !listed.contains(**name));
        refused.extend(reported.map(|name| format!("{name} by hand without a word")));
        // A rate that is too slow for a check: a slower one still ends later.
        let rate: Rate = config
            .rate
            .get()
            .map_or(Rate::default(), |rate| rate.parse().unwrap());
        let seconds = rate.interval().map_or(0, |interval| interval.as_secs());
        let late = [2, 1_000, 60_000]
            .into_iter()
            .filter(|most| seconds < *most - 1);
        refused.extend(late.map(|most| format!("a check that takes {most} s a request")));
        // Stacks that are there are looked after, and of others no room is written.
        let stacks = ["s", "t"].map(|name| match config.stack(name) {
            Some(_) => format!("nobody for the stack {name}"),
            None => format!("a room of the stack {name}"),
        });
        refused.extend(stacks);
        // Whatever is believed, looked for and written in one place is not in any other.
        let app = config
            .app
            .get()
            .map(|app| format!("not the rooms of {app}"));
        refused.extend(app);
        refused.insert(format!("not the key to {:?}", config.base_url.get()));
        let places = here(config).places();
        refused.extend(
            ["rooms", "state"]
                .into_iter()
                .zip(places)
                .map(|(key, (place, _))| format!("no other {key} than {place:?}")),
        );
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
        /// Whoever allowed the words allowed the policy that is there now, whatever it was before.
        #[test]
        fn the_words_say_which_policy_there_is(
            bases in (policies(), policies()),
            nows in (policies(), policies()),
        ) {
            let read = |lines: &String| of(&["policies:\n", lines, if lines.is_empty() { "  []\n" } else { "" }].concat());
            let [(a, x), (b, y)] = [(&bases.0, &nows.0), (&bases.1, &nows.1)].map(|(base, now)| (read(base), read(now)));
            let of_id = |config: &Config, what: &str| {
                let mut all = list(&config.policies).iter();
                let one = all.find(|one| format!("policies.{}", one.id) == what);
                one.map(|one| (one.expression.clone(), one.rooms.as_str().to_owned(), one.severity))
            };
            for one in compared(&a, &x) {
                for other in compared(&b, &y) {
                    if one == other {
                        prop_assert_eq!(of_id(&x, &one.what), of_id(&y, &one.what));
                    }
                }
            }
        }

        /// The words of a key say all that became of it: two changes of one base that read alike are alike.
        #[test]
        fn two_changes_that_read_alike_are_alike(base in keys(), changes in (keys(), keys())) {
            let base = together(&base);
            let (x, y) = (together(&changes.0), together(&changes.1));
            for one in compared(&base, &x) {
                prop_assert!(!one.words.ends_with([' ', ':', ',', ';']), "{:?}", one.words);
            }
            let value = |config: &Config, key: &str, words: &str| {
                let Config { app, base_url, owns, protected, names, unmanaged, rate, .. } = config;
                match key {
                    "app" => format!("{:?}", app.get()),
                    "base_url" => format!("{:?}", base_url.get()),
                    "rooms" => format!("{:?}", here(config).places()[0].0),
                    "state" => format!("{:?}", here(config).places()[1].0),
                    "owns" => format!("{:?}", owns.get().map(|globs| patterns(Some(globs)))),
                    "protected" => format!("{:?}", patterns(protected.get())),
                    "names" => format!("{:?}", names.get()),
                    "unmanaged" => format!("{:?}", unmanaged.get().cloned().unwrap_or_default()),
                    "rate" => format!("{:?}", rate.get()),
                    "stacks" => {
                        let mut named = ["s", "t"].into_iter().filter(|name| words.contains(&format!("stack `{name}`")));
                        format!("{:?}", named.next().map(|name| config.stack(name)))
                    }
                    _ => String::new(),
                }
            };
            let (x_says, y_says) = (compared(&base, &x), compared(&base, &y));
            for one in x_says.iter().filter(|one| y_says.contains(one)) {
                let both = [&x, &y].map(|config| value(config, one.key, &one.words));
                prop_assert_eq!(&both[0], &both[1], "{:?}", one);
            }
        }

        /// However long what stays is, and wherever a line ends: nothing that differs is left out, and each end of a line is seen.
        #[test]
        fn what_differs_is_shown_as_it_is(
            (head, tail) in ("[ab/\n]{0,300}", "[ab/\n]{0,300}"),
            (before, now) in ("[ab/\n⏎`]{0,200}", "[ab/\n⏎`]{0,200}"),
        ) {
            let said = sides(&format!("{head}{before}{tail}"), &format!("{head}{now}{tail}"));
            let (one, other) = said.split_once(" → ").unwrap();
            for (side, middle) in [(one, &before), (other, &now)] {
                let shown = side.trim_matches('…').trim_matches('`');
                let lines = shown.replace('⏎', "\n").replace("\\u{23ce}", "⏎").replace("\\u{60}", "`");
                let whole = format!("{head}{middle}{tail}");
                let at = whole.find(&lines);
                prop_assert!(at.is_some(), "{said}");
                let left = whole.chars().count() - lines.chars().count();
                prop_assert!(left <= head.chars().count() + tail.chars().count(), "{said}");
                prop_assert!(!shown.contains('\n'));
            }
            prop_assert!(before == now || one != other, "{said}");
        }

        #[test]
        fn nothing_that_was_refused_is_allowed_without_a_word((base, now) in pairs()) {
            let let_go: Vec<String> = refused(&base).difference(&refused(&now)).cloned().collect();
            let weaker = compared(&base, &now);
            prop_assert!(let_go.is_empty() || !weaker.is_empty(), "{let_go:?}");
            prop_assert_eq!(compared(&base, &base), []);
        }

        #[test]
        fn no_drift_is_newly_accepted_without_a_word(
            base in proptest::collection::vec((select(&GLOBS[..]), select(vec!["*", "privacy", "lang"]), select(vec!["2027-01-01", LATE])), 0..3),
            now in proptest::collection::vec((select(&GLOBS[..]), select(vec!["*", "privacy", "lang"]), select(vec!["2027-01-01", LATE])), 0..3),
        ) {
            let (base, now) = (mutes_of(&base), mutes_of(&now));
            let accepts = |mutes: &[Mute], room: &str, attribute: &str, at: i64| {
                let active: Vec<Mute> = mutes.iter().filter(|mute| mute.is_active(at)).cloned().collect();
                is_muted(&active, room, attribute)
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
