//! Begins to change the key that a centre's values are sealed with: adds a version, and the job that goes over to it. From
//! the commit on everything new is sealed with the new one; what is there opens with the old ones until the job is done.

use serde_json::json;

use super::{TenantKeys, insert, status};
use crate::{
    auth::{
        Actor,
        keyring::{KeyName, Purpose, SecretKey},
    },
    db::{Lane, NewJob},
    domain::{
        change::{Change, Changes},
        cx::Cx,
        facts::facts,
        refusal::Failure,
    },
};

/// The job's name, forever: rows outlive deploys.
pub const RESEAL: &str = "sealing.reseal";

/// The version that values are sealed with from now on. While an earlier change is not over, it is gone on with instead of
/// beginning another. For jobs and the command line.
///
/// # Errors
/// Faults of the database, a centre that is closed or in maintenance, a master key that is missing or wrong.
pub async fn run(cx: &Cx, actor: &Actor) -> Result<i32, Failure> {
    super::require_platform(actor)?;
    let rotating = status::run(cx, actor).await?.is_rotating();
    let tx = cx.write(actor).await?;
    let keys = TenantKeys::to_seal(cx, &tx).await?;
    let newest = keys.newest().ok_or_else(|| Failure::fault("keys that were just made are gone"))?;
    let version = if rotating { newest } else { newest + 1 };
    let mut changes = Changes::by(actor);
    if !rotating {
        let name = KeyName { tenant: actor.tenant.id, purpose: Purpose::Data, version };
        // Of two who begin at once, one finds the other's.
        if insert(cx, &tx, &name, &SecretKey::random()).await? == 1 {
            changes.push(Change {
                before: Some(facts!({ "dataKey": newest })),
                after: Some(facts!({ "dataKey": version })),
                ..Change::audited("rotateKeys", "Tenant", actor.tenant.id.0)
            });
        }
    }
    tx.enqueue(NewJob {
        kind: RESEAL,
        dedup_key: format!("reseal:{version}"),
        payload: json!({}),
        due_at: cx.now(),
        lane: Lane::Bulk,
        local: None,
    })
    .await?;
    cx.commit(tx, changes).await?;
    Ok(version)
}
