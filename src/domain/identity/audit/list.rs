//! `auditEntries`: who did what, newest first.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Entry, EntryRow, actor_joins, entry_columns};
use crate::{
    auth::{Actor, Permission, Scope},
    db::TenantTx,
    domain::{
        cx::Cx,
        known::{Named, Thing},
        page::{Page, PageRequest, Statements, counting},
        refusal::{Failure, Refusal},
    },
};

/// Longest word that is looked for.
const MAX_WORD: usize = 100;

/// Which entries; absent: any.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// About this one.
    pub subject: Option<Uuid>,
    /// About one of this type.
    pub subject_type: Option<String>,
    /// By this one.
    pub actor: Option<Uuid>,
    /// This was done.
    pub action: Option<String>,
    /// From this instant on …
    pub from: Option<DateTime<Utc>>,
    /// … and before this one.
    pub to: Option<DateTime<Utc>>,
}

/// Position in the list.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Key(pub i64);

/// A page of entries, without who did it.
macro_rules! bare {
    ($beyond:literal, $order:literal) => {
        concat!(
            "SELECT * FROM audit_entries
             WHERE ($1::uuid IS NULL OR subject_id = $1) AND ($2::text IS NULL OR subject_type = $2)
                 AND ($3::uuid IS NULL OR actor_id = $3) AND ($4::text IS NULL OR action = $4)
                 AND ($5::timestamptz IS NULL OR at >= $5) AND ($6::timestamptz IS NULL OR at < $6)
                 AND ($7::bigint IS NULL OR position ",
            $beyond,
            " $7) ORDER BY position ",
            $order,
            " LIMIT $8"
        )
    };
}

macro_rules! select {
    ($beyond:literal, $order:literal) => {
        concat!(
            "SELECT ",
            entry_columns!(),
            " FROM (",
            bare!($beyond, $order),
            ") e",
            actor_joins!(),
            "ORDER BY e.position ",
            $order
        )
    };
}

const LIST: Statements =
    Statements { forwards: select!("<", "DESC"), backwards: select!(">", "ASC"), count: counting!(bare!("<", "DESC")) };

/// A page of the trail.
///
/// # Errors
/// FORBIDDEN without AUDIT_READ in the whole centre; INVALID filters; faults of the database.
pub async fn run(cx: &Cx, actor: &Actor, filter: Filter, page: &PageRequest<Key>) -> Result<Page<Entry>, Failure> {
    actor.require(Permission::AuditRead, Scope::Centre)?;
    for (field, word) in [("filter.subjectType", &filter.subject_type), ("filter.action", &filter.action)] {
        if word.as_ref().is_some_and(|word| word.len() > MAX_WORD) {
            return Err(Refusal::invalid(field, format!("no word of the trail is longer than {MAX_WORD}")).into());
        }
    }
    if filter.from.zip(filter.to).is_some_and(|(from, to)| to <= from) {
        return Err(Refusal::invalid("filter.range.to", "a range ends after it begins").into());
    }
    let values = |page: &PageRequest<Key>| {
        [
            filter.subject.into(),
            filter.subject_type.clone().into(),
            filter.actor.into(),
            filter.action.clone().into(),
            filter.from.into(),
            filter.to.into(),
            page.from.as_ref().map(|key| key.0).into(),
            page.fetch().into(),
        ]
    };
    let tx = cx.read(actor).await?;
    let found: Page<EntryRow> = page.read(&tx, LIST, values).await?;
    if found.rows.is_empty() {
        let named = Named::default().one(Thing::Anything, filter.subject, "filter.subjectId").one(
            Thing::Anything,
            filter.actor,
            "filter.actorId",
        );
        named.require(&tx, actor).await?;
    }
    tx.commit().await?;
    Ok(found.map(Entry::from))
}

/// The entries with these ids, in no order.
///
/// # Errors
/// FORBIDDEN without AUDIT_READ in the whole centre; faults of the database.
pub async fn visible(tx: &TenantTx, actor: &Actor, ids: Vec<Uuid>) -> Result<Vec<Entry>, Failure> {
    actor.require(Permission::AuditRead, Scope::Centre)?;
    let sql = concat!("SELECT ", entry_columns!(), " FROM audit_entries e", actor_joins!(), "WHERE e.id = ANY ($1)");
    let rows: Vec<EntryRow> = tx.all(sql, [ids.into()]).await?;
    Ok(rows.into_iter().map(Entry::from).collect())
}
