//! How a worker gets work, and how jobs of workers that fell silent come back.

use chrono::{DateTime, Utc};
use sqlx::FromRow;
use uuid::Uuid;

use super::{
    ClaimedJob, Lane,
    turns::{Share, Waiting, share_out},
};
use crate::db::{Db, DbError, TenantId, pool::CellPool};

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
            lane: Lane::of_number(row.lane),
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
    /// tenants are more than slots. A tenant's own jobs of a kind come in order of their due time.
    ///
    /// What it reads grows with the tenants that have something waiting and with what it takes, not with how much waits.
    ///
    /// # Errors
    /// When the cell does not answer.
    pub async fn claim_jobs(&self, cell: &str, request: &ClaimRequest) -> Result<Vec<ClaimedJob>, DbError> {
        let pool = self.pool_of_cell(cell).await?;
        let waiting = waiting(&pool, request).await?;
        let shares = share_out(request, &waiting);
        if shares.is_empty() {
            return Ok(Vec::new());
        }
        take(&pool, request, &shares).await
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

#[derive(FromRow)]
struct WaitingRow {
    lane: i16,
    tenant_id: Uuid,
    kind: String,
    due_at: DateTime<Utc>,
    count: i64,
}

/// What is due, in an order that is drawn: of each tenant and kind as many as could be taken. Those that as many others of
/// the kind come before as may run of it are left out: each of the others has one at least.
async fn waiting(pool: &CellPool, request: &ClaimRequest) -> Result<Vec<Waiting>, DbError> {
    let wanted: Vec<&ClaimKind> = request.kinds.iter().filter(|one| one.free > 0).collect();
    let (tenants, running): (Vec<Uuid>, Vec<i64>) =
        request.running.iter().map(|(tenant, count)| (tenant.0, *count)).unzip();
    let rows: Vec<WaitingRow> = sqlx::query_as(
        "WITH RECURSIVE heads AS (
             -- One index probe per (lane, tenant, kind) that has a waiting job, however many jobs wait.
             (SELECT lane, tenant_id, kind, due_at, random() AS luck FROM queue.jobs WHERE state = 'READY'
              ORDER BY lane, tenant_id, kind, due_at LIMIT 1)
             UNION ALL
             SELECT next.*, random() FROM heads h, LATERAL (
                 SELECT lane, tenant_id, kind, due_at FROM queue.jobs
                 WHERE state = 'READY' AND (lane, tenant_id, kind) > (h.lane, h.tenant_id, h.kind)
                 ORDER BY lane, tenant_id, kind, due_at LIMIT 1
             ) next
         ), due AS (
             SELECT h.*, k.free,
                 row_number() OVER (PARTITION BY h.lane, h.kind ORDER BY coalesce(b.running, 0) / k.together, h.luck) AS nth
             FROM heads h JOIN unnest($3::text[], $4::bigint[], $5::bigint[]) AS k (kind, free, together) USING (kind)
                 LEFT JOIN unnest($6::uuid[], $7::bigint[]) AS b (tenant_id, running) USING (tenant_id)
             WHERE h.due_at <= $1 AND coalesce(b.running, 0) < $2
         )
         SELECT d.lane, d.tenant_id, d.kind, d.due_at, counted.count FROM due d, LATERAL (
             SELECT count(*) FROM (
                 SELECT 1 FROM queue.jobs j
                 WHERE j.state = 'READY' AND j.lane = d.lane AND j.tenant_id = d.tenant_id AND j.kind = d.kind AND j.due_at <= $1
                 ORDER BY j.due_at LIMIT d.free - d.nth + 1
             ) few
         ) counted
         WHERE d.nth <= d.free ORDER BY d.luck",
    )
    .bind(request.now)
    .bind(request.per_tenant)
    .bind(wanted.iter().map(|one| one.kind.as_str()).collect::<Vec<_>>())
    .bind(wanted.iter().map(|one| one.free).collect::<Vec<_>>())
    .bind(wanted.iter().map(|one| one.together.max(1)).collect::<Vec<_>>())
    .bind(tenants)
    .bind(running)
    .fetch_all(pool)
    .await?;
    let waiting = |row: WaitingRow| Waiting {
        lane: Lane::of_number(row.lane),
        tenant: TenantId(row.tenant_id),
        kind: row.kind,
        due_at: row.due_at,
        count: row.count,
    };
    Ok(rows.into_iter().map(waiting).collect())
}

/// Takes what others have not taken meanwhile.
async fn take(pool: &CellPool, request: &ClaimRequest, shares: &[Share<'_>]) -> Result<Vec<ClaimedJob>, DbError> {
    let mut rows: Vec<ClaimedRow> = sqlx::query_as(
        "WITH taken AS (
             SELECT due.id FROM unnest($3::smallint[], $4::uuid[], $5::text[], $6::bigint[]) AS share (lane, tenant_id, kind, most),
                 LATERAL (
                     SELECT j.id FROM queue.jobs j
                     WHERE j.state = 'READY' AND j.lane = share.lane AND j.tenant_id = share.tenant_id AND j.kind = share.kind
                         AND j.due_at <= $2
                     ORDER BY j.due_at, j.id LIMIT share.most FOR UPDATE SKIP LOCKED
                 ) due
         ), soon AS (
             -- Nobody waits for the disk: a claim that a crash of the database forgets is made again.
             SELECT set_config('synchronous_commit', 'off', true)
         )
         UPDATE queue.jobs j
         SET state = 'RUNNING', attempt = attempt + 1, claim = claim + 1, claimed_by = $1,
             lease_until = clock_timestamp() + make_interval(secs => $7)
         -- An array, so that the few are looked up however many the statistics expect.
         FROM soon WHERE j.id = ANY (ARRAY(SELECT id FROM taken))
         RETURNING j.id, j.tenant_id, j.kind, j.lane, j.dedup_key, j.payload, j.due_at, j.attempt, j.claim",
    )
    .bind(request.worker)
    .bind(request.now)
    .bind(shares.iter().map(|share| share.of.lane.number()).collect::<Vec<_>>())
    .bind(shares.iter().map(|share| share.of.tenant.0).collect::<Vec<_>>())
    .bind(shares.iter().map(|share| share.of.kind.as_str()).collect::<Vec<_>>())
    .bind(shares.iter().map(|share| share.most).collect::<Vec<_>>())
    .bind(request.lease_seconds)
    .fetch_all(pool)
    .await?;
    rows.sort_by_key(|row| (row.lane, row.due_at, row.id));
    Ok(rows.into_iter().map(ClaimedJob::from).collect())
}
