//! Goes over to a centre's newest key.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::{
    db::ClaimedJob,
    domain::{
        refusal::Failure,
        sealing::{
            reseal::{self, Done},
            rotate,
        },
    },
    jobs::{Limits, Outcome, Run, Runner},
};

pub(super) struct ResealValues;

#[async_trait::async_trait]
impl Runner for ResealValues {
    fn kind(&self) -> &'static str {
        rotate::RESEAL
    }

    /// A large centre takes long, and each try goes on where the one before stopped.
    fn limits(&self) -> Limits {
        Limits { tries: 20, at_once: Some(1), longest_run: Duration::from_secs(6 * 3600), ..Limits::default() }
    }

    async fn run(&self, run: &Run, _job: &ClaimedJob) -> Outcome {
        outcome(reseal::run(&run.cx, &run.actor, || run.stop.is_cancelled()).await, run.cx.now())
    }
}

/// What was stopped is not done: whoever is there next does the rest, and the try does not count.
fn outcome(result: Result<Done, Failure>, now: DateTime<Utc>) -> Outcome {
    match result {
        Ok(done) if done.stopped => Outcome::RetryAt(now),
        Ok(_) => Outcome::Done,
        Err(failure) => Outcome::from_failure(&failure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_stopped_stays_in_the_queue() {
        let now = DateTime::UNIX_EPOCH;
        assert_eq!(outcome(Ok(Done { stopped: true, ..Done::default() }), now), Outcome::RetryAt(now));
        assert_eq!(outcome(Ok(Done::default()), now), Outcome::Done);
        assert!(matches!(outcome(Err(Failure::fault("broken")), now), Outcome::Failed(_)));
    }
}
