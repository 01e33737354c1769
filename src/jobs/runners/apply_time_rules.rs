//! Computes a centre's future local times again, after a binary with other zone rules has started.

use crate::{
    db::ClaimedJob,
    domain::platform::apply_time_rules,
    jobs::{Limits, Outcome, Run, Runner},
};

pub(super) struct ApplyTimeRules;

#[async_trait::async_trait]
impl Runner for ApplyTimeRules {
    fn kind(&self) -> &'static str {
        super::APPLY_TIME_RULES
    }

    fn limits(&self) -> Limits {
        Limits { at_once: Some(2), ..Limits::default() }
    }

    async fn run(&self, run: &Run, _job: &ClaimedJob) -> Outcome {
        match apply_time_rules::run(&run.cx, &run.actor).await {
            Ok(_) => Outcome::Done,
            Err(failure) => Outcome::from_failure(&failure),
        }
    }
}
