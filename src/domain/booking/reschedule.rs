//! Moves an appointment: same id, new time; its own old time is not in its way, and everybody is told once.

use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::{
    book::{elsewhere, overbook_refusals, require_named},
    hold::outcome_id,
    input::{self, ClockPolicies, ItemInput},
    items,
    lock::lock,
    plan::Rules,
    record::{self, ChangeKind, Happened},
    secure::{self, Outrun, Tried, Turn},
    status::AppointmentStatus,
};
use crate::{
    auth::{Actor, Permission, Scope},
    domain::{
        centre::query,
        change::Changes,
        cx::Cx,
        facts::facts,
        idempotency::{Claim, Receipt},
        identity::capability,
        notifications::{self, AppointmentTimes},
        refusal::{Code, Detail, Failure, Refusal},
        time::{GapPolicy, OverlapPolicy},
    },
};

/// A move.
#[derive(Clone, Debug, Serialize)]
pub struct Reschedule {
    /// Of the client.
    #[serde(skip)]
    pub key: Uuid,
    /// Which appointment.
    pub id: Uuid,
    /// As the caller read it.
    pub version: i32,
    /// What and when.
    pub items: Vec<ItemInput>,
    /// On top of others.
    pub overbook: bool,
    /// Why. Left out of what a key is compared by when there is none, as it was before there could be one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overbook_reason: Option<String>,
    /// Whether the patient is mailed about it.
    pub notify: bool,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Moved {
    /// The appointment.
    pub id: Uuid,
    /// What the desk should know; nothing of it was in the way.
    pub warnings: Vec<Refusal>,
}

/// Moves the appointment. It is BOOKED again: who had confirmed the old time has not confirmed the new one.
///
/// # Errors
/// Refusals of the contract; faults.
pub async fn run(cx: &Cx, actor: &Actor, input: Reschedule) -> Result<Moved, Failure> {
    actor.require(Permission::AgendaWrite, Scope::Anywhere)?;
    secure::in_rounds(cx, actor, "items", |turn| attempt(cx, actor, &input, turn)).await
}

async fn attempt(cx: &Cx, actor: &Actor, input: &Reschedule, turn: Turn) -> Result<Tried<Moved>, Failure> {
    let now = cx.now();
    let receipt = Receipt::new(actor, "rescheduleAppointment", input.key, input)?;
    let tx = cx.write(actor).await?;
    if let Claim::Done(outcome) = receipt.claim(&tx, now).await? {
        let id = outcome_id(&outcome)?;
        let warnings = elsewhere(&tx, id).await?;
        tx.commit().await?;
        return Ok(Tried::Done(Moved { id, warnings }));
    }
    let locked = lock(&tx, actor, input.id, Some(input.version), "appointmentId").await?;
    actor.require(Permission::AgendaWrite, Scope::Branch(locked.branch))?;
    if !locked.status.lies_ahead() {
        let message = format!("an appointment that is {} cannot be moved", locked.status.as_str());
        let allowed = super::status::allowed(locked.status, &locked.circumstances(actor, now));
        let detail = Detail::Transition {
            from: locked.status.as_str().to_owned(),
            to: AppointmentStatus::Booked.as_str().to_owned(),
            allowed: allowed.into_iter().map(|status| status.as_str().to_owned()).collect(),
        };
        return Err(Refusal { detail, ..Refusal::new(Code::InvalidTransition, message).at("appointmentId") }.into());
    }
    let reason = input.overbook_reason.as_deref();
    let refusals = overbook_refusals(actor, locked.branch, input.overbook, reason);
    if !refusals.is_empty() {
        return Err(refusals.into());
    }
    let reason = reason.filter(|_| input.overbook);
    let branch = query::hold_branch(&tx, locked.branch).await?.ok_or_else(|| Refusal::not_found("appointmentId"))?;
    let profile = query::profile(&tx).await?;
    require_named(&input.items, profile.operating_mode)?;
    let policies = ClockPolicies { gap: GapPolicy::Reject, overlap: OverlapPolicy::Reject };
    let before = items::booked(&tx, branch.id, locked.id).await?;
    let kept: Vec<Uuid> = before.iter().map(|item| item.treatment).collect();
    let wanted = input::from_person(&tx, &branch, &input.items, policies, &kept, now).await?;
    let rules =
        Rules { mode: profile.operating_mode, moving: Some(locked.id), overbook: input.overbook, online: false };
    let mut plan = match secure::plan_now(&tx, &branch, &wanted, rules, turn, now).await? {
        Ok(plan) => plan,
        Err(taken) => {
            tx.rollback().await?;
            return Ok(Tried::Taken(taken));
        }
    };
    items::keep_prices(&mut plan, before);
    if !record::replace(&tx, locked.id, &plan).await? {
        tx.rollback().await?;
        return Ok(Tried::Outrun(Box::new(Outrun { branch, wanted, rules, plan })));
    }
    let status =
        if locked.status == AppointmentStatus::PendingApproval { locked.status } else { AppointmentStatus::Booked };
    let revision = locked.revision + 1;
    tx.run(
        "UPDATE appointments SET start_at = $2, end_at = $3, local_start = $4, time_zone = $5, status = $6, revision = $7,
             overbooked = $8::text IS NOT NULL, overbook_reason = $8, version = version + 1, updated_at = $9 WHERE id = $1",
        [
            locked.id.into(),
            plan.start.into(),
            plan.end.into(),
            plan.start.with_timezone(&branch.zone).naive_local().into(),
            branch.zone.name().into(),
            status.as_str().into(),
            revision.into(),
            reason.into(),
            now.into(),
        ],
    )
    .await?;
    if status == AppointmentStatus::Booked {
        let times = AppointmentTimes {
            id: locked.id,
            revision,
            start: plan.start,
            previous_start: Some(locked.start),
            only_time_changed: plan.only_moves(&locked, &kept),
            patient_email: locked.patient_email.clone(),
            send_confirmation: locked.send_confirmation,
            booked_at: now,
        };
        notifications::on_rescheduled(cx, &tx, &branch, &times, input.notify).await?;
    }
    let links = capability::Moved { appointment: locked.id, from: locked.start, to: plan.start };
    capability::follow(&tx, &[links]).await?;
    receipt.keep(&tx, json!({ "appointment": locked.id })).await?;
    let happened = Happened {
        event: "appointment.rescheduled",
        action: "rescheduleAppointment",
        id: locked.id,
        branch: locked.branch,
        kind: ChangeKind::Moved,
        status,
        previous: Some(locked.status),
        channel: &locked.channel,
        start: plan.start,
        resources: &plan.resources(),
        reason: reason.map(str::to_owned),
        before: facts!({
            "start": locked.start,
            "end": locked.end,
            "resourceIds": locked.resources.as_slice(),
            "revision": locked.revision,
        }),
        after: plan.facts().and(facts!({ "revision": revision, "overbooked": input.overbook })),
    };
    let change = happened.moved_from(&locked.resources, &(locked.start..locked.end));
    let warnings = elsewhere(&tx, locked.id).await?;
    cx.commit(tx, Changes::one(actor, change)).await?;
    Ok(Tried::Done(Moved { id: locked.id, warnings }))
}
