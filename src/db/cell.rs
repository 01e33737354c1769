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

impl Db {
    /// The pool of the cell that the tenant lives in.
    pub(super) async fn cell_pool(&self, tenant: &Arc<Tenant>) -> Result<CellPool, DbError> {
        self.pool_of_cell(&tenant.cell).await
    }

    pub(super) async fn pool_of_cell(&self, cell: &str) -> Result<CellPool, DbError> {
        if let Some(pool) = self.inner.cells.read().await.get(cell) {
            return Ok(pool.clone());
        }
        let mut cells = self.inner.cells.write().await;
        if let Some(pool) = cells.get(cell) {
            return Ok(pool.clone());
        }
        let row: Option<(String, String)> =
            sqlx::query_as("SELECT server, database FROM catalogue.cells WHERE name = $1")
                .bind(cell)
                .fetch_optional(&self.inner.catalogue)
                .await?;
        let (server, database) = row.ok_or_else(|| DbError::Setup(format!("the catalogue has no cell `{cell}`")))?;
        let server_options = self.inner.options.server(&server)?;
        // The catalogue's own database needs no second pool.
        let same = server == MAIN && address(&server_options.app_url)?.database == database;
        let opened = if same {
            self.inner.catalogue.share()
        } else {
            pool(&server_options.app_url, Some(&database), &self.inner.options)?
        };
        cells.insert(cell.to_owned(), opened.clone());
        Ok(opened)
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
