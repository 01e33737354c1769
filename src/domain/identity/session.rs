//! Sessions: one login of one device, with a short access token and a refresh token that changes with every use.

use chrono::{DateTime, Duration, Utc};
use uuid::Uuid;

use crate::{
    auth::{token_hash, word},
    db::{Tenant, TenantTx},
    domain::{cx::Cx, refusal::Failure},
};

/// How long an access token holds. Rights are read from the database, so it may be longer than they last.
pub const ACCESS_TTL: Duration = Duration::minutes(10);
/// How long a session lives without being refreshed.
pub const REFRESH_TTL: Duration = Duration::days(30);

/// What a client gets at login and at refresh.
#[derive(Clone)]
pub struct Tokens {
    /// JWT for `Authorization: Bearer`.
    pub access: String,
    /// Until when.
    pub access_expires_at: DateTime<Utc>,
    /// Good for one refresh.
    pub refresh: String,
    /// Until when.
    pub refresh_expires_at: DateTime<Utc>,
}

pub(super) use word::route;

/// Fresh tokens for a session. The refresh token's hash is the caller's to store.
pub(super) fn tokens(cx: &Cx, tenant: &Tenant, user: Uuid, session: Uuid) -> Result<Tokens, Failure> {
    let now = cx.now();
    let access_expires_at = now + ACCESS_TTL;
    let access = cx
        .tokens
        .issue(tenant.id.0, user, session, now, access_expires_at)
        .map_err(|error| Failure::fault(format!("an access token could not be signed: {error}")))?;
    Ok(Tokens {
        access,
        access_expires_at,
        refresh: word::routed(word::REFRESH, tenant.key),
        refresh_expires_at: now + REFRESH_TTL,
    })
}

/// Opens a session of a user who has proved who they are, with a second factor or without.
pub(super) async fn open(
    cx: &Cx,
    tx: &TenantTx,
    user: Uuid,
    device: Option<&str>,
    second_factor: bool,
) -> Result<Tokens, Failure> {
    let now = cx.now();
    let session = cx.new_id();
    let tokens = tokens(cx, tx.tenant(), user, session)?;
    tx.run(
        "INSERT INTO sessions (id, user_id, refresh_hash, device, created_at, refreshed_at, expires_at, mfa_at)
         VALUES ($1, $2, $3, $4, $5, $5, $6, $7)",
        [
            session.into(),
            user.into(),
            token_hash(&tokens.refresh).into(),
            device.map(|device| device.chars().take(200).collect::<String>()).into(),
            now.into(),
            tokens.refresh_expires_at.into(),
            second_factor.then_some(now).into(),
        ],
    )
    .await?;
    tx.run("UPDATE users SET last_login_at = $2 WHERE id = $1", [user.into(), now.into()]).await?;
    Ok(tokens)
}
