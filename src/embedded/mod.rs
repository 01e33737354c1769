//! Servers that Horae runs for itself from installed programs, so that a newcomer's first command and the test suite
//! need no service set up beforehand.
//!
//! Nothing here is used when `DATABASE_URL` names a server. What is stored in the database, and how it is reached
//! later, does not belong here.

mod account;
mod binaries;
mod cluster;
mod error;
mod postgres;
mod watchdog;

pub use error::EmbeddedError;
pub use postgres::{EmbeddedPostgres, Options};
