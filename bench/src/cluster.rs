//! The PostgreSQL that is measured: a private one with stated settings, so that a run changes nobody's data and two
//! runs are comparable. Horae and the floor use the same one.

use std::path::{Path, PathBuf};

use horae::embedded::{EmbeddedPostgres, Options};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, postgres::PgConnectOptions};

use crate::fail::{Fail, Result};

/// Settings that differ from PostgreSQL's own. Commits are durable, as they are in production.
pub const SETTINGS: &[(&str, &str)] = &[
    ("shared_buffers", "'2GB'"),
    ("effective_cache_size", "'8GB'"),
    ("work_mem", "'16MB'"),
    ("maintenance_work_mem", "'1GB'"),
    ("max_wal_size", "'8GB'"),
    ("checkpoint_timeout", "'30min'"),
    ("random_page_cost", "1.1"),
    ("log_line_prefix", "'@@ '"),
    ("log_checkpoints", "off"),
];

/// While it is filled nothing needs to survive a crash.
const FILLING: &[(&str, &str)] = &[("fsync", "off"), ("full_page_writes", "off"), ("autovacuum", "off")];

/// A running one.
pub struct Cluster {
    postgres: EmbeddedPostgres,
}

impl Cluster {
    /// Starts it, with its data under `folder`.
    pub async fn start(folder: &Path) -> Result<Self> {
        let options = || {
            let mut options = Options::new(folder.join("postgres"));
            options.max_connections = 200;
            options
        };
        let cluster = Self { postgres: EmbeddedPostgres::start(options()).await? };
        // Some of the settings are taken up at a start alone.
        cluster.alter_system(SETTINGS).await?;
        cluster.postgres.stop().await?;
        let cluster = Self { postgres: EmbeddedPostgres::start(options()).await? };
        cluster.reset_system(FILLING).await?;
        Ok(cluster)
    }

    /// Ends it.
    pub async fn stop(self) -> Result<()> {
        Ok(self.postgres.stop().await?)
    }

    /// Where its files are.
    pub fn home(&self) -> &Path {
        self.postgres.home()
    }

    /// What the server says.
    pub fn log(&self) -> PathBuf {
        self.home().join("postgres.log")
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.postgres.port()
    }

    /// The superuser's address.
    pub fn admin_url(&self) -> String {
        self.postgres.admin_url()
    }

    /// A connection of the superuser.
    pub async fn connect(&self) -> Result<PgConnection> {
        let options: PgConnectOptions = self.admin_url().parse()?;
        Ok(options.connect().await?)
    }

    /// Durability off, for filling.
    pub async fn fast(&self) -> Result<()> {
        self.alter_system(FILLING).await
    }

    /// Durability on, and everything on disk.
    pub async fn durable(&self) -> Result<()> {
        self.reset_system(FILLING).await?;
        let mut admin = self.connect().await?;
        sqlx::raw_sql("CHECKPOINT").execute(&mut admin).await?;
        Ok(admin.close().await?)
    }

    async fn alter_system(&self, settings: &[(&str, &str)]) -> Result<()> {
        let change = |(name, value): &(&str, &str)| format!("ALTER SYSTEM SET {name} = {value}");
        self.change(settings.iter().map(change).collect()).await
    }

    async fn reset_system(&self, settings: &[(&str, &str)]) -> Result<()> {
        let change = |(name, _): &(&str, &str)| format!("ALTER SYSTEM RESET {name}");
        self.change(settings.iter().map(change).collect()).await
    }

    async fn change(&self, statements: Vec<String>) -> Result<()> {
        let mut admin = self.connect().await?;
        for statement in statements {
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut admin).await?;
        }
        sqlx::raw_sql("SELECT pg_reload_conf()").execute(&mut admin).await?;
        Ok(admin.close().await?)
    }

    /// `PostgreSQL 15.4 …`, the first words of it.
    pub async fn version(&self) -> Result<String> {
        let mut admin = self.connect().await?;
        let version: String = sqlx::query_scalar("SHOW server_version").fetch_one(&mut admin).await?;
        admin.close().await?;
        Ok(version)
    }

    /// Bytes of the database.
    pub async fn size(&self) -> Result<i64> {
        let mut admin = self.connect().await?;
        let size = sqlx::query_scalar("SELECT pg_database_size(current_database())").fetch_one(&mut admin).await?;
        admin.close().await?;
        Ok(size)
    }
}

/// Removes what a run has left.
pub async fn remove(folder: &Path) -> Result<()> {
    // Where the data really is: the account of the server may not reach `folder`.
    let cluster = EmbeddedPostgres::start(Options::new(folder.join("postgres"))).await?;
    let home = cluster.home().to_owned();
    cluster.stop().await?;
    std::fs::remove_dir_all(&home).map_err(|error| Fail::new(format!("{}: {error}", home.display())))?;
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}
