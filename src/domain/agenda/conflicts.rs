//! Which future appointments a change of working time leaves outside of it. They are told, never deleted: what becomes
//! of them is for people to decide.

use std::{ops::Range, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::{
    appointment::{AppointmentView, Wanted, load_appointments},
    calendar::BranchCalendar,
    visibility::Sight,
};
use crate::{
    db::TenantTx,
    domain::{centre::model::Branch, refusal::Failure},
};

/// Most conflicts of one answer. A centre that closes for a month has more; it reads the rest in the agenda.
const MAX_CONFLICTS: i64 = 500;
/// How far ahead is looked.
const HORIZON: TimeDelta = TimeDelta::days(366);

#[derive(FromQueryResult)]
struct TakenRow {
    appointment_id: Uuid,
    resource_id: Uuid,
    starts: DateTime<Utc>,
    ends: DateTime<Utc>,
}

/// The appointments that lie ahead within `during` (at most a year from now), take one of `resources` (none: any of the
/// branch) and do not lie inside its working time as it is now, in this transaction. Overbooked ones never did.
///
/// # Errors
/// Faults of the database.
pub(super) async fn outside_working_time(
    tx: &TenantTx,
    branch: &Branch,
    resource: Option<Uuid>,
    during: Range<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<Vec<Arc<AppointmentView>>, Failure> {
    let from = during.start.max(now);
    let to = during.end.min(now + HORIZON);
    if from >= to {
        return Ok(Vec::new());
    }
    // A resource takes part in the items that name it; what no item names (equipment, an assistant) in all of them.
    let taken: Vec<TakenRow> = tx
        .all(
            "SELECT DISTINCT a.id AS appointment_id, o.resource_id, coalesce(i.start_at, a.start_at) AS starts,
                 coalesce(i.end_at, a.end_at) AS ends
             FROM appointments a
             JOIN occupancies o ON o.appointment_id = a.id AND o.active
             LEFT JOIN appointment_items i ON i.appointment_id = a.id AND o.resource_id IN (i.professional_id, i.room_id)
             WHERE a.branch_id = $1 AND a.start_at > $2 AND a.start_at < $3 AND a.end_at > $4 AND NOT a.overbooked
               AND a.status IN ('PENDING_APPROVAL', 'BOOKED', 'CONFIRMED', 'HELD')
               AND (a.status <> 'HELD' OR a.hold_expires_at > $6)
               AND ($5::uuid IS NULL OR o.resource_id = $5)
             ORDER BY starts, appointment_id LIMIT 20000",
            [
                branch.id.into(),
                (from - TimeDelta::hours(24)).into(),
                to.into(),
                from.into(),
                resource.into(),
                now.into(),
            ],
        )
        .await?;
    let (Some(first), Some(last)) = (taken.iter().map(|one| one.starts).min(), taken.iter().map(|one| one.ends).max())
    else {
        return Ok(Vec::new());
    };
    let mut resources: Vec<Uuid> = taken.iter().map(|one| one.resource_id).collect();
    resources.sort_unstable();
    resources.dedup();
    let calendar = BranchCalendar::load(tx, branch.clone(), first..last, Some(&resources), now).await?;
    let works = |one: &TakenRow| {
        calendar.resources.get(&one.resource_id).is_some_and(|resource| resource.works(&(one.starts..one.ends)))
    };
    let within = |one: &TakenRow| one.starts < during.end && during.start < one.ends;
    let mut ids: Vec<Uuid> =
        taken.iter().filter(|one| within(one) && !works(one)).map(|one| one.appointment_id).collect();
    // By start already: only repetitions of one appointment go.
    let mut seen = std::collections::BTreeSet::new();
    ids.retain(|id| seen.insert(*id));
    ids.truncate(usize::try_from(MAX_CONFLICTS).unwrap_or_default());
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let everything = Sight { branches: None, own: None };
    load_appointments(tx, ids, &everything, Wanted { branches: true, resources: true, treatments: true }).await
}
