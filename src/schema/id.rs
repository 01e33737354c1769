//! Global ids: opaque, typed, bound to the tenant. Another tenant's id, another kind's id and a made-up word all open
//! as nothing, in the same time.

use async_graphql::ID;
use uuid::Uuid;

use crate::{
    auth::{Seal, SealedKind, alarm},
    db::Tenant,
    domain::refusal::Refusal,
};

/// What an id names. The numbers are in ids that clients keep: never reuse one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "they are the API's types")]
pub enum Kind {
    Tenant = 1,
    Branch = 2,
    /// Professionals, rooms, equipment and vehicles share one kind: the agenda takes any of them.
    Resource = 3,
    Treatment = 4,
    TreatmentCategory = 5,
    User = 6,
    Role = 7,
    Session = 8,
    Schedule = 9,
    ScheduleException = 10,
    Appointment = 11,
    Patient = 12,
    EmailMessage = 13,
    AuditEntry = 14,
    ApiKey = 15,
    Suppression = 16,
    CapabilityToken = 17,
    PasswordResetRequest = 18,
    PatientCategory = 19,
    Attachment = 20,
    BackgroundJob = 23,
    RecordTemplate = 21,
    RecordEntry = 22,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 23] = [
        Self::Tenant,
        Self::Branch,
        Self::Resource,
        Self::Treatment,
        Self::TreatmentCategory,
        Self::User,
        Self::Role,
        Self::Session,
        Self::Schedule,
        Self::ScheduleException,
        Self::Appointment,
        Self::Patient,
        Self::EmailMessage,
        Self::AuditEntry,
        Self::ApiKey,
        Self::Suppression,
        Self::CapabilityToken,
        Self::PasswordResetRequest,
        Self::PatientCategory,
        Self::Attachment,
        Self::BackgroundJob,
        Self::RecordTemplate,
        Self::RecordEntry,
    ];
}

/// Seals and opens the ids of one tenant.
#[derive(Clone, Debug)]
pub struct GlobalIds {
    seal: Seal,
    tenant_key: [u8; 4],
}

impl GlobalIds {
    /// For this tenant.
    #[must_use]
    pub fn new(seal: Seal, tenant: &Tenant) -> Self {
        Self { seal, tenant_key: tenant.key.to_be_bytes() }
    }

    /// The API's word for an object.
    #[must_use]
    pub fn encode(&self, kind: Kind, id: Uuid) -> ID {
        let mut body = [0_u8; 21];
        let (head, rest) = body.split_at_mut(1);
        head.copy_from_slice(&[kind as u8]);
        let (tenant, uuid) = rest.split_at_mut(4);
        tenant.copy_from_slice(&self.tenant_key);
        uuid.copy_from_slice(id.as_bytes());
        ID(self.seal.seal(SealedKind::Id, &body))
    }

    /// The object that a word of this tenant and kind names.
    #[must_use]
    pub fn open(&self, kind: Kind, id: &ID) -> Option<Uuid> {
        self.unseal(id).filter(|(found, _)| *found == kind as u8).map(|(_, uuid)| uuid)
    }

    /// The object that a word of this tenant names, and of which kind it is.
    #[must_use]
    pub fn open_any(&self, id: &ID) -> Option<(Kind, Uuid)> {
        let (found, uuid) = self.unseal(id)?;
        Some((Kind::ALL.into_iter().find(|kind| *kind as u8 == found)?, uuid))
    }

    fn unseal(&self, id: &ID) -> Option<(u8, Uuid)> {
        let body = self.seal.open(SealedKind::Id, id.as_str())?;
        let (head, uuid) = body.split_at_checked(5)?;
        let (kind, tenant) = head.split_first()?;
        if tenant != self.tenant_key {
            alarm::tenant_mismatch("id");
            return None;
        }
        Some((*kind, Uuid::from_slice(uuid).ok()?))
    }

    /// The object of this tenant that a word names, of whatever kind, or NOT_FOUND at `field`: for looking up what was
    /// done to it, which tells nothing of the object itself.
    ///
    /// # Errors
    /// When it is no id of this tenant.
    pub fn decode_any(&self, id: &ID, field: &str) -> Result<Uuid, Refusal> {
        self.unseal(id).map(|(_, uuid)| uuid).ok_or_else(|| Refusal::not_found(field))
    }

    /// The object that a word names, or NOT_FOUND at `field`.
    ///
    /// # Errors
    /// When it is no id of this tenant and kind.
    pub fn decode(&self, kind: Kind, id: &ID, field: &str) -> Result<Uuid, Refusal> {
        self.open(kind, id).ok_or_else(|| Refusal::not_found(field))
    }

    /// The same for a value that may be absent.
    ///
    /// # Errors
    /// When it is present and no id of this tenant and kind.
    pub fn decode_opt(&self, kind: Kind, id: Option<&ID>, field: &str) -> Result<Option<Uuid>, Refusal> {
        id.map(|id| self.decode(kind, id, field)).transpose()
    }

    /// The same for a list; the field of a refusal carries the index.
    ///
    /// # Errors
    /// When one of them is no id of this tenant and kind.
    pub fn decode_all(&self, kind: Kind, ids: &[ID], field: &str) -> Result<Vec<Uuid>, Refusal> {
        ids.iter().enumerate().map(|(at, id)| self.decode(kind, id, &format!("{field}.{at}"))).collect()
    }
}
