//! Refresh: a new pair of tokens for the old refresh token, which is then worth nothing.

use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::session::{self, Tokens};
use crate::{
    auth::{Actor, ActorKind, token_hash, word},
    db::{Access, Tenant, TenantStatus},
    domain::{
        change::{Change, Changes},
        cx::Cx,
        refusal::{Code, Failure, Refusal},
    },
};

#[derive(FromQueryResult)]
struct SessionRow {
    id: Uuid,
    user_id: Uuid,
    current: bool,
}

/// Exchanges a refresh token. One that was exchanged before is either stolen or lost in transit; nobody can tell, so
/// the whole session ends.
///
/// # Errors
/// [`Code::TokenInvalid`], [`Code::TokenUsed`]; faults of the database.
pub async fn run(cx: &Cx, refresh_token: &str, request_id: &str) -> Result<Tokens, Failure> {
    let invalid =
        || Failure::from(Refusal::new(Code::TokenInvalid, "the session is over; log in again").at("refreshToken"));
    let key = session::route(word::REFRESH, refresh_token).ok_or_else(invalid)?;
    let tenant = cx.db.find_tenant_by_key(key).await?.ok_or_else(invalid)?;
    if !matches!(tenant.status, TenantStatus::Active | TenantStatus::Maintenance) {
        return Err(invalid());
    }
    let tx = cx.db.begin(&tenant, Access::Write).await?;
    let hash = token_hash(refresh_token);
    let row: Option<SessionRow> = tx
        .find(
            "SELECT s.id, s.user_id, s.refresh_hash = $1 AS current FROM sessions s JOIN users u ON u.id = s.user_id
             WHERE (s.refresh_hash = $1 OR s.previous_refresh_hash = $1) AND s.revoked_at IS NULL AND s.expires_at > $2
                 AND u.status = 'ACTIVE' FOR UPDATE OF s",
            [hash.clone().into(), cx.now().into()],
        )
        .await?;
    let row = row.ok_or_else(invalid)?;
    let actor = actor(&tenant, row.user_id, row.id, request_id);
    if !row.current {
        tx.run("UPDATE sessions SET revoked_at = $2 WHERE id = $1", [row.id.into(), cx.now().into()]).await?;
        let change =
            Change { event: Some("user.session_invalidated"), ..Change::audited("refreshReuse", "Session", row.id) };
        cx.commit(tx, Changes::one(&actor, change)).await?;
        metrics::counter!("horae_refresh_reuse_total").increment(1);
        return Err(Refusal::new(
            Code::TokenUsed,
            "this refresh token was used before, so the session was ended; log in again",
        )
        .at("refreshToken")
        .into());
    }
    let tokens = session::tokens(cx, &tenant, row.user_id, row.id)?;
    tx.run(
        "UPDATE sessions SET previous_refresh_hash = refresh_hash, refresh_hash = $2, refreshed_at = $3, expires_at = $4 WHERE id = $1",
        [row.id.into(), token_hash(&tokens.refresh).into(), cx.now().into(), tokens.refresh_expires_at.into()],
    )
    .await?;
    cx.commit(tx, Changes::one(&actor, Change::audited("refreshSession", "Session", row.id))).await?;
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
