//! Answers of the centre's mutations.

use async_graphql::SimpleObject;

use super::{
    branch::Branch,
    resource::{Equipment, Professional, Room},
    tenant::TenantSummary,
    treatment::{Treatment, TreatmentCategory},
};
use crate::schema::error::UserError;

macro_rules! payload {
    ($name:ident, $mutation:literal { $($(#[$doc:meta])* $field:ident: $ty:ty,)* }) => {
        #[doc = concat!("Answer of `", $mutation, "`.")]
        #[derive(SimpleObject, Clone, Debug)]
        pub struct $name {
            $($(#[$doc])* pub $field: $ty,)*
            /// Why it did not happen; empty: it did.
            pub user_errors: Vec<UserError>,
        }
    };
}

payload!(UpsertBranchPayload, "upsertBranch" {
    /// As it is now.
    branch: Option<Branch>,
    /// How many waiting jobs are due at another instant because of a new zone.
    rescheduled_jobs: i32,
});
payload!(UpsertProfessionalPayload, "upsertProfessional" {
    /// As it is now.
    professional: Option<Professional>,
});
payload!(UpsertRoomPayload, "upsertRoom" {
    /// As it is now.
    room: Option<Room>,
});
payload!(UpsertEquipmentPayload, "upsertEquipment" {
    /// As it is now.
    equipment: Option<Equipment>,
});
payload!(UpsertTreatmentPayload, "upsertTreatment" {
    /// As it is now.
    treatment: Option<Treatment>,
});
payload!(UpsertTreatmentCategoryPayload, "upsertTreatmentCategory" {
    /// As it is now.
    category: Option<TreatmentCategory>,
});
payload!(UpdateTenantProfilePayload, "updateTenantProfile" {
    /// As it is now.
    tenant: Option<TenantSummary>,
});
payload!(DeactivateResourcePayload, "deactivateResource" {
    /// How many appointments ahead were moved to the other or, without one, are left for somebody to look after.
    affected_appointments: i32,
});
