//! What users and other programs read: one versioned report for each command, and the forms it is shown in.
//!
//! A report is a frozen copy with its own field names, so that the types inside can change freely. It is written as
//! JSON, or seen through one view that text, markdown, HTML and annotations are rendered from.
//! Pure: uses only `model` and `planner`.
//!
//! | File | What is in it |
//! |---|---|
//! | `plan`, `apply`, `drift`, `adopt`, `import`, `validate`, `show`, `state`, `service` | the reports, one file a command |
//! | `saved`, `remade` | a saved plan: a plan in a file, to be applied later; its report, held against the one made again |
//! | `covered` | which changes of a plan made now some reviewed plan had |
//! | `stacks` | several of them, each about one stack |
//! | `parts` | what several reports have in common |
//! | `audit` | a line of the audit file |
//! | `envelope` | what each begins with: version and kind; JSON and schema |
//! | `any` | a report of any kind, read from its JSON |
//! | `view` | what every form shows, and all its signs and words |
//! | `values` | how a single value, a number of things or a text from outside reads |
//! | `text` | a view on a terminal; findings with their source lines; what has no other form |
//! | `markdown`, `html`, `github` | a view in a comment, as a page, as annotations of a workflow |
//! | `marks` | what a view points at, each with a fingerprint, for programs that keep findings over many runs |
//! | `sarif`, `junit`, `gitlab` | these marks for code scanners, as tests, as code quality |
//! | `outputs`, `metrics` | counts for later steps of a workflow, and for Prometheus |
//! | `excerpt` | a line of a room file without what could be a secret |

pub(crate) mod adopt;
pub(crate) mod any;
pub(crate) mod apply;
pub(crate) mod audit;
pub(crate) mod covered;
pub(crate) mod drift;
pub(crate) mod envelope;
mod excerpt;
pub(crate) mod github;
pub(crate) mod gitlab;
pub(crate) mod html;
pub(crate) mod import;
pub(crate) mod junit;
pub(crate) mod markdown;
mod marks;
pub(crate) mod metrics;
pub(crate) mod outputs;
mod parts;
pub(crate) mod plan;
pub(crate) mod remade;
pub(crate) mod sarif;
pub(crate) mod saved;
pub(crate) mod service;
pub(crate) mod show;
pub(crate) mod stacks;
pub(crate) mod state;
pub(crate) mod text;
pub(crate) mod validate;
pub(crate) mod values;
pub(crate) mod view;

pub(crate) use adopt::AdoptReport;
pub(crate) use any::AnyReport;
pub(crate) use apply::ApplyReport;
pub(crate) use drift::DriftReport;
pub(crate) use envelope::{Report, json};
pub(crate) use import::ImportReport;
pub(crate) use parts::{AllowedReport, StateId, UndeclaredReport, UndeclaredRoom};
pub(crate) use plan::PlanReport;
pub(crate) use stacks::StacksReport;
pub(crate) use validate::ValidateReport;

use parts::{shown, shown_or_null};
