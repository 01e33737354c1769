//! Redeems a token: uses it once more, and tells what it opens.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::{Capability, Purpose, Subject, Taken, expired, holder, invalid, take, tenant_of};
use crate::{
    auth::Actor,
    db::{Tenant, TenantTx},
    domain::{
        change::{Change, Changes},
        cx::Cx,
        facts::facts,
        refusal::Failure,
    },
};

/// What can be redeemed here. Invitations and password resets cannot: their own operations use them up.
const REDEEMABLE: [Purpose; 3] = [Purpose::AppointmentManage, Purpose::AppointmentConfirm, Purpose::CalendarFeed];

/// What a token opened, for whom.
#[derive(Clone, Debug)]
pub struct Redeemed {
    /// The holder, who may read this answer.
    pub actor: Arc<Actor>,
    /// The token, after this use.
    pub capability: Capability,
}

/// Redeems it. Nobody needs to be logged in.
///
/// # Errors
/// TOKEN_INVALID, TOKEN_USED, EXPIRED; faults of the database.
pub async fn run(cx: &Cx, token: &str, request_id: &str) -> Result<Redeemed, Failure> {
    let tenant = tenant_of(cx, token).await?.ok_or_else(|| invalid(None))?;
    cx.retrying(|| attempt(cx, &tenant, token, request_id)).await
}

async fn attempt(cx: &Cx, tenant: &Arc<Tenant>, token: &str, request_id: &str) -> Result<Redeemed, Failure> {
    let nobody = holder(tenant, request_id);
    let tx = cx.write(&nobody).await?;
    let now = cx.now();
    let taken = take(&tx, token, &REDEEMABLE, now).await?;
    let (subject, patient) = subject(&tx, &taken, now).await?.ok_or_else(|| invalid(Some(tenant.id)))?;
    let actor = Actor { id: patient, ..nobody };
    let change = Change {
        after: Some(facts!({ "purpose": taken.purpose()?.as_str(), "uses": taken.uses })),
        ..Change::event("capability.redeemed", "redeemCapability", "CapabilityToken", taken.id)
    };
    let capability = Capability {
        id: taken.id,
        purpose: taken.purpose()?,
        subject,
        max_uses: taken.max_uses,
        uses: taken.uses,
        expires_at: taken.expires_at,
        revoked: false,
    };
    cx.commit(tx, Changes::one(&actor, change)).await?;
    Ok(Redeemed { actor: Arc::new(actor), capability })
}

#[derive(FromQueryResult)]
struct AppointmentRow {
    patient_id: Option<Uuid>,
    start_at: DateTime<Utc>,
}

/// What a token opens, and the patient that its holder is taken for. None: the thing is gone. A link to an appointment ends
/// when that begins, also when it was moved to before the link's own end.
async fn subject(tx: &TenantTx, taken: &Taken, now: DateTime<Utc>) -> Result<Option<(Subject, Option<Uuid>)>, Failure> {
    let id = taken.resource_id;
    Ok(match taken.purpose()? {
        Purpose::AppointmentManage | Purpose::AppointmentConfirm => {
            let row: Option<AppointmentRow> =
                tx.find("SELECT patient_id, start_at FROM appointments WHERE id = $1", [id.into()]).await?;
            if row.as_ref().is_some_and(|row| row.start_at <= now) {
                return Err(expired(Some(tx.tenant().id)));
            }
            row.map(|row| (Subject::Appointment(id), row.patient_id))
        }
        Purpose::CalendarFeed => agenda(tx, id).await?.map(|subject| (subject, None)),
        _ => None,
    })
}

/// Whose agenda an id names: a branch's, or a professional's or room's. None: it is gone.
///
/// # Errors
/// Faults of the database.
pub async fn agenda(tx: &TenantTx, id: Uuid) -> Result<Option<Subject>, Failure> {
    let branch: Option<bool> = tx
        .scalar(
            "SELECT true FROM branches WHERE id = $1 UNION ALL SELECT false FROM resources WHERE id = $1",
            [id.into()],
        )
        .await?;
    Ok(branch.map(|branch| if branch { Subject::Branch(id) } else { Subject::Resource(id) }))
}
