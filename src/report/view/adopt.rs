//! The view of an adoption.

use super::{Detail, Item, Line, Names, Remark, View, Weight, count, counted, left_out};
use crate::model::Shown;
use crate::planner::adopt::{Edit, Left, Why};
use crate::report::adopt::AdoptReport;

pub(crate) fn adopt(report: &AdoptReport, detail: Detail) -> View<'_> {
    let s = report.summary;
    let rooms = |one: &Edit, other: &Edit| one.file == other.file && one.adopted == other.adopted;
    let edits = report.edits.chunk_by(rooms);
    let edits = edits.map(|edits| edited(edits, detail));
    let same = |one: &Left, other: &Left| one.room == other.room && one.why == other.why;
    let mut remarks: Vec<Remark> = left_out(report.left_out).into_iter().collect();
    let patch = report.patch.as_ref().filter(|_| s.adopted > 0);
    remarks.extend(patch.map(|patch| {
        let text = match patch.as_str() {
            "-" => "no file was edited; `git apply` of it does that".to_owned(),
            file => format!("no file was edited; `git apply {file}` does that"),
        };
        Remark::new(Weight::Notice, "Patch", text)
    }));
    let items: Vec<Item> = edits.chain(report.left.chunk_by(same).map(left)).collect();
    let nothing = report.edits.is_empty() && report.left.is_empty();
    View {
        kind: "adopt",
        title: format!("Adoption for {}", report.app),
        items: items.into(),
        counts: counted(&[
            ("adopted", s.adopted),
            ("left alone", s.left_alone),
            ("unreadable", s.unreadable),
            ("refused", s.refused),
            ("left out", report.left_out.rooms()),
        ]),
        nothing: nothing.then_some("nothing moved on the service"),
        remarks,
        ..View::default()
    }
    .printable()
    .grouped(detail)
}

/// The lines of one file for the same rooms.
fn edited(edits: &[Edit], detail: Detail) -> Item {
    let Edit { file, adopted, .. } = &edits[0];
    let names = || adopted.iter().map(ToString::to_string);
    let (name, rooms) = match adopted.len() {
        1 => (names().collect(), None),
        many => (count(many as u64, "room"), Some(Names::new(names()))),
    };
    let moved = edits.iter().filter(|edit| !edit.moved.is_empty());
    let details = moved.map(|edit| {
        let others = count(edit.moved.len() as u64, "other room");
        let names = edit.moved.iter().map(ToString::to_string);
        let names = match detail.verbose {
            true => Names::all(names),
            false => Names::new(names),
        };
        format!(
            "{} moves {others}: {}",
            edit.attribute,
            names.list(str::to_owned)
        )
    });
    let value = |value: Option<&_>| value.map_or(Shown::NONE, Shown::from);
    let lines = edits.iter().map(|edit| Line {
        line: edit.line,
        note: edit.line.is_none().then(|| "a new line".to_owned()),
        ..Line::moved(
            edit.attribute,
            &value(edit.before.as_ref()),
            &value(Some(&edit.after)),
            detail,
        )
    });
    Item {
        file: Some(file.clone()),
        rooms,
        details: details.collect(),
        lines: lines.collect(),
        ..Item::new(Weight::Notice, "~", "adopted", &name)
    }
}

/// What is said of one room, each attribute with its reason.
fn left(left: &[Left]) -> Item {
    let (weight, sign) = match left[0].why {
        Why::LeftAlone => (Weight::Notice, "="),
        Why::Refused => (Weight::Error, "✗"),
        Why::Unreadable => (Weight::Error, "?"),
    };
    let action = left[0].why.name().replace('_', " ");
    let whole = left.iter().find(|one| one.attribute.is_none());
    let lines = left.iter().filter_map(|one| {
        Some(Line {
            name: one.attribute.clone()?,
            note: Some(one.message.clone()),
            ..Line::default()
        })
    });
    Item {
        message: whole.map(|one| one.message.clone()),
        lines: lines.collect(),
        ..Item::new(weight, sign, &action, &left[0].room)
    }
}
