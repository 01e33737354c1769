//! Holds a slot for a few minutes while somebody types their data.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    expire_hold::EXPIRE_JOB,
    input,
    plan::{Rules, WantedItem},
    record::{self, ChangeKind, Happened, NewAppointment},
    secure::{self, Outrun, Tried, Turn},
    slot::SlotToken,
    status::AppointmentStatus,
};
use crate::{
    auth::{Actor, Permission, Scope},
    db::jobs::{Lane, NewJob},
    domain::{
        centre::{model::Branch, query},
        change::Changes,
        cx::Cx,
        facts::{Facts, facts, text},
        idempotency::{Claim, Receipt},
        refusal::{Code, Failure, Refusal},
    },
};

/// Longest hold, in seconds.
const MAX_TTL_S: i32 = 900;

/// A slot to hold.
#[derive(Clone, Debug, Serialize)]
pub struct HoldSlot {
    /// Of the client.
    #[serde(skip)]
    pub key: Uuid,
    /// As `availability` gave it.
    pub slot_token: String,
    /// How long; none: as the branch says.
    pub ttl_seconds: Option<i32>,
}

/// Holds the slot and returns the appointment's id.
///
/// # Errors
/// SLOT_TAKEN with alternatives, EXPIRED or TOKEN_INVALID slots, what the branch does not offer online; faults.
pub async fn run(cx: &Cx, actor: &Actor, input: HoldSlot) -> Result<Uuid, Failure> {
    if let Some(ttl) = input.ttl_seconds.filter(|ttl| !(30..=MAX_TTL_S).contains(ttl)) {
        let message = format!("a slot can be held for 30 to {MAX_TTL_S} seconds, not {ttl}");
        return Err(Refusal::invalid("ttlSeconds", message).into());
    }
    let slot = SlotToken::read(&cx.seal, &input.slot_token, actor.tenant.id.0).ok_or_else(invalid_slot)?;
    if !actor.publishable {
        actor.require(Permission::AgendaWrite, Scope::Branch(slot.branch))?;
    }
    let held = secure::in_rounds(cx, actor, "slotToken", |turn| attempt(cx, actor, &input, &slot, turn)).await;
    held.map_err(|failure| failure.at_instead("items", "slotToken"))
}

async fn attempt(
    cx: &Cx,
    actor: &Actor,
    input: &HoldSlot,
    slot: &SlotToken,
    turn: Turn,
) -> Result<Tried<Uuid>, Failure> {
    let now = cx.now();
    let receipt = Receipt::new(actor, "holdSlot", input.key, input)?;
    let tx = cx.write(actor).await?;
    if let Claim::Done(outcome) = receipt.claim(&tx, now).await? {
        tx.commit().await?;
        return outcome_id(&outcome).map(Tried::Done);
    }
    // Only now: a hold that is sent again gets its first answer, also when the slot's time has run out meanwhile.
    if slot.is_over(now) {
        return Err(invalid_slot().into());
    }
    let branch = query::hold_branch(&tx, slot.branch).await?.ok_or_else(|| Refusal::not_found("slotToken"))?;
    let profile = query::profile(&tx).await?;
    let wanted = input::from_slot(&tx, &slot.items).await?;
    if actor.publishable {
        check_online(&branch, &wanted, now)?;
    }
    let rules = Rules { mode: profile.operating_mode, moving: None, overbook: false, online: actor.publishable };
    let plan = match secure::plan_now(&tx, &branch, &wanted, rules, turn, now).await? {
        Ok(plan) => plan,
        Err(taken) => {
            tx.rollback().await?;
            return Ok(Tried::Taken(taken));
        }
    };
    let id = cx.new_id();
    let ttl = input.ttl_seconds.map_or(branch.hold_ttl, |s| TimeDelta::seconds(i64::from(s)));
    let until = now + ttl;
    let mut changes = Changes::by(actor);
    let new = NewAppointment {
        id,
        branch: &branch,
        patient: None,
        status: AppointmentStatus::Held,
        channel: if actor.publishable { "WEB_WIDGET" } else { "STAFF" },
        overbook_reason: None,
        notes: None,
        hold_expires_at: Some(until),
        send_confirmation: true,
        now,
    };
    if !record::insert(&tx, &new, &plan).await? {
        tx.rollback().await?;
        return Ok(Tried::Outrun(Box::new(Outrun { branch, wanted, rules, plan })));
    }
    tx.enqueue(expiry(id, until)).await?;
    super::quota::count_appointment(cx, &tx, actor, &profile).await?;
    receipt.keep(&tx, json!({ "appointment": id })).await?;
    changes.push(
        Happened {
            event: "appointment.held",
            action: "holdSlot",
            id,
            branch: branch.id,
            kind: ChangeKind::Created,
            status: AppointmentStatus::Held,
            previous: None,
            channel: new.channel,
            start: plan.start,
            resources: &plan.resources(),
            reason: None,
            before: Facts::default(),
            after: plan.facts().and(facts!({
                "branchId": branch.id,
                "channel": text(new.channel),
                "holdExpiresAt": until,
            })),
        }
        .into(),
    );
    cx.commit(tx, changes).await?;
    Ok(Tried::Done(id))
}

fn invalid_slot() -> Refusal {
    Refusal::new(Code::TokenInvalid, "this slot is not valid any more; ask for availability again").at("slotToken")
}

/// What patients may book alone, and when.
///
/// # Errors
/// What the branch does not offer online; NOTICE_TOO_SHORT.
pub(super) fn check_online(branch: &Branch, wanted: &[WantedItem], now: DateTime<Utc>) -> Result<(), Refusal> {
    let offered =
        branch.active && branch.online_booking_enabled && wanted.iter().all(|item| item.treatment.online_bookable);
    if !offered {
        return Err(Refusal::not_found("slotToken"));
    }
    let Some(first) = wanted.first() else { return Ok(()) };
    if first.start < now + branch.min_booking_notice {
        return Err(Refusal::new(Code::NoticeTooShort, "it is too late to book this time online; call the centre")
            .at("slotToken"));
    }
    if first.start > now + branch.max_booking_advance {
        return Err(Refusal::new(Code::OutsideAvailability, "this time cannot be booked online yet").at("slotToken"));
    }
    Ok(())
}

/// The job that ends the hold on time.
fn expiry(id: Uuid, until: DateTime<Utc>) -> NewJob {
    NewJob {
        kind: EXPIRE_JOB,
        dedup_key: id.to_string(),
        payload: json!({ "appointment_id": id }),
        due_at: until,
        lane: Lane::Transactional,
        local: None,
    }
}

/// The appointment that a receipt remembers.
///
/// # Errors
/// A fault: the receipt holds something else.
pub(super) fn outcome_id(outcome: &Value) -> Result<Uuid, Failure> {
    outcome
        .get("appointment")
        .and_then(Value::as_str)
        .and_then(|id| Uuid::parse_str(id).ok())
        .ok_or_else(|| Failure::fault("a receipt without its appointment"))
}
