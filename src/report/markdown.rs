//! Reports as markdown, for an issue or a step summary.

use std::fmt::Write;

use serde_json::Value as Json;

use crate::planner::{Cause, Verdict};
use crate::report::drift::{AttributeReport, DriftReport, RoomReport};

/// The drift check: a table of counts, then a table of what moved.
pub fn drift(report: &DriftReport) -> String {
    let mut text = format!(
        "## Drift of {}\n\n| Rooms | |\n|---|---|\n",
        code(&report.app)
    );
    for (name, number) in report.summary.counts() {
        if number > 0 {
            let _ = writeln!(text, "| {} | {number} |", name.replace('_', " "));
        }
    }
    let moved: Vec<&RoomReport> = report
        .by_verdict()
        .into_values()
        .flatten()
        .filter(|room| !matches!(room.verdict, Verdict::InSync | Verdict::Unmanaged))
        .collect();
    if !moved.is_empty() {
        text.push_str("\n| Room | Verdict | Attribute | Applied | In the file | On the service |\n|---|---|---|---|---|---|\n");
    }
    for room in moved {
        room_rows(&mut text, room);
    }
    for mute in &report.idle_mutes {
        let _ = writeln!(
            text,
            "\nThe mute of {} in {} (until {}) is {}.",
            code(&mute.attribute),
            code(&mute.room),
            code(&mute.until),
            mute.problem
        );
    }
    if let Some(warning) = &report.warning {
        let _ = writeln!(text, "\n**Warning:** {}", code(warning));
    }
    text
}

fn room_rows(text: &mut String, room: &RoomReport) {
    let name = code(&room.room);
    let verdict = verdict(room.verdict);
    if let Some(message) = &room.message {
        let _ = writeln!(text, "| {name} | {verdict} | {} | | | |", code(message));
    }
    for attribute in &room.attributes {
        if attribute.cause != Cause::Unobservable {
            let _ = writeln!(text, "| {name} | {verdict} | {} |", row(attribute));
        }
    }
}

fn row(attribute: &AttributeReport) -> String {
    let cell = |json: &Json| match json {
        Json::Null => String::new(),
        Json::String(text) => code(text),
        other => code(&other.to_string()),
    };
    let muted = if attribute.muted { " (muted)" } else { "" };
    format!(
        "{}{muted} | {} | {} | {}",
        code(&attribute.name),
        cell(&attribute.applied),
        cell(&attribute.wanted),
        cell(&attribute.live)
    )
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::InSync => "in sync",
        Verdict::Drifted => "drifted",
        Verdict::Missing => "missing",
        Verdict::Conflict => "conflict",
        Verdict::Pending => "pending",
        Verdict::Unmanaged => "unmanaged",
        Verdict::Unreadable => "unreadable",
        Verdict::Muted => "muted",
    }
}

/// `text` as code in a table cell, inert whatever it holds: a fence longer than any run of backticks in it,
/// no line break, no bar that would end the cell, no control character, nothing that reorders what is read.
fn code(text: &str) -> String {
    let plain: String = text
        .chars()
        .map(|c| match c {
            '|' => '¦',
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                '\u{fffd}'
            }
            c if c.is_control() => ' ',
            c => c,
        })
        .collect();
    let longest = plain.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let space = if plain.starts_with('`') || plain.ends_with('`') {
        " "
    } else {
        ""
    };
    format!("{fence}{space}{plain}{space}{fence}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_gets_out_of_a_cell() {
        assert_eq!(code("plain"), "`plain`");
        assert_eq!(code("a|b\nc"), "`a¦b c`");
        assert_eq!(code("a``b"), "```a``b```");
        assert_eq!(code("`@all"), "`` `@all ``");
        assert_eq!(code("<b>\u{202e}"), "`<b>\u{fffd}`");
    }
}
