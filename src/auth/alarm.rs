//! What somebody who runs Horae must hear of: refused credentials, missing permissions, ids of other centres, limits. Each is
//! counted, so that an alert can be set on it, and tells ids and closed words alone: what was refused may be one letter
//! away from what is accepted.

use super::Permission;
use crate::db::TenantId;

/// Credentials were refused. `reason` is a closed word, never what was refused.
pub fn auth_failure(reason: &'static str, tenant: Option<TenantId>, request_id: &str) {
    metrics::counter!("horae_auth_failures_total", "reason" => reason).increment(1);
    tracing::info!(
        auth.reason = reason,
        tenant.id = tenant.map(|tenant| tracing::field::display(tenant.0)),
        request.id = request_id,
        "Credentials were refused"
    );
}

/// A link, or another word that opens one thing, opened nothing. `reason` is a closed word.
pub fn capability_refused(reason: &'static str, tenant: Option<TenantId>) {
    metrics::counter!("horae_capabilities_refused_total", "reason" => reason).increment(1);
    tracing::info!(
        capability.reason = reason,
        tenant.id = tenant.map(|tenant| tracing::field::display(tenant.0)),
        "A link was refused"
    );
}

/// Somebody asked too much: `limit` says of what.
pub fn limited(limit: &'static str) {
    metrics::counter!("horae_limited_total", "limit" => limit).increment(1);
}

/// A caller asked for what its permissions do not allow.
pub fn permission_denied(permission: Permission) {
    metrics::counter!("horae_permission_denials_total", "permission" => permission.as_str()).increment(1);
}

/// A genuine word of one centre was used in another: a mistake of a client, or somebody who looks for a gap.
pub fn tenant_mismatch(what: &'static str) {
    metrics::counter!("horae_tenant_mismatches_total", "what" => what).increment(1);
    tracing::warn!(mismatch.what = what, "A word of one centre was used in another, and refused");
}
