//! Buckets in Redis, one for all nodes: one script takes from all buckets of a call at once. While Redis does not
//! answer, each node keeps its own; nobody waits for it.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use redis::{
    Client, RedisError, Script,
    aio::{ConnectionManager, ConnectionManagerConfig},
};

use super::LocalLimiter;
use crate::domain::limit::{Bucket, Limiter, Taken};

/// How long Redis may take. A limit is not worth a slow booking.
const PATIENCE: Duration = Duration::from_millis(250);

/// After a failure Redis is left alone for so long, so that one booking in a second waits for it and not all.
const PAUSE: Duration = Duration::from_secs(1);

const PREFIX: &str = "horae:limit:";

/// Buckets of all nodes.
pub struct SharedLimiter {
    client: Client,
    connection: OnceLock<ConnectionManager>,
    script: Script,
    local: LocalLimiter,
    started: Instant,
    /// Milliseconds after `started` until which Redis is left alone.
    paused_until: AtomicU64,
    down: AtomicBool,
}

impl SharedLimiter {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// A URL that names no Redis.
    pub fn open(url: &str, local: LocalLimiter) -> Result<Self, RedisError> {
        Ok(Self {
            client: Client::open(url)?,
            connection: OnceLock::new(),
            script: Script::new(include_str!("take.lua")),
            local,
            started: Instant::now(),
            paused_until: AtomicU64::new(0),
            down: AtomicBool::new(false),
        })
    }

    fn connection(&self) -> Result<ConnectionManager, RedisError> {
        if let Some(connection) = self.connection.get() {
            return Ok(connection.clone());
        }
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE))
            .set_number_of_retries(1);
        let fresh = ConnectionManager::new_lazy_with_config(self.client.clone(), config)?;
        Ok(self.connection.get_or_init(|| fresh).clone())
    }

    async fn try_take(&self, amount: u32, buckets: &[Bucket]) -> Result<Taken, String> {
        let mut call = self.script.prepare_invoke();
        call.arg(amount);
        for bucket in buckets {
            call.key(format!("{PREFIX}{}", bucket.key)).arg(bucket.capacity).arg(bucket.per_minute);
        }
        let mut connection = self.connection().map_err(|error| error.to_string())?;
        let asked = tokio::time::timeout(PATIENCE, call.invoke_async::<(usize, u64, u32)>(&mut connection));
        let (short, wait_ms, left) =
            asked.await.map_err(|_| "it does not answer".to_owned())?.map_err(|error| error.to_string())?;
        Ok(match short.checked_sub(1) {
            None => Taken::Granted { left },
            Some(short) => Taken::Refused { left, short, wait: Duration::from_millis(wait_ms) },
        })
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[async_trait::async_trait]
impl Limiter for SharedLimiter {
    async fn take(&self, amount: u32, buckets: &[Bucket]) -> Taken {
        if self.elapsed() >= self.paused_until.load(Ordering::Relaxed) {
            match self.try_take(amount, buckets).await {
                Ok(taken) => {
                    if self.down.swap(false, Ordering::Relaxed) {
                        tracing::info!("Redis keeps the limits again");
                    }
                    return taken;
                }
                Err(error) => {
                    let pause = u64::try_from(PAUSE.as_millis()).unwrap_or_default();
                    self.paused_until.store(self.elapsed().saturating_add(pause), Ordering::Relaxed);
                    if !self.down.swap(true, Ordering::Relaxed) {
                        tracing::warn!(error.detail = %error, "Redis keeps no limits; this node keeps its own until it does");
                    }
                }
            }
        }
        metrics::counter!("horae_limits_kept_locally_total").increment(1);
        self.local.take(amount, buckets).await
    }
}
