//! Which future appointments a change of working time leaves outside of it. They are told, never deleted: what becomes
//! of them is for people to decide.

use std::{collections::BTreeSet, ops::Range, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::{
    appointment::{AppointmentView, Wanted, load_appointments},
    calendar::BranchCalendar,
    visibility::Sight,
};
use crate::{
    auth::{Actor, Scope},
    db::TenantTx,
    domain::{centre::model::Branch, refusal::Failure},
};

/// Most conflicts of one answer. A centre that closes for a month has more; it reads the rest in the agenda.
const MAX_CONFLICTS: usize = 500;

/// An appointment that does not lie inside the working time of all whom it takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outside {
    /// Which.
    pub appointment: Uuid,
    /// Whether it was booked on top of others or outside of working time on purpose.
    pub overbooked: bool,
}

#[derive(FromQueryResult)]
struct TakenRow {
    appointment_id: Uuid,
    resource_id: Uuid,
    starts: DateTime<Utc>,
    ends: DateTime<Utc>,
    overbooked: bool,
}

/// The appointments that lie ahead within `during`, take one of `resources` (none: any of the branch) and do not lie
/// inside its working time as it is now, in this transaction; by start.
///
/// # Errors
/// Faults of the database.
pub(super) async fn outside_working_time(
    tx: &TenantTx,
    branch: &Branch,
    resource: Option<Uuid>,
    during: Range<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<Vec<Outside>, Failure> {
    let (from, to) = (during.start.max(now), during.end);
    if from >= to {
        return Ok(Vec::new());
    }
    // A resource takes part in the items that name it; what no item names (equipment, an assistant) in all of them.
    let taken: Vec<TakenRow> = tx
        .all(
            "SELECT DISTINCT a.id AS appointment_id, o.resource_id, coalesce(i.start_at, a.start_at) AS starts,
                 coalesce(i.end_at, a.end_at) AS ends, a.overbooked
             FROM appointments a
             JOIN occupancies o ON o.appointment_id = a.id AND o.active
             LEFT JOIN appointment_items i ON i.appointment_id = a.id AND o.resource_id IN (i.professional_id, i.room_id)
             WHERE a.branch_id = $1 AND a.start_at > $2 AND a.start_at < $3 AND a.end_at > $4
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
    // By start already: only repetitions of one appointment go.
    let mut seen = BTreeSet::new();
    let outside = taken.iter().filter(|one| within(one) && !works(one) && seen.insert(one.appointment_id));
    Ok(outside.map(|one| Outside { appointment: one.appointment_id, overbooked: one.overbooked }).collect())
}

/// Those of them that the caller may see: who changes working time need not be one who reads the agenda.
///
/// # Errors
/// Faults of the database.
pub(super) async fn visible(
    tx: &TenantTx,
    actor: &Actor,
    branch: &Branch,
    outside: &[Outside],
) -> Result<Vec<Arc<AppointmentView>>, Failure> {
    let sight = match Sight::of(actor, Scope::Branch(branch.id)) {
        Ok(sight) => sight,
        Err(Failure::Refused(_)) => return Ok(Vec::new()),
        Err(fault) => return Err(fault),
    };
    // Of the own column are few of them, and the statement finds which.
    let most = if sight.own.is_some() { outside.len() } else { MAX_CONFLICTS };
    let ids = outside.iter().take(most).map(|one| one.appointment).collect();
    let wanted = Wanted { branches: true, resources: true, treatments: true };
    let mut found = load_appointments(tx, ids, &sight, wanted).await?;
    found.truncate(MAX_CONFLICTS);
    Ok(found)
}
