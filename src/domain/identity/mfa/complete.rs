//! Answers a challenge with a code: opens the session, and confirms the factor if it was just enrolled.

use std::sync::Arc;

use serde_json::json;
use uuid::Uuid;

use super::{
    challenge::{self, Tried, unknown},
    factor::{self, Proof},
};
use crate::{
    auth::{Actor, ActorKind, word},
    db::{Access, Tenant, TenantStatus, TenantTx},
    domain::{
        change::{Change, Changes},
        cx::Cx,
        identity::session::{self, Tokens},
        refusal::Failure,
    },
};

/// A code, and what it answers.
#[derive(Clone)]
pub struct Complete {
    /// From the login or the enrolment.
    pub challenge: String,
    /// Of the app, or a recovery code.
    pub code: String,
    /// What the device calls itself.
    pub device: Option<String>,
    /// The request.
    pub request_id: String,
}

/// Opens the session. A wrong code takes one of the challenge's tries and is written to the audit trail.
///
/// # Errors
/// TOKEN_INVALID, TOKEN_USED, EXPIRED at the challenge; INVALID, TOKEN_USED, QUOTA_EXCEEDED at the code; faults.
pub async fn run(cx: &Cx, input: Complete) -> Result<Tokens, Failure> {
    let tenant = match word::route(word::CHALLENGE, &input.challenge) {
        Some(key) => cx.db.find_tenant_by_key(key).await?,
        None => None,
    };
    let tenant = tenant
        .filter(|tenant| matches!(tenant.status, TenantStatus::Active | TenantStatus::Maintenance))
        .ok_or_else(unknown)?;
    cx.retrying(|| attempt(cx, &tenant, &input)).await
}

async fn attempt(cx: &Cx, tenant: &Arc<Tenant>, input: &Complete) -> Result<Tokens, Failure> {
    // A login is possible in maintenance too: it changes nothing of the centre's own.
    let tx = cx.db.begin(tenant, Access::Write).await?;
    let tried = challenge::attempt(&tx, &input.challenge, cx.now()).await?;
    let user = tried.user_id;
    let actor = Actor {
        id: Some(user),
        kind: ActorKind::User,
        ..Actor::system(Arc::clone(tenant), "login", &input.request_id)
    };
    let proof = factor::prove(cx, &tx, user, !tried.enrols, &input.code).await?.ok_or_else(unknown)?;
    metrics::counter!("horae_logins_total", "outcome" => proof.as_str()).increment(1);
    if let Some(refusal) = proof.refusal() {
        cx.commit(tx, Changes::one(&actor, refused(proof, user))).await?;
        return Err(refusal.into());
    }
    let mut changes = Changes::by(&actor);
    challenge::close(&tx, tried.id, cx.now()).await?;
    if tried.enrols {
        confirm(cx, &tx, &tried, &mut changes).await?;
    }
    let tokens = session::open(cx, &tx, user, input.device.as_deref(), true).await?;
    changes.push(Change { event: Some("user.login"), ..Change::audited("completeMfa", "User", user) });
    cx.commit(tx, changes).await?;
    Ok(tokens)
}

/// What is written of a code that was refused.
pub(super) fn refused(proof: Proof, user: Uuid) -> Change {
    Change { after: Some(json!({ "outcome": proof.as_str() })), ..Change::audited("refuseMfa", "User", user) }
}

/// The factor counts from now on. Whoever came in before with the password alone is out: it may not have been the user.
async fn confirm(cx: &Cx, tx: &TenantTx, tried: &Tried, changes: &mut Changes) -> Result<(), Failure> {
    let now = cx.now();
    tx.run("UPDATE mfa_factors SET confirmed_at = $2 WHERE user_id = $1", [tried.user_id.into(), now.into()]).await?;
    tx.run("DELETE FROM mfa_challenges WHERE user_id = $1 AND id <> $2", [tried.user_id.into(), tried.id.into()])
        .await?;
    let ended: Vec<Uuid> = tx
        .scalars(
            "UPDATE sessions SET revoked_at = $2 WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2 RETURNING id",
            [tried.user_id.into(), now.into()],
        )
        .await?;
    changes.push(Change {
        event: Some("user.mfa_enabled"),
        after: Some(json!({ "mfaEnabled": true })),
        before: Some(json!({ "mfaEnabled": false })),
        ..Change::audited("completeMfa", "User", tried.user_id)
    });
    for session in ended {
        changes.push(Change {
            event: Some("user.session_invalidated"),
            ..Change::audited("completeMfa", "Session", session)
        });
    }
    Ok(())
}
