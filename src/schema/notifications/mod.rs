//! Mails: what was sent, what waits, what failed.

mod loader;
mod query;
pub mod types;

pub use loader::{EmailKey, EmailsOf, SuppressionKey};
pub use query::NotificationsQuery;
