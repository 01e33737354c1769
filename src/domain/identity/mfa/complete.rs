//! Answers a challenge with a code: opens the session, and confirms the factor if it was just enrolled.

use std::sync::Arc;

use uuid::Uuid;

use super::{
    challenge::{self, Tried, unknown},
    factor::{self, Proof},
};
use crate::{
    auth::{Actor, ActorKind, alarm, word},
    db::{Access, Tenant, TenantStatus, TenantTx},
    domain::{
        change::{Change, Changes},
        cx::Cx,
        facts::facts,
        identity::session::{self, Place, Tokens},
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
    /// Where the session is opened.
    pub place: Place,
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
    let usable = tenant.filter(|tenant| matches!(tenant.status, TenantStatus::Active | TenantStatus::Maintenance));
    let Some(tenant) = usable else {
        alarm::auth_failure("mfa", None, &input.request_id);
        return Err(unknown().into());
    };
    let result = cx.retrying(|| attempt(cx, &tenant, &input)).await;
    if let Err(Failure::Refused(_)) = &result {
        alarm::auth_failure("mfa", Some(tenant.id), &input.request_id);
    }
    result
}

async fn attempt(cx: &Cx, tenant: &Arc<Tenant>, input: &Complete) -> Result<Tokens, Failure> {
    // A login is possible in maintenance too: it changes nothing of the centre's own.
    let tx = cx.db.begin(tenant, Access::Write).await?;
    let tried = challenge::attempt(&tx, &input.challenge, cx.now()).await?;
    let user = tried.user_id;
    let actor = Actor {
        id: Some(user),
        kind: ActorKind::User,
        ip: input.place.address,
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
    let tokens = session::open(cx, &tx, user, &input.place, true).await?;
    changes.push(Change {
        after: Some(facts!({ "lastLoginAt": cx.now() })),
        ..Change::event("user.login", "completeMfa", "User", user)
    });
    cx.commit(tx, changes).await?;
    Ok(tokens)
}

/// What is written of a code that was refused.
pub(super) fn refused(proof: Proof, user: Uuid) -> Change {
    Change { after: Some(facts!({ "outcome": proof.as_str() })), ..Change::audited("refuseMfa", "User", user) }
}

/// The factor counts from now on. Whoever came in before with the password alone is out: it may not have been the user.
async fn confirm(cx: &Cx, tx: &TenantTx, tried: &Tried, changes: &mut Changes) -> Result<(), Failure> {
    let now = cx.now();
    tx.run("UPDATE mfa_factors SET confirmed_at = $2 WHERE user_id = $1", [tried.user_id.into(), now.into()]).await?;
    changes.push(Change {
        event: Some("user.mfa_enabled"),
        after: Some(facts!({ "mfaEnabled": true })),
        before: Some(facts!({ "mfaEnabled": false })),
        ..Change::audited("completeMfa", "User", tried.user_id)
    });
    for ended in session::end_others(tx, tried.user_id, None, "completeMfa", now).await? {
        changes.push(ended);
    }
    Ok(())
}
