//! [`CellPool`]: connections to one database, directly or through a PgBouncer in transaction mode.
//!
//! A PgBouncer that does not know prepared statements (before 1.21, or with `max_prepared_statements = 0`) gives every
//! transaction another server connection, where the names of statements prepared before mean nothing or something
//! else. The URL says so with `statement-cache-capacity=0`: then no statement gets a name, and a statement outside a
//! tenant's transaction gets a transaction of its own, so that what prepares it and what runs it stay together.

use std::{sync::Arc, time::Duration};

use futures::{
    TryStreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use sqlx::{
    Either, Error, Execute, Executor, PgPool, Postgres, SqlSafeStr, SqlStr,
    pool::PoolConnection,
    postgres::{PgArguments, PgQueryResult, PgRow, PgStatement, PgTypeInfo},
};
use tokio::time::{Instant, timeout_at};

use super::{DbOptions, TenantId, lent::Lent, place::Places};

/// A pool, and whether its connections may name statements. The pool within is nobody else's: statements on it would be
/// waited for without limit, and named behind a PgBouncer that mixes names up.
#[derive(Clone, Debug)]
pub(super) struct CellPool {
    pool: PgPool,
    named: bool,
    places: Arc<Places>,
    /// How long PostgreSQL is waited for.
    answer_limit: Duration,
    /// Whether it is the catalogue's own pool under the name of a cell.
    shared: bool,
}

impl CellPool {
    /// Of this URL's pool.
    pub fn new(pool: PgPool, url: &str, db: &DbOptions) -> Self {
        let unnamed = url
            .split_once('?')
            .is_some_and(|(_, query)| query.split('&').any(|one| one == "statement-cache-capacity=0"));
        let places = Arc::new(Places::new(db.connections_per_tenant));
        Self { pool, named: !unnamed, places, answer_limit: db.answer_limit, shared: false }
    }

    /// A connection outside of any transaction.
    async fn lend(&self) -> Result<Lent, Error> {
        Ok(Lent::new(self.waited(|until| self.acquire(until)).await?, None, self.answer_limit))
    }

    /// Begins a transaction without a tenant.
    pub async fn start(&self) -> Result<Lent, Error> {
        started(self.lend().await?, "BEGIN".into_sql_str()).await
    }

    /// Begins a transaction with these words for a tenant, on one of its places.
    pub async fn start_for(&self, tenant: TenantId, begin: SqlStr) -> Result<Lent, Error> {
        let place_and_connection = |until| async move {
            let place = self.places.take(tenant, until).await?;
            Ok((place, self.acquire(until).await?))
        };
        let (place, connection) = self.waited(place_and_connection).await?;
        // The place goes along: it is taken as long as the connection, whoever goes away.
        started(Lent::new(connection, Some(place), self.answer_limit), begin).await
    }

    /// Takes what a transaction needs, and notes how long that was waited for; no longer than the pool allows.
    async fn waited<T, F>(&self, take: impl FnOnce(Instant) -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let asked = Instant::now();
        let waiting = Waiting::new();
        // In a box: it has room for opening a connection, 14 KB, which every future of a use case and every stream that
        // may read would carry otherwise.
        let taken = Box::pin(take(asked + self.pool.options().get_acquire_timeout())).await;
        drop(waiting);
        metrics::histogram!("horae_db_acquire_seconds").record(asked.elapsed());
        taken
    }

    async fn acquire(&self, until: Instant) -> Result<PoolConnection<Postgres>, Error> {
        let acquired = timeout_at(until, self.pool.acquire()).await.unwrap_or(Err(Error::PoolTimedOut));
        if matches!(acquired, Err(Error::PoolTimedOut)) {
            metrics::counter!("horae_db_acquire_timeouts_total").increment(1);
        }
        acquired
    }

    /// The same connections, for the cell in the catalogue's own database.
    pub fn share(&self) -> Self {
        Self { shared: true, ..self.clone() }
    }

    /// Whether its connections are counted elsewhere already.
    pub fn is_shared(&self) -> bool {
        self.shared
    }

    /// How many connections are open, and how many of them idle.
    pub fn connections(&self) -> (u32, usize) {
        (self.pool.size(), self.pool.num_idle())
    }

    /// Waits until all connections are given back, and closes them.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Whether statements may be prepared under a name and used again.
    pub fn names_statements(&self) -> bool {
        self.named
    }
}

/// Waits until a transaction has begun. A caller that goes away meanwhile leaves nothing open: the driver would give a
/// connection whose BEGIN was not yet answered back to the pool inside of a transaction that nobody ends, with a tenant's
/// role, so the BEGIN is always waited for.
async fn started(mut connection: Lent, begin: SqlStr) -> Result<Lent, Error> {
    #[expect(
        clippy::disallowed_methods,
        reason = "ends with one round trip or its limit, and its result is waited for or rolled back"
    )]
    let started = tokio::spawn(async move { connection.begin(begin).await.map(|()| connection) });
    started.await.map_err(|_| Error::WorkerCrashed)?
}

/// Counts who waits for a connection, also when the wait is given up.
struct Waiting(metrics::Gauge);

impl Waiting {
    fn new() -> Self {
        let gauge = metrics::gauge!("horae_db_waiting");
        gauge.increment(1.0);
        Self(gauge)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// A statement that is prepared without a name.
struct Unnamed<E>(E);

impl<'q, E: Execute<'q, Postgres>> Execute<'q, Postgres> for Unnamed<E> {
    fn sql(self) -> SqlStr {
        self.0.sql()
    }

    fn statement(&self) -> Option<&PgStatement> {
        self.0.statement()
    }

    fn take_arguments(&mut self) -> Result<Option<PgArguments>, sqlx::error::BoxDynError> {
        self.0.take_arguments()
    }

    fn persistent(&self) -> bool {
        false
    }
}

impl<'p> Executor<'p> for &'_ CellPool {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let pool = self.clone();
        let found = async move {
            let found: Vec<_> = if pool.named {
                pool.lend().await?.fetch_many(query).try_collect().await?
            } else {
                let mut tx = pool.start().await?;
                let found = tx.fetch_many(Unnamed(query)).try_collect().await?;
                tx.commit().await?;
                found
            };
            Ok::<_, Error>(stream::iter(found.into_iter().map(Ok)))
        };
        Box::pin(stream::once(found).try_flatten())
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let pool = self.clone();
        Box::pin(async move {
            if pool.named {
                return pool.lend().await?.fetch_optional(query).await;
            }
            let mut tx = pool.start().await?;
            let found = tx.fetch_optional(Unnamed(query)).await?;
            tx.commit().await?;
            Ok(found)
        })
    }

    fn prepare_with<'e>(self, sql: SqlStr, parameters: &'e [PgTypeInfo]) -> BoxFuture<'e, Result<PgStatement, Error>>
    where
        'p: 'e,
    {
        self.pool.prepare_with(sql, parameters)
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<sqlx::Describe<Postgres>, Error>>
    where
        'p: 'e,
    {
        self.pool.describe(sql)
    }
}
