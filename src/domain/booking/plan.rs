//! From what somebody wants to what will be busy: which professional, room and equipment, from when to when, in which
//! unit. Pure: the calendar has been read, nothing is written.
//!
//! Everything of an appointment is taken together or not at all. A resource that is not named is chosen: the first one
//! by name that works and is free, the same one for all treatments where possible.

use std::{collections::BTreeMap, ops::Range};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::slot::SlotItem;
use crate::domain::{
    agenda::calendar::{BranchCalendar, ResourceCalendar, belongs},
    centre::model::{OperatingMode, Requirement, ResourceKind, Treatment},
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
        let own: Vec<(Uuid, ResourceKind)> = own(item);
        let unmet = requirements(&item.treatment, mode).iter().any(|need| {
            let given = own.iter().filter(|(_, kind)| *kind == need.kind).count();
            usize::try_from(need.quantity).is_ok_and(|wanted| given < wanted)
        });
        if unmet {
            return None;
        }
        ids.extend(own.into_iter().map(|(id, _)| id));
    }
    ids.sort_unstable();
    ids.dedup();
    Some(ids)
}

fn own(item: &WantedItem) -> Vec<(Uuid, ResourceKind)> {
    let professional = item.professional.map(|id| (id, ResourceKind::Professional));
    professional.into_iter().chain(item.room.map(|id| (id, ResourceKind::Room))).collect()
}

/// What a treatment needs; without requirements of its own, what the centre's way of working says.
#[must_use]
pub fn requirements(treatment: &Treatment, mode: OperatingMode) -> Vec<Requirement> {
    if !treatment.requirements.is_empty() {
        return treatment.requirements.clone();
    }
    vec![Requirement { kind: mode.needs(), quantity: 1, any_of: Vec::new() }]
}

/// Plans the treatments, or says what stands in the way, field by field.
///
/// # Errors
/// Resources that do not exist here, do not offer the treatment, do not work then, or are busy then.
pub fn plan(calendar: &BranchCalendar, items: &[WantedItem], rules: Rules) -> Result<Plan, Vec<Refusal>> {
    let mut chosen: BTreeMap<Uuid, Vec<Range<DateTime<Utc>>>> = BTreeMap::new();
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

/// One range per resource where the treatments' ranges touch, each in a unit that is free for all of it.
fn occupancies(
    calendar: &BranchCalendar,
    chosen: &BTreeMap<Uuid, Vec<Range<DateTime<Utc>>>>,
    rules: Rules,
) -> Result<Vec<PlannedOccupancy>, Vec<Refusal>> {
    let mut occupancies = Vec::new();
    for (id, ranges) in chosen {
        for during in crate::domain::time::normalise(ranges.clone()) {
            let free = calendar
                .resources
                .get(id)
                .map(|resource| resource.free_units(&during, rules.moving))
                .unwrap_or_default();
            let unit = match (free.first(), rules.overbook) {
                (Some(unit), _) => *unit,
                (None, true) => 0,
                (None, false) => return Err(vec![taken(vec![*id], "items")]),
            };
            occupancies.push(PlannedOccupancy { resource: *id, unit, during });
        }
    }
    occupancies.sort_by_key(|busy| (busy.resource, busy.unit, busy.during.start));
    Ok(occupancies)
}

/// Everything that one treatment takes.
fn choose<'a>(
    calendar: &'a BranchCalendar,
    items: &[WantedItem],
    at: usize,
    rules: Rules,
    chosen: &BTreeMap<Uuid, Vec<Range<DateTime<Utc>>>>,
) -> Result<Vec<&'a ResourceCalendar>, Box<Refusal>> {
    let Some((item, later)) = items.get(at..).and_then(<[WantedItem]>::split_first) else { return Ok(Vec::new()) };
    let mut taking: Vec<&ResourceCalendar> = Vec::new();
    for (id, kind) in own(item) {
        let field = match kind {
            ResourceKind::Professional => format!("items.{at}.professionalId"),
            _ => format!("items.{at}.roomId"),
        };
        let resource = calendar
            .resources
            .get(&id)
            .filter(|r| r.resource.kind == kind && r.resource.active && belongs(&r.resource, calendar.branch.id))
            .ok_or_else(|| Box::new(Refusal::not_found(&field)))?;
        if !resource.resource.offers(item.treatment.id) {
            return Err(Box::new(Refusal::invalid(
                &field,
                format!("{} does not offer this treatment", resource.resource.name),
            )));
        }
        if rules.online && !resource.resource.accepts_online() {
            return Err(Box::new(Refusal::not_found(&field)));
        }
        check_time(resource, item, rules, &field)?;
        taking.push(resource);
    }
    for need in requirements(&item.treatment, rules.mode) {
        let fits = |r: &ResourceCalendar| {
            r.resource.kind == need.kind && (need.any_of.is_empty() || need.any_of.contains(&r.resource.id))
        };
        let given = taking.iter().filter(|r| fits(r)).count();
        let named_otherwise = taking.iter().find(|r| r.resource.kind == need.kind && !fits(r));
        if let (Some(other), ResourceKind::Professional | ResourceKind::Room) = (named_otherwise, need.kind) {
            let field = if need.kind == ResourceKind::Room {
                format!("items.{at}.roomId")
            } else {
                format!("items.{at}.professionalId")
            };
            return Err(Box::new(Refusal::invalid(
                &field,
                format!("{} is not one of those this treatment needs", other.resource.name),
            )));
        }
        let missing = usize::try_from(need.quantity).unwrap_or_default().saturating_sub(given);
        let mut candidates: Vec<&ResourceCalendar> = calendar
            .resources
            .values()
            .filter(|r| fits(r) && r.resource.active && belongs(&r.resource, calendar.branch.id))
            .filter(|r| r.resource.offers(item.treatment.id) && (!rules.online || r.resource.accepts_online()))
            .filter(|r| !taking.iter().any(|taken| taken.resource.id == r.resource.id))
            .collect();
        // The same room for the next treatment before another one; then the one that the later treatments can stay in;
        // then by name. What is really free comes first even where overbooking would not require it.
        candidates.sort_by_cached_key(|r| {
            let busy = !is_free(r, item, Rules { overbook: false, ..rules });
            let leaving = later.iter().filter(|next| !can_stay(r, next, rules)).count();
            (!chosen.contains_key(&r.resource.id), busy, leaving, r.resource.name.clone(), r.resource.id)
        });
        let working: Vec<&ResourceCalendar> = candidates.into_iter().filter(|r| works(r, item, rules)).collect();
        let free: Vec<&ResourceCalendar> =
            working.iter().copied().filter(|r| is_free(r, item, rules)).take(missing).collect();
        if free.len() < missing {
            let field = format!("items.{at}");
            return Err(Box::new(if working.len() < missing {
                let what = need.kind.as_str().to_lowercase();
                Refusal::new(Code::OutsideAvailability, format!("no {what} that this treatment needs works then"))
                    .at(&field)
            } else {
                taken(working.iter().map(|r| r.resource.id).collect(), &field)
            }));
        }
        taking.extend(free);
    }
    Ok(taking)
}

/// Whether the resource could serve this treatment too, so that nobody has to change rooms.
fn can_stay(resource: &ResourceCalendar, item: &WantedItem, rules: Rules) -> bool {
    let strict = Rules { overbook: false, ..rules };
    let wanted = requirements(&item.treatment, rules.mode).iter().any(|need| {
        need.kind == resource.resource.kind && (need.any_of.is_empty() || need.any_of.contains(&resource.resource.id))
    });
    wanted
        && resource.resource.offers(item.treatment.id)
        && works(resource, item, strict)
        && is_free(resource, item, strict)
}

/// Buffers are for cleaning and writing: they may lie outside working hours, the treatment may not.
fn works(resource: &ResourceCalendar, item: &WantedItem, rules: Rules) -> bool {
    rules.overbook || resource.works(&(item.start..item.end()))
}

fn is_free(resource: &ResourceCalendar, item: &WantedItem, rules: Rules) -> bool {
    rules.overbook || !resource.free_units(&item.busy(), rules.moving).is_empty()
}

fn check_time(resource: &ResourceCalendar, item: &WantedItem, rules: Rules, field: &str) -> Result<(), Box<Refusal>> {
    if !works(resource, item, rules) {
        let message = format!("{} does not work then; `availability` lists free times", resource.resource.name);
        return Err(Box::new(Refusal::new(Code::OutsideAvailability, message).at(field)));
    }
    if !is_free(resource, item, rules) {
        return Err(Box::new(taken(vec![resource.resource.id], field)));
    }
    Ok(())
}

fn taken(conflicting: Vec<Uuid>, field: &str) -> Refusal {
    Refusal {
        detail: Detail::SlotTaken { conflicting, alternatives: Vec::new() },
        ..Refusal::new(Code::SlotTaken, "that time has just been taken; choose one of the alternatives").at(field)
    }
}
