//! The part that holding, booking and moving share: read the calendar, plan, and tell who was refused what is free.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::plan::{self, Plan, Rules, WantedItem};
use crate::{
    db::TenantTx,
    domain::{
        agenda::{
            availability,
            calendar::BranchCalendar,
            plan::{Audience, Wish},
        },
        centre::model::{Branch, Treatment},
        change::Changes,
        refusal::{Code, Detail, Failure, Refusal},
    },
};

/// How often a booking is planned anew when somebody else was faster.
pub const ROUNDS: usize = 6;
/// How many free slots a refusal offers.
const ALTERNATIVES: usize = 5;

/// Plans against the calendar as this transaction sees it.
///
/// # Errors
/// What stands in the way; SLOT_TAKEN carries free alternatives. Faults of the database.
pub async fn plan_now(
    tx: &TenantTx,
    branch: &Branch,
    wanted: &[WantedItem],
    rules: Rules,
    now: DateTime<Utc>,
) -> Result<Plan, Failure> {
    let range = plan::span(wanted).ok_or_else(|| Refusal::required("items", "name at least one treatment"))?;
    let only = plan::named(wanted, rules.mode);
    let calendar = BranchCalendar::load(tx, branch.clone(), range, only.as_deref(), now).await?;
    match plan::plan(&calendar, wanted, rules) {
        Ok(plan) => Ok(plan),
        Err(refusals) => Err(Failure::Refused(with_alternatives(tx, branch, wanted, rules, now, refusals).await?)),
    }
}

async fn with_alternatives(
    tx: &TenantTx,
    branch: &Branch,
    wanted: &[WantedItem],
    rules: Rules,
    now: DateTime<Utc>,
    refusals: Vec<Refusal>,
) -> Result<Vec<Refusal>, Failure> {
    if !refusals.iter().any(|refusal| refusal.code == Code::SlotTaken) {
        return Ok(refusals);
    }
    let Some(first) = wanted.first() else { return Ok(refusals) };
    let treatments: Vec<Treatment> = wanted.iter().map(|item| item.treatment.clone()).collect();
    let wish = Wish {
        treatments: &treatments,
        professional: first.professional,
        room: first.room,
        mode: rules.mode,
        audience: if rules.online { Audience::Public } else { Audience::Staff },
    };
    let free = availability::soonest(tx, now, branch, wish, first.start, ALTERNATIVES).await?;
    Ok(refusals
        .into_iter()
        .map(|refusal| match refusal.detail {
            Detail::SlotTaken { conflicting, .. } => {
                Refusal { detail: Detail::SlotTaken { conflicting, alternatives: free.clone() }, ..refusal }
            }
            _ => refusal,
        })
        .collect())
}

/// Frees what holds that have run out still block in these resources. The job that expires them may be a moment late;
/// nobody is refused for that.
///
/// # Errors
/// Faults of the database.
pub async fn expire_overdue(
    tx: &TenantTx,
    plan: &Plan,
    now: DateTime<Utc>,
    changes: &mut Changes,
) -> Result<(), Failure> {
    let overdue: Vec<Uuid> = tx
        .scalars(
            "SELECT id FROM appointments WHERE status = 'HELD' AND hold_expires_at <= $1 AND id IN (
                 SELECT appointment_id FROM occupancies WHERE active AND resource_id = ANY ($2) AND during && tstzrange($3, $4))
             ORDER BY id FOR UPDATE SKIP LOCKED",
            [now.into(), plan.resources().into(), bounds(plan).0.into(), bounds(plan).1.into()],
        )
        .await?;
    for id in overdue {
        super::expire_hold::in_tx(tx, id, now, "expireHold", changes).await?;
    }
    Ok(())
}

fn bounds(plan: &Plan) -> (DateTime<Utc>, DateTime<Utc>) {
    let start = plan.occupancies.iter().map(|busy| busy.during.start).min().unwrap_or(plan.start);
    let end = plan.occupancies.iter().map(|busy| busy.during.end).max().unwrap_or(plan.end);
    (start, end)
}
