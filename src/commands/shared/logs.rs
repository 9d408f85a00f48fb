//! The log on standard error.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use super::args::{Global, PlainFormat};
use super::exit::Failure;
use super::terminal::{Log, columns};
use super::trace_file::TraceFile;

/// What the span around a whole run belongs to: nothing that a log or a trace file shows, where each worker is a row by itself.
pub(crate) const WHOLE: &str = "whole";

/// Starts the log, and the trace if one is asked for. Only our own messages are in it, at any `-v`: what the HTTP libraries log could hold a
/// URL, and the key is in every URL. For the same reason no variable can widen it.
pub(crate) fn start(global: &Global) -> Result<(), Failure> {
    let level = match global.verbose {
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let for_people = global.log_format == PlainFormat::Text;
    let layer = fmt::layer().with_writer(move || Log { for_people });
    let layer = match global.log_format {
        // Who looks on knows when.
        PlainFormat::Text if global.verbose == 0 && columns().is_some() => {
            layer.with_target(false).without_time().boxed()
        }
        PlainFormat::Text => layer.with_target(false).boxed(),
        PlainFormat::Json => layer.json().boxed(),
    };
    let ours = Targets::new().with_target("roomctl", level);
    let traced = Targets::new().with_target("roomctl", LevelFilter::DEBUG);
    let trace = global
        .trace_file
        .as_deref()
        .map(TraceFile::new)
        .transpose()?;
    let all = tracing_subscriber::registry()
        .with(layer.with_filter(ours))
        .with(trace.map(|trace| trace.with_filter(traced)));
    #[cfg(feature = "otlp")]
    let all = all.with(super::otlp::layer(WHOLE));
    // Fails only when a log was started before, as in a test that runs the program twice.
    let _ = all.try_init();
    Ok(())
}
