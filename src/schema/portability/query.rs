//! A look at files before they are imported.

use async_graphql::{Context, ID, Object};

use super::types::ImportPreview;
use crate::{
    domain::portability::import::preview,
    schema::{
        auth::{P, auth},
        error::ApiError,
        id::Kind,
        limits::directive::cost,
        request::staff,
        scalar::Json,
    },
};

/// Queries of imports.
#[derive(Default)]
pub struct PortabilityQuery;

#[Object]
impl PortabilityQuery {
    /// What `importPatients` would make of a file: what its columns are taken for, and what is wrong with its first 100
    /// rows. Changes nothing. Needs PATIENT_WRITE in every branch.
    #[graphql(directive = auth::apply(vec![P::PatientWrite]), directive = cost::apply(100, None))]
    async fn import_preview(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The file, uploaded with the centre as its owner.")] attachment_id: ID,
        #[graphql(desc = "As `importPatients` takes it; absent: the names of the columns decide.")] mapping: Option<
            Json,
        >,
    ) -> Result<ImportPreview, ApiError> {
        let reader = staff(ctx)?;
        let attachment = reader.ids.decode(Kind::Attachment, &attachment_id, "attachmentId")?;
        let mapping = mapping.map_or(serde_json::Value::Null, |mapping| mapping.0);
        Ok(preview::run(&reader.cx, &reader.actor, attachment, mapping).await?.into())
    }
}
