//! Patients as far as appointments show them.

use std::sync::Arc;

use async_graphql::{Enum, ID, Object, SimpleObject};

use crate::{
    domain::agenda::patient::PatientBrief,
    schema::{
        booking::input::{IdDocumentKind, Sex},
        id::Kind,
        request::Reader,
        scalar::{CountryCode, EmailAddress, Instant, LocalDate, PhoneNumber},
    },
};

/// Whether a patient is attended.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatientStatus {
    /// Is.
    Active,
    /// Is not any more.
    Inactive,
    /// Has died.
    Deceased,
    /// Was the same person as another one.
    Merged,
}

/// An identity document.
#[derive(SimpleObject, Clone, Debug)]
pub struct IdDocument {
    /// What kind.
    pub kind: IdDocumentKind,
    /// Its number.
    pub number: String,
    /// Who issued it.
    pub country: CountryCode,
}

/// A patient of the centre.
#[derive(Clone, Debug)]
pub struct Patient {
    reader: Arc<Reader>,
    model: Arc<PatientBrief>,
}

impl Patient {
    /// The API's form of a patient.
    #[must_use]
    pub fn new(reader: &Arc<Reader>, model: Arc<PatientBrief>) -> Self {
        Self { reader: Arc::clone(reader), model }
    }
}

/// A patient of the centre.
#[Object]
impl Patient {
    /// Opaque identifier.
    pub async fn id(&self) -> ID {
        self.reader.ids.encode(Kind::Patient, self.model.id)
    }

    /// Goes up with every change; give it with the next one.
    pub async fn version(&self) -> i32 {
        self.model.version
    }

    /// Number of the clinical file.
    async fn file_number(&self) -> Option<&str> {
        self.model.file_number.as_deref()
    }

    /// Given names.
    async fn given_names(&self) -> &str {
        &self.model.given_names
    }

    /// First surname.
    async fn paternal_surname(&self) -> Option<&str> {
        self.model.paternal_surname.as_deref()
    }

    /// Second surname.
    async fn maternal_surname(&self) -> Option<&str> {
        self.model.maternal_surname.as_deref()
    }

    /// Identity document.
    async fn document(&self) -> Option<IdDocument> {
        let (kind, number, country) = self.model.document.as_ref()?;
        let kind = match kind.as_str() {
            "RUT" => IdDocumentKind::Rut,
            "DNI" => IdDocumentKind::Dni,
            "CC" => IdDocumentKind::Cc,
            "NIE" => IdDocumentKind::Nie,
            "PASSPORT" => IdDocumentKind::Passport,
            "CURP" => IdDocumentKind::Curp,
            "RFC" => IdDocumentKind::Rfc,
            "CI" => IdDocumentKind::Ci,
            _ => IdDocumentKind::Other,
        };
        Some(IdDocument { kind, number: number.clone(), country: CountryCode(country.clone()) })
    }

    /// Whether the patient comes from abroad.
    async fn is_foreign(&self) -> bool {
        self.model.is_foreign
    }

    /// Mail address.
    async fn email(&self) -> Option<EmailAddress> {
        self.model.email.clone().map(EmailAddress)
    }

    /// Telephone numbers.
    async fn phones(&self) -> Vec<PhoneNumber> {
        self.model.phones.iter().cloned().map(PhoneNumber).collect()
    }

    /// Sex, as in the documents.
    async fn sex(&self) -> Sex {
        match self.model.sex.as_str() {
            "FEMALE" => Sex::Female,
            "MALE" => Sex::Male,
            "OTHER" => Sex::Other,
            _ => Sex::Unknown,
        }
    }

    /// Day of birth.
    async fn birth_date(&self) -> Option<LocalDate> {
        self.model.birth_date.map(LocalDate)
    }

    /// Whether the patient is attended.
    async fn status(&self) -> PatientStatus {
        match self.model.status.as_str() {
            "INACTIVE" => PatientStatus::Inactive,
            "DECEASED" => PatientStatus::Deceased,
            "MERGED" => PatientStatus::Merged,
            _ => PatientStatus::Active,
        }
    }

    /// When the patient was created.
    pub async fn created_at(&self) -> Instant {
        Instant::utc(self.model.created_at)
    }

    /// When the patient was last changed.
    pub async fn updated_at(&self) -> Instant {
        Instant::utc(self.model.updated_at)
    }
}
