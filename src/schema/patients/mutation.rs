//! Changes of patients.

use async_graphql::{Context, ID, Object, SimpleObject};

use super::{
    input::PatientInput,
    types::{Patient, PatientCategory},
};
use crate::{
    domain::patients::{category, create, fields, merge, update},
    schema::{
        auth::{P, auth},
        error::{ApiError, UserError, payload},
        fields::{TemplateField, TemplateFieldInput, attachment_opener},
        id::Kind,
        request::staff,
        scalar::IdempotencyKey,
    },
};

/// Answer of `createPatient`.
#[derive(SimpleObject, Clone, Debug)]
pub struct CreatePatientPayload {
    /// The new patient.
    pub patient: Option<Patient>,
    /// Those that you may see and that may be the same person, as `patientDuplicates` finds them.
    pub possible_duplicates: Option<Vec<Patient>>,
    /// Why it did not happen; empty: it did.
    pub user_errors: Vec<UserError>,
}

macro_rules! payload {
    ($name:ident, $mutation:literal, $(#[$doc:meta])* $field:ident: $ty:ty) => {
        #[doc = concat!("Answer of `", $mutation, "`.")]
        #[derive(SimpleObject, Clone, Debug)]
        pub struct $name {
            $(#[$doc])*
            pub $field: Option<$ty>,
            /// Why it did not happen; empty: it did.
            pub user_errors: Vec<UserError>,
        }
    };
}

payload!(UpdatePatientPayload, "updatePatient", /** As it is now. */ patient: Patient);
payload!(MergePatientsPayload, "mergePatients", /** The one that was kept, as it is now. */ patient: Patient);
payload!(UpsertPatientCategoryPayload, "upsertPatientCategory", /** As it is now. */ category: PatientCategory);
payload!(SetPatientFieldsPayload, "setPatientFields", /** As they are now, in their order. */ fields: Vec<TemplateField>);

/// Mutations of patients.
#[derive(Default)]
pub struct PatientsMutation;

#[Object]
impl PatientsMutation {
    /// Creates a patient. Another patient's document is `ALREADY_EXISTS`; everything else that looks alike is told and
    /// left to you. Needs PATIENT_WRITE.
    #[graphql(directive = auth::apply(vec![P::PatientWrite]))]
    async fn create_patient(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The patient.")] input: PatientInput,
        #[graphql(desc = "UUID of your own; the same key creates once.")] idempotency_key: IdempotencyKey,
    ) -> Result<CreatePatientPayload, ApiError> {
        let reader = staff(ctx)?;
        let attachments = attachment_opener(reader);
        let result = async {
            create::run(&reader.cx, &reader.actor, input.open(&reader.ids)?, idempotency_key.0, &attachments).await
        };
        let (done, user_errors) = payload(result.await, Some(reader))?;
        let (patient, duplicates) = done.map(|done| (done.patient, done.duplicates)).unzip();
        Ok(CreatePatientPayload {
            patient: patient.map(|patient| Patient::whole(reader, patient)),
            possible_duplicates: duplicates
                .map(|all| all.into_iter().map(|patient| Patient::whole(reader, patient)).collect()),
            user_errors,
        })
    }

    /// Changes a patient. Needs PATIENT_WRITE.
    #[graphql(directive = auth::apply(vec![P::PatientWrite]))]
    async fn update_patient(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] id: ID,
        #[graphql(desc = "The version that you read.")] version: i32,
        #[graphql(desc = "The names, and what else is to change.")] input: PatientInput,
    ) -> Result<UpdatePatientPayload, ApiError> {
        let reader = staff(ctx)?;
        let attachments = attachment_opener(reader);
        let result = async {
            let id = reader.ids.decode(Kind::Patient, &id, "id")?;
            update::run(&reader.cx, &reader.actor, id, version, input.open(&reader.ids)?, &attachments).await
        };
        let (done, user_errors) = payload(result.await, Some(reader))?;
        Ok(UpdatePatientPayload { patient: done.map(|patient| Patient::whole(reader, patient)), user_errors })
    }

    /// Makes two patients that are one person one: appointments and everything else of `mergeId` go to `keepId`, empty
    /// fields of it are filled from the other, and nothing is written over; only a no to mailings that was said later
    /// wins. The old id stays good: see `patient`. There is no way back. Needs PATIENT_MERGE.
    #[graphql(directive = auth::apply(vec![P::PatientMerge]))]
    async fn merge_patients(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one that stays.")] keep_id: ID,
        #[graphql(desc = "The one that becomes the other.")] merge_id: ID,
        #[graphql(desc = "UUID of your own; the same key merges once.")] idempotency_key: IdempotencyKey,
    ) -> Result<MergePatientsPayload, ApiError> {
        let reader = staff(ctx)?;
        let result = async {
            let keep = reader.ids.decode(Kind::Patient, &keep_id, "keepId")?;
            let merge = reader.ids.decode(Kind::Patient, &merge_id, "mergeId")?;
            merge::run(&reader.cx, &reader.actor, keep, merge, idempotency_key.0).await
        };
        let (done, user_errors) = payload(result.await, Some(reader))?;
        Ok(MergePatientsPayload { patient: done.map(|patient| Patient::whole(reader, patient)), user_errors })
    }

    /// Creates or changes a heading under which patients are sorted. Needs CONFIG_WRITE in the whole centre.
    #[graphql(directive = auth::apply(vec![P::ConfigWrite]))]
    async fn upsert_patient_category(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which to change; absent: a new one.")] id: Option<ID>,
        #[graphql(desc = "Shown to people, up to 200 characters; unique.")] name: String,
        #[graphql(desc = "Colour in lists, `#RRGGBB`; absent: as it is; an empty text takes it away.")] color: Option<
            String,
        >,
    ) -> Result<UpsertPatientCategoryPayload, ApiError> {
        let reader = staff(ctx)?;
        let result = async {
            let id = reader.ids.decode_opt(Kind::PatientCategory, id.as_ref(), "id")?;
            category::upsert(&reader.cx, &reader.actor, category::Input { id, name, color }).await
        };
        let (done, user_errors) = payload(result.await, Some(reader))?;
        Ok(UpsertPatientCategoryPayload {
            category: done.map(|model| PatientCategory::new(reader, model)),
            user_errors,
        })
    }

    /// Puts these fields into the place of those that the centre has defined for its patients. A field that is left out is
    /// not shown any more; its values come back with it. The type of a key, and whether it is sensitive, never change.
    /// Needs CONFIG_WRITE in the whole centre.
    #[graphql(directive = auth::apply(vec![P::ConfigWrite]))]
    async fn set_patient_fields(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "All of them, at most 200.")] fields: Vec<TemplateFieldInput>,
    ) -> Result<SetPatientFieldsPayload, ApiError> {
        let reader = staff(ctx)?;
        let inputs = fields.into_iter().map(Into::into).collect();
        let (done, user_errors) = payload(fields::set(&reader.cx, &reader.actor, inputs).await, Some(reader))?;
        Ok(SetPatientFieldsPayload { fields: done.map(|all| all.into_iter().map(Into::into).collect()), user_errors })
    }
}
