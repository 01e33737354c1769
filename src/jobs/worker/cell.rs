//! The loop of one cell.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

use super::{Inner, run_claimed::run_claimed};
use crate::{
    db::{ClaimKind, ClaimRequest, ClaimedJob, DbError},
    jobs::{
        Runner,
        schedule::{Seen, enqueue_due},
        slots::{Slot, Slots, most_of_one_tenant},
    },
};

/// After a slot came free, a moment is waited for more of them: one claim for several jobs.
const GATHER: Duration = Duration::from_millis(10);

/// How long a busy worker waits until half of its slots are free: mails have three quarters of them, and are best claimed
/// several at once.
const GATHER_BUSY: Duration = Duration::from_millis(40);

/// How often the length of the queue is measured.
const MEASURE: Duration = Duration::from_secs(15);

/// After a fault of the database.
const AFTER_FAULT: Duration = Duration::from_secs(2);

/// How long a stop waits for a claim that is under way, so that what it brings is known and given back; and for a database
/// that does not answer.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Jobs that run now, by `(id, claim)`, and how to cut each.
type Held = Arc<Mutex<HashMap<(i64, i64), CancellationToken>>>;

struct Cell {
    inner: Arc<Inner>,
    name: String,
    worker: Uuid,
    slots: Arc<Slots>,
    held: Held,
    /// Cuts everything that runs.
    cut: CancellationToken,
    tasks: TaskTracker,
}

/// How the last claim went.
enum Claimed {
    /// Everything that was due is running.
    AllThereWas,
    /// There may be more than fits.
    PerhapsMore,
}

/// Serves a cell until the stop.
pub(super) async fn serve(inner: Arc<Inner>, name: String, shutdown: CancellationToken) {
    let worker = inner.cx.new_id();
    let cell = Arc::new(Cell {
        inner,
        name,
        worker,
        slots: Arc::new(Slots::default()),
        held: Held::default(),
        cut: CancellationToken::new(),
        tasks: TaskTracker::new(),
    });
    let beats = CancellationToken::new();
    let heart = TaskTracker::new();
    heart.spawn({
        let (cell, beats) = (Arc::clone(&cell), beats.clone());
        async move { beats.run_until_cancelled(heartbeat(cell)).await }
    });
    heart.close();
    cell.work(&shutdown).await;
    cell.stop().await;
    beats.cancel();
    heart.wait().await;
}

impl Cell {
    async fn work(self: &Arc<Self>, shutdown: &CancellationToken) {
        let options = &self.inner.options;
        let sweep = (options.lease / 4).clamp(Duration::from_millis(100), Duration::from_secs(5));
        let mut seen = Seen::new();
        let (mut swept, mut measured): (Option<Instant>, Option<Instant>) = (None, None);
        while !shutdown.is_cancelled() {
            // Before asking what is due: what is hinted at from here on is not missed.
            let hint = self.inner.hint.notified();
            tokio::pin!(hint);
            hint.as_mut().enable();
            let turn = async {
                if swept.is_none_or(|at| at.elapsed() >= sweep) {
                    swept = Some(Instant::now());
                    self.sweep(&mut seen).await?;
                }
                if measured.is_none_or(|at| at.elapsed() >= MEASURE) {
                    measured = Some(Instant::now());
                    self.measure().await?;
                }
                self.claim().await
            };
            let stopped = async {
                shutdown.cancelled().await;
                tokio::time::sleep(LAST_WORDS).await;
            };
            let turned = tokio::select! {
                biased;
                turned = turn => turned,
                () = stopped => return,
            };
            let pause = match turned {
                Ok(Claimed::PerhapsMore) => {
                    if self.slots.counts().all >= options.slots {
                        tokio::select! {
                            () = shutdown.cancelled() => return,
                            () = self.slots.freed() => self.gather().await,
                            // Leases and ticks are looked after even while every slot is busy.
                            () = tokio::time::sleep(options.poll) => {}
                        }
                    }
                    continue;
                }
                Ok(Claimed::AllThereWas) => tokio::select! {
                    () = shutdown.cancelled() => return,
                    pause = self.until_due() => pause,
                },
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, cell.name = self.name, "The queue does not answer; trying again");
                    AFTER_FAULT
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = &mut hint => {}
                () = self.slots.freed() => self.gather().await,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn gather(&self) {
        tokio::time::sleep(GATHER).await;
        let slots = self.inner.options.slots;
        let enough = async {
            while self.slots.counts().all > slots / 2 {
                self.slots.freed().await;
            }
        };
        // What has not come free by then comes with the next claim.
        let _timeout = tokio::time::timeout(GATHER_BUSY, enough).await;
    }

    async fn sweep(&self, seen: &mut Seen) -> Result<(), DbError> {
        let db = &self.inner.cx.db;
        let reclaimed = db.reclaim_jobs(&self.name).await?;
        if reclaimed > 0 {
            tracing::warn!(cell.name = self.name, jobs.count = reclaimed, "Jobs of silent workers wait again");
            metrics::counter!("horae_jobs_reclaimed_total").increment(reclaimed);
        }
        enqueue_due(&self.inner.cx, &self.name, true, seen).await
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge")]
    async fn measure(&self) -> Result<(), DbError> {
        let backlog = self.inner.cx.db.job_backlog(&self.name, self.inner.cx.now()).await?;
        // Every kind, also those of which none waits any more.
        for kind in self.inner.runners.keys() {
            let found = backlog.iter().find(|(found, ..)| found == kind);
            let (due, failed) = found.map_or((0, 0), |(_, due, failed)| (*due, *failed));
            metrics::gauge!("horae_jobs_due", "cell" => self.name.clone(), "kind" => *kind).set(due as f64);
            metrics::gauge!("horae_jobs_failed", "cell" => self.name.clone(), "kind" => *kind).set(failed as f64);
        }
        Ok(())
    }

    /// The next poll, or the next due job if that is earlier.
    async fn until_due(&self) -> Duration {
        let (cx, poll) = (&self.inner.cx, self.inner.options.poll);
        let now = cx.now();
        match cx.db.next_job_due(&self.name, now).await {
            Ok(Some(due)) => (due - now).to_std().unwrap_or_default().min(poll),
            Ok(None) | Err(_) => poll,
        }
    }

    async fn claim(self: &Arc<Self>) -> Result<Claimed, DbError> {
        let (inner, counts) = (&self.inner, self.slots.counts());
        let options = &inner.options;
        let free = options.slots.saturating_sub(counts.all);
        if free == 0 {
            return Ok(Claimed::PerhapsMore);
        }
        let kind = |runner: &Arc<dyn Runner>| {
            let limits = runner.limits();
            let free = counts.kind_free(runner.kind(), &limits, options.slots);
            ClaimKind { kind: runner.kind().to_owned(), free: number(free), together: number(limits.together) }
        };
        let kinds = inner.runners.values().map(kind).collect();
        let request = ClaimRequest {
            worker: self.worker,
            now: inner.cx.now(),
            limit: number(free),
            per_tenant: number(options.per_tenant.unwrap_or(most_of_one_tenant(options.slots)).max(1)),
            bulk_limit: number(counts.bulk_free(options.slots)),
            kinds,
            running: counts.tenants.iter().map(|(tenant, count)| (*tenant, number(*count))).collect(),
            lease_seconds: options.lease.as_secs_f64(),
        };
        let jobs = inner.cx.db.claim_jobs(&self.name, &request).await?;
        let full = jobs.len() >= free;
        for jobs in batches(jobs, |kind| inner.runners.get(kind).map_or(1, |runner| runner.limits().together)) {
            let slots: Vec<Slot> = jobs.iter().map(|job| self.slots.take(job)).collect();
            let stop = self.cut.child_token();
            self.lock().extend(jobs.iter().map(|job| ((job.id, job.claim), stop.clone())));
            let cell = Arc::clone(self);
            self.tasks.spawn(async move {
                run_claimed(&cell.inner, &cell.name, &jobs, &stop).await;
                cell.lock().retain(|held, _| !jobs.iter().any(|job| (job.id, job.claim) == *held));
                drop(slots);
            });
        }
        Ok(if full { Claimed::PerhapsMore } else { Claimed::AllThereWas })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(i64, i64), CancellationToken>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets running jobs end, cuts what takes too long, and gives it back.
    async fn stop(&self) {
        self.tasks.close();
        if tokio::time::timeout(self.inner.options.drain, self.tasks.wait()).await.is_err() {
            tracing::warn!(
                cell.name = self.name,
                jobs.count = self.tasks.len(),
                "Jobs take too long to stop and are given back"
            );
            self.cut.cancel();
            // What is cut ends at once, unless it waits for the database.
            let _timeout = tokio::time::timeout(LAST_WORDS, self.tasks.wait()).await;
        }
        let released = self.inner.cx.db.release_jobs(&self.name, self.worker);
        match tokio::time::timeout(LAST_WORDS, released).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, cell.name = self.name, "Jobs could not be given back; their leases will run out");
            }
            Err(_) => {
                tracing::warn!(
                    cell.name = self.name,
                    "Jobs could not be given back in time; their leases will run out"
                );
            }
        }
    }
}

/// Renews the leases of running jobs, and cuts those whose lease is lost: another worker has them.
async fn heartbeat(cell: Arc<Cell>) {
    let lease = cell.inner.options.lease;
    let mut renewed = Instant::now();
    loop {
        tokio::time::sleep(lease / 3).await;
        let held: Vec<(i64, i64)> = cell.lock().keys().copied().collect();
        if held.is_empty() {
            renewed = Instant::now();
            continue;
        }
        match cell.inner.cx.db.heartbeat_jobs(&cell.name, &held, lease.as_secs_f64()).await {
            Ok(kept) => {
                renewed = Instant::now();
                let jobs = cell.lock();
                for lost in held.iter().filter(|job| !kept.contains(job)) {
                    if let Some(stop) = jobs.get(lost) {
                        stop.cancel();
                    }
                }
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, cell.name = cell.name, "Leases could not be renewed");
                if renewed.elapsed() >= lease {
                    cell.lock().values().for_each(CancellationToken::cancel);
                }
            }
        }
    }
}

/// Those that may be run together: of one tenant, kind and cause, and tried for the first time. What has failed once is run
/// by itself, so that a job that cannot be done holds up no other.
fn batches(jobs: Vec<ClaimedJob>, together: impl Fn(&str) -> usize) -> Vec<Vec<ClaimedJob>> {
    let mut batches: Vec<Vec<ClaimedJob>> = Vec::new();
    for job in jobs {
        let fits = |batch: &&mut Vec<ClaimedJob>| {
            let alike = |one: &ClaimedJob| {
                one.attempt == 1
                    && one.tenant == job.tenant
                    && one.kind == job.kind
                    && one.request_id() == job.request_id()
            };
            job.attempt == 1 && batch.len() < together(&job.kind) && batch.iter().all(alike)
        };
        match batches.iter_mut().find(fits) {
            Some(batch) => batch.push(job),
            None => batches.push(vec![job]),
        }
    }
    batches
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
