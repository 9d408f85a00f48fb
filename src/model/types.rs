//! The types of single attributes. Each knows how to read itself strictly and how to describe itself.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
use url::Url;

use super::reference::{Lookup, Template, has_address};
use super::secret::Secret;
use super::value::{Scalar, Value};
use super::words::words;

/// A key that may be absent. Absent means *not managed*: never sent, never compared.
///
/// Not `Option`: serde would take `null` for absent, and `null` in a room file is an error,
/// since the service documents no way to clear a setting.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Managed<T> {
    #[default]
    Absent,
    Set(T),
}

impl<T> Managed<T> {
    pub(crate) fn get(&self) -> Option<&T> {
        match self {
            Self::Absent => None,
            Self::Set(value) => Some(value),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Managed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self::Set)
    }
}

impl<T: JsonSchema> JsonSchema for Managed<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

words! {
    /// Who can enter a room.
    #[schemars(inline)]
    Privacy {
        /// Anyone who has the link.
        Public = "public",
        /// Only people with a join token, or let in by an admin.
        Private = "private",
    }
}

words! {
    /// How the composed picture is laid out. The dashboard offers a third layout, "Broadcaster", whose wire
    /// value is unknown, so it cannot be declared.
    #[schemars(inline)]
    CompositionLayout {
        /// Everybody at the same size.
        Grid = "grid",
        /// Whoever speaks, large.
        ActiveSpeaker = "active_speaker",
    }
}

/// What a text may stand for where a whole number is expected.
type FromText = fn(&str) -> Result<i64, &'static str>;

/// A whole number that is never negative and fits 63 bits (the vendor's own sample overflows 32).
/// Floats and booleans are refused, and texts that `from_text` does not know.
fn whole_number<'de, D: Deserializer<'de>>(
    deserializer: D,
    expecting: &'static str,
    from_text: Option<FromText>,
) -> Result<i64, D::Error> {
    struct Whole(&'static str, Option<FromText>);
    impl Visitor<'_> for Whole {
        type Value = i64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }

        fn visit_u64<E: de::Error>(self, value: u64) -> Result<i64, E> {
            i64::try_from(value)
                .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(value), &self))
        }

        fn visit_i64<E: de::Error>(self, value: i64) -> Result<i64, E> {
            if value < 0 {
                return Err(E::invalid_value(de::Unexpected::Signed(value), &self));
            }
            Ok(value)
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<i64, E> {
            match self.1 {
                Some(from_text) => from_text(text).map_err(E::custom),
                None => Err(E::invalid_type(de::Unexpected::Str(text), &self)),
            }
        }
    }
    deserializer.deserialize_any(Whole(expecting, from_text))
}

/// What editors know of a type. It stands with each attribute, which has a text of its own.
macro_rules! described {
    ($name:ident, $schema:tt) => {
        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

macro_rules! whole_number_type {
    ($(#[$doc:meta])* $name:ident, $expecting:literal, $from_text:expr, $schema:tt) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) struct $name(pub i64);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                whole_number(deserializer, $expecting, $from_text).map(Self)
            }
        }

        described!($name, $schema);

        impl From<$name> for Scalar {
            fn from(number: $name) -> Self {
                Self::Integer(number.0)
            }
        }
    };
}

whole_number_type!(
    /// A moment, in seconds since 1970-01-01 00:00 UTC. Files may also give it as RFC 3339, with its offset.
    UnixSeconds,
    "a moment in whole Unix seconds, 0 or more",
    Some(moment),
    {
        "type": ["integer", "string"],
        "minimum": 0,
        "maximum": i64::MAX,
        "pattern": MOMENT,
        "patternErrorMessage":
            "Write Unix seconds, or a date and time with its offset: 2027-01-01T09:00:00+01:00",
        "examples": [1_798_761_600, "2027-01-01T09:00:00+01:00"],
        "x-unit": "Unix seconds",
    }
);
whole_number_type!(
    /// A span of time in whole seconds. Files may also give it as `2h`, `90m` or `1h30m`.
    Seconds,
    "a whole number of seconds, 0 or more",
    Some(span),
    {
        "type": ["integer", "string"],
        "minimum": 0,
        "maximum": i64::MAX,
        "pattern": SPAN,
        "patternErrorMessage": "Write seconds, or a duration with units: 2h, 90m or 1h30m",
        "examples": [7200, "2h", "1h30m"],
        "x-unit": "seconds",
    }
);
whole_number_type!(
    /// A number of people.
    People,
    "a whole number of people, 0 or more",
    None,
    {"type": "integer", "minimum": 0, "maximum": i64::MAX, "x-unit": "people"}
);

impl UnixSeconds {
    /// Reads whole seconds, or RFC 3339 with an offset.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        match text.parse::<i64>() {
            Ok(seconds) if seconds >= 0 => Ok(Self(seconds)),
            _ => moment(text).map(Self),
        }
    }
}

fn moment(text: &str) -> Result<i64, &'static str> {
    if !has_the_form_of_a_moment(text) {
        return Err(
            "a moment needs a date, a time and an offset, such as `2027-01-01T09:00:00+01:00`",
        );
    }
    let moment: Timestamp = text
        .parse()
        .map_err(|_| "this is not RFC 3339, such as `2027-01-01T09:00:00+01:00`")?;
    if moment.subsec_nanosecond() != 0 {
        return Err("a moment is a whole number of seconds");
    }
    if moment.as_second() < 0 {
        return Err("a moment cannot be before 1970");
    }
    Ok(moment.as_second())
}

/// Whether `text` looks like [`MOMENT`]. The library knows many more forms; an editor has to know the same
/// as we do, and one form is enough for everybody to read.
fn has_the_form_of_a_moment(text: &str) -> bool {
    // Digits as zeros, so that the form is a plain text.
    let form: String = text
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    let Some(rest) = ["T", "t", " "]
        .iter()
        .find_map(|between| form.strip_prefix(&format!("0000-00-00{between}00:00:00")))
    else {
        return false;
    };
    let offset = match rest.strip_prefix('.') {
        None => rest,
        Some(fraction) => {
            let offset = fraction.trim_start_matches('0');
            if !(1..=9).contains(&(fraction.len() - offset.len())) {
                return false;
            }
            offset
        }
    };
    matches!(offset, "Z" | "z" | "+00:00" | "-00:00")
}

fn span(text: &str) -> Result<i64, &'static str> {
    const FORM: &str = "write a duration like `2h`, `90m` or `1h30m`";
    let mut units = [('h', 3600), ('m', 60), ('s', 1)].into_iter();
    let mut seconds: i64 = 0;
    let mut rest = text;
    loop {
        let end = rest.find(|c: char| !c.is_ascii_digit()).ok_or(FORM)?;
        let (digits, unit) = rest.split_at(end);
        // Each unit once, the larger before the smaller: what comes before the one that is found is used up.
        let (unit, size) = units
            .find(|(name, _)| unit.starts_with(*name))
            .ok_or(FORM)?;
        let number: i64 = digits.parse().map_err(|_| FORM)?;
        seconds = number
            .checked_mul(size)
            .and_then(|more| seconds.checked_add(more))
            .ok_or("this is longer than any clock can count")?;
        rest = &rest[end + unit.len_utf8()..];
        if rest.is_empty() {
            return Ok(seconds);
        }
        rest = rest.strip_prefix(' ').unwrap_or(rest);
    }
}

/// How a moment is written, as a pattern. A little wider than what is read: no pattern knows how many days a
/// month has.
const MOMENT: &str = "^(1969|19[7-9][0-9]|[2-9][0-9]{3})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])\
    [Tt ]([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)([.]0{1,9})?([Zz]|[+-][0-9]{2}:[0-5][0-9])$";

const SPAN: &str = "^([0-9]+h( ?[0-9]+m)?( ?[0-9]+s)?|[0-9]+m( ?[0-9]+s)?|[0-9]+s)$";

/// How a URL with one of these schemes is written, or a reference that may stand for one, as a pattern. A
/// little wider than what is read; it knows of no host what a parser knows.
fn url_pattern(scheme: &str) -> String {
    let reference = r"\$\{env:[A-Za-z_][A-Za-z0-9_]*\}";
    // A dollar is doubled, begins a reference, or begins nothing.
    let dollar = format!(r"\$\$|{reference}|\$[^${{\x00-\x20]");
    let rest = format!(r"([^$\x00-\x20]|{dollar})*\$?");
    let host = r"([^$/\\?#\x00-\x20]|\$\$|\$[^${/\\?#\x00-\x20])";
    format!(r"^({scheme}://({host}+\$?|\$)([/?#]{rest})?|{reference})$")
}

/// A secret URL as a file gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SecretUrl {
    Known(Secret),
    /// A text with references to variables that nobody has looked up yet.
    Referring(Template),
    /// A text with references to these variables, which are not set, or, if so told, make no URL of it.
    Unset(Vec<String>, bool),
}

impl SecretUrl {
    fn resolve(
        &mut self,
        lookup: Lookup<'_>,
        made_up: bool,
        schemes: &[&str],
    ) -> Result<(), &'static str> {
        let Self::Referring(template) = self else {
            return Ok(());
        };
        let mut result = Ok(());
        *self = match (template.resolve(lookup), schemes) {
            (Err(names), [scheme, ..]) if made_up => {
                let names = names.join("/");
                Self::Known(Secret::new(format!("{scheme}://sandbox.example/{names}")))
            }
            (Err(names), _) => Self::Unset(names, false),
            (Ok(secret), _) => {
                result = check_url(&secret, schemes);
                // What was set elsewhere, and later, than the file: other rooms have nothing to do with it.
                let wrong = Self::Unset(template.variables(), true);
                result.map_or(wrong, |()| Self::Known(secret))
            }
        };
        result
    }
}

impl From<SecretUrl> for Value {
    fn from(url: SecretUrl) -> Self {
        match url {
            SecretUrl::Known(secret) => Self::Secret(secret),
            SecretUrl::Referring(template) => SecretUrl::Unset(template.variables(), false).into(),
            SecretUrl::Unset(variables, no_url) => Self::Unset { variables, no_url },
        }
    }
}

/// A text that must be a URL of one of the given schemes; secret, since it may hold a stream key or a token.
fn secret_url<'de, D: Deserializer<'de>>(
    deserializer: D,
    schemes: &[&str],
    expecting: &'static str,
) -> Result<SecretUrl, D::Error> {
    struct Text(&'static str);
    impl Visitor<'_> for Text {
        type Value = Secret;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }

        fn visit_str<E: de::Error>(self, value: &str) -> Result<Secret, E> {
            Ok(Secret::new(value))
        }
    }
    let written = deserializer.deserialize_str(Text(expecting))?;
    let wrong = |why| de::Error::custom(format_args!("{why}; expected {expecting}"));
    // Before anything is looked up: a blank beside a reference stays one.
    check_characters(written.expose()).map_err(wrong)?;
    let template = Template::parse(written.expose()).map_err(de::Error::custom)?;
    // Without references it stands for itself, but for doubled dollars.
    let checked = match template.resolve(&|_| None) {
        Ok(secret) => check_url(&secret, schemes).map(|()| SecretUrl::Known(secret)),
        Err(_) => check_beginning(&template, schemes).map(|()| SecretUrl::Referring(template)),
    };
    checked.map_err(wrong)
}

/// What can be said of a URL before its variables are known. Whoever reviews it has to see where a variable is sent,
/// whatever it holds; only if it is all there is, it says so itself.
fn check_beginning(template: &Template, schemes: &[&str]) -> Result<(), &'static str> {
    let beginning = template.beginning();
    let begins_well = |(text, _): &(Secret, bool)| begins_well(text.expose(), schemes);
    if let Some((text, is_all)) = beginning.filter(begins_well)
        && has_address(&text, is_all)
    {
        return Ok(());
    }
    if template.alone().is_some() {
        return Ok(());
    }
    Err(
        "this is neither a reference alone nor a URL with its host in clear, and the references in the path or the query \
         behind it",
    )
}

/// Says what is wrong with a URL without repeating any of it.
fn check_url(secret: &Secret, schemes: &[&str]) -> Result<(), &'static str> {
    let text = secret.expose();
    check_characters(text)?;
    let url = Url::parse(text).map_err(|_| "this is not a URL")?;
    if !schemes.contains(&url.scheme()) {
        return Err("this URL has another scheme");
    }
    // The parser reads `https:host` and `https:///host`, too. Whether the service does, nobody knows.
    if !begins_well(text, schemes) || url.host_str().is_none_or(str::is_empty) {
        return Err("this URL names no host, or has a backslash beside it");
    }
    Ok(())
}

/// The parser would quietly take these out; the service would get another text than the file's.
fn check_characters(text: &str) -> Result<(), &'static str> {
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err("a URL cannot hold spaces or control characters");
    }
    Ok(())
}

/// Whether a scheme, `://` and something other than the end of a host come first, which is one to every reader: some
/// end it at a backslash, and others do not. Case does not count in a scheme.
fn begins_well(text: &str, schemes: &[&str]) -> bool {
    text.split_once("://").is_some_and(|(scheme, rest)| {
        schemes
            .iter()
            .any(|known| known.eq_ignore_ascii_case(scheme))
            && match rest.find(['/', '\\', '?', '#']) {
                Some(end) => end > 0 && !rest[end..].starts_with('\\'),
                None => true,
            }
    })
}

macro_rules! secret_url_type {
    ($(#[$doc:meta])* $name:ident, $schemes:expr, $expecting:literal, $scheme:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub(crate) struct $name(pub SecretUrl);

        impl $name {
            /// Puts the values of variables in. With `made_up`, those that are not set get one all the same: for
            /// the sandbox, of which nothing leaves the machine.
            pub(crate) fn resolve(&mut self, lookup: Lookup<'_>, made_up: bool) -> Result<(), String> {
                self.0
                    .resolve(lookup, made_up, $schemes)
                    .map_err(|why| format!("{why}; expected {}", $expecting))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                secret_url(deserializer, $schemes, $expecting).map(Self)
            }
        }

        described!($name, {
            "type": "string",
            "pattern": url_pattern($scheme),
            "patternErrorMessage":
                concat!("Write ", $expecting, ", with or without ${env:NAME} in its path or query, or ${env:NAME} alone"),
            "x-secret": true,
        });

        impl From<$name> for Value {
            fn from(url: $name) -> Self {
                url.0.into()
            }
        }
    };
}

secret_url_type!(
    /// Where the service calls back. May hold user info or tokens, so it is never shown.
    WebhookUrl,
    &["https", "http"],
    "an absolute http or https URL",
    "[Hh][Tt][Tt][Pp][Ss]?"
);
secret_url_type!(
    /// Where the composed stream is pushed. The stream key is part of the path, so it is never shown.
    RtmpUrl,
    &["rtmp", "rtmps"],
    "an absolute rtmp or rtmps URL",
    "[Rr][Tt][Mm][Pp][Ss]?"
);

impl From<Privacy> for Scalar {
    fn from(privacy: Privacy) -> Self {
        privacy.name().into()
    }
}

impl From<CompositionLayout> for Scalar {
    fn from(layout: CompositionLayout) -> Self {
        layout.name().into()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn moments_are_read_as_seconds_or_rfc_3339() {
        for (text, seconds) in [
            ("2027-01-01T00:00:00Z", Some(1_798_761_600)),
            ("2027-01-01T01:00:00+01:00", Some(1_798_761_600)),
            ("2027-01-01 00:00:00Z", Some(1_798_761_600)),
            ("2027-01-01T00:00:00.000Z", Some(1_798_761_600)),
            ("2027-01-01T00:00:00", None),
            ("2027-01-01", None),
            ("2027-02-30T00:00:00Z", None),
            ("2027-01-01T00:00:00.5Z", None),
            ("1969-12-31T23:59:59Z", None),
            ("1798761600", None),
            ("tomorrow", None),
            ("", None),
            // Forms that a library may know and an editor would not.
            ("2027-01-01T00:00+00:00", None),
            ("2027-01-01T00:00:00,000Z", None),
            ("2027-01-01T00:00:00.0000000000Z", None),
            ("2027-01-01T00:00:00+00:00[UTC]", None),
            ("+002027-01-01T00:00:00Z", None),
            ("20270101T000000.000000Z", None),
            ("2027-01-01T01:00:00+01", None),
            ("2027-01-01T00:00:00.Z", None),
        ] {
            let read = serde_json::from_value::<UnixSeconds>(json!(text)).ok();
            assert_eq!(read.map(|moment| moment.0), seconds, "{text}");
        }
    }

    #[test]
    fn spans_are_read_as_seconds_or_with_units() {
        for (text, seconds) in [
            ("2h", Some(7200)),
            ("90m", Some(5400)),
            ("1h30m", Some(5400)),
            ("1h 30m 5s", Some(5405)),
            ("45s", Some(45)),
            ("0s", Some(0)),
            ("-2h", None),
            ("2h ago", None),
            ("1.5h", None),
            ("2 hours", None),
            ("PT2H", None),
            ("1d", None),
            ("90", None),
            ("1500ms", None),
            ("2000ms", None),
            ("1h90", None),
            ("30m1h", None),
            ("5m5m", None),
            ("2 h", None),
            ("1h  5m", None),
            ("2h ", None),
            (" 2h", None),
            ("9223372036854775807s", Some(i64::MAX)),
            ("9223372036854775807m", None),
            ("9223372036854775808s", None),
            ("", None),
        ] {
            let read = serde_json::from_value::<Seconds>(json!(text)).ok();
            assert_eq!(read.map(|span| span.0), seconds, "{text}");
        }
    }

    #[test]
    fn whole_numbers_are_strict() {
        let read = |value| serde_json::from_value::<Seconds>(value);
        assert_eq!(read(json!(7_832_947_982_i64)).unwrap().0, 7_832_947_982);
        assert_eq!(read(json!(0)).unwrap().0, 0);
        for bad in [
            json!(-1),
            json!(1.5),
            json!(1.0),
            json!("5"),
            json!(true),
            json!(null),
            json!(u64::MAX),
        ] {
            assert!(read(bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn null_is_not_absent() {
        assert!(serde_json::from_value::<Managed<bool>>(json!(null)).is_err());
        assert_eq!(
            serde_json::from_value::<Managed<bool>>(json!(true)).unwrap(),
            Managed::Set(true)
        );
    }

    #[test]
    fn urls_are_checked_and_never_repeated() {
        assert!(serde_json::from_value::<WebhookUrl>(json!("https://hooks.example/x")).is_ok());
        assert!(serde_json::from_value::<RtmpUrl>(json!("rtmps://live.example/app/k")).is_ok());
        assert!(serde_json::from_value::<RtmpUrl>(json!("RTMP://live.example/k")).is_ok());
        for bad in [
            "ftp://canary.example",
            "canary",
            "https://",
            "https:// canary",
            "https://a/\tcanary",
            "rtmp://canary",
            "https:canary.example",
            "https:///canary.example",
            "https://\\canary.example",
            "${env:CANARY} canary",
            "https:///${env:CANARY}",
        ] {
            let error = serde_json::from_value::<WebhookUrl>(json!(bad)).unwrap_err();
            assert!(!error.to_string().contains("canary"), "{error}");
        }
    }

    #[test]
    fn references_are_resolved_and_then_checked() {
        let read = |text: &str| serde_json::from_value::<RtmpUrl>(json!(text));
        let lookup = |name: &str| match name {
            "KEY" => Some("k".to_owned()),
            "URL" => Some("rtmp://live.example/k".to_owned()),
            "WRONG" => Some("https://canary.example/ canary".to_owned()),
            _ => None,
        };
        let resolved = |text: &str| {
            let mut url = read(text).unwrap();
            url.resolve(&lookup, false).map(|()| Value::from(url))
        };
        let known = Ok(Value::Secret(Secret::new("rtmp://live.example/k")));
        for text in [
            "${env:URL}",
            "rtmp://live.example/${env:KEY}",
            "rtmp://live.example/k",
        ] {
            assert_eq!(resolved(text), known, "{text}");
        }
        let unset = Value::Unset {
            variables: vec!["NONE".to_owned()],
            no_url: false,
        };
        assert_eq!(
            resolved("rtmp://live.example/${env:KEY}/${env:NONE}"),
            Ok(unset)
        );
        assert!(!resolved("${env:WRONG}").unwrap_err().contains("canary"));
        assert!(read("https://live.example/${env:KEY}").is_err());
        assert!(read("canary${env:KEY}").is_err());
        assert!(read("rtmp://live.example/${KEY}").is_err());
    }

    fn webhook(text: &str) -> Result<Template, String> {
        match serde_json::from_value::<WebhookUrl>(json!(text)) {
            Ok(WebhookUrl(SecretUrl::Referring(template))) => Ok(template),
            Ok(_) => Err("no reference".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    proptest::proptest! {
        /// Whatever the variable holds: it goes where the outline says, or the text is refused.
        #[test]
        fn where_a_secret_goes_is_in_its_outline(
            text in "(https|HTTP|http)?(://)?(h\\.example|x|[$][{]env:ROOM_A[}]|[$][$]|/|\\\\|@|:|:44|3|[.]|[?]|#|[\\[]::1\\]|%2f){0,8}",
            value in "(evil\\.example|https://|x|3|/|\\\\|@|:|[.]|[?]|#|%2f){0,6}",
        ) {
            if let Ok(template) = webhook(&text) && template.alone().is_none() {
                let sent = template.resolve(&|_| Some(value.clone())).unwrap();
                // What is no URL is not sent.
                if let Ok(url) = Url::parse(sent.expose()) {
                    let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
                    let shown = format!("{}://{}{port}/****", url.scheme(), url.host_str().unwrap_or_default());
                    proptest::prop_assert_eq!(template.outline().address, shown, "{}", text);
                }
            }
        }
    }

    #[test]
    fn a_host_is_in_clear() {
        for text in [
            "https://${env:ROOM_A}@evil.example/",
            "https://${env:ROOM_A}.evil.example/",
            "https://evil.example\\@h.example/${env:ROOM_A}",
            "https://h.example:${env:ROOM_A}/",
            "https://h.example${env:ROOM_A}",
            "${env:ROOM_A}/x",
            "${env:ROOM_A}${env:ROOM_B}",
            "https://xn--a/${env:ROOM_A}",
        ] {
            let said = webhook(text).unwrap_err();
            assert!(said.contains("its host in clear"), "{text}: {said}");
        }
        for text in [
            "${env:ROOM_A}",
            "https://h.example?${env:ROOM_A}",
            "https://u:p@h.example:1/${env:ROOM_A}",
        ] {
            assert!(webhook(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_moment_is_seconds_or_rfc_3339() {
        let parse = |text: &str| UnixSeconds::parse(text).map(|UnixSeconds(seconds)| seconds);
        assert_eq!(parse("0"), Ok(0));
        assert_eq!(parse("1790000000"), Ok(1_790_000_000));
        assert_eq!(parse("1970-01-01T00:00:00Z"), Ok(0));
        assert_eq!(parse("1970-01-01T01:00:00.000000000+01:00"), Ok(0));
        for text in [
            "-1",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00.Z",
            "1970-01-01T00:00:00.0000000000Z",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
