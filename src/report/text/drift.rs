//! A drift check as text.

use std::fmt::Write;

use anstyle::Style;

use super::{BLUE, BOLD, DIM, GREEN, RED, YELLOW, paint, printable, undeclared, value};
use crate::planner::{Cause, Verdict};
use crate::report::drift::{AttributeReport, DriftReport, RoomReport};

/// The drift check. `until` is the day that a ready-made mute ends on; `verbose` also shows what is in sync
/// but cannot be seen, and undeclared attributes by name.
pub(crate) fn drift(report: &DriftReport, until: &str, verbose: bool) -> String {
    let state = match &report.state.lineage {
        Some(_) => format!("state serial {}", report.state.serial),
        None => "no state yet".to_owned(),
    };
    let app = paint(BOLD, printable(&report.app));
    let mut text = format!("Drift of {app}, against {state}\n\n");
    for rooms in report.by_verdict().values() {
        for room in rooms {
            room_block(&mut text, room, until, verbose);
        }
    }
    for mute in &report.idle_mutes {
        let _ = writeln!(
            text,
            "{}: the mute of {} in {} (until {}) is {}; take it out",
            paint(YELLOW, "mutes"),
            printable(&mute.attribute),
            printable(&mute.room),
            printable(&mute.until),
            mute.problem
        );
    }
    if let Some(warning) = &report.warning {
        let _ = writeln!(text, "{}: {}", paint(YELLOW, "warning"), printable(warning));
    }
    let counts: Vec<String> = report
        .summary
        .counts()
        .into_iter()
        .filter(|(_, number)| *number > 0)
        .map(|(name, number)| format!("{number} {}", name.replace('_', " ")))
        .collect();
    let counts = if counts.is_empty() {
        "no rooms".to_owned()
    } else {
        counts.join(", ")
    };
    let _ = writeln!(text, "{}: {counts}.", paint(BOLD, "Drift"));
    text
}

fn room_block(text: &mut String, room: &RoomReport, until: &str, verbose: bool) {
    if room.verdict == Verdict::InSync && !(verbose && has_more(room)) && room.undeclared.is_empty()
    {
        return;
    }
    let (symbol, word, style) = look(room.verdict);
    let file = match &room.file {
        Some(file) => paint(DIM, format!("  {}", printable(file))),
        None => String::new(),
    };
    let name = paint(style.bold(), printable(&room.room));
    let _ = writeln!(text, "  {} {name}  {word}{file}", paint(style, symbol));
    if let Some(message) = &room.message {
        let _ = writeln!(text, "      {}", printable(message));
    }
    let width = room
        .attributes
        .iter()
        .map(|a| a.name.len())
        .max()
        .unwrap_or(0);
    for attribute in &room.attributes {
        if attribute.cause != Cause::Unobservable || verbose {
            attribute_line(text, room, attribute, width, until);
        }
    }
    undeclared(text, &room.undeclared, verbose);
    text.push('\n');
}

fn has_more(room: &RoomReport) -> bool {
    !room.attributes.is_empty() || !room.undeclared.is_empty()
}

fn look(verdict: Verdict) -> (&'static str, &'static str, Style) {
    match verdict {
        Verdict::InSync => ("=", "in sync", GREEN),
        Verdict::Drifted => ("!", "drifted", YELLOW),
        Verdict::Missing => ("✗", "missing", RED),
        Verdict::Conflict => ("✗", "conflict: the service and the file both moved", RED),
        Verdict::Pending => ("~", "pending: the file is ahead", BLUE),
        Verdict::Unmanaged => ("?", "unmanaged", DIM),
        Verdict::Unreadable => ("?", "unreadable", RED),
        Verdict::Muted => ("-", "muted", DIM),
    }
}

fn attribute_line(
    text: &mut String,
    room: &RoomReport,
    attribute: &AttributeReport,
    width: usize,
    until: &str,
) {
    let name = format!("{:width$}", printable(&attribute.name));
    let moved = matches!(attribute.cause, Cause::Drift | Cause::Conflict) && !attribute.muted;
    let mute = if moved {
        let mute = mute_line(&room.room, &attribute.name, until);
        paint(DIM, format!("  mute: {mute}"))
    } else {
        String::new()
    };
    let _ = writeln!(text, "      {name}  {}{mute}", sides(attribute));
}

/// A mute, ready to be pasted below `mutes:`.
pub(super) fn mute_line(room: &str, attribute: &str, until: &str) -> String {
    format!(
        "- {{room: \"{}\", attribute: {}, reason: \"why\", until: {until}}}",
        printable(room),
        printable(attribute)
    )
}

fn sides(attribute: &AttributeReport) -> String {
    let side = |json| value(json);
    let (applied, wanted, live) = (
        side(&attribute.applied),
        side(&attribute.wanted),
        side(&attribute.live),
    );
    let told = match attribute.cause {
        Cause::Drift if attribute.sensitive => "changed on the service".to_owned(),
        Cause::Conflict if attribute.sensitive => {
            "changed in the file and on the service".to_owned()
        }
        Cause::Drift => format!("{applied} → {} on the service", paint(YELLOW, live)),
        Cause::Conflict => format!(
            "{applied} → {} in the file, {} on the service",
            paint(GREEN, wanted),
            paint(YELLOW, live)
        ),
        Cause::Change if attribute.applied.is_null() => {
            format!("{} in the file", paint(GREEN, wanted))
        }
        Cause::Change => format!("{applied} → {} in the file", paint(GREEN, wanted)),
        Cause::Converged => format!("{wanted} in the file and on the service, not recorded yet"),
        Cause::Released => "no longer in the file".to_owned(),
        Cause::Unobservable => "not reported by the service".to_owned(),
    };
    if attribute.muted {
        format!("{told} {}", paint(DIM, "(muted)"))
    } else {
        told
    }
}
