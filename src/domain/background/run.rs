//! What runs of a job write about it. A step holds the job's row while it works, and writes how far the job is with the
//! work itself: of two runs that both think that the job is theirs, the second finds that it is not where it left it.

use serde_json::Value;
use uuid::Uuid;

use super::model::{Job, JobStatus, job_columns};
use crate::{
    auth::Actor,
    db::TenantTx,
    domain::{
        change::{Change, Changes},
        cx::Cx,
        facts::{Facts, facts},
        refusal::Failure,
    },
};

/// A job that is being run.
#[derive(Clone, Debug)]
pub struct Running {
    /// As it was when the run began, or after its last step.
    pub job: Job,
    /// What it was put in with.
    pub input: Value,
}

/// What a step did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Advance {
    /// How many more are done, one way or another.
    pub done: i32,
    /// How many of them failed.
    pub errors: i32,
    /// How many of them were there already.
    pub skipped: i32,
}

/// Begins a run, the first or one more. None: the job is over or gone.
///
/// # Errors
/// Faults of the database.
pub async fn begin(cx: &Cx, actor: &Actor, id: Uuid) -> Result<Option<Running>, Failure> {
    let tx = cx.write(actor).await?;
    let Some(job) = lock(&tx, id).await?.filter(|job| !job.status.is_over()) else { return Ok(None) };
    let input: Option<Value> = tx.scalar("SELECT input FROM background_jobs WHERE id = $1", [id.into()]).await?;
    let input = input.ok_or_else(|| Failure::fault("a locked job vanished"))?;
    let mut running = Running { job, input };
    if running.job.status == JobStatus::Running {
        tx.commit().await?;
        return Ok(Some(running));
    }
    let mut changes = Changes::by(actor);
    let after = Job { status: JobStatus::Running, ..running.job.clone() };
    running.write(&tx, after, "job.progressed", &mut changes).await?;
    cx.commit(tx, changes).await?;
    Ok(Some(running))
}

/// Holds the job's row until the transaction ends. Every step begins with it.
///
/// # Errors
/// A fault when another run has gone on with the job, or it is over; faults of the database.
pub async fn hold(tx: &TenantTx, running: &Running) -> Result<(), Failure> {
    let now = lock(tx, running.job.id).await?;
    if now.as_ref() == Some(&running.job) {
        return Ok(());
    }
    Err(Failure::fault("another run has gone on with the job"))
}

async fn lock(tx: &TenantTx, id: Uuid) -> Result<Option<Job>, Failure> {
    let sql = concat!("SELECT ", job_columns!(), " FROM background_jobs WHERE id = $1 FOR UPDATE");
    Ok(tx.find(sql, [id.into()]).await?)
}

impl Running {
    /// Says how many there are altogether. Part of a step: after [`hold`], before the commit.
    ///
    /// # Errors
    /// Faults of the database.
    pub async fn count(&mut self, tx: &TenantTx, total: i32, changes: &mut Changes) -> Result<(), Failure> {
        let after = Job { total: Some(total), ..self.job.clone() };
        self.write(tx, after, "job.progressed", changes).await
    }

    /// Says what the step did. Part of a step: after [`hold`], before the commit.
    ///
    /// # Errors
    /// Faults of the database.
    pub async fn advance(&mut self, tx: &TenantTx, step: Advance, changes: &mut Changes) -> Result<(), Failure> {
        let after = Job {
            progress: self.job.progress + step.done,
            error_count: self.job.error_count + step.errors,
            skipped_count: self.job.skipped_count + step.skipped,
            ..self.job.clone()
        };
        self.write(tx, after, "job.progressed", changes).await
    }

    /// Says that the job is done. `result` is the file that came of it, if one did. Part of a step: after [`hold`], before
    /// the commit.
    ///
    /// # Errors
    /// Faults of the database.
    pub async fn finish(
        &mut self,
        cx: &Cx,
        tx: &TenantTx,
        result: Option<Uuid>,
        changes: &mut Changes,
    ) -> Result<(), Failure> {
        let after =
            Job { status: JobStatus::Succeeded, result_id: result, finished_at: Some(cx.now()), ..self.job.clone() };
        self.write(tx, after, "job.finished", changes).await
    }

    async fn write(
        &mut self,
        tx: &TenantTx,
        after: Job,
        event: &'static str,
        changes: &mut Changes,
    ) -> Result<(), Failure> {
        let after = Job { revision: self.job.revision + 1, ..after };
        tx.run(
            "UPDATE background_jobs SET status = $2, progress = $3, total = $4, error_count = $5, skipped_count = $6, problem = $7,
                 revision = $8, finished_at = $9, result_id = $10
             WHERE id = $1",
            [
                after.id.into(),
                after.status.as_str().into(),
                after.progress.into(),
                after.total.into(),
                after.error_count.into(),
                after.skipped_count.into(),
                after.problem.clone().into(),
                after.revision.into(),
                after.finished_at.into(),
                after.result_id.into(),
            ],
        )
        .await?;
        changes.push(Change {
            before: Some(told(&self.job)),
            after: Some(told(&after)),
            ..Change::event(event, "runJob", "BackgroundJob", after.id)
        });
        self.job = after;
        Ok(())
    }
}

/// The job is done, in a transaction of its own. `result` is the file that came of it, if one did.
///
/// # Errors
/// As [`hold`].
pub async fn finish(cx: &Cx, actor: &Actor, running: &mut Running, result: Option<Uuid>) -> Result<(), Failure> {
    let tx = cx.write(actor).await?;
    hold(&tx, running).await?;
    let mut changes = Changes::by(actor);
    running.finish(cx, &tx, result, &mut changes).await?;
    cx.commit(tx, changes).await
}

/// The job cannot be done. What it did until then stays. Nothing happens to a job that is over.
///
/// # Errors
/// Faults of the database.
pub async fn fail(cx: &Cx, actor: &Actor, id: Uuid, problem: &str) -> Result<(), Failure> {
    let tx = cx.write(actor).await?;
    let Some(job) = lock(&tx, id).await?.filter(|job| !job.status.is_over()) else { return Ok(()) };
    let mut running = Running { job, input: Value::Null };
    let mut changes = Changes::by(actor);
    let after = Job {
        status: JobStatus::Failed,
        problem: Some(problem.chars().take(MAX_PROBLEM).collect()),
        finished_at: Some(cx.now()),
        ..running.job.clone()
    };
    running.write(&tx, after, "job.finished", &mut changes).await?;
    cx.commit(tx, changes).await
}

/// Longest text of why.
const MAX_PROBLEM: usize = 1000;

fn told(job: &Job) -> Facts {
    facts!({
        "status": job.status.as_str(),
        "progress": job.progress,
        "total": job.total,
        "errorCount": job.error_count,
        "skippedCount": job.skipped_count,
    })
}
