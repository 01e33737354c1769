//! A slot: free time that can be booked, with everything that has to be free at once.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    auth::{Seal, SealedKind, alarm},
    domain::money::Money,
};

/// One treatment of a slot, and who and what it takes.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct SlotItem {
    /// What.
    pub treatment: Uuid,
    /// Start of the treatment itself, without the buffer before.
    pub start: DateTime<Utc>,
    /// Who, when somebody is needed.
    pub professional: Option<Uuid>,
    /// Where, when a room is needed.
    pub room: Option<Uuid>,
    /// How long the treatment takes; none: as the centre says.
    #[serde(default)]
    pub minutes: Option<i32>,
    /// Which of them nobody asked for: another does as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proposed: Vec<Uuid>,
}

/// Free time that can be booked.
#[derive(Clone, Debug)]
pub struct Slot {
    /// Where.
    pub branch: Uuid,
    /// The branch's zone.
    pub zone: Tz,
    /// Start of the first treatment.
    pub start: DateTime<Utc>,
    /// End of the last.
    pub end: DateTime<Utc>,
    /// The treatments, in order.
    pub items: Vec<SlotItem>,
    /// Everything that is to be busy.
    pub resources: Vec<Uuid>,
    /// Of all treatments together.
    pub price: Money,
    /// How many more can be booked in it with what is shown.
    pub remaining_capacity: i32,
}

impl Slot {
    /// Whether it is the same time with the same people and places, whoever of them was asked for.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let what = |item: &SlotItem| (item.treatment, item.start, item.professional, item.room);
        self.items.iter().map(what).eq(other.items.iter().map(what))
    }
}

/// What a slot's token says: enough to hold it, bound to the tenant.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SlotToken {
    /// Tenant.
    #[serde(rename = "t")]
    pub tenant: Uuid,
    /// Branch.
    #[serde(rename = "b")]
    pub branch: Uuid,
    /// Treatments.
    #[serde(rename = "i")]
    pub items: Vec<SlotItem>,
    /// Seconds since 1970 until which the token can be used.
    #[serde(rename = "e")]
    pub expires: i64,
}

impl SlotToken {
    /// The word that stands for the slot.
    #[must_use]
    pub fn seal(&self, seal: &Seal) -> String {
        seal.seal(SealedKind::Slot, &serde_json::to_vec(self).unwrap_or_default())
    }

    /// What a genuine word of this tenant stands for, if it still holds.
    #[must_use]
    pub fn open(seal: &Seal, word: &str, tenant: Uuid, now: DateTime<Utc>) -> Option<Self> {
        Self::read(seal, word, tenant).filter(|token| !token.is_over(now))
    }

    /// What a genuine word of this tenant stands for, whether it still holds or not.
    #[must_use]
    pub fn read(seal: &Seal, word: &str, tenant: Uuid) -> Option<Self> {
        let body = seal.open(SealedKind::Slot, word)?;
        let token: Self = serde_json::from_slice(&body).ok()?;
        if token.tenant != tenant {
            alarm::tenant_mismatch("slot");
            return None;
        }
        Some(token)
    }

    /// Whether it cannot be used any more.
    #[must_use]
    pub fn is_over(&self, now: DateTime<Utc>) -> bool {
        self.expires <= now.timestamp()
    }
}
