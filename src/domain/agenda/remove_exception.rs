//! `removeScheduleException`: working time follows its windows again.

use serde_json::json;
use uuid::Uuid;

use super::schedule::find_exception;
use crate::{
    auth::{Actor, Permission, Scope},
    domain::{
        change::{Change, Changes},
        cx::Cx,
        refusal::{Failure, Refusal},
    },
};

/// Removes an exception.
///
/// # Errors
/// FORBIDDEN without AGENDA_WRITE; NOT_FOUND for what is not there or in a branch that the caller may not change; faults
/// of the database.
pub async fn run(cx: &Cx, actor: &Actor, id: Uuid) -> Result<(), Failure> {
    actor.require(Permission::AgendaWrite, Scope::Anywhere)?;
    let tx = cx.write(actor).await?;
    let exception = find_exception(&tx, id).await?;
    let exception = exception.filter(|one| actor.may(Permission::AgendaWrite, Scope::Branch(one.branch)));
    let exception = exception.ok_or_else(|| Refusal::not_found("id"))?;
    if tx.run("DELETE FROM schedule_exceptions WHERE id = $1", [id.into()]).await? == 0 {
        return Err(Refusal::not_found("id").into());
    }
    let change = Change {
        branch_id: Some(exception.branch),
        data: json!({
            "resourceId": exception.resource,
            "exceptionId": id,
            "kind": exception.kind.as_str(),
            "from": exception.during.start,
            "to": exception.during.end,
        }),
        before: Some(exception.facts()),
        ..Change::event("schedule.changed", "removeScheduleException", "ScheduleException", id)
    };
    cx.commit(tx, Changes::one(actor, change)).await
}
