//! Goes over to the newest master key: the centre's keys stay what they are, only what they are wrapped with changes. A
//! few rows for each centre, whatever it holds and whether it is open or not; can be stopped and repeated at any point.

use super::{Row, name_of};
use crate::{
    auth::{Actor, keyring::WrappedKey},
    db::Access,
    domain::{
        change::{Change, Changes},
        cx::Cx,
        facts::{facts, text},
        refusal::Failure,
    },
};

/// How many of the centre's keys were wrapped anew. For the command line.
///
/// # Errors
/// A master key that is missing or wrong, faults of the database.
pub async fn run(cx: &Cx, actor: &Actor) -> Result<u64, Failure> {
    super::require_platform(actor)?;
    let tx = cx.db.begin(&actor.tenant, Access::Read).await?;
    let rows = super::rows(&tx).await?;
    tx.commit().await?;
    let mut done = 0;
    for row in rows.iter().filter(|row| row.master_key != cx.masters.newest()) {
        let name = name_of(actor.tenant.id, row);
        let Row { master_key, wrapped, .. } = row;
        let old = WrappedKey { master: master_key.clone(), bytes: wrapped.clone() };
        let key = cx.masters.unwrap(&name, &old).map_err(|error| Failure::fault(error.to_string()))?;
        let WrappedKey { master, bytes } = cx.masters.wrap(&name, &key);
        // Not where somebody else was faster.
        if cx.db.rewrap_key(&actor.tenant, (name.purpose.as_str(), name.version), &old.bytes, &master, &bytes).await? {
            done += 1;
        }
    }
    if done > 0 {
        let tx = cx.db.begin(&actor.tenant, Access::Write).await?.caused_by(&actor.request_id);
        let change = Change {
            after: Some(facts!({ "masterKey": text(cx.masters.newest()) })),
            ..Change::audited("rewrapKeys", "Tenant", actor.tenant.id.0)
        };
        cx.commit(tx, Changes::one(actor, change)).await?;
    }
    Ok(done)
}
