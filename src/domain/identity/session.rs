//! Sessions: one login of one device, with a short access token and a refresh token that changes with every use.

use chrono::{DateTime, Duration, Utc};
use uuid::Uuid;

use crate::{
    auth::secret_token,
    db::Tenant,
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

/// A word that starts with the tenant's number, so that it can be looked up in the right schema.
pub(super) fn routed_token(prefix: &str, tenant_key: i32) -> String {
    format!("{prefix}{tenant_key}.{}", secret_token())
}

/// The tenant's number in a routed word.
pub(crate) fn route(prefix: &str, token: &str) -> Option<i32> {
    if token.len() > 200 {
        return None;
    }
    token.strip_prefix(prefix)?.split_once('.')?.0.parse().ok()
}

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
        refresh: routed_token("rt", tenant.key),
        refresh_expires_at: now + REFRESH_TTL,
    })
}
