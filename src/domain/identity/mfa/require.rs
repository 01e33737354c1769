//! Whether who has a role needs a second factor.

use uuid::Uuid;

use crate::{
    auth::{Actor, Permission, Scope},
    db::TenantTx,
    domain::{
        change::{Change, Changes},
        cx::Cx,
        facts::facts,
        refusal::{Failure, Refusal},
    },
};

/// Says whether the role needs one. Sessions without a second factor can from then on do nothing but enrol one.
///
/// # Errors
/// FORBIDDEN, NOT_FOUND; faults of the database.
pub async fn run(cx: &Cx, actor: &Actor, role: Uuid, required: bool) -> Result<(), Failure> {
    actor.require(Permission::UserAdmin, Scope::Centre)?;
    let tx = cx.write(actor).await?;
    let before = set(&tx, role, required).await?.ok_or_else(|| Refusal::not_found("roleId"))?;
    let mut changes = Changes::by(actor);
    if before != required {
        changes.push(Change {
            event: Some("user.role_changed"),
            before: Some(facts!({ "mfaRequired": before })),
            after: Some(facts!({ "mfaRequired": required })),
            ..Change::audited("requireMfa", "Role", role)
        });
    }
    cx.commit(tx, changes).await
}

/// Writes it, and returns what held before; none: there is no such role. For use cases that change the whole role.
///
/// # Errors
/// Faults of the database.
pub async fn set(tx: &TenantTx, role: Uuid, required: bool) -> Result<Option<bool>, Failure> {
    let before = tx.scalar("SELECT mfa_required FROM roles WHERE id = $1 FOR UPDATE", [role.into()]).await?;
    if before.is_some_and(|before: bool| before != required) {
        tx.run("UPDATE roles SET mfa_required = $2 WHERE id = $1", [role.into(), required.into()]).await?;
    }
    Ok(before)
}
