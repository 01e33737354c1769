//! How a background job goes on.

use std::sync::Arc;

use async_graphql::{Context, ID, Subscription};
use futures::{Stream, StreamExt};

use super::types::BackgroundJob;
use crate::{
    domain::refusal::Failure,
    events::Live,
    schema::{error::ApiError, id::Kind, request::staff},
};

/// Subscriptions of background jobs.
#[derive(Default)]
pub struct BackgroundSubscription;

#[Subscription]
impl BackgroundSubscription {
    /// How a job goes on: first how it stands now, then every change that there is time to tell, at last how it ended.
    /// Then the stream completes. It has no cursor: whoever subscribes again hears how the job stands. Jobs that you may
    /// not see are `NOT_FOUND`, as in `job`.
    async fn job_progress(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "As the operation gave it that began the job.")] job_id: ID,
    ) -> Result<impl Stream<Item = Result<BackgroundJob, ApiError>>, ApiError> {
        let reader = Arc::clone(staff(ctx)?);
        let id = reader.ids.decode(Kind::BackgroundJob, &job_id, "jobId")?;
        let live =
            ctx.data_opt::<Arc<Live>>().ok_or_else(|| Failure::fault("the schema was built without live events"))?;
        // In a box that is given back, because the engine keeps room for it as long as the stream lives.
        let watch = Box::pin(live.watch_job(Arc::clone(&reader.actor), id)).await?;
        Ok(watch.into_stream().map(move |item| {
            let job = item.map_err(ApiError::from)?;
            Ok(BackgroundJob::new(Arc::clone(&reader), job))
        }))
    }
}
