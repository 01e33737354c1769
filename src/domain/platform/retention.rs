//! What a centre keeps only for a while: events for streams, receipts of idempotency keys.

use chrono::{DateTime, Duration, Utc};

use crate::{
    auth::{Actor, Permission, Scope},
    domain::{cx::Cx, refusal::Failure},
};

/// Receipts are honoured for 24 hours; an hour more keeps the sweep away from keys that are being looked at.
const RECEIPTS_KEPT: Duration = Duration::hours(25);

/// Requests for new passwords are counted for an hour; their addresses may be of people who are no users.
const RESET_REQUESTS_KEPT: Duration = Duration::days(1);

/// How many rows one transaction removes.
const BATCH: u64 = 5_000;

/// Removes events from before `before`. A reader that was there gets told that its position is gone.
///
/// # Errors
/// When the actor may not, or the centre is closed; faults of the database.
pub async fn prune_events(cx: &Cx, actor: &Actor, before: DateTime<Utc>) -> Result<(), Failure> {
    actor.require(Permission::ConfigWrite, Scope::Centre)?;
    let tx = cx.write(actor).await?;
    tx.run("SELECT prune_events($1)", [before.into()]).await?;
    tx.commit().await?;
    Ok(())
}

/// Removes receipts that are not honoured any more, in batches. Returns how many.
///
/// # Errors
/// When the actor may not, or the centre is closed; faults of the database.
pub async fn prune_receipts(cx: &Cx, actor: &Actor) -> Result<u64, Failure> {
    actor.require(Permission::ConfigWrite, Scope::Centre)?;
    let before = cx.now() - RECEIPTS_KEPT;
    let mut removed = 0;
    loop {
        let tx = cx.write(actor).await?;
        let gone = tx
            .run(
                "DELETE FROM idempotency_receipts WHERE ctid = ANY (ARRAY (
                     SELECT ctid FROM idempotency_receipts WHERE created_at < $1 LIMIT 5000))",
                [before.into()],
            )
            .await?;
        tx.commit().await?;
        removed += gone;
        if gone < BATCH {
            return Ok(removed);
        }
    }
}

/// Removes requests for new passwords that are not counted any more.
///
/// # Errors
/// When the actor may not, or the centre is closed; faults of the database.
pub async fn prune_reset_requests(cx: &Cx, actor: &Actor) -> Result<u64, Failure> {
    actor.require(Permission::ConfigWrite, Scope::Centre)?;
    let tx = cx.write(actor).await?;
    let before = cx.now() - RESET_REQUESTS_KEPT;
    // A day's requests are bounded, so one statement takes them all.
    let removed = tx.run("DELETE FROM password_reset_requests WHERE requested_at < $1", [before.into()]).await?;
    tx.commit().await?;
    Ok(removed)
}
