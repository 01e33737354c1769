//! Ends holds that nobody booked in time.

use uuid::Uuid;

use crate::{
    db::ClaimedJob,
    domain::booking::expire_hold,
    jobs::{Outcome, Run, Runner},
};

pub(super) struct ExpireHold;

#[derive(serde::Deserialize)]
struct Payload {
    appointment_id: Uuid,
}

#[async_trait::async_trait]
impl Runner for ExpireHold {
    fn kind(&self) -> &'static str {
        expire_hold::EXPIRE_JOB
    }

    async fn run(&self, run: &Run, job: &ClaimedJob) -> Outcome {
        let Ok(payload) = serde_json::from_value::<Payload>(job.payload.clone()) else {
            return Outcome::Fail("the payload names no appointment".to_owned());
        };
        match run.cx.retrying(|| expire_hold::run(&run.cx, &run.actor, payload.appointment_id)).await {
            Ok(Some(later)) => Outcome::RetryAt(later),
            Ok(None) => Outcome::Done,
            Err(failure) => Outcome::from_failure(&failure),
        }
    }
}
