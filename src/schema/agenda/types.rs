//! Types of the agenda, and the words of appointments.

use std::sync::Arc;

use async_graphql::{Enum, ID, InputObject, Lookahead, SimpleObject};

use super::range::range;
pub use super::{
    appointment::{Appointment, AppointmentConnection, AppointmentEdge, AppointmentItem},
    board::{Agenda, AgendaColumn},
    range::{DateTimeRange, LocalDateRange, TimeRange},
    schedule::{Schedule, ScheduleException},
};
use crate::{
    domain::{
        agenda::{appointment::Wanted, availability, explain, list},
        refusal::Refusal,
    },
    schema::{
        error::UserError,
        id::{GlobalIds, Kind},
        request::Reader,
        scalar::{Instant, TimeZone},
    },
};

/// Where an appointment is in its life.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "crate::domain::booking::status::AppointmentStatus")]
pub enum AppointmentStatus {
    /// Taken for a few minutes while somebody types their data.
    Held,
    /// Waits for the centre's approval.
    PendingApproval,
    /// Booked, not yet confirmed by the patient.
    Booked,
    /// The patient will come.
    Confirmed,
    /// The patient is there.
    Arrived,
    /// The patient can be attended.
    Ready,
    /// The patient is being attended.
    InProgress,
    /// The patient has been attended.
    Completed,
    /// The patient did not come.
    NoShow,
    /// Called off.
    Cancelled,
    /// A hold that ran out.
    Expired,
    /// Not approved.
    Rejected,
}

/// How far an appointment is paid.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppointmentPaymentStatus {
    /// Nothing yet.
    Unpaid,
    /// In part.
    Partial,
    /// Whole.
    Paid,
    /// By a session of a plan.
    Plan,
    /// Nothing is to be paid.
    Waived,
    /// Paid back.
    Refunded,
}

impl AppointmentPaymentStatus {
    /// The state that the database's word names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "UNPAID" => Self::Unpaid,
            "PARTIAL" => Self::Partial,
            "PAID" => Self::Paid,
            "PLAN" => Self::Plan,
            "WAIVED" => Self::Waived,
            "REFUNDED" => Self::Refunded,
            _ => return None,
        })
    }
}

/// How a booking came.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum BookingChannel {
    /// Somebody of the centre.
    Staff,
    /// The centre's booking page.
    WebWidget,
    /// The booking page, from Facebook.
    Facebook,
    /// A program of the centre's.
    Api,
    /// Somebody of the centre, on the telephone.
    Phone,
    /// Brought along from another system.
    Import,
    /// An offer from the waiting list.
    Waitlist,
}

impl BookingChannel {
    const ALL: [Self; 7] =
        [Self::Staff, Self::WebWidget, Self::Facebook, Self::Api, Self::Phone, Self::Import, Self::Waitlist];

    /// The word in the database.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Staff => "STAFF",
            Self::WebWidget => "WEB_WIDGET",
            Self::Facebook => "FACEBOOK",
            Self::Api => "API",
            Self::Phone => "PHONE",
            Self::Import => "IMPORT",
            Self::Waitlist => "WAITLIST",
        }
    }

    /// The channel that the database's word names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.word() == word)
    }
}

/// How an exception changes working time.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "crate::domain::agenda::model::ExceptionKind")]
pub enum ExceptionKind {
    /// Closed for a reason of the centre's own.
    Closed,
    /// Works although it usually does not. A closure at the same time wins. Those of a whole branch are everybody's and
    /// everything's there, except of professionals who have no working hours in the branch at all.
    ExtraHours,
    /// Taken for something that is no appointment.
    Block,
    /// A day off by law or custom.
    Holiday,
}

/// What the columns of an agenda are.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "crate::domain::agenda::day::Grouping")]
pub enum AgendaGrouping {
    /// One column per professional.
    Professional,
    /// One column per room.
    Room,
}

/// Order of a list.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortDirection {
    /// Earliest first.
    Asc,
    /// Latest first.
    Desc,
}

/// A question for free slots.
#[derive(InputObject, Clone, Debug)]
pub struct AvailabilityInput {
    /// Where.
    pub branch_id: ID,
    /// What, one after the other in this order, at most ten.
    pub treatment_ids: Vec<ID>,
    /// With this professional only.
    pub professional_id: Option<ID>,
    /// In this room only.
    pub room_id: Option<ID>,
    /// When the slots may start: at most 62 days, 31 for booking pages.
    pub range: DateTimeRange,
    /// Zone of the patient. Slots always carry the branch's own time and zone, so it changes nothing in the answer.
    pub patient_time_zone: Option<TimeZone>,
    /// Most slots, 1 to 500; 200 without it.
    pub limit: Option<i32>,
}

impl AvailabilityInput {
    /// For the domain, with ids opened.
    ///
    /// # Errors
    /// NOT_FOUND for ids that are not this centre's.
    pub fn to_domain(self, ids: &GlobalIds) -> Result<availability::Input, Refusal> {
        Ok(availability::Input {
            branch: ids.decode(Kind::Branch, &self.branch_id, "branchId")?,
            treatments: ids.decode_all(Kind::Treatment, &self.treatment_ids, "treatmentIds")?,
            professional: ids.decode_opt(Kind::Resource, self.professional_id.as_ref(), "professionalId")?,
            room: ids.decode_opt(Kind::Resource, self.room_id.as_ref(), "roomId")?,
            range: range(self.range),
            limit: self.limit,
        })
    }
}

/// Which appointments; what is left out does not narrow. Give a range, a patient or since when they have changed.
#[derive(InputObject, Clone, Debug)]
pub struct AppointmentFilter {
    /// Of this branch.
    pub branch_id: Option<ID>,
    /// Of this patient.
    pub patient_id: Option<ID>,
    /// That take this professional, room or equipment, or did.
    pub resource_id: Option<ID>,
    /// In one of these states.
    pub statuses: Option<Vec<AppointmentStatus>>,
    /// Booked this way.
    pub channel: Option<BookingChannel>,
    /// That start in this range: at most 366 days, without limit for one patient.
    pub range: Option<DateTimeRange>,
    /// Changed at or after this instant, at most 366 days ago.
    pub updated_since: Option<Instant>,
}

impl AppointmentFilter {
    /// For the domain, with ids opened.
    ///
    /// # Errors
    /// NOT_FOUND for ids that are not this centre's.
    pub fn to_domain(self, ids: &GlobalIds) -> Result<list::Filter, Refusal> {
        let words = |statuses: Vec<AppointmentStatus>| {
            let word = |status| crate::domain::booking::status::AppointmentStatus::from(status).as_str();
            statuses.into_iter().map(word).collect()
        };
        Ok(list::Filter {
            branch: ids.decode_opt(Kind::Branch, self.branch_id.as_ref(), "filter.branchId")?,
            patient: ids.decode_opt(Kind::Patient, self.patient_id.as_ref(), "filter.patientId")?,
            resource: ids.decode_opt(Kind::Resource, self.resource_id.as_ref(), "filter.resourceId")?,
            statuses: self.statuses.map(words),
            channel: self.channel.map(BookingChannel::word),
            range: self.range.map(range),
            updated_since: self.updated_since.map(Instant::to_utc),
        })
    }
}

/// One reason why one resource is not available, or why there are not enough.
#[derive(SimpleObject, Clone, Debug)]
pub struct UnavailabilityReason {
    /// The professional, room or equipment; with `TOO_FEW` the branch.
    pub resource_id: ID,
    /// `OUTSIDE_SCHEDULE`, `CLOSED`, `BLOCK`, `HOLIDAY`, `BUSY`, `INACTIVE`, `NOT_IN_BRANCH`, `DOES_NOT_OFFER`, or
    /// `TOO_FEW`: the branch has fewer that could than the treatment needs, whenever it is.
    pub cause: String,
    /// The time that is taken away.
    pub range: TimeRange,
    /// The appointment or the exception that is in the way, as far as you may see it.
    pub subject_id: Option<ID>,
}

impl UnavailabilityReason {
    pub(super) fn new(reader: &Reader, zone: chrono_tz::Tz, reason: explain::Reason) -> Self {
        let kind = if reason.cause == explain::Cause::Busy { Kind::Appointment } else { Kind::ScheduleException };
        let of = if reason.cause == explain::Cause::TooFew { Kind::Branch } else { Kind::Resource };
        Self {
            resource_id: reader.ids.encode(of, reason.resource),
            cause: reason.cause.as_str().to_owned(),
            range: TimeRange::new(reason.range, zone),
            subject_id: reason.subject.map(|id| reader.ids.encode(kind, id)),
        }
    }
}

/// Answer of `upsertSchedule`.
#[derive(SimpleObject)]
pub struct UpsertSchedulePayload {
    /// The schedule as it is now.
    pub schedule: Option<Schedule>,
    /// Appointments of the coming year that lie outside of working time now, at most 500. Nothing happened to them.
    pub conflicts: Option<Vec<Appointment>>,
    /// Why it did not happen; empty: it did.
    pub user_errors: Vec<UserError>,
}

/// Answer of `addScheduleException`.
#[derive(SimpleObject)]
pub struct AddScheduleExceptionPayload {
    /// The exception.
    pub exception: Option<ScheduleException>,
    /// Appointments ahead within it that lie outside of working time now, at most 500. Nothing happened to them.
    pub conflicts: Option<Vec<Appointment>>,
    /// Why it did not happen; empty: it did.
    pub user_errors: Vec<UserError>,
}

/// Answer of `removeScheduleException`.
#[derive(SimpleObject)]
pub struct RemoveScheduleExceptionPayload {
    /// Whether it is gone now.
    pub removed: bool,
    /// Why it did not happen; empty: it did.
    pub user_errors: Vec<UserError>,
}

/// The API's form of appointments.
pub(super) fn appointments(
    reader: &Arc<Reader>,
    views: impl IntoIterator<Item = Arc<crate::domain::agenda::appointment::AppointmentView>>,
) -> Vec<Appointment> {
    views.into_iter().map(|view| Appointment::new(reader, view)).collect()
}

/// Objects of an appointment that the client asks for, so that they are read along.
pub(super) fn wanted(appointment: &Lookahead<'_>) -> Wanted {
    let items = appointment.field("items");
    Wanted {
        branches: appointment.field("branch").exists(),
        resources: appointment.field("resources").exists()
            || items.field("professional").exists()
            || items.field("room").exists(),
        treatments: items.field("treatment").exists(),
    }
}

/// The same of a page of appointments.
#[must_use]
pub fn wanted_of_page(page: &Lookahead<'_>) -> Wanted {
    let (nodes, edges) = (wanted(&page.field("nodes")), wanted(&page.field("edges").field("node")));
    Wanted {
        branches: nodes.branches || edges.branches,
        resources: nodes.resources || edges.resources,
        treatments: nodes.treatments || edges.treatments,
    }
}
