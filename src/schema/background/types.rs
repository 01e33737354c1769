//! What background jobs are made of.

use std::sync::Arc;

use async_graphql::{Enum, ID, Object};

use crate::{
    domain::{
        background::Job,
        files::{
            Part,
            links::{USUAL_TTL_SECONDS, Wanted},
        },
    },
    schema::{
        error::ApiError,
        files::LinkTo,
        id::Kind,
        limits::directive::cost,
        request::Reader,
        scalar::{Instant, Url},
    },
};

/// How work in the background stands.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "crate::domain::background::JobStatus")]
pub enum JobStatus {
    /// It waits for its turn.
    Queued,
    /// It is being done.
    Running,
    /// It is done. Of an import: some rows may have failed all the same, see `errorCount`.
    Succeeded,
    /// It could not be done; `problem` says why. What it did until then stays.
    Failed,
    /// Somebody stopped it.
    Cancelled,
}

/// Work that goes on in the background: an import, an export.
#[derive(Clone, Debug)]
pub struct BackgroundJob {
    reader: Arc<Reader>,
    job: Arc<Job>,
}

impl BackgroundJob {
    /// A job that this reader may see.
    #[must_use]
    pub fn new(reader: Arc<Reader>, job: Arc<Job>) -> Self {
        Self { reader, job }
    }
}

/// Work that goes on in the background: an import, an export.
#[Object]
impl BackgroundJob {
    /// Opaque identifier.
    pub async fn id(&self) -> ID {
        self.reader.ids.encode(Kind::BackgroundJob, self.job.id)
    }

    /// What it does: `patients.import`, `patients.export`.
    async fn kind(&self) -> &'static str {
        self.job.kind.as_str()
    }

    /// How it stands.
    async fn status(&self) -> JobStatus {
        self.job.status.into()
    }

    /// How much of it is done: rows of an import, those that failed too. An export does not count what it does: 0.
    async fn progress(&self) -> i32 {
        self.job.progress
    }

    /// How much there is to do: rows of an import; null as long as nobody has counted them, and for an export.
    async fn total(&self) -> Option<i32> {
        self.job.total
    }

    /// How much of what is done has failed: rows of an import that are not in, and are in the report behind `resultUrl`.
    async fn error_count(&self) -> i32 {
        self.job.error_count
    }

    /// How much of what is done was there already: rows of an import whose patient was known, who has not been changed.
    async fn skipped_count(&self) -> i32 {
        self.job.skipped_count
    }

    /// Why it failed, in words for people.
    async fn problem(&self) -> Option<&str> {
        self.job.problem.as_deref()
    }

    /// A new address that gives what came of it to whoever asks first, and to nobody else, within five minutes: of an
    /// import the rows that did not come in, each with what is wrong with it, as a spreadsheet to be corrected and imported
    /// again. Null when there is nothing, when it is not kept any more, and for others than who asked for the job.
    #[graphql(directive = cost::apply(2, None))]
    async fn result_url(&self) -> Result<Option<Url>, ApiError> {
        let actor = &self.reader.actor;
        let Some(file) = self.job.result_id.filter(|_| self.job.gives_result_to(actor)) else { return Ok(None) };
        let wanted = Wanted { file, part: Part::Whole, ttl_seconds: USUAL_TTL_SECONDS };
        Ok(self.reader.loader.load_one(LinkTo(wanted)).await?.map(Url))
    }

    /// When it was asked for.
    async fn created_at(&self) -> Instant {
        Instant::utc(self.job.created_at)
    }

    /// When it ended.
    async fn finished_at(&self) -> Option<Instant> {
        self.job.finished_at.map(Instant::utc)
    }
}
