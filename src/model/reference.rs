//! `${env:NAME}` in secret attributes: how it is written, and what it stands for.
//!
//! Pure: the values of variables come in through a [`Lookup`].

use super::secret::Secret;

/// The value of a variable, if it is set.
pub(crate) type Lookup<'a> = &'a (dyn Fn(&str) -> Option<String> + Sync);

const OPENING: &str = "${env:";

/// Why a text with a reference cannot be read. Repeats nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReferenceError {
    #[error(
        "`${{` begins a reference, which reads `${{env:NAME}}`; for the characters as such write `$${{`"
    )]
    Malformed,
    #[error(
        "the name in `${{env:NAME}}` has letters, digits and `_`, and does not begin with a digit"
    )]
    Name,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// Text beside the references; secret, as the whole is.
    Text(Secret),
    Variable(String),
}

/// A secret text in which `${env:NAME}` stands for variables and `$$` for a dollar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template(Vec<Part>);

impl Template {
    /// Reads a text as it stands in a file.
    pub(crate) fn parse(text: &str) -> Result<Self, ReferenceError> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            plain.push_str(&rest[..at]);
            rest = &rest[at..];
            if let Some(after) = rest.strip_prefix("$$") {
                plain.push('$');
                rest = after;
            } else if rest.starts_with("${") {
                let (name, after) = reference(rest)?;
                push_text(&mut parts, &mut plain);
                parts.push(Part::Variable(name.to_owned()));
                rest = after;
            } else {
                // A dollar that begins nothing is one: it is a legal character of URLs.
                plain.push('$');
                rest = &rest[1..];
            }
        }
        plain.push_str(rest);
        push_text(&mut parts, &mut plain);
        Ok(Self(parts))
    }

    /// The variables it refers to, each once, by name.
    pub(crate) fn variables(&self) -> Vec<String> {
        self.resolve(&|_| None).err().unwrap_or_default()
    }

    /// The text before the first reference, if it begins with text.
    pub(crate) fn beginning(&self) -> Option<&Secret> {
        match self.0.first() {
            Some(Part::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The text that it stands for; otherwise the variables that are not set, each once, by name.
    pub(crate) fn resolve(&self, lookup: Lookup<'_>) -> Result<Secret, Vec<String>> {
        let mut text = String::new();
        let mut unset = Vec::new();
        for part in &self.0 {
            match part {
                Part::Text(plain) => text.push_str(plain.expose()),
                Part::Variable(name) => match lookup(name) {
                    Some(value) => text.push_str(&value),
                    None => unset.push(name.clone()),
                },
            }
        }
        if unset.is_empty() {
            return Ok(Secret::new(text));
        }
        unset.sort();
        unset.dedup();
        Err(unset)
    }
}

fn push_text(parts: &mut Vec<Part>, plain: &mut String) {
    if !plain.is_empty() {
        parts.push(Part::Text(Secret::new(std::mem::take(plain))));
    }
}

/// The name in the reference that `text` begins with, and the text behind it.
fn reference(text: &str) -> Result<(&str, &str), ReferenceError> {
    let (name, rest) = text
        .strip_prefix(OPENING)
        .and_then(|inside| inside.split_once('}'))
        .ok_or(ReferenceError::Malformed)?;
    is_variable(name)
        .then_some((name, rest))
        .ok_or(ReferenceError::Name)
}

/// Whether `name` can be the name of a variable.
pub(crate) fn is_variable(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.chars().all(plain) && name.starts_with(|c: char| !c.is_ascii_digit())
}

/// The text of a reference to the variable `name`.
pub(crate) fn written(name: &str) -> String {
    format!("{OPENING}{name}}}")
}

/// What the names of a room's variables begin with: `STAND_UP` for `stand-up`.
pub(crate) fn prefix_of(room: &str) -> String {
    let plain = |c: char| match c {
        c if c.is_ascii_alphanumeric() => c.to_ascii_uppercase(),
        _ => '_',
    };
    let base: String = room.chars().map(plain).collect();
    // No variable begins with a digit, and services keep names that begin with `_` for themselves.
    if base.starts_with(|c: char| c.is_ascii_uppercase()) {
        base
    } else {
        format!("ROOM_{base}")
    }
}

/// The variable that holds a secret attribute: `STAND_UP_RTMP_OUT_URL`.
pub(crate) fn variable(prefix: &str, attribute: &str) -> String {
    format!("{prefix}_{}", snake(attribute))
}

fn snake(name: &str) -> String {
    let mut snake = String::new();
    let mut before_upper = true;
    for c in name.chars() {
        let upper = c.is_ascii_uppercase();
        if upper && !before_upper {
            snake.push('_');
        }
        snake.push(c.to_ascii_uppercase());
        before_upper = upper;
    }
    snake
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lookup(name: &str) -> Option<String> {
        match name {
            "KEY" => Some("k3y".to_owned()),
            "ODD" => Some("${env:KEY}$$".to_owned()),
            _ => None,
        }
    }

    fn resolved(text: &str) -> Result<String, Vec<String>> {
        let template = Template::parse(text).unwrap();
        template.resolve(&lookup).map(|s| s.expose().to_owned())
    }

    #[test]
    fn references_stand_for_values() {
        let cases = [
            ("${env:KEY}", "k3y"),
            ("rtmps://a/${env:KEY}?x=${env:KEY}", "rtmps://a/k3y?x=k3y"),
            ("a$$b", "a$b"),
            ("$${env:KEY}", "${env:KEY}"),
            ("$$${env:KEY}", "$k3y"),
            ("a$b$", "a$b$"),
            ("", ""),
            // Values are taken as they are, not read again.
            ("${env:ODD}", "${env:KEY}$$"),
        ];
        for (text, expected) in cases {
            assert_eq!(resolved(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn variables_are_named_after_room_and_attribute() {
        let named = |room: &str| variable(&prefix_of(room), "rtmpOutURL");
        assert_eq!(named("stand-up"), "STAND_UP_RTMP_OUT_URL");
        assert_eq!(named("1a"), "ROOM_1A_RTMP_OUT_URL");
        assert_eq!(
            variable("X", "meetingJoinWebhook"),
            "X_MEETING_JOIN_WEBHOOK"
        );
    }

    #[test]
    fn unset_variables_are_named_once() {
        assert_eq!(
            resolved("${env:B}${env:A}${env:KEY}${env:B}").unwrap_err(),
            ["A", "B"]
        );
    }

    #[test]
    fn malformed_references_are_refused_without_repeating_them() {
        for bad in [
            "${canary}",
            "${env:canary",
            "${",
            "${env:}",
            "${env:9canary}",
            "${env:canary x}",
            "${ENV:canary}",
        ] {
            let error = Template::parse(bad).unwrap_err();
            assert!(!error.to_string().contains("canary"), "{error}");
        }
    }

    #[test]
    fn a_template_shows_nothing_of_its_text() {
        let template = Template::parse("rtmp://a/canary${env:KEY}").unwrap();
        assert!(!format!("{template:?}").contains("canary"));
    }

    proptest! {
        #[test]
        fn doubling_dollars_escapes_any_text(text in ".{0,40}") {
            prop_assert_eq!(resolved(&text.replace('$', "$$")).unwrap(), text);
        }

        #[test]
        fn no_text_breaks_it(text in "[$a{}env:]{0,40}") {
            if let Ok(template) = Template::parse(&text) {
                let _ = template.resolve(&lookup);
            }
        }
    }
}
