//! The spans of a run for a collector of OpenTelemetry, if the variables that every such tool reads name one: the same spans
//! and fields as in a trace file, below one for the whole run.
//!
//! Nothing here is heard by the run: spans go through a queue that is let overflow, and a thread of the SDK sends them. At the
//! end there is a short wait, and one line if not all of them arrived. Headers and addresses may hold a token, so neither
//! they nor errors of the libraries are shown.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use opentelemetry::trace::{SpanId, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT};
use opentelemetry_otlp::{SpanExporter as Otlp, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::resource::{EnvResourceDetector, TelemetryResourceDetector};
use opentelemetry_sdk::trace::{
    BatchSpanProcessor, SdkTracerProvider, Span, SpanData, SpanExporter, SpanProcessor,
};
use tokio::runtime::{Builder, Runtime};
use tracing::level_filters::LevelFilter;
use tracing::{Subscriber, warn};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{FilterExt, Targets, filter_fn};
use tracing_subscriber::registry::LookupSpan;

use crate::model::words::printable;
use crate::service::http::{client, describe, is_set};
use crate::service::unreachable::why;

/// How long one request may take, and how long the end of a run waits for all that are left.
const PATIENCE: Duration = Duration::from_secs(4);

/// What goes on from the start of the log to the end of the program.
static EXPORT: OnceLock<Export> = OnceLock::new();

struct Export {
    /// The variable that names the collector.
    endpoint: &'static str,
    tally: Arc<Tally>,
    /// Or why there is none.
    provider: Result<SdkTracerProvider, String>,
}

/// What became of the spans.
#[derive(Debug, Default)]
struct Tally {
    ended: AtomicU64,
    arrived: AtomicU64,
    /// What kept the last ones that did not arrive.
    why: Mutex<Option<String>>,
}

/// What hands spans to the collector, if one is asked for: ours, and the one of `whole`. No events, whose words may be of anybody.
pub(crate) fn layer<S>(whole: &'static str) -> Option<impl Layer<S>>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let endpoint = endpoint()?;
    let export = EXPORT.get_or_init(|| Export::to(endpoint));
    let tracer = export.provider.as_ref().ok()?.tracer("roomctl");
    let ours = Targets::new()
        .with_target("roomctl", LevelFilter::DEBUG)
        .with_target(whole, LevelFilter::DEBUG);
    let layer = tracing_opentelemetry::layer()
        .with_tracer(tracer)
        // Nothing but the fields of our spans.
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_context_activation(false);
    Some(layer.with_filter(ours.and(filter_fn(|seen| seen.is_span()))))
}

/// Waits a little for what is still to be sent, and says what did not arrive.
pub(crate) fn end() {
    let Some(export) = EXPORT.get() else { return };
    let endpoint = export.endpoint;
    let provider = match &export.provider {
        Ok(provider) => provider,
        Err(why) => {
            return warn!("no spans are sent to the collector that {endpoint} names: {why}");
        }
    };
    let otherwise = match provider.shutdown_with_timeout(PATIENCE) {
        Ok(()) => "there were more than it took in time",
        Err(_) => "it took too long",
    };
    let ended = export.tally.ended.load(Ordering::SeqCst);
    let lost = ended.saturating_sub(export.tally.arrived.load(Ordering::SeqCst));
    if lost > 0 {
        let why = export.tally.why(otherwise);
        warn!("{lost} of {ended} spans did not reach the collector that {endpoint} names: {why}");
    }
}

/// The variable that names a collector, unless another one says that nothing is to be sent.
fn endpoint() -> Option<&'static str> {
    let says = |name, word| std::env::var(name).is_ok_and(|said| said.eq_ignore_ascii_case(word));
    if says("OTEL_SDK_DISABLED", "true") || says("OTEL_TRACES_EXPORTER", "none") {
        return None;
    }
    let names = [
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT,
        OTEL_EXPORTER_OTLP_ENDPOINT,
    ];
    names.into_iter().find(|name| is_set(name))
}

impl Export {
    fn to(endpoint: &'static str) -> Self {
        let tally = Arc::<Tally>::default();
        Self {
            endpoint,
            provider: provider(endpoint, &tally),
            tally,
        }
    }
}

fn provider(endpoint: &str, tally: &Arc<Tally>) -> Result<SdkTracerProvider, String> {
    let address = std::env::var(endpoint).unwrap_or_default();
    let collector = Collector {
        client: client(!is_https(&address), PATIENCE).map_err(|error| error.to_string())?,
        runtime: Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?,
        tally: tally.clone(),
    };
    let otlp = Otlp::builder().with_http().with_http_client(collector);
    // The words of the error hold the address.
    let otlp = otlp.build().map_err(|_| "that is no address".to_owned())?;
    let batches = BatchSpanProcessor::builder(Counted(otlp, tally.clone())).build();
    Ok(SdkTracerProvider::builder()
        .with_span_processor(Counted(batches, tally.clone()))
        .with_resource(resource())
        .build())
}

/// Whose spans these are: ours, unless the environment says otherwise.
fn resource() -> Resource {
    let resource = Resource::builder_empty()
        .with_service_name("roomctl")
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_detector(Box::new(EnvResourceDetector::new()));
    let named = std::env::var("OTEL_SERVICE_NAME").unwrap_or_default();
    match named.is_empty() {
        true => resource.build(),
        false => resource.with_service_name(named).build(),
    }
}

fn is_https(address: &str) -> bool {
    let scheme = address.get(..6);
    scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"))
}

impl Tally {
    fn kept(&self, why: String) -> HttpError {
        let mut last = self.why.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some(why.clone());
        why.into()
    }

    fn why(&self, otherwise: &str) -> String {
        let last = self.why.lock().unwrap_or_else(PoisonError::into_inner);
        printable(last.as_deref().unwrap_or(otherwise))
    }
}

/// What counts the spans that go through it.
#[derive(Debug)]
struct Counted<T>(T, Arc<Tally>);

impl SpanProcessor for Counted<BatchSpanProcessor> {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.0.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        let is_whole = span.parent_span_id == SpanId::INVALID;
        // Of a run that asked the service nothing there is nothing to tell.
        if !span.span_context.is_sampled() || is_whole && self.1.ended.load(Ordering::SeqCst) == 0 {
            return;
        }
        self.1.ended.fetch_add(1, Ordering::SeqCst);
        self.0.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}

impl SpanExporter for Counted<Otlp> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len() as u64;
        self.0.export(batch).await?;
        self.1.arrived.fetch_add(spans, Ordering::SeqCst);
        Ok(())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}

/// The collector, over HTTP. In a runtime of its own: the thread of the SDK has none.
struct Collector {
    client: reqwest::Client,
    runtime: Runtime,
    tally: Arc<Tally>,
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Collector")
    }
}

impl Collector {
    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, reqwest::Error> {
        let request = reqwest::Request::try_from(request)?;
        // The call, too, has to be made in the runtime.
        let sent = async { self.client.execute(request).await };
        let mut answer = self.runtime.block_on(sent)?;
        // What else it says is not read: it may be without end.
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = answer.status();
        std::mem::swap(response.headers_mut(), answer.headers_mut());
        Ok(response)
    }
}

impl HttpClient for Collector {
    fn send_bytes<'a, 'sent>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'sent>>
    where
        'a: 'sent,
    {
        Box::pin(async move {
            let response = self.send(request);
            let response = response.map_err(|error| {
                let why = why(&error).unwrap_or_else(|| describe(error));
                self.tally.kept(why)
            })?;
            if !response.status().is_success() {
                let status = response.status().as_u16();
                self.tally.kept(format!("it answered with {status}"));
            }
            Ok(response)
        })
    }
}
