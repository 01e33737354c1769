//! Mails: what was sent, what waits, what failed.

mod loader;
mod mutation;
mod query;
pub mod types;

pub use loader::{EmailKey, EmailsOf, SuppressionKey};
pub use mutation::NotificationsMutation;
pub use query::NotificationsQuery;
