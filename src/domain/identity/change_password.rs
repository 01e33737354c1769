//! A new password by who knows the old one. Whoever else is logged in with the old one is not any more.

use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::{
    password_policy::{self, Owner},
    session,
    sessions::own_user,
};
use crate::{
    auth::{Actor, alarm, password},
    domain::{
        change::{Change, Changes},
        cx::Cx,
        facts::{facts, masked},
        refusal::{Code, Failure, Refusal},
    },
};

/// Longer words are not worth hashing.
const MAX_PASSWORD: usize = 1_000;

/// Changes the caller's password and ends the caller's other sessions. Returns how many were ended.
///
/// # Errors
/// When a program asks, the old password is wrong, or the new one is weak or the same; faults of the database.
pub async fn run(cx: &Cx, actor: &Actor, current: String, next: String) -> Result<usize, Failure> {
    let (Some(user), Some(kept)) = (own_user(actor), actor.session) else {
        return Err(Refusal::new(Code::Forbidden, "only a user who is logged in has a password").into());
    };
    if current.len() > MAX_PASSWORD {
        return Err(wrong(actor));
    }
    if current == next {
        return Err(Refusal::invalid("next", "this is the password you have; choose another one").into());
    }
    let tx = cx.read(actor).await?;
    let own: Option<Own> = tx.find(OWN, [user.into()]).await?;
    tx.commit().await?;
    let own = own.ok_or_else(|| wrong(actor))?;
    // Outside any transaction: hashing takes tens of milliseconds.
    if !password::verify(current, own.password_hash.clone()).await {
        return Err(wrong(actor));
    }
    let owner = Owner { name: own.name, email: own.email, centre: format!("{} {}", own.trade_name, actor.tenant.slug) };
    password_policy::check(&next, owner, &own.locale, "next").await?;
    let old = own.password_hash;
    let new = password::hash(next).await.map_err(|failure| Failure::fault(failure.to_string()))?;
    persist(cx, actor, user, kept, old, new).await
}

const OWN: &str = "SELECT u.password_hash, u.name, u.email, c.trade_name, c.locale
    FROM users u CROSS JOIN centre_profile c WHERE u.id = $1 AND u.status = 'ACTIVE'";

/// The password and what it must not be made of.
#[derive(FromQueryResult)]
struct Own {
    password_hash: Option<String>,
    name: String,
    email: String,
    trade_name: String,
    locale: String,
}

async fn persist(
    cx: &Cx,
    actor: &Actor,
    user: Uuid,
    kept: Uuid,
    old: Option<String>,
    new: String,
) -> Result<usize, Failure> {
    let tx = cx.write(actor).await?;
    let now = cx.now();
    // Somebody who changed it meanwhile knew the old one too; only one of them may win.
    let changed = tx
        .run(
            "UPDATE users SET password_hash = $3, version = version + 1, updated_at = $4
             WHERE id = $1 AND password_hash = $2 AND status = 'ACTIVE'",
            [user.into(), old.into(), new.into(), now.into()],
        )
        .await?;
    if changed == 0 {
        return Err(wrong(actor));
    }
    let ended = session::end_others(&tx, user, Some(kept), "changePassword", now).await?;
    let count = ended.len();
    let mut changes = Changes::one(
        actor,
        Change {
            after: Some(facts!({ "password": masked("changed") })),
            ..Change::event("user.password_changed", "changePassword", "User", user)
        },
    );
    ended.into_iter().for_each(|change| changes.push(change));
    cx.commit(tx, changes).await?;
    Ok(count)
}

fn wrong(actor: &Actor) -> Failure {
    alarm::auth_failure("password", Some(actor.tenant.id), &actor.request_id);
    Refusal::invalid("current", "this is not your password").into()
}
