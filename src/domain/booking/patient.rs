//! Patients as far as booking needs them: the one that was named, or the one that fits what somebody typed, or a new
//! one.

use chrono::{DateTime, NaiveDate, Utc};
use sea_orm::FromQueryResult;
use serde::Serialize;
use uuid::Uuid;

use super::book::text_refusal;
use crate::{
    db::TenantTx,
    domain::{
        change::{Change, Changes},
        cx::Cx,
        facts::{Facts, facts, many, masked},
        refusal::{Failure, Refusal},
    },
};

/// What somebody typed about a patient.
#[derive(Clone, Debug, Default, Serialize)]
pub struct NewPatient {
    /// Given names.
    pub given_names: String,
    /// First surname.
    pub paternal_surname: Option<String>,
    /// Second surname.
    pub maternal_surname: Option<String>,
    /// Kind, number, country.
    pub document: Option<(String, String, String)>,
    /// Not from here.
    pub is_foreign: bool,
    /// In lower case.
    pub email: Option<String>,
    /// E.164.
    pub phones: Vec<String>,
    /// `FEMALE`, `MALE`, `OTHER`, `UNKNOWN`.
    pub sex: Option<String>,
    /// Date of birth.
    pub birth_date: Option<NaiveDate>,
    /// The centre's own number for the patient.
    pub file_number: Option<String>,
}

/// The patient of an appointment.
#[derive(Clone, Debug, FromQueryResult)]
pub struct BookedPatient {
    /// Who.
    pub id: Uuid,
    /// Where mail goes.
    pub email: Option<String>,
}

/// Longest name of any kind.
const MAX_NAME: usize = 200;
/// Most telephone numbers.
const MAX_PHONES: usize = 5;

impl NewPatient {
    /// What the audit trail may tell of it: which data there are, and none of them.
    fn facts(&self) -> Facts {
        let Self {
            given_names,
            paternal_surname,
            maternal_surname,
            document,
            is_foreign,
            email,
            phones,
            sex,
            birth_date,
            file_number,
        } = self;
        facts!({
            "givenNames": masked(given_names),
            "paternalSurname": masked(paternal_surname),
            "maternalSurname": masked(maternal_surname),
            "document": masked(document),
            "isForeign": *is_foreign,
            "email": masked(email),
            "phones": many(phones.iter().map(masked)),
            "sex": masked(sex),
            "birthDate": masked(birth_date),
            "fileNumber": masked(file_number),
        })
    }

    /// What cannot be kept, field by field below `field`.
    #[must_use]
    pub fn refusals(&self, field: &str, now: DateTime<Utc>) -> Vec<Refusal> {
        let mut refusals = Vec::new();
        if self.given_names.trim().is_empty() {
            refusals.push(Refusal::required(&format!("{field}.givenNames"), "a patient needs a name"));
        }
        let texts = [
            ("givenNames", Some(&self.given_names)),
            ("paternalSurname", self.paternal_surname.as_ref()),
            ("maternalSurname", self.maternal_surname.as_ref()),
            ("fileNumber", self.file_number.as_ref()),
            ("document.number", self.document.as_ref().map(|(_, number, _)| number)),
        ];
        for (name, text) in texts {
            refusals.extend(text.and_then(|text| text_refusal(&format!("{field}.{name}"), text, MAX_NAME)));
        }
        // Else everybody who types a hyphen into a page's field would be one patient.
        if self.document.as_ref().is_some_and(|(_, number, _)| normal(number).is_empty()) {
            refusals.push(Refusal::required(
                &format!("{field}.document.number"),
                "write the document's number, or leave the document out",
            ));
        }
        if self.phones.len() > MAX_PHONES {
            refusals
                .push(Refusal::invalid(&format!("{field}.phones"), format!("at most {MAX_PHONES} telephone numbers")));
        }
        if self.birth_date.is_some_and(|date| date > now.date_naive() + chrono::TimeDelta::days(1)) {
            refusals.push(Refusal::invalid(&format!("{field}.birthDate"), "nobody is born in the future"));
        }
        refusals
    }
}

/// A patient by id.
///
/// # Errors
/// NOT_FOUND at `field`; faults of the database.
pub async fn get(tx: &TenantTx, id: Uuid, field: &str) -> Result<BookedPatient, Failure> {
    let found = tx.find("SELECT id, email FROM patients WHERE id = $1 AND status <> 'MERGED'", [id.into()]).await?;
    found.ok_or_else(|| Refusal::not_found(field).into())
}

/// The patient with the same document, or else with the same mail and names, or else a new one. What is known of a
/// patient is never overwritten by what somebody typed into a booking page.
///
/// # Errors
/// Faults of the database.
pub async fn find_or_create(
    cx: &Cx,
    tx: &TenantTx,
    new: &NewPatient,
    changes: &mut Changes,
) -> Result<BookedPatient, Failure> {
    let (kind, number, country) = match &new.document {
        Some((kind, number, country)) => (Some(kind.clone()), Some(normal(number)), Some(country.clone())),
        None => (None, None, None),
    };
    let known: Option<BookedPatient> = tx
        .find(
            "SELECT id, email FROM patients
             WHERE status <> 'MERGED' AND ((document_kind = $1 AND document_number = $2 AND document_country = $3)
                 OR ($1::text IS NULL AND email = $4 AND lower(given_names) = lower($5)
                     AND coalesce(lower(paternal_surname), '') = coalesce(lower($6), '')))
             ORDER BY created_at, id LIMIT 1",
            [
                kind.clone().into(),
                number.clone().into(),
                country.clone().into(),
                new.email.clone().into(),
                new.given_names.trim().into(),
                new.paternal_surname.clone().into(),
            ],
        )
        .await?;
    if let Some(known) = known {
        return Ok(BookedPatient { email: known.email.or_else(|| new.email.clone()), ..known });
    }
    let id = cx.new_id();
    let created = tx
        .run(
            "INSERT INTO patients (id, file_number, given_names, paternal_surname, maternal_surname, document_kind, document_number,
                 document_country, is_foreign, email, phones, sex, birth_date, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $14)
             ON CONFLICT (document_kind, document_number, document_country) DO NOTHING",
            [
                id.into(),
                new.file_number.clone().into(),
                new.given_names.trim().into(),
                new.paternal_surname.clone().into(),
                new.maternal_surname.clone().into(),
                kind.clone().into(),
                number.clone().into(),
                country.clone().into(),
                new.is_foreign.into(),
                new.email.clone().into(),
                new.phones.clone().into(),
                new.sex.clone().unwrap_or_else(|| "UNKNOWN".to_owned()).into(),
                new.birth_date.into(),
                cx.now().into(),
            ],
        )
        .await?;
    if created == 0 {
        // Somebody booked with the same document at the same moment; theirs is committed now.
        let theirs: Option<BookedPatient> = tx
            .find(
                "SELECT id, email FROM patients WHERE document_kind = $1 AND document_number = $2 AND document_country = $3",
                [kind.into(), number.into(), country.into()],
            )
            .await?;
        return theirs.ok_or_else(|| Failure::fault("a patient with this document vanished between two statements"));
    }
    changes
        .push(Change { after: Some(new.facts()), ..Change::event("patient.created", "createPatient", "Patient", id) });
    Ok(BookedPatient { id, email: new.email.clone() })
}

/// A document's number as it is compared: without dots, blanks and hyphens, in capitals.
fn normal(number: &str) -> String {
    number.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_uppercase).collect()
}
