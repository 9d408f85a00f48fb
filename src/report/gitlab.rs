//! Reports as code quality of GitLab: a list of issues at the lines of files, which a merge request shows.
//!
//! GitLab takes `description`, `check_name`, `fingerprint`, `severity`, `location.path` and `location.lines.begin`, and
//! drops an issue without one of them.

use serde_json::{Value as Json, json};

use super::marks::{Mark, marks};
use super::view::{View, Weight};

/// Where an issue stands that is about no file.
const NOWHERE: &str = "roomctl.yaml";

pub(crate) fn gitlab(view: &View<'_>) -> Result<String, serde_json::Error> {
    let issues: Vec<Json> = marks(view).iter().map(issue).collect();
    Ok(serde_json::to_string_pretty(&issues)? + "\n")
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
