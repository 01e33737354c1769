//! Removes what nobody waits for any more: files that were announced and never finished, the centre's own after their
//! time, and objects that no row stands for.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Duration, Utc};
use futures::TryStreamExt;
use uuid::Uuid;

use crate::{
    auth::{Actor, Permission, Scope},
    domain::{cx::Cx, refusal::Failure},
    files::ObjectName,
};

/// How many rows one transaction removes, and how many objects are compared at once.
const BATCH: usize = 500;

/// An object without a row is left alone while it may still be on its way to one.
const ORPHANS_AFTER: Duration = Duration::days(1);

/// Removes what is over: rows in batches, each before its objects. Returns how many files.
///
/// # Errors
/// When the actor may not, or the centre is closed; faults of the database and of the store.
pub async fn run(cx: &Cx, actor: &Actor) -> Result<usize, Failure> {
    actor.require(Permission::ConfigWrite, Scope::Centre)?;
    let mut removed = 0;
    loop {
        let tx = cx.write(actor).await?;
        let gone: Vec<Uuid> = tx
            .scalars(
                "DELETE FROM attachments WHERE id = ANY (ARRAY (
                     SELECT id FROM attachments WHERE expires_at < $1 ORDER BY expires_at LIMIT 500 FOR UPDATE SKIP LOCKED))
                 RETURNING id",
                [cx.now().into()],
            )
            .await?;
        tx.commit().await?;
        cx.files.remove(actor.tenant.id.0, &gone).await?;
        removed += gone.len();
        if gone.len() < BATCH {
            return Ok(removed);
        }
    }
}

/// Compares the store with the rows, and removes objects that none stands for: what crashes have left between the two. An
/// object's age is in its name. Returns how many files.
///
/// # Errors
/// When the actor may not; faults of the database and of the store.
pub async fn orphans(cx: &Cx, actor: &Actor) -> Result<usize, Failure> {
    actor.require(Permission::ConfigWrite, Scope::Centre)?;
    let (tenant, before) = (actor.tenant.id.0, cx.now() - ORPHANS_AFTER);
    let mut removed = cx.files.remove_half_written(tenant, move |file| made_before(file, before)).await?;
    let mut listed = cx.files.list(tenant)?.try_chunks(BATCH);
    loop {
        let (names, broken): (Vec<ObjectName>, _) = match listed.try_next().await {
            Ok(None) => break,
            Ok(Some(names)) => (names, None),
            // What was listed before it broke is good.
            Err(broken) => (broken.0, Some(broken.1)),
        };
        removed += without_rows(cx, actor, names, before).await?;
        if let Some(error) = broken {
            return Err(error.into());
        }
    }
    if removed > 0 {
        tracing::info!(files = removed, tenant.id = %tenant, "Objects without rows were removed");
    }
    Ok(removed)
}

async fn without_rows(cx: &Cx, actor: &Actor, names: Vec<ObjectName>, before: DateTime<Utc>) -> Result<usize, Failure> {
    let old: BTreeMap<Uuid, ObjectName> =
        names.into_iter().filter(|name| made_before(name.file, before)).map(|name| (name.file, name)).collect();
    let ids: Vec<Uuid> = old.keys().copied().collect();
    let tx = cx.read(actor).await?;
    let there: Vec<Uuid> = tx.scalars("SELECT id FROM attachments WHERE id = ANY ($1)", [ids.into()]).await?;
    tx.commit().await?;
    let there: HashSet<Uuid> = there.into_iter().collect();
    let gone: Vec<Uuid> = old.into_keys().filter(|id| !there.contains(id)).collect();
    cx.files.remove(actor.tenant.id.0, &gone).await?;
    Ok(gone.len())
}

/// Ids tell when they were made.
fn made_before(id: Uuid, before: DateTime<Utc>) -> bool {
    let made = id.get_timestamp().and_then(|stamp| {
        let (seconds, nanoseconds) = stamp.to_unix();
        DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanoseconds)
    });
    made.is_some_and(|made| made < before)
}
