//! `explainUnavailable`: why something cannot be booked then, resource by resource.

use std::ops::Range;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use uuid::Uuid;

use super::{
    calendar::{BranchCalendar, ResourceCalendar, belongs},
    model::ExceptionKind,
    plan::{outside, with_buffers},
    visibility::Sight,
};
use crate::{
    auth::{Actor, Scope},
    domain::{
        booking::{
            book::{Book, PatientChoice},
            input::{self, ClockPolicies, MAX_ITEMS},
            slot::SlotToken,
        },
        centre::{
            model::{OperatingMode, ResourceKind, Treatment},
            query,
        },
        cx::Cx,
        known::{Named, Thing},
        refusal::{Code, Failure, Refusal},
        time::{intersect, subtract},
    },
};

/// One treatment that somebody wants to book.
#[derive(Clone, Debug)]
pub struct ExplainItem {
    /// What.
    pub treatment: Uuid,
    /// When the treatment itself starts.
    pub start: DateTime<Utc>,
    /// With whom; none: with anybody who could.
    pub professional: Option<Uuid>,
    /// Where; none: anywhere it could be.
    pub room: Option<Uuid>,
    /// Instead of the treatment's own duration.
    pub duration_minutes: Option<i32>,
}

/// Why a resource is not available.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// It is not used any more.
    Inactive,
    /// It is not in this branch.
    NotInBranch,
    /// The professional does not carry out the treatment.
    DoesNotOffer,
    /// Closed.
    Closed,
    /// Blocked.
    Block,
    /// Holiday.
    Holiday,
    /// Outside of schedules and opening hours.
    OutsideSchedule,
    /// Taken by another appointment, buffers included.
    Busy,
}

impl Cause {
    /// The word in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inactive => "INACTIVE",
            Self::NotInBranch => "NOT_IN_BRANCH",
            Self::DoesNotOffer => "DOES_NOT_OFFER",
            Self::Closed => "CLOSED",
            Self::Block => "BLOCK",
            Self::Holiday => "HOLIDAY",
            Self::OutsideSchedule => "OUTSIDE_SCHEDULE",
            Self::Busy => "BUSY",
        }
    }
}

/// One reason why one resource is not available.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Who or what.
    pub resource: Uuid,
    /// Why.
    pub cause: Cause,
    /// The time in question that it takes away.
    pub range: Range<DateTime<Utc>>,
    /// The exception or the appointment that is in the way, as far as the caller may know.
    pub subject: Option<Uuid>,
}

/// All reasons why the items cannot be booked like that; none when nothing is in the way. Where nobody is named and
/// somebody is free, there is nothing to explain.
///
/// # Errors
/// FORBIDDEN without a permission on the agenda, NOT_FOUND for unknown treatments, INVALID for impossible durations;
/// faults of the database.
pub async fn run(cx: &Cx, actor: &Actor, branch: Uuid, items: Vec<ExplainItem>) -> Result<Vec<Reason>, Failure> {
    let sight = Sight::of(actor, Scope::Branch(branch))?;
    check(&items)?;
    let tx = cx.read(actor).await?;
    let branch = query::find_branch(&tx, branch).await?.ok_or_else(|| Refusal::not_found("branchId"))?;
    let mode = query::profile(&tx).await?.operating_mode;
    let treatments = query::treatments(&tx, items.iter().map(|item| item.treatment).collect()).await?;
    let mut planned = Vec::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        let treatment = treatments.iter().find(|one| one.id == item.treatment);
        let treatment = treatment.ok_or_else(|| Refusal::not_found(&format!("items.{at}.treatmentId")))?;
        let length = TimeDelta::minutes(i64::from(item.duration_minutes.unwrap_or(treatment.duration_minutes)));
        planned.push((item, treatment, item.start..item.start + length));
    }
    let busy =
        |(_, treatment, during): &(&ExplainItem, &Treatment, Range<DateTime<Utc>>)| with_buffers(treatment, during);
    let from = planned.iter().map(|one| busy(one).start).min().unwrap_or_default();
    let to = planned.iter().map(|one| busy(one).end).max().unwrap_or_default();
    let mut calendar = BranchCalendar::load(&tx, branch.clone(), from..to, None, cx.now()).await?;
    let named = items.iter().flat_map(|item| [item.professional, item.room]).flatten();
    let missing: Vec<Uuid> = named.filter(|id| !calendar.resources.contains_key(id)).collect();
    if !missing.is_empty() {
        // Named, and not active or not of this branch: that is the reason, and needs the resource to be told.
        let others = BranchCalendar::load(&tx, branch, from..to, Some(&missing), cx.now()).await?;
        calendar.resources.extend(others.resources);
    }
    tx.commit().await?;

    let mut reasons = Vec::new();
    for (at, (item, treatment, during)) in planned.iter().enumerate() {
        for (kind, any_of, named) in needs(item, treatment, mode) {
            // Who sees only the own column is told nothing of the others', as in `availability`.
            let own = sight.own.filter(|_| kind == ResourceKind::Professional);
            if let Some(id) = named
                && (own.is_some_and(|own| own != id)
                    || calendar.resources.get(&id).is_none_or(|one| one.resource.kind != kind))
            {
                let field = if kind == ResourceKind::Professional { "professionalId" } else { "roomId" };
                return Err(Refusal::not_found(&format!("items.{at}.{field}")).into());
            }
            let fits = |one: &&ResourceCalendar| match named.or(own) {
                Some(id) => one.resource.id == id,
                None => one.resource.kind == kind && (any_of.is_empty() || any_of.contains(&one.resource.id)),
            };
            let candidates = calendar.resources.values().filter(fits);
            let answers: Vec<Vec<Reason>> =
                candidates.map(|one| of_resource(one, &calendar, treatment, during, &sight)).collect();
            if answers.iter().all(|reasons| !reasons.is_empty()) {
                reasons.extend(answers.into_iter().flatten());
            }
        }
    }
    reasons.sort_by_key(|reason| (reason.range.start, reason.resource, reason.cause, reason.range.end));
    reasons.dedup();
    Ok(reasons)
}

/// [`run`] for what would be given to `bookAppointment`, and the branch's zone.
///
/// # Errors
/// As [`run`], and what is wrong with the times, field by field.
pub async fn of_booking(cx: &Cx, actor: &Actor, input: &Book) -> Result<(Tz, Vec<Reason>), Failure> {
    Sight::of(actor, Scope::Branch(input.branch))?;
    let now = cx.now();
    let tx = cx.read(actor).await?;
    let branch = query::find_branch(&tx, input.branch).await?.ok_or_else(|| Refusal::not_found("branchId"))?;
    let patient = match &input.patient {
        Some(PatientChoice::Known(patient)) => Some(*patient),
        _ => None,
    };
    let named =
        Named::default().one(Thing::Patient, patient, "patientId").one(Thing::Appointment, input.hold, "holdId");
    named.require(&tx, actor).await?;
    let wanted = match &input.slot_token {
        Some(word) => {
            let token =
                SlotToken::open(&cx.seal, word, actor.tenant.id.0, now).filter(|token| token.branch == branch.id);
            let token = token.ok_or_else(|| {
                Refusal::new(Code::TokenInvalid, "this is no slot of the branch, or it is too old").at("slotToken")
            })?;
            input::from_slot(&tx, &token.items).await?
        }
        None => {
            let policies = ClockPolicies { gap: input.gap, overlap: input.overlap };
            input::from_person(&tx, &branch, &input.items, policies, now).await?
        }
    };
    tx.commit().await?;
    let items = wanted.into_iter().map(|item| ExplainItem {
        treatment: item.treatment.id,
        start: item.start,
        professional: item.professional,
        room: item.room,
        duration_minutes: i32::try_from(item.duration.num_minutes()).ok(),
    });
    let zone = branch.zone;
    Ok((zone, run(cx, actor, branch.id, items.collect()).await?))
}

fn check(items: &[ExplainItem]) -> Result<(), Failure> {
    let mut refusals = Vec::new();
    if items.is_empty() {
        refusals.push(Refusal::required("items", "name at least one treatment"));
    }
    if items.len() > MAX_ITEMS {
        refusals.push(Refusal::invalid("items", format!("an appointment has at most {MAX_ITEMS} treatments")));
    }
    for (at, item) in items.iter().enumerate() {
        if item.duration_minutes.is_some_and(|minutes| !(5..=1440).contains(&minutes)) {
            refusals
                .push(Refusal::invalid(&format!("items.{at}.durationMinutes"), "a treatment takes 5 to 1440 minutes"));
        }
    }
    // Everything within one appointment, so that one calendar of a few days answers it.
    let first = items.iter().map(|item| item.start).min();
    let last = items.iter().map(|item| item.start).max();
    if first.zip(last).is_some_and(|(first, last)| last.signed_duration_since(first) > TimeDelta::hours(24)) {
        refusals.push(Refusal::invalid("items", "the treatments of one appointment lie within 24 hours"));
    }
    if refusals.is_empty() { Ok(()) } else { Err(refusals.into()) }
}

/// Kinds that are needed, the resources that could be, and the one that is named.
fn needs(
    item: &ExplainItem,
    treatment: &Treatment,
    mode: OperatingMode,
) -> Vec<(ResourceKind, Vec<Uuid>, Option<Uuid>)> {
    let named = |kind| match kind {
        ResourceKind::Professional => item.professional,
        ResourceKind::Room => item.room,
        ResourceKind::Equipment | ResourceKind::Vehicle => None,
    };
    let mut needs: Vec<(ResourceKind, Vec<Uuid>, Option<Uuid>)> =
        treatment.requirements.iter().map(|one| (one.kind, one.any_of.clone(), named(one.kind))).collect();
    if needs.is_empty() {
        let kind = match mode {
            OperatingMode::ByProfessional => ResourceKind::Professional,
            OperatingMode::ByRoom => ResourceKind::Room,
        };
        needs.push((kind, Vec::new(), named(kind)));
    }
    for kind in [ResourceKind::Professional, ResourceKind::Room] {
        if named(kind).is_some() && !needs.iter().any(|(needed, ..)| *needed == kind) {
            needs.push((kind, Vec::new(), named(kind)));
        }
    }
    needs
}

fn of_resource(
    one: &ResourceCalendar,
    calendar: &BranchCalendar,
    treatment: &Treatment,
    during: &Range<DateTime<Utc>>,
    sight: &Sight,
) -> Vec<Reason> {
    let resource = one.resource.id;
    let reason = |cause, range: Range<DateTime<Utc>>, subject| Reason { resource, cause, range, subject };
    if !one.resource.active {
        return vec![reason(Cause::Inactive, during.clone(), None)];
    }
    if !belongs(&one.resource, calendar.branch.id) {
        return vec![reason(Cause::NotInBranch, during.clone(), None)];
    }
    if !one.resource.offers(treatment.id) {
        return vec![reason(Cause::DoesNotOffer, during.clone(), None)];
    }
    let mut reasons = Vec::new();
    let mut left = outside(during, &one.working);
    for block in &one.blocks {
        let cause = match block.kind {
            ExceptionKind::Closed => Cause::Closed,
            ExceptionKind::Block => Cause::Block,
            ExceptionKind::Holiday => Cause::Holiday,
            ExceptionKind::ExtraHours => continue,
        };
        let taken = intersect(std::slice::from_ref(during), std::slice::from_ref(&block.during));
        reasons.extend(taken.iter().map(|range| reason(cause, range.clone(), Some(block.id))));
        left = subtract(&left, &taken);
    }
    reasons.extend(left.into_iter().map(|range| reason(Cause::OutsideSchedule, range, None)));
    let needed = with_buffers(treatment, during);
    if one.free_units(&needed, None).is_empty() {
        let mine = sight.own.is_none_or(|own| own == resource);
        let meets = one
            .busy
            .iter()
            .filter(|busy| !busy.overbooked && busy.during.start < needed.end && needed.start < busy.during.end);
        reasons.extend(meets.map(|busy| reason(Cause::Busy, busy.during.clone(), mine.then_some(busy.appointment))));
    }
    reasons
}
