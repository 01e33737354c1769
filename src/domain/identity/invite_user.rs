//! Invites somebody: a user without a password, and a mail with the link for setting one.

use std::collections::HashSet;

use serde_json::json;
use uuid::Uuid;

use super::{
    account_link::{self, Purpose},
    grant::{self, Grantor},
    user::{self, User, UserStatus},
};
use crate::{
    auth::{Actor, Permission, PermissionSet, Scope},
    db::TenantTx,
    domain::{
        centre::check::Check,
        change::{Change, Changes},
        cx::Cx,
        refusal::{Code, Failure, Refusal},
    },
};

/// Most roles of one user.
pub(super) const MAX_USER_ROLES: usize = 20;
/// Most branches that one user is bound to.
pub(super) const MAX_USER_BRANCHES: usize = 200;

/// Whom to invite, as what.
#[derive(Clone, Debug)]
pub struct Input {
    /// In lower case.
    pub email: String,
    /// Shown to others; the invited may correct it.
    pub name: String,
    /// At least one.
    pub role_ids: Vec<Uuid>,
    /// None: every branch.
    pub branch_ids: Vec<Uuid>,
}

/// Invites. Who was invited before and has not accepted, or is disabled, is invited anew with what is said now; earlier
/// links lose their worth.
///
/// # Errors
/// A missing permission, more than the caller holds, unknown roles and branches, an address in use; faults.
pub async fn run(cx: &Cx, actor: &Actor, input: Input) -> Result<User, Failure> {
    actor.require(Permission::UserAdmin, Scope::Anywhere)?;
    let input = check(input)?;
    cx.retrying(|| attempt(cx, actor, &input)).await
}

fn check(mut input: Input) -> Result<Input, Failure> {
    let mut check = Check::default();
    input.name = check.name("name", &input.name);
    role_ids(&mut check, &mut input.role_ids);
    branch_ids(&mut check, &mut input.branch_ids);
    check.done()?;
    Ok(input)
}

/// Each once and in the client's order, so that a refusal names the place where it stands.
fn keep_first(ids: &mut Vec<Uuid>) {
    let mut seen = HashSet::new();
    ids.retain(|id| seen.insert(*id));
}

/// Each once, at least one.
pub(super) fn role_ids(check: &mut Check, ids: &mut Vec<Uuid>) {
    keep_first(ids);
    if ids.is_empty() {
        check.add(Refusal::required("roleIds", "give at least one role"));
    } else if ids.len() > MAX_USER_ROLES {
        check.add(Refusal::invalid("roleIds", format!("give at most {MAX_USER_ROLES} roles")));
    }
}

/// Each once.
pub(super) fn branch_ids(check: &mut Check, ids: &mut Vec<Uuid>) {
    keep_first(ids);
    if ids.len() > MAX_USER_BRANCHES {
        check.add(Refusal::invalid("branchIds", format!("name at most {MAX_USER_BRANCHES} branches, or none for all")));
    }
}

async fn attempt(cx: &Cx, actor: &Actor, input: &Input) -> Result<User, Failure> {
    let tx = cx.write(actor).await?;
    let grantor = Grantor::lock(cx, &tx, actor, Scope::Anywhere).await?;
    let roles = grant::roles(&tx, &input.role_ids, "roleIds").await?;
    grant::known_branches(&tx, &input.branch_ids, "branchIds").await?;
    let wanted = roles.iter().fold(PermissionSet::default(), |all, role| all.union(role.permissions));
    grantor.permissions(wanted, "roleIds")?;
    grantor.branches(&input.branch_ids, "branchIds")?;
    let before = known(&tx, actor, &grantor, &input.email).await?;
    let id = match &before {
        Some(user) => again(cx, &tx, user.id, input).await?,
        None => insert(cx, &tx, input).await?,
    };
    grant::set_roles(&tx, id, &input.role_ids, "roleIds").await?;
    account_link::issue(cx, &tx, Purpose::Invite, cx.new_id(), id, &input.email).await?;
    let after =
        user::users(&tx, vec![id]).await?.pop().ok_or_else(|| Failure::fault("the user just invited is gone"))?;
    let change = Change {
        data: json!({ "again": before.is_some() }),
        before: before.as_ref().map(super::update_user::summary),
        after: Some(super::update_user::summary(&after)),
        ..Change::event("user.invited", "inviteUser", "User", id)
    };
    cx.commit(tx, Changes::one(actor, change)).await?;
    Ok(after)
}

/// The user who has the address, if it can be invited again.
async fn known(tx: &TenantTx, actor: &Actor, grantor: &Grantor, email: &str) -> Result<Option<User>, Failure> {
    let id: Option<Uuid> = tx.scalar("SELECT id FROM users WHERE email = $1 FOR UPDATE", [email.into()]).await?;
    let Some(id) = id else { return Ok(None) };
    let taken = || Refusal::new(Code::AlreadyExists, "somebody with this address is a user already").at("email");
    let user = user::users(tx, vec![id]).await?.pop().ok_or_else(taken)?;
    let again = matches!(user.status, UserStatus::Invited | UserStatus::Disabled);
    // An address is unique in the centre, so that it is taken cannot be kept from whoever administers another branch.
    if !again || !user::is_visible(actor, &user.branch_ids) {
        return Err(taken().into());
    }
    grantor.may_change(&user).map_err(|refusal| refusal.at("email"))?;
    Ok(Some(user))
}

async fn insert(cx: &Cx, tx: &TenantTx, input: &Input) -> Result<Uuid, Failure> {
    let id = cx.new_id();
    tx.run(
        "INSERT INTO users (id, email, name, status, branch_ids, created_at, updated_at) VALUES ($1, $2, $3, 'INVITED', $4, $5, $5)",
        [
            id.into(),
            input.email.clone().into(),
            input.name.clone().into(),
            input.branch_ids.clone().into(),
            cx.now().into(),
        ],
    )
    .await?;
    Ok(id)
}

/// An old password is worth nothing: whoever comes back sets a new one.
async fn again(cx: &Cx, tx: &TenantTx, id: Uuid, input: &Input) -> Result<Uuid, Failure> {
    tx.run(
        "UPDATE users SET status = 'INVITED', password_hash = NULL, name = $2, branch_ids = $3, version = version + 1, updated_at = $4
         WHERE id = $1",
        [id.into(), input.name.clone().into(), input.branch_ids.clone().into(), cx.now().into()],
    )
    .await?;
    Ok(id)
}
