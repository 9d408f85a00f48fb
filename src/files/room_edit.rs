//! One attribute of a settings file at another value, and everything else as people wrote it. Pure.
//!
//! It is the value's own bytes that change, in the form that stood there: quotes, `2h`, a moment with its offset, the
//! calendar form behind a number. An attribute that is not there gets a line where `fmt` would put it.

use jiff::Timestamp;
use jiff::fmt::temporal::Pieces;

use crate::files::entries::Findings;
use crate::files::room_format::{Arranged, Refusal, arrange, rank, same_pairs, understood};
use crate::files::room_yaml::{moment, plain};
use crate::files::yaml::{self, Entry};
use crate::model::catalogue::{Kind, kind};
use crate::model::words::span;
use crate::model::{Place, Rule, Scalar};

const BLANKS: [char; 2] = [' ', '\t'];

/// `text` with `value` for the attribute `name`, or nothing and why in `findings`.
pub(crate) fn set(
    text: &str,
    name: &'static str,
    value: &Scalar,
    findings: &mut Findings<'_>,
) -> Option<String> {
    match edited(text, name, value, findings) {
        Ok(edited) => edited,
        Err(Refusal {
            place,
            message,
            help,
        }) => {
            findings.report(place, Rule::Format, message, help);
            None
        }
    }
}

fn edited(
    text: &str,
    name: &'static str,
    value: &Scalar,
    findings: &mut Findings<'_>,
) -> Result<Option<String>, Refusal> {
    let bare = text.strip_prefix('\u{feff}').unwrap_or(text);
    let Some(entries) = understood(bare, findings)? else {
        return Ok(None);
    };
    let edited = match entries.iter().find(|entry| entry.key == name) {
        // Another stack may have another value for it.
        Some(entry)
            if bare
                .get(entry.span.clone())
                .is_some_and(|text| text.contains("${var:")) =>
        {
            return Err(Refusal {
                place: entry.value_at,
                message: "the value is made of `vars` in roomctl.yaml",
                help: "change it there, or write the value into the file",
            });
        }
        Some(entry) => replaced(bare, entry, value),
        None => added(bare, name, value, findings)?,
    };
    let others = |mut entries: Vec<Entry>| {
        entries.retain(|entry| entry.key != name);
        entries
    };
    let is_alone = |edited: &String| {
        let after = yaml::mapping(edited).map(others);
        after.is_ok_and(|after| same_pairs(&others(entries.clone()), &after))
    };
    let mark = &text[..text.len() - bare.len()];
    match edited.filter(is_alone) {
        Some(edited) => Ok(Some(format!("{mark}{edited}"))),
        None => Err(Refusal {
            place: Place::WHOLE_FILE,
            message: "the value cannot be changed where it stands",
            help: "write it on one line, or edit the file by hand",
        }),
    }
}

/// The text with another value in place of the one that is there.
fn replaced(text: &str, entry: &Entry, value: &Scalar) -> Option<String> {
    if entry.value.is_array() || entry.value.is_object() {
        return None;
    }
    let written = text.get(entry.span.clone())?;
    let (before, rest) = (text.get(..entry.span.start)?, text.get(entry.span.end..)?);
    // The calendar form that `import` writes behind a moment says the same again.
    if let (Some(Kind::Moment), Some(old), Scalar::Integer(new)) =
        (kind(&entry.key), entry.value.as_i64(), value)
    {
        let behind = text.get(entry.span.start..)?.strip_prefix(&moment(old));
        let is_end = |rest: &&str| rest.is_empty() || rest.starts_with(['\r', '\n']);
        if let Some(behind) = behind.filter(is_end) {
            return Some(format!("{before}{}{behind}", moment(*new)));
        }
    }
    let new = in_form_of(written, &entry.key, value);
    Some(format!("{before}{new}{rest}"))
}

/// The value in the form of the one that is `written`, where both can have it.
fn in_form_of(written: &str, name: &str, value: &Scalar) -> String {
    let quote = written.chars().next().filter(|c| ['"', '\''].contains(c));
    let bare = written.trim_matches(['"', '\'']);
    let text = match (value, kind(name)) {
        (Scalar::Text(_), _) => Some(plain(name, value)),
        (Scalar::Integer(number), Some(Kind::Moment)) if bare.contains('-') => at(bare, *number),
        (Scalar::Integer(number), Some(Kind::Span)) if bare.ends_with(['h', 'm', 's']) => {
            Some(span(*number))
        }
        _ => None,
    };
    match (text, quote) {
        (Some(text), Some(quote)) if !text.starts_with('"') => format!("{quote}{text}{quote}"),
        (Some(text), _) => text,
        // Numbers and flags are such only without quotes.
        (None, _) => match value {
            Scalar::Integer(number) => number.to_string(),
            value => plain(name, value),
        },
    }
}

/// A moment with the offset of one that is written.
fn at(written: &str, seconds: i64) -> Option<String> {
    let moment = Timestamp::from_second(seconds).ok()?;
    if written.ends_with(['Z', 'z']) {
        return Some(moment.to_string());
    }
    let offset = Pieces::parse(written).ok()?.to_numeric_offset()?;
    Some(moment.display_with_offset(offset).to_string())
}

/// The text with a line more.
fn added(
    text: &str,
    name: &str,
    value: &Scalar,
    findings: &mut Findings<'_>,
) -> Result<Option<String>, Refusal> {
    let unix = text.replace("\r\n", "\n");
    let Some(entries) = understood(&unix, findings)? else {
        return Ok(None);
    };
    let lines: Vec<&str> = unix.lines().collect();
    let Arranged { header, blocks, .. } = arrange(&unix, &lines, &entries)?;
    let above = blocks.iter().rfind(|block| block.rank < rank(name));
    let at = match above.map(|block| block.end) {
        Some(end) => end,
        None if blocks.is_empty() => lines.len(),
        None => header.len(),
    };
    let beside = above.or(blocks.first());
    let beside = beside.and_then(|block| lines.get(block.at));
    let beside = beside.copied().unwrap_or_default();
    let indent = &beside[..beside.len() - beside.trim_start_matches(BLANKS).len()];
    let mut all: Vec<&str> = text.split_inclusive('\n').collect();
    let end = match all.first() {
        Some(first) if first.ends_with("\r\n") => "\r\n",
        _ => "\n",
    };
    let line = format!("{indent}{name}: {}{end}", plain(name, value));
    if at > 0 && !all[at - 1].ends_with('\n') {
        all.insert(at, end);
        all.insert(at + 1, &line);
    } else {
        all.insert(at, &line);
    }
    Ok(Some(all.concat()))
}
