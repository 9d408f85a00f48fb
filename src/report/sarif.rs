//! Reports as SARIF 2.1.0, the form in which code scanners hand findings to others.

use std::collections::BTreeSet;
use std::io::Write;

use serde::Serialize;
use serde_json::{Value as Json, json};

use super::envelope::write_pretty;
use super::marks::{Listed, Mark, closing, marks};
use super::view::{View, Weight};
use crate::model::words::escaped;

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

#[derive(Serialize)]
struct Log<'a> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run<'a> {
    tool: Json,
    automation_details: Json,
    column_kind: &'static str,
    invocations: Json,
    results: Listed<'a>,
}

pub(crate) fn sarif(view: &View<'_>, to: &mut dyn Write) -> serde_json::Result<()> {
    let marks = marks(view);
    let rules: BTreeSet<&str> = marks.iter().map(|mark| mark.rule.as_str()).collect();
    let rules: Vec<&str> = rules.into_iter().collect();
    let note = |text: String| json!({"level": "note", "message": {"text": text}});
    let notes: Vec<Json> = closing(view).into_iter().map(note).collect();
    let run = Run {
        tool: json!({"driver": {
            "name": "roomctl",
            "semanticVersion": env!("CARGO_PKG_VERSION"),
            "rules": rules.iter().map(|id| json!({"id": id})).collect::<Vec<_>>(),
        }}),
        automation_details: json!({"id": format!("roomctl/{}/", view.kind)}),
        column_kind: "unicodeCodePoints",
        invocations: json!([{"executionSuccessful": true, "toolExecutionNotifications": notes}]),
        results: Listed {
            marks: &marks,
            form: &|mark| result(mark, &rules),
        },
    };
    let log = Log {
        schema: SCHEMA,
        version: "2.1.0",
        runs: [run],
    };
    write_pretty(&log, to)
}

/// What would be a link in its message is none.
fn result(mark: &Mark, rules: &[&str]) -> Json {
    let level = match mark.weight {
        Weight::Error => "error",
        Weight::Warning => "warning",
        Weight::Notice => "note",
    };
    let mut result = json!({
        "ruleId": mark.rule,
        "ruleIndex": rules.iter().position(|id| *id == mark.rule),
        "level": level,
        "message": {"text": mark.message.replace("](", "\\](")},
        "partialFingerprints": {"roomctl/v1": mark.fingerprint},
    });
    if let Some(file) = &mark.file {
        let mut physical = json!({"artifactLocation": {"uri": uri(file)}});
        if !file.starts_with('/') {
            physical["artifactLocation"]["uriBaseId"] = json!("%SRCROOT%");
        }
        if let Some(line) = mark.line {
            physical["region"] = json!({"startLine": line});
        }
        if let Some(column) = mark.column {
            physical["region"]["startColumn"] = json!(column);
        }
        result["locations"] = json!([{"physicalLocation": physical}]);
    }
    result
}

/// A path as a reference of a URI.
fn uri(path: &str) -> String {
    let plain = |_, byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    escaped(path, '%', plain)
}
