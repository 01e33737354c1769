//! The queue of timed and background work: put in by tenants' transactions, taken out by workers of the cell.
//!
//! A claim is committed before work starts and its result is fenced by the claim's number: a worker that lost its
//! lease cannot write what it did. Lease times are the database's clock; due times are the application's.

mod claim;
mod held;
mod local;
mod schedule;
mod turns;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
pub use claim::{ClaimKind, ClaimRequest};
pub use local::LocalJob;

use super::{DbError, TenantId, TenantTx};
pub use schedule::Tick;

/// Who waits for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Somebody waits for it.
    Transactional,
    /// Campaigns, imports, sweeps.
    Bulk,
}

impl Lane {
    /// The number in the table.
    #[must_use]
    pub fn number(self) -> i16 {
        match self {
            Self::Transactional => 0,
            Self::Bulk => 1,
        }
    }

    /// The lane with this number in the table.
    fn of_number(number: i16) -> Self {
        if number == 0 { Self::Transactional } else { Self::Bulk }
    }
}

/// The wall time that a due instant was computed from.
#[derive(Clone, Debug)]
pub struct DueLocal {
    /// IANA zone.
    pub zone: String,
    /// Local date.
    pub date: NaiveDate,
    /// Local time.
    pub time: NaiveTime,
}

/// A job to put in.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// The task's name; forever.
    pub kind: &'static str,
    /// The same key of the same kind is the same job.
    pub dedup_key: String,
    /// Ids only. The request that causes it is added.
    pub payload: serde_json::Value,
    /// When it may start.
    pub due_at: DateTime<Utc>,
    /// Who waits for whom.
    pub lane: Lane,
    /// Present when `due_at` follows a wall clock.
    pub local: Option<DueLocal>,
}

/// A job that this worker holds.
#[derive(Clone, Debug)]
pub struct ClaimedJob {
    /// Row.
    pub id: i64,
    /// Whose.
    pub tenant: TenantId,
    /// The task's name.
    pub kind: String,
    /// Who waits for whom.
    pub lane: Lane,
    /// Its identity within tenant and kind.
    pub dedup_key: String,
    /// Ids only.
    pub payload: serde_json::Value,
    /// When it was to start.
    pub due_at: DateTime<Utc>,
    /// 1 for the first try.
    pub attempt: i32,
    /// The fence.
    pub claim: i64,
}

/// The key of a payload under which it keeps what caused the job. It holds an object, because every value that is a
/// text may be taken for an id (`queue.local_jobs_about`), and a request's id is a word of the client's.
const CAUSE: &str = "cause";

impl ClaimedJob {
    /// The request that caused it, if a request did.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.payload.get(CAUSE)?.get("request_id")?.as_str()
    }
}

impl TenantTx {
    /// Puts a job in with this transaction: it exists when and only when the transaction commits. A job that waits
    /// already under the same key is moved to the new time.
    ///
    /// # Errors
    /// What PostgreSQL refuses.
    pub async fn enqueue(&self, job: NewJob) -> Result<(), DbError> {
        let (zone, date, time) = match job.local {
            Some(local) => (Some(local.zone), Some(local.date), Some(local.time)),
            None => (None, None, None),
        };
        let mut payload = job.payload;
        if let (Some(payload), Some(request_id)) = (payload.as_object_mut(), self.cause()) {
            payload.insert(CAUSE.to_owned(), serde_json::json!({ "request_id": request_id }));
        }
        self.run(
            "SELECT queue.enqueue($1, $2, $3, $4, $5, $6, $7, $8)",
            [
                job.kind.into(),
                job.dedup_key.into(),
                payload.into(),
                job.due_at.into(),
                job.lane.number().into(),
                zone.into(),
                date.into(),
                time.into(),
            ],
        )
        .await?;
        Ok(())
    }

    /// Takes waiting jobs out again.
    ///
    /// # Errors
    /// What PostgreSQL refuses.
    pub async fn cancel_jobs(&self, kind: &'static str, dedup_keys: Vec<String>) -> Result<(), DbError> {
        self.run("SELECT queue.cancel($1, $2)", [kind.into(), dedup_keys.into()]).await?;
        Ok(())
    }
}
