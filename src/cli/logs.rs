//! Where log lines and spans go and how they look.

use tracing::Subscriber;
use tracing_subscriber::{
    EnvFilter, Layer, fmt, layer::SubscriberExt, registry, registry::LookupSpan, util::SubscriberInitExt,
};

use super::CliError;
use crate::{config::Config, telemetry::traces::Traces};

/// Starts logging to standard error, as text or as JSON, and tracing to the collector when there is one: what it
/// returns is to be shut down last.
pub(super) fn start(config: &Config) -> Result<Option<Traces>, CliError> {
    let filter = EnvFilter::try_new(&config.log_filter).map_err(|error| CliError(format!("RUST_LOG: {error}")))?;
    let traces = match &config.otlp_endpoint {
        Some(endpoint) => Some(Traces::connect(endpoint, config.trace_ratio)?),
        None => None,
    };
    let json = config.log_json;
    let started = match &traces {
        Some(traces) => registry().with(traces.layer()).with(lines(json).with_filter(filter)).try_init(),
        // The filter of all rather than of a layer, whose remembered answers are not safe: see `Traces::layer`.
        None => registry().with(lines(json)).with(filter).try_init(),
    };
    started.map_err(|error| CliError(format!("logging cannot start: {error}")))?;
    Ok(traces)
}

fn lines<S>(json: bool) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let lines = fmt::layer().with_writer(std::io::stderr);
    if json { lines.json().flatten_event(true).boxed() } else { lines.compact().boxed() }
}
