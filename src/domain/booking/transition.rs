//! Moves an appointment through its states: one step, checked, audited, told to everyone who watches.

use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::{
    book::{MAX_TEXT, text_refusal},
    hold::outcome_id,
    lock::{Locked, lock},
    record::{ChangeKind, Happened},
    status::{AppointmentStatus, allowed, permits},
};
use crate::{
    auth::{Actor, Permission, Scope},
    db::TenantTx,
    domain::{
        agenda::visibility::Sight,
        centre::query,
        change::Changes,
        cx::Cx,
        facts::Facts,
        idempotency::{Claim, Receipt},
        notifications::{self, AppointmentTimes},
        refusal::{Code, Detail, Failure, Refusal},
    },
};

/// A step.
#[derive(Clone, Debug, Serialize)]
pub struct Transition {
    /// Of the client, if it wants repetition to be safe.
    #[serde(skip)]
    pub key: Option<Uuid>,
    /// Which appointment.
    pub id: Uuid,
    /// As the caller read it.
    pub version: i32,
    /// Where to.
    pub to: AppointmentStatus,
    /// Why.
    pub reason: Option<String>,
}

/// Takes the step. An appointment that is in the state already stays as it is.
///
/// # Errors
/// FORBIDDEN, NOT_FOUND, VERSION_CONFLICT, INVALID_TRANSITION with what is allowed, REQUIRED reasons; faults.
pub async fn run(cx: &Cx, actor: &Actor, input: Transition) -> Result<Uuid, Failure> {
    if let Some(refusal) = input.reason.as_ref().and_then(|reason| text_refusal("reason", reason, MAX_TEXT)) {
        return Err(refusal.into());
    }
    // Who writes to the agenda, and who attends: that is asked of the row.
    if !actor.may(Permission::AgendaWrite, Scope::Anywhere) {
        Sight::of(actor, Scope::Anywhere)?;
    }
    cx.retrying(|| attempt(cx, actor, &input)).await
}

async fn attempt(cx: &Cx, actor: &Actor, input: &Transition) -> Result<Uuid, Failure> {
    let tx = cx.write(actor).await?;
    let receipt = input.key.map(|key| Receipt::new(actor, "transitionAppointment", key, input)).transpose()?;
    if let Some(receipt) = &receipt
        && let Claim::Done(outcome) = receipt.claim(&tx, cx.now()).await?
    {
        tx.commit().await?;
        return outcome_id(&outcome);
    }
    let locked = lock(&tx, actor, input.id, Some(input.version), "id").await?;
    if !locked.circumstances(actor, cx.now()).attends {
        actor.require(Permission::AgendaWrite, Scope::Branch(locked.branch))?;
    }
    let mut changes = Changes::by(actor);
    step(cx, &tx, actor, &locked, input.to, input.reason.as_deref(), "transitionAppointment", &mut changes).await?;
    if let Some(receipt) = &receipt {
        receipt.keep(&tx, json!({ "appointment": input.id })).await?;
    }
    cx.commit(tx, changes).await?;
    Ok(input.id)
}

/// The step itself, in the caller's transaction.
///
/// # Errors
/// INVALID_TRANSITION, REQUIRED reasons; faults.
#[expect(clippy::too_many_arguments, reason = "the parts of one step; a struct would be built and taken apart at once")]
pub(super) async fn step(
    cx: &Cx,
    tx: &TenantTx,
    actor: &Actor,
    locked: &Locked,
    to: AppointmentStatus,
    reason: Option<&str>,
    action: &'static str,
    changes: &mut Changes,
) -> Result<(), Failure> {
    let now = cx.now();
    if locked.status == to {
        return Ok(());
    }
    let circumstances = locked.circumstances(actor, now);
    if !permits(locked.status, to, &circumstances) {
        let possible: Vec<String> =
            allowed(locked.status, &circumstances).into_iter().map(|s| s.as_str().to_owned()).collect();
        let message = format!("an appointment that is {} cannot become {} now", locked.status.as_str(), to.as_str());
        let detail = Detail::Transition {
            from: locked.status.as_str().to_owned(),
            to: to.as_str().to_owned(),
            allowed: possible,
        };
        return Err(Refusal { detail, ..Refusal::new(Code::InvalidTransition, message).at("to") }.into());
    }
    if locked.status == AppointmentStatus::Completed && reason.is_none_or(|reason| reason.trim().is_empty()) {
        return Err(Refusal::required("reason", "say why a completed appointment goes on").into());
    }
    let cancelled = to == AppointmentStatus::Cancelled;
    // A patient who asked knows that the time is theirs since it was approved: reminders go by that.
    let approved = approves(locked, to);
    tx.run(
        "WITH freed AS (UPDATE occupancies SET active = false WHERE appointment_id = $1 AND NOT $3)
         UPDATE appointments SET status = $2, version = version + 1, updated_at = $4,
             cancel_reason = CASE WHEN $5 THEN $6 ELSE cancel_reason END,
             cancelled_by_kind = CASE WHEN $5 THEN $7 ELSE cancelled_by_kind END,
             cancelled_by_id = CASE WHEN $5 THEN $8 ELSE cancelled_by_id END,
             moved_at = CASE WHEN $9 THEN $4 ELSE moved_at END
         WHERE id = $1",
        [
            locked.id.into(),
            to.as_str().into(),
            to.occupies().into(),
            now.into(),
            to.is_called_off().into(),
            reason.into(),
            actor.kind.as_str().into(),
            actor.id.into(),
            approved.into(),
        ],
    )
    .await?;
    mail(cx, tx, locked, to).await?;
    changes.push(
        Happened {
            event: if cancelled { "appointment.cancelled" } else { "appointment.status_changed" },
            action,
            id: locked.id,
            branch: locked.branch,
            kind: ChangeKind::StatusChanged,
            status: to,
            previous: Some(locked.status),
            channel: &locked.channel,
            start: locked.start,
            resources: &locked.resources,
            reason: reason.map(str::to_owned),
            before: Facts::default(),
            after: Facts::default(),
        }
        .into(),
    );
    Ok(())
}

/// Whether the centre agrees to what a patient asked for.
fn approves(locked: &Locked, to: AppointmentStatus) -> bool {
    locked.status == AppointmentStatus::PendingApproval && to == AppointmentStatus::Booked
}

/// An approved booking is confirmed by mail, a cancelled one cancelled; whoever asked for one is told that it is refused.
async fn mail(cx: &Cx, tx: &TenantTx, locked: &Locked, to: AppointmentStatus) -> Result<(), Failure> {
    let asked = locked.status == AppointmentStatus::PendingApproval;
    if !approves(locked, to) && !to.is_called_off() {
        return Ok(());
    }
    let times = AppointmentTimes {
        id: locked.id,
        revision: locked.revision,
        start: locked.start,
        previous_start: None,
        only_time_changed: false,
        patient_email: locked.patient_email.clone(),
        send_confirmation: locked.send_confirmation,
        booked_at: cx.now(),
    };
    if to.is_called_off() {
        return notifications::on_cancelled(cx, tx, &times, asked).await;
    }
    let branch = query::hold_branch(tx, locked.branch).await?;
    let branch = branch.ok_or_else(|| Failure::fault("an appointment without its branch"))?;
    notifications::on_booked(cx, tx, &branch, &times).await
}
