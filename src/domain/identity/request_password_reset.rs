//! Somebody says to have forgotten a password.
//!
//! Nobody may learn from the answer, or from how long it takes, who has an account. So the request does not look: it
//! writes the address down and a job that will look, the same for every address.

use chrono::Duration;

use crate::{
    auth::{Actor, PermissionSet},
    db::TenantStatus,
    domain::{
        change::{Change, Changes},
        cx::Cx,
        facts::{facts, masked},
        refusal::Failure,
    },
};

/// The job that looks the user up. Its key is the request's id, its payload `{"request_id": …}`.
pub const JOB: &str = "identity.password_reset";
/// Requests that count together.
const WINDOW: Duration = Duration::hours(1);
/// So many of one address have an effect.
const PER_ADDRESS: i64 = 3;
/// So many of all addresses of a centre have an effect.
const PER_CENTRE: i64 = 500;

/// Writes the request down. What is beyond the bounds has no effect, and gets the same answer.
///
/// # Errors
/// TENANT_IN_MAINTENANCE, whatever the address; faults of the database.
pub async fn run(cx: &Cx, tenant_slug: &str, email: &str, request_id: &str) -> Result<(), Failure> {
    let tenant = cx.db.find_tenant_by_slug(tenant_slug).await?;
    let Some(tenant) =
        tenant.filter(|tenant| matches!(tenant.status, TenantStatus::Active | TenantStatus::Maintenance))
    else {
        return Ok(());
    };
    // Nobody is logged in; the rules below are all that this may do.
    let actor = Actor { permissions: PermissionSet::default(), ..Actor::system(tenant, "password reset", request_id) };
    let (now, id) = (cx.now(), cx.new_id());
    let tx = cx.write(&actor).await?;
    // Two requests for one address are counted one after the other.
    tx.run("SELECT pg_advisory_xact_lock($1, hashtext($2))", [actor.tenant.key.into(), email.into()]).await?;
    let put: Option<String> = tx
        .scalar(
            "WITH recent AS (
                 SELECT count(*) FILTER (WHERE email = $2) AS mine, count(*) AS everybody
                 FROM password_reset_requests WHERE requested_at > $4
             ), put AS (
                 INSERT INTO password_reset_requests (id, email, requested_at)
                 SELECT $1, $2, $3 FROM recent WHERE mine < $5 AND everybody < $6 RETURNING id
             )
             SELECT queue.enqueue($7, id::text, jsonb_build_object('request_id', id), $3, 0::smallint, NULL, NULL, NULL)::text FROM put",
            [
                id.into(),
                email.into(),
                now.into(),
                (now - WINDOW).into(),
                PER_ADDRESS.into(),
                PER_CENTRE.into(),
                JOB.into(),
            ],
        )
        .await?;
    let mut changes = Changes::by(&actor);
    match put {
        Some(_) => changes.push(Change {
            after: Some(facts!({ "email": masked(email), "requestedAt": now })),
            ..Change::audited("requestPasswordReset", "PasswordResetRequest", id)
        }),
        None => metrics::counter!("horae_password_resets_bounded_total").increment(1),
    }
    cx.commit(tx, changes).await
}
