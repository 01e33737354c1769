//! Computes a centre's future again after the world's zone rules have changed: wall times stay, instants move.

use chrono::TimeDelta;
use uuid::Uuid;

use crate::{
    auth::{Actor, Permission, Scope},
    domain::{
        centre::{query, rezone},
        change::{Change, Changes},
        cx::Cx,
        refusal::Failure,
        time::tzdata_version,
    },
};

/// How long nodes with the rules of before may still be at work while a release is rolled out: what they book meanwhile is
/// computed again.
const ROLLOUT: TimeDelta = TimeDelta::hours(1);

/// Recomputes every branch by this binary's zone rules, each in a transaction of its own, reports what moved as
/// `tzdata.changed`, and remembers which rules the centre follows once the release is out. Running it again moves nothing.
/// Returns how many branches had something to move.
///
/// # Errors
/// When the actor may not, or the centre is closed; faults of the database.
pub async fn run(cx: &Cx, actor: &Actor) -> Result<usize, Failure> {
    actor.require(Permission::ConfigWrite, Scope::Centre)?;
    // By the begin of the run: what an older node books while it lasts is for the next one.
    let settled = cx.now() - ROLLOUT;
    let tx = cx.read(actor).await?;
    let branches: Vec<Uuid> = tx.scalars("SELECT id FROM branches ORDER BY id", []).await?;
    tx.commit().await?;
    let mut moved = 0;
    for branch in branches {
        moved += usize::from(cx.retrying(|| one(cx, actor, branch)).await?);
    }
    cx.db.set_tenant_time_rules(actor.tenant.id, tzdata_version(), settled).await?;
    Ok(moved)
}

async fn one(cx: &Cx, actor: &Actor, id: Uuid) -> Result<bool, Failure> {
    let tx = cx.write(actor).await?;
    let Some(branch) = query::lock_branches(&tx, vec![id]).await?.pop() else { return Ok(false) };
    let rezoned = rezone::recompute_branch(&tx, cx, id, branch.zone).await?;
    if rezoned.is_empty() {
        tx.commit().await?;
        return Ok(false);
    }
    let change = Change {
        branch_id: Some(id),
        data: rezoned.event_data(),
        ..Change::event("tzdata.changed", "applyTimeRules", "Branch", id)
    };
    cx.commit(tx, Changes::one(actor, change)).await?;
    Ok(true)
}
