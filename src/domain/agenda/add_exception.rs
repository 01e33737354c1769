//! `addScheduleException`: a stretch of time in which a resource, or a whole branch, does not follow its windows.

use std::{ops::Range, sync::Arc};

use chrono::{DateTime, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use serde_json::json;
use uuid::Uuid;

use super::{
    appointment::AppointmentView,
    calendar::belongs,
    conflicts::{outside_working_time, visible},
    model::{ExceptionKind, ScheduleException},
    schedule::find_exception,
};
use crate::{
    auth::{Actor, Permission, Scope},
    domain::{
        centre::{check::Check, model::Branch, query},
        change::{Change, Changes},
        cx::Cx,
        refusal::{Failure, Refusal},
        time::{GapPolicy, OverlapPolicy, appointment_instant, day_start},
    },
};

/// Longest exception.
const LONGEST: TimeDelta = TimeDelta::days(366);
/// Longest reason, in characters.
const MAX_REASON: usize = 500;

/// An exception to add.
#[derive(Clone, Debug)]
pub struct Input {
    /// Whose; none: everybody's and everything's of the branch.
    pub resource: Option<Uuid>,
    /// Where.
    pub branch: Uuid,
    /// What it does.
    pub kind: ExceptionKind,
    /// From, on the branch's clock; 00:00 is where the day begins.
    pub local_start: NaiveDateTime,
    /// Until, on the branch's clock; 00:00 is where the day begins.
    pub local_end: NaiveDateTime,
    /// Why, for people.
    pub reason: Option<String>,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Output {
    /// The exception.
    pub exception: ScheduleException,
    /// Appointments ahead within it that lie outside of working time now, as far as the caller sees them; nothing happened
    /// to them.
    pub conflicts: Vec<Arc<AppointmentView>>,
}

/// Adds an exception, and tells which appointments ahead it meets.
///
/// # Errors
/// FORBIDDEN without AGENDA_WRITE in the branch; NOT_FOUND for resources that are not of the branch; INVALID for ends
/// before starts and more than a year; NONEXISTENT_LOCAL_TIME and AMBIGUOUS_LOCAL_TIME for times other than midnight that
/// the branch's clock jumps over or shows twice; faults of the database.
pub async fn run(cx: &Cx, actor: &Actor, input: Input) -> Result<Output, Failure> {
    actor.require(Permission::AgendaWrite, Scope::Branch(input.branch))?;
    check(&input)?;
    cx.retrying(|| add(cx, actor, &input)).await
}

async fn add(cx: &Cx, actor: &Actor, input: &Input) -> Result<Output, Failure> {
    let tx = cx.write(actor).await?;
    // So that its zone stays, and no booking comes between the block and the look at whom it meets.
    let branch = query::lock_branches(&tx, vec![input.branch]).await?.pop();
    let branch = branch.ok_or_else(|| Refusal::not_found("branchId"))?;
    if let Some(id) = input.resource {
        let resource = query::resources(&tx, vec![id]).await?.pop();
        if !resource.is_some_and(|resource| belongs(&resource, branch.id)) {
            return Err(Refusal::not_found("resourceId").into());
        }
    }
    let during = instants(&branch, input)?;
    let id = cx.new_id();
    tx.run(
        "INSERT INTO schedule_exceptions (id, branch_id, resource_id, kind, local_start, local_end, during, reason)
         VALUES ($1, $2, $3, $4, $5, $6, tstzrange($7, $8), $9)",
        [
            id.into(),
            branch.id.into(),
            input.resource.into(),
            input.kind.as_str().into(),
            input.local_start.into(),
            input.local_end.into(),
            during.start.into(),
            during.end.into(),
            input.reason.as_deref().map(str::trim).filter(|reason| !reason.is_empty()).map(str::to_owned).into(),
        ],
    )
    .await?;
    let exception =
        find_exception(&tx, id).await?.ok_or_else(|| Failure::fault("the exception just written is gone"))?;
    let conflicts = if input.kind.takes_time() {
        let outside = outside_working_time(&tx, &branch, input.resource, during.clone(), cx.now()).await?;
        visible(&tx, actor, &branch, &outside).await?
    } else {
        Vec::new()
    };
    let change = Change {
        branch_id: Some(branch.id),
        data: json!({"resourceId": input.resource, "exceptionId": id, "kind": input.kind.as_str(), "from": during.start, "to": during.end}),
        after: Some(exception.facts()),
        ..Change::event("schedule.changed", "addScheduleException", "ScheduleException", id)
    };
    cx.commit(tx, Changes::one(actor, change)).await?;
    Ok(Output { exception, conflicts })
}

fn check(input: &Input) -> Result<(), Failure> {
    let mut check = Check::default();
    if input.local_end <= input.local_start {
        check.add(Refusal::invalid("localEnd", "an exception ends after it starts"));
    } else if input.local_end.signed_duration_since(input.local_start) > LONGEST {
        check.add(Refusal::invalid("localEnd", "an exception lasts at most a year; change the schedule instead"));
    }
    if let Some(reason) = &input.reason {
        check.paragraph("reason", reason, MAX_REASON);
    }
    check.done()
}

fn instants(branch: &Branch, input: &Input) -> Result<Range<DateTime<Utc>>, Failure> {
    let mut refusals = Vec::new();
    let mut instant = |local, field| instant(branch, local, field).map_err(|refusal| refusals.push(refusal)).ok();
    let (start, end) = (instant(input.local_start, "localStart"), instant(input.local_end, "localEnd"));
    match (start, end) {
        (Some(start), Some(end)) if start < end => Ok(start..end),
        (Some(_), Some(_)) => Err(Refusal::invalid("localEnd", "an exception ends after it starts").into()),
        _ => Err(refusals.into()),
    }
}

fn instant(branch: &Branch, local: NaiveDateTime, field: &str) -> Result<DateTime<Utc>, Refusal> {
    // Who closes a day means all of it; in Chile every September has one without 00:00.
    if local.time() == NaiveTime::MIN {
        return Ok(day_start(branch.zone, local.date()));
    }
    match appointment_instant(branch.zone, local, GapPolicy::Reject, OverlapPolicy::Reject) {
        Ok(Some(at)) => Ok(at.to_utc()),
        Ok(None) => Err(Refusal::invalid(field, "this time does not exist")),
        Err(error) => {
            let message = error.to_string();
            Err(Refusal::local_time(error, message).at(field))
        }
    }
}
