//! [`TenantTx`]: a transaction that is one tenant's and nobody else's.
//!
//! The transaction takes the tenant's role and search path in the same round trip that begins it, both with LOCAL
//! scope. A session-level SET would leak to the pool's next borrower, and LOCAL outside a transaction does nothing;
//! here neither can happen, because there is no other way to get a connection. It works behind PgBouncer in
//! transaction mode for the same reason.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement, Values};
use sea_query_sqlx::SqlxValues;
use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};
use tokio::sync::Mutex;
use tracing::{Span, field::Empty};

use super::{Db, DbError, Tenant, lent::Lent};

/// What a transaction may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// PostgreSQL refuses every write in it.
    Read,
    /// Reads and writes.
    Write,
}

/// A transaction with the rights of one tenant. Dropping it rolls back.
pub struct TenantTx {
    pub(super) inner: Mutex<Lent>,
    tenant: Arc<Tenant>,
    /// Whether statements may be prepared under a name.
    pub(super) named: bool,
    statements: Arc<AtomicU64>,
    /// The request that it is part of.
    cause: Option<Arc<str>>,
    trace: Trace,
}

/// The span of a transaction, as part of what asked for it: how many statements, and how it ended. What they say stays
/// here.
struct Trace {
    span: Span,
    statements: AtomicU64,
}

impl Trace {
    fn begin(access: Access) -> Self {
        // Sweeps and readers of event logs are part of nothing, and would be traces of their own by the thousand.
        let span = if Span::current().is_none() {
            Span::none()
        } else {
            tracing::debug_span!("transaction", db.access = ?access, db.statements = Empty, db.outcome = Empty)
        };
        Self { span, statements: AtomicU64::new(0) }
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        self.span.record("db.statements", *self.statements.get_mut());
    }
}

impl Db {
    /// Begins a transaction in the tenant's cell, with the tenant's role and schema, on one of the connections that the
    /// tenant may hold. Who holds one must not begin another: it could wait for itself.
    ///
    /// # Errors
    /// When no connection is free in time or the tenant's role is missing.
    pub async fn begin(&self, tenant: &Arc<Tenant>, access: Access) -> Result<TenantTx, DbError> {
        let pool = self.cell_pool(tenant).await?;
        let mode = match access {
            Access::Read => "READ ONLY",
            Access::Write => "READ WRITE",
        };
        // The name is the catalogue's own and checked there and in `Tenant`: t_ and 32 hex digits.
        let name = &tenant.schema_name;
        let begin = format!("BEGIN {mode}; SET LOCAL ROLE {name}; SET LOCAL search_path TO {name}");
        let trace = Trace::begin(access);
        let inner = pool.start_for(tenant.id, AssertSqlSafe(begin).into_sql_str()).await?;
        let named = pool.names_statements();
        Ok(TenantTx {
            inner: Mutex::new(inner),
            tenant: Arc::clone(tenant),
            named,
            statements: Arc::clone(&self.inner.statements),
            cause: None,
            trace,
        })
    }
}

impl TenantTx {
    /// Whose transaction this is.
    #[must_use]
    pub fn tenant(&self) -> &Arc<Tenant> {
        &self.tenant
    }

    /// Says which request it is part of: jobs and mails that it puts in will carry the request's id.
    #[must_use]
    pub fn caused_by(self, request_id: &Arc<str>) -> Self {
        Self { cause: Some(Arc::clone(request_id)), ..self }
    }

    /// The id of the request that it is part of.
    #[must_use]
    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// Lets each of its statements take so long, and not what those of a request may.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn take_time(&self, limit: Duration) -> Result<(), DbError> {
        let milliseconds = limit.as_millis().to_string();
        self.run("SELECT set_config('statement_timeout', $1, true)", [milliseconds.into()]).await?;
        self.inner.lock().await.take_time(limit);
        Ok(())
    }

    /// Makes what was written durable and visible.
    ///
    /// # Errors
    /// When the connection breaks; whether the commit happened is then unknown.
    pub async fn commit(self) -> Result<(), DbError> {
        let Self { inner, trace, .. } = self;
        let committed = inner.into_inner().commit().await;
        trace.span.record("db.outcome", if committed.is_ok() { "commit" } else { "unknown" });
        Ok(committed?)
    }

    /// Undoes what was written. Dropping does the same, later.
    ///
    /// # Errors
    /// When the connection breaks; PostgreSQL then rolls back by itself.
    pub async fn rollback(self) -> Result<(), DbError> {
        Ok(self.inner.into_inner().rollback().await?)
    }

    /// The statement under a name of the tenant's own. PostgreSQL forgets the plan of a prepared statement when the
    /// search path has changed since, so one that several tenants share is analysed and planned anew almost every time.
    pub(super) fn own(&self, sql: &str) -> SqlStr {
        if self.named {
            AssertSqlSafe(format!("/* {} */ {sql}", self.tenant.schema_name)).into_sql_str()
        } else {
            AssertSqlSafe(sql.to_owned()).into_sql_str()
        }
    }

    pub(super) fn count(&self) {
        self.statements.fetch_add(1, Ordering::Relaxed);
        self.trace.statements.fetch_add(1, Ordering::Relaxed);
    }
}

fn values(statement: &Statement) -> SqlxValues {
    SqlxValues(statement.values.clone().unwrap_or(Values(Vec::new())))
}

fn exec_error(error: sqlx::Error) -> DbErr {
    DbErr::Exec(RuntimeErr::SqlxError(Arc::new(error)))
}

fn query_error(error: sqlx::Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(Arc::new(error)))
}

/// So that sea-orm's entities and queries run on it.
#[async_trait::async_trait]
impl ConnectionTrait for TenantTx {
    fn get_database_backend(&self) -> DbBackend {
        DbBackend::Postgres
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.count();
        let mut connection = self.inner.lock().await;
        let query = sqlx::query_with(self.own(&statement.sql), values(&statement)).persistent(self.named);
        query.execute(&mut *connection).await.map(Into::into).map_err(exec_error)
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.count();
        let mut connection = self.inner.lock().await;
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *connection).await.map(Into::into).map_err(exec_error)
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.count();
        let mut connection = self.inner.lock().await;
        let query = sqlx::query_with(self.own(&statement.sql), values(&statement)).persistent(self.named);
        query.fetch_optional(&mut *connection).await.map(|row| row.map(Into::into)).map_err(query_error)
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.count();
        let mut connection = self.inner.lock().await;
        let query = sqlx::query_with(self.own(&statement.sql), values(&statement)).persistent(self.named);
        query
            .fetch_all(&mut *connection)
            .await
            .map(|rows| rows.into_iter().map(Into::into).collect())
            .map_err(query_error)
    }
}
