//! Reports as commands of a GitHub workflow: annotations at the lines that they are about.

use std::fmt::Write;

use super::view::{Item, View, Weight};

/// Annotations of one kind; GitHub shows no more of them for a step.
const MOST: usize = 10;

/// The annotations, at most ten of each kind, and one that counts everything.
pub(crate) fn github(view: &View) -> String {
    let mut text = String::new();
    for remark in &view.remarks {
        if remark.weight != Weight::Notice {
            let said = format!("{}: {}", remark.label, remark.text);
            command(&mut text, remark.weight, None, &view.title, &said);
        }
    }
    for weight in [Weight::Error, Weight::Warning, Weight::Notice] {
        for item in view
            .items
            .iter()
            .filter(|item| item.weight == weight)
            .take(MOST)
        {
            let title = match view.kind {
                "validate" => item.name.clone(),
                _ => format!("{}: {}", item.name, item.action),
            };
            command(&mut text, weight, Some(item), &title, &message(view, item));
        }
    }
    command(&mut text, Weight::Notice, None, &view.title, &summary(view));
    text
}

fn message(view: &View, item: &Item) -> String {
    let mut parts: Vec<String> = Vec::new();
    for effect in view
        .effects
        .iter()
        .filter(|e| item.effects.contains(&e.name))
    {
        parts.push(format!("{}: {}", effect.name, effect.sentence));
    }
    parts.extend(item.said().cloned());
    parts.extend(item.lines.iter().map(|line| {
        let note = line.note.as_ref().map(|note| format!(" ({note})"));
        let values = line.values(str::to_owned);
        format!("{}: {values}{}", line.name, note.unwrap_or_default())
    }));
    if parts.is_empty() {
        parts.push(item.action.clone());
    }
    parts.join("\n")
}

fn summary(view: &View) -> String {
    let mut text = view.summary();
    let more: usize = [Weight::Error, Weight::Warning, Weight::Notice]
        .iter()
        .map(|weight| {
            view.items
                .iter()
                .filter(|item| item.weight == *weight)
                .count()
        })
        .map(|number| number.saturating_sub(MOST))
        .sum();
    if more > 0 {
        let _ = write!(text, "; {more} more are not shown as annotations");
    }
    text
}

fn command(text: &mut String, weight: Weight, item: Option<&Item>, title: &str, message: &str) {
    let level = match weight {
        Weight::Error => "error",
        Weight::Warning => "warning",
        Weight::Notice => "notice",
    };
    let _ = write!(text, "::{level} ");
    if let Some(file) = item.and_then(|item| item.file.as_ref()) {
        let _ = write!(text, "file={},", property(file));
        let line = item.and_then(|item| item.line);
        if let Some(line) = line {
            let _ = write!(text, "line={line},");
        }
        if let (Some(_), Some(column)) = (line, item.and_then(|item| item.column)) {
            let _ = write!(text, "col={column},");
        }
    }
    let _ = writeln!(text, "title={}::{}", property(title), data(message));
}

/// A text in the place of a message. Nothing in it can end the command, or begin another.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// A text in the place of a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
