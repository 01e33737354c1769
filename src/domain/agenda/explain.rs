//! `explainUnavailable`: why something cannot be booked then, resource by resource.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
};

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use uuid::Uuid;

use super::{
    calendar::{BranchCalendar, ResourceCalendar, belongs},
    matching,
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
            items::{self, BookedItem},
            plan::WantedItem,
            slot::SlotToken,
        },
        centre::{
            model::{OperatingMode, ResourceKind, Treatment},
            need::{Need, needs},
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

impl From<BookedItem> for ExplainItem {
    fn from(item: BookedItem) -> Self {
        Self {
            treatment: item.treatment,
            start: item.start,
            professional: item.professional,
            room: item.room,
            duration_minutes: i32::try_from((item.end - item.start).num_minutes()).ok(),
        }
    }
}

impl From<WantedItem> for ExplainItem {
    fn from(item: WantedItem) -> Self {
        Self {
            treatment: item.treatment.id,
            start: item.start,
            professional: item.professional,
            room: item.room,
            duration_minutes: i32::try_from(item.duration.num_minutes()).ok(),
        }
    }
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
    /// The branch has fewer that could than the treatment needs, whenever it is.
    TooFew,
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
            Self::TooFew => "TOO_FEW",
        }
    }

    /// Whether another time would not help.
    fn is_lasting(self) -> bool {
        matches!(self, Self::Inactive | Self::NotInBranch | Self::DoesNotOffer)
    }
}

/// One reason why one resource is not available, or why there are not enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Who or what; the branch when it is [`Cause::TooFew`].
    pub resource: Uuid,
    /// Why.
    pub cause: Cause,
    /// The time in question that it takes away.
    pub range: Range<DateTime<Utc>>,
    /// The exception or the appointment that is in the way, as far as the caller may know.
    pub subject: Option<Uuid>,
}

/// All reasons why the items cannot be booked like that; none when nothing is in the way. Where nobody is named and as
/// many as are needed are free, there is nothing to explain.
///
/// # Errors
/// FORBIDDEN without a permission on the agenda, NOT_FOUND for unknown treatments, INVALID for impossible durations;
/// faults of the database.
pub async fn run(cx: &Cx, actor: &Actor, branch: Uuid, items: Vec<ExplainItem>) -> Result<Vec<Reason>, Failure> {
    explain(cx, actor, branch, items, None).await
}

/// `hold`: what is about to become the appointment, and is not in its own way.
async fn explain(
    cx: &Cx,
    actor: &Actor,
    branch: Uuid,
    items: Vec<ExplainItem>,
    hold: Option<Uuid>,
) -> Result<Vec<Reason>, Failure> {
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
        let question = Question { calendar: &calendar, treatment, during, sight: &sight, hold };
        for (kind, needs, named) in asked(item, treatment, mode) {
            // Who sees only the own column is told nothing of the others', as in `availability`.
            let own = sight.own.filter(|_| kind == ResourceKind::Professional);
            let seen = |id: &Uuid| {
                own.is_none_or(|own| own == *id)
                    && calendar.resources.get(id).is_some_and(|one| one.resource.kind == kind)
            };
            if named.is_some_and(|id| !seen(&id)) {
                let field = if kind == ResourceKind::Professional { "professionalId" } else { "roomId" };
                return Err(Refusal::not_found(&format!("items.{at}.{field}")).into());
            }
            let named = named.or(own).and_then(|id| calendar.resources.get(&id));
            reasons.extend(question.of_kind(kind, &needs, named, own.is_some()));
        }
    }
    reasons.sort_by_key(|reason| (reason.range.start, reason.resource, reason.cause, reason.range.end));
    reasons.dedup();
    Ok(reasons)
}

/// [`run`] for what would be given to `bookAppointment`, and the branch's zone. A hold says itself what and when.
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
    let items: Vec<ExplainItem> = if let Some(hold) = input.hold {
        items::booked(&tx, branch.id, hold).await?.into_iter().map(ExplainItem::from).collect()
    } else {
        let wanted = match &input.slot_token {
            Some(word) => {
                let token = SlotToken::open(&cx.seal, word, actor.tenant.id.0, now);
                let token = token.filter(|token| token.branch == branch.id).ok_or_else(|| {
                    Refusal::new(Code::TokenInvalid, "this is no slot of the branch, or it is too old").at("slotToken")
                })?;
                input::from_slot(&tx, &token.items).await?
            }
            None => {
                let policies = ClockPolicies { gap: input.gap, overlap: input.overlap };
                input::from_person(&tx, &branch, &input.items, policies, &[], now).await?
            }
        };
        wanted.into_iter().map(ExplainItem::from).collect()
    };
    tx.commit().await?;
    if items.is_empty() {
        return Err(Refusal::not_found("holdId").into());
    }
    let reasons = explain(cx, actor, branch.id, items, input.hold).await;
    // Items that a hold or a slot says are none of the caller's input.
    let reasons = match (input.hold, &input.slot_token) {
        (Some(_), _) => reasons.map_err(|failure| failure.at_instead("items", "holdId")),
        (None, Some(_)) => reasons.map_err(|failure| failure.at_instead("items", "slotToken")),
        (None, None) => reasons,
    };
    Ok((branch.zone, reasons?))
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

/// What is needed of each kind, and who or what of it is named, needed or not.
fn asked(
    item: &ExplainItem,
    treatment: &Treatment,
    mode: OperatingMode,
) -> impl Iterator<Item = (ResourceKind, Vec<Need>, Option<Uuid>)> {
    let mut asked: BTreeMap<ResourceKind, (Vec<Need>, Option<Uuid>)> = BTreeMap::new();
    for need in needs(treatment, mode) {
        asked.entry(need.kind).or_default().0.push(need);
    }
    for (kind, named) in [(ResourceKind::Professional, item.professional), (ResourceKind::Room, item.room)] {
        if named.is_some() {
            asked.entry(kind).or_default().1 = named;
        }
    }
    asked.into_iter().map(|(kind, (needs, named))| (kind, needs, named))
}

/// One treatment at one time, and who asks.
struct Question<'a> {
    calendar: &'a BranchCalendar,
    treatment: &'a Treatment,
    during: &'a Range<DateTime<Utc>>,
    sight: &'a Sight,
    hold: Option<Uuid>,
}

impl Question<'_> {
    /// Why the needs of one kind cannot be met; nothing when they can. Who is named meets one of them; with `alone` the
    /// others are none of the caller's business.
    fn of_kind(
        &self,
        kind: ResourceKind,
        needs: &[Need],
        named: Option<&ResourceCalendar>,
        alone: bool,
    ) -> Vec<Reason> {
        let ways = matching::ways(needs, named);
        let mut reasons = named.map(|one| self.of_resource(one)).unwrap_or_default();
        if let (Some(one), true, false, true) = (named, reasons.is_empty(), needs.is_empty(), ways.is_empty()) {
            // Free, but none of those that the treatment asks for.
            reasons.push(self.reason(one, Cause::DoesNotOffer));
        }
        if alone || needs.is_empty() || ways.is_empty() {
            return reasons;
        }
        // Others that were loaded are not here, and another treatment names them.
        let here = |one: &ResourceCalendar| one.resource.active && belongs(&one.resource, self.calendar.branch.id);
        let could = |one: &&ResourceCalendar| {
            here(one)
                && named.is_none_or(|named| named.resource.id != one.resource.id)
                && needs.iter().any(|need| need.accepts(kind, one.resource.id))
        };
        let others: Vec<&ResourceCalendar> =
            self.calendar.resources.values().filter(|one| one.resource.kind == kind).filter(could).collect();
        let answers: HashMap<Uuid, Vec<Reason>> =
            others.iter().map(|one| (one.resource.id, self.of_resource(one))).collect();
        let suffice = |usable: &dyn Fn(&[Reason]) -> bool| {
            let usable = |one: &ResourceCalendar| answers.get(&one.resource.id).is_some_and(|found| usable(found));
            ways.iter().any(|way| matching::assign(way, &others, usable).is_some())
        };
        if suffice(&|found| found.is_empty()) {
            return reasons;
        }
        if !suffice(&|found| !found.iter().any(|reason| reason.cause.is_lasting())) {
            let branch = self.calendar.branch.id;
            reasons.push(Reason { resource: branch, cause: Cause::TooFew, range: self.during.clone(), subject: None });
        }
        reasons.extend(answers.into_values().flatten());
        reasons
    }

    fn reason(&self, one: &ResourceCalendar, cause: Cause) -> Reason {
        Reason { resource: one.resource.id, cause, range: self.during.clone(), subject: None }
    }

    /// Why one resource cannot take part; nothing when it can.
    fn of_resource(&self, one: &ResourceCalendar) -> Vec<Reason> {
        let Self { calendar, treatment, during, sight, hold } = *self;
        let resource = one.resource.id;
        let reason = |cause, range: Range<DateTime<Utc>>, subject| Reason { resource, cause, range, subject };
        if !one.resource.active {
            return vec![self.reason(one, Cause::Inactive)];
        }
        if !belongs(&one.resource, calendar.branch.id) {
            return vec![self.reason(one, Cause::NotInBranch)];
        }
        if !one.resource.offers(treatment.id) {
            return vec![self.reason(one, Cause::DoesNotOffer)];
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
        if one.seats(&needed, hold).is_none() {
            let mine = sight.own.is_none_or(|own| own == resource);
            let others = one.busy.iter().filter(|busy| Some(busy.appointment) != hold);
            let meets = others.filter(|busy| busy.during.start < needed.end && needed.start < busy.during.end);
            // One that changes places is told once.
            let mut by_appointment: Vec<(Uuid, Range<DateTime<Utc>>)> = Vec::new();
            for busy in meets {
                let goes_on = |(id, range): &&mut (Uuid, Range<DateTime<Utc>>)| {
                    *id == busy.appointment && range.end == busy.during.start
                };
                match by_appointment.iter_mut().find(goes_on) {
                    Some((_, range)) => range.end = busy.during.end,
                    None => by_appointment.push((busy.appointment, busy.during.clone())),
                }
            }
            let told = by_appointment.into_iter();
            reasons.extend(told.map(|(id, range)| reason(Cause::Busy, range, mine.then_some(id))));
        }
        reasons
    }
}
