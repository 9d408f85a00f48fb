//! What is remembered, as text.

use std::collections::BTreeMap;
use std::fmt::Write;

use jiff::Timestamp;

use super::{BOLD, DIM, YELLOW, paint};
use crate::model::Shown;
use crate::model::words::{count, joined};
use crate::report::state::{ListedRoom, StateHistoryReport, StateListReport, StateShowReport};
use crate::report::values::{moment, printable, value};

pub(crate) fn state_list(report: &StateListReport) -> String {
    let mut text = String::new();
    let names = report.rooms.iter().map(|room| room.room.len());
    let width = names.max().unwrap_or(0);
    for room in &report.rooms {
        let name = paint(BOLD, format!("{:width$}", printable(&room.room)));
        let attributes = count(room.attributes, "attribute");
        let _ = writeln!(text, "  {name}  {attributes}{}", marks(room));
    }
    let rooms = count(report.rooms.len() as u64, "room");
    let (app, serial) = (printable(&report.app), report.state.serial);
    let _ = writeln!(text, "{rooms} of {app} in the state, serial {serial}.");
    if !report.left_out.is_none() {
        let _ = writeln!(text, "Left out: {}.", report.left_out);
    }
    text
}

fn marks(room: &ListedRoom) -> String {
    let mut marks = Vec::new();
    if !room.confirmed {
        marks.push("never confirmed".to_owned());
    } else if room.unconfirmed > 0 {
        marks.push("the last write was never answered".to_owned());
    }
    if room.overridden > 0 {
        marks.push(format!("{} overridden by the service", room.overridden));
    }
    let marks = joined(marks, ", ");
    marks.map_or_else(String::new, |marks| format!("  {}", paint(YELLOW, marks)))
}

/// The versions of a state. `now` is what moments are measured from, in Unix seconds.
pub(crate) fn state_history(report: &StateHistoryReport, now: i64) -> String {
    let lines = report.versions.iter().map(|version| {
        let saved = version.saved.parse().map(Timestamp::as_second).ok();
        let saved = saved.and_then(|saved| moment(saved, now.max(saved)));
        let what = version.serial.zip(version.rooms);
        let what = what.map(|(serial, rooms)| (format!("serial {serial}"), count(rooms, "room")));
        let (serial, rooms) = what.unwrap_or(("unreadable".to_owned(), String::new()));
        [serial, rooms, saved.unwrap_or_default()]
    });
    let lines: Vec<[String; 3]> = lines.collect();
    let width = |column: usize| lines.iter().map(|line| line[column].len()).max();
    let widths = [0, 1, 2].map(|column| width(column).unwrap_or(0));
    let mut text = String::new();
    for (line, version) in lines.iter().zip(&report.versions) {
        let [serial, rooms, saved] = [0, 1, 2].map(|i| format!("{:1$}", line[i], widths[i]));
        let id = printable(&version.version);
        let _ = writeln!(text, "  {}  {rooms}  {saved}  {id}", paint(BOLD, serial));
        if let Some(why) = &version.unreadable {
            let _ = writeln!(text, "    {}", paint(YELLOW, printable(why)));
        }
    }
    let (shown, kept) = (report.versions.len() as u64, report.kept);
    let all = match shown == kept {
        true => count(kept, "version"),
        false => format!("{shown} of {}", count(kept, "version")),
    };
    let _ = writeln!(
        text,
        "{all}, newest first. `roomctl state pull --version-id ID` prints one."
    );
    text
}

/// Everything that is remembered of a room. `now` is what moments are measured from, in Unix seconds.
pub(crate) fn state_show(report: &StateShowReport, now: i64) -> String {
    let mut text = String::new();
    let id = report.id.as_deref().map_or_else(
        || "  the service's id is not known".to_owned(),
        |id| format!("  id {}", printable(id)),
    );
    let room = paint(BOLD, printable(&report.room));
    let _ = writeln!(text, "{room}{}", paint(DIM, id));
    if let Some(file) = &report.file {
        let _ = writeln!(text, "  applied from {}", printable(file));
    }
    if let Some(written) = report.asserted.and_then(|at| moment(at, now.max(at))) {
        let by = (!report.run.is_unknown()).then(|| format!(", by {}", report.run));
        let _ = writeln!(text, "  last written {written}{}", by.unwrap_or_default());
    }
    if let Some(names) = joined(report.unseen.iter().map(|name| printable(name)), ", ") {
        let _ = writeln!(text, "  not shown: {names}");
    }
    if report.claimed {
        let words = "nothing showed yet that it is this room that has the name";
        let _ = writeln!(text, "  {}", paint(YELLOW, words));
    }
    if !report.confirmed {
        let _ = writeln!(text, "  {}", paint(YELLOW, "never confirmed"));
    }
    for (title, values) in [
        ("sent and confirmed", single(&report.settings)),
        ("chosen by the service instead", single(&report.overridden)),
        ("sent and never answered", report.unconfirmed.clone()),
        (
            "reported by the service, not written",
            single(&report.observed),
        ),
    ] {
        block(&mut text, title, &values, now);
    }
    text
}

fn single(values: &BTreeMap<String, Shown>) -> BTreeMap<String, Vec<Shown>> {
    let values = values.iter();
    values
        .map(|(name, json)| (name.clone(), vec![json.clone()]))
        .collect()
}

fn block(text: &mut String, title: &str, values: &BTreeMap<String, Vec<Shown>>, now: i64) {
    if values.is_empty() {
        return;
    }
    let _ = writeln!(text, "  {title}");
    let width = values.keys().map(String::len).max().unwrap_or(0);
    for (name, json) in values {
        let values = joined(json.iter().map(|json| value(name, json, now)), " or ");
        let values = values.unwrap_or_default();
        let _ = writeln!(text, "    {:width$}  {values}", printable(name));
    }
}
