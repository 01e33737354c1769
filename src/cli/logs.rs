//! Where log lines go and how they look.

use tracing_subscriber::{EnvFilter, fmt};

use super::CliError;
use crate::config::Config;

/// Starts logging to standard error, as text or as JSON.
pub(super) fn start(config: &Config) -> Result<(), CliError> {
    let filter = EnvFilter::try_new(&config.log_filter).map_err(|error| CliError(format!("RUST_LOG: {error}")))?;
    let lines = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started =
        if config.log_json { lines.json().flatten_event(true).try_init() } else { lines.compact().try_init() };
    started.map_err(|error| CliError(format!("logging cannot start: {error}")))
}
