//! The centre's roles, built-in ones and its own.

use uuid::Uuid;

use super::user::{Role, RoleRow};
use crate::{
    auth::{Actor, Permission, Scope},
    db::TenantTx,
    domain::{cx::Cx, refusal::Failure},
};

/// Columns of a role; to be followed by what comes behind FROM.
macro_rules! role_select {
    ($rest:literal) => {
        concat!("SELECT id, name, builtin, permissions, mfa_required FROM roles ", $rest)
    };
}

/// All roles, by name. There are as many as the centre makes, which is bounded ([`super::upsert_role::MAX_ROLES`]).
///
/// # Errors
/// A missing permission, faults of the database.
pub async fn run(cx: &Cx, actor: &Actor) -> Result<Vec<Role>, Failure> {
    actor.require(Permission::UserAdmin, Scope::Anywhere)?;
    let tx = cx.read(actor).await?;
    let rows: Vec<RoleRow> = tx.all(role_select!("ORDER BY name, id"), []).await?;
    tx.commit().await?;
    Ok(rows.into_iter().map(Role::from).collect())
}

/// The roles with these ids, in no order.
///
/// # Errors
/// A missing permission, faults of the database.
pub async fn visible(tx: &TenantTx, actor: &Actor, ids: Vec<Uuid>) -> Result<Vec<Role>, Failure> {
    actor.require(Permission::UserAdmin, Scope::Anywhere)?;
    let rows: Vec<RoleRow> = tx.all(role_select!("WHERE id = ANY ($1)"), [ids.into()]).await?;
    Ok(rows.into_iter().map(Role::from).collect())
}
