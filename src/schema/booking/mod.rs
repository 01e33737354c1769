//! Holding, booking, moving and ending appointments.

pub mod input;
mod mutation;
mod query;
pub mod types;

pub use mutation::BookingMutation;
pub use query::BookingQuery;
