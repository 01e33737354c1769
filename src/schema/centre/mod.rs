//! The centre: branches, professionals, rooms, equipment, treatments, profile, time zones.
//!
//! Booking pages see branches, professionals and treatments too. What is staff's own is null or empty for them; each
//! such field says so.

mod branch;
mod input;
pub mod loader;
mod mutation;
mod payload;
mod query;
mod resource;
mod tenant;
mod treatment;
pub mod types;
mod window;
mod zone;

pub use mutation::CentreMutation;
pub use query::CentreQuery;
