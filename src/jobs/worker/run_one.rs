//! One job, from the claim to the result.

use std::{panic::AssertUnwindSafe, sync::Arc};

use chrono::Duration;
use futures::FutureExt;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::Inner;
use crate::{
    auth::Actor,
    db::{ClaimedJob, DbError, TenantStatus},
    jobs::{Outcome, Run, Runner, backoff},
};

/// How long a job of a centre that is closed for the moment waits.
const CLOSED_PAUSE: Duration = Duration::seconds(60);

/// What has become of a claimed job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    Done,
    /// To be tried again after a failure.
    Retried,
    /// To be tried again, and nobody's fault.
    Postponed,
    Failed,
    /// The claim was lost, the work was cut, or the result could not be written: the lease decides.
    Lost,
}

/// Runs a claimed job and writes the result. Never panics because the runner does.
pub(super) async fn run_one(inner: &Inner, cell: &str, job: &ClaimedJob, stop: &CancellationToken) -> Settled {
    let started = std::time::Instant::now();
    let kind = job.kind.clone();
    let lag = (inner.cx.now() - job.due_at).to_std().unwrap_or_default();
    metrics::histogram!("horae_job_lag_seconds", "kind" => kind.clone()).record(lag.as_secs_f64());
    let span = tracing::info_span!(
        "job",
        job.kind = kind,
        job.id = job.id,
        job.attempt = job.attempt,
        tenant = job.tenant.label()
    );
    let running = async {
        match outcome(inner, job, stop).await {
            Some((outcome, work)) => settle(inner, cell, job, outcome, work).await,
            None => Settled::Lost,
        }
    };
    let settled = running.instrument(span).await;
    let word = match settled {
        Settled::Done => "done",
        Settled::Retried => "retried",
        Settled::Postponed => "postponed",
        Settled::Failed => "failed",
        Settled::Lost => "lost",
    };
    tracing::debug!(
        job.kind,
        job.id,
        job.attempt,
        tenant.id = %job.tenant.0,
        request.id = job.request_id(),
        outcome = word,
        "Ran a job"
    );
    metrics::counter!("horae_jobs_total", "kind" => kind.clone(), "outcome" => word).increment(1);
    metrics::histogram!("horae_job_seconds", "kind" => kind).record(started.elapsed().as_secs_f64());
    settled
}

type Work = Option<(Arc<dyn Runner>, Run)>;

/// None: cut, because the process stops or the lease is lost.
async fn outcome(inner: &Inner, job: &ClaimedJob, stop: &CancellationToken) -> Option<(Outcome, Work)> {
    let later = Outcome::RetryAt(inner.cx.now() + CLOSED_PAUSE);
    let tenant = match inner.cx.db.find_tenant(job.tenant).await {
        Ok(Some(tenant)) => tenant,
        Ok(None) => return Some((Outcome::Fail("there is no such tenant".to_owned()), None)),
        Err(_) => return Some((later, None)),
    };
    match tenant.status {
        TenantStatus::Active => {}
        TenantStatus::Deleted => return Some((Outcome::Done, None)),
        TenantStatus::Provisioning | TenantStatus::Maintenance | TenantStatus::Disabled => return Some((later, None)),
    }
    // Claims ask for known kinds only.
    let runner = Arc::clone(inner.runners.get(job.kind.as_str())?);
    let limits = runner.limits();
    // What it does is part of the request that caused it.
    let request_id = job.request_id().map_or_else(|| format!("job-{}-{}", job.id, job.claim), str::to_owned);
    let actor = Actor::system(tenant, "jobs", &request_id);
    let run = Run { cx: inner.cx.clone(), actor: Arc::new(actor), stop: stop.clone() };
    if job.attempt > limits.tries {
        // Each try ended with its worker, so nobody could say that the last one had failed.
        return Some((Outcome::Fail("every try ended without a word from its worker".to_owned()), Some((runner, run))));
    }
    // Of the level that is always on: without its span, a line would not say which request it is about.
    let span = tracing::error_span!("cause", request.id = request_id);
    let work = AssertUnwindSafe(runner.run(&run, job).instrument(span)).catch_unwind();
    let outcome = tokio::select! {
        biased;
        ended = tokio::time::timeout(limits.longest_run, work) => match ended {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(panic)) => Outcome::Failed(format!("panicked: {}", panic_text(&*panic))),
            Err(_) => Outcome::Failed(format!("took longer than {} s", limits.longest_run.as_secs())),
        },
        () = stop.cancelled() => return None,
    };
    Some((outcome, Some((runner, run))))
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no text")
}

async fn settle(inner: &Inner, cell: &str, job: &ClaimedJob, outcome: Outcome, work: Work) -> Settled {
    let db = &inner.cx.db;
    let limits = work.as_ref().map(|(runner, _)| runner.limits()).unwrap_or_default();
    let outcome = match outcome {
        Outcome::Failed(why) if job.attempt >= limits.tries => Outcome::Fail(why),
        other => other,
    };
    let (written, settled) = match outcome {
        Outcome::Done => (db.finish_job(cell, job).await, Settled::Done),
        Outcome::RetryAt(at) => (db.retry_job(cell, job, at, false, None).await, Settled::Postponed),
        Outcome::Failed(why) => {
            // Texts may name people, so they are kept with the job and not logged.
            tracing::warn!(job.kind, job.id, job.attempt, tenant.id = %job.tenant.0, request.id = job.request_id(), "A job failed and will be tried again");
            let seed = job.id.unsigned_abs() ^ u64::from(job.attempt.unsigned_abs());
            let at = inner.cx.now() + backoff::pause(job.attempt, limits.longest_pause_s, seed);
            (db.retry_job(cell, job, at, true, Some(&why)).await, Settled::Retried)
        }
        Outcome::Fail(why) => {
            tracing::error!(job.kind, job.id, job.attempt, tenant.id = %job.tenant.0, request.id = job.request_id(), "A job has failed for good; it stays in the queue as FAILED");
            // First what it stood for, then the job: a crash in between repeats the first and loses nothing.
            if let Some((runner, run)) = &work {
                runner.given_up(run, job, &why).await;
            }
            (db.fail_job(cell, job, &why).await, Settled::Failed)
        }
    };
    confirm(written, job, settled)
}

fn confirm(written: Result<bool, DbError>, job: &ClaimedJob, settled: Settled) -> Settled {
    match written {
        Ok(true) => settled,
        Ok(false) => {
            tracing::warn!(job.kind, job.id, tenant.id = %job.tenant.0, request.id = job.request_id(), "A job's lease was lost before its result could be written");
            Settled::Lost
        }
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, job.kind, job.id, tenant.id = %job.tenant.0, request.id = job.request_id(), "A job's result could not be written; its lease will run out");
            Settled::Lost
        }
    }
}
