//! What a runner says about the job it has just run.

use chrono::{DateTime, Utc};

use crate::{db::with_causes, domain::refusal::Failure};

/// What became of one try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The work is done, or there was nothing to do any more.
    Done,
    /// Not now, and nobody's fault: again at this instant, and the try does not count.
    RetryAt(DateTime<Utc>),
    /// The try failed; again after a pause, until the kind's tries are used up. The text is for operators.
    Failed(String),
    /// It can never succeed. The text is for operators.
    Fail(String),
}

impl Outcome {
    /// What a use case's failure means for its job: a fault may pass, a refusal will not.
    #[must_use]
    pub fn from_failure(failure: &Failure) -> Self {
        match failure {
            Failure::Refused(refusals) => {
                let codes: Vec<String> = refusals.iter().map(|refusal| format!("{:?}", refusal.code)).collect();
                Self::Fail(format!("refused: {}", codes.join(", ")))
            }
            Failure::Fault(fault) => Self::Failed(with_causes(fault)),
        }
    }
}

/// How a kind of job is treated.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// After so many counted tries it is FAILED.
    pub tries: i32,
    /// Most of this kind at once in one worker; none: as many as there are slots.
    pub at_once: Option<usize>,
    /// It waits for somebody outside, who may hang: a quarter of the slots stays free of it, so that other work goes on.
    pub leaves_room: bool,
    /// Most that are run together, if they are of one tenant and one cause; they are also a tenant's one turn.
    pub together: usize,
    /// Longest pause between two tries, in seconds.
    pub longest_pause_s: u32,
    /// A try that takes longer has failed.
    pub longest_run: std::time::Duration,
}

impl Default for Limits {
    /// 8 tries within about four minutes, any number at once, each by itself.
    fn default() -> Self {
        let longest_run = std::time::Duration::from_secs(600);
        Self { tries: 8, at_once: None, leaves_room: false, together: 1, longest_pause_s: 300, longest_run }
    }
}
