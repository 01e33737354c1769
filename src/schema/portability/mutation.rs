//! Imports, exports, and the end of what is known of somebody.

use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use super::types::{AnonymisePatientPayload, ExportPatientDataPayload, ImportPatientsPayload};
use crate::{
    domain::portability::{anonymise, export, import::start},
    schema::{
        auth::{P, auth},
        background::{BackgroundJobKey, types::BackgroundJob},
        error::{ApiError, payload},
        id::Kind,
        patients::types::Patient,
        request::{Reader, staff},
        scalar::{IdempotencyKey, Json},
    },
};

/// Mutations of imports and exports.
#[derive(Default)]
pub struct PortabilityMutation;

#[Object]
impl PortabilityMutation {
    /// Imports patients from an .xlsx or .csv file, in the background: `job.id` and `jobProgress` tell how it goes. Good
    /// rows become patients. Rows of patients who are known (by the row itself, the document, the file number, or mail and
    /// name together) are skipped and change nothing, so the same file can be sent again. Bad rows are in the spreadsheet
    /// behind `job.resultUrl`, each with what is wrong with it, to be corrected and imported again.
    ///
    /// `mapping` says what the columns are, and every part of it may be left out: `columns` (name of the column → a field of
    /// `PatientInput` as `fileNumber`, `givenNames`, `paternalSurname`, `maternalSurname`, `document.kind`,
    /// `document.number`, `document.country`, `isForeign`, `email`, `phones`, `sex`, `birthDate`, `category` by its name,
    /// `referralSource`, `comments`, `marketingConsent`, `customFields.<key>`; or `surnames` for both in one cell; or null
    /// for nothing; without it the names decide), `sheet` (the first), `headerRow` (1), `dateFormat` (`DD/MM/YYYY`, or
    /// `MM/DD/YYYY`), `defaultCountry` (of documents and telephone numbers without one; the centre's). `importPreview`
    /// shows what would come of it. At most 100 000 rows. Needs PATIENT_WRITE in every branch.
    #[graphql(directive = auth::apply(vec![P::PatientWrite]))]
    async fn import_patients(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The file, uploaded with the centre as its owner.")] attachment_id: ID,
        #[graphql(desc = "What its columns are; `{}`: as their names say.")] mapping: Json,
        #[graphql(desc = "Makes repeating safe: the same key is the same import.")] idempotency_key: IdempotencyKey,
    ) -> Result<ImportPatientsPayload, ApiError> {
        let reader = staff(ctx)?;
        let started = async {
            let attachment = reader.ids.decode(Kind::Attachment, &attachment_id, "attachmentId")?;
            let input = start::Import { key: idempotency_key.0, attachment, mapping: mapping.0 };
            start::run(&reader.cx, &reader.actor, input).await
        };
        let (id, user_errors) = payload(started.await, Some(reader))?;
        Ok(ImportPatientsPayload { job: job(reader, id).await?, user_errors })
    }

    /// Puts what is known of a patient, as far as you see it, into one archive, in the background: `datos.json` for programs
    /// and `ficha.pdf` for people, with the profile, the appointments that you see in the agenda, and in `datos.json` the
    /// mails about them. For who may read records (RECORD_READ) also the clinical record, as far as its fields are for you,
    /// and the patient's files. `job.resultUrl` gives it, to you alone. Needs PATIENT_READ, PATIENT_WRITE and a patient that
    /// you see.
    #[graphql(directive = auth::apply(vec![P::PatientWrite]))]
    async fn export_patient_data(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose data.")] patient_id: ID,
    ) -> Result<ExportPatientDataPayload, ApiError> {
        let reader = staff(ctx)?;
        let started = async {
            let patient = reader.ids.decode(Kind::Patient, &patient_id, "patientId")?;
            export::start::run(&reader.cx, &reader.actor, patient).await
        };
        let (id, user_errors) = payload(started.await, Some(reader))?;
        Ok(ExportPatientDataPayload { job: job(reader, id).await?, user_errors })
    }

    /// Takes away all that is known of a patient, and of everybody who was merged into it, for ever: names, contacts,
    /// documents, comments, the centre's own fields, files, the clinical record, and the texts of appointments and mails.
    /// Appointments and what was paid stay, under a patient who is nobody. Refused while the country's law wants the
    /// record kept, with the day it ends, and while something is booked. Done again it changes nothing. Needs
    /// PATIENT_READ, PATIENT_MERGE and RECORD_SIGN in every branch.
    #[graphql(directive = auth::apply(vec![P::PatientMerge]))]
    async fn anonymise_patient(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Of whom nothing is to be known.")] patient_id: ID,
        #[graphql(desc = "Why, without naming anybody: it stays in the audit trail.")] reason: String,
    ) -> Result<AnonymisePatientPayload, ApiError> {
        let reader = staff(ctx)?;
        let done = async {
            let patient = reader.ids.decode(Kind::Patient, &patient_id, "patientId")?;
            anonymise::run(&reader.cx, &reader.actor, patient, &reason).await
        };
        let (patient, user_errors) = payload(done.await, Some(reader))?;
        Ok(AnonymisePatientPayload { patient: patient.map(|patient| Patient::whole(reader, patient)), user_errors })
    }
}

async fn job(reader: &Arc<Reader>, id: Option<uuid::Uuid>) -> Result<Option<BackgroundJob>, ApiError> {
    let Some(id) = id else { return Ok(None) };
    let found = reader.loader.load_one(BackgroundJobKey(id)).await?;
    Ok(found.map(|job| BackgroundJob::new(Arc::clone(reader), job)))
}
