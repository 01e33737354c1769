//! What is removed when its time is over.

use chrono::Duration;

use crate::{
    db::ClaimedJob,
    domain::platform::retention::{self, Remains},
    jobs::{Limits, Outcome, Run, Runner},
};

/// A stream can go on from anywhere within this time.
const EVENTS_KEPT: Duration = Duration::days(30);

pub(super) struct PruneEvents;

#[async_trait::async_trait]
impl Runner for PruneEvents {
    fn kind(&self) -> &'static str {
        super::PRUNE_EVENTS
    }

    fn limits(&self) -> Limits {
        Limits { at_once: Some(1), ..Limits::default() }
    }

    async fn run(&self, run: &Run, _job: &ClaimedJob) -> Outcome {
        let before = run.cx.now() - EVENTS_KEPT;
        match retention::prune_events(&run.cx, &run.actor, before).await {
            Ok(()) => Outcome::Done,
            Err(failure) => Outcome::from_failure(&failure),
        }
    }
}

/// Removes what was over long enough ago.
pub(super) struct Prune {
    pub(super) kind: &'static str,
    pub(super) what: &'static [Remains],
}

#[async_trait::async_trait]
impl Runner for Prune {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn limits(&self) -> Limits {
        Limits { at_once: Some(1), ..Limits::default() }
    }

    async fn run(&self, run: &Run, _job: &ClaimedJob) -> Outcome {
        match retention::prune(&run.cx, &run.actor, self.what).await {
            Ok(_) => Outcome::Done,
            Err(failure) => Outcome::from_failure(&failure),
        }
    }
}
