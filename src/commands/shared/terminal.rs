//! What a person at a terminal sees: a line that stays below all others, and texts that break at words.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write, stderr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use terminal_size::{Width, terminal_size_of};
use unicode_width::UnicodeWidthChar;

/// The line below all others, while there is one. There is one standard error, and everybody writes to it.
static BELOW: Mutex<String> = Mutex::new(String::new());

/// Columns of standard error; `None` if it is no terminal, or one that cannot take a line back.
pub(crate) fn columns() -> Option<usize> {
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    if is_dumb || !stderr().is_terminal() {
        return None;
    }
    Some(columns_of(stderr()).unwrap_or(80))
}

#[cfg(unix)]
fn columns_of(stream: impl std::os::fd::AsFd) -> Option<usize> {
    terminal_size_of(stream).map(|(Width(columns), _)| columns.into())
}

#[cfg(windows)]
fn columns_of(stream: impl std::os::windows::io::AsHandle) -> Option<usize> {
    terminal_size_of(stream).map(|(Width(columns), _)| columns.into())
}

/// `text` for standard output: broken at words if that is a terminal.
pub(crate) fn for_result(text: &str) -> Cow<'_, str> {
    wrapped(text, columns_of(io::stdout()))
}

/// `text` for standard error.
pub(crate) fn for_note(text: &str) -> Cow<'_, str> {
    wrapped(text, columns_of(stderr()))
}

/// Does what writes whole lines to the terminal while the line below is away.
pub(crate) fn above<T>(write: impl FnOnce() -> T) -> T {
    let below = below();
    if below.is_empty() {
        return write();
    }
    erase();
    let written = write();
    draw(&below);
    written
}

/// Shows `text` below all others, in place of what was there; nothing if it is empty.
pub(crate) fn set_below(text: String) {
    let mut below = below();
    match text.is_empty() {
        true if below.is_empty() => {}
        true => erase(),
        false => draw(&text),
    }
    *below = text;
}

fn below() -> MutexGuard<'static, String> {
    BELOW.lock().unwrap_or_else(PoisonError::into_inner)
}

// A terminal that is gone is no reason to stop.

fn draw(text: &str) {
    // A narrow terminal cuts the line and does not wrap it: only one line can be taken back.
    let _ = stderr().write_all(format!("\r\x1b[?7l{text}\x1b[K\x1b[?7h").as_bytes());
}

fn erase() {
    let _ = stderr().write_all(b"\r\x1b[K");
}

/// Standard error for the log, each line of it above the line below.
pub(crate) struct Log {
    pub for_people: bool,
}

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let text = match self.for_people {
            true => for_note(&text),
            false => text.as_ref().into(),
        };
        above(|| stderr().write_all(text.as_bytes()))?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Each line that is longer than that broken at a space, and the rest of it indented below its beginning.
fn wrapped(text: &str, columns: Option<usize>) -> Cow<'_, str> {
    let Some(columns) = columns else {
        return text.into();
    };
    let lines = text.split_inclusive('\n');
    lines
        .map(|line| wrapped_line(line, columns))
        .collect::<String>()
        .into()
}

fn wrapped_line(line: &str, columns: usize) -> String {
    /// A narrower rest is not worth its indent.
    const LEAST: usize = 20;
    let indent = line.len() - line.trim_start_matches(' ').len() + 2;
    let indent = if indent + LEAST <= columns { indent } else { 0 };
    let (mut text, mut rest, mut room) = (String::new(), line, columns);
    while let Some(at) = end(rest, room) {
        let (head, tail) = rest.split_at(at);
        text.push_str(head.trim_end());
        text.push_str(&format!("\n{:indent$}", ""));
        rest = tail.trim_start_matches(' ');
        room = columns - indent;
    }
    text + rest
}

/// The space at which a line that does not fit has to end: the last that fits, else the first one. Not inside of backquotes,
/// if it can be helped: that is to be copied.
fn end(line: &str, columns: usize) -> Option<usize> {
    let (mut column, mut in_quotes, mut in_escape, mut is_begun) = (0, false, false, false);
    let (mut between, mut inside) = (None, None);
    for (at, char) in line.trim_end().char_indices() {
        if in_escape {
            in_escape = char != 'm';
            continue;
        }
        match char {
            '\x1b' => {
                in_escape = true;
                continue;
            }
            ' ' if !is_begun => {}
            ' ' if in_quotes => inside = Some(at),
            ' ' => between = Some(at),
            '`' => in_quotes = !in_quotes,
            _ => {}
        }
        is_begun |= char != ' ';
        column += char.width().unwrap_or(0);
        if column > columns && between.or(inside).is_some() {
            return between.or(inside);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;
    use proptest::prelude::*;

    use super::*;

    fn at_20(text: &str) -> Cow<'_, str> {
        wrapped(text, Some(20))
    }

    #[test]
    fn lines_break_at_words() {
        assert_eq!(at_20("exactly twenty chars\n"), "exactly twenty chars\n");
        assert_eq!(
            at_20("one two three four five six\nshort\n"),
            "one two three four\nfive six\nshort\n"
        );
        let long = "a-name-that-is-longer-than-a-line";
        assert_eq!(at_20(&format!("{long} b\n")), format!("{long}\nb\n"));
        assert_eq!(
            wrapped("  one two three four five six seven\n", Some(24)),
            "  one two three four\n    five six seven\n"
        );
        assert_eq!(wrapped("any length", None), "any length");
    }

    #[test]
    fn what_is_to_be_copied_stays_whole() {
        assert_eq!(
            at_20("then use `roomctl plan -v`\n"),
            "then use\n`roomctl plan -v`\n"
        );
    }

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!(
            at_20("会議室会議室会議室 会議室\n"),
            "会議室会議室会議室\n会議室\n"
        );
    }

    proptest! {
        /// Words, their order and their colours are the same; a line is longer only if it is one word.
        #[test]
        fn only_spaces_move(text in "( {0,3}([a-z,]{1,9}|\x1b\\[31mred\x1b\\[0m|`a b`) {0,2}){0,30}", columns in 1usize..60) {
            let after = wrapped(&text, Some(columns));
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            prop_assert_eq!(words(&text), words(&after));
            for line in after.lines() {
                let line = strip_str(line).to_string();
                let fits = line.trim_end().chars().count() <= columns;
                prop_assert!(fits || !line.trim().contains(' '), "{:?}", line);
            }
        }
    }
}
