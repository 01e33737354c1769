//! Ends a user's sessions, because the password or the account has changed.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{db::TenantTx, domain::refusal::Failure};

/// Ends every session of a user. Returns which, for whoever keeps them in mind.
///
/// # Errors
/// Faults of the database.
pub(super) async fn end_all(tx: &TenantTx, user: Uuid, now: DateTime<Utc>) -> Result<Vec<Uuid>, Failure> {
    let ended = tx
        .scalars(
            "UPDATE sessions SET revoked_at = $2 WHERE user_id = $1 AND revoked_at IS NULL RETURNING id",
            [user.into(), now.into()],
        )
        .await?;
    Ok(ended)
}

/// The sessions that a user has open.
///
/// # Errors
/// Faults of the database.
pub(super) async fn open(tx: &TenantTx, user: Uuid, now: DateTime<Utc>) -> Result<Vec<Uuid>, Failure> {
    let open = tx
        .scalars(
            "SELECT id FROM sessions WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2",
            [user.into(), now.into()],
        )
        .await?;
    Ok(open)
}
