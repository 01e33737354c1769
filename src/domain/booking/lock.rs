//! The row of an appointment that is about to change, locked, with the version the caller has read.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::status::{AppointmentStatus, Circumstances};
use crate::{
    auth::{Actor, ActorKind, Permission, Scope},
    db::TenantTx,
    domain::{
        centre::model,
        refusal::{Failure, Refusal},
    },
};

/// An appointment that this transaction may change.
#[derive(Clone, Debug)]
pub struct Locked {
    /// Which.
    pub id: Uuid,
    /// Where.
    pub branch: Uuid,
    /// On whose clock.
    pub zone: Tz,
    /// Revision of its time.
    pub revision: i32,
    /// State.
    pub status: AppointmentStatus,
    /// Start.
    pub start: DateTime<Utc>,
    /// End.
    pub end: DateTime<Utc>,
    /// How it came.
    pub channel: String,
    /// Where mail goes.
    pub patient_email: Option<String>,
    /// For whom.
    pub patient: Option<Uuid>,
    /// Whether a confirmation is mailed.
    pub send_confirmation: bool,
    /// Who and what it takes; whoever is among them attends.
    pub resources: Vec<Uuid>,
}

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    branch_id: Uuid,
    time_zone: String,
    version: i32,
    revision: i32,
    status: String,
    start_at: DateTime<Utc>,
    end_at: DateTime<Utc>,
    channel: String,
    email: Option<String>,
    patient_id: Option<Uuid>,
    send_confirmation: bool,
    resources: Vec<Uuid>,
}

/// Locks the appointment's row, before it is read in another statement: what is read beside a row that is being waited for
/// is from before the wait.
pub(super) async fn lock_row(tx: &TenantTx, id: Uuid) -> Result<(), Failure> {
    tx.run("SELECT 1 FROM appointments WHERE id = $1 FOR UPDATE", [id.into()]).await?;
    Ok(())
}

/// Locks the appointment. What the caller may not see is not found; `version`, when given, must be the current one.
///
/// # Errors
/// NOT_FOUND at `field`, VERSION_CONFLICT; faults.
pub async fn lock(
    tx: &TenantTx,
    actor: &Actor,
    id: Uuid,
    version: Option<i32>,
    field: &str,
) -> Result<Locked, Failure> {
    // Where a version is expected, a change meanwhile is refused anyway.
    if version.is_none() {
        lock_row(tx, id).await?;
    }
    let row: Row = tx
        .find(
            "SELECT a.id, a.branch_id, a.time_zone, a.version, a.revision, a.status, a.start_at, a.end_at, a.channel,
                 coalesce(p.email, a.contact_email) AS email, a.patient_id, a.send_confirmation,
                 coalesce((SELECT array_agg(DISTINCT resource_id) FROM occupancies WHERE appointment_id = a.id), '{}') AS resources
             FROM appointments a LEFT JOIN patients p ON p.id = a.patient_id WHERE a.id = $1 FOR UPDATE OF a",
            [id.into()],
        )
        .await?
        .ok_or_else(|| Refusal::not_found(field))?;
    let attends = actor.professional.is_some_and(|me| row.resources.contains(&me));
    let visible = match actor.kind {
        ActorKind::System | ActorKind::Patient => true,
        _ => {
            let scope = Scope::Branch(row.branch_id);
            actor.may(Permission::AgendaRead, scope) || (attends && actor.may(Permission::AgendaReadOwn, scope))
        }
    };
    if !visible {
        return Err(Refusal::not_found(field).into());
    }
    if version.is_some_and(|version| version != row.version) {
        return Err(Refusal::version_conflict(row.version).into());
    }
    Ok(Locked {
        zone: model::zone(&row.time_zone)?,
        status: AppointmentStatus::parse(&row.status)?,
        id: row.id,
        branch: row.branch_id,
        revision: row.revision,
        start: row.start_at,
        end: row.end_at,
        channel: row.channel,
        patient_email: row.email,
        patient: row.patient_id,
        send_confirmation: row.send_confirmation,
        resources: row.resources,
    })
}

impl Locked {
    /// What a step of this actor depends on.
    #[must_use]
    pub fn circumstances<'a>(&self, actor: &'a Actor, now: DateTime<Utc>) -> Circumstances<'a> {
        Circumstances {
            actor,
            branch: self.branch,
            attends: actor.professional.is_some_and(|me| self.resources.contains(&me)),
            start: self.start,
            zone: self.zone,
            now,
        }
    }
}
