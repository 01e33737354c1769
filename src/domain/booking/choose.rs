//! Who and what one treatment of an appointment takes. Pure, a part of [`plan`](super::plan).

use std::{collections::BTreeMap, ops::Range};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::plan::{Rules, WantedItem, own, taken};
use crate::domain::{
    agenda::{
        calendar::{BranchCalendar, ResourceCalendar, belongs},
        matching::{assign, ways},
    },
    centre::{
        model::ResourceKind,
        need::{Need, needs},
    },
    refusal::{Code, Refusal},
};

/// What the treatments before have taken, and when.
pub(super) type Chosen = BTreeMap<Uuid, Vec<Range<DateTime<Utc>>>>;

/// Everything that the item at `at` takes: who is named, and for every need another resource.
///
/// # Errors
/// What stands in the way.
pub(super) fn choose<'a>(
    calendar: &'a BranchCalendar,
    items: &[WantedItem],
    at: usize,
    rules: Rules,
    chosen: &Chosen,
) -> Result<Vec<&'a ResourceCalendar>, Box<Refusal>> {
    let Some((item, later)) = items.get(at..).and_then(<[WantedItem]>::split_first) else { return Ok(Vec::new()) };
    let choice = Choice { calendar, item, later, at, rules, chosen };
    let mut taking = choice.named()?;
    let mut by_kind: BTreeMap<ResourceKind, Vec<Need>> = BTreeMap::new();
    for need in needs(&item.treatment, rules.mode) {
        by_kind.entry(need.kind).or_default().push(need);
    }
    for (kind, needs) in by_kind {
        let named = taking.iter().copied().find(|one| one.resource.kind == kind);
        taking.extend(choice.meet(kind, &needs, named)?);
    }
    Ok(taking)
}

struct Choice<'a, 'b> {
    calendar: &'a BranchCalendar,
    item: &'b WantedItem,
    later: &'b [WantedItem],
    at: usize,
    rules: Rules,
    chosen: &'b Chosen,
}

impl<'a> Choice<'a, '_> {
    /// Who and what is named, if that can be had.
    fn named(&self) -> Result<Vec<&'a ResourceCalendar>, Box<Refusal>> {
        let one = |(id, kind): (Uuid, ResourceKind)| {
            let field = self.field(kind);
            let found = self.calendar.resources.get(&id).filter(|one| one.resource.kind == kind && self.is_here(one));
            let found = found.ok_or_else(|| Box::new(Refusal::not_found(&field)))?;
            if !found.resource.offers(self.item.treatment.id) {
                let message = format!("{} does not offer this treatment", found.resource.name);
                return Err(Box::new(Refusal::invalid(&field, message)));
            }
            if self.rules.online && !found.resource.accepts_online() {
                return Err(Box::new(Refusal::not_found(&field)));
            }
            check_time(found, self.item, self.rules, &field)?;
            Ok(found)
        };
        own(self.item).into_iter().map(one).collect()
    }

    /// Meets all needs of one kind, each with another resource; who is named meets one of them. Returns the others.
    fn meet(
        &self,
        kind: ResourceKind,
        needs: &[Need],
        named: Option<&'a ResourceCalendar>,
    ) -> Result<Vec<&'a ResourceCalendar>, Box<Refusal>> {
        let ways = ways(needs, named);
        if let (Some(named), true) = (named, ways.is_empty()) {
            let message = format!("{} is not one of those this treatment needs", named.resource.name);
            return Err(Box::new(Refusal::invalid(&self.field(kind), message)));
        }
        let others = self.candidates(kind, named);
        let working = |one: &ResourceCalendar| works(one, self.item, self.rules);
        let free = |one: &ResourceCalendar| working(one) && is_free(one, self.item, self.rules);
        if let Some(found) = ways.iter().find_map(|way| assign(way, &others, free)) {
            return Ok(found);
        }
        let field = format!("items.{}", self.at);
        Err(Box::new(if ways.iter().any(|way| assign(way, &others, working).is_some()) {
            let fits = |one: &&ResourceCalendar| working(one) && needs.iter().any(|need| accepts(need, one));
            let busy = others.iter().copied().filter(fits).filter(|one| !free(one));
            taken(busy.map(|one| one.resource.id).collect(), &field)
        } else {
            let what = kind.as_str().to_lowercase();
            Refusal::new(Code::OutsideAvailability, format!("no {what} that this treatment needs works then"))
                .at(&field)
        }))
    }

    /// Who else of this kind could take part. The same room for the next treatment before another one; then what was
    /// proposed; then the one that the later treatments can stay in; then by name. What is really free comes first even where overbooking would not
    /// require it.
    fn candidates(&self, kind: ResourceKind, named: Option<&ResourceCalendar>) -> Vec<&'a ResourceCalendar> {
        let Self { item, rules, .. } = *self;
        let mut candidates: Vec<&ResourceCalendar> = self
            .calendar
            .resources
            .values()
            .filter(|one| one.resource.kind == kind && self.is_here(one) && one.resource.offers(item.treatment.id))
            .filter(|one| !rules.online || one.resource.accepts_online())
            .filter(|one| named.is_none_or(|named| named.resource.id != one.resource.id))
            .collect();
        candidates.sort_by_cached_key(|one| {
            let busy = !is_free(one, item, Rules { overbook: false, ..rules });
            let leaving = self.later.iter().filter(|next| !can_stay(one, next, rules)).count();
            let (kept, rather) = (self.chosen.contains_key(&one.resource.id), item.rather.contains(&one.resource.id));
            (!kept, busy, !rather, leaving, one.resource.name.clone(), one.resource.id)
        });
        candidates
    }

    fn is_here(&self, one: &ResourceCalendar) -> bool {
        one.resource.active && belongs(&one.resource, self.calendar.branch.id)
    }

    fn field(&self, kind: ResourceKind) -> String {
        match kind {
            ResourceKind::Professional => format!("items.{}.professionalId", self.at),
            _ => format!("items.{}.roomId", self.at),
        }
    }
}

fn accepts(need: &Need, one: &ResourceCalendar) -> bool {
    need.accepts(one.resource.kind, one.resource.id)
}

/// Whether the resource could serve this treatment too, so that nobody has to change rooms.
fn can_stay(one: &ResourceCalendar, item: &WantedItem, rules: Rules) -> bool {
    let strict = Rules { overbook: false, ..rules };
    let wanted = needs(&item.treatment, rules.mode).iter().any(|need| accepts(need, one));
    wanted && one.resource.offers(item.treatment.id) && works(one, item, strict) && is_free(one, item, strict)
}

/// Buffers are for cleaning and writing: they may lie outside working hours, the treatment may not.
fn works(one: &ResourceCalendar, item: &WantedItem, rules: Rules) -> bool {
    rules.overbook || one.works(&(item.start..item.end()))
}

fn is_free(one: &ResourceCalendar, item: &WantedItem, rules: Rules) -> bool {
    rules.overbook || one.seats(&item.busy(), rules.moving).is_some()
}

fn check_time(one: &ResourceCalendar, item: &WantedItem, rules: Rules, field: &str) -> Result<(), Box<Refusal>> {
    if !works(one, item, rules) {
        let message = format!("{} does not work then; `availability` lists free times", one.resource.name);
        return Err(Box::new(Refusal::new(Code::OutsideAvailability, message).at(field)));
    }
    if !is_free(one, item, rules) {
        return Err(Box::new(taken(vec![one.resource.id], field)));
    }
    Ok(())
}
