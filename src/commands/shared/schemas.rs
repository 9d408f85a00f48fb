//! The JSON Schema of each format, generated from the types that read and write it.

use clap::ValueEnum;
use schemars::{Schema, schema_for};

use crate::files::config::Config;
use crate::model::room_schema;
use crate::planner::State;
use crate::report::audit::AuditLine;
use crate::report::envelope::{pretty, schema as report_schema};
use crate::report::saved::SavedPlan;
use crate::report::service::ServiceReport;
use crate::report::show::ShowReport;
use crate::report::state::{StateHistoryReport, StateListReport, StateShowReport};
use crate::report::{
    AdoptReport, ApplyReport, DriftReport, ImportReport, PlanReport, StacksReport, ValidateReport,
};

/// A format with a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemaName {
    /// A room file that stands alone.
    Room,
    /// A room file below a `_defaults.yaml`.
    RoomWithDefaults,
    /// A `_defaults.yaml`.
    Defaults,
    /// `roomctl.yaml`.
    Config,
    /// The JSON report of `plan`.
    Plan,
    /// The JSON report of `apply`.
    Apply,
    /// The JSON report of `drift`.
    Drift,
    /// The JSON report of `adopt`.
    Adopt,
    /// The JSON report of `import`.
    Import,
    /// A plan that `plan --out` saved.
    SavedPlan,
    /// The JSON report of a run about several stacks.
    Stacks,
    /// The JSON report of `validate`.
    Validate,
    /// The JSON report of `show`.
    Show,
    /// The state file.
    State,
    /// The JSON report of `state list`.
    StateList,
    /// The JSON report of `state show`.
    StateShow,
    /// The JSON report of `state history`.
    StateHistory,
    /// What `probe` learned about the service.
    Service,
    /// A line of the file of `apply --audit-file`.
    Audit,
}

/// The text of a schema, as it is printed and checked in.
pub(crate) fn text(name: SchemaName) -> Result<String, serde_json::Error> {
    pretty(&schema(name))
}

fn schema(name: SchemaName) -> Schema {
    match name {
        SchemaName::Room => room_schema::room(),
        SchemaName::RoomWithDefaults => room_schema::room_with_defaults(),
        SchemaName::Defaults => room_schema::defaults(),
        SchemaName::Config => schema_for!(Config),
        SchemaName::Plan => report_schema::<PlanReport>(),
        SchemaName::Apply => report_schema::<ApplyReport>(),
        SchemaName::Drift => report_schema::<DriftReport>(),
        SchemaName::Adopt => report_schema::<AdoptReport>(),
        SchemaName::Import => report_schema::<ImportReport>(),
        SchemaName::Stacks => report_schema::<StacksReport>(),
        SchemaName::Validate => report_schema::<ValidateReport>(),
        SchemaName::SavedPlan => report_schema::<SavedPlan>(),
        SchemaName::Show => report_schema::<ShowReport>(),
        SchemaName::State => schema_for!(State),
        SchemaName::StateList => report_schema::<StateListReport>(),
        SchemaName::StateShow => report_schema::<StateShowReport>(),
        SchemaName::StateHistory => report_schema::<StateHistoryReport>(),
        SchemaName::Service => report_schema::<ServiceReport>(),
        SchemaName::Audit => schema_for!(AuditLine<'_>),
    }
}
