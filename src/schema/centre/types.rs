//! Types of the centre, for this area and for those whose objects lead here.

pub use super::{
    branch::{Address, Branch, BranchConnection, BranchEdge, BranchSettings},
    input::{
        AddressInput, BranchInput, DepositPolicyInput, ProfessionalInput, ResourceFilter, ResourceRequirementInput,
        RoomInput, TenantProfileInput, TreatmentFilter, TreatmentInput,
    },
    payload::{
        DeactivateResourcePayload, UpdateTenantProfilePayload, UpsertBranchPayload, UpsertEquipmentPayload,
        UpsertProfessionalPayload, UpsertRoomPayload, UpsertTreatmentCategoryPayload, UpsertTreatmentPayload,
    },
    resource::{
        BookableResource, Equipment, EquipmentConnection, EquipmentEdge, Professional, ProfessionalConnection,
        ProfessionalEdge, ResourceKind, Room, RoomConnection, RoomEdge,
    },
    tenant::{OperatingMode, TenantSummary},
    treatment::{DepositPolicy, ResourceRequirement, Treatment, TreatmentCategory, TreatmentConnection, TreatmentEdge},
    window::{Weekday, WeeklyWindow, WeeklyWindowInput},
    zone::TimeZoneInfo,
};
