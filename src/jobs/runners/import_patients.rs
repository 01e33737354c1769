//! Takes patients out of spreadsheets.

use std::time::Duration;

use uuid::Uuid;

use crate::{
    db::ClaimedJob,
    domain::{
        background::{self, JobKind},
        portability::import,
    },
    jobs::{Limits, Outcome, Run, Runner},
};

pub(super) struct ImportPatients;

#[derive(serde::Deserialize)]
struct Payload {
    job_id: Uuid,
}

#[async_trait::async_trait]
impl Runner for ImportPatients {
    fn kind(&self) -> &'static str {
        JobKind::PatientImport.as_str()
    }

    /// Few at once, since each reads a whole file; long enough for the largest, which goes on where it was if it is not.
    fn limits(&self) -> Limits {
        Limits { at_once: Some(2), longest_run: Duration::from_secs(1_800), ..Limits::default() }
    }

    async fn run(&self, run: &Run, job: &ClaimedJob) -> Outcome {
        let Ok(payload) = serde_json::from_value::<Payload>(job.payload.clone()) else {
            return Outcome::Fail("the payload names no job".to_owned());
        };
        match import::run::run(&run.cx, &run.actor, payload.job_id).await {
            Ok(()) => Outcome::Done,
            Err(failure) => Outcome::from_failure(&failure),
        }
    }

    async fn given_up(&self, run: &Run, job: &ClaimedJob, _why: &str) {
        let Ok(payload) = serde_json::from_value::<Payload>(job.payload.clone()) else { return };
        let problem = "something went wrong on our side; what is in stays in, and the same file can be imported again";
        if let Err(error) = background::fail(&run.cx, &run.actor, payload.job_id, problem).await {
            tracing::error!(?error, "A background job that was given up could not be marked as failed");
        }
    }
}
