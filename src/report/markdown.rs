//! Reports as markdown, for a comment, an issue or a step summary: inert whatever the content, and within a
//! budget.
//!
//! A comment on GitHub holds 65,536 characters. What does not fit is shown in a shorter form, never cut inside
//! a room: in full, one line an attribute, one line a room, the rooms of each effect, and at last only the counts.

use std::fmt::Write;

use super::values::{capitalized, printable};
use super::view::{Item, Line, Remark, View, Weight};
use crate::model::words::{count, joined, listed};

/// Most doubts about a report that are named in its head, those that stop it first.
const MOST_DOUBTS: usize = 20;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Markdown<'a> {
    /// Most bytes; `None`: as many as it takes.
    pub max_bytes: Option<usize>,
    /// Keeps two comments of one kind apart.
    pub marker: Option<&'a str>,
}

/// How much is shown of each item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Form {
    Full,
    Attributes,
    Rooms,
    /// Rooms in groups, by what several of them have in common.
    Common,
    /// The same, by their effects alone.
    Effects,
}

/// The report, no longer than it may be. The first line is a comment by which a later run finds its own.
///
/// Each room to which it does something or whose secrets it sends, each guard that is weaker and each host that secrets go to
/// are never what is left out: where they do not fit, there is none, and nobody can approve it.
pub(crate) fn markdown(view: &View<'_>, how: Markdown<'_>) -> Option<String> {
    let most = how.max_bytes.unwrap_or(usize::MAX);
    let marker = marker(view.kind, how.marker);
    let (head, tail) = (head(view, &marker), tail(view));
    for form in [
        Form::Full,
        Form::Attributes,
        Form::Rooms,
        Form::Common,
        Form::Effects,
    ] {
        let compact = match form {
            Form::Common | Form::Effects => Some(view.compact(form == Form::Common)),
            _ => None,
        };
        let shown = || {
            let others = view.items.iter();
            let others = others.filter(|item| compact.is_none() || !item.is_kept);
            compact.iter().flatten().cloned().chain(others)
        };
        let short = short(view, form);
        let around = (&*head, &*tail, &*short);
        if let Some(text) = whole(around, shown().map(|one| item(&one, form)), most) {
            return Some(text);
        }
        let fixed = head.len() + tail.len() + short.len();
        let items = shown().map(|one| (one.is_kept, one.weight, item(&one, form)));
        if form >= Form::Rooms
            && let Some(listed) = as_many_as_fit(items.collect(), most.saturating_sub(fixed))
        {
            return Some(head + &listed + &tail + &short);
        }
    }
    counts_only(view, (&marker, &head, &tail), most)
}

/// All of it, if it is no longer than it may be.
fn whole(
    (head, tail, short): (&str, &str, &str),
    items: impl Iterator<Item = String>,
    most: usize,
) -> Option<String> {
    let mut text = head.to_owned();
    let mut left = most.checked_sub(head.len() + tail.len() + short.len())?;
    for item in items {
        left = left.checked_sub(item.len())?;
        append(&mut text, &item);
    }
    append(&mut text, tail);
    append(&mut text, short);
    Some(text)
}

/// With at most one empty line in between.
fn append(text: &mut String, part: &str) {
    let is_apart = text.ends_with("\n\n");
    let part = part.strip_prefix('\n').filter(|_| is_apart).unwrap_or(part);
    text.push_str(part);
}

/// What is said of a report of which not all is shown.
fn short(view: &View<'_>, form: Form) -> String {
    let to = match form {
        Form::Full => return String::new(),
        Form::Attributes => return "\n_Shortened to one line for each attribute._\n".to_owned(),
        Form::Rooms => "one line for each room",
        Form::Common => "what several rooms have in common",
        Form::Effects => "the rooms with each effect",
    };
    format!("{}\n_Shortened to {to}._\n", secrets(view, form))
}

/// Where secrets go: each host, in full, since its end says whose it is.
fn secrets(view: &View<'_>, form: Form) -> String {
    let mut hosts: Vec<(String, Vec<String>, String)> = Vec::new();
    for destination in &view.secrets {
        let (address, rooms) = (code(&destination.address), count(destination.rooms, "room"));
        let variables = destination.variables.list(|name| code(&cut(name)));
        let variables = match variables.is_empty() {
            true => variables,
            false => format!(" ({variables})"),
        };
        let mut known = hosts.iter_mut();
        match known.find(|(known, ..)| form == Form::Effects && *known == variables) {
            Some((_, addresses, rooms)) => {
                addresses.push(address);
                rooms.clear();
            }
            None => hosts.push((variables, vec![address], format!(" in {rooms}"))),
        }
    }
    let line = |(variables, addresses, rooms): &(String, Vec<String>, String)| {
        let addresses = joined(addresses, ", ").unwrap_or_default();
        format!("- secrets go to {addresses}{variables}{rooms}\n")
    };
    let text: String = hosts.iter().map(line).collect();
    let above = if text.is_empty() { "" } else { "\n" };
    format!("{above}{text}")
}

/// As much of a text as a reader of a comment takes in: whoever writes it must not push anything else out.
fn cut(text: &str) -> String {
    const LONGEST: usize = 300;
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// The items that fit, those that ask for attention first, with a line that counts the others. `None` when one is among
/// those that may not be.
fn as_many_as_fit(mut items: Vec<(bool, Weight, String)>, most: usize) -> Option<String> {
    const LINE: usize = 80;
    let mut listed = String::new();
    let mut number = 0;
    items.sort_by_key(|(is_kept, weight, _)| (!is_kept, *weight));
    for (is_kept, _, item) in &items {
        if listed.len() + item.len() + LINE > most {
            if *is_kept {
                return None;
            }
            break;
        }
        listed.push_str(item);
        number += 1;
    }
    let more = items.len() - number;
    let _ = writeln!(listed, "- … and {more} more that are not shown");
    (number > 0 && listed.len() <= most).then_some(listed)
}

/// When nothing else fits.
fn counts_only(
    view: &View<'_>,
    (marker, head, tail): (&str, &str, &str),
    most: usize,
) -> Option<String> {
    let title = inert(&view.title);
    let counts = view.summary();
    let rest = "The rest is too long to be shown here.";
    let effects = view.effects.iter();
    let effects: String = effects.map(|one| format!("**{}**, ", one.name)).collect();
    let kept = view.compact(false).into_iter();
    let kept: String = kept.map(|one| item(&one, Form::Effects)).collect();
    let needed = secrets(view, Form::Effects);
    let is_needed = !kept.is_empty() || !needed.is_empty();
    let forms = [
        format!("{head}{kept}{tail}{needed}\n_{rest}_\n"),
        format!("{head}{kept}{needed}\n_{rest}_\n"),
        format!("{marker}\n**{title}**: {effects}{counts}. {rest}\n"),
        format!("{marker}\n{effects}{counts}\n"),
        format!("{counts}\n"),
    ];
    let mut forms = forms.into_iter().take(if is_needed { 2 } else { 5 });
    let fitting = forms.find(|text| text.len() <= most);
    fitting.or_else(|| (!is_needed).then(String::new))
}

fn marker(kind: &str, own: Option<&str>) -> String {
    // Nothing that could end the comment.
    let plain = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
    let own: String = own.unwrap_or_default().chars().filter(plain).collect();
    match own.is_empty() {
        true => format!("<!-- roomctl:{kind} -->"),
        false => format!("<!-- roomctl:{kind}:{own} -->"),
    }
}

fn head(view: &View<'_>, marker: &str) -> String {
    let mut text = format!("{marker}\n## {}\n\n", inert(&view.heading()));
    let mut doubts: Vec<&Remark> = view.remarks.iter().collect();
    doubts.retain(|remark| remark.weight != Weight::Notice);
    doubts.sort_by_key(|remark| remark.weight);
    for remark in doubts.iter().take(MOST_DOUBTS) {
        let (label, said) = (remark.label, inert(&cut(&remark.text)));
        let _ = writeln!(text, "> **{label}:** {said}\n");
    }
    if doubts.len() > MOST_DOUBTS {
        let more = count((doubts.len() - MOST_DOUBTS) as u64, "more doubt");
        let _ = writeln!(text, "> … and {more}\n");
    }
    for effect in &view.effects {
        let rooms = effect.rooms.list(|name| code(&cut(name)));
        let _ = writeln!(
            text,
            "- ⚠️ **{}**: {}: {rooms}",
            effect.name, effect.sentence
        );
    }
    if !view.effects.is_empty() {
        text.push('\n');
    }
    if let Some(nothing) = view.nothing {
        let _ = writeln!(text, "**{}**\n", capitalized(nothing));
    }
    let counts = view
        .counts
        .iter()
        .map(|(name, n)| format!("**{n}** {name}"));
    if let Some(counts) = joined(counts, " · ") {
        let _ = writeln!(text, "{counts}\n");
    }
    text.truncate(text.trim_end().len());
    text + "\n\n"
}

fn tail(view: &View<'_>) -> String {
    let mut text = String::new();
    for remark in &view.remarks {
        if remark.weight == Weight::Notice {
            let (label, said) = (remark.label, inert(&cut(&remark.text)));
            // Of a link each letter is one that may stand in one.
            let link = remark.link.as_deref().map(inert);
            let link = link.map(|link| format!(" <a href=\"{link}\">log</a>"));
            let link = link.unwrap_or_default();
            let _ = write!(text, "\n<sub>{label}: {said}{link}</sub>\n");
        }
    }
    text
}

fn item(item: &Item, form: Form) -> String {
    let most = if item.is_kept {
        Form::Effects
    } else {
        Form::Rooms
    };
    let form = form.min(most);
    let title = title(item, form);
    let rooms = match item.is_kept {
        true if form >= Form::Common => named(item),
        true => members(item),
        false => item.rooms.as_ref().map(|rooms| rooms.list(code)),
    };
    let rooms = rooms.map(|rooms| format!("  - {rooms}\n"));
    match form {
        Form::Full if item.lines.is_empty() && item.members.is_empty() => format!("- {title}\n"),
        Form::Full => folded(item, &title),
        Form::Rooms => format!("- {title}\n{}", rooms.unwrap_or_default()),
        Form::Attributes | Form::Common | Form::Effects => {
            let mut text = format!("- {title}\n");
            // One alone is in the title.
            for line in item.lines.iter().filter(|_| item.lines.len() > 1) {
                let _ = writeln!(text, "  - {}", one_line(line));
            }
            text.extend(rooms);
            text
        }
    }
}

/// What is done to which room, and what about: of one attribute its values, too.
fn title(item: &Item, form: Form) -> String {
    let name = match item.members.is_empty() {
        true => code(&item.name),
        false => format!("<b>{}</b>", inert(&item.name)),
    };
    // A minus would begin a list of its own.
    let sign = inert(item.sign).replace('-', "&#45;");
    let mut text = format!("{sign} {name} {}", inert(&item.action));
    match item.lines.as_slice() {
        [] => {}
        _ if form == Form::Rooms => {}
        [only] => {
            let _ = write!(text, " · {}", one_line(only));
        }
        several => {
            let names = joined(several.iter().map(|line| code(&line.name)), ", ");
            let _ = write!(text, " · {}", names.unwrap_or_default());
        }
    }
    for effect in &item.effects {
        let _ = write!(text, " · ⚠️ {effect}");
    }
    if let Some(place) = item.place() {
        let _ = write!(text, " · {}", code(&place));
    }
    if let Some(said) = joined(item.said().map(|said| inert(said)), "; ") {
        let _ = write!(text, ": {said}");
    }
    text
}

/// What opens on a click, and is open where something failed.
fn folded(item: &Item, title: &str) -> String {
    let open = match item.weight {
        Weight::Error => " open",
        Weight::Warning | Weight::Notice => "",
    };
    let is_compared = item.lines.iter().any(|line| line.sides.is_some());
    let lines = match item.lines.is_empty() {
        true => String::new(),
        false if is_compared => table(item),
        false => diff(item),
    };
    let members = members(item).map_or_else(String::new, |members| members + "\n\n");
    format!("\n<details{open}><summary>{title}</summary>\n\n{lines}{members}</details>\n\n")
}

/// The rooms of a group: as many as a reader looks through, or all.
fn members(item: &Item) -> Option<String> {
    const MOST: usize = 200;
    let most = if item.is_kept { usize::MAX } else { MOST };
    let names = item.members.iter().take(most);
    let names = joined(names.map(|member| code(&member.name)), ", ");
    let more = match item.members.len().saturating_sub(most) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    names.map(|names| names + &more)
}

/// All of them in as few bytes as there can be; one that could be read as two is in quotes.
fn named(item: &Item) -> Option<String> {
    let names: Vec<&str> = item.members.iter().map(|member| &*member.name).collect();
    (!names.is_empty()).then(|| code(&listed(&names)))
}

/// Who says what, one line an attribute.
fn table(item: &Item) -> String {
    let mut text =
        String::from("| Attribute | Applied | File | Service | Note |\n|---|---|---|---|---|\n");
    for line in &item.lines {
        let none = [None, None, None];
        let sides = line.sides.as_ref().unwrap_or(&none);
        let sides = sides
            .each_ref()
            .map(|side| side.as_deref().map_or_else(|| "–".to_owned(), code));
        let note = line.notes().map(|note| inert(&note)).unwrap_or_default();
        let (name, sides) = (code(&line.name), sides.join(" | "));
        let _ = writeln!(text, "| {name} | {sides} | {note} |");
    }
    text + "\n"
}

fn diff(item: &Item) -> String {
    let mut diff = String::new();
    for line in &item.lines {
        let name = printable(&line.name);
        let mut side = |sign: char, value: &Option<String>| {
            if let Some(value) = value {
                let _ = writeln!(diff, "{sign} {name}: {}", printable(value));
            }
        };
        side('-', &line.before);
        side('+', &line.after);
        if let Some(note) = line.notes() {
            let _ = writeln!(diff, "# {name}: {}", printable(&note));
        }
    }
    // Longer than anything in it, so that nothing in it ends it.
    let longest = diff.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}diff\n{diff}{fence}\n\n")
}

fn one_line(line: &Line) -> String {
    let note = line.notes().map(|note| format!("({})", inert(&note)));
    let values = Some(line.values(code)).filter(|values| !values.is_empty());
    let said = joined(values.into_iter().chain(note), " ");
    format!("{}: {}", code(&line.name), said.unwrap_or_default())
}

fn code(text: &str) -> String {
    format!("<code>{}</code>", inert(text))
}

/// `text` as it is read, with nothing that markdown, HTML or GitHub would act on: every mark is written as an
/// entity, which is resolved only after all of them have looked. Names of people and numbers of issues are
/// parted from their mark, since those are looked for last of all.
fn inert(text: &str) -> String {
    let mut inert = String::with_capacity(text.len() * 2);
    for c in printable(text).chars() {
        match c {
            '@' | '#' => {
                let _ = write!(inert, "&#{};<!-- -->", c as u32);
            }
            ' ' | ',' | '-' | '(' | ')' | ';' | '?' => inert.push(c),
            c if c.is_ascii_punctuation() => {
                let _ = write!(inert, "&#{};", c as u32);
            }
            c => inert.push(c),
        }
    }
    inert
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::report::view::{Destination, Detail, EffectView, Member, Names};

    fn view(items: Vec<Item>) -> View<'static> {
        View {
            kind: "plan",
            title: "Plan for acme".into(),
            counts: vec![("to update".into(), items.len() as u64)],
            items: items.into(),
            ..View::default()
        }
    }

    fn update(name: &str, value: &str) -> Item {
        Item {
            sign: "~",
            action: "update".into(),
            name: name.into(),
            file: Some(format!("rooms/{name}.yaml")),
            line: Some(2),
            causes: ["change"].into(),
            lines: vec![Line {
                name: "maxParticipants".into(),
                before: Some("5".into()),
                after: Some(value.into()),
                ..Line::default()
            }],
            ..Item::default()
        }
    }

    fn shown(items: &[(&str, &str)], most: usize) -> String {
        let items = items
            .iter()
            .map(|(name, value)| update(name, value))
            .collect();
        let how = Markdown {
            max_bytes: Some(most),
            marker: None,
        };
        markdown(&view(items), how).unwrap()
    }

    #[test]
    fn less_is_shown_of_each_room_when_room_is_scarce() {
        let rooms = [("aaa", "6"), ("bbb", "7"), ("ccc", "8")];
        let full = shown(&rooms, 10_000);
        assert!(
            full.contains("```diff\n- maxParticipants: 5\n+ maxParticipants: 6\n```"),
            "{full}"
        );
        let attributes = shown(&rooms, full.len() - 1);
        assert!(attributes.contains("for each attribute") && !attributes.contains("```"));
        assert!(
            attributes.contains("<code>5</code> → <code>8</code>"),
            "{attributes}"
        );
        let rooms_only = shown(&rooms, attributes.len() - 1);
        assert!(rooms_only.contains("for each room") && rooms_only.contains("ccc"));
        assert!(!rooms_only.contains('→'), "{rooms_only}");
        let some = shown(&rooms, rooms_only.len() - 1);
        assert!(some.contains("aaa") && !some.contains("ccc"), "{some}");
        assert!(
            some.contains("and 2 more") || some.contains("and 1 more"),
            "{some}"
        );
        let counts = shown(&rooms, 140);
        assert!(
            counts.contains("to update") && !counts.contains("aaa"),
            "{counts}"
        );
        assert_eq!(shown(&rooms, 3), "");
    }

    /// However much else there is to say: names, reasons, variables and rooms as long and as many as files allow.
    #[test]
    fn nobody_pushes_out_what_matters() {
        let long = "R".repeat(60_000);
        let remark = |weight, label| Remark {
            weight,
            label,
            text: long.clone(),
            link: None,
        };
        let mut flood = view(
            (0..2_000)
                .map(|n| update(&format!("room-{n}"), "5"))
                .collect(),
        );
        flood.remarks = vec![remark(Weight::Warning, "Mutes"); 500];
        flood.remarks.push(remark(Weight::Notice, "Variables"));
        flood.remarks.push(remark(Weight::Error, "Guard"));
        flood.secrets = vec![sent_to("evil.example".to_owned(), long.clone())];
        flood.effects = vec![EffectView {
            name: "guard-weakened",
            sentence: "less is forbidden",
            rooms: Names {
                first: vec![long.clone(); 5],
                more: 0,
            },
        }];
        let most = Some(60_000);
        let text = markdown(
            &flood,
            Markdown {
                max_bytes: most,
                marker: None,
            },
        )
        .unwrap();
        for kept in [
            "guard-weakened",
            "**Guard:**",
            "evil&#46;example",
            "more that are not shown",
        ] {
            assert!(text.contains(kept), "{kept}: {}", &text[..2_000]);
        }
    }

    fn sent_to(host: String, variable: String) -> Destination {
        let first = vec![variable];
        Destination {
            address: host,
            variables: Names { first, more: 0 },
            rooms: 1,
        }
    }

    fn weaker(what: &str) -> Item {
        Item {
            weight: Weight::Warning,
            is_kept: true,
            effects: vec!["guard-weakened"],
            message: Some(what.to_owned()),
            ..update("mutes", "5")
        }
    }

    #[test]
    fn a_sign_begins_no_list() {
        let mut gone = update("tea", "6");
        gone.sign = "-";
        gone.lines.clear();
        let text = markdown(&view(vec![gone]), Markdown::default()).unwrap();
        assert!(text.contains("\n- &#45; <code>tea</code>"), "{text}");
    }

    #[test]
    fn nothing_in_a_text_acts() {
        let text = inert("<b> `x` @all #1 [a](b) *c* | http://x www.y\n\u{202e}</details>-->");
        for mark in [
            "<b>", "`", "@", " #1", "[", "]", "*", "|", "http:", "www.", "\n", "\u{202e}", "</",
        ] {
            assert!(!text.contains(mark), "{mark}: {text}");
        }
        assert!(text.contains("&#64;<!-- -->all"), "{text}");
    }

    #[test]
    fn a_fence_holds_whatever_is_in_it() {
        let text = shown(&[("a", "``````\n</details>")], 10_000);
        assert!(text.contains("\n```````diff\n"), "{text}");
        assert!(!text.contains("\n</details>\n`"), "{text}");
    }

    #[test]
    fn a_marker_cannot_end_its_comment() {
        assert_eq!(
            marker("plan", Some("pr-1 --><b>")),
            "<!-- roomctl:plan:pr1b -->"
        );
        assert_eq!(marker("plan", Some("-->")), "<!-- roomctl:plan -->");
    }

    proptest! {
        /// Each host, each weaker guard and each room with an effect is shown, or nothing is: decoys push nothing out, however
        /// many and long.
        #[test]
        fn what_somebody_would_object_to_is_shown_or_nothing_is(
            lengths in (1usize..400, 1usize..400, 1usize..400),
            (hosts, guards, rooms, opened) in (0usize..80, 0usize..80, 0usize..80, 0usize..400),
            most in 0usize..30_000,
        ) {
            let named = |kind: &str, n: usize, length: usize| format!("{kind}{n}{}", "x".repeat(length) + "end");
            let guards_seen = (0..guards).map(|n| weaker(&named("guard", n, lengths.0)));
            let rooms_seen = (0..rooms).map(|n| update(&named("room", n, lengths.1), "5"));
            let members = (0..opened).map(|n| Member { name: format!("opened{n}end"), place: None });
            let group = Item { is_kept: true, members: members.collect(), ..update("many", "5") };
            let group = (opened > 1).then_some(group);
            let mut seen = view(rooms_seen.chain(guards_seen).chain(group).collect());
            seen.secrets = (0..hosts).map(|n| sent_to(named("host", n, lengths.2), named("V", n, 9))).collect();
            let how = Markdown { max_bytes: Some(most), marker: None };
            if let Some(text) = markdown(&seen, how) {
                prop_assert!(text.len() <= most);
                // In full, the hosts are in the lines of the rooms.
                let is_full = text.contains("_Shortened to one line for each attribute._") || !text.contains("_Shortened");
                let is_short = text.contains("_The rest") || !is_full;
                for n in 0..if is_short { hosts } else { 0 } {
                    prop_assert!(text.contains(&named("host", n, lengths.2)), "{}: {}", n, text);
                }
                for n in 0..guards {
                    prop_assert!(text.contains(&named("guard", n, lengths.0)), "{}: {}", n, text);
                }
                for n in 0..if opened > 1 { opened } else { 0 } {
                    prop_assert!(text.contains(&format!("opened{n}end")), "{}: {}", n, text);
                }
            } else {
                prop_assert!(hosts + guards + opened > 0);
            }
        }

        /// In whichever form, each room with an effect is named where its effects are, and no others.
        #[test]
        fn a_room_is_named_with_its_effects(
            rooms in prop::collection::vec((0usize..8, 0usize..3, 0usize..3, 0usize..9), 1..120),
            (as_groups, others) in (any::<bool>(), 0usize..40),
            most in 200usize..24_000,
        ) {
            const EFFECTS: [&str; 3] = ["privacy-widened", "recording-on", "archived"];
            let of = |mask: usize| (0..3).filter(move |n| mask >> n & 1 == 1).map(|n| EFFECTS[n]);
            let one = |(n, &(mask, value, other, own)): (usize, &(usize, usize, usize, usize))| {
                let values = [("privacy", value), ("recordRoom", other), ("maxParticipants", own * n)];
                let line = |(name, after): (&str, usize)| Line { name: name.into(), after: Some(after.to_string()), ..Line::default() };
                let lines = values.into_iter().map(line).collect();
                Item { effects: of(mask).collect(), is_kept: mask > 0, lines, ..update(&format!("room{n}end"), "5") }
            };
            let others = (0..others).map(|n| update(&format!("other{n}end"), &n.to_string()));
            let mut seen = view(rooms.iter().enumerate().map(one).chain(others).collect());
            if as_groups {
                seen = seen.grouped(Detail::default());
            }
            let how = Markdown { max_bytes: Some(most), marker: None };
            let Some(text) = markdown(&seen, how) else {
                prop_assert!(rooms.iter().any(|room| room.0 > 0));
                return Ok(());
            };
            prop_assert!(text.len() <= most);
            let blocks = text.replace("\n<details", "\n- <details").replace("\n- ", "\n\0");
            for (n, room) in rooms.iter().enumerate().filter(|(_, room)| room.0 > 0) {
                let name = format!("room{n}end");
                let there = |block: &&str| block.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == name);
                let Some(block) = blocks.split('\0').find(there) else {
                    return Err(TestCaseError::fail(format!("{name}: {text}")));
                };
                let told = EFFECTS.into_iter().filter(|effect| block.contains(&format!("⚠️ {effect}")));
                prop_assert_eq!(told.collect::<Vec<_>>(), of(room.0).collect::<Vec<_>>(), "{}: {}", name, text);
            }
        }

        #[test]
        fn never_longer_than_it_may_be(
            rooms in prop::collection::vec(("(?s).{0,20}", "(?s).{0,40}"), 0..40),
            most in 0usize..6_000,
        ) {
            let rooms: Vec<(&str, &str)> = rooms.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
            let text = shown(&rooms, most);
            prop_assert!(text.len() <= most, "{} > {most}", text.len());
            prop_assert_eq!(text.matches("<details").count(), text.matches("</details>").count());
        }

        #[test]
        fn content_brings_no_mark_of_its_own(name in "(?s).{0,40}") {
            let text = inert(&name);
            let left: String = text.replace("<!-- -->", "");
            prop_assert!(!left.contains(['<', '>', '`', '@', '\n', '\r', '|', '[']), "{text}");
        }
    }
}
