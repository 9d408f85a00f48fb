//! An import as text.

use std::fmt::Write;

use super::{BLUE, BOLD, DIM, GREEN, RED, YELLOW, count, paint, printable};
use crate::report::import::{ImportReport, Outcome, RoomReport};

/// A line for each room, the variables to set, and a line that sums up.
pub(crate) fn import(report: &ImportReport) -> String {
    let mut text: String = report.rooms.iter().map(line).collect();
    if let Some(warning) = &report.warning {
        let _ = writeln!(text, "{}: {}", paint(YELLOW, "warning"), printable(warning));
    }
    if !report.variables.is_empty() {
        text.push_str(
            "\nThe files refer to these variables; apply needs those of the rooms it writes:\n",
        );
    }
    for variable in &report.variables {
        let _ = writeln!(text, "  {variable}");
    }
    let s = report.summary;
    let mut parts = vec![format!("{} imported", count(s.imported, "room", "rooms"))];
    for (number, what) in [
        (s.skipped, "left alone"),
        (s.unreadable, "unreadable"),
        (s.refused, "refused"),
    ] {
        if number > 0 {
            parts.push(format!("{number} {what}"));
        }
    }
    let _ = writeln!(text, "\n{}: {}.", paint(BOLD, "Import"), parts.join(", "));
    text
}

fn line(room: &RoomReport) -> String {
    let (symbol, style) = match room.outcome {
        Outcome::Imported => ("+", GREEN),
        Outcome::Skipped => ("=", BLUE),
        Outcome::Unreadable => ("?", RED),
        Outcome::Refused => ("✗", RED),
    };
    let mut text = format!(
        "  {} {}",
        paint(style, symbol),
        paint(BOLD, printable(&room.room))
    );
    if let Some(file) = &room.file {
        text.push_str(&paint(DIM, format!("  {}", printable(file))));
    }
    if let Some(message) = &room.message {
        let _ = write!(text, "  {}", printable(message));
    }
    text.push('\n');
    text
}
