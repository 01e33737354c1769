//! Background jobs as those who asked for them see them.

mod loader;
mod query;
mod subscription;
pub mod types;

pub use loader::BackgroundJobKey;
pub use query::BackgroundQuery;
pub use subscription::BackgroundSubscription;
