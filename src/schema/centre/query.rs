//! Reads of the centre.

use std::sync::Arc;

use async_graphql::{Context, Object};
use uuid::Uuid;

use super::types::{
    Branch, BranchConnection, Equipment, EquipmentConnection, Professional, ProfessionalConnection, ResourceFilter,
    Room, RoomConnection, TimeZoneInfo, Treatment, TreatmentCategory, TreatmentConnection, TreatmentFilter,
};
use crate::{
    domain::{
        centre::{
            list,
            model::{Resource, ResourceKind},
        },
        page::Page,
        time::zones_of,
    },
    schema::{
        error::ApiError,
        limits::directive::cost,
        page::PageArguments,
        request::{Reader, staff, staff_or_page},
        scalar::CountryCode,
    },
};

/// Queries of the centre.
#[derive(Default)]
pub struct CentreQuery;

async fn resources(
    ctx: &Context<'_>,
    reader: &Reader,
    kind: ResourceKind,
    filter: Option<ResourceFilter>,
    arguments: PageArguments,
    list: &str,
) -> Result<Page<Resource>, ApiError> {
    let page = arguments.open(ctx, reader, list)?;
    let filter = filter.unwrap_or_default().open(reader)?;
    Ok(list::resources(&reader.cx, &reader.actor, kind, filter, &page).await?)
}

fn key(resource: &Resource) -> (String, Uuid) {
    (resource.name.clone(), resource.id)
}

#[Object]
impl CentreQuery {
    /// The branches that you may see, by name.
    async fn branches(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Rows from the front, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Rows behind this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the back, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Rows before this cursor.")] before: Option<String>,
    ) -> Result<BranchConnection, ApiError> {
        const LIST: &str = "branches";
        let reader = staff(ctx)?;
        let page = PageArguments { first, after, last, before }.open(ctx, reader, LIST)?;
        let page = list::branches(&reader.cx, &reader.actor, &page).await?;
        Ok(BranchConnection::new(
            reader,
            LIST,
            page,
            |row| (row.name.clone(), row.id),
            |row| Branch::new(Arc::clone(reader), row),
        ))
    }

    /// The centre's professionals, by name; without a filter also those out of use.
    async fn professionals(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which; absent: all.")] filter: Option<ResourceFilter>,
        #[graphql(desc = "Rows from the front, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Rows behind this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the back, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Rows before this cursor.")] before: Option<String>,
    ) -> Result<ProfessionalConnection, ApiError> {
        const LIST: &str = "professionals";
        let reader = staff(ctx)?;
        let page = resources(
            ctx,
            reader,
            ResourceKind::Professional,
            filter,
            PageArguments { first, after, last, before },
            LIST,
        )
        .await?;
        Ok(ProfessionalConnection::new(reader, LIST, page, key, |row| Professional::new(Arc::clone(reader), row)))
    }

    /// The rooms of the branches that you may see, by name; without a filter also those out of use.
    async fn rooms(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which; absent: all.")] filter: Option<ResourceFilter>,
        #[graphql(desc = "Rows from the front, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Rows behind this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the back, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Rows before this cursor.")] before: Option<String>,
    ) -> Result<RoomConnection, ApiError> {
        const LIST: &str = "rooms";
        let reader = staff(ctx)?;
        let page =
            resources(ctx, reader, ResourceKind::Room, filter, PageArguments { first, after, last, before }, LIST)
                .await?;
        Ok(RoomConnection::new(reader, LIST, page, key, |row| Room::new(Arc::clone(reader), row)))
    }

    /// The equipment of the branches that you may see, by name; without a filter also what is out of use.
    async fn equipment(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which; absent: all.")] filter: Option<ResourceFilter>,
        #[graphql(desc = "Rows from the front, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Rows behind this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the back, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Rows before this cursor.")] before: Option<String>,
    ) -> Result<EquipmentConnection, ApiError> {
        const LIST: &str = "equipment";
        let reader = staff(ctx)?;
        let page =
            resources(ctx, reader, ResourceKind::Equipment, filter, PageArguments { first, after, last, before }, LIST)
                .await?;
        Ok(EquipmentConnection::new(reader, LIST, page, key, |row| Equipment::new(Arc::clone(reader), row)))
    }

    /// The centre's treatments, by name; without a filter also those that are no longer offered.
    async fn treatments(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which; absent: all.")] filter: Option<TreatmentFilter>,
        #[graphql(desc = "Rows from the front, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Rows behind this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the back, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Rows before this cursor.")] before: Option<String>,
    ) -> Result<TreatmentConnection, ApiError> {
        const LIST: &str = "treatments";
        let reader = staff(ctx)?;
        let page = PageArguments { first, after, last, before }.open(ctx, reader, LIST)?;
        let filter = filter.unwrap_or_default().open(reader)?;
        let page = list::treatments(&reader.cx, &reader.actor, filter, &page).await?;
        Ok(TreatmentConnection::new(
            reader,
            LIST,
            page,
            |row| (row.name.clone(), row.id),
            |row| Treatment::new(Arc::clone(reader), row),
        ))
    }

    /// The headings under which treatments are listed, in their order.
    async fn treatment_categories(&self, ctx: &Context<'_>) -> Result<Vec<TreatmentCategory>, ApiError> {
        let reader = staff(ctx)?;
        let categories = list::categories(&reader.cx, &reader.actor).await?;
        Ok(categories.into_iter().map(|model| TreatmentCategory::new(Arc::clone(reader), model)).collect())
    }

    /// The time zones that a branch can have, by name. Booking pages may ask too.
    #[graphql(directive = cost::apply(5, None))]
    async fn time_zones(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only those of this country.")] country: Option<CountryCode>,
    ) -> Result<Vec<TimeZoneInfo>, ApiError> {
        let now = staff_or_page(ctx)?.cx.now();
        Ok(zones_of(country.as_ref().map(|code| code.0.as_str())).map(|zone| TimeZoneInfo { zone, now }).collect())
    }
}
