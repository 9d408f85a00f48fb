//! The outside: room files, configuration, the service, the state, and the run that joins them.

pub mod api;
pub mod apply;
pub mod crash_point;
mod crew;
pub mod deadline;
pub mod durable;
pub mod encodings;
pub mod exchange;
pub mod files;
pub mod guard;
pub mod health;
pub mod http;
pub mod journal;
pub mod lock;
pub mod metrics;
pub mod observe;
pub mod pace;
pub mod recorder;
pub mod retry;
mod room_run;
pub mod state_file;
pub mod stop;
pub mod store;
