//! Reports as text for people. Colours are always written; the edge takes them out where they do not belong.

mod apply;
mod drift;
mod format;
mod import;
pub(super) mod plan;
mod show;
mod snippet;
mod state;
mod validate;

pub(crate) use apply::{apply_end, receipt_line};
pub(crate) use drift::drift;
pub(crate) use format::{format_diff, format_line, format_summary};
pub(crate) use import::import;
pub(crate) use plan::{PlanView, plan};
pub(crate) use show::show;
pub(crate) use state::{state_list, state_show};
pub(crate) use validate::{findings, validate};

use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use serde_json::Value as Json;

use super::UndeclaredReport;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GREEN: Style = AnsiColor::Green.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default();
const RED: Style = AnsiColor::Red.on_default();
const BLUE: Style = AnsiColor::Blue.on_default();

fn paint(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// `text` without anything that acts on a terminal or reorders what is read: control characters, and the
/// marks that change the direction of text, come out as escapes.
pub(super) fn printable(text: &str) -> String {
    let acts = |c: char| {
        c.is_control()
            || matches!(c, '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}' | '\u{2029}' | '\u{2060}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    if !text.contains(acts) {
        return text.to_owned();
    }
    text.chars()
        .map(|c| {
            if acts(c) {
                c.escape_unicode().to_string()
            } else {
                c.to_string()
            }
        })
        .collect()
}

/// A value of a report on one line. A text that would read as something else, such as `true` or `5`, is quoted.
pub(super) fn value(json: &Json) -> String {
    match json {
        Json::String(text) if text.is_empty() || is_no_text(text) => {
            format!("\"{}\"", printable(text))
        }
        Json::String(text) => printable(text),
        other => other.to_string(),
    }
}

fn is_no_text(text: &str) -> bool {
    serde_json::from_str::<Json>(text).is_ok()
}

/// How many attributes of a room moved that no file declares and, when asked, which.
fn undeclared(text: &mut String, moved: &[UndeclaredReport], verbose: bool) {
    let number = moved.len() as u64;
    if number == 0 {
        return;
    }
    let hint = if verbose { "" } else { "; -v names them" };
    let _ = writeln!(
        text,
        "      {} that no file declares moved on the service{hint}",
        count(number, "attribute", "attributes")
    );
    for moved in moved.iter().filter(|_| verbose) {
        let name = printable(&moved.name);
        let (before, live) = (value(&moved.before), value(&moved.live));
        let _ = writeln!(text, "        {name}: {before} → {live}");
    }
}

/// `1 room`, `2 rooms`.
fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_is_not_taken_for_another_type() {
        for (json, told) in [
            (json!("true"), "\"true\""),
            (json!(true), "true"),
            (json!("5"), "\"5\""),
            (json!(5), "5"),
            (json!(""), "\"\""),
            (json!(null), "null"),
            (json!("grid"), "grid"),
        ] {
            assert_eq!(value(&json), told);
        }
    }

    #[test]
    fn nothing_acts_on_the_terminal() {
        assert_eq!(
            printable("a\u{1b}[31m\u{202e}b\n"),
            "a\\u{1b}[31m\\u{202e}b\\u{a}"
        );
        assert_eq!(printable("caf\u{e9} ✓"), "caf\u{e9} ✓");
    }
}
