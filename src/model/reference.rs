//! `${env:NAME}` in secret attributes: how it is written, which names it may have, and what it stands for.
//!
//! Pure: the values of variables come in through a [`Lookup`].

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use memchr::memmem;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use super::given::Given;
use super::name::MAX_LENGTH;
use super::secret::{MASK, Secret};

/// What a text names like a variable, wherever in it that stands.
pub(crate) fn named(text: &str) -> impl Iterator<Item = &str> {
    let found = memmem::find_iter(text.as_bytes(), OPENING);
    found.filter_map(|at| {
        let (name, _) = text.get(at + OPENING.len()..)?.split_once('}')?;
        Some(name)
    })
}

/// The value of a variable, if it is set.
pub(crate) type Lookup<'a> = &'a (dyn Fn(&str) -> Option<String> + Sync);

const OPENING: &str = "${env:";

/// Beginnings of variables that the account, a pipeline, a cloud or this program keep for themselves. Whoever may propose
/// a room file must not have them sent anywhere, whatever prefix somebody chose.
const KEPT: [&str; 8] = [
    "METERED_", "GITHUB_", "ACTIONS_", "RUNNER_", "AWS_", "AZURE_", "GOOGLE_", "ROOMCTL_",
];

/// What the names of the variables begin with that files may refer to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EnvPrefix(Cow<'static, str>);

/// Why a text is no prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PrefixError {
    #[error(
        "it begins with a letter, ends with `_`, and has capital letters, digits and `_`, such as `TEAM_`"
    )]
    Form,
    #[error("no room may have variables that begin with `{0}`")]
    Kept(&'static str),
}

impl EnvPrefix {
    pub(crate) const ROOM: &'static Self = &Self(Cow::Borrowed("ROOM_"));

    /// Whether a file may refer to the variable `name`.
    pub(crate) fn permits(&self, name: &str) -> bool {
        is_variable(name) && name.starts_with(&*self.0) && kept(name).is_none()
    }

    /// What to do about a variable that is not permitted.
    pub(crate) fn help(&self, name: &str) -> String {
        let prefix = &self.0;
        match kept(name) {
            Some(kept) => format!(
                "variables that begin with `{kept}` are for no room; what the room needs can be in one that begins with \
                 `{prefix}`"
            ),
            None => format!(
                "call it `{prefix}{}`, here and where roomctl runs; rooms have variables that begin with `{prefix}`, \
                 and only --env-prefix or ROOMCTL_ENV_PREFIX can name another beginning",
                name.trim_start_matches('_')
            ),
        }
    }

    /// What the names of a room's own variables begin with: `ROOM_STAND_UP` for `stand-up`. They are bounded, too.
    pub(crate) fn of(&self, room: &str) -> String {
        let plain = |c: char| match c {
            c if c.is_ascii_alphanumeric() => c.to_ascii_uppercase(),
            _ => '_',
        };
        let room: String = room.chars().take(MAX_LENGTH).map(plain).collect();
        format!("{}{room}", self.0)
    }
}

impl FromStr for EnvPrefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        let begins = text.starts_with(|c: char| c.is_ascii_uppercase());
        // Ended by `_`, it is a word by itself, and not the first letters of somebody else's.
        if !(begins && text.ends_with('_') && text.chars().all(plain)) {
            return Err(PrefixError::Form);
        }
        match kept(text) {
            Some(kept) => Err(PrefixError::Kept(kept)),
            None => Ok(Self(Cow::Owned(text.to_owned()))),
        }
    }
}

/// Whose variable `name` is, if it is kept. There are systems on which `github_token` is `GITHUB_TOKEN`.
fn kept(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_uppercase();
    KEPT.into_iter().find(|kept| name.starts_with(kept))
}

/// The variables that files may refer to, and their values.
#[derive(Clone, Copy)]
pub(crate) struct Variables<'a> {
    pub prefix: &'a EnvPrefix,
    pub values: Lookup<'a>,
    /// What the configuration gives beside them.
    pub given: &'a Given,
}

impl Variables<'_> {
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) const NONE: Variables<'static> = Variables {
        prefix: EnvPrefix::ROOM,
        values: &|_| None,
        given: Given::NOTHING,
    };

    /// The value of a variable that is permitted and set. What is not permitted is a finding where it is written; here
    /// it has no value in any case.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        self.prefix.permits(name).then(|| (self.values)(name))?
    }
}

/// Why a text with a reference cannot be read. Repeats nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReferenceError {
    #[error(
        "`${{` begins a reference, which reads `${{env:NAME}}`; for the characters as such write `$${{`"
    )]
    Malformed,
    #[error(
        "the name in `${{env:NAME}}` has at most 255 letters, digits and `_`, and does not begin with a digit"
    )]
    Name,
    #[error("one value has at most {MOST} references to variables")]
    Many,
}

/// Most references in one value: each is looked up, and named in reports, for each room that has it.
const MOST: usize = 8;

/// As secret as the whole is: it cannot be printed either.
#[derive(PartialEq)]
enum Part<'a> {
    /// Text beside the references, as it would be sent.
    Text(String),
    Variable(&'a str),
}

/// A secret text in which `${env:NAME}` stands for variables and `$$` for a dollar.
///
/// Kept as it is written, and taken apart when somebody asks: there is one in every second room, and few are looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template(Secret);

impl Template {
    /// Reads a text as it stands in a file.
    pub(crate) fn parse(text: &str) -> Result<Self, ReferenceError> {
        let parts = parts(text)?;
        let references = parts
            .iter()
            .filter(|part| matches!(part, Part::Variable(_)));
        match references.count() > MOST {
            true => Err(ReferenceError::Many),
            false => Ok(Self(Secret::new(text))),
        }
    }

    /// As it stands in the file. Part of it may be clear text.
    pub(crate) fn written(&self) -> &Secret {
        &self.0
    }

    fn parts(&self) -> Vec<Part<'_>> {
        // It was read once; it cannot fail the second time.
        parts(self.0.expose()).unwrap_or_default()
    }

    /// The variables it refers to, each once, by name.
    pub(crate) fn variables(&self) -> Vec<String> {
        self.resolve(&|_| None).err().unwrap_or_default()
    }

    pub(crate) fn refers(&self) -> bool {
        let text = self.0.expose();
        // Only a doubled dollar can make an opening none.
        text.contains(OPENING)
            && (!text.contains("$$")
                || self
                    .parts()
                    .iter()
                    .any(|part| matches!(part, Part::Variable(_))))
    }

    /// The variable that stands for the whole text, if one does.
    pub(crate) fn alone(&self) -> Option<&str> {
        match *self.parts() {
            [Part::Variable(name)] => Some(name),
            _ => None,
        }
    }

    /// What may be seen of it.
    pub(crate) fn outline(&self) -> Outline {
        let beginning = self.beginning();
        let address = beginning.and_then(|(text, is_all)| address(&text, is_all));
        Outline {
            address: address.unwrap_or_else(|| MASK.to_owned()),
            variables: self.variables(),
        }
    }

    /// The text before the first reference, if it begins with text, and whether that is all.
    pub(crate) fn beginning(&self) -> Option<(Secret, bool)> {
        let mut parts = self.parts().into_iter();
        match parts.next()? {
            Part::Text(text) => Some((Secret::new(text), parts.next().is_none())),
            Part::Variable(_) => None,
        }
    }

    /// The text that it stands for; otherwise the variables that are not set, each once, by name.
    pub(crate) fn resolve(&self, lookup: Lookup<'_>) -> Result<Secret, Vec<String>> {
        let mut text = String::new();
        let mut unset = Vec::new();
        for part in self.parts() {
            match part {
                Part::Text(plain) => text.push_str(&plain),
                Part::Variable(name) => match lookup(name) {
                    Some(value) => text.push_str(&value),
                    None => unset.push(name.to_owned()),
                },
            }
        }
        if unset.is_empty() {
            return Ok(Secret::new(text));
        }
        unset.sort();
        unset.dedup();
        Err(unset)
    }
}

/// Scheme, host and port of a text that begins so, if it has all of them; no port where it is the scheme's own. Where a
/// variable could be a part of the host, or end it, so that what is beside it is user info or path, there is none: unless one
/// variable is all of it, a file may not say so.
fn address(beginning: &Secret, is_all: bool) -> Option<String> {
    let (scheme, host) = authority(beginning, is_all)?;
    // As a reader of URLs understands it: without user info, and without a port that goes without saying.
    let url = Url::parse(&format!("{scheme}://{host}/")).ok()?;
    let (scheme, host) = (url.scheme(), url.host_str()?);
    let port = url
        .port()
        .filter(|port| (scheme, *port) != ("rtmp", 1935) && (scheme, *port) != ("rtmps", 443));
    let port = port.map_or_else(String::new, |port| format!(":{port}"));
    Some(format!("{scheme}://{host}{port}/{MASK}"))
}

/// Whether a text that begins so has an address.
pub(crate) fn has_address(beginning: &Secret, is_all: bool) -> bool {
    // The usual name of a host is one to every reader, and needs none.
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c);
    let is_usual = |host: &str| {
        let last = host.rsplit('.').next().unwrap_or_default();
        host.chars().all(is_plain)
            && last.starts_with(|c: char| c.is_ascii_lowercase())
            && !host.contains("xn--")
    };
    authority(beginning, is_all).is_some_and(|(_, host)| is_usual(host))
        || address(beginning, is_all).is_some()
}

/// The scheme, and what the text has in place of a host.
fn authority(beginning: &Secret, is_all: bool) -> Option<(&str, &str)> {
    let (scheme, rest) = beginning.expose().split_once("://")?;
    let end = rest.find(['/', '\\', '?', '#']);
    match end {
        // Readers disagree on whether it ends a host.
        Some(end) if rest[end..].starts_with('\\') => None,
        Some(end) => Some((scheme, &rest[..end])),
        None => is_all.then_some((scheme, rest)),
    }
}

/// What may be seen of a secret URL: enough to judge where it leads, and whose secret is sent there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct Outline {
    /// Scheme, host and, if it is not the scheme's own, port, as far as the file says them: `https://hooks.example/****`.
    pub address: String,
    /// The variables in it, by name.
    pub variables: Vec<String>,
}

impl fmt::Display for Outline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)?;
        match self.variables.join(", ") {
            names if names.is_empty() => Ok(()),
            names => write!(f, " ({names})"),
        }
    }
}

/// What a text is made of.
fn parts(text: &str) -> Result<Vec<Part<'_>>, ReferenceError> {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("$$") {
            plain.push('$');
            rest = after;
        } else if rest.starts_with("${") {
            let (name, after) = reference(rest)?;
            push_text(&mut parts, &mut plain);
            parts.push(Part::Variable(name));
            rest = after;
        } else {
            // A dollar that begins nothing is one: it is a legal character of URLs.
            plain.push('$');
            rest = &rest[1..];
        }
    }
    plain.push_str(rest);
    push_text(&mut parts, &mut plain);
    Ok(parts)
}

fn push_text(parts: &mut Vec<Part<'_>>, plain: &mut String) {
    if !plain.is_empty() {
        parts.push(Part::Text(std::mem::take(plain)));
    }
}

/// The name in the reference that `text` begins with, and the text behind it.
fn reference(text: &str) -> Result<(&str, &str), ReferenceError> {
    let (name, rest) = text
        .strip_prefix(OPENING)
        .and_then(|inside| inside.split_once('}'))
        .ok_or(ReferenceError::Malformed)?;
    is_variable(name)
        .then_some((name, rest))
        .ok_or(ReferenceError::Name)
}

/// Longest name of a variable, in bytes: they are shown to whoever reviews a plan, and nothing may be lost behind one.
const LONGEST: usize = 255;

/// Whether `name` can be the name of a variable.
pub(crate) fn is_variable(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_plain = name.chars().all(plain) && name.starts_with(|c: char| !c.is_ascii_digit());
    is_plain && name.len() <= LONGEST
}

/// The text of a reference to the variable `name`.
pub(crate) fn written(name: &str) -> String {
    format!("{OPENING}{name}}}")
}

/// The variable that holds a secret attribute: `ROOM_STAND_UP_RTMP_OUT_URL`.
pub(crate) fn variable(prefix: &str, attribute: &str) -> String {
    format!("{prefix}_{}", snake(attribute))
}

fn snake(name: &str) -> String {
    let mut snake = String::new();
    let mut before_upper = true;
    for c in name.chars() {
        let upper = c.is_ascii_uppercase();
        if upper && !before_upper {
            snake.push('_');
        }
        snake.push(c.to_ascii_uppercase());
        before_upper = upper;
    }
    snake
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lookup(name: &str) -> Option<String> {
        match name {
            "KEY" => Some("k3y".to_owned()),
            "ODD" => Some("${env:KEY}$$".to_owned()),
            _ => None,
        }
    }

    fn resolved(text: &str) -> Result<String, Vec<String>> {
        let template = Template::parse(text).unwrap();
        template.resolve(&lookup).map(|s| s.expose().to_owned())
    }

    #[test]
    fn references_stand_for_values() {
        let cases = [
            ("${env:KEY}", "k3y"),
            ("rtmps://a/${env:KEY}?x=${env:KEY}", "rtmps://a/k3y?x=k3y"),
            ("a$$b", "a$b"),
            ("$${env:KEY}", "${env:KEY}"),
            ("$$${env:KEY}", "$k3y"),
            ("a$b$", "a$b$"),
            ("", ""),
            // Values are taken as they are, not read again.
            ("${env:ODD}", "${env:KEY}$$"),
        ];
        for (text, expected) in cases {
            assert_eq!(resolved(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn variables_are_named_after_room_and_attribute() {
        let named = |room: &str| variable(&EnvPrefix::ROOM.of(room), "rtmpOutURL");
        assert_eq!(named("stand-up"), "ROOM_STAND_UP_RTMP_OUT_URL");
        assert_eq!(named("1a"), "ROOM_1A_RTMP_OUT_URL");
        assert_eq!(
            variable("X", "meetingJoinWebhook"),
            "X_MEETING_JOIN_WEBHOOK"
        );
    }

    #[test]
    fn a_value_has_few_references() {
        let read = |count: usize| Template::parse(&"${env:ROOM_A}".repeat(count));
        assert!(read(MOST).is_ok());
        assert_eq!(read(MOST + 1).unwrap_err(), ReferenceError::Many);
    }

    #[test]
    fn a_prefix_is_a_word_of_its_own_that_nobody_keeps() {
        for text in ["TEAM_", "A_", "MY_ROOM_", "R2_D2_"] {
            assert!(text.parse::<EnvPrefix>().is_ok(), "{text}");
        }
        for text in [
            "",
            "_",
            "R",
            "GIT",
            "ROOM",
            "room_",
            "1_",
            "A-_",
            "A =_",
            "\u{c4}_",
            "GITHUB_",
            "GITHUB_X_",
            "AWS_",
            "METERED_",
            "ROOMCTL_",
        ] {
            assert!(text.parse::<EnvPrefix>().is_err(), "{text}");
        }
    }

    #[test]
    fn only_permitted_variables_have_a_value() {
        let everything = |_: &str| Some("canary".to_owned());
        let value = |prefix: &EnvPrefix, name: &str| {
            let values: Lookup<'_> = &everything;
            Variables {
                prefix,
                values,
                given: Given::NOTHING,
            }
            .get(name)
        };
        assert!(value(EnvPrefix::ROOM, "ROOM_KEY").is_some());
        for name in [
            "KEY",
            "room_key",
            "Room_KEY",
            "ROOMKEY",
            "ROOM_A=B",
            "ROOM_\u{e4}",
            "",
            "PATH",
        ] {
            assert_eq!(value(EnvPrefix::ROOM, name), None, "{name}");
        }
        // However a prefix came about.
        for prefix in ["", "G", "GIT", "R", "A", "github_", "GITHUB_", "ROOMCTL_"] {
            let prefix = EnvPrefix(prefix.into());
            for kept in KEPT {
                for name in [
                    format!("{kept}TOKEN"),
                    format!("{kept}TOKEN").to_lowercase(),
                ] {
                    assert_eq!(value(&prefix, &name), None, "{name}");
                }
            }
        }
    }

    #[test]
    fn an_outline_shows_scheme_host_and_variables() {
        let cases = [
            (
                "https://hooks.example/canary?x=${env:ROOM_B}${env:ROOM_A}",
                "https://hooks.example/**** (ROOM_A, ROOM_B)",
            ),
            (
                "HTTPS://canary:canary@Hooks.example:8443/canary",
                "https://hooks.example:8443/****",
            ),
            (
                "https://${env:ROOM_USER}:canary@hooks.example/",
                "**** (ROOM_USER)",
            ),
            ("rtmp://live.example?canary", "rtmp://live.example/****"),
            ("rtmp://live.example#canary", "rtmp://live.example/****"),
            ("https://hooks.example\\canary", "****"),
            ("https://hooks.example", "https://hooks.example/****"),
            ("https://[::1]:8443/canary", "https://[::1]:8443/****"),
            (
                "https://hooks.example:443/canary",
                "https://hooks.example/****",
            ),
            (
                "https://hooks.example:08443/",
                "https://hooks.example:8443/****",
            ),
            (
                "rtmp://live.example:1935/canary",
                "rtmp://live.example/****",
            ),
            (
                "rtmp://live.example:443/canary",
                "rtmp://live.example:443/****",
            ),
            // A variable may end user info or host.
            ("https://canary${env:ROOM_A}/canary", "**** (ROOM_A)"),
            (
                "https://canary:canary${env:ROOM_A}@hooks.example/",
                "**** (ROOM_A)",
            ),
            ("https://${env:ROOM_A}canary/", "**** (ROOM_A)"),
            (
                "https://hooks.example:${env:ROOM_PORT}/",
                "**** (ROOM_PORT)",
            ),
            ("${env:ROOM_A}", "**** (ROOM_A)"),
            ("${env:ROOM_A}/canary", "**** (ROOM_A)"),
            ("canary", "****"),
        ];
        for (text, expected) in cases {
            assert_eq!(
                Template::parse(text).unwrap().outline().to_string(),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn unset_variables_are_named_once() {
        assert_eq!(
            resolved("${env:B}${env:A}${env:KEY}${env:B}").unwrap_err(),
            ["A", "B"]
        );
    }

    #[test]
    fn malformed_references_are_refused_without_repeating_them() {
        for bad in [
            "${canary}",
            "${env:canary",
            "${",
            "${env:}",
            "${env:9canary}",
            "${env:canary x}",
            "${ENV:canary}",
        ] {
            let error = Template::parse(bad).unwrap_err();
            assert!(!error.to_string().contains("canary"), "{error}");
        }
    }

    #[test]
    fn a_template_shows_nothing_of_its_text() {
        let template = Template::parse("rtmp://a/canary${env:KEY}").unwrap();
        assert!(!format!("{template:?}").contains("canary"));
    }

    /// Policies compare hosts, so each has one name however it is written, and one that names nothing has none.
    #[test]
    fn a_host_has_one_name_however_it_is_written() {
        let address = |host: &str| {
            let text = format!("https://{host}/${{env:ROOM_A}}");
            Template::parse(&text).unwrap().outline().to_string()
        };
        let plain = address("xn--bcher-kva.example");
        assert!(plain.contains("https://xn--bcher-kva.example/"), "{plain}");
        for same in [
            "bücher.example",
            "BÜCHER.example",
            "bu\u{308}cher.example",
            "xn--BCHER-KVA.example",
            "ｂücher。example",
            "b%C3%BCcher.example",
            "bü\u{ad}cher.example",
        ] {
            assert_eq!(address(same), plain, "{same}");
        }
        for none in [
            "xn--a",
            "xn--bcher-kva\u{308}.example",
            "xn--ls8h=.example",
            "a\u{202e}b",
        ] {
            assert!(!address(none).contains("https://"), "{none}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_usual_for_a_host_is_one(host in "[a-z0-9.-]{1,12}|[ -~é]{1,8}", scheme in "https?|rtmps?") {
            let text = Secret::new(format!("{scheme}://{host}/x"));
            assert_eq!(has_address(&text, true), address(&text, true).is_some(), "{host}");
        }

        /// However a URL is put together: nothing of path, query, fragment or user info.
        #[test]
        fn an_outline_shows_nothing_else(
            text in "(https|rtmp)://(canary|:|@|h\\.example|\\$\\{env:ROOM_A\\}|/|\\\\|[?]|#|canary/|canary@){0,8}",
        ) {
            let Ok(url) = Url::parse(&text.replace("${env:ROOM_A}", "x@y/")) else { return Ok(()) };
            prop_assume!(url.host_str().is_some_and(|host| !host.contains("canary")));
            let shown = Template::parse(&text).unwrap().outline().to_string();
            prop_assert!(!shown.contains("canary"), "{shown}");
        }

        #[test]
        fn doubling_dollars_escapes_any_text(text in ".{0,40}") {
            prop_assert_eq!(resolved(&text.replace('$', "$$")).unwrap(), text);
        }

        #[test]
        fn no_text_breaks_it(text in "[$a{}env:]{0,40}") {
            if let Ok(template) = Template::parse(&text) {
                let _ = template.resolve(&lookup);
            }
        }
    }

    #[test]
    fn what_refers_to_variables_is_known_from_its_text() {
        for (text, refers, names) in [
            ("abc", false, &[][..]),
            ("a$$b", false, &[]),
            ("$${env:KEY}", false, &["KEY"]),
            ("${env:KEY}", true, &["KEY"]),
            ("$$${env:KEY}/${env:ODD}", true, &["KEY", "ODD"]),
        ] {
            assert_eq!(Template::parse(text).unwrap().refers(), refers, "{text}");
            assert_eq!(super::named(text).collect::<Vec<_>>(), names, "{text}");
        }
        assert_eq!(
            super::named("${env:A ${env:B} ${env:C").collect::<Vec<_>>(),
            ["A ${env:B", "B"]
        );
    }
}
