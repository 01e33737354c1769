//! What accepting an invitation and setting a new password have in common: a link, a good password, and a user who is
//! locked while the link is used up.

use uuid::Uuid;

use super::{
    account_link::{self, Link, Purpose},
    password_policy::{self, Owner},
    session,
    user::UserStatus,
};
use crate::{
    auth::password,
    db::{TenantId, TenantTx},
    domain::{
        change::{Change, Changes},
        cx::Cx,
        facts::{facts, masked},
        refusal::{Failure, Refusal},
    },
};

/// A password that was set.
#[derive(Clone, Debug)]
pub struct Done {
    /// Whose centre.
    pub tenant: TenantId,
    /// The sessions that ended with it.
    pub sessions: Vec<Uuid>,
}

/// A link that works and the hash of a good password.
pub(super) struct Prepared {
    pub(super) link: Link,
    hash: String,
}

/// Looks at the link, judges the password and hashes it, in this order: who holds no link costs us nothing.
///
/// # Errors
/// TOKEN_INVALID, TOKEN_USED, EXPIRED; INVALID at `field`; faults.
pub(super) async fn prepare(
    cx: &Cx,
    token: &str,
    purpose: Purpose,
    word: String,
    field: &'static str,
    request_id: &str,
) -> Result<Prepared, Failure> {
    let link = account_link::look(cx, token, request_id).await?.ok_or_else(account_link::unknown)?;
    if link.purpose != purpose {
        return Err(account_link::invalid(&link.tenant).into());
    }
    link.require_open()?;
    let owner = Owner {
        name: link.name.clone(),
        email: link.email.clone(),
        centre: format!("{} {}", link.centre, link.tenant.slug),
    };
    password_policy::check(&word, owner, &link.locale, field).await?;
    // Outside any transaction: hashing takes tens of milliseconds.
    let hash = password::hash(word).await.map_err(|error| Failure::fault(error.to_string()))?;
    Ok(Prepared { link, hash })
}

/// Uses the link up, sets the password, ends what was open, and commits. `name` takes the place of the user's.
///
/// # Errors
/// TOKEN_INVALID, TOKEN_USED, TENANT_IN_MAINTENANCE; faults.
pub(super) async fn finish(
    cx: &Cx,
    token: &str,
    prepared: &Prepared,
    name: Option<&str>,
    request_id: &str,
) -> Result<Done, Failure> {
    let (link, now) = (&prepared.link, cx.now());
    let actor = link.holder(request_id);
    let tx = cx.write(&actor).await?;
    // The user first, as everywhere: whoever changes the account meanwhile is waited for.
    let status: Option<String> =
        tx.scalar("SELECT status FROM users WHERE id = $1 FOR UPDATE", [link.user.into()]).await?;
    let status = UserStatus::parse(&status.ok_or_else(|| account_link::invalid(&link.tenant))?)?;
    account_link::take(&tx, token, now).await?;
    if status != link.purpose.of() {
        return Err(account_link::invalid(&link.tenant).into());
    }
    account_link::withdraw(cx, &tx, link.user).await?;
    write(cx, &tx, prepared, name).await?;
    let ended = session::revoke_others(&tx, link.user, None, now).await?;
    let (event, action) = match link.purpose {
        Purpose::Invite => ("user.registered", "acceptInvite"),
        Purpose::PasswordReset => ("user.password_changed", "resetPassword"),
    };
    let mut changes = Changes::one(
        &actor,
        Change {
            before: Some(facts!({ "status": status.as_str() })),
            after: Some(facts!({
                "status": UserStatus::Active.as_str(),
                "password": masked("set"),
                "endedSessions": ended.len(),
            })),
            ..Change::event(event, action, "User", link.user)
        },
    );
    if !ended.is_empty() {
        changes.push(Change {
            after: Some(facts!({ "endedSessions": ended.len() })),
            ..Change::event("user.session_invalidated", action, "User", link.user)
        });
    }
    cx.commit(tx, changes).await?;
    metrics::counter!("horae_passwords_set_total", "purpose" => link.purpose.as_str()).increment(1);
    Ok(Done { tenant: link.tenant.id, sessions: ended })
}

async fn write(cx: &Cx, tx: &TenantTx, prepared: &Prepared, name: Option<&str>) -> Result<(), Failure> {
    let written = tx
        .run(
            "UPDATE users SET password_hash = $2, name = coalesce($3, name), status = 'ACTIVE', version = version + 1, updated_at = $4
             WHERE id = $1",
            [prepared.link.user.into(), prepared.hash.clone().into(), name.into(), cx.now().into()],
        )
        .await?;
    if written == 1 { Ok(()) } else { Err(Refusal::not_found("token").into()) }
}
