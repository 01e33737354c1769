//! What happened to things, from the audit trail. Entries are written by [`crate::domain::change`].

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    auth::ActorKind,
    db::{Sql, TenantTx},
    domain::{
        page::{Page, PageRequest},
        refusal::Failure,
    },
};

/// One entry of the trail.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Which.
    pub id: Uuid,
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
    /// Before, without sensitive values.
    pub before: Option<Value>,
    /// After, without sensitive values.
    pub after: Option<Value>,
    /// Why, if somebody said.
    pub reason: Option<String>,
}

/// Position in a history.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Key(pub DateTime<Utc>, pub Uuid);

impl Entry {
    /// Its position in the history.
    #[must_use]
    pub fn key(&self) -> Key {
        Key(self.at, self.id)
    }
}

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    at: DateTime<Utc>,
    actor_kind: String,
    actor_id: Option<Uuid>,
    actor_name: Option<String>,
    action: String,
    subject_type: String,
    subject_id: Uuid,
    request_id: String,
    before: Option<Value>,
    after: Option<Value>,
    reason: Option<String>,
}

macro_rules! history_select {
    ($beyond:literal, $order:literal) => {
        concat!(
            "SELECT e.*, coalesce(u.name, k.name) AS actor_name
             FROM unnest($1::uuid[]) AS wanted (id), LATERAL (
                 SELECT * FROM audit_entries WHERE subject_id = wanted.id AND (at, id) ",
            $beyond,
            " ($2, $3) ORDER BY ",
            $order,
            " LIMIT $4
             ) e
             LEFT JOIN users u ON e.actor_kind = 'USER' AND u.id = e.actor_id
             LEFT JOIN api_keys k ON e.actor_kind = 'API_KEY' AND k.id = e.actor_id
             ORDER BY ",
            $order
        )
    };
}

const FORWARDS: Sql = history_select!(">", "at, id");
const BACKWARDS: Sql = history_select!("<", "at DESC, id DESC");

/// The same page of the history of each subject, oldest first, in one statement.
///
/// # Errors
/// Faults of the database.
pub async fn of_subjects(
    tx: &TenantTx,
    subjects: Vec<Uuid>,
    page: &PageRequest<Key>,
) -> Result<HashMap<Uuid, Page<Entry>>, Failure> {
    let Key(at, id) = page.from.clone().unwrap_or(match page.backwards {
        false => Key(DateTime::UNIX_EPOCH, Uuid::nil()),
        true => Key(DateTime::UNIX_EPOCH + chrono::TimeDelta::days(365_000), Uuid::max()),
    });
    let sql = if page.backwards { BACKWARDS } else { FORWARDS };
    let rows: Vec<Row> = tx.all(sql, [subjects.clone().into(), at.into(), id.into(), page.fetch().into()]).await?;
    let mut found: HashMap<Uuid, Vec<Entry>> = subjects.into_iter().map(|subject| (subject, Vec::new())).collect();
    for row in rows {
        let actor_kind = ActorKind::parse(&row.actor_kind);
        found.entry(row.subject_id).or_default().push(Entry {
            id: row.id,
            at: row.at,
            actor_kind,
            actor: row.actor_id,
            actor_name: row.actor_name.unwrap_or_else(|| actor_kind.as_str().to_owned()),
            action: row.action,
            subject_type: row.subject_type,
            subject: row.subject_id,
            request_id: row.request_id,
            before: row.before,
            after: row.after,
            reason: row.reason,
        });
    }
    Ok(found.into_iter().map(|(subject, rows)| (subject, page.page(rows))).collect())
}

#[derive(FromQueryResult)]
struct NameRow {
    id: Uuid,
    name: String,
}

/// How to show users and keys, by id.
///
/// # Errors
/// Faults of the database.
pub async fn names(tx: &TenantTx, ids: Vec<Uuid>) -> Result<HashMap<Uuid, String>, Failure> {
    let rows: Vec<NameRow> = tx
        .all(
            "SELECT id, name FROM users WHERE id = ANY ($1) UNION ALL SELECT id, name FROM api_keys WHERE id = ANY ($1)",
            [ids.into()],
        )
        .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.name)).collect())
}
