//! What every report begins with: the version of its format and its kind, in JSON and in the schema.

use std::borrow::Cow;
use std::io::Write;

use schemars::{JsonSchema, Schema, SchemaGenerator, schema_for};
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value as Json, json};

use super::import::ImportReport;
use super::service::ServiceReport;
use super::show::ShowReport;
use super::state::{StateHistoryReport, StateListReport, StateShowReport};
use super::{AdoptReport, ApplyReport, DriftReport, PlanReport, StacksReport, ValidateReport};
use crate::model::version::newer;
use crate::model::words::printable_json;
use crate::planner::seen::Seen;

/// Version of all report formats. Minor: fields were added. Major: readers must refuse.
const FORMAT_VERSION: &str = "1.0";

/// Its major part, which is all that this program can read.
const FORMAT: u64 = 1;

/// What is in a report behind its head.
pub(crate) trait Report: Serialize + JsonSchema {
    const KIND: &'static str;
}

macro_rules! kinds {
    ($($report:ty => $kind:literal),* $(,)?) => {
        $(impl Report for $report {
            const KIND: &'static str = $kind;
        })*
    };
}

kinds! {
    PlanReport => "plan",
    ApplyReport => "apply",
    DriftReport => "drift",
    AdoptReport => "adopt",
    ImportReport => "import",
    ValidateReport => "validate",
    StacksReport => "stacks",
    ShowReport => "show",
    StateListReport => "state-list",
    StateShowReport => "state-show",
    StateHistoryReport => "state-history",
    ServiceReport => "service",
    Seen => "seen",
}

#[derive(Serialize)]
pub(super) struct Envelope<'a, T> {
    format_version: &'static str,
    kind: &'static str,
    #[serde(flatten)]
    report: &'a T,
}

impl<'a, T: Report> Envelope<'a, T> {
    fn new(report: &'a T) -> Self {
        Self {
            format_version: FORMAT_VERSION,
            kind: T::KIND,
            report,
        }
    }
}

/// The JSON text of a report, ready to be written to a file or a pipe.
pub(crate) fn json<T: Report>(report: &T) -> serde_json::Result<String> {
    pretty(&Envelope::new(report))
}

/// The same written `to` where it goes, piece by piece: it takes several times the memory of the report.
pub(crate) fn write_json<T: Report>(report: &T, to: &mut dyn Write) -> serde_json::Result<()> {
    write_pretty(&Envelope::new(report), to)
}

/// The same as a part of something larger.
pub(super) fn serialize<T: Report, S: Serializer>(
    report: &T,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    Envelope::new(report).serialize(serializer)
}

/// JSON as we write it: indented, and ended by a line break.
pub(crate) fn pretty(value: &impl Serialize) -> serde_json::Result<String> {
    let mut text = Vec::new();
    write_pretty(value, &mut text)?;
    String::from_utf8(text).map_err(serde_json::Error::custom)
}

pub(super) fn write_pretty(value: &impl Serialize, to: &mut dyn Write) -> serde_json::Result<()> {
    let mut to = Printable(Vec::new(), to);
    serde_json::to_writer_pretty(&mut to, value)?;
    to.write_all(b"\n")
        .and_then(|()| to.flush())
        .map_err(serde_json::Error::io)
}

/// Writes nothing that acts on a reader, in pieces.
struct Printable<'a>(Vec<u8>, &'a mut dyn Write);

impl Write for Printable<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        const PIECE: usize = 64 * 1024;
        self.0.extend_from_slice(bytes);
        if self.0.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        // What the JSON library writes at once is whole characters.
        let text = str::from_utf8(&self.0).map_err(serde_json::Error::custom)?;
        self.1.write_all(printable_json(text).as_bytes())?;
        self.0.clear();
        self.1.flush()
    }
}

impl<T: Report> JsonSchema for Envelope<'_, T> {
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = T::json_schema(generator);
        let text = |about: &str| json!({"description": about, "type": "string"});
        let version = text("Version of this format.");
        let mut kind = text(&format!("Always `{}`.", T::KIND));
        kind["const"] = T::KIND.into();
        for (at, name, property) in [(0, "format_version", version), (1, "kind", kind)] {
            if let Some(Json::Object(properties)) = schema.get_mut("properties") {
                properties.shift_insert(at, name.to_owned(), property);
            }
            if let Some(Json::Array(required)) = schema.get_mut("required") {
                required.insert(at, name.into());
            }
        }
        schema
    }
}

/// The schema of a report.
pub(crate) fn schema<T: Report>() -> Schema {
    schema_for!(Envelope<'_, T>)
}

/// Why a text is not the report that is needed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("it is not a report of roomctl")]
    Other(#[from] serde_json::Error),
    #[error("it is of the kind `{0}`")]
    Kind(String),
    #[error("it has format {0}, and this version reads {FORMAT}")]
    Newer(String),
    #[error("it is not as roomctl {0} wrote it: somebody changed it since, or another version did")]
    Edited(String),
}

impl ReadError {
    pub(super) fn kind(kind: &str) -> Self {
        Self::Kind(kind.escape_debug().to_string())
    }
}

/// Reads a report of one kind. The version is looked at before the rest.
pub(crate) fn read<T: Report + DeserializeOwned>(bytes: &[u8]) -> Result<T, ReadError> {
    match kind(bytes)? {
        kind if kind == T::KIND => Ok(serde_json::from_slice(bytes)?),
        kind => Err(ReadError::kind(&kind)),
    }
}

/// The kind of a report, after its version.
pub(super) fn kind(text: &[u8]) -> Result<String, ReadError> {
    #[derive(Deserialize)]
    struct Head {
        #[serde(rename = "format_version")]
        _version: String,
        kind: String,
    }
    if let Some(version) = newer(text, FORMAT) {
        return Err(ReadError::Newer(version));
    }
    let head: Head = serde_json::from_slice(text)?;
    Ok(head.kind)
}
