//! The queue's other end: workers that claim due jobs, run them outside any transaction, and write what became of them.
//!
//! One runner per job kind, in `runners`. A runner is idempotent and reads the state again: between the moment a job
//! was put in and the moment it runs, everything may have changed. Rules do not belong here; runners call the domain.

mod backoff;
mod outcome;
mod pace;
mod runners;
mod schedule;
mod slots;
mod worker;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

pub use outcome::{Limits, Outcome};
pub use schedule::{SCHEDULES, Schedule};
pub use worker::{Drained, Worker, WorkerOptions};

use crate::{auth::Actor, db::ClaimedJob, domain::cx::Cx};

/// What a runner is given besides the job.
pub struct Run {
    /// The use cases' context.
    pub cx: Cx,
    /// Horae itself, working for the job's tenant.
    pub actor: Arc<Actor>,
    /// Cancelled when the process stops for good or the job's lease is lost: stop at the next good place.
    pub stop: CancellationToken,
}

/// Does one kind of job.
#[async_trait::async_trait]
pub trait Runner: Send + Sync + 'static {
    /// The job's name, forever: rows outlive deploys.
    fn kind(&self) -> &'static str;

    /// How often it is tried, and how many run at once.
    fn limits(&self) -> Limits {
        Limits::default()
    }

    /// Does the job.
    async fn run(&self, run: &Run, job: &ClaimedJob) -> Outcome;

    /// Does jobs of one tenant and one cause that are tried for the first time, no more than the limits say: an outcome for
    /// each, in their order.
    async fn run_together(&self, run: &Run, jobs: &[ClaimedJob]) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(jobs.len());
        for job in jobs {
            outcomes.push(self.run(run, job).await);
        }
        outcomes
    }

    /// The job has failed for good.
    async fn given_up(&self, _run: &Run, _job: &ClaimedJob, _why: &str) {}
}
