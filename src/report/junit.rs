//! Reports as JUnit XML, which Jenkins, GitLab and others show as tests: what asks for attention has failed.

use std::fmt::Write;

use super::marks::{Mark, closing, marks};
use super::view::{View, Weight};

pub(crate) fn junit(view: &View<'_>) -> String {
    let marks = marks(view);
    let failures = marks
        .iter()
        .filter(|one| one.weight != Weight::Notice)
        .count();
    // The counts are a test of their own, which always passes: a file without any would be an error to Jenkins.
    let (tests, title) = (marks.len() + 1, xml(&view.title));
    let class = format!("roomctl.{}", view.kind);
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"roomctl\" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\">\n  \
         <testsuite name=\"{title}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" skipped=\"0\">\n"
    );
    let counts = said(&closing(view).join("\n"));
    case(&mut text, &class, &view.title, &counts);
    for mark in &marks {
        case(&mut text, &class, &mark.name, &outcome(mark));
    }
    text + "  </testsuite>\n</testsuites>\n"
}

fn case(text: &mut String, class: &str, name: &str, outcome: &str) {
    let (class, name) = (xml(class), xml(name));
    let _ = write!(
        text,
        "    <testcase classname=\"{class}\" name=\"{name}\">\n      {outcome}\n    </testcase>\n"
    );
}

fn outcome(mark: &Mark) -> String {
    let kind = match mark.weight {
        Weight::Error => "error",
        Weight::Warning => "warning",
        Weight::Notice => return said(&mark.message),
    };
    let place = mark
        .place()
        .map(|place| format!("{place}: "))
        .unwrap_or_default();
    let first = mark.message.lines().next().unwrap_or_default();
    let (first, all) = (xml(first), xml(&format!("{place}{}", mark.message)));
    format!("<failure type=\"{kind}\" message=\"{first}\">{all}</failure>")
}

fn said(text: &str) -> String {
    format!("<system-out>{}</system-out>", xml(text))
}

/// A text in XML. What no XML may hold, not even as a number, is replaced.
fn xml(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            // In an attribute, a reader would make a blank of them.
            '\n' | '\t' | '\r' => {
                let _ = write!(escaped, "&#{};", u32::from(c));
            }
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}
