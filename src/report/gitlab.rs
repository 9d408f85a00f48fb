//! Reports as code quality of GitLab: a list of issues at the lines of files, which a merge request shows.
//!
//! GitLab takes `description`, `check_name`, `fingerprint`, `severity`, `location.path` and `location.lines.begin`, and
//! drops an issue without one of them.

use std::io::Write;

use serde_json::{Value as Json, json};

use super::envelope::write_pretty;
use super::marks::{Listed, Mark, marks};
use super::view::{View, Weight};

/// Where an issue stands that is about no file.
const NOWHERE: &str = "roomctl.yaml";

pub(crate) fn gitlab(view: &View<'_>, to: &mut dyn Write) -> serde_json::Result<()> {
    let issues = Listed {
        marks: &marks(view),
        form: &issue,
    };
    write_pretty(&issues, to)
}

fn issue(mark: &Mark) -> Json {
    let severity = match mark.weight {
        Weight::Error => "major",
        Weight::Warning => "minor",
        Weight::Notice => "info",
    };
    json!({
        "description": mark.message,
        "check_name": mark.rule,
        "fingerprint": mark.fingerprint,
        "severity": severity,
        "location": {
            "path": mark.file.as_deref().unwrap_or(NOWHERE),
            "lines": {"begin": mark.line.unwrap_or(1)},
        },
    })
}
