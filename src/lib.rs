//! roomctl keeps the meeting rooms of a Metered.ca account the way YAML files in git say they should be.
//!
//! ```text
//! rooms/*.yaml ─ files ─► wanted rooms ─┐
//! state and journal ─ store ─► State ───┼─ planner ─► Plan, Drift ─► report ─► text, markdown, html, github, json
//! service ─ observe ─► World ───────────┘              │ confirmed
//!                                             run ─► Receipt ─► journal ─► State
//! ```
//!
//! Imports point one way: `model` ← `planner` ← `report`; `files`, `service` and `store` use `model` and
//! `planner`; `run` uses `service` and `store`; `commands` wires all of them and is the only folder that prints.
//! `model`, `planner` and `report` are pure: no network, files, clock, environment or printing; time is an argument.
//! `simulator` is the other end of the wire and uses nothing of ours but `disk`, so that the two cannot share a mistake.

mod commands;
mod disk;
mod files;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzz;
pub mod inside;
mod model;
mod planner;
mod report;
mod run;
mod service;
pub mod simulator;
mod store;
#[cfg(test)]
mod tests;

pub use commands::main;
