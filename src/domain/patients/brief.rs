//! Patients as far as agendas show them: narrow enough to be read with every appointment.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use sea_orm::DbErr;
use uuid::Uuid;

use crate::domain::columns::Columns;

/// What agendas show of a patient.
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
pub(in crate::domain) use patient_columns;

/// The patient in the next columns of a row; none: they are empty.
pub(in crate::domain) fn read(c: &mut Columns<'_>) -> Result<Option<Arc<PatientBrief>>, DbErr> {
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
