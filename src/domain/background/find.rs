//! Reads jobs.

use std::sync::Arc;

use uuid::Uuid;

use super::model::{Job, job_columns};
use crate::{auth::Actor, db::TenantTx, domain::refusal::Failure};

/// The jobs with these ids, whoever asks: for the reader of the event log, whose streams decide who hears of them.
///
/// # Errors
/// Faults of the database.
pub async fn by_ids(tx: &TenantTx, ids: Vec<Uuid>) -> Result<Vec<Arc<Job>>, Failure> {
    let sql = concat!("SELECT ", job_columns!(), " FROM background_jobs WHERE id = ANY ($1)");
    let jobs: Vec<Job> = tx.all(sql, [ids.into()]).await?;
    Ok(jobs.into_iter().map(Arc::new).collect())
}

/// The jobs with these ids that the caller may know of, in no order.
///
/// # Errors
/// Faults of the database.
pub async fn visible(tx: &TenantTx, actor: &Actor, ids: Vec<Uuid>) -> Result<Vec<Arc<Job>>, Failure> {
    let jobs = by_ids(tx, ids).await?;
    Ok(jobs.into_iter().filter(|job| job.is_visible_to(actor)).collect())
}
