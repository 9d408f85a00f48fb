//! The disguises that a text can wear on its way back: a service, a proxy or an error page may repeat what
//! was sent inside HTML, a URL, a string literal or a log line, and once more inside another of them.
//!
//! Not a parser of any of these formats. It is only asked whether a secret can be recognised, so whatever
//! could be an escape is taken for one.

use std::iter::successors;

/// So many layers are taken off. A text with more has been made to hide something.
const LAYERS: usize = 6;

/// `text`, and what is left after each layer of escapes is taken off. `None` stands for a text that has
/// more of them than anybody writes by accident.
pub(crate) fn layers(text: &str) -> impl Iterator<Item = Option<String>> {
    let outer = Some((0, text.to_owned()));
    successors(outer, |(depth, text)| {
        Some((depth + 1, unescaped(text)?)).filter(|(depth, _)| *depth <= LAYERS)
    })
    .map(|(depth, text)| (depth < LAYERS).then_some(text))
}

/// Whether nothing in `bytes` begins an escape.
pub(crate) fn is_plain(bytes: &[u8]) -> bool {
    !bytes
        .iter()
        .any(|b| matches!(b, b'%' | b'&' | b'\\' | b'='))
}

/// `text` with one layer of escapes taken off; `None` when it has none.
fn unescaped(text: &str) -> Option<String> {
    if is_plain(text.as_bytes()) {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    let mut found = false;
    while let Some(first) = rest.chars().next() {
        let escape = match first {
            '%' | '=' => hex_byte(&rest[1..]).map(|(byte, length)| (vec![byte], 1 + length)),
            '&' => entity(&rest[1..]).map(|(c, length)| (utf8(c), 1 + length)),
            '\\' => backslash(&rest[1..]).map(|(c, length)| (utf8(c), 1 + length)),
            _ => None,
        };
        let (mut piece, length) = match escape {
            Some(escape) => {
                found = true;
                escape
            }
            None => (utf8(first), first.len_utf8()),
        };
        bytes.append(&mut piece);
        rest = &rest[length..];
    }
    found.then(|| String::from_utf8_lossy(&bytes).into_owned())
}

fn utf8(c: char) -> Vec<u8> {
    c.to_string().into_bytes()
}

/// `2F`, after the `%` of a URL or the `=` of a quoted-printable text.
fn hex_byte(text: &str) -> Option<(u8, usize)> {
    let digits = text.get(..2).filter(|d| is_hex(d))?;
    Some((u8::from_str_radix(digits, 16).ok()?, 2))
}

/// `amp;`, `#75;` or `#x4b;`, after a `&`. Browsers do not insist on the semicolon.
fn entity(text: &str) -> Option<(char, usize)> {
    const NAMED: [(&str, char); 5] = [
        ("amp", '&'),
        ("lt", '<'),
        ("gt", '>'),
        ("quot", '"'),
        ("apos", '\''),
    ];
    let (c, length) = if let Some(number) = text.strip_prefix(['#']) {
        let (radix, prefix) = match number.strip_prefix(['x', 'X']) {
            Some(_) => (16, 1),
            None => (10, 0),
        };
        let (c, length) = character(&number[prefix..], radix)?;
        (c, 1 + prefix + length)
    } else {
        let (name, c) = NAMED.iter().find(|(name, _)| text.starts_with(name))?;
        (*c, name.len())
    };
    let semicolon = usize::from(text[length..].starts_with(';'));
    Some((c, length + semicolon))
}

/// `u004b`, `u{4b}`, `x4b`, or a character that stands for itself, after a backslash.
fn backslash(text: &str) -> Option<(char, usize)> {
    let mut characters = text.chars();
    match characters.next()? {
        'u' if text[1..].starts_with('{') => {
            let (c, length) = character(&text[2..], 16)?;
            let brace = usize::from(text[2 + length..].starts_with('}'));
            Some((c, 2 + length + brace))
        }
        'u' | 'U' => {
            let digits = text.get(1..5).filter(|d| is_hex(d))?;
            Some((character(digits, 16)?.0, 5))
        }
        'x' => hex_byte(&text[1..]).map(|(byte, length)| (char::from(byte), 1 + length)),
        c if c.is_ascii_punctuation() => Some((c, 1)),
        _ => None,
    }
}

/// The character with the number at the beginning of `text`, and the length of that number.
fn character(text: &str, radix: u32) -> Option<(char, usize)> {
    let end = text.find(|c: char| !c.is_digit(radix));
    let digits = &text[..end.unwrap_or(text.len())];
    let number = u32::from_str_radix(digits, radix).ok()?;
    Some((char::from_u32(number)?, digits.len()))
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn innermost(text: &str) -> Option<String> {
        layers(text).last().flatten()
    }

    #[test]
    fn every_layer_of_escapes_is_taken_off() {
        for text in [
            "Key/1",
            "%4Bey%2F1",
            "%254Bey%252F1",
            "&#75;ey&#47;1",
            "&#x4B;ey&#x2f;1",
            "&#75ey/1",
            r"\u004bey\/1",
            r"\u{4b}ey\x2f1",
            "=4Bey=2F1",
            "&amp;#75;ey%26%2347;1",
            r"%5Cu004bey/1",
        ] {
            let found = innermost(text).unwrap();
            assert_eq!(found.to_lowercase(), "key/1", "{text}");
        }
    }

    #[test]
    fn what_is_no_escape_stays() {
        for text in [
            "100% sure",
            "a & b",
            "a=b",
            r"C:\temp",
            "&#;",
            "%zz",
            r"\u{}",
            "ü%",
        ] {
            assert_eq!(innermost(text).as_deref(), Some(text));
        }
    }

    #[test]
    fn a_text_wrapped_too_often_is_not_told_apart() {
        let often = format!("%{}4B", "25".repeat(40));
        assert_eq!(layers(&often).last(), Some(None));
        assert_eq!(layers(&often).count(), LAYERS + 1);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "[%&#xu\\\\{};=0-9a-fé]{0,40}") {
            proptest::prop_assert!(layers(&text).count() <= LAYERS + 1);
        }
    }
}
