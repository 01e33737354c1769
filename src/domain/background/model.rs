//! A job as people see it.

use chrono::{DateTime, Utc};
use sea_orm::{DbErr, FromQueryResult, QueryResult};
use uuid::Uuid;

use crate::auth::{Actor, Permission, Scope};

/// What a job does. The words are the queue's, the table's and the API's, forever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JobKind {
    /// Patients come in from a spreadsheet.
    PatientImport,
    /// All that is known of one patient goes out.
    PatientExport,
}

impl JobKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::PatientImport, Self::PatientExport];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PatientImport => "patients.import",
            Self::PatientExport => "patients.export",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// How a job stands. The words are the API's and the table's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the API describes each")]
pub enum JobStatus {
    Queued,
    Running,
    Succeeded,
    Failed,
    Cancelled,
}

impl JobStatus {
    const ALL: [Self; 5] = [Self::Queued, Self::Running, Self::Succeeded, Self::Failed, Self::Cancelled];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "QUEUED",
            Self::Running => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// Whether nothing more comes.
    #[must_use]
    pub fn is_over(self) -> bool {
        match self {
            Self::Queued | Self::Running => false,
            Self::Succeeded | Self::Failed | Self::Cancelled => true,
        }
    }
}

/// A job.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the columns are described in the migration, the fields in the API")]
pub struct Job {
    pub id: Uuid,
    pub kind: JobKind,
    pub status: JobStatus,
    pub creator_kind: String,
    pub creator_id: Option<Uuid>,
    /// None: a permission that this binary does not know, which nobody has.
    pub permission: Option<Permission>,
    pub shared: bool,
    pub progress: i32,
    pub total: Option<i32>,
    pub error_count: i32,
    pub skipped_count: i32,
    pub problem: Option<String>,
    pub result_id: Option<Uuid>,
    pub revision: i32,
    pub created_at: DateTime<Utc>,
    pub finished_at: Option<DateTime<Utc>>,
}

/// Columns of a job, as [`Job`] reads them.
macro_rules! job_columns {
    () => {
        "id, kind, status, creator_kind, creator_id, permission, shared, progress, total, error_count, skipped_count, problem,
             result_id, revision, created_at, finished_at"
    };
}
pub(super) use job_columns;

impl FromQueryResult for Job {
    fn from_query_result(row: &QueryResult, prefix: &str) -> Result<Self, DbErr> {
        let (kind, status): (String, String) = (row.try_get(prefix, "kind")?, row.try_get(prefix, "status")?);
        let permission: String = row.try_get(prefix, "permission")?;
        let unknown = |what: &str| DbErr::Type(format!("a background job's {what} is unknown"));
        Ok(Self {
            id: row.try_get(prefix, "id")?,
            kind: JobKind::parse(&kind).ok_or_else(|| unknown("kind"))?,
            status: JobStatus::ALL
                .into_iter()
                .find(|known| known.as_str() == status)
                .ok_or_else(|| unknown("status"))?,
            creator_kind: row.try_get(prefix, "creator_kind")?,
            creator_id: row.try_get(prefix, "creator_id")?,
            permission: Permission::ALL.into_iter().find(|known| known.as_str() == permission),
            shared: row.try_get(prefix, "shared")?,
            progress: row.try_get(prefix, "progress")?,
            total: row.try_get(prefix, "total")?,
            error_count: row.try_get(prefix, "error_count")?,
            skipped_count: row.try_get(prefix, "skipped_count")?,
            problem: row.try_get(prefix, "problem")?,
            result_id: row.try_get(prefix, "result_id")?,
            revision: row.try_get(prefix, "revision")?,
            created_at: row.try_get(prefix, "created_at")?,
            finished_at: row.try_get(prefix, "finished_at")?,
        })
    }
}

impl Job {
    /// Whether this caller asked for it.
    fn is_of(&self, actor: &Actor) -> bool {
        actor.id.is_some() && actor.id == self.creator_id && actor.kind.as_str() == self.creator_kind
    }

    /// Whether this caller holds now what the job was made with, in the whole centre: a job is of no branch.
    fn is_allowed_to(&self, actor: &Actor) -> bool {
        self.permission.is_some_and(|permission| actor.may(permission, Scope::Centre))
    }

    /// Whether this caller may know of it: who asked for it, and who could have asked, if it is nobody's own.
    #[must_use]
    pub fn is_visible_to(&self, actor: &Actor) -> bool {
        self.is_of(actor) || (self.shared && self.is_allowed_to(actor))
    }

    /// Whether this caller may have what came of it. That takes the permission of this moment, of the creator too.
    #[must_use]
    pub fn gives_result_to(&self, actor: &Actor) -> bool {
        self.is_visible_to(actor) && self.permission.is_some_and(|permission| actor.may(permission, Scope::Anywhere))
    }
}
