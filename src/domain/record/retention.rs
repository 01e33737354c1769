//! Until when a record is kept at least: so many years after its last entry, as the country says. The years, and the laws
//! they are from, are in the database's function `record_retention_years` (m0013_record.sql).

use std::collections::HashMap;

use chrono::NaiveDate;
use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::access::{self, same_person};
use crate::{
    auth::Actor,
    db::TenantTx,
    domain::{cx::Cx, refusal::Failure},
};

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    until: NaiveDate,
}

/// The day until which the record of each of these patients is kept, by the centre's zone. Of who has no entry it is the
/// day the patient was created: nothing is there to be kept.
///
/// # Errors
/// Faults of the database.
async fn kept_until(tx: &TenantTx, patients: Vec<Uuid>) -> Result<HashMap<Uuid, NaiveDate>, Failure> {
    let sql = concat!(
        "SELECT p.id, coalesce(record_kept_until(ARRAY(",
        same_person!("p.id"),
        ")),
             (p.created_at AT TIME ZONE c.default_time_zone)::date) AS until
         FROM patients p, centre_profile c WHERE p.id = ANY ($1)"
    );
    let rows: Vec<Row> = tx.all(sql, [patients.into()]).await?;
    Ok(rows.into_iter().map(|row| (row.id, row.until)).collect())
}

/// The same for who reads records.
///
/// # Errors
/// FORBIDDEN without RECORD_READ, and in a centre that keeps no records; faults of the database.
pub async fn run(cx: &Cx, actor: &Actor, patients: Vec<Uuid>) -> Result<HashMap<Uuid, NaiveDate>, Failure> {
    access::require_read(actor)?;
    let tx = cx.read(actor).await?;
    access::require_kept(&tx).await?;
    let seen = access::visible(&tx, actor, patients).await?;
    let found = kept_until(&tx, seen).await?;
    tx.commit().await?;
    Ok(found)
}
