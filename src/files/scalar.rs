//! The one way to write a text as a value of YAML. Pure.

use serde_json::Value;

use crate::files::yaml;
use crate::model::catalogue::{Kind, kind};
use crate::model::words::{is_unseen, printable_json};

/// `text` as the value of `key`, in quotes only where some reader of YAML would take it for something else.
pub(crate) fn scalar(key: &str, text: &str) -> String {
    if is_plain(key, text) {
        text.to_owned()
    } else {
        printable_json(Value::from(text).to_string()).into_owned()
    }
}

/// Whether a text needs no quotes, for any reader of YAML.
pub(crate) fn is_plain(key: &str, text: &str) -> bool {
    // `2h` and `2029-03-31T10:00:00+01:00` begin with a digit, and nobody quotes them.
    let is_time = matches!(kind(key), Some(Kind::Moment | Kind::Span))
        && text.contains(|c: char| c.is_ascii_alphabetic())
        && !text.contains(['e', 'E', 'x', 'o', 'b', '_']);
    let looks_like_a_number = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
    !is_word_of_old(text)
        && !text.contains(is_unseen)
        && (is_time || !looks_like_a_number)
        && reads_as(text).as_ref() == Some(&Value::from(text))
}

fn is_word_of_old(text: &str) -> bool {
    // What older readers take for truth, nothing, a merge or a default.
    const WORDS: [&str; 10] = ["y", "n", "yes", "no", "on", "off", "~", "null", "<<", "="];
    WORDS.iter().any(|word| word.eq_ignore_ascii_case(text))
}

/// What a text reads as when it stands behind a key.
pub(crate) fn reads_as(written: &str) -> Option<Value> {
    let mut entries = yaml::mapping(&format!("k: {written}\n")).ok()?;
    (entries.len() == 1).then(|| entries.remove(0).value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::words::{printable, quoted};

    proptest! {
        /// However a text is written, in a file, as a line to copy or in JSON, it reads as it was, and nothing in it acts.
        #[test]
        fn what_is_written_reads_as_it_was(text in "\\PC{1,12}|.{1,12}|[a-z '\"\\\\\u{202e}\n\u{1b}\u{e0001}\u{85}\u{2028}$:#-]{1,9}") {
            for written in [scalar("roomName", &text), quoted(&text), printable_json(Value::from(&*text).to_string()).into_owned()] {
                prop_assert!(!written.contains(is_unseen), "{:?}", written);
                let read = reads_as(&written);
                prop_assert_eq!(read.as_ref(), Some(&Value::from(&*text)), "{:?}", written);
            }
            let json = printable_json(Value::from(&*text).to_string());
            prop_assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), Value::from(&*text));
            prop_assert!(!printable(&text).contains(is_unseen));
        }
    }
}
