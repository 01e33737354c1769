//! Claimed jobs, from the claim to the result.

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

impl Settled {
    fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Retried => "retried",
            Self::Postponed => "postponed",
            Self::Failed => "failed",
            Self::Lost => "lost",
        }
    }
}

/// Runs claimed jobs of one tenant and kind that may be run together, and writes the results: one for each, in their
/// order. Never panics because the runner does.
pub(super) async fn run_claimed(
    inner: &Inner,
    cell: &str,
    jobs: &[ClaimedJob],
    stop: &CancellationToken,
) -> Vec<Settled> {
    let Some(first) = jobs.first() else { return Vec::new() };
    let started = std::time::Instant::now();
    let kind = &first.kind;
    for job in jobs {
        let lag = (inner.cx.now() - job.due_at).to_std().unwrap_or_default();
        metrics::histogram!("horae_job_lag_seconds", "kind" => kind.clone()).record(lag.as_secs_f64());
    }
    let span = tracing::info_span!(
        "job",
        job.kind = kind,
        job.id = first.id,
        job.attempt = first.attempt,
        jobs.count = jobs.len(),
        tenant = first.tenant.label()
    );
    let running = async {
        match outcomes(inner, first, jobs, stop).await {
            Some((outcomes, work)) => settle_all(inner, cell, jobs, outcomes, work).await,
            None => vec![Settled::Lost; jobs.len()],
        }
    };
    let settled = running.instrument(span).await;
    for (job, settled) in jobs.iter().zip(&settled) {
        let outcome = settled.word();
        tracing::debug!(
            job.kind,
            job.id,
            job.attempt,
            tenant.id = %job.tenant.0,
            request.id = job.request_id(),
            outcome,
            "Ran a job"
        );
        metrics::counter!("horae_jobs_total", "kind" => kind.clone(), "outcome" => outcome).increment(1);
        metrics::histogram!("horae_job_seconds", "kind" => kind.clone()).record(started.elapsed().as_secs_f64());
    }
    settled
}

type Work = Option<(Arc<dyn Runner>, Run)>;

/// One for each job. None: cut, because the process stops or a lease is lost.
async fn outcomes(
    inner: &Inner,
    first: &ClaimedJob,
    jobs: &[ClaimedJob],
    stop: &CancellationToken,
) -> Option<(Vec<Outcome>, Work)> {
    let all = |outcome: Outcome| vec![outcome; jobs.len()];
    let later = || Some((all(Outcome::RetryAt(inner.cx.now() + CLOSED_PAUSE)), None));
    let tenant = match inner.cx.db.find_tenant(first.tenant).await {
        Ok(Some(tenant)) => tenant,
        Ok(None) => return Some((all(Outcome::Fail("there is no such tenant".to_owned())), None)),
        Err(_) => return later(),
    };
    match tenant.status {
        TenantStatus::Active => {}
        TenantStatus::Deleted => return Some((all(Outcome::Done), None)),
        TenantStatus::Provisioning | TenantStatus::Maintenance | TenantStatus::Disabled => return later(),
    }
    // Claims ask for known kinds only.
    let runner = Arc::clone(inner.runners.get(first.kind.as_str())?);
    let limits = runner.limits();
    // What it does is part of the request that caused it.
    let request_id = first.request_id().map_or_else(|| format!("job-{}-{}", first.id, first.claim), str::to_owned);
    let actor = Actor::system(tenant, "jobs", &request_id);
    let run = Run { cx: inner.cx.clone(), actor: Arc::new(actor), stop: stop.clone() };
    if first.attempt > limits.tries {
        // Each try ended with its worker, so nobody could say that the last one had failed.
        let why = "every try ended without a word from its worker".to_owned();
        return Some((all(Outcome::Fail(why)), Some((runner, run))));
    }
    // Of the level that is always on: without its span, a line would not say which request it is about.
    let span = tracing::error_span!("cause", request.id = request_id);
    let work = async {
        match jobs {
            [job] => vec![runner.run(&run, job).await],
            jobs => runner.run_together(&run, jobs).await,
        }
    };
    let work = AssertUnwindSafe(work.instrument(span)).catch_unwind();
    let outcomes = tokio::select! {
        biased;
        ended = tokio::time::timeout(limits.longest_run, work) => match ended {
            Ok(Ok(outcomes)) => outcomes,
            Ok(Err(panic)) => all(Outcome::Failed(format!("panicked: {}", panic_text(&*panic)))),
            Err(_) => all(Outcome::Failed(format!("took longer than {} s", limits.longest_run.as_secs()))),
        },
        () = stop.cancelled() => return None,
    };
    Some((outcomes, Some((runner, run))))
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no text")
}

/// What is done leaves the queue in one statement; the others are rare.
async fn settle_all(
    inner: &Inner,
    cell: &str,
    jobs: &[ClaimedJob],
    outcomes: Vec<Outcome>,
    work: Work,
) -> Vec<Settled> {
    let done = jobs.iter().zip(&outcomes).filter(|(_, outcome)| **outcome == Outcome::Done);
    let done: Vec<&ClaimedJob> = done.map(|(job, _)| job).collect();
    let finished = if done.is_empty() { Ok(Vec::new()) } else { inner.cx.db.finish_jobs(cell, &done).await };
    let mut settled = Vec::with_capacity(jobs.len());
    for (job, outcome) in jobs.iter().zip(outcomes) {
        settled.push(settle(inner, cell, job, outcome, &finished, work.as_ref()).await);
    }
    settled
}

async fn settle(
    inner: &Inner,
    cell: &str,
    job: &ClaimedJob,
    outcome: Outcome,
    finished: &Result<Vec<i64>, DbError>,
    work: Option<&(Arc<dyn Runner>, Run)>,
) -> Settled {
    let db = &inner.cx.db;
    let limits = work.map(|(runner, _)| runner.limits()).unwrap_or_default();
    let outcome = match outcome {
        Outcome::Failed(why) if job.attempt >= limits.tries => Outcome::Fail(why),
        other => other,
    };
    let (written, settled) = match outcome {
        Outcome::Done => {
            return confirm(finished.as_ref().map(|ids| ids.contains(&job.id)), job, Settled::Done);
        }
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
            if let Some((runner, run)) = work {
                runner.given_up(run, job, &why).await;
            }
            (db.fail_job(cell, job, &why).await, Settled::Failed)
        }
    };
    confirm(written.as_ref().copied(), job, settled)
}

fn confirm(written: Result<bool, &DbError>, job: &ClaimedJob, settled: Settled) -> Settled {
    match written {
        Ok(true) => settled,
        Ok(false) => {
            tracing::warn!(job.kind, job.id, tenant.id = %job.tenant.0, request.id = job.request_id(), "A job's lease was lost before its result could be written");
            Settled::Lost
        }
        Err(error) => {
            let error = error as &dyn std::error::Error;
            tracing::warn!(error, job.kind, job.id, tenant.id = %job.tenant.0, request.id = job.request_id(), "A job's result could not be written; its lease will run out");
            Settled::Lost
        }
    }
}
