//! What a worker writes about jobs it holds. Every write is fenced: it touches the row only while the claim it was
//! made under is still the row's claim.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::ClaimedJob;
use crate::db::{Db, DbError};

/// Error texts are for operators; longer ones are cut.
const MAX_ERROR: usize = 500;

fn short(text: &str) -> String {
    text.chars().take(MAX_ERROR).collect()
}

impl Db {
    /// The jobs are done and leave the queue. Returns the ids of those that have: of the others the claim was lost, and
    /// somebody else answers for them.
    ///
    /// # Errors
    /// When the cell does not answer.
    pub async fn finish_jobs(&self, cell: &str, jobs: &[&ClaimedJob]) -> Result<Vec<i64>, DbError> {
        let pool = self.pool_of_cell(cell).await?;
        // Nobody waits for the disk: an end that a crash of the database forgets is found again by who runs the job anew,
        // since jobs look at what is done already.
        let done = sqlx::query_scalar(
            "WITH soon AS (SELECT set_config('synchronous_commit', 'off', true))
             DELETE FROM queue.jobs j USING soon, unnest($1::bigint[], $2::bigint[]) AS done (id, claim)
             WHERE j.id = done.id AND j.claim = done.claim AND j.state = 'RUNNING' RETURNING j.id",
        )
        .bind(jobs.iter().map(|job| job.id).collect::<Vec<_>>())
        .bind(jobs.iter().map(|job| job.claim).collect::<Vec<_>>());
        Ok(done.fetch_all(&pool).await?)
    }

    /// The job waits until `at`. `counted` says whether the try that just ended is one of those it has. False: the
    /// claim was lost.
    ///
    /// # Errors
    /// When the cell does not answer.
    pub async fn retry_job(
        &self,
        cell: &str,
        job: &ClaimedJob,
        at: DateTime<Utc>,
        counted: bool,
        error: Option<&str>,
    ) -> Result<bool, DbError> {
        let pool = self.pool_of_cell(cell).await?;
        let done = sqlx::query(
            "UPDATE queue.jobs SET state = 'READY', due_at = $3, attempt = CASE WHEN $4 THEN attempt ELSE attempt - 1 END,
                 claimed_by = NULL, lease_until = NULL, last_error = $5
             WHERE id = $1 AND claim = $2 AND state = 'RUNNING'",
        )
        .bind(job.id)
        .bind(job.claim)
        .bind(at)
        .bind(counted)
        .bind(error.map(short))
        .execute(&pool)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// The job stays in the queue as FAILED, to be looked at, and stands in nobody's way. False: the claim was lost.
    ///
    /// # Errors
    /// When the cell does not answer.
    pub async fn fail_job(&self, cell: &str, job: &ClaimedJob, error: &str) -> Result<bool, DbError> {
        let pool = self.pool_of_cell(cell).await?;
        let done = sqlx::query(
            "UPDATE queue.jobs SET state = 'FAILED', claimed_by = NULL, lease_until = NULL, last_error = $3
             WHERE id = $1 AND claim = $2 AND state = 'RUNNING'",
        )
        .bind(job.id)
        .bind(job.claim)
        .bind(short(error))
        .execute(&pool)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Renews the leases of these jobs and tells which `(id, claim)` are still held.
    ///
    /// # Errors
    /// When the cell does not answer.
    pub async fn heartbeat_jobs(
        &self,
        cell: &str,
        held: &[(i64, i64)],
        lease_seconds: f64,
    ) -> Result<Vec<(i64, i64)>, DbError> {
        let pool = self.pool_of_cell(cell).await?;
        let (ids, claims): (Vec<i64>, Vec<i64>) = held.iter().copied().unzip();
        Ok(sqlx::query_as(
            "UPDATE queue.jobs j SET lease_until = clock_timestamp() + make_interval(secs => $3)
             FROM unnest($1::bigint[], $2::bigint[]) AS held (id, claim)
             WHERE j.id = held.id AND j.claim = held.claim AND j.state = 'RUNNING'
             RETURNING j.id, j.claim",
        )
        .bind(ids)
        .bind(claims)
        .bind(lease_seconds)
        .fetch_all(&pool)
        .await?)
    }

    /// Gives back, at a stop, whatever the worker still holds; the interrupted try does not count. Returns how many.
    ///
    /// # Errors
    /// When the cell does not answer.
    pub async fn release_jobs(&self, cell: &str, worker: Uuid) -> Result<u64, DbError> {
        let pool = self.pool_of_cell(cell).await?;
        let done = sqlx::query(
            "UPDATE queue.jobs SET state = 'READY', attempt = attempt - 1, claimed_by = NULL, lease_until = NULL
             WHERE claimed_by = $1 AND state = 'RUNNING'",
        )
        .bind(worker)
        .execute(&pool)
        .await?;
        Ok(done.rows_affected())
    }
}
