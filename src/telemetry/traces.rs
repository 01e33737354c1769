//! Spans to an OpenTelemetry collector: OTLP over HTTP with protobuf bodies.
//!
//! Only spans of our own leave the process, and of no span the events (log lines): what other crates write into theirs
//! is not ours to vouch for.

use std::{fmt, time::Duration};

use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use opentelemetry::{KeyValue, trace::TracerProvider};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{Sampler, SdkTracerProvider},
};
use tokio::{runtime::Handle, time::timeout};
use tracing::{Level, Metadata, Subscriber, level_filters::LevelFilter, subscriber::Interest};
use tracing_subscriber::{Layer, filter::dynamic_filter_fn, registry::LookupSpan};

/// Longest time for one batch to be taken.
const PATIENCE: Duration = Duration::from_secs(10);

/// Longest answer of a collector that is read.
const MAX_ANSWER: usize = 64 * 1024;

/// Why spans cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// The address cannot be used.
    #[error("the collector's address cannot be used")]
    Endpoint(#[from] opentelemetry_otlp::ExporterBuildError),
    /// No certificates to trust.
    #[error("the system's certificates cannot be read")]
    Certificates(#[source] std::io::Error),
}

/// The way to a collector. Dropping it sends nothing more; [`Traces::shutdown`] first.
#[derive(Clone, Debug)]
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// To the collector at `endpoint` (`http://host:4318`; `/v1/traces` is added). `ratio` of all traces are sent,
    /// whatever the caller's own flag says: a client must not be able to fill our collector. Call it in a runtime that
    /// goes on until the shutdown.
    ///
    /// # Errors
    /// An address that cannot be used.
    pub fn connect(endpoint: &str, ratio: f64) -> Result<Self, TracesError> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_http_client(Carrier::new()?)
            .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
            .with_timeout(PATIENCE)
            .build()?;
        let resource = Resource::builder()
            .with_service_name("horae")
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_sampler(Sampler::TraceIdRatioBased(ratio))
            .with_resource(resource)
            .with_batch_exporter(exporter)
            .build();
        Ok(Self(provider))
    }

    /// The part of a subscriber that sends our spans.
    ///
    /// Whether a span is ours is asked anew for each, although it never changes: where the subscriber may remember the
    /// answer, it takes that of the last question on the thread for it, and that may have been about something else
    /// (the database driver asks after each statement whether to log it). The span would be lost, and its children
    /// would begin traces of their own.
    #[must_use]
    pub fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer("horae"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(
                dynamic_filter_fn(|metadata, _| is_ours(metadata))
                    .with_callsite_filter(
                        |metadata| {
                            if is_ours(metadata) { Interest::sometimes() } else { Interest::never() }
                        },
                    )
                    .with_max_level_hint(LevelFilter::DEBUG),
            )
    }

    /// Sends what waits, and ends. Waits for the collector, at most a few seconds.
    pub async fn shutdown(self) {
        let ended = tokio::task::spawn_blocking(move || self.0.shutdown_with_timeout(PATIENCE)).await;
        if !matches!(ended, Ok(Ok(()))) {
            tracing::warn!("The last spans could not be sent");
        }
    }
}

/// Spans of ours down to the level of transactions.
fn is_ours(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && *metadata.level() <= Level::DEBUG && metadata.target().starts_with("horae::")
}

/// Carries batches over the runtime's own connections: the thread that makes them up has no runtime.
struct Carrier {
    runtime: Handle,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Carrier {
    fn new() -> Result<Self, TracesError> {
        let connector = HttpsConnectorBuilder::new()
            .with_native_roots()
            .map_err(TracesError::Certificates)?
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self { runtime: Handle::current(), client: Client::builder(TokioExecutor::new()).build(connector) })
    }
}

impl fmt::Debug for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Carrier")
    }
}

#[async_trait::async_trait]
impl HttpClient for Carrier {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let sent = async move {
            let (head, body) = client.request(request.map(Full::new)).await?.into_parts();
            let body = Limited::new(body, MAX_ANSWER).collect().await?.to_bytes();
            Ok(Response::from_parts(head, body))
        };
        // Even the timer is made on the runtime: here is none.
        self.runtime.spawn(async move { timeout(PATIENCE, sent).await }).await??
    }
}
