//! Writing an appointment: all its rows in one statement. Whether its resources were still free, the exclusion
//! constraint decides; this only counts.

use std::{collections::BTreeSet, ops::Range};

use chrono::{DateTime, Utc};
use serde_json::json;
use uuid::Uuid;

use super::{lock::Locked, plan::Plan, status::AppointmentStatus};
use crate::{
    db::TenantTx,
    domain::{
        centre::model::Branch,
        change::Change,
        facts::{Facts, facts, many},
        refusal::Failure,
    },
};

/// An appointment to write.
#[derive(Clone, Debug)]
pub struct NewAppointment<'a> {
    /// Its id.
    pub id: Uuid,
    /// Where.
    pub branch: &'a Branch,
    /// For whom; none while it is only held.
    pub patient: Option<Uuid>,
    /// In which state it begins.
    pub status: AppointmentStatus,
    /// How it came.
    pub channel: &'a str,
    /// Why it may lie on top of others.
    pub overbook_reason: Option<&'a str>,
    /// What the patient is told too.
    pub notes: Option<&'a str>,
    /// Until when it is held.
    pub hold_expires_at: Option<DateTime<Utc>>,
    /// Whether a confirmation is mailed.
    pub send_confirmation: bool,
    /// Now.
    pub now: DateTime<Utc>,
}

/// Writes the appointment with its treatments and makes its resources busy. False: somebody was faster; the caller
/// must roll back.
///
/// # Errors
/// Faults of the database.
pub async fn insert(tx: &TenantTx, new: &NewAppointment<'_>, plan: &Plan) -> Result<bool, Failure> {
    let items = items_json(plan);
    let occupancies = occupancies_json(plan);
    let local_start = plan.start.with_timezone(&new.branch.zone).naive_local();
    let busy: Option<i64> = tx
        .scalar(
            "WITH written AS (
                 INSERT INTO appointments (id, code, branch_id, patient_id, start_at, end_at, local_start, time_zone, status, channel,
                     overbooked, overbook_reason, notes, hold_expires_at, send_confirmation, created_at, updated_at)
                 -- Seven digits at least; lpad alone would cut longer numbers, and codes would come again.
                 VALUES ($1, (SELECT 'A' || lpad(n::text, greatest(7, length(n::text)), '0') FROM nextval('appointment_codes') AS n),
                     $2, $3, $4, $5, $6, $7, $8, $9, $10::text IS NOT NULL, $10, $11, $12, $13, $14, $14)
             ), treated AS (
                 INSERT INTO appointment_items (appointment_id, position, treatment_id, professional_id, room_id, start_at, end_at, price_minor, currency)
                 SELECT $1, position, treatment_id, professional_id, room_id, start_at, end_at, price_minor, currency
                 FROM jsonb_to_recordset($15) AS x (position smallint, treatment_id uuid, professional_id uuid, room_id uuid,
                     start_at timestamptz, end_at timestamptz, price_minor bigint, currency text)
             ), busy AS (
                 INSERT INTO occupancies (appointment_id, resource_id, unit, during, overbooked)
                 SELECT $1, resource_id, unit, tstzrange(from_at, to_at), overbooked
                 FROM jsonb_to_recordset($16) AS x (resource_id uuid, unit smallint, from_at timestamptz, to_at timestamptz, overbooked boolean)
                 ORDER BY resource_id, unit, from_at
                 ON CONFLICT DO NOTHING RETURNING 1
             )
             SELECT count(*) FROM busy",
            [
                new.id.into(),
                new.branch.id.into(),
                new.patient.into(),
                plan.start.into(),
                plan.end.into(),
                local_start.into(),
                new.branch.zone.name().into(),
                new.status.as_str().into(),
                new.channel.into(),
                new.overbook_reason.into(),
                new.notes.into(),
                new.hold_expires_at.into(),
                new.send_confirmation.into(),
                new.now.into(),
                items.into(),
                occupancies.into(),
            ],
        )
        .await?;
    Ok(complete(busy, plan))
}

/// Replaces treatments and occupancies of an appointment that moves; its own old time is not in its way. False:
/// somebody was faster; the caller must roll back.
///
/// # Errors
/// Faults of the database.
pub async fn replace(tx: &TenantTx, id: Uuid, plan: &Plan) -> Result<bool, Failure> {
    tx.run(
        "WITH gone AS (DELETE FROM appointment_items WHERE appointment_id = $1)
         DELETE FROM occupancies WHERE appointment_id = $1",
        [id.into()],
    )
    .await?;
    let busy: Option<i64> = tx
        .scalar(
            "WITH treated AS (
                 INSERT INTO appointment_items (appointment_id, position, treatment_id, professional_id, room_id, start_at, end_at, price_minor, currency)
                 SELECT $1, position, treatment_id, professional_id, room_id, start_at, end_at, price_minor, currency
                 FROM jsonb_to_recordset($2) AS x (position smallint, treatment_id uuid, professional_id uuid, room_id uuid,
                     start_at timestamptz, end_at timestamptz, price_minor bigint, currency text)
             ), busy AS (
                 INSERT INTO occupancies (appointment_id, resource_id, unit, during, overbooked)
                 SELECT $1, resource_id, unit, tstzrange(from_at, to_at), overbooked
                 FROM jsonb_to_recordset($3) AS x (resource_id uuid, unit smallint, from_at timestamptz, to_at timestamptz, overbooked boolean)
                 ORDER BY resource_id, unit, from_at
                 ON CONFLICT DO NOTHING RETURNING 1
             )
             SELECT count(*) FROM busy",
            [id.into(), items_json(plan).into(), occupancies_json(plan).into()],
        )
        .await?;
    Ok(complete(busy, plan))
}

fn complete(busy: Option<i64>, plan: &Plan) -> bool {
    busy.is_some_and(|busy| usize::try_from(busy) == Ok(plan.occupancies.len()))
}

fn items_json(plan: &Plan) -> serde_json::Value {
    (0_i16..)
        .zip(&plan.items)
        .map(|(position, item)| {
            json!({
                "position": position,
                "treatment_id": item.slot.treatment,
                "professional_id": item.slot.professional,
                "room_id": item.slot.room,
                "start_at": item.slot.start,
                "end_at": item.end,
                "price_minor": item.price.minor,
                "currency": item.price.currency,
            })
        })
        .collect()
}

fn occupancies_json(plan: &Plan) -> serde_json::Value {
    plan.occupancies
        .iter()
        .map(|busy| {
            json!({
                "resource_id": busy.resource,
                "unit": busy.unit,
                "from_at": busy.during.start,
                "to_at": busy.during.end,
                "overbooked": busy.overbooked,
            })
        })
        .collect()
}

/// How an appointment changed, for readers of the event log.
#[derive(Clone, Copy, Debug)]
pub enum ChangeKind {
    /// It is new.
    Created,
    /// Its state.
    StatusChanged,
    /// Its time or resources.
    Moved,
}

impl ChangeKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Created => "CREATED",
            Self::StatusChanged => "STATUS_CHANGED",
            Self::Moved => "MOVED",
        }
    }
}

/// What happened to an appointment.
pub struct Happened<'a> {
    /// `appointment.booked` and the like.
    pub event: &'static str,
    /// The mutation.
    pub action: &'static str,
    /// Which one.
    pub id: Uuid,
    /// Where.
    pub branch: Uuid,
    /// How.
    pub kind: ChangeKind,
    /// State after.
    pub status: AppointmentStatus,
    /// State before.
    pub previous: Option<AppointmentStatus>,
    /// How it came.
    pub channel: &'a str,
    /// Start after.
    pub start: DateTime<Utc>,
    /// Who and what it takes or took.
    pub resources: &'a [Uuid],
    /// Why.
    pub reason: Option<String>,
    /// What the trail may tell of it before, besides its state.
    pub before: Facts,
    /// And after.
    pub after: Facts,
}

impl From<Happened<'_>> for Change {
    fn from(happened: Happened<'_>) -> Self {
        let previous = happened.previous.map(AppointmentStatus::as_str);
        Self {
            branch_id: Some(happened.branch),
            data: json!({
                "kind": happened.kind.as_str(),
                "status": happened.status.as_str(),
                "previousStatus": previous,
                "channel": happened.channel,
                "start": happened.start,
                "resources": happened.resources,
            }),
            before: previous.map(|status| happened.before.with("status", status)),
            after: Some(happened.after.with("status", happened.status.as_str())),
            reason: happened.reason,
            ..Self::event(happened.event, happened.action, "Appointment", happened.id)
        }
    }
}

impl Happened<'_> {
    /// The change of an appointment that took `resources` before, `during` then. It concerns those who have it now and
    /// those whom it has left: who sees only a column that it has left must learn where the gap is, and not where it went.
    #[must_use]
    pub fn moved_from(self, resources: &[Uuid], during: &Range<DateTime<Utc>>) -> Change {
        let concerned: BTreeSet<Uuid> = self.resources.iter().chain(resources).copied().collect();
        let mut change = Change::from(Happened { resources: &Vec::from_iter(concerned), ..self });
        if let Some(data) = change.data.as_object_mut() {
            data.insert(
                "previous".to_owned(),
                json!({ "resources": resources, "start": during.start, "end": during.end }),
            );
        }
        change
    }
}

impl Plan {
    /// Who and what will be busy.
    #[must_use]
    pub fn resources(&self) -> Vec<Uuid> {
        let mut ids: Vec<Uuid> = self.occupancies.iter().map(|busy| busy.resource).collect();
        ids.dedup();
        ids
    }

    /// Whether it is what is booked already, with these treatments, at another time.
    #[must_use]
    pub fn only_moves(&self, from: &Locked, treatments: &[Uuid]) -> bool {
        let planned = self.items.iter().map(|item| item.slot.treatment);
        self.end - self.start == from.end - from.start
            && planned.eq(treatments.iter().copied())
            && BTreeSet::from_iter(self.resources()) == BTreeSet::from_iter(from.resources.iter().copied())
    }

    /// What the audit trail may tell of it.
    #[must_use]
    pub fn facts(&self) -> Facts {
        let mut resources = self.resources();
        resources.sort_unstable();
        resources.dedup();
        facts!({
            "start": self.start,
            "end": self.end,
            "resourceIds": resources.as_slice(),
            "treatmentIds": many(self.items.iter().map(|item| item.slot.treatment)),
        })
    }
}
