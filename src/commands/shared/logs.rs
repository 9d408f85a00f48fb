//! The log on standard error.

use std::io;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use super::args::{Global, PlainFormat};

/// Starts the log. Only our own messages are in it, at any `-v`: what the HTTP libraries log could hold a
/// URL, and the key is in every URL. For the same reason no variable can widen it.
pub(crate) fn start(global: &Global) {
    let level = match global.verbose {
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let layer = fmt::layer().with_writer(io::stderr);
    let layer = match global.log_format {
        PlainFormat::Text => layer.with_target(false).boxed(),
        PlainFormat::Json => layer.json().boxed(),
    };
    let ours = Targets::new().with_target("roomctl", level);
    // Fails only when a log was started before, as in a test that runs the program twice.
    let _ = tracing_subscriber::registry()
        .with(layer.with_filter(ours))
        .try_init();
}
