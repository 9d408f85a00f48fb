//! Tests that take several folders together without starting the program.

mod answers;
mod any_text;
mod crossed;
mod edited_state;
mod import;
mod in_process;
mod nothing_moves;
mod outages;
mod properties;
mod readings;
mod room_schema;
mod saved_plans;
mod store_contract;
pub(crate) mod stores;
#[cfg(unix)]
mod who_may_write;
