//! Changes a user: name, roles, branches, clock, and whether the user may log in.

use chrono_tz::Tz;
use uuid::Uuid;

use super::{
    account_link,
    grant::{self, Grantor},
    invite_user::{branch_ids, role_ids},
    session,
    user::{self, User, UserStatus},
};
use crate::{
    auth::{Actor, Permission, PermissionSet, Scope},
    db::TenantTx,
    domain::{
        centre::{Patch, check::Check},
        change::{Change, Changes},
        cx::Cx,
        facts::{Facts, facts, many, masked},
        refusal::{Code, Detail, Failure, Refusal},
    },
};

/// What to change. Absent values stay.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the columns are described in the migration, the fields in the API")]
pub struct Input {
    pub id: Uuid,
    pub version: i32,
    pub name: Option<String>,
    pub role_ids: Option<Vec<Uuid>>,
    /// Empty: every branch.
    pub branch_ids: Option<Vec<Uuid>>,
    pub status: Option<UserStatus>,
    pub zone: Patch<Tz>,
}

/// A user that was changed.
#[derive(Clone, Debug)]
pub struct Done {
    /// As it is now.
    pub user: User,
    /// Sessions whose rights are others now, or that are over.
    pub sessions: Vec<Uuid>,
}

/// Changes the user.
///
/// # Errors
/// A missing permission, more than the caller holds, a stale version, unknown ids, a state that cannot be reached, the
/// last administrator; faults.
pub async fn run(cx: &Cx, actor: &Actor, input: Input) -> Result<Done, Failure> {
    actor.require(Permission::UserAdmin, Scope::Anywhere)?;
    let input = check(input)?;
    cx.retrying(|| attempt(cx, actor, &input)).await
}

fn check(mut input: Input) -> Result<Input, Failure> {
    let mut check = Check::default();
    input.name = input.name.map(|name| check.name("name", &name));
    if let Some(ids) = &mut input.role_ids {
        role_ids(&mut check, ids);
    }
    if let Some(ids) = &mut input.branch_ids {
        branch_ids(&mut check, ids);
    }
    check.done()?;
    Ok(input)
}

async fn attempt(cx: &Cx, actor: &Actor, input: &Input) -> Result<Done, Failure> {
    let tx = cx.write(actor).await?;
    let grantor = Grantor::lock(cx, &tx, actor, Scope::Anywhere).await?;
    let before = grant::lock_user(&tx, actor, input.id).await?;
    grantor.may_change(&before)?;
    if before.version != input.version {
        return Err(Refusal::version_conflict(before.version).into());
    }
    if let Some(status) = input.status {
        step(before.status, status)?;
    }
    if let Some(ids) = &input.role_ids {
        let roles = grant::roles(&tx, ids, "roleIds").await?;
        let wanted = roles.iter().fold(PermissionSet::default(), |all, role| all.union(role.permissions));
        grantor.permissions(wanted, "roleIds")?;
    }
    if let Some(ids) = &input.branch_ids {
        grant::known_branches(&tx, ids, "branchIds").await?;
        grantor.branches(ids, "branchIds")?;
    }
    write(cx, &tx, &before, input).await?;
    let after =
        user::users(&tx, vec![input.id]).await?.pop().ok_or_else(|| Failure::fault("the user just changed is gone"))?;
    let sessions = match after.status {
        UserStatus::Active => session::open_of(&tx, after.id, cx.now()).await?,
        UserStatus::Invited => Vec::new(),
        UserStatus::Locked | UserStatus::Disabled => {
            account_link::withdraw(cx, &tx, after.id).await?;
            session::revoke_others(&tx, after.id, None, cx.now()).await?
        }
    };
    cx.commit(tx, changes(actor, &before, &after, &sessions)).await?;
    Ok(Done { user: after, sessions })
}

/// Refuses a step that is not an administrator's to take.
fn step(from: UserStatus, to: UserStatus) -> Result<(), Refusal> {
    if from == to || from.allowed().contains(&to) {
        return Ok(());
    }
    let allowed: Vec<String> = from.allowed().iter().map(|status| status.as_str().to_owned()).collect();
    let message = match (from, to) {
        (UserStatus::Invited, UserStatus::Active) => "the invited person becomes active by setting a password",
        (UserStatus::Disabled, _) => "a disabled user comes back by a new invitation to the same address",
        _ => "the user's state cannot be changed like this",
    };
    let detail = Detail::Transition { from: from.as_str().to_owned(), to: to.as_str().to_owned(), allowed };
    Err(Refusal { detail, ..Refusal::new(Code::InvalidTransition, message).at("status") })
}

async fn write(cx: &Cx, tx: &TenantTx, before: &User, input: &Input) -> Result<(), Failure> {
    let zone = match input.zone {
        Patch::Keep => before.zone,
        Patch::Clear => None,
        Patch::Set(zone) => Some(zone),
    };
    // The roles before the rest: a user who is both locked and no administrator any more is one loss, not two.
    if let Some(ids) = &input.role_ids {
        grant::set_roles(tx, before.id, ids, "roleIds").await?;
    }
    let written = tx
        .run(
            "UPDATE users SET name = $3, branch_ids = $4, status = $5, time_zone = $6, version = version + 1, updated_at = $7
             WHERE id = $1 AND version = $2",
            [
                before.id.into(),
                before.version.into(),
                input.name.clone().unwrap_or_else(|| before.name.clone()).into(),
                input.branch_ids.clone().unwrap_or_else(|| before.branch_ids.clone()).into(),
                input.status.unwrap_or(before.status).as_str().into(),
                zone.map(Tz::name).into(),
                cx.now().into(),
            ],
        )
        .await
        .map_err(|error| {
            let status = input.status.is_some_and(|status| status != before.status);
            grant::last_administrator(error, if status { "status" } else { "branchIds" })
        })?;
    if written == 1 { Ok(()) } else { Err(Failure::fault("a locked user changed its version")) }
}

fn changes(actor: &Actor, before: &User, after: &User, sessions: &[Uuid]) -> Changes {
    let role_ids = |user: &User| user.roles.iter().map(|role| role.id).collect::<Vec<_>>();
    let event = if role_ids(before) != role_ids(after) || before.branch_ids != after.branch_ids {
        Some("user.role_changed")
    } else if before.status != after.status {
        Some("user.status_changed")
    } else {
        None
    };
    let mut changes = Changes::one(
        actor,
        Change {
            event,
            before: Some(summary(before)),
            after: Some(summary(after)),
            ..Change::audited("updateUser", "User", after.id)
        },
    );
    if after.status != UserStatus::Active && !sessions.is_empty() {
        changes.push(Change {
            after: Some(facts!({ "endedSessions": sessions.len() })),
            ..Change::event("user.session_invalidated", "updateUser", "User", after.id)
        });
    }
    changes
}

/// What the audit trail keeps of a user: nothing personal.
pub(super) fn summary(user: &User) -> Facts {
    facts!({
        "version": user.version,
        "name": masked(&user.name),
        "status": user.status.as_str(),
        "roleIds": many(user.roles.iter().map(|role| role.id)),
        "branchIds": user.branch_ids.as_slice(),
        "timeZone": user.zone,
    })
}
