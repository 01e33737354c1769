//! Records and their entries.

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, InputObject, Object};

use super::{
    loader::{EntryKey, LogOf, LookAt, RetentionOf, Seen},
    template::RecordTemplate,
};
use crate::{
    auth::ActorKind,
    domain::{
        identity::audit::list,
        patients::model,
        record::{
            self,
            model::{Entry, Person},
            read::{Filter, Key},
            save,
        },
        refusal::{Code, Failure, Refusal},
    },
    schema::{
        agenda::{
            loader::AppointmentKey,
            types::{Appointment, DateTimeRange},
        },
        centre::loader::ProfileKey,
        error::ApiError,
        fields::{self, CustomFieldValue, CustomFieldValueInput},
        files::{
            AttachmentKey,
            types::{Attachment, AttachmentConnection},
        },
        id::Kind,
        identity::{
            audit::{AuditEntry, AuditEntryConnection},
            types::{Actor, actor},
        },
        page::{PageArguments, connection},
        patients::{loader::PatientKey, types::Patient},
        request::Reader,
        scalar::{Instant, LocalDate},
        sensitive::sensitive,
    },
};

/// Where an entry is.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "crate::domain::record::model::EntryStatus")]
pub enum RecordEntryStatus {
    /// Being written; its author can change it.
    Draft,
    /// Final: it never changes.
    Signed,
    /// Final, and a newer signed entry stands in its place.
    Amended,
    /// Given up before it was signed.
    Voided,
}

/// What the centre has written about a patient.
#[derive(Clone, Debug)]
pub struct ClinicalRecord {
    reader: Arc<Reader>,
    patient: model::Patient,
}

impl ClinicalRecord {
    /// The record of a patient whom the caller sees.
    ///
    /// # Errors
    /// FORBIDDEN without RECORD_READ, and in a centre that keeps no records; NOT_FOUND of a patient whom the caller does
    /// not see; faults of the database.
    pub async fn open(reader: &Arc<Reader>, patient: uuid::Uuid) -> Result<Self, ApiError> {
        record::require_read(&reader.actor)?;
        let profile = reader.loader.load_one(ProfileKey).await?;
        if !profile.is_some_and(|profile| profile.clinical_record) {
            return Err(Refusal::new(Code::Forbidden, record::NOT_KEPT).into());
        }
        let patient = reader.loader.load_one(PatientKey(patient)).await?;
        let patient = patient.ok_or_else(|| ApiError::from(Refusal::not_found("record")))?;
        Ok(Self { reader: Arc::clone(reader), patient })
    }
}

/// What the centre has written about a patient. Whoever looks at its entries leaves a line in `accessLog`.
#[Object]
impl ClinicalRecord {
    /// Whose.
    async fn patient(&self) -> Patient {
        Patient::whole(&self.reader, self.patient.clone())
    }

    /// What was written, newest first, also about patients who turned out to be the same person.
    #[expect(clippy::too_many_arguments, reason = "the contract's: a filter and the four of every list")]
    async fn entries(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only in this form, whatever its version.")] template_id: Option<ID>,
        #[graphql(desc = "Only those begun in this range.")] range: Option<DateTimeRange>,
        #[graphql(desc = "Rows from the front, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Rows behind this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the back, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Rows before this cursor.")] before: Option<String>,
    ) -> Result<RecordEntryConnection, ApiError> {
        const LIST: &str = "record.entries";
        let reader = &self.reader;
        let page = PageArguments { first, after, last, before }.open(ctx, reader, LIST)?;
        let filter = Filter {
            template: reader.ids.decode_opt(Kind::RecordTemplate, template_id.as_ref(), "templateId")?,
            from: range.map(|range| range.from.to_utc()),
            to: range.map(|range| range.to.to_utc()),
        };
        let key = LookAt::Entries { patient: self.patient.id, filter, page: page.clone() };
        let found = match reader.loader.load_one(key).await? {
            Some(Seen::Entries(found)) => found,
            _ => page.empty(),
        };
        Ok(RecordEntryConnection::new(reader, LIST, found, |row| Key::of(row), |row| RecordEntry::new(reader, row)))
    }

    /// The patient's files, newest first.
    async fn attachments(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Rows from the front, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Rows behind this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the back, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Rows before this cursor.")] before: Option<String>,
    ) -> Result<AttachmentConnection, ApiError> {
        const LIST: &str = "record.attachments";
        let reader = &self.reader;
        let page = PageArguments { first, after, last, before }.open(ctx, reader, LIST)?;
        let key = LookAt::Files { patient: self.patient.id, page: page.clone() };
        let found = match reader.loader.load_one(key).await? {
            Some(Seen::Files(found)) => found,
            _ => page.empty(),
        };
        let file = |model| Attachment::new(reader, model);
        Ok(AttachmentConnection::new(reader, LIST, found, |row| (row.uploaded_at, row.id), file))
    }

    /// Who has looked at it and written in it, newest first.
    async fn access_log(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Rows from the front, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Rows behind this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the back, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Rows before this cursor.")] before: Option<String>,
    ) -> Result<AuditEntryConnection, ApiError> {
        const LIST: &str = "record.accessLog";
        let reader = &self.reader;
        let page = PageArguments { first, after, last, before }.open(ctx, reader, LIST)?;
        let key = LogOf { patient: self.patient.id, page: page.clone() };
        let found = reader.loader.load_one(key).await?.unwrap_or_else(|| page.empty());
        let entry = |model| AuditEntry::new(reader, chrono_tz::Tz::UTC, model);
        Ok(AuditEntryConnection::new(reader, LIST, found, |row| list::Key(row.position), entry))
    }

    /// Until when it is kept at least: as many years after the last entry as the centre's country says. Without entries
    /// the day on which the patient was created.
    async fn retain_until(&self) -> Result<LocalDate, ApiError> {
        let until = self.reader.loader.load_one(RetentionOf(self.patient.id)).await?;
        until.map(LocalDate).ok_or_else(|| Failure::fault("a patient without a time to be kept").into())
    }
}

/// Something that was written about a patient.
#[derive(Clone, Debug)]
pub struct RecordEntry {
    reader: Arc<Reader>,
    model: Arc<Entry>,
}

connection!(RecordEntryConnection, RecordEntryEdge, RecordEntry, "entries of a record");

impl RecordEntry {
    /// The API's form of an entry.
    #[must_use]
    pub fn new(reader: &Arc<Reader>, model: Arc<Entry>) -> Self {
        Self { reader: Arc::clone(reader), model }
    }

    fn person(&self, person: &Person) -> Actor {
        actor(&self.reader, ActorKind::User, Some(person.id), &person.name)
    }
}

/// Something that was written about a patient, in a form of the centre's.
#[Object]
impl RecordEntry {
    /// Opaque identifier.
    pub async fn id(&self) -> ID {
        self.reader.ids.encode(Kind::RecordEntry, self.model.id)
    }

    /// Goes up with every change; give it with the next one.
    pub async fn version(&self) -> i32 {
        self.model.version
    }

    /// The form, in the version it is written in.
    async fn template(&self) -> RecordTemplate {
        RecordTemplate::new(&self.reader, Arc::clone(&self.model.template))
    }

    /// The version of the form it is written in.
    async fn template_version(&self) -> i32 {
        self.model.template.version
    }

    /// The visit it belongs to; null: none, or none that you may see.
    async fn appointment(&self) -> Result<Option<Appointment>, ApiError> {
        let Some(id) = self.model.appointment else { return Ok(None) };
        let found = self.reader.loader.load_one(AppointmentKey(id)).await?;
        Ok(found.map(|view| Appointment::new(&self.reader, view)))
    }

    /// Who began it.
    async fn author(&self) -> Actor {
        self.person(&self.model.author)
    }

    /// Where it is.
    async fn status(&self) -> RecordEntryStatus {
        self.model.status.into()
    }

    /// What is written in it. Fields that are not for you are left out.
    #[graphql(directive = sensitive::apply())]
    async fn values(&self) -> Vec<CustomFieldValue> {
        fields::values(&self.reader, &self.model.seen, &self.model.values)
    }

    /// The files that belong to it: listed with it, or in fields that are for you.
    async fn attachments(&self) -> Result<Vec<Attachment>, ApiError> {
        let ids = &self.model.attachments;
        let found = self.reader.loader.load_many(ids.iter().copied().map(AttachmentKey)).await?;
        let files = ids.iter().filter_map(|id| found.get(&AttachmentKey(*id)).cloned());
        Ok(files.map(|model| Attachment::new(&self.reader, model)).collect())
    }

    /// When it was signed.
    async fn signed_at(&self) -> Option<Instant> {
        self.model.signed.as_ref().map(|signed| Instant::utc(signed.at))
    }

    /// Who signed it.
    async fn signed_by(&self) -> Option<Actor> {
        self.model.signed.as_ref().map(|signed| self.person(&signed.by))
    }

    /// Keyed hash of everything that was signed, in hexadecimal.
    async fn signature_hash(&self) -> Option<String> {
        self.model.signed.as_ref().map(|signed| hex::encode(&signed.hash))
    }

    /// Whether what you read is what was signed; false: somebody has changed it in the database. Null before it is
    /// signed.
    async fn signature_valid(&self) -> Option<bool> {
        self.model.signed.as_ref().map(|signed| signed.genuine)
    }

    /// The entry whose place it takes once it is signed.
    async fn amends(&self) -> Result<Option<Self>, ApiError> {
        let Some(id) = self.model.amends else { return Ok(None) };
        let found = self.reader.loader.load_one(EntryKey(id)).await?;
        Ok(found.map(|entry| Self::new(&self.reader, entry)))
    }

    /// Why it takes that one's place.
    #[graphql(directive = sensitive::apply())]
    async fn amendment_reason(&self) -> Option<&str> {
        self.model.amendment_reason.as_deref()
    }

    /// When it was given up.
    async fn voided_at(&self) -> Option<Instant> {
        self.model.voided.as_ref().map(|voided| Instant::utc(voided.at))
    }

    /// Who gave it up.
    async fn voided_by(&self) -> Option<Actor> {
        self.model.voided.as_ref().map(|voided| self.person(&voided.by))
    }

    /// Why it was given up.
    #[graphql(directive = sensitive::apply())]
    async fn void_reason(&self) -> Option<&str> {
        self.model.voided.as_ref().map(|voided| voided.reason.as_str())
    }

    /// When it was begun.
    async fn at(&self) -> Instant {
        Instant::utc(self.model.at)
    }
}

/// What to write about a patient.
#[derive(InputObject, Clone, Debug)]
pub struct RecordEntryInput {
    /// Which draft to change; absent: a new one. Not for amendments, which are always new.
    pub id: Option<ID>,
    /// The version that you read, of a draft to change.
    pub version: Option<i32>,
    /// About whom.
    pub patient_id: ID,
    /// In which form. A new entry is written in the version published last, and keeps it.
    pub template_id: ID,
    /// The visit it belongs to: one of the same patient. Absent: as it is, or of an amendment that of what it amends.
    pub appointment_id: Option<ID>,
    /// Values to set, and to take away by null; others stay.
    pub values: Vec<CustomFieldValueInput>,
    /// Files of the patient's to list with it, besides those in fields; absent: as they are.
    pub attachment_ids: Option<Vec<ID>>,
}

impl RecordEntryInput {
    pub(super) fn open(self, reader: &Arc<Reader>) -> Result<save::Input, Failure> {
        Ok(save::Input {
            id: reader.ids.decode_opt(Kind::RecordEntry, self.id.as_ref(), "id")?,
            version: self.version,
            writing: save::Writing {
                patient: reader.ids.decode(Kind::Patient, &self.patient_id, "patientId")?,
                template: reader.ids.decode(Kind::RecordTemplate, &self.template_id, "templateId")?,
                appointment: reader.ids.decode_opt(Kind::Appointment, self.appointment_id.as_ref(), "appointmentId")?,
                attachments: match self.attachment_ids {
                    Some(ids) => Some(reader.ids.decode_all(Kind::Attachment, &ids, "attachmentIds")?),
                    None => None,
                },
                values: self.values.into_iter().map(Into::into).collect(),
                open: Arc::new(fields::attachment_opener(reader)),
            },
        })
    }
}
