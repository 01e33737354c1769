//! Changes of encrypted values that change no meaning, by functions that the application's login role alone may call:
//! they run with the owner's rights, because what is final for a centre's role must still get another key.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Db, DbError, Tenant};

/// Values of one column that were sealed anew.
#[derive(Debug)]
pub struct Reseal {
    table: &'static str,
    column: &'static str,
    row: &'static str,
    field: &'static str,
    rows: Vec<Uuid>,
    fields: Vec<String>,
    old: Vec<Vec<u8>>,
    new: Vec<Vec<u8>>,
}

impl Reseal {
    /// Of a column whose rows are told apart by these columns; the second may be empty.
    #[must_use]
    pub fn new(table: &'static str, column: &'static str, row: &'static str, field: &'static str) -> Self {
        Self { table, column, row, field, rows: Vec::new(), fields: Vec::new(), old: Vec::new(), new: Vec::new() }
    }

    /// One more value: what it was sealed from, and what it is sealed to.
    pub fn push(&mut self, row: Uuid, field: String, old: Vec<u8>, new: Vec<u8>) {
        self.rows.push(row);
        self.fields.push(field);
        self.old.push(old);
        self.new.push(new);
    }
}

impl Db {
    /// Puts the new forms in the place of the old ones, where these are still there. Returns how many.
    ///
    /// # Errors
    /// When the cell does not answer or PostgreSQL refuses.
    pub async fn reseal(&self, tenant: &Arc<Tenant>, values: Reseal) -> Result<u64, DbError> {
        let pool = self.cell_pool(tenant).await?;
        let done: i64 = sqlx::query_scalar("SELECT sealing.reseal($1, $2, $3, $4, $5, $6, $7, $8, $9)")
            .bind(&tenant.schema_name)
            .bind(values.table)
            .bind(values.column)
            .bind(values.row)
            .bind(values.field)
            .bind(values.rows)
            .bind(values.fields)
            .bind(values.old)
            .bind(values.new)
            .fetch_one(&pool)
            .await?;
        Ok(done.unsigned_abs())
    }

    /// Puts a centre's key, wrapped anew, in the place of its old form. False: that is not there any more.
    ///
    /// # Errors
    /// When the cell does not answer or PostgreSQL refuses.
    pub async fn rewrap_key(
        &self,
        tenant: &Arc<Tenant>,
        (purpose, version): (&str, i32),
        old: &[u8],
        master: &str,
        new: &[u8],
    ) -> Result<bool, DbError> {
        let pool = self.cell_pool(tenant).await?;
        Ok(sqlx::query_scalar("SELECT sealing.rewrap($1, $2, $3, $4, $5, $6)")
            .bind(&tenant.schema_name)
            .bind(purpose)
            .bind(version)
            .bind(old)
            .bind(master)
            .bind(new)
            .fetch_one(&pool)
            .await?)
    }

    /// Notes that no value needs this version of a centre's key and those before it. Returns how many that is news of.
    ///
    /// # Errors
    /// When the cell does not answer or PostgreSQL refuses.
    pub async fn retire_keys(&self, tenant: &Arc<Tenant>, version: i32, at: DateTime<Utc>) -> Result<i64, DbError> {
        let pool = self.cell_pool(tenant).await?;
        Ok(sqlx::query_scalar("SELECT sealing.retire($1, $2, $3)")
            .bind(&tenant.schema_name)
            .bind(version)
            .bind(at)
            .fetch_one(&pool)
            .await?)
    }
}
