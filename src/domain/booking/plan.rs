//! From what somebody wants to what will be busy: which professional, room and equipment, from when to when, in which
//! unit. Pure: the calendar has been read, nothing is written.
//!
//! Everything of an appointment is taken together or not at all. A resource that is not named is chosen: the first one
//! by name that works and is free, the same one for all treatments where possible.

use std::ops::Range;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{
    choose::{Chosen, choose},
    slot::SlotItem,
};
use crate::domain::{
    agenda::calendar::BranchCalendar,
    centre::{
        model::{OperatingMode, ResourceKind, Treatment},
        need::needs,
    },
    money::Money,
    refusal::{Code, Detail, Refusal},
};

/// The longest appointment, all treatments together.
pub const LONGEST: TimeDelta = TimeDelta::hours(24);

/// One treatment that somebody wants, at an instant.
#[derive(Clone, Debug)]
pub struct WantedItem {
    /// What.
    pub treatment: Treatment,
    /// When the treatment itself begins.
    pub start: DateTime<Utc>,
    /// How long it takes, without buffers.
    pub duration: TimeDelta,
    /// Who, if it matters.
    pub professional: Option<Uuid>,
    /// Where, if it matters.
    pub room: Option<Uuid>,
    /// Who and what comes first where somebody has to be chosen.
    pub rather: Vec<Uuid>,
}

impl WantedItem {
    /// When the treatment itself ends.
    #[must_use]
    pub fn end(&self) -> DateTime<Utc> {
        self.start + self.duration
    }

    /// When its resources are busy.
    #[must_use]
    pub fn busy(&self) -> Range<DateTime<Utc>> {
        let minutes = |n: i32| TimeDelta::minutes(i64::from(n));
        self.start - minutes(self.treatment.buffer_before_minutes)
            ..self.end() + minutes(self.treatment.buffer_after_minutes)
    }
}

/// How strictly a plan is made.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// What a treatment without requirements needs.
    pub mode: OperatingMode,
    /// The appointment that is about to move, and is not in its own way.
    pub moving: Option<Uuid>,
    /// On top of others and outside working hours.
    pub overbook: bool,
    /// By a patient alone: only professionals who accept that.
    pub online: bool,
}

/// One treatment with everything chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedItem {
    /// What, when, who, where.
    pub slot: SlotItem,
    /// When it ends.
    pub end: DateTime<Utc>,
    /// What it costs.
    pub price: Money,
}

/// One resource, busy for one range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedOccupancy {
    /// Who or what.
    pub resource: Uuid,
    /// Which of its units.
    pub unit: i16,
    /// When, buffers included.
    pub during: Range<DateTime<Utc>>,
    /// On top of others. What an overbooked appointment takes that is free, it takes as any other.
    pub overbooked: bool,
}

/// An appointment that can be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The treatments in order.
    pub items: Vec<PlannedItem>,
    /// What will be busy, ordered by (resource, unit, start): inserting in this order cannot deadlock.
    pub occupancies: Vec<PlannedOccupancy>,
    /// Start of the first treatment.
    pub start: DateTime<Utc>,
    /// End of the last.
    pub end: DateTime<Utc>,
}

/// Range of time that a calendar must cover to plan these treatments.
#[must_use]
pub fn span(items: &[WantedItem]) -> Option<Range<DateTime<Utc>>> {
    let start = items.iter().map(|item| item.busy().start).min()?;
    let end = items.iter().map(|item| item.busy().end).max()?;
    Some(start..end)
}

/// Resources that are named outright; none when some have to be chosen, so that the whole branch must be looked at.
#[must_use]
pub fn named(items: &[WantedItem], mode: OperatingMode) -> Option<Vec<Uuid>> {
    let mut ids = Vec::new();
    for item in items {
        let own = own(item);
        let needs = needs(&item.treatment, mode);
        let named = |kind| own.iter().filter(|(_, of)| *of == kind).count();
        let needed = |kind| needs.iter().filter(|need| need.kind == kind).count();
        if needs.iter().any(|need| needed(need.kind) > named(need.kind)) {
            return None;
        }
        ids.extend(own.into_iter().map(|(id, _)| id));
    }
    ids.sort_unstable();
    ids.dedup();
    Some(ids)
}

/// Who and what the item names.
pub(super) fn own(item: &WantedItem) -> Vec<(Uuid, ResourceKind)> {
    let professional = item.professional.map(|id| (id, ResourceKind::Professional));
    professional.into_iter().chain(item.room.map(|id| (id, ResourceKind::Room))).collect()
}

/// Plans the treatments, or says what stands in the way, field by field.
///
/// # Errors
/// Resources that do not exist here, do not offer the treatment, do not work then, or are busy then.
pub fn plan(calendar: &BranchCalendar, items: &[WantedItem], rules: Rules) -> Result<Plan, Vec<Refusal>> {
    let mut chosen = Chosen::new();
    let mut planned = Vec::with_capacity(items.len());
    let mut refusals = Vec::new();
    for (at, item) in items.iter().enumerate() {
        match choose(calendar, items, at, rules, &chosen) {
            Ok(resources) => {
                for resource in &resources {
                    chosen.entry(resource.resource.id).or_default().push(item.busy());
                }
                let of_kind = |kind| resources.iter().find(|r| r.resource.kind == kind).map(|r| r.resource.id);
                planned.push(PlannedItem {
                    slot: SlotItem {
                        treatment: item.treatment.id,
                        start: item.start,
                        professional: of_kind(ResourceKind::Professional),
                        room: of_kind(ResourceKind::Room),
                        minutes: i32::try_from(item.duration.num_minutes()).ok(),
                        proposed: Vec::new(),
                    },
                    end: item.end(),
                    price: item.treatment.price.clone(),
                });
            }
            Err(refusal) => refusals.push(*refusal),
        }
    }
    if !refusals.is_empty() {
        return Err(refusals);
    }
    let occupancies = occupancies(calendar, &chosen, rules)?;
    let start = items.iter().map(|item| item.start).min().unwrap_or_default();
    let end = items.iter().map(WantedItem::end).max().unwrap_or_default();
    Ok(Plan { items: planned, occupancies, start, end })
}

/// One range per resource where the treatments' ranges touch, in the units that are free then: in one, if one is free for
/// all of it.
fn occupancies(
    calendar: &BranchCalendar,
    chosen: &Chosen,
    rules: Rules,
) -> Result<Vec<PlannedOccupancy>, Vec<Refusal>> {
    let mut occupancies = Vec::new();
    for (id, ranges) in chosen {
        for during in crate::domain::time::normalise(ranges.clone()) {
            let seats = calendar.resources.get(id).and_then(|resource| resource.seats(&during, rules.moving));
            let (seats, overbooked) = match (seats, rules.overbook) {
                (Some(seats), _) => (seats, false),
                (None, true) => (vec![(0, during)], true),
                (None, false) => return Err(vec![taken(vec![*id], "items")]),
            };
            let busy = |(unit, during)| PlannedOccupancy { resource: *id, unit, during, overbooked };
            occupancies.extend(seats.into_iter().map(busy));
        }
    }
    occupancies.sort_by_key(|busy| (busy.resource, busy.unit, busy.during.start));
    Ok(occupancies)
}

/// Somebody else has it.
pub(super) fn taken(conflicting: Vec<Uuid>, field: &str) -> Refusal {
    Refusal {
        detail: Detail::SlotTaken { conflicting, alternatives: Vec::new() },
        ..Refusal::new(Code::SlotTaken, "that time has just been taken; choose one of the alternatives").at(field)
    }
}
