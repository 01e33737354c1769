//! The states of an appointment and who may move it between them. What is not listed here cannot happen.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::{
    auth::{Actor, ActorKind, Permission, Scope},
    domain::{refusal::Failure, time::day_of},
};

/// Where an appointment is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the API describes each")]
pub enum AppointmentStatus {
    Held,
    PendingApproval,
    Booked,
    Confirmed,
    Arrived,
    Ready,
    InProgress,
    Completed,
    NoShow,
    Cancelled,
    Expired,
    Rejected,
}

use AppointmentStatus as S;

impl AppointmentStatus {
    /// Every state.
    pub const ALL: [Self; 12] = [
        S::Held,
        S::PendingApproval,
        S::Booked,
        S::Confirmed,
        S::Arrived,
        S::Ready,
        S::InProgress,
        S::Completed,
        S::NoShow,
        S::Cancelled,
        S::Expired,
        S::Rejected,
    ];

    /// The word in the database and in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            S::Held => "HELD",
            S::PendingApproval => "PENDING_APPROVAL",
            S::Booked => "BOOKED",
            S::Confirmed => "CONFIRMED",
            S::Arrived => "ARRIVED",
            S::Ready => "READY",
            S::InProgress => "IN_PROGRESS",
            S::Completed => "COMPLETED",
            S::NoShow => "NO_SHOW",
            S::Cancelled => "CANCELLED",
            S::Expired => "EXPIRED",
            S::Rejected => "REJECTED",
        }
    }

    /// The state that the database's word names.
    ///
    /// # Errors
    /// A fault: the word is in no CHECK of ours.
    pub fn parse(word: &str) -> Result<Self, Failure> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == word)
            .ok_or_else(|| Failure::fault(format!("unknown appointment status `{word}`")))
    }

    /// Whether the appointment makes its resources busy.
    #[must_use]
    pub fn occupies(self) -> bool {
        !matches!(self, S::Cancelled | S::Expired | S::Rejected)
    }

    /// Whether somebody has said that it does not happen.
    #[must_use]
    pub fn is_called_off(self) -> bool {
        matches!(self, S::Cancelled | S::Rejected)
    }

    /// Whether it is still to happen, so that it can be moved and mailed about.
    #[must_use]
    pub fn lies_ahead(self) -> bool {
        matches!(self, S::PendingApproval | S::Booked | S::Confirmed)
    }
}

/// What a step depends on besides the state.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// Who wants it.
    pub actor: &'a Actor,
    /// The branch of the appointment.
    pub branch: uuid::Uuid,
    /// Whether the actor is a professional of this appointment.
    pub attends: bool,
    /// When it starts.
    pub start: DateTime<Utc>,
    /// On whose clock.
    pub zone: Tz,
    /// Now.
    pub now: DateTime<Utc>,
}

impl Circumstances<'_> {
    fn staff(&self) -> bool {
        self.actor.kind == ActorKind::System || self.actor.may(Permission::AgendaWrite, Scope::Branch(self.branch))
    }

    /// The professional in person, or who runs the centre.
    fn attending(&self) -> bool {
        self.attends || (self.staff() && self.actor.permissions.has(Permission::ConfigWrite))
    }

    fn patient(&self) -> bool {
        self.actor.kind == ActorKind::Patient
    }

    fn started(&self) -> bool {
        self.now >= self.start
    }

    fn day_has_come(&self) -> bool {
        day_of(self.zone, self.now) >= day_of(self.zone, self.start)
    }

    fn same_day(&self) -> bool {
        day_of(self.zone, self.now) == day_of(self.zone, self.start)
    }
}

/// Whether this actor may take this step now. Holds become appointments by booking, and expire by themselves; both are
/// no transitions.
#[must_use]
pub fn permits(from: AppointmentStatus, to: AppointmentStatus, c: &Circumstances<'_>) -> bool {
    match (from, to) {
        (S::PendingApproval, S::Booked | S::Rejected) => c.staff(),
        (S::Booked, S::Confirmed) => c.staff() || c.patient(),
        (S::Booked | S::Confirmed, S::Arrived) => c.staff() && c.day_has_come(),
        (S::Arrived, S::Ready) => c.staff(),
        (S::Arrived | S::Ready, S::InProgress) => c.attending(),
        (S::Arrived | S::Ready | S::InProgress, S::Completed) => c.staff() || c.attending(),
        (S::Booked | S::Confirmed, S::Completed | S::NoShow) => c.staff() && c.started(),
        (S::PendingApproval | S::Booked | S::Confirmed, S::Cancelled) => c.staff() || c.patient(),
        (S::Arrived, S::Cancelled) => c.staff(),
        (S::NoShow, S::Arrived) => c.staff() && c.same_day(),
        (S::Completed, S::InProgress) => c.staff() && c.actor.permissions.has(Permission::ConfigWrite),
        _ => false,
    }
}

/// Every step that this actor may take now, in the order of a visit.
#[must_use]
pub fn allowed(from: AppointmentStatus, circumstances: &Circumstances<'_>) -> Vec<AppointmentStatus> {
    AppointmentStatus::ALL.into_iter().filter(|to| permits(from, *to, circumstances)).collect()
}
