//! Sessions: one login of one device, with a short access token and a refresh token that changes with every use.

use std::net::IpAddr;

use chrono::{DateTime, Duration, Utc};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use crate::{
    auth::{secret_token, token_hash, word},
    db::{Tenant, TenantTx},
    domain::{change::Change, cx::Cx, facts::facts, refusal::Failure},
};

/// How long an access token holds. Rights are read from the database, so it may be longer than they last.
pub const ACCESS_TTL: Duration = Duration::minutes(10);
/// How long a session lives without being refreshed.
pub const REFRESH_TTL: Duration = Duration::days(30);

/// Longest name of a device that is kept.
const MAX_DEVICE: usize = 200;

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

/// One login of one device, as its user sees it.
#[derive(FromQueryResult, Clone, Debug)]
pub struct Session {
    /// Which.
    pub id: Uuid,
    /// Whose.
    pub user_id: Uuid,
    /// What the device calls itself.
    pub device: Option<String>,
    /// Where it was opened, or last refreshed.
    pub ip: Option<String>,
    /// When it was opened.
    pub created_at: DateTime<Utc>,
    /// Until when it lives without a refresh.
    pub expires_at: DateTime<Utc>,
    /// When it was ended.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// Where a session is opened.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// What the device calls itself.
    pub device: Option<String>,
    /// The caller's address.
    pub address: Option<IpAddr>,
}

impl Place {
    pub(super) fn ip(&self) -> Option<String> {
        self.address.map(|address| address.to_string())
    }
}

pub(crate) use word::route;

/// The word that all refresh tokens of one session share; none in a token from before there were such words.
pub(super) fn family(refresh_token: &str) -> Option<&str> {
    let (_route, rest) = refresh_token.split_once('.')?;
    rest.split_once('.').map(|(family, _secret)| family)
}

/// Opens a session of a user of the transaction's tenant who has proved who they are, with a second factor or without.
/// Every way of logging in ends here, with the user locked: what was proved still holds.
pub(super) async fn open(
    cx: &Cx,
    tx: &TenantTx,
    user: Uuid,
    place: &Place,
    second_factor: bool,
) -> Result<Tokens, Failure> {
    let session = cx.new_id();
    let family = secret_token();
    let tokens = tokens(cx, tx.tenant(), user, session, &family)?;
    tx.run(
        "INSERT INTO sessions (id, user_id, refresh_hash, family_hash, device, ip, created_at, refreshed_at, expires_at, mfa_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8, $9)",
        [
            session.into(),
            user.into(),
            token_hash(&tokens.refresh).into(),
            token_hash(&family).into(),
            place.device.as_ref().map(|device| device.chars().take(MAX_DEVICE).collect::<String>()).into(),
            place.ip().into(),
            cx.now().into(),
            tokens.refresh_expires_at.into(),
            second_factor.then(|| cx.now()).into(),
        ],
    )
    .await?;
    tx.run("UPDATE users SET last_login_at = $2 WHERE id = $1", [user.into(), cx.now().into()]).await?;
    Ok(tokens)
}

/// Fresh tokens for a session. The refresh token's hash is the caller's to store.
pub(super) fn tokens(cx: &Cx, tenant: &Tenant, user: Uuid, session: Uuid, family: &str) -> Result<Tokens, Failure> {
    let now = cx.now();
    let access_expires_at = now + ACCESS_TTL;
    let access = cx
        .tokens
        .issue(tenant.id.0, user, session, now, access_expires_at)
        .map_err(|error| Failure::fault(format!("an access token could not be signed: {error}")))?;
    Ok(Tokens {
        access,
        access_expires_at,
        refresh: format!("{}{}.{family}.{}", word::REFRESH, tenant.key, secret_token()),
        refresh_expires_at: now + REFRESH_TTL,
    })
}

/// The same as [`revoke_others`], for whatever makes the others untrustworthy. Returns what was ended, as changes of
/// the transaction.
///
/// # Errors
/// Faults of the database.
pub async fn end_others(
    tx: &TenantTx,
    user: Uuid,
    kept: Option<Uuid>,
    action: &'static str,
    now: DateTime<Utc>,
) -> Result<Vec<Change>, Failure> {
    let ended = revoke_others(tx, user, kept, now).await?;
    Ok(ended.into_iter().map(|session| ended_by(action, session, now)).collect())
}

/// Ends every session of a user but `kept`, and every challenge: whoever stole the token of the kept session may have
/// begun to enrol with it. The caller has locked the user, so that no login is on its way. Returns which sessions, for
/// who tells of them as one change of the user.
///
/// # Errors
/// Faults of the database.
pub(super) async fn revoke_others(
    tx: &TenantTx,
    user: Uuid,
    kept: Option<Uuid>,
    now: DateTime<Utc>,
) -> Result<Vec<Uuid>, Failure> {
    tx.run("DELETE FROM mfa_challenges WHERE user_id = $1 AND used_at IS NULL", [user.into()]).await?;
    let ended = tx
        .scalars(
            "UPDATE sessions SET revoked_at = $3 WHERE user_id = $1 AND id IS DISTINCT FROM $2 AND revoked_at IS NULL AND expires_at > $3
             RETURNING id",
            [user.into(), kept.into(), now.into()],
        )
        .await?;
    Ok(ended)
}

/// The sessions that a user has open.
///
/// # Errors
/// Faults of the database.
pub(super) async fn open_of(tx: &TenantTx, user: Uuid, now: DateTime<Utc>) -> Result<Vec<Uuid>, Failure> {
    let open = tx
        .scalars(
            "SELECT id FROM sessions WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2",
            [user.into(), now.into()],
        )
        .await?;
    Ok(open)
}

/// The change that the end of a session is.
pub(super) fn ended_by(action: &'static str, session: Uuid, now: DateTime<Utc>) -> Change {
    Change {
        after: Some(facts!({ "revokedAt": now })),
        ..Change::event("user.session_invalidated", action, "Session", session)
    }
}
