//! Tests that take several folders together without starting the program.

mod adopt;
mod answers;
mod any_text;
mod crossed;
#[cfg(feature = "state-encryption")]
mod encryption;
mod fuzzed;
mod import;
mod in_process;
mod nothing_moves;
mod numbers;
mod only_drift;
mod outages;
mod policies;
mod probe;
mod properties;
mod readings;
mod room_schema;
mod saved_plans;
mod store_contract;
pub(crate) mod stores;
mod usual_files;
#[cfg(unix)]
mod who_may_write;

use proptest::test_runner::Config;

/// A law in so many cases. `PROPTEST_CASES` scales all of them; 256 is what is usual.
pub(crate) fn cases(number: u32) -> Config {
    let usual = Config::default();
    Config {
        cases: (number.saturating_mul(usual.cases) / 256).max(1),
        failure_persistence: None,
        ..usual
    }
}
