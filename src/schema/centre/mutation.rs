//! Changes of the centre.

use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use super::types::{
    Branch, BranchInput, DeactivateResourcePayload, Equipment, Professional, ProfessionalInput, Room, RoomInput,
    TenantProfileInput, TenantSummary, Treatment, TreatmentCategory, TreatmentInput, UpdateTenantProfilePayload,
    UpsertBranchPayload, UpsertEquipmentPayload, UpsertProfessionalPayload, UpsertRoomPayload,
    UpsertTreatmentCategoryPayload, UpsertTreatmentPayload,
};
use crate::{
    domain::centre::{
        deactivate_resource, update_profile, upsert_branch, upsert_category, upsert_professional,
        upsert_room::{self, Thing},
        upsert_treatment,
    },
    schema::{
        auth::{P, auth},
        error::{ApiError, payload},
        id::Kind,
        request::staff,
    },
};

/// Mutations of the centre.
#[derive(Default)]
pub struct CentreMutation;

#[Object]
impl CentreMutation {
    /// Creates or changes a branch. Needs `CONFIG_WRITE`.
    #[graphql(directive = auth::apply(vec![P::ConfigWrite]))]
    async fn upsert_branch(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The branch.")] input: BranchInput,
    ) -> Result<UpsertBranchPayload, ApiError> {
        let reader = staff(ctx)?;
        let result = async { upsert_branch::run(&reader.cx, &reader.actor, input.open(reader)?).await }.await;
        let (done, user_errors) = payload(result, Some(reader))?;
        let rescheduled_jobs = done.as_ref().map_or(0, |done| done.rescheduled_jobs);
        Ok(UpsertBranchPayload {
            branch: done.map(|done| Branch::new(Arc::clone(reader), done.branch)),
            rescheduled_jobs,
            user_errors,
        })
    }

    /// Creates or changes a professional. Needs `CONFIG_WRITE` in the whole centre.
    #[graphql(directive = auth::apply(vec![P::ConfigWrite]))]
    async fn upsert_professional(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The professional.")] input: ProfessionalInput,
    ) -> Result<UpsertProfessionalPayload, ApiError> {
        let reader = staff(ctx)?;
        let result = async { upsert_professional::run(&reader.cx, &reader.actor, input.open(reader)?).await }.await;
        let (done, user_errors) = payload(result, Some(reader))?;
        Ok(UpsertProfessionalPayload {
            professional: done.map(|model| Professional::new(Arc::clone(reader), model)),
            user_errors,
        })
    }

    /// Creates or changes a room. Needs `CONFIG_WRITE` in its branch.
    #[graphql(directive = auth::apply(vec![P::ConfigWrite]))]
    async fn upsert_room(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The room.")] input: RoomInput,
    ) -> Result<UpsertRoomPayload, ApiError> {
        let reader = staff(ctx)?;
        let result =
            async { upsert_room::run(&reader.cx, &reader.actor, input.open(reader, Thing::Room)?).await }.await;
        let (done, user_errors) = payload(result, Some(reader))?;
        Ok(UpsertRoomPayload { room: done.map(|model| Room::new(Arc::clone(reader), model)), user_errors })
    }

    /// Creates or changes a piece of equipment. Needs `CONFIG_WRITE` in its branch.
    #[graphql(directive = auth::apply(vec![P::ConfigWrite]))]
    async fn upsert_equipment(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The piece of equipment.")] input: RoomInput,
    ) -> Result<UpsertEquipmentPayload, ApiError> {
        let reader = staff(ctx)?;
        let result =
            async { upsert_room::run(&reader.cx, &reader.actor, input.open(reader, Thing::Equipment)?).await }.await;
        let (done, user_errors) = payload(result, Some(reader))?;
        Ok(UpsertEquipmentPayload {
            equipment: done.map(|model| Equipment::new(Arc::clone(reader), model)),
            user_errors,
        })
    }

    /// Creates or changes a treatment. Needs `CONFIG_WRITE` in the whole centre.
    #[graphql(directive = auth::apply(vec![P::ConfigWrite]))]
    async fn upsert_treatment(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The treatment.")] input: TreatmentInput,
    ) -> Result<UpsertTreatmentPayload, ApiError> {
        let reader = staff(ctx)?;
        let result = async { upsert_treatment::run(&reader.cx, &reader.actor, input.open(reader)?).await }.await;
        let (done, user_errors) = payload(result, Some(reader))?;
        Ok(UpsertTreatmentPayload {
            treatment: done.map(|model| Treatment::new(Arc::clone(reader), model)),
            user_errors,
        })
    }

    /// Creates or changes a heading under which treatments are listed. Needs `CONFIG_WRITE` in the whole centre.
    #[graphql(directive = auth::apply(vec![P::ConfigWrite]))]
    async fn upsert_treatment_category(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which to change; absent: a new one.")] id: Option<ID>,
        #[graphql(desc = "Shown to people, up to 200 characters.")] name: String,
        #[graphql(desc = "Lower comes first, 0 to 10000; absent: as it is, or 0.")] position: Option<i32>,
    ) -> Result<UpsertTreatmentCategoryPayload, ApiError> {
        let reader = staff(ctx)?;
        let result = async {
            let id = reader.ids.decode_opt(Kind::TreatmentCategory, id.as_ref(), "id")?;
            upsert_category::run(&reader.cx, &reader.actor, upsert_category::Input { id, name, position }).await
        };
        let (done, user_errors) = payload(result.await, Some(reader))?;
        Ok(UpsertTreatmentCategoryPayload {
            category: done.map(|model| TreatmentCategory::new(Arc::clone(reader), model)),
            user_errors,
        })
    }

    /// Takes a professional, a room or a piece of equipment out of use. With `reassignTo` its appointments ahead go to
    /// the other, all of them or none (`SLOT_TAKEN`); without, they stay. Needs `CONFIG_WRITE`.
    #[graphql(directive = auth::apply(vec![P::ConfigWrite]))]
    async fn deactivate_resource(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] id: ID,
        #[graphql(desc = "The version that you read.")] version: i32,
        #[graphql(desc = "One of the same kind in the same branches, who or which takes over.")] reassign_to: Option<
            ID,
        >,
    ) -> Result<DeactivateResourcePayload, ApiError> {
        let reader = staff(ctx)?;
        let result = async {
            let input = deactivate_resource::Input {
                id: reader.ids.decode(Kind::Resource, &id, "id")?,
                version,
                reassign_to: reader.ids.decode_opt(Kind::Resource, reassign_to.as_ref(), "reassignTo")?,
            };
            deactivate_resource::run(&reader.cx, &reader.actor, input).await
        };
        let (affected, user_errors) = payload(result.await, Some(reader))?;
        Ok(DeactivateResourcePayload { affected_appointments: affected.unwrap_or_default(), user_errors })
    }

    /// Changes who the centre is. Needs `CONFIG_WRITE` in the whole centre.
    #[graphql(directive = auth::apply(vec![P::ConfigWrite]))]
    async fn update_tenant_profile(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to change.")] input: TenantProfileInput,
    ) -> Result<UpdateTenantProfilePayload, ApiError> {
        let reader = staff(ctx)?;
        let result = async { update_profile::run(&reader.cx, &reader.actor, input.open()?).await }.await;
        let (done, user_errors) = payload(result, Some(reader))?;
        Ok(UpdateTenantProfilePayload {
            tenant: done.map(|profile| TenantSummary::new(Arc::clone(reader), profile)),
            user_errors,
        })
    }
}
