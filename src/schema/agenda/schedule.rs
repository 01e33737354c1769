//! Schedules and their exceptions.

use std::sync::Arc;

use async_graphql::{ID, InputObject, Object};

use super::{
    loader::ExceptionsOf,
    range::{LocalDateRange, TimeRange},
    types::ExceptionKind,
};
use crate::{
    domain::{
        agenda::{add_exception, day, model, schedule, upsert_schedule},
        refusal::{Failure, Refusal},
    },
    schema::{
        centre::{
            loader::BranchKey,
            types::{BookableResource, Branch, WeeklyWindow, WeeklyWindowInput},
        },
        error::ApiError,
        id::{GlobalIds, Kind},
        request::Reader,
        scalar::LocalDateTime,
    },
};

/// Most days of exceptions at once.
const MAX_DAYS: i64 = 366;

/// When a resource usually works in a branch.
#[derive(Clone, Debug)]
pub struct Schedule {
    reader: Arc<Reader>,
    model: schedule::Schedule,
}

impl Schedule {
    /// The API's form of a schedule.
    #[must_use]
    pub fn new(reader: &Arc<Reader>, model: schedule::Schedule) -> Self {
        Self { reader: Arc::clone(reader), model }
    }
}

/// When a professional, a room or a piece of equipment usually works in a branch.
#[Object]
impl Schedule {
    /// Opaque identifier.
    pub async fn id(&self) -> ID {
        self.reader.ids.encode(Kind::Schedule, self.model.id)
    }

    /// Goes up with every change; give it with the next one.
    pub async fn version(&self) -> i32 {
        self.model.version
    }

    /// Whose.
    async fn resource(&self) -> Result<BookableResource, ApiError> {
        let resource = BookableResource::load(&self.reader, self.model.resource).await?;
        resource.ok_or_else(|| Failure::fault("a schedule's resource is missing").into())
    }

    /// Where.
    async fn branch(&self) -> Result<Branch, ApiError> {
        let branch = Branch::load(&self.reader, self.model.branch).await?;
        branch.ok_or_else(|| Failure::fault("a schedule's branch is missing").into())
    }

    /// Tells it from the resource's other schedules there.
    async fn name(&self) -> &str {
        &self.model.name
    }

    /// When.
    async fn windows(&self) -> Vec<WeeklyWindow> {
        self.model.windows.iter().map(WeeklyWindow::from).collect()
    }

    /// What does not follow the windows on these dates: of the resource and of the branch as a whole, by start.
    async fn exceptions(
        &self,
        #[graphql(desc = "Local dates of the branch, at most 366.")] range: LocalDateRange,
    ) -> Result<Vec<ScheduleException>, ApiError> {
        let (from, to) = (range.from.0, range.to.0);
        if to < from || to.signed_duration_since(from).num_days() >= MAX_DAYS {
            return Err(Refusal::invalid(
                "range",
                format!("ask for 1 to {MAX_DAYS} days, the last not before the first"),
            )
            .into());
        }
        let branch = self.reader.loader.load_one(BranchKey(self.model.branch)).await?;
        let branch = branch.ok_or_else(|| ApiError::from(Failure::fault("a schedule's branch is missing")))?;
        let Some(during) = day::days(branch.zone, from, to) else { return Ok(Vec::new()) };
        let key = ExceptionsOf { branch: self.model.branch, resource: self.model.resource, during };
        let found = self.reader.loader.load_one(key).await?.unwrap_or_default();
        Ok(found.into_iter().map(|one| ScheduleException::new(&self.reader, one)).collect())
    }
}

/// A stretch of time that does not follow the weekly windows.
#[derive(Clone, Debug)]
pub struct ScheduleException {
    reader: Arc<Reader>,
    model: model::ScheduleException,
}

impl ScheduleException {
    /// The API's form of an exception.
    #[must_use]
    pub fn new(reader: &Arc<Reader>, model: model::ScheduleException) -> Self {
        Self { reader: Arc::clone(reader), model }
    }
}

/// A stretch of time in which a resource, or a whole branch, does not follow its weekly windows.
#[Object]
impl ScheduleException {
    /// Opaque identifier.
    pub async fn id(&self) -> ID {
        self.reader.ids.encode(Kind::ScheduleException, self.model.id)
    }

    /// How it changes working time.
    async fn kind(&self) -> ExceptionKind {
        self.model.kind.into()
    }

    /// When.
    async fn range(&self) -> TimeRange {
        TimeRange::new(self.model.during.clone(), self.model.zone)
    }

    /// Why, for people.
    async fn reason(&self) -> Option<&str> {
        self.model.reason.as_deref()
    }
}

/// A schedule to create, or to change when `id` is given.
#[derive(InputObject, Clone, Debug)]
pub struct ScheduleInput {
    /// Which; leave it out for a new one.
    pub id: Option<ID>,
    /// Its version as you read it; required with `id`.
    pub version: Option<i32>,
    /// Whose: a professional, a room or a piece of equipment of the branch.
    pub resource_id: ID,
    /// Where.
    pub branch_id: ID,
    /// Tells it from the resource's other schedules there.
    pub name: String,
    /// All of them: a window that is left out is gone. No two windows of one resource in one branch share time.
    pub windows: Vec<WeeklyWindowInput>,
}

impl ScheduleInput {
    pub(super) fn into_domain(self, ids: &GlobalIds) -> Result<upsert_schedule::Input, Refusal> {
        Ok(upsert_schedule::Input {
            id: ids.decode_opt(Kind::Schedule, self.id.as_ref(), "id")?,
            version: self.version,
            resource: ids.decode(Kind::Resource, &self.resource_id, "resourceId")?,
            branch: ids.decode(Kind::Branch, &self.branch_id, "branchId")?,
            name: self.name,
            windows: self.windows.into_iter().map(Into::into).collect(),
        })
    }
}

/// An exception to add.
#[derive(InputObject, Clone, Debug)]
pub struct ScheduleExceptionInput {
    /// Whose; leave it out for the whole branch.
    pub resource_id: Option<ID>,
    /// Where.
    pub branch_id: ID,
    /// How it changes working time.
    pub kind: ExceptionKind,
    /// From, on the branch's clock; 00:00 is where the day begins, also where the clock jumps over it or shows it twice.
    pub local_start: LocalDateTime,
    /// Until, on the branch's clock; at most a year later, and 00:00 is where the day begins.
    pub local_end: LocalDateTime,
    /// Why, for people; at most 500 characters.
    pub reason: Option<String>,
}

impl ScheduleExceptionInput {
    pub(super) fn into_domain(self, ids: &GlobalIds) -> Result<add_exception::Input, Refusal> {
        Ok(add_exception::Input {
            resource: ids.decode_opt(Kind::Resource, self.resource_id.as_ref(), "resourceId")?,
            branch: ids.decode(Kind::Branch, &self.branch_id, "branchId")?,
            kind: self.kind.into(),
            local_start: self.local_start.0,
            local_end: self.local_end.0,
            reason: self.reason,
        })
    }
}
