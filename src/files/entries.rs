//! One file of settings, a room's or a directory's defaults: its text in, its keys or everything that is
//! wrong with each of them out. Pure.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::files::yaml::{self, Entry};
use crate::model::catalogue::{self, Attribute, Kind};
use crate::model::given::{FillError, Given, MOST_OF_FILE};
use crate::model::reference::{EnvPrefix, Template, Variables, variable, written};
use crate::model::suggest::nearest;
use crate::model::words::shortened;
use crate::model::{Finding, Place, Related, Room, Rule};

/// Attributes that only the service sets; seen in its answers.
const RESPONSE_ONLY: [&str; 6] = ["_id", "app", "created", "__v", "lang", "archived"];

/// What people call the key to the account.
const ACCOUNT_KEY: [&str; 3] = ["secretKey", "apiKey", "METERED_SECRET_KEY"];

/// Keys that public clients send although no page documents them, with what was probably meant.
const MISTAKEN: [(&str, Option<&str>); 4] = [
    ("enableCamera", Some("joinVideoOn")),
    ("enableMicrophone", Some("joinAudioOn")),
    ("enableScreenShare", Some("enableScreenSharing")),
    ("enableWatermark", None),
];

const TAKE_IT_OUT: &str = "take the key out";

pub(crate) const FAULT: &str =
    "this is a fault of roomctl: please report it with the shape of the file";

/// The keys of a file with their places.
#[derive(Debug)]
pub(crate) struct SettingsFile {
    /// Every key, in the order of the file.
    pub entries: Vec<Entry>,
    /// What they make by themselves; `None`: something is wrong with them, and no room can be made of them.
    pub room: Option<Room>,
}

/// Reads the keys of `text` and checks each one by itself. Nothing when it is not even a mapping. `owner` is
/// what the variables for secrets in it would be named after, behind `prefix`.
pub(crate) fn parse(
    text: &str,
    owner: &str,
    variables: &Variables<'_>,
    findings: &mut Findings<'_>,
) -> Option<SettingsFile> {
    let before = findings.list.len();
    let prefix = variables.prefix;
    let mut entries = unambiguous(text, findings)?;
    let may_have_tags = text.contains('!');
    for entry in &entries {
        if may_have_tags {
            refuse_tag(entry, text, findings);
        }
        if entry.value.is_number() {
            check_number_form(entry, text, findings);
        }
    }
    let mut left = MOST_OF_FILE;
    let filled = entries
        .iter_mut()
        .map(|entry| fill(entry, variables.given, &mut left, findings));
    let filled: Vec<bool> = filled.collect();
    let alone = yaml::typed::<Room>(entries.iter());
    if let Err(error) = &alone {
        for (entry, _) in entries
            .iter()
            .zip(filled)
            .filter(|(_, is_filled)| *is_filled)
        {
            check_entry(entry, text, findings);
        }
        if findings.list.len() == before {
            // No key is wrong by itself, and still the whole was refused: say at least that.
            let place = entries.first().map(|e| e.key_at).unwrap_or_default();
            let message = format!("these are not settings of a room: {error}");
            findings.report(place, Rule::WrongType, message, FAULT);
        }
    }
    let secrets = entries.iter();
    let secrets = secrets.filter_map(|entry| Some((entry, secret(entry)?)));
    let secrets: Vec<_> = secrets.collect();
    for (entry, (attribute, template)) in &secrets {
        refuse_variables(entry, attribute.name, template, prefix, findings);
    }
    let fine = findings.list.len() == before;
    for (entry, (attribute, template)) in &secrets {
        if !template.refers() {
            warn_of_literal_secret(entry, attribute.name, &prefix.of(owner), findings);
        }
    }
    let room = alone.ok().filter(|_| fine);
    name_attributes(&entries, &mut findings.list[before..]);
    Some(SettingsFile { entries, room })
}

/// Puts in what the configuration gives. Whether it gives all that is named.
fn fill(entry: &mut Entry, given: &Given, left: &mut usize, findings: &mut Findings<'_>) -> bool {
    match entry.value.as_str().map(|text| given.fill(text, left)) {
        None | Some(Ok(None)) => true,
        Some(Ok(Some(value))) => {
            entry.value = value;
            true
        }
        Some(Err(FillError { message, help })) => {
            findings.report(entry.value_at, Rule::VariableName, message, help);
            false
        }
    }
}

/// Names the attribute that each finding points at.
pub(crate) fn name_attributes(entries: &[Entry], findings: &mut [Finding]) {
    for finding in findings.iter_mut().filter(|f| f.attribute.is_none()) {
        let mut entries = entries.iter();
        let entry = entries.find(|e| [e.key_at, e.value_at].contains(&finding.place));
        let attribute = entry.and_then(|entry| catalogue::attribute(&entry.key));
        finding.attribute = attribute.map(|attribute| attribute.name);
    }
}

/// The keys of `text`, if every reader of YAML would see the same ones; there may be some twice. Nothing when it
/// is not a mapping.
pub(crate) fn unambiguous(text: &str, findings: &mut Findings<'_>) -> Option<Vec<Entry>> {
    match yaml::mapping(text) {
        Ok(entries) => {
            refuse_tabs(text, findings);
            refuse_duplicates(&entries, findings);
            Some(entries)
        }
        Err(error) => {
            findings.report(error.place, Rule::Yaml, error.message, error.help);
            None
        }
    }
}

/// The secret that `text` holds with its references, if it is one.
pub(crate) fn secret(entry: &Entry) -> Option<(&'static Attribute, Template)> {
    // All secrets are URLs or references; most values are not even texts.
    let text = entry.value.as_str();
    let text = text.filter(|text| text.contains("://") || text.contains("${"))?;
    let attribute = catalogue::attribute(&entry.key).filter(|a| a.is_secret())?;
    Some((attribute, Template::parse(text).ok()?))
}

/// Refuses references to what files have no business with. The names are no secret.
fn refuse_variables(
    entry: &Entry,
    attribute: &str,
    template: &Template,
    prefix: &EnvPrefix,
    findings: &mut Findings<'_>,
) {
    let variables = template.variables();
    for name in variables.iter().filter(|name| !prefix.permits(name)) {
        let shown = shortened(name);
        let asks = format!("`{attribute}` asks for the variable `{shown}`");
        let (message, help) = (
            format!("{asks}, which a room may not have"),
            prefix.help(&shown),
        );
        findings.report(entry.value_at, Rule::VariableName, message, help);
    }
}

/// A secret in a repository is everyone's who can read it, and stays in its history.
fn warn_of_literal_secret(entry: &Entry, name: &str, prefix: &str, findings: &mut Findings<'_>) {
    if findings.list.iter().any(|f| f.place == entry.value_at) {
        return;
    }
    let reference = written(&variable(prefix, name));
    let message = format!("`{name}` is a secret, and this one is written into the file");
    let help = format!("write `{name}: {reference}`, and set that variable where roomctl runs");
    findings.report(entry.value_at, Rule::LiteralSecret, message, help);
}

/// YAML forbids tabs before a key, and its readers disagree on what they make of them.
fn refuse_tabs(text: &str, findings: &mut Findings<'_>) {
    if !text.contains('\t') {
        return;
    }
    for (index, line) in text.lines().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let tab = line[..indent].find('\t');
        if let Some(tab) = tab.filter(|_| indent < line.len() && !line[indent..].starts_with('#')) {
            let column = line[..tab].chars().count() + 1;
            let place = Place::new(index + 1, column, 1);
            let help = "let keys begin at the margin, and indent with spaces where it is needed";
            findings.report(place, Rule::Tab, "a line begins with a tab", help);
        }
    }
}

fn refuse_duplicates(entries: &[Entry], findings: &mut Findings<'_>) {
    let mut keys: Vec<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
    keys.sort_unstable();
    if keys.is_sorted_by(|one, other| one < other) {
        return;
    }
    let mut seen: BTreeMap<&str, Place> = BTreeMap::new();
    for entry in entries {
        if let Some(first) = seen.insert(&entry.key, entry.key_at) {
            let (key, line) = (shortened(&entry.key), first.line);
            let message = format!("`{key}` is set twice; the first time on line {line}");
            let (file, help) = (findings.file, "keep one of the two");
            findings.add(Finding {
                related: vec![Related {
                    file: file.to_owned(),
                    place: first,
                    label: "the first time here".to_owned(),
                }],
                ..Finding::new(file, entry.key_at, Rule::DuplicateKey, message, help)
            });
        }
    }
}

/// The library lets the tags of the YAML standard through: `!!binary cHJpdmF0ZQ==` reads as `private`.
fn refuse_tag(entry: &Entry, text: &str, findings: &mut Findings<'_>) {
    let before = text.get(..entry.span.start).unwrap_or_default();
    let word = before.trim_end().rsplit([' ', '\t', '\n']).next();
    if word.is_some_and(|word| word.starts_with('!')) {
        let (message, help) = ("tags (`!`) are not accepted", "write the value as it is");
        findings.report(entry.value_at, Rule::Tag, message, help);
    }
}

/// YAML also knows `0x10` and `+5`: legal, but nobody writes a duration like that on purpose.
fn check_number_form(entry: &Entry, text: &str, findings: &mut Findings<'_>) {
    let Value::Number(number) = &entry.value else {
        return;
    };
    if catalogue::attribute(&entry.key).is_some_and(Attribute::is_secret) {
        // That its type is wrong is reported in any case, without repeating it.
        return;
    }
    let written = text.get(entry.span.clone()).unwrap_or_default();
    // Anything but a whole number is of a wrong type.
    if number.is_f64()
        || written.trim_start_matches('-') == number.to_string().trim_start_matches('-')
    {
        return;
    }
    let message = format!("`{}` is not a plain decimal number", shortened(written));
    let help = format!("write `{number}`");
    findings.report(entry.value_at, Rule::NumberForm, message, help);
}

/// Checks one key by itself, in the same types as the whole room.
fn check_entry(entry: &Entry, text: &str, findings: &mut Findings<'_>) {
    let Some(attribute) = catalogue::attribute(&entry.key) else {
        return unknown_key(entry, findings);
    };
    let alone = json!({ entry.key.as_str(): entry.value });
    let Err(error) = serde_json::from_value::<Room>(alone) else {
        return;
    };
    if entry.value.is_null() {
        let message = format!("`{}` has no value", entry.key);
        let help = "give it a value, or take the key out: an absent key is not managed";
        findings.report(entry.value_at, Rule::Null, message, help);
        return;
    }
    let (message, help) = if attribute.is_secret() {
        // The type's message never repeats the value.
        let why = match &entry.value {
            Value::String(_) => error.to_string(),
            _ => format!("expected {} as text", attribute.kind.expects()),
        };
        let help = "write the whole URL, or `${env:NAME}` and set that variable where roomctl runs";
        (format!("`{}`: {why}", entry.key), help.to_owned())
    } else {
        wrong_type(attribute, entry, text)
    };
    findings.report(entry.value_at, Rule::WrongType, message, help);
}

fn wrong_type(attribute: &Attribute, entry: &Entry, text: &str) -> (String, String) {
    let written = text.get(entry.span.clone()).unwrap_or_default();
    let found = match &entry.value {
        // It may have been meant for another key.
        Value::String(found) if found.is_empty() => "an empty text".to_owned(),
        Value::String(found) if found.contains("://") => "a URL".to_owned(),
        Value::String(found) => format!("the text `{}`", shortened(found)),
        Value::Number(number) if number.is_f64() => format!("`{}`", shortened(written)),
        Value::Number(_) => format!("the number `{}`", shortened(written)),
        Value::Bool(found) => format!("`{found}`"),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a mapping".to_owned(),
        Value::Null => "nothing".to_owned(),
    };
    let (name, expected) = (attribute.name, attribute.kind.expects());
    let message = format!("`{name}`: expected {expected}, found {found}");
    (message, wrong_type_help(attribute, &entry.value))
}

/// What to write instead: the value that was meant, where that is clear, or one that would do.
fn wrong_type_help(attribute: &Attribute, value: &Value) -> String {
    let name = &attribute.name;
    let text = value.as_str().unwrap_or_default().to_ascii_lowercase();
    if let Some(words) = attribute.kind.words() {
        let meant = match text.as_str() {
            "yes" | "on" | "y" | "1" => "true".to_owned(),
            "no" | "off" | "n" | "0" => "false".to_owned(),
            _ => text.replace([' ', '-'], "_"),
        };
        return match nearest(&meant, words.iter()) {
            Some(word) => format!("write `{name}: {word}`"),
            None => format!("write `{name}: {}`", words.join(&format!("` or `{name}: "))),
        };
    }
    if let (true, Value::Number(number)) = (attribute.kind == Kind::Text, value) {
        return format!("write `{name}: \"{number}\"`");
    }
    let digits: String = text.chars().filter(|c| *c != '_' && *c != ',').collect();
    // `1e3` is a number, and still not a whole one.
    let whole = |number: f64| (number.fract() == 0.0 && number < 1e15).then(|| number.to_string());
    let digits = value.as_f64().and_then(whole).unwrap_or(digits);
    match digits.parse::<i64>() {
        Ok(number) if number >= 0 => format!("write `{name}: {number}`"),
        _ => format!("write for example `{name}: {}`", example(&attribute.kind)),
    }
}

fn example(kind: &Kind) -> &'static str {
    match kind {
        Kind::Text => "stand-up",
        Kind::Count(_) => "25",
        Kind::Moment => "2027-01-01T09:00:00+01:00",
        _ => "2h",
    }
}

fn unknown_key(entry: &Entry, findings: &mut Findings<'_>) {
    let key = entry.key.as_str();
    let shown = shortened(key);
    let did_you_mean = |name: &str| format!("did you mean `{name}`?");
    let mistaken = MISTAKEN.iter().find(|(name, _)| *name == key);
    let (message, help) = if RESPONSE_ONLY.contains(&key) {
        (
            format!("`{shown}` is set by the service and cannot be declared"),
            TAKE_IT_OUT.to_owned(),
        )
    } else if ACCOUNT_KEY.contains(&key) {
        (
            format!("`{shown}` looks like the key to the account, which belongs in no file here"),
            "take it out and let the dashboard make a new one: everyone who can read the repository has this one; roomctl takes it from METERED_SECRET_KEY"
                .to_owned(),
        )
    } else if let Some((_, meant)) = mistaken {
        (
            format!(
                "`{shown}` is sent by some clients, but the service documents no such attribute"
            ),
            meant.map_or(TAKE_IT_OUT.to_owned(), did_you_mean),
        )
    } else {
        let message = match key {
            "" => "an empty text is not an attribute of a room".to_owned(),
            _ => format!("`{shown}` is not an attribute of a room"),
        };
        let all = || format!("{TAKE_IT_OUT}; `roomctl schema room` lists all attributes");
        (message, meant(key).map_or_else(all, did_you_mean))
    };
    findings.report(entry.key_at, Rule::UnknownKey, message, help);
}

fn meant(key: &str) -> Option<&'static str> {
    match key {
        "name" | "room" => Some("roomName"),
        _ => nearest(key, catalogue::attributes().iter().map(|a| a.name)),
    }
}

/// Collects the findings of one file.
pub(crate) struct Findings<'a> {
    file: &'a str,
    room: Option<String>,
    pub list: Vec<Finding>,
}

impl<'a> Findings<'a> {
    pub(crate) fn new(file: &'a str) -> Self {
        Self {
            file,
            room: None,
            list: Vec::new(),
        }
    }

    /// From now on, and looking back, findings are about that room.
    pub(crate) fn room(&mut self, name: &str) {
        for finding in &mut self.list {
            finding.room = Some(name.to_owned());
        }
        self.room = Some(name.to_owned());
    }

    pub(crate) fn file(&self) -> &'a str {
        self.file
    }

    /// One more, in this file.
    pub(crate) fn report(
        &mut self,
        place: Place,
        rule: Rule,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.add(Finding::new(self.file, place, rule, message, help));
    }

    /// One more, in this file or in one that it builds on.
    pub(crate) fn add(&mut self, finding: Finding) {
        let room = self.room.clone();
        self.list.push(Finding { room, ..finding });
    }
}
