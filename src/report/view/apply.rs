//! The view of an apply, and of one receipt when it comes.

use std::collections::BTreeMap;

use super::{
    Detail, Item, Items, Line, Names, Remark, View, Weight, allowed, count, counted, effect_view,
    footer, joined, left_out, said,
};
use crate::model::Effect;
use crate::planner::{Action, Outcome};
use crate::report::UndeclaredRoom;
use crate::report::apply::{ApplyReport, ReceiptReport};

pub(super) fn apply(report: &ApplyReport, detail: Detail) -> View<'_> {
    let s = report.summary;
    let mut receipts: Vec<&ReceiptReport> = report.receipts.iter().collect();
    receipts.sort_by_key(|one| look(one).0);
    let mut remarks = Vec::new();
    // Of a run that goes on it is said once the state is saved.
    if !detail.rooms_shown {
        let serial = format!("serial {}", report.state.serial);
        remarks.push(Remark::new(Weight::Notice, "State", serial));
    }
    let stopped = report.stopped.iter();
    remarks.extend(left_out(report.left_out));
    remarks.extend(allowed(&report.allowed));
    remarks.extend(uncovered(&report.uncovered));
    remarks.extend(reasserted(&report.receipts));
    remarks.extend(undeclared(report.undeclared.iter(), detail));
    remarks.extend(stopped.map(|why| Remark::new(Weight::Error, "Stopped", why.as_str())));
    remarks.extend(footer(&report.run));
    let effects = Effect::ALL.into_iter().filter_map(|effect| {
        let with = report.receipts.iter();
        let with = with.filter(|one| one.effects.contains(&effect));
        effect_view(effect, with.map(|one| one.room.clone()))
    });
    View {
        kind: "apply",
        title: format!("Apply to {}", report.app),
        effects: effects.collect(),
        counts: counted(&[
            (word(Outcome::Confirmed), s.confirmed),
            (word(Outcome::Overridden), s.overridden),
            (word(Outcome::Refused), s.refused),
            (word(Outcome::Unknown), s.unknown),
            (word(Outcome::Skipped), s.skipped),
            ("left out", report.left_out.rooms()),
        ]),
        nothing: receipts.is_empty().then_some("nothing to do"),
        items: Items::of(receipts, move |one| receipt(one, detail)),
        remarks,
        ..View::default()
    }
    .printable()
}

/// What would change as well.
fn uncovered(rooms: &[String]) -> Option<Remark> {
    let names = Names::new(rooms.iter().cloned()).list(str::to_owned);
    let rooms = count(rooms.len() as u64, "room");
    let text = format!("{rooms} that would change, and that the plan does not have: {names}");
    (!names.is_empty()).then(|| Remark::new(Weight::Warning, "Not covered", text))
}

/// What moved that no file declares, and what earlier writes made of which no report told it, the rooms together in which it
/// is the same.
pub(crate) fn undeclared<'a>(
    rooms: impl Iterator<Item = &'a UndeclaredRoom>,
    detail: Detail,
) -> Vec<Remark> {
    let mut moves: BTreeMap<(&str, String, String), Vec<&str>> = BTreeMap::new();
    for room in rooms {
        let mut effects = room.effects.iter().map(|one| one.name());
        let effects = joined(&mut effects, ", ");
        let suffix = effects.as_ref().map(|effects| format!(" ({effects})"));
        let suffix = suffix.unwrap_or_default();
        let mut add = |kind, moved, note| {
            let rooms: &mut Vec<&str> = moves.entry((kind, moved, note)).or_default();
            rooms.push(&room.room);
        };
        for one in &room.overridden {
            let line = Line::moved(&one.name, &one.sent, &one.got, detail);
            let moved = format!("{} {}", one.name, line.values(str::to_owned));
            let note = format!("sent, and what the service chose{suffix}; no report told it");
            add("Overridden", moved, note);
        }
        for one in &room.attributes {
            let line = Line::moved(&one.name, &one.before, &one.live, detail);
            let moved = format!("{} {}", one.name, line.values(str::to_owned));
            let note = one.note("moved on the service");
            match one.perhaps_ours {
                true => add("Moved", moved, format!("{note}{suffix}")),
                false => {
                    let note = format!("{note}{suffix}, and no file declares it");
                    add("Undeclared", moved, note);
                }
            }
        }
        if let (Some(effects), true, true) = (
            effects,
            room.overridden.is_empty(),
            room.attributes.is_empty(),
        ) {
            let note = "made by a write of which no report told the end".to_owned();
            add("Effects", effects, note);
        }
    }
    let moves = moves.into_iter().map(|((kind, moved, note), rooms)| {
        // All of them: it is reported once.
        let rooms = Names::all(rooms.into_iter().map(str::to_owned));
        let rooms = rooms.list(|room| format!("`{room}`"));
        Remark::new(Weight::Warning, kind, format!("{moved} in {rooms}: {note}"))
    });
    moves.collect()
}

/// Some services answer with the room as it was before the write. Where that is what was sent, nobody can tell.
fn reasserted(receipts: &[ReceiptReport]) -> Option<Remark> {
    let is_one = |one: &&ReceiptReport| one.cause.is_some() && one.outcome == Outcome::Confirmed;
    let number = receipts.iter().filter(is_one).count() as u64;
    let text = "an answer may repeat what was there before, so `roomctl drift` shows what the service made of it";
    let text = format!("{}; {text}", count(number, "room"));
    (number > 0).then(|| Remark::new(Weight::Notice, "Reasserted", text))
}

/// One word for how a room ended, for people.
pub(in crate::report) fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Confirmed => "confirmed",
        Outcome::Overridden => "overridden by the service",
        Outcome::Refused => "failed",
        Outcome::Unknown => "unknown",
        Outcome::Skipped => "not tried",
    }
}

fn look(receipt: &ReceiptReport) -> (Weight, &'static str) {
    match receipt.outcome {
        Outcome::Confirmed if receipt.undeclared.is_empty() => (Weight::Notice, "✓"),
        Outcome::Confirmed => (Weight::Warning, "!"),
        Outcome::Overridden => (Weight::Warning, "!"),
        Outcome::Refused => (Weight::Error, "✗"),
        Outcome::Unknown => (Weight::Error, "?"),
        Outcome::Skipped => (Weight::Warning, "·"),
    }
}

pub(crate) fn receipt(receipt: &ReceiptReport, detail: Detail) -> Item {
    let (weight, sign) = look(receipt);
    let overridden = receipt.overridden.iter().map(|o| Line {
        note: Some("sent, and what the service chose".to_owned()),
        after: Some(said(&o.name, &o.got, detail)),
        ..Line::moved(&o.name, &o.sent, &o.got, detail)
    });
    let beside = receipt.undeclared.iter().map(|one| Line {
        note: Some(format!("not sent, and {}", one.note("not as it was"))),
        surprise: true,
        ..Line::moved(&one.name, &one.before, &one.live, detail)
    });
    Item {
        message: message(receipt),
        effects: receipt.effects.iter().map(|effect| effect.name()).collect(),
        lines: overridden.chain(beside).collect(),
        ..Item::new(weight, sign, &ending(receipt), &receipt.room)
    }
    .printable()
}

fn ending(receipt: &ReceiptReport) -> String {
    let done = match receipt.action {
        Action::Add | Action::Adopt => "adopted",
        Action::Create => "created",
        Action::Archive => "archived",
        Action::Update if receipt.cause.is_some() => "reasserted",
        Action::Update | Action::Orphan => "updated",
    };
    let how = word(receipt.outcome);
    match receipt.outcome {
        Outcome::Confirmed => done.to_owned(),
        Outcome::Overridden => format!("{done}, {how}"),
        Outcome::Refused | Outcome::Unknown | Outcome::Skipped => {
            format!("{} {how}", receipt.action.name())
        }
    }
}

/// Why it ended so. That it was not tried is its ending already.
pub(in crate::report) fn why(receipt: &ReceiptReport) -> Option<&str> {
    let why = receipt.message.as_deref()?;
    Some(why.strip_prefix("not tried: ").unwrap_or(why))
}

/// The same, with how much could not be seen.
fn message(receipt: &ReceiptReport) -> Option<String> {
    let why = why(receipt).map(str::to_owned);
    let hidden = receipt.unobservable.len() as u64;
    let hidden = (hidden > 0).then(|| format!("{} not in the answer", count(hidden, "attribute")));
    joined(why.into_iter().chain(hidden), "; ")
}
