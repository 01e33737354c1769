//! The catalogue: which tenant lives in which cell and in which state, known on every node with bounded staleness.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use sqlx::{Executor, FromRow, Postgres};
use uuid::Uuid;

use super::{CreationLock, Db, DbError, cell};

/// Names a tenant everywhere: in tokens, channel names, job rows, log spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TenantId(pub Uuid);

impl TenantId {
    /// How a tenant is called where others may read it, in traces: a digest that tells tenants apart and none of them
    /// by name. PostgreSQL computes it too: `left(encode(sha256(uuid_send(id)), 'hex'), 16)`.
    #[must_use]
    pub fn label(self) -> String {
        format!("{:.16}", hex::encode(Sha256::digest(self.0)))
    }
}

/// Whether a tenant may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TenantStatus {
    /// Being created.
    Provisioning,
    /// In use.
    Active,
    /// Reads only.
    Maintenance,
    /// Nothing but its status.
    Disabled,
    /// Gone.
    Deleted,
}

impl TenantStatus {
    /// The word in the catalogue and in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Provisioning => "PROVISIONING",
            Self::Active => "ACTIVE",
            Self::Maintenance => "MAINTENANCE",
            Self::Disabled => "DISABLED",
            Self::Deleted => "DELETED",
        }
    }

    fn parse(word: &str) -> Result<Self, DbError> {
        Ok(match word {
            "PROVISIONING" => Self::Provisioning,
            "ACTIVE" => Self::Active,
            "MAINTENANCE" => Self::Maintenance,
            "DISABLED" => Self::Disabled,
            "DELETED" => Self::Deleted,
            other => return Err(DbError::Setup(format!("the catalogue holds an unknown tenant status `{other}`"))),
        })
    }
}

/// One row of the catalogue.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// Who.
    pub id: TenantId,
    /// Short number that global ids carry.
    pub key: i32,
    /// The name in addresses and at login.
    pub slug: String,
    /// The name on invoices.
    pub legal_name: String,
    /// Whether it may be used.
    pub status: TenantStatus,
    /// Why it is in maintenance.
    pub maintenance_reason: Option<String>,
    /// Where it lives.
    pub cell: String,
    /// Name of its schema and of its role.
    pub schema_name: String,
    /// How many tenant migrations have run.
    pub schema_version: i32,
    /// Goes up when the tenant is moved or restored, by whoever does it (docs/operations.md).
    pub epoch: i32,
    /// What its last migration failed with.
    pub migration_error: Option<String>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
}

/// What a new tenant needs in the catalogue.
#[derive(Clone, Debug)]
pub struct NewTenant {
    /// Who it will be.
    pub id: TenantId,
    /// The name in addresses: lower-case letters, digits and hyphens.
    pub slug: String,
    /// The name on invoices.
    pub legal_name: String,
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// A cell of its own, whatever the policy says.
    pub dedicated: bool,
    /// When.
    pub now: DateTime<Utc>,
}

#[derive(FromRow)]
pub(super) struct TenantRow {
    id: Uuid,
    key: i32,
    slug: String,
    legal_name: String,
    status: String,
    maintenance_reason: Option<String>,
    cell: String,
    schema_name: String,
    schema_version: i32,
    epoch: i32,
    migration_error: Option<String>,
    created_at: DateTime<Utc>,
}

macro_rules! tenant_columns {
    ($rest:literal) => {
        concat!(
            "SELECT id, key, slug, legal_name, status, maintenance_reason, cell, schema_name, schema_version, epoch, \
             migration_error, created_at FROM catalogue.tenants ",
            $rest
        )
    };
}

impl TryFrom<TenantRow> for Tenant {
    type Error = DbError;

    fn try_from(row: TenantRow) -> Result<Self, DbError> {
        // The name becomes part of a statement, so it is checked where it enters, not only by the table's CHECK.
        let hex = row.schema_name.strip_prefix("t_").unwrap_or_default();
        if hex.len() != 32 || !hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            return Err(DbError::Setup("the catalogue holds a schema name of the wrong form".to_owned()));
        }
        Ok(Self {
            id: TenantId(row.id),
            key: row.key,
            slug: row.slug,
            legal_name: row.legal_name,
            status: TenantStatus::parse(&row.status)?,
            maintenance_reason: row.maintenance_reason,
            cell: row.cell,
            schema_name: row.schema_name,
            schema_version: row.schema_version,
            epoch: row.epoch,
            migration_error: row.migration_error,
            created_at: row.created_at,
        })
    }
}

impl Db {
    /// The tenant with this id, at most [`super::CATALOGUE_STALENESS`] old.
    ///
    /// # Errors
    /// When the catalogue cannot be read.
    pub async fn find_tenant(&self, id: TenantId) -> Result<Option<Arc<Tenant>>, DbError> {
        if let Some(known) = self.inner.by_id.get(&id).await {
            return Ok(known);
        }
        let found = one(sqlx::query_as(tenant_columns!("WHERE id = $1"))
            .bind(id.0)
            .fetch_optional(&self.inner.catalogue)
            .await?)?;
        self.inner.by_id.insert(id, found.clone()).await;
        Ok(found)
    }

    /// The tenant with this slug, at most [`super::CATALOGUE_STALENESS`] old.
    ///
    /// # Errors
    /// When the catalogue cannot be read.
    pub async fn find_tenant_by_slug(&self, slug: &str) -> Result<Option<Arc<Tenant>>, DbError> {
        if slug.len() > 40 {
            return Ok(None);
        }
        if let Some(known) = self.inner.by_slug.get(slug).await {
            return Ok(known);
        }
        let found = one(sqlx::query_as(tenant_columns!("WHERE slug = $1"))
            .bind(slug)
            .fetch_optional(&self.inner.catalogue)
            .await?)?;
        self.inner.by_slug.insert(slug.to_owned(), found.clone()).await;
        Ok(found)
    }

    /// The tenant with this short number, past every cache. For keys that carry it.
    ///
    /// # Errors
    /// When the catalogue cannot be read.
    pub async fn find_tenant_by_key(&self, key: i32) -> Result<Option<Arc<Tenant>>, DbError> {
        let id: Option<Uuid> = sqlx::query_scalar("SELECT id FROM catalogue.tenants WHERE key = $1")
            .bind(key)
            .fetch_optional(&self.inner.catalogue)
            .await?;
        match id {
            Some(id) => self.find_tenant(TenantId(id)).await,
            None => Ok(None),
        }
    }

    /// All tenants by slug, past the cache.
    ///
    /// # Errors
    /// When the catalogue cannot be read.
    pub async fn list_tenants(&self) -> Result<Vec<Tenant>, DbError> {
        list(&self.inner.catalogue).await
    }

    /// Changes whether a tenant may be used. Every node knows within [`super::CATALOGUE_STALENESS`]; this one at once.
    ///
    /// # Errors
    /// When there is no such tenant, its creation was interrupted, or the catalogue cannot be written: the URL must be the
    /// owner's.
    pub async fn set_tenant_status(
        &self,
        slug: &str,
        status: TenantStatus,
        reason: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<(), DbError> {
        let mut admin = cell::admin_connection(self.inner.options.server(cell::MAIN)?, None).await?;
        let changed = sqlx::query(
            "UPDATE catalogue.tenants SET status = $2, maintenance_reason = $3, updated_at = $4
             WHERE slug = $1 AND status <> 'PROVISIONING'",
        )
        .bind(slug)
        .bind(status.as_str())
        .bind(reason)
        .bind(now)
        .execute(&mut admin)
        .await?
        .rows_affected();
        if changed == 0 {
            let unfinished: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM catalogue.tenants WHERE slug = $1)")
                .bind(slug)
                .fetch_one(&mut admin)
                .await?;
            return Err(DbError::Setup(if unfinished {
                format!(
                    "the creation of `{slug}` has not come to its end; if it was interrupted, repeat the `horae tenant \
                     create {slug} …` that began it, which goes on where it stopped"
                )
            } else {
                format!("no tenant is called `{slug}`; `horae tenant list` shows them")
            }));
        }
        self.forget_tenants();
        Ok(())
    }

    /// Opens a tenant that has been created.
    ///
    /// # Errors
    /// When it is not being created, or the catalogue cannot be written: the URL must be the owner's.
    pub async fn open_tenant(&self, id: TenantId, now: DateTime<Utc>, _alone: &CreationLock) -> Result<(), DbError> {
        let mut admin = cell::admin_connection(self.inner.options.server(cell::MAIN)?, None).await?;
        let changed = sqlx::query(
            "UPDATE catalogue.tenants SET status = 'ACTIVE', updated_at = $2 WHERE id = $1 AND status = 'PROVISIONING'",
        )
        .bind(id.0)
        .bind(now)
        .execute(&mut admin)
        .await?
        .rows_affected();
        if changed == 0 {
            return Err(DbError::Setup("the new tenant is gone from the catalogue".to_owned()));
        }
        self.forget_tenants();
        Ok(())
    }

    /// Closes a tenant and gives it another name, so that the one it had is free.
    ///
    /// # Errors
    /// When there is no such tenant, the other name is taken, or the catalogue cannot be written: the URL must be the
    /// owner's.
    pub async fn set_tenant_aside(&self, id: TenantId, name: &str, now: DateTime<Utc>) -> Result<(), DbError> {
        let mut admin = cell::admin_connection(self.inner.options.server(cell::MAIN)?, None).await?;
        let changed =
            sqlx::query("UPDATE catalogue.tenants SET slug = $2, status = 'DISABLED', updated_at = $3 WHERE id = $1")
                .bind(id.0)
                .bind(name)
                .bind(now)
                .execute(&mut admin)
                .await?
                .rows_affected();
        if changed == 0 {
            return Err(DbError::Setup("the tenant to set aside is gone from the catalogue".to_owned()));
        }
        self.forget_tenants();
        Ok(())
    }

    pub(super) fn forget_tenants(&self) {
        self.inner.by_id.invalidate_all();
        self.inner.by_slug.invalidate_all();
    }
}

fn one(row: Option<TenantRow>) -> Result<Option<Arc<Tenant>>, DbError> {
    row.map(Tenant::try_from).transpose().map(|tenant| tenant.map(Arc::new))
}

pub(super) async fn list(pool: impl Executor<'_, Database = Postgres>) -> Result<Vec<Tenant>, DbError> {
    let rows: Vec<TenantRow> = sqlx::query_as(tenant_columns!("ORDER BY slug")).fetch_all(pool).await?;
    rows.into_iter().map(Tenant::try_from).collect()
}
