//! Creates or changes a role of the centre's own. Of a built-in one only the name and the need of a second factor can change.

use uuid::Uuid;

use super::{
    grant::Grantor,
    mfa,
    user::{Role, RoleRow},
};
use crate::{
    auth::{Actor, Permission, PermissionSet, Scope},
    db::{DbError, TenantTx},
    domain::{
        centre::check::Check,
        change::{Change, Changes},
        cx::Cx,
        facts::{Facts, facts, many, text},
        refusal::{Code, Failure, Refusal},
    },
};

/// Most roles of a centre, so that they are one list.
pub const MAX_ROLES: i64 = 200;

/// A role to create (no id) or to change.
#[derive(Clone, Debug)]
pub struct Input {
    /// Which to change.
    pub id: Option<Uuid>,
    /// Shown to people.
    pub name: String,
    /// All that it allows.
    pub permissions: PermissionSet,
    /// Whether who has it needs a second factor; none: as it is, and not for a new one.
    pub mfa_required: Option<bool>,
}

/// Creates or changes the role, for everybody who has it.
///
/// # Errors
/// A missing permission, more than the caller holds, a name that is taken, an unknown id; faults.
pub async fn run(cx: &Cx, actor: &Actor, input: Input) -> Result<Role, Failure> {
    // A role holds wherever its users work, so it is the business of who administers the whole centre.
    actor.require(Permission::UserAdmin, Scope::Centre)?;
    let mut check = Check::default();
    let name = check.name("name", &input.name);
    check.done()?;
    let input = Input { name, ..input };
    cx.retrying(|| attempt(cx, actor, &input)).await
}

async fn attempt(cx: &Cx, actor: &Actor, input: &Input) -> Result<Role, Failure> {
    let tx = cx.write(actor).await?;
    let grantor = Grantor::lock(cx, &tx, actor, Scope::Centre).await?;
    grantor.permissions(input.permissions, "permissions")?;
    let before = match input.id {
        Some(id) => Some(find(&tx, id).await?.ok_or_else(|| Refusal::not_found("id"))?),
        None => None,
    };
    let id = match &before {
        Some(before) => change(&tx, &grantor, before, input).await?,
        None => insert(cx, &tx, input).await?,
    };
    if let Some(required) = input.mfa_required {
        mfa::require::set(&tx, id, required).await?;
    }
    let after = find(&tx, id).await?.ok_or_else(|| Failure::fault("the role just written is gone"))?;
    let change = Change {
        before: before.as_ref().map(summary),
        after: Some(summary(&after)),
        // Whoever has it may do something else now, which open streams must notice.
        ..Change::event("user.role_changed", "upsertRole", "Role", id)
    };
    cx.commit(tx, Changes::one(actor, change)).await?;
    Ok(after)
}

async fn find(tx: &TenantTx, id: Uuid) -> Result<Option<Role>, Failure> {
    let row: Option<RoleRow> =
        tx.find("SELECT id, name, builtin, permissions, mfa_required FROM roles WHERE id = $1", [id.into()]).await?;
    Ok(row.map(Role::from))
}

async fn insert(cx: &Cx, tx: &TenantTx, input: &Input) -> Result<Uuid, Failure> {
    let there_are: Option<i64> = tx.scalar("SELECT count(*) FROM roles", []).await?;
    if there_are.unwrap_or_default() >= MAX_ROLES {
        let message = format!("a centre has at most {MAX_ROLES} roles; change one that is not needed any more");
        return Err(Refusal::new(Code::QuotaExceeded, message).into());
    }
    let id = cx.new_id();
    tx.run(
        "INSERT INTO roles (id, name, permissions) VALUES ($1, $2, $3)",
        [id.into(), input.name.clone().into(), words(input.permissions).into()],
    )
    .await
    .map_err(name_taken)?;
    Ok(id)
}

async fn change(tx: &TenantTx, grantor: &Grantor, before: &Role, input: &Input) -> Result<Uuid, Failure> {
    grantor.permissions(before.permissions, "id")?;
    if before.builtin.is_some() && before.permissions != input.permissions {
        let message = "what a built-in role allows is fixed; make a role of your own";
        return Err(Refusal::invalid("permissions", message).into());
    }
    tx.run(
        "UPDATE roles SET name = $2, permissions = CASE WHEN builtin IS NULL THEN $3 ELSE permissions END WHERE id = $1",
        [before.id.into(), input.name.clone().into(), words(input.permissions).into()],
    )
    .await
    .map_err(name_taken)?;
    Ok(before.id)
}

fn words(permissions: PermissionSet) -> Vec<String> {
    permissions.iter().map(|permission| permission.as_str().to_owned()).collect()
}

fn name_taken(error: DbError) -> Failure {
    if error.violates("roles_name_key") || error.violates("roles_by_folded_name") {
        return Refusal::new(Code::AlreadyExists, "a role with this name exists already").at("name").into();
    }
    error.into()
}

fn summary(role: &Role) -> Facts {
    facts!({
        "name": text(&role.name),
        "permissions": many(role.permissions.iter().map(Permission::as_str)),
        "mfaRequired": role.mfa_required,
    })
}
