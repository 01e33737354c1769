//! What clients send to hold, book and move appointments, and its translation for the domain.

use async_graphql::{Enum, ID, InputObject};

use crate::{
    domain::{
        booking::{
            book::{Book, PatientChoice},
            hold::HoldSlot,
            input::ItemInput,
            public_book::PublicBook,
            reschedule::Reschedule,
        },
        refusal::{Failure, Refusal},
        time,
    },
    schema::{
        agenda::types::BookingChannel,
        id::{GlobalIds, Kind},
        patients::input::PatientInput,
        scalar::{IdempotencyKey, Instant, LocalDateTime},
    },
};

/// What to do with a wall time that the clock jumps over.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "crate::domain::time::GapPolicy")]
pub enum GapPolicy {
    /// Take the first time after the jump.
    ShiftForward,
    /// Leave it out.
    Skip,
    /// Refuse, and say which time is next.
    Reject,
}

/// What to do with a wall time that the clock shows twice.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "crate::domain::time::OverlapPolicy")]
pub enum OverlapPolicy {
    /// The first of the two.
    First,
    /// The second of the two.
    Second,
    /// Refuse, and say which two there are.
    Reject,
}

/// A slot to hold.
#[derive(InputObject, Clone, Debug)]
pub struct HoldSlotInput {
    /// UUID of your own; the same key holds once.
    pub idempotency_key: IdempotencyKey,
    /// `Slot.token`.
    pub slot_token: String,
    /// How long, 30 to 900 seconds; without it as the branch says.
    pub ttl_seconds: Option<i32>,
}

/// One treatment of an appointment.
#[derive(InputObject, Clone, Debug)]
pub struct BookItemInput {
    /// What.
    pub treatment_id: ID,
    /// When, with offset. Without start and localStart it begins when the treatment before it ends.
    pub start: Option<Instant>,
    /// When, on the branch's clock.
    pub local_start: Option<LocalDateTime>,
    /// With whom. Centres that work by professional require it.
    pub professional_id: Option<ID>,
    /// Where. Centres that work by room require it; otherwise a free room is found for a treatment that needs one.
    pub room_id: Option<ID>,
    /// Other than the treatment usually takes.
    pub duration_minutes: Option<i32>,
}

/// An appointment to book.
#[derive(InputObject, Clone, Debug)]
pub struct BookAppointmentInput {
    /// UUID of your own; the same key books once.
    pub idempotency_key: IdempotencyKey,
    /// Where.
    pub branch_id: ID,
    /// For a patient of the centre …
    pub patient_id: Option<ID>,
    /// … or for a new one. One with the same document, or the same mail and names, is taken instead.
    pub new_patient: Option<PatientInput>,
    /// What, when, with whom. Leave it empty with holdId or slotToken.
    pub items: Vec<BookItemInput>,
    /// A held slot, which becomes the appointment.
    pub hold_id: Option<ID>,
    /// A slot as `availability` gave it.
    pub slot_token: Option<String>,
    /// How the booking came; STAFF without it.
    pub channel: Option<BookingChannel>,
    /// For the patient too.
    pub notes: Option<String>,
    /// Book on top of other appointments or outside working hours. Needs AGENDA_OVERBOOK.
    pub overbook: Option<bool>,
    /// Why; required with overbook.
    pub overbook_reason: Option<String>,
    /// For a localStart that the clock jumps over; REJECT without it.
    pub gap_policy: Option<GapPolicy>,
    /// For a localStart that the clock shows twice; REJECT without it.
    pub overlap_policy: Option<OverlapPolicy>,
    /// Whether the patient gets a confirmation by mail; true without it.
    pub send_confirmation: Option<bool>,
}

/// A booking by a patient, on the centre's page.
#[derive(InputObject, Clone, Debug)]
pub struct PublicBookInput {
    /// UUID of the page's own; the same key books once.
    pub idempotency_key: IdempotencyKey,
    /// The centre's short name; must be that of the page's key.
    pub tenant_slug: String,
    /// The slot that `holdSlot` holds.
    pub hold_id: ID,
    /// Who, with a mail address or a telephone number.
    pub patient: PatientInput,
    /// WEB_WIDGET or FACEBOOK.
    pub channel: BookingChannel,
    /// Answer of a captcha. Nothing asks for one yet.
    pub captcha_token: Option<String>,
    /// Whether the patient accepted the centre's policies; must be true.
    pub accept_policies: bool,
}

/// A move of an appointment.
#[derive(InputObject, Clone, Debug)]
pub struct RescheduleInput {
    /// UUID of your own; the same key moves once.
    pub idempotency_key: IdempotencyKey,
    /// Which appointment.
    pub appointment_id: ID,
    /// Its version as you read it.
    pub version: i32,
    /// What, when, with whom from now on.
    pub items: Vec<BookItemInput>,
    /// On top of other appointments, or outside of working time. Needs AGENDA_OVERBOOK.
    pub overbook: Option<bool>,
    /// Why; required with overbook.
    pub overbook_reason: Option<String>,
    /// Whether the patient is told by mail; true without it. Who waits for approval is told with the approval.
    pub notify_patient: Option<bool>,
}

fn items(ids: &GlobalIds, items: Vec<BookItemInput>) -> Result<Vec<ItemInput>, Refusal> {
    items
        .into_iter()
        .enumerate()
        .map(|(at, item)| {
            Ok(ItemInput {
                treatment: ids.decode(Kind::Treatment, &item.treatment_id, &format!("items.{at}.treatmentId"))?,
                start: item.start.map(|start| start.0),
                local_start: item.local_start.map(|local| local.0),
                professional: ids.decode_opt(
                    Kind::Resource,
                    item.professional_id.as_ref(),
                    &format!("items.{at}.professionalId"),
                )?,
                room: ids.decode_opt(Kind::Resource, item.room_id.as_ref(), &format!("items.{at}.roomId"))?,
                duration_minutes: item.duration_minutes,
            })
        })
        .collect()
}

impl HoldSlotInput {
    /// For the domain.
    #[must_use]
    pub fn into_domain(self) -> HoldSlot {
        HoldSlot { key: self.idempotency_key.0, slot_token: self.slot_token, ttl_seconds: self.ttl_seconds }
    }
}

impl BookAppointmentInput {
    /// For the domain, with ids opened.
    ///
    /// # Errors
    /// NOT_FOUND for ids that are not this centre's; patientId and newPatient together.
    pub fn into_domain(self, ids: &GlobalIds) -> Result<Book, Failure> {
        let patient = match (self.patient_id, self.new_patient) {
            (Some(_), Some(_)) => {
                return Err(Refusal::invalid("newPatient", "give patientId or newPatient, not both").into());
            }
            (Some(id), None) => Some(PatientChoice::Known(ids.decode(Kind::Patient, &id, "patientId")?)),
            (None, Some(new)) => Some(PatientChoice::New(Box::new(new.of_a_booking()))),
            (None, None) => None,
        };
        Ok(Book {
            key: self.idempotency_key.0,
            branch: ids.decode(Kind::Branch, &self.branch_id, "branchId")?,
            patient,
            items: items(ids, self.items)?,
            hold: ids.decode_opt(Kind::Appointment, self.hold_id.as_ref(), "holdId")?,
            slot_token: self.slot_token,
            channel: self.channel.unwrap_or(BookingChannel::Staff).word().to_owned(),
            notes: self.notes,
            overbook: self.overbook.unwrap_or_default(),
            overbook_reason: self.overbook_reason,
            gap: self.gap_policy.map_or(time::GapPolicy::Reject, Into::into),
            overlap: self.overlap_policy.map_or(time::OverlapPolicy::Reject, Into::into),
            send_confirmation: self.send_confirmation.unwrap_or(true),
        })
    }
}

impl PublicBookInput {
    /// For the domain, with ids opened.
    ///
    /// # Errors
    /// NOT_FOUND for a hold that is not this centre's.
    pub fn into_domain(self, ids: &GlobalIds) -> Result<PublicBook, Failure> {
        Ok(PublicBook {
            key: self.idempotency_key.0,
            tenant_slug: self.tenant_slug,
            hold: ids.decode(Kind::Appointment, &self.hold_id, "holdId")?,
            patient: self.patient.of_a_booking(),
            channel: self.channel.word().to_owned(),
            accept_policies: self.accept_policies,
        })
    }
}

impl RescheduleInput {
    /// For the domain, with ids opened.
    ///
    /// # Errors
    /// NOT_FOUND for ids that are not this centre's.
    pub fn into_domain(self, ids: &GlobalIds) -> Result<Reschedule, Failure> {
        Ok(Reschedule {
            key: self.idempotency_key.0,
            id: ids.decode(Kind::Appointment, &self.appointment_id, "appointmentId")?,
            version: self.version,
            items: items(ids, self.items)?,
            overbook: self.overbook.unwrap_or_default(),
            overbook_reason: self.overbook_reason,
            notify: self.notify_patient.unwrap_or(true),
        })
    }
}
