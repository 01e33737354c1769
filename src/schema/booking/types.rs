//! Types of bookings.

use std::sync::Arc;

use async_graphql::{ID, Object, SimpleObject};

use crate::{
    domain::booking::slot::{self, SlotToken},
    schema::{
        agenda::types::Appointment,
        centre::{
            loader::ResourceKey,
            types::{Branch, Professional, Room, Treatment},
        },
        error::{ApiError, UserError},
        id::Kind,
        money::Money,
        request::Reader,
        scalar::{Instant, LocalDateTime, TimeZone, Url},
    },
};

/// Free time that can be booked.
#[derive(Clone, Debug)]
pub struct Slot {
    reader: Arc<Reader>,
    slot: slot::Slot,
}

/// How long a slot's token can be used.
const TOKEN_TTL: chrono::Duration = chrono::Duration::minutes(30);

impl Slot {
    /// The API's form of a slot.
    #[must_use]
    pub fn new(reader: &Arc<Reader>, slot: slot::Slot) -> Self {
        Self { reader: Arc::clone(reader), slot }
    }
}

/// Free time that can be booked, with everything that has to be free at once.
#[Object]
impl Slot {
    /// Start of the first treatment.
    async fn start(&self) -> Instant {
        Instant::in_zone(self.slot.start, self.slot.zone)
    }

    /// End of the last treatment.
    async fn end(&self) -> Instant {
        Instant::in_zone(self.slot.end, self.slot.zone)
    }

    /// Start on the branch's clock.
    async fn local_start(&self) -> LocalDateTime {
        LocalDateTime(self.slot.start.with_timezone(&self.slot.zone).naive_local())
    }

    /// The branch's zone.
    async fn time_zone(&self) -> TimeZone {
        TimeZone(self.slot.zone)
    }

    /// Who attends the first treatment that needs a professional.
    async fn professional(&self) -> Option<Result<Professional, ApiError>> {
        let id = self.slot.items.iter().find_map(|item| item.professional)?;
        let loaded = self.reader.loader.load_one(ResourceKey(id)).await.map_err(ApiError::from);
        loaded.map(|found| found.map(|resource| Professional::new(Arc::clone(&self.reader), resource))).transpose()
    }

    /// Where the first treatment that needs a room takes place.
    async fn room(&self) -> Option<Result<Room, ApiError>> {
        let id = self.slot.items.iter().find_map(|item| item.room)?;
        let loaded = self.reader.loader.load_one(ResourceKey(id)).await.map_err(ApiError::from);
        loaded.map(|found| found.map(|resource| Room::new(Arc::clone(&self.reader), resource))).transpose()
    }

    /// What all treatments cost together.
    async fn price(&self) -> Money {
        Money::from(self.slot.price.clone())
    }

    /// Everything that is to be busy; what nobody asked for may be another of its kind when it is booked.
    async fn resource_ids(&self) -> Vec<ID> {
        self.slot.resources.iter().map(|id| self.reader.ids.encode(Kind::Resource, *id)).collect()
    }

    /// How many more can be booked in it with what is shown. A room that nobody asked for gives way to another when it is
    /// booked, so there may be more.
    async fn remaining_capacity(&self) -> i32 {
        self.slot.remaining_capacity
    }

    /// Give it to `holdSlot` or `bookAppointment` within half an hour.
    async fn token(&self) -> String {
        let token = SlotToken {
            tenant: self.reader.actor.tenant.id.0,
            branch: self.slot.branch,
            items: self.slot.items.clone(),
            expires: (self.reader.cx.now() + TOKEN_TTL).timestamp(),
        };
        token.seal(&self.reader.cx.seal)
    }
}

/// What a centre offers on its booking page.
#[derive(SimpleObject)]
pub struct PublicBookingPage {
    /// The name that patients know.
    pub tenant_name: String,
    /// The centre's logo.
    pub logo_url: Option<Url>,
    /// Places that can be booked online.
    pub branches: Vec<Branch>,
    /// Treatments that can be booked online.
    pub treatments: Vec<Treatment>,
    /// What the patient has to accept; null while the centre has written nothing. The API cannot set it yet.
    pub policies: Option<String>,
}

/// Answer of `holdSlot`.
#[derive(SimpleObject)]
pub struct HoldSlotPayload {
    /// The held appointment.
    pub appointment: Option<Appointment>,
    /// Why it did not happen; empty: it did.
    pub user_errors: Vec<UserError>,
}

/// Answer of `releaseHold`.
#[derive(SimpleObject)]
pub struct ReleaseHoldPayload {
    /// Whether the slot is free now.
    pub released: bool,
    /// Why it did not happen; empty: it did.
    pub user_errors: Vec<UserError>,
}

/// Answer of `bookAppointment` and `publicBook`.
#[derive(SimpleObject)]
pub struct BookAppointmentPayload {
    /// The appointment.
    pub appointment: Option<Appointment>,
    /// Whether it had been booked before with the same idempotency key.
    pub replayed: bool,
    /// What the desk should know; nothing of it was in the way.
    pub warnings: Vec<UserError>,
    /// Why it did not happen; empty: it did.
    pub user_errors: Vec<UserError>,
}

/// Answer of `rescheduleAppointment`.
#[derive(SimpleObject)]
pub struct RescheduleAppointmentPayload {
    /// The appointment at its new time.
    pub appointment: Option<Appointment>,
    /// What the desk should know; nothing of it was in the way.
    pub warnings: Vec<UserError>,
    /// Why it did not happen; empty: it did.
    pub user_errors: Vec<UserError>,
}

/// Answer of every change of an appointment's state.
#[derive(SimpleObject)]
pub struct TransitionAppointmentPayload {
    /// The appointment in its new state.
    pub appointment: Option<Appointment>,
    /// Why it did not happen; empty: it did.
    pub user_errors: Vec<UserError>,
}
