//! Places where a test lets the process die, as at a power cut: nothing is unwound, nothing is flushed.
//!
//! What survives is promised for any moment. Between two of these places nothing of it changes on disk, on
//! the wire or on the screen, so dying in each of them is dying everywhere. Release builds hold none of it.

/// Every place, in the order in which a run comes to it first.
pub const CRASH_POINTS: [&str; 28] = [
    "journal-due",
    "journal-created",
    "journal-header-written",
    "journal-header-synced",
    "journal-begun",
    "intent-due",
    "event-due",
    "event-written",
    "sync-due",
    "synced",
    "sync-announced",
    "intent-recorded",
    "request-due",
    "request-answered",
    "receipt-due",
    "receipt-recorded",
    "receipt-taken",
    "receipt-reported",
    "report-due",
    "save-due",
    "file-due",
    "file-created",
    "file-written",
    "file-synced",
    "file-renamed",
    "file-durable",
    "journal-removal-due",
    "journal-removed",
];

/// The variable that names the place to die in: `receipt-due`, or `receipt-due#3` for the third time that a
/// run comes to it.
pub const VARIABLE: &str = "ROOMCTL_CRASH_AT";

/// Ends the process without a trace if a test asked for it to die here. Does nothing in release builds.
#[cfg(not(debug_assertions))]
#[inline]
pub(crate) fn crash_point(_name: &str) {}

/// Ends the process without a trace if a test asked for it to die here. Does nothing in release builds.
#[cfg(debug_assertions)]
pub(crate) fn crash_point(name: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static WANTED: OnceLock<Option<(String, u64)>> = OnceLock::new();
    // Only one place is ever wanted, so one counter is enough.
    static PASSED: AtomicU64 = AtomicU64::new(0);
    let wanted = WANTED.get_or_init(|| parse(&std::env::var(VARIABLE).ok()?));
    if let Some((place, time)) = wanted
        && place == name
        && PASSED.fetch_add(1, Ordering::Relaxed) + 1 == *time
    {
        std::process::abort();
    }
}

/// The place, and at which time of coming to it.
#[cfg(debug_assertions)]
fn parse(text: &str) -> Option<(String, u64)> {
    match text.split_once('#') {
        Some((place, time)) => Some((place.to_owned(), time.parse().ok()?)),
        None => Some((text.to_owned(), 1)),
    }
}
