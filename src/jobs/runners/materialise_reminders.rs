//! Writes the reminders that the next 48 hours need.

use crate::{
    db::ClaimedJob,
    domain::notifications::reminders,
    jobs::{Limits, Outcome, Run, Runner},
};

pub(super) struct MaterialiseReminders;

#[async_trait::async_trait]
impl Runner for MaterialiseReminders {
    fn kind(&self) -> &'static str {
        super::MATERIALISE_REMINDERS
    }

    fn limits(&self) -> Limits {
        // A sweep reads much; two at once leave the database to those who wait.
        Limits { at_once: Some(2), ..Limits::default() }
    }

    async fn run(&self, run: &Run, _job: &ClaimedJob) -> Outcome {
        match reminders::materialise(&run.cx, &run.actor).await {
            Ok(_) => Outcome::Done,
            Err(failure) => Outcome::from_failure(&failure),
        }
    }
}
