//! Patients.

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, Object, SimpleObject};

use super::loader::{PatientCategoryKey, PatientFieldsKey, PatientKey, SensitiveKey};
use crate::{
    auth::{Permission, Scope},
    domain::{
        agenda::list,
        fields::calculated,
        patients::{brief::PatientBrief, category::Category, document, model},
        refusal::Refusal,
    },
    schema::{
        agenda::{
            loader::AppointmentsOf,
            types::{Appointment, AppointmentConnection, AppointmentFilter, wanted_of_page},
        },
        auth::{P, auth},
        centre::{
            loader::ResourceKey,
            types::{BookableResource, Professional},
        },
        error::ApiError,
        fields::{CustomFieldValue, values},
        id::Kind,
        page::{PageArguments, connection},
        record::types::ClinicalRecord,
        request::Reader,
        scalar::{CountryCode, EmailAddress, Instant, LocalDate, PhoneNumber},
    },
};

/// Sex of a patient, as in the documents.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sex {
    /// Female.
    Female,
    /// Male.
    Male,
    /// Another.
    Other,
    /// Not known.
    Unknown,
}

/// Kind of an identity document. What its country has published about its numbers is checked.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdDocumentKind {
    /// Chile; the check digit has to fit.
    Rut,
    /// Spain, where the letter has to fit; Argentina, Peru.
    Dni,
    /// Colombia.
    Cc,
    /// Foreigners in Spain; the letter has to fit.
    Nie,
    /// Passport.
    Passport,
    /// Mexico, population register; the check digit has to fit.
    Curp,
    /// Mexico, taxpayer register.
    Rfc,
    /// Ecuador and Uruguay, where the check digit has to fit; Bolivia and others.
    Ci,
    /// Another.
    Other,
}

/// Whether a patient is attended.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "crate::domain::patients::input::Status")]
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
    /// Its number, without dots and in capitals; of a RUT with its hyphen: `12345678-5`.
    pub number: String,
    /// Who issued it.
    pub country: CountryCode,
}

/// A patient of the centre.
#[derive(Clone, Debug)]
pub struct Patient {
    reader: Arc<Reader>,
    model: Arc<PatientBrief>,
    /// What was read along; the rest is read when somebody asks for it.
    profile: Option<Arc<model::Profile>>,
}

connection!(PatientConnection, PatientEdge, Patient, "patients");

impl Patient {
    /// The API's form of a patient of whom no more is known than agendas show.
    #[must_use]
    pub fn new(reader: &Arc<Reader>, model: Arc<PatientBrief>) -> Self {
        Self { reader: Arc::clone(reader), model, profile: None }
    }

    /// The API's form of a patient.
    #[must_use]
    pub fn whole(reader: &Arc<Reader>, patient: model::Patient) -> Self {
        let model::Patient { id: _, brief, profile, sort_name: _ } = patient;
        Self { reader: Arc::clone(reader), model: brief, profile: Some(profile) }
    }

    async fn profile(&self) -> Result<Arc<model::Profile>, ApiError> {
        if let Some(profile) = &self.profile {
            return Ok(Arc::clone(profile));
        }
        let found = self.reader.loader.load_one(PatientKey(self.model.id)).await?;
        found.map(|patient| patient.profile).ok_or_else(|| Refusal::not_found("patient").into())
    }

    async fn others(&self, ids: &[uuid::Uuid]) -> Result<Vec<Self>, ApiError> {
        let mut found = self.reader.loader.load_many(ids.iter().map(|id| PatientKey(*id))).await?;
        let found = ids.iter().filter_map(|id| found.remove(&PatientKey(*id)));
        Ok(found.map(|patient| Self::whole(&self.reader, patient)).collect())
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
        let number = document::shown(kind, number);
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
        Some(IdDocument { kind, number, country: CountryCode(country.clone()) })
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

    /// Who usually attends the patient.
    async fn usual_professional(&self) -> Result<Option<Professional>, ApiError> {
        let Some(id) = self.profile().await?.usual_professional else { return Ok(None) };
        let found = self.reader.loader.load_one(ResourceKey(id)).await?;
        Ok(found.and_then(|resource| match BookableResource::new(Arc::clone(&self.reader), resource) {
            BookableResource::Professional(professional) => Some(professional),
            BookableResource::Room(_) | BookableResource::Equipment(_) => None,
        }))
    }

    /// The heading that the patient is under.
    async fn category(&self) -> Result<Option<PatientCategory>, ApiError> {
        let Some(id) = self.profile().await?.category else { return Ok(None) };
        let found = self.reader.loader.load_one(PatientCategoryKey(id)).await?;
        Ok(found.map(|model| PatientCategory::new(&self.reader, model)))
    }

    /// How the patient came to know of the centre.
    async fn referral_source(&self) -> Result<Option<String>, ApiError> {
        Ok(self.profile().await?.referral_source.clone())
    }

    /// The centre's opinion, 1 to 5 stars.
    async fn rating(&self) -> Result<Option<i32>, ApiError> {
        Ok(self.profile().await?.rating.map(i32::from))
    }

    /// What the centre has noted, oldest first.
    async fn comments(&self) -> Result<Vec<String>, ApiError> {
        Ok(self.profile().await?.comments.clone())
    }

    /// The values of the fields that the centre has defined, in the order of `patientFields`; without those that you may
    /// not see.
    async fn custom_fields(&self) -> Result<Vec<CustomFieldValue>, ApiError> {
        let fields = self.reader.loader.load_one(PatientFieldsKey).await?.unwrap_or_default();
        let mut all = self.profile().await?.custom.clone();
        if fields.iter().any(|field| field.sensitive) {
            let sealed = self.reader.loader.load_one(SensitiveKey(self.model.id)).await?.unwrap_or_default();
            all.extend(sealed.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
        all.extend(calculated(&fields, &all));
        Ok(values(&self.reader, fields.iter(), &all))
    }

    /// Whether the patient agreed to get mailings.
    async fn marketing_consent(&self) -> Result<Consent, ApiError> {
        let profile = self.profile().await?;
        let model::Consent { granted, at, source } = profile.marketing.clone();
        Ok(Consent { granted, at: at.map(Instant::utc), source })
    }

    /// Who answers for the patient.
    async fn guardians(&self) -> Result<Vec<Patient>, ApiError> {
        let profile = self.profile().await?;
        self.others(&profile.guardians).await
    }

    /// The patient's appointments that you may see, by start; none for who sees nothing of the agenda.
    async fn appointments(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which; absent: all. A patient in it would be another one, and is refused.")] filter: Option<
            AppointmentFilter,
        >,
        #[graphql(desc = "So many from the front.")] first: Option<i32>,
        #[graphql(desc = "… behind this cursor.")] after: Option<String>,
        #[graphql(desc = "So many from the back.")] last: Option<i32>,
        #[graphql(desc = "… before this cursor.")] before: Option<String>,
    ) -> Result<AppointmentConnection, ApiError> {
        const LIST: &str = "patient.appointments";
        let page: crate::domain::page::PageRequest<list::Key> =
            PageArguments { first, after, last, before }.open(ctx, &self.reader, LIST)?;
        let filter = match filter {
            Some(filter) if filter.patient_id.is_some() => {
                return Err(Refusal::invalid("filter.patientId", "these are one patient's appointments").into());
            }
            Some(filter) => filter.to_domain(&self.reader.ids)?,
            None => list::Filter::default(),
        };
        let wanted = wanted_of_page(&ctx.look_ahead());
        let may = |permission| self.reader.actor.may(permission, Scope::Anywhere);
        let found = if may(Permission::AgendaRead) || may(Permission::AgendaReadOwn) {
            let key = AppointmentsOf { patient: self.model.id, filter, page: page.clone(), wanted };
            self.reader.loader.load_one(key).await?
        } else {
            None
        };
        let found = found.transpose()?.unwrap_or_else(|| page.empty());
        let key = |view: &Arc<_>| list::Key::of(view);
        Ok(AppointmentConnection::new(&self.reader, LIST, found, key, |view| Appointment::new(&self.reader, view)))
    }

    /// The patient that this one is, if it was merged into another: everything of it is there now. Never one that was
    /// merged itself.
    async fn merged_into(&self) -> Result<Option<Patient>, ApiError> {
        let into: Vec<uuid::Uuid> = self.profile().await?.merged_into.into_iter().collect();
        Ok(self.others(&into).await?.pop())
    }

    /// What the centre has written about the patient. Needs `RECORD_READ`; `FORBIDDEN` without it, and in a centre that
    /// keeps no clinical records, and everything else of the patient is there all the same.
    #[graphql(directive = auth::apply(vec![P::RecordRead]))]
    async fn record(&self) -> Option<Result<ClinicalRecord, ApiError>> {
        Some(ClinicalRecord::open(&self.reader, self.model.id).await)
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

/// Whether a patient agreed to something.
#[derive(SimpleObject, Clone, Debug)]
pub struct Consent {
    /// Whether the patient did.
    pub granted: bool,
    /// When it was last said; null: never.
    pub at: Option<Instant>,
    /// How it was said: `STAFF`, `API_KEY`, `BOOKING`, or what was given with it.
    pub source: Option<String>,
}

/// A heading under which the centre sorts its patients.
#[derive(Clone, Debug)]
pub struct PatientCategory {
    reader: Arc<Reader>,
    model: Category,
}

impl PatientCategory {
    /// The API's form of a category.
    #[must_use]
    pub fn new(reader: &Arc<Reader>, model: Category) -> Self {
        Self { reader: Arc::clone(reader), model }
    }
}

/// A heading under which the centre sorts its patients.
#[Object]
impl PatientCategory {
    /// Opaque identifier.
    pub async fn id(&self) -> ID {
        self.reader.ids.encode(Kind::PatientCategory, self.model.id)
    }

    /// Shown to people.
    async fn name(&self) -> &str {
        &self.model.name
    }

    /// Colour in lists, `#RRGGBB`.
    async fn color(&self) -> Option<&str> {
        self.model.color.as_deref()
    }
}
