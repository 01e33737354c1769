//! Where log lines and spans go and how they look.

use tracing_subscriber::{EnvFilter, Layer, fmt, layer::SubscriberExt, util::SubscriberInitExt};

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
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = if config.log_json { lines.json().flatten_event(true).boxed() } else { lines.compact().boxed() };
    tracing_subscriber::registry()
        .with(traces.as_ref().map(Traces::layer))
        .with(lines.with_filter(filter))
        .try_init()
        .map_err(|error| CliError(format!("logging cannot start: {error}")))?;
    Ok(traces)
}
