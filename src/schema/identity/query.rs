//! The caller.

use async_graphql::{Context, Object};

use super::types::Viewer;
use crate::schema::{error::ApiError, request::staff};

/// Queries about the caller.
#[derive(Default)]
pub struct IdentityQuery;

#[Object]
impl IdentityQuery {
    /// Who is calling, for which centre, with which rights. Everybody who is logged in.
    async fn viewer(&self, ctx: &Context<'_>) -> Result<Viewer, ApiError> {
        Ok(Viewer(staff(ctx)?.clone()))
    }
}
