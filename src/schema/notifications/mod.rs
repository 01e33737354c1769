//! Mails: what was sent, what waits, what failed.

mod loader;
mod query;
pub mod types;

pub use loader::EmailsOf;
pub use query::NotificationsQuery;
