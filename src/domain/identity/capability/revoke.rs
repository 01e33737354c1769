//! Revokes a token before its time: a link that was passed on, a calendar that nobody reads any more.

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::{Capability, Purpose, Subject, authorise, redeem};
use crate::{
    auth::{Actor, Scope},
    domain::{
        agenda::visibility::Sight,
        change::{Change, Changes},
        cx::Cx,
        facts::facts,
        refusal::{Failure, Refusal},
    },
};

#[derive(FromQueryResult)]
struct Row {
    purpose: String,
    resource_id: Uuid,
    max_uses: i32,
    uses: i32,
    expires_at: DateTime<Utc>,
    revoked: bool,
}

/// Revokes it, with the right to issue it; repeating that changes nothing.
///
/// # Errors
/// FORBIDDEN, NOT_FOUND; faults of the database.
pub async fn run(cx: &Cx, actor: &Actor, id: Uuid) -> Result<Capability, Failure> {
    // Whatever it opens, it is something of the agenda.
    Sight::of(actor, Scope::Anywhere)?;
    let unseen = || Failure::from(Refusal::not_found("id"));
    let tx = cx.write(actor).await?;
    let row: Option<Row> = tx
        .find(
            "SELECT purpose, resource_id, max_uses, uses, expires_at, revoked_at IS NOT NULL AS revoked
             FROM capability_tokens WHERE id = $1 FOR UPDATE",
            [id.into()],
        )
        .await?;
    let row = row.ok_or_else(unseen)?;
    let purpose = Purpose::parse(&row.purpose).ok_or_else(unseen)?;
    let subject = match purpose {
        Purpose::AppointmentManage | Purpose::AppointmentConfirm => Some(Subject::Appointment(row.resource_id)),
        Purpose::CalendarFeed => redeem::agenda(&tx, row.resource_id).await?,
        _ => None,
    };
    authorise::require(actor, purpose)?;
    authorise::thing(&tx, actor, purpose, subject).await.map_err(|failure| match failure {
        Failure::Refused(_) => unseen(),
        fault => fault,
    })?;
    let mut changes = Changes::by(actor);
    if !row.revoked {
        tx.run("UPDATE capability_tokens SET revoked_at = $2 WHERE id = $1", [id.into(), cx.now().into()]).await?;
        changes.push(Change {
            before: Some(facts!({ "revoked": false })),
            after: Some(facts!({ "revoked": true })),
            ..Change::event("capability.revoked", "revokeCapability", "CapabilityToken", id)
        });
    }
    cx.commit(tx, changes).await?;
    Ok(Capability {
        id,
        purpose,
        subject: subject.ok_or_else(unseen)?,
        max_uses: row.max_uses,
        uses: row.uses,
        expires_at: row.expires_at,
        revoked: true,
    })
}
