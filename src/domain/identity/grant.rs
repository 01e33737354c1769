//! Nobody grants more than they hold.
//!
//! Administration of a centre's users happens one transaction after another, and what the caller holds is read inside
//! it, past every cache: rights that were taken away a moment ago cannot be handed on any more.

use std::sync::Arc;

use uuid::Uuid;

use super::{
    authenticate,
    user::{self, Role, RoleRow, User},
};
use crate::{
    auth::{Actor, Denied, Permission, PermissionSet, Scope},
    db::{DbError, TenantTx},
    domain::{
        cx::Cx,
        refusal::{Code, Failure, Refusal},
    },
};

/// The constraint by which the database keeps a centre its last active administrator.
const LAST_ADMINISTRATOR: &str = "users_keep_an_administrator";

/// Who administers users, with the rights of this moment.
pub(super) struct Grantor {
    permissions: PermissionSet,
    /// None: every branch.
    branches: Option<Arc<[Uuid]>>,
}

impl Grantor {
    /// Waits for every other administration of the centre's users, then reads what the caller holds, who must still
    /// administer users in `scope`.
    ///
    /// # Errors
    /// FORBIDDEN when the caller's rights have gone; faults of the database.
    pub(super) async fn lock(cx: &Cx, tx: &TenantTx, actor: &Actor, scope: Scope) -> Result<Self, Failure> {
        // The row that the database's own rule locks too; it is a centre's own, so centres do not wait for each other.
        tx.run("SELECT 1 FROM roles WHERE builtin = 'ADMINISTRATOR' FOR NO KEY UPDATE", []).await?;
        let Some(session) = actor.session else {
            return Ok(Self { permissions: actor.permissions, branches: actor.branches.clone() });
        };
        let now = authenticate::rights(tx, vec![session], cx.now()).await?.remove(&session);
        let now = now.ok_or(Denied(Permission::UserAdmin))?;
        let fresh = Actor { permissions: now.permissions, branches: now.branches.clone(), ..actor.clone() };
        fresh.require(Permission::UserAdmin, scope)?;
        Ok(Self { permissions: now.permissions, branches: now.branches })
    }

    /// Refuses, at `field`, permissions that the caller does not hold.
    pub(super) fn permissions(&self, wanted: PermissionSet, field: &str) -> Result<(), Refusal> {
        if self.permissions.covers(wanted) {
            return Ok(());
        }
        let missing: Vec<&str> =
            wanted.iter().filter(|permission| !self.permissions.has(*permission)).map(Permission::as_str).collect();
        let message = format!("you cannot give or change what you do not hold yourself: {}", missing.join(", "));
        Err(Refusal::new(Code::Forbidden, message).at(field))
    }

    /// Refuses, at `field`, branches beyond the caller's own; none means every branch.
    pub(super) fn branches(&self, wanted: &[Uuid], field: &str) -> Result<(), Refusal> {
        let Some(own) = &self.branches else { return Ok(()) };
        if !wanted.is_empty() && wanted.iter().all(|branch| own.contains(branch)) {
            return Ok(());
        }
        let message = "you can only appoint people to branches that you administer; name at least one of them";
        Err(Refusal::new(Code::Forbidden, message).at(field))
    }

    /// Refuses to touch a user who may more, or in more branches, than the caller.
    pub(super) fn may_change(&self, user: &User) -> Result<(), Refusal> {
        self.permissions(user.permissions(), "id")?;
        self.branches(&user.branch_ids, "id")
    }
}

/// The user as it is before the change, locked. Whom the caller cannot see does not exist.
///
/// # Errors
/// NOT_FOUND; faults of the database.
pub(super) async fn lock_user(tx: &TenantTx, actor: &Actor, id: Uuid) -> Result<User, Failure> {
    tx.run("SELECT 1 FROM users WHERE id = $1 FOR UPDATE", [id.into()]).await?;
    let found = user::users(tx, vec![id]).await?.pop();
    Ok(found.filter(|user| user::is_visible(actor, &user.branch_ids)).ok_or_else(|| Refusal::not_found("id"))?)
}

/// The roles with these ids, each once.
///
/// # Errors
/// NOT_FOUND at the one that is unknown; faults of the database.
pub(super) async fn roles(tx: &TenantTx, ids: &[Uuid], field: &str) -> Result<Vec<Role>, Failure> {
    let rows: Vec<RoleRow> = tx
        .all(
            "SELECT id, name, builtin, permissions, mfa_required FROM roles WHERE id = ANY ($1) ORDER BY id",
            [ids.to_vec().into()],
        )
        .await?;
    let found: Vec<Role> = rows.into_iter().map(Role::from).collect();
    match ids.iter().position(|id| !found.iter().any(|role| role.id == *id)) {
        Some(at) => Err(Refusal::not_found(&format!("{field}.{at}")).into()),
        None => Ok(found),
    }
}

/// Refuses branches that do not exist.
///
/// # Errors
/// NOT_FOUND at the one that is unknown; faults of the database.
pub(super) async fn known_branches(tx: &TenantTx, ids: &[Uuid], field: &str) -> Result<(), Failure> {
    if ids.is_empty() {
        return Ok(());
    }
    let known: Vec<Uuid> = tx.scalars("SELECT id FROM branches WHERE id = ANY ($1)", [ids.to_vec().into()]).await?;
    match ids.iter().position(|id| !known.contains(id)) {
        Some(at) => Err(Refusal::not_found(&format!("{field}.{at}")).into()),
        None => Ok(()),
    }
}

/// Gives a user exactly these roles. New ones come before old ones go, so that a change of roles is never a moment
/// without any.
///
/// # Errors
/// The refusal of [`last_administrator`]; faults of the database.
pub(super) async fn set_roles(tx: &TenantTx, user: Uuid, roles: &[Uuid], field: &str) -> Result<(), Failure> {
    tx.run(
        "INSERT INTO user_roles (user_id, role_id) SELECT $1, id FROM unnest($2::uuid[]) AS r (id) ON CONFLICT DO NOTHING",
        [user.into(), roles.to_vec().into()],
    )
    .await?;
    tx.run("DELETE FROM user_roles WHERE user_id = $1 AND role_id <> ALL ($2)", [user.into(), roles.to_vec().into()])
        .await
        .map_err(|error| last_administrator(error, field))?;
    Ok(())
}

/// What the database's refusal to lose the last administrator means to the caller.
pub(super) fn last_administrator(error: DbError, field: &str) -> Failure {
    if !error.violates(LAST_ADMINISTRATOR) {
        return error.into();
    }
    let message = "the centre needs an active administrator of the whole centre; appoint another one first";
    Refusal::new(Code::Invalid, message).at(field).into()
}
