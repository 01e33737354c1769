//! What a booking page shows.

use std::sync::Arc;

use async_graphql::{Context, Object};

use super::types::{PublicBookingPage, Slot};
use crate::{
    domain::{agenda::availability, booking::public_page},
    schema::{
        agenda::types::AvailabilityInput,
        centre::types::{Branch, Treatment},
        error::ApiError,
        limits::directive::cost,
        request::staff_or_page,
    },
};

/// Queries of booking pages.
#[derive(Default)]
pub struct BookingQuery;

#[Object]
impl BookingQuery {
    /// What the centre offers online; null when the key belongs to another centre. Booking pages and everybody who is
    /// logged in.
    #[graphql(directive = cost::apply(10, None))]
    async fn public_booking_page(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The centre's short name.")] tenant_slug: String,
    ) -> Option<Result<PublicBookingPage, ApiError>> {
        let page = async {
            let reader = staff_or_page(ctx)?;
            if reader.actor.tenant.slug != tenant_slug {
                return Ok(None);
            }
            let page = public_page::run(&reader.cx, &reader.actor).await?;
            Ok(Some(PublicBookingPage {
                tenant_name: page.name,
                logo_url: page.logo_url.map(crate::schema::scalar::Url),
                branches: page.branches.into_iter().map(|branch| Branch::new(Arc::clone(reader), branch)).collect(),
                treatments: page
                    .treatments
                    .into_iter()
                    .map(|treatment| Treatment::new(Arc::clone(reader), treatment))
                    .collect(),
                policies: page.policies,
            }))
        };
        page.await.transpose()
    }

    /// Free slots that patients may book alone, by start. Booking pages and everybody who is logged in.
    #[graphql(directive = cost::apply(20, None))]
    async fn public_availability(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The centre's short name; must be that of the page's key.")] tenant_slug: String,
        #[graphql(desc = "Where, what, with whom, when.")] input: AvailabilityInput,
    ) -> Result<Vec<Slot>, ApiError> {
        let reader = staff_or_page(ctx)?;
        if reader.actor.tenant.slug != tenant_slug {
            return Err(crate::domain::refusal::Refusal::not_found("tenantSlug").into());
        }
        let slots = availability::run_public(&reader.cx, &reader.actor, input.to_domain(&reader.ids)?).await?;
        Ok(slots.into_iter().map(|slot| Slot::new(reader, slot)).collect())
    }
}
