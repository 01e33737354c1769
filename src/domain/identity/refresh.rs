//! Refresh: a new pair of tokens for the old refresh token, which is then worth nothing.

use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::session::{self, Place, Tokens};
use crate::{
    auth::{Actor, ActorKind, alarm, secret_token, token_hash, word},
    db::{Access, Tenant, TenantStatus},
    domain::{
        change::{Change, Changes},
        cx::Cx,
        facts::facts,
        refusal::{Code, Failure, Refusal},
    },
};

#[derive(FromQueryResult)]
struct SessionRow {
    id: Uuid,
    user_id: Uuid,
    current: bool,
}

/// Exchanges a refresh token. One that was exchanged before, however long ago, is either stolen or lost in transit;
/// nobody can tell, so the whole session ends.
///
/// # Errors
/// [`Code::TokenInvalid`], [`Code::TokenUsed`]; faults of the database.
pub async fn run(cx: &Cx, refresh_token: &str, place: &Place, request_id: &str) -> Result<Tokens, Failure> {
    let invalid = |tenant| {
        alarm::auth_failure("refresh", tenant, request_id);
        Failure::from(Refusal::new(Code::TokenInvalid, "the session is over; log in again").at("refreshToken"))
    };
    let key = session::route(word::REFRESH, refresh_token).ok_or_else(|| invalid(None))?;
    let tenant = cx.db.find_tenant_by_key(key).await?.ok_or_else(|| invalid(None))?;
    if !matches!(tenant.status, TenantStatus::Active | TenantStatus::Maintenance) {
        return Err(invalid(Some(tenant.id)));
    }
    let tx = cx.db.begin(&tenant, Access::Write).await?;
    let (hash, family) = (token_hash(refresh_token), session::family(refresh_token));
    let row: Option<SessionRow> = tx
        .find(
            "SELECT s.id, s.user_id, s.refresh_hash = $1 AS current FROM sessions s JOIN users u ON u.id = s.user_id
             WHERE (s.refresh_hash = $1 OR s.previous_refresh_hash = $1 OR s.family_hash = $3) AND s.revoked_at IS NULL AND s.expires_at > $2
                 AND u.status = 'ACTIVE' FOR UPDATE OF s",
            [hash.into(), cx.now().into(), family.map(token_hash).into()],
        )
        .await?;
    let row = row.ok_or_else(|| invalid(Some(tenant.id)))?;
    let actor = Actor { ip: place.address, ..actor(&tenant, row.user_id, row.id, request_id) };
    if !row.current {
        tx.run("UPDATE sessions SET revoked_at = $2 WHERE id = $1", [row.id.into(), cx.now().into()]).await?;
        cx.commit(tx, Changes::one(&actor, session::ended_by("refreshReuse", row.id, cx.now()))).await?;
        metrics::counter!("horae_refresh_reuse_total").increment(1);
        alarm::auth_failure("refresh_reuse", Some(tenant.id), request_id);
        return Err(Refusal::new(
            Code::TokenUsed,
            "this refresh token was used before, so the session was ended; log in again",
        )
        .at("refreshToken")
        .into());
    }
    let family = family.map_or_else(secret_token, str::to_owned);
    let tokens = session::tokens(cx, &tenant, row.user_id, row.id, &family)?;
    tx.run(
        "UPDATE sessions SET previous_refresh_hash = refresh_hash, refresh_hash = $2, family_hash = $3, refreshed_at = $4, expires_at = $5,
             ip = coalesce($6, ip)
         WHERE id = $1",
        [
            row.id.into(),
            token_hash(&tokens.refresh).into(),
            token_hash(&family).into(),
            cx.now().into(),
            tokens.refresh_expires_at.into(),
            place.ip().into(),
        ],
    )
    .await?;
    let change = Change {
        after: Some(facts!({ "expiresAt": tokens.refresh_expires_at })),
        ..Change::audited("refreshSession", "Session", row.id)
    };
    cx.commit(tx, Changes::one(&actor, change)).await?;
    Ok(tokens)
}

fn actor(tenant: &std::sync::Arc<Tenant>, user: Uuid, session: Uuid, request_id: &str) -> Actor {
    Actor {
        id: Some(user),
        session: Some(session),
        kind: ActorKind::User,
        ..Actor::system(std::sync::Arc::clone(tenant), "refresh", request_id)
    }
}
