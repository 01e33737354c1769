//! The pure part of availability: given what everybody and everything does, who and what can carry out the treatments
//! at which start. No database, no clock.

use std::{collections::BTreeMap, ops::Range};

use chrono::{DateTime, TimeDelta, Timelike, Utc};
use chrono_tz::Tz;
use uuid::Uuid;

use super::{
    calendar::{BranchCalendar, ResourceCalendar, belongs},
    matching::match_all,
};
use crate::domain::{
    booking::slot::{Slot, SlotItem},
    centre::{
        model::{Branch, OperatingMode, Resource, ResourceKind, Treatment},
        need::{self, Need},
    },
    money::Money,
    time::{intersect, normalise, subtract, union},
};

/// Who asks for free time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// People of the centre: any time from now on.
    Staff,
    /// Patients alone: only who and what is offered online, and within the branch's notice and advance.
    Public,
}

/// What somebody wants to book.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// One after the other, in this order.
    pub treatments: &'a [Treatment],
    /// With this professional and nobody else.
    pub professional: Option<Uuid>,
    /// In this room and no other.
    pub room: Option<Uuid>,
    /// What a treatment without requirements needs.
    pub mode: OperatingMode,
    /// Who asks.
    pub audience: Audience,
}

/// One treatment at a time, and the resources it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedItem {
    /// What.
    pub treatment: Uuid,
    /// When, without buffers.
    pub during: Range<DateTime<Utc>>,
    /// Who and what, in the order of the needs.
    pub resources: Vec<Uuid>,
}

impl Wish<'_> {
    /// Elapsed time of all treatments together, without the buffers around them.
    #[must_use]
    pub fn length(&self) -> TimeDelta {
        self.treatments.iter().map(|treatment| minutes(treatment.duration_minutes)).sum()
    }

    /// What a calendar must cover to answer for starts in `starts`: buffers before and after included.
    #[must_use]
    pub fn reach(&self, starts: &Range<DateTime<Utc>>) -> Range<DateTime<Utc>> {
        let longest = |of: fn(&Treatment) -> i32| minutes(self.treatments.iter().map(of).max().unwrap_or_default());
        starts.start - longest(|t| t.buffer_before_minutes)
            ..starts.end + self.length() + longest(|t| t.buffer_after_minutes)
    }

    /// The kinds of resources that could take part, for loading a calendar.
    #[must_use]
    pub fn kinds(&self) -> Vec<ResourceKind> {
        let mut kinds: Vec<ResourceKind> =
            self.treatments.iter().flat_map(|t| self.needs(t)).map(|need| need.kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }

    /// Who and what was asked for by name.
    fn named(&self) -> Vec<(ResourceKind, Uuid)> {
        let professional = self.professional.map(|id| (ResourceKind::Professional, id));
        professional.into_iter().chain(self.room.map(|id| (ResourceKind::Room, id))).collect()
    }

    /// What a treatment needs, one entry per resource: its requirements, or by default what the centre's way of working
    /// names; and whoever and whatever was asked for by name, where the treatment alone would need none of the kind.
    fn needs(&self, treatment: &Treatment) -> Vec<Need> {
        let mut needs = need::needs(treatment, self.mode);
        for (kind, named) in self.named() {
            if needs.iter().all(|need| need.kind != kind) {
                needs.push(Need { kind, any_of: vec![named] });
            }
        }
        needs
    }
}

/// A resource prepared for many questions.
struct Candidate<'a> {
    calendar: &'a ResourceCalendar,
    /// How many units it has.
    capacity: i32,
    /// How many of them are free from each of these instants until the next; before the first all are.
    free: Vec<(DateTime<Utc>, i32)>,
}

impl<'a> Candidate<'a> {
    fn new(calendar: &'a ResourceCalendar) -> Self {
        let capacity = calendar.resource.capacity;
        let mut taken: BTreeMap<i16, Vec<Range<DateTime<Utc>>>> = BTreeMap::new();
        for busy in calendar.busy.iter().filter(|busy| i32::from(busy.unit) < capacity) {
            taken.entry(busy.unit).or_default().push(busy.during.clone());
        }
        // What is overbooked lies on top of others, and a unit is taken once at most.
        let turns = taken.into_values().flat_map(normalise).flat_map(|range| [(range.start, -1), (range.end, 1)]);
        let mut turns: Vec<(DateTime<Utc>, i32)> = turns.collect();
        turns.sort_unstable();
        let mut free: Vec<(DateTime<Utc>, i32)> = Vec::with_capacity(turns.len());
        for (at, change) in turns {
            match free.last_mut() {
                Some((last, count)) if *last == at => *count += change,
                last => {
                    let before = last.map_or(capacity, |(_, count)| *count);
                    free.push((at, before + change));
                }
            }
        }
        Self { calendar, capacity, free }
    }

    /// How many units are free at each instant of `range` at least: so many appointments have room, whether or not each
    /// stays in one unit.
    fn least_free(&self, range: &Range<DateTime<Utc>>) -> i32 {
        let next = self.free.partition_point(|(from, _)| *from <= range.start);
        let (before, after) = self.free.split_at(next);
        let at_first = before.last().map_or(self.capacity, |(_, count)| *count);
        let later = after.iter().take_while(|(from, _)| *from < range.end).map(|(_, count)| *count);
        later.fold(at_first, i32::min)
    }
}

/// Looks for free time in one calendar.
pub struct Planner<'a> {
    branch: &'a Branch,
    wish: Wish<'a>,
    /// In the order in which they are chosen: by name.
    candidates: Vec<Candidate<'a>>,
    /// Who and what of them was asked for by name; none when one of those cannot be had here.
    named: Option<Vec<usize>>,
    /// For each treatment, for each need, the candidates that could meet it.
    needs: Vec<Vec<Vec<usize>>>,
}

impl<'a> Planner<'a> {
    /// For one wish. The calendar must cover [`Wish::reach`] of all starts that will be asked for.
    #[must_use]
    pub fn new(calendar: &'a BranchCalendar, wish: Wish<'a>) -> Self {
        let branch = &calendar.branch;
        let public = wish.audience == Audience::Public;
        let bookable = |one: &&ResourceCalendar| {
            let resource = &one.resource;
            resource.active && belongs(resource, branch.id) && (resource.accepts_online() || !public)
        };
        let mut candidates: Vec<Candidate<'a>> =
            calendar.resources.values().filter(bookable).map(Candidate::new).collect();
        candidates.sort_by(|a, b| {
            let key = |one: &Candidate<'a>| (one.calendar.resource.name.clone(), one.calendar.resource.id);
            key(a).cmp(&key(b))
        });
        let position = |(kind, id): (ResourceKind, Uuid)| {
            let is = |resource: &Resource| resource.kind == kind && resource.id == id;
            candidates.iter().position(|one| is(&one.calendar.resource))
        };
        let named = wish.named().into_iter().map(position).collect();
        let fitting = |need: &Need, treatment: Uuid| -> Vec<usize> {
            let fits = |resource: &Resource| need.accepts(resource.kind, resource.id) && resource.offers(treatment);
            candidates.iter().enumerate().filter(|(_, one)| fits(&one.calendar.resource)).map(|(at, _)| at).collect()
        };
        let needs = wish
            .treatments
            .iter()
            .map(|treatment| wish.needs(treatment).iter().map(|need| fitting(need, treatment.id)).collect());
        let needs = needs.collect();
        Self { branch, wish, candidates, named, needs }
    }

    /// Free slots that start in `starts`, by start and then by the professional's name, one per start and
    /// professional, at most `limit`.
    #[must_use]
    pub fn slots(&self, starts: &Range<DateTime<Utc>>, limit: usize) -> Vec<Slot> {
        let leads = self.leads();
        let mut slots = Vec::new();
        for start in self.starts(starts) {
            for lead in &leads {
                if slots.len() >= limit {
                    return slots;
                }
                slots.extend(self.assign(start, *lead).map(|items| self.slot(&items, *lead)));
            }
        }
        slots
    }

    /// Who leads the slot: each professional who could begin, or nobody when no treatment needs one, and when one is
    /// named: that one takes part in everything, and may meet any of the needs.
    fn leads(&self) -> Vec<Option<usize>> {
        match self.first_professional_need() {
            Some((_, who)) if self.wish.professional.is_none() => who.iter().map(|at| Some(*at)).collect(),
            _ => vec![None],
        }
    }

    /// The first treatment that needs a professional, and who could be that.
    fn first_professional_need(&self) -> Option<(usize, &Vec<usize>)> {
        self.needs
            .iter()
            .enumerate()
            .find_map(|(at, needs)| needs.iter().find(|who| self.are_professionals(who)).map(|who| (at, who)))
    }

    fn are_professionals(&self, who: &[usize]) -> bool {
        who.iter().any(|at| {
            self.candidates.get(*at).is_some_and(|one| one.calendar.resource.kind == ResourceKind::Professional)
        })
    }

    /// Starts on the branch's grid at which somebody who could carry out the first treatment works, and who is named.
    fn starts(&self, within: &Range<DateTime<Utc>>) -> Vec<DateTime<Utc>> {
        let first = self.needs.first().map(Vec::as_slice).unwrap_or_default();
        if first.is_empty() || first.iter().any(Vec::is_empty) {
            return Vec::new();
        }
        let Some(named) = &self.named else { return Vec::new() };
        // Somebody else is required: the wish cannot be met by the one who was asked for.
        if !named.iter().all(|one| first.iter().any(|need| need.contains(one))) {
            return Vec::new();
        }
        let mut common = vec![within.clone()];
        for who in first.iter().map(Vec::as_slice).chain(named.iter().map(std::slice::from_ref)) {
            let works = who.iter().filter_map(|at| self.candidates.get(*at)).map(|one| &one.calendar.working);
            common = intersect(&common, &works.fold(Vec::new(), |all, working| union(&all, working)));
        }
        common.iter().flat_map(|span| grid_in(self.branch.zone, self.branch.slot_grid_minutes, span)).collect()
    }

    /// Resources for every treatment from `start` on. None: it cannot be done then.
    fn assign(&self, start: DateTime<Utc>, lead: Option<usize>) -> Option<Vec<PlannedItem>> {
        let named = self.named.as_ref()?;
        let mut used: BTreeMap<usize, Vec<Range<DateTime<Utc>>>> = BTreeMap::new();
        let leading = lead.and_then(|_| self.first_professional_need()).map(|(at, _)| at);
        let mut items = Vec::with_capacity(self.wish.treatments.len());
        let mut from = start;
        for (at, (treatment, needs)) in self.wish.treatments.iter().zip(&self.needs).enumerate() {
            let during = from..from + minutes(treatment.duration_minutes);
            let busy = with_buffers(treatment, &during);
            let fits = |one: usize| self.fits(one, &during, &busy, used.get(&one));
            // Who is named takes part; the one who leads goes on where that is possible; whoever is there already stays.
            let order = |who: &Vec<usize>, fixed: bool| -> Vec<usize> {
                let mut order: Vec<usize> = who.iter().copied().filter(|one| !fixed || Some(*one) == lead).collect();
                order.sort_by_key(|one| (!named.contains(one), Some(*one) != lead, !used.contains_key(one)));
                order.retain(|one| fits(*one));
                order
            };
            let fixed = needs.iter().position(|who| leading == Some(at) && self.are_professionals(who));
            let choices: Vec<Vec<usize>> =
                needs.iter().enumerate().map(|(need, who)| order(who, fixed == Some(need))).collect();
            let chosen = match_all(&choices).filter(|chosen| named.iter().all(|one| chosen.contains(one)))?;
            for one in &chosen {
                let ranges = used.entry(*one).or_default();
                *ranges = union(ranges, std::slice::from_ref(&busy));
            }
            let ids = chosen.iter().filter_map(|one| self.candidates.get(*one)).map(|one| one.calendar.resource.id);
            items.push(PlannedItem { treatment: treatment.id, during: during.clone(), resources: ids.collect() });
            from = during.end;
        }
        Some(items)
    }

    /// Whether a resource works then and has a unit for it. What the same appointment takes already is joined with it,
    /// so buffers between its own treatments are not in the way.
    fn fits(
        &self,
        one: usize,
        during: &Range<DateTime<Utc>>,
        busy: &Range<DateTime<Utc>>,
        own: Option<&Vec<Range<DateTime<Utc>>>>,
    ) -> bool {
        let Some(candidate) = self.candidates.get(one) else { return false };
        let own = own.map(Vec::as_slice).unwrap_or_default();
        let joined = union(own, std::slice::from_ref(busy));
        candidate.calendar.works(during) && joined.iter().all(|range| candidate.least_free(range) > 0)
    }

    /// What is offered: with who leads, and with whom and what somebody asked for; the rest is proposed.
    fn slot(&self, items: &[PlannedItem], lead: Option<usize>) -> Slot {
        let lead = lead.and_then(|at| self.candidates.get(at)).map(|one| one.calendar.resource.id);
        let asked = [self.wish.professional, self.wish.room, lead];
        let is = |id: Uuid, kind: ResourceKind| {
            self.candidates.iter().any(|one| one.calendar.resource.id == id && one.calendar.resource.kind == kind)
        };
        // Who is named stands for the kind, so that the slot is booked with nobody else in that place.
        let of_kind = |item: &PlannedItem, kind: ResourceKind| {
            let those = item.resources.iter().copied().filter(|id| is(*id, kind));
            those.min_by_key(|id| !asked.contains(&Some(*id)))
        };
        let slot_items = items.iter().map(|item| {
            let professional = of_kind(item, ResourceKind::Professional);
            let room = of_kind(item, ResourceKind::Room);
            SlotItem {
                treatment: item.treatment,
                start: item.during.start,
                professional,
                room,
                minutes: i32::try_from((item.during.end - item.during.start).num_minutes()).ok(),
                proposed: [professional, room].into_iter().filter(|one| !asked.contains(one)).flatten().collect(),
            }
        });
        let occupied = occupied(self.wish.treatments, items);
        let remaining = occupied.iter().filter_map(|(id, ranges)| {
            let candidate = self.candidates.iter().find(|one| one.calendar.resource.id == *id)?;
            ranges.iter().map(|range| candidate.least_free(range)).min()
        });
        let currency =
            self.wish.treatments.first().map(|treatment| treatment.price.currency.clone()).unwrap_or_default();
        Slot {
            branch: self.branch.id,
            zone: self.branch.zone,
            start: items.first().map(|item| item.during.start).unwrap_or_default(),
            end: items.last().map(|item| item.during.end).unwrap_or_default(),
            items: slot_items.collect(),
            remaining_capacity: remaining.min().unwrap_or(1),
            resources: occupied.into_keys().collect(),
            price: Money { minor: self.wish.treatments.iter().map(|treatment| treatment.price.minor).sum(), currency },
        }
    }
}

/// When each resource is busy with the items of one appointment: buffers included, and what touches or overlaps joined,
/// so that an appointment never stands in its own way. `treatments` are those of the items, in order.
#[must_use]
pub fn occupied(treatments: &[Treatment], items: &[PlannedItem]) -> BTreeMap<Uuid, Vec<Range<DateTime<Utc>>>> {
    let mut busy: BTreeMap<Uuid, Vec<Range<DateTime<Utc>>>> = BTreeMap::new();
    for (treatment, item) in treatments.iter().zip(items) {
        for resource in &item.resources {
            busy.entry(*resource).or_default().push(with_buffers(treatment, &item.during));
        }
    }
    busy.into_iter().map(|(resource, ranges)| (resource, normalise(ranges))).collect()
}

/// A treatment's time with the time that its resources are busy around it.
#[must_use]
pub fn with_buffers(treatment: &Treatment, during: &Range<DateTime<Utc>>) -> Range<DateTime<Utc>> {
    during.start - minutes(treatment.buffer_before_minutes)..during.end + minutes(treatment.buffer_after_minutes)
}

/// The part of a public wish's range that notice and advance leave; for staff, what is not over.
#[must_use]
pub fn bookable_starts(
    branch: &Branch,
    audience: Audience,
    range: &Range<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Range<DateTime<Utc>> {
    match audience {
        Audience::Staff => range.start.max(now)..range.end,
        Audience::Public => {
            let last = now + branch.max_booking_advance;
            range.start.max(now + branch.min_booking_notice)..range.end.min(last + TimeDelta::seconds(1))
        }
    }
}

/// Instants of a span at which the wall clock shows a multiple of `grid` minutes since midnight. In an overlap both
/// hours have theirs, in a gap there are none.
#[must_use]
pub fn grid_in(zone: Tz, grid: i32, span: &Range<DateTime<Utc>>) -> Vec<DateTime<Utc>> {
    const MINUTE: TimeDelta = TimeDelta::minutes(1);
    let grid = u32::try_from(grid).unwrap_or(1).max(1);
    let wall = |at: DateTime<Utc>| at.with_timezone(&zone).naive_local();
    let minute_of = |at: DateTime<Utc>| wall(at).hour() * 60 + wall(at).minute();
    let aligned = |at: DateTime<Utc>| wall(at).second() == 0 && wall(at).nanosecond() == 0 && minute_of(at) % grid == 0;
    let mut found = Vec::new();
    let into_minute = TimeDelta::seconds(i64::from(wall(span.start).second()))
        + TimeDelta::nanoseconds(i64::from(wall(span.start).nanosecond()));
    let mut at = if into_minute.is_zero() { span.start } else { span.start - into_minute + MINUTE };
    while at < span.end {
        if aligned(at) {
            found.push(at);
        }
        let minute = minute_of(at);
        let next = ((minute / grid + 1) * grid).min(24 * 60);
        let jump = at + TimeDelta::minutes(i64::from(next - minute));
        // Straight on while the wall clock runs evenly; where it was changed in between, minute by minute.
        at = if wall(jump) - wall(at) == jump - at { jump } else { at + MINUTE };
    }
    found
}

fn minutes(n: i32) -> TimeDelta {
    TimeDelta::minutes(i64::from(n))
}

/// Time of `range` outside of working time, for explaining.
#[must_use]
pub fn outside(range: &Range<DateTime<Utc>>, working: &[Range<DateTime<Utc>>]) -> Vec<Range<DateTime<Utc>>> {
    subtract(std::slice::from_ref(range), working)
}
