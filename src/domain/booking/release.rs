//! Lets a held slot go before its time.

use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::expire_hold::{self, EXPIRE_JOB};
use crate::{
    auth::{Actor, Permission, Scope},
    domain::{
        change::Changes,
        cx::Cx,
        refusal::{Failure, Refusal},
    },
};

#[derive(FromQueryResult)]
struct Row {
    branch_id: Uuid,
    status: String,
}

/// Releases the hold. Repeating it changes nothing. Returns whether the slot is free now.
///
/// # Errors
/// FORBIDDEN, NOT_FOUND; faults.
pub async fn run(cx: &Cx, actor: &Actor, id: Uuid) -> Result<bool, Failure> {
    if !actor.publishable {
        actor.require(Permission::AgendaWrite, Scope::Anywhere)?;
    }
    let tx = cx.write(actor).await?;
    let row: Row = tx
        .find("SELECT branch_id, status FROM appointments WHERE id = $1 FOR UPDATE", [id.into()])
        .await?
        .ok_or_else(|| Refusal::not_found("appointmentId"))?;
    if !actor.publishable && !actor.may(Permission::AgendaWrite, Scope::Branch(row.branch_id)) {
        return Err(Refusal::not_found("appointmentId").into());
    }
    let mut changes = Changes::by(actor);
    match row.status.as_str() {
        "HELD" => {
            expire_hold::in_tx(&tx, id, cx.now(), "releaseHold", &mut changes).await?;
            tx.cancel_jobs(EXPIRE_JOB, vec![id.to_string()]).await?;
        }
        "EXPIRED" => {}
        _ => return Ok(false),
    }
    cx.commit(tx, changes).await?;
    Ok(true)
}
