//! What several commands need.
//!
//! | File | Holds |
//! |---|---|
//! | `args` | the options that several commands take |
//! | `configuration` | the configuration, and what is counted from its directory |
//! | `workspace` | flags over environment over configuration: what a command works with |
//! | `environment` | what the environment says, and secrets, which files bring as well |
//! | `selection` | the rooms that a user selects |
//! | `rooms`, `judge` | the room files, read, and refused when one has an error; the policies that are asked about them |
//! | `cache` | which rooms the last plan had nothing to say of |
//! | `store`, `state_copies`, `state_history` | the state, loaded, and locked in the name of this process; the same in another place; as it was |
//! | `audit` | the audit file |
//! | `pipeline` | what a pipeline says of its run |
//! | `stacks`, `siblings` | a command about several stacks; the rooms that others of them have in the same app |
//! | `session` | one run: its pace, the service that it talks to, the plan |
//! | `intent`, `saved_plan` | what apply is to do; the file of a saved plan |
//! | `guards` | what the guards forbid less than at the base of a change |
//! | `approval`, `interrupt` | what the user says: yes, and stop |
//! | `meant` | what was meant by an option that there is not |
//! | `exit`, `output`, `logs` | exit codes and errors, the two streams, the log |
//! | `trace_file`, `otlp` | where the time went, in a file, and for a collector of OpenTelemetry |
//! | `print_report`, `progress`, `terminal` | a report in the form asked for, a bar, the line that it is and lines that break |
//! | `report_file` | files that one run writes for another |
//! | `known_service` | what `probe` found out about the service |
//! | `room_secrets` | the lines by which a workflow hands the secrets of rooms to roomctl |
//! | `import_rooms` | the rooms of an import, and how each becomes a file |
//! | `trial` | the room that `init` writes to try roomctl with |
//! | `room_names`, `schemas` | room names for a shell, JSON Schemas |

pub(crate) mod approval;
pub(crate) mod args;
pub(crate) mod audit;
pub(crate) mod cache;
pub(crate) mod configuration;
pub(crate) mod environment;
pub(crate) mod exit;
pub(crate) mod guards;
pub(crate) mod import_rooms;
pub(crate) mod intent;
pub(crate) mod interrupt;
pub(crate) mod judge;
pub(crate) mod known_service;
pub(crate) mod logs;
pub(crate) mod meant;
#[cfg(feature = "otlp")]
pub(crate) mod otlp;
pub(crate) mod output;
pub(crate) mod pipeline;
pub(crate) mod print_report;
pub(crate) mod progress;
pub(crate) mod report_file;
pub(crate) mod room_names;
pub(crate) mod room_secrets;
pub(crate) mod rooms;
pub(crate) mod saved_plan;
pub(crate) mod schemas;
pub(crate) mod selection;
pub(crate) mod session;
pub(crate) mod siblings;
pub(crate) mod stacks;
pub(crate) mod state_copies;
pub(crate) mod state_history;
pub(crate) mod store;
pub(crate) mod terminal;
pub(crate) mod trace_file;
pub(crate) mod trial;
pub(crate) mod workspace;
