//! The agenda: appointments as they are read, schedules and their exceptions, free slots. Booking and moving
//! appointments is [`super::booking`]'s.

mod appointment;
mod board;
pub mod loader;
mod mutation;
mod query;
mod range;
mod schedule;
pub mod types;

pub use mutation::AgendaMutation;
pub use query::AgendaQuery;
