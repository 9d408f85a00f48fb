//! A view as a screen of text. What asks for attention is coloured by how much it does.

use std::fmt::Write;

use anstyle::Style;
use similar::{ChangeTag, TextDiff};

use super::{BOLD, DIM, GREEN, RED, YELLOW, paint};
use crate::planner::Outcome;
use crate::report::apply::ApplyReport;
use crate::report::values::{capitalized, printable};
use crate::report::view::{Item, Line, View, Weight, outcome_word, why};

/// What the report does to people, before anything else: that is what a reviewer must not miss. Then the rooms,
/// and at the end, where the eye is, what it comes to. In parts, each of whole lines: all of it is long.
pub(crate) fn page<'a>(view: &'a View<'_>) -> impl Iterator<Item = String> + 'a {
    let block = |one: &Item| {
        let block = item(one);
        let apart = if block.lines().count() > 1 { "\n" } else { "" };
        block + apart
    };
    let last = view.items.len().checked_sub(1);
    let last = last.map(|at| block(&view.items.get(at)));
    let is_apart = last.is_none_or(|last| last.ends_with("\n\n"));
    let items = view.items.iter().map(move |one| block(&one));
    let end =
        std::iter::once_with(move || format!("{}{}", if is_apart { "" } else { "\n" }, end(view)));
    std::iter::once(head(view)).chain(items).chain(end)
}

fn head(view: &View<'_>) -> String {
    let mut text = format!("{}\n\n", paint(BOLD, view.heading()));
    for effect in &view.effects {
        let (sign, name) = (paint(YELLOW, "!"), paint(YELLOW.bold(), effect.name));
        let (said, rooms) = (effect.sentence, effect.rooms.list(str::to_owned));
        let _ = writeln!(text, "  {sign} {name}: {said}: {rooms}");
    }
    if !view.effects.is_empty() {
        text.push('\n');
    }
    text
}

fn end(view: &View<'_>) -> String {
    let kind = paint(BOLD, capitalized(view.kind));
    let mut text = format!("{kind}: {}.\n", view.summary());
    for remark in &view.remarks {
        let style = match remark.weight {
            Weight::Notice => BOLD,
            weight => style(weight).bold(),
        };
        let _ = writeln!(text, "{}: {remark}.", paint(style, remark.label));
    }
    text
}

fn style(weight: Weight) -> Style {
    match weight {
        Weight::Error => RED,
        Weight::Warning => YELLOW,
        Weight::Notice => GREEN,
    }
}

/// One room: a line for it, and one for each of its attributes.
pub(crate) fn item(item: &Item) -> String {
    let style = style(item.weight);
    let message = item.message.as_ref().map(|why| format!(": {why}"));
    let place = item.place().map(|place| paint(DIM, format!("  {place}")));
    let mut text = format!(
        "  {} {}  {}{}{}\n",
        paint(style, item.sign),
        paint(style.bold(), &item.name),
        item.action,
        message.unwrap_or_default(),
        place.unwrap_or_default()
    );
    for effect in &item.effects {
        let effect = paint(YELLOW.bold(), effect);
        let _ = writeln!(text, "      {} {effect}", paint(YELLOW, "!"));
    }
    for detail in &item.details {
        let _ = writeln!(text, "      {detail}");
    }
    let widths = item.lines.iter().map(|line| line.name.len());
    let width = widths.max().unwrap_or(0);
    for line in &item.lines {
        text.push_str(&attribute(line, width));
    }
    if let Some(rooms) = &item.rooms {
        text.push_str(&list_of("      in ", &rooms.first, rooms.more));
    }
    text
}

/// Names in lines that fit on any terminal, none of them parted. `before` stands before the first.
fn list_of(before: &str, names: &[String], more: usize) -> String {
    const WIDTH: usize = 78;
    let (mut text, mut line) = (String::new(), before.to_owned());
    for name in with_commas(names, more) {
        if line.chars().count() + name.chars().count() > WIDTH && !line.trim().is_empty() {
            let _ = writeln!(text, "{}", line.trim_end());
            line = " ".repeat(before.len());
        }
        line.push_str(&name);
        line.push(' ');
    }
    let _ = writeln!(text, "{}", line.trim_end());
    text
}

/// The names with commas between them, and what is said of the others.
fn with_commas(names: &[String], more: usize) -> Vec<String> {
    let last = names.len().saturating_sub(1);
    let name =
        |(at, name): (usize, &String)| format!("{name}{}", if at == last { "" } else { "," });
    let more = (more > 0).then(|| format!("and {more} more; -v names all"));
    names.iter().enumerate().map(name).chain(more).collect()
}

fn attribute(line: &Line, width: usize) -> String {
    let mut text = format!("      {:width$}  ", line.name);
    text.push_str(&match (&line.before, &line.after) {
        (Some(before), Some(after)) => contrast(before, after),
        (Some(before), None) => before.clone(),
        (None, Some(after)) => paint(GREEN, after),
        (None, None) => String::new(),
    });
    let style = if line.surprise { YELLOW } else { DIM };
    let place = line.line.map(|line| format!("line {line}"));
    let mute = line.mute.as_ref().map(|mute| format!("mute: {mute}"));
    for (style, more) in [(style, &line.notes()), (DIM, &place), (DIM, &mute)] {
        if let Some(more) = more {
            text.push_str(&paint(style, format!("  {more}")));
        }
    }
    text.push('\n');
    text
}

/// Old in red and new in green, with the characters that differ underlined: in `1798761600` and
/// `1798765200` nobody finds them otherwise.
fn contrast(before: &str, after: &str) -> String {
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
    format!("{old} → {new}")
}

/// The end of a run: each room that was not done, which was not shown before, with the reason, and what it comes to.
pub(crate) fn apply_end(report: &ApplyReport, view: &View<'_>) -> String {
    let mut text = String::from("\n");
    list(&mut text, report, Outcome::Refused, "");
    let meaning = ": written or not, the service did not say; the next apply settles it";
    list(&mut text, report, Outcome::Unknown, meaning);
    list(&mut text, report, Outcome::Skipped, "");
    text.push_str(&end(view));
    text
}

/// Rooms by reason: hundreds often share one.
fn list(text: &mut String, report: &ApplyReport, outcome: Outcome, meaning: &str) {
    let mut reasons: Vec<(String, Vec<String>)> = Vec::new();
    for receipt in report.receipts.iter().filter(|r| r.outcome == outcome) {
        let reason = why(receipt).map(printable).unwrap_or_default();
        let room = printable(&receipt.room);
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, rooms)) => rooms.push(room),
            None => reasons.push((reason, vec![room])),
        }
    }
    if reasons.is_empty() {
        return;
    }
    let title = format!("{}{meaning}", capitalized(outcome_word(outcome)));
    let _ = writeln!(text, "{}:", paint(BOLD, title));
    for (reason, rooms) in reasons {
        let _ = match rooms.as_slice() {
            [room] => writeln!(text, "  {room}  {reason}"),
            rooms => write!(text, "  {reason}:\n{}", list_of("      ", rooms, 0)),
        };
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;

    use super::*;

    #[test]
    fn a_room_is_a_line_and_its_attributes_stand_below_it() {
        let tea = Item {
            sign: "~",
            action: "update".into(),
            name: "tea".into(),
            file: Some("rooms/tea.yaml".into()),
            line: Some(4),
            effects: vec!["billing-changed"],
            message: Some("why".into()),
            details: vec!["more".into()],
            lines: vec![
                Line {
                    name: "recordRoom".into(),
                    before: Some("true".into()),
                    after: Some("false".into()),
                    note: Some("drift".into()),
                    line: Some(5),
                    mute: Some("- {}".into()),
                    ..Line::default()
                },
                Line {
                    name: "privacy".into(),
                    after: Some("public".into()),
                    ..Line::default()
                },
            ],
            ..Item::default()
        };
        assert_eq!(
            strip_str(&item(&tea)).to_string(),
            "  ~ tea  update: why  rooms/tea.yaml:4
      ! billing-changed
      more
      recordRoom  true → false  drift  line 5  mute: - {}
      privacy     public
"
        );
    }

    #[test]
    fn only_what_differs_is_underlined() {
        let underlined = |text: &str| {
            text.contains(&format!("{}", RED.underline()))
                && text.contains(&format!("{}", GREEN.underline()))
        };
        assert!(underlined(&contrast("1798761600", "1798765200")));
        assert!(!underlined(&contrast("true", "false")));
    }

    #[test]
    fn colour_goes_by_weight() {
        for (weight, style) in [
            (Weight::Error, RED),
            (Weight::Warning, YELLOW),
            (Weight::Notice, GREEN),
        ] {
            let item = item(&Item {
                weight,
                sign: "?",
                ..Item::default()
            });
            assert!(item.contains(&paint(style, "?")), "{weight:?}");
        }
    }
}
