//! A finding: one thing that is wrong or doubtful in the files, and what to write instead.

use schemars::JsonSchema;
use serde::Serialize;

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing is planned or sent while it stands.
    Error,
    /// Probably not what was meant; goes on.
    Warning,
    /// Worth knowing.
    Note,
}

impl Severity {
    /// The word shown to people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// One finding. Ordered by file, then place, so that a list of them reads like the files.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Path of the file, with `/`, as the user would type it.
    pub file: String,
    /// Line, from 1. 0: the whole file.
    pub line: u32,
    /// Column in characters, from 1. 0: the whole line.
    pub column: u32,
    /// Stable name of the check, such as `unknown-key`.
    pub rule: &'static str,
    /// How much it weighs.
    pub severity: Severity,
    /// The room it is about, when that much is known.
    pub room: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Finding {
    /// Whether `findings` forbid to go on.
    pub fn any_error(findings: &[Self]) -> bool {
        findings.iter().any(|f| f.severity == Severity::Error)
    }
}
