//! Reads of background jobs.

use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use super::{BackgroundJobKey, types::BackgroundJob};
use crate::{
    domain::refusal::Refusal,
    schema::{error::ApiError, id::Kind, request::staff},
};

/// Queries of background jobs.
#[derive(Default)]
pub struct BackgroundQuery;

#[Object]
impl BackgroundQuery {
    /// A job that runs, or ran, in the background: one that you asked for, or one that everybody sees who may ask for
    /// it in the whole centre. Others are `NOT_FOUND`. `jobProgress` tells how it goes on.
    async fn job(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "As the operation gave it that began the job.")] id: ID,
    ) -> Option<Result<BackgroundJob, ApiError>> {
        let found = async {
            let reader = staff(ctx)?;
            let id = reader.ids.decode(Kind::BackgroundJob, &id, "id")?;
            let found = reader.loader.load_one(BackgroundJobKey(id)).await?.ok_or_else(|| Refusal::not_found("id"))?;
            Ok(BackgroundJob::new(Arc::clone(reader), found))
        };
        Some(found.await)
    }
}
