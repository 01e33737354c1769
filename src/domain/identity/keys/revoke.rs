//! Revokes a key: within seconds no node knows it any more, and its open subscriptions end.

use uuid::Uuid;

use super::{ApiKey, Row, columns};
use crate::{
    auth::{Actor, Permission, Scope},
    domain::{
        change::{Change, Changes},
        cx::Cx,
        facts::facts,
        refusal::{Failure, Refusal},
    },
};

/// Revokes it; repeating that changes nothing.
///
/// # Errors
/// FORBIDDEN, NOT_FOUND; faults of the database.
pub async fn run(cx: &Cx, actor: &Actor, id: Uuid) -> Result<ApiKey, Failure> {
    actor.require(Permission::UserAdmin, Scope::Centre)?;
    let tx = cx.write(actor).await?;
    let revoked = tx
        .run("UPDATE api_keys SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL", [id.into(), cx.now().into()])
        .await?;
    let row: Option<Row> = tx.find(concat!("SELECT ", columns!(), " FROM api_keys WHERE id = $1"), [id.into()]).await?;
    let key = ApiKey::from(row.ok_or_else(|| Refusal::not_found("id"))?);
    let mut changes = Changes::by(actor);
    if revoked > 0 {
        changes.push(Change {
            before: Some(facts!({ "revoked": false })),
            after: Some(facts!({ "revoked": true })),
            ..Change::event("api_key.revoked", "revokeApiKey", "ApiKey", id)
        });
    }
    cx.commit(tx, changes).await?;
    Ok(key)
}
