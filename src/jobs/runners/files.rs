//! Files: small pictures, and what nobody waits for any more.

use uuid::Uuid;

use crate::{
    db::ClaimedJob,
    domain::files::{sweep, thumbnail},
    jobs::{Limits, Outcome, Run, Runner},
};

/// Draws the small picture of a photograph.
pub(super) struct Thumbnail;

#[derive(serde::Deserialize)]
struct Payload {
    attachment_id: Uuid,
}

#[async_trait::async_trait]
impl Runner for Thumbnail {
    fn kind(&self) -> &'static str {
        thumbnail::JOB
    }

    fn limits(&self) -> Limits {
        // A photograph of 50 million pixels takes 200 MB while it is drawn.
        Limits { at_once: Some(2), ..Limits::default() }
    }

    async fn run(&self, run: &Run, job: &ClaimedJob) -> Outcome {
        let Ok(payload) = serde_json::from_value::<Payload>(job.payload.clone()) else {
            return Outcome::Fail("the payload names no file".to_owned());
        };
        match thumbnail::run(&run.cx, &run.actor, payload.attachment_id).await {
            Ok(()) => Outcome::Done,
            Err(failure) => Outcome::from_failure(&failure),
        }
    }
}

/// Removes files that are over.
pub(super) struct Sweep;

#[async_trait::async_trait]
impl Runner for Sweep {
    fn kind(&self) -> &'static str {
        super::SWEEP_FILES
    }

    fn limits(&self) -> Limits {
        Limits { at_once: Some(1), ..Limits::default() }
    }

    async fn run(&self, run: &Run, _job: &ClaimedJob) -> Outcome {
        match sweep::run(&run.cx, &run.actor).await {
            Ok(_) => Outcome::Done,
            Err(failure) => Outcome::from_failure(&failure),
        }
    }
}

/// Removes objects of the store that no row stands for.
pub(super) struct Orphans;

#[async_trait::async_trait]
impl Runner for Orphans {
    fn kind(&self) -> &'static str {
        super::REMOVE_ORPHANS
    }

    fn limits(&self) -> Limits {
        Limits { at_once: Some(1), ..Limits::default() }
    }

    async fn run(&self, run: &Run, _job: &ClaimedJob) -> Outcome {
        match sweep::orphans(&run.cx, &run.actor).await {
            Ok(_) => Outcome::Done,
            Err(failure) => Outcome::from_failure(&failure),
        }
    }
}
