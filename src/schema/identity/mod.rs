//! Logins, sessions, the caller.

pub mod audit;
pub mod loader;
mod mutation;
mod query;
pub mod types;
pub mod user;

pub use audit::AuditQuery;
pub use mutation::IdentityMutation;
pub use query::IdentityQuery;
