//! Each tenant's share of a cell's connections: who keeps more of them busy than its share waits for itself, and finds
//! nobody else in its way.

use std::{
    collections::HashMap,
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, PoisonError},
};

use scopeguard::ScopeGuard;
use sqlx::{Error, PgConnection, Postgres, Transaction};
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

type Parts = (Transaction<'static, Postgres>, OwnedSemaphorePermit);

/// A transaction on one of its tenant's places. The place is free when the connection is: a transaction that is dropped
/// in the middle of a statement keeps both until PostgreSQL has answered.
pub(super) struct Placed(ScopeGuard<Parts, fn(Parts)>);

impl Placed {
    /// The place must be one of the transaction's tenant.
    pub fn new(transaction: Transaction<'static, Postgres>, place: OwnedSemaphorePermit) -> Self {
        Self(scopeguard::guard((transaction, place), give_back))
    }

    /// Makes what was written durable; the place is free afterwards.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn commit(self) -> Result<(), Error> {
        let (transaction, _place) = ScopeGuard::into_inner(self.0);
        transaction.commit().await
    }

    /// Undoes what was written; the place is free afterwards.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn rollback(self) -> Result<(), Error> {
        let (transaction, _place) = ScopeGuard::into_inner(self.0);
        transaction.rollback().await
    }
}

fn give_back((transaction, place): Parts) {
    #[expect(clippy::disallowed_methods, reason = "ends with the statement that runs, which has a time-out")]
    tokio::spawn(async move {
        // Of a connection that is broken nothing is left to undo.
        let _ = transaction.rollback().await;
        drop(place);
    });
}

impl Deref for Placed {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.0.0
    }
}

impl DerefMut for Placed {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.0.0
    }
}
