//! Keys of programs. A *secret* key acts with the permissions it was given; a *publishable* one is shown to the world by
//! a booking page, may book online from its origins and nothing else. Shown once, kept as a hash.

pub mod create;
pub mod list;
mod origin;
pub mod revoke;
pub(super) mod rights;
pub mod uses;

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use crate::auth::PermissionSet;

pub use create::publishable as create_publishable;
pub use origin::origin;

/// Every column of a key but its hash.
macro_rules! columns {
    () => {
        "id, name, prefix, publishable, permissions, allowed_origins, created_at, last_used_at, expires_at, revoked_at"
    };
}
use columns;

/// A key, as its centre sees it.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the columns are described in the migration, the fields in the API")]
pub struct ApiKey {
    pub id: Uuid,
    pub name: String,
    pub prefix: String,
    pub publishable: bool,
    pub permissions: PermissionSet,
    pub allowed_origins: Vec<String>,
    pub created_at: DateTime<Utc>,
    pub last_used_at: Option<DateTime<Utc>>,
    pub expires_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
}

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    name: String,
    prefix: String,
    publishable: bool,
    permissions: Vec<String>,
    allowed_origins: Vec<String>,
    created_at: DateTime<Utc>,
    last_used_at: Option<DateTime<Utc>>,
    expires_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
}

impl From<Row> for ApiKey {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            name: row.name,
            prefix: row.prefix,
            publishable: row.publishable,
            permissions: PermissionSet::of_words(&row.permissions),
            allowed_origins: row.allowed_origins,
            created_at: row.created_at,
            last_used_at: row.last_used_at,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
        }
    }
}
