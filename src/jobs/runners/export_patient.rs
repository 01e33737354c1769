//! Makes exports of patients' data.

use uuid::Uuid;

use crate::{
    db::ClaimedJob,
    domain::{
        background::{self, JobKind},
        portability::export,
    },
    jobs::{Limits, Outcome, Run, Runner},
};

pub(super) struct ExportPatient;

#[derive(serde::Deserialize)]
struct Payload {
    job_id: Uuid,
}

#[async_trait::async_trait]
impl Runner for ExportPatient {
    fn kind(&self) -> &'static str {
        JobKind::PatientExport.as_str()
    }

    /// Few at once: each holds a record in memory.
    fn limits(&self) -> Limits {
        Limits { at_once: Some(2), ..Limits::default() }
    }

    async fn run(&self, run: &Run, job: &ClaimedJob) -> Outcome {
        let Ok(payload) = serde_json::from_value::<Payload>(job.payload.clone()) else {
            return Outcome::Fail("the payload names no job".to_owned());
        };
        match export::run::run(&run.cx, &run.actor, payload.job_id).await {
            Ok(()) => Outcome::Done,
            Err(failure) => Outcome::from_failure(&failure),
        }
    }

    async fn given_up(&self, run: &Run, job: &ClaimedJob, _why: &str) {
        let Ok(payload) = serde_json::from_value::<Payload>(job.payload.clone()) else { return };
        let problem = "something went wrong on our side; ask for the export again";
        if let Err(error) = background::fail(&run.cx, &run.actor, payload.job_id, problem).await {
            tracing::error!(?error, "A background job that was given up could not be marked as failed");
        }
    }
}
