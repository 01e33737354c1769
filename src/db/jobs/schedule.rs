//! Recurring work, and which release of the zone rules future local times follow.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::Lane;
use crate::db::{Db, DbError, TenantId};

/// One tick of a recurring schedule.
#[derive(Clone, Debug)]
pub struct Tick {
    /// The schedule's name; forever.
    pub schedule: std::borrow::Cow<'static, str>,
    /// Which tick.
    pub at: DateTime<Utc>,
    /// What each tenant gets.
    pub kind: &'static str,
    /// Each tenant's job and when it may start: spread, so that not all start in one second.
    pub jobs: Vec<(TenantId, DateTime<Utc>)>,
}

impl Db {
    /// Enqueues one job per tenant for a tick, once: of all the workers that see the tick, one wins, and its jobs are
    /// there when and only when it has won. A tenant whose job of an earlier tick has not started yet gets no second
    /// one. Returns whether this call won.
    ///
    /// # Errors
    /// When the cell does not answer.
    pub async fn enqueue_tick(&self, cell: &str, tick: &Tick) -> Result<bool, DbError> {
        let pool = self.pool_of_cell(cell).await?;
        let (tenants, dues): (Vec<Uuid>, Vec<DateTime<Utc>>) =
            tick.jobs.iter().map(|(tenant, due)| (tenant.0, *due)).unzip();
        let won: i64 = sqlx::query_scalar(
            "WITH won AS (
                 INSERT INTO queue.ticks (schedule, tick) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING 1
             ), jobs AS (
                 INSERT INTO queue.jobs (tenant_id, kind, lane, dedup_key, due_at)
                 SELECT t.tenant_id, $3, $4, $1 || '@' || to_char($2 AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI'), t.due_at
                 FROM won, unnest($5::uuid[], $6::timestamptz[]) AS t (tenant_id, due_at)
                 WHERE NOT EXISTS (
                     SELECT 1 FROM queue.jobs j WHERE j.tenant_id = t.tenant_id AND j.lane = $4 AND j.kind = $3 AND j.state = 'READY')
                 ON CONFLICT (tenant_id, kind, dedup_key) DO NOTHING
             )
             SELECT count(*) FROM won",
        )
        .bind(tick.schedule.as_ref())
        .bind(tick.at)
        .bind(tick.kind)
        .bind(Lane::Bulk.number())
        .bind(tenants)
        .bind(dues)
        .fetch_one(&pool)
        .await?;
        Ok(won == 1)
    }

    /// Forgets ticks that nobody can see any more.
    ///
    /// # Errors
    /// When the cell does not answer.
    pub async fn prune_ticks(&self, cell: &str, before: DateTime<Utc>) -> Result<(), DbError> {
        let pool = self.pool_of_cell(cell).await?;
        sqlx::query("DELETE FROM queue.ticks WHERE tick < $1").bind(before).execute(&pool).await?;
        Ok(())
    }

    /// Removes jobs that failed for good and were due before this.
    ///
    /// # Errors
    /// When the cell does not answer.
    pub async fn prune_failed_jobs(&self, cell: &str, before: DateTime<Utc>) -> Result<(), DbError> {
        let pool = self.pool_of_cell(cell).await?;
        sqlx::query("DELETE FROM queue.jobs WHERE state = 'FAILED' AND due_at < $1")
            .bind(before)
            .execute(&pool)
            .await?;
        Ok(())
    }

    /// The release of the zone rules that every centre's future local times are to follow.
    ///
    /// # Errors
    /// When the catalogue does not answer.
    pub async fn time_rules(&self) -> Result<Option<String>, DbError> {
        let version = sqlx::query_scalar("SELECT version FROM catalogue.time_rules");
        Ok(version.fetch_optional(self.catalogue()).await?)
    }

    /// Makes this the release of the zone rules that every centre's future local times are to follow.
    ///
    /// # Errors
    /// When the catalogue does not answer.
    pub async fn set_time_rules(&self, version: &str, now: DateTime<Utc>) -> Result<(), DbError> {
        sqlx::query(
            "INSERT INTO catalogue.time_rules (version, applied_at) VALUES ($1, $2)
             ON CONFLICT (only_row) DO UPDATE SET version = EXCLUDED.version, applied_at = EXCLUDED.applied_at",
        )
        .bind(version)
        .bind(now)
        .execute(self.catalogue())
        .await?;
        Ok(())
    }

    /// The active tenants of a cell whose future local times do not follow this release of the zone rules.
    ///
    /// # Errors
    /// When the catalogue does not answer.
    pub async fn tenants_behind(&self, cell: &str, version: &str) -> Result<Vec<TenantId>, DbError> {
        let ids: Vec<Uuid> = sqlx::query_scalar(
            "SELECT id FROM catalogue.tenants
             WHERE cell = $1 AND status = 'ACTIVE' AND time_rules IS DISTINCT FROM $2 ORDER BY id",
        )
        .bind(cell)
        .bind(version)
        .fetch_all(self.catalogue())
        .await?;
        Ok(ids.into_iter().map(TenantId).collect())
    }

    /// Remembers that a tenant's future local times follow this release of the zone rules, if all nodes have gone by it since
    /// `settled`.
    ///
    /// # Errors
    /// When the catalogue does not answer.
    pub async fn set_tenant_time_rules(
        &self,
        tenant: TenantId,
        version: &str,
        settled: DateTime<Utc>,
    ) -> Result<(), DbError> {
        sqlx::query(
            "UPDATE catalogue.tenants SET time_rules = $2
             WHERE id = $1 AND EXISTS (SELECT 1 FROM catalogue.time_rules WHERE version = $2 AND applied_at <= $3)",
        )
        .bind(tenant.0)
        .bind(version)
        .bind(settled)
        .execute(self.catalogue())
        .await?;
        Ok(())
    }
}
