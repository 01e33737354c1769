//! `availability`: free slots for treatments, and the free slots nearby that a refusal offers. The search itself is
//! [`super::plan`]'s.

use std::ops::Range;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{
    calendar::BranchCalendar,
    plan::{Audience, Planner, Wish, bookable_starts},
    visibility::Sight,
};
use crate::{
    auth::{Actor, Scope},
    db::TenantTx,
    domain::{
        booking::slot::Slot,
        centre::{
            model::{Branch, Resource, ResourceKind, Treatment},
            query,
        },
        cx::Cx,
        refusal::{Failure, Refusal},
    },
};

/// Most treatments of one appointment.
pub const MAX_TREATMENTS: usize = 10;
/// Slots when no limit is given.
const DEFAULT_LIMIT: i32 = 200;
/// Most slots of one answer.
const MAX_LIMIT: i32 = 500;
/// How far apart the ends of a range may be.
const PUBLIC_RANGE: TimeDelta = TimeDelta::days(31);
const STAFF_RANGE: TimeDelta = TimeDelta::days(62);
/// How far ahead alternatives are looked for.
const ALTERNATIVES_WITHIN: TimeDelta = TimeDelta::days(7);

/// A question for free time.
#[derive(Clone, Debug)]
pub struct Input {
    /// Where.
    pub branch: Uuid,
    /// One after the other, in this order.
    pub treatments: Vec<Uuid>,
    /// With this professional only.
    pub professional: Option<Uuid>,
    /// In this room only.
    pub room: Option<Uuid>,
    /// When the slots may start.
    pub range: Range<DateTime<Utc>>,
    /// Most slots; none: 200.
    pub limit: Option<i32>,
}

/// Free slots, by start and then by the professional's name.
///
/// # Errors
/// FORBIDDEN without a permission on the agenda, NOT_FOUND for what is not in the branch or not offered, INVALID for
/// ranges and limits out of bounds; faults of the database.
pub async fn run(cx: &Cx, actor: &Actor, input: Input) -> Result<Vec<Slot>, Failure> {
    answer(cx, actor, input, if actor.publishable { Audience::Public } else { Audience::Staff }).await
}

/// Free slots that patients may book alone, by start and then by the professional's name. For booking pages, and for
/// staff who want to see what those show.
///
/// # Errors
/// As [`run`].
pub async fn run_public(cx: &Cx, actor: &Actor, input: Input) -> Result<Vec<Slot>, Failure> {
    answer(cx, actor, input, Audience::Public).await
}

async fn answer(cx: &Cx, actor: &Actor, input: Input, audience: Audience) -> Result<Vec<Slot>, Failure> {
    let own = match audience {
        Audience::Public => None,
        Audience::Staff => Sight::of(actor, Scope::Branch(input.branch))?.own,
    };
    let limit = check(&input, audience)?;
    let now = cx.now();

    let tx = cx.read(actor).await?;
    let found = load(&tx, &input, audience, own).await?;
    let wish = Wish {
        treatments: &found.treatments,
        professional: own.or(input.professional),
        room: input.room,
        mode: query::profile(&tx).await?.operating_mode,
        audience,
    };
    too_long(&wish)?;
    let starts = bookable_starts(&found.branch, audience, &input.range, now);
    if starts.is_empty()
        || !found.branch.active
        || (audience == Audience::Public && !found.branch.online_booking_enabled)
    {
        tx.commit().await?;
        return Ok(Vec::new());
    }
    let calendar = BranchCalendar::load(&tx, found.branch, wish.reach(&starts), None, now).await?;
    tx.commit().await?;
    Ok(Planner::new(&calendar, wish).slots(&starts, limit))
}

fn check(input: &Input, audience: Audience) -> Result<usize, Failure> {
    let mut refusals = Vec::new();
    if input.treatments.is_empty() {
        refusals.push(Refusal::required("treatmentIds", "name at least one treatment"));
    }
    if input.treatments.len() > MAX_TREATMENTS {
        refusals
            .push(Refusal::invalid("treatmentIds", format!("an appointment has at most {MAX_TREATMENTS} treatments")));
    }
    let longest = match audience {
        Audience::Public => PUBLIC_RANGE,
        Audience::Staff => STAFF_RANGE,
    };
    if input.range.end <= input.range.start {
        refusals.push(Refusal::invalid("range", "a range ends after it starts"));
    } else if input.range.end.signed_duration_since(input.range.start) > longest {
        let message = format!("ask for at most {} days at a time and go on from there", longest.num_days());
        refusals.push(Refusal::invalid("range", message));
    }
    let limit = input.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        refusals.push(Refusal::invalid("limit", format!("ask for 1 to {MAX_LIMIT} slots")));
    }
    if !refusals.is_empty() {
        return Err(refusals.into());
    }
    Ok(usize::try_from(limit).unwrap_or_default())
}

fn too_long(wish: &Wish<'_>) -> Result<(), Failure> {
    if wish.length() > TimeDelta::hours(24) {
        return Err(Refusal::invalid("treatmentIds", "an appointment lasts at most 24 hours").into());
    }
    Ok(())
}

struct Found {
    branch: Branch,
    treatments: Vec<Treatment>,
}

async fn load(tx: &TenantTx, input: &Input, audience: Audience, own: Option<Uuid>) -> Result<Found, Failure> {
    let public = audience == Audience::Public;
    let branch = query::find_branch(tx, input.branch).await?.ok_or_else(|| Refusal::not_found("branchId"))?;
    let mut refusals = Vec::new();
    let treatments = in_order(&query::treatments(tx, input.treatments.clone()).await?, &input.treatments);
    for (at, treatment) in treatments.iter().enumerate() {
        let offered = treatment.as_ref().is_some_and(|one| one.active && (one.online_bookable || !public));
        if !offered {
            refusals.push(Refusal::not_found(&format!("treatmentIds.{at}")));
        }
    }
    let named = [
        (input.professional, ResourceKind::Professional, "professionalId"),
        (input.room, ResourceKind::Room, "roomId"),
    ];
    let ids: Vec<Uuid> = named.iter().filter_map(|(id, ..)| *id).collect();
    let resources = if ids.is_empty() { Vec::new() } else { query::resources(tx, ids).await? };
    for (id, kind, field) in named {
        let Some(id) = id else { continue };
        let fits = |one: &Resource| {
            one.id == id
                && one.kind == kind
                && (!public || one.professional.as_ref().is_none_or(|detail| detail.accepts_online))
        };
        // Who sees only the own column may not look into another's.
        let visible = kind != ResourceKind::Professional || own.is_none_or(|own| own == id);
        if !visible || !resources.iter().any(fits) {
            refusals.push(Refusal::not_found(field));
        }
    }
    if !refusals.is_empty() {
        return Err(refusals.into());
    }
    Ok(Found { branch, treatments: treatments.into_iter().flatten().collect() })
}

/// Treatments in the order of the ids, which may repeat; none where there is none.
fn in_order(found: &[Treatment], ids: &[Uuid]) -> Vec<Option<Treatment>> {
    ids.iter().map(|id| found.iter().find(|one| one.id == *id).cloned()).collect()
}

/// What is free near a time that was taken: up to `count` slots that start from `around` on within a week, soonest
/// first. Slots with the same professional fill the list before anybody else's do.
///
/// # Errors
/// Faults of the database.
#[expect(
    clippy::too_many_arguments,
    reason = "the parts of one question; a struct would be built and taken apart at once"
)]
pub async fn alternatives(
    tx: &TenantTx,
    now: DateTime<Utc>,
    branch: &Branch,
    treatments: &[Treatment],
    professional: Option<Uuid>,
    room: Option<Uuid>,
    around: DateTime<Utc>,
    count: usize,
) -> Result<Vec<Slot>, Failure> {
    let mode = query::profile(tx).await?.operating_mode;
    let wish = Wish { treatments, professional, room, mode, audience: Audience::Staff };
    soonest(tx, now, branch, wish, around, count).await
}

/// [`alternatives`] for any wish: what patients are offered differs from what the centre's people are.
///
/// # Errors
/// Faults of the database.
pub async fn soonest(
    tx: &TenantTx,
    now: DateTime<Utc>,
    branch: &Branch,
    wish: Wish<'_>,
    around: DateTime<Utc>,
    count: usize,
) -> Result<Vec<Slot>, Failure> {
    let starts = bookable_starts(branch, wish.audience, &(around..around + ALTERNATIVES_WITHIN), now);
    if starts.is_empty() || wish.treatments.is_empty() {
        return Ok(Vec::new());
    }
    let calendar = BranchCalendar::load(tx, branch.clone(), wish.reach(&starts), None, now).await?;
    let mut slots = Planner::new(&calendar, wish).slots(&starts, count);
    if slots.len() < count && (wish.professional.is_some() || wish.room.is_some()) {
        let anybody = Wish { professional: None, room: None, ..wish };
        for slot in Planner::new(&calendar, anybody).slots(&starts, count + slots.len()) {
            if slots.len() < count && !slots.iter().any(|known| known.is_same(&slot)) {
                slots.push(slot);
            }
        }
        slots.sort_by_key(|slot| slot.start);
    }
    Ok(slots)
}
