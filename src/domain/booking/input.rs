//! What somebody asks for, and its translation into instants of the branch.

use chrono::{DateTime, FixedOffset, NaiveDateTime, TimeDelta, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::{
    plan::{LONGEST, WantedItem},
    slot::SlotItem,
};
use crate::{
    db::TenantTx,
    domain::{
        centre::{
            model::{Branch, Treatment},
            query,
        },
        refusal::{Failure, Refusal},
        time::{self, GapPolicy, LocalTimeError, OverlapPolicy},
    },
};

/// Most treatments of one appointment.
pub const MAX_ITEMS: usize = 20;
/// How far ahead staff may book.
pub const FARTHEST: TimeDelta = TimeDelta::days(3 * 366);

/// One treatment, as a person asks for it.
#[derive(Clone, Debug, Serialize)]
pub struct ItemInput {
    /// What.
    pub treatment: Uuid,
    /// When, as an instant …
    pub start: Option<DateTime<FixedOffset>>,
    /// … or on the branch's clock. Neither: when the treatment before it ends.
    pub local_start: Option<NaiveDateTime>,
    /// Who.
    pub professional: Option<Uuid>,
    /// Where.
    pub room: Option<Uuid>,
    /// Other than the treatment usually takes.
    pub duration_minutes: Option<i32>,
}

/// What to do with wall times that the clock jumps over or shows twice.
#[derive(Clone, Copy, Debug)]
pub struct ClockPolicies {
    /// Jumped over.
    pub gap: GapPolicy,
    /// Shown twice.
    pub overlap: OverlapPolicy,
}

/// The treatments of a sealed slot.
///
/// # Errors
/// A treatment that is not offered any more; faults of the database.
pub async fn from_slot(tx: &TenantTx, items: &[SlotItem]) -> Result<Vec<WantedItem>, Failure> {
    let treatments = query::treatments(tx, items.iter().map(|item| item.treatment).collect()).await?;
    items
        .iter()
        .map(|item| {
            let treatment = find(&treatments, item.treatment, &[], "slotToken")?;
            let duration = minutes(item.minutes.unwrap_or(treatment.duration_minutes));
            // Whom and what nobody asked for is taken if it is still free.
            let named = |one: Option<Uuid>| one.filter(|one| !item.proposed.contains(one));
            Ok(WantedItem {
                treatment,
                start: item.start,
                duration,
                professional: named(item.professional),
                room: named(item.room),
                rather: item.proposed.clone(),
            })
        })
        .collect()
}

/// The treatments that a person asked for, at instants. `kept`: what the appointment has already, whether or not it is still
/// offered.
///
/// # Errors
/// Refusals that name the item's field; faults of the database.
pub async fn from_person(
    tx: &TenantTx,
    branch: &Branch,
    items: &[ItemInput],
    policies: ClockPolicies,
    kept: &[Uuid],
    now: DateTime<Utc>,
) -> Result<Vec<WantedItem>, Failure> {
    if items.is_empty() {
        return Err(Refusal::required("items", "name at least one treatment").into());
    }
    if items.len() > MAX_ITEMS {
        return Err(Refusal::invalid("items", format!("an appointment has at most {MAX_ITEMS} treatments")).into());
    }
    let treatments = query::treatments(tx, items.iter().map(|item| item.treatment).collect()).await?;
    let mut wanted: Vec<WantedItem> = Vec::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        let treatment = find(&treatments, item.treatment, kept, &format!("items.{at}.treatmentId"))?;
        let start = instant(branch, item, at, wanted.last().map(WantedItem::end), policies)?;
        let length = item.duration_minutes.unwrap_or(treatment.duration_minutes);
        if !(5..=1440).contains(&length) {
            let message = format!("a treatment takes 5 to 1440 minutes, not {length}");
            return Err(Refusal::invalid(&format!("items.{at}.durationMinutes"), message).into());
        }
        wanted.push(WantedItem {
            duration: minutes(length),
            treatment,
            start,
            professional: item.professional,
            room: item.room,
            rather: Vec::new(),
        });
    }
    check_whole(branch, items, &wanted, now)?;
    Ok(wanted)
}

/// Order, length and distance of the whole appointment.
fn check_whole(branch: &Branch, items: &[ItemInput], wanted: &[WantedItem], now: DateTime<Utc>) -> Result<(), Refusal> {
    // Where the person said when.
    let start_of = |at: usize| {
        let local = items.get(at).is_some_and(|item| item.local_start.is_some());
        format!("items.{at}.{}", if local { "localStart" } else { "start" })
    };
    for (at, pair) in wanted.windows(2).enumerate() {
        if let [before, after] = pair
            && after.start < before.end()
        {
            return Err(Refusal::invalid(
                &start_of(at + 1),
                "a treatment begins when the one before it has ended, or later",
            ));
        }
    }
    let (Some(first), Some(last)) = (wanted.first(), wanted.last()) else { return Ok(()) };
    if last.end() - first.start > LONGEST {
        return Err(Refusal::invalid("items", "an appointment lasts at most 24 hours; make two of it"));
    }
    let today = time::local_day(branch.zone, time::day_of(branch.zone, now)).map_or(now, |day| day.start);
    if first.start < today {
        return Err(Refusal::invalid(&start_of(0), "an appointment cannot begin before today"));
    }
    if first.start > now + FARTHEST {
        return Err(Refusal::invalid(&start_of(0), "an appointment cannot begin more than three years from now"));
    }
    Ok(())
}

fn find(treatments: &[Treatment], id: Uuid, kept: &[Uuid], field: &str) -> Result<Treatment, Refusal> {
    let found = treatments.iter().find(|treatment| treatment.id == id).ok_or_else(|| Refusal::not_found(field))?;
    if found.active || kept.contains(&id) {
        Ok(found.clone())
    } else {
        Err(Refusal::invalid(field, format!("{} is not offered any more", found.name)))
    }
}

fn minutes(n: i32) -> TimeDelta {
    TimeDelta::minutes(i64::from(n))
}

fn instant(
    branch: &Branch,
    item: &ItemInput,
    at: usize,
    previous_end: Option<DateTime<Utc>>,
    policies: ClockPolicies,
) -> Result<DateTime<Utc>, Refusal> {
    match (item.start, item.local_start, previous_end) {
        (Some(start), None, _) => Ok(start.to_utc()),
        (None, Some(local), _) => local_instant(branch, local, policies, &format!("items.{at}.localStart")),
        (Some(_), Some(_), _) => {
            Err(Refusal::invalid(&format!("items.{at}.localStart"), "give start or localStart, not both"))
        }
        (None, None, Some(end)) => Ok(end),
        (None, None, None) => Err(Refusal::required(
            &format!("items.{at}.start"),
            "say when: start with an offset, or localStart on the branch's clock",
        )),
    }
}

/// What a wall time typed by a person means in a branch.
///
/// # Errors
/// NONEXISTENT_LOCAL_TIME, AMBIGUOUS_LOCAL_TIME unless the policies say otherwise.
pub fn local_instant(
    branch: &Branch,
    local: NaiveDateTime,
    policies: ClockPolicies,
    field: &str,
) -> Result<DateTime<Utc>, Refusal> {
    match time::appointment_instant(branch.zone, local, policies.gap, policies.overlap) {
        Ok(Some(instant)) => Ok(instant.to_utc()),
        Ok(None) => Err(Refusal::invalid(field, "the clock jumps over this time, and you asked to skip such times")),
        Err(error) => {
            let message = match &error {
                LocalTimeError::Nonexistent { zone, next_valid, .. } => format!(
                    "the clock in {zone} jumps over this time; the next one that exists is {}",
                    next_valid.format("%H:%M")
                ),
                LocalTimeError::Ambiguous { zone, .. } => format!(
                    "the clock in {zone} shows this time twice; say which by `start` with an offset, or an overlapPolicy"
                ),
            };
            Err(Refusal::local_time(error, message).at(field))
        }
    }
}
