//! What a view has to point at, as programs take it that keep findings over many runs: each with the rule that it is an
//! instance of, and a fingerprint that does not move with its line, with the time, or with other findings.

use std::collections::HashMap;

use serde::{Serialize, Serializer};
use serde_json::Value as Json;

use super::github::message;
use super::values;
use super::view::{Item, Remark, View, Weight};
use crate::model::digest::sha256;
use crate::model::words::joined;

pub(super) struct Mark {
    /// `privacy-required`, `plan-update`, `drift-missing`.
    pub rule: String,
    pub weight: Weight,
    /// What it is about, in a few words.
    pub name: String,
    pub message: String,
    pub file: Option<String>,
    pub line: Option<u32>,
    pub column: Option<u32>,
    /// The same in every run, and no other mark's in this one.
    pub fingerprint: String,
}

/// Marks as a list of JSON of which one is made at a time: there may be hundreds of thousands.
pub(super) struct Listed<'a> {
    pub marks: &'a [Mark],
    pub form: &'a dyn Fn(&Mark) -> Json,
}

impl Serialize for Listed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.marks.iter().map(self.form))
    }
}

impl Mark {
    /// `rooms/tea.yaml:4`.
    pub(super) fn place(&self) -> Option<String> {
        Some(values::place(self.file.as_ref()?, self.line))
    }
}

/// The doubts about the report as a whole, and its items.
pub(super) fn marks(view: &View<'_>) -> Vec<Mark> {
    let doubts = view.remarks.iter();
    let doubts = doubts.filter(|remark| remark.weight != Weight::Notice);
    let mut marks: Vec<Mark> = doubts.map(|remark| of_remark(view, remark)).collect();
    marks.extend(view.items.iter().map(|item| of_item(view, &item)));
    let mut seen: HashMap<String, u32> = HashMap::new();
    for mark in &mut marks {
        let count = seen.entry(mark.fingerprint.clone()).or_default();
        let digest = sha256(format!("{}\0{count}", mark.fingerprint).as_bytes());
        mark.fingerprint = digest.trim_start_matches("sha256:").to_owned();
        *count += 1;
    }
    marks
}

fn of_remark(view: &View<'_>, remark: &Remark) -> Mark {
    let rule = slug(&format!("{} {}", view.kind, remark.label));
    Mark {
        fingerprint: rule.clone(),
        rule,
        weight: remark.weight,
        name: remark.label.to_owned(),
        message: format!("{}: {}", remark.label, remark.text),
        file: None,
        line: None,
        column: None,
    }
}

fn of_item(view: &View<'_>, item: &Item) -> Mark {
    let is_finding = view.kind == "validate";
    let (rule, name) = if is_finding {
        let place = item.place().unwrap_or_default();
        (slug(&item.name), format!("{}: {place}", item.name))
    } else {
        let rule = slug(&format!("{} {}", view.kind, item.action));
        (rule, format!("{}: {}", item.name, item.action))
    };
    // Of rooms, the attributes but not their values: these are told with their distance from now.
    let about: Vec<&str> = if is_finding {
        item.message.iter().map(String::as_str).collect()
    } else {
        let attributes = item.lines.iter().map(|line| line.name.as_str());
        [item.name.as_str()].into_iter().chain(attributes).collect()
    };
    // From the top of the repository, as readers of these forms have it.
    let file = item.file.as_deref();
    let file = file.map(|file| file.trim_start_matches("./"));
    let fingerprint = format!("{rule}\0{}\0{}", file.unwrap_or_default(), about.join("\0"));
    Mark {
        rule,
        weight: item.weight,
        name,
        message: message(view, item),
        file: file.map(str::to_owned),
        line: item.line,
        column: item.column.filter(|_| item.line.is_some()),
        fingerprint,
    }
}

/// What is said at the end of every form: the counts, and what is only to be known.
pub(super) fn closing(view: &View<'_>) -> Vec<String> {
    let notices = view.remarks.iter();
    let notices = notices.filter(|remark| remark.weight == Weight::Notice);
    let notices = notices.map(|remark| format!("{}: {}", remark.label, remark.text));
    let counts = format!("{}: {}", view.heading(), view.summary());
    [counts].into_iter().chain(notices).collect()
}

/// Lower-case words with hyphens between them.
fn slug(text: &str) -> String {
    let words = text.split(|c: char| !c.is_alphanumeric());
    let words = joined(words.filter(|word| !word.is_empty()), "-");
    words.unwrap_or_default().to_lowercase()
}
