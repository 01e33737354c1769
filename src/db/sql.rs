//! Hand-written SQL on a [`TenantTx`]: for reads that one joined statement answers best, and for writes whose race is
//! decided inside the statement. The text is `&'static str`, so nothing a client sent can become part of it.

use sea_orm::{FromQueryResult, QueryResult, Value, Values};
use sea_query_sqlx::SqlxValues;
use sqlx::postgres::PgRow;

use super::{DbError, TenantTx};

/// The text of a statement.
pub type Sql = &'static str;

impl TenantTx {
    /// All rows.
    ///
    /// # Errors
    /// What PostgreSQL refuses, and rows that do not fit `T`.
    pub async fn all<T: FromQueryResult>(
        &self,
        sql: Sql,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Vec<T>, DbError> {
        let rows = self.rows(sql, values).await?;
        rows.into_iter().map(|row| T::from_query_result(&QueryResult::from(row), "").map_err(DbError::from)).collect()
    }

    /// The only row, or none.
    ///
    /// # Errors
    /// What PostgreSQL refuses, and a row that does not fit `T`.
    pub async fn find<T: FromQueryResult>(
        &self,
        sql: Sql,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Option<T>, DbError> {
        let row = self.row(sql, values).await?;
        row.map(|row| T::from_query_result(&QueryResult::from(row), "").map_err(DbError::from)).transpose()
    }

    /// The first column of the only row, or none.
    ///
    /// # Errors
    /// What PostgreSQL refuses, and a value that does not fit `T`.
    pub async fn scalar<T: sea_orm::TryGetable>(
        &self,
        sql: Sql,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Option<T>, DbError> {
        let row = self.row(sql, values).await?;
        row.map(|row| QueryResult::from(row).try_get_by_index(0).map_err(DbError::from)).transpose()
    }

    /// The first column of every row.
    ///
    /// # Errors
    /// What PostgreSQL refuses, and a value that does not fit `T`.
    pub async fn scalars<T: sea_orm::TryGetable>(
        &self,
        sql: Sql,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Vec<T>, DbError> {
        let rows = self.rows(sql, values).await?;
        rows.into_iter().map(|row| QueryResult::from(row).try_get_by_index(0).map_err(DbError::from)).collect()
    }

    /// Runs a statement and tells how many rows it touched.
    ///
    /// # Errors
    /// What PostgreSQL refuses.
    pub async fn run(&self, sql: Sql, values: impl IntoIterator<Item = Value>) -> Result<u64, DbError> {
        self.count();
        let mut connection = self.inner.lock().await;
        Ok(sqlx::query_with(self.own(sql), bind(values))
            .persistent(self.named)
            .execute(&mut *connection)
            .await?
            .rows_affected())
    }

    async fn rows(&self, sql: Sql, values: impl IntoIterator<Item = Value>) -> Result<Vec<PgRow>, DbError> {
        self.count();
        let mut connection = self.inner.lock().await;
        let query = sqlx::query_with(self.own(sql), bind(values)).persistent(self.named);
        Ok(query.fetch_all(&mut *connection).await?)
    }

    async fn row(&self, sql: Sql, values: impl IntoIterator<Item = Value>) -> Result<Option<PgRow>, DbError> {
        self.count();
        let mut connection = self.inner.lock().await;
        let query = sqlx::query_with(self.own(sql), bind(values)).persistent(self.named);
        Ok(query.fetch_optional(&mut *connection).await?)
    }
}

fn bind(values: impl IntoIterator<Item = Value>) -> SqlxValues {
    SqlxValues(Values(values.into_iter().collect()))
}
