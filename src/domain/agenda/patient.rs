//! Patients as far as booking knows them.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use sea_orm::{DbErr, FromQueryResult, QueryResult};
use uuid::Uuid;

use super::{appointment::Columns, visibility::Sight};
use crate::{
    auth::{Actor, Permission, Scope},
    db::TenantTx,
    domain::refusal::Failure,
};

/// A patient as far as booking knows patients.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the columns are described in the migration, the fields in the API")]
pub struct PatientBrief {
    pub id: Uuid,
    pub version: i32,
    pub file_number: Option<String>,
    pub given_names: String,
    pub paternal_surname: Option<String>,
    pub maternal_surname: Option<String>,
    /// Kind, number, country.
    pub document: Option<(String, String, String)>,
    pub is_foreign: bool,
    pub email: Option<String>,
    pub phones: Vec<String>,
    pub sex: String,
    pub birth_date: Option<NaiveDate>,
    pub status: String,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// Columns of a patient `p`, in the order that [`read`] takes them in.
macro_rules! patient_columns {
    () => {
        "p.id, p.version, p.file_number, p.given_names, p.paternal_surname, p.maternal_surname, p.document_kind,
             p.document_number, p.document_country, p.is_foreign, p.email, p.phones, p.sex, p.birth_date, p.status,
             p.created_at, p.updated_at"
    };
}
pub(super) use patient_columns;

/// The patient in the next columns of a row; none: they are empty.
pub(super) fn read(c: &mut Columns<'_>) -> Result<Option<Arc<PatientBrief>>, DbErr> {
    let id: Option<Uuid> = c.take()?;
    let Some(id) = id else { return Ok(None) };
    let version = c.take()?;
    let file_number = c.take()?;
    let given_names = c.take()?;
    let paternal_surname = c.take()?;
    let maternal_surname = c.take()?;
    let document: (Option<String>, Option<String>, Option<String>) = (c.take()?, c.take()?, c.take()?);
    let document = match document {
        (Some(kind), Some(number), Some(country)) => Some((kind, number, country)),
        _ => None,
    };
    Ok(Some(Arc::new(PatientBrief {
        id,
        version,
        file_number,
        given_names,
        paternal_surname,
        maternal_surname,
        document,
        is_foreign: c.take()?,
        email: c.take()?,
        phones: c.take()?,
        sex: c.take()?,
        birth_date: c.take()?,
        status: c.take()?,
        created_at: c.take()?,
        updated_at: c.take()?,
    })))
}

struct Row(Option<Arc<PatientBrief>>);

impl FromQueryResult for Row {
    fn from_query_result(row: &QueryResult, _prefix: &str) -> Result<Self, DbErr> {
        read(&mut Columns::of(row)).map(Self)
    }
}

/// The patients with these ids that the caller may see, in no order: who may see patients sees those of the
/// appointments that it sees.
///
/// # Errors
/// FORBIDDEN without PATIENT_READ or a permission on the agenda; faults of the database.
pub async fn visible(tx: &TenantTx, actor: &Actor, ids: Vec<Uuid>) -> Result<Vec<Arc<PatientBrief>>, Failure> {
    actor.require(Permission::PatientRead, Scope::Anywhere)?;
    let sight = Sight::of(actor, Scope::Anywhere)?;
    let sql = concat!(
        "SELECT ",
        patient_columns!(),
        " FROM patients p WHERE p.id = ANY ($1) AND EXISTS (
             SELECT 1 FROM appointments a WHERE a.patient_id = p.id AND ($2::uuid[] IS NULL OR a.branch_id = ANY ($2))
                 AND ($3::uuid IS NULL OR EXISTS (SELECT 1 FROM occupancies o WHERE o.appointment_id = a.id AND o.resource_id = $3)))"
    );
    let rows: Vec<Row> = tx.all(sql, [ids.into(), sight.branches_value(), sight.own.into()]).await?;
    Ok(rows.into_iter().filter_map(|row| row.0).collect())
}
