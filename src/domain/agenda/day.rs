//! `agenda`: what a branch's people or rooms do on some days, column by column. The number of statements depends on
//! what is asked for, never on how much there is.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use uuid::Uuid;

use super::{
    appointment::{AppointmentView, Related, Row, Wanted, appointment_select, assemble},
    calendar::{Block, BranchCalendar, belongs},
    visibility::Sight,
};
use crate::{
    auth::{Actor, Scope},
    db::TenantTx,
    domain::{
        centre::{
            model::{Branch, Resource, ResourceKind},
            query,
        },
        cx::Cx,
        event_cursor::EventCursor,
        refusal::{Failure, Refusal},
        time::local_day,
    },
};

/// Most days of one agenda.
pub const MAX_DAYS: i64 = 62;

/// What the columns are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grouping {
    /// One column per professional.
    Professional,
    /// One column per room.
    Room,
}

/// Which agenda.
#[derive(Clone, Debug)]
pub struct Input {
    /// Where.
    pub branch: Uuid,
    /// First local date.
    pub from: NaiveDate,
    /// Last local date, included.
    pub to: NaiveDate,
    /// What the columns are.
    pub group_by: Grouping,
    /// What the caller is going to look at; the rest is not read.
    pub wants: Wants,
}

/// Parts of an agenda.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wants {
    /// Blocks or free time of the columns.
    pub calendar: bool,
    /// Appointments of the columns, with these objects.
    pub appointments: Option<Wanted>,
}

/// What a branch does on some days.
#[derive(Clone, Debug)]
pub struct Agenda {
    /// Where.
    pub branch: Arc<Branch>,
    /// From the first instant of the first day to the end of the last.
    pub range: Range<DateTime<Utc>>,
    /// One per active resource; one more for each that is not active any more and has appointments.
    pub columns: Vec<Column>,
    /// The head of the event log before the agenda was read: what happened since is in the log behind it. What
    /// happened while it was read may be in both, never in neither.
    pub cursor: EventCursor,
}

/// What one resource does.
#[derive(Clone, Debug)]
pub struct Column {
    /// Who or where.
    pub resource: Arc<Resource>,
    /// By start.
    pub appointments: Vec<Arc<AppointmentView>>,
    /// Closures, blocks, holidays.
    pub blocks: Vec<Block>,
    /// Working time with a unit to spare.
    pub free: Vec<Range<DateTime<Utc>>>,
}

/// The agenda of some days.
///
/// # Errors
/// FORBIDDEN without a permission on the branch's agenda, NOT_FOUND for another branch, INVALID for ranges out of
/// bounds; faults of the database.
pub async fn run(cx: &Cx, actor: &Actor, input: Input) -> Result<Agenda, Failure> {
    let sight = Sight::of(actor, Scope::Branch(input.branch))?;
    check(&input)?;
    let tx = cx.read(actor).await?;
    // First of all, so that the agenda is never older than the cursor says: every statement sees the newest commits.
    let cursor = head(&tx).await?;
    let branch = query::find_branch(&tx, input.branch).await?.ok_or_else(|| Refusal::not_found("branchId"))?;
    let range = days(branch.zone, input.from, input.to)
        .ok_or_else(|| Refusal::invalid("from", "this is no date of the branch's calendar"))?;
    let kind = match input.group_by {
        Grouping::Professional => ResourceKind::Professional,
        Grouping::Room => ResourceKind::Room,
    };
    let own_column = sight.own.filter(|_| kind == ResourceKind::Professional);

    let mut columns: Vec<Column> = Vec::new();
    let mut related = Related::default();
    if input.wants.calendar {
        let only = own_column.map(|own| vec![own]);
        let calendar = BranchCalendar::load(&tx, branch.clone(), range.clone(), only.as_deref(), cx.now()).await?;
        for one in calendar.resources.into_values() {
            let resource = Arc::new(one.resource.clone());
            related.resources.insert(resource.id, Arc::clone(&resource));
            if resource.kind == kind && resource.active && belongs(&resource, branch.id) {
                columns.push(Column { resource, appointments: Vec::new(), free: one.free(), blocks: one.blocks });
            }
        }
    } else {
        for resource in query::resources_of_branch(&tx, branch.id).await? {
            let resource = Arc::new(resource);
            related.resources.insert(resource.id, Arc::clone(&resource));
            if resource.kind == kind && own_column.is_none_or(|own| own == resource.id) {
                columns.push(Column { resource, appointments: Vec::new(), blocks: Vec::new(), free: Vec::new() });
            }
        }
    }
    let branch = Arc::new(branch);
    related.branches.insert(branch.id, Arc::clone(&branch));
    if let Some(wanted) = input.wants.appointments {
        // Resources of appointments are always needed: they may have a column although they are not active any more.
        let wanted = Wanted { resources: true, ..wanted };
        let appointments = appointments(&tx, branch.id, &range, &sight, cx.now(), wanted, related).await?;
        place(&mut columns, kind, own_column, appointments);
    }
    tx.commit().await?;
    if sight.own.is_some() && kind == ResourceKind::Room {
        // Rooms have no owner: who sees only the own column sees the rooms of the own appointments.
        columns.retain(|column| !column.appointments.is_empty());
    }
    columns.sort_by(|a, b| (&a.resource.name, a.resource.id).cmp(&(&b.resource.name, b.resource.id)));
    Ok(Agenda { branch, range, columns, cursor })
}

fn check(input: &Input) -> Result<(), Failure> {
    if input.to < input.from {
        return Err(Refusal::invalid("to", "the last day is not before the first").into());
    }
    if input.to.signed_duration_since(input.from).num_days() >= MAX_DAYS {
        return Err(Refusal::invalid("to", format!("ask for at most {MAX_DAYS} days at a time")).into());
    }
    Ok(())
}

/// The instants of local dates, both included. A date that the zone skipped adds nothing.
#[must_use]
pub fn days(zone: Tz, from: NaiveDate, to: NaiveDate) -> Option<Range<DateTime<Utc>>> {
    let mut first = from;
    let start = loop {
        if let Some(day) = local_day(zone, first) {
            break day.start;
        }
        first = first.succ_opt().filter(|day| *day <= to)?;
    };
    let mut last = to;
    let end = loop {
        if let Some(day) = local_day(zone, last) {
            break day.end;
        }
        last = last.pred_opt()?;
    };
    Some(start..end)
}

async fn head(tx: &TenantTx) -> Result<EventCursor, Failure> {
    let position: Option<i64> = tx.scalar("SELECT position FROM event_head", []).await?;
    let tenant = tx.tenant();
    Ok(EventCursor { tenant_key: tenant.key, epoch: tenant.epoch, position: position.unwrap_or_default() })
}

/// What the agenda shows: everything that takes time or did. Cancelled, rejected and expired appointments take none.
async fn appointments(
    tx: &TenantTx,
    branch: Uuid,
    range: &Range<DateTime<Utc>>,
    sight: &Sight,
    now: DateTime<Utc>,
    wanted: Wanted,
    known: Related,
) -> Result<Vec<Arc<AppointmentView>>, Failure> {
    // No appointment is longer than a day, so the index is entered a day before the range, not at the beginning of time.
    let rows: Vec<Row> = tx
        .all(
            appointment_select!(
                "appointments a",
                "WHERE a.branch_id = $1 AND a.start_at > $2 AND a.start_at < $3 AND a.end_at > $4
                   AND a.status NOT IN ('CANCELLED', 'REJECTED', 'EXPIRED')
                   AND (a.status <> 'HELD' OR a.hold_expires_at > $5)
                   AND ($6::uuid IS NULL OR EXISTS (SELECT 1 FROM occupancies o WHERE o.appointment_id = a.id AND o.resource_id = $6))
                 ORDER BY a.start_at, a.id, i.position"
            ),
            [
                branch.into(),
                (range.start - TimeDelta::hours(24) - TimeDelta::seconds(1)).into(),
                range.end.into(),
                range.start.into(),
                now.into(),
                sight.own.into(),
            ],
        )
        .await?;
    assemble(tx, rows, wanted, known).await
}

/// Puts every appointment into the columns of the resources that it takes.
fn place(columns: &mut Vec<Column>, kind: ResourceKind, only: Option<Uuid>, appointments: Vec<Arc<AppointmentView>>) {
    let mut at: BTreeMap<Uuid, usize> =
        columns.iter().enumerate().map(|(at, column)| (column.resource.id, at)).collect();
    for appointment in appointments {
        for id in &appointment.resources {
            let Some(resource) = appointment.related.resources.get(id) else { continue };
            if resource.kind != kind || only.is_some_and(|only| only != *id) {
                continue;
            }
            let column = *at.entry(*id).or_insert_with(|| {
                let resource = Arc::clone(resource);
                columns.push(Column { resource, appointments: Vec::new(), blocks: Vec::new(), free: Vec::new() });
                columns.len() - 1
            });
            if let Some(column) = columns.get_mut(column) {
                column.appointments.push(Arc::clone(&appointment));
            }
        }
    }
}
