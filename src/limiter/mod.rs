//! Keeps the buckets of [`crate::domain::limit`]: in this process, or in Redis for all nodes together.
//!
//! What is limited does not belong here.

mod local;
mod shared;

use std::sync::Arc;

pub use local::LocalLimiter;
pub use shared::SharedLimiter;

use crate::domain::{clock::Clock, limit::Limiter};

/// Shared by all nodes when there is a Redis, otherwise of this process.
///
/// # Errors
/// A URL that names no Redis, in words.
pub fn build(redis_url: Option<&str>, clock: Arc<dyn Clock>) -> Result<Arc<dyn Limiter>, String> {
    let local = LocalLimiter::new(clock);
    match redis_url {
        Some(url) => Ok(Arc::new(SharedLimiter::open(url, local).map_err(|error| error.to_string())?)),
        None => Ok(Arc::new(local)),
    }
}
