//! Goes over to a centre's newest key.

use std::time::Duration;

use crate::{
    db::ClaimedJob,
    domain::sealing::{reseal, rotate},
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
        match reseal::run(&run.cx, &run.actor, || run.stop.is_cancelled()).await {
            Ok(_) => Outcome::Done,
            Err(failure) => Outcome::from_failure(&failure),
        }
    }
}
