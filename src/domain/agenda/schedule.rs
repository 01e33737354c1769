//! Schedules: the weekly windows of one resource in one branch, and their exceptions.

use std::ops::Range;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use sea_orm::FromQueryResult;
use serde_json::Value;
use uuid::Uuid;

use super::{
    model::{ExceptionRow, ScheduleException, exception_select, window},
    visibility::Sight,
};
use crate::{
    auth::{Actor, Scope},
    db::TenantTx,
    domain::{
        cx::Cx,
        facts::{Facts, facts, many, text},
        known::{Named, Thing},
        refusal::Failure,
        time::WeeklyWindow,
    },
};

/// When a resource usually works in a branch.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// Which.
    pub id: Uuid,
    /// For optimistic updates.
    pub version: i32,
    /// Whose.
    pub resource: Uuid,
    /// Where.
    pub branch: Uuid,
    /// Tells it from the resource's other schedules there.
    pub name: String,
    /// When.
    pub windows: Vec<WeeklyWindow>,
}

impl Schedule {
    /// What the audit trail may tell of it.
    #[must_use]
    pub fn facts(&self) -> Facts {
        let Self { id: _, version, resource, branch, name, windows } = self;
        facts!({
            "version": *version,
            "resourceId": *resource,
            "branchId": *branch,
            "name": text(name),
            "windows": many(windows),
        })
    }
}

#[derive(FromQueryResult)]
struct ScheduleRow {
    id: Uuid,
    version: i32,
    resource_id: Uuid,
    branch_id: Uuid,
    name: String,
    windows: Value,
}

#[derive(serde::Deserialize)]
struct WindowJson {
    weekday: i16,
    starts: NaiveTime,
    ends: NaiveTime,
    valid_from: Option<NaiveDate>,
    valid_to: Option<NaiveDate>,
}

impl TryFrom<ScheduleRow> for Schedule {
    type Error = Failure;

    fn try_from(row: ScheduleRow) -> Result<Self, Failure> {
        let windows: Vec<WindowJson> = serde_json::from_value(row.windows)
            .map_err(|error| Failure::fault(format!("schedule windows: {error}")))?;
        let windows =
            windows.into_iter().map(|one| window(one.weekday, one.starts..one.ends, one.valid_from, one.valid_to));
        Ok(Self {
            windows: windows.collect::<Result<_, _>>()?,
            id: row.id,
            version: row.version,
            resource: row.resource_id,
            branch: row.branch_id,
            name: row.name,
        })
    }
}

macro_rules! schedule_select {
    ($rest:literal) => {
        concat!(
            "SELECT s.id, s.version, s.resource_id, s.branch_id, s.name,
                 coalesce((SELECT jsonb_agg(to_jsonb(w) - 'schedule_id' ORDER BY w.weekday, w.starts, w.valid_from)
                     FROM schedule_windows w WHERE w.schedule_id = s.id), '[]') AS windows
             FROM schedules s ",
            $rest
        )
    };
}

/// The schedules of a resource in a branch (none: of every resource there), by resource and name.
///
/// # Errors
/// Faults of the database.
pub async fn of_branch(tx: &TenantTx, branch: Uuid, resource: Option<Uuid>) -> Result<Vec<Schedule>, Failure> {
    let rows: Vec<ScheduleRow> = tx
        .all(
            schedule_select!(
                "JOIN resources r ON r.id = s.resource_id WHERE s.branch_id = $1 AND ($2::uuid IS NULL OR s.resource_id = $2)
                 ORDER BY r.name, r.id, s.name"
            ),
            [branch.into(), resource.into()],
        )
        .await?;
    rows.into_iter().map(Schedule::try_from).collect()
}

/// The schedules of a branch that the caller may see: all of them, or the own ones.
///
/// # Errors
/// FORBIDDEN without a permission on the branch's agenda; faults of the database.
pub async fn list(cx: &Cx, actor: &Actor, branch: Uuid, resource: Option<Uuid>) -> Result<Vec<Schedule>, Failure> {
    let sight = Sight::of(actor, Scope::Branch(branch))?;
    let tx = cx.read(actor).await?;
    let mut found = of_branch(&tx, branch, resource).await?;
    if found.is_empty() {
        let named =
            Named::default().one(Thing::Branch, Some(branch), "branchId").one(Thing::Resource, resource, "resourceId");
        named.require(&tx, actor).await?;
    }
    tx.commit().await?;
    found.retain(|one| sight.own.is_none_or(|own| own == one.resource));
    Ok(found)
}

/// The schedules with these ids, in no order.
///
/// # Errors
/// Faults of the database.
pub async fn by_ids(tx: &TenantTx, ids: Vec<Uuid>) -> Result<Vec<Schedule>, Failure> {
    let rows: Vec<ScheduleRow> = tx.all(schedule_select!("WHERE s.id = ANY ($1)"), [ids.into()]).await?;
    rows.into_iter().map(Schedule::try_from).collect()
}

/// The exceptions of resources in a branch, the branch's own included, that meet `range`; by start.
///
/// # Errors
/// Faults of the database.
pub async fn exceptions(
    tx: &TenantTx,
    branch: Uuid,
    resources: Vec<Uuid>,
    range: &Range<DateTime<Utc>>,
) -> Result<Vec<ScheduleException>, Failure> {
    let rows: Vec<ExceptionRow> = tx
        .all(
            exception_select!(
                "WHERE e.branch_id = $1 AND (e.resource_id IS NULL OR e.resource_id = ANY ($2)) AND e.during && tstzrange($3, $4)
                 ORDER BY lower(e.during), e.id"
            ),
            [branch.into(), resources.into(), range.start.into(), range.end.into()],
        )
        .await?;
    rows.into_iter().map(ScheduleException::try_from).collect()
}

/// One exception.
///
/// # Errors
/// Faults of the database.
pub async fn find_exception(tx: &TenantTx, id: Uuid) -> Result<Option<ScheduleException>, Failure> {
    let row: Option<ExceptionRow> = tx.find(exception_select!("WHERE e.id = $1"), [id.into()]).await?;
    row.map(ScheduleException::try_from).transpose()
}

/// The schedules with these ids that the caller may see, in no order.
///
/// # Errors
/// FORBIDDEN without a permission on the agenda; faults of the database.
pub async fn visible(tx: &TenantTx, actor: &Actor, ids: Vec<Uuid>) -> Result<Vec<Schedule>, Failure> {
    let sight = Sight::of(actor, Scope::Anywhere)?;
    let mut found = by_ids(tx, ids).await?;
    found.retain(|one| sight.includes(one.branch, &[one.resource]));
    Ok(found)
}

/// The exceptions with these ids that the caller may see, in no order: a branch's own are everybody's who works there.
///
/// # Errors
/// FORBIDDEN without a permission on the agenda; faults of the database.
pub async fn visible_exceptions(
    tx: &TenantTx,
    actor: &Actor,
    ids: Vec<Uuid>,
) -> Result<Vec<ScheduleException>, Failure> {
    let sight = Sight::of(actor, Scope::Anywhere)?;
    let rows: Vec<ExceptionRow> = tx.all(exception_select!("WHERE e.id = ANY ($1)"), [ids.into()]).await?;
    let mut found = rows.into_iter().map(ScheduleException::try_from).collect::<Result<Vec<_>, _>>()?;
    found.retain(|one| sight.includes(one.branch, one.resource.or(sight.own).as_slice()));
    Ok(found)
}
