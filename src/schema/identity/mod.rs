//! Logins, sessions, the caller.

pub mod audit;
pub mod loader;
mod mutation;
mod query;
mod session;
pub mod types;
pub mod user;

pub use audit::AuditQuery;
pub use mutation::IdentityMutation;
pub use query::IdentityQuery;
pub use session::{SessionMutation, SessionQuery};
