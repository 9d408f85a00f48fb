//! The outside: room files, configuration, the service, the state, and the run that joins them.

pub mod api;
pub mod apply;
pub mod config;
pub mod crash_point;
mod crew;
pub mod deadline;
pub mod durable;
pub mod encodings;
pub mod exchange;
pub mod guard;
pub mod http;
pub mod journal;
pub mod lock;
pub mod metrics;
pub mod mutes;
pub mod new_file;
pub mod observe;
pub mod pace;
pub mod recorder;
pub mod retry;
pub mod room_file;
pub mod room_files;
mod room_run;
pub mod state_file;
pub mod stop;
pub mod store;
pub mod yaml;
