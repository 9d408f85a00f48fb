//! What is remembered, as text.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::Value as Json;

use super::{BOLD, DIM, YELLOW, count, paint, printable, value};
use crate::report::state::{RoomReport, StateReport};

/// One line a room.
pub fn state_list(report: &StateReport) -> String {
    let mut text = String::new();
    for room in &report.rooms {
        let attributes = count(room.settings.len() as u64, "attribute", "attributes");
        let _ = writeln!(
            text,
            "  {}  {attributes}{}",
            paint(BOLD, printable(&room.room)),
            marks(room)
        );
    }
    let rooms = count(report.rooms.len() as u64, "room", "rooms");
    let _ = writeln!(
        text,
        "{rooms} of {} in the state, serial {}.",
        printable(&report.app),
        report.state.serial
    );
    text
}

fn marks(room: &RoomReport) -> String {
    let mut marks = Vec::new();
    if !room.confirmed {
        marks.push("never confirmed".to_owned());
    }
    if room.confirmed && !room.unconfirmed.is_empty() {
        marks.push("the last write was never answered".to_owned());
    }
    if !room.overridden.is_empty() {
        marks.push(format!(
            "{} overridden by the service",
            room.overridden.len()
        ));
    }
    if marks.is_empty() {
        return String::new();
    }
    format!("  {}", paint(YELLOW, marks.join(", ")))
}

/// Everything that is remembered of each room.
pub fn state_show(report: &StateReport) -> String {
    let mut text = String::new();
    for room in &report.rooms {
        let id = room
            .id
            .as_deref()
            .map_or_else(String::new, |id| format!("  id {}", printable(id)));
        let _ = writeln!(
            text,
            "{}{}",
            paint(BOLD, printable(&room.room)),
            paint(DIM, id)
        );
        block(&mut text, "sent and confirmed", &room.settings);
        block(&mut text, "chosen by the service instead", &room.overridden);
        block(&mut text, "sent and never answered", &room.unconfirmed);
        block(
            &mut text,
            "reported by the service, in no file",
            &room.observed,
        );
    }
    text
}

fn block(text: &mut String, title: &str, values: &BTreeMap<String, Json>) {
    if values.is_empty() {
        return;
    }
    let _ = writeln!(text, "  {title}");
    let width = values.keys().map(String::len).max().unwrap_or(0);
    for (name, json) in values {
        let _ = writeln!(text, "    {:width$}  {}", printable(name), value(json));
    }
}
