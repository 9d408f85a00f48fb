//! Reports as commands of a GitHub workflow: annotations at the lines that they are about.

use std::fmt::Write;

use super::view::{Detail, Item, Remark, View, Weight};

/// Annotations of one kind; GitHub shows no more of them for a step.
const MOST: usize = 10;

/// The annotations, at most ten of each kind, and one that counts everything and says what else there is to know.
///
/// Each room is marked in its own file, as long as all of them are shown; more are grouped.
pub(crate) fn github(view: View<'_>, detail: Detail) -> String {
    let view = &match view.items.len() > MOST {
        true => view.grouped(detail),
        false => view,
    };
    let mut text = String::new();
    let said = |remark: &Remark| format!("{}: {remark}", remark.label);
    let remarks = view.remarks.iter();
    let (notices, doubts): (Vec<&Remark>, Vec<&Remark>) =
        remarks.partition(|remark| remark.weight == Weight::Notice);
    for remark in doubts {
        command(&mut text, remark.weight, None, &view.title, &said(remark));
    }
    let mut more = view.items.len();
    for weight in [Weight::Error, Weight::Warning, Weight::Notice] {
        let items = view.items.iter().filter(|item| item.weight == weight);
        for item in items.take(MOST) {
            let title = match view.kind {
                "validate" => item.name.clone(),
                _ => format!("{}: {}", item.name, item.action),
            };
            command(
                &mut text,
                weight,
                Some(&item),
                &title,
                &message(view, &item),
            );
            more -= 1;
        }
    }
    let mut summary = view.summary();
    if more > 0 {
        let _ = write!(summary, "; {more} more are not shown as annotations");
    }
    for remark in notices {
        let _ = write!(summary, "\n{}", said(remark));
    }
    command(&mut text, Weight::Notice, None, &view.title, &summary);
    text
}

/// What there is to say about an item, without its name.
pub(super) fn message(view: &View<'_>, item: &Item) -> String {
    let effects = view.effects.iter();
    let effects = effects.filter(|effect| item.effects.contains(&effect.name));
    let mut parts: Vec<String> = effects
        .map(|effect| format!("{}: {}", effect.name, effect.sentence))
        .collect();
    parts.extend(item.said().cloned());
    parts.extend(item.lines.iter().map(|line| {
        let note = line.notes().map(|note| format!(" ({note})"));
        let values = line.values(str::to_owned);
        format!("{}: {values}{}", line.name, note.unwrap_or_default())
    }));
    let rooms = item.rooms.iter();
    parts.extend(rooms.map(|rooms| format!("in {}", rooms.list(str::to_owned))));
    if parts.is_empty() {
        parts.push(item.action.clone());
    }
    parts.join("\n")
}

fn command(text: &mut String, weight: Weight, item: Option<&Item>, title: &str, message: &str) {
    let level = match weight {
        Weight::Error => "error",
        Weight::Warning => "warning",
        Weight::Notice => "notice",
    };
    let _ = write!(text, "::{level} ");
    if let Some(item) = item
        && let Some(file) = &item.file
    {
        let _ = write!(text, "file={},", property(file));
        let column = item.column.filter(|_| item.line.is_some());
        for (name, number) in [("line", item.line), ("col", column)] {
            if let Some(number) = number {
                let _ = write!(text, "{name}={number},");
            }
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

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
