//! What keys may do at this moment, past every cache.

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use crate::{auth::PermissionSet, db::TenantTx, domain::refusal::Failure};

/// What is known of a key that holds.
#[derive(Clone, Debug)]
pub(in crate::domain::identity) struct KnownKey {
    pub(in crate::domain::identity) id: Uuid,
    pub(in crate::domain::identity) name: String,
    pub(in crate::domain::identity) publishable: bool,
    pub(in crate::domain::identity) permissions: PermissionSet,
    pub(in crate::domain::identity) origins: Vec<String>,
    pub(in crate::domain::identity) expires_at: Option<DateTime<Utc>>,
}

impl KnownKey {
    /// Whether a page of this origin may use it. Secret keys have no origins: no page should hold one.
    pub(in crate::domain::identity) fn fits(&self, origin: Option<&str>) -> bool {
        self.origins.is_empty() || origin.is_some_and(|origin| self.origins.iter().any(|allowed| allowed == origin))
    }
}

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    name: String,
    publishable: bool,
    permissions: Vec<String>,
    allowed_origins: Vec<String>,
    expires_at: Option<DateTime<Utc>>,
}

impl From<Row> for KnownKey {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            name: row.name,
            publishable: row.publishable,
            permissions: PermissionSet::of_words(&row.permissions),
            origins: row.allowed_origins,
            expires_at: row.expires_at,
        }
    }
}

/// The key with this word's hash.
pub(in crate::domain::identity) async fn by_hash(tx: &TenantTx, hash: Vec<u8>) -> Result<Option<KnownKey>, Failure> {
    let row: Option<Row> = tx
        .find(
            "SELECT id, name, publishable, permissions, allowed_origins, expires_at FROM api_keys
             WHERE secret_hash = $1 AND revoked_at IS NULL",
            [hash.into()],
        )
        .await?;
    Ok(row.map(KnownKey::from))
}

/// Those of these keys that hold.
pub(in crate::domain::identity) async fn by_ids(
    tx: &TenantTx,
    ids: Vec<Uuid>,
    now: DateTime<Utc>,
) -> Result<Vec<KnownKey>, Failure> {
    let rows: Vec<Row> = tx
        .all(
            "SELECT id, name, publishable, permissions, allowed_origins, expires_at FROM api_keys
             WHERE id = ANY ($1) AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)",
            [ids.into(), now.into()],
        )
        .await?;
    Ok(rows.into_iter().map(KnownKey::from).collect())
}
