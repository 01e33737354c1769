//! Schedules and exceptions as the rules see them.

use std::ops::Range;

use chrono::{DateTime, NaiveDateTime, NaiveTime, Utc, Weekday};
use chrono_tz::Tz;
use sea_orm::FromQueryResult;
use uuid::Uuid;

use crate::domain::{
    centre::model::zone,
    facts::{Facts, facts, masked},
    refusal::Failure,
    time::WeeklyWindow,
};

/// How an exception changes working time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExceptionKind {
    /// Closed for a reason of the centre's own.
    Closed,
    /// Works although it usually does not.
    ExtraHours,
    /// Taken for something that is no appointment.
    Block,
    /// A day off by law or custom.
    Holiday,
}

impl ExceptionKind {
    /// The word in the database and in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "CLOSED",
            Self::ExtraHours => "EXTRA_HOURS",
            Self::Block => "BLOCK",
            Self::Holiday => "HOLIDAY",
        }
    }

    /// The kind that the database's word names.
    ///
    /// # Errors
    /// A fault: the word is in no CHECK of ours.
    pub fn parse(word: &str) -> Result<Self, Failure> {
        [Self::Closed, Self::ExtraHours, Self::Block, Self::Holiday]
            .into_iter()
            .find(|kind| kind.as_str() == word)
            .ok_or_else(|| Failure::fault(format!("unknown kind of schedule exception `{word}`")))
    }

    /// Whether it takes working time away.
    #[must_use]
    pub fn takes_time(self) -> bool {
        match self {
            Self::Closed | Self::Block | Self::Holiday => true,
            Self::ExtraHours => false,
        }
    }
}

/// A stretch of time that does not follow the weekly windows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleException {
    /// Which.
    pub id: Uuid,
    /// Where.
    pub branch: Uuid,
    /// Whose; none: everybody's and everything's of the branch.
    pub resource: Option<Uuid>,
    /// What it does.
    pub kind: ExceptionKind,
    /// Its instants by today's zone rules.
    pub during: Range<DateTime<Utc>>,
    /// Start on the branch's clock.
    pub local_start: NaiveDateTime,
    /// End on the branch's clock.
    pub local_end: NaiveDateTime,
    /// The branch's zone.
    pub zone: Tz,
    /// Why, for people.
    pub reason: Option<String>,
}

impl ScheduleException {
    /// What the audit trail may tell of it: a reason may speak of somebody's health.
    #[must_use]
    pub fn facts(&self) -> Facts {
        let Self { id: _, branch, resource, kind, during: _, local_start, local_end, zone: _, reason } = self;
        facts!({
            "branchId": *branch,
            "resourceId": *resource,
            "kind": kind.as_str(),
            "localStart": *local_start,
            "localEnd": *local_end,
            "reason": masked(reason),
        })
    }
}

/// Row of [`exception_select`].
#[derive(FromQueryResult)]
pub(super) struct ExceptionRow {
    id: Uuid,
    branch_id: Uuid,
    resource_id: Option<Uuid>,
    kind: String,
    starts: DateTime<Utc>,
    ends: DateTime<Utc>,
    local_start: NaiveDateTime,
    local_end: NaiveDateTime,
    time_zone: String,
    reason: Option<String>,
}

/// Columns of an exception; to be followed by WHERE on `e`.
macro_rules! exception_select {
    ($rest:literal) => {
        concat!(
            "SELECT e.id, e.branch_id, e.resource_id, e.kind, lower(e.during) AS starts, upper(e.during) AS ends,
                 e.local_start, e.local_end, b.time_zone, e.reason
             FROM schedule_exceptions e JOIN branches b ON b.id = e.branch_id ",
            $rest
        )
    };
}
pub(super) use exception_select;

impl TryFrom<ExceptionRow> for ScheduleException {
    type Error = Failure;

    fn try_from(row: ExceptionRow) -> Result<Self, Failure> {
        Ok(Self {
            kind: ExceptionKind::parse(&row.kind)?,
            zone: zone(&row.time_zone)?,
            id: row.id,
            branch: row.branch_id,
            resource: row.resource_id,
            during: row.starts..row.ends,
            local_start: row.local_start,
            local_end: row.local_end,
            reason: row.reason,
        })
    }
}

/// A weekly window from its columns.
///
/// # Errors
/// A fault: the row breaks a CHECK of ours.
pub(super) fn window(
    weekday: i16,
    hours: Range<NaiveTime>,
    valid_from: Option<chrono::NaiveDate>,
    valid_to: Option<chrono::NaiveDate>,
) -> Result<WeeklyWindow, Failure> {
    let day = u8::try_from(weekday - 1).ok().and_then(|day| Weekday::try_from(day).ok());
    let day = day.ok_or_else(|| Failure::fault(format!("there is no day {weekday} in a week")))?;
    WeeklyWindow::try_new(day, hours, valid_from, valid_to).map_err(|error| Failure::fault(error.to_string()))
}
