//! The centre's roles, built-in ones and its own.

use super::user::{Role, RoleRow};
use crate::{
    auth::{Actor, Permission, Scope},
    domain::{cx::Cx, refusal::Failure},
};

/// All roles, by name. There are as many as the centre makes, which is bounded ([`super::upsert_role::MAX_ROLES`]).
///
/// # Errors
/// A missing permission, faults of the database.
pub async fn run(cx: &Cx, actor: &Actor) -> Result<Vec<Role>, Failure> {
    actor.require(Permission::UserAdmin, Scope::Anywhere)?;
    let tx = cx.read(actor).await?;
    let rows: Vec<RoleRow> =
        tx.all("SELECT id, name, builtin, permissions, mfa_required FROM roles ORDER BY name, id", []).await?;
    tx.commit().await?;
    Ok(rows.into_iter().map(Role::from).collect())
}
