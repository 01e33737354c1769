//! A patient confirms or cancels by the link of a mail: single use, only until it is too late.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::{
    book::{MAX_TEXT, text_refusal},
    lock::lock,
    status::AppointmentStatus,
    transition::step,
};
use crate::{
    auth::{Actor, ActorKind, PermissionSet, token_hash},
    db::{Tenant, TenantTx},
    domain::{
        centre::query,
        change::Changes,
        cx::Cx,
        refusal::{Code, Failure, Refusal},
    },
};

/// Prefix of capability tokens; then the tenant's number, a dot, the secret.
pub const PREFIX: &str = "ct";
/// Purpose of the link that confirms.
pub const CONFIRM: &str = "APPOINTMENT_CONFIRM";
/// Purpose of the link that cancels.
pub const MANAGE: &str = "APPOINTMENT_MANAGE";

/// Longest word that is looked at as a token.
const MAX_TOKEN: usize = 200;

/// What a patient does with an appointment.
#[derive(Clone, Debug)]
pub enum Wish {
    /// Comes.
    Confirm,
    /// Does not come, and says why or not.
    Cancel(Option<String>),
}

#[derive(FromQueryResult)]
struct TokenRow {
    id: Uuid,
    purpose: String,
    resource_id: Uuid,
    used_up: bool,
    expires_at: DateTime<Utc>,
    revoked_at: Option<DateTime<Utc>>,
}

/// Whom the link made an actor, and the appointment it is about.
#[derive(Clone, Debug)]
pub struct Done {
    /// The patient, who may read this answer.
    pub actor: Arc<Actor>,
    /// The appointment.
    pub id: Uuid,
}

/// Does what the link is for. A refused attempt does not use the link up.
///
/// # Errors
/// TOKEN_INVALID, TOKEN_USED, EXPIRED, NOTICE_TOO_SHORT, INVALID_TRANSITION; faults.
pub async fn run(cx: &Cx, token: &str, wish: Wish, request_id: &str) -> Result<Done, Failure> {
    let invalid = || Refusal::new(Code::TokenInvalid, "this link is not valid").at("token");
    let tenant = tenant_of(cx, token).await?.ok_or_else(invalid)?;
    if let Wish::Cancel(Some(reason)) = &wish
        && let Some(refusal) = text_refusal("reason", reason, MAX_TEXT)
    {
        return Err(refusal.into());
    }
    cx.retrying(|| attempt(cx, &tenant, token, &wish, request_id)).await
}

/// The centre that a token says it is of; whether it really is one of the centre's is another question.
pub(super) async fn tenant_of(cx: &Cx, token: &str) -> Result<Option<Arc<Tenant>>, Failure> {
    let key = token.strip_prefix(PREFIX).and_then(|rest| rest.split_once('.')).and_then(|(key, _)| key.parse().ok());
    match key.filter(|_| token.len() <= MAX_TOKEN) {
        Some(key) => Ok(cx.db.find_tenant_by_key(key).await?),
        None => Ok(None),
    }
}

/// A patient of whom nothing is known but the link: may do nothing besides.
pub(super) fn holder(tenant: &Arc<Tenant>, request_id: &str) -> Actor {
    Actor {
        kind: ActorKind::Patient,
        permissions: PermissionSet::default(),
        ..Actor::system(Arc::clone(tenant), "patient", request_id)
    }
}

async fn attempt(cx: &Cx, tenant: &Arc<Tenant>, token: &str, wish: &Wish, request_id: &str) -> Result<Done, Failure> {
    let now = cx.now();
    let nobody = holder(tenant, request_id);
    let tx = cx.write(&nobody).await?;
    let id = take(&tx, token, wish, now).await?;
    let locked = lock(&tx, &nobody, id, None, "token").await?;
    let actor = Arc::new(Actor { id: locked.patient, ..nobody });
    let mut changes = Changes::by(&actor);
    match wish {
        Wish::Confirm => {
            step(cx, &tx, &actor, &locked, AppointmentStatus::Confirmed, None, "patientConfirm", &mut changes).await?;
        }
        Wish::Cancel(reason) => {
            let branch = query::find_branch(&tx, locked.branch)
                .await?
                .ok_or_else(|| Failure::fault("an appointment without its branch"))?;
            if locked.status.lies_ahead() && now + branch.min_cancel_notice > locked.start {
                let message = "it is too late to cancel by this link; please call the centre";
                return Err(Refusal::new(Code::NoticeTooShort, message).at("token").into());
            }
            step(
                cx,
                &tx,
                &actor,
                &locked,
                AppointmentStatus::Cancelled,
                reason.as_deref(),
                "patientCancel",
                &mut changes,
            )
            .await?;
        }
    }
    cx.commit(tx, changes).await?;
    Ok(Done { actor, id })
}

/// Uses the token once more, if it may be. The row's lock makes that exact on every node.
async fn take(tx: &TenantTx, token: &str, wish: &Wish, now: DateTime<Utc>) -> Result<Uuid, Failure> {
    let row: Option<TokenRow> = tx
        .find(
            "SELECT id, purpose, resource_id, uses >= max_uses AS used_up, expires_at, revoked_at
             FROM capability_tokens WHERE token_hash = $1 FOR UPDATE",
            [token_hash(token).into()],
        )
        .await?;
    let purpose = match wish {
        Wish::Confirm => CONFIRM,
        Wish::Cancel(_) => MANAGE,
    };
    let row = row
        .filter(|row| row.purpose == purpose && row.revoked_at.is_none())
        .ok_or_else(|| Refusal::new(Code::TokenInvalid, "this link is not valid").at("token"))?;
    if row.used_up {
        return Err(Refusal::new(Code::TokenUsed, "this link has been used").at("token").into());
    }
    if row.expires_at <= now {
        return Err(Refusal::new(Code::Expired, "this link has expired").at("token").into());
    }
    tx.run("UPDATE capability_tokens SET uses = uses + 1 WHERE id = $1", [row.id.into()]).await?;
    Ok(row.resource_id)
}
