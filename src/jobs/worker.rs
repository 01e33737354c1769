//! The worker: one loop per cell.
//!
//! Claim, commit, run outside any transaction, write the result under the claim's fence. Leases are renewed while a job
//! runs; a job whose lease was lost is cut. A stop ends claiming first, lets running jobs finish for a while, and gives
//! the rest back.

mod cell;
mod run_claimed;

use std::{
    collections::{HashMap, HashSet},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use tokio::sync::Notify;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::run_claimed::{Settled, run_claimed};
use super::{
    Runner, runners,
    schedule::{self, Seen},
};
use crate::{
    db::{ClaimKind, ClaimRequest, DbError},
    domain::cx::Cx,
    mail::Mailer,
};

/// How a worker works.
#[derive(Clone, Debug)]
pub struct WorkerOptions {
    /// Jobs of one cell at once.
    pub slots: usize,
    /// Jobs of one tenant at once; none: seven eighths of the slots.
    pub per_tenant: Option<usize>,
    /// A job whose worker has been silent for so long is given to another.
    pub lease: Duration,
    /// How often to look when nothing is heard.
    pub poll: Duration,
    /// How long running jobs may take to end at a stop.
    pub drain: Duration,
    /// Sender of mails; the centre's name is put before it.
    pub mail_from: String,
    /// Most mails that it begins in a second.
    pub mails_per_second: NonZeroU32,
}

/// Enough for 22 500 reminders in four minutes, and a third of what two cores could do.
const MAILS_PER_SECOND: NonZeroU32 = NonZeroU32::MIN.saturating_add(99);

impl Default for WorkerOptions {
    fn default() -> Self {
        Self {
            // Sixteen for mails: two turns of eight.
            slots: 21,
            per_tenant: None,
            lease: Duration::from_secs(60),
            poll: Duration::from_secs(1),
            drain: Duration::from_secs(15),
            mail_from: "citas@horae.localhost".to_owned(),
            mails_per_second: MAILS_PER_SECOND,
        }
    }
}

/// What [`Worker::drain`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Jobs that are done.
    pub done: usize,
    /// Jobs that wait for a later time.
    pub waiting: usize,
    /// Jobs that failed for good.
    pub failed: usize,
}

/// Runs due jobs. Clones are the same worker.
#[derive(Clone)]
pub struct Worker {
    inner: Arc<Inner>,
}

struct Inner {
    cx: Cx,
    options: WorkerOptions,
    runners: HashMap<&'static str, Arc<dyn Runner>>,
    hint: Notify,
}

impl Worker {
    /// A worker with every runner of the product. It does nothing until it is run or drained.
    #[must_use]
    pub fn new(cx: Cx, mailer: Arc<Mailer>, options: WorkerOptions) -> Self {
        let all = runners::all(mailer, &options.mail_from, options.mails_per_second);
        let runners = all.into_iter().map(|runner| (runner.kind(), runner)).collect();
        Self { inner: Arc::new(Inner { cx, options, runners, hint: Notify::new() }) }
    }

    /// The same with another runner; it takes the place of one of the same kind.
    #[must_use]
    pub fn with_runner(self, runner: Arc<dyn Runner>) -> Self {
        let inner = &self.inner;
        let mut runners = inner.runners.clone();
        runners.insert(runner.kind(), runner);
        let (cx, options) = (inner.cx.clone(), inner.options.clone());
        Self { inner: Arc::new(Inner { cx, options, runners, hint: Notify::new() }) }
    }

    /// Says that something may be due now. A lost hint costs one poll.
    pub fn wake(&self) {
        self.inner.hint.notify_waiters();
    }

    /// Works until `shutdown` is cancelled, then finishes or gives back what it holds.
    pub async fn run(&self, shutdown: CancellationToken) {
        let tasks = TaskTracker::new();
        let mut served: HashSet<String> = HashSet::new();
        let mut rules_known = false;
        let finding = async {
            loop {
                if !rules_known {
                    match schedule::adopt_time_rules(&self.inner.cx).await {
                        Ok(()) => rules_known = true,
                        Err(error) => tracing::warn!(
                            error = &error as &dyn std::error::Error,
                            "The zone rules could not be compared; trying again"
                        ),
                    }
                }
                // New cells are found without a restart.
                match self.inner.cx.db.cells().await {
                    Ok(cells) => {
                        for name in cells {
                            if served.insert(name.clone()) {
                                tasks.spawn(cell::serve(Arc::clone(&self.inner), name, shutdown.clone()));
                            }
                        }
                    }
                    Err(error) => tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "The catalogue does not answer; trying again"
                    ),
                }
                let pause = if served.is_empty() { Duration::from_secs(1) } else { Duration::from_secs(30) };
                tokio::time::sleep(pause).await;
            }
        };
        shutdown.run_until_cancelled(finding).await;
        tasks.close();
        tasks.wait().await;
    }

    /// Runs, one after another, everything that is due by the injected clock, jobs of the present ticks included, until
    /// nothing is. For tests and demonstrations, which move the clock themselves.
    ///
    /// # Errors
    /// When a cell does not answer.
    pub async fn drain(&self) -> Result<Drained, DbError> {
        let inner = &self.inner;
        let mut drained = Drained::default();
        for name in inner.cx.db.cells().await? {
            schedule::enqueue_due(&inner.cx, &name, false, &mut Seen::new()).await?;
            let worker = inner.cx.new_id();
            loop {
                let request = ClaimRequest {
                    worker,
                    now: inner.cx.now(),
                    limit: 1,
                    per_tenant: 1,
                    bulk_limit: 1,
                    kinds: inner
                        .runners
                        .keys()
                        .map(|kind| ClaimKind { kind: (*kind).to_owned(), free: 1, together: 1 })
                        .collect(),
                    running: Vec::new(),
                    lease_seconds: inner.options.lease.as_secs_f64(),
                };
                let jobs = inner.cx.db.claim_jobs(&name, &request).await?;
                if jobs.is_empty() {
                    break;
                }
                for settled in run_claimed(inner, &name, &jobs, &CancellationToken::new()).await {
                    match settled {
                        Settled::Done => drained.done += 1,
                        Settled::Retried | Settled::Postponed => drained.waiting += 1,
                        Settled::Failed => drained.failed += 1,
                        Settled::Lost => {}
                    }
                }
            }
        }
        Ok(drained)
    }
}
