//! The view of an import.

use super::{Item, Items, Remark, View, Weight, count, counted, left_out};
use crate::model::words::{listed, plural};
use crate::model::{NameRule, RoomName};
use crate::report::import::{ImportReport, Outcome, RoomReport};

pub(crate) fn import(report: &ImportReport) -> View<'_> {
    let s = report.summary;
    let imported = format!("{} imported", plural(s.imported, "room"));
    let warning = report.warning.iter();
    let mut remarks: Vec<Remark> = warning
        .map(|text| Remark::new(Weight::Warning, "Warning", text.as_str()))
        .collect();
    remarks.extend(ways_on(&report.rooms));
    remarks.extend(left_out(report.left_out));
    let variables = report.variables.len() as u64;
    if variables > 0 {
        let text = format!(
            "the files refer to {}; apply needs those of the rooms it writes",
            count(variables, "variable")
        );
        remarks.push(Remark::new(Weight::Notice, "Variables", text));
    }
    View {
        kind: "import",
        title: format!("Import of {}", report.app),
        items: Items::of(report.rooms.iter().collect(), |room| item(room)),
        counts: counted(&[
            (&imported, s.imported),
            ("left alone", s.skipped),
            ("unreadable", s.unreadable),
            ("refused", s.refused),
            ("left out", report.left_out.rooms()),
        ]),
        nothing: report.rooms.is_empty().then_some("no rooms"),
        remarks,
        ..View::default()
    }
    .printable()
}

/// What to write for rooms that their names keep out, all of them: it is to be copied.
fn ways_on(rooms: &[RoomReport]) -> Option<Remark> {
    let named = rooms.iter().filter(|room| room.by_name);
    let named: Vec<&str> = named.map(|room| room.room.as_str()).collect();
    let as_is = named.iter();
    let as_is = as_is.filter(|name| RoomName::parse(name, NameRule::AsIs).is_ok());
    let as_is = match as_is.count() {
        0 => String::new(),
        some => format!("`names: as-is` imports {some} of them under escaped file names, or "),
    };
    let text = format!(
        "{} kept out by name; in roomctl.yaml, {as_is}`unmanaged: [{}]` leaves them alone and only counts them",
        count(named.len() as u64, "room"),
        listed(&named)
    );
    (!named.is_empty()).then(|| Remark::new(Weight::Warning, "Names", text))
}

fn item(room: &RoomReport) -> Item {
    let (weight, sign, action) = match room.outcome {
        Outcome::Imported => (Weight::Notice, "+", "imported"),
        Outcome::Skipped => (Weight::Notice, "=", "left alone"),
        Outcome::Unreadable => (Weight::Error, "?", "unreadable"),
        Outcome::Refused => (Weight::Error, "✗", "refused"),
    };
    Item {
        file: room.file.clone(),
        message: room.message.clone(),
        details: room
            .variables
            .iter()
            .map(|name| format!("refers to {name}"))
            .collect(),
        ..Item::new(weight, sign, action, &room.room)
    }
}
