//! The part that holding, booking and moving share: read the calendar, plan, and tell who was refused what is free.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::plan::{self, Plan, Rules, WantedItem};
use crate::{
    auth::Actor,
    db::TenantTx,
    domain::{
        agenda::{
            availability,
            calendar::BranchCalendar,
            plan::{Audience, Wish},
        },
        centre::model::{Branch, Treatment},
        change::Changes,
        cx::Cx,
        refusal::{Code, Detail, Failure, Refusal},
    },
};

/// How often a booking is planned when somebody else was faster.
const ROUNDS: usize = 6;
/// How many free slots a refusal offers.
const ALTERNATIVES: usize = 5;

/// How a try ended that was not refused.
pub enum Tried<T> {
    /// It is written.
    Done(T),
    /// Somebody was faster, and nothing can be written in this transaction any more.
    Outrun(Box<Outrun>),
    /// It is taken, and what is free instead has not been looked for yet: not while others wait for the transaction.
    Taken(Box<Taken>),
}

/// What is taken already.
pub struct Taken {
    branch: Branch,
    wanted: Vec<WantedItem>,
    rules: Rules,
    refusals: Vec<Refusal>,
}

/// What could not be had as it was planned.
pub struct Outrun {
    /// Where.
    pub branch: Branch,
    /// What.
    pub wanted: Vec<WantedItem>,
    /// How strictly.
    pub rules: Rules,
    /// Whom and what it was to take.
    pub plan: Plan,
}

/// How a try comes to its plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Beside all others: nearly always nobody wants the same.
    First,
    /// After all others of the branch who were outrun, one behind another. Planning the same at the same time, all but one
    /// of them would be outrun again in each round, and some refused while places are free.
    InLine,
}

/// Tries, and plans anew as long as others are faster. `field` is what a client who never was fast enough has asked by.
///
/// # Errors
/// What a try is refused with; SLOT_TAKEN with alternatives after the last round; faults.
pub async fn in_rounds<T, F>(
    cx: &Cx,
    actor: &Actor,
    field: &str,
    mut attempt: impl FnMut(Turn) -> F,
) -> Result<T, Failure>
where
    F: Future<Output = Result<Tried<T>, Failure>>,
{
    let mut round = 1;
    loop {
        let turn = if round == 1 { Turn::First } else { Turn::InLine };
        let outrun = match cx.retrying(|| attempt(turn)).await? {
            Tried::Done(done) => return Ok(done),
            Tried::Taken(taken) => return Err(with_alternatives(cx, actor, *taken).await?.into()),
            Tried::Outrun(outrun) => outrun,
        };
        cx.retrying(|| free_overdue(cx, actor, &outrun.plan)).await?;
        if round == ROUNDS {
            let Outrun { branch, wanted, rules, plan } = *outrun;
            let message = "many people are booking this time at once; choose one of the alternatives";
            let detail = Detail::SlotTaken { conflicting: plan.resources(), alternatives: Vec::new() };
            let refusal = Refusal { detail, ..Refusal::new(Code::SlotTaken, message).at(field) };
            let taken = Taken { branch, wanted, rules, refusals: vec![refusal] };
            return Err(with_alternatives(cx, actor, taken).await?.into());
        }
        round += 1;
    }
}

/// Plans against the calendar as this transaction sees it, when it is its turn; or says what is taken.
///
/// # Errors
/// What else stands in the way; faults of the database.
pub async fn plan_now(
    tx: &TenantTx,
    branch: &Branch,
    wanted: &[WantedItem],
    rules: Rules,
    turn: Turn,
    now: DateTime<Utc>,
) -> Result<Result<Plan, Box<Taken>>, Failure> {
    let range = plan::span(wanted).ok_or_else(|| Refusal::required("items", "name at least one treatment"))?;
    if turn == Turn::InLine {
        // Before the calendar is read, and until the transaction ends: the next one plans with what this one has taken.
        let line = "SELECT pg_advisory_xact_lock(hashtextextended('horae booking ' || current_schema() || $1, 0))";
        tx.run(line, [branch.id.to_string().into()]).await?;
    }
    let only = plan::named(wanted, rules.mode);
    let calendar = BranchCalendar::load(tx, branch.clone(), range, only.as_deref(), now).await?;
    match plan::plan(&calendar, wanted, rules) {
        Ok(plan) => Ok(Ok(plan)),
        Err(refusals) if refusals.iter().any(|refusal| refusal.code == Code::SlotTaken) => {
            Ok(Err(Box::new(Taken { branch: branch.clone(), wanted: wanted.to_vec(), rules, refusals })))
        }
        Err(refusals) => Err(refusals.into()),
    }
}

/// The refusals, with what is free instead.
async fn with_alternatives(cx: &Cx, actor: &Actor, taken: Taken) -> Result<Vec<Refusal>, Failure> {
    let Taken { branch, wanted, rules, refusals } = taken;
    let Some(first) = wanted.first() else { return Ok(refusals) };
    // As long as was asked for, which need not be what the treatment usually takes.
    let as_wanted = |item: &WantedItem| Treatment {
        duration_minutes: i32::try_from(item.duration.num_minutes()).unwrap_or(item.treatment.duration_minutes),
        ..item.treatment.clone()
    };
    let treatments: Vec<Treatment> = wanted.iter().map(as_wanted).collect();
    let wish = Wish {
        treatments: &treatments,
        professional: first.professional,
        room: first.room,
        mode: rules.mode,
        audience: if rules.online { Audience::Public } else { Audience::Staff },
    };
    let tx = cx.read(actor).await?;
    let free = availability::soonest(&tx, cx.now(), &branch, wish, first.start, ALTERNATIVES).await?;
    tx.commit().await?;
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
async fn free_overdue(cx: &Cx, actor: &Actor, plan: &Plan) -> Result<(), Failure> {
    let now = cx.now();
    let tx = cx.write(actor).await?;
    let mut changes = Changes::by(actor);
    let overdue: Vec<Uuid> = tx
        .scalars(
            "SELECT id FROM appointments WHERE status = 'HELD' AND hold_expires_at <= $1 AND id IN (
                 SELECT appointment_id FROM occupancies WHERE active AND resource_id = ANY ($2) AND during && tstzrange($3, $4))
             ORDER BY id FOR UPDATE SKIP LOCKED",
            [now.into(), plan.resources().into(), bounds(plan).0.into(), bounds(plan).1.into()],
        )
        .await?;
    for id in overdue {
        super::expire_hold::in_tx(&tx, id, now, "expireHold", &mut changes).await?;
    }
    cx.commit(tx, changes).await
}

fn bounds(plan: &Plan) -> (DateTime<Utc>, DateTime<Utc>) {
    let start = plan.occupancies.iter().map(|busy| busy.during.start).min().unwrap_or(plan.start);
    let end = plan.occupancies.iter().map(|busy| busy.during.end).max().unwrap_or(plan.end);
    (start, end)
}
