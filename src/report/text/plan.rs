//! A plan as text.

use std::fmt::Write;

use anstyle::Style;
use jiff::Timestamp;
use serde_json::Value as Json;
use similar::{ChangeTag, TextDiff};

use super::{BLUE, BOLD, DIM, GREEN, RED, YELLOW, count, paint, printable, undeclared, value};
use crate::model::Effect;
use crate::model::catalogue::{Kind, kind};
use crate::planner::{Action, Cause, Explanation};
use crate::report::plan::{AttributeReport, ChangeReport, PlanReport};

/// What a screen shows besides the plan itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlanView<'a> {
    /// The rate of the forecast, where it is known.
    pub rate: Option<&'a str>,
    /// Whether attributes are named that moved without being declared.
    pub verbose: bool,
    /// What moments are told from, in Unix seconds.
    pub now: i64,
}

/// Rooms that are named for an effect; the others are counted.
const NAMED: usize = 5;

/// The plan, as a screen of text.
pub(crate) fn plan(report: &PlanReport, view: PlanView<'_>) -> String {
    let mut text = String::new();
    let state = match &report.state.lineage {
        Some(_) => format!("state serial {}", report.state.serial),
        None => "no state yet".to_owned(),
    };
    let app = paint(BOLD, printable(&report.app));
    let _ = writeln!(text, "Plan for {app}, against {state}\n");
    text.push_str(&effects(report));
    // What this change does not explain comes first: nobody reviewed it. Otherwise the order of apply.
    let mut changes: Vec<&ChangeReport> = report.changes.iter().collect();
    changes.sort_by_key(|change| change.explanation.is_none_or(Explanation::is_explained));
    for change in changes {
        text.push_str(&change_block(change, view.now));
    }
    for room in &report.unreadable {
        let name = paint(RED.bold(), printable(&room.room));
        let why = printable(&room.message);
        let _ = writeln!(
            text,
            "  {} {name}  nothing is planned: {why}\n",
            paint(RED, "?")
        );
    }
    for room in &report.undeclared {
        let _ = writeln!(text, "  {}", printable(&room.room));
        undeclared(&mut text, &room.attributes, view.verbose);
        text.push('\n');
    }
    text.push_str(&summary(report, view.rate));
    text.push_str(&unexplained(report));
    if let Some(guard) = &report.guard {
        for reason in guard.lines() {
            let _ = writeln!(
                text,
                "{}: apply refuses this: {}",
                paint(RED.bold(), "Guard"),
                printable(reason)
            );
        }
    }
    text
}

/// What the plan does to people, before anything else: that is what a reviewer must not miss.
fn effects(report: &PlanReport) -> String {
    let mut text = String::new();
    for effect in Effect::ALL {
        let rooms = report
            .changes
            .iter()
            .filter(|c| c.effects.contains(&effect));
        let rooms: Vec<String> = rooms.map(|change| printable(&change.room)).collect();
        if rooms.is_empty() {
            continue;
        }
        let (named, more) = rooms.split_at(rooms.len().min(NAMED));
        let more = match more.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let _ = writeln!(
            text,
            "  {} {}: {}: {}{more}",
            paint(YELLOW, "!"),
            paint(YELLOW.bold(), effect.name()),
            effect.sentence(),
            named.join(", ")
        );
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

fn change_block(change: &ChangeReport, now: i64) -> String {
    let (symbol, style) = symbol(change.action);
    let mut text = String::new();
    let room = paint(style.bold(), printable(&change.room));
    let place = place(change);
    // A room without lines has nothing else to say it with.
    let whole = change.explanation.filter(|_| change.attributes.is_empty());
    let whole = explanation(whole);
    let _ = writeln!(text, "  {} {room}{place}{whole}", paint(style, symbol));
    for effect in &change.effects {
        let name = paint(YELLOW.bold(), effect.name());
        let _ = writeln!(text, "      {} {name}", paint(YELLOW, "!"));
    }
    let width = change
        .attributes
        .iter()
        .map(|a| a.name.len())
        .max()
        .unwrap_or(0);
    // What somebody else moved comes first: nobody reviewed that.
    let mut attributes: Vec<&AttributeReport> = change.attributes.iter().collect();
    attributes.sort_by_key(|a| {
        let planned = !matches!(a.cause, Cause::Drift | Cause::Conflict);
        (planned, a.explanation.is_none_or(Explanation::is_explained))
    });
    for attribute in attributes {
        let line = match (change.action, &attribute.file, attribute.line) {
            (_, Some(file), Some(line)) => paint(DIM, format!("  {}:{line}", printable(file))),
            (Action::Update, None, Some(line)) => paint(DIM, format!("  line {line}")),
            _ => String::new(),
        };
        let name = format!("{:width$}", printable(&attribute.name));
        let _ = writeln!(
            text,
            "      {name}  {}{line}{}",
            values(attribute, now),
            explanation(attribute.explanation)
        );
    }
    text.push('\n');
    text
}

/// How much of the plan the change to the files does not account for.
fn unexplained(report: &PlanReport) -> String {
    let is_open = |explanation: Option<Explanation>| explanation.is_some_and(|e| !e.is_explained());
    let rooms = report
        .changes
        .iter()
        .filter(|change| is_open(change.explanation))
        .count() as u64;
    if rooms == 0 {
        return String::new();
    }
    let attributes = report.changes.iter().flat_map(|change| &change.attributes);
    let lines = attributes.filter(|a| is_open(a.explanation)).count() as u64;
    format!(
        "{}: {} in {} not from this change.\n",
        paint(YELLOW.bold(), "Unexplained"),
        count(lines, "line", "lines"),
        count(rooms, "room", "rooms")
    )
}

/// Where a line comes from, if that is known.
fn explanation(explanation: Option<Explanation>) -> String {
    explanation.map_or_else(String::new, |explanation| {
        let style = if explanation.is_explained() {
            DIM
        } else {
            YELLOW
        };
        paint(style, format!("  [{}]", explanation.words()))
    })
}

fn symbol(action: Action) -> (&'static str, Style) {
    match action {
        Action::Add | Action::Create | Action::Adopt => ("+", GREEN),
        Action::Update => ("~", YELLOW),
        Action::Archive => ("-", RED),
        Action::Orphan => ("?", BLUE),
    }
}

fn place(change: &ChangeReport) -> String {
    match (&change.file, change.line) {
        (Some(file), Some(line)) => paint(DIM, format!("  {}:{line}", printable(file))),
        (Some(file), None) => paint(DIM, format!("  {}", printable(file))),
        _ if change.action == Action::Archive => {
            paint(DIM, "  in the state, but no file wants it: archived")
        }
        _ => paint(DIM, "  in the state, but no file wants it: left alone"),
    }
}

fn values(attribute: &AttributeReport, now: i64) -> String {
    let doubt = if attribute.unconfirmed {
        " (sent, never confirmed)"
    } else {
        ""
    };
    if attribute.cause == Cause::Released {
        let before = shown(attribute, &attribute.before, now);
        return format!(
            "{before}{doubt} → {}",
            paint(DIM, "no longer managed, left as it is")
        );
    }
    if attribute.unknown {
        let what = "unknown until apply: its variable is not set here";
        return format!("{} {}", paint(GREEN, "****"), paint(DIM, what));
    }
    match attribute.cause {
        Cause::Drift | Cause::Conflict => return moved(attribute, now),
        Cause::Converged if attribute.unconfirmed => {
            return format!(
                "{} {}",
                shown(attribute, &attribute.after, now),
                paint(DIM, "arrived after all")
            );
        }
        Cause::Converged => {
            let note = paint(DIM, "already so on the service: recorded, not sent");
            return format!("{} {note}", shown(attribute, &attribute.after, now));
        }
        _ => {}
    }
    if attribute.before.is_null() {
        return paint(GREEN, shown(attribute, &attribute.after, now));
    }
    if attribute.sensitive {
        return format!(
            "{} {}",
            paint(YELLOW, "****"),
            paint(DIM, format!("changed{doubt}"))
        );
    }
    let before = shown(attribute, &attribute.before, now);
    let after = shown(attribute, &attribute.after, now);
    let (before, after) = contrast(&before, &after);
    format!("{before}{doubt} → {after}")
}

/// An attribute that somebody moved on the service.
fn moved(attribute: &AttributeReport, now: i64) -> String {
    let (word, style) = match attribute.cause {
        Cause::Conflict => ("conflict:", RED.bold()),
        _ => ("drift:", YELLOW.bold()),
    };
    let word = paint(style, word);
    if attribute.sensitive {
        return format!("{word} changed on the service; the file's is sent");
    }
    let side = |json: &Json| shown(attribute, json, now);
    let (before, live, after) = (
        side(&attribute.before),
        paint(YELLOW, side(&attribute.live)),
        paint(GREEN, side(&attribute.after)),
    );
    if attribute.cause == Cause::Conflict {
        format!("{word} {before} → {live} on the service, → {after} in the file, which is sent")
    } else {
        format!("{word} {before} → {live} on the service, put back to {after}")
    }
}

/// The value, with a moment's date and distance from `now`, or a span in hours and minutes, beside it.
fn shown(attribute: &AttributeReport, json: &Json, now: i64) -> String {
    with_unit(&attribute.name, json, now)
}

/// The same for the attribute of that name.
pub(in crate::report) fn with_unit(name: &str, json: &Json, now: i64) -> String {
    let plain = value(json);
    let Some(seconds) = json.as_i64() else {
        return plain;
    };
    let told = match kind(name) {
        Some(Kind::Moment) => moment(seconds, now),
        Some(Kind::Span) => span(seconds),
        _ => None,
    };
    told.map_or_else(|| plain.clone(), |told| format!("{plain} ({told})"))
}

/// `2027-01-01 00:00 UTC, in 39 days`.
fn moment(seconds: i64, now: i64) -> Option<String> {
    let date = Timestamp::from_second(seconds).ok()?;
    let date = date.strftime("%Y-%m-%d %H:%M UTC");
    let distance = now.abs_diff(seconds);
    let (number, unit) = match distance {
        0..60 => (distance, "second"),
        60..7200 => (distance / 60, "minute"),
        7200..172_800 => (distance / 3600, "hour"),
        172_800..63_115_200 => (distance / 86_400, "day"),
        _ => (distance / 31_557_600, "year"),
    };
    let plural = if number == 1 { "" } else { "s" };
    let distance = format!("{number} {unit}{plural}");
    Some(if seconds > now {
        format!("{date}, in {distance}")
    } else {
        format!("{date}, {distance} ago")
    })
}

/// `1h30m`; `None` below a minute, where it says nothing new.
fn span(seconds: i64) -> Option<String> {
    if seconds < 60 {
        return None;
    }
    let parts = [
        (seconds / 3600, 'h'),
        (seconds / 60 % 60, 'm'),
        (seconds % 60, 's'),
    ];
    let told = parts.iter().filter(|(number, _)| *number > 0);
    Some(
        told.map(|(number, unit)| format!("{number}{unit}"))
            .collect(),
    )
}

/// Old in red and new in green, with the characters that differ underlined: in `1798761600` and
/// `1798765200` nobody finds them otherwise.
fn contrast(before: &str, after: &str) -> (String, String) {
    let diff = TextDiff::from_chars(before, after);
    // When most of it differs, underlining shows nothing.
    let alike = diff.ratio() > 0.5;
    let (mut old, mut new) = (String::new(), String::new());
    for change in diff.iter_all_changes() {
        let piece = change.value();
        let mark = |style: Style| if alike { style.underline() } else { style };
        match change.tag() {
            ChangeTag::Equal => {
                old.push_str(&paint(RED, piece));
                new.push_str(&paint(GREEN, piece));
            }
            ChangeTag::Delete => old.push_str(&paint(mark(RED), piece)),
            ChangeTag::Insert => new.push_str(&paint(mark(GREEN), piece)),
        }
    }
    (old, new)
}

fn summary(report: &PlanReport, rate: Option<&str>) -> String {
    let s = report.summary;
    let mut parts = Vec::new();
    for (number, what) in [
        (s.add, "to add"),
        (s.create, "to create"),
        (s.adopt, "to adopt"),
        (s.update, "to update"),
        (s.archive, "to archive"),
    ] {
        if number > 0 {
            parts.push(format!("{number} {what}"));
        }
    }
    let orphans = match s.orphan {
        0 => String::new(),
        n => format!("; {} left alone", count(n, "orphan", "orphans")),
    };
    let unreadable = match s.unreadable {
        0 => String::new(),
        n => format!(", {n} unreadable"),
    };
    let unchanged = format!("{} unchanged{unreadable}", s.unchanged);
    if parts.is_empty() {
        let text = paint(BOLD, "Nothing to do");
        return format!("{text}: {unchanged}{orphans}.\n");
    }
    let parts = paint(BOLD, parts.join(", "));
    let requests = count(report.forecast.requests, "request", "requests");
    let time = match report.forecast.seconds {
        Some(seconds) => {
            let rate = rate.map_or_else(String::new, |rate| format!(" at {rate}"));
            format!("{requests}, about {seconds} s{rate}")
        }
        None => format!("{requests} at an unlimited rate"),
    };
    format!("Plan: {parts}, {unchanged}{orphans}.\nForecast: {time}.\n")
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;
    use serde_json::json;

    use super::*;

    fn attribute(before: Json, after: Json, cause: Cause) -> AttributeReport {
        AttributeReport {
            name: "maxParticipants".into(),
            before,
            after,
            unknown: false,
            cause,
            file: None,
            explanation: None,
            line: Some(3),
            live: Json::Null,
            sensitive: false,
            unconfirmed: false,
        }
    }

    #[test]
    fn values_read_as_before_and_after() {
        let text = |a: &AttributeReport| strip_str(&values(a, 1_795_392_000)).to_string();
        let mut change = attribute(json!(25), json!(40), Cause::Change);
        assert_eq!(text(&change), "25 → 40");
        change.unconfirmed = true;
        assert_eq!(text(&change), "25 (sent, never confirmed) → 40");
        assert_eq!(text(&attribute(Json::Null, json!(40), Cause::Change)), "40");
        assert_eq!(
            text(&attribute(json!(25), Json::Null, Cause::Released)),
            "25 → no longer managed, left as it is"
        );
        let mut secret = attribute(json!("****"), json!("****"), Cause::Change);
        secret.sensitive = true;
        assert_eq!(text(&secret), "**** changed");
        secret.unknown = true;
        assert_eq!(
            text(&secret),
            "**** unknown until apply: its variable is not set here"
        );
        let mut moment = attribute(json!(1_798_761_600), json!(1_798_765_200), Cause::Change);
        moment.name = "expireUnixSec".into();
        assert_eq!(
            text(&moment),
            "1798761600 (2027-01-01 00:00 UTC, in 39 days) → 1798765200 (2027-01-01 01:00 UTC, in 39 days)"
        );
        let mut span = attribute(json!(45), json!(5405), Cause::Change);
        span.name = "ejectAfterElapsedTimeInSec".into();
        assert_eq!(text(&span), "45 → 5405 (1h30m5s)");
    }

    #[test]
    fn distances_are_told_in_one_unit() {
        let now = 1_795_392_000;
        for (seconds, told) in [
            (0, "0 seconds ago"),
            (1, "in 1 second"),
            (-90, "1 minute ago"),
            (7199, "in 119 minutes"),
            (90_000, "in 25 hours"),
            (-172_800, "2 days ago"),
            (63_115_200, "in 2 years"),
        ] {
            let moment = moment(now + seconds, now).unwrap();
            assert!(moment.ends_with(told), "{moment}");
        }
    }

    #[test]
    fn only_what_differs_is_underlined() {
        let (old, new) = contrast("1798761600", "1798765200");
        let underlined = |text: &str| {
            text.contains(&format!("{}", RED.underline()))
                || text.contains(&format!("{}", GREEN.underline()))
        };
        assert!(underlined(&old) && underlined(&new));
        let (old, new) = contrast("true", "false");
        assert!(!underlined(&old) && !underlined(&new));
    }
}
