//! `upsertSchedule`: when a resource usually works in a branch.

use std::{collections::BTreeSet, sync::Arc};

use chrono::TimeDelta;
use serde_json::json;
use uuid::Uuid;

use super::{
    appointment::AppointmentView,
    calendar::belongs,
    conflicts::{outside_working_time, visible},
    schedule::{Schedule, by_ids, of_branch},
};
use crate::{
    auth::{Actor, Permission, Scope},
    db::TenantTx,
    domain::{
        centre::{WindowInput, check::Check, model::Branch, query, window},
        change::{Change, Changes},
        cx::Cx,
        refusal::{Code, Failure, Refusal},
        time::{WeeklyWindow, find_clash},
    },
};

/// How far ahead is looked for appointments that a change leaves outside.
const AHEAD: TimeDelta = TimeDelta::days(366);

/// A schedule to create or change.
#[derive(Clone, Debug)]
pub struct Input {
    /// Which; none: a new one.
    pub id: Option<Uuid>,
    /// The version that was read; goes with `id`.
    pub version: Option<i32>,
    /// Whose.
    pub resource: Uuid,
    /// Where.
    pub branch: Uuid,
    /// Tells it from the resource's other schedules there.
    pub name: String,
    /// All of them: what is not here is gone. None at all: the resource does not work in the branch.
    pub windows: Vec<WindowInput>,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Output {
    /// The schedule as it is now.
    pub schedule: Schedule,
    /// Appointments ahead that lie outside of working time now, as far as the caller sees them; nothing happened to them.
    /// Those that were put outside of it on purpose are not among them.
    pub conflicts: Vec<Arc<AppointmentView>>,
}

/// Creates or changes a schedule, and tells which appointments ahead lie outside of working time now.
///
/// # Errors
/// FORBIDDEN without CONFIG_WRITE in the branch; NOT_FOUND for resources that are not of the branch; INVALID for windows
/// that end before they start or share time; ALREADY_EXISTS for a second schedule of the name; VERSION_CONFLICT; faults of
/// the database.
pub async fn run(cx: &Cx, actor: &Actor, input: Input) -> Result<Output, Failure> {
    actor.require(Permission::ConfigWrite, Scope::Branch(input.branch))?;
    let windows = check(&input)?;
    cx.retrying(|| save(cx, actor, &input, &windows)).await
}

async fn save(cx: &Cx, actor: &Actor, input: &Input, windows: &[WeeklyWindow]) -> Result<Output, Failure> {
    let tx = cx.write(actor).await?;
    let branch = lock(&tx, input).await?;
    let others = of_branch(&tx, branch.id, Some(input.resource)).await?;
    let before = others.iter().find(|one| Some(one.id) == input.id);
    if input.id.is_some() && before.is_none() {
        // Before anything that the resource's other schedules say: an id of nothing must not be told from another centre's.
        return Err(Refusal::not_found("id").into());
    }
    clash(input, windows, &others)?;
    let now = cx.now();
    let outside = || outside_working_time(&tx, &branch, Some(input.resource), now..now + AHEAD, now);
    let on_purpose: BTreeSet<Uuid> =
        outside().await?.iter().filter(|one| one.overbooked).map(|one| one.appointment).collect();
    let id = write(cx, &tx, input, windows, before).await?;
    let schedule =
        by_ids(&tx, vec![id]).await?.pop().ok_or_else(|| Failure::fault("the schedule just written is gone"))?;
    let mut outside = outside().await?;
    outside.retain(|one| !on_purpose.contains(&one.appointment));
    let conflicts = visible(&tx, actor, &branch, &outside).await?;
    let change = Change {
        branch_id: Some(branch.id),
        data: json!({"resourceId": input.resource, "scheduleId": id}),
        before: before.map(Schedule::facts),
        after: Some(schedule.facts().with("conflicts", outside.len())),
        ..Change::event("schedule.changed", "upsertSchedule", "Schedule", id)
    };
    cx.commit(tx, Changes::one(actor, change)).await?;
    Ok(Output { schedule, conflicts })
}

fn check(input: &Input) -> Result<Vec<WeeklyWindow>, Failure> {
    let mut check = Check::default();
    check.version(input.id, input.version);
    check.name("name", &input.name);
    let windows = window::checked(&mut check, "windows", &input.windows);
    check.done()?;
    Ok(windows)
}

/// Schedules of one resource change one after the other, so that two cannot come to clash behind each other's back; and
/// while nobody books in the branch, so that no booking comes between the change and the look at whom it leaves outside.
async fn lock(tx: &TenantTx, input: &Input) -> Result<Branch, Failure> {
    tx.run("SELECT 1 FROM resources WHERE id = $1 FOR NO KEY UPDATE", [input.resource.into()]).await?;
    let branch = query::lock_branches(tx, vec![input.branch]).await?.pop();
    let branch = branch.ok_or_else(|| Refusal::not_found("branchId"))?;
    let resource = query::resources(tx, vec![input.resource]).await?.pop();
    if !resource.is_some_and(|resource| belongs(&resource, branch.id)) {
        return Err(Refusal::not_found("resourceId").into());
    }
    Ok(branch)
}

/// The resource's schedules in the branch must not share time.
fn clash(input: &Input, windows: &[WeeklyWindow], others: &[Schedule]) -> Result<(), Failure> {
    for other in others.iter().filter(|one| Some(one.id) != input.id) {
        for (at, window) in windows.iter().enumerate() {
            let pairs = other.windows.iter().map(|theirs| [window.clone(), theirs.clone()]);
            if pairs.into_iter().any(|pair| find_clash(&pair).is_some()) {
                let message = format!("this window shares time with the schedule `{}`", other.name);
                return Err(Refusal::invalid(&format!("windows.{at}"), message).into());
            }
        }
    }
    Ok(())
}

async fn write(
    cx: &Cx,
    tx: &TenantTx,
    input: &Input,
    windows: &[WeeklyWindow],
    before: Option<&Schedule>,
) -> Result<Uuid, Failure> {
    let name = input.name.trim();
    let written = match (input.id, input.version) {
        (Some(id), Some(version)) => {
            let changed = tx
                .run(
                    "UPDATE schedules SET name = $3, version = version + 1
                     WHERE id = $1 AND version = $2 AND resource_id = $4 AND branch_id = $5",
                    [id.into(), version.into(), name.into(), input.resource.into(), input.branch.into()],
                )
                .await;
            changed.map(|rows| (id, rows))
        }
        _ => {
            let id = cx.new_id();
            let created = tx
                .run(
                    "INSERT INTO schedules (id, resource_id, branch_id, name) VALUES ($1, $2, $3, $4)",
                    [id.into(), input.resource.into(), input.branch.into(), name.into()],
                )
                .await;
            created.map(|rows| (id, rows))
        }
    };
    let (id, rows) = match written {
        Err(error) if error.violates("schedules_resource_id_branch_id_name_key") => {
            let message = "the resource has a schedule of this name in this branch already";
            return Err(Refusal::new(Code::AlreadyExists, message).at("name").into());
        }
        other => other?,
    };
    if rows == 0 {
        // The resource is locked, so it is there; the version is another.
        let refusal = before.map_or_else(|| Refusal::not_found("id"), |one| Refusal::version_conflict(one.version));
        return Err(refusal.into());
    }
    tx.run("DELETE FROM schedule_windows WHERE schedule_id = $1", [id.into()]).await?;
    let rows = windows.iter().map(|window| {
        json!({
            "weekday": window.day().number_from_monday(),
            "starts": window.start(),
            "ends": window.end(),
            "valid_from": window.valid_from(),
            "valid_to": window.valid_to(),
        })
    });
    tx.run(
        "INSERT INTO schedule_windows (schedule_id, weekday, starts, ends, valid_from, valid_to)
         SELECT $1, weekday, starts, ends, valid_from, valid_to
         FROM jsonb_to_recordset($2) AS x (weekday smallint, starts time, ends time, valid_from date, valid_to date)",
        [id.into(), serde_json::Value::Array(rows.collect()).into()],
    )
    .await?;
    Ok(id)
}
