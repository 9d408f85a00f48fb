//! Receipts as text: a line when a room ends, and the lists at the end of the run.

use std::fmt::Write;

use super::{BLUE, BOLD, DIM, GREEN, RED, YELLOW, count, paint, printable, value};
use crate::planner::{Action, Outcome};
use crate::report::apply::{ApplyReport, ReceiptReport, Summary};

/// One line for one room that has ended, and one for each attribute that the service chose itself.
pub(crate) fn receipt_line(receipt: &ReceiptReport) -> String {
    let (symbol, style) = match receipt.outcome {
        Outcome::Confirmed => ("✓", GREEN),
        Outcome::Overridden => ("!", YELLOW),
        Outcome::Refused => ("✗", RED),
        Outcome::Unknown => ("?", RED),
        Outcome::Skipped => ("-", BLUE),
    };
    let room = paint(BOLD, printable(&receipt.room));
    let mut text = format!("  {} {room}  {}", paint(style, symbol), ending(receipt));
    for o in &receipt.overridden {
        let _ = write!(
            text,
            "\n      {}: sent {}, the service holds {}",
            printable(&o.name),
            value(&o.sent),
            value(&o.got)
        );
    }
    text.push('\n');
    text
}

fn ending(receipt: &ReceiptReport) -> String {
    let message = receipt
        .message
        .as_deref()
        .map(printable)
        .unwrap_or_default();
    let done = match receipt.action {
        Action::Add | Action::Adopt => "adopted",
        Action::Create => "created",
        Action::Archive => "archived",
        Action::Update | Action::Orphan => "updated",
    };
    match receipt.outcome {
        Outcome::Confirmed if !message.is_empty() => message,
        Outcome::Confirmed => format!("{done}{}", hidden(receipt)),
        Outcome::Overridden => {
            format!("{done}, and the service chose otherwise{}", hidden(receipt))
        }
        Outcome::Refused => format!("{}: {message}", paint(RED, "failed")),
        Outcome::Unknown => format!("{}: {message}", paint(RED, "unknown")),
        Outcome::Skipped if message.is_empty() => "not tried".to_owned(),
        Outcome::Skipped => message,
    }
}

fn hidden(receipt: &ReceiptReport) -> String {
    match receipt.unobservable.len() as u64 {
        0 => String::new(),
        n => paint(
            DIM,
            format!(
                " ({} not in the answer)",
                count(n, "attribute", "attributes")
            ),
        ),
    }
}

/// The end of a run: what was done, and each room that was not, with the reason.
pub(crate) fn apply_end(report: &ApplyReport) -> String {
    let mut text = String::from("\n");
    if report.summary.not_done() > 0 {
        done(&mut text, report);
    }
    let lists = [
        ("Failed", Outcome::Refused),
        (
            "Unknown: written or not, the service did not say; the next apply settles it",
            Outcome::Unknown,
        ),
        ("Not tried", Outcome::Skipped),
    ];
    for (title, outcome) in lists {
        list(&mut text, title, report, outcome);
    }
    if let Some(reason) = &report.stopped {
        let _ = writeln!(text, "{}: {}.", paint(RED, "Stopped"), printable(reason));
    }
    let _ = writeln!(
        text,
        "{}: {}. State serial {}.",
        paint(BOLD, "Apply"),
        summary(report.summary),
        report.state.serial
    );
    text
}

/// Names only: what happened to each was told when it ended.
fn done(text: &mut String, report: &ApplyReport) {
    let is_done = |receipt: &&ReceiptReport| {
        matches!(receipt.outcome, Outcome::Confirmed | Outcome::Overridden)
    };
    let names = report.receipts.iter().filter(is_done);
    let names: Vec<String> = names.map(|receipt| printable(&receipt.room)).collect();
    if !names.is_empty() {
        let _ = writeln!(text, "{}:\n  {}\n", paint(BOLD, "Done"), names.join(", "));
    }
}

/// Rooms by reason: hundreds often share one.
fn list(text: &mut String, title: &str, report: &ApplyReport, outcome: Outcome) {
    let mut reasons: Vec<(String, Vec<String>)> = Vec::new();
    for receipt in report.receipts.iter().filter(|r| r.outcome == outcome) {
        let reason = receipt
            .message
            .as_deref()
            .map(printable)
            .unwrap_or_default();
        let room = printable(&receipt.room);
        match reasons.iter_mut().find(|(told, _)| *told == reason) {
            Some((_, rooms)) => rooms.push(room),
            None => reasons.push((reason, vec![room])),
        }
    }
    if reasons.is_empty() {
        return;
    }
    let _ = writeln!(text, "{}:", paint(BOLD, title));
    for (reason, rooms) in reasons {
        let _ = match rooms.as_slice() {
            [room] => writeln!(text, "  {room}  {reason}"),
            rooms => writeln!(text, "  {reason}:\n    {}", rooms.join(", ")),
        };
    }
    text.push('\n');
}

fn summary(summary: Summary) -> String {
    let always = [(summary.confirmed, "confirmed")];
    let sometimes = [
        (summary.overridden, "overridden by the service"),
        (summary.refused, "failed"),
        (summary.unknown, "unknown"),
        (summary.skipped, "not tried"),
    ];
    always
        .into_iter()
        .chain(sometimes.into_iter().filter(|(number, _)| *number > 0))
        .map(|(number, what)| format!("{number} {what}"))
        .collect::<Vec<_>>()
        .join(", ")
}
