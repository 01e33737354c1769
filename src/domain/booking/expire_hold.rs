//! A hold that ran out: the time is free again.

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::{
    record::{ChangeKind, Happened},
    status::AppointmentStatus,
};
use crate::{
    auth::{Actor, Permission, Scope},
    db::TenantTx,
    domain::{change::Changes, cx::Cx, facts::Facts, refusal::Failure},
};

/// The job that expires one hold. Its key is the appointment's id, its payload `{"appointment_id": …}`.
pub const EXPIRE_JOB: &str = "appointment.expire_hold";

#[derive(FromQueryResult)]
struct Expired {
    branch_id: Uuid,
    channel: String,
    start_at: DateTime<Utc>,
    resources: Vec<Uuid>,
}

/// Expires the hold if it has run out by now. Returns when to come again, if it has not.
///
/// # Errors
/// A missing permission; faults of the database.
pub async fn run(cx: &Cx, actor: &Actor, id: Uuid) -> Result<Option<DateTime<Utc>>, Failure> {
    actor.require(Permission::AgendaWrite, Scope::Centre)?;
    let tx = cx.write(actor).await?;
    let until: Option<DateTime<Utc>> = tx
        .scalar("SELECT hold_expires_at FROM appointments WHERE id = $1 AND status = 'HELD' FOR UPDATE", [id.into()])
        .await?;
    match until {
        Some(until) if until > cx.now() => {
            tx.commit().await?;
            Ok(Some(until))
        }
        Some(_) => {
            let mut changes = Changes::by(actor);
            in_tx(&tx, id, cx.now(), "expireHold", &mut changes).await?;
            cx.commit(tx, changes).await?;
            Ok(None)
        }
        None => {
            tx.commit().await?;
            Ok(None)
        }
    }
}

/// Ends a hold whose row this transaction has locked; `action` is why.
pub(super) async fn in_tx(
    tx: &TenantTx,
    id: Uuid,
    now: DateTime<Utc>,
    action: &'static str,
    changes: &mut Changes,
) -> Result<(), Failure> {
    let expired: Option<Expired> = tx
        .find(
            "WITH freed AS (UPDATE occupancies SET active = false WHERE appointment_id = $1 RETURNING resource_id)
             UPDATE appointments SET status = 'EXPIRED', version = version + 1, updated_at = $2
             WHERE id = $1 AND status = 'HELD'
             RETURNING branch_id, channel, start_at,
                 coalesce((SELECT array_agg(DISTINCT resource_id) FROM freed), '{}') AS resources",
            [id.into(), now.into()],
        )
        .await?;
    if let Some(expired) = expired {
        changes.push(
            Happened {
                event: "appointment.expired",
                action,
                id,
                branch: expired.branch_id,
                kind: ChangeKind::StatusChanged,
                status: AppointmentStatus::Expired,
                previous: Some(AppointmentStatus::Held),
                channel: &expired.channel,
                start: expired.start_at,
                resources: &expired.resources,
                reason: None,
                before: Facts::default(),
                after: Facts::default(),
            }
            .into(),
        );
    }
    Ok(())
}
