//! Where the time of a run went, as a file in the trace format of Chrome: each span on the row of the worker that it belongs to.
//!
//! Not `tracing-chrome`: it brings what the log does without, and opens its file by itself.

use std::fmt::Debug;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Subscriber, debug};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::exit::{Exit, Failure};
use super::report_file::check_new;
use crate::disk::plain_file::open_own;

/// Writes every span that ends.
pub(crate) struct TraceFile {
    file: Mutex<File>,
    begun: Instant,
}

/// What is kept of a span while it lasts.
struct Open {
    begun: Instant,
    fields: Fields,
}

#[derive(Default)]
struct Fields(Map<String, Value>);

impl Visit for Fields {
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let text = format!("{value:?}");
        self.0.insert(field.name().to_owned(), text.into());
    }
}

impl TraceFile {
    /// Makes the file, which replaces nothing: the log begins before anybody knows which files the run needs.
    pub(crate) fn new(path: &Path) -> Result<Self, Failure> {
        check_new("--trace-file", path)?;
        let mut options = OpenOptions::new();
        let file = open_own(path, options.write(true).create_new(true));
        // One event, so that each of the others follows a comma.
        let named = json!({"name": "process_name", "ph": "M", "pid": std::process::id(), "args": {"name": "roomctl"}});
        let file = file.and_then(|mut file| write!(file, "[\n{named}").map(|()| file));
        let file = file.map_err(|error| {
            let message = format!("cannot write the trace to {}: {error}", path.display());
            Failure::new(Exit::Usage, message)
        })?;
        Ok(Self {
            file: Mutex::new(file),
            begun: Instant::now(),
        })
    }

    /// A span, from its beginning to now. The list is never closed, as the format allows: a run may be killed.
    fn write(&self, event: &Value) -> io::Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(format!(",\n{event}").as_bytes())
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for TraceFile {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().insert(Open {
            begun: Instant::now(),
            fields,
        });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(open) = span.extensions_mut().get_mut::<Open>() {
            values.record(&mut open.fields);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else {
            return;
        };
        let row = span
            .scope()
            .from_root()
            .next()
            .map(|root| root.id().into_u64());
        let Some(open) = span.extensions_mut().remove::<Open>() else {
            return;
        };
        let event = json!({
            "name": span.name(),
            "ph": "X",
            "ts": open.begun.duration_since(self.begun).as_micros() as u64,
            "dur": open.begun.elapsed().as_micros() as u64,
            "pid": std::process::id(),
            "tid": row,
            "args": open.fields.0,
        });
        if let Err(error) = self.write(&event) {
            debug!("a span is missing in the trace: {error}");
        }
    }
}
