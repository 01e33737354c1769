//! Brings databases up to the schema this binary expects, and makes room for new tenants. Runs as the owner.

use std::sync::Arc;

use migration::{Catalogue, MigratorTrait, Tenant as TenantMigrator};
use percent_encoding::percent_decode_str;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, SqlxPostgresConnector, TransactionTrait};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool, postgres::PgPoolOptions};

use super::{
    CellPlan, Db, DbError, NewTenant, Tenant, TenantId,
    catalogue::{self},
    cell::{self, MAIN, Server, address},
    error::with_causes,
    lent::STATEMENT_LIMIT,
};

/// Any number: two programs that migrate the same database must use the same one.
const MIGRATION_LOCK: i64 = 0x484f_5241_4531;

/// How long a migration waits for a table that is in use. Whoever asks for the table meanwhile waits behind it.
const LOCK_LIMIT: &str = "5s";

/// How a migration of all tenants is going.
#[derive(Clone, Copy, Debug)]
pub struct MigrationProgress {
    /// Tenants dealt with.
    pub done: usize,
    /// Tenants in all.
    pub total: usize,
}

/// What became of one tenant's migration.
#[derive(Clone, Debug)]
pub struct TenantMigration {
    /// Which tenant.
    pub slug: String,
    /// What it failed with; none: it is up to date.
    pub error: Option<String>,
}

/// Held while a tenant is created, so that nobody else creates the same one.
#[derive(Debug)]
pub struct CreationLock {
    /// PostgreSQL lets go of the lock when the connection closes, however this process ends.
    _held: PgConnection,
}

impl Db {
    /// Creates or updates the application's role and the shared schemas of every cell.
    ///
    /// # Errors
    /// When the owner's URL is missing or PostgreSQL refuses.
    pub async fn migrate_catalogue(&self) -> Result<(), DbError> {
        let main = self.inner.options.server(MAIN)?;
        let home = address(main.admin_url.as_deref().unwrap_or(&main.app_url))?;
        migrate_shared(main, &home.database).await?;
        let mut admin = cell::admin_connection(main, None).await?;
        sqlx::query(
            "INSERT INTO catalogue.cells (name, server, host, port, database, created_at) VALUES ('main', 'main', $1, $2, $3, now())
             ON CONFLICT (name) DO UPDATE SET host = EXCLUDED.host, port = EXCLUDED.port, database = EXCLUDED.database",
        )
        .bind(&home.host)
        .bind(i32::from(home.port))
        .bind(&home.database)
        .execute(&mut admin)
        .await?;
        let others: Vec<(String, String)> =
            sqlx::query_as("SELECT server, database FROM catalogue.cells WHERE name <> 'main' ORDER BY name")
                .fetch_all(&mut admin)
                .await?;
        for (server, database) in others {
            migrate_shared(self.inner.options.server(&server)?, &database).await?;
        }
        Ok(())
    }

    /// Migrates every tenant, one after another. A failed tenant is recorded and does not stop the rest; run again to
    /// go on where it stopped.
    ///
    /// # Errors
    /// When the catalogue itself cannot be read.
    pub async fn migrate_tenants(
        &self,
        mut progress: impl FnMut(MigrationProgress),
    ) -> Result<Vec<TenantMigration>, DbError> {
        let main = self.inner.options.server(MAIN)?;
        let admin = admin_pool(main, None).await?;
        let tenants = catalogue::list(&admin).await?;
        let total = tenants.len();
        let mut outcomes = Vec::with_capacity(total);
        for (done, tenant) in tenants.iter().enumerate() {
            progress(MigrationProgress { done, total });
            let error = self.migrate_tenant(&admin, tenant).await.err().map(|error| with_causes(&error));
            if error.is_some() {
                sqlx::query("UPDATE catalogue.tenants SET migration_error = $2 WHERE id = $1")
                    .bind(tenant.id.0)
                    .bind(&error)
                    .execute(&admin)
                    .await?;
            }
            outcomes.push(TenantMigration { slug: tenant.slug.clone(), error });
        }
        progress(MigrationProgress { done: total, total });
        admin.close().await;
        self.forget_tenants();
        Ok(outcomes)
    }

    /// Has whoever else creates a tenant of this name wait until what this returns is dropped. What was known of tenants
    /// before is forgotten: the other may have created it.
    ///
    /// # Errors
    /// When the owner's URL is missing or PostgreSQL does not answer.
    pub async fn lock_creation(&self, slug: &str) -> Result<CreationLock, DbError> {
        let mut admin = cell::admin_connection(self.inner.options.server(MAIN)?, None).await?;
        sqlx::query("SELECT pg_advisory_lock(hashtextextended($1, $2))")
            .bind(slug)
            .bind(MIGRATION_LOCK)
            .execute(&mut admin)
            .await?;
        self.forget_tenants();
        Ok(CreationLock { _held: admin })
    }

    /// Gives a new tenant its catalogue row, role and schema, or goes on with one of this id that was interrupted. It
    /// stays PROVISIONING until [`Db::open_tenant`].
    ///
    /// # Errors
    /// When the slug is taken, or PostgreSQL refuses; nothing of the tenant is left then but its catalogue row.
    pub async fn create_tenant(
        &self,
        new: NewTenant,
        plan: CellPlan,
        _alone: &CreationLock,
    ) -> Result<Arc<Tenant>, DbError> {
        let main = self.inner.options.server(MAIN)?;
        let admin = admin_pool(main, None).await?;
        let begun = sqlx::query(
            "UPDATE catalogue.tenants SET legal_name = $2, country = $3, updated_at = $4 WHERE id = $1 AND status = 'PROVISIONING'",
        )
        .bind(new.id.0)
        .bind(&new.legal_name)
        .bind(&new.country)
        .bind(new.now)
        .execute(&admin)
        .await?
        .rows_affected();
        if begun == 0 {
            self.insert_tenant(&admin, &new, plan).await?;
        }
        self.forget_tenants();
        let tenant = self.find_created(&admin, new.id).await?;
        self.migrate_tenant(&admin, &tenant).await?;
        let tenant = self.find_created(&admin, new.id).await?;
        admin.close().await;
        self.forget_tenants();
        Ok(Arc::new(tenant))
    }

    async fn insert_tenant(&self, admin: &PgPool, new: &NewTenant, plan: CellPlan) -> Result<(), DbError> {
        let cell = self.place(admin, new, plan).await?;
        let schema_name = format!("t_{}", new.id.0.simple());
        sqlx::query(
            "INSERT INTO catalogue.tenants (id, slug, legal_name, country, status, tenancy, cell, schema_name, created_at, updated_at)
             VALUES ($1, $2, $3, $4, 'PROVISIONING', $5, $6, $7, $8, $8)",
        )
        .bind(new.id.0)
        .bind(&new.slug)
        .bind(&new.legal_name)
        .bind(&new.country)
        .bind(if new.dedicated { "DEDICATED" } else { "SHARED" })
        .bind(&cell)
        .bind(&schema_name)
        .bind(new.now)
        .execute(admin)
        .await?;
        Ok(())
    }

    /// Names of the tenants of a database that may not have been migrated yet, where nobody but its owner can look.
    ///
    /// # Errors
    /// When the owner's URL is missing or PostgreSQL does not answer.
    pub async fn slugs_before_migration(&self) -> Result<Vec<String>, DbError> {
        let mut admin = cell::admin_connection(self.inner.options.server(MAIN)?, None).await?;
        let migrated: bool =
            sqlx::query_scalar("SELECT to_regclass('catalogue.tenants') IS NOT NULL").fetch_one(&mut admin).await?;
        let slugs = if migrated {
            sqlx::query_scalar("SELECT slug FROM catalogue.tenants ORDER BY slug").fetch_all(&mut admin).await?
        } else {
            Vec::new()
        };
        admin.close().await?;
        Ok(slugs)
    }

    /// Gives the application's role, if it is there, the password that this process logs in with. For a server that
    /// serves this process alone: others would be locked out.
    ///
    /// # Errors
    /// When the owner's URL is missing or PostgreSQL refuses.
    pub async fn renew_app_password(&self) -> Result<(), DbError> {
        let main = self.inner.options.server(MAIN)?;
        let Some(password) = password_of(&main.app_url) else { return Ok(()) };
        let user = address(&main.app_url)?.user;
        let mut admin = cell::admin_connection(main, None).await?;
        let exists: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)")
            .bind(&user)
            .fetch_one(&mut admin)
            .await?;
        if exists {
            let sql = format!("ALTER ROLE {} PASSWORD {}", quoted(&user), literal(&password));
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut admin).await?;
        }
        admin.close().await?;
        Ok(())
    }

    async fn find_created(&self, admin: &PgPool, id: TenantId) -> Result<Tenant, DbError> {
        let tenants = catalogue::list(admin).await?;
        tenants
            .into_iter()
            .find(|tenant| tenant.id == id)
            .ok_or_else(|| DbError::Setup("the new tenant is gone from the catalogue".to_owned()))
    }

    /// The first cell with room, or a new database on the main server.
    async fn place(&self, admin: &PgPool, new: &NewTenant, plan: CellPlan) -> Result<String, DbError> {
        if !new.dedicated {
            let room: Option<String> = sqlx::query_scalar(
                "SELECT c.name FROM catalogue.cells c LEFT JOIN catalogue.tenants t ON t.cell = c.name AND t.status <> 'DELETED'
                 GROUP BY c.name, c.created_at
                 HAVING count(t.id) < $1 AND count(t.id) FILTER (WHERE t.tenancy = 'DEDICATED') = 0
                 ORDER BY c.created_at, c.name LIMIT 1",
            )
            .bind(i64::from(plan.tenants_per_cell))
            .fetch_optional(admin)
            .await?;
            if let Some(room) = room {
                return Ok(room);
            }
        }
        let main = self.inner.options.server(MAIN)?;
        let home = address(main.admin_url.as_deref().unwrap_or(&main.app_url))?;
        let name = format!("c_{}", &new.id.0.simple().to_string()[20..]);
        let database = format!("{}_{name}", home.database);
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {}", quoted(&database)))).execute(admin).await?;
        migrate_shared(main, &database).await?;
        sqlx::query("INSERT INTO catalogue.cells (name, server, host, port, database, created_at) VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(&name)
            .bind(MAIN)
            .bind(&home.host)
            .bind(i32::from(home.port))
            .bind(&database)
            .bind(new.now)
            .execute(admin)
            .await?;
        Ok(name)
    }

    /// Role, schema, migrations and grants of one tenant in one transaction: all of it or none.
    async fn migrate_tenant(&self, admin: &PgPool, tenant: &Tenant) -> Result<(), DbError> {
        let (server, database): (String, String) =
            sqlx::query_as("SELECT server, database FROM catalogue.cells WHERE name = $1")
                .bind(&tenant.cell)
                .fetch_one(admin)
                .await?;
        let server = self.inner.options.server(&server)?;
        let app_role = quoted(&address(&server.app_url)?.user);
        let pool = admin_pool(server, Some(&database)).await?;
        let connection: DatabaseConnection = SqlxPostgresConnector::from_sqlx_postgres_pool(pool.clone());
        let outcome = migrate_schema(&connection, &tenant.schema_name, &app_role).await;
        pool.close().await;
        let version = outcome?;
        sqlx::query("UPDATE catalogue.tenants SET schema_version = $2, migrated_at = now(), migration_error = NULL WHERE id = $1")
            .bind(tenant.id.0)
            .bind(version)
            .execute(admin)
            .await?;
        Ok(())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the owner's transaction that builds a tenant's schema; no tenant data is read"
)]
async fn migrate_schema(connection: &DatabaseConnection, name: &str, app_role: &str) -> Result<i32, DbError> {
    let tx = connection.begin().await?;
    tx.execute_unprepared(&format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")).await?;
    tx.execute_unprepared(&format!(
        "DO $do$ BEGIN
             IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = '{name}') THEN CREATE ROLE {name} NOLOGIN; END IF;
         END $do$;
         GRANT {name} TO {app_role};
         CREATE SCHEMA IF NOT EXISTS {name};
         SET LOCAL search_path TO {name};"
    ))
    .await?;
    // Only now: the other program that migrates is waited for.
    tx.execute_unprepared(&format!("SET LOCAL lock_timeout = '{LOCK_LIMIT}'")).await?;
    TenantMigrator::up(&tx, None).await.map_err(told)?;
    // The role owns nothing and may use this schema only. What was written to the trail and the log stays written.
    tx.execute_unprepared(&format!(
        "GRANT USAGE ON SCHEMA {name}, queue TO {name};
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {name} TO {name};
         GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {name} TO {name};
         GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA {name} TO {name};
         GRANT EXECUTE ON FUNCTION queue.enqueue, queue.cancel, queue.local_jobs_about, queue.move_local TO {name};
         REVOKE UPDATE, DELETE, TRUNCATE ON {name}.events, {name}.audit_entries FROM {name};
         REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON {name}.event_head FROM {name};
         GRANT UPDATE (position) ON {name}.event_head TO {name};
         REVOKE UPDATE, DELETE, TRUNCATE ON {name}.tenant_keys FROM {name};
         REVOKE DELETE, TRUNCATE ON {name}.record_entries, {name}.record_templates FROM {name};
         REVOKE INSERT, UPDATE, DELETE ON {name}.migrations FROM {name};"
    ))
    .await?;
    tx.commit().await?;
    Ok(i32::try_from(TenantMigrator::migrations().len()).unwrap_or(i32::MAX))
}

/// Says what to do when a table is in use.
fn told(error: DbErr) -> DbError {
    let error = DbError::from(error);
    if error.is_lock_timeout() {
        return DbError::Setup(format!(
            "a table that is to be changed was in use for longer than {LOCK_LIMIT}, by a backup perhaps; nothing was changed; \
             run `horae migrate` again when pg_stat_activity shows no long transaction"
        ));
    }
    error
}

/// The application's login role and the shared schemas of one database.
async fn migrate_shared(server: &Server, database: &str) -> Result<(), DbError> {
    let mut admin = cell::admin_connection(server, Some(database)).await?;
    // Held until the connection closes: two programs that start at once migrate one after the other.
    sqlx::query("SELECT pg_advisory_lock($1)").bind(MIGRATION_LOCK).execute(&mut admin).await?;
    let app_role = ensure_app_role(&mut admin, server).await?;
    let pool = admin_pool(server, Some(database)).await?;
    let connection = SqlxPostgresConnector::from_sqlx_postgres_pool(pool.clone());
    // Its only connection is a private one, so nobody inherits this.
    connection.execute_unprepared(&format!("SET lock_timeout = '{LOCK_LIMIT}'")).await?;
    Catalogue::up(&connection, None).await.map_err(told)?;
    pool.close().await;
    sqlx::raw_sql(AssertSqlSafe(format!(
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC;
         GRANT USAGE ON SCHEMA catalogue, queue TO {app_role};
         GRANT SELECT ON catalogue.tenants, catalogue.cells TO {app_role};
         GRANT UPDATE (time_rules) ON catalogue.tenants TO {app_role};
         GRANT SELECT, INSERT, UPDATE ON catalogue.time_rules TO {app_role};
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA queue TO {app_role};
         GRANT USAGE ON SCHEMA sealing TO {app_role};
         GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA sealing TO {app_role};"
    )))
    .execute(&mut admin)
    .await?;
    admin.close().await?;
    Ok(())
}

/// The login role of `app_url`: it inherits nothing, so without a tenant it may read nothing of one.
async fn ensure_app_role(admin: &mut PgConnection, server: &Server) -> Result<String, DbError> {
    let app = address(&server.app_url)?;
    let role = quoted(&app.user);
    let privileged: Option<bool> =
        sqlx::query_scalar("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = $1")
            .bind(&app.user)
            .fetch_optional(&mut *admin)
            .await?;
    if privileged == Some(true) {
        return Err(DbError::Setup(format!(
            "the application must not log in as `{}`, which may read everything; give DATABASE_APP_URL a role of its own",
            app.user
        )));
    }
    let password = password_of(&server.app_url);
    // Another database of the same server may be doing this at the same moment; roles are shared between databases.
    for _ in 0..5 {
        let sql = match (&privileged, &password) {
            (None, Some(password)) => format!("CREATE ROLE {role} LOGIN NOINHERIT PASSWORD {}", literal(password)),
            (None, None) => format!("CREATE ROLE {role} LOGIN NOINHERIT"),
            (Some(_), _) => format!("ALTER ROLE {role} LOGIN NOINHERIT"),
        };
        match sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *admin).await.map_err(DbError::from) {
            Err(error) if matches!(error.sqlstate().as_deref(), Some("42710" | "23505")) => break,
            // "tuple concurrently updated"
            Err(error) if error.sqlstate().as_deref() == Some("XX000") => continue,
            other => {
                other?;
                break;
            }
        }
    }
    let statement_timeout = format!("statement_timeout = '{}s'", STATEMENT_LIMIT.as_secs());
    for setting in [
        &statement_timeout,
        "idle_in_transaction_session_timeout = '60s'",
        "lock_timeout = '10s'",
        // Compiling a plan takes half a second, and the statements here take milliseconds: what the planner fears are
        // branches that are hardly ever run.
        "jit = off",
    ] {
        let sql = format!("ALTER ROLE {role} IN DATABASE {} SET {setting}", quoted(&current_database(admin).await?));
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *admin).await?;
    }
    Ok(role)
}

async fn current_database(admin: &mut PgConnection) -> Result<String, DbError> {
    Ok(sqlx::query_scalar("SELECT current_database()::text").fetch_one(admin).await?)
}

async fn admin_pool(server: &Server, database: Option<&str>) -> Result<PgPool, DbError> {
    // A connection first, for its clear error when the owner's URL is missing.
    cell::admin_connection(server, database).await?.close().await?;
    let url = server.admin_url.as_deref().unwrap_or_default();
    let options: sqlx::postgres::PgConnectOptions = url.parse()?;
    let options = match database {
        Some(database) => options.database(database),
        None => options,
    };
    Ok(PgPoolOptions::new().max_connections(1).connect_lazy_with(options))
}

/// As it is meant, not as a URL writes it.
fn password_of(url: &str) -> Option<String> {
    let url = url::Url::parse(url).ok()?;
    Some(percent_decode_str(url.password()?).decode_utf8_lossy().into_owned())
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
