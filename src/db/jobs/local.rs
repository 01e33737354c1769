//! Waiting jobs that follow a wall clock, seen by the tenant they belong to.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use crate::db::{DbError, TenantTx};

/// A waiting job that follows a wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromQueryResult)]
pub struct LocalJob {
    /// Row.
    pub id: i64,
    /// Local date.
    pub local_date: NaiveDate,
    /// Local time.
    pub local_time: NaiveTime,
    /// What they mean by the rules that it was put in under.
    pub due_at: DateTime<Utc>,
}

impl TenantTx {
    /// The tenant's waiting jobs that follow a wall clock and whose payload holds one of these ids as a value.
    ///
    /// # Errors
    /// What PostgreSQL refuses.
    pub async fn local_jobs_about(&self, ids: Vec<Uuid>) -> Result<Vec<LocalJob>, DbError> {
        let ids: Vec<String> = ids.into_iter().map(|id| id.to_string()).collect();
        self.all("SELECT id, local_date, local_time, due_at FROM queue.local_jobs_about($1)", [ids.into()]).await
    }

    /// Gives waiting jobs the instants that their wall times have in `zone`. Returns how many still waited.
    ///
    /// # Errors
    /// What PostgreSQL refuses.
    pub async fn move_local_jobs(&self, due: &[(i64, DateTime<Utc>)], zone: &str) -> Result<i32, DbError> {
        let (ids, instants): (Vec<i64>, Vec<DateTime<Utc>>) = due.iter().copied().unzip();
        let moved =
            self.scalar("SELECT queue.move_local($1, $2, $3)", [ids.into(), instants.into(), zone.into()]).await?;
        Ok(moved.unwrap_or_default())
    }
}
