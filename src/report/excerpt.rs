//! A line of a room file in a form that may be shown: whatever could be a secret is masked.
//!
//! Files are shown because something is wrong with them, so nothing can be taken for granted: a stream key may
//! stand under a misspelt key, or on a line of its own. Only what is known to be harmless is let through.

use std::ops::Range;

use crate::model::catalogue::{attribute, attributes};
use crate::model::secret::MASK;

#[derive(Debug, Default)]
pub(crate) struct Excerpt {
    pub text: String,
    /// What the parts of the text stand for: characters of the line, bytes of the text, and whether these are
    /// the same characters.
    parts: Vec<(Range<usize>, Range<usize>, bool)>,
}

impl Excerpt {
    /// Reads a line as it stands in a file.
    pub(crate) fn new(line: &str) -> Self {
        let line = line.trim_start_matches('\u{feff}').trim_end();
        let mut excerpt = Self::default();
        match key_value(line) {
            Some((before, key, value)) => {
                excerpt.plain(before);
                excerpt.value(key, value);
            }
            None => excerpt.words(line),
        }
        excerpt.text.truncate(excerpt.text.trim_end().len());
        excerpt
    }

    /// Where the comment begins that is left out, in characters of the line.
    fn comment_at(&self) -> Option<usize> {
        let (chars, bytes, _) = self.parts.last()?;
        (bytes.is_empty() && !chars.is_empty()).then_some(chars.start)
    }

    /// The bytes of the text that show `width` characters of the line, from the one at `from` on.
    pub(crate) fn span(&self, from: usize, width: usize) -> Range<usize> {
        let until = from.saturating_add(width.max(1));
        let mut span: Option<Range<usize>> = None;
        for (chars, bytes, same) in &self.parts {
            if chars.end <= from || until <= chars.start {
                continue;
            }
            let text = self.text.get(bytes.clone()).unwrap_or_default();
            let at = |char: usize| {
                let within = char.saturating_sub(chars.start);
                let offset = text.char_indices().nth(within).map_or(text.len(), |c| c.0);
                bytes.start + offset
            };
            let part = match same {
                true => at(from)..at(until),
                false => bytes.clone(),
            };
            span = Some(span.map_or(part.start, |before| before.start)..part.end);
        }
        let end = self.text.len();
        let span = span.unwrap_or(end..end);
        span.start.min(end)..span.end.min(end)
    }

    fn push(&mut self, written: &str, shown: &str) {
        let chars = self.parts.last().map_or(0, |(chars, _, _)| chars.end);
        let bytes = self.text.len();
        self.text.push_str(shown);
        self.parts.push((
            chars..chars + written.chars().count(),
            bytes..self.text.len(),
            written == shown,
        ));
    }

    fn plain(&mut self, text: &str) {
        if !text.is_empty() {
            self.push(text, text);
        }
    }

    fn value(&mut self, key: &str, value: &str) {
        let (value, comment) = split_comment(value);
        match attribute(key) {
            Some(attribute)
                if attribute.is_secret() && !is_reference(value) && !value.is_empty() =>
            {
                self.push(value, MASK);
            }
            Some(attribute) if attribute.is_secret() || is_scalar(value) => self.plain(value),
            _ => self.words(value),
        }
        if !comment.is_empty() {
            // Old values are kept in comments.
            self.push(comment, "");
        }
    }

    /// Shows the words that are known, and the characters that make up YAML.
    fn words(&mut self, text: &str) {
        let (text, comment) = split_comment(text);
        let mut rest = text;
        while !rest.is_empty() {
            let end = rest.find(is_mark).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            if is_known(word) {
                self.plain(word);
            } else {
                // As wide as it is, so that columns behind it stay right.
                self.push(word, &"*".repeat(word.chars().count()));
            }
            let end = after.find(|c| !is_mark(c)).unwrap_or(after.len());
            self.plain(&after[..end]);
            rest = &after[end..];
        }
        self.push(comment, "");
    }
}

/// Whether a line may be shown as it is: nothing in it would be masked, and it has no comment or, with `comments`, one
/// without an address.
pub(crate) fn is_harmless(line: &str, comments: bool) -> bool {
    let excerpt = Excerpt::new(line);
    let mut parts = excerpt.parts.iter();
    let is_masked = parts.any(|(_, bytes, same)| !same && !bytes.is_empty());
    let is_fine = |comment: String| {
        comments && (!comment.contains("://") || comment.contains("yaml-language-server:"))
    };
    let comment = excerpt.comment_at().map(|at| line.chars().skip(at));
    !is_masked && comment.is_none_or(|comment| is_fine(comment.collect()))
}

/// A line that may be shown, with all that sets it apart in its form: blanks at its end, a byte-order mark
/// in front, and whether there is a comment.
pub(crate) fn whole_line(line: &str) -> String {
    let blanks = |text: &str| text[text.trim_end().len()..].to_owned();
    let bare = line.trim_start_matches('\u{feff}');
    let mark = &line[..line.len() - bare.len()];
    let excerpt = Excerpt::new(line);
    let comment = excerpt.comment_at().map(|at| {
        let before: String = bare.chars().take(at).collect();
        format!("{}# …", blanks(&before))
    });
    let comment = comment.unwrap_or_default();
    format!("{mark}{}{comment}{}", excerpt.text, blanks(bare))
}

/// `  key: ` with its indentation, the key, and what comes behind.
fn key_value(line: &str) -> Option<(&str, &str, &str)> {
    let start = line.find(|c: char| !c.is_whitespace())?;
    let colon = line.find(':')?;
    let key = line.get(start..colon)?.trim_end();
    let key = key.trim_matches(['"', '\'']);
    let is_key = |c: char| c.is_ascii_alphanumeric() || "_-$.".contains(c);
    let starts_plainly = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !starts_plainly || key.len() > 60 || !key.chars().all(is_key) {
        return None;
    }
    let behind = &line[colon + 1..];
    let value = behind.trim_start();
    if value.len() == behind.len() && !value.is_empty() {
        // `key:value` is no key in YAML.
        return None;
    }
    let (before, value) = line.split_at(line.len() - value.len());
    Some((before, key, value))
}

/// A comment begins where a blank comes before `#`. One that stands in quotes is cut off too, and shown as
/// little.
fn split_comment(text: &str) -> (&str, &str) {
    let begins = |at: &usize| *at == 0 || text[..*at].ends_with([' ', '\t']);
    let at = text.match_indices('#').map(|(at, _)| at).find(begins);
    text.split_at(at.unwrap_or(text.len()))
}

fn is_mark(c: char) -> bool {
    c.is_whitespace() || "{}[],:\"'&*!|>?".contains(c)
}

/// A single value that can be shown under a key that is not secret.
fn is_scalar(value: &str) -> bool {
    !value.contains("://") && !value.starts_with(['{', '[', '&', '*', '!', '|', '>'])
}

/// `${env:NAME}` alone shows only a name.
fn is_reference(value: &str) -> bool {
    let inner = value
        .trim()
        .trim_matches(['"', '\''])
        .strip_prefix("${env:");
    let name = inner.and_then(|rest| rest.strip_suffix('}'));
    name.is_some_and(crate::model::reference::is_variable)
}

/// A word that says nothing about anybody.
fn is_known(word: &str) -> bool {
    const WORDS: [&str; 14] = [
        "true", "false", "yes", "no", "on", "off", "null", "~", "-", "---", "...", "<<", "public",
        "private",
    ];
    let lower = word.to_ascii_lowercase();
    let is_digit = |c: char| c.is_ascii_digit() || "+-._".contains(c);
    let is_number = word.len() <= 6 && word.chars().all(is_digit);
    let mut keys = attributes().iter().map(|attribute| attribute.name);
    let mut is_key = || keys.any(|key| key.eq_ignore_ascii_case(word));
    is_number || WORDS.contains(&lower.as_str()) || is_key()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(line: &str) -> String {
        Excerpt::new(line).text
    }

    #[test]
    fn harmless_lines_are_shown_as_they_are() {
        for line in [
            "privacy: private",
            "  maxParticipants:   1_000",
            "\"enableChat\": yes",
            "maxParticipant: 12",
            "rtmpOutURL: ${env:STREAM}",
            "privacy: private and more",
            "enableChat: [true]",
            "---",
            "- privacy: private",
            "privacy private",
        ] {
            assert_eq!(shown(line), line);
        }
    }

    #[test]
    fn what_may_be_a_secret_is_masked() {
        for (line, expected) in [
            ("rtmpOutURL: rtmp://a/canary", "rtmpOutURL: ****"),
            ("rtmpOutUrl: rtmp://a/canary", "rtmpOutUrl: ****:**********"),
            ("privacy: rtmp://a/canary", "privacy: ****:**********"),
            (
                "privacy: {rtmpOutURL: canary}",
                "privacy: {rtmpOutURL: ******}",
            ),
            ("maxParticipants: 5  # was canary", "maxParticipants: 5"),
            ("  canary", "  ******"),
            ("# canary", ""),
            ("rtmpOutURL: ${env:A}/canary", "rtmpOutURL: ****"),
            (
                "meetingJoinWebhook:https://canary",
                "meetingJoinWebhook:*****:********",
            ),
        ] {
            assert_eq!(shown(line), expected, "{line}");
        }
    }

    #[test]
    fn spans_follow_what_is_shown() {
        let marked = |line: &str, from, width| {
            let excerpt = Excerpt::new(line);
            excerpt.text[excerpt.span(from, width)].to_owned()
        };
        assert_eq!(marked("maxParticipants: 1_000", 17, 5), "1_000");
        assert_eq!(marked("maxParticipants: 1_000", 0, 15), "maxParticipants");
        assert_eq!(marked("rtmpOutURL: rtmp://a/canary # x", 12, 9), "****");
        assert_eq!(marked("privacy: ä", 9, 1), "ä");
        assert_eq!(marked("privacy: ä", 40, 1), "");
        assert_eq!(marked("roomName: x # comment", 14, 1), "");
    }

    proptest! {
        #[test]
        fn no_line_breaks_it_and_no_span_leaves_it(line in ".{0,80}", from in 0usize..100, width in 0usize..100) {
            let excerpt = Excerpt::new(&line);
            let span = excerpt.span(from, width);
            prop_assert!(excerpt.text.get(span).is_some());
        }

        #[test]
        fn a_line_without_words_of_anybody_is_whole(line in " {0,3}((privacy|enableChat): {0,3}(true|private)?| {0,3}true)? {0,3}") {
            prop_assert_eq!(whole_line(&line), line);
        }

        #[test]
        fn a_secret_value_never_shows(
            key in "(rtmpOutURL|meetingJoinWebhook|rtmpOutUrl|stream key|x)",
            colon in "(: |: \"|: '|: x: |: \\||: \\{a: )",
            before in "[ \\t-]{0,4}",
            after in "(|\"|'| # x|})",
        ) {
            // A word in front of a colon is a key, and its name is shown anyway.
            let line = format!("{before}{key}{colon}canary{after}");
            prop_assert!(!shown(&line).contains("canary"), "{line} {}", shown(&line));
            let whole = whole_line(&line);
            prop_assert!(!whole.contains("canary"), "{line} {whole}");
        }
    }
}
