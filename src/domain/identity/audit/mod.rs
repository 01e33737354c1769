//! The audit trail as it is read. [`crate::domain::change`] writes it.

pub mod list;
pub mod verify;

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;
use serde_json::Value;
use uuid::Uuid;

use crate::auth::ActorKind;

/// One entry of the trail.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Which.
    pub id: Uuid,
    /// Its place in the chain.
    pub position: i64,
    /// When.
    pub at: DateTime<Utc>,
    /// What kind of caller did it.
    pub actor_kind: ActorKind,
    /// Who.
    pub actor: Option<Uuid>,
    /// How to show who did it.
    pub actor_name: String,
    /// The mutation's verb.
    pub action: String,
    /// `Appointment` and the like.
    pub subject_type: String,
    /// Which one.
    pub subject: Uuid,
    /// The request it was part of.
    pub request_id: String,
    /// Where the request came from.
    pub ip: Option<String>,
    /// Before, without sensitive values.
    pub before: Option<Value>,
    /// After, without sensitive values.
    pub after: Option<Value>,
    /// Why, if somebody said.
    pub reason: Option<String>,
    /// What it and everything before it amounts to.
    pub hash: Vec<u8>,
    /// The same of the entry before it.
    pub previous_hash: Vec<u8>,
}

/// The columns of [`EntryRow`], of an `audit_entries e` joined with its actor by [`actor_joins`].
macro_rules! entry_columns {
    () => {
        "e.id, e.position, e.at, e.actor_kind, e.actor_id, coalesce(u.name, k.name, e.actor_name) AS actor_name, e.action,
             e.subject_type, e.subject_id, e.request_id, host(e.ip) AS ip, e.before, e.after, e.reason, e.hash, e.previous_hash"
    };
}
pub(crate) use entry_columns;

/// Who did `e`.
macro_rules! actor_joins {
    () => {
        " LEFT JOIN users u ON e.actor_kind = 'USER' AND u.id = e.actor_id
          LEFT JOIN api_keys k ON e.actor_kind = 'API_KEY' AND k.id = e.actor_id "
    };
}
pub(crate) use actor_joins;

/// A row of [`entry_columns`].
#[derive(FromQueryResult)]
pub struct EntryRow {
    id: Uuid,
    position: i64,
    at: DateTime<Utc>,
    actor_kind: String,
    actor_id: Option<Uuid>,
    actor_name: Option<String>,
    action: String,
    subject_type: String,
    subject_id: Uuid,
    request_id: String,
    ip: Option<String>,
    before: Option<Value>,
    after: Option<Value>,
    reason: Option<String>,
    hash: Vec<u8>,
    previous_hash: Vec<u8>,
}

impl From<EntryRow> for Entry {
    fn from(row: EntryRow) -> Self {
        let actor_kind = ActorKind::parse(&row.actor_kind);
        Self {
            id: row.id,
            position: row.position,
            at: row.at,
            actor_kind,
            actor: row.actor_id,
            actor_name: row.actor_name.unwrap_or_else(|| actor_kind.as_str().to_owned()),
            action: row.action,
            subject_type: row.subject_type,
            subject: row.subject_id,
            request_id: row.request_id,
            ip: row.ip,
            before: row.before,
            after: row.after,
            reason: row.reason,
            hash: row.hash,
            previous_hash: row.previous_hash,
        }
    }
}
