//! Reads of patients.

use async_graphql::{Context, ID, Object};

use super::{
    input::PatientFilter,
    loader::PatientKey,
    types::{Patient, PatientCategory, PatientConnection},
};
use crate::{
    auth::{Permission, Scope},
    domain::{
        patients::{category, duplicates, fields, list},
        refusal::{Failure, Refusal},
    },
    schema::{
        auth::{P, auth},
        error::ApiError,
        fields::TemplateField,
        id::Kind,
        limits::directive::cost,
        page::PageArguments,
        request::staff,
    },
};

/// Queries of patients.
#[derive(Default)]
pub struct PatientsQuery;

#[Object]
impl PatientsQuery {
    /// One patient. The id of one that was merged is still found: its status is `MERGED`, and `mergedInto` leads to the one
    /// that was kept. Needs PATIENT_READ; who sees only the own column of the agenda, and may not write patients
    /// (PATIENT_WRITE), sees the own ones; who works in some branches only those of there and those who have been nowhere
    /// yet.
    #[graphql(directive = auth::apply(vec![P::PatientRead]))]
    async fn patient(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] id: ID,
    ) -> Option<Result<Patient, ApiError>> {
        let found = async {
            let reader = staff(ctx)?;
            reader.actor.require(Permission::PatientRead, Scope::Anywhere).map_err(Failure::from)?;
            let id = reader.ids.decode(Kind::Patient, &id, "id")?;
            let found = reader.loader.load_one(PatientKey(id)).await?;
            let found = found.ok_or_else(|| Refusal::not_found("id"))?;
            Ok(Patient::whole(reader, found))
        };
        Some(found.await)
    }

    /// Patients by surname and name. Needs PATIENT_READ, which shows the same as in `patient`.
    #[graphql(directive = auth::apply(vec![P::PatientRead]), directive = cost::apply(5, Some(vec!["first".to_owned(), "last".to_owned()])))]
    async fn patients(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which; absent: all but those that were merged.")] filter: Option<PatientFilter>,
        #[graphql(desc = "Rows from the front, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Rows behind this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the back, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Rows before this cursor.")] before: Option<String>,
    ) -> Result<PatientConnection, ApiError> {
        const LIST: &str = "patients";
        let reader = staff(ctx)?;
        let page = PageArguments { first, after, last, before }.open(ctx, reader, LIST)?;
        let filter = filter.unwrap_or_default().open(&reader.ids)?;
        let found = list::run(&reader.cx, &reader.actor, filter, &page).await?;
        let key = |row: &crate::domain::patients::model::Patient| (row.sort_name.clone(), row.id);
        Ok(PatientConnection::new(reader, LIST, found, key, |row| Patient::whole(reader, row)))
    }

    /// Patients that may be the same person as this one, by surname and name, at most 20: with the same document number,
    /// mail address or telephone number, or with the same names and day of birth. Needs PATIENT_READ.
    #[graphql(directive = auth::apply(vec![P::PatientRead]), directive = cost::apply(20, None))]
    async fn patient_duplicates(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] id: ID,
    ) -> Result<Vec<Patient>, ApiError> {
        let reader = staff(ctx)?;
        let id = reader.ids.decode(Kind::Patient, &id, "id")?;
        let found = duplicates::run(&reader.cx, &reader.actor, id).await?;
        Ok(found.into_iter().map(|patient| Patient::whole(reader, patient)).collect())
    }

    /// The headings under which the centre sorts its patients, by name. Needs PATIENT_READ.
    #[graphql(directive = auth::apply(vec![P::PatientRead]))]
    async fn patient_categories(&self, ctx: &Context<'_>) -> Result<Vec<PatientCategory>, ApiError> {
        let reader = staff(ctx)?;
        let found = category::list(&reader.cx, &reader.actor).await?;
        Ok(found.into_iter().map(|model| PatientCategory::new(reader, model)).collect())
    }

    /// The fields that the centre has defined for its patients, in their order.
    async fn patient_fields(&self, ctx: &Context<'_>) -> Result<Vec<TemplateField>, ApiError> {
        let reader = staff(ctx)?;
        let found = fields::list(&reader.cx, &reader.actor).await?;
        Ok(found.into_iter().map(Into::into).collect())
    }
}
