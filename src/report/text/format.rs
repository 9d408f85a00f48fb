//! What `fmt` and `adopt` do to files, as text.

use std::fmt::Write;

use similar::{ChangeTag, TextDiff};

use super::{BLUE, BOLD, DIM, GREEN, RED, paint};
use crate::model::words::count;
use crate::report::excerpt;
use crate::report::values::printable;

/// One file that is not in its form, or was not.
pub(crate) fn format_line(file: &str, check: bool) -> String {
    let word = if check { "would format" } else { "formatted" };
    format!("{word} {}\n", printable(file))
}

/// All files at a glance.
pub(crate) fn format_summary(files: u64, changed: u64, check: bool) -> String {
    let all = count(files, "file");
    match (changed, check) {
        (0, _) => format!("{all} looked at, nothing to format.\n"),
        (_, true) => {
            format!("{changed} of {all} not in canonical form; `roomctl fmt` writes it.\n")
        }
        (_, false) => format!("{changed} of {all} formatted.\n"),
    }
}

/// A file before and after, as a unified diff. The lines are compared as they are and shown with secrets masked:
/// masked first, a secret that only gets other quotes would not show at all.
pub(crate) fn format_diff(file: &str, before: &str, after: &str) -> String {
    let file = printable(file);
    let [old, new] = ["---", "+++"].map(|side| paint(BOLD, format!("{side} {file}")));
    let mut text = format!("{old}\n{new}\n");
    let diff = TextDiff::from_lines(before, after);
    // Told only where it is not the same all over.
    let line_end = if after.contains("\r\n") { "\r\n" } else { "\n" };
    for hunk in diff.unified_diff().iter_hunks() {
        let _ = writeln!(text, "{}", paint(BLUE, hunk.header()));
        for change in hunk.iter_changes() {
            let line = change.value();
            let bare = line.strip_suffix(line_end).unwrap_or(line);
            let bare = bare.strip_suffix('\n').unwrap_or(bare);
            let shown = printable(&excerpt::whole_line(bare));
            let _ = match change.tag() {
                ChangeTag::Equal => writeln!(text, " {shown}"),
                ChangeTag::Delete => writeln!(text, "{}", paint(RED, format!("-{shown}"))),
                ChangeTag::Insert => writeln!(text, "{}", paint(GREEN, format!("+{shown}"))),
            };
            if !line.ends_with('\n') {
                let _ = writeln!(text, "{}", paint(DIM, "\\ No newline at end of file"));
            }
        }
    }
    text
}

/// The same for `git apply`, as lines are: with as many around the change as give nothing away. `None`: even those next to
/// it might be, or hold, a secret.
pub(crate) fn patch(file: &str, before: &str, after: &str) -> Option<String> {
    let [old, new] = ["a", "b"].map(|side| quoted(&format!("{side}/{file}")));
    let diff = TextDiff::from_lines(before, after);
    let with = |around, comments| {
        let mut diff = diff.unified_diff();
        let text = diff.context_radius(around).to_string();
        let mut lines = text.lines().filter(|line| !line.starts_with(['@', '\\']));
        let is_fine = lines.all(|line| excerpt::is_harmless(line.get(1..).unwrap_or(""), comments));
        is_fine.then(|| format!("diff --git {old} {new}\n--- {old}\n+++ {new}\n{text}"))
    };
    // Without a line behind it, git takes a change for the end of the file.
    let choices = [(3, false), (2, false), (1, false), (1, true)];
    let mut choices = choices.into_iter();
    choices.find_map(|(around, comments)| with(around, comments))
}

/// A path as git reads it.
fn quoted(path: &str) -> String {
    let is_odd = |byte: u8| byte < b' ' || matches!(byte, b'"' | b'\\' | 0x7f);
    if !path.bytes().any(is_odd) {
        return path.to_owned();
    }
    let parts = path.chars().map(|c| match c {
        '"' | '\\' => format!("\\{c}"),
        c if c.is_ascii_control() => format!("\\{:03o}", u32::from(c)),
        c => c.to_string(),
    });
    format!("\"{}\"", parts.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(before: &str, after: &str) -> String {
        let text = format_diff("rooms/a.yaml", before, after);
        anstream::adapter::strip_str(&text).to_string()
    }

    #[test]
    fn secrets_and_comments_are_masked_and_still_seen_to_change() {
        let before = "\u{feff}# canary\nrtmpOutURL: 'rtmp://a/canary'  # canary\nenableChat: true   # canary \nmeetingJoinWebhook: '${env:HOOK}'\nzzz: canary\nprivacy: 'private'";
        let after = "# canary\nprivacy: private\n";
        assert_eq!(
            shown(before, after),
            "\
--- rooms/a.yaml
+++ rooms/a.yaml
@@ -1,6 +1,2 @@
-\\u{feff}# …
-rtmpOutURL: ****  # …
-enableChat: true   # … 
-meetingJoinWebhook: '${env:HOOK}'
-zzz: ******
-privacy: 'private'
\\ No newline at end of file
+# …
+privacy: private
"
        );
        assert_eq!(
            shown("rtmpOutURL: 'rtmp://a/b'\n", "rtmpOutURL: rtmp://a/b\n"),
            "--- rooms/a.yaml\n+++ rooms/a.yaml\n@@ -1 +1 @@\n-rtmpOutURL: ****\n+rtmpOutURL: ****\n"
        );
    }

    #[test]
    fn names_in_a_patch_are_those_that_git_reads() {
        for (name, shown) in [
            ("two words/ü.yaml", "a/two words/ü.yaml"),
            ("q\"o\\e\t.yaml", "\"a/q\\\"o\\\\e\\011.yaml\""),
        ] {
            let patch = patch(name, "privacy: private\n", "privacy: public\n").unwrap();
            let head = format!("diff --git {shown} {}\n", shown.replacen("a/", "b/", 1));
            assert!(patch.starts_with(&head), "{patch}");
        }
    }

    #[test]
    fn line_ends_are_reported_where_they_change() {
        assert_eq!(
            shown("a: 1 \r\nb: 2\r\n", "a: 1\r\nb: 2\r\n"),
            "--- rooms/a.yaml\n+++ rooms/a.yaml\n@@ -1,2 +1,2 @@\n-a: 1 \n+a: 1\n b: 2\n"
        );
        assert_eq!(
            shown("a: 1\nb: 2\r\n", "a: 1\nb: 2\n"),
            "--- rooms/a.yaml\n+++ rooms/a.yaml\n@@ -1,2 +1,2 @@\n a: 1\n-b: 2\\u{d}\n+b: 2\n"
        );
    }

    #[test]
    fn the_longest_file_is_compared() {
        // For a long time, if every line were compared with every other.
        let lines =
            |from: u32| -> String { (from..from + 14_000).map(|n| format!("#{n}\n")).collect() };
        let (one, two) = (lines(0), lines(50_000));
        let same = "#\n".repeat(60_000);
        for (before, after) in [
            (
                format!("{one}b: 1\n{two}a: 1\n"),
                format!("{two}a: 1\n{one}b: 1\n"),
            ),
            (
                format!("{same}b: 1\n#\na: 1\n"),
                format!("#\na: 1\n{same}b: 1\n"),
            ),
        ] {
            assert!(shown(&before, &after).contains(": 1\n"));
        }
    }
}
