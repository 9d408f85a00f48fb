//! What every form of a report shows: counts, effects, and an item for each room or finding.
//!
//! One shape for all kinds and one vocabulary of signs and words, so that text, markdown, HTML and annotations
//! cannot say different things. Nothing in its texts acts on a reader: what would is an escape already.
//!
//! | File | Is the view of |
//! |---|---|
//! | `plan`, `apply`, `drift`, `adopt`, `import`, `validate` | the report of that name |
//! | `stacks` | several of them, each about one stack |
//! | `items` | the rooms and findings in it, one by one |
//! | `groups` | any of them, with rooms of which the same is said as one item |

mod adopt;
mod apply;
mod drift;
mod groups;
mod import;
mod items;
mod plan;
mod stacks;
mod validate;

pub(crate) use adopt::adopt;
pub(crate) use apply::{receipt, undeclared};
pub(super) use apply::{why, word as outcome_word};
pub(crate) use import::import;
pub(crate) use items::Items;
pub(crate) use plan::plan;

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use super::values::{self, printable};
use super::{AllowedReport, AnyReport, StateId, UndeclaredReport};
use crate::model::words::{count, is_unseen, joined};
use crate::model::{Effect, Run, Shown};
use crate::planner::LeftOut;

/// What is known beside the report, and how much of it is wanted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Detail {
    /// What moments are measured from, in Unix seconds.
    pub now: i64,
    /// Whether everything is named that is otherwise counted.
    pub verbose: bool,
    /// Whether the rooms were shown already, each when it ended.
    pub rooms_shown: bool,
    /// Whether each room is an item of its own, as tools take them in.
    pub apart: bool,
}

#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct View<'a> {
    pub kind: &'static str,
    /// What it is, and of what: `Plan for acme`.
    pub title: String,
    /// What it was held against: `state serial 4`.
    pub against: Option<String>,
    pub effects: Vec<EffectView>,
    /// Where secrets are sent, as far as that may be shown: for a form that leaves lines out.
    pub secrets: Vec<Destination>,
    pub items: Items<'a>,
    /// How many of each kind; none of them 0.
    pub counts: Vec<(String, u64)>,
    /// What is said when there is nothing to look at.
    pub nothing: Option<&'static str>,
    pub remarks: Vec<Remark>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct EffectView {
    pub name: &'static str,
    pub sentence: &'static str,
    pub rooms: Names,
}

/// A host that secrets are sent to.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Destination {
    pub address: String,
    pub variables: Names,
    /// How many rooms send them there.
    pub rooms: u64,
}

/// The first of many names; the others are counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub(crate) struct Names {
    pub first: Vec<String>,
    pub more: usize,
}

/// Something about the report as a whole, in a sentence without its full stop.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Remark {
    pub weight: Weight,
    pub label: &'static str,
    pub text: String,
    /// A page about it.
    pub link: Option<String>,
}

/// How much something asks for attention.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Weight {
    Error,
    Warning,
    /// As it should be.
    #[default]
    Notice,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub(crate) struct Item {
    pub weight: Weight,
    /// Whether it is never left out, nor one of its rooms: each may be all that somebody would have objected to.
    #[serde(skip)]
    pub is_kept: bool,
    /// One character for what is done to it, or how it stands.
    pub sign: &'static str,
    /// The same in a word or two.
    pub action: String,
    /// The room, or the rule; how many rooms, if it is of several.
    pub name: String,
    /// The rooms, if it is of several.
    pub members: Vec<Member>,
    /// The same, as far as they are named in a line.
    pub rooms: Option<Names>,
    pub file: Option<String>,
    pub line: Option<u32>,
    pub column: Option<u32>,
    pub effects: Vec<&'static str>,
    /// Who moved its attributes.
    pub causes: BTreeSet<&'static str>,
    pub message: Option<String>,
    /// What else there is to say, one line each.
    pub details: Vec<String>,
    /// Who set it, and when it was last seen as applied; in the details, once it is known which rooms are one item.
    pub trace: Trace,
    pub lines: Vec<Line>,
}

/// Who set a room that moved, and when it was last seen as applied, in Unix seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub(crate) struct Trace {
    pub by: Option<String>,
    pub seen: Option<i64>,
}

/// One of several rooms of which the same is said.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub(crate) struct Member {
    pub name: String,
    pub place: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub(crate) struct Line {
    pub name: String,
    pub before: Option<String>,
    pub after: Option<String>,
    pub note: Option<String>,
    /// The file of defaults that it comes from, and the line there.
    pub from: Option<(String, Option<u32>)>,
    /// What was applied, what the file says and what the service shows, where all three are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sides: Option<[Option<String>; 3]>,
    /// Line in the room's file, where it says more than the item's own.
    pub line: Option<u32>,
    /// Whether somebody moved it whom nobody asked: on the service, or in the files before this change.
    pub surprise: bool,
    /// The mute that would accept it, ready to be pasted below `mutes:`.
    #[serde(skip)]
    pub mute: Option<String>,
}

impl<'a> View<'a> {
    pub(crate) fn new(report: &'a AnyReport, detail: Detail) -> Self {
        let view = match report {
            AnyReport::Plan(report) => plan::plan(report, detail),
            AnyReport::Apply(report) => apply::apply(report, detail),
            AnyReport::Drift(report) => drift::drift(report, detail),
            AnyReport::Validate(report) => validate::validate(report),
            // Grouped, and with all that is said, each by itself.
            AnyReport::Stacks(report) => return stacks::stacks(report, detail),
        };
        let mut view = match detail.apart {
            true => view,
            false => view.grouped(detail),
        };
        view.items = view.items.map(move |mut item| {
            item.details.extend(item.trace.words(detail.now));
            item
        });
        view
    }

    /// What it comes to: `1 to add, 2 to update`.
    pub(super) fn summary(&self) -> String {
        let counts = self.counts.iter().map(|(name, n)| format!("{n} {name}"));
        joined(counts.chain(self.nothing.map(str::to_owned)), ", ").unwrap_or_default()
    }

    /// `Plan for acme, against state serial 4`.
    pub(super) fn heading(&self) -> String {
        match &self.against {
            Some(against) => format!("{}, against {against}", self.title),
            None => self.title.clone(),
        }
    }

    /// The same with everything that came from outside made harmless.
    pub(super) fn printable(mut self) -> Self {
        self.title = printable(&self.title);
        for effect in &mut self.effects {
            clean(&mut effect.rooms.first);
        }
        self.items = self.items.map(Item::printable);
        for destination in &mut self.secrets {
            clean([&mut destination.address]);
            clean(&mut destination.variables.first);
        }
        clean(self.remarks.iter_mut().map(|remark| &mut remark.text));
        self
    }
}

impl Item {
    fn new(weight: Weight, sign: &'static str, action: &str, name: &str) -> Self {
        Self {
            weight,
            sign,
            action: action.to_owned(),
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// `rooms/tea.yaml:4`.
    pub(super) fn place(&self) -> Option<String> {
        Some(values::place(self.file.as_ref()?, self.line))
    }

    /// Everything that is said about it in sentences.
    pub(super) fn said(&self) -> impl Iterator<Item = &String> {
        self.message.iter().chain(&self.details)
    }

    fn printable(mut self) -> Self {
        clean([&mut self.name, &mut self.action]);
        clean(&mut self.file);
        clean(&mut self.message);
        clean(&mut self.details);
        for line in &mut self.lines {
            clean([&mut line.name]);
            clean(&mut line.before);
            clean(&mut line.after);
            clean(&mut line.note);
            clean(line.sides.iter_mut().flatten().flatten());
            clean(line.from.as_mut().map(|(file, _)| file));
            clean(&mut line.mute);
        }
        self
    }

    /// Attributes that no file declares and that moved: counted or, with `verbose`, one line each.
    fn undeclared(&mut self, moved: &[UndeclaredReport], detail: Detail) {
        if moved.is_empty() {
            return;
        }
        if !detail.verbose {
            let number = count(moved.len() as u64, "attribute");
            let is_theirs = !moved.iter().any(|one| one.perhaps_ours);
            let there = if is_theirs { " on the service" } else { "" };
            let text = format!("that no file declares moved{there}; -v names them");
            return self.details.push(format!("{number} {text}"));
        }
        self.lines.extend(moved.iter().map(|moved| Line {
            note: Some(moved.note("on the service") + "; no file declares it"),
            ..Line::moved(&moved.name, &moved.before, &moved.live, detail)
        }));
    }
}

impl Trace {
    /// Of several rooms what holds for all of them.
    fn and(self, other: &Self) -> Self {
        Self {
            seen: self.seen.min(other.seen),
            by: self.by.filter(|by| other.by.as_ref() == Some(by)),
        }
    }

    fn words(&self, now: i64) -> Option<String> {
        let by = self.by.iter().map(|by| format!("set by {by}"));
        let seen = self.seen.map(|seen| values::moment(seen, now.max(seen)));
        let seen = seen
            .flatten()
            .map(|at| format!("last seen as applied {at}"));
        joined(by.chain(seen), ", ")
    }
}

impl Line {
    /// An attribute that goes from one value to another; null stands for none. Of secrets that differ only the
    /// one is shown, since both look the same.
    fn moved(name: &str, before: &Shown, after: &Shown, detail: Detail) -> Self {
        let before = value(name, before, detail);
        let after = value(name, after, detail);
        Self {
            name: name.to_owned(),
            before: before.filter(|before| after.as_ref() != Some(before)),
            after,
            ..Self::default()
        }
    }

    /// What is noted about it.
    pub(super) fn notes(&self) -> Option<String> {
        let from = self.from.iter();
        let from = from.map(|(file, line)| format!("from {}", values::place(file, *line)));
        joined(self.note.iter().cloned().chain(from), "; ")
    }

    /// `5 → 9`, or the one value that there is, each written by `write`.
    pub(super) fn values(&self, write: impl Fn(&str) -> String) -> String {
        let sides = self.before.iter().chain(&self.after);
        joined(sides.map(|side| write(side)), " → ").unwrap_or_default()
    }
}

impl Names {
    const SHOWN: usize = 5;

    fn new(names: impl Iterator<Item = String>) -> Self {
        let mut names = Self::all(names);
        names.more = names.first.len().saturating_sub(Self::SHOWN);
        names.first.truncate(Self::SHOWN);
        names
    }

    fn all(names: impl Iterator<Item = String>) -> Self {
        Self {
            first: names.collect(),
            more: 0,
        }
    }

    /// `a, b and 3 more`, each name written by `write`.
    pub(super) fn list(&self, write: impl Fn(&str) -> String) -> String {
        let first = joined(self.first.iter().map(|name| write(name)), ", ").unwrap_or_default();
        match self.more {
            0 => first,
            more => format!("{first} and {more} more"),
        }
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{} ({place})", self.name),
            None => f.write_str(&self.name),
        }
    }
}

impl Remark {
    fn new(weight: Weight, label: &'static str, text: impl Into<String>) -> Self {
        Self {
            weight,
            label,
            text: text.into(),
            link: None,
        }
    }
}

/// The rooms that an effect is in, if there is any.
fn effect_view(effect: Effect, rooms: impl Iterator<Item = String>) -> Option<EffectView> {
    let rooms = Names::new(rooms);
    (!rooms.first.is_empty()).then(|| EffectView {
        name: effect.name(),
        sentence: effect.sentence(),
        rooms,
    })
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [Some(&self.text), self.link.as_ref()];
        let text = joined(parts.into_iter().flatten(), ", ").unwrap_or_default();
        f.write_str(text.trim_start_matches(", "))
    }
}

/// The run that a report is of, if somebody said which.
fn footer(run: &Run) -> Option<Remark> {
    let commit = run.commit.iter().map(|commit| format!("commit {commit}"));
    let said = joined(commit.chain(run.at.and_then(values::date)), ", ");
    let remark = || Remark {
        link: run.link.as_ref().map(|link| link.as_str().to_owned()),
        ..Remark::new(Weight::Notice, "Run", said.unwrap_or_default())
    };
    (!run.is_unknown()).then(remark)
}

/// What the report leaves out.
fn left_out(rooms: LeftOut) -> Option<Remark> {
    let remark = || Remark::new(Weight::Notice, "Left out", rooms.to_string());
    (!rooms.is_none()).then(remark)
}

/// What guards would have refused, and may be, each with what allows it.
fn allowed(all: &[AllowedReport]) -> Option<Remark> {
    let one = |one: &AllowedReport| {
        let by = joined(one.by.iter().map(|by| by.name()), ", ");
        format!("{} ({})", one.what, by.unwrap_or_default())
    };
    let all = joined(all.iter().map(one), ", ");
    all.map(|all| Remark::new(Weight::Notice, "Allowed", all))
}

fn clean<'a>(texts: impl IntoIterator<Item = &'a mut String>) {
    for text in texts {
        if text.contains(is_unseen) {
            *text = printable(text);
        }
    }
}

fn value(name: &str, json: &Shown, detail: Detail) -> Option<String> {
    (!json.is_null()).then(|| values::value(name, json, detail.now))
}

/// The same in words, also of none.
fn said(name: &str, json: &Shown, detail: Detail) -> String {
    value(name, json, detail).unwrap_or_else(|| values::NOTHING.to_owned())
}

fn against(state: &StateId) -> Option<String> {
    Some(match state.lineage {
        Some(_) => format!("state serial {}", state.serial),
        None => "no state yet".to_owned(),
    })
}

fn counted(counts: &[(&str, u64)]) -> Vec<(String, u64)> {
    let some = counts.iter().filter(|(_, number)| *number > 0);
    some.map(|(name, number)| ((*name).to_owned(), *number))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::html::html;
    use crate::report::markdown::{Markdown, markdown};
    use crate::report::{github::github, text::page};

    /// `text` as a reader sees it: without colours and tags, and with what stands for a character as that.
    fn seen(text: &str) -> String {
        let text = anstream::adapter::strip_str(text).to_string();
        let tags = without_tags(&text);
        let mut seen = String::new();
        let mut rest = tags.as_str();
        while let Some((before, entity)) = rest.split_once("&#") {
            seen.push_str(before);
            let (number, after) = entity.split_once(';').unwrap();
            let number = match number.strip_prefix('x') {
                Some(hex) => u32::from_str_radix(hex, 16).unwrap(),
                None => number.parse().unwrap(),
            };
            seen.push(char::from_u32(number).unwrap());
            rest = after;
        }
        seen + rest
    }

    fn without_tags(text: &str) -> String {
        let mut inside = false;
        let outside = |c: &char| match c {
            '<' => {
                inside = true;
                false
            }
            '>' => !std::mem::take(&mut inside),
            _ => !inside,
        };
        text.chars().filter(outside).collect()
    }

    #[test]
    fn every_form_says_the_same_in_the_same_words() {
        let item = Item {
            weight: Weight::Warning,
            sign: "-",
            action: "archived, overridden".into(),
            name: "tea".into(),
            file: Some("rooms/tea.yaml".into()),
            line: Some(4),
            effects: vec!["recording-on"],
            message: Some("the reason".into()),
            details: vec!["the detail".into()],
            lines: vec![Line {
                name: "expireUnixSec".into(),
                before: Some("5 (in 2 days)".into()),
                after: Some("9 (in 3 days)".into()),
                note: Some("drift, put back".into()),
                ..Line::default()
            }],
            ..Item::default()
        };
        let view = View {
            kind: "plan",
            title: "Plan for acme".into(),
            effects: vec![EffectView {
                name: "recording-on",
                sentence: "meetings are recorded",
                rooms: Names::new((1..=7).map(|n| format!("room-{n}"))),
            }],
            items: vec![item].into(),
            remarks: vec![Remark::new(Weight::Error, "Guard", "too many rooms")],
            nothing: Some("nothing to do"),
            ..View::default()
        };
        let github = github(view.clone(), Detail::default());
        let forms = [
            seen(&page(&view).collect::<String>()),
            seen(&markdown(&view, Markdown::default()).unwrap()),
            seen(&html(&view).unwrap()),
        ];
        for form in forms.iter().chain([&github]) {
            for word in [
                "archived, overridden",
                "tea",
                "rooms/tea.yaml",
                "the reason",
                "the detail",
                "expireUnixSec",
                "5 (in 2 days)",
                "9 (in 3 days)",
                "drift, put back",
                "recording-on",
                "meetings are recorded",
                "Guard",
                "too many rooms",
                "othing to do",
            ] {
                let escaped = word.replace(',', "%2C");
                assert!(
                    form.contains(word) || form.contains(&escaped),
                    "{word}: {form}"
                );
            }
        }
        for form in forms {
            assert!(form.contains("- tea"), "the sign: {form}");
            assert!(form.contains("room-5 and 2 more"), "{form}");
        }
    }

    #[test]
    fn what_acts_on_a_reader_is_an_escape() {
        let view = View {
            title: "\u{202e}".into(),
            items: vec![Item {
                name: "\u{1b}".into(),
                message: Some("a\nb".into()),
                lines: vec![Line {
                    note: Some("\u{200f}".into()),
                    ..Line::default()
                }],
                ..Item::default()
            }]
            .into(),
            ..View::default()
        }
        .printable();
        assert_eq!(view.title, "\\u{202e}");
        let item = view.items.get(0);
        assert_eq!(item.name, "\\u{1b}");
        assert_eq!(item.message.as_deref(), Some("a\\u{a}b"));
        assert_eq!(item.lines[0].note.as_deref(), Some("\\u{200f}"));
    }
}
