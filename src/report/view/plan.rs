//! The view of a plan.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Destination, Detail, EffectView, Item, Items, Line, Names, Remark, View, Weight, against,
    allowed, count, counted, footer, joined, left_out, said, value,
};
use crate::model::words::{plural, span};
use crate::model::{Effect, Shown};
use crate::planner::mutes::Fate;
use crate::planner::posture::Posture;
use crate::planner::{Action, Cause, Explanation};
use crate::report::UndeclaredReport;
use crate::report::plan::{
    AttributeReport, ChangeReport, MutedReport, PlanReport, UnreadableReport, WeakenedReport,
};

pub(crate) fn plan(report: &PlanReport, detail: Detail) -> View<'_> {
    let s = report.summary;
    let left = report.unreadable.iter();
    let left = left.filter(|room| room.was_read).count() as u64;
    let orphans = format!("{} left alone", plural(s.orphan, "orphan"));
    let counts = counted(&[
        ("to add", s.add),
        ("to create", s.create),
        ("to adopt", s.adopt),
        ("to update", s.update),
        ("to archive", s.archive),
        (&orphans, s.orphan),
        ("left as it is", left),
        ("unreadable", s.unreadable.saturating_sub(left)),
        ("pending", s.pending),
        ("unchanged", s.unchanged),
        ("left out", report.left_out.rooms()),
    ]);
    let idle = s.changes() == 0;
    View {
        kind: "plan",
        title: format!("Plan for {}", report.app),
        against: against(&report.state),
        // The gravest first, and before all of them what would have spoken against them.
        effects: Effect::ALL
            .iter()
            .filter_map(|effect| effect_view(report, *effect))
            .collect(),
        secrets: secrets(report),
        items: items(report, detail),
        counts,
        nothing: idle.then_some("nothing to do"),
        remarks: remarks(report, idle, detail),
    }
    .printable()
}

fn effect_view(report: &PlanReport, effect: Effect) -> Option<EffectView> {
    let rooms = report.changes.iter();
    let rooms = rooms.filter(|change| change.effects.contains(&effect));
    let rooms = rooms.map(|change| change.room.clone());
    match effect {
        Effect::GuardWeakened => super::effect_view(effect, kinds(&report.weakened).into_iter()),
        _ => super::effect_view(effect, rooms),
    }
}

/// What is weaker, each kind once: of several the first, which for mutes is the widest.
fn kinds(weakened: &[WeakenedReport]) -> Vec<String> {
    let mut kinds: Vec<(&WeakenedReport, u64)> = Vec::new();
    for one in weakened {
        match kinds.iter_mut().find(|(kind, _)| kind.what == one.what) {
            Some((_, number)) => *number += 1,
            None => kinds.push((one, 1)),
        }
    }
    let said = |(first, number): (&WeakenedReport, u64)| match number {
        1 => first.what.clone(),
        _ => format!("{} ({number}, first: {})", first.what, first.message),
    };
    kinds.into_iter().map(said).collect()
}

/// The hosts. What is rare comes first: one among many would not be seen.
fn secrets(report: &PlanReport) -> Vec<Destination> {
    type Sent<'a> = (BTreeSet<&'a String>, BTreeSet<&'a str>);
    let mut hosts: BTreeMap<&str, Sent<'_>> = BTreeMap::new();
    for change in &report.changes {
        for secret in change.attributes.iter().flat_map(|one| &one.secret) {
            let (variables, rooms) = hosts.entry(&secret.address).or_default();
            variables.extend(&secret.variables);
            rooms.insert(&change.room);
        }
    }
    let secrets = hosts.into_iter();
    let secrets = secrets.map(|(address, (variables, rooms))| Destination {
        address: address.to_owned(),
        variables: Names::all(variables.into_iter().cloned()),
        rooms: rooms.len() as u64,
    });
    let mut secrets: Vec<Destination> = secrets.collect();
    secrets.sort_by_key(|destination| destination.rooms);
    secrets
}

/// What an item is about.
enum About<'a> {
    Weakened(&'a WeakenedReport),
    Unreadable(&'a UnreadableReport),
    Change(&'a ChangeReport),
    /// A room of which only something moved that nobody declared, or that is muted.
    Rest(&'a str),
}

/// What could not be read, the changes, and the rooms of which only something moved that nobody declared.
fn items(report: &PlanReport, detail: Detail) -> Items<'_> {
    let undeclared = report.undeclared.iter();
    let undeclared = undeclared.map(|room| (&*room.room, &*room.attributes));
    let undeclared: BTreeMap<&str, &[UndeclaredReport]> = undeclared.collect();
    let muted = report.muted.iter();
    let muted = muted.map(|room| (&*room.room, &*room.attributes));
    let muted: BTreeMap<&str, &[MutedReport]> = muted.collect();
    let mut rest: BTreeSet<&str> = muted.keys().chain(undeclared.keys()).copied().collect();
    if !rest.is_empty() {
        let changed = report.changes.iter();
        changed.for_each(|change| _ = rest.remove(&*change.room));
    }
    // What the change to the files does not explain was not reviewed with it. Otherwise the order of apply.
    let mut changes: Vec<&ChangeReport> = report.changes.iter().collect();
    changes.sort_by_key(|change| !is_open(change.explanation));
    // What would have spoken against the rest comes before it.
    let about = report.weakened.iter().map(About::Weakened);
    let about = about.chain(report.unreadable.iter().map(About::Unreadable));
    let about = about.chain(changes.into_iter().map(About::Change));
    let about = about.chain(rest.into_iter().map(About::Rest)).collect();
    // When only drift is put back, the file of one may be ahead.
    let how = match report.summary.pending {
        0 => "unchanged",
        _ => "left as it is",
    };
    Items::of(about, move |about| {
        let (mut item, room) = match about {
            About::Weakened(guard) => return weakened(guard),
            About::Unreadable(room) => return unreadable(room),
            About::Change(change) => (change_item(change, detail), &*change.room),
            About::Rest(room) => (Item::new(Weight::Notice, "=", how, room), *room),
        };
        let muted = muted.get(room).copied().unwrap_or_default();
        add_muted(&mut item, muted, detail);
        let moved = undeclared.get(room).copied().unwrap_or_default();
        item.undeclared(moved, detail);
        item
    })
}

/// What becomes of muted attributes: noted on the line that there is, otherwise on one of its own; what has to be
/// looked at first, by the mute.
fn add_muted(item: &mut Item, muted: &[MutedReport], detail: Detail) {
    let mut unseen: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for attribute in muted {
        let note = muted_note(attribute, detail);
        let mut lines = item.lines.iter_mut();
        if let Some(line) = lines.find(|line| line.name == attribute.name) {
            let notes = line.note.take().into_iter().chain([note]);
            line.note = joined(notes, "; ");
        } else if attribute.fate == Fate::ReadFirst {
            unseen.entry(note).or_default().push(&attribute.name);
        } else {
            item.lines.push(Line {
                name: attribute.name.clone(),
                note: Some(note),
                ..Line::default()
            });
        }
    }
    let unseen = unseen.into_iter();
    item.details
        .extend(unseen.map(|(note, names)| format!("{}: {note}", names.join(", "))));
}

fn muted_note(attribute: &MutedReport, detail: Detail) -> String {
    let shown = |json: &Shown| said(&attribute.name, json, detail);
    let (live, wanted) = (shown(&attribute.live), shown(&attribute.wanted));
    let fate = match attribute.fate {
        Fate::LeftAlone if attribute.sensitive => "left as it is on the service".to_owned(),
        Fate::LeftAlone => {
            format!("left as it is on the service, {live}; the file says {wanted}")
        }
        Fate::ReadFirst => "read first, and left as it is if it moved".to_owned(),
        Fate::NotReported => {
            format!("overwritten with {wanted}, since the service does not report it")
        }
        Fate::NotSendable => {
            "the room is held back, since what the service shows cannot be sent".to_owned()
        }
        Fate::Edited => "overwritten, since the file moved".to_owned(),
    };
    let MutedReport { reason, until, .. } = attribute;
    format!("muted until {until} ({reason}): {fate}")
}

fn weakened(guard: &WeakenedReport) -> Item {
    let effect = Effect::GuardWeakened.name();
    Item {
        file: guard.file.clone(),
        line: guard.line,
        is_kept: true,
        effects: vec![effect],
        message: Some(guard.message.clone()),
        details: vec![origin(guard.explanation)],
        ..Item::new(Weight::Warning, "!", "weaker", &guard.what)
    }
}

fn unreadable(room: &UnreadableReport) -> Item {
    let what = match room.was_read {
        true => "left as it is",
        false => "nothing is planned",
    };
    Item {
        file: room.file.clone(),
        message: Some(format!("{what}: {}", room.message)),
        ..Item::new(
            Weight::Error,
            "?",
            if room.was_read { "left" } else { "unreadable" },
            &room.room,
        )
    }
}

fn change_item(change: &ChangeReport, detail: Detail) -> Item {
    // What somebody else moved comes first: nobody reviewed that.
    let mut attributes: Vec<&AttributeReport> = change.attributes.iter().collect();
    attributes.sort_by_key(|a| (!is_moved(a), !is_open(a.explanation)));
    let lines: Vec<Line> = attributes
        .into_iter()
        .map(|attribute| line(change.action, attribute, detail))
        .collect();
    // A room without lines has nothing else to say it with.
    let whole = change.explanation.filter(|_| lines.is_empty());
    let (sign, why) = match change.action {
        Action::Add | Action::Create | Action::Adopt => ("+", None),
        Action::Update => ("~", None),
        Action::Archive => ("-", Some("in the state, but no file wants it")),
        Action::Orphan => {
            let why = "in the state, but no file wants it; left alone: bring its file back, give it up with `roomctl state forget`, or archive it with --prune";
            ("?", Some(why))
        }
    };
    let weight = match change.effects.is_empty() && !lines.iter().any(|line| line.surprise) {
        true => Weight::Notice,
        false => Weight::Warning,
    };
    let mut attributes = change.attributes.iter();
    Item {
        file: change.file.clone(),
        line: change.line,
        // An orphan is left alone, whatever is known of it.
        is_kept: change.action != Action::Orphan || attributes.any(|one| one.secret.is_some()),
        effects: change.effects.iter().map(|effect| effect.name()).collect(),
        causes: change.attributes.iter().map(|a| a.cause.name()).collect(),
        message: change.message.clone().or(why.map(str::to_owned)),
        details: whole.map(origin).into_iter().collect(),
        lines,
        ..Item::new(weight, sign, change.action.name(), &change.room)
    }
}

fn line(action: Action, attribute: &AttributeReport, detail: Detail) -> Line {
    // What goes away is what the service holds.
    let before = match is_moved(attribute) {
        true => &attribute.live,
        false => &attribute.before,
    };
    let own = attribute.file.is_none() && action == Action::Update;
    let (before, after) = match &attribute.secret {
        Some(secret) => (&Shown::NONE, Shown::from(secret.to_string())),
        None => (before, attribute.after.clone()),
    };
    let is_gone = is_moved(attribute) && attribute.live.is_null() && attribute.secret.is_none();
    let line = Line::moved(&attribute.name, before, &after, detail);
    Line {
        before: is_gone
            .then(|| said(&attribute.name, before, detail))
            .or(line.before),
        note: joined(notes(attribute, detail), "; "),
        from: attribute
            .file
            .as_ref()
            .map(|file| (file.to_string(), attribute.line)),
        line: attribute.line.filter(|_| own),
        surprise: is_moved(attribute) || is_open(attribute.explanation),
        ..line
    }
}

fn notes(attribute: &AttributeReport, detail: Detail) -> Vec<String> {
    let mut notes = Vec::new();
    let cause = match attribute.cause {
        _ if attribute.unknown => {
            "unknown until apply: its variable is not set here, or makes no URL of it"
        }
        Cause::Drift => "drift: moved on the service, put back",
        Cause::Conflict => "conflict: moved on the service and in the file, which is sent",
        Cause::Converged if attribute.unconfirmed => "arrived after all: recorded, not sent",
        Cause::Converged => "already so on the service: recorded, not sent",
        Cause::Released => "no longer managed, not sent",
        Cause::Reassert if attribute.unconfirmed => "sent again: no answer told whether it arrived",
        Cause::Reassert => "sent again",
        _ if attribute.sensitive && !attribute.before.is_null() => "changed",
        Cause::Change | Cause::Unobservable => "",
    };
    if !cause.is_empty() {
        notes.push(cause.to_owned());
    }
    if attribute.cause == Cause::Released
        && attribute.live != attribute.before
        && let Some(live) = value(&attribute.name, &attribute.live, detail)
    {
        notes.push(format!("moved on the service to {live}"));
    }
    if attribute.cause == Cause::Conflict
        && !attribute.sensitive
        && let Some(before) = value(&attribute.name, &attribute.before, detail)
    {
        notes.push(format!("was {before}"));
    }
    if attribute.unconfirmed && !matches!(attribute.cause, Cause::Converged | Cause::Reassert) {
        notes.push("the old value was sent, and no answer told whether it arrived".to_owned());
    }
    notes.extend(attribute.explanation.map(origin));
    notes
}

fn is_moved(attribute: &AttributeReport) -> bool {
    matches!(attribute.cause, Cause::Drift | Cause::Conflict)
}

fn is_open(explanation: Option<Explanation>) -> bool {
    explanation.is_some_and(|explanation| !explanation.is_explained())
}

fn origin(explanation: Explanation) -> String {
    format!("[{}]", explanation.words())
}

fn remarks(report: &PlanReport, idle: bool, detail: Detail) -> Vec<Remark> {
    let mut remarks = Vec::new();
    if !idle {
        let requests = count(report.forecast.requests, "request");
        let rate = &report.forecast.rate;
        let forecast = match report.forecast.seconds {
            Some(seconds) if seconds < 120.0 => format!("{requests}, about {seconds} s at {rate}"),
            Some(seconds) => {
                let minutes = (seconds / 60.0).ceil() as i64;
                format!(
                    "{requests}, about {} at {rate}",
                    span(minutes.saturating_mul(60))
                )
            }
            None => format!("{requests} at an unlimited rate"),
        };
        remarks.push(Remark::new(Weight::Notice, "Forecast", forecast));
    }
    remarks.extend(posture(report));
    remarks.extend(left_out(report.left_out));
    if !report.needs.is_empty() {
        let whose = match report.sandbox {
            true => "the sandbox makes them up; for an account, ",
            false => "",
        };
        let needs = format!("{whose}apply needs: {}", report.needs.join(", "));
        remarks.push(Remark::new(Weight::Notice, "Variables", needs));
    }
    remarks.extend(unexplained(report));
    let made = report.undeclared.iter().filter(|room| room.is_made());
    remarks.extend(super::undeclared(made, detail));
    remarks.extend(allowed(&report.allowed));
    let reasons = report.guard.iter().flat_map(|guard| guard.lines());
    remarks.extend(reasons.map(|reason| {
        let reason = format!("apply refuses this: {reason}");
        Remark::new(Weight::Error, "Guard", reason)
    }));
    if !report.run.is_unknown() && !idle {
        remarks.extend(on_merge(report));
    }
    remarks.extend(footer(&report.run));
    remarks
}

/// What becomes of the plan of a pipeline, and how what is refused is allowed there.
fn on_merge(report: &PlanReport) -> Vec<Remark> {
    let remark = |label, text| Remark::new(Weight::Notice, label, text);
    let Some(guard) = &report.guard else {
        let rooms = report
            .changes
            .iter()
            .filter(|one| one.action != Action::Orphan);
        let rooms = count(rooms.count() as u64, "room");
        let text =
            format!("apply does what is shown here to {rooms}, and stops before anything else");
        return vec![remark("On merge", text)];
    };
    let is_github = report
        .run
        .link
        .as_ref()
        .is_some_and(|link| link.as_str().contains("/actions/runs/"));
    let effects = Effect::ALL.iter().map(|effect| effect.name());
    let effects = effects.filter(|name| guard.contains(&format!("--allow {name}")));
    let effects = effects.map(|name| match is_github {
        true => format!("the label roomctl:allow/{name} on the pull request"),
        false => format!("--allow {name}"),
    });
    let shares = guard
        .lines()
        .filter_map(|line| line.split_once("--max-changes ").map(|(_, number)| number));
    let shares = shares.map(|number| match is_github {
        true => format!("apply.yml started by hand with max-changes {number}"),
        false => format!("--max-changes {number}"),
    });
    let ways = joined(effects.chain(shares), "; ");
    let stops = "apply stops and changes nothing, as long as something is refused".to_owned();
    let allow = ways.map(|ways| remark("To allow", ways));
    std::iter::once(remark("On merge", stops))
        .chain(allow)
        .collect()
}

/// What all changes come to, where that moves.
fn posture(report: &PlanReport) -> Option<Remark> {
    let Posture {
        public,
        recording,
        endless,
    } = report.posture?;
    let all = [
        ("public", public),
        ("recording by itself", recording),
        ("never expiring", endless),
    ];
    // That most new rooms have no end is no reason to look up.
    let opens = [public, recording].iter().any(|one| one.after > one.before);
    let moved = all.iter().filter(|(_, one)| one.before != one.after);
    let moved = moved.map(|(name, one)| format!("{name} {} → {}", one.before, one.after));
    let weight = if opens {
        Weight::Warning
    } else {
        Weight::Notice
    };
    let moved: Vec<String> = moved.collect();
    Some(Remark::new(weight, "Posture", moved.join(", ")))
}

/// How much of the plan the change to the files does not account for.
fn unexplained(report: &PlanReport) -> Option<Remark> {
    let open = |change: &&ChangeReport| is_open(change.explanation);
    let rooms = report.changes.iter().filter(open).count() as u64;
    let attributes = report.changes.iter().flat_map(|change| &change.attributes);
    let lines = attributes.filter(|a| is_open(a.explanation)).count() as u64;
    let text = format!(
        "{} in {} not from this change",
        count(lines, "line"),
        count(rooms, "room")
    );
    (rooms > 0).then(|| Remark::new(Weight::Warning, "Unexplained", text))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Detail = Detail {
        now: 1_795_392_000,
        verbose: false,
        rooms_shown: false,
        apart: false,
    };

    fn attribute(before: Shown, after: Shown, cause: Cause) -> AttributeReport {
        AttributeReport {
            name: "maxParticipants".into(),
            before,
            after,
            unknown: false,
            cause,
            file: None,
            explanation: None,
            line: Some(3),
            live: Shown::from(9),
            sensitive: false,
            secret: None,
            unconfirmed: false,
        }
    }

    fn shown(attribute: &AttributeReport) -> (String, String) {
        let line = line(Action::Update, attribute, NOW);
        let note = line.note.clone().unwrap_or_default();
        (line.values(str::to_owned), note)
    }

    #[test]
    fn values_read_as_before_and_after() {
        let text = |a: &AttributeReport| {
            let (values, note) = shown(a);
            [values, note].join("  ").trim_end().to_owned()
        };
        let mut change = attribute(Shown::from(25), Shown::from(40), Cause::Change);
        assert_eq!(text(&change), "25 → 40");
        change.unconfirmed = true;
        assert_eq!(
            text(&change),
            "25 → 40  the old value was sent, and no answer told whether it arrived"
        );
        for (before, after, cause, expected) in [
            (Shown::NONE, Shown::from(40), Cause::Change, "40"),
            (
                Shown::from(25),
                Shown::NONE,
                Cause::Released,
                "25  no longer managed, not sent; moved on the service to 9",
            ),
            (
                Shown::from(25),
                Shown::from(25),
                Cause::Drift,
                "9 → 25  drift: moved on the service, put back",
            ),
            (
                Shown::from(25),
                Shown::from(40),
                Cause::Conflict,
                "9 → 40  conflict: moved on the service and in the file, which is sent; was 25",
            ),
        ] {
            assert_eq!(text(&attribute(before, after, cause)), expected);
        }
        let mut secret = attribute(Shown::from("****"), Shown::from("****"), Cause::Change);
        secret.sensitive = true;
        assert_eq!(text(&secret), "****  changed");
        secret.unknown = true;
        assert_eq!(
            text(&secret),
            "****  unknown until apply: its variable is not set here, or makes no URL of it"
        );
        let mut moment = attribute(
            Shown::from(1_798_761_600),
            Shown::from(1_798_765_200),
            Cause::Change,
        );
        moment.name = "expireUnixSec".into();
        assert_eq!(
            text(&moment),
            "1798761600 (2027-01-01 00:00 UTC, in 39 days) → 1798765200 (2027-01-01 01:00 UTC, in 39 days)"
        );
    }
}
