//! Patients by their ids.

use std::sync::Arc;

use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::{
    brief::{self, PatientBrief, patient_columns},
    model::{Patient, Row, patient_select},
    sight::{Sight, seen},
};
use crate::{
    auth::{Actor, Permission},
    db::TenantTx,
    domain::{
        columns::Columns,
        refusal::{Failure, Refusal},
    },
};

/// The patients with these ids that the caller may see, in no order.
///
/// # Errors
/// FORBIDDEN without PATIENT_READ; faults of the database.
pub async fn visible(tx: &TenantTx, actor: &Actor, ids: Vec<Uuid>) -> Result<Vec<Patient>, Failure> {
    let sight = Sight::of(actor, Permission::PatientRead)?;
    let sql = patient_select!("WHERE p.id = ANY ($1) AND ", seen!("$2", "$3"));
    let rows: Vec<Row> = tx.all(sql, [ids.into(), sight.branches(), sight.own()]).await?;
    rows.into_iter().map(Patient::try_from).collect()
}

struct BriefRow(Option<Arc<PatientBrief>>);

impl FromQueryResult for BriefRow {
    fn from_query_result(row: &sea_orm::QueryResult, _prefix: &str) -> Result<Self, sea_orm::DbErr> {
        brief::read(&mut Columns::of(row)).map(Self)
    }
}

/// What agendas show of a patient, for who may see them all.
///
/// # Errors
/// Faults of the database.
pub async fn briefs(tx: &TenantTx, ids: Vec<Uuid>) -> Result<Vec<Arc<PatientBrief>>, Failure> {
    let sql = concat!("SELECT ", patient_columns!(), " FROM patients p WHERE p.id = ANY ($1)");
    let rows: Vec<BriefRow> = tx.all(sql, [ids.into()]).await?;
    Ok(rows.into_iter().filter_map(|row| row.0).collect())
}

/// The patient that the caller may change, locked: NOT_FOUND at `field` for what the caller does not see.
///
/// # Errors
/// NOT_FOUND at `field`, INVALID there for one who was anonymised, FORBIDDEN without the permission, faults.
pub(super) async fn lock(
    tx: &TenantTx,
    actor: &Actor,
    permission: Permission,
    id: Uuid,
    field: &str,
) -> Result<Patient, Failure> {
    let sight = Sight::of(actor, permission)?;
    let anonymised: Option<bool> = tx
        .scalar("SELECT anonymised_at IS NOT NULL FROM patients WHERE id = $1 FOR NO KEY UPDATE", [id.into()])
        .await?;
    let sql = patient_select!("WHERE p.id = $1 AND ", seen!("$2", "$3"));
    let found: Option<Row> = tx.find(sql, [id.into(), sight.branches(), sight.own()]).await?;
    let found = found.ok_or_else(|| Refusal::not_found(field))?;
    if anonymised == Some(true) { Err(is_nobody(field).into()) } else { found.try_into() }
}

/// What was forgotten for good stays forgotten: nothing is written or taken out about a patient who was anonymised.
fn is_nobody(field: &str) -> Refusal {
    let message =
        "this patient was anonymised: nothing is known of them any more; create a new one for whoever comes back";
    Refusal::invalid(field, message)
}

/// NOT_FOUND for the first of these that the caller, who may change patients, does not see.
///
/// # Errors
/// NOT_FOUND at its place in `field`; faults of the database.
pub(super) async fn require_seen(tx: &TenantTx, actor: &Actor, ids: &[Uuid], field: &str) -> Result<(), Failure> {
    if ids.is_empty() {
        return Ok(());
    }
    let found = seen_by(tx, actor, Permission::PatientWrite, ids.to_vec()).await?;
    match ids.iter().position(|id| !found.contains(id)) {
        None => Ok(()),
        Some(at) => Err(Refusal::not_found(&format!("{field}.{at}")).into()),
    }
}

/// Of these patients those that the caller sees who does something by this permission.
///
/// # Errors
/// FORBIDDEN without the permission; faults of the database.
pub async fn seen_by(
    tx: &TenantTx,
    actor: &Actor,
    permission: Permission,
    ids: Vec<Uuid>,
) -> Result<Vec<Uuid>, Failure> {
    let sight = Sight::of(actor, permission)?;
    let sql = concat!("SELECT p.id FROM patients p WHERE p.id = ANY ($1) AND ", seen!("$2", "$3"));
    Ok(tx.scalars(sql, [ids.into(), sight.branches(), sight.own()]).await?)
}

/// A patient just written, whoever may see it.
pub(super) async fn written(tx: &TenantTx, id: Uuid) -> Result<Patient, Failure> {
    let found: Option<Row> = tx.find(patient_select!("WHERE p.id = $1"), [id.into()]).await?;
    found.ok_or_else(|| Failure::fault("the patient just written is gone"))?.try_into()
}

#[derive(FromQueryResult)]
struct Named {
    merged_into: Option<Uuid>,
    is_nobody: bool,
}

/// The patient that an id names now: the one itself, or the one that was kept when it was merged. Held until the
/// transaction ends, so that nobody merges it before what is about to be written about it is there. Every part that
/// writes a patient's id into a row asks here.
///
/// # Errors
/// NOT_FOUND at `field`, INVALID there for one who was anonymised; faults of the database.
pub async fn kept(tx: &TenantTx, id: Uuid, field: &str) -> Result<Uuid, Failure> {
    let mut id = id;
    // Once for an id that was merged, and once more for each merge that ends while this waits for it.
    for _ in 0..5 {
        let sql =
            "SELECT merged_into, anonymised_at IS NOT NULL AS is_nobody FROM patients WHERE id = $1 FOR KEY SHARE";
        let found: Option<Named> = tx.find(sql, [id.into()]).await?;
        match found {
            None => return Err(Refusal::not_found(field).into()),
            Some(Named { merged_into: Some(into), .. }) => id = into,
            Some(Named { is_nobody: true, .. }) => return Err(is_nobody(field).into()),
            Some(_) => return Ok(id),
        }
    }
    Err(Failure::fault("a patient was merged again and again while somebody looked for it"))
}
