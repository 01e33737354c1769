//! What happened to things, from the audit trail. Entries are written by [`crate::domain::change`].

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    db::{Sql, TenantTx},
    domain::{
        identity::audit::{Entry, EntryRow, actor_joins, entry_columns},
        page::{Page, PageRequest, counting},
        refusal::Failure,
    },
};

/// Position in a history.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Key(pub DateTime<Utc>, pub Uuid);

/// An entry's position in its history.
#[must_use]
pub fn key(entry: &Entry) -> Key {
    Key(entry.at, entry.id)
}

/// A page of the history of one subject, without who did it.
macro_rules! bare {
    ($beyond:literal, $order:literal) => {
        concat!(
            "SELECT * FROM audit_entries WHERE subject_id = wanted.id AND (at, id) ",
            $beyond,
            " ($2, $3) ORDER BY ",
            $order,
            " LIMIT $4"
        )
    };
}

macro_rules! history_select {
    ($beyond:literal, $order:literal) => {
        concat!(
            "SELECT ",
            entry_columns!(),
            " FROM unnest($1::uuid[]) AS wanted (id), LATERAL (",
            bare!($beyond, $order),
            ") e",
            actor_joins!(),
            "ORDER BY ",
            $order
        )
    };
}

const FORWARDS: Sql = history_select!(">", "at, id");
const BACKWARDS: Sql = history_select!("<", "at DESC, id DESC");
const COUNT: Sql = concat!(
    "SELECT (",
    counting!(bare!(">", "at, id")),
    ") FROM unnest($1::uuid[]) WITH ORDINALITY AS wanted (id, place) ORDER BY wanted.place"
);

/// The same page of the history of each subject, oldest first, in one statement, and one more when they are counted.
///
/// # Errors
/// Faults of the database.
pub async fn of_subjects(
    tx: &TenantTx,
    subjects: Vec<Uuid>,
    page: &PageRequest<Key>,
) -> Result<HashMap<Uuid, Page<Entry>>, Failure> {
    let values = |page: &PageRequest<Key>| {
        let Key(at, id) = page.from.clone().unwrap_or(match page.backwards {
            false => Key(DateTime::UNIX_EPOCH, Uuid::nil()),
            true => Key(DateTime::UNIX_EPOCH + chrono::TimeDelta::days(365_000), Uuid::max()),
        });
        [subjects.clone().into(), at.into(), id.into(), page.fetch().into()]
    };
    let sql = if page.backwards { BACKWARDS } else { FORWARDS };
    let rows: Vec<EntryRow> = tx.all(sql, values(page)).await?;
    let totals: Vec<i32> = if page.counted { tx.scalars(COUNT, values(&page.whole())).await? } else { Vec::new() };
    Ok(page.pages(subjects, totals, rows.into_iter().map(Entry::from).map(|entry| (entry.subject, entry))))
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
