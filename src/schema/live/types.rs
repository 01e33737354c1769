//! What streams are made of.

use std::sync::Arc;

use async_graphql::{Enum, ID, Object, SimpleObject, Union};

use crate::{
    domain::refusal::Failure,
    events::{self, AppointmentEvent, Event, ScheduleEvent},
    schema::{
        agenda::types::{Appointment, AppointmentStatus, BookingChannel, TimeRange},
        error::ApiError,
        id::Kind,
        identity::types::{Actor, actor},
        request::Reader,
        scalar::EventCursor,
    },
};

/// The first item of every stream.
#[derive(SimpleObject, Clone, Debug)]
pub struct StreamReady {
    /// Where the stream begins: everything behind it follows. Keep it until the first event brings a newer one.
    pub cursor: EventCursor,
    /// Whether `after` was given.
    pub was_recovering: bool,
    /// Whether everything behind `after` follows. False with `wasRecovering`: a StreamReset comes next and says why.
    pub recovered: bool,
    /// How many missed events come first, at most: what the caller may no longer see is counted and does not come.
    pub replay_count: i32,
}

/// Why a stream ended.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "crate::events::ResetReason")]
pub enum ResetReason {
    /// The events behind the cursor are no longer kept.
    CursorTooOld,
    /// The centre was restored: its events have been counted anew.
    EpochChanged,
    /// The centre was moved.
    TenantMigrated,
    /// Events came faster than this socket took them. Nothing is lost: go on after `resumeAfter`.
    SlowConsumer,
    /// What you may see has changed, or the session is over. Subscribe again; events that you may still see go on after
    /// `resumeAfter`.
    PermissionsChanged,
}

/// The last item of a stream that cannot go on.
#[derive(SimpleObject, Clone, Debug)]
pub struct StreamReset {
    /// Why.
    pub reason: ResetReason,
    /// Read what you show anew, and subscribe with this as `after`.
    pub resume_after: EventCursor,
}

/// How an object changed.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "crate::events::ChangeKind")]
pub enum ChangeKind {
    /// It is new.
    Created,
    /// Something about it.
    Updated,
    /// Its state.
    StatusChanged,
    /// Its time, or who and what it takes.
    Moved,
    /// It is gone.
    Deleted,
}

/// Something happened to an appointment.
#[derive(Clone, Debug)]
pub struct AppointmentChanged {
    pub(super) reader: Arc<Reader>,
    pub(super) event: Arc<Event>,
    pub(super) change: Arc<AppointmentEvent>,
}

/// Something happened to an appointment.
#[Object]
impl AppointmentChanged {
    /// Where this event is in the centre's log.
    async fn cursor(&self) -> EventCursor {
        cursor(&self.reader, &self.event)
    }

    /// How it changed.
    async fn kind(&self) -> ChangeKind {
        self.change.kind.into()
    }

    /// The appointment as it is now, as far as you may see it.
    async fn appointment(&self) -> Appointment {
        Appointment::new(&self.reader, &self.change.appointment)
    }

    /// The state it left.
    async fn previous_status(&self) -> Option<AppointmentStatus> {
        self.change.previous_status.map(Into::into)
    }

    /// Who did it.
    async fn actor(&self) -> Actor {
        actor(&self.reader, self.event.actor.kind, self.event.actor.id, &self.event.actor.name)
    }
}

/// A part of the agenda is to be read again: working or opening hours changed, or the branch's clock and everything
/// ahead with it; a column has come, gone or got another name; or, for who sees only the own column, an appointment has
/// left it.
#[derive(Clone, Debug)]
pub struct ScheduleChanged {
    pub(super) reader: Arc<Reader>,
    pub(super) event: Arc<Event>,
    pub(super) change: Arc<ScheduleEvent>,
}

/// A part of the agenda is to be read again: working or opening hours changed, or the branch's clock and everything
/// ahead with it; a column has come, gone or got another name; or, for who sees only the own column, an appointment has
/// left it.
#[Object]
impl ScheduleChanged {
    /// Where this event is in the centre's log.
    async fn cursor(&self) -> EventCursor {
        cursor(&self.reader, &self.event)
    }

    /// Whose column. The branch's id when everybody and everything of the branch is concerned.
    async fn resource_id(&self) -> ID {
        match (self.change.resource, self.event.branch) {
            (Some(resource), _) => self.reader.ids.encode(Kind::Resource, resource),
            (None, branch) => self.reader.ids.encode(Kind::Branch, branch.unwrap_or_default()),
        }
    }

    /// From when to when. A weekly schedule counts from now on; read as much of it as you show.
    async fn range(&self) -> TimeRange {
        TimeRange::new(self.change.during.clone(), self.change.zone)
    }
}

/// Somebody booked.
#[derive(Clone, Debug)]
pub struct BookingReceived {
    pub(super) reader: Arc<Reader>,
    pub(super) event: Arc<Event>,
    pub(super) change: Arc<AppointmentEvent>,
}

/// Somebody booked.
#[Object]
impl BookingReceived {
    /// Where this event is in the centre's log.
    async fn cursor(&self) -> EventCursor {
        cursor(&self.reader, &self.event)
    }

    /// The appointment as it is now, as far as you may see it.
    async fn appointment(&self) -> Appointment {
        Appointment::new(&self.reader, &self.change.appointment)
    }

    /// How it came: a screen that rings for patients' bookings alone looks here.
    async fn channel(&self) -> Result<BookingChannel, ApiError> {
        let word = &self.change.appointment.channel;
        BookingChannel::parse(word).ok_or_else(|| Failure::fault(format!("unknown booking channel `{word}`")).into())
    }
}

/// Item of `agendaChanged`.
#[derive(Union, Clone, Debug)]
pub enum AgendaStreamEvent {
    /// The first.
    Ready(StreamReady),
    /// Something happened to an appointment.
    Appointment(AppointmentChanged),
    /// A part of the agenda is to be read again.
    Schedule(ScheduleChanged),
    /// The last.
    Reset(StreamReset),
}

/// Item of `bookingReceived`.
#[derive(Union, Clone, Debug)]
pub enum BookingStreamEvent {
    /// The first.
    Ready(StreamReady),
    /// Somebody booked.
    Booking(BookingReceived),
    /// The last.
    Reset(StreamReset),
}

impl StreamReady {
    pub(super) fn new(reader: &Reader, ready: events::Ready) -> Self {
        Self {
            cursor: EventCursor(ready.cursor.seal(&reader.cx.seal)),
            was_recovering: ready.was_recovering,
            recovered: ready.recovered,
            replay_count: i32::try_from(ready.replay_count).unwrap_or(i32::MAX),
        }
    }
}

impl StreamReset {
    pub(super) fn new(reader: &Reader, reset: events::Reset) -> Self {
        Self { reason: reset.reason.into(), resume_after: EventCursor(reset.resume_after.seal(&reader.cx.seal)) }
    }
}

fn cursor(reader: &Reader, event: &Event) -> EventCursor {
    EventCursor(event.cursor.seal(&reader.cx.seal))
}
