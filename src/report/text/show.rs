//! One room with the places its values come from, as text.

use std::fmt::Write;

use super::{BOLD, DIM, YELLOW, paint};
use crate::report::show::{ShowReport, ShownAttribute};
use crate::report::values::{place, printable, value};

/// The room, one line a setting. `now` is what moments are measured from, in Unix seconds.
pub(crate) fn show(report: &ShowReport, now: i64) -> String {
    let file = paint(DIM, printable(&report.file));
    let mut text = format!("{}  {file}\n", paint(BOLD, printable(&report.room)));
    let values = report.attributes.iter().map(|a| match &a.secret {
        Some(secret) => printable(&secret.to_string()),
        None => value(&a.name, &a.value, now),
    });
    let values: Vec<String> = values.collect();
    let names = report.attributes.iter().map(|a| a.name.len());
    let name_width = names.max().unwrap_or(0);
    let widths = values.iter().map(|value| value.chars().count());
    let value_width = widths.max().unwrap_or(0);
    for (attribute, value) in report.attributes.iter().zip(values) {
        let name = format!("{:name_width$}", printable(&attribute.name));
        let value = format!("{value:value_width$}");
        let _ = write!(text, "  {name}  {value}  {}", paint(DIM, origin(attribute)));
        if !attribute.unset.is_empty() {
            let unset = format!("  not known here: {}", attribute.unset.join(", "));
            text.push_str(&paint(YELLOW, unset));
        }
        text.push('\n');
    }
    text
}

/// Where it stands, and what it stands in front of.
fn origin(attribute: &ShownAttribute) -> String {
    let mut text = place(&attribute.file, attribute.line);
    for (index, hidden) in attribute.overrides.iter().enumerate() {
        let before = if index == 0 { ", instead of" } else { " and" };
        let _ = write!(text, "{before} {}", place(&hidden.file, Some(hidden.line)));
    }
    printable(&text)
}
