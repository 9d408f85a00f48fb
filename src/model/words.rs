//! Words that users and other programs see: those of enums, written once for JSON, for schemas and for people,
//! and those beside a number; and how a text of somebody else is shown.

use std::borrow::Cow;

use serde_json::Value as Json;

/// An enum whose values are words.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:tt,)* }) => {
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
            schemars::JsonSchema,
        )]
        $(#[$about])*
        pub(crate) enum $name {
            $($(#[$doc])* #[serde(rename = $word)] $variant,)*
        }

        impl $name {
            /// Its word in reports, in files and in flags.
            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }
    };
}

pub(crate) use words;

/// `1 room`, `2 rooms`.
pub(crate) fn count(number: u64, one: &str) -> String {
    format!("{number} {}", plural(number, one))
}

/// `room` or `rooms`.
pub(crate) fn plural(number: u64, one: &str) -> String {
    format!("{one}{}", if number == 1 { "" } else { "s" })
}

/// `texts` with something `between` them. `None`: there are none.
pub(crate) fn joined<T: AsRef<str>>(
    texts: impl IntoIterator<Item = T>,
    between: &str,
) -> Option<String> {
    let mut texts = texts.into_iter();
    let first = texts.next()?.as_ref().to_owned();
    Some(texts.fold(first, |all, text| all + between + text.as_ref()))
}

/// `1h30m`.
pub(crate) fn span(seconds: i64) -> String {
    let parts = [
        (seconds / 3600, 'h'),
        (seconds / 60 % 60, 'm'),
        (seconds % 60, 's'),
    ];
    let some = parts.iter().filter(|(number, _)| *number > 0);
    let some = some.map(|(number, unit)| format!("{number}{unit}"));
    joined(some, "").unwrap_or_else(|| "0s".to_owned())
}

/// A character that is not seen, is seen as another one, or acts: on a terminal, or on the order of what is read. That is all
/// that Unicode lets a font ignore, and what it draws as a blank.
pub(crate) fn is_unseen(c: char) -> bool {
    !matches!(c, ' '..='~')
        && (c.is_control()
            || c.is_whitespace()
            || matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{2d7f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffc}' | '\u{1107f}' | '\u{13430}'..='\u{13446}' | '\u{16fe4}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d159}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'))
}

/// `text` with an escape for each such character.
pub(crate) fn printable(text: &str) -> String {
    rewritten(text, is_unseen, |c| c.escape_unicode().to_string())
}

/// The same for JSON, and for what is quoted like it in YAML: it reads as it did. Its line ends are in no text.
pub(crate) fn printable_json<'a>(json: impl Into<Cow<'a, str>>) -> Cow<'a, str> {
    let json = json.into();
    // A state of 10,000 rooms is plain throughout, which shows many bytes at a time.
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~' | b'\n');
    let mut blocks = json.as_bytes().chunks(256);
    if blocks.all(|block| block.iter().fold(true, |all, byte| all & is_plain(byte))) {
        return json;
    }
    let unit = |unit: &mut u16| format!("\\u{unit:04x}");
    let escape = |c: char| c.encode_utf16(&mut [0; 2]).iter_mut().map(unit).collect();
    rewritten(&json, |c| c != '\n' && is_unseen(c), escape).into()
}

fn rewritten(text: &str, is_odd: impl Fn(char) -> bool, escape: impl Fn(char) -> String) -> String {
    if !text.contains(&is_odd) {
        return text.to_owned();
    }
    let write = |c| if is_odd(c) { escape(c) } else { c.into() };
    text.chars().map(write).collect()
}

/// `text` with `mark` and two hex digits for each byte that is not kept: no two texts become one, if `mark` is not kept.
pub(crate) fn escaped(text: &str, mark: char, keeps: impl Fn(usize, u8) -> bool) -> String {
    let write = |(at, byte)| match keeps(at, byte) {
        true => char::from(byte).into(),
        false => format!("{mark}{byte:02X}"),
    };
    text.bytes().enumerate().map(write).collect()
}

/// `names` as words of a shell and of YAML.
pub(crate) fn listed<'a>(names: impl IntoIterator<Item = &'a &'a str>) -> String {
    joined(names.into_iter().map(|name| quoted(name)), ", ").unwrap_or_default()
}

/// `text` as a word of a shell and of YAML, in quotes where one of them needs those.
pub(crate) fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic());
    match text.contains('\'') || text.contains(is_unseen) {
        _ if begins && text.chars().all(is_plain) => text.to_owned(),
        true => printable_json(Json::from(text).to_string()).into_owned(),
        false => format!("'{text}'"),
    }
}

/// A text from a file, short enough for a message and without characters that act on a terminal.
pub(crate) fn shortened(text: &str) -> String {
    const LONGEST: usize = 60;
    let shown: String = text.chars().take(LONGEST).collect();
    let mut shown = shown.escape_debug().to_string();
    if text.chars().count() > LONGEST {
        shown.push('…');
    }
    shown.replace("\\'", "'").replace("\\\"", "\"")
}

#[cfg(test)]
mod tests {
    use super::{is_unseen, shortened, span};

    #[test]
    fn nothing_that_a_font_may_ignore_is_shown_as_it_is() {
        let ignorable = regex::Regex::new(r"^\p{Default_Ignorable_Code_Point}$").unwrap();
        let mut every = (0..=u32::from(char::MAX)).filter_map(char::from_u32);
        let missed =
            every.find(|c| ignorable.is_match(c.encode_utf8(&mut [0; 4])) && !is_unseen(*c));
        assert_eq!(missed.map(|c| c.escape_unicode().to_string()), None);
        for blank in [
            '\u{2800}',
            '\u{3164}',
            '\u{fe0f}',
            '\u{13441}',
            '\u{16fe4}',
            '\u{1d159}',
            '\u{fffc}',
        ] {
            assert!(is_unseen(blank), "{}", blank.escape_unicode());
        }
    }

    #[test]
    fn a_text_is_cut_after_sixty_letters_and_a_span_names_what_it_has() {
        let most = "é".repeat(60);
        assert_eq!(shortened(&most), most);
        assert_eq!(shortened(&format!("{most}a")), format!("{most}…"));
        for (seconds, shown) in [
            (0, "0s"),
            (59, "59s"),
            (3_600, "1h"),
            (3_660, "1h1m"),
            (7_201, "2h1s"),
        ] {
            assert_eq!(span(seconds), shown);
        }
    }
}
