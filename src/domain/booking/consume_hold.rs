//! A hold becomes an appointment: its resources are busy already, so nobody can be faster.

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::{
    expire_hold::EXPIRE_JOB,
    lock::lock_row,
    record::{ChangeKind, Happened},
    status::AppointmentStatus,
};
use crate::{
    db::TenantTx,
    domain::{
        centre::query,
        change::Changes,
        cx::Cx,
        facts::{facts, masked, text},
        notifications::{self, AppointmentTimes},
        patients::booked::BookedPatient,
        refusal::{Code, Failure, Refusal},
    },
};

/// On which terms.
pub(super) struct Terms<'a> {
    /// The branch it must be in.
    pub branch: Option<Uuid>,
    /// By a patient alone: treatments that require approval wait for it.
    pub online: bool,
    /// How it came.
    pub channel: Option<&'a str>,
    /// For the patient too.
    pub notes: Option<&'a str>,
    /// Whether a confirmation is mailed.
    pub send_confirmation: bool,
    /// The mutation.
    pub action: &'static str,
}

#[derive(FromQueryResult)]
struct Hold {
    branch_id: Uuid,
    status: String,
    start_at: DateTime<Utc>,
    hold_expires_at: Option<DateTime<Utc>>,
    channel: String,
    requires_approval: bool,
    resources: Vec<Uuid>,
}

/// Turns the hold into an appointment of this patient.
///
/// # Errors
/// NOT_FOUND, EXPIRED, INVALID_TRANSITION for what is no hold any more; faults.
pub(super) async fn in_tx(
    cx: &Cx,
    tx: &TenantTx,
    id: Uuid,
    patient: &BookedPatient,
    terms: &Terms<'_>,
    changes: &mut Changes,
) -> Result<(), Failure> {
    let now = cx.now();
    lock_row(tx, id).await?;
    let hold: Hold = tx
        .find(
            "SELECT a.branch_id, a.status, a.start_at, a.hold_expires_at, a.channel,
                 EXISTS (SELECT 1 FROM appointment_items i JOIN treatments t ON t.id = i.treatment_id
                     WHERE i.appointment_id = a.id AND t.requires_approval) AS requires_approval,
                 coalesce((SELECT array_agg(DISTINCT resource_id) FROM occupancies WHERE appointment_id = a.id), '{}') AS resources
             FROM appointments a WHERE a.id = $1",
            [id.into()],
        )
        .await?
        .ok_or_else(|| Refusal::not_found("holdId"))?;
    if terms.branch.is_some_and(|branch| branch != hold.branch_id) {
        return Err(Refusal::not_found("holdId").into());
    }
    let over = hold.hold_expires_at.is_none_or(|until| until <= now);
    match hold.status.as_str() {
        "HELD" if !over => {}
        "HELD" | "EXPIRED" => {
            return Err(Refusal::new(Code::Expired, "the hold has run out; choose a time again").at("holdId").into());
        }
        _ => return Err(Refusal::new(Code::InvalidTransition, "this hold has been used").at("holdId").into()),
    }
    let branch = query::hold_branch(tx, hold.branch_id).await?.ok_or_else(|| Refusal::not_found("holdId"))?;
    let waits = terms.online && hold.requires_approval;
    let status = if waits { AppointmentStatus::PendingApproval } else { AppointmentStatus::Booked };
    let channel = terms.channel.unwrap_or(&hold.channel);
    // The patient knows this time from now on, not since it was held: what is too late for a reminder counts from here.
    tx.run(
        "UPDATE appointments SET status = $2, patient_id = $3, channel = $4, notes = $5, send_confirmation = $6,
             version = version + 1, updated_at = $7, moved_at = $7 WHERE id = $1",
        [
            id.into(),
            status.as_str().into(),
            patient.id.into(),
            channel.into(),
            terms.notes.into(),
            terms.send_confirmation.into(),
            now.into(),
        ],
    )
    .await?;
    patient.keep_contact(tx, id).await?;
    tx.cancel_jobs(EXPIRE_JOB, vec![id.to_string()]).await?;
    if !waits {
        let times = AppointmentTimes {
            id,
            revision: 0,
            start: hold.start_at,
            previous_start: None,
            only_time_changed: false,
            patient_email: patient.mail_address().map(str::to_owned),
            send_confirmation: terms.send_confirmation,
            booked_at: now,
        };
        notifications::on_booked(cx, tx, &branch, &times).await?;
    }
    changes.push(
        Happened {
            event: "appointment.booked",
            action: terms.action,
            id,
            branch: branch.id,
            kind: ChangeKind::StatusChanged,
            status,
            previous: Some(AppointmentStatus::Held),
            channel,
            start: hold.start_at,
            resources: &hold.resources,
            reason: None,
            before: facts!({ "channel": text(&hold.channel) }),
            after: facts!({
                "channel": text(channel),
                "patientId": patient.id,
                "notes": masked(&terms.notes),
                "sendConfirmation": terms.send_confirmation,
            }),
        }
        .into(),
    );
    Ok(())
}
