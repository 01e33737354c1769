//! Reads of forms. Records are read through their patients.

use std::sync::Arc;

use async_graphql::{Context, Object};

use super::types::{RecordTemplate, RecordTemplateConnection};
use crate::{
    domain::record::templates::{self, Key},
    schema::{
        auth::{P, auth},
        error::ApiError,
        page::PageArguments,
        request::staff,
    },
};

/// Queries of forms.
#[derive(Default)]
pub struct RecordQuery;

#[Object]
impl RecordQuery {
    /// The centre's forms of records by name, each in its newest version: for who has `RECORD_TEMPLATE` in the whole
    /// centre that may be a draft, for others it is the version published last.
    #[graphql(directive = auth::apply(vec![P::RecordRead, P::RecordWrite, P::RecordTemplate]))]
    async fn record_templates(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "True: versions published last, no drafts.")] published: Option<bool>,
        #[graphql(desc = "Rows from the front, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Rows behind this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the back, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Rows before this cursor.")] before: Option<String>,
    ) -> Result<RecordTemplateConnection, ApiError> {
        const LIST: &str = "recordTemplates";
        let reader = staff(ctx)?;
        let page = PageArguments { first, after, last, before }.open(ctx, reader, LIST)?;
        let found = templates::run(&reader.cx, &reader.actor, published, &page).await?;
        Ok(RecordTemplateConnection::new(
            reader,
            LIST,
            found,
            |row| Key(row.name.clone(), row.id),
            |row| RecordTemplate::new(reader, Arc::new(row)),
        ))
    }
}
