//! The agenda, column by column.

use std::sync::Arc;

use async_graphql::Object;
use chrono_tz::Tz;

use super::{appointment::Appointment, range::TimeRange, schedule::ScheduleException};
use crate::{
    domain::agenda::day,
    schema::{
        centre::types::{BookableResource, Branch},
        in_place::{InPlace, InPlaceList},
        request::Reader,
        scalar::EventCursor,
    },
};

/// What a branch does on some days.
pub struct Agenda {
    reader: Arc<Reader>,
    model: day::Agenda,
}

impl Agenda {
    pub(super) fn new(reader: &Arc<Reader>, model: day::Agenda) -> Self {
        Self { reader: Arc::clone(reader), model }
    }
}

/// What a branch does on some days: one column per active professional or room.
#[Object]
impl Agenda {
    /// Where.
    async fn branch(&self) -> Branch {
        Branch::new(Arc::clone(&self.reader), self.model.branch.as_ref().clone())
    }

    /// From the first instant of the first day to the end of the last.
    async fn range(&self) -> TimeRange {
        TimeRange::new(self.model.range.clone(), self.model.branch.zone)
    }

    /// One per active professional or room, by name; one more for each that is not active any more and has
    /// appointments. Who sees only the own column gets that.
    async fn columns(&self) -> Vec<AgendaColumn> {
        let zone = self.model.branch.zone;
        let column =
            |model: &day::Column| AgendaColumn { reader: Arc::clone(&self.reader), zone, model: model.clone() };
        self.model.columns.iter().map(column).collect()
    }

    /// Give it to `agendaChanged` to go on from this answer. It was read before the agenda: what happened in between may
    /// be told again, and is never missed.
    async fn cursor(&self) -> EventCursor {
        EventCursor(self.model.cursor.seal(&self.reader.cx.seal))
    }
}

/// What one resource does.
pub struct AgendaColumn {
    reader: Arc<Reader>,
    zone: Tz,
    model: day::Column,
}

/// What one professional or room does on the agenda's days.
#[Object]
impl AgendaColumn {
    /// Who or where.
    async fn resource(&self) -> BookableResource {
        BookableResource::new(Arc::clone(&self.reader), Arc::clone(&self.model.resource))
    }

    /// Appointments by start. Those that were cancelled, were rejected or ran out are left out.
    async fn appointments(&self) -> InPlaceList<InPlace<Appointment>> {
        let appointment = |view| InPlace(Appointment::new(&self.reader, view));
        InPlaceList(self.model.appointments.iter().map(appointment).collect())
    }

    /// What takes working time away: closures, blocks and holidays, of its own and of the branch.
    async fn blocks(&self) -> Vec<ScheduleException> {
        self.model.blocks.iter().map(|block| ScheduleException::new(&self.reader, block.exception.clone())).collect()
    }

    /// Working time in which it can be booked.
    async fn free(&self) -> Vec<TimeRange> {
        self.model.free.iter().map(|range| TimeRange::new(range.clone(), self.zone)).collect()
    }
}
