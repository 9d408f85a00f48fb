//! Everything that is tested from outside: the built program, the layers of the source, the generated files.
//!
//! Two more programs stand in this folder, so that they share `common` and `harness`: `cases` runs the folders of
//! `tests/cases`, `crash` lets runs die. What waits for the real back-off, and the largest products, are in modules named `slow`, which the fast
//! suite skips.

// Helpers outside of `#[test]` functions count as tests too.
#![allow(clippy::unwrap_used)]
// One program: nothing is public beyond it.
#![allow(unreachable_pub)]

mod adopt;
mod answers;
mod apply;
mod audit;
mod blind;
#[cfg(unix)]
mod blocks;
mod bucket;
mod cache;
#[cfg(unix)]
mod canaries;
mod common;
mod compat;
mod config;
mod doubts;
mod drift;
mod echo;
mod effects;
mod encrypted;
mod explained;
mod faults;
mod first_minutes;
mod fmt;
mod forms;
mod generated;
mod guards;
mod harness;
#[cfg(feature = "remote-state")]
mod history;
mod hostile;
mod hostile_policies;
mod hostile_service;
mod import;
#[cfg(unix)]
mod init;
mod interrupts;
#[cfg(unix)]
mod kinds;
mod layers;
mod live;
mod mutes;
mod names;
#[cfg(feature = "otlp")]
mod otlp;
mod packaging;
mod pages;
mod picture;
mod pipeline;
mod policies;
mod probe;
mod reference;
mod references;
#[cfg(feature = "remote-state")]
mod remote;
mod render;
mod saved;
mod schemas;
mod scope;
mod shells;
mod stacks;
mod state;
mod state_format;
mod story;
mod story_model;
mod story_place;
mod switches;
mod weakened;
