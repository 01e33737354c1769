//! Patients that may be one person: the same document number, mail address or telephone number, or the same names and
//! the same day of birth.

use uuid::Uuid;

use super::{
    model::{Patient, Row, patient_select},
    query,
    sight::{Sight, seen},
};
use crate::{
    auth::{Actor, Permission, Scope},
    db::TenantTx,
    domain::{
        cx::Cx,
        refusal::{Failure, Refusal},
    },
};

/// Those that the patient may be, by name, without those that the caller does not see.
///
/// # Errors
/// NOT_FOUND for a patient that the caller does not see, FORBIDDEN without PATIENT_READ, faults of the database.
pub async fn run(cx: &Cx, actor: &Actor, id: Uuid) -> Result<Vec<Patient>, Failure> {
    Sight::of(actor, Permission::PatientRead)?;
    let tx = cx.read(actor).await?;
    if query::visible(&tx, actor, vec![id]).await?.is_empty() {
        return Err(Refusal::not_found("id").into());
    }
    let found = of(&tx, actor, id).await?;
    tx.commit().await?;
    Ok(found)
}

/// Those that this patient may be: at most 20, and of merged ones those that were kept. Each way of being alike has an
/// index of its own, so it is a union and not an OR.
pub(super) async fn of(tx: &TenantTx, actor: &Actor, id: Uuid) -> Result<Vec<Patient>, Failure> {
    // Who may write patients and not read them learns of nobody.
    if !actor.may(Permission::PatientRead, Scope::Anywhere) {
        return Ok(Vec::new());
    }
    let sight = Sight::of(actor, Permission::PatientRead)?;
    let sql = patient_select!(
        "WHERE p.id IN (
             SELECT coalesce(o.merged_into, o.id) FROM patients me CROSS JOIN LATERAL (
                 SELECT x.id, x.merged_into FROM patients x WHERE x.document_number = me.document_number
                 UNION SELECT x.id, x.merged_into FROM patients x WHERE x.email = me.email
                 UNION SELECT x.id, x.merged_into FROM patients x WHERE x.phones && me.phones
                 UNION SELECT x.id, x.merged_into FROM patients x WHERE x.sort_name = me.sort_name AND x.birth_date = me.birth_date
             ) o WHERE me.id = $1)
         AND p.id <> $1 AND p.id IS DISTINCT FROM (SELECT me.merged_into FROM patients me WHERE me.id = $1)
         AND ",
        seen!("$2", "$3"),
        " ORDER BY p.sort_name, p.id LIMIT 20"
    );
    let rows: Vec<Row> = tx.all(sql, [id.into(), sight.branches(), sight.own()]).await?;
    rows.into_iter().map(Patient::try_from).collect()
}
