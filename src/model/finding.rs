//! A finding: one thing that is wrong or doubtful in the files, and what to write instead.

use serde::{Deserialize, Deserializer, Serialize};

use super::Rule;
use super::catalogue;
use super::words::words;

words! {
    /// How much a finding weighs.
    #[derive(Default)]
    Severity {
        /// Nothing is planned or sent while it stands.
        #[default]
        Error = "error",
        /// Probably not what was meant; goes on.
        Warning = "warning",
        /// Worth knowing.
        Note = "note",
    }
}

/// A stretch of one line of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Place {
    /// Line, from 1. 0: the whole file.
    pub line: u32,
    /// Column in characters, from 1. 0: the whole line.
    pub column: u32,
    /// How many characters it covers; what goes beyond the line is not counted on. 0: a point.
    pub width: u32,
}

impl Place {
    /// Line and column from 1, and how many characters.
    pub(crate) fn new(line: usize, column: usize, width: usize) -> Self {
        let small = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Self {
            line: small(line),
            column: small(column),
            width: small(width),
        }
    }

    pub(crate) const START: Self = Self {
        line: 1,
        column: 1,
        width: 0,
    };

    /// No place in particular: the file as a whole.
    pub(crate) const WHOLE_FILE: Self = Self {
        line: 0,
        column: 0,
        width: 0,
    };
}

/// Another place that has to do with a finding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Related {
    /// Path of the file, with `/`, as the user would type it.
    pub file: String,
    pub place: Place,
    /// What it has to do with the finding, in a few words.
    pub label: String,
}

/// One finding. Ordered by file, then place, so that a list of them reads like the files.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Finding {
    /// Path of the file, with `/`, as the user would type it.
    pub file: String,
    pub place: Place,
    pub rule: Rule,
    pub severity: Severity,
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    pub related: Vec<Related>,
    /// The room it is about, when that much is known. Of a finding in defaults, the first one it concerns.
    pub room: Option<String>,
    /// Wire name of the attribute it is about, if it is about one.
    #[serde(deserialize_with = "attribute")]
    pub attribute: Option<Name>,
}

/// By another name, since what is read cannot be borrowed from the text.
type Name = &'static str;

fn attribute<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'static str>, D::Error> {
    let name = Option::<String>::deserialize(deserializer)?;
    let attribute = name.and_then(|name| catalogue::attribute(&name));
    Ok(attribute.map(|attribute| attribute.name))
}

impl Finding {
    /// A finding in `file`, about no room in particular.
    pub(crate) fn new(
        file: impl Into<String>,
        place: Place,
        rule: Rule,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self {
            file: file.into(),
            place,
            rule,
            severity: rule.severity(),
            message: message.into(),
            help: Some(help.into()),
            related: Vec::new(),
            room: None,
            attribute: None,
        }
    }

    pub(crate) fn any_error(findings: &[Self]) -> bool {
        findings.iter().any(|f| f.severity == Severity::Error)
    }
}
