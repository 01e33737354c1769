//! Each tenant's share of a cell's connections: who keeps more of them busy than its share waits for itself, and finds
//! nobody else in its way.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use sqlx::Error;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

use super::TenantId;

/// How many connections each tenant may hold, and who holds them.
#[derive(Debug)]
pub(super) struct Places {
    each: usize,
    tenants: Mutex<HashMap<TenantId, Arc<Semaphore>>>,
}

impl Places {
    /// So many for each; at least one.
    pub fn new(each: u32) -> Self {
        let each = usize::try_from(each).unwrap_or(Semaphore::MAX_PERMITS).clamp(1, Semaphore::MAX_PERMITS);
        Self { each, tenants: Mutex::default() }
    }

    /// One of the tenant's places, as soon as one is free.
    ///
    /// # Errors
    /// When none is free in time.
    pub async fn take(&self, tenant: TenantId, until: Instant) -> Result<OwnedSemaphorePermit, Error> {
        let places = Arc::clone(
            self.tenants
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .entry(tenant)
                .or_insert_with(|| Arc::new(Semaphore::new(self.each))),
        );
        match timeout_at(until, places.acquire_owned()).await {
            Ok(place) => place.map_err(|_| Error::PoolClosed),
            Err(_) => {
                metrics::counter!("horae_limited_total", "limit" => "connections").increment(1);
                Err(Error::PoolTimedOut)
            }
        }
    }
}
