//! Looks up whose address somebody typed who forgot a password.

use uuid::Uuid;

use crate::{
    db::ClaimedJob,
    domain::identity::{request_password_reset::JOB, send_password_reset},
    jobs::{Outcome, Run, Runner},
};

pub(super) struct PasswordReset;

#[derive(serde::Deserialize)]
struct Payload {
    request_id: Uuid,
}

#[async_trait::async_trait]
impl Runner for PasswordReset {
    fn kind(&self) -> &'static str {
        JOB
    }

    async fn run(&self, run: &Run, job: &ClaimedJob) -> Outcome {
        let Ok(payload) = serde_json::from_value::<Payload>(job.payload.clone()) else {
            return Outcome::Fail("the payload names no request".to_owned());
        };
        match run.cx.retrying(|| send_password_reset::run(&run.cx, &run.actor, payload.request_id)).await {
            Ok(()) => Outcome::Done,
            Err(failure) => Outcome::from_failure(&failure),
        }
    }
}
