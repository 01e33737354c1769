//! `verifyAuditChain`: whether the trail is still what was written.
//!
//! Every entry's hash is computed again from its columns and the hash before it; positions have no gap; the last hash
//! is the one in the head. So a changed, removed, inserted or reordered entry is found, and so are missing last ones.
//! The database computes the hashes, a batch at a time: memory is constant, however long the trail is.

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use crate::{
    auth::{Actor, Permission, Scope},
    db::TenantTx,
    domain::{
        cx::Cx,
        refusal::{Failure, Refusal},
    },
};

/// Entries of one statement.
const BATCH: i64 = 2_000;
/// What comes before the first entry.
const GENESIS: [u8; 32] = [0; 32];

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Whether everything fits.
    pub ok: bool,
    /// How many entries were looked at.
    pub entries_checked: i64,
    /// The first entry that does not fit to what is before it, or behind which something is missing; none where the
    /// whole trail is gone.
    pub first_broken: Option<Uuid>,
}

/// A place in the chain: a position and the hash there; none where the entry is gone.
type Link = (i64, Option<Vec<u8>>);

#[derive(FromQueryResult)]
struct Bounds {
    start: i64,
    stop: i64,
    head_position: i64,
    head_hash: Vec<u8>,
}

#[derive(FromQueryResult)]
struct Batch {
    checked: i64,
    last_position: Option<i64>,
    last_hash: Option<Vec<u8>>,
    broken: Option<Uuid>,
}

#[derive(FromQueryResult)]
struct Neighbour {
    id: Uuid,
    position: i64,
    previous_hash: Vec<u8>,
}

/// Checks the entries from `from` until before `to` and that they hang together with what is before and behind them;
/// without bounds the whole trail up to its end.
///
/// # Errors
/// FORBIDDEN without AUDIT_READ in the whole centre; faults of the database.
pub async fn run(
    cx: &Cx,
    actor: &Actor,
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
) -> Result<Report, Failure> {
    actor.require(Permission::AuditRead, Scope::Centre)?;
    if from.zip(to).is_some_and(|(from, to)| to <= from) {
        return Err(Refusal::invalid("to", "a range ends after it begins").into());
    }
    let tx = cx.read(actor).await?;
    // The head first: what is written from now on is behind it.
    let bounds = bounds(&tx, from, to).await?;
    let mut checked = 0;
    let mut at: Link = (bounds.start, hash_at(&tx, bounds.start).await?);
    loop {
        let batch = batch(&tx, &at, bounds.stop).await?;
        checked += batch.checked;
        if batch.broken.is_some() {
            return Ok(Report { ok: false, entries_checked: checked, first_broken: batch.broken });
        }
        let Some(position) = batch.last_position else { break };
        at = (position, batch.last_hash);
    }
    let report = end(&tx, &bounds, &at, checked).await?;
    tx.commit().await?;
    Ok(report)
}

async fn bounds(tx: &TenantTx, from: Option<DateTime<Utc>>, to: Option<DateTime<Utc>>) -> Result<Bounds, Failure> {
    // In the order of commits, instants of different nodes may lie the wrong way round by a moment: the range is from
    // the first entry to the last one that lies in it.
    tx.find(
        "SELECT least(start, stop) AS start, stop, head_position, head_hash FROM (
             SELECT h.audit_position AS head_position, h.audit_hash AS head_hash,
                 CASE WHEN $1::timestamptz IS NULL THEN 0
                     ELSE coalesce((SELECT min(position) - 1 FROM audit_entries WHERE at >= $1), h.audit_position) END AS start,
                 CASE WHEN $2::timestamptz IS NULL THEN h.audit_position
                     ELSE coalesce((SELECT max(position) FROM audit_entries WHERE at < $2), 0) END AS stop
             FROM event_head h
         ) bounds",
        [from.into(), to.into()],
    )
    .await?
    .ok_or_else(|| Failure::fault("the event log has no head"))
}

async fn hash_at(tx: &TenantTx, position: i64) -> Result<Option<Vec<u8>>, Failure> {
    if position == 0 {
        return Ok(Some(GENESIS.to_vec()));
    }
    Ok(tx.scalar("SELECT hash FROM audit_entries WHERE position = $1", [position.into()]).await?)
}

async fn batch(tx: &TenantTx, (position, hash): &Link, stop: i64) -> Result<Batch, Failure> {
    tx.find(
        "WITH batch AS (
             SELECT e.position, e.id, e.previous_hash, e.hash, audit_hash(e.previous_hash, e) AS computed
             FROM audit_entries e WHERE e.position > $1 AND e.position <= $2 ORDER BY e.position LIMIT $4
         ), linked AS (
             SELECT *, lag(position, 1, $1) OVER chain AS position_before, lag(hash, 1, $3) OVER chain AS hash_before
             FROM batch WINDOW chain AS (ORDER BY position)
         )
         SELECT count(*) AS checked, max(position) AS last_position, (array_agg(hash ORDER BY position DESC))[1] AS last_hash,
             (array_agg(id ORDER BY position) FILTER (WHERE position <> position_before + 1
                 OR previous_hash IS DISTINCT FROM hash_before OR hash IS DISTINCT FROM computed))[1] AS broken
         FROM linked",
        [(*position).into(), stop.into(), hash.clone().into(), BATCH.into()],
    )
    .await?
    .ok_or_else(|| Failure::fault("an aggregate without a row"))
}

/// What is behind the last entry must hang on to it: the next entry, or the head.
async fn end(tx: &TenantTx, bounds: &Bounds, (position, hash): &Link, checked: i64) -> Result<Report, Failure> {
    let fits = |behind: i64, previous: &[u8]| behind == position + 1 && hash.as_deref() == Some(previous);
    let broken = if bounds.stop == bounds.head_position {
        let whole = fits(bounds.head_position + 1, &bounds.head_hash);
        if whole { None } else { Some(tail(tx, *position).await?) }
    } else {
        let next: Option<Neighbour> = tx
            .find(
                "SELECT id, position, previous_hash FROM audit_entries WHERE position > $1 ORDER BY position LIMIT 1",
                [(*position).into()],
            )
            .await?;
        match next {
            Some(next) if fits(next.position, &next.previous_hash) => None,
            Some(next) => Some(Some(next.id)),
            None => Some(tail(tx, *position).await?),
        }
    };
    Ok(Report { ok: broken.is_none(), entries_checked: checked, first_broken: broken.flatten() })
}

/// The entry behind which the trail breaks off.
async fn tail(tx: &TenantTx, position: i64) -> Result<Option<Uuid>, Failure> {
    Ok(tx
        .scalar("SELECT id FROM audit_entries WHERE position <= $1 ORDER BY position DESC LIMIT 1", [position.into()])
        .await?)
}
