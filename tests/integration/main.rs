//! Everything that is tested from outside: the built program, the layers of the source, the generated files.

// Helpers outside of `#[test]` functions count as tests too.
#![allow(clippy::unwrap_used)]
// One program: nothing is public beyond it.
#![allow(unreachable_pub)]

mod apply;
mod cases;
mod common;
mod crash;
mod drift;
mod echo;
mod explained;
mod faults;
mod fmt;
mod guards;
mod hostile;
mod import;
#[cfg(unix)]
mod init;
mod interrupts;
mod layers;
mod live;
mod policies;
mod references;
mod render;
mod rogue;
mod saved;
mod schemas;
mod shells;
mod site;
mod state;
mod story;
mod switches;
