//! Values of sensitive fields: sealed one by one, each with a keyed hash by which exactly that value is found.

use std::collections::HashMap;

use sea_orm::FromQueryResult;
use serde_json::Value;
use uuid::Uuid;

use crate::{
    auth::keyring::Place,
    db::TenantTx,
    domain::{cx::Cx, fields::Values, refusal::Failure, sealing::TenantKeys},
};

#[derive(FromQueryResult)]
struct Row {
    patient_id: Uuid,
    field_key: String,
    value_sealed: Vec<u8>,
}

fn place(patient: Uuid, field: &str) -> Place<'_> {
    Place { table: "patient_values", column: "value_sealed", row: patient, field }
}

/// The sensitive values of these patients. Nothing is unwrapped where nobody has any.
///
/// # Errors
/// Values that do not open, a master key that is missing or wrong, faults of the database.
pub async fn opened(cx: &Cx, tx: &TenantTx, patients: Vec<Uuid>) -> Result<HashMap<Uuid, Values>, Failure> {
    let sql = "SELECT patient_id, field_key, value_sealed FROM patient_values WHERE patient_id = ANY ($1)";
    let rows: Vec<Row> = tx.all(sql, [patients.into()]).await?;
    let mut found: HashMap<Uuid, Values> = HashMap::new();
    if rows.is_empty() {
        return Ok(found);
    }
    let keys = TenantKeys::to_open(cx, tx).await?;
    for Row { patient_id, field_key, value_sealed } in rows {
        let plain = keys.open(&place(patient_id, &field_key), &value_sealed)?;
        let value = serde_json::from_slice(&plain).map_err(|_| Failure::fault("a sealed value is no JSON"))?;
        found.entry(patient_id).or_default().insert(field_key, value);
    }
    Ok(found)
}

/// Makes these the sensitive values of a patient who had those before.
pub(super) async fn write(cx: &Cx, tx: &TenantTx, patient: Uuid, before: &Values, now: &Values) -> Result<(), Failure> {
    if before == now {
        return Ok(());
    }
    let fields: Vec<String> = now.keys().cloned().collect();
    tx.run(
        "DELETE FROM patient_values WHERE patient_id = $1 AND field_key <> ALL ($2)",
        [patient.into(), fields.into()],
    )
    .await?;
    put(cx, tx, &[(patient, now)]).await
}

/// Puts sensitive values of patients in, with one statement. Nothing is unwrapped where nobody has any.
pub(super) async fn put(cx: &Cx, tx: &TenantTx, all: &[(Uuid, &Values)]) -> Result<(), Failure> {
    if all.iter().all(|(_, values)| values.is_empty()) {
        return Ok(());
    }
    let keys = TenantKeys::to_seal(cx, tx).await?;
    let (mut patients, mut fields, mut sealed, mut hashes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (patient, values) in all {
        for (field, value) in *values {
            patients.push(*patient);
            fields.push(field.clone());
            sealed.push(keys.seal(&place(*patient, field), value.to_string().as_bytes())?);
            hashes.push(hash(&keys, field, value)?.ok_or_else(|| Failure::fault("keys without one for hashes"))?);
        }
    }
    tx.run(
        "INSERT INTO patient_values (patient_id, field_key, value_sealed, value_hash) SELECT x.patient, x.field, x.sealed, x.hash
         FROM unnest($1::uuid[], $2::text[], $3::bytea[], $4::bytea[]) AS x (patient, field, sealed, hash)
         ON CONFLICT (patient_id, field_key) DO UPDATE SET value_sealed = EXCLUDED.value_sealed, value_hash = EXCLUDED.value_hash",
        [patients.into(), fields.into(), sealed.into(), hashes.into()],
    )
    .await?;
    Ok(())
}

/// The hash by which a value of a field is found, whatever the case of its letters; none: there are no keys yet, so there
/// is nothing to find.
pub(super) fn hash(keys: &TenantKeys, field: &str, value: &Value) -> Result<Option<Vec<u8>>, Failure> {
    keys.hash(&["patient_values", field], value.to_string().to_lowercase().as_bytes())
}
