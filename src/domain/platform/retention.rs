//! What a centre keeps only for a while. What is not named here is kept for good: appointments, people, the mails that
//! were sent, and the audit trail, which nothing can remove.

use chrono::{DateTime, Duration, Utc};

use crate::{
    auth::{Actor, Permission, Scope},
    db::Sql,
    domain::{cx::Cx, refusal::Failure},
};

/// Rows that are worth nothing once they are old enough.
#[derive(Debug)]
pub struct Remains {
    /// Removes at most [`BATCH`] of those that were over before `$1`.
    sql: Sql,
    /// How long they are kept when they are over.
    kept: Duration,
}

/// How many rows one transaction removes.
const BATCH: u64 = 5_000;

/// The rows of a table that were over before `$1`, a batch of them.
macro_rules! batch_of {
    ($table:literal, $over:literal) => {
        concat!(
            "DELETE FROM ",
            $table,
            " WHERE ctid = ANY (ARRAY (SELECT ctid FROM ",
            $table,
            " WHERE ",
            $over,
            " LIMIT 5000))"
        )
    };
}

/// What comes with every request, or names people who may be none of the centre's.
pub const SHORT_LIVED: &[Remains] = &[
    // Keys are honoured for 24 hours; an hour more keeps the sweep away from those that are being looked at.
    Remains { sql: batch_of!("idempotency_receipts", "created_at < $1"), kept: Duration::hours(25) },
    // A page of small pictures is a hundred links that live for minutes; after a day none says any more why it is not good.
    Remains {
        sql: batch_of!("capability_tokens", "purpose IN ('FILE_DOWNLOAD', 'FILE_UPLOAD') AND expires_at < $1"),
        kept: Duration::days(1),
    },
    // They are counted for an hour; their addresses may be of people who are no users.
    Remains { sql: batch_of!("password_reset_requests", "requested_at < $1"), kept: Duration::days(1) },
];

/// What has ended, and is kept so that somebody can still look at it.
pub const ENDED: &[Remains] = &[
    // The end of a session's refresh tokens, used or not: until then each can be presented, and an old one ends the
    // session. A session that was ended early is over by itself within `REFRESH_TTL`, so one rule is enough.
    Remains { sql: batch_of!("sessions", "expires_at < $1"), kept: Duration::days(30) },
    // Links of mails and tokens for one thing, used up, withdrawn or not: until then a link says why it is not good.
    Remains { sql: batch_of!("capability_tokens", "expires_at < $1"), kept: Duration::days(90) },
    // Logins that waited for a second factor.
    Remains { sql: batch_of!("mfa_challenges", "expires_at < $1"), kept: Duration::days(1) },
    // Times that were held and never booked. Anybody on a booking page can hold some. Longer than the event log, whose
    // readers look them up.
    Remains { sql: batch_of!("appointments", "status = 'EXPIRED' AND updated_at < $1"), kept: Duration::days(35) },
    // Whoever asked has looked by then; what they became is in the trail.
    Remains { sql: batch_of!("background_jobs", "finished_at < $1"), kept: Duration::days(90) },
    // What a centre may create in a day is asked for today only; a month shows whether a quota fits.
    Remains {
        sql: batch_of!("quota_usage", "day < ($1::timestamptz AT TIME ZONE 'UTC')::date"),
        kept: Duration::days(35),
    },
];

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

/// Removes what was over long enough ago, a transaction for each batch: nobody waits for it, and what was done stays
/// done. Returns how many rows.
///
/// # Errors
/// When the actor may not, or the centre is closed; faults of the database.
pub async fn prune(cx: &Cx, actor: &Actor, all: &[Remains]) -> Result<u64, Failure> {
    actor.require(Permission::ConfigWrite, Scope::Centre)?;
    let mut removed = 0;
    for remains in all {
        let before = cx.now() - remains.kept;
        loop {
            let tx = cx.write(actor).await?;
            let gone = tx.run(remains.sql, [before.into()]).await?;
            tx.commit().await?;
            removed += gone;
            if gone < BATCH {
                break;
            }
        }
    }
    Ok(removed)
}
