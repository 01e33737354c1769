//! [`BranchCalendar`]: what the resources of one branch do in a range of time. Booking, availability, the agenda and
//! the explanation of refusals all read this one, so that they cannot disagree.

use std::{cmp::Reverse, collections::BTreeMap, ops::Range};

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::model::{ExceptionKind, ExceptionRow, ScheduleException, exception_select, window};
use crate::{
    db::TenantTx,
    domain::{
        centre::{
            model::{Branch, Resource, ResourceKind},
            query,
        },
        refusal::Failure,
        time::{WeeklyWindow, day_of, expand, intersect, normalise, subtract, union},
    },
};

/// What one branch's resources do in a range of time.
#[derive(Clone, Debug)]
pub struct BranchCalendar {
    /// Where.
    pub branch: Branch,
    /// When. Nothing outside of it is known.
    pub range: Range<DateTime<Utc>>,
    /// Who and what, by id.
    pub resources: BTreeMap<Uuid, ResourceCalendar>,
}

/// What one resource does in a range of time.
#[derive(Clone, Debug)]
pub struct ResourceCalendar {
    /// Who or what.
    pub resource: Resource,
    /// When it works in this branch: a set of ranges, clipped to the calendar's. Empty for what is inactive, and for
    /// what does not belong to the branch.
    pub working: Vec<Range<DateTime<Utc>>>,
    /// Working time before exceptions: what schedules and opening hours alone say.
    pub open: Vec<Range<DateTime<Utc>>>,
    /// What it is busy with in any branch, buffers included.
    pub busy: Vec<Busy>,
    /// What takes working time away, of its own and of the whole branch.
    pub blocks: Vec<Block>,
}

/// A resource's unit taken by an appointment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Busy {
    /// When, buffers included; not clipped.
    pub during: Range<DateTime<Utc>>,
    /// Which unit of the resource's capacity.
    pub unit: i16,
    /// By which appointment. One on top of others is there too: when the others go, its time is not free.
    pub appointment: Uuid,
}

/// Time that an exception takes away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The exception.
    pub id: Uuid,
    /// Never EXTRA_HOURS.
    pub kind: ExceptionKind,
    /// When; not clipped.
    pub during: Range<DateTime<Utc>>,
    /// Why, for people.
    pub reason: Option<String>,
    /// The branch as a whole rather than this resource.
    pub whole_branch: bool,
    /// The exception with its wall times.
    pub exception: ScheduleException,
}

#[derive(FromQueryResult)]
struct WindowRow {
    /// None: the branch's opening hours.
    resource_id: Option<Uuid>,
    /// None: a schedule without windows.
    weekday: Option<i16>,
    starts: Option<NaiveTime>,
    ends: Option<NaiveTime>,
    valid_from: Option<NaiveDate>,
    valid_to: Option<NaiveDate>,
}

#[derive(FromQueryResult)]
struct BusyRow {
    resource_id: Uuid,
    starts: DateTime<Utc>,
    ends: DateTime<Utc>,
    unit: i16,
    appointment_id: Uuid,
}

impl BranchCalendar {
    /// Four statements, whatever the range and however many resources. `only`: just these, active or not, of the branch
    /// or not; none: all active ones of the branch. Holds that have run out by `now` do not make anything busy.
    ///
    /// # Errors
    /// Faults of the database.
    pub async fn load(
        tx: &TenantTx,
        branch: Branch,
        range: Range<DateTime<Utc>>,
        only: Option<&[Uuid]>,
        now: DateTime<Utc>,
    ) -> Result<Self, Failure> {
        let resources = match only {
            Some(ids) => query::resources(tx, ids.to_vec()).await?,
            None => query::resources_of_branch(tx, branch.id).await?,
        };
        let ids: Vec<Uuid> = resources.iter().map(|resource| resource.id).collect();
        let mut windows = windows(tx, branch.id, &ids).await?;
        let exceptions = exceptions(tx, branch.id, &ids, &range).await?;
        let mut busy = busy(tx, &ids, &range, now).await?;

        let opening = windows.remove(&None).map(|windows| expand_all(&windows, &branch, &range));
        let resources = resources.into_iter().map(|resource| {
            let windows = windows.get(&Some(resource.id)).map(Vec::as_slice);
            let calendar = ResourceCalendar::new(&branch, resource, opening.as_deref(), windows, &exceptions, &range);
            (calendar.resource.id, calendar)
        });
        let mut resources: BTreeMap<Uuid, ResourceCalendar> = resources.collect();
        for (id, calendar) in &mut resources {
            calendar.busy = busy.remove(id).unwrap_or_default();
        }
        Ok(Self { branch, range, resources })
    }
}

impl ResourceCalendar {
    fn new(
        branch: &Branch,
        resource: Resource,
        opening: Option<&[Range<DateTime<Utc>>]>,
        windows: Option<&[WeeklyWindow]>,
        exceptions: &[ScheduleException],
        range: &Range<DateTime<Utc>>,
    ) -> Self {
        let usable = branch.active && resource.active && belongs(&resource, branch.id);
        // The branch's extra hours are everybody's who works in it; who has no hours there at all gets none by them.
        let shares = resource.kind != ResourceKind::Professional || windows.is_some_and(|windows| !windows.is_empty());
        let scheduled = windows.map(|windows| expand_all(windows, branch, range));
        let open = match (scheduled, opening) {
            (Some(scheduled), Some(opening)) => intersect(&scheduled, opening),
            (Some(scheduled), None) => scheduled,
            (None, Some(opening)) if resource.kind != ResourceKind::Professional => opening.to_vec(),
            (None, _) => Vec::new(),
        };
        let mine = || exceptions.iter().filter(|exception| exception.resource.is_none_or(|id| id == resource.id));
        let of = |takes_time: bool| mine().filter(move |exception| exception.kind.takes_time() == takes_time);
        let clipped = |exception: &ScheduleException| clip(&exception.during, range);
        let extra = of(false).filter(|exception| shares || exception.resource.is_some());
        let (extra, taken) = (normalise(extra.map(clipped).collect()), normalise(of(true).map(clipped).collect()));
        let working = if usable { subtract(&union(&open, &extra), &taken) } else { Vec::new() };
        let blocks = of(true).map(Block::from).collect();
        Self { open: if usable { open } else { Vec::new() }, working, busy: Vec::new(), blocks, resource }
    }

    /// Whether the resource works the whole of `range`.
    #[must_use]
    pub fn works(&self, range: &Range<DateTime<Utc>>) -> bool {
        // Sorted and disjoint: only the last one that starts by then can hold it.
        let after = self.working.partition_point(|working| working.start <= range.start);
        after.checked_sub(1).and_then(|at| self.working.get(at)).is_some_and(|working| range.end <= working.end)
    }

    /// The units that hold `range` one after another, each as long as it is free: one alone where one is free throughout,
    /// the lowest. None: at some instant all are busy. `except`: an appointment that is about to move and is not in its own
    /// way.
    #[must_use]
    pub fn seats(
        &self,
        range: &Range<DateTime<Utc>>,
        except: Option<Uuid>,
    ) -> Option<Vec<(i16, Range<DateTime<Utc>>)>> {
        let meets = |busy: &&Busy| {
            Some(busy.appointment) != except && busy.during.start < range.end && range.start < busy.during.end
        };
        let meeting: Vec<&Busy> = self.busy.iter().filter(meets).collect();
        let capacity = i16::try_from(self.resource.capacity).unwrap_or(i16::MAX);
        let mut seats = Vec::new();
        let mut from = range.start;
        while from < range.end {
            // Until when it is free from here on; nothing where it is busy.
            let free = |unit: i16| {
                let ahead = meeting.iter().filter(|busy| busy.unit == unit && busy.during.end > from);
                let until = ahead.map(|busy| busy.during.start).min().map_or(range.end, |next| next.min(range.end));
                (until > from).then_some((until, Reverse(unit)))
            };
            let (until, Reverse(unit)) = (0..capacity).filter_map(free).max()?;
            seats.push((unit, from..until));
            from = until;
        }
        Some(seats)
    }

    /// Working time in which at least one unit is free: a set of ranges.
    #[must_use]
    pub fn free(&self) -> Vec<Range<DateTime<Utc>>> {
        subtract(&self.working, &self.full())
    }

    /// When every unit is busy.
    fn full(&self) -> Vec<Range<DateTime<Utc>>> {
        let capacity = i16::try_from(self.resource.capacity).unwrap_or(i16::MAX);
        let mut full: Option<Vec<Range<DateTime<Utc>>>> = None;
        for unit in 0..capacity {
            let taken = self.busy.iter().filter(|busy| busy.unit == unit);
            let taken = normalise(taken.map(|busy| busy.during.clone()).collect());
            let both = match full {
                Some(full) => intersect(&full, &taken),
                None => taken,
            };
            if both.is_empty() {
                return both;
            }
            full = Some(both);
        }
        full.unwrap_or_default()
    }
}

/// Whether a resource can be booked in a branch.
#[must_use]
pub fn belongs(resource: &Resource, branch: Uuid) -> bool {
    resource.branches().contains(&branch)
}

impl From<&ScheduleException> for Block {
    fn from(exception: &ScheduleException) -> Self {
        Self {
            id: exception.id,
            kind: exception.kind,
            during: exception.during.clone(),
            reason: exception.reason.clone(),
            whole_branch: exception.resource.is_none(),
            exception: exception.clone(),
        }
    }
}

fn clip(range: &Range<DateTime<Utc>>, to: &Range<DateTime<Utc>>) -> Range<DateTime<Utc>> {
    range.start.max(to.start)..range.end.min(to.end)
}

/// The instants of weekly windows on every local date of a range.
fn expand_all(windows: &[WeeklyWindow], branch: &Branch, range: &Range<DateTime<Utc>>) -> Vec<Range<DateTime<Utc>>> {
    let mut ranges = Vec::new();
    let last = day_of(branch.zone, range.end);
    let mut date = Some(day_of(branch.zone, range.start) - TimeDelta::days(1));
    // One date more at the front: where clocks go back over midnight, the wall clock shows yesterday's date again.
    while let Some(day) = date.filter(|day| *day <= last) {
        ranges.extend(expand(windows, branch.zone, day).iter().map(|hours| clip(hours, range)));
        date = day.succ_opt();
    }
    normalise(ranges)
}

/// Windows by resource; those of the branch's opening hours under None. A resource with a schedule that has no windows
/// is there with none: it does not work.
async fn windows(
    tx: &TenantTx,
    branch: Uuid,
    resources: &[Uuid],
) -> Result<BTreeMap<Option<Uuid>, Vec<WeeklyWindow>>, Failure> {
    let rows: Vec<WindowRow> = tx
        .all(
            "SELECT NULL::uuid AS resource_id, weekday, starts, ends, valid_from, valid_to
             FROM branch_windows WHERE branch_id = $1 AND kind = 'OPENING'
             UNION ALL
             SELECT s.resource_id, w.weekday, w.starts, w.ends, w.valid_from, w.valid_to
             FROM schedules s LEFT JOIN schedule_windows w ON w.schedule_id = s.id
             WHERE s.branch_id = $1 AND s.resource_id = ANY ($2)",
            [branch.into(), resources.to_vec().into()],
        )
        .await?;
    let mut by_resource: BTreeMap<Option<Uuid>, Vec<WeeklyWindow>> = BTreeMap::new();
    for row in rows {
        let windows = by_resource.entry(row.resource_id).or_default();
        if let (Some(weekday), Some(starts), Some(ends)) = (row.weekday, row.starts, row.ends) {
            windows.push(window(weekday, starts..ends, row.valid_from, row.valid_to)?);
        }
    }
    Ok(by_resource)
}

async fn exceptions(
    tx: &TenantTx,
    branch: Uuid,
    resources: &[Uuid],
    range: &Range<DateTime<Utc>>,
) -> Result<Vec<ScheduleException>, Failure> {
    let rows: Vec<ExceptionRow> = tx
        .all(
            exception_select!(
                "WHERE e.branch_id = $1 AND (e.resource_id IS NULL OR e.resource_id = ANY ($2)) AND e.during && tstzrange($3, $4)
                 ORDER BY e.during, e.id"
            ),
            [branch.into(), resources.to_vec().into(), range.start.into(), range.end.into()],
        )
        .await?;
    rows.into_iter().map(ScheduleException::try_from).collect()
}

/// What makes resources busy, in every branch: a professional who works in two is busy in both.
async fn busy(
    tx: &TenantTx,
    resources: &[Uuid],
    range: &Range<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<BTreeMap<Uuid, Vec<Busy>>, Failure> {
    // Resource by resource, so that each is one probe of an index, however long the history is. The two halves are the
    // conditions of the two partial indexes.
    let rows: Vec<BusyRow> = tx
        .all(
            "SELECT o.resource_id, lower(o.during) AS starts, upper(o.during) AS ends, o.unit, o.appointment_id
             FROM unnest($1::uuid[]) AS wanted (id), LATERAL (
                 SELECT * FROM occupancies
                 WHERE resource_id = wanted.id AND during && tstzrange($2, $3) AND active AND NOT overbooked
                 UNION ALL
                 SELECT * FROM occupancies
                 WHERE resource_id = wanted.id AND during && tstzrange($2, $3) AND active AND overbooked
             ) o JOIN appointments a ON a.id = o.appointment_id
             WHERE a.status <> 'HELD' OR a.hold_expires_at > $4
             ORDER BY lower(o.during), o.unit, o.id",
            [resources.to_vec().into(), range.start.into(), range.end.into(), now.into()],
        )
        .await?;
    let mut by_resource: BTreeMap<Uuid, Vec<Busy>> = BTreeMap::new();
    for row in rows {
        by_resource.entry(row.resource_id).or_default().push(Busy {
            during: row.starts..row.ends,
            unit: row.unit,
            appointment: row.appointment_id,
        });
    }
    Ok(by_resource)
}
