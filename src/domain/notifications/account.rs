//! Mails about accounts: the invitation, and the link for a new password.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::{
    EmailKind, calendar_domain,
    put::{NewEmail, put as put_emails},
};
use crate::{
    db::TenantTx,
    domain::{
        centre::model::zone,
        cx::Cx,
        identity::account_link::{self, Purpose},
        refusal::Failure,
    },
};

/// Everything that a mail about an account says.
#[derive(Clone, Debug)]
pub struct AccountContent {
    /// Whose account.
    pub user: Uuid,
    /// The user's name.
    pub name: String,
    /// The name at login.
    pub email: String,
    /// Leads to the page where the password is set. Whoever reads it can set it: it goes into the mail and nowhere else.
    pub link: AccountLink,
    /// Until when the link holds.
    pub until: DateTime<Utc>,
    /// On whose clock that is told.
    pub zone: Tz,
    /// The centre's name.
    pub centre_name: String,
    /// BCP 47 tag of the centre's language.
    pub centre_locale: String,
    /// The centre's logo.
    pub centre_logo: Option<String>,
}

/// An address that must not be printed with what is around it.
#[derive(Clone)]
pub struct AccountLink(String);

impl AccountLink {
    /// The address, for the mail.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for AccountLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AccountLink")
    }
}

#[derive(FromQueryResult)]
struct Row {
    name: String,
    email: String,
    time_zone: String,
    expires_at: DateTime<Utc>,
    centre_name: String,
    centre_locale: String,
    centre_logo: Option<String>,
}

/// Writes a mail about a user's account, and its job. It is not sent once its link has expired.
///
/// # Errors
/// Faults of the database.
pub(in crate::domain) async fn put(
    cx: &Cx,
    tx: &TenantTx,
    kind: EmailKind,
    id: Uuid,
    user: Uuid,
    recipient: &str,
    expires_at: DateTime<Utc>,
) -> Result<(), Failure> {
    let domain = calendar_domain(cx, tx.tenant());
    put_emails(cx, tx, &[NewEmail::about_account(kind, id, user, recipient, cx.now(), expires_at, &domain)]).await
}

/// Takes the waiting mails about a user's account out.
///
/// # Errors
/// Faults of the database.
pub(in crate::domain) async fn cancel(cx: &Cx, tx: &TenantTx, user: Uuid) -> Result<(), Failure> {
    tx.run(
        "WITH dropped AS (
             UPDATE email_messages SET status = 'CANCELLED', updated_at = $2
             WHERE related_id = $1 AND kind IN ('INVITE', 'PASSWORD_RESET') AND status = 'SCHEDULED' RETURNING id
         )
         SELECT queue.cancel('mail.send', array_agg(id::text))::text FROM dropped",
        [user.into(), cx.now().into()],
    )
    .await?;
    Ok(())
}

/// What a mail of this purpose is to tell; none: its link is worth nothing any more.
pub(super) async fn content(
    cx: &Cx,
    tx: &TenantTx,
    purpose: Purpose,
    email: Uuid,
    user: Uuid,
) -> Result<Option<AccountContent>, Failure> {
    let word = account_link::word(cx, tx.tenant(), purpose, email);
    let row: Option<Row> = tx
        .find(
            "SELECT u.name, u.email, coalesce(u.time_zone, c.default_time_zone) AS time_zone, t.expires_at,
                 c.trade_name AS centre_name, c.locale AS centre_locale, c.logo_url AS centre_logo
             FROM capability_tokens t JOIN users u ON u.id = t.resource_id CROSS JOIN centre_profile c
             WHERE t.token_hash = $1 AND u.id = $2 AND u.status = $3 AND t.purpose = $4
                 AND t.revoked_at IS NULL AND t.uses < t.max_uses",
            [crate::auth::token_hash(&word).into(), user.into(), purpose.of().as_str().into(), purpose.as_str().into()],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(AccountContent {
        user,
        name: row.name,
        email: row.email,
        link: AccountLink(account_link::address(cx, tx.tenant(), purpose, email)),
        until: row.expires_at,
        zone: zone(&row.time_zone)?,
        centre_name: row.centre_name,
        centre_locale: row.centre_locale,
        centre_logo: row.centre_logo,
    }))
}
