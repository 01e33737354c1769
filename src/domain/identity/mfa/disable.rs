//! Disables a second factor: one's own with a code, somebody else's (a lost telephone) as who administers users.

use uuid::Uuid;

use super::{complete::refused, enrol::person, factor};
use crate::{
    auth::{Actor, Permission, Scope, alarm},
    db::TenantTx,
    domain::{
        change::{Change, Changes},
        cx::Cx,
        facts::facts,
        identity::{
            grant::Grantor,
            user::{self, User, users},
        },
        refusal::{Failure, Refusal},
    },
};

/// Whose factor, and by what right.
#[derive(Clone)]
pub struct Disable {
    /// None: the caller's own.
    pub user: Option<Uuid>,
    /// Of the app, or a recovery code; for the caller's own factor.
    pub code: Option<String>,
}

/// Disables it. Recovery codes and waiting logins go with it; sessions go on, as far as the user's roles need no second
/// factor. Without a factor nothing is changed. Returns the user.
///
/// # Errors
/// FORBIDDEN, NOT_FOUND; REQUIRED, INVALID, TOKEN_USED, QUOTA_EXCEEDED at the code; faults of the database.
pub async fn run(cx: &Cx, actor: &Actor, input: Disable) -> Result<User, Failure> {
    let own = person(actor).ok().map(|(user, _)| user);
    match input.user {
        Some(user) if Some(user) != own => cx.retrying(|| others(cx, actor, user)).await,
        _ => {
            let (user, _) = person(actor)?;
            let code =
                input.code.ok_or_else(|| Refusal::required("code", "give a code of your app, or a recovery code"))?;
            cx.retrying(|| with_code(cx, actor, user, &code)).await
        }
    }
}

async fn with_code(cx: &Cx, actor: &Actor, user: Uuid, code: &str) -> Result<User, Failure> {
    let tx = cx.write(actor).await?;
    user::lock(&tx, user).await?;
    if let Some(proof) = factor::prove(cx, &tx, user, true, code).await?
        && let Some(refusal) = proof.refusal()
    {
        cx.commit(tx, Changes::one(actor, refused(proof, user))).await?;
        alarm::auth_failure("mfa", Some(actor.tenant.id), &actor.request_id);
        return Err(refusal.into());
    }
    remove(cx, tx, actor, user).await
}

async fn others(cx: &Cx, actor: &Actor, user: Uuid) -> Result<User, Failure> {
    actor.require(Permission::UserAdmin, Scope::Centre)?;
    let tx = cx.write(actor).await?;
    let grantor = Grantor::lock(cx, &tx, actor, Scope::Centre).await?;
    user::lock(&tx, user).await?;
    let found = users(&tx, vec![user]).await?.pop().ok_or_else(|| Refusal::not_found("userId"))?;
    // Else who resets passwords and factors could become anybody.
    grantor.permissions(found.permissions(), "userId")?;
    remove(cx, tx, actor, user).await
}

async fn remove(cx: &Cx, tx: TenantTx, actor: &Actor, user: Uuid) -> Result<User, Failure> {
    let removed =
        tx.run("DELETE FROM mfa_factors WHERE user_id = $1 AND confirmed_at IS NOT NULL", [user.into()]).await?;
    let mut changes = Changes::by(actor);
    if removed > 0 {
        tx.run("DELETE FROM mfa_challenges WHERE user_id = $1", [user.into()]).await?;
        tx.run("UPDATE sessions SET mfa_at = NULL WHERE user_id = $1 AND mfa_at IS NOT NULL", [user.into()]).await?;
        changes.push(Change {
            event: Some("user.mfa_disabled"),
            before: Some(facts!({ "mfaEnabled": true })),
            after: Some(facts!({ "mfaEnabled": false })),
            ..Change::audited("disableMfa", "User", user)
        });
    }
    let found = users(&tx, vec![user]).await?.pop().ok_or_else(|| Refusal::not_found("userId"))?;
    cx.commit(tx, changes).await?;
    Ok(found)
}
