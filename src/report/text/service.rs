//! What was learned about the service, as text.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::{BOLD, DIM, YELLOW, paint};
use crate::model::words::joined;
use crate::report::service::ServiceReport;
use crate::report::values::printable;

/// The requests of a probe, by method and room, and what is in them.
pub(crate) fn requests<'a>(all: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let lines = all.zip(1..).map(|((request, about), number)| {
        let about = paint(DIM, about);
        format!("{number:3}  {request:23}  {about}")
            .trim_end()
            .to_owned()
            + "\n"
    });
    lines.collect()
}

pub(crate) fn service(report: &ServiceReport) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "The service of {}, asked at {}\n",
        paint(BOLD, printable(&report.app)),
        printable(&report.asked)
    );
    for (name, one) in &report.answers {
        let answer = match &one.answer {
            Some(answer) => format!("{:10}", printable(answer)),
            None => paint(YELLOW, "not known "),
        };
        let _ = writeln!(
            text,
            "  {name:17} {answer} {}",
            paint(DIM, printable(&one.question))
        );
    }
    let names = |names: &BTreeSet<String>| joined(names.iter().map(|name| printable(name)), ", ");
    let attributes = &report.attributes;
    let _ = writeln!(
        text,
        "\n{} attributes are shown as they were sent.",
        attributes.shown.len()
    );
    for (what, all) in [
        ("Not shown", &attributes.hidden),
        ("Shown with another value", &attributes.overridden),
    ] {
        if let Some(names) = names(all) {
            let _ = writeln!(text, "{what}: {names}.");
        }
    }
    text
}
