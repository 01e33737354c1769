//! Cells: the databases that hold tenants' schemas, and the pools to them.

use std::{str::FromStr, sync::Arc, time::Duration};

use sqlx::{
    Connection, PgConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::time::timeout;

use super::{Db, DbError, DbOptions, Tenant, pool::CellPool};

/// The server that holds the catalogue, and the first cell on it.
pub(super) const MAIN: &str = "main";

/// How many prepared statements a connection keeps; each tenant has its own. Enough for the usual ones of forty
/// tenants; the least used makes room, and costs a round trip when it comes back. The URL's own
/// `statement-cache-capacity` wins.
const STATEMENTS: usize = 800;

/// After a rest so long a connection may have died unheard: with a restart of PostgreSQL, or a firewall that forgot it.
const RESTED: Duration = Duration::from_secs(1);

/// How long a rested connection has to say that it is alive: less than a request may wait, which then gets a new one.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);

/// One PostgreSQL server as configured: never stored in the catalogue, which refers to it by name.
#[derive(Clone, Debug)]
pub struct Server {
    /// URL of the application's login role, which may take a tenant's role and has no rights of its own on tenant data.
    /// May point at a PgBouncer in transaction mode; with `statement-cache-capacity=0` if that one does not know
    /// prepared statements.
    pub app_url: String,
    /// URL of the owner, for migrations and new tenants; directly to PostgreSQL. Absent on nodes that only serve.
    pub admin_url: Option<String>,
}

/// How new tenants are spread over databases (`TENANTS_PER_CELL`).
#[derive(Clone, Copy, Debug)]
pub struct CellPlan {
    /// How many tenants share a database; 1 gives each its own.
    pub tenants_per_cell: u32,
}

fn options(url: &str, database: Option<&str>) -> Result<PgConnectOptions, DbError> {
    let options = PgConnectOptions::from_str(url).map_err(|_| {
        DbError::Setup(
            "a database URL cannot be read; it must look like postgres://user:password@host:5432/database".to_owned(),
        )
    })?;
    let options = options.application_name("horae");
    Ok(match database {
        Some(database) => options.database(database),
        None => options,
    })
}

pub(super) fn pool(url: &str, database: Option<&str>, db: &DbOptions) -> Result<CellPool, DbError> {
    let mut options = options(url, database)?;
    if !url.contains("statement-cache-capacity=") {
        options = options.statement_cache_capacity(STATEMENTS);
    }
    let pool = PgPoolOptions::new()
        .max_connections(db.max_connections)
        .acquire_timeout(db.acquire_timeout)
        .idle_timeout(Duration::from_secs(300))
        // A ping before every use would cost a busy node a round trip per transaction.
        .test_before_acquire(false)
        .before_acquire(|connection, about| {
            Box::pin(async move {
                if about.idle_for < RESTED {
                    return Ok(true);
                }
                Ok(matches!(timeout(SIGN_OF_LIFE, connection.ping()).await, Ok(Ok(()))))
            })
        })
        .connect_lazy_with(options);
    Ok(CellPool::new(pool, url, db))
}

/// A single connection as the owner, to one database of the server.
pub(super) async fn admin_connection(server: &Server, database: Option<&str>) -> Result<PgConnection, DbError> {
    let url = server.admin_url.as_deref().ok_or_else(|| {
        DbError::Setup("this needs the database owner's rights: set DATABASE_URL to the owner's URL (DATABASE_APP_URL alone can only serve)".to_owned())
    })?;
    Ok(PgConnection::connect_with(&options(url, database)?).await?)
}

/// Where a server is and as whom the application logs in: `(host, port, user, password)`.
pub(super) struct Address {
    pub host: String,
    pub port: u16,
    pub user: String,
    pub database: String,
}

pub(super) fn address(url: &str) -> Result<Address, DbError> {
    let options = options(url, None)?;
    Ok(Address {
        host: options.get_host().to_owned(),
        port: options.get_port(),
        user: options.get_username().to_owned(),
        database: options.get_database().unwrap_or("postgres").to_owned(),
    })
}

/// Server and database of a cell, as the catalogue says.
pub(super) type Placement = (String, String);

/// A cell that has been asked for.
pub(super) struct OpenCell {
    placement: Placement,
    pub pool: CellPool,
}

impl Db {
    /// The pool of the cell that the tenant lives in.
    pub(super) async fn cell_pool(&self, tenant: &Arc<Tenant>) -> Result<CellPool, DbError> {
        self.pool_of_cell(&tenant.cell).await
    }

    pub(super) async fn pool_of_cell(&self, cell: &str) -> Result<CellPool, DbError> {
        let placement = self.placement(cell).await?;
        if let Some(open) = self.inner.cells.read().await.get(cell).filter(|open| open.placement == placement) {
            return Ok(open.pool.clone());
        }
        let mut cells = self.inner.cells.write().await;
        // Once more: who held the lock before may know a newer one.
        let placement = self.placement(cell).await?;
        if let Some(open) = cells.get(cell).filter(|open| open.placement == placement) {
            return Ok(open.pool.clone());
        }
        let (server, database) = &placement;
        let server_options = self.inner.options.server(server)?;
        // The catalogue's own database needs no second pool.
        let same = server == MAIN && address(&server_options.app_url)?.database == *database;
        let pool = if same {
            self.inner.catalogue.share()
        } else {
            pool(&server_options.app_url, Some(database), &self.inner.options)?
        };
        let left = cells.insert(cell.to_owned(), OpenCell { placement, pool: pool.clone() });
        if let Some(left) = left.filter(|left| !left.pool.is_shared()) {
            tracing::info!(cell.name = cell, "The cell is elsewhere now");
            #[expect(clippy::disallowed_methods, reason = "ends with the transactions that run there")]
            tokio::spawn(async move { left.pool.close().await });
        }
        Ok(pool)
    }

    /// At most [`super::CATALOGUE_STALENESS`] old.
    async fn placement(&self, cell: &str) -> Result<Placement, DbError> {
        if let Some(known) = self.inner.placements.get(cell).await {
            return Ok(known);
        }
        let found: Option<Placement> = sqlx::query_as("SELECT server, database FROM catalogue.cells WHERE name = $1")
            .bind(cell)
            .fetch_optional(&self.inner.catalogue)
            .await?;
        let found = found.ok_or_else(|| DbError::Setup(format!("the catalogue has no cell `{cell}`")))?;
        self.inner.placements.insert(cell.to_owned(), found.clone()).await;
        Ok(found)
    }

    /// Names of all cells.
    ///
    /// # Errors
    /// When the catalogue cannot be read.
    pub async fn cells(&self) -> Result<Vec<String>, DbError> {
        Ok(sqlx::query_scalar("SELECT name FROM catalogue.cells ORDER BY name")
            .fetch_all(&self.inner.catalogue)
            .await?)
    }
}
