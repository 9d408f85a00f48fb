//! roomctl keeps the meeting rooms of a Metered.ca account the way YAML files in git say they should be.
//!
//! ```text
//! rooms/*.yaml ─ io::room_files ─► wanted rooms ─┐
//! .roomctl/state.json ─ io::store ─► State ──────┴─ planner::plan ─► Plan ─► report ─► text, json
//!                                                                     │ approved
//!                                              io::apply ─► Receipt ─► journal ─► State
//! ```
//!
//! Imports point one way: `model` ← `planner` ← `report`, `io` ← `commands`. `model`, `planner` and
//! `report` are pure: no network, files, clock, environment or printing; time is an argument.
//! `simulator` is the other end of the wire and uses nothing of ours, so that the two cannot share a mistake.

pub mod commands;
pub mod io;
pub mod model;
pub mod planner;
pub mod report;
pub mod simulator;
