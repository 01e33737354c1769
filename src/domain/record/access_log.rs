//! Who has read and written a patient's record, newest first: the part of the trail that is about it.

use std::collections::HashMap;

use sea_orm::{DbErr, FromQueryResult, QueryResult};
use uuid::Uuid;

use super::access::{self, same_person};
use crate::{
    auth::Actor,
    db::Sql,
    domain::{
        cx::Cx,
        identity::audit::{Entry, EntryRow, actor_joins, entry_columns, list::Key},
        page::{Page, PageRequest, counting},
        refusal::Failure,
    },
};

/// The entries of a page about one record.
macro_rules! bare {
    ($beyond:literal, $order:literal) => {
        concat!(
            "SELECT * FROM audit_entries WHERE ($2::bigint IS NULL OR position ",
            $beyond,
            " $2) AND subject_type IN ('ClinicalRecord', 'RecordEntry') AND subject_id = ANY (ARRAY(",
            same_person!("wanted.id"),
            " UNION ALL SELECT r.id FROM record_entries r WHERE r.patient_id = ANY (ARRAY(",
            same_person!("wanted.id"),
            ")))) ORDER BY position ",
            $order,
            " LIMIT $3"
        )
    };
}

macro_rules! select {
    ($beyond:literal, $order:literal) => {
        concat!(
            "SELECT wanted.id AS record_of, ",
            entry_columns!(),
            " FROM unnest($1::uuid[]) AS wanted (id), LATERAL (",
            bare!($beyond, $order),
            ") e",
            actor_joins!(),
            "ORDER BY e.position ",
            $order
        )
    };
}

const FORWARDS: Sql = select!("<", "DESC");
const BACKWARDS: Sql = select!(">", "ASC");
const COUNT: Sql = concat!(
    "SELECT (",
    counting!(bare!("<", "DESC")),
    ") FROM unnest($1::uuid[]) WITH ORDINALITY AS wanted (id, place) ORDER BY wanted.place"
);

/// A row, and whose record it is about.
struct Placed(Uuid, EntryRow);

impl FromQueryResult for Placed {
    fn from_query_result(row: &QueryResult, prefix: &str) -> Result<Self, DbErr> {
        Ok(Self(row.try_get(prefix, "record_of")?, EntryRow::from_query_result(row, prefix)?))
    }
}

/// The same page of it for each of these patients; those that the caller does not see have none.
///
/// # Errors
/// FORBIDDEN without RECORD_READ, and in a centre that keeps no records; faults of the database.
pub async fn pages(
    cx: &Cx,
    actor: &Actor,
    patients: Vec<Uuid>,
    page: &PageRequest<Key>,
) -> Result<HashMap<Uuid, Page<Entry>>, Failure> {
    access::require_read(actor)?;
    let tx = cx.read(actor).await?;
    access::require_kept(&tx).await?;
    let patients = access::visible(&tx, actor, patients).await?;
    let values = |page: &PageRequest<Key>| {
        [patients.clone().into(), page.from.as_ref().map(|key| key.0).into(), page.fetch().into()]
    };
    let rows: Vec<Placed> = tx.all(if page.backwards { BACKWARDS } else { FORWARDS }, values(page)).await?;
    let totals: Vec<i32> = if page.counted { tx.scalars(COUNT, values(&page.whole())).await? } else { Vec::new() };
    tx.commit().await?;
    Ok(page.pages(patients, totals, rows.into_iter().map(|Placed(patient, row)| (patient, row.into()))))
}
