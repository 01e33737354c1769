//! PostgreSQL: pools, the catalogue of tenants, and [`TenantTx`], the only way to a tenant's data.
//!
//! Invariant: nothing outside this module opens a transaction or holds a pool. No business rule belongs here.

mod catalogue;
mod cell;
pub mod entity;
mod error;
pub mod jobs;
mod lent;
mod place;
mod pool;
mod provision;
mod sealing;
mod sql;
mod tenant_tx;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

pub use catalogue::{NewTenant, Tenant, TenantId, TenantStatus};
pub use cell::{CellPlan, Server};
use cell::{OpenCell, Placement};
pub use error::{DbError, with_causes};
pub use jobs::{ClaimKind, ClaimRequest, ClaimedJob, DueLocal, Lane, NewJob, Tick};
use moka::future::Cache;
use pool::CellPool;
pub use provision::{CreationLock, MigrationProgress, TenantMigration};
pub use sealing::Reseal;
pub use sql::Sql;
pub use tenant_tx::{Access, TenantTx};
use tokio::sync::RwLock;

/// How long a node may go on with what it knew of a tenant's status and placement.
pub const CATALOGUE_STALENESS: Duration = Duration::from_secs(2);

/// How long PostgreSQL is waited for after a question: as long as it works on a statement, and the way there and back.
pub const ANSWER_LIMIT: Duration = lent::STATEMENT_LIMIT.saturating_add(lent::WAY);

/// How to reach PostgreSQL and how much of it to use.
#[derive(Clone, Debug)]
pub struct DbOptions {
    /// Servers by the name that the catalogue's cells refer to; `main` holds the catalogue.
    pub servers: HashMap<String, Server>,
    /// Most connections to one cell from this process.
    pub max_connections: u32,
    /// Most of them that one tenant holds at the same time.
    pub connections_per_tenant: u32,
    /// How long a request may wait for a connection before it is refused.
    pub acquire_timeout: Duration,
    /// How long PostgreSQL is waited for; [`ANSWER_LIMIT`] but in tests.
    pub answer_limit: Duration,
}

/// Every connection of this process to PostgreSQL.
#[derive(Clone)]
pub struct Db {
    inner: Arc<Inner>,
}

struct Inner {
    options: DbOptions,
    catalogue: CellPool,
    /// One pool per cell, opened when the first tenant of the cell is asked for.
    cells: RwLock<HashMap<String, OpenCell>>,
    placements: Cache<String, Placement>,
    by_id: Cache<TenantId, Option<Arc<Tenant>>>,
    by_slug: Cache<String, Option<Arc<Tenant>>>,
    statements: Arc<AtomicU64>,
}

impl Db {
    /// Opens the pool of the catalogue. Connections are made when they are first needed.
    ///
    /// # Errors
    /// When no server is called `main` or its URL cannot be read.
    pub fn connect(options: DbOptions) -> Result<Self, DbError> {
        let main = options.server(cell::MAIN)?;
        let catalogue = cell::pool(&main.app_url, None, &options)?;
        Ok(Self {
            inner: Arc::new(Inner {
                options,
                catalogue,
                cells: RwLock::new(HashMap::new()),
                placements: Cache::builder().time_to_live(CATALOGUE_STALENESS).max_capacity(100_000).build(),
                by_id: Cache::builder().time_to_live(CATALOGUE_STALENESS).max_capacity(100_000).build(),
                by_slug: Cache::builder().time_to_live(CATALOGUE_STALENESS).max_capacity(100_000).build(),
                statements: Arc::new(AtomicU64::new(0)),
            }),
        })
    }

    fn catalogue(&self) -> &CellPool {
        &self.inner.catalogue
    }

    /// How many SQL statements this process has run for tenants: what tests of constant query counts compare.
    #[must_use]
    pub fn statements(&self) -> u64 {
        self.inner.statements.load(Ordering::Relaxed)
    }

    /// Connections open and idle, over all cells: `(open, idle)`.
    pub async fn pool_state(&self) -> (u32, usize) {
        let cells = self.inner.cells.read().await;
        cells
            .values()
            .map(|cell| &cell.pool)
            .filter(|pool| !pool.is_shared())
            .chain(std::iter::once(&self.inner.catalogue))
            .map(CellPool::connections)
            .fold((0, 0), |(all_open, all_idle), (open, idle)| (all_open + open, all_idle + idle))
    }

    /// Asks the catalogue for an answer: whether this node can serve at all.
    ///
    /// # Errors
    /// When PostgreSQL does not answer or the catalogue is not there.
    pub async fn ping(&self) -> Result<(), DbError> {
        sqlx::query("SELECT 1 FROM catalogue.tenants LIMIT 1").execute(&self.inner.catalogue).await?;
        Ok(())
    }

    /// Difference between PostgreSQL's clock and `now`, as an absolute duration: what the time that the question took
    /// does not explain.
    ///
    /// # Errors
    /// When PostgreSQL does not answer.
    pub async fn clock_skew(
        &self,
        now: impl Fn() -> chrono::DateTime<chrono::Utc> + Send,
    ) -> Result<Duration, DbError> {
        // Begun first: waiting for a connection says nothing of clocks.
        let mut tx = self.inner.catalogue.start().await?;
        let asked = now();
        let theirs: chrono::DateTime<chrono::Utc> =
            sqlx::query_scalar("SELECT clock_timestamp()").persistent(false).fetch_one(&mut tx).await?;
        let half = (now() - asked) / 2;
        tx.commit().await?;
        Ok(((theirs - (asked + half)).abs() - half).to_std().unwrap_or_default())
    }

    /// Closes every pool and waits until their connections are gone.
    pub async fn close(&self) {
        let cells: Vec<CellPool> = self.inner.cells.write().await.drain().map(|(_, cell)| cell.pool).collect();
        for pool in cells {
            pool.close().await;
        }
        self.inner.catalogue.close().await;
    }
}

impl DbOptions {
    fn server(&self, name: &str) -> Result<&Server, DbError> {
        self.servers.get(name).ok_or_else(|| {
            DbError::Setup(format!(
                "the catalogue names a database server `{name}` that is not configured; add it to DATABASE_SERVERS"
            ))
        })
    }
}
