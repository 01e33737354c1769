//! Patients as booking finds them: the one that was named, or the one that fits what somebody typed, or a new one.
//!
//! Who may book may do this, without PATIENT_WRITE: somebody who calls for the first time has to be written down, and a
//! booking page has no other permission. So it takes who the patient is, and nothing that the centre says about a patient.

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::{
    create, facts,
    input::{Draft, PatientInput, Rules},
    query,
};
use crate::{
    db::TenantTx,
    domain::{
        centre::{Patch, check::Check},
        change::{Change, Changes},
        cx::Cx,
        refusal::{Code, Failure, Refusal},
    },
};

/// The patient of an appointment.
#[derive(Clone, Debug, FromQueryResult)]
pub struct BookedPatient {
    /// Who.
    pub id: Uuid,
    /// The address on file.
    pub email: Option<String>,
    /// Who booked, where no address is on file.
    #[sea_orm(skip)]
    pub contact: Option<Contact>,
}

/// Who booked, as it was typed. It belongs to the appointment and is never put on the patient's file: whoever knows a
/// document number would otherwise get all of the patient's mail from then on.
#[derive(Clone, Debug)]
pub struct Contact {
    /// How to greet: what the file says of the patient is not told to somebody who may only know the number.
    pub name: String,
    /// Where the appointment's mails go.
    pub email: String,
}

impl BookedPatient {
    /// Where the appointment's mails go.
    #[must_use]
    pub fn mail_address(&self) -> Option<&str> {
        self.email.as_deref().or(self.contact.as_ref().map(|contact| contact.email.as_str()))
    }

    /// Keeps with the appointment who booked it, where no address is on file.
    ///
    /// # Errors
    /// Faults of the database.
    pub async fn keep_contact(&self, tx: &TenantTx, appointment: Uuid) -> Result<(), Failure> {
        if let Some(Contact { name, email }) = &self.contact {
            tx.run(
                "UPDATE appointments SET contact_name = $2, contact_email = $3 WHERE id = $1",
                [appointment.into(), name.as_str().into(), email.as_str().into()],
            )
            .await?;
        }
        Ok(())
    }
}

/// What a booking page says that only the centre can: which number a file has, and where an agreement is written down.
#[must_use]
pub fn page_refusals(new: &PatientInput, field: &str) -> Vec<Refusal> {
    let all =
        [("fileNumber", new.file_number.value().is_some()), ("marketingConsentSource", new.marketing_source.is_some())];
    let said = all.into_iter().filter(|(_, said)| *said);
    said.map(|(name, _)| {
        Refusal::invalid(&format!("{field}.{name}"), "a patient who books only says who they are; leave this out")
    })
    .collect()
}

/// What cannot be kept, field by field below `field`. Telephone numbers are left to [`find_or_create`], which knows the
/// centre's country.
#[must_use]
pub fn refusals(new: &PatientInput, field: &str, now: DateTime<Utc>) -> Vec<Refusal> {
    let mut refusals = of_the_centre(new);
    let without_phones = PatientInput { phones: None, ..new.clone() };
    refusals.extend(draft(without_phones, "", now).err().unwrap_or_default());
    refusals.into_iter().map(|refusal| below(field, refusal)).collect()
}

/// A patient by an id, or the one that was kept when it was merged; held until the transaction ends.
///
/// # Errors
/// NOT_FOUND at `field`; faults of the database.
pub async fn get(tx: &TenantTx, id: Uuid, field: &str) -> Result<BookedPatient, Failure> {
    let id = query::kept(tx, id, field).await?;
    let found = tx.find("SELECT id, email FROM patients WHERE id = $1", [id.into()]).await?;
    found.ok_or_else(|| Refusal::not_found(field).into())
}

/// The patient with the same document, or else with the same mail and names, or else a new one. What is known of a
/// patient is never overwritten by what somebody typed into a booking page. `field` is where it stands in the input.
///
/// # Errors
/// Telephone numbers that are none; faults of the database.
pub async fn find_or_create(
    cx: &Cx,
    tx: &TenantTx,
    new: &PatientInput,
    field: &str,
    changes: &mut Changes,
) -> Result<BookedPatient, Failure> {
    let country: Option<String> = match &new.phones {
        Some(phones) if !phones.is_empty() => tx.scalar("SELECT country FROM centre_profile", []).await?,
        _ => None,
    };
    let draft = draft(new.clone(), country.as_deref().unwrap_or_default(), cx.now())
        .map_err(|refusals| refusals.into_iter().map(|refusal| below(field, refusal)).collect::<Vec<_>>())?;
    if let Some(known) = find(tx, &draft).await? {
        return found(tx, known, &draft, field).await;
    }
    let id = cx.new_id();
    if !create::insert_unless_known(cx, tx, id, &draft).await? {
        // Somebody booked with the same document at the same moment; theirs is committed now.
        let theirs = find(tx, &draft).await?;
        let theirs =
            theirs.ok_or_else(|| Failure::fault("a patient with this document vanished between two statements"))?;
        return found(tx, theirs, &draft, field).await;
    }
    changes.push(Change {
        after: Some(facts::patient(&draft)),
        ..Change::event("patient.created", "createPatient", "Patient", id)
    });
    Ok(BookedPatient { id, email: draft.email, contact: None })
}

async fn find(tx: &TenantTx, draft: &Draft) -> Result<Option<Uuid>, Failure> {
    let document = draft.document.as_ref();
    let found = tx.scalar(
        "SELECT coalesce(merged_into, id) FROM patients
         WHERE (document_kind = $1 AND document_number = $2 AND document_country = $3)
             -- Where both have a document, it decides.
             OR (($1::text IS NULL OR document_kind IS NULL) AND status <> 'MERGED' AND email = $4
                 AND lower(given_names) = lower($5) AND coalesce(lower(paternal_surname), '') = coalesce(lower($6), ''))
         ORDER BY (document_kind = $1 AND document_number = $2 AND document_country = $3) IS TRUE DESC, created_at, id LIMIT 1",
        [
            document.map(|document| document.kind.clone()).into(),
            document.map(|document| document.number.clone()).into(),
            document.map(|document| document.country.clone()).into(),
            draft.email.clone().into(),
            draft.given_names.clone().into(),
            draft.paternal_surname.clone().into(),
        ],
    );
    Ok(found.await?)
}

async fn found(tx: &TenantTx, known: Uuid, draft: &Draft, field: &str) -> Result<BookedPatient, Failure> {
    let known = get(tx, known, field).await?;
    let typed = draft.email.clone().filter(|_| known.email.is_none());
    let contact = typed.map(|email| {
        let surnames = [&draft.paternal_surname, &draft.maternal_surname].into_iter().flatten().map(String::as_str);
        let name: Vec<&str> = std::iter::once(draft.given_names.as_str()).chain(surnames).collect();
        Contact { name: name.join(" "), email }
    });
    Ok(BookedPatient { contact, ..known })
}

fn draft(new: PatientInput, country: &str, now: DateTime<Utc>) -> Result<Draft, Vec<Refusal>> {
    let rules = Rules { now, country, fields: &[], attachment: &|_| None, is_new: false, source: "BOOKING" };
    let mut check = Check::default();
    let (draft, _) = Draft::new().apply(&mut check, new, &rules);
    match check.done() {
        Err(Failure::Refused(refusals)) => Err(refusals),
        _ => Ok(draft),
    }
}

/// What only the centre says about a patient.
fn of_the_centre(new: &PatientInput) -> Vec<Refusal> {
    fn said<T>(patch: &Patch<T>) -> bool {
        patch.value().is_some()
    }
    let all = [
        ("usualProfessionalId", said(&new.usual_professional)),
        ("categoryId", said(&new.category)),
        ("rating", said(&new.rating)),
        ("status", new.status.is_some()),
        ("comments", new.comments.is_some()),
        ("customFields", new.custom.is_some()),
        ("guardianIds", new.guardians.is_some()),
    ];
    let said = all.into_iter().filter(|(_, said)| *said);
    said.map(|(name, _)| {
        let message = "a booking only says who the patient is; say this with createPatient or updatePatient";
        Refusal::new(Code::Invalid, message).at(name)
    })
    .collect()
}

fn below(field: &str, refusal: Refusal) -> Refusal {
    let path = refusal.field.as_ref().map_or_else(String::new, |path| path.join("."));
    refusal.at(&format!("{field}.{path}"))
}
