//! The links of mails by which somebody sets the password of an account: single use, for a while, one outstanding at a
//! time.
//!
//! The word in a link is derived from the mail that carries it, so that a copy of the mail carries the same one. It is
//! nowhere stored: the database has its hash, the queue the mail's id.

use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::{session, user::UserStatus};
use crate::{
    auth::{Actor, ActorKind, PermissionSet, alarm, token_hash},
    db::{Tenant, TenantStatus, TenantTx},
    domain::{
        cx::Cx,
        notifications::{EmailKind, account},
        refusal::{Code, Failure, Refusal},
    },
};

/// Prefix of these words; then the tenant's number, a dot, the secret. Not that of capability tokens: nothing that
/// issues or redeems those can ever make or use up the key to an account.
const PREFIX: &str = "ul";

/// What a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Somebody who was invited sets a first password.
    Invite,
    /// A user sets a new password.
    PasswordReset,
}

impl Purpose {
    /// The word in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invite => "INVITE",
            Self::PasswordReset => "PASSWORD_RESET",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Self::Invite, Self::PasswordReset].into_iter().find(|purpose| purpose.as_str() == word)
    }

    /// How long the link holds.
    #[must_use]
    pub fn ttl(self) -> Duration {
        match self {
            Self::Invite => Duration::days(7),
            Self::PasswordReset => Duration::hours(1),
        }
    }

    /// The state of the users that it is for.
    #[must_use]
    pub fn of(self) -> UserStatus {
        match self {
            Self::Invite => UserStatus::Invited,
            Self::PasswordReset => UserStatus::Active,
        }
    }

    /// The mail that carries it.
    #[must_use]
    pub fn email(self) -> EmailKind {
        match self {
            Self::Invite => EmailKind::Invite,
            Self::PasswordReset => EmailKind::PasswordReset,
        }
    }
}

/// Whether a link can do its work now, and why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It can.
    Open,
    /// It has done it.
    Used,
    /// Its time is over.
    Expired,
    /// A newer one has taken its place, or the account has changed since.
    Withdrawn,
    /// Nothing can be changed in the centre at the moment.
    Maintenance,
}

/// A link as it stands.
#[derive(Clone, Debug)]
pub struct Link {
    /// The centre.
    pub tenant: Arc<Tenant>,
    /// What it is for.
    pub purpose: Purpose,
    /// Whether it can be done.
    pub standing: Standing,
    /// Whose password.
    pub user: Uuid,
    /// The user's name.
    pub name: String,
    /// The name at login.
    pub email: String,
    /// The centre's name.
    pub centre: String,
    /// BCP 47 tag of the centre's language.
    pub locale: String,
}

#[derive(FromQueryResult)]
struct Row {
    purpose: String,
    user_id: Uuid,
    name: String,
    email: String,
    status: String,
    used_up: bool,
    revoked: bool,
    expires_at: DateTime<Utc>,
    centre: String,
    locale: String,
}

/// The word in the link of one mail.
#[must_use]
pub fn word(cx: &Cx, tenant: &Tenant, purpose: Purpose, email: Uuid) -> String {
    let body = format!("{}\n{}\n{email}", purpose.as_str(), tenant.id.0);
    format!("{PREFIX}{}.{}", tenant.key, cx.seal.secret_word(body.as_bytes()))
}

/// Where the link of one mail leads.
#[must_use]
pub fn address(cx: &Cx, tenant: &Tenant, purpose: Purpose, email: Uuid) -> String {
    format!("{}/{}", cx.account_url, word(cx, tenant, purpose, email))
}

/// Looks at a link without using it up. None: there is no such link, or the centre is closed.
///
/// # Errors
/// Faults of the database.
pub async fn look(cx: &Cx, token: &str, request_id: &str) -> Result<Option<Link>, Failure> {
    let tenant = match session::route(PREFIX, token) {
        Some(key) => cx.db.find_tenant_by_key(key).await?,
        None => None,
    };
    let found = match &tenant {
        Some(tenant) => find(cx, tenant, token, request_id).await?,
        None => None,
    };
    if found.is_none() {
        alarm::capability_refused("invalid", tenant.map(|tenant| tenant.id));
    }
    Ok(found)
}

async fn find(cx: &Cx, tenant: &Arc<Tenant>, token: &str, request_id: &str) -> Result<Option<Link>, Failure> {
    let tx = match cx.read(&nobody(tenant, request_id)).await {
        Err(Failure::Refused(_)) => return Ok(None),
        begun => begun?,
    };
    let row: Option<Row> = tx
        .find(
            "SELECT t.purpose, u.id AS user_id, u.name, u.email, u.status, t.uses >= t.max_uses AS used_up,
                 t.revoked_at IS NOT NULL AS revoked, t.expires_at, c.trade_name AS centre, c.locale
             FROM capability_tokens t JOIN users u ON u.id = t.resource_id CROSS JOIN centre_profile c
             WHERE t.token_hash = $1",
            [token_hash(token).into()],
        )
        .await?;
    tx.commit().await?;
    let Some(row) = row else { return Ok(None) };
    let Some(purpose) = Purpose::parse(&row.purpose) else { return Ok(None) };
    let mut standing = row.standing(purpose, cx.now())?;
    if standing == Standing::Open && tenant.status == TenantStatus::Maintenance {
        standing = Standing::Maintenance;
    }
    Ok(Some(Link {
        tenant: Arc::clone(tenant),
        purpose,
        standing,
        user: row.user_id,
        name: row.name,
        email: row.email,
        centre: row.centre,
        locale: row.locale,
    }))
}

impl Row {
    fn standing(&self, purpose: Purpose, now: DateTime<Utc>) -> Result<Standing, Failure> {
        Ok(if self.used_up {
            Standing::Used
        } else if self.revoked || UserStatus::parse(&self.status)? != purpose.of() {
            Standing::Withdrawn
        } else if self.expires_at <= now {
            Standing::Expired
        } else {
            Standing::Open
        })
    }
}

/// Nobody yet: whoever holds a link may do nothing besides what it is for.
fn nobody(tenant: &Arc<Tenant>, request_id: &str) -> Actor {
    Actor { permissions: PermissionSet::default(), ..Actor::system(Arc::clone(tenant), "account link", request_id) }
}

impl Link {
    /// The user, as whom the link's work is done; may do nothing besides.
    pub(super) fn holder(&self, request_id: &str) -> Actor {
        Actor { kind: ActorKind::User, id: Some(self.user), ..nobody(&self.tenant, request_id) }
    }

    /// Refuses unless it can do its work.
    pub(super) fn require_open(&self) -> Result<(), Refusal> {
        match self.standing {
            // Maintenance is refused by the transaction, with its reason.
            Standing::Open | Standing::Maintenance => Ok(()),
            Standing::Used => Err(used(&self.tenant)),
            Standing::Expired => {
                let refusal = Refusal::new(Code::Expired, "this link has expired; ask for a new one");
                Err(refuse("expired", &self.tenant, refusal))
            }
            Standing::Withdrawn => Err(invalid(&self.tenant)),
        }
    }
}

/// The same for a link that never was, one for something else and one that a newer one has replaced.
pub(super) fn invalid(tenant: &Tenant) -> Refusal {
    refuse("invalid", tenant, unknown())
}

/// There is no such link, which [`look`] has counted.
pub(super) fn unknown() -> Refusal {
    let message = "this link is not valid, or a newer mail has replaced it; ask for a new one";
    Refusal::new(Code::TokenInvalid, message).at("token")
}

fn used(tenant: &Tenant) -> Refusal {
    refuse("used", tenant, Refusal::new(Code::TokenUsed, "this link has been used; ask for a new one"))
}

fn refuse(reason: &'static str, tenant: &Tenant, refusal: Refusal) -> Refusal {
    alarm::capability_refused(reason, Some(tenant.id));
    refusal.at("token")
}

/// Uses the link up. The caller has locked the user, so that of two who come at once one finds it used.
///
/// # Errors
/// TOKEN_USED when it is; faults of the database.
pub(super) async fn take(tx: &TenantTx, token: &str, now: DateTime<Utc>) -> Result<(), Failure> {
    let taken = tx
        .run(
            "UPDATE capability_tokens SET uses = uses + 1
             WHERE token_hash = $1 AND revoked_at IS NULL AND uses < max_uses AND expires_at > $2",
            [token_hash(token).into(), now.into()],
        )
        .await?;
    if taken == 1 {
        return Ok(());
    }
    Err(used(tx.tenant()).into())
}

/// Writes a link for a user, and the mail that carries it. Links that are outstanding lose their worth. The same mail
/// twice is one link.
///
/// # Errors
/// Faults of the database.
pub(in crate::domain) async fn issue(
    cx: &Cx,
    tx: &TenantTx,
    purpose: Purpose,
    email: Uuid,
    user: Uuid,
    recipient: &str,
) -> Result<(), Failure> {
    let (now, expires_at) = (cx.now(), cx.now() + purpose.ttl());
    let hash = token_hash(&word(cx, tx.tenant(), purpose, email));
    let known: Option<i32> =
        tx.scalar("SELECT 1 FROM capability_tokens WHERE token_hash = $1", [hash.clone().into()]).await?;
    if known.is_some() {
        return Ok(());
    }
    withdraw(cx, tx, user).await?;
    tx.run(
        "INSERT INTO capability_tokens (id, token_hash, purpose, resource_id, expires_at, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
        [cx.new_id().into(), hash.into(), purpose.as_str().into(), user.into(), expires_at.into(), now.into()],
    )
    .await?;
    account::put(cx, tx, purpose.email(), email, user, recipient, expires_at).await
}

/// Takes the worth from a user's outstanding links, and their waiting mails out.
///
/// # Errors
/// Faults of the database.
pub(super) async fn withdraw(cx: &Cx, tx: &TenantTx, user: Uuid) -> Result<(), Failure> {
    tx.run(
        "UPDATE capability_tokens SET revoked_at = $2
         WHERE resource_id = $1 AND purpose IN ('INVITE', 'PASSWORD_RESET') AND revoked_at IS NULL AND uses < max_uses",
        [user.into(), cx.now().into()],
    )
    .await?;
    account::cancel(cx, tx, user).await
}
