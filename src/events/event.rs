//! One event as subscribers get it: parsed and loaded once per node, shared by all of them.

use std::{ops::Range, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::answers::Answers;
use crate::{
    auth::ActorKind,
    domain::{
        agenda::appointment::AppointmentView,
        background::Job,
        booking::{input::FARTHEST, status::AppointmentStatus},
        event_cursor::EventCursor,
    },
};

/// One event of a tenant's log.
#[derive(Debug)]
pub struct Event {
    /// Where it is in the log.
    pub cursor: EventCursor,
    /// The branch it happened in.
    pub branch: Option<Uuid>,
    /// Who did it.
    pub actor: EventActor,
    /// What happened, as far as streams tell it.
    pub what: What,
    /// What it has become for those who asked alike.
    pub answers: Answers,
}

/// Who did something.
#[derive(Clone, Debug)]
pub struct EventActor {
    /// What kind of caller.
    pub kind: ActorKind,
    /// User, patient or key; none for the system.
    pub id: Option<Uuid>,
    /// How to show it. A patient's name is not in it: who may see it finds it at the appointment.
    pub name: String,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum What {
    /// To an appointment.
    Appointment(Arc<AppointmentEvent>),
    /// To the hours somebody or something works, to a column of the agenda, or to the clock they go by.
    Schedule(Arc<ScheduleEvent>),
    /// To work that somebody watches: how it stands now.
    Job(Arc<Job>),
    /// Something that no stream tells.
    Other,
}

/// How an object changed. The words are the API's and the log's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the API describes each")]
pub enum ChangeKind {
    Created,
    Updated,
    StatusChanged,
    Moved,
    Deleted,
}

/// An appointment was booked, moved or went on.
#[derive(Clone, Debug)]
pub struct AppointmentEvent {
    /// How it changed.
    pub kind: ChangeKind,
    /// Whether this event is its booking.
    pub booked: bool,
    /// The state before, when it changed.
    pub previous_status: Option<AppointmentStatus>,
    /// What it takes since this event.
    pub resources: Vec<Uuid>,
    /// What it took before, when it was moved.
    pub previous: Option<Place>,
    /// The appointment of now, which may have gone on since.
    pub appointment: Arc<AppointmentView>,
}

/// What an appointment took before it was moved.
#[derive(Clone, Debug)]
pub struct Place {
    /// Everything that was busy.
    pub resources: Vec<Uuid>,
    /// From when to when.
    pub during: Range<DateTime<Utc>>,
}

/// Hours, columns or the branch's clock changed, or an appointment has left the subscriber's column: read this range again.
#[derive(Clone, Debug)]
pub struct ScheduleEvent {
    /// Whose; none: everybody's and everything's of the branch.
    pub resource: Option<Uuid>,
    /// From when to when.
    pub during: Range<DateTime<Utc>>,
    /// The branch's zone.
    pub zone: Tz,
}

/// `data` of `appointment.*`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AppointmentData {
    kind: Option<ChangeKind>,
    previous_status: Option<String>,
    resources: Option<Vec<Uuid>>,
    previous: Option<PreviousData>,
}

#[derive(Deserialize)]
struct PreviousData {
    resources: Vec<Uuid>,
    start: DateTime<Utc>,
    end: DateTime<Utc>,
}

/// `data` of `schedule.changed`. A schedule has no range of its own: it says every day from now on.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ScheduleData {
    resource_id: Option<Uuid>,
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
}

/// How far ahead a change of a weekly schedule makes screens read again.
const SCHEDULE_REACH: TimeDelta = TimeDelta::days(366);
/// How far a change of a branch's clock can move what lay ahead: the zones of the world are 26 hours apart.
const CLOCK_SHIFT: TimeDelta = TimeDelta::hours(26);

/// The name of the event that is a booking.
pub(super) const BOOKED: &str = "appointment.booked";
pub(super) const SCHEDULE_CHANGED: &str = "schedule.changed";
/// The names of the events that move everything ahead in a branch: its zone is another, or the rules of its zone are.
pub(super) const CLOCK_CHANGED: [&str; 2] = ["branch.zone_changed", "tzdata.changed"];

/// Whether this type of event is about an appointment.
pub(super) fn is_of_appointment(event_type: &str) -> bool {
    event_type.starts_with("appointment.")
}

/// Whether this type of event is about a background job.
pub(super) fn is_of_job(event_type: &str) -> bool {
    event_type.starts_with("job.")
}

/// Whether this type of event may have changed what somebody may do.
pub(super) fn is_of_rights(event_type: &str) -> bool {
    event_type == "api_key.revoked" || (event_type.starts_with("user.") && event_type != "user.login")
}

impl What {
    /// From what the log says and the appointment it is about. An event that says less than it should still reaches
    /// its subscribers.
    pub(super) fn of_appointment(event_type: &str, data: Value, appointment: Arc<AppointmentView>) -> Self {
        let data = serde_json::from_value(data).unwrap_or(AppointmentData {
            kind: None,
            previous_status: None,
            resources: None,
            previous: None,
        });
        let booked = event_type == BOOKED;
        let kind = data.kind.unwrap_or(if booked { ChangeKind::Created } else { ChangeKind::Updated });
        Self::Appointment(Arc::new(AppointmentEvent {
            kind,
            booked,
            previous_status: data.previous_status.and_then(|word| AppointmentStatus::parse(&word).ok()),
            resources: data.resources.unwrap_or_else(|| appointment.resources.clone()),
            previous: data.previous.map(|p| Place { resources: p.resources, during: p.start..p.end }),
            appointment,
        }))
    }

    /// From what the log says, and when it happened.
    pub(super) fn of_schedule(data: Value, at: DateTime<Utc>, zone: Tz) -> Self {
        match serde_json::from_value::<ScheduleData>(data) {
            Ok(data) => {
                let start = data.from.unwrap_or(at);
                let end = data.to.unwrap_or(start + SCHEDULE_REACH);
                Self::Schedule(Arc::new(ScheduleEvent { resource: data.resource_id, during: start..end, zone }))
            }
            Err(error) => {
                tracing::error!(error.detail = %error, "The log holds a schedule.changed that cannot be read");
                Self::Other
            }
        }
    }

    /// From when a branch's clock changed: every day from then on is to be read again, and the day before it, to where
    /// what was about to begin may have moved.
    pub(super) fn of_clock(at: DateTime<Utc>, zone: Tz) -> Self {
        let during = at - CLOCK_SHIFT..at + FARTHEST + CLOCK_SHIFT;
        Self::Schedule(Arc::new(ScheduleEvent { resource: None, during, zone }))
    }
}
