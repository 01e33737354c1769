//! Takes a professional, a room or a piece of equipment out of use, and, when asked, gives what is booked with it to
//! another: all of it or nothing.
//!
//! Working hours of the other are not looked at: whoever hands over a colleague's agenda has arranged that.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;
use serde_json::json;
use uuid::Uuid;

use super::{
    columns,
    model::{Resource, ResourceKind},
    query,
    seats::{Seat, seat},
};
use crate::{
    auth::{Actor, Permission, Scope},
    db::TenantTx,
    domain::{
        booking::{
            record::{ChangeKind, Happened},
            status::AppointmentStatus,
        },
        change::{Change, Changes},
        cx::Cx,
        facts::facts,
        refusal::{Code, Detail, Failure, Refusal},
    },
};

/// Most appointment codes that a refusal spells out.
const TOLD: usize = 10;

/// What to take out of use.
#[derive(Clone, Copy, Debug)]
pub struct Input {
    /// Which.
    pub id: Uuid,
    /// As it was read.
    pub version: i32,
    /// Who or what takes over the appointments ahead; none: they stay.
    pub reassign_to: Option<Uuid>,
}

#[derive(FromQueryResult)]
struct AheadRow {
    id: Uuid,
    code: String,
    branch_id: Uuid,
    status: String,
    channel: String,
    start_at: DateTime<Utc>,
    end_at: DateTime<Utc>,
    resources: Vec<Uuid>,
}

impl AheadRow {
    /// The appointment after `to` has taken over from `from`.
    fn handed_over(&self, from: Uuid, to: Uuid) -> Result<Change, Failure> {
        let status = AppointmentStatus::parse(&self.status)?;
        let now: BTreeSet<Uuid> = self.resources.iter().map(|id| if *id == from { to } else { *id }).collect();
        let now = Vec::from_iter(now);
        let happened = Happened {
            event: "appointment.rescheduled",
            action: "deactivateResource",
            id: self.id,
            branch: self.branch_id,
            kind: ChangeKind::Moved,
            status,
            previous: Some(status),
            channel: &self.channel,
            start: self.start_at,
            resources: &now,
            reason: None,
            before: facts!({ "resourceIds": self.resources.as_slice() }),
            after: facts!({ "resourceIds": now.as_slice() }),
        };
        Ok(happened.moved_from(&self.resources, &(self.start_at..self.end_at)))
    }
}

/// Takes it out of use. Returns how many appointments ahead are affected: moved, or left for somebody to look after.
/// Done again it changes nothing.
///
/// # Errors
/// A stale version, unknown ids, another that does not fit or is busy, a missing permission, faults of the database.
pub async fn run(cx: &Cx, actor: &Actor, input: Input) -> Result<i32, Failure> {
    actor.require(Permission::ConfigWrite, Scope::Anywhere)?;
    cx.retrying(|| deactivate(cx, actor, input)).await
}

async fn deactivate(cx: &Cx, actor: &Actor, input: Input) -> Result<i32, Failure> {
    let tx = cx.write(actor).await?;
    // Both at once and in the order of ids, so that two of these cannot wait for each other.
    let ids: Vec<Uuid> = [Some(input.id), input.reassign_to].into_iter().flatten().collect();
    tx.run("SELECT 1 FROM resources WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE", [ids.clone().into()]).await?;
    let mut found = query::resources(&tx, ids).await?;
    let mut take = |id: Uuid| found.iter().position(|resource| resource.id == id).map(|at| found.swap_remove(at));
    let resource =
        take(input.id).filter(|resource| in_reach(actor, resource)).ok_or_else(|| Refusal::not_found("id"))?;
    if resource.version != input.version {
        return Err(Refusal::version_conflict(resource.version).into());
    }
    // A booking that was planned with it is there when this returns, and counted; none is planned from here on.
    query::lock_branches(&tx, resource.branches().to_vec()).await?;
    let ahead = ahead(cx, &tx, resource.id).await?;
    let affected = i32::try_from(ahead.len()).unwrap_or(i32::MAX);
    let mut changes = Changes::by(actor);
    if let Some(to) = input.reassign_to {
        if to == input.id {
            return Err(Refusal::invalid("reassignTo", "name another one").into());
        }
        let to = take(to).filter(|to| in_reach(actor, to)).ok_or_else(|| Refusal::not_found("reassignTo"))?;
        fits(&tx, &resource, &to, &ahead).await?;
        reassign(cx, &tx, &resource, &to, &ahead).await?;
        for appointment in &ahead {
            changes.push(appointment.handed_over(resource.id, to.id)?);
        }
    }
    if resource.active {
        tx.run(
            "UPDATE resources SET active = false, version = version + 1, updated_at = $2 WHERE id = $1",
            [resource.id.into(), cx.now().into()],
        )
        .await?;
        changes.push(Change {
            branch_id: resource.branch_id,
            data: json!({ "kind": resource.kind.as_str(), "appointments": affected, "reassignedTo": input.reassign_to }),
            before: Some(facts!({ "active": true, "version": resource.version })),
            after: Some(facts!({ "active": false, "version": resource.version + 1, "reassignedTo": input.reassign_to })),
            ..Change::event("resource.deactivated", "deactivateResource", subject(resource.kind), resource.id)
        });
        let after = Resource { active: false, ..resource.clone() };
        changes.extend(columns::of_resource(Some(&resource), &after, "deactivateResource"));
    }
    cx.commit(tx, changes).await?;
    Ok(affected)
}

/// Whether the caller may configure it: what stands in a branch needs that branch, a professional the whole centre.
fn in_reach(actor: &Actor, resource: &Resource) -> bool {
    actor.may(Permission::ConfigWrite, resource.branch_id.map_or(Scope::Centre, Scope::Branch))
}

fn subject(kind: ResourceKind) -> &'static str {
    match kind {
        ResourceKind::Professional => "Professional",
        ResourceKind::Room => "Room",
        ResourceKind::Equipment | ResourceKind::Vehicle => "Equipment",
    }
}

/// Followed by what comes behind the appointments that make a resource busy and have not begun.
macro_rules! ahead {
    ($select:literal, $rest:literal) => {
        concat!(
            $select,
            " FROM appointments a
             WHERE a.start_at > $2
                 AND EXISTS (SELECT 1 FROM occupancies o WHERE o.appointment_id = a.id AND o.resource_id = $1 AND o.active)
             ORDER BY a.id ",
            $rest
        )
    };
}

/// Appointments that make it busy and have not begun. They are locked first and read then: what is read beside a row that
/// is being waited for would be from before the wait.
async fn ahead(cx: &Cx, tx: &TenantTx, resource: Uuid) -> Result<Vec<AheadRow>, Failure> {
    let values = || [resource.into(), cx.now().into()];
    tx.run(ahead!("SELECT 1", "FOR UPDATE OF a"), values()).await?;
    let select = ahead!(
        "SELECT a.id, a.code, a.branch_id, a.status, a.channel, a.start_at, a.end_at,
             (SELECT array_agg(DISTINCT o.resource_id) FROM occupancies o WHERE o.appointment_id = a.id) AS resources",
        ""
    );
    Ok(tx.all(select, values()).await?)
}

/// Whether the other can do what it is to take over: the treatments that name it, and where none of the appointment does
/// (equipment, an assistant), those during which it is taken.
async fn fits(tx: &TenantTx, from: &Resource, to: &Resource, ahead: &[AheadRow]) -> Result<(), Failure> {
    let invalid = |message: String| Err(Refusal::invalid("reassignTo", message).into());
    if to.kind != from.kind {
        return invalid(format!("this is a {}, and {} is needed", to.kind.as_str(), from.kind.as_str()));
    }
    if !to.active {
        return invalid("this one is out of use itself".to_owned());
    }
    let here = to.branches();
    if ahead.iter().any(|appointment| !here.contains(&appointment.branch_id)) {
        return invalid("some of the appointments are in a branch where this one is not".to_owned());
    }
    let appointments: Vec<Uuid> = ahead.iter().map(|appointment| appointment.id).collect();
    let unfit: Option<i64> = tx
        .scalar(
            "SELECT count(*) FROM appointment_items i WHERE i.appointment_id = ANY ($1)
             AND (i.professional_id = $2 OR i.room_id = $2
                 OR NOT EXISTS (SELECT 1 FROM appointment_items n WHERE n.appointment_id = i.appointment_id
                         AND (n.professional_id = $2 OR n.room_id = $2))
                     -- All of it together: it may hold several places one after another.
                     AND (SELECT range_agg(o.during) FROM occupancies o WHERE o.appointment_id = i.appointment_id
                         AND o.resource_id = $2 AND o.active) @> tstzrange(i.start_at, i.end_at))
             AND (EXISTS (SELECT 1 FROM treatment_requirements q
                     WHERE q.treatment_id = i.treatment_id AND q.kind = $4 AND $2 = ANY (q.any_of) AND NOT $3 = ANY (q.any_of))
                 OR ($4 = 'PROFESSIONAL'
                     AND EXISTS (SELECT 1 FROM professional_treatments t WHERE t.professional_id = $3)
                     AND NOT EXISTS (SELECT 1 FROM professional_treatments t WHERE t.professional_id = $3 AND t.treatment_id = i.treatment_id)))",
            [appointments.into(), from.id.into(), to.id.into(), from.kind.as_str().into()],
        )
        .await?;
    match unfit {
        None | Some(0) => Ok(()),
        Some(count) => invalid(format!("this one does not do {count} of the treatments that are booked")),
    }
}

/// Moves occupancies and items.
async fn reassign(cx: &Cx, tx: &TenantTx, from: &Resource, to: &Resource, ahead: &[AheadRow]) -> Result<(), Failure> {
    let ids: Vec<Uuid> = ahead.iter().map(|appointment| appointment.id).collect();
    let taken: Vec<Seat> = tx
        .all(
            "DELETE FROM occupancies WHERE resource_id = $1 AND appointment_id = ANY ($2) AND active
             RETURNING appointment_id, lower(during) AS lower, upper(during) AS upper, overbooked",
            [from.id.into(), ids.clone().into()],
        )
        .await?;
    let left = seat(tx, to.id, to.capacity, taken).await?;
    if !left.is_empty() {
        return Err(busy(to, ahead, &left).into());
    }
    tx.run(
        "UPDATE appointment_items SET professional_id = CASE WHEN professional_id = $1 THEN $2 ELSE professional_id END,
             room_id = CASE WHEN room_id = $1 THEN $2 ELSE room_id END
         WHERE appointment_id = ANY ($3) AND (professional_id = $1 OR room_id = $1)",
        [from.id.into(), to.id.into(), ids.clone().into()],
    )
    .await?;
    tx.run(
        "UPDATE appointments SET version = version + 1, updated_at = $2 WHERE id = ANY ($1)",
        [ids.into(), cx.now().into()],
    )
    .await?;
    Ok(())
}

fn busy(to: &Resource, ahead: &[AheadRow], left: &[Seat]) -> Refusal {
    let ids: Vec<Uuid> = left.iter().map(|seat| seat.appointment_id).collect();
    let codes: Vec<&str> = ahead.iter().filter(|row| ids.contains(&row.id)).map(|row| row.code.as_str()).collect();
    let shown = codes.iter().take(TOLD).copied().collect::<Vec<_>>().join(", ");
    let more = if codes.len() > TOLD { format!(" and {} more", codes.len() - TOLD) } else { String::new() };
    let message = format!("it is busy during {} of the appointments ({shown}{more}); nothing was changed", codes.len());
    let detail = Detail::SlotTaken { conflicting: vec![to.id], alternatives: Vec::new() };
    Refusal { detail, ..Refusal::new(Code::SlotTaken, message).at("reassignTo") }
}
