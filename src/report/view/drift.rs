//! The view of a drift check.

use jiff::{Timestamp, ToSpan};
use serde_json::Value as Json;

use super::{
    Detail, Item, Items, Line, Names, Remark, Trace, View, Weight, against, count, counted, footer,
    joined, left_out, said, undeclared, value,
};
use crate::model::Shown;
use crate::model::words::printable_json;
use crate::planner::drift::Checked;
use crate::planner::{Cause, Verdict};
use crate::report::drift::{AttributeReport, DriftReport, RoomReport};
use crate::report::values::moment;

pub(super) fn drift(report: &DriftReport, detail: Detail) -> View<'_> {
    let counts = report.summary.counts();
    let counts = counts.map(|(name, number)| (name.replace('_', " "), number));
    let counts = counts.iter().map(|(n, number)| (n.as_str(), *number));
    let left_out = ("left out", report.left_out.rooms());
    let counts: Vec<(&str, u64)> = counts.chain([left_out]).collect();
    let mut rooms: Vec<&RoomReport> = report.rooms.iter().collect();
    rooms.retain(|room| is_shown(room, detail));
    rooms.sort_by_key(|room| urgency(room.verdict));
    View {
        kind: "drift",
        title: format!("Drift of {}", report.app),
        against: against(&report.state),
        items: Items::of(rooms, move |room| item(room, detail)),
        counts: counted(&counts),
        nothing: report.rooms.is_empty().then_some("no rooms"),
        remarks: remarks(report, detail),
        ..View::default()
    }
    .printable()
}

/// What is as it should be only when everything is asked for; and, where each would be an item, rooms that are not ours
/// to manage, of which there may be thousands.
fn is_shown(room: &RoomReport, detail: Detail) -> bool {
    match room.verdict {
        Verdict::InSync => detail.verbose || !room.undeclared.is_empty(),
        Verdict::Unmanaged => detail.verbose || !detail.apart,
        _ => true,
    }
}

/// The order in which a reader needs them.
fn urgency(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Missing => 0,
        Verdict::Conflict => 1,
        Verdict::Drifted => 2,
        Verdict::Unreadable => 3,
        Verdict::Pending => 4,
        Verdict::Muted => 5,
        Verdict::Unmanaged => 6,
        Verdict::InSync => 7,
    }
}

fn item(room: &RoomReport, detail: Detail) -> Item {
    let (weight, sign, action, why) = match room.verdict {
        Verdict::Missing => (Weight::Error, "-", "missing", None),
        Verdict::Conflict => {
            let why = "the service and the file both moved";
            (Weight::Error, "!", "conflict", Some(why))
        }
        Verdict::Drifted => (Weight::Warning, "~", "drifted", None),
        Verdict::Unreadable => (Weight::Error, "?", "unreadable", None),
        Verdict::Pending => {
            let why = "the file is ahead";
            (Weight::Notice, "·", "pending", Some(why))
        }
        Verdict::Muted => (Weight::Notice, "·", "muted", None),
        Verdict::Unmanaged => (Weight::Notice, "?", "unmanaged", None),
        Verdict::InSync => (Weight::Notice, "=", "in sync", None),
    };
    let shown = |a: &&AttributeReport| a.cause != Cause::Unobservable || detail.verbose;
    let attributes = room.attributes.iter().filter(shown);
    let mut item = Item {
        file: room.file.clone(),
        causes: room.attributes.iter().map(|a| a.cause.name()).collect(),
        message: room.message.clone().or(why.map(str::to_owned)),
        details: memory(room, detail),
        trace: Trace {
            by: (!room.run.is_unknown()).then(|| room.run.to_string()),
            seen: room.seen,
        },
        lines: attributes.map(|a| line(&room.room, a, detail)).collect(),
        ..Item::new(weight, sign, action, &room.room)
    };
    item.undeclared(&room.undeclared, detail);
    item
}

/// What is remembered of the room's last write, and of what was never seen.
fn memory(room: &RoomReport, detail: Detail) -> Vec<String> {
    if !detail.verbose {
        return Vec::new();
    }
    // Two writes within a second are remembered a second apart.
    let written = room.asserted.and_then(|at| moment(at, detail.now.max(at)));
    let written = written.map(|at| format!("last written {at}"));
    let unseen =
        (!room.unseen.is_empty()).then(|| format!("not shown: {}", room.unseen.join(", ")));
    written.into_iter().chain(unseen).collect()
}

fn line(room: &str, attribute: &AttributeReport, detail: Detail) -> Line {
    let (before, after) = match (attribute.cause, &attribute.secret) {
        (Cause::Drift | Cause::Conflict, _) => (&attribute.applied, attribute.live.clone()),
        // What nothing is remembered of is what the service shows.
        (Cause::Change, None) if attribute.applied.is_null() => {
            (&attribute.live, attribute.wanted.clone())
        }
        (Cause::Released | Cause::Unobservable, _) => (&attribute.applied, Shown::NONE),
        (Cause::Change | Cause::Converged | Cause::Reassert, Some(secret)) => {
            (&Shown::NONE, Shown::from(secret.to_string()))
        }
        (Cause::Change | Cause::Converged | Cause::Reassert, None) => {
            (&attribute.applied, attribute.wanted.clone())
        }
    };
    let is_move = matches!(attribute.cause, Cause::Drift | Cause::Conflict);
    let surprise = is_move && !attribute.muted;
    let name = &attribute.name;
    // That it is gone is a move, too.
    let gone = (is_move && attribute.live.is_null()).then(|| said(name, &Shown::NONE, detail));
    let line = Line::moved(name, before, &after, detail);
    let mut sides = [&attribute.applied, &attribute.wanted, &attribute.live]
        .map(|side| value(name, side, detail));
    sides[2] = sides[2].take().or_else(|| gone.clone());
    Line {
        note: joined(notes(attribute, detail), "; "),
        surprise,
        mute: surprise.then(|| mute(room, name, detail.now)),
        sides: Some(sides),
        after: line.after.or(gone),
        ..line
    }
}

fn notes(attribute: &AttributeReport, detail: Detail) -> Vec<String> {
    let cause = match attribute.cause {
        Cause::Drift => "on the service".to_owned(),
        Cause::Conflict if attribute.sensitive => "on the service and in the file".to_owned(),
        Cause::Conflict => {
            let wanted = said(&attribute.name, &attribute.wanted, detail);
            format!("on the service; the file wants {wanted}")
        }
        Cause::Change if attribute.wanted.is_null() => {
            "in the file, not applied yet; its variable is not set here, or makes no URL of it"
                .to_owned()
        }
        Cause::Change => "in the file, not applied yet".to_owned(),
        Cause::Converged => "in the file and on the service, not recorded yet".to_owned(),
        Cause::Released if attribute.live != attribute.applied && !attribute.live.is_null() => {
            let live = said(&attribute.name, &attribute.live, detail);
            format!("no longer in the file; on the service {live}")
        }
        Cause::Released => "no longer in the file".to_owned(),
        Cause::Unobservable => "not reported by the service".to_owned(),
        Cause::Reassert => "sent again".to_owned(),
    };
    let muted = match attribute.cause {
        Cause::Conflict => "muted, yet the file moved too and will be applied",
        _ => "muted",
    };
    let muted = attribute.muted.then(|| muted.to_owned());
    let changed = attribute.sensitive && matches!(attribute.cause, Cause::Drift | Cause::Conflict);
    let changed = if changed { "changed " } else { "" };
    let cause = format!("{changed}{cause}");
    muted.into_iter().chain([cause]).collect()
}

/// One that is pasted without a thought should still end soon: in 30 days.
fn mute(room: &str, attribute: &str, now: i64) -> String {
    let until = Timestamp::from_second(now).and_then(|now| now.checked_add((30 * 24).hours()));
    let until = until.map_or_else(|_| String::new(), |t| t.strftime("%Y-%m-%d").to_string());
    // As a pattern, and as JSON has it.
    let is_sign = |c: char| "*?[{}\\".contains(c);
    let signs = |c: char| [is_sign(c).then_some('\\'), Some(c)].into_iter().flatten();
    let room = Json::from(room.chars().flat_map(signs).collect::<String>());
    let room = printable_json(room.to_string());
    format!("- {{room: {room}, attribute: {attribute}, reason: \"why\", until: {until}}}")
}

fn remarks(report: &DriftReport, detail: Detail) -> Vec<Remark> {
    let idle = report.idle_mutes.iter().map(|mute| {
        let text = format!(
            "the mute of {} in {} (until {}) is {}; take it out",
            mute.attribute, mute.room, mute.until, mute.problem
        );
        Remark::new(Weight::Warning, "Mutes", text)
    });
    let warning = report.warning.iter();
    let warning = warning.map(|text| Remark::new(Weight::Warning, "Warning", text.as_str()));
    let unmanaged = report.rooms.iter();
    let unmanaged = unmanaged.filter(|room| room.verdict == Verdict::Unmanaged);
    let unmanaged = Names::new(unmanaged.map(|room| room.room.clone()));
    let counted = detail.apart && !detail.verbose && !unmanaged.first.is_empty();
    let unmanaged = counted.then(|| {
        let names = unmanaged.list(str::to_owned);
        let text = format!("on the service, and in no file: {names}; -v names all");
        Remark::new(Weight::Notice, "Unmanaged", text)
    });
    let left_out = left_out(report.left_out);
    let untold = undeclared(report.undeclared.iter(), detail);
    let remarks = idle
        .chain(warning)
        .chain(untold)
        .chain(visible(report, detail));
    let remarks = remarks.chain(unmanaged).chain(left_out);
    remarks.chain(footer(&report.run)).collect()
}

/// How much could be checked: what the service does not show may have moved without a trace.
fn visible(report: &DriftReport, detail: Detail) -> Option<Remark> {
    let Checked { managed, visible } = report.summary.attributes;
    if let Some(why) = report.too_blind() {
        return Some(Remark::new(Weight::Error, "Visible", why));
    }
    let others = match visible < managed && !detail.verbose {
        true => "; -v names the others",
        false => "",
    };
    let all = count(managed, "managed attribute");
    let text = format!("{visible} of {all}{others}");
    (managed > 0).then(|| Remark::new(Weight::Notice, "Visible", text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Run;
    use crate::planner::LeftOut;
    use crate::report::StateId;
    use crate::report::drift::Summary;
    use proptest::prelude::*;

    fn report(rooms: Vec<RoomReport>) -> DriftReport {
        DriftReport {
            app: "acme".into(),
            state: StateId::new("lineage", 4),
            summary: Summary::default(),
            left_out: LeftOut::default(),
            rooms,
            idle_mutes: Vec::new(),
            warning: None,
            undeclared: Vec::new(),
            require_visible: None,
            run: Run::default(),
        }
    }

    fn room(name: &str, verdict: Verdict, attributes: Vec<AttributeReport>) -> RoomReport {
        RoomReport {
            room: name.into(),
            verdict,
            file: None,
            attributes,
            undeclared: Vec::new(),
            message: None,
            asserted: None,
            run: Run::default(),
            seen: None,
            unseen: Vec::new(),
        }
    }

    fn attribute(name: &str, cause: Cause) -> AttributeReport {
        AttributeReport {
            name: name.into(),
            applied: Shown::from(1_893_456_000),
            wanted: Shown::from(1_893_456_000),
            live: Shown::from(2_000_000_000),
            cause,
            secret: None,
            sensitive: false,
            muted: false,
        }
    }

    #[test]
    fn moments_have_a_date_and_what_moved_has_a_mute() {
        let detail = Detail {
            now: 1_795_392_000,
            ..Detail::default()
        };
        let moved = attribute("expireUnixSec", Cause::Drift);
        let muted = AttributeReport {
            muted: true,
            ..moved.clone()
        };
        let rooms = vec![
            room("muted", Verdict::Muted, vec![muted]),
            room("tea", Verdict::Drifted, vec![moved]),
        ];
        let report = report(rooms);
        let view = drift(&report, detail);
        let items: Vec<Item> = view.items.iter().collect();
        let names: Vec<&str> = items.iter().map(|item| item.name.as_str()).collect();
        assert_eq!(names, ["tea", "muted"], "what is urgent comes first");
        let [line, muted] = [&items[0].lines[0], &items[1].lines[0]];
        assert_eq!(
            line.values(str::to_owned),
            "1893456000 (2030-01-01 00:00 UTC, in 3 years) → 2000000000 (2033-05-18 03:33 UTC, in 6 years)"
        );
        assert_eq!(line.note.as_deref(), Some("on the service"));
        assert_eq!(
            line.mute.as_deref(),
            Some("- {room: \"tea\", attribute: expireUnixSec, reason: \"why\", until: 2026-12-23}")
        );
        assert_eq!(muted.note.as_deref(), Some("muted; on the service"));
        assert_eq!(muted.mute, None);
    }

    proptest! {
        /// What the service moved has two sides that differ, and three in a table, also where one of them is that there is
        /// nothing any more.
        #[test]
        fn what_moved_on_the_service_has_two_sides(
            (applied, live) in (0..5_usize, 0..6_usize),
            is_conflict in any::<bool>(),
        ) {
            let values = [Shown::from(5), Shown::from(9), Shown::from("nothing"), Shown::from("null"), Shown::from(true), Shown::NONE];
            prop_assume!(applied != live);
            let cause = if is_conflict { Cause::Conflict } else { Cause::Drift };
            let moved = AttributeReport {
                applied: values[applied].clone(),
                live: values[live].clone(),
                ..attribute("maxParticipants", cause)
            };
            let report = report(vec![room("tea", Verdict::Drifted, vec![moved])]);
            let view = drift(&report, Detail::default());
            let item = view.items.get(0);
            let line = &item.lines[0];
            let (before, after) = (line.before.clone(), line.after.clone());
            prop_assert!(before.is_some() && after.is_some() && before != after, "{line:?}");
            let [_, _, shown] = line.sides.clone().unwrap();
            prop_assert_eq!(shown, after);
        }
    }

    #[test]
    fn rooms_of_others_are_counted_unless_all_is_asked_for() {
        let strangers = (0..7).map(|n| room(&format!("r{n}"), Verdict::Unmanaged, Vec::new()));
        let report = report(strangers.collect());
        let apart = Detail {
            apart: true,
            ..Detail::default()
        };
        let view = drift(&report, apart);
        assert!(view.items.is_empty());
        assert_eq!(
            view.remarks[0].text,
            "on the service, and in no file: r0, r1, r2, r3, r4 and 2 more; -v names all"
        );
        let verbose = Detail {
            verbose: true,
            ..apart
        };
        let view = drift(&report, verbose);
        assert_eq!((view.items.len(), view.remarks.len()), (7, 0));
    }
}
