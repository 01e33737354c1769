//! How a worker gets work, and how jobs of workers that fell silent come back.

use chrono::{DateTime, Utc};
use sqlx::FromRow;
use uuid::Uuid;

use super::{ClaimedJob, Lane};
use crate::db::{Db, DbError, TenantId};

/// What a worker can take at the moment.
#[derive(Clone, Debug)]
pub struct ClaimRequest {
    /// Who claims.
    pub worker: Uuid,
    /// The application's present: jobs due later stay.
    pub now: DateTime<Utc>,
    /// Free slots.
    pub limit: i64,
    /// Most running jobs of one tenant on this worker.
    pub per_tenant: i64,
    /// Free slots for the bulk lane, at most `limit`.
    pub bulk_limit: i64,
    /// The kinds this worker knows.
    pub kinds: Vec<ClaimKind>,
    /// Tenants that already have jobs running here, and how many.
    pub running: Vec<(TenantId, i64)>,
    /// Seconds after which a silent worker has lost the job.
    pub lease_seconds: f64,
}

/// What a worker can take of one kind.
#[derive(Clone, Debug)]
pub struct ClaimKind {
    /// The task's name.
    pub kind: String,
    /// How many more of it may run.
    pub free: i64,
    /// How many of it are one turn of a tenant.
    pub together: i64,
}

#[derive(FromRow)]
struct ClaimedRow {
    id: i64,
    tenant_id: Uuid,
    kind: String,
    lane: i16,
    dedup_key: String,
    payload: serde_json::Value,
    due_at: DateTime<Utc>,
    attempt: i32,
    claim: i64,
}

impl From<ClaimedRow> for ClaimedJob {
    fn from(row: ClaimedRow) -> Self {
        Self {
            id: row.id,
            tenant: TenantId(row.tenant_id),
            kind: row.kind,
            lane: if row.lane == 0 { Lane::Transactional } else { Lane::Bulk },
            dedup_key: row.dedup_key,
            payload: row.payload,
            due_at: row.due_at,
            attempt: row.attempt,
            claim: row.claim,
        }
    }
}

impl Db {
    /// Claims due jobs of a cell, transactional before bulk. Within a lane tenants take turns, and a tenant's running
    /// jobs count as turns it has had, so one centre's thousand mails do not delay another's one. Who of those with as
    /// many turns comes first is drawn anew each time: a fixed order would let the first ones go on for ever where
    /// tenants are more than slots. A tenant's own jobs come in order of their due time.
    ///
    /// # Errors
    /// When the cell does not answer.
    pub async fn claim_jobs(&self, cell: &str, request: &ClaimRequest) -> Result<Vec<ClaimedJob>, DbError> {
        let pool = self.pool_of_cell(cell).await?;
        let wanted: Vec<&ClaimKind> = request.kinds.iter().filter(|one| one.free > 0).collect();
        let (tenants, running): (Vec<Uuid>, Vec<i64>) =
            request.running.iter().map(|(tenant, count)| (tenant.0, *count)).unzip();
        let mut rows: Vec<ClaimedRow> = sqlx::query_as(
            "WITH RECURSIVE waiting AS (
                 -- One index probe per (lane, tenant) that has a waiting job, however many jobs wait.
                 (SELECT lane, tenant_id, random() AS luck FROM queue.jobs WHERE state = 'READY'
                  ORDER BY lane, tenant_id LIMIT 1)
                 UNION ALL
                 SELECT next.lane, next.tenant_id, random() FROM waiting w, LATERAL (
                     SELECT lane, tenant_id FROM queue.jobs
                     WHERE state = 'READY' AND (lane, tenant_id) > (w.lane, w.tenant_id)
                     ORDER BY lane, tenant_id LIMIT 1
                 ) next
             ), kinds AS (
                 SELECT * FROM unnest($5::text[], $6::bigint[], $11::bigint[]) AS k (kind, free, together)
             ), busy AS (
                 SELECT * FROM unnest($7::uuid[], $8::bigint[]) AS b (tenant_id, running)
             ), turns AS (
                 SELECT due.id, due.kind, w.lane, w.luck, due.nth, due.nth - 1 + coalesce(busy.running, 0) AS before
                 FROM waiting w LEFT JOIN busy USING (tenant_id), LATERAL (
                     SELECT id, kind, row_number() OVER (ORDER BY due_at, id) AS nth FROM (
                         SELECT id, kind, due_at FROM queue.jobs
                         WHERE state = 'READY' AND lane = w.lane AND tenant_id = w.tenant_id AND due_at <= $2 AND kind = ANY ($5)
                         ORDER BY due_at, id LIMIT greatest(least($3, $4 - coalesce(busy.running, 0)), 0)
                     ) first_due
                 ) due
             ), chosen AS (
                 SELECT id FROM (
                     SELECT *, row_number() OVER (PARTITION BY kind ORDER BY lane, turn, luck, nth) AS nth_of_kind,
                         row_number() OVER (PARTITION BY lane ORDER BY turn, luck, nth) AS nth_of_lane
                     FROM (SELECT t.*, k.free, t.before / k.together AS turn FROM turns t JOIN kinds k USING (kind)) t
                 ) ranked
                 WHERE nth_of_kind <= free AND nth_of_lane <= CASE lane WHEN 1 THEN $9 ELSE $3 END
                 ORDER BY lane, turn, luck, nth LIMIT $3
             ), taken AS (
                 SELECT j.id FROM queue.jobs j JOIN chosen USING (id)
                 WHERE j.state = 'READY' AND j.due_at <= $2 ORDER BY j.id FOR UPDATE OF j SKIP LOCKED
             ), soon AS (
                 -- Nobody waits for the disk: a claim that a crash of the database forgets is made again.
                 SELECT set_config('synchronous_commit', 'off', true)
             )
             UPDATE queue.jobs j
             SET state = 'RUNNING', attempt = attempt + 1, claim = claim + 1, claimed_by = $1,
                 lease_until = clock_timestamp() + make_interval(secs => $10)
             FROM taken, soon WHERE j.id = taken.id
             RETURNING j.id, j.tenant_id, j.kind, j.lane, j.dedup_key, j.payload, j.due_at, j.attempt, j.claim",
        )
        .bind(request.worker)
        .bind(request.now)
        .bind(request.limit)
        .bind(request.per_tenant)
        .bind(wanted.iter().map(|one| one.kind.as_str()).collect::<Vec<_>>())
        .bind(wanted.iter().map(|one| one.free).collect::<Vec<_>>())
        .bind(tenants)
        .bind(running)
        .bind(request.bulk_limit)
        .bind(request.lease_seconds)
        .bind(wanted.iter().map(|one| one.together.max(1)).collect::<Vec<_>>())
        .fetch_all(&pool)
        .await?;
        rows.sort_by_key(|row| (row.lane, row.due_at, row.id));
        Ok(rows.into_iter().map(ClaimedJob::from).collect())
    }

    /// Gives jobs back whose worker has been silent for longer than its lease. The next claim counts as another try.
    /// Returns how many.
    ///
    /// # Errors
    /// When the cell does not answer.
    pub async fn reclaim_jobs(&self, cell: &str) -> Result<u64, DbError> {
        let pool = self.pool_of_cell(cell).await?;
        let done = sqlx::query(
            "UPDATE queue.jobs SET state = 'READY', claimed_by = NULL, lease_until = NULL, last_error = 'the worker fell silent'
             WHERE id IN (
                 SELECT id FROM queue.jobs WHERE state = 'RUNNING' AND lease_until < clock_timestamp()
                 ORDER BY id LIMIT 1000 FOR UPDATE SKIP LOCKED)",
        )
        .execute(&pool)
        .await?;
        Ok(done.rows_affected())
    }

    /// When the next waiting job of a cell is due, if one waits that is not due yet.
    ///
    /// # Errors
    /// When the cell does not answer.
    pub async fn next_job_due(&self, cell: &str, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, DbError> {
        let pool = self.pool_of_cell(cell).await?;
        let due = sqlx::query_scalar("SELECT min(due_at) FROM queue.jobs WHERE state = 'READY' AND due_at > $1");
        Ok(due.bind(now).fetch_one(&pool).await?)
    }

    /// How many jobs of a cell are due, and how many have failed for good: `(kind, due, failed)`. Due ones are counted
    /// up to a hundred thousand.
    ///
    /// # Errors
    /// When the cell does not answer.
    pub async fn job_backlog(&self, cell: &str, now: DateTime<Utc>) -> Result<Vec<(String, i64, i64)>, DbError> {
        let pool = self.pool_of_cell(cell).await?;
        Ok(sqlx::query_as(
            "SELECT kind, count(*) FILTER (WHERE due), count(*) FILTER (WHERE NOT due)
             FROM ((SELECT kind, true AS due FROM queue.jobs WHERE state = 'READY' AND due_at <= $1 LIMIT 100000)
                 UNION ALL SELECT kind, false FROM queue.jobs WHERE state = 'FAILED') backlog
             GROUP BY kind",
        )
        .bind(now)
        .fetch_all(&pool)
        .await?)
    }
}
