//! What the configuration gives to room files: values by name, for `${var:NAME}`, and whose defaults are laid over the others.
//! Pure.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::model::suggest::nearest;
use crate::model::words::shortened;

/// Most stacks: a command about all of them reads all files for each.
pub(crate) const MOST_STACKS: usize = 200;

/// The stack that files are read for, and its values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Given {
    /// `None`: there are no stacks.
    pub stack: Option<String>,
    /// All stacks that there are.
    pub stacks: BTreeSet<String>,
    /// Texts, whole numbers, `true` and `false`.
    pub values: BTreeMap<String, Value>,
}

/// Why a text cannot be filled in, and what to write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct FillError {
    pub message: String,
    pub help: String,
}

const BEGIN: &str = "${var:";

/// Most bytes of values that one file takes in: a file of a few lines may name the same again and again, and there are many files.
pub(crate) const MOST_OF_FILE: usize = 4 * 1024;

impl Given {
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) const NOTHING: &'static Self = &Self {
        stack: None,
        stacks: BTreeSet::new(),
        values: BTreeMap::new(),
    };

    /// A text with its values in the place of their names; one that is a name alone becomes the value, of its own type. `None`: it
    /// names none. What begins with `$$` names none either. `left` is what values may still come to in the file, in bytes.
    pub(crate) fn fill(&self, text: &str, left: &mut usize) -> Result<Option<Value>, FillError> {
        let alone = text
            .strip_prefix(BEGIN)
            .and_then(|rest| rest.strip_suffix('}'));
        if let Some(name) = alone.filter(|name| is_name(name)) {
            let value = self.value(name)?;
            take(left, value.as_str().map_or(0, str::len))?;
            return Ok(Some(value.clone()));
        }
        let (mut filled, mut rest, mut is_filled) = (String::new(), text, false);
        while let Some(at) = rest.find(BEGIN) {
            let (before, reference) = rest.split_at(at);
            let reference = &reference[BEGIN.len()..];
            filled.push_str(before);
            let is_within = filled
                .rfind("${")
                .is_some_and(|at| !filled[at..].contains('}'));
            if is_within {
                return Err(FillError {
                    message: "a reference is made of another one".to_owned(),
                    help: "write its name as it is: who looks for it has to find it".to_owned(),
                });
            }
            if before.ends_with('$') {
                filled.push_str(BEGIN);
                rest = reference;
                continue;
            }
            let name = reference.split_once('}').filter(|(name, _)| is_name(name));
            let (name, after) = name.ok_or_else(|| FillError {
                message: "`${var:` begins a reference, which reads `${var:NAME}`".to_owned(),
                help: "names are of lower-case letters, digits and `_`; for the characters as such write `$${var:`".to_owned(),
            })?;
            let value = match self.value(name)? {
                Value::String(text) => Cow::from(text),
                other => other.to_string().into(),
            };
            take(left, value.len())?;
            filled.push_str(&value);
            (rest, is_filled) = (after, true);
        }
        filled.push_str(rest);
        Ok(is_filled.then_some(Value::String(filled)))
    }

    fn value(&self, name: &str) -> Result<&Value, FillError> {
        self.values.get(name).ok_or_else(|| {
            let near = nearest(name, self.values.keys().map(String::as_str));
            let of_stack = self.stack.as_ref();
            let of_stack = of_stack.map(|stack| format!(" for the stack `{stack}`"));
            FillError {
                message: format!(
                    "`vars` in roomctl.yaml has no `{}`{}",
                    shortened(name),
                    of_stack.unwrap_or_default()
                ),
                help: match near {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("add `{}: …` to `vars`", shortened(name)),
                },
            }
        })
    }
}

fn take(left: &mut usize, bytes: usize) -> Result<(), FillError> {
    *left = left.checked_sub(bytes).ok_or_else(|| FillError {
        message: format!(
            "this file takes in more than {} KiB of values of `vars`",
            MOST_OF_FILE / 1024
        ),
        help: "shorten the value in roomctl.yaml, or write a part of it here".to_owned(),
    })?;
    Ok(())
}

/// Whether a text can be the name of a value.
pub(crate) fn is_name(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(is_plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn given() -> Given {
        let values = [
            ("domain", json!("example.com")),
            ("people", json!(15)),
            ("on", json!(true)),
        ];
        Given {
            values: values.map(|(name, value)| (name.to_owned(), value)).into(),
            ..Given::default()
        }
    }

    #[test]
    fn a_value_has_its_type_alone_and_is_text_within_another() {
        let filled = |text: &str| given().fill(text, &mut 1_000).unwrap();
        assert_eq!(filled("${var:people}"), Some(json!(15)));
        assert_eq!(filled("${var:on}"), Some(json!(true)));
        assert_eq!(
            filled("https://${var:domain}/${var:people}"),
            Some(json!("https://example.com/15"))
        );
        assert_eq!(filled("${env:ROOM_A}"), None);
        assert_eq!(filled("$${var:people}"), None);
        let both = "https://${var:domain}/${env:ROOM_A}";
        assert_eq!(
            filled(both),
            Some(json!("https://example.com/${env:ROOM_A}"))
        );
    }

    #[test]
    fn what_is_not_there_is_said() {
        let refused = |text: &str| given().fill(text, &mut 1_000).unwrap_err();
        assert_eq!(refused("${var:domian}").help, "did you mean `domain`?");
        assert!(refused("a ${var:x}").message.contains("has no `x`"));
        assert!(
            refused("${var:domain")
                .message
                .contains("reads `${var:NAME}`")
        );
        assert!(
            refused("${var:Domain}")
                .message
                .contains("reads `${var:NAME}`")
        );
    }

    #[test]
    fn one_file_takes_in_only_so_much() {
        let once = "example.com".len();
        for text in ["${var:domain}", "a ${var:domain}"] {
            let mut left = once * 2;
            assert!(given().fill(text, &mut left).is_ok());
            assert!(given().fill(text, &mut left).is_ok());
            let refused = given().fill(text, &mut left).unwrap_err();
            assert!(refused.message.contains("more than 4 KiB"));
        }
        assert!(
            given()
                .fill(&"${var:domain}".repeat(3), &mut (once * 2))
                .is_err()
        );
    }

    proptest! {
        /// A text without a reference stays, and one with some has none left, whatever is around them.
        #[test]
        fn nothing_else_moves(before in "[a-z$ {}:]{0,6}", after in "[a-z$ {}:]{0,6}") {
            let text = format!("{before}|${{var:domain}}|{after}");
            let expected = format!("{before}|example.com|{after}");
            match given().fill(&text, &mut 1_000) {
                Ok(filled) => prop_assert_eq!(filled, Some(json!(expected))),
                // What is around begins another one.
                Err(_) => {
                    let begins = [&before, &after].into_iter().any(|text| text.contains("${"));
                    prop_assert!(begins);
                }
            }
            prop_assert_eq!(given().fill(&before, &mut 1_000).unwrap_or(None).is_some(), false);
        }
    }

    #[test]
    fn a_name_is_a_lower_case_word() {
        for (text, is) in [
            ("a", true),
            ("a_1", true),
            ("a9z", true),
            ("", false),
            ("1a", false),
            ("_a", false),
        ] {
            assert_eq!(is_name(text), is, "{text:?}");
        }
        for text in ["A", "aB", "a-b", "a b", "é", "aé"] {
            assert!(!is_name(text), "{text:?}");
        }
    }
}
