//! A patient confirms or cancels by the link of a mail: single use, only until it is too late.

use std::sync::Arc;

use uuid::Uuid;

use super::{
    book::{MAX_TEXT, text_refusal},
    lock::lock,
    status::AppointmentStatus,
    transition::step,
};
use crate::{
    auth::{Actor, token_hash},
    db::Tenant,
    domain::{
        centre::query,
        change::Changes,
        cx::Cx,
        identity::capability::{self, Purpose},
        refusal::{Code, Failure, Refusal},
    },
};

/// What a patient does with an appointment.
#[derive(Clone, Debug)]
pub enum Wish {
    /// Comes.
    Confirm,
    /// Does not come, and says why or not.
    Cancel(Option<String>),
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
    let tenant = capability::tenant_of(cx, token).await?.ok_or_else(|| capability::invalid(None))?;
    if let Wish::Cancel(Some(reason)) = &wish
        && let Some(refusal) = text_refusal("reason", reason, MAX_TEXT)
    {
        return Err(refusal.into());
    }
    cx.retrying(|| attempt(cx, &tenant, token, &wish, request_id)).await
}

async fn attempt(cx: &Cx, tenant: &Arc<Tenant>, token: &str, wish: &Wish, request_id: &str) -> Result<Done, Failure> {
    let now = cx.now();
    let nobody = capability::holder(tenant, request_id);
    let purpose = match wish {
        Wish::Confirm => Purpose::AppointmentConfirm,
        Wish::Cancel(_) => Purpose::AppointmentManage,
    };
    let tx = cx.write(&nobody).await?;
    // The appointment before the link, as who moves it does: a link whose end is just moving along is looked at afterwards.
    tx.run(
        "SELECT 1 FROM appointments WHERE id = (SELECT resource_id FROM capability_tokens WHERE token_hash = $1) FOR UPDATE",
        [token_hash(token).into()],
    )
    .await?;
    let id = capability::take(&tx, token, &[purpose], now).await?.resource_id;
    let locked = lock(&tx, &nobody, id, None, "token").await?;
    // By the beginning as it is now: the appointment may have been moved to before the link's own end.
    if locked.start <= now {
        return Err(capability::expired(Some(tenant.id)));
    }
    let actor = Arc::new(Actor { id: locked.patient, ..nobody });
    let mut changes = Changes::by(&actor);
    let taken = match wish {
        Wish::Confirm => {
            step(cx, &tx, &actor, &locked, AppointmentStatus::Confirmed, None, "patientConfirm", &mut changes).await
        }
        Wish::Cancel(reason) => {
            let branch = query::find_branch(&tx, locked.branch)
                .await?
                .ok_or_else(|| Failure::fault("an appointment without its branch"))?;
            if locked.status.lies_ahead() && branch.is_too_late_to_cancel(locked.start, now) {
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
            .await
        }
    };
    // Where to, the link says.
    taken.map_err(|failure| failure.at_instead("to", "token"))?;
    cx.commit(tx, changes).await?;
    Ok(Done { actor, id })
}
